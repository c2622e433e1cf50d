"""The set of effects that a test does not reject, by finding where it begins to.

On the side of large u, the corner (u - b W)/n_+ is the largest from the switch point on, where it meets the
others. Given that it is the largest, it is normal cut to [L, U] (Lee, Sun, Sun and Taylor 2016, Ann Stat
44:907): with covariances C of the corners T and r_k = C_{+k}/C_{++},

    L = max over r_k < 1 of (T_k - r_k T_+)/(1 - r_k),   U = min over r_k > 1 of the same.

The conditional test rejects where T_+ > 0 and Pr(Z > T_+ | L < Z < U) < alpha. The hybrid C-LF test rejects
first where T_+ exceeds the least favourable critical value c of size kappa, and else tests conditionally
with U no larger than c and the size that is left, (alpha - kappa)/(1 - kappa).

At the switch point itself T_+ = L and the test does not reject, so a piece holds some effect as long as its
largest corner there is at most c. Beyond it the probability falls with u wherever no r_k exceeds 1 (the
hazard of a cut normal increases), and the end is the one root; where some r_k does, it need not fall and
what is accepted need not be one stretch: the outermost of a fine grid is then taken and refined, and the set
is filled in. Sets of several pieces are filled in likewise.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from scipy import special

from evalkit.errors import DesignError
from evalkit.inference.honest._pieces import Pieces

SHARE = 0.1  # kappa / alpha, as in Rambachan and Roth (2023), section 3.3
GRID, HALVINGS = 65, 48
FARTHEST = 40  # doublings of the range of search
NODES, EDGE = 64, 8.5  # of the integral over b, in its standard deviations; 400 nodes agree to 1e-11
CRITICAL = 32  # halvings; the bracket is a tenth of the critical value wide, so 1e-10 of it is left
SAME = 1e-9  # regressions closer to 1 than this do not cut


def interval(found: Pieces, alpha: float, *, hybrid: bool) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest effect not rejected in each piece, shapes (P,); inf and -inf where all are.

    alpha   size of the test
    hybrid  the C-LF test, else the conditional test

    Raises DesignError when the set has no end within reach.
    """
    kappa = SHARE * alpha if hybrid else 0.0
    ceiling = least_favourable(found, kappa) if hybrid else np.full(len(found.bound), np.inf)
    size = (alpha - kappa) / (1 - kappa)
    return found.centre - _reach(found, ceiling, size), found.centre + _reach(found.mirrored(), ceiling, size)


def least_favourable(found: Pieces, kappa: float) -> np.ndarray:
    """c with Pr(largest corner > c) = kappa when every moment has mean zero; shape (P,).

    The corners depend on the normal pair (u, b) alone, and the largest is at most c where

        b >= -c min_j(pairs_j)/2   and   -(n_- c + W b) <= u <= n_+ c + W b,

    whose probability is one integral over b (Gauss and Legendre). No simulation is involved.
    """
    tightest = found.pairs.min(axis=1)
    sizes = _sizes(found)
    low = sizes.max(axis=1) * special.ndtri(1 - kappa)
    high = sizes.max(axis=1) * special.ndtri(1 - kappa / 3)
    x, weight = np.polynomial.legendre.leggauss(NODES)
    deviation = np.sqrt(found.spread)
    slope = np.divide(found.shared, deviation, out=np.zeros_like(deviation), where=deviation > 0)
    rest = np.sqrt(np.maximum(found.variance - slope**2, 1e-14 * found.variance))[:, None]
    for _ in range(CRITICAL):
        c = (low + high) / 2
        with np.errstate(divide="ignore"):
            start = np.maximum(-EDGE, np.where(deviation > 0, -c * tightest / (2 * deviation), -np.inf))
        half = (EDGE - start)[:, None] / 2
        z = start[:, None] + half * (x + 1)
        shift, mean = found.width * deviation[:, None] * z, slope[:, None] * z
        top = special.ndtr(((found.upper * c)[:, None] + shift - mean) / rest)
        bottom = special.ndtr((-(found.lower * c)[:, None] - shift - mean) / rest)
        density = np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
        held = (half * density * np.maximum(top - bottom, 0.0)) @ weight
        enough = held >= 1 - kappa
        low, high = np.where(enough, low, c), np.where(enough, c, high)
    return (low + high) / 2


def _corners(found: Pieces) -> np.ndarray:
    """The corners as weights on (u, b), the upper one first; shape (P, q + 2, 2)."""
    P, q = found.pairs.shape
    out = np.zeros((P, q + 2, 2))
    out[:, 0, 0], out[:, 0, 1] = 1 / found.upper, -found.width / found.upper
    out[:, 1, 0], out[:, 1, 1] = -1 / found.lower, -found.width / found.lower
    out[:, 2:, 1] = -2 / found.pairs
    return out


