"""Many interrupted time series pooled into one effect, with shocks that the units share.

Unit i of K has y_i = X_i b_i + u_i, fitted by generalised least squares with AR(1) errors of one common
rho and its own sigma_i. In calendar time the errors of two units move together,

    cov(u_is, u_jt) = kappa sigma_i sigma_j rho^|s - t|,   i != j,

kappa being the share of the error variance that is a shock to all. An effect of unit i is theta_i = l_i'y_i
(l_i the weights of generalised least squares), and that of the mean over units has the variance

    Var = s^2 / K + C,   C = kappa mean_{i != j} sigma_i sigma_j l_i' R_ij l_j,

s^2 the sample variance of the theta_i: it holds what units differ in truly and their own errors, but a
shared shock moves all theta_i together and cancels from it, which C puts back. Random-effects
meta-analysis is s^2 / K without C.

kappa comes from the innovations of the fitted units, w_i = L_i M_i y_i / sigma_i (M_i makes residuals, L_i
makes innovations of them: L_i R_i L_i' = I). With Z the sum of all w_i in calendar time and H the sum of the L_i M_i,

    E |Z|^2 = sum_i (n_i - k_i) + kappa [ tr(H R H') - sum_i (n_i - k_i) ],

exactly, given rho and the sigma_i, for any starts and gaps; kappa is solved for and kept within 0 and 1.
Degrees of freedom are Satterthwaite's for two parts: K - 1 for s^2/K, and for C the exact
variance of |Z|^2 for normal errors, 2 tr(Omega^2), Omega = cov(Z), with what rho adds to it by the delta method.

Shapes: m periods of the calendar, n_i analysed ones of unit i with k_i columns.
Sources: the variance is that of a mean of equicorrelated estimates; Satterthwaite (1946), Biometrics Bull 2:110;
common rho by the sum of the restricted likelihoods (Patterson and Thompson 1971, Biometrika 58:545).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import optimize

from evalkit.errors import DesignError
from evalkit.estimators._its import ar1
from evalkit.estimators._its._pairs import Pairs, whiten
from evalkit.inference import ROUNDING

FEWEST = 3  # units whose spread can be judged
STEP = 1e-4  # of rho, for the curvature of the likelihood


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


class Pooled(NamedTuple):
    """A mean over units.

    value, std_error, df  of the mean
    between               standard deviation between the units' true effects, by the method of moments
    shock                 C, the variance that shared shocks bring
    """

    value: float
    std_error: float
    df: float
    between: float
    shock: float = 0.0


class Effect(NamedTuple):
    """One quantity in the units that have it.

    units      their positions among all K, increasing, shape (q,)
    values     the units' estimates, shape (q,)
    gradients  in each unit's coefficients, one array of shape (k_i,) for each of them
    """

    units: np.ndarray
    values: np.ndarray
    gradients: list[np.ndarray]


def common_rho(groups: list[Group]) -> tuple[float, float]:
    """The rho that maximises the sum of the units' restricted log-likelihoods, and its variance.

    The variance is the inverse of the observed information, as if units were independent; 0 where rho lies
    on a bound. Raises DesignError as `ar1.fit_many` does, when a group has too few periods or a unit does not vary.
    """
    prepared = [_pairs(g) for g in groups]

    def total(rho: np.ndarray) -> np.ndarray:
        """Twice the negative sum at each rho, shape (r,)."""
        return sum(p.objective(np.repeat(rho[:, None], s, axis=1), left).sum(1) for p, s, left in prepared)

    def score(rho: float) -> float:
        return sum(float(p.score(np.full(s, rho), left).sum()) for p, s, left in prepared)

    best = int(total(ar1.GRID).argmin())
    low, high = ar1.GRID[max(best - 1, 0)], ar1.GRID[min(best + 1, len(ar1.GRID) - 1)]
    if score(low) >= 0 or score(high) <= 0:
        return float(low if score(low) >= 0 else high), 0.0
    rho = float(optimize.brentq(score, low, high, xtol=1e-13, rtol=1e-14))
    bend = (score(rho + STEP) - score(rho - STEP)) / (2 * STEP)
    return rho, 2 / bend


def _pairs(group: Group) -> tuple[Pairs, int, int]:
    """Cross-products of the residuals of least squares, the number of series and the degrees of freedom."""
    n, k = group.X.shape
    if n <= k + 1:
        raise DesignError(f"{k} terms and only {n} periods", fix="use fewer terms or more periods")
    basis, _ = np.linalg.qr(group.X)
    residual = group.Y - (group.Y @ basis) @ basis.T
    size = np.linalg.norm(residual, axis=1)
    if (size <= ROUNDING * np.linalg.norm(group.Y, axis=1)).any():
        raise DesignError("a series does not vary around its fitted course", fix="check the outcome")
    return Pairs.of(basis, residual / size[:, None], group.t), len(group.Y), n - k


def solve(group: Group, rho: float) -> Solved:
    """Generalised least squares for every unit of a group, at a given rho."""
    n, k = group.X.shape
    L = whiten(np.eye(n)[None], np.array([rho]), group.t)[0]
    basis, triangle = np.linalg.qr(L @ group.X)
    back = np.linalg.inv(triangle)
    hat = back @ (basis.T @ L)
    maker = L - basis @ (basis.T @ L)
    w = group.Y @ maker.T
    sigma = np.sqrt((w * w).sum(1) / (n - k))
    return Solved(group.Y @ hat.T, hat, back @ back.T, maker, w / sigma[:, None], sigma)


@dataclass(frozen=True, eq=False)
class Shared:
    """All units fitted with one rho, and what they share.

    groups, solved  each group and its fit
    R, bend         correlation over the calendar and its derivative in rho, shape (m, m)
    rho, rho_error  the common autocorrelation and its standard error, allowing for shared shocks
    kappa           the share of the error variance that is a shock to all
    noise           variance of kappa, given rho
    """

    groups: list[Group]
    solved: list[Solved]
    R: np.ndarray
    bend: np.ndarray
    rho: float
    rho_error: float
    kappa: float
    noise: float

    def beta(self, unit: int) -> np.ndarray:
        """Coefficients of one unit, shape (k,)."""
        group, row = self._place()[unit]
        return self.solved[group].beta[row]

    def pool(self, effect: Effect) -> Pooled:
        """The mean over units of an effect, each counting once. Raises DesignError with fewer than `FEWEST` units."""
        K = require_units(len(effect.units))
        own, together, tilt = self._errors(effect)
        spread = float(np.var(effect.values, ddof=1))
        pairs = K * (K - 1)
        shock, slope = self.kappa * together / pairs, self.kappa * tilt / pairs
        first, second = spread / K, max(shock, 0.0)
        noise = (together / pairs) ** 2 * self.noise + (slope * self.rho_error) ** 2
        variance = first + second
        df = 2 * variance**2 / (2 * first**2 / (K - 1) + noise)
        between = np.sqrt(max(spread - float(own.mean()) + second, 0.0))
        return Pooled(float(effect.values.mean()), float(np.sqrt(variance)), float(df), float(between), second)

    def variances(self, effect: Effect) -> np.ndarray:
        """The error variance of each unit's own effect at the common rho, shape (q,)."""
        return self._errors(effect)[0]

    def _errors(self, effect: Effect) -> tuple[np.ndarray, float, float]:
        """sigma_i^2 l_i'R l_i, shape (q,); the sum over pairs of sigma_i sigma_j l_i'R_ij l_j; its slope in rho."""
        place = self._place()
        lines = np.zeros((len(effect.units), len(self.R)))
        for line, unit, gradient in zip(lines, effect.units, effect.gradients, strict=True):
            group, row = place[unit]
            found = self.solved[group]
            line[self.groups[group].t] = found.sigma[row] * (gradient @ found.hat)
        whole = lines.sum(0)
        own, tilts = (np.einsum("qm,qm->q", lines @ matrix, lines) for matrix in (self.R, self.bend))
        return own, float(whole @ self.R @ whole - own.sum()), float(whole @ self.bend @ whole - tilts.sum())

    def _place(self) -> dict[int, tuple[int, int]]:
        return {int(u): (g, row) for g, group in enumerate(self.groups) for row, u in enumerate(group.members)}


