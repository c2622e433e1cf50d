"""Bands that hold a whole course at once, by the multiplier bootstrap.

With contributions psi_ck of clusters c to quantities k and independent signs s_c, the largest of
|sum_c s_c psi_ck| / se_k over k is drawn many times; its quantile at the stated level is how many standard
errors a band needs on either side (Callaway and Sant'Anna 2021, J Econometrics 225:200, algorithm 1; their
scale is an interquartile range, here it is the standard error itself). With few clusters the quantile is
stretched by t over the normal quantile, so that a band of one quantity is its own interval. With very many
clusters the factors are normal instead (Chernozhukov, Chetverikov and Kato 2013, Ann Stat 41:2786), which makes
no difference there and needs no more than the correlations of the quantities.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy import stats

from evalkit.errors import DesignError

DRAWS = 999
CHUNK = 2_000_000  # signs that are drawn at once
MANY = 1_000  # clusters above which the sums under signs and under normal factors cannot be told apart
JITTER = 1e-10  # added to the correlations, some of which may follow from others
GOLDEN = (5**0.5 - 1) / 2
DIGITS = 10


def critical_value(contributions: np.ndarray, level: float, df: float, draws: int = DRAWS, seed: int = 0) -> float:
    """Standard errors that a simultaneous band of the given level needs; at least those of one interval.

    contributions  shape (G, K), clusters by quantities
    df             degrees of freedom of each quantity's own interval

    The clusters are put in an order of their own first, so that neither their names nor their order matter.
    Raises DesignError when a quantity does not vary.
    """
    size = np.sqrt(np.einsum("gk,gk->k", contributions, contributions))
    if not np.isfinite(size).all() or (size <= 0).any():
        raise DesignError("a band needs quantities that vary between clusters", fix="use more clusters")
    if len(contributions) > MANY:
        largest = _by_covariance(contributions, size, draws, seed)
    else:
        scaled = contributions[own_order(contributions)] / size
        largest = np.concatenate([np.abs(s @ scaled).max(axis=1) for s in signs(len(scaled), draws, seed)])
    alone = stats.t.ppf(0.5 + level / 2, df)
    stretch = alone / stats.norm.ppf(0.5 + level / 2)
    return float(max(alone, stretch * np.quantile(largest, level, method="higher")))


def _by_covariance(contributions: np.ndarray, size: np.ndarray, draws: int, seed: int) -> np.ndarray:
    """The largest of |sum_c e_c psi_ck| / se_k for normal factors e_c, shape (draws,).

    The sums are then normal with the correlations of the quantities, and are drawn from those.
    """
    R = contributions.T @ contributions / np.outer(size, size)
    root = np.linalg.cholesky(R + JITTER * np.eye(len(R)))
    found: np.ndarray = np.abs(np.random.default_rng(seed).normal(size=(draws, len(R))) @ root.T).max(axis=1)
    return found


def own_order(contributions: np.ndarray) -> np.ndarray:
    """An order of the clusters that depends on what they contribute alone.

    Clusters are ordered by a sum of their contributions without their signs, each over its column's size and
    times a factor of the column's own, to so many digits that rounding moves no cluster past another; then by
    the same sum with their signs, since the two units of a wave often differ in sign alone.
    """
    size = np.abs(contributions).max(axis=0)
    factor = (1.0 + np.arange(contributions.shape[1]) * GOLDEN % 1.0) / np.where(size > 0, size, 1.0)
    key = np.abs(contributions) @ factor
    return np.lexsort((contributions @ factor, np.round(key / max(key.max(initial=0.0), 1e-300), DIGITS)))


def signs(clusters: int, draws: int, seed: int) -> Iterator[np.ndarray]:
    """Independent signs, -1 or 1, in pieces of shape (some, clusters)."""
    rng = np.random.default_rng(seed)
    step = max(1, CHUNK // clusters)
    for start in range(0, draws, step):
        rows = min(step, draws - start)
        bits = np.unpackbits(np.frombuffer(rng.bytes(rows * (-(-clusters // 8))), np.uint8).reshape(rows, -1), axis=1)
        yield 2.0 * bits[:, :clusters] - 1.0
