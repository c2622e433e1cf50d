"""Many interrupted time series pooled into one effect, with shocks that the units share.

Unit i of K has y_i = X_i b_i + sigma_i u_i, fitted by generalised least squares with AR(1) errors of one common
rho and its own sigma_i. In calendar time the errors of two units move together,

    cov(y_is, y_jt) = kappa sigma_i sigma_j phi^|s - t|,   i != j,

kappa being the share of the error variance that is a shock to all and phi its autocorrelation (module
`_its.shocks`). An effect of unit i is theta_i = l_i'y_i (l_i the weights of generalised least squares), and that
of the mean over units has the variance

    Var = s^2 / K + C,   C = kappa mean_{i != j} sigma_i sigma_j l_i' Phi_ij l_j,

s^2 the sample variance of the theta_i: it holds what units differ in truly and their own errors, but a
shared shock moves all theta_i together and cancels from it, which C puts back. Random-effects
meta-analysis is s^2 / K without C. Degrees of freedom are Satterthwaite's for the two parts: K - 1 for s^2/K, and for
C its variance by the delta method in (kappa, phi).

Sources: the variance is that of a mean of correlated estimates; Satterthwaite (1946), Biometrics Bull 2:110.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from evalkit.errors import DesignError
from evalkit.estimators._its.shocks import Group, Shock, Solved, common_rho, correlation, fit_shock, solve

FEWEST = 3  # units whose spread can be judged
LEAST_DF = 3.0
STEP = 1e-4  # of phi


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


@dataclass(frozen=True, eq=False)
class Shared:
    """All units fitted with one rho, and what they share; m periods in the calendar.

    groups, solved  each group and its fit
    rho             the common autocorrelation of the units' series, own and shared errors together
    shock           what they share
    """

    groups: list[Group]
    solved: list[Solved]
    rho: float
    shock: Shock
    m: int

    def beta(self, unit: int) -> np.ndarray:
        """Coefficients of one unit, shape (k,)."""
        group, row = self._place()[unit]
        return self.solved[group].beta[row]

    def pool(self, effect: Effect) -> Pooled:
        """The mean over units of an effect, each counting once. Raises DesignError with fewer than `FEWEST` units."""
        K = require_units(len(effect.units))
        shock, lines = self.shock, self._lines(effect)
        phi = shock.lasting
        common = correlation(phi, self.m)
        whole = shock.share * common + (1 - shock.share) * correlation(shock.own, self.m)
        own = shock.scale * np.einsum("qm,qm->q", lines @ whole, lines)
        size = shock.scale * _between(lines, common)  # of C when all of the errors are shared
        tilt = (
            shock.scale
            * (_between(lines, correlation(phi + STEP, self.m)) - _between(lines, correlation(phi - STEP, self.m)))
            / (2 * STEP)
        )
        spread = float(np.var(effect.values, ddof=1))
        first, second = spread / K, max(shock.share * size, 0.0)
        gradient = np.array([size, shock.share * tilt])
        noise = max(size**2 * shock.noise, float(gradient @ shock.covariance @ gradient))
        variance = first + second
        df = 2 * variance**2 / (2 * first**2 / (K - 1) + noise)
        between = np.sqrt(max(spread - float(own.mean()) + second, 0.0))
        return Pooled(
            float(effect.values.mean()),
            float(np.sqrt(variance)),
            max(float(df), min(LEAST_DF, K - 1.0)),
            float(between),
            second,
        )

    def _lines(self, effect: Effect) -> np.ndarray:
        """sigma_i l_i in calendar time, shape (q, m)."""
        place = self._place()
        lines = np.zeros((len(effect.units), self.m))
        for line, unit, gradient in zip(lines, effect.units, effect.gradients, strict=True):
            group, row = place[int(unit)]
            found = self.solved[group]
            line[self.groups[group].t] = found.sigma[row] * (gradient @ found.hat)
        return lines

    def _place(self) -> dict[int, tuple[int, int]]:
        return {int(u): (g, row) for g, group in enumerate(self.groups) for row, u in enumerate(group.members)}


def _between(lines: np.ndarray, R: np.ndarray) -> float:
    """The mean over pairs i != j of lines_i' R lines_j; shapes (q, m), (m, m)."""
    q, whole = len(lines), lines.sum(0)
    return float(whole @ R @ whole - np.einsum("qm,qm->", lines @ R, lines)) / (q * (q - 1))


def shared(groups: list[Group], m: int) -> Shared:
    """Fit all units with a common rho and estimate what they share; m periods in the calendar.

    Raises DesignError as `shocks.common_rho` does, and with fewer than `FEWEST` units.
    """
    require_units(sum(len(g.members) for g in groups))
    rho = common_rho(groups)
    solved = [solve(g, rho) for g in groups]
    return Shared(groups, solved, rho, fit_shock(groups, solved, rho, m), m)


def require_units(K: int) -> int:
    """Refuse a mean over fewer than `FEWEST` units; returns K."""
    if K < FEWEST:
        raise DesignError(
            f"only {K} unit{'s' if K != 1 else ''} can be fitted, and the spread of fewer than {FEWEST} says little",
            fix="use the interrupted time series of the units taken together (its), widen `window`, or add units",
        )
    return K
