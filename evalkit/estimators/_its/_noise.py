"""Is the series an autoregression seen through noise? A guard on AR(1) intervals.

When a slowly moving course is measured with error, AR(1) sees mostly the error, takes the series for
nearly independent and gives intervals that are too narrow. Beside AR(1), the correlation

    R = (1 - share) rho^|t_i - t_j| + share I

is therefore fitted by REML over a fixed grid of rho and share. Where the best of these fits better
than AR(1) by a deviance of `Doubt.full` or more, the variance of a contrast is the larger of the two, at
most `CAP` times that of AR(1); where it is better by `Doubt.least` or less, AR(1) stands; in between it
moves in proportion. Coefficients and degrees of freedom stay those of AR(1). The grid and the rule
were fixed by simulation before any evaluation (docs/decisions.md).
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from evalkit.estimators._its._pairs import SHARED

PERSISTENCE = (0.5, 0.7, 0.8, 0.9, 0.95, 0.98)
SHARES = (0.3, 0.5, 0.7, 0.85)

CAP = 3.0


class Doubt(NamedTuple):
    """Gains in deviance at which the noise models are not believed at all, and fully."""

    least: float
    full: float


USUAL = Doubt(0.1, 2.0)
COMPOSITE = Doubt(-0.5, 0.5)  # a difference of two series is a sum of two autoregressions, as like as not


class Guard(NamedTuple):
    """What the noise models say of each series.

    belief      how far they are believed, 0 to 1, shape (s,)
    covariance  of the coefficients, the mean over all of them weighted by their likelihood, shape (s, k, k)
    """

    belief: np.ndarray
    covariance: np.ndarray

    def widen(self, variance: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """The guarded variance of contrasts; variance shape (s,), weights shape (s, k), or s = 1 and (m, k)."""
        other = (weights * (self.covariance @ weights[..., None])[..., 0]).sum(-1)
        larger = np.clip(other, variance, CAP * variance)
        return variance + self.belief * (larger - variance)


@lru_cache(maxsize=64)
def _whiteners(t: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Inverse Cholesky factors of every candidate, shape (m, n, n), and log|R|, shape (m,)."""
    distance = np.abs(np.subtract.outer(t, t)).astype(float)
    own = np.eye(len(t))
    R = np.stack([(1 - share) * rho**distance + share * own for rho in PERSISTENCE for share in SHARES])
    factor = np.linalg.cholesky(R)
    return np.linalg.inv(factor), 2 * np.log(np.diagonal(factor, axis1=1, axis2=2)).sum(1)


def guard(basis: np.ndarray, series: np.ndarray, t: np.ndarray, deviance: np.ndarray, doubt: Doubt = USUAL) -> Guard:
    """Weigh the noise models against AR(1).

    basis     orthonormal columns, shape (n, k), or one for each series, shape (s, n, k)
    series    residuals of least squares on them, shape (s, n)
    t         calendar positions, shape (n,)
    deviance  (n-k) log S + log|R| + log|X'R^-1 X| of AR(1) at its best rho, shape (s,)
    """
    whiteners, log_determinants = _whiteners(tuple(int(i) for i in t))
    if basis.ndim > SHARED:
        parts = [guard(X, e[None], t, d[None], doubt) for X, e, d in zip(basis, series, deviance, strict=True)]
        return Guard(np.concatenate([p.belief for p in parts]), np.concatenate([p.covariance for p in parts]))
    n, k = basis.shape
    X, Y = whiteners @ basis, whiteners @ series.T  # (m, n, k), (m, n, s)
    turned = np.swapaxes(X, 1, 2)
    XX = turned @ X
    bread = np.linalg.inv(XX)
    XY = turned @ Y
    S = (Y * Y).sum(1) - (XY * (bread @ XY)).sum(1)  # (m, s)
    value = (n - k) * np.log(S) + (log_determinants + np.linalg.slogdet(XX)[1])[:, None]
    best = value.min(axis=0)
    weight = np.exp(-(value - best) / 2) * S / (n - k)
    covariance = np.einsum("ms,mkl->skl", weight, bread) / np.exp(-(value - best) / 2).sum(0)[:, None, None]
    return Guard(np.clip((deviance - best - doubt.least) / (doubt.full - doubt.least), 0.0, 1.0), covariance)
