"""Which columns have weight in the problem of `simplex`: a guess, for one problem or for many alike at once.

With G = A'A + r I and c = A'b the weights on a support S, nought elsewhere, are

    w_S = G_SS^-1 (c_S + mu 1),   mu such that they sum to one,   gain_i = c_i - (G w)_i + mu off S

and S is right when w is positive on it and no gain is. For many problems S is found by exchanging all offenders at
once, each problem from a start of its own, all of them in the same few array operations. Products of A lose half of
the digits, so that this is a guess, which `simplex` confirms or mends by the residuals themselves.

Source: Kim and Park (2011), SIAM J Sci Comput 33:3261 (exchanging many at once).
"""

from __future__ import annotations

import numpy as np
from numpy.linalg import LinAlgError
from scipy.optimize import nnls

SUM = 30.0  # weight of the row that makes weights sum to one, rows of the data being of size one
PERFECT = 1e-6  # root mean squared distance under which a fit is perfect
CLEAR = 1e-11  # a gain this small against the rows is rounding of products
ROUNDS = 12  # exchanges before a problem is looked at alone


def alone(A: np.ndarray, b: np.ndarray, ridge: float) -> np.ndarray | None:
    """The support by least squares with weights of at least nought, the sum a row among the others.

    ridge  nought where it is too small to be seen here

    It is nearly always that of the optimum. None where the fit is perfect: many supports then fit, and the ridge has
    to choose.
    """
    rows, columns = A.shape
    system, right = np.vstack([A, np.full(columns, SUM)]), np.append(b, SUM)
    if ridge > 0:
        system, right = np.vstack([system, np.sqrt(ridge) * np.eye(columns)]), np.append(right, np.zeros(columns))
    try:
        weights, left = nnls(system, right)
    except RuntimeError:  # too many steps
        return None
    return weights > 0 if left > PERFECT * np.sqrt(rows) else None


def together(A: np.ndarray, b: np.ndarray, ridge: np.ndarray, start: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Supports of many problems, booleans, shape (B, n), and for which of them they are to be relied on, shape (B,).

    A      shape (B, m, n)
    b      shape (B, m)
    ridge  shape (B,)
    start  where each begins, booleans, shape (B, n)
    """
    count, rows, columns = A.shape
    gram = np.swapaxes(A, -1, -2) @ A
    gram[:, range(columns), range(columns)] += ridge[:, None]
    right = (b[:, None, :] @ A)[:, 0]
    support = start | ~start.any(axis=1, keepdims=True)
    weights, found = np.zeros((count, columns)), np.zeros(count, bool)
    left = np.arange(count)
    try:
        for _ in range(ROUNDS):
            inside = support[left]
            weights[left], gain = _on(gram[left], right[left], inside)
            out, into = inside & (weights[left] < 0), ~inside & (gain > CLEAR * rows)
            done = ~(out.any(axis=1) | into.any(axis=1))
            found[left[done]] = True
            support[left] = (inside & ~out) | into
            left = left[~done & support[left].any(axis=1)]
            if not len(left):
                break
    except LinAlgError:
        return support, found
    miss = ((b - (A @ weights[..., None])[..., 0]) ** 2).sum(axis=1) + ridge * (weights**2).sum(axis=1)
    return support, found & (miss > PERFECT**2 * rows)


def _on(gram: np.ndarray, right: np.ndarray, support: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weights on supports, and the gain of every column; shapes (B, n) each."""
    most = int(support.sum(axis=1).max())
    order = np.argsort(~support, axis=1, kind="stable")[:, :most]
    inside = np.take_along_axis(support, order, axis=1)
    at = np.arange(len(gram))[:, None]
    system = gram[at[:, :, None], order[:, :, None], order[:, None, :]] * (inside[:, :, None] & inside[:, None, :])
    system[:, range(most), range(most)] += ~inside
    asked = np.stack([np.take_along_axis(right, order, axis=1) * inside, inside.astype(float)], axis=-1)
    plain, ray = np.moveaxis(np.linalg.solve(system, asked), -1, 0)
    mu = (1 - plain.sum(axis=1)) / ray.sum(axis=1)
    weights = np.zeros(right.shape)
    weights[at, order] = plain + mu[:, None] * ray
    return weights, right - (gram @ weights[..., None])[..., 0] + mu[:, None]
