"""Were the joining units already on another course before they joined?

Joint Wald test that the effects in the last periods before joining are all zero. A test that finds
nothing is no proof: it may lack the power to see a trend that matters (Roth 2022, AER: Insights 4:305).

The covariance of k effects of m joined units has hardly more than m - 1 pieces of information on the joined side,
so the test is Hotelling's with these, whatever the number of comparison units. With m under 3 k that says little, and
each period is tested alone, by Student's t on m - 1 degrees of freedom, the smallest p-value times k (Bonferroni). In
simulated panels without any trend (80 units, autocorrelation 0.6, k = 6) a test by all clusters rejected in 98 %
with 3 joined units, in half with 7, in a third with 10 and in a fifth with 14.
"""

from __future__ import annotations

import numpy as np
from scipy import stats

from evalkit import inference, numbers
from evalkit.errors import DesignError
from evalkit.estimate import Check, Estimate, Refusal

NAME = "parallel_trends"
QUESTION = "Were the joining units on the same course as the others before they joined?"
LEADS = 6  # periods before joining that are tested
ALPHA = 0.05
FEW = 3  # times as many joined units as effects, from which on they are tested together
EFFECTS = {
    "varying": "changes from one period to the next",
    "universal": "differences from the last period before joining",
    "mean": "differences from the mean of earlier periods",
}


def check(estimate: Estimate | Refusal) -> Check:
    """Concern when the effects before joining are different from zero at the 5% level.

    All together, or, with few joined units, each alone, allowing for how many there are. `value` is the p-value.
    """
    if isinstance(estimate, Refusal) or estimate.events.empty:
        return Check(NAME, QUESTION, "not applicable", "There are no effects before joining to look at.")
    times = estimate.events["event_time"].to_numpy()
    last = -estimate.anticipation  # declared anticipation is no trend
    leads = (times < last) & (times >= last - LEADS)
    if not leads.any():
        return Check(NAME, QUESTION, "not applicable", "There are no effects before joining to look at.")
    before = estimate.events.loc[leads, "estimate"].to_numpy()
    try:
        p_value, test = _tested(estimate, leads)
    except DesignError as refusal:
        return Check(NAME, QUESTION, "not applicable", str(refusal))
    largest = numbers.number(float(np.abs(before).max()), 2)
    facts = (
        f"The {EFFECTS[estimate.base]} in the {int(leads.sum())} periods before joining are at most {largest} "
        f"{estimate.unit}; {test} {numbers.p_text(p_value)}."
    )
    if p_value < ALPHA:
        reading = facts + " The units were not on the same course, so part of the estimate may be an earlier trend."
        return Check(NAME, QUESTION, "concern", reading, p_value, estimate.design)
    reading = facts + " No difference is seen; that is not proof that there was none."
    return Check(NAME, QUESTION, "reassuring", reading, p_value, estimate.design)


def _tested(estimate: Estimate, leads: np.ndarray) -> tuple[float, str]:
    """The p-value, and which test gave it."""
    events = estimate.events[leads]
    k, m = len(events), int(estimate.counts.get("joined units", 0))
    if 2 <= m < FEW * k:  # noqa: PLR2004 - of one unit nothing is known, and its errors are the comparison's
        size = float((events["estimate"] / events["std_error"]).abs().max())
        p = min(1.0, 2 * k * float(stats.t.sf(size, m - 1)))
        return p, f"with {m} joined units each alone on {numbers.of(m - 1, 'degree')} of freedom, allowing for {k},"
    before, covariance = events["estimate"].to_numpy(), estimate.covariance[np.ix_(leads, leads)]
    df = float(estimate.events["df"].min())
    _, rank, p = inference.wald(before, covariance, min(df, m - 1.0) if m > 1 else df)
    return p, f"joint test on {rank} degrees of freedom"
