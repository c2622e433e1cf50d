"""Bands that hold a whole course at once, by the multiplier bootstrap.

With contributions psi_ck of clusters c to quantities k and independent signs s_c, the largest of
|sum_c s_c psi_ck| / se_k over k is drawn many times; its quantile at the stated level is how many standard
errors a band needs on either side (Callaway and Sant'Anna 2021, J Econometrics 225:200, algorithm 1; their
scale is an interquartile range, here it is the standard error itself). With few clusters the quantile is
stretched by t over the normal quantile, so that a band of one quantity is its own interval.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy import stats

from evalkit.errors import DesignError

DRAWS = 999
CHUNK = 2_000_000  # signs that are drawn at once


def critical_value(contributions: np.ndarray, level: float, df: float, draws: int = DRAWS, seed: int = 0) -> float:
    """Standard errors that a simultaneous band of the given level needs; at least those of one interval.

    contributions  shape (G, K), clusters by quantities
    df             degrees of freedom of each quantity's own interval

    The clusters are put in an order of their own first, so that neither their names nor their order matter.
    Raises DesignError when a quantity does not vary.
    """
    size = np.sqrt((contributions**2).sum(axis=0))
    if not np.isfinite(size).all() or (size <= 0).any():
        raise DesignError("a band needs quantities that vary between clusters", fix="use more clusters")
    scaled = contributions[own_order(contributions)] / size
    largest = np.concatenate([np.abs(s @ scaled).max(axis=1) for s in signs(len(scaled), draws, seed)])
    alone = stats.t.ppf(0.5 + level / 2, df)
    stretch = alone / stats.norm.ppf(0.5 + level / 2)
    return float(max(alone, stretch * np.quantile(largest, level, method="higher")))


def own_order(contributions: np.ndarray) -> np.ndarray:
    """An order of the clusters that depends on what they contribute alone."""
    return np.lexsort(np.abs(contributions[:, ::-1]).T)


def signs(clusters: int, draws: int, seed: int) -> Iterator[np.ndarray]:
    """Independent signs, -1 or 1, in pieces of shape (some, clusters)."""
    rng = np.random.default_rng(seed)
    step = max(1, CHUNK // clusters)
    for start in range(0, draws, step):
        rows = min(step, draws - start)
        bits = np.unpackbits(np.frombuffer(rng.bytes(rows * (-(-clusters // 8))), np.uint8).reshape(rows, -1), axis=1)
        yield 2.0 * bits[:, :clusters] - 1.0
