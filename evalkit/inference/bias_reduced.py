"""Bias-reduced cluster variance (CR2) and Satterthwaite degrees of freedom for one coefficient.

With X_c the regressors of cluster c after unit effects are swept out, M = (X'X)^-1, e_c the residuals,
H_c = X_c M X_c' and A_c = (I - H_c)^(-1/2),

    V = sum_c (w_c' A_c e_c)^2,  w_c = X_c M a        (a picks the coefficient)
    df = (tr P)^2 / tr(P P),  P_cd = 1{c = d} |A_c w_c|^2 - (X_c' A_c w_c)' M (X_d' A_d w_d)

Under independent errors of equal variance V is unbiased, and df is that of the chi-squared with the same two
moments. Sources: Bell and McCaffrey (2002), Survey Methodology 28:169; Pustejovsky and Tipton (2018), J Bus
Econ Stat 36:672, whose theorem 2 lets effects nested in clusters be swept out first.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

SINGULAR = 1e-10  # an eigenvalue of I - H_c this small is nought: the cluster alone fixes that direction


class Reduced(NamedTuple):
    """Standard errors and degrees of freedom of each contrast, shape (L,)."""

    std_error: np.ndarray
    df: np.ndarray


def reduced(X: list[np.ndarray], residuals: list[np.ndarray], M: np.ndarray, C: np.ndarray) -> Reduced:
    """CR2 errors of contrasts.

    X          one array a cluster, shape (N_c, p), swept
    residuals  one array a cluster, shape (N_c,)
    M          inverse or pseudo-inverse of X'X over all clusters, shape (p, p)
    C          contrasts, shape (p, L)
    """
    turned = M @ C
    meat, square, cross = [], [], []
    for x, e in zip(X, residuals, strict=True):
        adjusted = _root(x, M, x @ turned)
        meat.append(adjusted.T @ e)
        square.append((adjusted**2).sum(axis=0))
        cross.append(x.T @ adjusted)
    V = (np.array(meat) ** 2).sum(axis=0)
    df = [
        _degrees(np.array([s[j] for s in square]), np.array([u[:, j] for u in cross]), M) for j in range(C.shape[1])
    ]
    return Reduced(np.sqrt(V), np.array(df))


def _root(x: np.ndarray, M: np.ndarray, w: np.ndarray) -> np.ndarray:
    """(I - x M x')^(-1/2) w, by the few directions in which it is not the identity."""
    Q, R = np.linalg.qr(x)
    values, vectors = np.linalg.eigh(np.eye(R.shape[0]) - R @ M @ R.T)
    power = np.where(values > SINGULAR, 1.0 / np.sqrt(np.where(values > SINGULAR, values, 1.0)), 0.0)
    along = Q.T @ w
    return w + Q @ ((vectors * power) @ (vectors.T @ along) - along)


def _degrees(square: np.ndarray, U: np.ndarray, M: np.ndarray) -> float:
    """(tr P)^2 / tr(P P) of P = diag(square) - U M U'; shapes (G,), (G, p), (p, p)."""
    UM = U @ M
    own = np.einsum("cp,cp->c", UM, U)
    trace = square.sum() - own.sum()
    inner = U.T @ UM
    squares = (square**2).sum() - 2 * square @ own + np.einsum("pq,qp->", inner, inner)
    return float(trace**2 / squares)
