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
from functools import cached_property

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
            mean = np.matmul(w[:, None, :], values) / self.total[:, None, None]
            found: np.ndarray = w[:, :, None] * (values - mean)
            return found
        mean = (values * w).sum(axis=-1) / self.total
        return w * (values - mean[..., None])


@dataclass(frozen=True, eq=False)
class Periods:
    """The period effects of a sample, ready to be estimated from any outcome.

    sample   the sample
    inverse  pseudo-inverse of A, shape (q T, q T)
    rank     how many period effects the sample identifies beside the unit effects
    """

    sample: Sample
    inverse: np.ndarray
    rank: int

    @cached_property
    def space(self) -> np.ndarray:
        """Orthonormal basis of the range of A, shape (q T, rank)."""
        _, vectors = np.linalg.eigh(self.inverse)
        return vectors[:, len(vectors) - self.rank :]

    def right(self, swept: np.ndarray) -> np.ndarray:
        """sum_i z_i (x) swept_i; shapes (..., U, T) -> (..., q T)."""
        s = self.sample
        out = (s.count[:, None] * s.z).T @ swept
        return out.reshape(*out.shape[:-2], -1)

    def effects(self, means: np.ndarray) -> np.ndarray:
        """lambda from type means; shapes (..., U, T) -> (..., q, T)."""
        found = self.right(self.sample.sweep(means)) @ self.inverse
        return found.reshape(*found.shape[:-1], self.sample.z.shape[1], -1)

    def fitted(self, effects: np.ndarray) -> np.ndarray:
        """z_i' lambda_t; shapes (..., q, T) -> (..., U, T)."""
        out: np.ndarray = self.sample.z @ effects
        return out


def period_effects(sample: Sample) -> Periods:
    """Builds and inverts A."""
    (_, T), q = sample.weight.shape, sample.z.shape[1]
    A = np.empty((q, T, q, T))
    for a in range(q):
        for b in range(a, q):
            A[a, :, b, :] = swept_squares(sample.weight, sample.count * sample.z[:, a] * sample.z[:, b])
            A[b, :, a, :] = A[a, :, b, :].T
    flat = A.reshape(q * T, q * T)
    seen = np.asarray((sample.weight > 0).any(axis=0))
    quick = _by_shifts(flat, np.tile(seen, q), np.kron(np.eye(q), seen[:, None]))
    if quick is not None:
        return Periods(sample, quick, q * (int(seen.sum()) - 1))
    values, vectors = np.linalg.eigh(flat)
    kept = values > RANK * max(values.max(initial=0.0), np.finfo(float).tiny)
    space = vectors[:, kept]
    return Periods(sample, (space / values[kept]) @ space.T, int(kept.sum()))


def swept_squares(weight: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """sum_i scale_i S_i; shapes (U, T), (U,) -> (T, T)."""
    total = weight.sum(axis=1)
    found: np.ndarray = -(weight * (scale / np.where(total > 0, total, 1.0))[:, None]).T @ weight
    found[np.diag_indices(weight.shape[1])] += scale @ weight
    return found


def _by_shifts(A: np.ndarray, seen: np.ndarray, shifts: np.ndarray) -> np.ndarray | None:
    """The pseudo-inverse of A where shifts of each period effect are all that the unit effects take up.

    A + s N N', with N the orthonormal shifts over the periods seen, is then positive definite, and its inverse
    less N N' / s is A's. None where it is not, or nearly not: the eigenvalues must decide.

    seen    rows of A that are not nought, booleans, shape (q T,)
    shifts  shape (q T, q), nought outside `seen`
    """
    if not seen.any():
        return None
    N = shifts[seen] / np.linalg.norm(shifts, axis=0)
    B = A[np.ix_(seen, seen)]
    s = float(np.diag(B).mean())
    B += s * (N @ N.T)
    inner = inverse_of_definite(B)
    if inner is None:
        return None
    out = np.zeros_like(A)
    out[np.ix_(seen, seen)] = inner - (N @ N.T) / s
    return out


def inverse_of_definite(A: np.ndarray) -> np.ndarray | None:
    """The inverse of cross-products; None unless they are safely of full rank.

    Safely: the smallest eigenvalue, which is at least one over the largest absolute row sum of the inverse, is
    above the share RANK of the largest, which is at most the largest absolute row sum of A.
    """
    try:
        inverse = np.linalg.inv(A)
    except np.linalg.LinAlgError:
        return None
    inverse = (inverse + inverse.T) / 2
    safe = RANK * np.abs(A).sum(axis=1).max() * np.abs(inverse).sum(axis=1).max() < 1
    return inverse if safe else None
