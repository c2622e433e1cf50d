"""Designs, one module each, found by name. Each has `fit(panel) -> Estimate`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from difflib import get_close_matches
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from evalkit.errors import DesignError, Fault
from evalkit.estimate import Estimate, Refusal
from evalkit.panel import Panel

if TYPE_CHECKING:
    from evalkit.estimators._did.reach import Reach

__all__ = ["attempt", "fit", "headline", "headline_weights", "names"]

R = TypeVar("R")


def names() -> list[str]:
    """Every design there is."""
    return list(_names())


@cache
def _names() -> tuple[str, ...]:
    return tuple(sorted(p.stem for p in Path(__file__).parent.glob("[!_]*.py")))


def fit(design: str, panel: Panel) -> Estimate:
    """One design on one panel.

    Raises DesignError for an unknown design, and when the data cannot carry it.
    """
    known = names()
    if design not in known:
        close = get_close_matches(design, known, n=1)
        hint = f"did you mean {close[0]}?" if close else f"use one of {', '.join(known)}"
        raise DesignError(f"there is no design called '{design}'", fix=hint)
    found: Estimate = _placed(panel, import_module(f"evalkit.estimators.{design}").fit)
    return found


def _placed(panel: Panel, run: Callable[[Panel], R]) -> R:
    """What `run` makes of a panel; a refusal that does not say where it arose says which study and outcome."""
    try:
        return run(panel)
    except DesignError as error:
        where = f"{panel.study.slug}, {panel.outcome.name}"
        raise DesignError([replace(f, where=f.where or where) for f in error.faults]) from None


def headline_weights(design: str, panel: Panel) -> Reach:
    """The weight of every outcome in a design's headline.

    Raises DesignError for a design whose headline is no weighted sum of outcomes, and as `fit`.
    """
    module = import_module(f"evalkit.estimators.{design}") if design in names() else None
    weights = getattr(module, "headline_weights", None)
    if weights is None:
        raise DesignError(f"the weights of outcomes in the headline of '{design}' are not known")
    found: Reach = weights(panel)
    return found


def title(design: str) -> str:
    """A design as it is printed."""
    name: str = getattr(import_module(f"evalkit.estimators.{design}"), "TITLE", design)
    return name


def attempt(design: str, panel: Panel) -> Estimate | Refusal:
    """One design on one panel, or the reason why these data cannot carry it, to be shown as such."""
    return _or_refusal(design, panel, lambda: fit(design, panel))


def headline(design: str, panel: Panel) -> dict[str, Any] | Refusal:
    """The headline alone of what `attempt` gives, a row of `Estimate.terms`: for those who refit by the dozen."""

    def brief() -> dict[str, Any]:
        alone = getattr(import_module(f"evalkit.estimators.{design}"), "headline", None)
        return _placed(panel, alone) if alone else fit(design, panel).headline.to_dict()

    return _or_refusal(design, panel, brief)


def _or_refusal(design: str, panel: Panel, run: Callable[[], R]) -> R | Refusal:
    """What is run, or its refusal as one to be shown. Raises DesignError for an unknown design."""
    if design not in names():
        raise DesignError(f"there is no design called '{design}'", fix=f"use one of {', '.join(names())}")
    try:
        return run()
    except DesignError as refusal:
        reasons = tuple(_sentence(fault) for fault in refusal.faults)
        return Refusal(panel.study.slug, panel.outcome.name, design, title(design), reasons)


def _sentence(fault: Fault) -> str:
    """A fault as a sentence; which study it is about is clear where it is shown."""
    text = f"{fault.what}; {fault.fix}" if fault.fix else fault.what
    return f"{text[:1].upper()}{text[1:]}."
