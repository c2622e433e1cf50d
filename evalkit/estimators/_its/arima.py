"""Regression with ARIMA errors by exact maximum likelihood, through statsmodels.

    y_t = x_t'b + e_t,   phi(B) Phi(B^s) (1 - B)^d e_t = theta(B) Theta(B^s) u_t,   u_t ~ N(0, sigma^2)

Symbols: X, shape (n, k), the design; y, shape (n,), the series; t, shape (n,), calendar positions, integers
that strictly increase: the months between them that are not analysed are missing values of the state space
model, so gaps stay gaps; B, the shift by one period.

Sources: Box and Jenkins (1970), Time Series Analysis; Jones (1980), Technometrics 22:389 (exact likelihood
with missing observations); Schaffer et al. (2021), BMC Med Res Methodol 21:58 (interventions).
"""

from __future__ import annotations

import dataclasses
import warnings
from dataclasses import dataclass

import numpy as np
from statsmodels.tools.sm_exceptions import ModelWarning
from statsmodels.tsa.statespace.sarimax import SARIMAX

from evalkit import inference
from evalkit.errors import DesignError
from evalkit.estimators._its.classical import least_squares, require, require_noise
from evalkit.estimators._its.fit import Fit

Order = tuple[int, int, int]
Seasonal = tuple[int, int, int, int]

NEAR = 1.02  # a root of modulus below this is near the unit circle: shocks fade by less than a fiftieth a period
FLAT = 1e-3  # a slope of the log likelihood below this leaves the estimates a small part of their error away
SIMPLER = "use a simpler order, or leave out a term"
PEAK, STEPS, CUTS = 1e-7, 20, (1.0, 0.5, 0.1, 0.01)  # the slope that is a peak, most Newton steps, their lengths
CLIMB = {"method": "lbfgs", "maxiter": 200, "factr": 1e9, "cov_type": "none", "disp": 0, "return_params": True}


@dataclass(frozen=True, eq=False, kw_only=True)
class Differenced(Fit):
    """A fit to differences, which hold nothing of the series' level.

    level  the columns that differencing removes, booleans, shape (k,): their coefficients are set so that
           the fitted course has the series' mean, and no contrast may lean on them
    """

    level: np.ndarray

    def contrast(self, weights: np.ndarray) -> tuple[float, float, float]:
        """c'beta, its standard error and degrees of freedom; weights shape (k,).

        Raises DesignError for a contrast that leans on the level.
        """
        if np.abs(weights[self.level]).max(initial=0.0) > inference.ROUNDING * np.abs(weights).max():
            raise DesignError(
                "a model of differences says nothing of the level itself",
                fix="ask for changes and differences, or use an order with d = 0",
            )
        return *inference.contrast(self.beta, self.covariance, weights), self.df


def arima(
    X: np.ndarray, y: np.ndarray, t: np.ndarray, order: Order = (1, 0, 0), seasonal: Seasonal = (0, 0, 0, 0)
) -> Fit:
    """Regression with ARIMA errors: exact maximum likelihood, observed information, normal distribution.

    order     (p, d, q), d 0 or 1; with d = 1 the constant column is left out, and `Differenced` returned
    seasonal  (P, D, Q, s) with D = 0: a seasonal difference would remove the harmonics and the level

    The likelihood has several peaks and statsmodels may stop at a wrong one when the outcome is far from
    unit size: what least squares leaves is fitted, divided by its standard deviation, with columns of unit
    size, from several starts, and the highest kept.

    innovations  one-step forecast errors over their standard deviations, shape (n,); with d = 1 the first is nought
    diagnostics  each ar, ma and seasonal parameter by statsmodels' name, sigma, loglik

    Raises DesignError as `classical.require`, when y is fitted to rounding, for differences beyond those
    above, for columns that differencing makes alike, and when the information is not positive definite.
    A search that did not end, and roots near the unit circle, are warned of.
    """
    require(X, y, t)
    level = _require_order(X, y, order, seasonal)
    base, _ = least_squares(X, y)
    e = y - X @ base
    require_noise(y, e)
    kept = X[:, ~level]
    n, k = kept.shape
    size, scale = np.abs(kept).max(axis=0), float(np.sqrt(e @ e / (n - k)))
    model = _state_space(kept / size, e / scale, t, order, seasonal)
    best, spread, notes = _highest(model, _starts(model, k, e, t))
    result = model.smooth(best, cov_type="none")
    diagnostics = dict(zip(model.param_names[k:], map(float, best[k:]), strict=True))
    diagnostics["sigma"] = scale * float(np.sqrt(result.scale))
    diagnostics["loglik"] = float(result.llf) - (n - order[1]) * float(np.log(scale))
    roots = np.abs(np.concatenate([np.atleast_1d(result.arroots), np.atleast_1d(result.maroots)]))
    if roots.min(initial=np.inf) < NEAR:
        notes.append("a root of the error model is near the unit circle, where its errors are too small")
    beta, covariance = base.copy(), np.zeros((len(base), len(base)))
    beta[~level] += scale * best[:k] / size
    covariance[np.ix_(~level, ~level)] = scale**2 * spread[:k, :k] / np.outer(size, size)
    season = f" x {seasonal[:3]}{seasonal[3]}" if any(seasonal[:3]) else ""
    fit = Fit(
        beta,
        covariance,
        np.inf,
        np.asarray(result.standardized_forecasts_error[0])[t - t[0]],
        f"ARIMA{order}{season} errors, maximum likelihood",
        diagnostics=diagnostics,
        warnings=tuple(notes),
    )
    return _differenced(fit, X, y, level) if order[1] else fit


