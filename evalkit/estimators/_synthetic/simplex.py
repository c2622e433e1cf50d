"""Least squares with weights that are at least nought and sum to one, solved exactly.

    min over w   ||A w - b||^2 + r ||w||^2     subject to  w >= 0,  sum(w) = 1

with A, shape (m, n), b, shape (m,), r >= 0. On a known support S the conditions for the optimum are
linear: for i in S

    a_i'u + mu = r w_i,     u = b - A w,     sum(w) = 1                                   (1)

and the support is right when w is positive on it and a_i'u + mu <= 0 off it. (1) is solved in the
weights when S has at most m members, and in the residual u / r when it has more: each is well
conditioned where the other is not, so that a ridge of next to nought, whose only task is to choose
among perfect fits, does no harm. The support is guessed (`guess`), confirmed or mended by exchanging
all offenders at once, which mostly ends after a few rounds, and found by an active-set method, which
always ends, where it does not. Of a stack of problems each is confirmed alone, so that its weights are,
to the last digit, those that it has outside the stack.

Sources: Nocedal and Wright (2006), Numerical Optimization, section 16.5 (active sets); Kim and Park
(2011), SIAM J Sci Comput 33:3261 (exchanging many at once).
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
from numpy.linalg import LinAlgError
from scipy.linalg.lapack import dpotrf, dpotrs

from evalkit.errors import DesignError
from evalkit.estimators._synthetic import guess

LEAST_RIDGE = 1e-9  # against the mean square of A, so that the optimum is one point, and no start finds another
ZERO = 1e-13  # a weight or a gain this small is rounding
ROUNDS = 40  # exchanges of many members before the active-set method takes over
STEPS = 20  # steps of the active-set method a column
MATRIX = 2  # axes
KEPT = 300  # stacks whose weights are kept, a few thousand numbers each

_recent: dict[bytes, np.ndarray] = {}  # weights by what they were asked of


@dataclass(frozen=True, eq=False)
class _Point:
    """A solution of (1): weights, shape (n,), nought off the support, and the gain of every column.

    The gain of a column is a_i'u + mu off the support, in units in which rounding is `ZERO`.
    """

    weights: np.ndarray
    gain: np.ndarray


def simplex(A: np.ndarray, b: np.ndarray, ridge: float | np.ndarray, start: np.ndarray | None = None) -> np.ndarray:
    """The optimal weights, shape (n,), or a row for each of a stack of problems.

    A      shape (m, n), a column a donor, or a stack of such, shape (B, m, n)
    b      shape (m,) or (B, m), what is to be matched
    ridge  r, in the squared unit of A; one, or one a problem
    start  which columns are thought to have weight, booleans, shape (n,) or (B, n); it saves time, and does not
           move the optimum

    Weights sum to one, so a constant added to a row of A and to the same entry of b changes nothing:
    rows are centred and everything is scaled first. Raises DesignError when no optimum is found.
    """
    columns = A.shape[-1]
    if columns == 1:
        return np.ones((*A.shape[:-2], 1))
    centre = A.mean(axis=-1)
    A, b = A - centre[..., None], b - centre
    size = _mean_square(A)
    even = ~(size > 0)
    size = np.where(even, 1.0, size)
    scale = np.sqrt(size)
    A, b = A / scale[..., None, None], b / scale[..., None]
    r = np.where(np.isfinite(ridge), np.maximum(np.asarray(ridge) / size, LEAST_RIDGE), LEAST_RIDGE)
    if A.ndim > MATRIX:
        found = _each(A, b, r, start)
    else:
        found = np.full(columns, 1 / columns) if even else _one(A, b, float(r), start)
    return np.where(even[..., None], 1 / columns, found)


def _mean_square(A: np.ndarray) -> np.ndarray:
    """Mean square of a matrix, or of each of a stack; added up as they lie in memory."""
    square = A**2
    if square.strides[-1] > square.strides[-2]:
        square = np.swapaxes(square, -1, -2)
    out: np.ndarray = square.reshape(*square.shape[:-2], -1).mean(axis=-1)
    return np.asarray(out)


def _each(A: np.ndarray, b: np.ndarray, ridge: np.ndarray, start: np.ndarray | None) -> np.ndarray:
    """The weights of a stack of scaled problems, which two designs may ask for: the same is not solved again."""
    key = blake2b(b"".join(np.ascontiguousarray(part).tobytes() for part in (A.shape, A, b, ridge))).digest()
    if key not in _recent:
        if len(_recent) >= KEPT:
            del _recent[next(iter(_recent))]
        _recent[key] = _solved_each(A, b, ridge, start)
    return _recent[key].copy()


def _solved_each(A: np.ndarray, b: np.ndarray, ridge: np.ndarray, start: np.ndarray | None) -> np.ndarray:
    """Supports are guessed together where a ridge makes that quick, and each is confirmed alone."""
    begun = np.broadcast_to(np.ones(1, bool) if start is None else start, (len(A), A.shape[-1]))
    if not (ridge > LEAST_RIDGE).all():
        return np.array([_one(*problem) for problem in zip(A, b, ridge.tolist(), begun, strict=True)])
    support, sure = guess.together(A, b, ridge, begun)
    return np.array([
        _confirmed(A[i], b[i], r, support[i]) if sure[i] else _one(A[i], b[i], r, begun[i])
        for i, r in enumerate(ridge.tolist())
    ])  # fmt: skip


def _one(A: np.ndarray, b: np.ndarray, ridge: float, start: np.ndarray | None) -> np.ndarray:
    """The weights of a scaled problem."""
    support = guess.alone(A, b, _visible(ridge))
    return _confirmed(A, b, ridge, _begin(start, A.shape[1]) if support is None else support)


def _visible(ridge: float) -> float:
    """The ridge, or nought where it is the least."""
    return ridge if ridge > LEAST_RIDGE else 0.0


def _begin(start: np.ndarray | None, columns: int) -> np.ndarray:
    """The support to begin from where none is guessed."""
    return np.ones(columns, bool) if start is None or not start.any() else start.copy()


def _confirmed(A: np.ndarray, b: np.ndarray, ridge: float, support: np.ndarray) -> np.ndarray:
    """The weights of a scaled problem from a support that is thought right."""
    found = _exchange(A, b, ridge, support)
    if found is not None:
        return found
    try:
        return _active_set(A, b, ridge)
    except LinAlgError:
        raise _unsolved() from None


def _on_support(A: np.ndarray, b: np.ndarray, ridge: float, support: np.ndarray) -> _Point:
    """Solve (1) on a support."""
    inside = A[:, support]
    rows, members = inside.shape
    weights = np.zeros(A.shape[1])
    if members <= rows:
        weights[support], mu = _in_weights(inside, b, ridge)
        residual = b - inside @ weights[support]
        size = 1 + np.sqrt(rows) * np.sqrt(b @ b)
        return _Point(weights, (A.T @ residual + mu) / size)
    system = np.empty((rows + 1, rows + 1))
    system[:rows, :rows] = inside @ inside.T
    system.reshape(-1)[: rows * (rows + 1) : rows + 2] += ridge
    system[rows, :rows] = system[:rows, rows] = inside.sum(axis=1)
    system[rows, rows] = members
    dual = _solved(_factor(system), np.append(b, 1.0))
    weights[support] = inside.T @ dual[:rows] + dual[rows]
    return _Point(weights, A.T @ dual[:rows] + dual[rows])


def _in_weights(inside: np.ndarray, b: np.ndarray, ridge: float) -> tuple[np.ndarray, float]:
    """Weights and mu from the normal equations, with one correction by the residual itself."""
    members = inside.shape[1]
    normal = inside.T @ inside
    normal.reshape(-1)[:: members + 1] += ridge
    factor = _factor(normal)
    ray = _solved(factor, np.ones(members))
    total = ray.sum()
    weights, mu = np.zeros(members), 0.0
    for _ in range(2):
        left = inside.T @ (b - inside @ weights) - ridge * weights + mu
        step = _solved(factor, left)
        shift = (1 - weights.sum() - step.sum()) / total
        weights, mu = weights + step + shift * ray, mu + shift
    return weights, float(mu)


def _factor(system: np.ndarray) -> np.ndarray:
    """The lower Cholesky factor of a positive definite system. Raises LinAlgError when it is none."""
    factor, failed = dpotrf(system, lower=1, overwrite_a=1)
    if failed:
        raise LinAlgError("not positive definite")
    out: np.ndarray = factor
    return out


def _solved(factor: np.ndarray, right: np.ndarray) -> np.ndarray:
    out: np.ndarray = dpotrs(factor, right, lower=1)[0]
    return out


def _exchange(A: np.ndarray, b: np.ndarray, ridge: float, support: np.ndarray) -> np.ndarray | None:
    """The optimum by exchanging all offenders at once; None when that goes round in circles."""
    seen: set[bytes] = set()
    for _ in range(ROUNDS):
        key = support.tobytes()
        if key in seen or not support.any():
            return None
        seen.add(key)
        try:
            point = _on_support(A, b, ridge, support)
        except LinAlgError:
            return None
        out = support & (point.weights < -ZERO)
        into = ~support & (point.gain > ZERO)
        if not out.any() and not into.any():
            return _tidied(point.weights)
        support = (support & ~out) | (into if not out.any() else np.zeros_like(into))
    return None


def _active_set(A: np.ndarray, b: np.ndarray, ridge: float) -> np.ndarray:
    """The optimum by a feasible active-set method: one column in, or one out, at a time."""
    weights = np.zeros(A.shape[1])
    weights[np.argmin(((A - b[:, None]) ** 2).sum(axis=0))] = 1.0
    support, added = weights > 0, -1
    for _ in range(STEPS * A.shape[1] + 100):
        target = _on_support(A, b, ridge, support)
        low = support & (target.weights <= 0)
        if low.any():
            if added >= 0 and low[added] and target.weights[added] <= 0 and weights[added] == 0:
                return _tidied(weights)  # the last gain was rounding
            share = weights[low] / (weights[low] - target.weights[low])
            weights = weights + share.min() * (target.weights - weights)
            gone = np.flatnonzero(low)[share <= share.min()]
            support[gone], weights[gone] = False, 0.0
            added = -1
            continue
        weights = target.weights
        gain = np.where(support, -np.inf, target.gain)
        added = int(np.argmax(gain))
        if gain[added] <= ZERO:
            return _tidied(weights)
        support[added] = True
    raise _unsolved()


def _unsolved() -> DesignError:
    return DesignError("no synthetic weights could be found", fix="leave out donors that are copies of each other")


def _tidied(weights: np.ndarray) -> np.ndarray:
    """Weights with rounding taken off, summing to one."""
    kept = np.where(weights > ZERO, weights, 0.0)
    out: np.ndarray = kept / kept.sum()
    return out
