"""Were the joining units already on another course before they joined?

Joint Wald test that the effects in the last periods before joining are all zero. A test that finds
nothing is no proof: it may lack the power to see a trend that matters (Roth 2022, AER: Insights 4:305).
"""

from __future__ import annotations

import numpy as np

from evalkit import inference, numbers
from evalkit.errors import DesignError
from evalkit.estimate import Check, Estimate, Refusal

NAME = "parallel_trends"
QUESTION = "Were the joining units on the same course as the others before they joined?"
LEADS = 6  # periods before joining that are tested
ALPHA = 0.05
EFFECTS = {
    "varying": "changes from one period to the next",
    "universal": "differences from the last period before joining",
    "mean": "differences from the mean of earlier periods",
}


def check(estimate: Estimate | Refusal) -> Check:
    """Concern when the effects before joining are jointly different from zero at the 5% level."""
    if isinstance(estimate, Refusal) or estimate.events.empty:
        return Check(NAME, QUESTION, "not applicable", "There are no effects before joining to look at.")
    times = estimate.events["event_time"].to_numpy()
    last = -estimate.anticipation  # declared anticipation is no trend
    leads = (times < last) & (times >= last - LEADS)
    if not leads.any():
        return Check(NAME, QUESTION, "not applicable", "There are no effects before joining to look at.")
    before = estimate.events.loc[leads, "estimate"].to_numpy()
    try:
        df = float(estimate.events["df"].min())
        _, rank, p_value = inference.wald(before, estimate.covariance[np.ix_(leads, leads)], df)
    except DesignError as refusal:
        return Check(NAME, QUESTION, "not applicable", str(refusal))
    largest = numbers.number(float(np.abs(before).max()), 2)
    facts = (
        f"The {EFFECTS[estimate.base]} in the {int(leads.sum())} periods before joining are at most {largest} "
        f"{estimate.unit}; "
        f"joint test on {rank} degrees of freedom {numbers.p_text(p_value)}."
    )
    if p_value < ALPHA:
        reading = facts + " The units were not on the same course, so part of the estimate may be an earlier trend."
        return Check(NAME, QUESTION, "concern", reading, p_value, estimate.design)
    reading = facts + " No difference is seen; that is not proof that there was none."
    return Check(NAME, QUESTION, "reassuring", reading, p_value, estimate.design)
