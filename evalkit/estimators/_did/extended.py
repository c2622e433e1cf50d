"""Staggered joining for counts and proportions: an effect for every cohort and period, on their own scale.

n units, T periods; y_it out of E_it; g_i the column in which unit i joined. A cell is joined from g_i on,
and b is a block of joined cells, by default those of one cohort in one period. With tau_b the effect,

    counts        log E[y_it] = log E_it + a_i + l_t + tau_b(it)       Poisson, unit effects
    proportions   logit E[y_it / E_it] = a_c(i) + l_t + tau_b(it)      binomial, cohort effects

and tau = 0 before joining. Parallel trends are assumed of the log or the logit of what would have been,
which is not the same as parallel trends of rates. r is the fitted rate or proportion, r0 that with tau = 0.
For weights v_it on joined cells,

    average effect   sum v_it (r_it - r0_it) / sum v_it        in units of the rate
    ratio            sum v_it r_it / sum v_it r0_it            reported as a logarithm

Errors are by the delta method from contributions of units, added up within clusters. The joined units and,
for counts, their levels are held as they are: intervals are for these units, not for others like them.

The logit has cohort rather than unit levels because with a parameter a unit and few periods it would be
biased. When units come and go within a cohort their levels do not cancel: use it for balanced cohorts.

Source: Wooldridge (2023), Econometrics Journal 26:C31, sections 3 and 4.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from scipy import special

from evalkit import inference
from evalkit.errors import DesignError
from evalkit.estimators._did import logit, poisson
from evalkit.estimators._did.poisson import Counts
from evalkit.estimators._did.propensity import CovariateError
from evalkit.estimators._did.regressors import Blocks


@dataclass(frozen=True, eq=False)
class Model:
    """What was fitted.

    block, block_parts         tau, shape (B,): log ratios of counts, log odds ratios of proportions; and what
                               each unit contributes, shape (n, B); in the order of `code`
    code                       block of each cell, -1 in none, shape (n, T)
    factor                     small-sample factor of the covariances
    fitted, untreated          r and r0, shape (n, T), NaN in cells that were not used
    unidentified               joined cells left out because nobody seen then had yet to join, or their unit
                               was never seen before joining, booleans, shape (n, T)
    empty_units, empty_periods positions of those in which nothing was counted, fitted at nought; they say
                               nothing of ratios
    """

    block: np.ndarray
    block_parts: np.ndarray
    code: np.ndarray
    factor: float
    fitted: np.ndarray
    untreated: np.ndarray
    unidentified: np.ndarray
    empty_units: np.ndarray
    empty_periods: np.ndarray

    def covariance(self, parts: np.ndarray, cluster: np.ndarray) -> np.ndarray:
        """Clustered covariance of the quantities to which units contribute `parts`, shape (n, m) -> (m, m)."""
        summed = inference.by_cluster(parts, cluster)
        return self.factor * summed.T @ summed


@dataclass(frozen=True, eq=False)
class Extended:
    """K average effects, shape (K,), and log ratios, shape (K,), each with units' parts, shape (n, K)."""

    effect: np.ndarray
    effect_parts: np.ndarray
    log_ratio: np.ndarray
    ratio_parts: np.ndarray
    model: Model


def extended_poisson(data: Counts, g: np.ndarray, weights: np.ndarray, blocks: np.ndarray | None = None) -> Extended:
    """Effects on counts, with unit effects.

    g        column in which a unit joined, NaN never, shape (n,)
    weights  v, shape (n, T) or (n, T, K), not negative, nought outside identified joined cells: 1 for the
             mean of their rates, E for all their events over all their denominators
    blocks   codes of shape (n, T), -1 outside joined cells; one block a cohort and period by default

    Raises DesignError as `poisson.fit`, with the wave and period of blocks that are to blame; when no joined
    cell is identified; when weights fall on other cells.
    """
    poisson.require_counts(data)
    seen, unidentified = identified(data.seen, g)
    used = poisson.informative(data.numerator, seen)
    code, count = _codes(used, g, blocks)
    terms = Blocks(code, count)
    with _placed(code, g):
        fit = poisson.fit(Counts(data.numerator, data.denominator, used, data.cluster), terms)
    base = np.where(seen, data.denominator, np.nan)
    fitted, untreated = fit.fitted / base, fit.fitted * np.exp(-terms.index(fit.beta)) / base
    share = _shares(weights, seen & after_joining(g, seen.shape[1]))
    slopes = []
    for rates, blocked in ((fitted, code), (untreated, np.full_like(code, -1))):
        value = share * np.nan_to_num(rates)[..., None]
        slopes.append(_slopes(value, blocked, count) - value.sum(axis=1).T @ fit.mean_terms)
    model = Model(
        fit.beta,
        fit.contributions,
        code,
        fit.factor,
        fitted,
        untreated,
        unidentified,
        np.flatnonzero(seen.any(axis=1) & ~used.any(axis=1)),
        np.flatnonzero(seen.any(axis=0) & ~used.any(axis=0)),
    )
    return _averages(share, (slopes[0], slopes[1]), fit.all_terms, model)


