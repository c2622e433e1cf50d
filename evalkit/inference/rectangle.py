"""Normal and Student variables inside a box: how often, and their mean there."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from scipy import special, stats
from scipy.stats import qmc

from evalkit.errors import DesignError

POWER_OF_TWO = 14  # points; probabilities in up to 12 dimensions are then right to about 1e-4
SMALLEST = 1e-10  # an eigenvalue of a correlation matrix below this is rounding


def inside(
    mean: np.ndarray, covariance: np.ndarray, limit: np.ndarray, df: float = math.inf
) -> tuple[float, np.ndarray]:
    """Pr(|x_k| <= limit_k S for all k) and E[x | inside], x ~ N(mean, covariance); shapes (k,).

    S = 1 with df = inf; else df S^2 is chi-squared on df and independent of x: what standard errors that are
    themselves estimated add. Variables are drawn one after another, each within its limits given those
    before (Genz), at fixed quasi-random points: the same result every time, and smooth in the mean.

    Raises DesignError when the covariance is singular. Source: Genz (1992), J Comput Graph Stat 1:141;
    Genz and Bretz (1999), J Stat Comput Simul 63:361.
    """
    sd = np.sqrt(np.diag(covariance))
    correlation = covariance / np.outer(sd, sd)
    if not np.isfinite(correlation).all() or np.linalg.eigvalsh(correlation).min() < SMALLEST:
        raise DesignError(
            f"{len(mean)} coefficients rest on too few clusters to be looked at together",
            fix="cluster on a finer level, or look at fewer periods",
        )
    root = np.linalg.cholesky(correlation)
    points = _points(len(mean) + 1)
    stretch = _stretch(len(mean) + 1, df)
    z = np.zeros((len(points), len(mean)))
    weight = np.ones(len(points))
    for i in range(len(mean)):
        centre = mean[i] / sd[i] + z[:, :i] @ root[i, :i]
        reach = limit[i] / sd[i] * stretch
        low, high = special.ndtr((-reach - centre) / root[i, i]), special.ndtr((reach - centre) / root[i, i])
        z[:, i] = special.ndtri(np.clip(low + points[:, i] * (high - low), 1e-16, 1 - 1e-16))
        weight *= high - low
    probability = float(weight.mean())
    if probability <= 0:
        return 0.0, np.clip(mean, -limit, limit)
    within = (weight @ z) / weight.sum()
    return probability, mean + sd * (root @ within)


@lru_cache(maxsize=16)
def _points(dimensions: int) -> np.ndarray:
    """Scrambled Sobol points with a fixed seed, strictly inside the unit cube; shape (2^14, dimensions)."""
    return np.clip(qmc.Sobol(dimensions, rng=0).random_base2(POWER_OF_TWO), 1e-12, 1 - 1e-12)


@lru_cache(maxsize=16)
def _stretch(dimensions: int, df: float) -> np.ndarray:
    """S at the points' last coordinate, shape (2^14,)."""
    points = _points(dimensions)
    return np.ones(len(points)) if math.isinf(df) else np.sqrt(stats.chi2.ppf(points[:, -1], df) / df)
