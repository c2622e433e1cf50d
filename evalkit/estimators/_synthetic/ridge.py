"""The ridge correction of an augmented synthetic control, and how its penalty is chosen.

With C the donors before joining less their mean in each period, shape (n, T0), d the joined course
less the same means, shape (T0,), and w synthetic-control weights, the augmented weights are

    w + C (C'C + penalty I)^-1 (d - C'w)

which sum to one too, since C'1 = 0. Pure functions on arrays.

Source: Ben-Michael, Feller and Rothstein (2021), J Am Stat Assoc 116:1789, equation 8; the grid and the
rule of one standard error are those of their implementation.
"""

from __future__ import annotations

import numpy as np

from evalkit.estimators._synthetic.simplex import simplex

STEPS = 20  # penalties between the largest and the least
LEAST = 1e-8  # the least penalty against the largest


def penalties(X: np.ndarray) -> np.ndarray:
    """The penalties to choose from, largest first, shape (21,): from the largest squared singular value down.

    X  donors before joining, shape (n, T0), their means in each period not yet taken out
    """
    largest = np.linalg.norm(X - X.mean(axis=0), 2) ** 2
    out: np.ndarray = largest * LEAST ** (np.arange(STEPS + 1) / STEPS)
    return out


def augment(X: np.ndarray, y: np.ndarray, unit: np.ndarray, penalty: float) -> np.ndarray:
    """Augmented weights, shape (n,). X, shape (n, T0), donors; y, shape (T0,), the joined; unit, their weights.

    Or stacks of all three, with one more axis in front.
    """
    centre = X.mean(axis=-2)
    C, d = X - centre[..., None, :], y - centre
    U, size, V = np.linalg.svd(C, full_matrices=False)
    left = _times(V, d - _times(np.swapaxes(C, -1, -2), unit))
    return unit + _times(U, left * size / (size**2 + penalty))


def _times(A: np.ndarray, x: np.ndarray) -> np.ndarray:
    """A x; shapes (..., m, n) and (..., n) -> (..., m)."""
    out: np.ndarray = (A @ x[..., None])[..., 0]
    return out


def cross_validated(
    before: np.ndarray,
    joined: np.ndarray,
    grid: np.ndarray,
    *,
    levels: bool,
    start: np.ndarray,
    held_out: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Mean squared error in a period left out, by penalty, and its standard error; shapes (penalties,).

    before    donors before joining, shape (n, T0)
    joined    the joined course, shape (T0,)
    levels    take each unit's mean over the periods that the fold keeps out of all of them
    start     weights from all periods, shape (n,), where the search in each fold begins
    held_out  columns to leave out in turn, all by default
    """
    columns = np.arange(len(joined)) if held_out is None else held_out
    errors = np.empty((len(columns), len(grid)))
    for row, column in enumerate(columns):
        keep = np.arange(len(joined)) != column
        X, y = before, joined
        if levels:
            X, y = X - X[:, keep].mean(axis=1, keepdims=True), y - y[keep].mean()
        errors[row] = _left_out(X, y, keep, grid, start) ** 2
    spread = errors.std(axis=0, ddof=1) / np.sqrt(len(columns)) if len(columns) > 1 else np.zeros(len(grid))
    return errors.mean(axis=0), spread


def _left_out(X: np.ndarray, y: np.ndarray, keep: np.ndarray, grid: np.ndarray, start: np.ndarray) -> np.ndarray:
    """The error in the column not kept, by penalty."""
    centre = X.mean(axis=0)
    C, d = X - centre, y - centre
    inside, outside = C[:, keep], C[:, ~keep][:, 0]
    unit = simplex(inside.T, d[keep], 0.0, start > 0)
    U, size, V = np.linalg.svd(inside, full_matrices=False)
    left = V @ (d[keep] - inside.T @ unit)
    bent = (size * (outside @ U) * left) @ (1 / (size[:, None] ** 2 + grid))
    out: np.ndarray = float(d[~keep][0] - outside @ unit) - bent
    return out


def choose(grid: np.ndarray, error: np.ndarray, spread: np.ndarray) -> float:
    """The largest penalty with an error within one standard error of the least."""
    least = int(np.argmin(error))
    return float(grid[error <= error[least] + spread[least]].max())
