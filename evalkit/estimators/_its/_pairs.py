"""Cross-products with the inverse of an AR(1) correlation matrix, as sums over neighbouring pairs.

With L the matrix that turns u into its innovations, (u_i - a_i u_{i-1}) / sqrt(1 - a_i^2), the
correlation R satisfies R^-1 = L'L. Everything below follows from L having two diagonals.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

SHARED = 2  # axes of a design that all series share
Product = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True, eq=False)
class Pairs:
    """Sums of products of neighbouring rows z = (x, e), one set for each distance d between neighbours.

    basis   orthonormal columns x, shape (n, k) shared by all series or (s, n, k)
    t       calendar positions, shape (n,)
    gaps    the distances that occur, shape (g,); times how often each, shape (g,)
    blocks  products, flattened; each block holds those of the first row, shape (r, m), and the sums of
            z_i z_i', z_i z_{i-1}' + z_{i-1} z_i' and z_{i-1} z_{i-1}', shape (3, g, r, m). A design that is shared by
            many series has one block of its own (r = 1) beside that of the series (r = s)
    """

    basis: np.ndarray
    t: np.ndarray
    gaps: np.ndarray
    times: np.ndarray
    blocks: list[tuple[np.ndarray, np.ndarray]]

    @property
    def n(self) -> int:
        """How many periods."""
        return len(self.t)

    @classmethod
    def of(cls, basis: np.ndarray, series: np.ndarray, t: np.ndarray) -> Pairs:
        """Add up; basis (n, k) or (s, n, k), series (s, n), t (n,)."""
        gaps, which = np.unique(np.diff(t), return_inverse=True)
        X = basis if basis.ndim > SHARED else basis[None]
        groups = [np.flatnonzero(which == g) + 1 for g in range(len(gaps))]
        XX = _block(X, groups, _squares)
        rest = _block(
            np.concatenate([np.broadcast_to(X, (len(series), *X.shape[1:])), series[..., None]], 2), groups, _last
        )
        if len(X) == len(series):
            joint = tuple(np.concatenate([one, two], axis=-1) for one, two in zip(XX, rest, strict=True))
            blocks = [(joint[0], joint[1])]
        else:
            blocks = [XX, rest]
        return cls(basis, t, gaps.astype(float), np.bincount(which), blocks)

    def at(self, rho: np.ndarray, orders: int) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """X'R^-1 X, X'R^-1 e and e'R^-1 e, and as many derivatives in rho as `orders` says (0, 1, 2).

        rho has shape (..., s); the results (..., s, k, k), (..., s, k) and (..., s).
        """
        k = self.basis.shape[-1]
        weights = _weights(rho, self.gaps, orders)
        flat = [_combine(block, weights) for block in self.blocks]
        XX, rest = flat if len(flat) > 1 else (flat[0][..., : k * k], flat[0][..., k * k :])
        XX = XX.reshape(*XX.shape[:-1], k, k)
        return [(XX[order], rest[order][..., :k], rest[order][..., k]) for order in range(orders + 1)]

    def log_determinant(self, rho: np.ndarray, order: int) -> np.ndarray:
        """log|R| = sum_i log(1 - a_i^2), or its first derivative in rho; shape as rho."""
        a = rho ** _along(self.gaps, rho)
        if order == 0:
            return self._summed(np.log1p(-(a**2)))
        d = _along(self.gaps, rho)
        return self._summed(-2 * a * d * rho ** (d - 1) / (1 - a**2))

    def _summed(self, each: np.ndarray) -> np.ndarray:
        """Over all pairs, of what a pair at each distance adds, shape (g, ...)."""
        found: np.ndarray = (self.times[None] @ each.reshape(len(each), -1)).reshape(each.shape[1:])
        return found

    def objective(self, rho: np.ndarray, left: int) -> np.ndarray:
        """(n-k) log S + log|R| + log|X'R^-1 X|; result of shape (..., s), rho too, or (..., 1) for one design."""
        [(XX, Xe, ee)] = self.at(rho, 0)
        if XX.shape[-3] == 1:  # one system, of which every series is a right-hand side
            step = np.swapaxes(np.linalg.solve(XX[..., 0, :, :], np.swapaxes(Xe, -1, -2)), -1, -2)
        else:
            step = np.linalg.solve(XX, Xe[..., None])[..., 0]
        S = ee - (Xe * step).sum(-1)
        return left * np.log(S) + self.log_determinant(rho, 0) + np.linalg.slogdet(XX)[1]

    def score(self, rho: np.ndarray, left: int) -> np.ndarray:
        """Derivative of `objective` in rho."""
        (XX, Xe, ee), (dXX, dXe, dee) = self.at(rho, 1)
        inverse = np.linalg.inv(XX)
        step = (inverse @ Xe[..., None])[..., 0]
        S = ee - (Xe * step).sum(-1)
        turned = (dXX @ step[..., None])[..., 0]
        dS = dee - 2 * (dXe * step).sum(-1) + (step * turned).sum(-1)
        return left * dS / S + self.log_determinant(rho, 1) + (inverse * dXX).sum((-2, -1))


