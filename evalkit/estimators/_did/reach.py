"""Which outcomes a headline rests on, and with what weight: who is compared with whom.

A headline of these designs is theta = sum over i, t of w(i, t) Y_it. In every unit the weights add up to
nought, so that what differs between units for good plays no part, unless the design has no unit effects and
units come and go (`loose`). The weights of a unit that joined serve two
ends: its own effect with its baseline, and the comparison of waves that joined before it. Where a design's
headline is a mean over waves, u(i, t) is the weight of unit i in the parts that other waves have in it, and

    lent_i = sum over t of |u(i, t)| / 2

is what it lends to the comparison of others. A single regression coefficient has no such parts: there what a
unit lends before it joins is taken to be min(sum of its positive, sum of its negative weights then), since its
own baseline takes as much as it weighs after joining, a lower bound where the two cancel in a period.

Negative weight on a wave after it joined means that joined units stand in for unaffected ones: whatever the
effect on them does from then on is subtracted from the estimate (Goodman-Bacon 2021, J Econometrics 225:254;
de Chaisemartin and D'Haultfoeuille 2020, Am Econ Rev 110:2964).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evalkit.estimators._did.assemble import Parts
from evalkit.estimators._did.layout import Layout
from evalkit.estimators._did.linear import Linear

ROUNDING = 1e-9  # of the largest weight of a wave in a period


@dataclass(frozen=True, eq=False)
class Reach:
    """The weights of one headline.

    layout   the arrays
    weights  w, shape (n, T)
    others   u, shape (n, T), where the headline is a mean over waves
    """

    layout: Layout
    weights: np.ndarray
    others: np.ndarray | None = None

    @property
    def headline(self) -> float:
        """sum w Y."""
        return float((self.weights * self.layout.Y).sum())

    @property
    def after(self) -> np.ndarray:
        """Unit-periods from joining on, booleans, shape (n, T)."""
        start = np.where(np.isnan(self.layout.g), np.inf, self.layout.g)
        out: np.ndarray = np.arange(self.weights.shape[1])[None, :] >= start[:, None]
        return out

    @property
    def by_wave(self) -> np.ndarray:
        """Weights added up by cohort, the last row those that never joined; rounding is nought; (H + 1, T)."""
        summed = np.zeros((len(self.layout.cohorts) + 1, self.weights.shape[1]))
        np.add.at(summed, self.layout.group, self.weights)
        return np.where(np.abs(summed) > ROUNDING * np.abs(summed).max(initial=0.0), summed, 0.0)

    @property
    def forbidden(self) -> float:
        """Negative weight on waves that had joined, as a share of all negative weight."""
        summed = self.by_wave
        joined = np.arange(summed.shape[1])[None, :] >= np.append(self.layout.cohorts, np.inf)[:, None]
        negative = np.where(summed < 0, -summed, 0.0)
        return float(negative[joined].sum() / negative.sum()) if negative.any() else 0.0

    @property
    def loose(self) -> np.ndarray:
        """Units whose weights do not add up to nought, so that their level enters, booleans, shape (n,)."""
        size = np.abs(self.weights).max(initial=0.0)
        out: np.ndarray = np.abs(self.weights.sum(axis=1)) > ROUNDING * self.weights.shape[1] * size
        return out

    @property
    def lent(self) -> np.ndarray:
        """What each unit lends to the comparison of others, shape (n,)."""
        if self.others is not None:
            out = np.abs(self.others).sum(axis=1) / 2
        else:
            before = np.where(self.after, 0.0, self.weights)
            positive, negative = np.maximum(before, 0.0), np.maximum(-before, 0.0)
            out = np.minimum(positive.sum(axis=1), negative.sum(axis=1))
        return np.where(out > ROUNDING * np.abs(self.weights).max(initial=0.0), out, 0.0)


def of(layout: Layout, linear: Linear) -> Reach:
    """The reach of the first of a design's quantities, which is its headline."""
    return Reach(layout, linear.pick([0]).spread()[:, :, 0])


def of_parts(parts: Parts) -> Reach:
    """The same for a design whose headline is a mean of effects by cohort and period."""
    cells, a = parts.cells, parts.averages.A[:, 0]
    others = np.zeros(parts.layout.Y.shape)
    for h in np.unique(cells.cohort[a != 0]):
        some = np.flatnonzero((cells.cohort == h) & (a != 0))
        of_wave = parts.single(some).combine(a[some, None]).spread()[:, :, 0]
        others += np.where((parts.layout.group == h)[:, None], 0.0, of_wave)
    return Reach(parts.layout, of(parts.layout, parts.linear).weights, others)
