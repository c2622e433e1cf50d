"""A `Linear` whose weights on outcomes are formed only when somebody asks for them.

With gaps nearly every unit is a type of its own, and weights of all reported averages are units by periods by
averages: by far the largest array of a design, and not needed for estimates and errors where a design knows
a shorter way to them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from evalkit.estimators._did.layout import Types
from evalkit.estimators._did.linear import Centre, Linear

Columns = np.ndarray | list[int]


@dataclass(frozen=True, eq=False)
class Ways:
    """How a design comes to what `Linear` gives without its weights.

    K        how many quantities
    weights  forms them, shape (U, T, K)
    theta    type means, shape (..., U, T), to estimates, shape (..., K)
    psi      outcomes, shape (..., n, T), to contributions, shape (..., n, K)
    pick     some of the quantities
    """

    K: int
    weights: Callable[[], np.ndarray]
    theta: Callable[[np.ndarray], np.ndarray]
    psi: Callable[[np.ndarray], np.ndarray]
    pick: Callable[[Columns], Linear]


class Unformed(Linear):
    """See the module."""

    def __init__(self, types: Types, centre: Centre, cluster: np.ndarray, ways: Ways) -> None:
        super().__init__(types, np.empty(0), centre, cluster)
        del self.__dict__["weights"]
        self.__dict__["ways"] = ways

    @property
    def _ways(self) -> Ways:
        found: Ways = self.__dict__["ways"]
        return found

    @cached_property
    def weights(self) -> np.ndarray:
        """w, shape (U, T, K)."""
        return self._ways.weights()

    @property
    def K(self) -> int:  # noqa: N802 - as in the equations
        """How many quantities."""
        return self._ways.K

    def pick(self, columns: Columns) -> Linear:
        """Some of the quantities."""
        return self._ways.pick(columns)

    def of_means(self, means: np.ndarray) -> np.ndarray:
        """theta from type means; shapes (..., U, T) -> (..., K)."""
        return self._ways.theta(means)

    def contributions(self, Y: np.ndarray) -> np.ndarray:
        """psi; shapes (..., n, T) -> (..., n, K)."""
        return self._ways.psi(Y)
