"""Does the error model account for the likeness of successive periods?

Looked at are the innovations e_t, what the error model leaves unexplained, standardised: white if it
holds. Pairs are periods exactly h apart in the calendar, so gaps stay gaps; with m_h such pairs, n
innovations, mean 0 after centring,

    r_h = (sum e_t e_{t-h} / m_h) / (sum e_t^2 / n),    Q = (n+2)/n sum_{h=1..H} m_h r_h^2,

which is the Ljung-Box statistic where nothing is missing. Q is chi-squared on H less the number of error
parameters that were fitted. Sources: Ljung and Box (1978), Biometrika 65:297; Stoffer and Toloi (1992),
Statistics and Probability Letters 13:391 (missing observations).
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats

from evalkit import numbers, periods
from evalkit.checks._its import fitted, labelled, not_applicable, nothing
from evalkit.estimate import Check, Estimate, Refusal

NAME = "autocorrelation"
QUESTION = "Does the model account for the likeness of successive periods?"
LAGS = 12
SHORTEST = 12  # innovations below this many say nothing on autocorrelation
FEWEST_PAIRS = 4
ALPHA = 0.05
HIGHEST, LOWEST = 0.98, -0.9  # between these the default engine looks for rho
CLOSE = 1e-6


def check(estimate: Estimate | Refusal) -> Check:
    """Concern when innovations are autocorrelated at the 5% level, or rho stands at a bound.

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
    n = len(t)
    statistic = float((n + 2) / n * (tested["pairs"] * tested["acf"] ** 2).sum())
    p_value = float(stats.chi2.sf(statistic, len(tested) - spent))
    facts = (
        f"First-order autocorrelation of what the model leaves unexplained {numbers.number(data['acf'].iloc[0], 2)}; "
        f"Ljung-Box test over {numbers.of(len(tested), 'lag')} {numbers.p_text(p_value)}.{_rho(estimate)}"
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
            rows.append((lag, float(np.nanmean(products)) / size, float(band), pairs))
    return pd.DataFrame(rows, columns=["lag", "acf", "band", "pairs"])


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
