"""Regression with correlated errors: exact REML for any correlation function, bounded Kenward-Roger.

Symbols: X, shape (n, k), the design; y, shape (n,), the series; t, shape (n,), calendar positions,
integers that strictly increase; theta, shape (q,), parameters of the correlation; R(theta), shape (n, n);
G = R^-1 - R^-1 X (X'R^-1 X)^-1 X'R^-1; R_i, the derivative of R with respect to theta_i.

The correlation of two observations is that of their calendar distance, so gaps stay gaps. Everything is
dense: n periods cost n^3, which is meant for series of up to a few hundred.

Sources: Patterson and Thompson (1971), Biometrika 58:545 (REML); Barndorff-Nielsen and Schou (1973), J
Multivar Anal 3:408 (partial autocorrelations as parameters). Inference: `kenward`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
from scipy import linalg, optimize

from evalkit.errors import DesignError
from evalkit.estimators._its.classical import least_squares, require, require_noise
from evalkit.estimators._its.fit import Fit
from evalkit.estimators._its.kenward import Correlation, first, kenward_roger

Bounds = Mapping[str, tuple[float, float]]  # each parameter's name, its lowest and its highest value

AT_BOUND = 1e-6  # this close to a bound, as a share of the range, is at it
SAME = 1e-9  # likelihoods this close, in units of log likelihood, are rounding apart
FLAT = 1e-3  # a slope of the log likelihood below this leaves theta a small part of its error from the peak
AR2_BOUNDS = {"partial1": (-0.9, 0.98), "partial2": (-0.9, 0.98)}
AR2_STARTS = ((0.0, 0.0), (0.5, 0.0), (0.7, 0.4), (0.5, -0.5))
ARMA_BOUNDS = {"phi": (-0.9, 0.98), "theta": (-0.95, 0.95)}
ARMA_STARTS = ((0.3, 0.0), (0.8, -0.5), (0.0, 0.5), (0.5, 0.4), (-0.3, -0.2))


class Profile(NamedTuple):
    """What generalised least squares finds at a known R.

    beta (k,), its covariance over sigma^2 (k, k), sigma^2, log likelihood (constants as in nlme), and the
    innovations: residuals after removing R by its Cholesky factor, over sigma, shape (n,).
    """

    beta: np.ndarray
    bread: np.ndarray
    variance: float
    loglik: float
    innovations: np.ndarray


def gls(X: np.ndarray, y: np.ndarray, R: np.ndarray, method: str = "REML") -> Profile:
    """Generalised least squares at a known R, with sigma^2 estimated; shapes (n, k), (n,), (n, n).

        b = (X'R^-1 X)^-1 X'R^-1 y,   S = (y - Xb)'R^-1 (y - Xb),   sigma^2 = S / (n - k)
        REML  l = -1/2 [(n - k)(1 + log(2 pi S/(n - k))) + log|R| + log|X'R^-1 X|]
        ML    l = -1/2 [n (1 + log(2 pi S/n)) + log|R|]

    sigma^2 divides by n - k in both: nlme prints S/n under ML, but its covariance of b, like this one,
    rests on S/(n - k). Raises DesignError when R is not positive definite.
    """
    n, k = X.shape
    factor = _cholesky(R)
    Xs = linalg.solve_triangular(factor, X, lower=True)
    start, _ = least_squares(X, y)
    es = linalg.solve_triangular(factor, y - X @ start, lower=True)
    move, bread = least_squares(Xs, es)
    residuals = es - Xs @ move
    total, size = float(residuals @ residuals), n - k if method == "REML" else n
    loglik = -0.5 * size * (1 + np.log(2 * np.pi * total / size)) - np.log(np.diag(factor)).sum()
    if method == "REML":
        loglik += 0.5 * np.linalg.slogdet(bread)[1]
    variance = total / (n - k)
    return Profile(start + move, bread, variance, float(loglik), residuals / np.sqrt(variance))


def maximise(
    X: np.ndarray, y: np.ndarray, correlation: Correlation, bounds: Bounds, starts: np.ndarray, method: str = "REML"
) -> tuple[np.ndarray, tuple[str, ...]]:
    """The theta of the highest profile likelihood, shape (q,), and what to warn of.

    sigma^2 and b are profiled out. Climbs from every start, shape (s, q), by exact gradients inside the
    bounds and keeps the highest; what stands inside its bounds there is refined to where the gradient
    vanishes. A parameter at its bound, and a climb that did not end, are warned of.
    """
    limits = np.array(list(bounds.values()), dtype=float)
    lowest, highest = limits.T
    basis, _ = np.linalg.qr(X)
    e = y - basis @ (basis.T @ y)
    e = e / np.linalg.norm(e)

    def descend(theta: np.ndarray) -> tuple[float, np.ndarray]:
        return _criterion(basis, e, correlation(theta), first(correlation, theta), method)

    def climb(start: np.ndarray, change: float) -> optimize.OptimizeResult:
        options = {"ftol": change, "gtol": 1e-7}
        return optimize.minimize(descend, start, jac=True, method="L-BFGS-B", bounds=limits, options=options)

    coarse = [climb(start, 1e-6) for start in np.atleast_2d(starts)]
    best = climb(min(coarse, key=lambda end: end.fun).x, 1e-14)
    theta, gap = best.x, AT_BOUND * (highest - lowest)
    at_bound = (theta - lowest <= gap) | (highest - theta <= gap)
    if not at_bound.all():
        theta = _refine(descend, theta, ~at_bound, limits)
    warnings = [
        f"{name} stands at its bound of {value:.3g}, so no interval here can be relied on."
        for name, value, stuck in zip(bounds, theta, at_bound, strict=True)
        if stuck
    ]
    if np.abs(descend(theta)[1][~at_bound]).max(initial=0.0) > FLAT:
        warnings.append("the search for the most likely error model did not end properly")
    return theta, tuple(warnings)


def _refine(
    descend: Callable[[np.ndarray], tuple[float, np.ndarray]], theta: np.ndarray, free: np.ndarray, limits: np.ndarray
) -> np.ndarray:
    """theta with its free parameters, booleans (q,), moved to where their gradient vanishes.

    A climb ends where the likelihood no longer rises measurably, which is half the digits short of that.
    The theta given is kept when the way there leaves the bounds, shape (q, 2), or the peak.
    """

    def at(values: np.ndarray) -> np.ndarray:
        moved = theta.copy()
        moved[free] = np.clip(values, *limits[free].T)
        return moved

    found = at(optimize.root(lambda values: descend(at(values))[1][free], theta[free], tol=1e-13).x)
    inside = (found > limits[:, 0]) & (found < limits[:, 1])
    same_peak = descend(found)[0] <= descend(theta)[0] + SAME
    return found if inside[free].all() and same_peak else theta


def reml(
    X: np.ndarray, y: np.ndarray, correlation: Correlation, bounds: Bounds, starts: np.ndarray, method: str = "REML"
) -> Fit:
    """Regression with errors of covariance sigma^2 R(theta), by REML with bounded Kenward-Roger inference.

    correlation  theta, shape (q,), to R, shape (n, n): positive definite inside the bounds, and smooth a
                 little beyond them; a diagonal other than 1 gives unequal variances
    bounds       name to (lowest, highest), in theta's order
    starts       where the search begins, shape (s, q)
    method       `REML`; `ML` for comparison with other software: its errors then rest on the model's
                 covariance alone, with Student's t on n - k

    Diagnostics: theta by name, sigma, loglik. Several series stacked in X and y need only a `correlation`
    of nought between them. Raises DesignError as `classical.require`, when y is fitted to rounding, with
    no degrees of freedom left for theta, and when R is not positive definite.
    """
    require(X, y)
    n, k = X.shape
    start, _ = least_squares(X, y)
    require_noise(y, y - X @ start)
    if n - k <= len(bounds):
        raise DesignError(f"{n} periods are too few for {k} terms and {len(bounds)} parameters of the errors")
    theta, warnings = maximise(X, y, correlation, bounds, starts, method)
    found = gls(X, y, correlation(theta), method)
    diagnostics = dict(zip(bounds, map(float, theta), strict=True))
    diagnostics |= {"sigma": float(np.sqrt(found.variance)), "loglik": found.loglik}
    covariance = found.variance * found.bread
    basic = Fit(
        found.beta,
        covariance,
        float(n - k),
        found.innovations,
        f"{method}, correlated errors",
        diagnostics=diagnostics,
        warnings=warnings,
    )
    return kenward_roger(basic, X, correlation, theta) if method == "REML" else basic


def ar2(X: np.ndarray, y: np.ndarray, t: np.ndarray, method: str = "REML") -> Fit:
    """Second-order autoregressive errors, e_t = phi1 e_{t-1} + phi2 e_{t-2} + u_t, exact over gaps.

    theta is the partial autocorrelations (p1, p2), stationary when inside (-1, 1): phi2 = p2,
    phi1 = p1 (1 - p2). Diagnostics add phi1 and phi2. Otherwise as `reml`.
    """
    require(X, y, t)
    fit = reml(X, y, _over_time(t, _ar2_acf), AR2_BOUNDS, np.array(AR2_STARTS), method)
    p1, p2 = fit.diagnostics["partial1"], fit.diagnostics["partial2"]
    return dataclasses.replace(
        fit, method=f"{method}, AR(2) errors", diagnostics={"phi1": p1 * (1 - p2), "phi2": p2, **fit.diagnostics}
    )


def arma11(X: np.ndarray, y: np.ndarray, t: np.ndarray, method: str = "REML") -> Fit:
    """Errors e_t = phi e_{t-1} + u_t + theta u_{t-1}, exact over gaps; otherwise as `reml`.

    With theta between -phi and 0 this is an AR(1) course observed with independent noise. Where phi and
    -theta meet the errors are white and the two cannot be told apart, which is warned of.
    """
    require(X, y, t)
    fit = reml(X, y, _over_time(t, _arma11_acf), ARMA_BOUNDS, np.array(ARMA_STARTS), method)
    return dataclasses.replace(fit, method=f"{method}, ARMA(1,1) errors")


def _over_time(t: np.ndarray, acf: Callable[[np.ndarray, int], np.ndarray]) -> Correlation:
    """R from an autocorrelation function of theta and the longest lag; t shape (n,)."""
    apart = np.abs(t[:, None] - t[None, :]).astype(int)
    longest = int(apart.max())
    return lambda theta: acf(theta, longest).take(apart)


def _ar2_acf(theta: np.ndarray, longest: int) -> np.ndarray:
    """Autocorrelations at lags 0 to `longest` from partial autocorrelations (2,); shape (longest + 1,)."""
    from scipy import signal  # a third of a second, which most analyses of a series do without

    p1, p2 = theta
    phi1 = p1 * (1 - p2)
    return signal.lfilter([1, p1 - phi1], [1, -phi1, -p2], np.eye(1, longest + 1)[0])


def _arma11_acf(theta: np.ndarray, longest: int) -> np.ndarray:
    """Autocorrelations at lags 0 to `longest` from (phi, theta), shape (2,); shape (longest + 1,)."""
    phi, ma = theta
    out = np.empty(longest + 1)
    out[0] = 1
    out[1:] = (1 + phi * ma) * (phi + ma) / (1 + 2 * phi * ma + ma**2) * np.power(phi, np.arange(longest))
    return out


def _cholesky(R: np.ndarray) -> np.ndarray:
    """The lower Cholesky factor; shape (n, n)."""
    try:
        return np.linalg.cholesky(R)
    except np.linalg.LinAlgError as error:
        raise DesignError("the error model has no positive definite covariance in this calendar") from error


def _criterion(
    basis: np.ndarray, e: np.ndarray, R: np.ndarray, slopes: np.ndarray, method: str
) -> tuple[float, np.ndarray]:
    """Minus the profile log likelihood up to a constant, and its gradient, shape (q,).

    basis, orthonormal columns of X (n, k); e, the residuals of least squares (n,); slopes, R_i (q, n, n).

        REML  1/2 [(n-k) log e'Ge + log|R| + log|X'R^-1 X|],  slope_i = 1/2 [tr(G R_i) - (n-k) u'R_i u / e'Ge]
        ML    1/2 [n log e'Ge + log|R|],                      slope_i = 1/2 [tr(R^-1 R_i) - n u'R_i u / e'Ge]

    with u = Ge.
    """
    n, k = basis.shape
    factor = _cholesky(R)
    white = linalg.solve_triangular(factor, np.eye(n), lower=True, check_finite=False)
    inverse = white.T @ white
    half, inner = np.linalg.qr(white @ basis)
    along = white.T @ half
    G = inverse - along @ along.T
    u = G @ e
    total, size, trace = float(e @ u), n, inverse
    value = np.log(np.diag(factor)).sum()
    if method == "REML":
        size, trace = n - k, G
        value += np.log(np.abs(np.diag(inner))).sum()
    gradient = 0.5 * (slopes.reshape(len(slopes), -1) @ trace.ravel() - size * (slopes @ u @ u) / total)
    return float(value + 0.5 * size * np.log(total)), gradient
