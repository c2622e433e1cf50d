"""The distribution behind a share within a threshold: counts in bands, such as waiting times around four hours."""

from __future__ import annotations

import math
from collections import Counter
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, model_validator

from evalkit.study.fields import Columns, Label, Number, Strict

LEAST = 3  # bands on either side of the threshold: one beside it, and two that a curve can be drawn from


class Band(Strict):
    """A band of the distribution: from where the one before it ends to its own upper edge."""

    columns: Annotated[Columns, Field(description="The column, or sum of columns, that counts it.")]
    upto: Annotated[
        Number | None,
        Field(description="Its upper edge; left out in the last band, which is open."),
    ] = None


class Distribution(Strict):
    """How an outcome within a threshold is spread over bands on either side of it.

    A look at whether departures moved from just above the threshold to just below it needs, on either side, one
    band beside the threshold and two more: a smooth course is drawn through those, and above, the last band is open
    and has no height, so that of three above one is left to draw it from (`estimators._bunching`).
    """

    threshold: Annotated[Number, Field(description="The threshold; an edge of two bands.")]
    unit: Annotated[Label, Field(description="What it is counted in, such as minutes.")]
    words: Annotated[Label, Field(description="The threshold as it is printed, such as four hours.")]
    start: Annotated[Number, Field(description="Lower edge of the first band.")] = 0.0
    side: Annotated[
        Literal["below", "above"],
        Field(description="The side of the threshold that the outcome's numerator counts."),
    ] = "below"
    bands: Annotated[tuple[Band, ...], Field(description="From the lowest to the highest.")]

    @model_validator(mode="after")
    def _in_order(self) -> Distribution:
        if not self.bands:
            raise ValueError("`bands` is empty, and 3 are needed on either side of the threshold")
        found = [*self._open(), *self._order(), *self._sides(), *self._twice()]
        if found:
            raise ValueError("; ".join(found))
        return self

    def _open(self) -> list[str]:
        early = [str(i) for i, band in enumerate(self.bands[:-1], 1) if band.upto is None]
        out = [f"only the last band is open, give `upto` to band {', '.join(early)}"] if early else []
        if self.bands[-1].upto is not None:
            out.append("the last band must be open: leave out its `upto`, or add a band for all that is longer")
        return out

    def _order(self) -> list[str]:
        out, last = [], self.start
        for i, band in enumerate(self.bands, 1):
            if band.upto is not None and band.upto <= last:
                before = "`start`" if i == 1 else f"{last:g}, where the one before it ends"
                out.append(f"band {i} ends at {band.upto:g}, which is not above {before}: put the bands in order")
            last = last if band.upto is None else max(last, band.upto)
        return out

    def _sides(self) -> list[str]:
        edges = [band.upto for band in self.bands if band.upto is not None]
        if self.threshold not in edges:
            listed = ", ".join(f"{edge:g}" for edge in edges)
            return [f"the threshold {self.threshold:g} is no edge of a band (they are {listed})"]
        below = edges.index(self.threshold) + 1
        counts = {"below": below, "above": len(self.bands) - below}
        return [
            f"{count} bands {side} the threshold, and {LEAST} are needed on either side: split them further"
            for side, count in counts.items()
            if count < LEAST
        ]

    def _twice(self) -> list[str]:
        used = Counter(name for band in self.bands for name in band.columns.plus)
        return [f"column `{name}` is added in {n} bands, and belongs in one" for name, n in used.items() if n > 1]

    @property
    def edges(self) -> np.ndarray:
        """Lower edges of the bands, shape (J,); the last band has no upper one."""
        return np.array([self.start, *(band.upto for band in self.bands[:-1])], float)

    @property
    def below(self) -> np.ndarray:
        """Which bands lie below the threshold, booleans, shape (J,)."""
        found: np.ndarray = self.edges < self.threshold
        return found

    @property
    def names(self) -> tuple[str, ...]:
        """The bands as they are printed: `210 to 240`, the last one `480 or more`."""
        lower = self.edges
        upper = [*lower[1:], math.inf]
        return tuple(
            f"{a:g} to {b:g}" if math.isfinite(b) else f"{a:g} or more" for a, b in zip(lower, upper, strict=True)
        )

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column that is needed."""
        return tuple(dict.fromkeys(name for band in self.bands for name in band.columns.names))
