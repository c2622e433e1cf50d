"""Could the model have foretold the last part of the period before the start?

The last year before the start (the last three periods where fewer than two years would be left) is held
out, its course is forecast from what came earlier, and set against what was seen. The forecast has the
columns of the main analysis and AR(1) errors, in the unit of report whatever the scale of the main model.

One period held out is one column more, 1 in it and else 0: with y = Xb + Dd + u, d is exactly the error of
the best linear forecast of each, and its covariance that of the forecast, noise of the new points included
(Salkever 1976, J Econometrics 4:393). One fit by restricted maximum likelihood then gives errors, prediction
limits and their mean with an interval, and rho comes from the earlier part alone.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats

from evalkit import numbers, periods
from evalkit.checks._its import Before, before, excludes_zero, labelled, not_applicable, not_plain, plain, told
from evalkit.errors import DesignError
from evalkit.estimate import Check, Estimate, Refusal
from evalkit.estimators._its import ar1
from evalkit.panel import Panel

NAME = "forecast_error"
QUESTION = "Could the model have foretold the last periods before the start?"
YEARS_LEFT = 2  # years of periods that must be left for a whole year to be held out
SHORT_HOLD = 3
COLUMNS = ["period", "observed", "forecast", "low", "high", "held_out"]


def check(panel: Panel, estimate: Estimate | Refusal) -> Check:
    """Concern when the forecast missed by as much as the effect, or clearly missed.

    Concern when the interval of the mean error excludes zero, or when the mean error is at least as large
    as the reported effect while that effect's interval excludes zero; inconclusive when it is as large and
    the effect's interval holds zero. `value` is the mean error, observed less forecast. `data`: period,
    observed, forecast (before the hold-out the fitted course), low, high (prediction limits), held_out.
    """
    if not plain(estimate):
        return not_plain(NAME, QUESTION, estimate)
    try:
        known = before(panel)
        out = _held_out(known, periods.PER_YEAR[panel.study.frequency])
        data, bias, error, df = _forecast(known, out, estimate.level)
        data = labelled(data, estimate)
    except DesignError as refusal:
        return not_applicable(NAME, QUESTION, f"It cannot be asked: {refusal.faults[0].what}.", estimate.design)
    reach = float(stats.t.ppf(0.5 + estimate.level / 2, df)) * error
    span = {"low": bias - reach, "high": bias + reach}
    facts = _facts(estimate, data, bias, span)
    large = abs(bias) >= abs(float(estimate.headline["estimate"]))
    if excludes_zero(span):
        reading = f"{facts} The course had already left its earlier path before the start."
        return Check(NAME, QUESTION, "concern", reading, bias, estimate.design, data)
    if large:
        verdict = "concern" if excludes_zero(estimate.headline) else "inconclusive"
        reading = f"{facts} That is as large as the reported effect, {told(estimate)}."
        return Check(NAME, QUESTION, verdict, reading, bias, estimate.design, data)  # type: ignore[arg-type]
    reading = f"{facts} That is smaller than the reported effect, {told(estimate)}."
    return Check(NAME, QUESTION, "reassuring", reading, bias, estimate.design, data)


def _held_out(known: Before, year: int) -> np.ndarray:
    """Which periods before the start are held out: its last year, or its last three periods; booleans, shape (n,)."""
    last_year = known.t > known.t[-1] - year
    if int((~last_year).sum()) >= YEARS_LEFT * year:
        return last_year
    return np.arange(len(known.t)) >= len(known.t) - SHORT_HOLD


def _forecast(known: Before, out: np.ndarray, level: float) -> tuple[pd.DataFrame, float, float, float]:
    """The figure's data, and the mean error with its standard error and degrees of freedom."""
    if np.linalg.matrix_rank(known.X[~out]) < known.X.shape[1]:
        raise DesignError("what is left before the part held out cannot tell the terms of the model from each other")
    alone = np.eye(len(known.t))[:, out]
    fit = ar1.fit(np.hstack([known.X, alone]), known.y, known.t)
    k, h = known.X.shape[1], int(out.sum())
    picks = np.hstack([np.zeros((h, k)), np.eye(h)])
    errors, sizes, dfs = fit.contrasts(picks)
    mean, size, df = fit.contrast(picks.mean(axis=0))
    course = known.X @ fit.beta[:k]
    course[out] = known.y[out] - errors
    reach = np.full(len(course), np.nan)
    reach[out] = stats.t.ppf(0.5 + level / 2, dfs) * sizes
    columns = (known.window, known.y, course, course - reach, course + reach, out)
    return pd.DataFrame(dict(zip(COLUMNS, columns, strict=True))), mean, size, df


def _facts(estimate: Estimate, data: pd.DataFrame, bias: float, span: dict[str, float]) -> str:
    held = data[data["held_out"]]
    missed = held["observed"] - held["forecast"]
    root = float(np.sqrt((missed**2).mean()))
    level = abs(float(held["observed"].mean()))
    inside = int(held["observed"].between(held["low"], held["high"]).sum())
    places = numbers.decimals_for([float(estimate.headline["std_error"])])
    ends = numbers.interval(span["low"], span["high"], places)
    share = f", {numbers.number(100 * root / level, 1)}% of its level" if level else ""
    first, last = periods.say(held["period"].iloc[0]), periods.say(held["period"].iloc[-1])
    return (
        f"Held out, {first} to {last} lay on average {numbers.signed(bias, places)} {estimate.unit} from its "
        f"forecast ({numbers.per_cent(estimate.level)} interval {ends}); the "
        f"root mean square error was {numbers.number(root, places)}{share}. {inside} of {len(held)} points lay "
        f"within their {numbers.per_cent(estimate.level)} prediction limits."
    )
