"""Who is set against whom in which periods: a Panel as blocks of joined units, donors and periods.

A block is one wave with the donors that were untouched throughout its periods after joining. Where
later waves may serve as donors until they join (`comparison: not_yet_joined`), the periods after
joining are cut where a later wave joins, and each piece is a block with donors of its own. No joined
unit is ever a donor in or after the period in which it joined.

What is missing decides nothing silently: a period in which more than half of the possible donors, or
any joined unit, is not seen is left out; then a donor that is not seen in every period is left out; a
joined unit seen in fewer than half of the periods on either side is left out. All are named.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np
import pandas as pd

from evalkit import numbers, periods
from evalkit.errors import DesignError
from evalkit.panel import Panel

DONORS = 4  # fewer are a matched comparison, not a synthetic one, and cannot place an effect among placebos
PAIR = 2  # units or clusters of which one can be left out
SEEN = 0.5  # share of the periods on a side in which a joined unit must be seen


@dataclass(frozen=True, eq=False)
class Block:
    """One wave against donors that were untouched throughout `after`; units and periods by position.

    cohort   column in which the wave joined
    joined   units of the wave, positions
    donors   positions
    before   analysed columns before joining
    after    analysed columns after joining
    between  columns in transition, shown and in no average
    share    of the wave's columns after joining that are this block's
    """

    cohort: int
    joined: np.ndarray
    donors: np.ndarray
    before: np.ndarray
    after: np.ndarray
    between: np.ndarray
    share: float = 1.0


@dataclass(eq=False)
class Blocks:
    """All blocks of a panel, and what was left out.

    never       units that never joined and are seen in the periods of every block: who may play a joined one
    unseen      donors left out because they were not seen in every period, positions
    dropped     joined units left out because they were seen too little, positions
    skipped     columns left out because a joined unit or most donors were not seen
    lost        columns after joining without enough donors, by wave
    refused     why a wave has no block, by wave
    """

    found: list[Block] = field(default_factory=list)
    never: np.ndarray = field(default_factory=lambda: np.empty(0, int))
    unseen: set[int] = field(default_factory=set)
    dropped: set[int] = field(default_factory=set)
    skipped: set[int] = field(default_factory=set)
    lost: dict[int, int] = field(default_factory=dict)
    refused: dict[int, str] = field(default_factory=dict)

    @property
    def joined(self) -> np.ndarray:
        """Joined units in any block, wave by wave."""
        waves = {b.cohort: b.joined for b in self.found}
        return np.concatenate(list(waves.values()))


def blocks(panel: Panel, Y: np.ndarray, g: np.ndarray, least: int) -> Blocks:
    """The blocks of a panel.

    Y, g   values and joining columns as `Panel.value_matrix` gives them
    least  analysed periods before joining that a wave must have

    Raises DesignError, with the reason, when there is none.
    """
    later = _later(panel)
    phases = {int(c): _phase(panel, int(c)) for c in np.unique(g[~np.isnan(g)])}
    out = arranged(Y, g, phases, (later, least), panel.study.frequency)
    if not out.found:
        _refuse(panel, out)
    return out


def arranged(
    Y: np.ndarray, g: np.ndarray, phases: dict[int, np.ndarray], rule: tuple[bool, int], noun: str
) -> Blocks:
    """The blocks of arrays, perhaps none.

    phases  of each wave, by the column in which it joined, shape (periods,)
    rule    whether later waves may be donors until they join; analysed periods before joining that a wave must have
    noun    what a period is called
    """
    out = Blocks()
    for cohort, phase in phases.items():
        joined = _seen(Y, np.flatnonzero(g == cohort), phase, out)
        columns = np.flatnonzero(~np.isnan(Y[joined]).any(axis=0)) if len(joined) else np.empty(0, int)
        analysed = np.isin(phase, ["pre", "post"]) & ~np.isnan(Y).all(axis=0)
        out.skipped |= {int(c) for c in np.setdiff1d(np.flatnonzero(analysed), columns)} if len(joined) else set()
        sides = {side: columns[phase[columns] == side] for side in ("pre", "transition", "post")}
        why = _too_little(noun, joined, sides, rule[1])
        if why:
            out.refused[cohort] = why
            continue
        _of_wave(Y, g, (cohort, joined, sides), out, rule)
    if out.found:
        complete = [set(b.donors.tolist()) for b in out.found]
        both = set.intersection(*complete) & set(np.flatnonzero(np.isnan(g)).tolist())
        out.never = np.array(sorted(both), int)
    return out


def _later(panel: Panel) -> bool:
    """Whether later waves may be donors until they join."""
    comparison, slug = panel.study.protocol.comparison, panel.study.slug
    if panel.joined.empty:
        raise DesignError("no unit joined", slug, "give joining dates in the rollout")
    if comparison == "none":
        raise DesignError("the protocol says that there is no comparison", slug, "use an interrupted time series")
    return comparison in (None, "not_yet_joined")


def _phase(panel: Panel, cohort: int) -> np.ndarray:
    """The phase of a wave in every period of the window, shape (periods,)."""
    window = panel.study.window
    joined = pd.Series(pd.PeriodIndex([window[cohort]] * len(window)))
    return np.asarray(panel.study.phases(joined, pd.Series(window)), dtype=str)


def _seen(Y: np.ndarray, joined: np.ndarray, phase: np.ndarray, out: Blocks) -> np.ndarray:
    """The units of a wave that are seen in at least half of the periods on either side."""
    usable = ~np.isnan(Y).all(axis=0)
    kept = np.ones(len(joined), bool)
    for side in ("pre", "post"):
        columns = usable & (phase == side)
        if columns.any():
            kept &= (~np.isnan(Y[np.ix_(joined, columns)])).mean(axis=1) >= SEEN
    out.dropped |= {int(u) for u in joined[~kept]}
    return joined[kept]


def _too_little(noun: str, joined: np.ndarray, sides: dict[str, np.ndarray], least: int) -> str:
    """Why a wave cannot be analysed; empty when it can."""
    if not len(joined):
        return "none of its units is seen in half of the periods on either side"
    if not len(sides["post"]):
        return "no period after joining is analysed"
    if len(sides["pre"]) < least:
        found = numbers.of(len(sides["pre"]), f"analysed {noun}")
        return f"{found} before joining in which all its units are seen, and {least} are needed"
    return ""


Wave = tuple[int, np.ndarray, dict[str, np.ndarray]]


def _of_wave(Y: np.ndarray, g: np.ndarray, wave: Wave, out: Blocks, rule: tuple[bool, int]) -> None:
    """Add the blocks of one wave."""
    cohort, _, sides = wave
    later, least = rule
    cuts = np.unique(g[g > cohort]) if later else np.empty(0)
    edges = [cohort, *(int(c) for c in cuts), Y.shape[1]]
    total = len(sides["post"])
    for first, end in pairwise(edges):
        after = sides["post"][(sides["post"] >= first) & (sides["post"] < end)]
        if not len(after):
            continue
        pool = np.flatnonzero(np.isnan(g) | (g >= end)) if later else np.flatnonzero(np.isnan(g))
        block = _block(Y, wave, pool, after, out)
        if block is None or len(block.before) < least:
            out.lost[cohort] = out.lost.get(cohort, 0) + len(after)
            continue
        out.found.append(block)
    mine = [b for b in out.found if b.cohort == cohort]
    given = sum(len(b.after) for b in mine)
    if not mine:
        out.refused[cohort] = f"fewer than {DONORS} donors are seen throughout its periods"
        out.lost.pop(cohort, None)
    elif len(mine) > 1 or given < total:
        out.found[-len(mine) :] = [replace(b, share=len(b.after) / given) for b in mine]


def _block(Y: np.ndarray, wave: Wave, pool: np.ndarray, after: np.ndarray, out: Blocks) -> Block | None:
    """One block with the donors that are seen throughout; None when they are too few."""
    cohort, joined, sides = wave
    if not len(pool):
        return None
    missing = np.isnan(Y[pool])
    common = missing.mean(axis=0) <= SEEN
    before, post = sides["pre"][common[sides["pre"]]], after[common[after]]
    out.skipped |= {int(c) for c in (*sides["pre"], *after) if not common[c]}
    if not len(before) or not len(post):
        return None
    complete = ~missing[:, np.concatenate([before, post])].any(axis=1)
    out.unseen |= {int(u) for u in pool[~complete]}
    donors = pool[complete]
    if len(donors) < DONORS:
        return None
    between = sides["transition"]
    between = between[~np.isnan(Y[np.ix_(donors, between)]).any(axis=0)]
    return Block(cohort, joined, donors, before, post, between)


def _refuse(panel: Panel, out: Blocks) -> None:
    """Say why no wave can be analysed."""
    window = panel.study.window
    reasons = [f"wave of {periods.say(window[c])}: {why}" for c, why in out.refused.items()]
    raise DesignError(
        f"no wave can be set against a synthetic comparison ({'; '.join(reasons)})",
        panel.study.slug,
        f"widen `window`, add units that never joined (at least {DONORS}), or use an interrupted time series",
    )
