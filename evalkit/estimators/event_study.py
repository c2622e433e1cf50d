"""Event study by two-way fixed effects: the effect by time since joining, common start.

    y_it = alpha_i + lambda_t + sum_{k != -1} delta_k 1{i joined and t - g = k} + e_it

g is the period in which the units joined, k the periods since. The reference is the last analysed
period before joining (k = -1 unless that is excluded), where delta is zero by definition.
delta_k before joining should be near zero; after joining it is the effect k periods on, in the
outcome's unit. Staggered starts are refused unless the protocol asks for the comparison.

Assumes parallel trends between joined and comparison units.

Source: Sun and Abraham (2021), J Econometrics 225:175, on what it means under staggered starts.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from evalkit import inference, periods
from evalkit.errors import DesignError
from evalkit.estimate import EVENTS, Estimate, framed
from evalkit.estimators._common import exposure, identity, size
from evalkit.estimators._twoway import ASSUMPTION, TwoWay, counts, regress, require_comparison
from evalkit.panel import Panel

TITLE = "Event study, two-way fixed effects"


def fit(panel: Panel) -> Estimate:
    """Effects by time since joining. Raises DesignError when not identified."""
    options = panel.study.protocol.model.event_study
    warnings = require_comparison(panel, "event_study", allow_staggered=options.allow_staggered)
    rows = panel.rows[panel.rows["phase"].ne("excluded")]
    since = _since(panel, rows)
    before = since[since < 0]
    if before.size == 0:
        raise DesignError("no analysed period before joining", panel.study.slug, "widen `window`")
    reference = before.max()
    times = np.unique(since[~np.isnan(since)])
    times = times[times != reference]
    X = pd.DataFrame({int(k): (since == k).astype(float) for k in times}, index=rows.index)
    result = regress(panel, rows, X)
    events = _events(panel, X, result)
    terms, more = _terms(panel, rows, events, result, _name(warnings))
    return Estimate(
        **identity(panel, "event_study", TITLE),  # type: ignore[arg-type]
        estimand=f"{_name(warnings)}, mean over the analysed periods since joining",
        assumption=ASSUMPTION,
        terms=pd.DataFrame(terms),
        counts=counts(panel, rows, result),
        method=(
            f"Two-way fixed effects with one term for each {panel.study.frequency} since joining, reference "
            f"{int(reference)}, standard errors clustered on {result.clusters} clusters, Student t on "
            f"{result.df} degrees of freedom."
        ),
        events=events,
        covariance=result.covariance,
        exposure=exposure(panel),
        comparison_only=bool(warnings),
        warnings=(*warnings, *more),
    )


def _name(warnings: list[str]) -> str:
    """What the headline is: an effect only when all units joined at once."""
    return "mean two-way coefficient, not an effect" if warnings else "average effect on the joined (ATT)"


def _since(panel: Panel, rows: pd.DataFrame) -> np.ndarray:
    """Periods since joining of each row, NaN in units that never joined."""
    joined = rows["cohort"].notna().to_numpy()
    since = np.full(len(rows), np.nan)
    since[joined] = rows["t"].to_numpy()[joined] - panel.study.time(rows.loc[joined, "cohort"])
    return since


def _events(panel: Panel, X: pd.DataFrame, result: TwoWay) -> pd.DataFrame:
    level = panel.study.protocol.level
    out = []
    for i, (k, column) in enumerate(X.items()):
        error = float(max(result.covariance[i, i], 0.0)) ** 0.5
        row = inference.term(f"effect at {k}", result.beta[i], error, result.df, level, scale=size(panel))
        out.append({**row, "event_time": k, "phase": _phase(panel, k), "units": int(column.sum())})
    return framed(out, EVENTS)


def _phase(panel: Panel, k: int) -> str:
    """The phase of the joined units k periods after joining; they joined together or are shown alike."""
    first = panel.cohorts[0]
    return panel.study.phase(first, first + k)


def _terms(
    panel: Panel, rows: pd.DataFrame, events: pd.DataFrame, result: TwoWay, name: str
) -> tuple[list[dict[str, Any]], list[str]]:
    study, level, scale = panel.study, panel.study.protocol.level, size(panel)
    times = events["event_time"].to_numpy()
    analysed = np.unique(_since(panel, rows)[rows["phase"].eq("post").to_numpy()])
    after = np.isin(times, analysed)
    if not after.any():
        raise DesignError("no analysed period after joining", study.slug, "shorten `transition` or widen `window`")
    mean, error = inference.contrast(result.beta, result.covariance, after / after.sum())
    terms = [inference.term(name, mean, error, result.df, level, scale=scale)]
    warnings = []
    for horizon in study.protocol.horizons:
        horizon_name = f"effect {horizon} {periods.noun(study.frequency, horizon)} after joining"
        here = after & (times == horizon)
        if here.any():
            mean, error = inference.contrast(result.beta, result.covariance, here.astype(float))
            terms.append(inference.term(horizon_name, mean, error, result.df, level, scale=scale))
        else:
            warnings.append(f"The {horizon_name} is not in an analysed period and is not given.")
    return terms, warnings
