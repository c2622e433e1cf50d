"""Which designs a finding rests on, and which of their estimates is asked what."""

from __future__ import annotations

from collections.abc import Iterable

from evalkit.estimate import Estimate, Refusal
from evalkit.estimators._did.headline import DESIGNS as WEIGHED
from evalkit.panel import Panel

WITHOUT_COMPARISON = ("its",)  # where the protocol wants none
SYNTHETIC = ("synthetic_did", "synthetic_control", "augmented_synthetic_control")
COMPARED = ("group_time", "imputation")  # comparisons between units on which a finding rests
FEW, SOME = 5, 15  # joined units up to which a synthetic comparison carries the finding, or stands beside


def designs(panel: Panel) -> tuple[str, ...]:
    """The designs that a finding rests on, the one that carries it first; chosen by how many units joined."""
    if panel.study.protocol.comparison == "none":
        return WITHOUT_COMPARISON
    if len(panel.joined) <= FEW:
        return (SYNTHETIC[0], COMPARED[0], "its")
    beside = (SYNTHETIC[0],) if len(panel.joined) <= SOME else ()
    later_waves = panel.study.protocol.comparison in (None, "not_yet_joined") or not panel.staggered
    return (COMPARED[0], COMPARED[1] if later_waves else "interaction_weighted", *beside, "its")


def weighed(estimates: list[Estimate | Refusal]) -> Estimate | Refusal:
    """The first comparison that is a weighted sum of outcomes, of which sensitivity can be asked; else the first."""
    found = [e for e in estimates if isinstance(e, Estimate) and e.design in WEIGHED]
    return found[0] if found else first(estimates)


def first(estimates: Iterable[Estimate | Refusal]) -> Estimate | Refusal:
    """The first estimate that could be computed, which carries the finding; else the first refusal."""
    refused = []
    for one in estimates:
        if isinstance(one, Estimate):
            return one
        refused.append(one)
    return refused[0]
