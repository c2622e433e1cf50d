"""How far could trends have parted after joining before the finding no longer holds?

Parallel trends are never known to hold. The bounds let the joined units depart from the others, in every
period after joining, by up to Mbar times the largest change of their gap from one period to the next before
joining, and ask for which Mbar the interval still excludes zero: the breakdown value. Departures add up, so
that the same Mbar allows more the longer the follow-up and the finer the periods. Beside it stands the
interval that lets the course before joining carry on in a straight line, drawn through at most a quarter as
many periods as there are degrees of freedom, and those that let it bend in every period by up to half the
largest bend seen before joining, or by all of it.

Units that were selected because results were poor would have improved in part anyway: regression to the mean
moves trends towards the better, so that they could have parted to that side only. The bounds with a known side
are shown too. They are tighter by an assumption that the data cannot show, and never decide the verdict.

Source: Rambachan and Roth (2023), Rev Econ Stud 90:2555: relative magnitudes by the conditional
least-favourable hybrid test; smoothness by the fixed-length interval, the straight line being M = 0.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from evalkit import numbers
from evalkit.checks._its import labelled
from evalkit.checks._path import Around, around, judged, nothing
from evalkit.errors import DesignError
from evalkit.estimate import Check, Estimate, Refusal, Verdict
from evalkit.inference import honest
from evalkit.inference.honest import Sign
from evalkit.panel import Panel

NAME = "sensitivity_bounds"
QUESTION = "How far could trends have parted after joining before the finding no longer holds?"
SOUND, WEAK = 1.0, 0.5  # breakdown values from which it reassures, and below which it is a concern
MOST = 5.0  # times the worst seen; beyond it nothing is gained by looking
FEWEST = 3  # changes before joining below which their largest says little
GRID = np.arange(1, 9) / 4
BENDS = (0.5, 1.0)  # times the largest seen
COLUMNS = ["kind", "sign", "mbar", "m", "low", "high", "estimate", "breakdown"]
SIDES: dict[Sign, str] = {"positive": "upward", "negative": "downward"}


def check(estimate: Estimate | Refusal, panel: Panel | None = None, *, block: int = 1, sign: Sign = "any") -> Check:
    """Concern when departures less than half the worst seen before joining would overturn the finding.

    Reassuring from a breakdown value of 1 on: departures as bad as the worst seen would leave the finding.
    Between 0.5 and 1 it is inconclusive, and so it is when the interval holds zero already, or with fewer
    than 3 changes before joining to measure by. `value` is the breakdown value to two decimals: 0 when the
    interval holds zero to begin with, 5 when it was not reached. Not applicable where no path before joining
    is seen. `data` has label, unit and level, and

    kind       `parallel` trends, `relative` magnitudes, straight `line` or `smooth`, a line that may bend
    sign       side to which trends may have parted: `any`, `positive` (upward) or `negative` (downward)
    mbar       times the largest change (`relative`) or bend (`smooth`) seen; m, that bend in the outcome's unit
    low, high  the interval; estimate and breakdown (inf when not reached, missing when there is none)

    panel  what was analysed: where its protocol says that units were selected because results were poor, and
           no sign is given, the sign is that of regression to the mean
    block  periods averaged into one before departures are measured; the estimate is then against the mean of
           the last `block` periods before joining instead of the last alone. A block that is not full leaves
           the line without bends
    sign   side to which trends are taken to have parted, if at all, for the second set of rows
    """
    if isinstance(estimate, Refusal):
        return nothing(NAME, QUESTION, estimate)
    given, why = (sign, "") if sign != "any" else _declared(panel)
    try:
        found = around(estimate, block)
        breakdown, data = _bounds(found, estimate.level, given)
    except DesignError as refusal:
        return nothing(NAME, QUESTION, refusal)
    verdict, reading = _judge(estimate, found, breakdown, data)
    reading = " ".join(text for text in (reading, _sided(data, found, why)) if text)
    value = 0.0 if breakdown is None else min(breakdown, MOST)
    return Check(NAME, QUESTION, verdict, reading, value, estimate.design, labelled(data, estimate))


def _declared(panel: Panel | None) -> tuple[Sign, str]:
    """The side of regression to the mean where the protocol declares a selection, and that in words."""
    entry = panel.study.protocol.entry if panel is not None else None
    if panel is None or entry is None or not entry.selected_on_outcome:
        return "any", ""
    why = "Units were selected because results were poor, so that part of an improvement would have come anyway."
    return ("positive" if panel.outcome.better == "higher" else "negative"), why


def _bounds(found: Around, level: float, sign: Sign) -> tuple[float | None, pd.DataFrame]:
    """The breakdown value and the frame of the figure, columns `COLUMNS`."""
    coefficients, weights = found.widened(level), found.weights

    def sets(mbar: np.ndarray, side: Sign = "any") -> np.ndarray:
        return honest.relative_magnitudes(coefficients, weights, mbar, level=level, sign=side)

    breakdown = honest.breakdown(sets, most=MOST)
    rows: list[tuple[object, ...]] = [
        ("parallel", "any", 0.0, math.nan, *honest.original(coefficients, weights, level))
    ]
    for side in dict.fromkeys(("any", sign)):
        rows += [("relative", side, float(m), math.nan, *e) for m, e in zip(GRID, sets(GRID, side), strict=True)]
    rows += _smooth(coefficients, found, level)
    data = pd.DataFrame(rows, columns=COLUMNS[:6])
    held = math.nan if breakdown is None else breakdown
    return breakdown, data.assign(estimate=found.average["estimate"], breakdown=held)


def _smooth(coefficients: honest.Coefficients, found: Around, level: float) -> list[tuple[object, ...]]:
    """Rows of the straight line and of lines that bend, as far as they can be computed.

    Too few clusters, a gap or a block that is not full: the figure goes without what they do not allow.
    """
    rows: list[tuple[object, ...]] = []
    nearest = _nearest(coefficients, found.df)
    try:
        line = honest.fixed_length(nearest, found.weights, 0.0, level)
        rows.append(("line", "any", 0.0, 0.0, line.low, line.high))
        largest = honest.largest_bend(coefficients)
        for times in BENDS:
            bent = honest.fixed_length(nearest, found.weights, times * largest, level)
            rows.append(("smooth", "any", times, times * largest, bent.low, bent.high))
    except DesignError:
        return rows
    return rows


def _nearest(coefficients: honest.Coefficients, df: float) -> honest.Coefficients:
    """The periods nearest to joining that a line is drawn through, at most df / 4 of them.

    The weights come from the inverse of an estimated covariance: with many periods for few clusters they
    would fit its noise, and the interval be too short.
    """
    first = max(coefficients.p - max(int(min(df / 4, coefficients.p)), 1), 0)
    kept = coefficients
    return honest.Coefficients(kept.beta[first:], kept.sigma[first:, first:], kept.before[first:], kept.after)


def _judge(estimate: Estimate, found: Around, breakdown: float | None, data: pd.DataFrame) -> tuple[Verdict, str]:
    told = judged(found, estimate.unit, estimate.level)
    seen = len(found.coefficients.before)
    line = _line(data, found)
    rest = " ".join(text for text in (line, found.left_out) if text)
    if breakdown is None:
        text = f"The mean over the periods since joining, {told}, holds zero even if trends were exactly parallel."
        return "inconclusive", f"{text} {rest}".strip()
    step = _step(found)
    held = (
        f"even if departures after joining were {MOST:g} times the worst"
        if math.isinf(breakdown)
        else f"unless departures after joining were more than {numbers.number(breakdown, 2)} times the worst"
    )
    against = "" if found.block == 1 else f", against the mean of the last {found.block} before it"
    text = (
        f"The finding (mean over the periods since joining{against}, {told}) holds {held} seen before it: the "
        f"largest change from one {step} to the next, of {seen} seen, allowed in every {step} after joining and "
        "always in one direction."
    )
    if breakdown < WEAK:
        return "concern", f"{text} Departures smaller than those already seen would overturn it. {rest}".strip()
    if seen < FEWEST:
        return "inconclusive", f"{text} So few periods say little of how bad departures can be. {rest}".strip()
    return ("reassuring" if breakdown >= SOUND else "inconclusive"), f"{text} {rest}".strip()


def _line(data: pd.DataFrame, found: Around) -> str:
    line, bent = (data[data["kind"].eq(kind)] for kind in ("line", "smooth"))
    if line.empty:
        return ""
    text = (
        f"Were the course before joining to carry on in a straight line, the interval would be {_span(line, found)}"
    )
    if bent.empty:
        return f"{text}."
    half, whole = (_span(bent[bent["mbar"].eq(times)], found) for times in BENDS)
    return (
        f"{text}; were it to bend in every period by up to half the largest bend seen before joining, {half}, and by "
        f"up to all of it, {whole}."
    )


def _sided(data: pd.DataFrame, found: Around, why: str) -> str:
    """What a known side would change, with what it rests on; empty where none is asked about."""
    sided = data[data["sign"].ne("any")]
    if sided.empty:
        return ""
    both = data[data["kind"].eq("relative") & data["mbar"].eq(1.0)]
    side = SIDES[sided["sign"].iloc[0]]
    one, free = (_span(both[both["sign"].eq("any") == whether], found) for whether in (False, True))
    text = (
        f"If trends parted only {side}, in every {_step(found)} by up to the worst change seen, the "
        f"interval would be {one}; to either side it is {free}. That they parted to one side only is an assumption, "
        "which the verdict does not use."
    )
    return f"{why} {text}".strip()


def _step(found: Around) -> str:
    return "period" if found.block == 1 else f"mean of {found.block} periods"


def _span(rows: pd.DataFrame, found: Around) -> str:
    places = numbers.decimals_for([found.average["std_error"]])
    return numbers.interval(float(rows["low"].iloc[0]), float(rows["high"].iloc[0]), places)
