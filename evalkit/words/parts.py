"""The sentences that short texts are put together from; each says one thing, or nothing where it was not measured."""

from __future__ import annotations

from collections.abc import Sequence

from evalkit import numbers
from evalkit.estimate import Check, Estimate
from evalkit.study import Outcome
from evalkit.words.finding import NETTED, Strength, holds_zero
from evalkit.words.reasons import WITHOUT_COMPARISON, joined, reasons

SIMULATED = "These data are simulated and say nothing of the NHS."
SURE = {
    "none": "no conclusion either way",
    "weak": "low confidence",
    "moderate": "moderate confidence, the most that a study without random assignment is given here",
}


def said(outcome: Outcome, main: Estimate) -> str:
    """What was found, in one or two sentences without a term of statistics."""
    head = main.headline
    decimals = numbers.decimals_for([head["std_error"]])
    than = (
        "its own earlier course would have led to"
        if main.design in WITHOUT_COMPARISON
        else "a comparison with units that had not joined would have led to"
    )
    span = f"{numbers.signed(head['low'], decimals)} to {numbers.signed(head['high'], decimals)} {main.unit}"
    if holds_zero(main):
        return (
            f"The data do not say clearly. For {outcome.title}, they fit a change after joining of anything "
            f"from {span}, against what {than}."
        )
    side = "higher" if head["estimate"] > 0 else "lower"
    good = (head["estimate"] > 0) == (outcome.better == "higher")
    size = f"{numbers.number(abs(head['estimate']), decimals)} {main.unit}"
    return (
        f"After joining, the figure for {outcome.title} was on average {size} {side} than {than}, which is "
        f"{'better' if good else 'worse'}. The data fit anything from {span}."
    )


def net_of_recovery(main: Estimate, asked: Sequence[Check]) -> str:
    """The estimate less what poor results alone would have given, where that was measured."""
    found = next((c for c in asked if c.name == NETTED and c.design == main.design), None)
    if found is None or not {"net", "low", "high"} <= set(found.figures):
        return ""
    net, low, high = (found.figures[name] for name in ("net", "low", "high"))
    places = numbers.decimals_for([main.headline["std_error"]])
    return (
        f"Units were picked when they were doing badly; less the recovery that was to be expected, the change is "
        f"{numbers.signed(net, places)} {main.unit} ({numbers.signed(low, places)} to "
        f"{numbers.signed(high, places)})."
    )


def sure(main: Estimate, asked: Sequence[Check], strength: Strength) -> str:
    """How sure one can be that the collaborative is the reason, and why not surer."""
    why = joined(reasons(asked, main.design))
    if strength == "none":
        return "A wide range is no proof that nothing changed."
    if why:
        return f"There is {SURE[strength]} that the collaborative is the reason, because {why}."
    if strength == "weak":
        return f"There is {SURE[strength]} that the collaborative is the reason: not everything could be looked at."
    return f"There is {SURE[strength]}."


def overturned(main: Estimate, asked: Sequence[Check]) -> str:
    """What it would take to overturn the finding, where that was measured."""
    found = next((c for c in asked if c.name == "sensitivity_bounds" and c.design == main.design), None)
    if found is None or found.value is None or holds_zero(main) or found.value <= 0:
        return ""
    return (
        f"It would no longer hold if the units that joined had drifted apart from the others by more than "
        f"{numbers.number(found.value, 2)} times the worst drift seen before."
    )


def elsewhere(asked: Sequence[Check]) -> str:
    """What became of the balancing measures."""
    found = [c.verdict for c in asked if c.name == "balancing"]
    if not found:
        return "No measure was declared that would show harm elsewhere."
    worse, unclear = found.count("concern"), len(found) - found.count("concern") - found.count("reassuring")
    if len(found) == 1:
        what = "got worse" if worse else "may have got worse unseen" if unclear else "shows no harm"
        return f"The one measure watched for harm {what}."
    if worse:
        return f"Of {len(found)} measures watched for harm, {worse} got worse."
    if unclear:
        return f"Of {len(found)} measures watched for harm, {unclear} may have got worse unseen."
    return f"Of {len(found)} measures watched for harm, none shows harm."
