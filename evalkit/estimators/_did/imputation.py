"""Effects by imputation: outcomes after joining less what the untouched unit-periods predict for them.

Unit effects alpha_i and period effects lambda_t are estimated from the unit-periods that joining has not
touched; tau_it = Y_it - alpha_i - z_i' lambda_t elsewhere; a quantity is sum over (i, t) of omega_it tau_it
(Borusyak, Jaravel and Spiess 2024, Rev Econ Stud 91:3253, equation 6). As a weighted sum of outcomes its
weights are omega less its projection on the untouched unit-periods; they add up to nought in each unit, so
unit effects drop out of everything below. Shared by `imputation`, `two_stage` and, on a balanced panel,
`extended_twoway`, whose point estimates coincide; they differ in what a unit contributes to the variance:

    imputation  treated residuals are taken from the mean effect of their cohort and period, weighted by the
                squared weights (their equation 8), which is conservative; leaving out the unit itself
                (their section 4.3, supplement A.8) multiplies its deviation by S / (S - v_i^2), S = sum v^2;
                with clusters of several units the whole cluster is left out of the mean its units are taken from
    two-stage   from the quantity itself (Gardner 2022, arXiv:2207.05943, section 4): the composition of the
                joined counts as random
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evalkit.estimators._did.absorb import Periods
from evalkit.estimators._did.layout import Layout, Types
from evalkit.estimators._did.linear import Linear, weighed

OUTSIDE = 1e-8  # a direction this far outside what the sample fixes is not fixed by it
LONE = 1e-9  # a unit whose squared weight is all but this share of its cell's has nobody beside it


@dataclass(frozen=True, eq=False)
class Imputation:
    """What is known before a quantity is named.

    types     units gathered
    periods   period effects of the untouched sample
    target    omega, weights of unit-periods per unit of a type, shape (U, T, K)
    weights   v, weights of outcomes per unit of a type, shape (U, T, K)
    """

    types: Types
    periods: Periods
    target: np.ndarray
    weights: np.ndarray

    def residual(self, means: np.ndarray) -> np.ndarray:
        """Y - alpha - z' lambda of type means; shapes (..., U, T) -> (..., U, T)."""
        sample = self.periods.sample
        left = means - self.periods.fitted(self.periods.effects(means))
        alpha = (sample.weight * left).sum(axis=-1) / sample.total
        return left - alpha[..., None]


def impute(types: Types, periods: Periods, target: np.ndarray) -> Imputation:
    """Weights of outcomes from weights of unit-periods.

    v = e - S_0 (z' L), e = target - w_0 (sum of target) / sum w_0, L = A^+ sum_i z_i (x) e_i
    """
    sample = periods.sample
    total = target.sum(axis=1)
    T, K = target.shape[1:]
    v = target - sample.weight[:, :, None] * (total / sample.total[:, None])[:, None, :]
    right = ((sample.count[:, None] * sample.z).T @ v.reshape(-1, T * K)).reshape(-1, K)
    L = (periods.inverse @ right).reshape(-1, T * K)
    v -= sample.sweep((sample.z @ L).reshape(-1, T, K))
    return Imputation(types, periods, target, v)


def unidentified(periods: Periods, wanted: np.ndarray) -> np.ndarray:
    """Which wanted unit-periods of a type cannot be imputed, booleans, shape (U, T).

    A unit without an untouched period has no unit effect; a period without an untouched unit that is linked
    to this one by the others has no period effect.
    """
    sample = periods.sample
    T, q = sample.weight.shape[1], sample.z.shape[1]
    supported = np.asarray((sample.weight > 0).any(axis=0))
    linked = np.asarray((sample.weight > 0).any(axis=1))[:, None] & supported[None, :]
    bad: np.ndarray = wanted & ~linked
    if periods.rank == q * (supported.sum() - 1):
        return bad
    outside = (np.eye(q * T) - periods.space @ periods.space.T).reshape(q * T, q, T)
    mean = sample.weight / sample.total[:, None]
    for u in np.flatnonzero((wanted & ~bad).any(axis=1)):
        of_unit = sample.z[u] @ outside  # (q T, T): what lies outside for each period's effect on this unit
        distance = np.abs(of_unit - (of_unit @ mean[u])[:, None]).max(axis=0)
        bad[u] |= wanted[u] & (distance > OUTSIDE)
    return bad


