"""Group-time effects adjusted for covariates, as weights on outcomes.

Each cell of `group_time` is estimated by outcome regression, inverse probability or both (`adjusted`,
`adjusted_rows`), on the same units. With the covariates fixed all three are linear in the outcomes: their
weights are kept, and contributions come from their influence functions, which allow for the estimation of the
propensity and of the regression. Cells that share their units are estimated together.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from evalkit.estimators._did.adjusted import Method, adjusted, comparison_weights
from evalkit.estimators._did.adjusted_rows import adjusted_rows, row_weights
from evalkit.estimators._did.averages import Averages
from evalkit.estimators._did.group_time import GroupTime
from evalkit.estimators._did.layout import Layout, Types
from evalkit.estimators._did.linear import Linear
from evalkit.estimators._did.unformed import Columns, Unformed, Ways


@dataclass(frozen=True, eq=False)
class _Batch:
    """Cells with the same units.

    cells   positions, shape (c,)
    units   the sample, shape (s,)
    joined  which of them joined, booleans, shape (s,)
    """

    cells: np.ndarray
    units: np.ndarray
    joined: np.ndarray


Found = tuple[_Batch, np.ndarray, np.ndarray]  # cells with their effects and contributions


@dataclass(frozen=True, eq=False)
class Adjustment:
    """Everything but the outcome.

    layout  the arrays
    found   the cells without covariates: who is compared with whom
    X       covariates with a one, shape (n, k)
    method  `reg`, `ipw` or `dr`
    """

    layout: Layout
    found: GroupTime
    X: np.ndarray
    method: Method
    _last: list[Any] = field(default_factory=list, repr=False)

    def linear(self, averages: Averages) -> Linear:
        """The averages as weighted sums of outcomes. Raises DesignError as `adjusted` does."""
        layout, A = self.layout, averages.A
        n, T = layout.Y.shape
        each = Types(np.arange(n), np.ones(n, int), layout.group, layout.seen, layout.weight, np.arange(n))
        slope = np.concatenate([averages.slope, np.zeros((1, *averages.slope.shape[1:]))])

        def psi(Y: np.ndarray) -> np.ndarray:
            flat = Y.reshape(-1, n, T)
            found = self._influence(flat)
            out = np.zeros((len(flat), n, A.shape[1]))
            for batch, _, parts in found:
                out[:, batch.units] += parts @ A[batch.cells]
            of_sizes = np.einsum("hmk,bm->bhk", slope, self._effects(found, len(flat)), optimize=True)
            out += layout.size[:, None] * of_sizes[:, layout.group]
            return out.reshape(*Y.shape[:-1], -1)

        def theta(Y: np.ndarray) -> np.ndarray:
            flat = Y.reshape(-1, n, T)
            return (self._effects(self._influence(flat), len(flat)) @ A).reshape(*Y.shape[:-2], -1)

        def weights() -> np.ndarray:
            W = np.zeros((n, T, A.shape[1]))
            for batch in self._batches:
                for c, (now, base) in zip(batch.cells, self._weights(batch), strict=True):
                    W[batch.units, self.found.cells.period[c]] += now[:, None] * A[c]
                    W[batch.units, self.found.base[c]] += base[:, None] * A[c]
            return W

        def centre(means: np.ndarray) -> np.ndarray:
            return np.einsum("itk,...it->...ik", linear.weights, means, optimize=True) - psi(means)

        def pick(columns: Columns) -> Linear:
            names = [averages.names[k] for k in np.arange(A.shape[1])[columns]] if averages.names else []
            return self.linear(Averages(names, A[:, columns], averages.slope[:, :, columns]))

        linear = Unformed(each, centre, layout.cluster, Ways(A.shape[1], weights, theta, psi, pick))
        return linear

    def _effects(self, found: list[Found], count: int) -> np.ndarray:
        """Effects of all cells, shape (count, m)."""
        out = np.zeros((count, len(self.found.cells.since)))
        for batch, values, _ in found:
            out[:, batch.cells] = values
        return out

    @cached_property
    def _batches(self) -> list[_Batch]:
        """Cells gathered by their units; all alone where the units differ between the two periods."""
        found, of = self.found, self.found.types.of
        groups: dict[tuple[int, bytes], list[int]] = defaultdict(list)
        sides = [(role > 0)[:, of] for role in found.roles]
        for c in range(len(found.cells.since)):
            joined, others = sides[0][c] | sides[1][c], sides[2][c] | sides[3][c]
            key = np.packbits(np.concatenate([joined, others])).tobytes()
            alone = c if (sides[0][c] != sides[1][c]).any() or (sides[2][c] != sides[3][c]).any() else -1
            groups[alone, key].append(c)
        out = []
        for members in groups.values():
            c = members[0]
            joined = sides[0][c] | sides[1][c]
            units = np.flatnonzero(joined | sides[2][c] | sides[3][c])
            out.append(_Batch(np.array(members), units, joined[units]))
        return out

    def _in_pairs(self, batch: _Batch) -> bool:
        c = batch.cells[0]
        seen = self.layout.seen[batch.units]
        return bool(seen[:, self.found.cells.period[c]].all() and seen[:, self.found.base[c]].all())

    def _rows(self, batch: _Batch) -> tuple[np.ndarray, np.ndarray]:
        """Unit (position in the batch) and whether of the later period, of each row of a cell of its own."""
        c = batch.cells[0]
        columns = [self.found.base[c], self.found.cells.period[c]]
        unit, post = np.nonzero(self.layout.seen[np.ix_(batch.units, columns)])
        return unit, post.astype(bool)

    def _weights(self, batch: _Batch) -> list[tuple[np.ndarray, np.ndarray]]:
        """For each cell the weights of the units' outcomes in its period and in its base, shape (s,) each."""
        w, X = self.layout.size[batch.units], self.X[batch.units]
        if self._in_pairs(batch):
            mine = np.where(batch.joined, w, 0.0)
            net = mine / mine.sum() - comparison_weights(self.method, batch.joined, X, w)
            return [(net, -net)] * len(batch.cells)
        unit, post = self._rows(batch)
        found = row_weights(self.method, post, batch.joined[unit], X[unit], w[unit])
        size = len(batch.units)
        return [(np.bincount(unit, found * post, size), np.bincount(unit, found * ~post, size))]

    def _influence(self, flat: np.ndarray) -> list[Found]:
        """Effects, shape (B, c), and contributions, shape (B, s, c), of the cells of every batch.

        Those of one outcome matrix are kept: every average and every cell of an estimate is made of them.
        """
        if len(flat) == 1 and self._last and np.array_equal(self._last[0], flat):
            return self._last[1]
        cells = self.found.cells
        found = [
            (batch, *self._cell(flat, batch, cells.period[batch.cells], self.found.base[batch.cells]))
            for batch in self._batches
        ]
        if len(flat) == 1:
            self._last[:] = [flat.copy(), found]
        return found

    def _cell(
        self, flat: np.ndarray, batch: _Batch, now: np.ndarray, base: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Effects, shape (B, c), and contributions, shape (B, s, c)."""
        w, X, Y = self.layout.size[batch.units], self.X[batch.units], flat[:, batch.units]
        B, s, c = len(flat), len(batch.units), len(now)
        if self._in_pairs(batch):
            change = np.moveaxis(Y[:, :, now] - Y[:, :, base], 0, 1).reshape(s, B * c)
            found = adjusted(self.method, change, batch.joined, X, w)
            return found.effect.reshape(B, c), np.moveaxis(found.influence.reshape(s, B, c) / s, 0, 1)
        unit, post = self._rows(batch)
        y = np.where(post, Y[:, unit, now[0]], Y[:, unit, base[0]]).T
        rows = adjusted_rows(self.method, y, post, batch.joined[unit], X[unit], w[unit])
        parts = np.zeros((s, B))
        np.add.at(parts, unit, rows.influence / len(unit))
        return rows.effect[:, None], parts.T[:, :, None]
