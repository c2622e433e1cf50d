"""Counts and proportions: generalised linear models, with errors that allow for what the family does not.

Symbols: y, shape (n,), counts; X, shape (n, k), the design; o, shape (n,), the offset; m, shape (n,),
trials; mu, shape (n,), the expected count; v(mu), the family's variance of y; w = (d mu/d eta)^2 / v, the
working weight; r = (y - mu)/sqrt(v), Pearson's residual.

    poisson            log mu = o + X b            v = mu
    negative_binomial  log mu = o + X b            v = mu + mu^2 / theta
    binomial           logit(mu/m) = X b           v = mu (1 - mu/m)

Every family's score in row i is x_i sqrt(w_i) r_i, and X'WX its expected information, so that each kind
of error is the least-squares one of the design sqrt(w) X with residuals r.

Sources: McCullagh and Nelder (1989), Generalized Linear Models; Venables and Ripley (2002), Modern
Applied Statistics with S, 7.4 (negative binomial); Zeileis (2006), J Stat Softw 16(9) (sandwich errors).
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import optimize, special

from evalkit import inference
from evalkit.errors import DesignError
from evalkit.estimators._its.classical import require
from evalkit.estimators._its.fit import Fit

FAMILIES = {"poisson": "log", "negative_binomial": "log", "binomial": "logit"}
TITLES = {"poisson": "Poisson", "negative_binomial": "negative binomial", "binomial": "binomial"}
ERRORS = {
    "model": "the family's own errors",
    "quasi": "errors scaled by the dispersion",
    "robust": "robust errors (HC1)",
    "hc3": "robust errors (HC3)",
    "newey_west": "Newey-West errors",
}
SETTLED, ITERATIONS = 1e-12, 200  # change in a coefficient of a column of unit size that ends the iteration
EMPTY = 1e-8  # a period expected to count less than this, or all but this, is on its way to none or all
ALONE = 1e-10  # a leverage this close to 1: the period is fitted by a term of its own
THETA_SETTLED = 1e-11  # relative change in theta
LARGEST = 1e6  # theta this many times the mean count: the family is Poisson to the sixth digit
SMALLEST = 1e-12  # theta this many times the mean count: below it the search for its root does not go


@dataclass(frozen=True, eq=False)
class Counts:
    """What was counted: the family and, per period, counts and what they are out of.

    family  `poisson`, `negative_binomial` or `binomial`
    y       counts, shape (n,)
    offset  log of the denominator, shape (n,); for poisson and negative_binomial, 0 when None
    trials  denominators, shape (n,); for binomial
    """

    family: str
    y: np.ndarray
    offset: np.ndarray | None = None
    trials: np.ndarray | None = None


class _Solution(NamedTuple):
    """b (k,), the working weights w (n,), Pearson's residuals r (n,), theta (inf unless negative binomial)."""

    beta: np.ndarray
    weights: np.ndarray
    pearson: np.ndarray
    theta: float