def _omega(found: Pieces) -> np.ndarray:
    """Covariance of (u, b), shape (P, 2, 2)."""
    variance = np.full_like(found.bound, found.variance)
    return np.stack([np.stack([variance, found.shared], 1), np.stack([found.shared, found.spread], 1)], 1)


def _sizes(found: Pieces) -> np.ndarray:
    """Standard deviations of the corners, shape (P, q + 2)."""
    corners = _corners(found)
    return np.sqrt(np.maximum(np.einsum("pki,pij,pkj->pk", corners, _omega(found), corners), 0.0))


def _reach(found: Pieces, ceiling: np.ndarray, size: float) -> np.ndarray:
    """The largest u not rejected, shape (P,); -inf where every u is."""
    corners = _corners(found)
    switch = _switch(found)
    at_switch = (switch - found.bound * found.width) / found.upper
    held = at_switch <= ceiling
    first = corners[:, 0]
    cross = np.einsum("pi,pij,pkj->pk", first, _omega(found), corners)
    sd = np.sqrt(np.maximum(cross[:, 0], 0.0))
    sure = sd <= SAME * _sizes(found).max(axis=1)  # the corner does not vary: rejected as soon as it is positive
    safe = np.where(sure, 1.0, sd)
    regression = (cross / safe[:, None] ** 2)[:, 1:]

    def accepted(u: np.ndarray) -> np.ndarray:
        largest = (u - (found.bound * found.width)[:, None]) / found.upper[:, None]
        others = corners[:, None, 1:, 0] * u[..., None] + (corners[:, 1:, 1] * found.bound[:, None])[:, None, :]
        chance = _survival(largest, others, regression, (ceiling, safe))
        return np.where(sure[:, None], largest <= 0, (largest <= 0) | (chance >= size))

    far = np.where(np.isinf(ceiling), 4 * found.upper * safe, found.upper * (ceiling - at_switch))
    inside, outside = _bracket(accepted, switch, np.maximum(far, 0.0), open_ended=bool(np.isinf(ceiling).any()))
    for _ in range(HALVINGS):
        middle = (inside + outside) / 2
        kept = accepted(middle[:, None])[:, 0]
        inside, outside = np.where(kept, middle, inside), np.where(kept, outside, middle)
    return np.where(held, inside, -np.inf)


def _switch(found: Pieces) -> np.ndarray:
    """u from which the upper corner is the largest, shape (P,)."""
    largest_pair = (-2 * found.bound[:, None] / found.pairs).max(axis=1)
    against_pairs = found.bound * found.width + found.upper * largest_pair
    against_lower = found.bound * found.width * (found.lower - found.upper) / (found.lower + found.upper)
    return np.maximum(against_pairs, against_lower)


def _survival(
    largest: np.ndarray, others: np.ndarray, regression: np.ndarray, limits: tuple[np.ndarray, np.ndarray]
) -> np.ndarray:
    """Pr(Z > T_+ | L < Z < U), in logarithms so that far tails keep their digits.

    largest     T_+, shape (P, G)
    others      T_k, shape (P, G, q + 1)
    regression  r_k, shape (P, q + 1)
    limits      c and the standard deviation of T_+, shapes (P,)
    """
    ceiling, sd = (limit[:, None] for limit in limits)
    r = regression[:, None, :]
    left = 1 - r
    cut = np.divide(others - r * largest[..., None], left, out=np.zeros_like(others), where=np.abs(left) > SAME)
    lower = np.where(left > SAME, cut, -np.inf).max(axis=2)
    upper = np.minimum(np.where(left < -SAME, cut, np.inf).min(axis=2), ceiling)
    log_t, log_u, log_l = (
        special.log_ndtr(-edge / sd) for edge in (largest, np.maximum(upper, largest), np.minimum(lower, largest))
    )
    with np.errstate(invalid="ignore"):
        chance = np.exp(log_t - log_l) * np.expm1(log_u - log_t) / np.expm1(log_u - log_l)
    return np.nan_to_num(chance, nan=0.0)


def _bracket(
    accepted: Callable[[np.ndarray], np.ndarray], switch: np.ndarray, far: np.ndarray, *, open_ended: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Neighbours on a grid from the switch point on: the outermost accepted one, and the next beyond it.

    open_ended  whether the range has no known end; it is then doubled until its outer half is rejected
    """
    for _ in range(FARTHEST):
        grid = switch[:, None] + far[:, None] * np.linspace(0, 1, GRID)
        taken = accepted(grid)
        taken[:, 0] = True
        last = GRID - 1 - taken[:, ::-1].argmax(axis=1)
        if not open_ended or (last < GRID // 2).all():
            rows = np.arange(len(switch))
            return grid[rows, last], grid[rows, np.minimum(last + 1, GRID - 1)]
        far = np.where(last < GRID // 2, far, 2 * far)
    raise DesignError("the set of effects that are not rejected has no end within reach")
