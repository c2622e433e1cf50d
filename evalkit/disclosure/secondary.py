"""Cells suppressed so that those that had to be cannot be found by subtraction.

Where a total is known from elsewhere, the one suppressed cell of a line is the total less the others. So no line may
have exactly one: the smallest other cell of the line goes too, over and over, until none has. Lines are those of one
count over the units in a period, over the periods of a unit, and over counts that add up in one unit and period
(Willenborg and de Waal 2001, Elements of Statistical Disclosure Control, chapter 6).

What is chosen depends on where cells are suppressed and on the others as they are rounded, never on a suppressed
count: whatever it is within its range, the same cells go, and nothing that is released tells two such counts apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np

UNITS, PERIODS = 1, 2  # axes
MOST_PARTS, WIDE = 4, 16  # counts that may add up to another one, fewer where there are more than so many columns
PROBE, NEARLY, ALMOST = 200, 0.8, 0.9  # rows looked at first, and the share of rows in which they must add up


def closed(hidden: np.ndarray, shown: np.ndarray, adding: Sequence[tuple[int, ...]] = ()) -> np.ndarray:
    """The cells that are suppressed once no line has exactly one, while another cell above zero is left in it.

    hidden  booleans, shape (counts, units, periods): suppressed for their size
    shown   the same shape: rounded, NaN where there is none
    adding  sets of counts of which one is the sum of the others

    Cells are only ever added, so it ends. Units are taken in an order of what is known of them, so that neither their
    names nor their order matter.
    """
    order = _order(hidden, shown)
    out, size = hidden[:, order], shown[:, order]
    while True:
        before = int(out.sum())
        for axis in (UNITS, PERIODS):
            _one_more(out, size, axis)
        for members in adding:
            chosen = list(members)
            part = out[chosen]
            _one_more(part, size[chosen], 0, whole=True)
            out[chosen] = part
        if int(out.sum()) == before:
            found = np.empty_like(out)
            found[:, order] = out
            return found


def _order(hidden: np.ndarray, shown: np.ndarray) -> np.ndarray:
    """Units by what is known of them, shape (units,)."""
    known = np.where(hidden, -1.0, np.where(np.isnan(shown), -2.0, shown))
    rank = np.unique(known.transpose(1, 0, 2).reshape(known.shape[1], -1), axis=0, return_inverse=True)[1]
    return np.argsort(rank.ravel(), kind="stable")


def _one_more(hidden: np.ndarray, size: np.ndarray, axis: int, *, whole: bool = False) -> None:
    """Suppress, in place, the smallest other cell of every line along an axis that has one suppressed cell.

    whole  leave lines alone in which a cell is missing: nothing adds up there

    A cell whose other line has a suppressed cell already counts half its size, for it needs no further one: three
    small cells among 12,000 of about one size then take 3 others with them, where the smallest alone would take 33.
    """
    free = ~hidden & (size > 0)
    alone = hidden.sum(axis=axis) == 1
    if whole:
        alone &= ~np.isnan(size).any(axis=axis)
    lines = alone & free.any(axis=axis)
    if not lines.any():
        return
    across = hidden.any(axis=PERIODS if axis == UNITS else UNITS, keepdims=True)
    cost = np.where(free, size * np.where(across, 0.5, 1.0), np.inf)
    best = np.expand_dims(cost.argmin(axis=axis), axis)
    chosen = np.take_along_axis(hidden, best, axis) | np.expand_dims(lines, axis)
    np.put_along_axis(hidden, best, chosen, axis)


def adding_up(counts: np.ndarray) -> list[tuple[int, ...]]:
    """Sets of columns of which one is the sum of the others in 9 of 10 rows or more.

    counts  shape (rows, columns), NaN where missing: a row counts where all are there

    Sums of up to four columns are tried, of two in a wide table; equal columns are a set of two.
    """
    rows, columns = counts.shape
    probe = counts[np.unique(np.linspace(0, rows - 1, min(rows, PROBE)).astype(int))] if rows else counts
    found: dict[tuple[int, ...], None] = {}
    for parts in range(1, (MOST_PARTS if columns <= WIDE else 2) + 1):
        sets = np.array(list(combinations(range(columns), parts)), int)
        if not len(sets):
            break
        sums = probe[:, sets].sum(axis=2)
        for total in range(columns):
            likely = ~(sets == total).any(axis=1) & _agree(sums, probe[:, [total]], NEARLY)
            for members in sets[likely]:
                if _agree(counts[:, members].sum(axis=1)[:, None], counts[:, [total]], ALMOST)[0]:
                    found[tuple(sorted((*members.tolist(), total)))] = None
    return list(found)


def _agree(sums: np.ndarray, total: np.ndarray, share: float) -> np.ndarray:
    """Which columns of sums are the total in that share of the rows in which both are there and above zero."""
    there = ~np.isnan(sums) & (total > 0)
    count = there.sum(axis=0)
    found: np.ndarray = (count > 0) & ((there & (sums == total)).sum(axis=0) >= share * count)
    return found