def shared(groups: list[Group], m: int) -> Shared:
    """Fit all units with a common rho and estimate what they share; m periods in the calendar.

    Raises DesignError as `common_rho` does, and with fewer than `FEWEST` units.
    """
    K = require_units(sum(len(g.members) for g in groups))
    rho, variance = common_rho(groups)
    solved = [solve(g, rho) for g in groups]
    distance = np.abs(np.subtract.outer(np.arange(m), np.arange(m)))
    R = np.power(rho, distance)
    bend = np.where(distance > 0, distance * np.power(rho, np.maximum(distance - 1, 0)), 0.0)
    kappa, noise = _shock(groups, solved, R)
    together = 1 + (K - 1) * kappa**2  # correlated likelihoods say less of rho than independent ones
    return Shared(groups, solved, R, bend, rho, float(np.sqrt(variance * together)), kappa, noise)


def _shock(groups: list[Group], solved: list[Solved], R: np.ndarray) -> tuple[float, float]:
    """kappa from the cross-products of innovations, and its variance."""
    m = len(R)
    Z, H, alone, left = np.zeros(m), np.zeros((m, m)), np.zeros((m, m)), 0.0
    for group, found in zip(groups, solved, strict=True):
        s, t = len(group.members), group.t
        at = np.ix_(t, t)
        Z[t] += found.white.sum(0)
        H[at] += s * found.maker
        alone[at] += s * (found.maker @ R[at] @ found.maker.T)
        left += s * (len(t) - group.X.shape[1])
    joint = H @ R @ H.T
    pairs = float(np.trace(joint)) - left
    kappa = float(np.clip((Z @ Z - left) / pairs, 0.0, 1.0)) if pairs > 0 else 0.0
    omega = kappa * joint + (1 - kappa) * alone
    return kappa, 2 * float((omega * omega).sum()) / pairs**2 if pairs > 0 else 0.0


def require_units(K: int) -> int:
    """Refuse a mean over fewer than `FEWEST` units; returns K."""
    if K < FEWEST:
        raise DesignError(
            f"only {K} unit{'s' if K != 1 else ''} can be fitted, and the spread of fewer than {FEWEST} says little",
            fix="use the interrupted time series of the units taken together (its), widen `window`, or add units",
        )
    return K
