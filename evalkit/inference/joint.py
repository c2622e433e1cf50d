"""Tests of several quantities together."""

from __future__ import annotations

import math

import numpy as np
from scipy import stats

from evalkit.errors import DesignError

RANK = 1e-10  # an eigenvalue this small against the largest is rounding


def wald(estimates: np.ndarray, covariance: np.ndarray, df: float = math.inf) -> tuple[float, int, float]:
    """Joint test that all are zero: W = b' V^+ b, its rank q, and the p-value.

    df is that of each estimate alone, clusters - 1. With few clusters W is far larger than chi-squared
    under the null; Hotelling's reference (df - q + 1) / (q df) W ~ F(q, df - q + 1) allows for that and
    tends to chi-squared on q as df grows. Source: Hotelling (1931), Ann Math Stat 2:360.

    V may be singular when some estimates are combinations of others. Raises DesignError when V is
    singular and b does not lie in its range, as with fewer clusters than estimates: W would then leave
    out a part of b.
    """
    size = np.sqrt(np.diag(covariance))
    if not np.isfinite(size).all() or not np.isfinite(estimates).all() or not size.size or size.min() <= 0:
        raise DesignError("a joint test needs estimates with a covariance")
    scaled, correlation = estimates / size, covariance / np.outer(size, size)
    values, vectors = np.linalg.eigh(correlation)
    kept = values > RANK * values.max()
    along = vectors.T @ scaled
    if np.abs(along[~kept]).max(initial=0.0) > math.sqrt(RANK) * max(1.0, float(np.abs(scaled).max())):
        raise DesignError(
            f"{len(estimates)} estimates rest on too few clusters to be tested together",
            fix="cluster on a finer level, or test fewer periods",
        )
    rank = int(kept.sum())
    statistic = float((along[kept] ** 2 / values[kept]).sum())
    if math.isinf(df):
        return statistic, rank, float(stats.chi2.sf(statistic, rank))
    left = df - rank + 1
    if left <= 0:
        raise DesignError(
            f"{rank} estimates cannot be tested together on {df:g} degrees of freedom",
            fix="cluster on a finer level, or test fewer periods",
        )
    return statistic, rank, float(stats.f.sf(statistic * left / (rank * df), rank, left))
