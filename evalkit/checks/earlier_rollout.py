"""Would the same rollout show an effect at earlier dates, when nothing had started?

The study's own units and waves are moved to earlier dates, as many periods at a time as leave periods before and
after, on the unit-periods that joining had not touched yet; the same design is computed there. An effect before
anything began is a course of their own that the joining units were on, a dip that selected them, or a programme
that came first. Moved dates overlap, so what is reported is how many intervals exclude zero and the rank of the real
effect over its standard error, and no P value.

In simulated panels whose only effect, if any, began with joining (60 units, 36 months, autocorrelation 0.5 and 0.9,
one wave and three) the rules below gave a concern in 0 to 4 % of 150 panels each by group-time effects; by
imputation, which averages persistent deviations over the time before, in 9 % with three waves and autocorrelation
0.9. Without an effect the answer is inconclusive in some 70 %, for nothing stands out.

Source: Abadie, Diamond and Hainmueller (2010), J Am Stat Assoc 105:493 (ranks among placebos).
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd
from scipy import stats

from evalkit import numbers
from evalkit.checks._its import compared, excludes_zero, labelled, not_applicable, not_compared
from evalkit.errors import DesignError
from evalkit.estimate import Check, Estimate, Refusal
from evalkit.estimators._did import front
from evalkit.estimators._did.headline import DESIGNS, headline, ruled, studentised
from evalkit.estimators._did.layout import layout
from evalkit.panel import Panel
from evalkit.placebos.pool import AFTER, BEFORE
from evalkit.placebos.runs import clusters

NAME = "earlier_rollout"
QUESTION = "Would the same rollout show an effect at earlier dates, when nothing had started?"
FEWEST = 5  # dates below this cannot place the real effect
DOUBT, MOST = 0.25, 0.5  # share of intervals that exclude zero: a doubt, a concern
COLUMNS = ["date", "estimate", "std_error", "low", "high", "real"]


def check(panel: Panel, estimate: Estimate | Refusal) -> Check:
    """Concern when half or more of the moved rollouts show an effect, or the real one does not stand out from them.

    Concern too when the real interval excludes zero and a quarter or more of the moved ones have an effect as large
    over its standard error. Inconclusive from a quarter of the intervals on, with fewer than 5 dates, and where the
    real effect does not stand out and its interval holds zero. `value` is the share of moved rollouts whose interval
    excludes zero. `data`: date (joining of the first wave), estimate, std_error, low, high, real; and label, unit,
    level. Not applicable to designs without a comparison between units, and where nothing can be moved.
    """
    if not compared(estimate, DESIGNS):
        return not_compared(NAME, QUESTION, estimate)
    moved = _moved(panel, estimate)
    if not moved:
        reading = "The time before the first wave is too short to move the rollout into it."
        return not_applicable(NAME, QUESTION, reading, estimate.design)
    head = estimate.headline
    real = (min(panel.cohorts), *(float(head[name]) for name in COLUMNS[1:5]), True)
    data = pd.DataFrame([*moved, real], columns=COLUMNS)
    size = np.abs(data["estimate"] / data["std_error"]).to_numpy()
    beaten = float((size[:-1] >= size[-1]).mean())
    clear = float(((data["low"] > 0) | (data["high"] < 0))[:-1].mean())
    verdict, closing = _judged(estimate, len(moved), clear, beaten)
    span = [_size(estimate, end(row[1] for row in moved)) for end in (min, max)]
    facts = (
        f"At {numbers.of(len(moved), 'earlier date')} the interval excluded zero in "
        f"{numbers.per_cent(round(clear, 2))}, with effects from {span[0]} to {span[1]} {estimate.unit}; over its "
        f"standard error the real effect ranks {round(beaten * len(moved)) + 1} of {len(moved) + 1}."
    )
    return Check(NAME, QUESTION, verdict, f"{facts} {closing}", clear, estimate.design, labelled(data, estimate))


def _size(estimate: Estimate, value: float) -> str:
    return numbers.signed(value, numbers.decimals_for([estimate.headline["std_error"]]))


def _judged(
    estimate: Estimate, many: int, clear: float, beaten: float
) -> tuple[Literal["reassuring", "inconclusive", "concern"], str]:
    real = excludes_zero(estimate.headline)
    if many < FEWEST:
        return "inconclusive", "So few dates cannot place the real effect."
    if clear >= MOST:
        return "concern", "The units that joined were already changing differently."
    if real and beaten >= DOUBT:
        return "concern", "Dates at which nothing began give effects as large."
    if clear >= DOUBT:
        return "inconclusive", "That is more than one would expect, though dates that overlap can be so by chance."
    if not real and beaten >= DOUBT:
        return "inconclusive", "The real effect does not stand out, which agrees with its interval."
    return "reassuring", "The dates overlap, so this rank is no P value."


def _moved(panel: Panel, estimate: Estimate) -> list[tuple[pd.Period, float, float, float, float, bool]]:
    """The design on every moved rollout that identifies it, the earliest first."""
    arrays = layout(panel)
    untouched, _ = front.sample(arrays, estimate.anticipation)
    kept = panel.with_rows(panel.rows[untouched[panel.places, panel.rows["t"].to_numpy()]])
    first, transition = int(arrays.cohorts[0]), panel.study.protocol.transition.periods
    out = []
    for shift in range(first - BEFORE, transition + AFTER - 1, -1):
        cohort = kept.units["cohort"] - shift
        made = kept.joining(cohort)
        moved = layout(made)
        try:
            theta, error = studentised(headline(estimate.design, moved, ruled(made, estimate.design, moved)), moved.Y)
        except DesignError:
            continue
        half = stats.t.ppf(0.5 + estimate.level / 2, clusters(moved) - 1) * float(error)
        out.append((min(panel.cohorts) - shift, float(theta), float(error), theta - half, theta + half, False))
    return out