def extended_logit(data: Counts, g: np.ndarray, weights: np.ndarray, blocks: np.ndarray | None = None) -> Extended:
    """Effects on proportions, with cohort effects; arguments as of `extended_poisson`.

    Units count by their denominators; give proportions out of 1 to count them alike. Raises DesignError as
    `logit.fit`; when no joined cell is identified; when weights fall on other cells.
    """
    seen, unidentified = identified(data.seen, g)
    code, count = _codes(seen, g, blocks)
    terms = Blocks(code, count)
    with _placed(code, g):
        fit = logit.fit(Counts(data.numerator, data.denominator, seen, data.cluster), g, terms)
    tau, own = fit.parameters[-count:], fit.contributions[:, -count:]
    shift = terms.index(tau)
    joined = seen & after_joining(g, seen.shape[1])
    share = _shares(weights, joined)
    cohorts = fit.cohort[:, None] == np.arange(int(fit.cohort.max()) + 1)
    rates, slopes = [], []
    for index, blocked in ((fit.index, code), (fit.index - shift, np.full_like(code, -1))):
        rate = special.expit(index)
        value = share * (rate * (1 - rate))[..., None]
        both = _slopes(value, blocked, count)
        T = seen.shape[1]
        slopes.append(np.hstack([both[:, :T], value.sum(axis=1).T @ cohorts, both[:, T:]]))
        rates.append(np.where(seen, rate, np.nan))
    none = np.array([], int)
    model = Model(tau, own, code, fit.factor, rates[0], rates[1], unidentified, none, none)
    return _averages(share, (slopes[0], slopes[1]), fit.contributions, model)


def after_joining(g: np.ndarray, periods: int) -> np.ndarray:
    """Whether a unit has joined by a period, booleans, shape (n, T)."""
    return np.less_equal(g[:, None], np.arange(periods))


def identified(seen: np.ndarray, g: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cells that can be used, and joined cells that cannot, booleans, shape (n, T).

    A joined cell needs somebody seen in its period who had not joined, and its own unit seen before joining.
    Raises DesignError when no joined cell has both.
    """
    joined = after_joining(g, seen.shape[1])
    before = seen & ~joined
    carried = before.any(axis=1)[:, None] & before.any(axis=0)
    lost = seen & joined & ~carried
    if not (seen & joined & carried).any():
        raise DesignError(
            "no effect can be told from unit and period effects: nobody joined, or nobody is left to compare with",
            fix="add units that joined later or never, or earlier periods",
        )
    return seen & ~lost, lost


def cohort_by_period(g: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """A block for each cohort and period: codes of shape (n, T) in the order of (g, t), -1 outside cells."""
    T = cells.shape[1]
    place = np.where(np.isnan(g), 0, g)[:, None] * T + np.arange(T)
    code = np.full(cells.shape, -1)
    code[cells] = np.unique(place[cells], return_inverse=True)[1]
    return code


@contextmanager
def _placed(code: np.ndarray, g: np.ndarray) -> Iterator[None]:
    """Say of a refusal that belongs to blocks which waves and periods they are."""
    try:
        yield
    except CovariateError as error:
        unit, t = np.nonzero(np.isin(code, error.columns))
        places = sorted({(int(g[i]), int(s)) for i, s in zip(unit, t, strict=True)})
        label = "; ".join(f"joined in column {a}, seen in column {s}" for a, s in places)
        raise CovariateError(error.faults[0].what, error.columns, error.faults[0].fix, f"{label}: block") from error


def _codes(used: np.ndarray, g: np.ndarray, blocks: np.ndarray | None) -> tuple[np.ndarray, int]:
    """Codes of the used joined cells, renumbered without gaps, and how many there are."""
    joined = used & after_joining(g, used.shape[1])
    if blocks is None:
        code = cohort_by_period(g, joined)
    else:
        if blocks.shape != used.shape or (blocks[joined] < 0).any():
            raise DesignError("some joined cells belong to no effect", fix="give every joined cell a block")
        code = np.full(used.shape, -1)
        code[joined] = np.unique(blocks[joined], return_inverse=True)[1]
    return code, int(code.max()) + 1


def _shares(weights: np.ndarray, allowed: np.ndarray) -> np.ndarray:
    """v / sum v, shape (n, T, K)."""
    v = weights.reshape(*allowed.shape, -1).astype(float)
    if not np.isfinite(v).all() or (v < 0).any() or not (v.sum(axis=(0, 1)) > 0).all():
        raise DesignError("the weights of an average are missing, negative, or all nought")
    if v[~allowed].any():
        raise DesignError(
            "an average has weight on unit-periods whose effect is not identified",
            fix="give weight only to unit-periods after joining that were seen and can be compared",
        )
    return v / v.sum(axis=(0, 1))


def _slopes(value: np.ndarray, code: np.ndarray, count: int) -> np.ndarray:
    """Sums of values, shape (n, T, K), over the period and block indicators: shape (K, T + B)."""
    inside = code >= 0
    blocks = np.zeros((count, value.shape[2]))
    np.add.at(blocks, code[inside], value[inside])
    return np.hstack([value.sum(axis=0).T, blocks.T])


def _averages(
    share: np.ndarray, slopes: tuple[np.ndarray, np.ndarray], contributions: np.ndarray, model: Model
) -> Extended:
    """Averages of the model's rates with and without joining; slopes, shape (K, parameters), are theirs."""
    with_, without = (np.einsum("itk,it->k", share, np.nan_to_num(r)) for r in (model.fitted, model.untreated))
    if not (with_ > 0).all() or not (without > 0).all():
        raise DesignError("nothing was counted where an average has its weight", fix="use wider averages")
    parts, parts0 = contributions @ slopes[0].T, contributions @ slopes[1].T
    return Extended(
        with_ - without, parts - parts0, np.log(with_) - np.log(without), parts / with_ - parts0 / without, model
    )
