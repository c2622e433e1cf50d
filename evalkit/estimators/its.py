"""Interrupted time series by segmented regression.

    y_t = a + b t + L post_t + S since_t + season_t + e_t

y_t is the outcome of all joined units taken together (sum of numerators over sum of
denominators); t is calendar time in periods; post_t is 1 from the first analysed period after
joining; since_t counts periods from there (0 in that period). L is the level change in that
period, S the change in slope per period, both in the outcome's unit. While waves are joining,
and in declared transitions and exclusions, a period is neither before nor after; it is left
out, and the calendar keeps its gap.

Fitted by ordinary least squares (statsmodels) with Newey-West standard errors over calendar
time, factor n/(n-k), Student t on n-k degrees of freedom.

Assumes that without the intervention level, trend and season would have carried on.

Sources: Lopez Bernal, Cummins and Gasparrini (2017), Int J Epidemiol 46:348; Newey and West
(1987), Econometrica 55:703.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import statsmodels.api as sm
from scipy import stats

from evalkit import inference, periods
from evalkit.columns import harmonics, segments
from evalkit.errors import DesignError
from evalkit.estimate import PATH, Estimate
from evalkit.estimators._common import exposure, identity, size
from evalkit.panel import Panel

TITLE = "Interrupted time series"
SIDE = 8  # fewest analysed periods on either side of the start
FEW = 100  # Newey-West intervals are too narrow below this many periods
YEARS_FOR_SEASON = 2
EFFECT = ["level_change", "slope_change"]


@dataclass(frozen=True, eq=False)
class Fitted:
    """A fitted segmented regression: columns X, coefficients, covariance, residual df and lags."""

    X: pd.DataFrame
    beta: np.ndarray
    covariance: np.ndarray
    df: int
    lags: int

    def effect_at(self, since: np.ndarray) -> np.ndarray:
        """Weights on the coefficients of the mean effect over the given periods since the start."""
        weights = pd.Series(0.0, self.X.columns)
        weights[EFFECT] = [1.0, float(np.mean(since))]
        return weights.to_numpy()


def fit(panel: Panel) -> Estimate:
    """Change in the joined units' own course. Raises DesignError when it cannot be identified."""
    series = joint_series(panel)
    used = series[series["phase"].isin(["pre", "post"]) & series["value"].notna()]
    post = used["phase"].eq("post").to_numpy()
    _require_enough(panel, post)
    fitted = _regress(panel, used, post)
    terms, warnings = _terms(panel, fitted, used[post])
    counts = {
        "joined units": len(panel.joined),
        "periods before": int((~post).sum()),
        "periods after": int(post.sum()),
        "periods left out": len(series) - len(used),
    }
    return Estimate(
        **identity(panel, "its", TITLE),  # type: ignore[arg-type]
        estimand="average effect on the joined units over the analysed periods after joining",
        assumption="Without the collaborative, the joined units' level, trend and season would have carried on.",
        terms=pd.DataFrame(terms),
        counts=counts,
        method=_method(panel, fitted),
        path=_path(panel, series, used, fitted),
        exposure=exposure(panel, used.loc[post, "t"].to_numpy()),
        warnings=(*warnings, *_warnings(panel, series, len(used), fitted.lags)),
    )


def joint_series(panel: Panel) -> pd.DataFrame:
    """The joined units as one series over the window, with its phase.

    A period is `pre` while no unit has joined, `post` once every unit is past its transition,
    `excluded` where the protocol excludes it, and `transition` in between. Columns value, numerator,
    denominator, units, phase, t; index period.
    """
    study, joined = panel.study, panel.joined
    if joined.empty:
        raise DesignError("no unit joined, so there is no start to look at", fix="give joining dates in the rollout")
    cohort = panel.units.loc[joined, "cohort"]
    window = study.window
    phases = study.phases(
        pd.Series(np.repeat(cohort.to_numpy(), len(window))).astype(window.dtype),
        pd.Series(np.tile(window.to_numpy(), len(cohort))).astype(window.dtype),
    ).reshape(len(cohort), len(window))
    same = (phases == phases[0]).all(axis=0)
    out = panel.over(joined).reindex(window)
    return out.assign(phase=np.where(same, phases[0], "transition"), t=study.time(window))


def _require_enough(panel: Panel, post: np.ndarray) -> None:
    before, after = int((~post).sum()), int(post.sum())
    if min(before, after) >= SIDE:
        return
    noun = periods.noun(panel.study.frequency, 2)
    waves = " the last wave's transition" if panel.staggered else " joining"
    raise DesignError(
        f"{before} analysed {noun} before joining and {after} after{waves}; a slope change needs {SIDE} a side",
        panel.study.slug,
        "widen `window`, shorten `transition`, or drop an exclusion",
    )


