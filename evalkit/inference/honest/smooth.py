"""Bounds by smoothness: departures after joining stay near a straight line.

    Delta^SD(M) = {delta : |delta_{t+1} - 2 delta_t + delta_{t-1}| <= M for all t}

Source: Rambachan and Roth (2023), Rev Econ Stud 90:2555, section 2.4.3; the bounds on M from the path before
joining are those of their package, section "Mpre".
"""

from __future__ import annotations

import numpy as np
from scipy import special, stats

from evalkit.errors import DesignError
from evalkit.inference.honest._pieces import curvature_after, curvature_before
from evalkit.inference.honest._search import HALVINGS
from evalkit.inference.honest._sided import Method, Sign, Test, ends, facing
from evalkit.inference.honest.coefficients import Coefficients

GRID = 513


def smoothness(
    coefficients: Coefficients,
    weights: np.ndarray,
    m: np.ndarray,
    *,
    level: float = 0.95,
    method: Method = "C-LF",
    sign: Sign = "any",
) -> np.ndarray:
    """Robust confidence set for l'tau by moments after joining; shape (len(m), 2), low and high.

    It rests on the line through the base period and the one before it. `fixed_length` uses all periods before
    joining and is usually shorter. M is in the outcome's unit per period squared.

    sign  of the departures after joining, as for `relative_magnitudes` (Delta^SDPB and Delta^SDNB); the
          fixed-length interval has no such version, because its length cannot answer to where the path is

    Raises DesignError when there is a gap from the period before the base on; where the sign is known, for a
    weight below zero, and when the line before joining contradicts the sign, so that nothing is left.
    """
    m = np.atleast_1d(np.asarray(m, float))
    if not (np.isfinite(m).all() and (m >= 0).all()):
        raise DesignError("M must be a number of at least 0")
    bounds = np.zeros((len(m), len(coefficients.beta) + 1))
    bounds[:, -1] = m
    turned, flip = facing(coefficients, sign)
    found = ends(turned, weights, curvature_after(coefficients), bounds, Test(level, method, sign))
    sets = np.stack(found, axis=1)
    if not np.isfinite(sets).all():
        raise DesignError(
            f"every effect is rejected: the course before joining leads away from the sign `{sign}`",
            fix="leave `sign` at any, or allow a larger M",
        )
    return flip(sets)


def largest_bend(coefficients: Coefficients) -> float:
    """The largest second difference up to the base period in absolute value, as estimated.

    Bends across a gap are left out. Raises DesignError when there is none.
    """
    return float(np.abs(_bends(coefficients) @ coefficients.beta).max())


def curvature_bounds(coefficients: Coefficients, level: float = 0.95) -> tuple[float, float]:
    """One-sided bounds on the largest bend before joining, each with the stated level: (low, high).

    high = max_s (|b_s| + z se_s) over the second differences b_s. low is the smallest M >= 0 that the
    conditional test of |E b_s| <= M for all s does not reject; 0 when M = 0 itself is not rejected.
    Raises DesignError when there is no second difference before joining.
    """
    rows = _bends(coefficients)
    both = np.vstack([rows, -rows])
    bend, covariance = both @ coefficients.beta, both @ coefficients.sigma @ both.T
    sd = np.sqrt(np.diag(covariance))
    high = float((bend + stats.norm.ppf(level) * sd).max())
    correlation = covariance / np.outer(sd, sd)
    grid = np.linspace(0.0, max(float(bend.max()), 0.0), GRID)
    kept = np.array([_not_rejected(M, bend, sd, correlation, 1 - level) for M in grid])
    first = int(kept.argmax())  # at the largest bend itself no moment is positive, so some M is kept
    if first == 0:
        return 0.0, high
    outside, inside = grid[first - 1], grid[first]
    for _ in range(HALVINGS):
        middle = (outside + inside) / 2
        if _not_rejected(middle, bend, sd, correlation, 1 - level):
            inside = middle
        else:
            outside = middle
    return float(inside), high


def _bends(coefficients: Coefficients) -> np.ndarray:
    rows = curvature_before(coefficients)
    if not len(rows):
        raise DesignError("no bend before joining is seen", fix="widen the window before joining")
    return rows


def _not_rejected(M: float, bend: np.ndarray, sd: np.ndarray, correlation: np.ndarray, alpha: float) -> bool:
    """Conditional test of E b_s <= M for all s: the largest t-statistic, given that it is the largest."""
    t = (bend - M) / sd
    top = int(t.argmax())
    if t[top] <= 0:
        return True
    r = np.delete(correlation[top], top)
    cut = (np.delete(t, top) - r * t[top])[r < 1] / (1 - r[r < 1])
    lower = float(cut.max(initial=-np.inf))
    chance = np.exp(special.log_ndtr(-t[top]) - special.log_ndtr(-min(lower, t[top])))
    return bool(chance >= alpha)
