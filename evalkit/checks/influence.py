"""Does the answer hang on a single period?

Each analysed period is left out in turn, its place in the calendar kept as a gap, and the same model fitted
again, rho included; the units of a plain interrupted time series stay those of the main analysis. The change of the
headline is given in units of its standard error. Seasonal terms stay those of the main analysis, and a side that
falls from 8 periods to 7 keeps its change of slope.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from evalkit import estimators, numbers, periods
from evalkit.checks import _changed
from evalkit.checks._its import OWN, excludes_zero, fitted, labelled, not_applicable, nothing, sentence, told
from evalkit.checks._moved import LARGE, moved
from evalkit.errors import DesignError
from evalkit.estimate import Check, Estimate, Refusal
from evalkit.estimators._its.brief import without_each
from evalkit.panel import Panel

NAME = "influence"
QUESTION = "Does the answer hang on a single period?"
NAMED = 3
COLUMNS = ["period", "estimate", "low", "high", "change"]


def check(panel: Panel, estimate: Estimate | Refusal) -> Check:
    """Concern when leaving one period out changes the answer.

    Concern when, with any one period left out, the estimate moves by more than one standard error, or by
    half of one with its interval moving onto or off zero; inconclusive when a smaller move takes the interval
    onto or off zero (it was at the border anyway), its sign changes, or a period cannot be left out. `value`
    is the largest change in standard errors, with its sign. `data`: period, estimate, low,
    high, change.
    """
    if isinstance(estimate, Refusal) or not fitted(estimate):
        return nothing(NAME, QUESTION, estimate)
    data, refusals = _run(panel, estimate)
    if data.empty:
        return not_applicable(NAME, QUESTION, f"No period can be left out: {sentence(refusals[0])}.", estimate.design)
    head = estimate.headline
    move = moved(data, head)
    value = move.value
    facts = _facts(estimate, data.loc[move.order[:NAMED]], refusals)
    if move.large or len(move.flipped):
        reading = f"{facts} {_why(head, value, move.flipped)}"
        return Check(NAME, QUESTION, "concern", reading, value, estimate.design, data)
    if len(move.border):
        doubt = f" The interval ends so near to zero that leaving out {_which(move.border)} takes it across."
        return Check(NAME, QUESTION, "inconclusive", facts + doubt, value, estimate.design, data)
    if len(move.turned) or refusals:
        doubt = (
            f" Leaving out {'' if len(move.turned) == 1 else 'any one of '}{_which(move.turned)} turns its sign."
            if len(move.turned)
            else ""
        )
        return Check(NAME, QUESTION, "inconclusive", facts + doubt, value, estimate.design, data)
    return Check(NAME, QUESTION, "reassuring", f"{facts} None changes the answer.", value, estimate.design, data)


def _run(panel: Panel, estimate: Estimate) -> tuple[pd.DataFrame, list[Refusal | DesignError]]:
    """The estimate without each analysed period, columns `COLUMNS`, and the refusals."""
    kept = _changed.with_fixed_season(_changed.needed(panel, estimate.design))
    kept = _changed.with_options(kept, allow_short=True)
    analysed = estimate.path.loc[
        estimate.path["phase"].isin(["pre", "post"]) & estimate.path["observed"].notna(), "period"
    ]
    head = estimate.headline
    rows, refusals = [], []
    for period, again in _refits(kept, estimate.design, analysed):
        if isinstance(again, Refusal | DesignError):
            refusals.append(again)
            continue
        change = (again["estimate"] - head["estimate"]) / head["std_error"]
        rows.append((period, again["estimate"], again["low"], again["high"], change))
    return labelled(pd.DataFrame(rows, columns=COLUMNS), estimate), refusals


def _refits(
    panel: Panel, design: str, analysed: pd.Series
) -> Iterator[tuple[pd.Period, dict[str, Any] | Refusal | DesignError]]:
    """The headline without each analysed period, or why there is none."""
    if design == OWN:
        yield from without_each(panel)
        return
    for period in analysed:
        yield period, estimators.headline(design, _changed.without_periods(panel, pd.PeriodIndex([period])))


def _which(rows: pd.DataFrame) -> str:
    return periods.runs(rows["period"])


def _facts(estimate: Estimate, top: pd.DataFrame, refusals: list[Refusal | DesignError]) -> str:
    places = numbers.decimals_for([float(estimate.headline["std_error"])])
    named = "; ".join(
        f"without {periods.say(row.period)} {numbers.signed(row.estimate, places)} "
        f"({numbers.signed(row.change, 2)} standard errors)"
        for row in top.itertuples()
    )
    text = f"The estimate is {told(estimate)}. The periods that move it most: {named}."
    if refusals:
        text += f" {numbers.of(len(refusals), 'period')} could not be left out ({sentence(refusals[0])})."
    return text


def _why(head: pd.Series, value: float, flipped: pd.DataFrame) -> str:
    parts = []
    if abs(value) > LARGE:
        parts.append("One period alone moves the estimate by more than its standard error.")
    if len(flipped):
        now = "holds" if excludes_zero(head) else "excludes"
        any_one = "" if len(flipped) == 1 else "any one of "
        parts.append(f"The interval {now} zero once {any_one}{_which(flipped)} is left out.")
    return " ".join(parts)
