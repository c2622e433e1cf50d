"""Effects by imputation: outcomes after joining less what the untouched unit-periods predict for them.

Unit effects alpha_i and period effects lambda_t are estimated from the unit-periods that joining has not
touched; tau_it = Y_it - alpha_i - z_i' lambda_t elsewhere; a quantity is sum over (i, t) of omega_it tau_it
(Borusyak, Jaravel and Spiess 2024, Rev Econ Stud 91:3253, equation 6). As a weighted sum of outcomes its
weights are omega less its projection on the untouched unit-periods; they add up to nought in each unit, so
unit effects drop out of everything below. Shared by `imputation`, `two_stage` and, on a balanced panel,
`extended_twoway`, whose point estimates coincide; they differ in what a unit contributes to the variance:

    imputation  treated residuals are taken from the mean effect of their cohort and period, weighted by the
                squared weights (their equation 8), which is conservative; leaving out the unit itself
                (their section 4.3, supplement A.8) multiplies its deviation by S / (S - v_i^2), S = sum v^2
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
    e = target - sample.weight[:, :, None] * (total / sample.total[:, None])[:, None, :]
    T, K = target.shape[1:]
    right = ((sample.count[:, None] * sample.z).T @ e.reshape(-1, T * K)).reshape(-1, K)
    L = (periods.inverse @ right).reshape(-1, T * K)
    v = e - sample.sweep((sample.z @ L).reshape(-1, T, K))
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
    leave_out  leave the unit itself out of the mean effect that it is compared with
    """
    types, v = found.types, found.weights
    squared = types.count[:, None, None] * np.where(touched[:, :, None], v * v, 0.0)
    H = int(types.group.max()) + 1
    T, K = v.shape[1:]
    members = (np.arange(H)[:, None] == types.group[None, :]).astype(float)
    S = (members @ squared.reshape(-1, T * K)).reshape(H, T, K)
    safe = np.where(S > 0, S, 1.0)
    stretch = np.ones_like(v)
    if leave_out:
        left = S[types.group] - np.where(touched[:, :, None], v * v, 0.0)
        alone = left <= LONE * S[types.group]
        stretch = np.where(touched[:, :, None] & ~alone, S[types.group] / np.where(alone, 1.0, left), 1.0)
    sample = found.periods.sample
    stretched = np.where(touched[:, :, None], v * stretch, v)
    loose = stretched.sum(axis=1)  # what no longer adds up to nought over the unit
    late = np.where(touched[:, :, None], stretched, 0.0)
    own = stretched - sample.weight[:, :, None] * (loose / sample.total[:, None])[:, None, :]

    def centre(means: np.ndarray) -> np.ndarray:
        fitted = found.periods.fitted(found.periods.effects(means))
        tau = np.where(touched, found.residual(means), 0.0)
        front = tau.shape[:-2]
        summed = (members @ (squared * tau[..., None]).reshape(*front, -1, T * K)).reshape(*front, H, T, K)
        of_effects = late * (summed / safe)[..., types.group, :, :]
        return weighed(own, fitted) + of_effects.sum(axis=-2)

    return Linear(types, v, centre, layout.cluster, own=own)
