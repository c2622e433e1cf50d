"""Draws in batches: which draws of which design at which dates, worked out from the seed and their numbers alone.

All draws at all dates are made from the seed, which takes milliseconds, and a batch takes its own out of them. So a
batch is the same whoever works it out, and in whatever order. Designs on weighted outcomes go through the draws at
one place in one pass, and a batch is a place; designs that are fitted whole, which takes long, have `EACH` draws a
batch.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from evalkit.errors import DesignError
from evalkit.estimators._did.headline import DESIGNS
from evalkit.placebos import runs
from evalkit.placebos.draw import Lean, rollouts
from evalkit.placebos.pool import Pool
from evalkit.placebos.residuals import Resampled, weighed
from evalkit.placebos.runs import Run

SEED = 20261122
EACH = 10  # draws of a design that is fitted whole


@dataclass(frozen=True)
class Draws:
    """How many pseudo-collaboratives.

    weighed  for designs on weighted outcomes
    whole    the first of them, for designs that are fitted whole or have independent errors
    leant    drawn as selectively as units joined, where they did so because of the outcome; for weighted ones
    """

    weighed: int = 1_000
    whole: int = 100
    leant: int = 500
    seed: int = SEED


@dataclass(frozen=True)
class Batch:
    """Draws `first` to `last` (not included) of a design at one place; whole: whether it is fitted whole."""

    design: str
    place: int
    first: int
    last: int
    whole: bool = False


@dataclass(frozen=True, eq=False)
class Drawing:
    """Where draws come from, and how many there are.

    source   a pool, or residuals where no rollout can be moved
    leaning  how selective entry was, where draws are as selective as that
    """

    source: Pool | Resampled
    draws: Draws
    leaning: Lean | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Without the draws, which are made from the seed wherever they are needed."""
        return {name: value for name, value in self.__dict__.items() if name != "rollouts"}

    @property
    def _counts(self) -> list[int]:
        """Draws at each place of the pool."""
        assert isinstance(self.source, Pool)  # noqa: S101 - asked of pools alone
        total = self.draws.weighed if self.leaning is None else self.draws.leant
        return _shares(total, len(self.source.places))

    @cached_property
    def rollouts(self) -> list[np.ndarray]:
        """Every draw at every place, columns of joining, NaN for never; shape (B, n) each."""
        assert isinstance(self.source, Pool)  # noqa: S101 - asked of pools alone
        random, pool = np.random.default_rng(self.draws.seed), self.source
        pairs = zip(pool.places, self._counts, strict=True)
        return [rollouts(pool, place, count, random, self.leaning) for place, count in pairs]

    def batches(self, design: str) -> list[Batch]:
        """The batches of a design, in order of place and number."""
        if not isinstance(self.source, Pool):
            return [Batch(design, 0, 0, self.draws.weighed)]
        counts = self._counts
        whole = self.source.single or design not in DESIGNS
        if whole:
            counts = _shares(min(self.draws.whole, sum(counts)), len(counts))
        step = EACH if runs.one_by_one(design, whole=whole) else max(counts)
        return [
            Batch(design, place, first, min(first + step, count), whole)
            for place, count in enumerate(counts)
            for first in range(0, count, step)
        ]

    def run(self, batch: Batch) -> Run:
        """A batch's figures. Raises DesignError where the design is refused."""
        if not isinstance(self.source, Pool):
            if batch.design not in DESIGNS:
                raise DesignError("no rollout can be moved here, and on simulated outcomes only comparisons are run")
            return weighed(batch.design, self.source, batch.last, self.draws.seed)
        drawn = self.rollouts[batch.place][batch.first : batch.last]
        found = runs.run(batch.design, self.source.places[batch.place], drawn, whole=batch.whole)
        return replace(found, at=found.at + np.array([batch.place, batch.first]))


def worked(drawing: Drawing, batch: Batch) -> Run | DesignError:
    """A batch's figures, or why there are none."""
    try:
        return drawing.run(batch)
    except DesignError as refusal:
        return refusal


def _shares(draws: int, places: int) -> list[int]:
    """Draws spread evenly over places."""
    return [draws // places + (k < draws % places) for k in range(places)]