def fit_glm(
    data: Counts, X: np.ndarray, t: np.ndarray | None = None, errors: str = "model", lags: int | None = None
) -> Fit:
    """A generalised linear model by maximum likelihood, on the scale of its link.

    X       design, shape (n, k)
    t       calendar positions, shape (n,), integers in strict order; needed for `newey_west` only
    errors  model       (X'WX)^-1, the normal distribution
            quasi       d (X'WX)^-1 with d = sum r^2 / (n - k), Student's t on n - k
            robust      n/(n-k) (X'WX)^-1 [sum_i s_i s_i'] (X'WX)^-1, s_i = x_i sqrt(w_i) r_i, t on n - k
            hc3         the same with s_i / (1 - h_i) and no factor, h_i the leverage
            newey_west  `inference.newey_west` of the scores over calendar time, t on n - k
    lags    of newey_west; None takes `inference.default_lags`

    The errors of a negative binomial treat theta as known, as MASS::glm.nb does. When the counts vary no
    more than Poisson's, theta has no finite value: the fit is then Poisson and a warning says so.

    innovations  r / sqrt(d), shape (n,)
    diagnostics  dispersion d; theta; lags

    Raises DesignError as `classical.require`; for counts that are negative or above their trials, for a
    denominator of nought, for counts that are all nought or all equal to their trials, and when the
    iteration does not settle, as when a term separates noughts from the rest.
    """
    _require_counts(data, X, t, errors)
    n, k = X.shape
    found = _negative_binomial(data, X) if data.family == "negative_binomial" else _iterate(data, X)
    root = np.sqrt(found.weights)[:, None] * X
    bread = np.linalg.inv(root.T @ root)
    dispersion = float(found.pearson @ found.pearson / (n - k))
    if dispersion <= inference.ROUNDING:
        raise DesignError("the counts do not vary around the fitted course, so no error can be estimated")
    diagnostics = {"dispersion": dispersion}
    notes: list[str] = []
    if data.family == "negative_binomial":
        diagnostics["theta"] = found.theta
        if np.isinf(found.theta):
            notes.append("the counts vary no more than Poisson's, so the negative binomial fit is a Poisson fit")
    if errors == "newey_west":
        diagnostics["lags"] = float(inference.default_lags(n) if lags is None else lags)
    return Fit(
        found.beta,
        _covariance(root, bread, found.pearson, t, (errors, diagnostics)),
        np.inf if errors == "model" else float(n - k),
        found.pearson / np.sqrt(dispersion),
        f"{TITLES[data.family]} regression with {ERRORS[errors]}",
        FAMILIES[data.family],
        diagnostics,
        tuple(notes),
    )


def _covariance(
    root: np.ndarray,
    bread: np.ndarray,
    pearson: np.ndarray,
    t: np.ndarray | None,
    kind: tuple[str, dict[str, float]],
) -> np.ndarray:
    """The covariance of `fit_glm` from the least-squares form: design sqrt(w) X, its bread, residuals r."""
    errors, diagnostics = kind
    if errors == "model":
        return bread
    if errors == "quasi":
        return diagnostics["dispersion"] * bread
    if errors == "hc3":
        leverage = np.einsum("ik,kl,il->i", root, bread, root)
        if leverage.max() > 1 - ALONE:
            raise DesignError("a term stands for a single period, which HC3 errors cannot judge", fix="use robust")
        half = bread @ (root * (pearson / (1 - leverage))[:, None]).T
        return half @ half.T
    if t is None or errors == "robust":  # White's is Newey-West of no lags, wherever the periods stand
        return inference.newey_west(root, pearson, np.arange(len(root)), 0)
    return inference.newey_west(root, pearson, t, int(diagnostics["lags"]))


def _require_counts(data: Counts, X: np.ndarray, t: np.ndarray | None, errors: str) -> None:
    """Refuse what `fit_glm` says it refuses."""
    if data.family not in FAMILIES or errors not in ERRORS:
        raise DesignError(f"family {data.family} and errors {errors} are not both known")
    if errors == "newey_west" and t is None:
        raise DesignError("Newey-West errors need the calendar positions of the periods")
    require(X, data.y, t)
    binomial = data.family == "binomial"
    base = data.trials if binomial else data.offset
    if (data.trials is not None) != binomial or (binomial and data.offset is not None):
        raise DesignError("a binomial fit takes trials and no offset; the others take no trials")
    if base is not None and base.shape != data.y.shape:
        raise DesignError(f"{base.shape} denominators do not go with {data.y.shape} counts")
    if base is not None and (not np.isfinite(base).all() or (binomial and base.min() <= 0)):
        raise DesignError("a period has a denominator of nought, or none", fix="leave that period out")
    if data.y.min() < 0:
        raise DesignError("a count is negative", fix="correct the data")
    if binomial and (data.y > base).any():
        raise DesignError("a numerator is larger than its denominator", fix="correct the data")
    if data.y.max() == 0:
        raise DesignError("every count is nought", fix="use a longer window, or a commoner outcome")
    if binomial and (data.y == base).all():
        raise DesignError("every numerator equals its denominator", fix="use an outcome that varies")


