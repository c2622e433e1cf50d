"""Kenward and Roger's inference for regression with correlated errors, held within bounds.

Symbols: X, shape (n, k), the design; theta, shape (q,), parameters of the errors; R(theta), shape (n, n);
V = sigma^2 R; Phi = (X'V^-1 X)^-1, shape (k, k); G = V^-1 - V^-1 X Phi X'V^-1; c, shape (k,), a contrast;
subscripts i, j of a matrix are derivatives with respect to parameters.

Source: Kenward and Roger (1997), Biometrics 53:983.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from evalkit import inference
from evalkit.estimators._its.ar1 import CAP, least_variance
from evalkit.estimators._its.fit import Fit

Correlation = Callable[[np.ndarray], np.ndarray]  # theta, shape (q,), to R, shape (n, n)

FEWEST = 3.0  # degrees of freedom never fall below this: the approximation has no variance there
FIRST, SECOND = 1e-4, 3e-4  # steps of the first and second derivatives of R: truncation meets rounding there
SINGULAR = 1e-9  # an eigenvalue of the information this small against the largest is none


@dataclass(frozen=True, eq=False, kw_only=True)
class KenwardRoger(Fit):
    """A REML fit whose contrasts each have their own variance and degrees of freedom.

    covariance  of the model, Phi = sigma^2 (X'R^-1 X)^-1, shape (k, k)
    df          n - k: the degrees of freedom no contrast exceeds by more than rounding
    adjusted    Phi_A of Kenward and Roger, shape (k, k)
    slopes      P_i = -X'V^-1 V_i V^-1 X for sigma^2 (in units of its estimate) and theta, shape (1+q, k, k)
    spread      W, the inverse of the expected REML information on those parameters, shape (1+q, 1+q)
    """

    adjusted: np.ndarray
    slopes: np.ndarray
    spread: np.ndarray

    def contrast(self, weights: np.ndarray) -> tuple[float, float, float]:
        """c'beta, its standard error and degrees of freedom; weights shape (k,).

        The variance is c'Phi_A c held between `ar1.least_variance` and 1.3 times m = c'Phi c; the degrees of
        freedom are
        max(3, 2 m^2 / g'Wg) with g_i = c'Phi P_i Phi c, to which those of Kenward and Roger reduce for a
        single contrast.
        """
        estimate, error = inference.contrast(self.beta, self.covariance, weights)
        model = error**2
        if model <= 0:
            return estimate, 0.0, self.df
        least = least_variance(len(self.innovations), len(self.beta))
        variance = float(np.clip(weights @ self.adjusted @ weights, least * model, model * CAP))
        along = self.covariance @ weights
        g = along @ self.slopes @ along
        return estimate, float(np.sqrt(variance)), max(FEWEST, float(2 * model**2 / (g @ self.spread @ g)))


def first(correlation: Correlation, theta: np.ndarray) -> np.ndarray:
    """R_i by central differences of fourth order, shape (q, n, n)."""

    def moved(step: np.ndarray) -> np.ndarray:
        return (8 * (correlation(theta + step) - correlation(theta - step))
                - correlation(theta + 2 * step) + correlation(theta - 2 * step)) / (12 * FIRST)  # fmt: skip

    return np.array([moved(step) for step in FIRST * np.eye(len(theta))])


def second(correlation: Correlation, theta: np.ndarray) -> np.ndarray:
    """R_ij by central differences of fourth order, shape (q, q, n, n).

    R_ij = 1/2 [D(i + j) - R_ii - R_jj], where D(v) is the second derivative along the direction v.
    """
    centre, q = 30 * correlation(theta), len(theta)

    def along(direction: np.ndarray) -> np.ndarray:
        step = SECOND * direction
        near, far = (correlation(theta + m * step) + correlation(theta - m * step) for m in (1, 2))
        return (16 * near - far - centre) / (12 * SECOND**2)

    unit = np.eye(q)
    own = [along(v) for v in unit]
    out = np.array([[own[i]] * q for i in range(q)])
    for i in range(q):
        for j in range(i):
            out[i, j] = out[j, i] = 0.5 * (along(unit[i] + unit[j]) - own[i] - own[j])
    return out


def kenward_roger(basic: Fit, X: np.ndarray, correlation: Correlation, theta: np.ndarray) -> KenwardRoger:
    """The REML fit `basic`, with covariance Phi = sigma^2 (X'R^-1 X)^-1, given the inference of its contrasts.

        Phi_A - Phi = 2 Phi {sum_ij W_ij (Q_ij - P_i Phi P_j - R_ij/4)} Phi
        P_i = -X'V^-1 V_i V^-1 X,  Q_ij = X'V^-1 V_i V^-1 V_j V^-1 X,  R_ij = X'V^-1 V_ij V^-1 X
        W = inverse of 1/2 tr(G V_i G V_j)

    for the parameters (sigma^2 over its estimate, theta), so that V_i is V and sigma^2 R_i, and V_ij is 0,
    sigma^2 R_i and sigma^2 R_ij. Where W has no inverse, the directions that the data say nothing of are left
    out, and a warning says so.
    """
    q, variance = len(theta) + 1, basic.diagnostics["sigma"] ** 2
    V = variance * correlation(theta)
    inverse = np.linalg.inv(V)
    slopes = np.concatenate([V[None], variance * first(correlation, theta)])
    curves = np.zeros((q, q, *V.shape))
    curves[0, 1:] = curves[1:, 0] = slopes[1:]
    curves[1:, 1:] = variance * second(correlation, theta)
    B, Phi = inverse @ X, basic.covariance
    GV = (inverse - B @ Phi @ B.T) @ slopes
    values, vectors = np.linalg.eigh(0.5 * np.einsum("iab,jba->ij", GV, GV))
    kept = values > SINGULAR * values.max()
    W = (vectors[:, kept] / values[kept]) @ vectors[:, kept].T
    moved = slopes @ B  # V_i V^-1 X
    P = -np.einsum("ak,iam->ikm", B, moved)
    Q = np.einsum("iak,ab,jbm->ijkm", moved, inverse, moved, optimize=True)
    bend = np.einsum("ak,ijab,bm->ijkm", B, curves, B, optimize=True)
    inside = np.einsum("ij,ijkm->km", W, Q - np.einsum("ikl,lm,jmp->ijkp", P, Phi, P, optimize=True) - bend / 4)
    fields = {f.name: getattr(basic, f.name) for f in dataclasses.fields(Fit)}
    if not kept.all():
        fields["warnings"] = (*basic.warnings, "the parameters of the error model cannot be told apart")
    return KenwardRoger(**fields, slopes=P, spread=W, adjusted=Phi + Phi @ (inside + inside.T) @ Phi)
