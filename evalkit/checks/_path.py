"""The path of effects around joining that questions about parallel trends need, from an Estimate.

The base period is the last one that joining cannot have touched: event time -1 less the declared
anticipation. It is zero by definition and not among the events. Before it counts the longest stretch of
periods without a gap that ends next to it, the nearest 12 at most; after it the first 24 periods that have a
coefficient, gaps allowed, those of anticipation and transition included as a part of the path that is in no
average. What is judged is the plain mean of the coefficients in analysed periods after joining.

Errors follow a t distribution, while the bounds are made for normal coefficients: the covariance is widened
by (t/z) squared, so that the interval under exactly parallel trends is that of the estimate. This is our
own allowance for few clusters.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from evalkit import inference, numbers
from evalkit.errors import DesignError
from evalkit.estimate import Check, Estimate, Refusal
from evalkit.inference.honest import Coefficients, in_blocks, long_differences

MOST_BEFORE, MOST_AFTER = 12, 24


@dataclass(frozen=True, eq=False)
class Around:
    """Coefficients against the base period, and the average that is judged.

    coefficients  times counted from the base period
    weights       of the average, zero in anticipation and transition, shape (q,)
    base          event time of the base period
    df            degrees of freedom of the errors
    average       the judged quantity as a row of terms, with its interval
    block         periods that were averaged into one
    left_out      what was not used, in words; empty where all was
    """

    coefficients: Coefficients
    weights: np.ndarray
    base: int
    df: float
    average: dict[str, float]
    block: int
    left_out: str

    def widened(self, level: float) -> Coefficients:
        """The coefficients with their covariance widened so that normal quantiles give t intervals."""
        factor = (stats.t.ppf(0.5 + level / 2, self.df) / stats.norm.ppf(0.5 + level / 2)) ** 2
        kept = self.coefficients
        return Coefficients(kept.beta, factor * kept.sigma, kept.before, kept.after)


def around(estimate: Estimate, block: int = 1) -> Around:
    """The path around joining. Raises DesignError, with the reason, where there is none to look at.

    block  periods that are averaged into one (`inference.honest.in_blocks`); the limits then count blocks
    """
    if estimate.comparison_only:
        raise DesignError("the coefficients are shown for comparison and are not effects of joining")
    if estimate.base == "mean":
        raise DesignError("effects before joining are measured from the mean of earlier periods, not from the last")
    events = estimate.events.reset_index(drop=True)
    if events.empty:
        raise DesignError("this design has no effects by time since joining")
    time = events["event_time"].to_numpy(int)
    base = -1 - estimate.anticipation
    before = _before(estimate, time, base, MOST_BEFORE * block)
    every = np.flatnonzero(time > base)
    after = every[: MOST_AFTER * block]
    judged = events["phase"].eq("post").to_numpy()
    if not judged[after].any():
        raise DesignError(f"none of the first {MOST_AFTER * block} periods after joining is in the average")
    rows = np.concatenate([before, after])
    beta, sigma = events["estimate"].to_numpy(float)[rows], estimate.covariance[np.ix_(rows, rows)]
    times = time[before] - base
    if estimate.base == "varying":
        beta, sigma = long_differences(beta, sigma, len(before))
        times = times - 1
    coefficients = Coefficients(beta, sigma, times, time[after] - base)
    weights = judged[after] / judged[after].sum()
    if block > 1:
        coefficients, weights = in_blocks(coefficients, weights, block)
    df = float(events["df"].min())
    target = coefficients.target(weights)
    mean, error = inference.contrast(coefficients.beta, coefficients.sigma, target)
    average = inference.term("average over periods since joining", mean, error, df, estimate.level)
    return Around(coefficients, weights, base, df, average, block, _left_out(judged, every, MOST_AFTER * block))


def _before(estimate: Estimate, time: np.ndarray, base: int, most: int) -> np.ndarray:
    """Rows of the periods before joining that are used, in order of time."""
    varying = estimate.base == "varying"
    if not (time <= base).any():
        raise DesignError("there are no effects before joining to look at")
    if not varying and base in time:
        raise DesignError(f"event time {base}, against which the others stand, is itself among the effects")
    last = base if varying else base - 1
    run: list[int] = []
    while last - len(run) in time:
        run.append(int(np.flatnonzero(time == last - len(run))[0]))
    if not run:
        raise DesignError("periods right before joining are not analysed, so the path up to it has a gap")
    if varying and time[run[-1]] > time.min():
        run.pop()  # after a gap: the change is over more than one period
    if not run:
        raise DesignError("only one period right before joining is analysed, so no change up to it is seen")
    return np.array(run[::-1][-most:])


def _left_out(judged: np.ndarray, every: np.ndarray, most: int) -> str:
    dropped = int(judged[every[most:]].sum())
    if not dropped:
        return ""
    return f"Of the periods after joining the first {most} are used; {dropped} later ones are not judged."


def judged(found: Around, unit: str, level: float) -> str:
    """The judged average with its interval: `+2.1 points (95% interval 0.4 to 3.8)`."""
    places = numbers.decimals_for([found.average["std_error"]])
    span = numbers.interval(found.average["low"], found.average["high"], places)
    return f"{numbers.signed(found.average['estimate'], places)} {unit} ({numbers.per_cent(level)} interval {span})"


def nothing(name: str, question: str, why: DesignError | Refusal) -> Check:
    """The answer where the question cannot be asked, with the reason."""
    if isinstance(why, Refusal):
        reading = f"{why.title} was not computed: {' '.join(why.reasons)}"
        return Check(name, question, "not applicable", reading, design=why.design)
    text = why.faults[0].what.rstrip(".")
    return Check(name, question, "not applicable", f"{text[:1].upper()}{text[1:]}.")
