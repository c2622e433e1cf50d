"""Do designs that lean on different assumptions tell the same story?"""

from __future__ import annotations

from collections.abc import Sequence

from evalkit import numbers
from evalkit.estimate import Check, Estimate, Refusal

NAME = "agreement"
QUESTION = "Do the designs agree?"


def check(estimates: Sequence[Estimate | Refusal]) -> Check:
    """Concern when two headline intervals do not overlap; inconclusive when a headline lies outside another's.

    The estimates share their data, so overlap is no independent confirmation.
    """
    usable = [e for e in estimates if isinstance(e, Estimate) and not e.comparison_only]
    if len(usable) <= 1:
        return Check(NAME, QUESTION, "not applicable", "Fewer than two designs could be computed.")
    heads = [e.headline for e in usable]
    spread = max(h["estimate"] for h in heads) - min(h["estimate"] for h in heads)
    apart = max(h["low"] for h in heads) > min(h["high"] for h in heads)
    titles = [e.title.lower() for e in usable]
    names = f"{', '.join(titles[:-1])} and {titles[-1]}"
    if apart:
        reading = (
            f"The intervals of {names} do not all overlap, so a design's assumption is in doubt, or the effect "
            "differs so much over time or between large and small units that the designs measure different things."
        )
        return Check(NAME, QUESTION, "concern", reading, float(spread))
    outside = [h for h in heads if any(not o["low"] <= h["estimate"] <= o["high"] for o in heads)]
    if outside:
        places = numbers.decimals_for([h["std_error"] for h in heads])
        ends = [numbers.signed(f(h["estimate"] for h in heads), places) for f in (min, max)]
        reading = (
            f"The intervals of {names} overlap, but the estimates run from {ends[0]} to {ends[1]} {usable[0].unit}, "
            "and one lies outside another's interval."
        )
        return Check(NAME, QUESTION, "inconclusive", reading, float(spread))
    reading = f"The intervals of {names} overlap. They share their data, so this is no independent confirmation."
    return Check(NAME, QUESTION, "reassuring", reading, float(spread))
