"""The shortest fixed-length confidence interval under smoothness.

An estimate l'beta_post + v'beta_pre of theta = l'tau is biased by at most M times

    sum_{m=1}^{q-1} |sum_{t>m} l_t (t - m)| + |k_0| + sum_{m=1}^{p-1} |k_m|,   k_m = sum_{s>m} v_{-s} (s - m),

over Delta^SD(M) if k_0 = sum_t l_t t (it must not react to a straight line), and without bound otherwise. Its
interval is -/+ sd cv(bias/sd), cv(x) the 1 - alpha quantile of |N(x, 1)|. That grows with bias and with sd,
so the best v lies where neither can fall without the other rising:

    min over k_1..k_{p-1} of  variance(k)/2 + lambda sum_m |k_m|,   lambda >= 0,

a lasso with at most p - 1 coefficients, whose whole path in lambda is found exactly by following its
straight segments (no quadratic programme). The best point of every segment is then searched for, and the
best of all taken. M = 0 ends at lambda = 0: generalised least squares extrapolation of a straight line.

Source: Rambachan and Roth (2023), Rev Econ Stud 90:2555, section 3.2; Armstrong and Kolesar (2020), Quant
Econ 11:1; path: Osborne, Presnell and Turlach (2000), IMA J Numer Anal 20:389.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

from evalkit.errors import DesignError
from evalkit.inference.honest.coefficients import Coefficients

NEWTON, GOLDEN = 30, 70
SINGULAR = 1e-10  # an eigenvalue of a correlation matrix below this is rounding
RATIO = (5**0.5 - 1) / 2


@dataclass(frozen=True, eq=False)
class FixedLength:
    """Interval, its weights on all coefficients, shape (p + q,), and what its half-length is made of."""

    low: float
    high: float
    weights: np.ndarray
    std_error: float
    bias: float

    @property
    def half(self) -> float:
        """Half the length."""
        return (self.high - self.low) / 2


@dataclass(frozen=True, eq=False)
class _Problem:
    """variance(k) = k'H k - 2 c'k + rest and bias(k)/M = floor + sum |k_m|; v_pre = fixed + turn @ k."""

    H: np.ndarray
    c: np.ndarray
    rest: float
    floor: float
    fixed: np.ndarray
    turn: np.ndarray


def folded_quantile(x: np.ndarray, level: float) -> np.ndarray:
    """c with Pr(|N(x, 1)| <= c) = level, for x >= 0, any shape.

    Newton steps from below: the probability is increasing and concave in c > x, so they never overshoot.
    """
    x = np.asarray(x, float)
    c = np.maximum(x + special.ndtri(level), special.ndtri(0.5 + level / 2))
    for _ in range(NEWTON):
        held = special.ndtr(c - x) - special.ndtr(-c - x)
        slope = (np.exp(-((c - x) ** 2) / 2) + np.exp(-((c + x) ** 2) / 2)) / np.sqrt(2 * np.pi)
        c = c + np.maximum(level - held, 0.0) / slope
    return c


def fixed_length(coefficients: Coefficients, weights: np.ndarray, m: float, level: float = 0.95) -> FixedLength:
    """The shortest fixed-length interval for l'tau under Delta^SD(m).

    weights  l, one for each coefficient after joining, shape (q,); gaps after joining weigh nothing
    m        M, in the outcome's unit per period squared

    Raises DesignError when no coefficient stands before the base period, when they have gaps, or when their
    covariance is singular.
    """
    if not (np.isfinite(m) and m >= 0):
        raise DesignError("M must be a number of at least 0")
    if m > 0 and (coefficients.after % 1).any():
        raise DesignError("bends are not defined between whole periods", fix="ask for the straight line, M = 0")
    target = coefficients.target(weights)
    problem = _problem(coefficients, target)
    k = _best(problem, _path(problem.H, problem.c), m, level)
    full = target.copy()
    full[: coefficients.p] = problem.fixed + problem.turn @ k
    sd = float(np.sqrt(full @ coefficients.sigma @ full))
    bias = m * (problem.floor + float(np.abs(k).sum()))
    half = sd * float(folded_quantile(np.array(bias / sd), level))
    centre = float(full @ coefficients.beta)
    return FixedLength(centre - half, centre + half, full, sd, bias)


def _problem(coefficients: Coefficients, target: np.ndarray) -> _Problem:
    p = coefficients.p
    if not p or coefficients.before[0] != -p:
        raise DesignError(
            "a straight line needs periods before the base period without gaps", fix="widen `window` before joining"
        )
    t, post = coefficients.after.astype(float), target[p:]
    slope = float(t @ post)
    later = np.arange(1, int(t[-1]))
    floor = abs(slope) + float(np.abs(np.maximum(t - later[:, None], 0.0) @ post).sum())
    # v_{-s} = k_{s-1} - 2 k_s + k_{s+1}; rows s = p..1 as the coefficients stand, columns k_0..k_{p-1}
    s, j = np.arange(p, 0, -1)[:, None], np.arange(p)
    turn = (j == s - 1) * 1.0 - 2.0 * (j == s) + (j == s + 1)
    S, cross = coefficients.sigma[:p, :p], coefficients.sigma[:p, p:] @ post
    fixed, free = slope * turn[:, 0], turn[:, 1:]
    H = free.T @ S @ free
    involved = np.block([[S, cross[:, None]], [cross[None, :], post @ coefficients.sigma[p:, p:] @ post]])
    size = np.sqrt(np.diag(involved))
    if size.min() <= 0 or np.linalg.eigvalsh(involved / np.outer(size, size)).min() <= SINGULAR:
        raise DesignError(
            f"the {p} coefficients before joining rest on too few clusters to be told apart",
            fix="cluster on a finer level, or look at fewer periods",
        )
    rest = float(fixed @ S @ fixed + 2 * fixed @ cross + post @ coefficients.sigma[p:, p:] @ post)
    return _Problem(H, -free.T @ (S @ fixed + cross), rest, floor, fixed, free)


def _path(H: np.ndarray, c: np.ndarray) -> np.ndarray:
    """Corners of the lasso path min k'Hk/2 - c'k + lambda |k|_1 from lambda = inf to 0; shape (corners, p - 1)."""
    k = np.zeros_like(c)
    if not c.size or not c.any():
        return k[None]
    corners, penalty = [k.copy()], float(np.abs(c).max())
    sign = np.zeros_like(c)
    first = int(np.abs(c).argmax())
    sign[first] = np.sign(c[first])
    for _ in range(20 * len(c)):
        active = np.flatnonzero(sign)
        inverse = np.linalg.inv(H[np.ix_(active, active)])
        at_zero, slope = inverse @ c[active], -inverse @ sign[active]
        penalty, which, leaves = _next(H, c, (active, at_zero, slope), penalty)
        k = np.zeros_like(c)
        k[active] = at_zero + penalty * slope
        if leaves:
            k[which] = 0.0
        corners.append(k)
        if penalty <= 0:
            return np.array(corners)
        sign[which] = 0.0 if leaves else np.sign(c[which] - H[which] @ k)
    raise DesignError("the weights of the fixed-length interval could not be found")


def _next(
    H: np.ndarray, c: np.ndarray, line: tuple[np.ndarray, np.ndarray, np.ndarray], penalty: float
) -> tuple[float, int, bool]:
    """The next penalty at which a coefficient joins or leaves, which one, and whether it leaves."""
    active, at_zero, slope = line
    best, which, leaves = 0.0, -1, False
    below = penalty * (1 - 1e-12)
    with np.errstate(divide="ignore", invalid="ignore"):
        crossing = -at_zero / slope
    for i, at in zip(active, crossing, strict=True):
        if best < at < below:
            best, which, leaves = float(at), int(i), True
    for i in np.setdiff1d(np.arange(len(c)), active):
        left, rise = c[i] - H[i, active] @ at_zero, -H[i, active] @ slope
        for at in (left / (1 - rise) if rise != 1 else 0.0, -left / (1 + rise) if rise != -1 else 0.0):
            if best < at < below:
                best, which, leaves = float(at), int(i), False
    return best, which, leaves


def _best(problem: _Problem, corners: np.ndarray, m: float, level: float) -> np.ndarray:
    """The point of the path with the shortest interval: golden sections along all its segments at once."""
    if m == 0 or len(corners) == 1:
        return corners[-1]
    start, step = corners[:-1], np.diff(corners, axis=0)

    def half(x: np.ndarray) -> np.ndarray:
        k = start + x[:, None] * step
        variance = np.einsum("ki,ij,kj->k", k, problem.H, k) - 2 * k @ problem.c + problem.rest
        sd = np.sqrt(np.maximum(variance, 1e-300))
        return sd * folded_quantile(m * (problem.floor + np.abs(k).sum(axis=1)) / sd, level)

    low, high = np.zeros(len(start)), np.ones(len(start))
    for _ in range(GOLDEN):
        one, two = high - RATIO * (high - low), low + RATIO * (high - low)
        better = half(one) < half(two)
        low, high = np.where(better, low, one), np.where(better, two, high)
    x = (low + high) / 2
    points = np.vstack([start + x[:, None] * step, corners])
    lengths = np.concatenate([half(x), half(np.zeros(len(start))), half(np.ones(len(start)))[-1:]])
    return np.asarray(points[int(lengths.argmin())])
