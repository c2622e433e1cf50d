"""Effects by cohort and period as averages of observed unit-periods: for imputation and regression."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evalkit.estimators._did.averages import Cells
from evalkit.estimators._did.layout import Layout, Types


@dataclass(frozen=True, eq=False)
class Observed:
    """Cells made of observed unit-periods.

    cells   m of them; size is the weight of the unit-periods behind each
    index   which cell a cohort and period are, -1 for none, shape (H + 1, T)
    joined  units behind each, shape (m,)
    others  units observed in its period that had not joined, shape (m,)
    """

    cells: Cells
    index: np.ndarray
    joined: np.ndarray
    others: np.ndarray

    def of(self, types: Types) -> np.ndarray:
        """The cell of each type in each period, -1 for none, shape (U, T)."""
        found: np.ndarray = np.where(types.weight > 0, self.index[types.group], -1)
        return found

    def target(self, types: Types, A: np.ndarray) -> np.ndarray:
        """Averages of the cells as weights of unit-periods, per unit of a type; shapes (m, K) -> (U, T, K)."""
        cell = self.of(types)
        share = np.where(cell >= 0, types.weight / self.cells.size[cell], 0.0)
        out: np.ndarray = share[:, :, None] * A[cell]
        return out


def observed(layout: Layout, types: Types, wanted: np.ndarray) -> Observed:
    """The cells that the wanted unit-periods make up.

    types   units gathered, the weights nought outside the sample
    wanted  booleans, shape (U, T)
    """
    H, T = len(layout.cohorts), layout.Y.shape[1]
    weight, count = np.zeros((H + 1, T)), np.zeros((H + 1, T))
    inside = wanted & (types.weight > 0)
    np.add.at(weight, types.group, np.where(inside, types.count[:, None] * types.weight, 0.0))
    np.add.at(count, types.group, np.where(inside, types.count[:, None], 0))
    cohort, period = np.nonzero(weight[:H] > 0)
    index = np.full((H + 1, T), -1)
    index[cohort, period] = np.arange(len(cohort))
    since = period - layout.cohorts[cohort]
    cells = Cells(cohort, period, since, layout.phases[cohort, period], weight[cohort, period])
    start = np.append(layout.cohorts, np.inf)[types.group]
    untouched = (types.weight > 0) & (np.arange(T)[None, :] < start[:, None])
    others = types.count @ untouched
    return Observed(cells, index, count[cohort, period].astype(int), others[period])


def dummies(found: Observed, some: np.ndarray) -> np.ndarray:
    """A column for each of some cells, by cohort and period, shape (H + 1, T, P)."""
    X = np.zeros((*found.index.shape, len(some)))
    X[found.cells.cohort[some], found.cells.period[some], np.arange(len(some))] = 1.0
    return X
