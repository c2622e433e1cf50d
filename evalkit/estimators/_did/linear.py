"""Quantities that are weighted sums of outcomes, with what each unit contributes to their uncertainty.

Every design here, with its sample, comparison and covariates fixed, is

    theta_k = sum_{i,t} w_k(i, t) Y_it                                   (the estimate)
    psi_ik  = sum_t v_k(i, t) Y_it - c_k(type of i; type means of Y)     (the contribution of unit i)

and the variance of theta is sum over clusters of (sum of psi in the cluster)^2. w and v are the same for
all units of a type (`Types`), v equals w unless a design says otherwise, and c, the fitted part that is
subtracted, is linear in the type means. So many outcome matrices, real, simulated or permuted, go through
one set of weights as matrix products.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from evalkit.estimators._did.layout import FEW, Layout, Types

Centre = Callable[[np.ndarray], np.ndarray]
CONTRIBUTES = 1e-10  # a cluster whose contributions are this small beside the largest is nought but for rounding
CHUNK = 4_000_000  # numbers that a step of a batch may hold at once


@dataclass(frozen=True, eq=False)
class Linear:
    """K quantities of one design on one layout.

    types    units that the design cannot tell apart
    weights  w, per unit of a type, shape (U, T, K)
    centre   type means of Y, shape (..., U, T), to c, shape (..., U, K)
    own      v, shape (U, T, K), where it differs from w
    cluster  codes of the units' clusters, shape (n,)
    factor   small-sample factor of the variance
    clusters how many clusters the variance counts; by default those that contribute
    """

    types: Types
    weights: np.ndarray
    centre: Centre
    cluster: np.ndarray
    factor: float = 1.0
    own: np.ndarray | None = None
    clusters: int | None = None

    @property
    def K(self) -> int:  # noqa: N802 - as in the equations
        """How many quantities."""
        return self.weights.shape[2]

    def pick(self, columns: np.ndarray | list[int]) -> Linear:
        """Some of the quantities."""
        own = None if self.own is None else self.own[:, :, columns]

        def centre(means: np.ndarray) -> np.ndarray:
            return self.centre(means)[..., columns]

        weights = self.weights[:, :, columns]
        return Linear(self.types, weights, centre, self.cluster, self.factor, own, self.clusters)

    def combine(self, C: np.ndarray) -> Linear:
        """Linear combinations of the quantities; C shape (K, L)."""
        own = None if self.own is None else self.own @ C

        def centre(means: np.ndarray) -> np.ndarray:
            return self.centre(means) @ C

        return Linear(self.types, self.weights @ C, centre, self.cluster, self.factor, own, self.clusters)

    def beside(self, other: Linear) -> Linear:
        """The quantities of two designs on the same types, one after the other."""
        mine = self.weights if self.own is None else self.own
        theirs = other.weights if other.own is None else other.own
        a, b = np.sqrt(self.factor), np.sqrt(other.factor)  # factors may differ, so each is carried inside

        def centre(means: np.ndarray) -> np.ndarray:
            return np.concatenate([a * self.centre(means), b * other.centre(means)], axis=-1)

        weights = np.concatenate([self.weights, other.weights], axis=2)
        own = np.concatenate([a * mine, b * theirs], axis=2)
        return Linear(self.types, weights, centre, self.cluster, 1.0, own, self.clusters)

    def estimate(self, Y: np.ndarray) -> np.ndarray:
        """theta; shapes (..., n, T) -> (..., K)."""
        return self.of_means(self.types.means(Y))

    def of_means(self, means: np.ndarray) -> np.ndarray:
        """theta from type means; shapes (..., U, T) -> (..., K)."""
        sums = means * self.types.count[:, None]
        out: np.ndarray = sums.reshape(*means.shape[:-2], -1) @ self.weights.reshape(-1, self.K)
        return out

    def contributions(self, Y: np.ndarray) -> np.ndarray:
        """psi; shapes (..., n, T) -> (..., n, K)."""
        v, types = self.weights if self.own is None else self.own, self.types
        out = np.empty((*Y.shape[:-1], self.K))
        if len(types.count) == len(types.of):
            out[..., types.first, :] = weighed(v, Y[..., types.first, :])  # outcomes are put in order, not weights
        elif len(types.count) > FEW:
            step = max(1, CHUNK // max(v[0].size, 1))
            for i in range(0, len(types.of), step):
                rows = slice(i, i + step)
                out[..., rows, :] = weighed(v[types.of[rows]], Y[..., rows, :])
        else:
            for u, members in enumerate(types.members):
                out[..., members, :] = Y[..., members, :] @ v[u]
        out -= self.centre(self.types.means(Y))[..., self.types.of, :]
        return out

    def count(self, psi: np.ndarray) -> int:
        """Clusters behind contributions by cluster, shape (G, K)."""
        if self.clusters is not None:
            return self.clusters
        size = np.abs(psi).max(axis=1, initial=0.0)
        return int((size > CONTRIBUTES * size.max(initial=0.0)).sum())

    def by_cluster(self, Y: np.ndarray) -> np.ndarray:
        """Contributions added up within clusters, times the root of the factor; shape (..., G, K)."""
        psi = self.contributions(Y)
        if np.bincount(self.cluster).max(initial=0) > 1:
            psi = np.moveaxis(add_up(np.moveaxis(psi, -2, 0), self.cluster), 0, -2)
        return np.sqrt(self.factor) * psi

    def spread(self) -> np.ndarray:
        """w of every unit, shape (n, T, K)."""
        return self.weights[self.types.of]

    def batches(self, layout: Layout, count: int) -> Iterator[slice]:
        """Slices of `count` outcome matrices that fit in memory at once."""
        step = max(1, CHUNK // max(layout.Y.size, 1))
        return (slice(i, min(i + step, count)) for i in range(0, count, step))


def weighed(weights: np.ndarray, values: np.ndarray) -> np.ndarray:
    """sum_t weights(u, t, k) values(u, t); shapes (U, T, K), (..., U, T) -> (..., U, K)."""
    if values.ndim == 2:  # noqa: PLR2004 - types and periods, nothing in front
        found: np.ndarray = np.matmul(values[:, None, :], weights)[:, 0, :]
        return found
    front = values.shape[:-2]
    flat = np.moveaxis(values.reshape(-1, *values.shape[-2:]), 1, 0)
    found = np.moveaxis(np.matmul(flat, weights), 0, 1)
    return found.reshape(*front, *found.shape[1:])


def add_up(values: np.ndarray, cluster: np.ndarray) -> np.ndarray:
    """Sums within clusters along the first axis; shapes (n, ...), (n,) -> (G, ...)."""
    order = np.argsort(cluster, kind="stable")
    starts = np.flatnonzero(np.diff(cluster[order], prepend=-1))
    out: np.ndarray = np.add.reduceat(values[order], starts, axis=0)
    return out


def covariance(contributions: np.ndarray) -> np.ndarray:
    """sum over clusters of psi psi'; shapes (G, K) -> (K, K)."""
    return contributions.T @ contributions
