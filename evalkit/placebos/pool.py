"""Where pseudo-collaboratives are drawn from: the unit-periods that no joining has touched.

Untouched are all periods of units that never joined, and those of joiners before they joined, less the declared
anticipation. A pseudo-collaborative keeps the study's own rollout: as many waves, as many periods apart, the same
transition, and as many units a wave as there are, or as leave at least as many to compare with (the study's share of
units, where entry was by the outcome). It is set

    in the comparison units, where enough units never joined, at the real dates; where entry was by the outcome, at
    as many other dates as there is time for too, since the same units would be drawn every time. Joiners stay out:
    what chance did to them before they joined would be in every draw alike
    before the first wave, at earlier dates, among all units, where that time is long enough

and is refused elsewhere. Where joining was decided for whole clusters, clusters are drawn.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from evalkit import numbers, periods
from evalkit.errors import DesignError
from evalkit.estimators._did import front
from evalkit.estimators._did.layout import Layout, layout
from evalkit.estimators._did.relabelled import by_cluster
from evalkit.estimators._did.rollouts import own_order
from evalkit.panel import Panel

FEWEST = 2  # units or clusters of a wave: of one alone nobody knows the variation
BEFORE = 4  # periods before the first pseudo-wave
AFTER = 3  # periods after the transition of the last one
MOST = 12  # dates
YEAR = {"month": 12, "quarter": 4, "year": 2}  # periods before the first wave where entry looks back


@dataclass(frozen=True, eq=False)
class Place:
    """A rollout's dates in the pool.

    panel   the untouched rows under some rollout with these dates, for designs that are fitted whole
    layout  the same as arrays
    starts  columns of the waves, ascending, shape (W,)
    """

    panel: Panel
    layout: Layout
    starts: np.ndarray


@dataclass(frozen=True, eq=False)
class Pool:
    """What is drawn from.

    places  dates at which a rollout may be set
    things  members, by row, of each unit or cluster that may be drawn
    sizes   things of each wave, shape (W,)
    whole   whether clusters are drawn, not units
    inside  whether it is set in the comparison units, at the real dates
    joined  units or clusters that joined in the study
    others  those that never joined in the study
    """

    places: tuple[Place, ...]
    things: list[np.ndarray]
    sizes: np.ndarray
    whole: bool
    inside: bool
    joined: int
    others: int

    @property
    def wider(self) -> float:
        """How much wider an interval is here than in the study, from numbers alone.

        sqrt((1/a + 1/b) / (1/A + 1/B)), a joined here with b to compare with, A and B in the study.
        """
        a, b = int(self.sizes.sum()), len(self.things) - int(self.sizes.sum())
        B = self.others if self.others else b
        return float(np.sqrt((1 / a + 1 / b) / (1 / self.joined + 1 / B)))

    @property
    def single(self) -> bool:
        """Whether some wave is one unit or cluster, whose variation only whole fits borrow."""
        return bool((self.sizes < FEWEST).any())

    def sentence(self) -> str:
        """Where pseudo-collaboratives are drawn, and how many units take part."""
        study = self.places[0].panel.study
        what = "clusters" if self.whole else "units"
        waves = numbers.of(len(self.sizes), "wave")
        dates = "the real dates" if len(self.places) == 1 else f"{len(self.places)} different dates"
        where = f"at {dates}, among those that never joined" if self.inside else f"at {dates}, before anybody joined"
        text = f"{int(self.sizes.sum())} of {len(self.things)} {what} in {waves}, {where}"
        if self.sizes.sum() < self.joined:
            text += f" (in the study {self.joined} joined)"
        if len(self.places) > 1:
            first, last = (study.window[int(place.starts[0])] for place in (self.places[0], self.places[-1]))
            text += f", the first wave between {periods.say(first)} and {periods.say(last)}"
        return text


def pool(panel: Panel, anticipation: int = 0, *, selective: bool = False) -> Pool:
    """The study's own pool.

    selective  entry was by the outcome: no larger a share joins than in the study, or there would be no choice

    Raises DesignError when nobody joined, or neither the comparison units nor the time before the first wave
    can hold a rollout like the study's.
    """
    if panel.joined.empty:
        raise DesignError("no unit joined, so there is no rollout to imitate", panel.study.slug)
    real = layout(panel)
    whole = by_cluster(real)
    untouched, _ = front.sample(real, anticipation)
    kept = _only(panel, untouched)
    starts, sizes, never = _waves(kept, whole)
    counted = (int(sizes.sum()), never)
    share = min(0.5, sizes.sum() / (sizes.sum() + never)) if selective else 0.5
    inside = _scaled(sizes, int(share * never))
    if inside is not None:
        alone = _only(panel, untouched & np.isnan(real.g)[:, None])
        arrays = layout(alone)
        things = _things(arrays, whole)
        dates = _dates(arrays, panel, starts, YEAR[panel.study.frequency]) if selective else []
        places = tuple(_place(alone, things, begin, inside) for begin in dates or [starts])
        return Pool(places, things, inside, whole, True, *counted)
    before = np.arange(untouched.shape[1])[None, :] < int(starts[0]) - anticipation
    early = _only(panel, untouched & before)
    arrays = layout(early)
    things = _things(arrays, whole)
    smaller, dates = _scaled(sizes, int(share * len(things))), _dates(arrays, panel, starts, BEFORE)
    if not dates or smaller is None:
        raise DesignError(
            f"{numbers.of(never, 'comparison unit')} and the {_untouched(panel, starts)} before the first wave "
            "cannot hold a rollout like the study's",
            panel.study.slug,
            "widen `window` to earlier periods, or add units that never joined",
        )
    places = tuple(_place(early, things, begin, smaller) for begin in dates)
    return Pool(places, things, smaller, whole, False, *counted)


def _only(panel: Panel, keep: np.ndarray) -> Panel:
    """Without some unit-periods; keep, booleans, shape (n, T)."""
    return panel.with_rows(panel.rows[keep[panel.places, panel.rows["t"].to_numpy()]])


def _waves(panel: Panel, whole: bool) -> tuple[np.ndarray, np.ndarray, int]:
    """Columns of the study's waves, how many units or clusters each has, and how many never joined."""
    arrays = layout(panel)
    things = _things(arrays, whole)
    wave = np.array([arrays.g[members[0]] for members in things])
    starts, sizes = np.unique(wave[~np.isnan(wave)], return_counts=True)
    return starts.astype(int), sizes, int(np.isnan(wave).sum())


