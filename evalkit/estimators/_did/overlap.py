"""How alike the joined and their comparison are in group-time effects, before and after adjustment.

Each cell of the headline, cohort g and period t with share a of it (the shares add up to one), compares the
cohort with the units that stand in for it. With x a covariate, omega_i the weight of comparison unit i in the
cell (equal, or what the method makes of it; they add up to one) and s^2 variances over all joined and all
comparison units,

    joined = sum a mean_g(x),   comparison = sum a sum_i omega_i x_i
    standardised difference = (joined - comparison) / sqrt((s_joined^2 + s_comparison^2) / 2)

with the same denominator before and after, so that a difference cannot shrink by a growing variance. With
c_i = sum a omega_i the weights amount to 1 / sum c_i^2 equally weighted units (Kish 1965, Survey Sampling).

Sources: Austin (2009), Stat Med 28:3083; Stuart (2010), Stat Sci 25:1.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from evalkit.errors import DesignError
from evalkit.estimators._did.adjusted import Method, comparison_weights
from evalkit.estimators._did.group_time import GroupTime
from evalkit.estimators._did.layout import Layout
from evalkit.estimators._did.propensity import propensity


@dataclass(frozen=True, eq=False)
class Overlap:
    """The two sides of the headline.

    sides       weights of the joined, of the comparison as it is and as adjusted, each adding up to one; (3, n)
    joined      units on the joined side, booleans, shape (n,)
    others      units on the other side of any cell, booleans, shape (n,)
    highest     highest propensity to join of a comparison unit
    trimmed     comparison units left out of every cell that they could be in, for propensities near one
    """

    sides: np.ndarray
    joined: np.ndarray
    others: np.ndarray
    highest: float
    trimmed: int

    @property
    def effective(self) -> float:
        """Equally weighted comparison units that the adjusted weights amount to."""
        return float(1 / (self.sides[2] ** 2).sum())

    def means(self, x: np.ndarray) -> np.ndarray:
        """Of the joined, the comparison and the adjusted comparison; shapes (n,) -> (3,)."""
        out: np.ndarray = self.sides @ x
        return out

    def differences(self, x: np.ndarray) -> np.ndarray:
        """Standardised, before and after, shape (2,). Raises DesignError when x is the same for all."""
        spread = np.sqrt((x[self.joined].var(ddof=1) + x[self.others].var(ddof=1)) / 2)
        if not spread > 0:
            raise DesignError("it is the same for all units")
        joined, before, after = self.means(x)
        return np.array([joined - before, joined - after]) / spread


def overlap(layout: Layout, found: GroupTime, share: np.ndarray, X: np.ndarray, method: Method) -> Overlap:
    """The sides of the headline.

    share   of each cell in the headline, shape (m,)
    X       covariates with a one, shape (n, k)

    Raises DesignError as `adjusted`, which includes that nobody on one side is like the other.
    """
    n = len(layout.g)
    sides = np.zeros((3, n))
    kept, able, highest = np.zeros(n, bool), np.zeros(n, bool), 0.0
    for a, joined, others in _cells(found, share):
        units = np.flatnonzero(joined | others)
        side, w = joined[units], layout.size[units]
        for row, own in ((0, side), (1, ~side)):
            sides[row, units] += a * w * own / (w * own).sum()
        sides[2, units] += a * comparison_weights(method, side, X[units], w)
        score = propensity(side, X[units], w / w.mean())
        highest = max(highest, float(score.fitted[~side].max()))
        able |= others
        kept[units[~side & ~score.trimmed]] = True
    return Overlap(sides, sides[0] > 0, sides[1] > 0, highest, int((able & ~kept).sum()))


def _cells(found: GroupTime, share: np.ndarray) -> Iterator[tuple[float, np.ndarray, np.ndarray]]:
    """Share of the headline, joined and comparison units of the cells, those with the same units together."""
    groups: dict[bytes, tuple[float, np.ndarray, np.ndarray]] = {}
    of, r = found.types.of, found.roles
    for c in np.flatnonzero(share):
        joined = ((r.joined_now[c] > 0) | (r.joined_base[c] > 0))[of]
        others = ((r.other_now[c] > 0) | (r.other_base[c] > 0))[of]
        key = np.packbits(np.concatenate([joined, others])).tobytes()
        groups[key] = groups.get(key, (0.0,))[0] + float(share[c]), joined, others
    yield from groups.values()
