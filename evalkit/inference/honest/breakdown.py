"""How far a restriction can be loosened before the finding no longer holds."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

COARSE = 25  # steps skipped in the first look


def breakdown(bounds: Callable[[np.ndarray], np.ndarray], *, most: float = 5.0, step: float = 0.01) -> float | None:
    """The largest m, in multiples of `step`, up to which every confidence set excludes zero.

    bounds  m, shape (k,) -> low and high of the set at each, shape (k, 2)
    most    the largest m that is looked at

    None when the set holds zero at m = 0 already; inf when it excludes zero even at `most`. Sets grow with m
    but for numerical error; should one shrink, the first m of the coarse look at which zero is held counts.
    """
    count = math.ceil(most / (COARSE * step) - 1e-9)
    coarse = np.arange(count + 1) * COARSE
    held = _holds_zero(bounds(coarse * step))
    if held[0]:
        return None
    if not held.any():
        return math.inf
    high = int(coarse[held.argmax()])
    low = high - COARSE
    while high - low > 1:
        middle = (low + high) // 2
        if _holds_zero(bounds(np.array([middle * step])))[0]:
            high = middle
        else:
            low = middle
    return float(low * step)


def _holds_zero(sets: np.ndarray) -> np.ndarray:
    return (sets[:, 0] <= 0) & (sets[:, 1] >= 0)