def _regress(panel: Panel, used: pd.DataFrame, post: np.ndarray) -> Fitted:
    options = panel.study.protocol.model.its
    t = used["t"].to_numpy()
    X = segments(t, post).join(harmonics(used.index, _pairs(panel, t)))
    n, k = X.shape
    if n <= k + 1:
        raise DesignError(f"{k} terms and only {n} periods", panel.study.slug, "use fewer seasonal terms")
    if np.linalg.matrix_rank(X.to_numpy()) < k:
        raise DesignError(
            "the analysed periods cannot tell the seasonal terms from each other or from the trend",
            panel.study.slug,
            "use fewer `season` harmonics, or exclude less",
        )
    y = used["value"].to_numpy()
    model = sm.OLS(y, X.to_numpy()).fit()
    if float(np.sqrt(model.ssr)) <= inference.ROUNDING * float(np.linalg.norm(y)):
        raise DesignError("the series does not vary around its fitted course", panel.study.slug, "check the outcome")
    lags = inference.default_lags(n) if options.lags is None else options.lags
    if options.errors == "ols":
        return Fitted(X, model.params, model.cov_params(), n - k, 0)
    covariance = inference.newey_west(X.to_numpy(), model.resid, t, lags)
    return Fitted(X, model.params, covariance, n - k, lags)


def _pairs(panel: Panel, t: np.ndarray) -> int:
    season = panel.study.protocol.model.its.season
    if season is not None:
        return season.harmonics
    years = (t.max() - t.min() + 1) / periods.PER_YEAR[panel.study.frequency]
    return 2 if years >= YEARS_FOR_SEASON else 0


def _terms(panel: Panel, fitted: Fitted, after: pd.DataFrame) -> tuple[list[dict[str, Any]], list[str]]:
    """The reported quantities, and a warning for each horizon that lies outside the data."""
    level = panel.study.protocol.level
    noun = panel.study.frequency
    since = after["t"].to_numpy() - after["t"].min()
    joined_at = int(panel.study.time(panel.units["cohort"].dropna()).max())
    wanted: dict[str, np.ndarray] = {"average effect after joining": fitted.effect_at(since)}
    level_change, slope_change = (np.array([float(c == name) for c in fitted.X]) for name in EFFECT)
    wanted |= {"level change": level_change, f"slope change per {noun}": slope_change}
    warnings = []
    whose = "the last wave joined" if panel.staggered else "joining"
    for horizon in panel.study.protocol.horizons:
        name = f"effect {horizon} {periods.noun(noun, horizon)} after {whose}"
        distance = joined_at + horizon - after["t"].min()
        if distance in since:
            wanted[name] = fitted.effect_at(np.array([distance]))
        else:
            warnings.append(f"The {name} is not in an analysed period and is not given.")
    rows = []
    for name, weights in wanted.items():
        estimate, error = inference.contrast(fitted.beta, fitted.covariance, weights)
        rows.append(inference.term(name, estimate, error, fitted.df, level, scale=size(panel)))
    return rows, warnings


def _path(panel: Panel, series: pd.DataFrame, used: pd.DataFrame, fitted: Fitted) -> pd.DataFrame:
    """Observed, fitted and counterfactual course, with a band for the mean counterfactual."""
    X = fitted.X.set_index(used.index)
    without = X.assign(level_change=0.0, slope_change=0.0).to_numpy()
    spread = np.sqrt(np.einsum("ij,jk,ik->i", without, fitted.covariance, without))
    reach = stats.t.ppf(0.5 + panel.study.protocol.level / 2, fitted.df) * spread
    counterfactual = without @ fitted.beta
    lines = pd.DataFrame(
        {
            "fitted": X.to_numpy() @ fitted.beta,
            "counterfactual": counterfactual,
            "low": counterfactual - reach,
            "high": counterfactual + reach,
        },
        index=used.index,
    )
    out = series[["phase", "value"]].rename(columns={"value": "observed"}).join(lines)
    out.loc[out["phase"].ne("post"), ["counterfactual", "low", "high"]] = np.nan
    return out.rename_axis("period").reset_index()[PATH]


def _method(panel: Panel, fitted: Fitted) -> str:
    options = panel.study.protocol.model.its
    pairs = sum(c.startswith(("sin", "cos")) for c in fitted.X)
    season = f" with {pairs} seasonal terms" if pairs else " without seasonal terms"
    errors = (
        "ordinary least-squares standard errors, which ignore autocorrelation"
        if options.errors == "ols"
        else f"Newey-West standard errors over calendar time ({fitted.lags} lags, factor n/(n-k))"
    )
    whole = "the joined units taken together"
    return f"Segmented regression of {whole}{season}, {errors}, Student t on {fitted.df} degrees of freedom."


def _warnings(panel: Panel, series: pd.DataFrame, n: int, lags: int) -> list[str]:
    out = []
    if n < FEW and lags:
        out.append(f"Newey-West intervals are known to be too narrow on series as short as {n} points.")
    units = series["units"].fillna(0)
    short = int((units < len(panel.joined)).sum())
    if short:
        out.append(f"In {short} of {len(series)} periods not every joined unit reported.")
    if panel.staggered:
        out.append("Units joined in waves: periods between the first wave and the last count as neither.")
    return out
