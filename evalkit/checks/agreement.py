"""Do designs that lean on different assumptions tell the same story?

The designs share their data, so their intervals say little of whether they differ. For those on weighted outcomes
the difference itself has an error: with psi_gk the contribution of cluster g to design k,

    d = theta_k - theta_1,   Var d = sum over g of (psi_gk - psi_g1)^2,

and all differences from the first design are tested together. It is in the spirit of Hausman (1978),
Econometrica 46:1251, with an error that holds whichever design is the more precise.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from evalkit import inference, numbers
from evalkit.errors import DesignError
from evalkit.estimate import Check, Estimate, Refusal
from evalkit.estimators._did.headline import DESIGNS, headline, ruled
from evalkit.estimators._did.layout import layout
from evalkit.panel import Panel

NAME = "agreement"
QUESTION = "Do the designs agree?"


def check(estimates: Sequence[Estimate | Refusal], panel: Panel | None = None) -> Check:
    """Concern when two headline intervals do not overlap, or comparisons differ by more than chance explains.

    panel  with it, comparisons on weighted outcomes are tested against each other

    Inconclusive when a headline lies outside another's interval. `value` is the range of the headlines. The estimates
    share their data, so that agreement is no independent confirmation.
    """
    usable = [e for e in estimates if isinstance(e, Estimate) and not e.comparison_only]
    if len(usable) <= 1:
        return Check(NAME, QUESTION, "not applicable", "Fewer than two designs could be computed.")
    heads = [e.headline for e in usable]
    spread = float(max(h["estimate"] for h in heads) - min(h["estimate"] for h in heads))
    titles = [e.title.lower() for e in usable]
    names = f"{', '.join(titles[:-1])} and {titles[-1]}"
    tested, p = ("", 1.0) if panel is None else _tested(usable, panel)
    if max(h["low"] for h in heads) > min(h["high"] for h in heads):
        reading = (
            f"The intervals of {names} do not all overlap, so a design's assumption is in doubt, or the effect "
            f"differs so much over time or between large and small units that the designs measure different things."
        )
        return Check(NAME, QUESTION, "concern", reading + tested, spread)
    if p <= 1 - usable[0].level:
        reading = f"The intervals of {names} overlap.{tested} That is more than chance: an assumption is in doubt."
        return Check(NAME, QUESTION, "concern", reading, spread)
    outside = [h for h in heads if any(not o["low"] <= h["estimate"] <= o["high"] for o in heads)]
    if outside:
        places = numbers.decimals_for([h["std_error"] for h in heads])
        ends = [numbers.signed(f(h["estimate"] for h in heads), places) for f in (min, max)]
        reading = (
            f"The intervals of {names} overlap, but the estimates run from {ends[0]} to {ends[1]} {usable[0].unit}, "
            f"and one lies outside another's interval."
        )
        return Check(NAME, QUESTION, "inconclusive", reading + tested, spread)
    reading = f"The intervals of {names} overlap. They share their data, so this is no independent confirmation."
    return Check(NAME, QUESTION, "reassuring", reading + tested, spread)


def _tested(usable: list[Estimate], panel: Panel) -> tuple[str, float]:
    """How comparisons on weighted outcomes differ, in words, and the p-value; blank and one with fewer than two."""
    chosen = [e for e in usable if e.design in DESIGNS]
    try:
        found = differences([e.design for e in chosen], panel) if len(chosen) > 1 else None
    except DesignError:
        return "", 1.0
    if found is None:
        return "", 1.0
    d, error, p = found
    k = int(np.argmax(np.abs(d / error)))
    places = numbers.decimals_for([float(error[k])])
    size = f"{numbers.signed(float(d[k]), places)} {usable[0].unit}"
    return (
        f" Allowing for the data they share, {chosen[k + 1].title.lower()} differs from {chosen[0].title.lower()} by "
        f"{size} (standard error {numbers.number(float(error[k]), places)}; {numbers.p_text(p)}).",
        p,
    )


def differences(designs: list[str], panel: Panel) -> tuple[np.ndarray, np.ndarray, float]:
    """Headlines less that of the first design, shape (K - 1,), their errors, and the p-value that all are nought.

    Raises DesignError when a headline is not identified, or the designs coincide.
    """
    arrays = layout(panel)
    found = [headline(design, arrays, ruled(panel, design, arrays)) for design in designs]
    theta = np.array([one.estimate(arrays.Y)[0] for one in found])
    psi = np.column_stack([one.by_cluster(arrays.Y)[:, 0] for one in found])
    apart = psi[:, 1:] - psi[:, :1]
    error = np.sqrt((apart**2).sum(axis=0))
    if not (error > inference.ROUNDING * np.sqrt((psi**2).sum(axis=0)).max()).all():
        raise DesignError("the designs coincide on these data")
    df = float((np.abs(psi).max(axis=1) > 0).sum() - 1)
    _, _, p = inference.wald(theta[1:] - theta[0], apart.T @ apart, df)
    return theta[1:] - theta[0], error, p