def _iterate(data: Counts, X: np.ndarray, theta: float = np.inf) -> _Solution:
    """Maximum likelihood at a known theta, by iteratively reweighted least squares in statsmodels.

    Columns are brought to unit size first, so that one tolerance serves all coefficients.
    """
    from statsmodels.genmod import families  # half a second, which most analyses of a series do without
    from statsmodels.genmod.generalized_linear_model import GLM
    from statsmodels.tools.sm_exceptions import ModelWarning

    size = np.abs(X).max(axis=0)
    if data.family == "binomial":
        outcome, family = np.column_stack([data.y, data.trials - data.y]), families.Binomial()
    else:
        outcome = data.y
        family = families.Poisson() if np.isinf(theta) else families.NegativeBinomial(alpha=1 / theta)
    separated = DesignError(
        "the model of the counts does not settle",
        fix="leave out a term that sets periods without events apart from the rest, or use a longer window",
    )
    with warnings.catch_warnings():
        for category in (RuntimeWarning, ModelWarning):  # overflow or separation: it did not settle
            warnings.simplefilter("error", category)
        try:
            model = GLM(outcome, X / size, family=family, offset=data.offset)
            result = model.fit(tol=SETTLED, maxiter=ITERATIONS, tol_criterion="params")
        except (RuntimeWarning, ModelWarning, ValueError, np.linalg.LinAlgError) as error:
            raise separated from error
    mu = np.asarray(result.mu)
    least = mu.min()
    if data.family == "binomial":
        least = (data.trials * np.minimum(mu, 1 - mu)).min()
    if not result.converged or least < EMPTY:
        raise separated
    if data.family == "binomial":
        mu = mu * data.trials
        variance = mu * (1 - mu / data.trials)
        weights = variance
    else:
        variance = mu + mu**2 / theta
        weights = mu**2 / variance
    return _Solution(np.asarray(result.params) / size, weights, (data.y - mu) / np.sqrt(variance), theta)


def _negative_binomial(data: Counts, X: np.ndarray) -> _Solution:
    """b and theta by maximum likelihood: each in turn, the other held, until theta stands.

    The score of theta is sum_i psi(theta + y) - psi(theta) + log theta + 1 - log(theta + mu)
    - (theta + y)/(theta + mu); psi is the digamma function.
    """
    theta = np.inf
    found = _iterate(data, X)
    for _ in range(ITERATIONS):
        mu = np.exp(X @ found.beta + (0.0 if data.offset is None else data.offset))
        before, theta = theta, _theta(data.y, mu)
        if np.isinf(theta):
            return _iterate(data, X)
        found = _iterate(data, X, theta)
        if abs(theta - before) <= THETA_SETTLED * theta:
            return found
    raise DesignError("the overdispersion of the counts does not settle", fix="use a Poisson fit with robust errors")


def _theta(y: np.ndarray, mu: np.ndarray) -> float:
    """The theta of the highest likelihood given mu; inf when the likelihood rises without end."""

    def score(logarithm: float) -> float:
        theta = np.exp(logarithm)
        each = special.digamma(theta + y) - special.digamma(theta) - np.log1p(mu / theta) - (y - mu) / (theta + mu)
        return float(each.sum())

    highest = np.log(LARGEST * max(1.0, float(mu.mean())))
    if ((y - mu) ** 2 - y).sum() <= 0 or score(highest) >= 0:  # the first is the score's sign as theta grows
        return np.inf
    lowest = np.log(SMALLEST * float(mu.mean()))
    return float(np.exp(optimize.brentq(score, lowest, highest, xtol=1e-14, rtol=1e-14)))