def two_stage(found: Imputation, layout: Layout, design: np.ndarray | None = None) -> Linear:
    """The quantities with Gardner's contributions.

    design  regressors D of the second stage, of which the quantities are the coefficients, shape (U, T, K); by
            default each quantity is the mean over the unit-periods of its own, which no other one shares
    """
    target, weights = found.target, found.weights
    total = target.sum(axis=1)
    by_type = (found.types.count[:, None, None] * weights).reshape(-1, total.shape[1])

    def centre(means: np.ndarray) -> np.ndarray:
        fitted = found.periods.fitted(found.periods.effects(means))
        theta = means.reshape(*means.shape[:-2], -1) @ by_type
        if design is None:
            of_stage = total * theta[..., None, :]
        else:
            of_stage = weighed(target, np.einsum("utj,...j->...ut", design, theta))
        return weighed(weights, fitted) + of_stage

    return Linear(found.types, weights, centre, layout.cluster)


def conservative(found: Imputation, layout: Layout, touched: np.ndarray, *, leave_out: bool) -> Linear:
    """The quantities with the contributions of Borusyak, Jaravel and Spiess.

    touched    unit-periods of each type that are not in the untouched sample, booleans, shape (U, T)
    leave_out  leave the unit itself, or its cluster, out of the mean effect that it is compared with; types must
               then be of one cluster each, or clusters of one unit each
    """
    types, v = found.types, found.weights
    grouped = leave_out and layout.gathered
    count = types.count[:, None] * touched
    waves = [np.flatnonzero(types.group == h) for h in np.unique(types.group[touched.any(axis=1)])]
    squares = [_squares(count, v, u) for u in waves]
    stretched = leave_out and not grouped
    own = _leaving_out(found, touched, waves, squares) if stretched else v
    code = layout.cluster[types.first] if grouped else np.zeros(len(types.first), int)

    def centre(means: np.ndarray) -> np.ndarray:
        fitted = found.periods.fitted(found.periods.effects(means))
        tau = count * found.residual(means)
        out = weighed(own, fitted)
        for u, square in zip(waves, squares, strict=True):
            summed = _summed(tau, v, u)
            for c in np.unique(code[u]):
                mine = u[code[u] == c]
                mean = _mean(summed, square)
                if grouped:
                    mean = _mean_of_others(summed, square, _summed(tau, v, mine), _squares(count, v, mine))
                out[..., mine, :] += np.einsum("utk,...tk->...uk", own[mine], mean)
        return out

    return Linear(types, v, centre, layout.cluster, own=own if stretched else None)


def _squares(count: np.ndarray, v: np.ndarray, u: np.ndarray) -> np.ndarray:
    """Sum of squared weights over the units of some types, shape (T, K)."""
    return np.einsum("ut,utk,utk->tk", count[u], v[u], v[u])


def _summed(tau: np.ndarray, v: np.ndarray, u: np.ndarray) -> np.ndarray:
    """Sum of effects times squared weights over the units of some types, shape (..., T, K)."""
    return np.einsum("...ut,utk,utk->...tk", tau[..., u, :], v[u], v[u])


def _mean(summed: np.ndarray, square: np.ndarray) -> np.ndarray:
    """Mean effect of a wave in each period, nought where the wave is untouched."""
    return summed / np.where(square > 0, square, 1.0)


def _mean_of_others(summed: np.ndarray, square: np.ndarray, mine: np.ndarray, own: np.ndarray) -> np.ndarray:
    """The mean effect without one cluster, whose own sums are given; of all, where the wave is one cluster."""
    left = square - own
    alone = left <= LONE * square
    return np.where(alone, _mean(summed, square), (summed - mine) / np.where(alone, 1.0, left))


def _leaving_out(
    found: Imputation, touched: np.ndarray, waves: list[np.ndarray], squares: list[np.ndarray]
) -> np.ndarray:
    """Weights stretched by S / (S - v^2) where a unit is touched and not alone, adding up to nought over a unit.

    waves    types of each wave
    squares  S of each wave, shape (T, K)
    """
    own, sample = found.weights.copy(), found.periods.sample
    for u, square in zip(waves, squares, strict=True):
        left = square - own[u] ** 2
        alone = left <= LONE * square
        own[u] *= np.where(touched[u][:, :, None] & ~alone, square / np.where(alone, 1.0, left), 1.0)
    loose = own.sum(axis=1)  # what no longer adds up to nought over the unit
    own -= sample.weight[:, :, None] * (loose / sample.total[:, None])[:, None, :]
    return own
