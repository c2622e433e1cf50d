"""The search for rho: the least of the restricted deviance of `Pairs` between its bounds, and its interval."""

from __future__ import annotations

import numpy as np
from scipy import stats

from evalkit.estimators._its._pairs import SHARED, Pairs

LOWEST, HIGHEST = -0.9, 0.98
GRID = np.concatenate([np.linspace(LOWEST, 0.6, 26), np.linspace(0.64, HIGHEST, 15)])
STEPS = 60  # refinement ends far earlier; false position with halving at least halves the bracket every other step
CLOSE = 1e-10
CLOSE_BY = 0.02  # how far rho is looked for at first from that of the step before
FINE = np.linspace(LOWEST, HIGHEST, 377)  # steps of 0.005, for the interval of rho

Ends = tuple[np.ndarray, np.ndarray]


def minimise(
    pairs: Pairs, series: int, left: int, near: np.ndarray | None = None, close: float = CLOSE
) -> np.ndarray:
    """rho of each series, shape (s,): the best cell of the grid, then false position on the score.

    near  where to begin, shape (s,): the valley that it lies in is then followed, so that steps of reweighting
          cannot leap to and fro between two valleys of much the same depth
    close  how near to its value rho is wanted
    """
    if near is not None:
        return _refine(pairs, left, *_around(pairs, left, near), close)
    own = pairs.basis.ndim > SHARED  # else the same rho of every series has the same cross-products of the design
    values = pairs.objective(np.repeat(GRID[:, None], series if own else 1, axis=1), left)
    best = values.argmin(axis=0)
    low, high = GRID[np.maximum(best - 1, 0)], GRID[np.minimum(best + 1, len(GRID) - 1)]
    return _refine(pairs, left, (low, high), (pairs.score(low, left), pairs.score(high, left)), close)


def _around(pairs: Pairs, left: int, near: np.ndarray) -> tuple[Ends, Ends]:
    """Ends around `near` between which the score rises through nought, or a bound; and the scores there."""
    step = np.full_like(near, CLOSE_BY)
    low, high = np.maximum(near - step, LOWEST), np.minimum(near + step, HIGHEST)
    below, above = pairs.score(low, left), pairs.score(high, left)
    while True:
        down, up = (below > 0) & (low > LOWEST), (above < 0) & (high < HIGHEST)
        if not (down.any() or up.any()):
            return (low, high), (below, above)
        step = 2 * step
        low, high = (
            np.where(down, np.maximum(low - step, LOWEST), np.where(up, high, low)),
            np.where(up & ~down, np.minimum(high + step, HIGHEST), np.where(down, low, high)),
        )
        below, above = pairs.score(low, left), pairs.score(high, left)


def _refine(pairs: Pairs, left: int, ends: Ends, scores: Ends, close: float) -> np.ndarray:
    """Where the score is nought between two ends, by false position; an end where it does not change sign."""
    (low, high), (below, above) = ends, scores
    at_low, at_high = below >= 0, above <= 0  # rising from the left end, or falling to the right one
    rho = np.where(at_low, low, np.where(at_high, high, (low + high) / 2))
    going = ~(at_low | at_high)
    side = np.zeros(len(low))
    for _ in range(STEPS):
        if not going.any():
            break
        guess = high - above * (high - low) / np.where(going, above - below, 1.0)
        rho = np.where(going, guess, rho)
        value = pairs.score(rho, left)
        right = value > 0
        # halve the score at an end that stays put twice (Illinois rule), lest convergence be one-sided
        below = np.where(right, np.where(side == 1, below / 2, below), value)
        above = np.where(right, value, np.where(side == -1, above / 2, above))
        high, low = np.where(right, rho, high), np.where(right, low, rho)
        side = np.where(right, 1, -1)
        going &= (high - low > close) & (np.abs(value) > close)
    return np.clip(rho, LOWEST, HIGHEST)


def interval(pairs: Pairs, left: int, level: float) -> tuple[float, float]:
    """Profile-likelihood interval of the rho of one series, inside its bounds.

    All rho at which l(rho) - min l stays within the `level` quantile of chi-squared on one degree of freedom,
    found on steps of 0.005 and interpolated; from the lowest to the highest where they are not in one piece.

    left  n - k
    """
    values = pairs.objective(FINE[:, None], left)[:, 0]
    above = values - values.min() - float(stats.chi2.ppf(level, 1))
    inside = np.flatnonzero(above <= 0)
    return _crossing(above, int(inside[0]), -1), _crossing(above, int(inside[-1]), 1)


def _crossing(above: np.ndarray, end: int, step: int) -> float:
    """Where the deviance crosses the limit beyond the last step inside it; the bound itself if it never does."""
    if not 0 <= end + step < len(FINE):
        return float(FINE[end])
    share = above[end] / (above[end] - above[end + step])
    return float(FINE[end] + share * (FINE[end + step] - FINE[end]))
