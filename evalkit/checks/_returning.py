"""An entry rule applied in earlier windows: how far the picked come back by themselves.

A window is a run of L periods that end in column e. Units are judged by their mean over it, and the rule picks
the poorest. With c_i(t) = Y_it - (mean of Y_i over the window), the return at lag l = t - e is

    R_e(l) = mean of c over the picked at e + l, less the same over the rest.

Nothing had started, so R is what choosing the poor does by itself: regression to the mean. A design whose
headline gives the joined units the weight q(l) in all, l periods after their selection, makes of it

    artefact = sum over l of q(l) R(l),   R(l) the mean of R_e(l) over the windows that reach lag l.

Lags that no window reaches, a long way after or before the selection, are given the mean of the nearest ones.

Many copies of the units, each a bootstrap draw, go through at a time: copy b holds unit i m(b, i) times.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evalkit.checks._fallback import distance
from evalkit.errors import DesignError

FEWEST = 3  # periods of follow-up that a window must reach
TAIL = 6  # lags at either end, at most half of those on that side, that stand for lags beyond


@dataclass(frozen=True, eq=False)
class Past:
    """What was seen before anybody was touched; n units, P periods.

    judged  what entry was decided on, turned so that low is poor, shape (n, P)
    known   where that was seen, booleans, shape (n, P)
    values  the outcome, shape (n, P)
    seen    where it was seen, booleans, shape (n, P)
    weight  what each unit counts for in a mean, shape (n,)
    """

    judged: np.ndarray
    known: np.ndarray
    values: np.ndarray
    seen: np.ndarray
    weight: np.ndarray


@dataclass(frozen=True)
class Pick:
    """The rule: the poorest `share` of the units that can be judged, or those `below` a value (turned as judged).

    length  L, periods of a window
    after   periods from the end of a window to the first that counts as followed up, at least 1
    upto    the last period after it that does
    """

    length: int
    after: int
    upto: int
    share: float | None = None
    below: float | None = None


@dataclass(frozen=True, eq=False)
class Window:
    """One window in every copy; B copies.

    end      its last column
    gap      how far the picked were behind the rest over it, shape (B,), turned as judged: below nought is worse
    profile  R_e, shape (B, P), by column; NaN where one side was not seen
    picked   units picked, of the first copy
    share    of the units, in the first copy
    products sums over units of (score - mean) c(t), shape (P,), and of (score - mean)^2 where c(t) was seen, (P,)
    spread   sum of squares of the scores about their mean, and how many units, less one
    """

    end: int
    gap: np.ndarray
    profile: np.ndarray
    picked: float
    share: float
    products: np.ndarray
    spread: tuple[float, float]


def scores(past: Past, end: int, length: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean judged over a window, and which units can be judged: seen in half of it or more; shapes (n,), (n,)."""
    columns = slice(end - length + 1, end + 1)
    known, seen = past.known[:, columns], past.seen[:, columns]
    open_ = max(int(known.any(axis=0).sum()), 1)
    usable = (2 * known.sum(axis=1) >= open_) & seen.any(axis=1) & known.any(axis=1)
    mean = (past.judged[:, columns] * known).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    return mean, usable


def changes(past: Past, end: int, length: int) -> np.ndarray:
    """c, each unit's outcome less its own mean over the window, shape (n, P)."""
    columns = slice(end - length + 1, end + 1)
    seen = past.seen[:, columns]
    base = (past.values[:, columns] * seen).sum(axis=1) / np.maximum(seen.sum(axis=1), 1)
    out: np.ndarray = (past.values - base[:, None]) * past.seen
    return out


def picked(score: np.ndarray, copies: np.ndarray, pick: Pick, ties: np.ndarray) -> np.ndarray:
    """How many of the copies of each unit the rule picks; shapes (n,), (B, n), -> (B, n).

    ties  an order of the units, shape (n,), for equal scores

    The last unit of the poorest share may be picked in part.
    """
    if pick.below is not None:
        return copies * (score < pick.below)
    order = np.lexsort((ties, score))
    there = copies[:, order]
    wanted = (pick.share or 0.0) * there.sum(axis=1, keepdims=True)
    out = np.empty_like(there)
    out[:, order] = np.clip(wanted - (np.cumsum(there, axis=1) - there), 0.0, there)
    return out


