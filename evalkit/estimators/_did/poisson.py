"""Counts with unit and period effects: Poisson pseudo-maximum likelihood.

n units, T periods, counts y_it out of denominators E_it,

    E[y_it] = mu_it = a_i E_it exp(l_t + x_it'b)

The unit levels have the solution a_i = sum_t y_it / sum_t E_it exp(l_t + x_it'b) and are put in its place,
which is exact: the remaining likelihood is that of each unit's counts given their sum, concave in (l, b),
so estimates do not suffer from the number of units. Only the mean has to be right, not the distribution.
With z_it = (the period's indicator, x_it), zbar_i its mean over unit i with weights mu_it,

    score of unit i   s_i = sum_t (y_it - mu_it) z_it
    information       H = sum_it mu_it (z_it - zbar_i)(z_it - zbar_i)'
    covariance        G/(G-1) (N-1)/(N-K) H^-1 [sum_c s_c s_c'] H^-1,  s_c summed over cluster c

over N cells and G clusters of whole units; K = p + the periods used (the rule of fixest and reghdfe).

Sources: Hausman, Hall and Griliches (1984), Econometrica 52:909; Wooldridge (1999), J Econometrics 90:77;
values are those of fixest::fepois.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

from evalkit import inference
from evalkit.errors import DesignError
from evalkit.estimators._did.propensity import HALVINGS, ITERATIONS, SETTLED, SLACK, CovariateError, dependent
from evalkit.estimators._did.regressors import Terms


@dataclass(frozen=True, eq=False)
class Counts:
    """What was counted.

    numerator    counts y, shape (n, T); not read where not seen
    denominator  E, positive, shape (n, T); not read where not seen
    seen         cells that are analysed, booleans, shape (n, T)
    cluster      cluster of each unit, shape (n,)
    """

    numerator: np.ndarray
    denominator: np.ndarray
    seen: np.ndarray
    cluster: np.ndarray


@dataclass(frozen=True, eq=False)
class PoissonFit:
    """A fit.

    beta           b, shape (p,): logarithms of ratios
    covariance     of b, shape (p, p), clustered
    contributions  H^-1 s_i of each unit to b, shape (n, p): before the factor, covariance is the sum over
                   clusters of outer products of their sums
    factor         G/(G-1) (N-1)/(N-K)
    fitted         mu, shape (n, T), 0 where not used
    used           cells used: seen, in units and periods with at least one event, booleans, shape (n, T)
    empty_units    units left out because nothing was counted in them, which says nothing of b; positions
    empty_periods  the same for periods
    deviance       2 sum y log(y/mu) - (y - mu)
    loglik         sum y log mu - mu - log y!
    all_terms      contributions of the period effects, then b, shape (n, T + p); 0 in the period of reference
    mean_terms     zbar_i, shape (n, T + p)
    period_effect  l, shape (T,), 0 in the period of reference and in periods not used
    """

    beta: np.ndarray
    covariance: np.ndarray
    contributions: np.ndarray
    factor: float
    fitted: np.ndarray
    used: np.ndarray
    empty_units: np.ndarray
    empty_periods: np.ndarray
    deviance: float
    loglik: float
    all_terms: np.ndarray
    mean_terms: np.ndarray
    period_effect: np.ndarray


def fit(data: Counts, terms: Terms) -> PoissonFit:
    """Estimate b. Intervals go with the normal distribution, as in fixest, or with t on G - 1 df.

    Raises DesignError for arrays that do not go together, counts that are negative or missing, denominators
    that are not positive, no events at all, too few clusters or cells, and estimates that run to infinity;
    CovariateError with their positions for regressors that repeat others or the unit and period effects.
    """
    require_counts(data)
    used = informative(data.numerator, data.seen)
    if not used.any():
        raise DesignError("nothing was counted", fix="use a longer window, or a commoner outcome")
    y, exposure = np.where(used, data.numerator, 0.0), np.where(used, data.denominator, 0.0)
    periods = np.flatnonzero(used.any(axis=0))
    clusters = len(np.unique(data.cluster[used.any(axis=1)]))
    factor = inference.cluster_factor(clusters, int(used.sum()), terms.count + len(periods))
    free = np.concatenate([periods[1:], len(used[0]) + np.arange(terms.count)])
    theta = _newton(y, exposure, terms, free)
    T = used.shape[1]
    mu = _means(y, exposure, terms, theta)
    sums = np.hstack([mu, terms.by_unit(mu)])
    inverse = np.linalg.inv(_information(mu, sums, terms)[np.ix_(free, free)])
    score = np.hstack([y - mu, terms.by_unit(y - mu)])[:, free]
    contributions = np.zeros((len(y), T + terms.count))
    contributions[:, free] = score @ inverse
    own = contributions[:, T:]
    summed = inference.by_cluster(own, data.cluster)
    total = np.maximum(mu.sum(axis=1), np.finfo(float).tiny)[:, None]
    return PoissonFit(
        theta[T:],
        factor * summed.T @ summed,
        own,
        factor,
        mu,
        used,
        np.flatnonzero(data.seen.any(axis=1) & ~used.any(axis=1)),
        np.flatnonzero(data.seen.any(axis=0) & ~used.any(axis=0)),
        float(2 * (special.xlogy(y, y) - special.xlogy(y, np.where(used, mu, 1)) - (y - mu)).sum()),
        float((special.xlogy(y, np.where(used, mu, 1)) - mu - special.gammaln(y + 1)).sum()),
        contributions,
        sums / total,
        theta[:T],
    )


def require_counts(data: Counts) -> None:
    """Refuse arrays that no fit can use, as `fit` says."""
    y, exposure, seen = data.numerator, data.denominator, data.seen
    if y.shape != seen.shape or exposure.shape != seen.shape or data.cluster.shape != seen.shape[:1]:
        raise DesignError(
            f"counts {y.shape}, denominators {exposure.shape} and cells {seen.shape} do not go together"
        )
    if not (np.isfinite(y[seen]).all() and (y[seen] >= 0).all()):
        raise DesignError("a count is missing or negative", fix="leave that cell out, or correct the data")
    if not (np.isfinite(exposure[seen]).all() and (exposure[seen] > 0).all()):
        raise DesignError("a denominator is missing or nought", fix="leave that cell out")


def informative(y: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Seen cells of units and periods in which something was counted, booleans; y is not read where not seen."""
    used, before = seen, np.zeros_like(seen)
    while not np.array_equal(used, before):
        before = used
        counted = np.where(used, y, 0.0)
        used = used & (counted.sum(axis=1) > 0)[:, None] & (counted.sum(axis=0) > 0)
    return used


