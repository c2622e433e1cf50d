"""How far could trends have parted after joining before the finding no longer holds?

Parallel trends are never known to hold. The bounds let the joined units depart from the others, in every
period after joining, by up to Mbar times the largest change of their gap from one period to the next before
joining, and ask for which Mbar the interval still excludes zero: the breakdown value. Departures add up, so
that the same Mbar allows more the longer the follow-up and the finer the periods. Beside it stands the
interval that lets the course before joining carry on in a straight line, drawn through at most a quarter as
many periods as there are degrees of freedom.

Source: Rambachan and Roth (2023), Rev Econ Stud 90:2555: relative magnitudes by the conditional
least-favourable hybrid test; the straight line is the fixed-length interval under smoothness with M = 0.
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

NAME = "sensitivity_bounds"
QUESTION = "How far could trends have parted after joining before the finding no longer holds?"
SOUND, WEAK = 1.0, 0.5  # breakdown values from which it reassures, and below which it is a concern
MOST = 5.0  # times the worst seen; beyond it nothing is gained by looking
FEWEST = 3  # changes before joining below which their largest says little
GRID = np.arange(1, 9) / 4
COLUMNS = ["kind", "mbar", "low", "high", "estimate", "breakdown"]


def check(estimate: Estimate | Refusal, *, block: int = 1) -> Check:
    """Concern when departures less than half the worst seen before joining would overturn the finding.

    Reassuring from a breakdown value of 1 on: departures as bad as the worst seen would leave the finding.
    Between 0.5 and 1 it is inconclusive, and so it is when the interval holds zero already, or with fewer
    than 3 changes before joining to measure by. `value` is the breakdown value to two decimals: 0 when the
    interval holds zero to begin with, 5 when it was not reached. `data`: kind (`parallel` trends, `relative`
    magnitudes, straight `line`), mbar, low, high, estimate and breakdown (inf when not reached, missing when
    there is none), and label, unit, level. Not applicable where no path before joining is seen.

    block  periods averaged into one before departures are measured; the estimate is then against the mean of
           the last `block` periods before joining instead of the last alone
    """
    if isinstance(estimate, Refusal):
        return nothing(NAME, QUESTION, estimate)
    try:
        found = around(estimate, block)
        breakdown, data = _bounds(found, estimate.level)
    except DesignError as refusal:
        return nothing(NAME, QUESTION, refusal)
    verdict, reading = _judge(estimate, found, breakdown, data)
    value = 0.0 if breakdown is None else min(breakdown, MOST)
    return Check(NAME, QUESTION, verdict, reading, value, estimate.design, labelled(data, estimate))


def _bounds(found: Around, level: float) -> tuple[float | None, pd.DataFrame]:
    """The breakdown value and the frame of the figure, columns `COLUMNS`."""
    coefficients, weights = found.widened(level), found.weights

    def sets(mbar: np.ndarray) -> np.ndarray:
        return honest.relative_magnitudes(coefficients, weights, mbar, level=level)

    breakdown = honest.breakdown(sets, most=MOST)
    rows = [("parallel", 0.0, *honest.original(coefficients, weights, level))]
    rows += [("relative", float(m), *ends) for m, ends in zip(GRID, sets(GRID), strict=True)]
    try:
        line = honest.fixed_length(_nearest(coefficients, found.df), weights, 0.0, level)
        rows.append(("line", math.nan, line.low, line.high))
    except DesignError:
        pass  # too few clusters for a straight line through these periods: the figure goes without it
    data = pd.DataFrame(rows, columns=COLUMNS[:4])
    held = math.nan if breakdown is None else breakdown
    return breakdown, data.assign(estimate=found.average["estimate"], breakdown=held)


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
    step = "period" if found.block == 1 else f"mean of {found.block} periods"
    held = (
        f"even if departures after joining were {MOST:g} times the worst"
        if math.isinf(breakdown)
        else f"unless departures after joining were more than {numbers.number(breakdown, 2)} times the worst"
    )
    text = (
        f"The finding (mean over the periods since joining {told}) holds {held} seen before it: the largest change "
        f"from one {step} to the next, of {seen} seen, allowed in every {step} after joining and always in one "
        "direction."
    )
    if breakdown < WEAK:
        return "concern", f"{text} Departures smaller than those already seen would overturn it. {rest}".strip()
    if seen < FEWEST:
        return "inconclusive", f"{text} So few periods say little of how bad departures can be. {rest}".strip()
    return ("reassuring" if breakdown >= SOUND else "inconclusive"), f"{text} {rest}".strip()


def _line(data: pd.DataFrame, found: Around) -> str:
    line = data[data["kind"].eq("line")]
    if line.empty:
        return ""
    places = numbers.decimals_for([found.average["std_error"]])
    span = numbers.interval(float(line["low"].iloc[0]), float(line["high"].iloc[0]), places)
    return f"Were the course before joining to carry on in a straight line, the interval would be {span}."
