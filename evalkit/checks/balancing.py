"""Did anything else get worse? Looks at the estimate of one other outcome."""

from __future__ import annotations

from evalkit import numbers
from evalkit.estimate import Check, Estimate, Refusal
from evalkit.study import Outcome

NAME = "balancing"


def check(estimate: Estimate | Refusal, outcome: Outcome) -> Check:
    """Concern when the whole interval is on the worse side of zero, inconclusive when it holds zero."""
    question = f"Did another measure get worse: {outcome.title}?"
    if isinstance(estimate, Refusal):
        return Check(NAME, question, "not applicable", " ".join(estimate.reasons))
    head = estimate.headline
    decimals = numbers.decimals_for([head["std_error"]])
    facts = (
        f"{numbers.signed(head['estimate'], decimals)} {estimate.unit} "
        f"({numbers.per_cent(estimate.level)} interval {numbers.interval(head['low'], head['high'], decimals)}; "
        f"{estimate.title.lower()})."
    )
    worse = head["low"] > 0 if outcome.better == "lower" else head["high"] < 0
    better = head["high"] < 0 if outcome.better == "lower" else head["low"] > 0
    value = float(head["estimate"])
    if worse:
        return Check(NAME, question, "concern", f"{outcome.title} got worse: {facts}", value)
    if better:
        return Check(NAME, question, "reassuring", f"{outcome.title} got better: {facts}", value)
    reading = f"{outcome.title}: no strong conclusion, and a worsening within this interval is not ruled out: {facts}"
    return Check(NAME, question, "inconclusive", reading, value)
