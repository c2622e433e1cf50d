"""Does the error model account for the likeness of successive periods?

Looked at are the innovations e_t, what the error model leaves unexplained, standardised: white if it
holds. Pairs are periods exactly h apart in the calendar, so gaps stay gaps; with m_h such pairs, n
innovations, mean 0 after centring,

    r_h = (sum e_t e_{t-h} / m_h) / (sum e_t^2 / n),    Q = (n+2)/n sum_{h=1..H} m_h r_h^2,

which is the Ljung-Box statistic where nothing is missing. Q is chi-squared on H less the number of error
parameters that were fitted, in long series. In short ones the terms of the model alone make innovations
depend on each other: with 24 months and two harmonic pairs that reference raises a false alarm three
times in ten. Given the panel, the reference is therefore Q in series drawn from the fitted error model and
fitted anew (parametric bootstrap), for the default engine and those that take periods as independent.

Sources: Ljung and Box (1978), Biometrika 65:297; Stoffer and Toloi (1992), Statistics and Probability
Letters 13:391 (missing observations); Lin and McLeod (2006), Comput Stat Data Anal 51:1731 (Monte Carlo reference).
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats

from evalkit import numbers, periods
from evalkit.checks._its import fitted, labelled, not_applicable, nothing
from evalkit.estimate import Check, Estimate, Refusal
from evalkit.estimators._its import ar1
from evalkit.estimators._its._pairs import whiten
from evalkit.estimators._its.design import build
from evalkit.estimators._its.series import joint_series
from evalkit.panel import Panel

NAME = "autocorrelation"
QUESTION = "Does the model account for the likeness of successive periods?"
LAGS = 12
SHORTEST = 12  # innovations below this many say nothing on autocorrelation
FEWEST_PAIRS = 4
ALPHA = 0.05
HIGHEST, LOWEST = 0.98, -0.9  # between these the default engine looks for rho
CLOSE = 1e-6
DRAWS, SEED = 999, 20240401
INDEPENDENT = ("ols", "newey_west", "robust", "model")


def check(estimate: Estimate | Refusal, panel: Panel | None = None) -> Check:
    """Concern when innovations are autocorrelated at the 5% level, or rho stands at a bound.

    panel  what was analysed, for a reference that holds in short series too; without it chi-squared is used
    `value` is rho where a bound decided, else the p-value. `data`: lag, acf, band (its 95% limit), pairs.
    """
    if isinstance(estimate, Refusal) or not fitted(estimate):
        return nothing(NAME, QUESTION, estimate)
    t, innovations = of_path(estimate)
    spent = error_parameters(estimate.diagnostics)
    lags = min(LAGS, len(t) // 4)
    if len(t) < SHORTEST or lags <= spent:
        reading = f"{numbers.of(len(t), 'period')} are too few to look for autocorrelation."
        return not_applicable(NAME, QUESTION, reading, estimate.design)
    data = labelled(correlations(t, innovations, LAGS), estimate)
    tested = data[data["lag"] <= lags]
    statistic = float(portmanteau(t, innovations[None], lags)[0])
    p_value = float(stats.chi2.sf(statistic, len(tested) - spent))
    drawn = None if panel is None else reference(panel, estimate, lags)
    if drawn is not None:
        p_value = float((1 + (drawn >= statistic).sum()) / (1 + len(drawn)))
    how = "Ljung-Box test" if drawn is None else "Ljung-Box test by simulation"
    facts = (
        f"First-order autocorrelation of what the model leaves unexplained {numbers.number(data['acf'].iloc[0], 2)}; "
        f"{how} over {numbers.of(len(tested), 'lag')} {numbers.p_text(p_value)}.{_rho(estimate)}"
    )
    bound = _at_bound(estimate.diagnostics)
    if bound:
        rho = estimate.diagnostics["rho"]
        return Check(NAME, QUESTION, "concern", f"{facts} {bound}", rho, estimate.design, data)
    if p_value < ALPHA:
        reading = f"{facts} {_consequence(estimate, spent)}"
        return Check(NAME, QUESTION, "concern", reading, p_value, estimate.design, data)
    return Check(NAME, QUESTION, "reassuring", facts, p_value, estimate.design, data)


def of_path(estimate: Estimate) -> tuple[np.ndarray, np.ndarray]:
    """Calendar positions and innovations of the periods that have one, shape (n,)."""
    there = estimate.path[estimate.path["innovation"].notna()]
    return periods.ordinals(pd.PeriodIndex(there["period"])).astype(int), there["innovation"].to_numpy(float)


def correlations(t: np.ndarray, innovations: np.ndarray, most: int) -> pd.DataFrame:
    """r_h at lags 1 to `most` over calendar distances, lags with fewer than 4 pairs left out.

    t  calendar positions, shape (n,). Columns lag, acf, band (1.96 / sqrt(m_h)), pairs.
    """
    grid = np.full(int(t[-1] - t[0]) + 1, np.nan)
    grid[t - t[0]] = innovations - innovations.mean()
    size = float(np.nanmean(grid**2))
    rows = []
    for lag in range(1, min(most, len(grid) - 1) + 1):
        products = grid[lag:] * grid[:-lag]
        pairs = int(np.isfinite(products).sum())
        if pairs >= FEWEST_PAIRS:
            band = stats.norm.ppf(1 - ALPHA / 2) / np.sqrt(pairs)
            acf = float(np.clip(np.nanmean(products) / size, -1.0, 1.0))  # few pairs can average past one
            rows.append((lag, acf, float(band), pairs))
    return pd.DataFrame(rows, columns=["lag", "acf", "band", "pairs"])


def portmanteau(t: np.ndarray, innovations: np.ndarray, lags: int) -> np.ndarray:
    """Q of many series at the same positions; t shape (n,), innovations (s, n); shape (s,)."""
    n = len(t)
    grid = np.zeros((len(innovations), int(t[-1] - t[0]) + 1))
    there = np.zeros(grid.shape[1])
    grid[:, t - t[0]] = innovations - innovations.mean(axis=1, keepdims=True)
    there[t - t[0]] = 1.0
    size = (grid**2).sum(axis=1) / n
    out = np.zeros(len(innovations))
    for lag in range(1, lags + 1):
        pairs = float(there[lag:] @ there[:-lag])
        if pairs >= FEWEST_PAIRS:
            out += ((grid[:, lag:] * grid[:, :-lag]).sum(axis=1) / size) ** 2 / pairs
    return (n + 2) / n * out


def reference(panel: Panel, estimate: Estimate, lags: int) -> np.ndarray | None:
    """Q where the error model holds, shape (draws,); None for an engine that cannot be drawn from here.

    Series are drawn with the fitted rho at the analysed positions, fitted with the same columns (rho anew),
    and whitened; weights of count models are left out.
    """
    errors = panel.study.protocol.model.its.errors
    design = build(panel.study, joint_series(panel))
    X, t = design.analysed, design.series.t[design.series.used]
    if len(X) != int(estimate.path["innovation"].notna().sum()):
        return None
    shocks = np.random.default_rng(SEED).standard_normal((DRAWS, len(t)))
    rho = estimate.diagnostics.get("rho")
    if errors == "ar1" and rho is not None:
        for i, step in enumerate(np.diff(t), 1):
            shocks[:, i] = rho**step * shocks[:, i - 1] + np.sqrt(1 - rho ** (2 * step)) * shocks[:, i]
        many = ar1.fit_many(X, shocks, t, guarded=False)
        residuals = (shocks - many.beta @ X.T)[:, :, None]
        return portmanteau(t, whiten(residuals, many.rho, t)[:, :, 0], lags)
    if rho is None and errors in (*INDEPENDENT, "ar1"):
        basis, _ = np.linalg.qr(X)
        return portmanteau(t, shocks - shocks @ basis @ basis.T, lags)
    return None


def error_parameters(diagnostics: dict[str, float]) -> int:
    """How many parameters of the correlation of the errors were estimated."""
    if {"phi", "theta"} <= set(diagnostics) or {"phi1", "phi2"} <= set(diagnostics):
        return 2
    if "rho" in diagnostics or "level_share" in diagnostics:
        return 1
    return sum(name.startswith(("ar.L", "ma.L")) for name in diagnostics)


def _rho(estimate: Estimate) -> str:
    """rho with its interval, where the engine gives one."""
    found = estimate.diagnostics
    if "rho" not in found:
        return ""
    text = f" Autocorrelation of the errors {numbers.number(found['rho'], 2)}"
    if not {"rho_low", "rho_high"} <= set(found):
        return f"{text}."
    span = numbers.interval(found["rho_low"], found["rho_high"], 2)
    text += f" ({numbers.per_cent(estimate.level)} interval {span})"
    if found["rho_high"] >= HIGHEST - CLOSE and not _at_bound(found):
        text += "; the interval reaches the highest value allowed, so the series may be close to a random walk"
    return f"{text}."


def _at_bound(diagnostics: dict[str, float]) -> str:
    """What to say of rho at a bound, blank when it is at none."""
    rho = diagnostics.get("rho", 0.0)
    if rho >= HIGHEST - CLOSE:
        return (
            f"It stands at its upper bound of {HIGHEST}: the series is close to a random walk, so how its earlier "
            "course would have carried on is doubtful, and no interval here can be relied on."
        )
    if rho <= LOWEST + CLOSE:
        return f"It stands at its lower bound of {LOWEST}: successive periods alternate; look at the data first."
    return ""


def _consequence(estimate: Estimate, spent: int) -> str:
    if spent:
        return "The error model does not describe all of it, and the intervals may be too narrow."
    if "lags" in estimate.diagnostics:
        return "The intervals allow for it in part at most, and may be too narrow."
    return "The intervals take successive periods as independent, and may be too narrow."
