"""Least squares and its two classical remedies: Newey-West errors and Prais-Winsten estimation.

Symbols: X, shape (n, k), the design; y, shape (n,), the series; t, shape (n,), calendar positions,
integers that strictly increase, where a step of more than one is a gap; e = y - X b, residuals.
"""

from __future__ import annotations

import numpy as np

from evalkit import inference
from evalkit.errors import DesignError
from evalkit.estimators._its.fit import Fit

STUCK = "The autocorrelation stands at its bound of {:g}, and no interval here can be relied on."
FEW = 100  # Newey-West intervals are too narrow below this many periods
BOUND = 0.999  # the largest autocorrelation that Prais-Winsten may take; beyond it there is no level to estimate
ITERATIONS, SETTLED = 1000, 1e-12  # most steps of Prais-Winsten, and the change in rho that ends them


def require(X: np.ndarray, y: np.ndarray, t: np.ndarray | None = None) -> None:
    """Refuse arrays that no engine can fit; shapes (n, k), (n,), (n,).

    Raises DesignError for shapes that disagree, values that are missing or infinite, calendar positions
    that are not whole numbers in strict order, no degrees of freedom, and columns that repeat each other.
    """
    if X.ndim != 2 or y.shape != X.shape[:1] or (t is not None and t.shape != y.shape):  # noqa: PLR2004 - a matrix
        raise DesignError(f"a design of shape {X.shape} does not go with a series of shape {y.shape}")
    if not (np.isfinite(X).all() and np.isfinite(y).all()):
        raise DesignError("the series or its design has missing or infinite values", fix="leave those periods out")
    if t is not None and not (np.array_equal(t, np.round(t)) and (np.diff(t) > 0).all()):
        raise DesignError("calendar positions are not whole numbers in strict order")
    n, k = X.shape
    if n <= k:
        raise DesignError(f"{k} coefficients and only {n} periods", fix="use more periods or fewer terms")
    size = np.linalg.norm(X, axis=0)
    if not k or size.min() == 0 or np.linalg.matrix_rank(X / size) < k:
        raise DesignError("some terms of the design repeat others", fix="leave out a term, or use more periods")


def require_noise(y: np.ndarray, residuals: np.ndarray) -> None:
    """Refuse a series that its design fits to rounding: there is no error to judge it by; shapes (n,), (n,)."""
    if np.abs(residuals).max() <= inference.ROUNDING * np.abs(y).max():
        raise DesignError(
            "the outcome does not vary around the fitted course, so no error can be estimated",
            fix="check that the series is observed and not made up by a formula",
        )


