"""What trend could the look at the course before joining have missed?

A test that finds no difference before joining may only be too weak. Asked is how steep a straight line would
have to be for the test to find it with 50 % and with 80 % probability, and how much of the estimate such a
line, carried on, would account for. Two tests are judged on the periods that `parallel_trends` looks at: the
usual one, any coefficient significant alone at the 5% level, and the joint one; the sharper of the two decides.

Source: Roth (2022), AER: Insights 4:305.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats

from evalkit import numbers
from evalkit.checks._its import labelled
from evalkit.checks._path import Around, around, nothing
from evalkit.checks.parallel_trends import ALPHA, LEADS
from evalkit.errors import DesignError
from evalkit.estimate import Check, Estimate, Refusal, Verdict
from evalkit.inference.honest import Coefficients
from evalkit.inference.pretrends import Slope, Test, detectable_slope

NAME = "pretrend_power"
QUESTION = "What trend could the look at the course before joining have missed?"
HALF, USUAL = 0.5, 0.8
ALL, MUCH = 1.0, 0.5  # shares of the estimate that a missed trend would account for
COLUMNS = ["event_time", "estimate", "low", "high", "line_50", "line_80"]
NAMED = {"any": "any period significant alone", "joint": "all periods together"}


def check(estimate: Estimate | Refusal) -> Check:
    """Concern when a trend that is missed half the time would account for the whole estimate.

    Inconclusive when it would account for half of it or more, and when the interval holds zero, so that
    there is no finding to account for. `value` is that share: the mean departure after joining of the line
    found with 50% power, over the size of the mean effect over the periods since joining. `data`: event_time,
    estimate against the base period (zero, the last row) with low and high, the lines found with 50% and 80%
    power (line_50, line_80) in the direction of the estimate, and label, unit, level.
    """
    if isinstance(estimate, Refusal):
        return nothing(NAME, QUESTION, estimate)
    try:
        found = around(estimate)
        nearest = _nearest(found, _leads(estimate))
        slopes = _slopes(nearest, found)
    except DesignError as refusal:
        return nothing(NAME, QUESTION, refusal)
    test = min(slopes, key=lambda name: slopes[name][0].slope)
    verdict, reading = _judge(estimate, found, slopes, test)
    share = _share(slopes[test][0], found)
    data = labelled(_data(nearest, found, slopes[test], estimate.level), estimate)
    return Check(NAME, QUESTION, verdict, reading, share, estimate.design, data)


def _share(slope: Slope, found: Around) -> float | None:
    """What the line carried on is to the effect, sizes alone; None where the effect is exactly zero."""
    size = abs(found.average["estimate"])
    return slope.bias / size if size else None


def _leads(estimate: Estimate) -> int:
    """How many periods `parallel_trends` tests."""
    time, last = estimate.events["event_time"], -estimate.anticipation
    return int(((time < last) & (time >= last - LEADS)).sum())


def _nearest(found: Around, leads: int) -> Coefficients:
    """The coefficients with those before joining cut to the nearest ones."""
    kept = found.coefficients
    first = max(kept.p - leads, 0)
    return Coefficients(kept.beta[first:], kept.sigma[first:, first:], kept.before[first:], kept.after)


def _slopes(nearest: Coefficients, found: Around) -> dict[Test, tuple[Slope, Slope]]:
    """For each test the lines found with 50 % and 80 % power."""
    tests: tuple[Test, ...] = ("any", "joint")
    out = {}
    for test in tests:
        half, usual = (
            detectable_slope(nearest, found.weights, power, test=test, size=ALPHA, df=found.df)
            for power in (HALF, USUAL)
        )
        out[test] = (half, usual)
    return out


def _judge(
    estimate: Estimate, found: Around, slopes: dict[Test, tuple[Slope, Slope]], test: Test
) -> tuple[Verdict, str]:
    average = found.average
    half, usual = slopes[test]
    share = _share(half, found)
    places = numbers.decimals_for([half.slope])
    coarse = numbers.decimals_for([average["std_error"]])
    tested = numbers.of(min(_leads(estimate), found.coefficients.p), "period")
    other: Test = "joint" if test == "any" else "any"
    text = (
        f"A trend of {numbers.number(half.slope, places)} {estimate.unit} a period would be missed half the time by "
        f"the sharper test of {tested} before joining ({NAMED[test]}), one of "
        f"{numbers.number(usual.slope, places)} one time in five; the other test ({NAMED[other]}) needs "
        f"{numbers.number(slopes[other][0].slope, places)} and {numbers.number(slopes[other][1].slope, places)}. "
        f"Carried on after joining, the first would on average make up {numbers.number(half.bias, coarse)} of an "
        f"effect of {numbers.signed(average['estimate'], coarse)}, and {numbers.number(half.bias_passed, coarse)} "
        "where the test finds nothing."
    )
    if share is None or average["low"] <= 0 <= average["high"]:
        return "inconclusive", f"{text} The interval of the effect holds zero, so there is no finding to explain."
    if share >= ALL:
        return "concern", f"{text} A flat course before joining therefore does not rule out a trend as the reason."
    if share >= MUCH:
        return "inconclusive", f"{text} A missed trend could account for much of the effect."
    return "reassuring", f"{text} A trend large enough to explain the effect would probably have been seen."


def _data(nearest: Coefficients, found: Around, slopes: tuple[Slope, Slope], level: float) -> pd.DataFrame:
    """The frame of the figure, columns `COLUMNS`; the base period is its last row."""
    p = nearest.p
    sign = np.sign(found.average["estimate"])
    before = nearest.before.astype(float)
    reach = stats.t.ppf(0.5 + level / 2, found.df) * np.sqrt(np.diag(nearest.sigma)[:p])
    beta = nearest.beta[:p]
    lines = [sign * slope.slope * before for slope in slopes]
    rows = np.column_stack([found.base + before, beta, beta - reach, beta + reach, *lines])
    data = pd.DataFrame(np.vstack([rows, [found.base, 0.0, 0.0, 0.0, 0.0, 0.0]]), columns=COLUMNS)
    return data.astype({"event_time": int})