def _means(y: np.ndarray, exposure: np.ndarray, terms: Terms, theta: np.ndarray) -> np.ndarray:
    """mu with each unit's level at its solution, shape (n, T)."""
    T = y.shape[1]
    index = np.where(exposure > 0, theta[:T] + terms.index(theta[T:]), -np.inf)
    top = np.maximum(index.max(axis=1, keepdims=True), -np.finfo(float).max)  # units without cells have none
    raw = exposure * np.exp(index - top)
    total = raw.sum(axis=1, keepdims=True)
    return raw * (y.sum(axis=1, keepdims=True) / np.where(total > 0, total, 1.0))


def _information(mu: np.ndarray, sums: np.ndarray, terms: Terms) -> np.ndarray:
    """H over all periods and regressors, shape (T + p, T + p); sums = sum_t mu_it z_it."""
    across = terms.by_period(mu)
    whole = np.block([[np.diag(mu.sum(axis=0)), across], [across.T, terms.gram(mu)]])
    total = np.maximum(mu.sum(axis=1), np.finfo(float).tiny)
    return whole - sums.T @ (sums / total[:, None])


def _newton(y: np.ndarray, exposure: np.ndarray, terms: Terms, free: np.ndarray) -> np.ndarray:
    """(l, b), shape (T + p,), by Newton's steps, halved while the deviance rises."""
    T = y.shape[1]
    theta = np.zeros(T + terms.count)
    mu = _means(y, exposure, terms, theta)
    value = -special.xlogy(y, mu).sum()
    for turn in range(ITERATIONS):
        sums = np.hstack([mu, terms.by_unit(mu)])
        information = _information(mu, sums, terms)[np.ix_(free, free)]
        if turn == 0:
            _require_rank(information, free - T)
            _require_events(y, terms)
        score = np.concatenate([(y - mu).sum(axis=0), terms.by_unit(y - mu).sum(axis=0)])[free]
        try:
            step = np.linalg.solve(information, score)
        except np.linalg.LinAlgError:
            break  # the information is running out: an estimate is on its way to infinity
        part = 1.0
        for _ in range(HALVINGS):
            moved = theta.copy()
            moved[free] += part * step
            mu = _means(y, exposure, terms, moved)
            new = -special.xlogy(y, np.where(y > 0, mu, 1)).sum()
            if new <= value + SLACK * abs(value):
                break
            part /= 2
        theta, value = moved, new
        if np.abs(step).max() <= SETTLED:
            return theta
    raise DesignError(
        "the model of the counts does not settle, as when no events occur in the cells of one effect",
        fix="use fewer effects, a longer window, or a commoner outcome",
    )


def _require_events(y: np.ndarray, terms: Terms) -> None:
    """Refuse regressors that differ from nought only where nothing was counted: sum y x^2 = 0."""
    without = tuple(int(j) for j in np.flatnonzero(np.diag(terms.gram(y)) <= 0))
    if without:
        raise CovariateError(
            "nothing was counted in the cells of an effect, so that its ratio would be nought without an error",
            without,
            "let effects cover more periods or cohorts, or use a commoner outcome",
            "regressors",
        )


def _require_rank(information: np.ndarray, position: np.ndarray) -> None:
    """Refuse regressors that repeat others; those at a position < 0 are periods."""
    found = [int(position[j]) for j in dependent(information)]
    if not found:
        return
    named = tuple(j for j in found if j >= 0)
    if named:
        raise CovariateError(
            "regressors repeat others, or the unit and period effects",
            named,
            "leave them out, or add comparison units",
        )
    raise DesignError("the periods fall apart into sets that no unit connects", fix="use a shorter window")