def window(past: Past, pick: Pick, end: int, copies: np.ndarray, ties: np.ndarray) -> Window | None:
    """One window in every copy, shape (B, n); None where the rule picks nobody or everybody who can be judged."""
    score, usable = scores(past, end, pick.length)
    there = copies * usable
    chosen = picked(score, there, pick, ties)
    share = float(chosen[0].sum() / max(there[0].sum(), 1.0))
    if not 0 < share < 1:
        return None
    rest = there - chosen
    c = changes(past, end, pick.length)
    sides = [side * past.weight for side in (chosen, rest)]
    gap = _less([s @ score for s in sides], [s.sum(axis=1) for s in sides])
    profile = _less([s @ c for s in sides], [s @ past.seen.astype(float) for s in sides])
    centred = np.where(usable, score - score[usable].mean(), 0.0)
    squares, counted = centred**2, past.seen & usable[:, None]
    level = (c * counted).sum(axis=0) / np.maximum(counted.sum(axis=0), 1)
    products = np.stack([centred @ ((c - level) * counted), squares @ counted])
    return Window(
        end, gap, profile, float(chosen[0].sum()), share, products, (float(squares.sum()), usable.sum() - 1.0)
    )


def _less(sums: list[np.ndarray], sizes: list[np.ndarray]) -> np.ndarray:
    """The mean on one side less that on the other, NaN where a side is empty; shape (B, ...)."""
    one, two = (np.divide(s, k, out=np.full(s.shape, np.nan), where=k > 0) for s, k in zip(sums, sizes, strict=True))
    found: np.ndarray = one - two
    return found


@dataclass(frozen=True, eq=False)
class Returning:
    """All windows; lags are counted from -(P - 1) to P - 1, position P - 1 being the end of the selection.

    windows   those in which the rule could be applied, earliest first
    length    L
    mean      R, shape (B, 2 P - 1), NaN at lags that no window reaches
    reached   which lags some window reaches in the first copy, booleans, shape (2 P - 1,)
    slope     change at each lag for a unit of distance from the mean over the window, shape (2 P - 1,)
    """

    windows: list[Window]
    length: int
    mean: np.ndarray
    reached: np.ndarray
    slope: np.ndarray

    @property
    def gap(self) -> np.ndarray:
        """How far the picked were behind the rest, mean over windows, shape (B,)."""
        return _mean(np.stack([w.gap for w in self.windows]))

    @property
    def apart(self) -> int:
        """How many of the windows do not overlap in what was judged."""
        ends, count, last = [w.end for w in self.windows], 0, -(10**9)
        for end in ends:
            if end - last >= self.length:
                count, last = count + 1, end
        return count

    def carried(self, weights: dict[int, float]) -> np.ndarray:
        """q at reached lags, weights beyond them given to the nearest ones; shape (2 P - 1,)."""
        middle = len(self.reached) // 2
        at = np.flatnonzero(self.reached) - middle
        after, before = at[at > 0], at[at <= 0]
        out = np.zeros(len(self.reached))
        for lag, weight in weights.items():
            if lag in at:
                out[lag + middle] += weight
                continue
            side = after if lag > 0 else before
            near = side[side < lag][-1:] if 0 < lag <= side.max() or side.min() < lag <= 0 else _end(side, lag > 0)
            out[near + middle] += weight / len(near)
        return out

    def effect(self, q: np.ndarray) -> np.ndarray:
        """sum q(l) R(l), shape (B,)."""
        used = q != 0
        found: np.ndarray = np.nan_to_num(self.mean[:, used]) @ q[used]
        return found

    def by_window(self, q: np.ndarray) -> np.ndarray:
        """The same in each window, lags that it does not reach as in the others; shape (B, W)."""
        middle, P = len(self.reached) // 2, len(self.reached) // 2 + 1
        overall = self.effect(q)
        out = np.empty((len(overall), len(self.windows)))
        for w, found in enumerate(self.windows):
            lags = slice(middle - found.end, middle - found.end + P)
            apart = np.nan_to_num(found.profile - self.mean[:, lags])
            out[:, w] = overall + apart @ q[lags]
        return out

    def naive(self, pick: Pick) -> np.ndarray:
        """Mean change of the picked less that of the rest, from the window to its follow-up; shape (B, W)."""
        return np.stack([_mean(w.profile[:, followed(w, pick)].T) for w in self.windows], axis=1)

    @property
    def spread(self) -> float:
        """s, the standard deviation between units of the mean over a window."""
        squares, free = np.sum([w.spread for w in self.windows], axis=0)
        return float(np.sqrt(squares / free))

    @property
    def share(self) -> float:
        """p, mean over windows."""
        return float(np.mean([w.share for w in self.windows]))

    def theory(self, q: np.ndarray) -> float:
        """What normal values lead to expect of `effect`."""
        return float(np.nan_to_num(self.slope) @ q) * -distance(self.spread, self.share)