def _untouched(panel: Panel, starts: np.ndarray) -> str:
    return numbers.of(int(starts[0]), periods.noun(panel.study.frequency, 1))


def _things(arrays: Layout, whole: bool) -> list[np.ndarray]:
    """The rows of each unit or cluster, in an order that neither names nor the order of rows decide."""
    order = own_order(arrays)
    if not whole:
        return [np.array([i]) for i in order]
    return [np.flatnonzero(arrays.cluster == c) for c in dict.fromkeys(arrays.cluster[order].tolist())]


def _scaled(sizes: np.ndarray, most: int) -> np.ndarray | None:
    """Waves of the same sizes, or in proportion where at most so many can join; None when waves would be single."""
    if sizes.sum() <= most:
        return sizes
    if most < FEWEST * len(sizes):
        return None
    spare = most - FEWEST * len(sizes)
    over = np.maximum(sizes - FEWEST, 0)
    share = over * spare / max(over.sum(), 1)
    out = FEWEST + np.floor(share).astype(int)
    left = spare - int(np.floor(share).sum())
    out[np.argsort(-(share - np.floor(share)), kind="stable")[:left]] += 1
    return out


def _dates(arrays: Layout, panel: Panel, starts: np.ndarray, before: int) -> list[np.ndarray]:
    """Columns at which the waves have periods before and after them, the real ones moved together; at most `MOST`."""
    used = np.flatnonzero(arrays.seen.any(axis=0))
    transition = panel.study.protocol.transition.periods
    out = []
    for first in range(1, arrays.Y.shape[1]):
        begin = starts - int(starts[0]) + first
        if (used < begin[0]).sum() >= before and (used >= begin[-1] + transition).sum() >= AFTER:
            out.append(begin)
    spread = np.unique(np.round(np.linspace(0, len(out) - 1, min(MOST, len(out)))).astype(int))
    return [out[k] for k in spread]


def _place(panel: Panel, things: list[np.ndarray], starts: np.ndarray, sizes: np.ndarray) -> Place:
    """The first things in the first wave and so on: dates count here, not who."""
    g = np.full(len(panel.units), np.nan)
    for members, start in zip(things, np.repeat(starts, sizes), strict=False):
        g[members] = start
    window = panel.study.window
    cohort = pd.Series([window[int(c)] if np.isfinite(c) else pd.NaT for c in g], index=panel.units.index)
    made = panel.joining(cohort)
    return Place(made, layout(made), starts)
