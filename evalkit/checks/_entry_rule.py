"""Who was picked, and from what: the protocol's entry rule as arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from evalkit import periods
from evalkit.checks._returning import Past, Pick, scores
from evalkit.errors import DesignError
from evalkit.estimators._did.layout import Layout, layout
from evalkit.panel import Panel, build


@dataclass(frozen=True, eq=False)
class Entry:
    """An entry rule on a panel; n units, T periods.

    layout    the panel's arrays
    pool      units that were seen untouched, of which the rule picks, booleans, shape (n,)
    joined    those of them that joined, booleans, shape (n,)
    first     column in which the first of them joined
    past      what was seen before `first`, less what is anticipated
    whole     what was seen before `first`
    pick      the rule
    end       last column that was judged
    words     the rule in words: `the 40 poorest from April 2023 to March 2024`
    inferred  whether the protocol did not give it
    """

    layout: Layout
    pool: np.ndarray
    joined: np.ndarray
    first: int
    past: Past
    whole: Past
    pick: Pick
    end: int
    words: str
    inferred: bool

    def behind(self, copies: np.ndarray) -> np.ndarray:
        """How far those that joined were behind the rest over the periods judged; shapes (B, n) -> (B,).

        Turned so that below nought is worse. Raises DesignError when a side was not seen then.
        """
        score, usable = scores(self.whole, self.end, self.pick.length)
        weighed = copies * (usable * self.past.weight)
        sides = [weighed * (self.joined == side) for side in (True, False)]
        sizes = [side.sum(axis=1) for side in sides]
        if min(size[0] for size in sizes) <= 0:
            raise DesignError("over the periods judged only one side was seen", fix="correct `entry.over`")
        one, two = (side @ score / np.maximum(size, 1e-300) for side, size in zip(sides, sizes, strict=True))
        return np.asarray(one - two)


def entry_rule(panel: Panel, anticipation: int) -> Entry:
    """The declared rule, or where there is none the poorest so many as joined, over the year before.

    anticipation  periods before joining that are no longer untouched

    Raises DesignError when no wave was seen before it joined, every unit joined, the rule does not fit the
    units, or the outcome that was judged cannot be read.
    """
    arrays = layout(panel)
    start = int(np.argmax(arrays.seen.any(axis=0)))
    later = arrays.cohorts[arrays.cohorts > start]
    if not len(later):
        raise DesignError("no unit was seen before it joined")
    first = int(later[0])
    pool = np.isnan(arrays.g) | (np.nan_to_num(arrays.g) >= first)
    joined = pool & ~np.isnan(arrays.g)
    if joined.sum() == pool.sum():
        raise DesignError("every unit joined in the end, so there is no rest to compare the picked with")
    judged = _judged(panel)
    kept = arrays.seen & pool[:, None]
    whole = _past(panel, arrays, judged, kept, first)
    past = _past(panel, arrays, judged, kept, first - anticipation)
    declared = panel.study.protocol.entry
    inferred = declared is None or declared.over is None
    end, length = _inferred_span(panel, first) if inferred else _span(panel)
    pick = _pick(panel, whole, (end, length), joined, first)
    words = _said(panel, (end, length), joined)
    return Entry(arrays, pool, joined, first, past, whole, pick, end, words, inferred)


def _judged(panel: Panel) -> Panel:
    entry = panel.study.protocol.entry
    wanted = panel.study.outcome(entry.outcome if entry else None)
    return panel if wanted.name == panel.outcome.name else build(panel.study, wanted)


def _past(panel: Panel, arrays: Layout, judged: Panel, kept: np.ndarray, until: int) -> Past:
    """What was seen in the columns before `until`."""
    other = arrays if judged is panel else layout(judged)
    place = np.asarray(other.units.get_indexer(arrays.units))
    there = place >= 0
    Y, sign = other.Y[place], 1.0 if judged.outcome.better == "higher" else -1.0
    known: np.ndarray = other.seen[place] & (there & kept.any(axis=1))[:, None]
    part = slice(0, max(until, 0))
    return Past(
        np.where(known, sign * Y, 0.0)[:, part],
        known[:, part],
        np.where(kept, arrays.Y, 0.0)[:, part],
        kept[:, part],
        arrays.size,
    )


def _span(panel: Panel) -> tuple[int, int]:
    """Last column and length of what the protocol says was judged."""
    over = panel.study.protocol.entry.over  # type: ignore[union-attr]  # asked of a declared rule only
    first, last = panel.study.time(pd.PeriodIndex(over))
    return int(last), int(last - first + 1)


def _inferred_span(panel: Panel, first: int) -> tuple[int, int]:
    """The year before the first wave, or half of what there is when that is less."""
    return first - 1, max(1, min(periods.PER_YEAR[panel.study.frequency], first // 2))


def _pick(panel: Panel, whole: Past, span: tuple[int, int], joined: np.ndarray, first: int) -> Pick:
    entry, (end, length) = panel.study.protocol.entry, span
    wait = first - 1 - end + panel.study.protocol.transition.periods
    upto = len(panel.study.window) - 1 - end
    if entry is not None and entry.threshold is not None:
        sign = 1.0 if panel.study.outcome(entry.outcome).better == "higher" else -1.0
        return Pick(length, wait + 1, upto, below=sign * entry.threshold)
    wanted = entry.worst if entry is not None and entry.worst is not None else int(joined.sum())
    units = int(scores(whole, end, length)[1].sum())
    if wanted >= units:
        raise DesignError(f"the rule takes {wanted} units, and {units} were seen over the periods judged")
    return Pick(length, wait + 1, upto, share=wanted / units)


def _said(panel: Panel, span: tuple[int, int], joined: np.ndarray) -> str:
    entry, window = panel.study.protocol.entry, panel.study.window
    first, last = window[max(span[0] - span[1] + 1, 0)], window[span[0]]
    when = f"from {periods.say(first)} to {periods.say(last)}" if span[1] > 1 else f"in {periods.say(last)}"
    if entry is not None and entry.threshold is not None:
        return f"those poorer than {entry.threshold:,g} {when}"
    wanted = entry.worst if entry is not None and entry.worst is not None else int(joined.sum())
    return f"the poorest {wanted} {when}"
