"""Proportions with cohort and period effects: binomial pseudo-maximum likelihood.

n units, T periods, y_it out of m_it,

    logit E[y_it / m_it] = a_c(i) + l_t + tau_b(it)

with c(i) the cohort of unit i and b a block of cells, tau = 0 in none. Everything but y and m is the same
for the units of a cohort in a period and block, so the fit is that of their sums. Only the mean has to be
right. With z the indicators of period, cohort and block and p the fitted proportion,

    score of unit i   s_i = sum_t (y_it - m_it p_it) z_it,   H = sum_it m_it p_it (1 - p_it) z_it z_it'
    covariance        G/(G-1) (N-1)/(N-K) H^-1 [sum_c s_c s_c'] H^-1,  s_c summed over cluster c

over N cells and G clusters; K counts every parameter, since cohorts are not nested in clusters.

Sources: Papke and Wooldridge (1996), J Appl Econometrics 11:619; Wooldridge (2023), Econometrics Journal
26:C31.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

from evalkit import inference
from evalkit.errors import DesignError
from evalkit.estimators._did.poisson import Counts, require_counts
from evalkit.estimators._did.propensity import HALVINGS, ITERATIONS, SETTLED, SLACK, CovariateError, dependent
from evalkit.estimators._did.regressors import Blocks


@dataclass(frozen=True, eq=False)
class LogitFit:
    """A fit; parameters in the order of periods (T), cohorts (C), blocks (B).

    parameters     shape (T + C + B,), 0 in the period of reference and in periods not seen
    contributions  H^-1 s_i of each unit, shape (n, T + C + B), 0 where a parameter is 0
    index          a_c + l_t + tau_b, shape (n, T), whatever was seen
    cohort         position of each unit's cohort, shape (n,)
    factor         G/(G-1) (N-1)/(N-K)
    """

    parameters: np.ndarray
    contributions: np.ndarray
    index: np.ndarray
    cohort: np.ndarray
    factor: float


def fit(data: Counts, g: np.ndarray, blocks: Blocks) -> LogitFit:
    """Estimate every parameter. g, shape (n,): the column in which a unit joined, NaN never.

    Raises DesignError as `poisson.fit`, for a numerator above its denominator, and for a cohort or a period
    in which all or none were counted; CovariateError with their positions for blocks of which that is true,
    or which repeat others or the cohort and period effects.
    """
    require_counts(data)
    seen = data.seen
    if (data.numerator[seen] > data.denominator[seen]).any():
        raise DesignError("a numerator is larger than its denominator", fix="correct the data")
    cohort = np.unique(np.where(np.isnan(g), np.inf, g), return_inverse=True)[1]
    T, C = seen.shape[1], int(cohort.max()) + 1
    period = np.broadcast_to(np.arange(T), seen.shape)[seen]
    code = blocks.code[seen]
    keys, which = np.unique(
        np.column_stack([period, np.broadcast_to(cohort[:, None], seen.shape)[seen], code]),
        axis=0,
        return_inverse=True,
    )
    Z = np.zeros((len(keys), T + C + blocks.count))
    rows = np.arange(len(keys))
    Z[rows, keys[:, 0]] = Z[rows, T + keys[:, 1]] = 1.0
    inside = keys[:, 2] >= 0
    Z[rows[inside], T + C + keys[inside, 2]] = 1.0
    m = np.bincount(which, data.denominator[seen], len(keys))
    y = np.bincount(which, data.numerator[seen], len(keys))
    _require_variation(y, m, Z, T + C)
    free = np.setdiff1d(np.flatnonzero(Z.any(axis=0)), [period.min()])
    found, inverse = _newton(y, m, Z[:, free], free - T - C)
    parameters = np.zeros(Z.shape[1])
    parameters[free] = found
    index = parameters[:T] + parameters[T + cohort][:, None] + blocks.index(parameters[T + C :])
    left = np.where(seen, data.numerator - data.denominator / (1 + np.exp(-index)), 0.0)
    score = np.hstack(
        [left, left.sum(axis=1, keepdims=True) * (cohort[:, None] == np.arange(C)), blocks.by_unit(left)]
    )
    contributions = np.zeros((len(g), Z.shape[1]))
    contributions[:, free] = score[:, free] @ inverse
    clusters = len(np.unique(data.cluster[seen.any(axis=1)]))
    factor = inference.cluster_factor(clusters, int(seen.sum()), len(free))
    return LogitFit(parameters, contributions, index, cohort, factor)


def _require_variation(y: np.ndarray, m: np.ndarray, Z: np.ndarray, first: int) -> None:
    """Refuse parameters in whose cells all or none were counted; blocks begin at column `first`."""
    counted, base = y @ Z, m @ Z
    flat = (base > 0) & ((counted <= 0) | (counted >= base))
    if flat[first:].any():
        raise CovariateError(
            "all or none were counted in the cells of an effect, so that its odds ratio would have no error",
            tuple(int(j) for j in np.flatnonzero(flat[first:])),
            "let effects cover more periods or cohorts",
            "blocks",
        )
    if flat.any():
        raise DesignError(
            "all or none were counted in some period or cohort", fix="leave it out, or use an outcome that varies"
        )


def _newton(y: np.ndarray, m: np.ndarray, Z: np.ndarray, position: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Parameters and H^-1 by Newton's steps, halved while the likelihood falls; blocks at a position >= 0."""
    theta, value = np.zeros(Z.shape[1]), float(m.sum() * np.log(2))
    for turn in range(ITERATIONS):
        p = special.expit(Z @ theta)
        information = (m * p * (1 - p) * Z.T) @ Z
        if turn == 0:
            found = tuple(int(position[j]) for j in dependent(information))
            if found:
                raise CovariateError(
                    "effects repeat others, or the cohort and period effects",
                    tuple(j for j in found if j >= 0),
                    "leave them out, or add comparison units",
                    "blocks",
                )
        try:
            step = np.linalg.solve(information, (y - m * p) @ Z)
        except np.linalg.LinAlgError:
            break  # the information is running out: an estimate is on its way to infinity
        part = 1.0
        for _ in range(HALVINGS):
            index = Z @ (theta + part * step)
            new = float(m @ np.logaddexp(0, index) - y @ index)
            if new <= value + SLACK * abs(value):
                break
            part /= 2
        theta, value = theta + part * step, new
        if np.abs(step).max() <= SETTLED:
            return theta, np.linalg.inv(information)
    raise DesignError(
        "the model of the proportions does not settle, as when all or none are counted in the cells of one effect",
        fix="use fewer effects, a longer window, or an outcome that varies",
    )
