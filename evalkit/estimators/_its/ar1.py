"""Segmented regression with first-order autoregressive errors: REML and bounded Kenward-Roger inference.

    y = X beta + u,   cov(u_i, u_j) = sigma^2 rho^|t_i - t_j|,   -0.9 <= rho <= 0.98

t are calendar positions, so a gap of d periods weakens the correlation to rho^d and nothing is closed
up. sigma^2 is profiled out and rho minimises twice the negative restricted log-likelihood,

    l(rho) = (n-k) log S(rho) + log|R(rho)| + log|X'R(rho)^-1 X|,

S(rho) being the generalised sum of squared residuals (Patterson and Thompson 1971, Biometrika 58:545).
Every cross-product with R^-1 is a sum over neighbouring pairs,

    Z'R^-1 Z = z_1 z_1' + sum_i (z_i - a_i z_{i-1})(z_i - a_i z_{i-1})' / (1 - a_i^2),   a_i = rho^(t_i - t_{i-1}),

so pairs at the same distance are added up once, and each value of rho then costs k x k arithmetic,
whatever n, for thousands of series at a time.

Inference on a contrast c'beta is that of Kenward and Roger (1997, Biometrics 53:983, eqs 3 and 5-9) with the
parameters (sigma^2, rho), bounded: the adjusted variance is kept within a factor CAP of the model's (and not below it
where columns are many, `least_variance`), and
the degrees of freedom at LEAST_DF or more. For one contrast their degrees of freedom are 2 v^2 / (g'Wg), v the model
variance, g its gradient in (sigma^2, rho), W the inverse of the expected information.

Shapes: s series of n periods with k columns; arrays of a single series have s = 1.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from evalkit.errors import DesignError
from evalkit.estimators._its._noise import USUAL, Doubt, Guard, guard
from evalkit.estimators._its._pairs import SHARED, Pairs, information, whiten, whitened_curvature
from evalkit.estimators._its._rho import CLOSE, HIGHEST, LOWEST, interval, minimise
from evalkit.estimators._its.fit import Fit
from evalkit.inference import ROUNDING

CAP = 1.3
LIGHT, HEAVY = 0.12, 1 / 3  # columns a period: up to here the floor is 1 / CAP, from here on CAP
LEAST_DF = 3.0
ROUGHLY = 1e-6  # how near to its value rho is wanted in a step of reweighting
NOTABLE = 0.1  # belief in noise from which the reader is told


@dataclass(frozen=True, eq=False)
class Many:
    """Fits of many series, each with its own rho.

    beta         shape (s, k)
    rho, sigma2  shape (s,)
    bread        (X'R^-1 X)^-1, shape (s, k, k)
    slope        d/drho of X'R^-1 X, shape (s, k, k)
    adjustment   Kenward-Roger's sum over parameters, in units of 1/sigma^2, shape (s, k, k)
    spread       W in units of (sigma^4, sigma^2, 1), shape (s, 2, 2)
    floor        least adjusted variance, over the model's
    guard        how far a noise model widens the variance, None where it is not asked
    """

    beta: np.ndarray
    rho: np.ndarray
    sigma2: np.ndarray
    bread: np.ndarray
    slope: np.ndarray
    adjustment: np.ndarray
    spread: np.ndarray
    floor: float
    guard: Guard | None = None

    def contrast(self, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """c'beta, standard errors and degrees of freedom, each shape (s,).

        weights  c, shape (k,) or (s, k); for a single series also (m, k), for m contrasts at once
        """
        c = np.atleast_2d(weights)
        reach = (self.bread @ c[..., None])[..., 0]
        unit = (c * reach).sum(-1)  # c'(X'R^-1 X)^-1 c
        bent = (self.adjustment @ reach[..., None])[..., 0]
        adjusted = np.clip(unit + 2 * (reach * bent).sum(-1), self.floor * unit, CAP * unit)
        tilt = -(reach * (self.slope @ reach[..., None])[..., 0]).sum(-1)
        gradient = np.stack([unit, tilt], axis=-1)
        noise = (gradient * (self.spread @ gradient[..., None])[..., 0]).sum(-1)
        df = np.maximum(LEAST_DF, 2 * unit**2 / np.where(noise > 0, noise, np.inf))
        variance = self.sigma2 * adjusted
        if self.guard is not None:
            variance = self.guard.widen(variance, c)
        return (self.beta * c).sum(-1), np.sqrt(variance), df


@dataclass(frozen=True, eq=False)
class Reml(Fit):
    """One series; its contrasts carry their own bounded Kenward-Roger errors and degrees of freedom."""

    many: Many = field(kw_only=True)

    def contrast(self, weights: np.ndarray) -> tuple[float, float, float]:
        """c'beta, its standard error, and its degrees of freedom; weights shape (k,)."""
        value, error, df = self.many.contrast(weights)
        return float(value[0]), float(error[0]), float(df[0])

    def contrasts(self, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """c'beta, standard errors and degrees of freedom of m contrasts; weights shape (m, k)."""
        return self.many.contrast(weights)


class Turn(NamedTuple):
    """From the orthonormal basis and unit size back to the columns of X and the outcome's own size.

    along  coefficients of least squares on the basis, shape (s, k)
    size   norm of its residuals, shape (s,)
    back   inverse of the triangular factor of X, shape (k, k) or (s, k, k)
    unit   those residuals over their norm, shape (s, n)
    """

    along: np.ndarray
    size: np.ndarray
    back: np.ndarray
    unit: np.ndarray


def fit_many(
    X: np.ndarray,
    Y: np.ndarray,
    t: np.ndarray,
    *,
    guarded: bool = True,
    near: np.ndarray | None = None,
    doubt: Doubt = USUAL,
) -> Many:
    """Fit every series.

    X  the design, shape (n, k), or one for each series, shape (s, n, k); full column rank, n > k + 1
    Y  the series, shape (s, n)
    t  calendar positions, integers, strictly increasing, shape (n,)
    guarded  whether intervals widen where noise around a slow course fits better than AR(1) (module `_noise`)
    near  where the search for rho may begin, shape (s,)
    doubt  how readily noise models are believed

    Raises DesignError when n <= k + 1 or a series lies exactly on its fitted course.
    """
    pairs, turn = prepare(X, Y, t)
    left = pairs.n - X.shape[-1]
    rho = minimise(pairs, len(Y), left, near)
    weighed = guard(pairs.basis, turn.unit, t, pairs.objective(rho, left), doubt) if guarded else None
    return _assemble(pairs, rho, turn, weighed)


def coefficients(
    X: np.ndarray, Y: np.ndarray, t: np.ndarray, near: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """The coefficients of `fit_many` alone, shape (s, k), and rho, shape (s,): what a step of reweighting needs.

    near  rho of the step before, where the search may begin, shape (s,)
    """
    pairs, turn = prepare(X, Y, t)
    rho = minimise(pairs, len(Y), pairs.n - X.shape[-1], near, ROUGHLY)
    [(XX, Xe, _)] = pairs.at(rho, 0)
    step = np.linalg.solve(XX, Xe[..., None])[..., 0]
    found: np.ndarray = (turn.back @ (turn.along + turn.size[:, None] * step)[..., None])[..., 0]
    return found, rho


def prepare(X: np.ndarray, Y: np.ndarray, t: np.ndarray) -> tuple[Pairs, Turn]:
    """Least squares on an orthonormal basis, so that rounding stays small whatever the columns' units."""
    n, k = X.shape[-2:]
    if n <= k + 1:
        raise DesignError(f"{k} terms and only {n} periods", fix="use fewer terms or more periods")
    basis, triangle = np.linalg.qr(X)
    shared = basis.ndim == SHARED
    along = Y @ basis if shared else np.einsum("snk,sn->sk", basis, Y)
    residual = Y - (along @ basis.T if shared else np.einsum("snk,sk->sn", basis, along))
    size = np.sqrt(np.einsum("sn,sn->s", residual, residual))
    if (size <= ROUNDING * np.sqrt(np.einsum("sn,sn->s", Y, Y))).any():
        raise DesignError("the series does not vary around its fitted course", fix="check the outcome")
    unit = residual / size[:, None]
    return Pairs.of(basis, unit, t), Turn(along, size, np.linalg.inv(triangle), unit)


def fit(X: np.ndarray, y: np.ndarray, t: np.ndarray, *, guarded: bool = True, doubt: Doubt = USUAL) -> Reml:
    """Fit one series; X shape (n, k), y shape (n,), t shape (n,). Raises DesignError as `fit_many` does."""
    return single(fit_many(X, y[None], t, guarded=guarded, doubt=doubt), X, y, t)


def single(many: Many, X: np.ndarray, y: np.ndarray, t: np.ndarray) -> Reml:
    """The one series of `many` as a fit with its own diagnostics."""
    rho, sigma = float(many.rho[0]), float(np.sqrt(many.sigma2[0]))
    residual = (y - X @ many.beta[0])[None, :, None]
    belief = 0.0 if many.guard is None else float(many.guard.belief[0])
    return Reml(
        beta=many.beta[0],
        covariance=sigma**2 * many.bread[0],
        df=float(len(y) - X.shape[1]),
        innovations=whiten(residual, many.rho, t)[0, :, 0] / sigma,
        method="AR(1) errors by restricted maximum likelihood, with bounded Kenward-Roger inference",
        diagnostics={"rho": rho, "sigma": sigma, "noise_belief": belief},
        warnings=(*bound_warning(rho), *_guard_warning(belief)),
        many=many,
    )


def _guard_warning(belief: float) -> tuple[str, ...]:
    if belief < NOTABLE:
        return ()
    return (
        "A slow course seen through noise fits this series better than first-order autocorrelation alone, so the "
        f"intervals were widened for it (weight {belief:.1f} of 1); `noise_guard: false` shows them without.",
    )


def rho_interval(X: np.ndarray, y: np.ndarray, t: np.ndarray, level: float) -> tuple[float, float]:
    """Profile-likelihood interval of rho (`_rho.interval`); X shape (n, k), y shape (n,), t shape (n,)."""
    pairs, _ = prepare(X, y[None], t)
    return interval(pairs, len(y) - X.shape[1], level)


def bound_warning(rho: float) -> tuple[str, ...]:
    """What a reader must know of an autocorrelation at its bound; empty inside them."""
    if rho >= HIGHEST - CLOSE:
        return (
            f"Autocorrelation reached the upper bound of {HIGHEST}: the series is close to a random walk, so how "
            "its earlier course would have carried on is doubtful, and no interval here can be relied on.",
        )
    if rho <= LOWEST + CLOSE:
        return (
            f"Autocorrelation reached the lower bound of {LOWEST}: successive periods alternate; check the data.",
        )
    return ()


def least_variance(n: int, k: int) -> float:
    """The bound below on the adjusted variance, over the model's: 1/CAP with few columns, CAP with many.

    The expansion of Kenward and Roger can shrink a variance. With 8 columns in 24 periods it shrinks that of
    a slope just where rho is most underestimated, and intervals then hold the truth 90 times in a hundred; from a
    third of a column a period on the variance is therefore never less than CAP times the model's.
    """
    crowded = min(max((k / n - LIGHT) / (HEAVY - LIGHT), 0.0), 1.0)
    return 1 / CAP + crowded * (CAP - 1 / CAP)


def _assemble(pairs: Pairs, rho: np.ndarray, turn: Turn, weighed: Guard | None) -> Many:
    """Coefficients and everything that a contrast needs, for the columns of X."""
    along, size, back, _ = turn
    n, k = pairs.n, along.shape[1]
    (XX, Xe, ee), (slope, _, _), (bend, _, _) = pairs.at(rho, 2)
    bread = np.linalg.inv(XX)
    step = np.einsum("skl,sl->sk", bread, Xe)
    sigma2 = (ee - np.einsum("sk,sk->s", Xe, step)) / (n - k) * size**2
    curvature = whitened_curvature(pairs, rho)
    spread = np.linalg.inv(information(pairs, rho, bread, slope, curvature))
    adjustment = spread[:, 1, 1, None, None] * (curvature / 2 + bend / 4 - slope @ bread @ slope)
    adjustment += spread[:, 0, 1, None, None] * slope / 2
    forward, back_t = np.linalg.inv(back), np.swapaxes(back, -1, -2)
    forward_t = np.swapaxes(forward, -1, -2)
    if weighed is not None:
        weighed = Guard(weighed.belief, back @ (size[:, None, None] ** 2 * weighed.covariance) @ back_t)
    return Many(
        beta=(back @ (along + size[:, None] * step)[..., None])[..., 0],
        rho=rho,
        sigma2=sigma2,
        bread=back @ bread @ back_t,
        slope=forward_t @ slope @ forward,
        adjustment=forward_t @ adjustment @ forward,
        spread=spread,
        floor=least_variance(n, k),
        guard=weighed,
    )