def _end(side: np.ndarray, late: bool) -> np.ndarray:
    size = max(1, min(TAIL, len(side) // 2))
    return side[-size:] if late else side[:size]


def _mean(values: np.ndarray) -> np.ndarray:
    """Mean along the first axis of what is there; nought where nothing is."""
    there = ~np.isnan(values)
    found: np.ndarray = np.where(there, values, 0.0).sum(axis=0) / np.maximum(there.sum(axis=0), 1)
    return found


def followed(found: Window, pick: Pick) -> np.ndarray:
    """Columns of a window's follow-up that both sides were seen in."""
    columns = np.arange(found.end + pick.after, min(found.end + pick.upto, found.profile.shape[1] - 1) + 1)
    return columns[~np.isnan(found.profile[0, columns])]


def returning(past: Past, pick: Pick, copies: np.ndarray, ties: np.ndarray) -> Returning:
    """The rule in every window whose follow-up is seen for `FEWEST` periods or more.

    copies  how often each draw holds each unit, shape (B, n); the first row is the units as they are, ones
    ties    an order of the units, for equal scores, shape (n,)

    Raises DesignError when there is no such window, or the rule picks nobody or everybody in all of them.
    """
    P = past.values.shape[1]
    last = P - 1 - (pick.after - 1) - FEWEST
    if last < pick.length - 1:
        needed = pick.length + pick.after - 1 + FEWEST
        raise DesignError(
            f"there is no earlier window: {P} periods before anybody joined, and {needed} are needed",
            fix="widen `window`",
        )
    tried = (window(past, pick, end, copies, ties) for end in range(pick.length - 1, last + 1))
    found = [w for w in tried if w is not None and len(followed(w, pick)) >= FEWEST]
    if not found:
        raise DesignError("in no earlier window does the rule pick some of the units and leave others")
    mean, slope = _averaged(found, P, len(copies))
    return Returning(found, pick.length, mean, ~np.isnan(mean[0]), slope)


def _averaged(found: list[Window], P: int, B: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean returns, shape (B, 2 P - 1), and slopes, shape (2 P - 1,), by lag."""
    total, count = np.zeros((B, 2 * P - 1)), np.zeros((B, 2 * P - 1))
    sums = np.zeros((2, 2 * P - 1))
    for one in found:
        lags = slice(P - 1 - one.end, 2 * P - 1 - one.end)
        there = ~np.isnan(one.profile)
        total[:, lags] += np.where(there, one.profile, 0.0)
        count[:, lags] += there
        sums[:, lags] += one.products
    mean = np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
    return mean, np.divide(sums[0], sums[1], out=np.zeros(2 * P - 1), where=sums[1] > 0)
