"""Two-period effects with covariates in a panel: regression, weighting, and both (doubly robust).

n units, each seen in both periods; d = Y_t - Y_b, shape (n, m), changes of m outcomes (or periods) that
share the sample; D, shape (n,), joined or comparison; X, shape (n, k), covariates with a constant; w,
shape (n,), weights of mean 1. With e = d - X b, b the weighted regression of d on X among the comparison,
and o = p/(1 - p) the odds of joining given X (Hajek: weights that add up to one),

    regression       mean_D(e)
    weighting        mean_D(d) - mean_C(d; weights w o)
    doubly robust    mean_D(e) - mean_C(e; weights w o)

Each psi, shape (n, m), adds to the influence of the means that of b and of the propensity, so that
SE = sqrt(mean(psi^2)/n). It is that of the n units given; when they are part of a larger sample of N
units, psi times N/n is the influence there. Covariates that change over time are to be given as of the
earlier of the two periods.

Sources: Heckman, Ichimura and Todd (1997), Rev Econ Stud 64:605 (regression); Abadie (2005), Rev Econ
Stud 72:1 (weighting); Sant'Anna and Zhao (2020), J Econometrics 219:101, eq. 3.1 and section 3.2 (doubly
robust). The values are those of reg_did_panel, std_ipw_did_panel and drdid_panel of R's DRDID.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from evalkit.errors import DesignError
from evalkit.estimators._did.propensity import Propensity, propensity, regress, require_sample

Method = Literal["reg", "ipw", "dr"]
COMPARED = "comparison units"


@dataclass(frozen=True, eq=False)
class Adjusted:
    """Effects, shape (m,), their influence, shape (n, m), and the comparison rows trimmed, shape (n,)."""

    effect: np.ndarray
    influence: np.ndarray
    trimmed: np.ndarray


def adjusted(method: Method, change: np.ndarray, joined: np.ndarray, X: np.ndarray, w: np.ndarray) -> Adjusted:
    """The effect by `reg`, `ipw` or `dr`: mean_D less what the comparison says, for every outcome.

    change  d, shape (n, m) or (n,)
    joined  D, booleans, shape (n,)
    X, w    covariates with a constant, shape (n, k), and positive weights, shape (n,)

    Raises DesignError (CovariateError where columns are to blame) as `require_sample`, `regress` and
    `propensity`, and for changes that are missing.
    """
    w = require_sample(joined, X, w)
    d = change.reshape(len(change), -1)
    if len(d) != len(w) or not np.isfinite(d).all():
        raise DesignError("the changes of some units are missing", fix="leave those units out of this comparison")
    line = None if method == "ipw" else regress(d, X, w, ~joined, COMPARED)
    e = d if line is None else d - line.fitted
    effect, psi = mean_of(e, w * joined)
    if line is not None:
        psi -= line.influence(centre(X, w * joined))
    if method == "reg":
        return Adjusted(effect, psi, np.zeros(len(w), bool))
    score = propensity(joined, X, w)
    level, psi_c = weighted_side(e, X, w * score.odds, score)
    if line is not None:
        psi_c -= line.influence(centre(X, w * score.odds))
    return Adjusted(effect - level, psi - psi_c, score.trimmed)


def comparison_weights(method: Method, joined: np.ndarray, X: np.ndarray, w: np.ndarray) -> np.ndarray:
    """The weight of every comparison unit's change: effect = mean_D(d) - sum(weights d). Shape (n,).

    They add up to one and are 0 for joined units; applied to the covariates they give the means to be set
    against those of the joined. `ipw` weights are w o / sum(w o). A regression weights unit i by
    w_i x_i'(X'WX)^-1 xbar_D, which may be negative, and `dr` adds w_i x_i'(X'WX)^-1 (xbar_D - xbar_C) to
    the `ipw` weights, xbar_C being their means: both bring every covariate to the mean of the joined.

    Raises DesignError as `adjusted`.
    """
    w = require_sample(joined, X, w)
    line = None if method == "ipw" else regress(np.zeros((len(w), 1)), X, w, ~joined, COMPARED)
    target = centre(X, w * joined)
    if method == "reg" and line is not None:
        return line.weights(target)
    odds = w * propensity(joined, X, w).odds
    weights = odds / odds.sum()
    return weights if line is None else weights + line.weights(target - weights @ X)


def balance(weights: np.ndarray, joined: np.ndarray, X: np.ndarray, w: np.ndarray) -> np.ndarray:
    """Covariate means of the joined, the comparison, and the weighted comparison; shape (3, k)."""
    return np.stack([centre(X, w * joined), centre(X, w * ~joined), weights @ X])


def mean_of(values: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weighted mean, shape (m,), of values, shape (n, m), and its influence, shape (n, m)."""
    mean = weight @ values / weight.sum()
    return mean, weight[:, None] * (values - mean) / weight.mean()


def centre(X: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Weighted mean of the covariates, shape (k,)."""
    return weight @ X / weight.sum()


def weighted_side(
    e: np.ndarray, X: np.ndarray, weight: np.ndarray, score: Propensity
) -> tuple[np.ndarray, np.ndarray]:
    """Mean of e with weights that are odds of joining, shape (m,), and its influence, shape (n, m).

    The odds' own estimation adds lead' sum_i weight_i x_i (e_i - mean) / sum(weight), since the derivative
    of exp(x'c) by c is itself times x.
    """
    mean, psi = mean_of(e, weight)
    slope = (weight[:, None] * X).T @ (e - mean) / weight.sum()
    return mean, psi + score.lead @ slope
