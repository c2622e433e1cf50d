"""The wild cluster bootstrap, restricted, by cluster sums.

To test theta = r, the residuals of the model that obeys it, e_r, are multiplied by one random factor a
cluster, v_c, and the estimate is studentised anew:

    t*(v) = theta(v e_r) / sqrt( sum_c psi_c(v e_r)^2 ),   t = (theta - r) / se

p is the share of draws with |t*| at least |t| (Cameron, Gelbach and Miller 2008, Rev Econ Stat 90:414).
Since e_r = e + (theta - r) d, with e the unrestricted residual and d the least change of the outcomes that
moves theta by one, both parts of t* are polynomials in r whose coefficients are drawn once: any r costs a
few operations a draw, and the interval is found by solving p(r) = 1 - level.

Factors: all signs when there are at most 13 clusters (then p is exact), random signs with more, and the six
points of Webb (2023, Can J Econ 56:839) with fewer than 10, where signs take too few values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from scipy import optimize

from evalkit.errors import DesignError
from evalkit.inference.multiplier import signs

DRAWS = 9_999
MOST_ENUMERATED, FEWEST_SIGNS = 13, 10
WEBB = np.sqrt([0.5, 1.0, 1.5])
TIE = 1e-9  # |t*| this close to |t| is a tie: the draw that repeats the data
TINY = np.finfo(float).tiny
FARTHEST = 1e4  # standard errors within which an end of an interval is looked for

Respond = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
Figures = Callable[[np.ndarray], np.ndarray]  # factors, shape (b, G), to `top` and `below` of `Wild`, shape (b, 5)


@dataclass(frozen=True, eq=False)
class Wild:
    """Draws of one quantity.

    theta, std_error  the estimate and its cluster-robust error
    top               theta(v e) and theta(v d), shape (B, 2)
    below             sums of psi(v e)^2, psi(v e) psi(v d), psi(v d)^2 over clusters, shape (B, 3)
    factors           what was drawn, in words
    enumerated        whether the draws are all there are; if not, the data count as one draw more
    """

    theta: float
    std_error: float
    top: np.ndarray
    below: np.ndarray
    factors: str
    enumerated: bool = True
    _found: dict[tuple[float, bool], tuple[float, float]] = field(default_factory=dict, repr=False)

    @cached_property
    def _columns(self) -> list[np.ndarray]:
        """Those of `top` and `below`, each in one piece: an interval goes through them some seventy times."""
        return [np.ascontiguousarray(column) for column in (*self.top.T, *self.below.T)]

    def p_value(self, null: float = 0.0, *, ties: bool = True) -> float:
        """Share of draws with |t*| at least |t|; without ties, above it."""
        away = self.theta - null
        own, moved, square, cross, moved_square = self._columns
        drawn = moved * away
        drawn += own
        below = cross * (2 * away)
        below += square
        below += moved_square * away**2
        np.maximum(below, TINY, out=below)
        np.abs(drawn, out=drawn)
        drawn /= np.sqrt(below, out=below)
        observed = abs(away) / self.std_error
        extreme = int(np.count_nonzero(drawn >= observed - TIE if ties else drawn > observed + TIE))
        return extreme / len(drawn) if self.enumerated else (1 + extreme) / (1 + len(drawn))

    def interval(self, level: float, *, ties: bool = True) -> tuple[float, float]:
        """The values that are not rejected at 1 - level, between the rejections nearest to the estimate.

        Raises DesignError when so few clusters cannot reject anything at that level.
        """
        if (level, ties) not in self._found:  # asked for to see whether there is one, and again to print it
            self._found[level, ties] = self._end(level, -1.0, ties), self._end(level, 1.0, ties)
        return self._found[level, ties]

    def _end(self, level: float, side: float, ties: bool) -> float:
        def rejected(steps: float) -> float:
            return (1 - level) - self.p_value(self.theta + side * steps * self.std_error, ties=ties)

        low, high = 0.0, 2.0
        while rejected(high) < 0:
            low, high = high, 1.5 * high
            if high > FARTHEST:
                raise DesignError(
                    f"the wild cluster bootstrap cannot bound the effect at the {level:.0%} level",
                    fix="use more clusters, or `inference: analytic`",
                )
        steps = optimize.bisect(lambda s: 1.0 if rejected(s) >= 0 else -1.0, low, high, xtol=1e-9, rtol=1e-12)
        return self.theta + side * float(steps) * self.std_error


def wild(
    theta: float,
    std_error: float,
    clusters: int,
    respond: tuple[Respond, Respond] | Figures,
    *,
    fewest_signs: int = FEWEST_SIGNS,
    seed: int = 0,
) -> Wild:
    """Draws the bootstrap.

    clusters      G
    respond       for the residuals e and for d: factors, shape (b, G), to theta, (b,), and psi, (b, G); or
                  straight to the figures that are kept of both
    fewest_signs  with fewer clusters Webb's points are drawn
    """
    drawn, factors = _factors(clusters, fewest_signs, seed)
    figures = _both(respond) if isinstance(respond, tuple) else respond
    found = np.concatenate([figures(v) for v in drawn])
    enumerated = fewest_signs <= clusters <= MOST_ENUMERATED
    return Wild(theta, std_error, found[:, :2], found[:, 2:], factors, enumerated)


def _both(respond: tuple[Respond, Respond]) -> Figures:
    def figures(factors: np.ndarray) -> np.ndarray:
        (top0, psi0), (top1, psi1) = (r(factors) for r in respond)
        below = [(psi0 * psi0).sum(1), (psi0 * psi1).sum(1), (psi1 * psi1).sum(1)]
        return np.column_stack([top0, top1, *below])

    return figures


def _factors(clusters: int, fewest_signs: int, seed: int) -> tuple[Iterator[np.ndarray], str]:
    if clusters < fewest_signs:
        rng = np.random.default_rng(seed)
        points = np.concatenate([-WEBB, WEBB])
        return iter([points[rng.integers(6, size=(DRAWS, clusters))]]), f"{DRAWS:,} draws of Webb's six points"
    if clusters <= MOST_ENUMERATED:
        return iter([every_sign(clusters)]), f"all {2**clusters:,} sign changes"
    return signs(clusters, DRAWS, seed), f"{DRAWS:,} random sign changes"


def every_sign(clusters: int) -> np.ndarray:
    """All sign vectors, shape (2^G, G)."""
    code = np.arange(2**clusters)[:, None] >> np.arange(clusters)
    return 2.0 * (code & 1) - 1.0
