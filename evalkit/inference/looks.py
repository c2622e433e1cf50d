"""Looking more than once at data that keep arriving: how far an estimate must be from zero at each look.

Symbols: Z_1 ... Z_K, the test statistic at each look, standard normal where there is no effect, with
Cov(Z_j, Z_k) = sqrt(t_j / t_k) for j <= k; t_k, the share of the planned information seen by look k,
0 < t_1 < ... < t_K <= 1; c_k, the critical values: an effect is claimed at the first k with |Z_k| >= c_k.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from scipy import optimize, special

from evalkit.errors import DesignError

Spending = Literal["obrien_fleming", "pocock"]

POINTS = 801  # of the grid, odd for Simpson's rule; boundaries are then right to 1e-7 at evenly spaced looks
REACH = 8.0  # standard deviations that the grid covers
BEYOND = 40.0  # a critical value that no statistic reaches: nothing is left to spend
LEAST = 1e-14  # an error rate below this is not worth a boundary


def spent(share: np.ndarray, alpha: float, spending: Spending) -> np.ndarray:
    """The two-sided error rate used up by each share of the information; shape (K,), alpha from share 1 on.

    With a = alpha / 2 a side: `obrien_fleming` 2 - 2 Phi(z_{1 - a/2} / sqrt(t)), `pocock` a log(1 + (e - 1) t), each
    doubled. Source: Lan and DeMets (1983), Biometrika 70:659.
    """
    t = np.minimum(np.asarray(share, float), 1.0)
    side = alpha / 2
    if spending == "pocock":
        return 2 * side * np.log1p((math.e - 1) * t)
    return 4 * special.ndtr(special.ndtri(side / 2) / np.sqrt(t))


def boundaries(share: np.ndarray, alpha: float, spending: Spending) -> np.ndarray:
    """Critical values c_k, shape (K,), such that Pr(first |Z_j| >= c_j at look k) is what is spent between looks.

    The density of S_k = Z_k sqrt(t_k) among paths that crossed nothing is carried from look to look by numerical
    integration (Armitage, McPherson and Rowe 1969, J R Stat Soc A 132:235). A look at which nothing is left to
    spend has an infinite critical value.

    Raises DesignError when shares do not rise, or are not above 0.
    """
    t = np.asarray(share, float)
    if not len(t) or (t <= 0).any() or (np.diff(t) <= 0).any():
        raise DesignError("the share of the planned information must rise from look to look and be above 0")
    steps = np.diff(spent(t, alpha, spending), prepend=0.0)
    out, walk = [], _Walk()
    for now, step in zip(t, steps, strict=True):
        out.append(walk.critical(now, step) if step > LEAST else math.inf)
        walk.stop(out[-1] * math.sqrt(now), now)
    return np.array(out)


def crossing(critical: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Pr(|Z_j| >= c_j for some j <= k) where there is no effect, shape (K,); as `boundaries` computes it."""
    walk, out, total = _Walk(), [], 0.0
    for c, t in zip(critical, share, strict=True):
        total += walk.beyond(c * math.sqrt(t), t)
        out.append(total)
        walk.stop(c * math.sqrt(t), t)
    return np.array(out)


class _Walk:
    """S on a grid: the density of paths that have crossed nothing so far, with Simpson weights.

    S_k = S_{k-1} + N(0, t_k - t_{k-1}), S_0 = 0.
    """

    def __init__(self) -> None:
        self.t = 0.0
        self.grid = np.zeros(1)
        self.mass = np.ones(1)  # density times weight of the grid

    def beyond(self, limit: float, t: float) -> float:
        """Pr(nothing crossed before, and |S_t| >= limit)."""
        scale = math.sqrt(t - self.t)
        tails = special.ndtr((self.grid - limit) / scale) + special.ndtr((-self.grid - limit) / scale)
        return float(self.mass @ tails)

    def critical(self, t: float, step: float) -> float:
        """The c for which `beyond` of c sqrt(t) is `step`."""
        root = math.sqrt(t)
        found = optimize.brentq(lambda c: self.beyond(c * root, t) - step, 0.0, BEYOND, xtol=1e-12)
        return float(found)

    def stop(self, limit: float, t: float) -> None:
        """Go on to t with the paths inside (-limit, limit) only."""
        scale = math.sqrt(t - self.t)
        edge = min(limit, REACH * math.sqrt(t))
        grid = np.linspace(-edge, edge, POINTS)
        steps = (grid[:, None] - self.grid) / scale
        density = np.exp(-0.5 * steps**2) @ self.mass / (scale * math.sqrt(2 * math.pi))
        weight = np.full(POINTS, 2.0)
        weight[1::2], weight[0], weight[-1] = 4.0, 1.0, 1.0
        self.t, self.grid = t, grid
        self.mass = density * weight * (grid[1] - grid[0]) / 3


def always_valid(time: float, tuned: float, alpha: float) -> float:
    """The critical value of a confidence sequence at one look: intervals that all hold the truth at once.

    With S a Brownian motion at `time` v, Pr(|S_v| < sqrt((v + r) log((v + r) / (r alpha^2))) for all v > 0) =
    1 - alpha: the normal mixture boundary, over sqrt(v) a critical value for Z. r is the mixing parameter that makes
    it tightest at v = `tuned`, r = tuned / (-W_{-1}(-alpha^2 / e) - 1), W_{-1} the lower branch of Lambert's
    function. time and tuned are in the same unit, such as periods. For estimates that are averages it holds as their
    number grows.

    Sources: Robbins (1970), Ann Math Stat 41:1397; Howard, Ramdas, McAuliffe and Sekhon (2021), Ann Stat 49:1055, on
    the two-sided normal mixture and its tuning.
    """
    mixing = tuned / (-float(special.lambertw(-(alpha**2) / math.e, -1).real) - 1)
    return math.sqrt((time + mixing) / time * math.log((time + mixing) / (mixing * alpha**2)))


def nominal_level(critical: float) -> float:
    """The level of one two-sided interval with this critical value: 2 Phi(c) - 1."""
    return 1 - 2 * float(special.ndtr(-critical))