def least_squares(X: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """b = argmin |y - X b| and (X'X)^-1; shapes (n, k), (n,) -> (k,), (k, k)."""
    q, r = np.linalg.qr(X)
    inverse = np.linalg.inv(r)
    return inverse @ (q.T @ y), inverse @ inverse.T


def ols(X: np.ndarray, y: np.ndarray) -> Fit:
    """Ordinary least squares: independent errors of one variance, Student's t on n - k.

        b = (X'X)^-1 X'y,   V = s^2 (X'X)^-1,   s^2 = e'e / (n - k)

    innovations  e / s, shape (n,)
    diagnostics  sigma, which is s

    Raises DesignError as `require`, and when y is fitted to rounding.
    """
    require(X, y)
    n, k = X.shape
    beta, bread = least_squares(X, y)
    residuals = y - X @ beta
    require_noise(y, residuals)
    sigma = float(np.sqrt(residuals @ residuals / (n - k)))
    return Fit(
        beta,
        sigma**2 * bread,
        float(n - k),
        residuals / sigma,
        "ordinary least squares",
        diagnostics={"sigma": sigma},
    )


def newey_west(X: np.ndarray, y: np.ndarray, t: np.ndarray, lags: int | None = None) -> Fit:
    """Least squares with Newey-West errors over calendar time, factor n/(n-k), Student's t on n - k.

    The covariance is `inference.newey_west`; lags None takes `inference.default_lags`.

    innovations  e / s, shape (n,): the errors' autocorrelation is allowed for and not removed
    diagnostics  sigma, which is s, and lags

    Source: Newey and West (1987), Econometrica 55:703; for how narrow its intervals are in short series
    Turner et al. (2021), BMC Med Res Methodol 21:181. Raises DesignError as `ols`, and for lags below 0.
    """
    require(X, y, t)
    fit = ols(X, y)
    n = len(y)
    bandwidth = inference.default_lags(n) if lags is None else lags
    if bandwidth < 0:
        raise DesignError(f"{bandwidth} lags", fix="use 0 lags or more")
    narrow = f"Newey-West intervals are too narrow in short series: {n} periods, and {FEW} are needed"
    return Fit(
        fit.beta,
        inference.newey_west(X, y - X @ fit.beta, t, bandwidth),
        fit.df,
        fit.innovations,
        f"least squares with Newey-West errors, {bandwidth} {'lag' if bandwidth == 1 else 'lags'}",
        diagnostics={**fit.diagnostics, "lags": float(bandwidth)},
        warnings=(narrow,) if n < FEW else (),
    )


def prais_winsten(X: np.ndarray, y: np.ndarray, t: np.ndarray) -> Fit:
    """Iterated Prais-Winsten: least squares after the AR(1) transform, Student's t on n - k.

    With e = y - X b and rho = sum e_t e_{t-1} / sum e_{t-1}^2 over pairs one period apart, the rows become

        z*_i = (z_i - rho^d z_{i-1}) sqrt((1 - rho^2) / (1 - rho^2d)),   z*_1 = z_1 sqrt(1 - rho^2)

    for z = X and y, where d is the calendar distance to the row before; b is least squares on the
    transformed rows, and rho and b alternate until rho stands. The factor makes every transformed error
    of one variance, so the transform is exact over gaps.

    innovations  residuals of the transformed rows over their standard deviation, shape (n,)
    diagnostics  rho, sigma (standard deviation of the transformed errors), iterations

    Source: Prais and Winsten (1954), Cowles Commission discussion paper 383. Raises DesignError as `ols`,
    and when no two periods are adjacent. A rho at +/-0.999, and one that does not settle, are warned of.
    """
    require(X, y, t)
    n, k = X.shape
    steps = np.diff(t).astype(int)
    if not (steps == 1).any():
        raise DesignError("no two periods are adjacent, so their autocorrelation cannot be estimated")
    start, _ = least_squares(X, y)
    e = y - X @ start  # from here on only what the design leaves, so that a large level costs no digits
    require_noise(y, e)
    rho, at_bound, change = 0.0, False, np.inf
    for iteration in range(1, ITERATIONS + 1):  # noqa: B007 - counted for the diagnostics
        Xs, es = _transform(X, rho, steps), _transform(e[:, None], rho, steps)[:, 0]
        move, bread = least_squares(Xs, es)
        if change < SETTLED:
            break
        raw = _lag_one(e - X @ move, steps == 1)
        found = float(np.clip(raw, -BOUND, BOUND))
        at_bound, change, rho = abs(raw) >= BOUND, abs(found - rho), found
    residuals = es - Xs @ move
    sigma = float(np.sqrt(residuals @ residuals / (n - k)))
    warnings = [STUCK.format(rho)] if at_bound else []
    if change >= SETTLED:
        warnings.append(f"the autocorrelation did not settle in {ITERATIONS} iterations; the last value is used")
    diagnostics = {"rho": rho, "sigma": sigma, "iterations": float(iteration)}
    return Fit(
        start + move,
        sigma**2 * bread,
        float(n - k),
        residuals / sigma,
        "Prais-Winsten, iterated",
        diagnostics=diagnostics,
        warnings=tuple(warnings),
    )


def _lag_one(e: np.ndarray, adjacent: np.ndarray) -> float:
    """sum e_t e_{t-1} / sum e_{t-1}^2 over adjacent pairs; shapes (n,), (n-1,)."""
    return float((e[1:] * e[:-1])[adjacent].sum() / (e[:-1][adjacent] ** 2).sum())


def _transform(z: np.ndarray, rho: float, steps: np.ndarray) -> np.ndarray:
    """The rows of z, shape (n, m), after the AR(1) transform over calendar steps, shape (n-1,)."""
    power = np.power(rho, steps)[:, None]
    out = np.empty(z.shape)
    out[0] = z[0] * np.sqrt(1 - rho**2)
    out[1:] = (z[1:] - power * z[:-1]) * np.sqrt((1 - rho**2) / (1 - power**2))
    return out
