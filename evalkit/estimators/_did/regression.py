"""Least squares with unit and period effects, its regressors the same for all units of a cohort.

    y_it = alpha_i + z_i' lambda_t + X(h_i, t)' beta + e_it

A contrast c'beta is a weighted sum of outcomes: its weights are the residual of X G^-1 c on the unit and
period effects (Frisch, Waugh and Lovell), G the cross-products of X after sweeping those out. Unit i
contributes sum_t weight_it (y_it - z_i' lambda_t - X' beta); unit effects drop out. The small-sample
factor is G/(G-1) (n-1)/(n-K), K counting X and the period effects: unit effects are nested in clusters.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evalkit import inference
from evalkit.errors import DesignError
from evalkit.estimators._did.absorb import Periods, Sample, inverse_of_definite, period_effects, swept_squares
from evalkit.estimators._did.layout import Layout, Types
from evalkit.estimators._did.linear import Linear, weighed
from evalkit.inference import RANK


@dataclass(frozen=True, eq=False)
class Regression:
    """A regression whose outcome is not chosen yet.

    types    units gathered
    periods  period effects of the sample
    X        regressors by cohort and period, shape (H + 1, T, P)
    cross    what sweeping the period effects out of X takes, shape (q T, P)
    inverse  G^-1, shape (P, P)
    rows     unit-periods in the sample
    levels   sets of period effects: one, or one for each region
    """

    types: Types
    periods: Periods
    X: np.ndarray
    cross: np.ndarray
    inverse: np.ndarray
    rows: int
    levels: int = 1

    @property
    def K(self) -> int:  # noqa: N802 - as in the equations
        """Coefficients that the small-sample factor counts."""
        return self.X.shape[2] + self.periods.rank + self.levels

    def residual_of(self, C: np.ndarray) -> np.ndarray:
        """Weights of outcomes in c'beta, per unit of a type; shapes (P, L) -> (U, T, L)."""
        turned, sample = self.inverse @ C, self.periods.sample
        q, T = sample.z.shape[1], self.X.shape[1]
        fitted = (self.X @ turned)[self.types.group]
        fitted -= (sample.z @ (self.cross @ turned).reshape(q, -1)).reshape(len(sample.z), T, -1)
        return sample.sweep(fitted)

    def beta(self, means: np.ndarray) -> np.ndarray:
        """Coefficients from type means; shapes (..., U, T) -> (..., P)."""
        swept = self.periods.sample.sweep(means)
        members = (np.arange(len(self.X))[:, None] == self.types.group[None, :]) * self.types.count
        by_cohort = members @ swept
        right = by_cohort.reshape(*by_cohort.shape[:-2], -1) @ self.X.reshape(-1, self.X.shape[2])
        right -= self.periods.right(swept) @ self.cross
        out: np.ndarray = right @ self.inverse
        return out

    def fitted(self, means: np.ndarray) -> np.ndarray:
        """z' lambda + X' beta; shapes (..., U, T) -> (..., U, T)."""
        beta = self.beta(means)
        of_x = (beta @ self.X.reshape(-1, self.X.shape[2]).T).reshape(*beta.shape[:-1], *self.X.shape[:2])
        of_x = of_x[..., self.types.group, :]
        return of_x + self.periods.fitted(self.periods.effects(means - of_x))

    def linear(self, layout: Layout, C: np.ndarray) -> Linear:
        """Contrasts of the coefficients with cluster-robust contributions; C shape (P, L)."""
        W = self.residual_of(C)
        G = len(np.unique(layout.cluster[layout.seen.any(axis=1)]))

        def centre(means: np.ndarray) -> np.ndarray:
            return weighed(W, self.fitted(means))

        factor = inference.cluster_factor(G, self.rows, self.K)
        return Linear(self.types, W, centre, layout.cluster, factor, clusters=G)


def regress(
    layout: Layout, X: np.ndarray, z: np.ndarray | None = None, types: Types | None = None, levels: int = 1
) -> Regression:
    """A regression on a layout's observed unit-periods.

    X  shape (H + 1, T, P); the last row is for units that never joined
    z  shape (U, q) of what the period effects are effects of; a one by default
    levels  sets of period effects among them, for the count of coefficients

    Raises DesignError when a column cannot be told from the effects and the other columns.
    """
    types = types or layout.types
    ones = np.ones((len(types.count), 1))
    sample = Sample(types.count, types.weight, ones if z is None else z)
    periods = period_effects(sample)
    right, gram = _products(types, sample, X)
    cross = periods.inverse @ right
    behind = np.zeros(X.shape[:2])
    np.add.at(behind, types.group, types.count[:, None] * types.weight)
    raw = np.einsum("ht,htp->p", behind, X**2)
    size = np.diag(gram)
    gone = size <= RANK * raw  # what is left of a column that unit effects take up is rounding
    scale = np.sqrt(np.where(gone, 1.0, size))
    left = np.where(gone[:, None] | gone[None, :], 0.0, gram - right.T @ cross)
    inverse = _inverse(left / np.outer(scale, scale)) / np.outer(scale, scale)
    return Regression(types, periods, X, cross, inverse, int(layout.seen.sum()), levels)


def _products(types: Types, sample: Sample, X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """sum_i z_i (x) S_i X_i, shape (q T, P), and sum_i X_i' S_i X_i, shape (P, P).

    X is that of the cohort, so a cohort's S_i are added up first: no array has units, periods and columns.
    """
    T, P = X.shape[1:]
    q = sample.z.shape[1]
    right, gram = np.zeros((q, T, P)), np.zeros((P, P))
    for h, of_cohort in enumerate(X):
        columns, members = np.flatnonzero(of_cohort.any(axis=0)), types.group == h
        if not len(columns) or not members.any():
            continue
        x, weight, count = of_cohort[:, columns], sample.weight[members], sample.count[members]
        gram[np.ix_(columns, columns)] += x.T @ swept_squares(weight, count) @ x
        for a in range(q):
            right[a][:, columns] += swept_squares(weight, count * sample.z[members, a]) @ x
    return right.reshape(q * T, P), gram


def _inverse(gram: np.ndarray) -> np.ndarray:
    """The inverse of cross-products of columns of length one. Raises DesignError when there is none."""
    inverse = inverse_of_definite(gram) if len(gram) else None
    if inverse is not None:
        return inverse
    values, vectors = np.linalg.eigh(gram)
    if not len(values) or values.min() <= RANK * max(1.0, values.max()):
        raise DesignError(
            "an effect cannot be told from the unit and period effects",
            fix="nobody is left to compare with in some period: add comparison units or use a shorter window",
        )
    found: np.ndarray = (vectors / values) @ vectors.T
    return found
