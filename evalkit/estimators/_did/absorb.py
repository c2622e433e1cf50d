"""Unit effects and period effects swept out of a panel, with any gaps and weights.

    y_it = alpha_i + z_i' lambda_t + e_it,   weights w_it, nought where (i, t) is not in the sample

z_i, shape (q,), is a one for common period effects, a one per group for period effects of each group's own,
or a one and covariates for effects of the covariates that change from period to period. Sweeping out the
unit effects first leaves the q T normal equations A lambda = b with

    A = sum_i z_i z_i' (x) S_i,   b = sum_i z_i (x) S_i y_i,   S_i = diag(w_i) - w_i w_i' / sum(w_i)

S_i removes the unit's weighted mean and weighs what is left. A is singular (at least one shift of each
period effect is taken up by the unit effects); its pseudo-inverse gives the same fitted values as any
choice of reference period.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evalkit.inference import RANK


@dataclass(frozen=True, eq=False)
class Sample:
    """Types of units with the weights of their periods in a sample.

    count   units of each type, shape (U,)
    weight  w, per unit of a type, shape (U, T), nought outside the sample
    z       shape (U, q)
    """

    count: np.ndarray
    weight: np.ndarray
    z: np.ndarray

    @property
    def total(self) -> np.ndarray:
        """Sum of a unit's weights, one where there are none, shape (U,)."""
        total = self.weight.sum(axis=1)
        return np.where(total > 0, total, 1.0)

    def sweep(self, values: np.ndarray) -> np.ndarray:
        """S_i applied to each type's row; shapes (..., U, T) or (..., U, T, p), axis of T second or last.

        values  shape (U, T, p) or (..., U, T)
        """
        w = self.weight
        if values.ndim == 3 and values.shape[:2] == w.shape:  # noqa: PLR2004 - rows, periods, columns
            mean = np.einsum("ut,utp->up", w, values) / self.total[:, None]
            return w[:, :, None] * (values - mean[:, None, :])
        mean = (values * w).sum(axis=-1) / self.total
        return w * (values - mean[..., None])


@dataclass(frozen=True, eq=False)
class Periods:
    """The period effects of a sample, ready to be estimated from any outcome.

    sample   the sample
    inverse  pseudo-inverse of A, shape (q T, q T)
    space    orthonormal basis of the range of A, shape (q T, rank)
    """

    sample: Sample
    inverse: np.ndarray
    space: np.ndarray

    @property
    def rank(self) -> int:
        """How many period effects the sample identifies beside the unit effects."""
        return int(self.space.shape[1])

    def right(self, swept: np.ndarray) -> np.ndarray:
        """sum_i z_i (x) swept_i; shapes (..., U, T) -> (..., q T)."""
        s = self.sample
        out = np.einsum("uq,...ut->...qt", s.count[:, None] * s.z, swept, optimize=True)
        return out.reshape(*out.shape[:-2], -1)

    def effects(self, means: np.ndarray) -> np.ndarray:
        """lambda from type means; shapes (..., U, T) -> (..., q, T)."""
        found = self.right(self.sample.sweep(means)) @ self.inverse
        return found.reshape(*found.shape[:-1], self.sample.z.shape[1], -1)

    def fitted(self, effects: np.ndarray) -> np.ndarray:
        """z_i' lambda_t; shapes (..., q, T) -> (..., U, T)."""
        out: np.ndarray = np.einsum("uq,...qt->...ut", self.sample.z, effects)
        return out


def period_effects(sample: Sample) -> Periods:
    """Builds and inverts A."""
    (_, T), q = sample.weight.shape, sample.z.shape[1]
    A = np.empty((q, T, q, T))
    for a in range(q):
        for b in range(a, q):
            scale = sample.count * sample.z[:, a] * sample.z[:, b]
            block = -(sample.weight * (scale / sample.total)[:, None]).T @ sample.weight
            block[np.diag_indices(T)] += scale @ sample.weight
            A[a, :, b, :] = block
            A[b, :, a, :] = block.T
    values, vectors = np.linalg.eigh(A.reshape(q * T, q * T))
    kept = values > RANK * max(values.max(initial=0.0), np.finfo(float).tiny)
    space = vectors[:, kept]
    return Periods(sample, (space / values[kept]) @ space.T, space)
