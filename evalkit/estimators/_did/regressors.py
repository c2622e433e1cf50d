"""Regressors of a panel's cells, as columns of numbers or as blocks of cells with an effect of their own.

n units, T periods, p regressors x_it. A fit needs only sums of cell values v, shape (n, T), over the
regressors; blocks give them without writing out columns of noughts and ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np


class Terms(Protocol):
    """What a fit asks of its regressors."""

    @property
    def count(self) -> int:
        """p, how many there are."""

    def index(self, beta: np.ndarray) -> np.ndarray:
        """x_it'beta, shape (n, T)."""

    def by_unit(self, v: np.ndarray) -> np.ndarray:
        """sum_t v_it x_it, shape (n, p)."""

    def by_period(self, v: np.ndarray) -> np.ndarray:
        """sum_i v_it x_it, shape (T, p)."""

    def gram(self, v: np.ndarray) -> np.ndarray:
        """sum_it v_it x_it x_it', shape (p, p)."""


@dataclass(frozen=True, eq=False)
class Columns:
    """Regressors written out: X, shape (n, T, p), finite in every cell."""

    X: np.ndarray

    @property
    def count(self) -> int:
        """p."""
        return self.X.shape[2]

    def index(self, beta: np.ndarray) -> np.ndarray:
        """x_it'beta."""
        return self.X @ beta

    def by_unit(self, v: np.ndarray) -> np.ndarray:
        """sum_t v_it x_it."""
        return np.einsum("it,itp->ip", v, self.X)

    def by_period(self, v: np.ndarray) -> np.ndarray:
        """sum_i v_it x_it."""
        return np.einsum("it,itp->tp", v, self.X)

    def gram(self, v: np.ndarray) -> np.ndarray:
        """sum_it v_it x_it x_it'."""
        flat = self.X.reshape(-1, self.count)
        return (v.reshape(-1, 1) * flat).T @ flat


@dataclass(frozen=True, eq=False)
class Blocks:
    """An indicator for each block: code, shape (n, T), from 0 to count - 1, and -1 in no block."""

    code: np.ndarray
    count: int

    def index(self, beta: np.ndarray) -> np.ndarray:
        """The effect of each cell's block, 0 in none."""
        return np.append(beta, 0.0)[self.code]

    def by_unit(self, v: np.ndarray) -> np.ndarray:
        """sum_t v_it over each block."""
        unit = np.broadcast_to(np.arange(v.shape[0])[:, None], v.shape)
        return self._sums(unit, v)

    def by_period(self, v: np.ndarray) -> np.ndarray:
        """sum_i v_it over each block."""
        return self._sums(np.broadcast_to(np.arange(v.shape[1]), v.shape), v)

    def gram(self, v: np.ndarray) -> np.ndarray:
        """Diagonal, since no cell is in two blocks."""
        here = self.code >= 0
        return np.diag(np.bincount(self.code[here], v[here], self.count))

    def _sums(self, line: np.ndarray, v: np.ndarray) -> np.ndarray:
        """Sums by (line, block); line, shape (n, T)."""
        here, lines = self.code >= 0, int(line.max()) + 1
        place = line[here] * self.count + self.code[here]
        return np.bincount(place, v[here], lines * self.count).reshape(lines, self.count)