def _require_order(X: np.ndarray, y: np.ndarray, order: Order, seasonal: Seasonal) -> np.ndarray:
    """Refuse orders that the data cannot carry; the columns that differencing removes, booleans, shape (k,)."""
    if order[1] not in {0, 1} or seasonal[1]:
        raise DesignError(
            "differences beyond the first, and seasonal ones, remove the trend or the season",
            fix="use d = 0 or 1 and D = 0, with the trend and the season as columns",
        )
    level = np.ptp(X, axis=0) == 0 if order[1] else np.zeros(X.shape[1], dtype=bool)
    n, k, extra = len(y), X.shape[1], order[0] + order[2] + seasonal[0] + seasonal[2]
    if n - order[1] <= k + extra + 1:
        raise DesignError(f"{n} periods are too few for {k} terms and {extra + 1} parameters of the errors")
    if order[1]:
        require(np.diff(X[:, ~level], axis=0), np.diff(y))
    return level


def _differenced(fit: Fit, X: np.ndarray, y: np.ndarray, level: np.ndarray) -> Differenced:
    """The fit with its level set so that the fitted course has the series' mean."""
    beta = fit.beta.copy()
    if level.any():
        first = int(np.flatnonzero(level)[0])
        beta[first] += (y - X @ beta).mean() / X[0, first]
    fields = {f.name: getattr(fit, f.name) for f in dataclasses.fields(Fit)}
    return Differenced(**{**fields, "beta": beta}, level=level)


def _state_space(X: np.ndarray, e: np.ndarray, t: np.ndarray, order: Order, seasonal: Seasonal) -> SARIMAX:
    """The statsmodels model on the calendar grid, months not analysed missing; sigma^2 profiled out."""
    length = int(t[-1] - t[0]) + 1
    grid, columns = np.full(length, np.nan), np.zeros((length, X.shape[1]))
    grid[t - t[0]], columns[t - t[0]] = e, X
    return SARIMAX(grid, exog=columns, order=order, seasonal_order=seasonal, concentrate_scale=True)


def _starts(model: SARIMAX, k: int, e: np.ndarray, t: np.ndarray) -> list[np.ndarray]:
    """Where the search begins: statsmodels' own, nought, a fifth, and the residuals' autocorrelation."""
    extra = model.k_params - k
    plain = np.zeros(model.k_params)
    fifth = plain + np.concatenate([np.zeros(k), np.full(extra, 0.2 / max(extra, 1))])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # statsmodels says when its own start is not used; others stand beside it
        starts = [np.asarray(model.start_params), plain, fifth]
    adjacent = np.diff(t) == 1
    lagged = float((e[1:] * e[:-1])[adjacent].sum() / (e**2).sum())
    if model.k_ar_params:
        starts.append(plain + np.eye(model.k_params)[k] * np.clip(lagged, -0.9, 0.9))
    return starts


def _highest(model: SARIMAX, starts: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """The parameters of the highest likelihood over all starts, their covariance, and what to warn of.

    Climbs coarsely from each start, then goes to the peak of the highest by Newton's steps, which are cut
    until the likelihood rises. Raises DesignError when the likelihood cannot be computed from any start, and
    when its information there, whose inverse is the covariance, is not positive definite.
    """
    with warnings.catch_warnings():
        for category in (ModelWarning, RuntimeWarning, UserWarning):  # an end is judged by its slope below
            warnings.simplefilter("ignore", category)
        try:
            ends = [np.asarray(model.fit(start, **CLIMB)) for start in starts]
            heights = np.nan_to_num([model.loglike(end) for end in ends], nan=-np.inf)
        except np.linalg.LinAlgError as error:
            raise DesignError("the likelihood of the error model cannot be computed", fix=SIMPLER) from error
        if np.isneginf(heights).all():
            raise DesignError("the likelihood of the error model cannot be computed", fix=SIMPLER)
        best = ends[int(heights.argmax())]
        slope, information = np.asarray(model.score(best, approx_complex_step=True)), _information(model, best)
        for _ in range(STEPS):
            if np.abs(slope).max() < PEAK or not _positive(information):
                break
            step, before = np.linalg.solve(information, slope), model.loglike(best)
            cut = next((c for c in CUTS if _rises(model, best + c * step, before)), 0.0)
            if not cut:
                break
            best = best + cut * step
            slope, information = np.asarray(model.score(best, approx_complex_step=True)), _information(model, best)
    if not _positive(information):
        raise DesignError("the likelihood of the error model is flat, so no error can be estimated", fix=SIMPLER)
    ended = np.abs(slope).max() <= FLAT
    notes = [] if ended else ["the search for the most likely error model did not end properly"]
    return best, np.linalg.inv(information), notes


def _rises(model: SARIMAX, params: np.ndarray, before: float) -> bool:
    """Whether params are stationary and invertible and the likelihood there is no lower than before."""
    inside = np.allclose(model.transform_params(model.untransform_params(params)), params, rtol=0, atol=1e-6)
    return bool(inside) and model.loglike(params) >= before


def _information(model: SARIMAX, best: np.ndarray) -> np.ndarray:
    """The observed information: minus the Hessian of the log likelihood, by complex steps."""
    shared = model.nobs - model.ssm.loglikelihood_burn  # statsmodels divides its Hessian by this
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # what is not finite is refused by `_positive`
        return -np.asarray(model.hessian(best, method="approx", approx_complex_step=True)) * shared


def _positive(information: np.ndarray) -> bool:
    """Whether the information is finite and positive definite."""
    return bool(np.isfinite(information).all()) and np.linalg.eigvalsh(information).min() > 0