def _squares(Z: np.ndarray, W: np.ndarray) -> np.ndarray:
    """sum_i z_i w_i', flattened; Z, W shape (r, m, k)."""
    return (np.swapaxes(Z, 1, 2) @ W).reshape(len(Z), -1)


def _last(Z: np.ndarray, W: np.ndarray) -> np.ndarray:
    """sum_i z_i w_i for the last column of W; the last entry is its own square."""
    return np.einsum("rmk,rm->rk", Z, W[..., -1])


def _block(Z: np.ndarray, groups: list[np.ndarray], product: Product) -> tuple[np.ndarray, np.ndarray]:
    k = Z.shape[-1]
    sums = []
    for now in groups:
        after, before = Z[:, now], Z[:, now - 1]
        cross = product(after, before)
        if product is _squares:
            both = cross + np.swapaxes(cross.reshape(-1, k, k), 1, 2).reshape(cross.shape)
        else:
            both = cross + product(before, after)
        sums.append((product(after, after), both, product(before, before)))
    return product(Z[:, :1], Z[:, :1]), np.swapaxes(np.array(sums), 0, 1)


def _along(gaps: np.ndarray, rho: np.ndarray) -> np.ndarray:
    """The distances with axes to stand beside rho."""
    return gaps.reshape(-1, *[1] * np.ndim(rho))


def _weights(rho: np.ndarray, gaps: np.ndarray, orders: int) -> np.ndarray:
    """What the three sums are multiplied by, 1, -a and a^2 over 1 - a^2, and derivatives in rho.

    Shape (orders + 1, 3, g, ..., s).
    """
    d = _along(gaps, rho)
    a = rho**d
    rest = 1 - a**2
    out = np.empty((orders + 1, 3, *a.shape))
    out[0, 0], out[0, 1] = 1 / rest, -a / rest
    out[0, 2] = out[0, 0] - 1
    if orders:
        first = d * rho ** (d - 1)
        even, odd = 2 * a / rest**2, -(1 + a**2) / rest**2
        out[1, 0] = out[1, 2] = even * first
        out[1, 1] = odd * first
    if orders > 1:
        second = np.where(d > 1, d * (d - 1) * rho ** np.maximum(d - 2, 0), 0.0)
        out[2, 0] = out[2, 2] = (2 + 6 * a**2) / rest**3 * first**2 + even * second
        out[2, 1] = -2 * a * (3 + a**2) / rest**3 * first**2 + odd * second
    return out


def _combine(block: tuple[np.ndarray, np.ndarray], weights: np.ndarray) -> np.ndarray:
    """First row (in the value only, it does not depend on rho) plus the weighted sums; (orders + 1, ..., s, m)."""
    first, sums = block
    if sums.shape[2] == 1:
        orders = len(weights)
        flat = np.swapaxes(weights.reshape(orders, -1, math.prod(weights.shape[3:])), 1, 2)
        out = (flat @ sums.reshape(-1, sums.shape[-1])).reshape(orders, *weights.shape[3:], sums.shape[-1])
    else:
        out = np.einsum("ocg...s,cgsm->o...sm", weights, sums)
    out[0] += first
    return out


