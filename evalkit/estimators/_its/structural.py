"""Forecast counterfactual: the pre-period alone, by a local level with regressors, carried forward.

    y_t = m_t + x_t'b + u_t,   m_t = m_{t-1} + v_t,   u_t ~ N(0, s_u^2),  v_t ~ N(0, s_v^2)

Symbols: X, shape (n, k), and y, shape (n,), the pre-period at calendar positions t, shape (n,); Z, shape
(m, k), the design of the periods forecast, at positions s, shape (m,). The level at the first period is
diffuse, which is a constant column; months that are not analysed are steps of the level without an
observation, so gaps stay gaps.

The share p of the level in the variance over the pre-period, T periods long, is the one parameter:

    cov(y_i, y_j) = sigma^2 [(1 - p) 1{i = j} + p min(t_i, t_j)/T],   t counted from 1 at the first period

p = 0 is a regression with independent errors, p = 1 a random walk observed without noise. p maximises the
diffuse (restricted) likelihood, the one statsmodels' UnobservedComponents has when its regressors are
states; here it is one-dimensional, so the boundary is met exactly and no start can mislead the search.

Sources: Harvey (1989), Forecasting, Structural Time Series Models and the Kalman Filter, ch. 4 and 7;
Brodersen et al. (2015), Ann Appl Stat 9:247 (the counterfactual read from the pre-period).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evalkit.errors import DesignError
from evalkit.estimators._its.arma import gls, maximise
from evalkit.estimators._its.classical import least_squares, require, require_noise

STARTS = np.array([[0.0], [0.003], [0.03], [0.15], [0.4], [0.7], [0.95]])
BOUNDS = {"level_share": (0.0, 1.0)}
CONSTANT = 1e-9  # what is left of a column of ones after the design, when the design holds a constant
EDGE = 1e-6  # this close to 0 or 1, a share is there


@dataclass(frozen=True, eq=False)
class Forecast:
    """What would have been seen had the pre-period carried on.

    mean         of the periods forecast, shape (m,)
    covariance   of the errors of the forecast, observation noise included, shape (m, m): jointly, so that
                 averages and sums over periods have their error w'Cw
    df           degrees of freedom of Student's t, n - k: exact when the level does not wander
    innovations  of the pre-period, standardised, shape (n,)
    diagnostics  level_share p, sigma_noise s_u, sigma_level s_v (per period), loglik
    method       how it was made, a noun phrase
    warnings     what the reader must know of it, one sentence each
    """

    mean: np.ndarray
    covariance: np.ndarray
    df: float
    innovations: np.ndarray
    diagnostics: dict[str, float]
    method: str
    warnings: tuple[str, ...] = ()


def forecast(
    X: np.ndarray, y: np.ndarray, t: np.ndarray, Z: np.ndarray, s: np.ndarray, share: float | None = None
) -> Forecast:
    """The forecast of the module's model; X (n, k), y (n,), t (n,), Z (m, k), s (m,).

    With R the correlation of the pre-period, C that between the periods forecast and it, and D among the
    periods forecast (the 1{i = j} of the noise included):

        b = (X'R^-1 X)^-1 X'R^-1 y,  mean = Z b + C R^-1 (y - X b)
        covariance = sigma^2 [D - C R^-1 C' + A (X'R^-1 X)^-1 A'],  A = Z - C R^-1 X

    share  p; None estimates it

    A design without a constant is given one, which is the level at the first period. Raises DesignError as
    `classical.require` for the pre-period, when the periods forecast are not all after it, for columns that
    the pre-period cannot tell apart, when y is fitted to rounding, and for a share outside 0 to 1.
    """
    X, Z = _with_constant(X, Z)
    _require_periods(X, y, t, Z, s)
    n, k = X.shape
    since, ahead, span = t - t[0] + 1, s - t[0] + 1, float(t[-1] - t[0] + 1)
    walk = np.minimum.outer(since, since) / span
    warnings: tuple[str, ...] = ()
    if share is None:
        share, warnings = _level_share(X, y, walk)
    if not 0 <= share <= 1:
        raise DesignError(f"a share of {share} is not between 0 and 1")
    R = (1 - share) * np.eye(n) + share * walk
    C = share * np.minimum.outer(ahead, since) / span
    D = (1 - share) * np.eye(len(s)) + share * np.minimum.outer(ahead, ahead) / span
    found = gls(X, y, R)
    gain = np.linalg.solve(R, C.T).T
    A = Z - gain @ X
    covariance = found.variance * (D - gain @ C.T + A @ found.bread @ A.T)
    sigma = float(np.sqrt(found.variance))
    diagnostics = {
        "level_share": share,
        "sigma_noise": sigma * float(np.sqrt(1 - share)),
        "sigma_level": sigma * float(np.sqrt(share / span)),
        "loglik": found.loglik,
    }
    mean = Z @ found.beta + gain @ (y - X @ found.beta)
    method = "forecast from the pre-period by a local level with regressors"
    joint = (covariance + covariance.T) / 2
    return Forecast(mean, joint, float(n - k), found.innovations, diagnostics, method, warnings)


def _require_periods(X: np.ndarray, y: np.ndarray, t: np.ndarray, Z: np.ndarray, s: np.ndarray) -> None:
    """Refuse what `forecast` says it refuses."""
    require(X, y, t)
    if Z.shape[1:] != X.shape[1:] or s.shape != Z.shape[:1] or not np.isfinite(Z).all():
        raise DesignError(f"a forecast design of shape {Z.shape} does not go with one of shape {X.shape}")
    if not s.size or s.min() <= t[-1] or not np.array_equal(s, np.round(s)) or not (np.diff(s) > 0).all():
        raise DesignError("the periods forecast are not whole positions, in order, after the pre-period")
    start, _ = least_squares(X, y)
    require_noise(y, y - X @ start)


def _level_share(X: np.ndarray, y: np.ndarray, walk: np.ndarray) -> tuple[float, tuple[str, ...]]:
    """The most likely share of the level, and what to say of one at 0 or 1; walk is R at p = 1."""
    n, k = X.shape
    if n <= k + 1:
        raise DesignError(f"{n} periods before are too few for {k} terms and a level that moves")
    theta, _ = maximise(X, y, lambda at: (1 - at[0]) * np.eye(n) + at[0] * walk, BOUNDS, STARTS)
    share = float(np.clip(theta[0], 0, 1))
    if share < EDGE:
        return share, ("the level is estimated not to wander: the forecast is a regression's on the pre-period",)
    if share > 1 - EDGE:
        return share, ("all variation is estimated to be the level's: the forecast starts from the last period",)
    return share, ()


def _with_constant(X: np.ndarray, Z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """X and Z with a column of ones each, unless a combination of X's columns is constant already."""
    ones = np.ones(len(X))
    if X.ndim == 2 and X.shape[1]:  # noqa: PLR2004 - a matrix
        left = ones - X @ np.linalg.lstsq(X, ones, rcond=None)[0]
        if np.abs(left).max() < CONSTANT:
            return X, Z
    return np.column_stack([ones, X]), np.column_stack([np.ones(len(Z)), Z])
