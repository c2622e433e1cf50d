"""Tests by redrawing what lot decided, and the intervals that follow.

The statistic of a draw j, for the outcomes less r in everything that was joined, is

    t_j(r) = (a_j - r b_j) / sqrt( c_j - 2 r d_j + r^2 f_j )

with a_j, b_j the estimates from the outcomes and from having joined as the outcome, and c_j, d_j, f_j the sums
over clusters of psi psi, psi chi and chi chi, psi and chi the contributions to either. Under the sharp null that
every joined unit-period gained r, all draws are alike, so the share of them whose |t| is at least that of the
draw that happened is a p-value whatever the errors are (Fisher 1935, The Design of Experiments; Rosenbaum 2002,
Observational Studies, chapter 2). Any r costs a few operations a draw, and the values not rejected are an interval.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evalkit.errors import DesignError

TIE = 1e-9  # |t| this close to that observed, as a share of it, is a tie
STEPS, FARTHEST = 60, 1e4  # halvings towards an end; standard errors within which it is looked for


@dataclass(frozen=True, eq=False)
class Redrawn:
    """Draws of one quantity, the one that happened first.

    top    a, b; shape (1 + B, 2)
    below  c, d, f; shape (1 + B, 3)
    every  whether the draws are all there are
    lost   draws in which the quantity could not be computed: they count as extreme
    """

    top: np.ndarray
    below: np.ndarray
    every: bool = False
    lost: int = 0

    def statistics(self, null: float = 0.0) -> np.ndarray:
        """t of every draw, the one that happened first; shape (1 + B,)."""
        square = self.below @ np.array([1.0, -2.0 * null, null**2])
        found: np.ndarray = (self.top @ np.array([1.0, -null])) / np.sqrt(np.maximum(square, np.finfo(float).tiny))
        return found

    def p_value(self, null: float = 0.0) -> float:
        """Share of draws at least as extreme as what happened, which counts as one of them unless all are there."""
        size = np.abs(self.statistics(null))
        extreme = int((size[1:] >= size[0] * (1 - TIE)).sum()) + self.lost
        drawn = len(size) - 1 + self.lost
        return extreme / drawn if self.every else (1 + extreme) / (1 + drawn)

    def interval(self, level: float) -> tuple[float, float]:
        """The effects not rejected at 1 - level, between the rejections nearest to the estimate.

        Raises DesignError when so few draws cannot reject anything at that level.
        """
        return self._end(level, -1.0), self._end(level, 1.0)

    def _end(self, level: float, side: float) -> float:
        centre = float(self.top[0, 0] / self.top[0, 1])
        unit = side * float(np.sqrt(self.below[0, 0])) / abs(float(self.top[0, 1]))

        def rejected(steps: float) -> bool:
            return self.p_value(centre + steps * unit) <= 1 - level

        low, high = 0.0, 2.0
        while not rejected(high):
            low, high = high, 1.5 * high
            if high > FARTHEST:
                raise DesignError(
                    f"redrawing the rollout cannot bound the effect at the {level:.0%} level",
                    fix="there are too few ways in which it could have been drawn",
                )
        for _ in range(STEPS):
            middle = (low + high) / 2
            low, high = (low, middle) if rejected(middle) else (middle, high)
        return centre + high * unit
