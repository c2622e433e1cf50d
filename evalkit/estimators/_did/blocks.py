"""Least squares with unit and period effects and a term for each of some cells, a cohort at a time.

    y_it = alpha_i + z_i' lambda_t + delta(h_i, t) + e_it,   delta nought outside the cells

The terms of different cohorts meet in the period effects alone. With S_i sweeping out the unit effects, the
normal equations are

    A lambda + sum_h B_h' delta_h = sum_i z_i (x) S_i y_i
    B_h lambda + D_h delta_h      = (sum_{i in h} S_i y_i) at the cells of h

D_h = sum_{i in h} S_i at its cells, B_h = sum_{i in h} z_i' (x) S_i, A = sum_i z_i z_i' (x) S_i. Eliminating
delta_h cohort by cohort costs H inversions of at most T rows instead of one of all cells: this is
`regression.regress` on the cells' dummies for a single contrast of them, as placebos want by the thousand.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evalkit import inference
from evalkit.errors import DesignError
from evalkit.estimators._did.absorb import Sample, inverse_of_definite, swept_squares
from evalkit.estimators._did.layout import Layout, Types
from evalkit.estimators._did.linear import Linear, weighed
from evalkit.inference import RANK


@dataclass(frozen=True, eq=False)
class Blocks:
    """The normal equations, solved for any right-hand side.

    sample  types of units, their weights and z
    group   cohort of each type, shape (U,)
    inner   D_h^-1, nought outside the cells, shape (H, T, T)
    across  B_h, nought outside the cells, shape (H, T, q T)
    outer   inverse of A - sum_h B_h' D_h^-1 B_h, shape (q T, q T)
    """

    sample: Sample
    group: np.ndarray
    inner: np.ndarray
    across: np.ndarray
    outer: np.ndarray

    def solve(self, right: np.ndarray, of_cells: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """lambda and delta; shapes (..., q T), (..., H, T) -> (..., q T), (..., H, T)."""
        turned = (of_cells[..., None, :] @ self.inner)[..., 0, :]
        H, T, width = self.across.shape
        flat = turned.reshape(*turned.shape[:-2], H * T)
        effects = (right - flat @ self.across.reshape(H * T, width)) @ self.outer
        less = (effects @ self.across.reshape(H * T, width).T).reshape(*effects.shape[:-1], H, T)
        return effects, ((of_cells - less)[..., None, :] @ self.inner)[..., 0, :]

    def spread(self, effects: np.ndarray, delta: np.ndarray) -> np.ndarray:
        """z' lambda + delta of each type; shapes (..., q T), (..., H, T) -> (..., U, T)."""
        q = self.sample.z.shape[1]
        nobody = np.zeros((*delta.shape[:-2], 1, delta.shape[-1]))
        by_group = np.concatenate([delta, nobody], axis=-2)
        out: np.ndarray = self.sample.z @ effects.reshape(*effects.shape[:-1], q, -1)
        return out + by_group[..., self.group, :]

    def fitted(self, means: np.ndarray) -> np.ndarray:
        """What is fitted to type means, unit effects apart; shapes (..., U, T) -> (..., U, T)."""
        s = self.sample
        swept = s.count[:, None] * s.sweep(means)
        right = (s.z.T @ swept).reshape(*means.shape[:-2], -1)
        members = np.arange(len(self.inner))[:, None] == self.group[None, :]
        return self.spread(*self.solve(right, members @ swept))


def contrast(
    layout: Layout, types: Types, z: np.ndarray, cells: np.ndarray, weights: np.ndarray, levels: int = 1
) -> Linear:
    """sum over cells of weights times delta, with cluster-robust contributions.

    z        shape (U, q)
    cells    which have a term, booleans, shape (H, T)
    weights  shape (H, T), nought outside the cells
    levels   sets of period effects, for the count of coefficients

    Raises DesignError when the cells cannot be told from the effects.
    """
    blocks = _build(types, z, cells)
    q_T = z.shape[1] * cells.shape[1]
    W = blocks.sample.sweep(blocks.spread(*blocks.solve(np.zeros(q_T), weights)))[:, :, None]
    seen = np.asarray((types.weight > 0).any(axis=0))
    coefficients = int(cells.sum()) + z.shape[1] * (int(seen.sum()) - 1) + levels
    rows = int(types.count @ (types.weight > 0).sum(axis=1))
    clusters = len(np.unique(layout.cluster[layout.seen.any(axis=1)]))

    def centre(means: np.ndarray) -> np.ndarray:
        return weighed(W, blocks.fitted(means))

    factor = inference.cluster_factor(clusters, rows, coefficients)
    return Linear(types, W, centre, layout.cluster, factor, clusters=clusters)


def _build(types: Types, z: np.ndarray, cells: np.ndarray) -> Blocks:
    sample = Sample(types.count, types.weight, z)
    (H, T), q = cells.shape, z.shape[1]
    D, across, A = np.zeros((H, T, T)), np.zeros((H, T, q, T)), np.zeros((q, T, q, T))
    for h in range(H + 1):
        members = types.group == h
        weight, count, zs = types.weight[members], types.count[members], z[members]
        plain = swept_squares(weight, count)
        if h < H:
            D[h] = plain
        for a in range(q):
            first = plain if (zs[:, a] == 1).all() else swept_squares(weight, count * zs[:, a])
            if h < H:
                across[h, :, a] = first
            for b in range(q):
                one = (zs[:, b] == 1).all()
                A[a, :, b, :] += first if one else swept_squares(weight, count * zs[:, a] * zs[:, b])
    D = np.where(cells[:, :, None] & cells[:, None, :], D, 0.0)
    B = np.where(cells[:, :, None, None], across, 0.0).reshape(H, T, q * T)
    inner = _inverses(D, cells)
    left = A.reshape(q * T, q * T) - np.tensordot(B, inner @ B, axes=((0, 1), (0, 1)))
    seen = np.asarray((types.weight > 0).any(axis=0))
    return Blocks(sample, types.group, inner, B, _outer(left, np.tile(seen, q), np.kron(np.eye(q), seen[:, None])))


def _inverses(D: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """The inverse of each D_h at its cells."""
    both = cells[:, :, None] & cells[:, None, :]
    size = np.abs(D).sum(axis=2).max(axis=1)
    padded = D + np.where(cells, 0.0, np.where(size > 0, size, 1.0)[:, None])[:, :, None] * np.eye(cells.shape[1])
    try:
        inner = np.where(both, np.linalg.inv(padded), 0.0)
    except np.linalg.LinAlgError:
        raise _untold() from None
    if (RANK * size * np.abs(inner).sum(axis=2).max(axis=1) >= 1).any():
        raise _untold()
    found: np.ndarray = (inner + inner.transpose(0, 2, 1)) / 2
    return found


def _outer(left: np.ndarray, seen: np.ndarray, shifts: np.ndarray) -> np.ndarray:
    """The pseudo-inverse of what the period effects keep, shifts of them apart."""
    N = shifts[seen] / np.linalg.norm(shifts, axis=0)
    B = left[np.ix_(seen, seen)]
    s = float(np.diag(B).mean())
    inner = inverse_of_definite(B + s * (N @ N.T)) if s > 0 else None
    if inner is None:
        raise _untold()
    out = np.zeros_like(left)
    out[np.ix_(seen, seen)] = inner - (N @ N.T) / s
    return out


def _untold() -> DesignError:
    return DesignError(
        "an effect cannot be told from the unit and period effects",
        fix="nobody is left to compare with in some period: add comparison units or use a shorter window",
    )