def whiten(Z: np.ndarray, rho: np.ndarray, t: np.ndarray) -> np.ndarray:
    """L Z: innovations of each column; Z (s, n, m), rho (s,), t (n,)."""
    a, _, _ = _neighbours(rho, t)
    out = Z.copy()
    out[:, 1:] = (Z[:, 1:] - a[..., None] * Z[:, :-1]) / np.sqrt(1 - a**2)[..., None]
    return out


def _neighbours(rho: np.ndarray, t: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """a_i, its derivative, and sqrt(1 - a_i^2), for i = 2..n; each shape (s, n-1)."""
    d = np.diff(t).astype(float)
    a = rho[:, None] ** d
    return a, d * rho[:, None] ** (d - 1), np.sqrt(1 - a**2)


def whitened_curvature(pairs: Pairs, rho: np.ndarray) -> np.ndarray:
    """X'R^-1 R' R^-1 R' R^-1 X with R' = dR/drho, shape (s, k, k).

    It equals B'B with B = L R (dR^-1/drho) X up to sign, and, D being dL/drho, B = D X + L'^-1 D' L X; the
    triangular system has two diagonals and is solved from the last period back.
    """
    X = pairs.basis if pairs.basis.ndim > SHARED else np.broadcast_to(pairs.basis, (len(rho), *pairs.basis.shape))
    a, first, s = _neighbours(rho, pairs.t)
    a, first, s = a[..., None], first[..., None], s[..., None]
    U = whiten(X, rho, pairs.t)
    B = np.zeros_like(X, float)
    B[:, 1:] = first / s**3 * (a * X[:, 1:] - X[:, :-1])  # D X
    right = np.zeros_like(B)  # D' L X
    right[:, 1:] += first * a / s**3 * U[:, 1:]
    right[:, :-1] -= first / s**3 * U[:, 1:]
    carry = np.concatenate([a / s, np.zeros_like(a[:, :1])], axis=1)  # a_{j+1} / s_{j+1}
    own = np.concatenate([np.ones_like(s[:, :1]), s], axis=1)
    own_right, own_carry = own * right, own * carry
    after = np.zeros_like(B[:, 0])
    solved = np.empty_like(B)
    for j in range(pairs.n - 1, -1, -1):
        after = own_right[:, j] + own_carry[:, j] * after
        solved[:, j] = after
    B += solved
    return np.swapaxes(B, 1, 2) @ B


def information(
    pairs: Pairs, rho: np.ndarray, bread: np.ndarray, slope: np.ndarray, curvature: np.ndarray
) -> np.ndarray:
    """Expected restricted information on (sigma^2, rho) at sigma^2 = 1, shape (s, 2, 2).

        I_ij = tr(P V_i P V_j) / 2,   P = R^-1 - R^-1 X (X'R^-1 X)^-1 X'R^-1

    For AR(1), tr((R^-1 R')^2) / 2 = sum_i a_i'^2 (1 + a_i^2) / (1 - a_i^2)^2, since each observation given
    the one before is normal with mean a_i u_{i-1} and variance 1 - a_i^2.
    """
    a, first, s = _neighbours(rho, pairs.t)
    whole = (first**2 * (1 + a**2) / s**4).sum(1)
    turned = bread @ slope
    own = whole - (bread * curvature).sum((1, 2)) + (turned * np.swapaxes(turned, 1, 2)).sum((1, 2)) / 2
    cross = (pairs.log_determinant(rho, 1) + (bread * slope).sum((1, 2))) / 2
    out = np.empty((len(rho), 2, 2))
    out[:, 0, 0], out[:, 1, 1] = (pairs.n - bread.shape[1]) / 2, own
    out[:, 0, 1] = out[:, 1, 0] = cross
    return out
