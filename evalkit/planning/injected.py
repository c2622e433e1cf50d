"""The least effect found by a design that is no weighted sum of outcomes: effects put into its draws, fitted again.

An effect of size r counts as found in a draw when f(r) = theta(r) - h(r) > 0, theta the estimate in the direction of
the effect and h half of the interval. Where r moves theta by r b and h not at all, the least r of each draw is
(h - theta) / b and the one wanted their quantile. Elsewhere the effect is put in and the design fitted again: with f
at nought and at a size r_k, each draw's root of the line through both gives r_(k+1), and so on until it stands still,
where the power at r_k is exactly that of the refitted design.

There may be no such size. What a model does not follow, as a course that rises for a year and stays there is not
followed by a change of level and slope, is left over as errors that persist, and the larger the effect the wider the
interval. Then sizes up to four times that of a constant effect are tried, and without success it is refused.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from evalkit.errors import DesignError

Figures = tuple[np.ndarray, np.ndarray]  # estimates and halves of intervals, shape (B,) each
STILL, STEPS = 1e-3, 12  # relative change of a size that ends the steps, and their number
PLAIN = 2
TRIED, HALVINGS = (1.0, 1.5, 2.0, 3.0, 4.0), 8


@dataclass(frozen=True, eq=False)
class Injected:
    """A design over B draws.

    estimate, error, half  without an effect, shape (B,)
    shift   profiles that move the estimate by r b and nothing else: b, shape (B,)
    moved   other profiles: a signed size to figures with that effect in the draws, or in the first of them
    common  whether what moves every unit stays in it
    """

    design: str
    estimate: np.ndarray
    error: np.ndarray
    half: np.ndarray
    shift: dict[str, np.ndarray] = field(default_factory=dict)
    moved: dict[str, Callable[[float], Figures]] = field(default_factory=dict)
    common: bool = False

    @property
    def profiles(self) -> list[str]:
        """The profiles that it can answer for."""
        return [*self.shift, *self.moved]

    def least(self, profile: str, wanted: float, sign: int) -> float:
        """The least size found with the wanted power. Raises DesignError when none that was tried reaches it."""
        start = self.half - sign * self.estimate
        if profile in self.shift:
            found = _least(start, self.shift[profile], wanted)
            if math.isfinite(found):
                return found
            raise DesignError(f"no {profile} effect of any size would be found with {wanted:.0%} power")
        size = guess = self._guess(profile, wanted, sign)
        for k in range(STEPS):
            estimate, half = self.moved[profile](sign * size)
            first = start[: len(half)]
            last, size = size, _least(first, (sign * estimate - half + first) / size, wanted)
            if size == 0 or abs(size - last) <= STILL * last:
                return size
            if not math.isfinite(size):
                break
            size = math.sqrt(size * last) if k >= PLAIN else size  # so that steps do not go to and fro
        return self._scanned(profile, wanted, sign, guess)

    def _guess(self, profile: str, wanted: float, sign: int) -> float:
        """The size that a constant effect would need, were only the average of the profile to count."""
        size = max(float(np.median(self.half)), np.finfo(float).tiny)
        if profile != "constant" and "constant" in self.shift:
            size = self.least("constant", wanted, sign) or size
        moved = self.moved[profile](sign * size)[0]
        share = float(np.median(sign * (moved - self.estimate[: len(moved)]) / size))
        return size / share if share > 0 else size

    def _scanned(self, profile: str, wanted: float, sign: int, first: float) -> float:
        """The same by trying sizes, and halving between the first that reaches it and the one before."""

        def reached(size: float) -> bool:
            estimate, half = self.moved[profile](sign * size)
            return float((sign * estimate > half).mean()) >= wanted

        low = 0.0
        for times in TRIED:
            if reached(times * first):
                high = times * first
                break
            low = times * first
        else:
            raise DesignError(
                f"no {profile} effect of up to {TRIED[-1]:g} times the size that a constant one takes would be found "
                f"with {wanted:.0%} power: the declared impact does not follow it, and what is left over widens the "
                "interval",
                fix="declare the `impact` under `model.its` that is expected, such as a ramp",
            )
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            low, high = (low, middle) if reached(middle) else (middle, high)
        return high


def _least(start: np.ndarray, slope: np.ndarray, wanted: float) -> float:
    """The quantile of the sizes at which slope times size reaches start, shape (B,) each; infinite where never."""
    with np.errstate(divide="ignore", invalid="ignore"):
        size = np.where(start <= 0, 0.0, np.where(slope > 0, start / slope, np.inf))
    return float(np.sort(size)[math.ceil(round(wanted * len(size), 9)) - 1])
