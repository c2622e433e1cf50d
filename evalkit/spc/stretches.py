"""Where limits are rebased: which points each set of limits rests on, and which dates had too few."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

LEAST = 12  # points that a set of limits should rest on; with fewer they are trial limits
Rebase = Literal["start", "carried", "never"]
Method = Literal["xmr", "p", "p_adjusted", "u", "u_adjusted"]


@dataclass(frozen=True)
class How:
    """How charts are made.

    method  `xmr` individual values, as Making Data Count draws every measure; `p` proportions; `u` rates;
            `_adjusted` with Laney's allowance for over-dispersion
    rebase  `start`: limits of before until joining and new ones from it on; `carried`: limits of before carried
            on, so that a change shows as a signal; `never`: one set; or the first periods of new limits
    least   points that each stretch must have for limits of its own
    screen  leave outlying moving ranges out of an XmR chart's limits, once
    """

    method: Method = "xmr"
    rebase: Rebase | tuple[pd.Period, ...] = "start"
    least: int = LEAST
    screen: bool = True


@dataclass(frozen=True)
class Stretches:
    """The stretches of S series, T periods each.

    segment  integers, shape (S, T)
    basis    booleans, shape (S, T): points that limits rest on
    short    for each series the positions at which limits were to be rebased and were not, with the usable points
             before and from there on
    """

    segment: np.ndarray
    basis: np.ndarray
    short: tuple[tuple[tuple[int, int, int], ...], ...]


def stretches(usable: np.ndarray, begin: Sequence[Sequence[int]], how: How) -> Stretches:
    """Cut each series at the positions in `begin` that leave `how.least` usable points on either side.

    usable  booleans, shape (S, T)
    begin   for each series the first positions of new limits, in order
    Where limits were to be rebased at a start that leaves too few points after it, those of before are carried on.
    """
    segment, basis = np.zeros(usable.shape, int), usable.copy()
    short = []
    for i, positions in enumerate(begin):
        if how.rebase == "carried":
            missed = _carry(usable[i], positions, basis[i], how.least)
        else:
            missed = _cut(usable[i], positions, segment[i], how.least)
            if missed and how.rebase == "start":
                _carry(usable[i], positions, basis[i], how.least)
        short.append(tuple(missed))
    return Stretches(segment, basis, tuple(short))


def _cut(usable: np.ndarray, positions: Sequence[int], segment: np.ndarray, least: int) -> list[tuple[int, int, int]]:
    """Number the stretches of one series in place; the positions that were left out, with points on either side."""
    missed, last = [], 0
    for k, position in enumerate(positions):
        end = positions[k + 1] if k + 1 < len(positions) else len(usable)
        before, after = int(usable[last : max(position, 0)].sum()), int(usable[max(position, 0) : end].sum())
        if before < least or after < least:
            missed.append((position, before, after))
        else:
            segment[position:] += 1
            last = position
    return missed


def _carry(usable: np.ndarray, positions: Sequence[int], basis: np.ndarray, least: int) -> list[tuple[int, int, int]]:
    """Let one series' limits rest, in place, on the points before its first position where these are enough."""
    if not positions:
        return []
    first = max(positions[0], 0)
    before = int(usable[:first].sum())
    if before < least:
        return [(positions[0], before, int(usable[first:].sum()))]
    basis[first:] = False
    return []
