"""Units fitted with one autocorrelation, and the shocks that they share, by restricted maximum likelihood.

The standardised errors of unit i are u_i = sqrt(1 - kappa) e_i + sqrt(kappa) g, with e_i its own AR(1) of
autocorrelation rho and g an AR(1) of autocorrelation phi that all units have in common: shocks to all may last
longer than a unit's own. With P_i = R^-1 - R^-1 X_i (X_i'R^-1 X_i)^-1 X_i'R^-1, R = rho^|d|, Phi = phi^|d|,
theta = kappa / (1 - kappa), A = sum_i P_i and q = sum_i P_i y_i, both in calendar time, every unit having
coefficients of its own,

    l = sum_i [log|R_i| + log|X_i'R_i^-1 X_i|] + log|I + theta Phi A| + N log Q,
    Q = sum_i y_i'P_i y_i - theta q'(I + theta Phi A)^-1 Phi q,        N = sum_i (n_i - k_i),

is twice the negative restricted log-likelihood with the scale profiled out, up to a constant. Its cost is that of
one matrix over the calendar, whatever the number of units. y_i are divided by the units' own sigma_i beforehand.

Where kappa is small phi cannot be told: a weak pull, ((arctanh phi - arctanh rho) / 1.2)^2 added to l, keeps it near
the units' own rho.

Shapes: m periods of the calendar, n_i analysed ones of unit i with k_i columns.
Sources: Patterson and Thompson (1971), Biometrika 58:545; determinant and quadratic form by Woodbury's identity.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import optimize

from evalkit.estimators._its import _rho, ar1
from evalkit.estimators._its._pairs import whiten
from evalkit.inference import ROUNDING

LIMITS = ((-0.9, 0.97), (0.0, 0.98), (-0.9, 0.97))  # of rho, kappa and phi
PERSISTENT = 0.8  # the second place from which the search for phi begins
PULL = 1.2  # standard deviation of arctanh(phi) around arctanh(rho)
SLIGHT = 0.02  # below this share phi cannot be told
WIDTH = 0.01  # steps of the likelihood's curvature


@dataclass(frozen=True, eq=False)
class Group:
    """Units with one design: the same analysed periods and columns.

    members  positions of the units among all K, shape (s,)
    X        the design, shape (n, k)
    Y        the series, shape (s, n)
    t        calendar positions from 0, shape (n,)
    """

    members: np.ndarray
    X: np.ndarray
    Y: np.ndarray
    t: np.ndarray


class Solved(NamedTuple):
    """One group fitted at the common rho.

    beta    coefficients, shape (s, k)
    hat     (X'R^-1 X)^-1 X'R^-1, shape (k, n)
    bread   (X'R^-1 X)^-1, shape (k, k)
    maker   L M, from a series to its innovations, shape (n, n)
    white   innovations over sigma, shape (s, n)
    sigma   shape (s,)
    """

    beta: np.ndarray
    hat: np.ndarray
    bread: np.ndarray
    maker: np.ndarray
    white: np.ndarray
    sigma: np.ndarray


class Shock(NamedTuple):
    """What units share.

    own         rho of a unit's own errors
    share       kappa, the share of the error variance that is a shock to all
    lasting     phi, the autocorrelation of that shock
    scale       of the error variances, 1 where the units' own sigma are right
    covariance  of (share, lasting), shape (2, 2); nought where `share` is too small to tell `lasting`
    noise       variance of the share given the rest, by the fourth moments of normal errors
    """

    own: float
    share: float
    lasting: float
    scale: float
    covariance: np.ndarray
    noise: float


def common_rho(groups: list[Group]) -> float:
    """The rho that maximises the sum of the units' restricted log-likelihoods.

    Raises DesignError as `ar1.fit_many` does, when a group has too few periods or a unit does not vary.
    """
    prepared = [(ar1.prepare(g.X, g.Y, g.t)[0], len(g.Y), g.X.shape[0] - g.X.shape[1]) for g in groups]

    def total(rho: np.ndarray) -> np.ndarray:
        """Twice the negative sum at each rho, shape (r,)."""
        return sum(p.objective(np.repeat(rho[:, None], s, axis=1), left).sum(1) for p, s, left in prepared)

    def score(rho: float) -> float:
        return sum(float(p.score(np.full(s, rho), left).sum()) for p, s, left in prepared)

    best = int(total(_rho.GRID).argmin())
    low, high = _rho.GRID[max(best - 1, 0)], _rho.GRID[min(best + 1, len(_rho.GRID) - 1)]
    if score(low) >= 0 or score(high) <= 0:
        return float(low if score(low) >= 0 else high)
    return float(optimize.brentq(score, low, high, xtol=1e-13, rtol=1e-14))


def _maker(group: Group, rho: float) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """L, an orthonormal basis of L X with its triangle, and L M, from a series to its innovations."""
    L = whiten(np.eye(len(group.t))[None], np.array([rho]), group.t)[0]
    basis, triangle = np.linalg.qr(L @ group.X)
    return L, basis, triangle, L - basis @ (basis.T @ L)


def solve(group: Group, rho: float) -> Solved:
    """Generalised least squares for every unit of a group, at a given rho."""
    n, k = group.X.shape
    L, basis, triangle, maker = _maker(group, rho)
    back = np.linalg.inv(triangle)
    hat = back @ (basis.T @ L)
    w = group.Y @ maker.T
    sigma = np.sqrt((w * w).sum(1) / (n - k))
    return Solved(group.Y @ hat.T, hat, back @ back.T, maker, w / sigma[:, None], sigma)


def correlation(rho: float, m: int) -> np.ndarray:
    """rho^|s - t| over the calendar, shape (m, m)."""
    distance = np.abs(np.subtract.outer(np.arange(m), np.arange(m)))
    return np.power(rho, distance)


def fit_shock(groups: list[Group], solved: list[Solved], rho: float, m: int) -> Shock:
    """Fit rho, kappa and phi, starting from the units' common rho; m periods in the calendar."""
    likelihood = _Likelihood(groups, [found.sigma for found in solved], m)
    starts = (np.clip([rho, 0.2, phi], *np.array(LIMITS).T) for phi in (rho, PERSISTENT))
    found = [optimize.minimize(likelihood.deviance, start, bounds=LIMITS, method="L-BFGS-B") for start in starts]
    point = min(found, key=lambda one: one.fun).x
    own, share, lasting = (float(x) for x in point)
    scale = likelihood.quadratic(point)[0] / likelihood.left / (1 - share)
    return Shock(own, share, lasting, scale, _covariance(likelihood, point), _noise(groups, solved, point, m))


class _Likelihood:
    """Twice the negative restricted log-likelihood of all units together; what depends on rho alone is kept."""

    def __init__(self, groups: list[Group], sigmas: list[np.ndarray], m: int) -> None:
        self.scaled = [(g, g.Y / sigma[:, None]) for g, sigma in zip(groups, sigmas, strict=True)]
        self.m = m
        self.left = sum(len(g.members) * (len(g.t) - g.X.shape[1]) for g in groups)
        self.kept: dict[float, tuple[np.ndarray, np.ndarray, float, float]] = {}

    def sums(self, rho: float) -> tuple[np.ndarray, np.ndarray, float, float]:
        """A, shape (m, m), q, shape (m,), sum of y'P y, and the units' log-determinants."""
        if rho in self.kept:
            return self.kept[rho]
        A, q, quadratic, logs = np.zeros((self.m, self.m)), np.zeros(self.m), 0.0, 0.0
        for group, Y in self.scaled:
            _, _, triangle, maker = _maker(group, rho)
            w = Y @ maker.T
            A[np.ix_(group.t, group.t)] += len(Y) * (maker.T @ maker)
            q[group.t] += w.sum(0) @ maker
            quadratic += float((w * w).sum())
            own = np.log1p(-np.power(rho, 2 * np.diff(group.t))).sum() + 2 * np.log(np.abs(np.diag(triangle))).sum()
            logs += len(Y) * float(own)
        self.kept[rho] = A, q, quadratic, logs
        return self.kept[rho]

    def quadratic(self, point: np.ndarray) -> tuple[float, float]:
        """Q and the log-determinants at (rho, kappa, phi)."""
        rho, kappa, phi = (float(x) for x in point)
        A, q, quadratic, logs = self.sums(rho)
        theta, Phi = kappa / (1 - kappa), correlation(phi, self.m)
        M = np.eye(self.m) + theta * (Phi @ A)
        return quadratic - theta * float(q @ np.linalg.solve(M, Phi @ q)), logs + float(np.linalg.slogdet(M)[1])

    def deviance(self, point: np.ndarray) -> float:
        """The objective at (rho, kappa, phi)."""
        Q, logs = self.quadratic(point)
        pull = (np.arctanh(point[2]) - np.arctanh(point[0])) / PULL
        return logs + self.left * float(np.log(Q)) + float(pull) ** 2


def _covariance(likelihood: _Likelihood, point: np.ndarray) -> np.ndarray:
    """Inverse of the curvature in (kappa, phi); nought where kappa is slight or the likelihood is not curved down."""
    rho, kappa, phi = point
    if kappa <= SLIGHT:
        return np.zeros((2, 2))
    kappa, phi = (np.clip(x, low + WIDTH, high - WIDTH) for x, (low, high) in zip(point[1:], LIMITS[1:], strict=True))

    def at(i: int, j: int) -> float:
        return likelihood.deviance(np.array([rho, kappa + i * WIDTH, phi + j * WIDTH]))

    here = at(0, 0)
    first, second = at(1, 0) - 2 * here + at(-1, 0), at(0, 1) - 2 * here + at(0, -1)
    cross = (at(1, 1) - at(1, -1) - at(-1, 1) + at(-1, -1)) / 4
    curvature = np.array([[first, cross], [cross, second]]) / (2 * WIDTH**2)
    if np.linalg.eigvalsh(curvature)[0] > ROUNDING * abs(first):
        return np.linalg.inv(curvature)
    return np.diag([0.0, 2 * WIDTH**2 / second if second > 0 else 0.0])


def _noise(groups: list[Group], solved: list[Solved], point: np.ndarray, m: int) -> float:
    """The variance of kappa from cross-products of innovations: 2 tr(Omega^2) / (tr(H Phi H') - own part)^2.

    Z is the sum of the units' innovations in calendar time and H of the matrices that make them; Omega = cov(Z).
    """
    rho, kappa, phi = (float(x) for x in point)
    R, Phi = correlation(rho, m), correlation(phi, m)
    H, alone, own = np.zeros((m, m)), np.zeros((m, m)), 0.0
    for group, found in zip(groups, solved, strict=True):
        s, at = len(group.members), np.ix_(group.t, group.t)
        H[at] += s * found.maker
        alone[at] += s * (found.maker @ R[at] @ found.maker.T)
        own += s * float(np.trace(found.maker @ Phi[at] @ found.maker.T))
    joint = H @ Phi @ H.T
    pairs = float(np.trace(joint)) - own
    omega = kappa * joint + (1 - kappa) * alone
    return 2 * float((omega * omega).sum()) / pairs**2
