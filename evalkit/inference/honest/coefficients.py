"""What the bounds start from: event-study coefficients against one base period, and their covariance.

The coefficient at time t estimates delta_t + tau_t: delta is the departure from parallel trends, tau the
effect, zero before joining. The base period stands at time 0, where both are zero by definition and nothing
is estimated.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from evalkit.errors import DesignError

TINY = 1e-12  # a variance this small against the others is rounding


@dataclass(frozen=True, eq=False)
class Coefficients:
    """Coefficients before and after joining.

    beta    estimates, those before joining first, shape (p + q,)
    sigma   their covariance, shape (p + q, p + q)
    before  times before the base period, negative integers in ascending order, shape (p,)
    after   times after the base period, positive integers in ascending order, shape (q,)

    Times need not be consecutive: a period that is not analysed is a gap. Raises DesignError when the shapes
    do not agree, a figure is missing, or a coefficient has no variance.
    """

    beta: np.ndarray
    sigma: np.ndarray
    before: np.ndarray
    after: np.ndarray

    def __post_init__(self) -> None:
        """Refuse what is no event study."""
        size = len(self.before) + len(self.after)
        if self.beta.shape != (size,) or self.sigma.shape != (size, size):
            raise DesignError(f"{size} event times do not go with coefficients of shape {self.beta.shape}")
        if not len(self.after):
            raise DesignError("there is no coefficient after joining")
        times = np.concatenate([self.before, [0], self.after])
        if (np.diff(times) <= 0).any():
            raise DesignError("event times must ascend, with the base period at 0 between before and after")
        if not (np.isfinite(self.beta).all() and np.isfinite(self.sigma).all()):
            raise DesignError("a coefficient or its covariance is missing")
        scale = float(np.abs(self.sigma).max(initial=0.0))
        if not np.allclose(self.sigma, self.sigma.T, rtol=0, atol=1e-8 * scale):
            raise DesignError("the covariance of the coefficients is not symmetric")
        if (np.diag(self.sigma) <= TINY * scale).any():
            raise DesignError("a coefficient has no variance, so nothing can be said of departures from it")

    @property
    def p(self) -> int:
        """How many coefficients there are before the base period."""
        return len(self.before)

    def target(self, weights: np.ndarray) -> np.ndarray:
        """The weights l of theta = l'tau over all coefficients, zero before joining; shape (p + q,).

        Raises DesignError when there is not one weight for each coefficient after joining, or all are zero.
        """
        weights = np.asarray(weights, float)
        if weights.shape != self.after.shape or not np.isfinite(weights).all() or not weights.any():
            raise DesignError(f"{len(self.after)} coefficients after joining need as many weights, not all zero")
        return np.concatenate([np.zeros(self.p), weights])


def consecutive(beta: np.ndarray, sigma: np.ndarray, before: int) -> Coefficients:
    """Coefficients without gaps: the first `before` precede the base period, the others follow it."""
    beta, sigma = np.asarray(beta, float), np.asarray(sigma, float)
    return Coefficients(beta, sigma, np.arange(-before, 0), np.arange(1, len(beta) - before + 1))


def long_differences(beta: np.ndarray, sigma: np.ndarray, changes: int) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients against one base period from those that compare each period with the one before it.

    The first `changes` entries of beta are the changes up to times base - changes + 1, ..., base, in that
    order: c_t estimates delta_t - delta_{t-1}. With delta_base = 0,

        delta_{base-k} = -(c_base + c_{base-1} + ... + c_{base-k+1}),   k = changes, ..., 1,

    so that A = -(upper triangle of ones) gives A c and A Sigma A'. The other entries, already against the
    base, are left as they are. Shapes (n,), (n, n) -> the same; the first `changes` now stand for the times
    base - changes, ..., base - 1.

    In an average over waves each change is taken over the waves that are seen then, so the sum equals the
    average of the waves' own long differences only where the same waves, against the same comparison, are
    seen throughout.
    """
    A = np.eye(len(beta))
    A[:changes, :changes] = -np.triu(np.ones((changes, changes)))
    return A @ beta, A @ sigma @ A.T


def original(coefficients: Coefficients, weights: np.ndarray, level: float = 0.95) -> np.ndarray:
    """The interval if trends were exactly parallel: l'beta -/+ z sqrt(l'Sigma l); shape (2,), low and high."""
    target = coefficients.target(weights)
    centre = float(target @ coefficients.beta)
    reach = stats.norm.ppf(0.5 + level / 2) * float(np.sqrt(target @ coefficients.sigma @ target))
    return np.array([centre - reach, centre + reach])
