"""Did anything else get worse? Looks at the estimate of one other outcome."""

from __future__ import annotations

from evalkit import numbers
from evalkit.estimate import Check, Estimate, Refusal
from evalkit.study import Outcome

NAME = "balancing"


def check(estimate: Estimate | Refusal, outcome: Outcome) -> Check:
    """Concern when the whole interval lies on the worse side of zero."""
    question = f"Did another measure get worse: {outcome.title}?"
    if isinstance(estimate, Refusal):
        return Check(NAME, question, "not applicable", " ".join(estimate.reasons))
    head = estimate.headline
    decimals = numbers.decimals_for([head["std_error"]])
    facts = (
        f"{numbers.signed(head['estimate'], decimals)} {estimate.unit} "
        f"({numbers.per_cent(estimate.level)} interval {numbers.interval(head['low'], head['high'], decimals)})."
    )
    worse = head["low"] > 0 if outcome.better == "lower" else head["high"] < 0
    ruled_out = head["high"] <= 0 if outcome.better == "lower" else head["low"] >= 0
    if worse:
        return Check(NAME, question, "concern", f"It got worse: {facts}", float(head["estimate"]))
    if ruled_out:
        return Check(NAME, question, "reassuring", f"It got better: {facts}", float(head["estimate"]))
    reading = f"No worsening is seen, and none is ruled out beyond this interval: {facts}"
    return Check(NAME, question, "reassuring", reading, float(head["estimate"]))
