"""Which points are signals of special cause, what they mean for patients, and whether a target can be relied on.

The rules of NHS England's Making Data Count: a point outside the limits; two of three points near the same limit;
seven on the same side of the mean; seven each above, or below, the one before. They are asked of consecutive
calendar periods inside one segment: a gap or a rebasing ends a run.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from evalkit.spc.limits import Limits

Better = Literal["higher", "lower", "neither"]
Assurance = Literal["passing", "failing", "hit and miss", "no target", "no limits"]

RUN = 7  # points of a shift or a trend
NEAR = 2 / 3  # of the way from the mean to a limit
ROUNDING = 1e-12  # of the largest figure: what is no further off than this is the same
RULES = ("outside", "two of three", "shift", "trend")  # the first that holds is what a point is called by
IMPROVEMENT, COMMON, CONCERN, NEUTRAL = 1, 0, -1, 2


def signals(values: np.ndarray, limits: Limits, segment: np.ndarray) -> np.ndarray:
    """Which rule each point breaks and towards which side: shape (4, S, T), in order of `RULES`; 1 high, -1 low.

    values  shape (S, T); NaN for a gap and for a point that is shown but not judged
    Two of three: of three consecutive points on the same side of the mean, two lie more than two thirds of the way to
    the limit and not beyond it; points outside are signals on their own and do not count among the two. Both are as
    the NHS's own package has it.
    A trend's side is its direction.
    """
    slack = ROUNDING * np.nanmax(np.abs(values), axis=1, keepdims=True, initial=0)
    off, reach = values - limits.centre, limits.high - limits.centre
    with np.errstate(invalid="ignore"):
        side = np.where(np.abs(off) > slack, np.sign(off), 0)
        out = np.abs(off) > reach + slack
        near = (np.abs(off) > NEAR * reach + slack) & ~out
    side = np.nan_to_num(side)
    step = np.zeros(values.shape)
    with np.errstate(invalid="ignore"):
        change = np.diff(values, axis=1)
        step[:, 1:] = np.nan_to_num(np.where(np.abs(change) > slack, np.sign(change), 0))
    found = np.zeros((len(RULES), *values.shape), dtype=np.int8)
    for way in (1, -1):
        towards = side == way
        found[0][out & towards] = way
        found[1][_two_of_three(near & towards, towards, segment)] = way
        found[2][_covered(_all(towards, RUN, segment), RUN, values.shape[1])] = way
        found[3][_covered(_rising(step == way, segment), RUN, values.shape[1])] = way
    return found


def meaning(found: np.ndarray, better: Better) -> np.ndarray:
    """What each point means, shape (S, T): 1 improvement, -1 concern, 0 common cause, 2 neither good nor bad.

    A point that lies to one side by any of the first three rules is judged by that side, and by the direction of
    its trend only where it is a trend alone.
    """
    side = np.where(found[:3].any(axis=0), np.sign(found[:3].sum(axis=0, dtype=int)), found[3])
    if better == "neither":
        return np.where(side != 0, NEUTRAL, COMMON).astype(np.int8)
    good = 1 if better == "higher" else -1
    return np.where(side == 0, COMMON, np.where(side == good, IMPROVEMENT, CONCERN)).astype(np.int8)


def assurance(low: np.ndarray, high: np.ndarray, target: float | None, better: Better) -> list[Assurance]:
    """Whether a process that stays as it is would meet a target; low and high, the latest limits, shape (S,).

    `passing` where both limits are on the good side of it, `failing` where both are on the other, `hit and miss`
    where it lies between them: then which of the two is chance.
    """
    if target is None or better == "neither":
        return ["no target"] * len(low)
    above, below = ("passing", "failing") if better == "higher" else ("failing", "passing")
    out: list[Assurance] = []
    for a, b in zip(low, high, strict=True):
        if not (np.isfinite(a) and np.isfinite(b)):
            out.append("no limits")
        else:
            out.append(above if a > target else below if b < target else "hit and miss")  # type: ignore[arg-type]
    return out


def _windows(flags: np.ndarray, length: int) -> np.ndarray:
    """Flags in every window of `length` columns, shape (S, T - length + 1, length)."""
    return np.lib.stride_tricks.sliding_window_view(flags, length, axis=1)


def _all(flags: np.ndarray, length: int, segment: np.ndarray) -> np.ndarray:
    """Where a window of true flags inside one segment begins, shape (S, max(T - length + 1, 0))."""
    if flags.shape[1] < length:
        return np.zeros((len(flags), 0), bool)
    whole: np.ndarray = _windows(flags, length).all(axis=2) & _one_segment(segment, length)
    return whole


def _one_segment(segment: np.ndarray, length: int) -> np.ndarray:
    found: np.ndarray = segment[:, : segment.shape[1] - length + 1] == segment[:, length - 1 :]
    return found


def _covered(begin: np.ndarray, length: int, columns: int) -> np.ndarray:
    """Every point of the windows that begin where it says, shape (S, columns)."""
    out = np.zeros((len(begin), columns), bool)
    for k in range(length):
        out[:, k : k + begin.shape[1]] |= begin
    return out


def _rising(step: np.ndarray, segment: np.ndarray) -> np.ndarray:
    """Where a window of RUN points begins whose every step after the first point goes the same way."""
    if step.shape[1] < RUN:
        return np.zeros((len(step), 0), bool)
    going: np.ndarray = _windows(step, RUN)[:, :, 1:].all(axis=2) & _one_segment(segment, RUN)
    return going


def _two_of_three(near: np.ndarray, towards: np.ndarray, segment: np.ndarray) -> np.ndarray:
    """Near points in a window of three on the same side, inside one segment, that holds two of them or more."""
    if near.shape[1] < 3:  # noqa: PLR2004 - three points
        return np.zeros(near.shape, bool)
    enough = (_windows(near, 3).sum(axis=2) >= 2) & _all(towards, 3, segment)  # noqa: PLR2004 - two of three
    both: np.ndarray = _covered(enough, 3, near.shape[1]) & near
    return both
