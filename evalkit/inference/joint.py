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


def welch(estimates: np.ndarray, variances: np.ndarray, df: np.ndarray) -> tuple[float, float, float]:
    """Test that K group effects are equal, each with a variance and degrees of freedom of its own.

        w_k = 1 / v_k,  W = sum w_k,  theta = sum w_k theta_k / W,  L = sum (1 - w_k / W)^2 / nu_k
        F = [sum w_k (theta_k - theta)^2 / (K - 1)] / [1 + 2 (K - 2) L / (K^2 - 1)]

    on K - 1 and (K^2 - 1) / (3 L) degrees of freedom; returned are F, the latter, and the p-value. Errors
    that the groups share count as if each had its own, which makes the test conservative.

    estimates, variances, df  theta_k, v_k and nu_k, shape (K,), K at least 2

    Raises DesignError for fewer groups, or variances or degrees of freedom that are not positive.
    Source: Welch (1951), Biometrika 38:330.
    """
    K = len(estimates)
    if K <= 1:
        raise DesignError("one group cannot differ from itself", fix="declare wider groups")
    if not ((variances > 0).all() and (df > 0).all()):
        raise DesignError("a group's own variation cannot be judged", fix="declare wider groups")
    w = 1 / variances
    share = w / w.sum()
    L = float(((1 - share) ** 2 / df).sum())
    between = float(w @ (estimates - share @ estimates) ** 2) / (K - 1)
    statistic = between / (1 + 2 * (K - 2) * L / (K**2 - 1))
    left = (K**2 - 1) / (3 * L)
    return statistic, left, float(stats.f.sf(statistic, K - 1, left))
