"""The reasonable ways to set up a comparison between units: what each choice changes, and which are combined."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import product
from typing import Any

import numpy as np

from evalkit import numbers, periods
from evalkit.checks._matched import ENOUGH, before, match, versions
from evalkit.errors import DesignError
from evalkit.estimators._did.layout import layout
from evalkit.panel import Panel
from evalkit.study.fields import Exclusion, Transition

DESIGN_NAMES = {
    "group_time": "Group-time",
    "imputation": "Imputation",
    "two_stage": "Two-stage",
    "interaction_weighted": "Interaction-weighted",
    "extended_twoway": "Extended two-way",
    "twoway": "Two-way",
    "event_study": "Event study, two-way",
}
TRIED = ("group_time", "imputation", "interaction_weighted", "extended_twoway")
NEVER = ("interaction_weighted", "twoway", "event_study")  # designs that compare with units that never joined
LEADS = (0, 1, 2, 3)
LONGEST = 36  # periods of transition that a protocol may declare
BLANK = ("", "nan", "<NA>")


@dataclass(frozen=True, eq=False)
class Choice:
    """One way to make one decision.

    labels   what it is called, by column of the curve
    design   the design, or blank
    changes  fields of the protocol
    lead     periods of anticipation, or None
    cut      periods taken off the window's start and end
    keep     units kept, booleans, shape (n,), or None for all
    """

    labels: dict[str, str]
    design: str = ""
    changes: dict[str, Any] = field(default_factory=dict)
    lead: int | None = None
    cut: tuple[int, int] = (0, 0)
    keep: np.ndarray | None = None


def factors(panel: Panel, design: str) -> list[list[Choice]]:
    """The decisions that these data leave open, each with the declared choice first."""
    found = [
        _designs(panel, design),
        _leads(panel, design),
        _transitions(panel),
        _exclusions(panel),
        _windows(panel),
        _neighbours(panel),
        _matched(panel, design),
        _merged(panel),
        _complete(panel),
        _weights(panel),
    ]
    return [found[0], *(choices for choices in found[1:] if len(choices) > 1)]


def combined(sizes: list[int], most: int) -> tuple[list[tuple[int, ...]], int]:
    """Combinations of choices as positions, those nearest to the declared one first, and how many there are.

    Of more than `most`, those with one choice changed come first, then those with two, then all others; where a
    group no longer fits, as many of it as there is room for, picked by a shuffle that is always the same.
    """
    every = sorted(product(*(range(size) for size in sizes)), key=lambda at: (_changed(at), at))
    out: list[tuple[int, ...]] = []
    for few, many in ((0, 1), (2, 2), (3, len(sizes))):
        group = [at for at in every if few <= _changed(at) <= many]
        room = max(most - len(out), 0)
        picked = range(len(group))
        if len(group) > room:
            picked = np.sort(np.random.default_rng(0).permutation(len(group))[:room])  # type: ignore[assignment]
        out += [group[i] for i in picked]
    return out, len(every)


def _changed(at: tuple[int, ...]) -> int:
    """How many choices differ from the declared ones."""
    return sum(i > 0 for i in at)


def near_joined(panel: Panel) -> np.ndarray | None:
    """Never-joined units in a region with joined ones, booleans, shape (n,); None where a unit has no region."""
    region = panel.units["region"].astype(str).str.strip()
    if region.isin(BLANK).any():
        return None
    joined = panel.units["cohort"].notna()
    return (~joined & region.isin(region[joined])).to_numpy(bool)


def _designs(panel: Panel, design: str) -> list[Choice]:
    """Each design with each comparison that it can make."""
    declared = panel.study.protocol.comparison
    chosen = declared if isinstance(declared, tuple) else "never_joined"
    alone = "Chosen units" if isinstance(declared, tuple) else "Never joined"
    only = declared not in (None, "not_yet_joined")
    wide: dict[str, Any] = {"comparison": "not_yet_joined"}
    narrow: dict[str, Any] = {"comparison": chosen}
    out = []
    for name in dict.fromkeys((design, *TRIED)):
        ways = [("Not yet joined", wide)] if panel.staggered and name not in NEVER else []
        if name in (*NEVER, "group_time") or not panel.staggered:
            ways.append((alone if len(panel.never) else "Last wave", narrow if len(panel.never) else wide))
        if name == "group_time" and not len(panel.never):
            ways = ways[:1]
        if only and name == design:
            ways.reverse()
        out += [Choice({"design": DESIGN_NAMES[name], "comparison": label}, name, way) for label, way in ways]
    return out


def _leads(panel: Panel, design: str) -> list[Choice]:
    declared = int(getattr(panel.study.protocol.model, design).anticipation)
    if design == "twoway":
        return [Choice({})]
    return [
        Choice({"anticipation": numbers.of(lead, panel.study.frequency) if lead else "None"}, lead=lead)
        for lead in dict.fromkeys((declared, *LEADS))
    ]


def _transitions(panel: Panel) -> list[Choice]:
    declared = panel.study.protocol.transition
    step = max(1, periods.PER_YEAR[panel.study.frequency] // 4)
    lengths = [0, declared.periods - step, declared.periods + step]
    others = [k for k in dict.fromkeys(lengths) if k != declared.periods and 0 <= k <= LONGEST]
    return [
        Choice(
            {"transition": numbers.of(made.periods, panel.study.frequency) if made.periods else "None"},
            changes={"transition": made},
        )
        for made in (declared, *(Transition(periods=k) for k in others))
    ]


def _exclusions(panel: Panel) -> list[Choice]:
    protocol = panel.study.protocol
    declared = "As declared" if protocol.exclude else "None"
    out = [Choice({"excluded": declared}, changes={"exclude": protocol.exclude})]
    if protocol.exclude:
        out.append(Choice({"excluded": "None"}, changes={"exclude": ()}))
    if protocol.events:
        events = tuple(
            Exclusion.model_validate({"from": e.first, "to": e.last, "why": e.label}) for e in protocol.events
        )
        label = "Events too" if protocol.exclude else "Declared events"
        out.append(Choice({"excluded": label}, changes={"exclude": (*protocol.exclude, *events)}))
    return out


def _windows(panel: Panel) -> list[Choice]:
    year = periods.PER_YEAR[panel.study.frequency]
    whole = Choice({"window": "Whole window"})
    if len(panel.study.window) <= 2 * year:
        return [whole]
    return [
        whole,
        Choice({"window": "Without the first year"}, cut=(year, 0)),
        Choice({"window": "Without the last year"}, cut=(0, year)),
    ]


def _neighbours(panel: Panel) -> list[Choice]:
    near = near_joined(panel)
    everybody = Choice({"neighbours": "Kept"})
    if near is None or not near.any() or near.sum() == len(panel.never):
        return [everybody]
    return [everybody, Choice({"neighbours": "Left out"}, keep=~near)]


def _matched(panel: Panel, design: str) -> list[Choice]:
    """Everybody, and pairs of units that looked alike over the first half of the baseline."""
    out = [Choice({"matched": "All"})]
    arrays = layout(panel)
    try:
        known = before(panel, arrays, int(getattr(panel.study.protocol.model, design).anticipation))
    except DesignError:
        return out
    for version in versions(known):
        try:
            pairs = match(arrays, known, version)
        except DesignError:
            continue
        if len(pairs.joined) >= ENOUGH * (known.joined.sum() + known.unseen.sum()):
            out.append(Choice({"matched": version}, keep=pairs.units(len(arrays.g))))
    return out


def _merged(panel: Panel) -> list[Choice]:
    everybody = Choice({"merged units": "Kept"})
    single = ~panel.units.index.isin(panel.merged)
    joined = panel.units["cohort"].notna().to_numpy()
    if single.all() or not (single & joined).any():
        return [everybody]
    return [everybody, Choice({"merged units": "Left out"}, keep=single)]


def _complete(panel: Panel) -> list[Choice]:
    seen = panel.wide().reindex(panel.units.index).notna().to_numpy()
    whole = seen[:, ~panel.study.excluded].all(axis=1)
    everybody = Choice({"reporting": "All units"})
    if whole.all() or not whole.any():
        return [everybody]
    return [everybody, Choice({"reporting": "Every period"}, keep=whole)]


def _weights(panel: Panel) -> list[Choice]:
    if panel.outcome.denominator is None:
        return [Choice({"weights": "Units alike"})]
    said = {"unit": "Units alike", "denominator": "By denominator"}
    declared = panel.study.protocol.weights
    return [
        Choice({"weights": said[name]}, changes={"weights": name})
        for name in sorted(said, key=lambda name: name != declared)
    ]
