"""What effect a design would have found: effects injected into the pseudo-collaboratives.

An effect of size r counts as found when the interval excludes nought on its side. With theta, b, c, d and f of a draw
(`runs`), and k the half-width in standard errors,

    found(r) = ( theta + r b > k sqrt(c + 2 r d + r^2 f) ),    power(r) = share of draws

and the effect detectable with a given power is the least r that reaches it, over the pool's greater width (`wider`).
"""

from __future__ import annotations

import numpy as np

from evalkit.errors import DesignError
from evalkit.placebos.runs import PROFILES, Run

POWER = 0.8
STEPS, FARTHEST = 50, 60  # halvings; doublings of the median error within which it is looked for


def power(run: Run, profile: str, sizes: np.ndarray, sign: int = 1) -> np.ndarray:
    """Share of draws in which an injected effect of each size would have been found, shape of `sizes`.

    sizes  at least nought, in the outcome's unit, or per cent for the relative profile
    sign   the direction of the effect, 1 or -1

    Raises DesignError for a design that was fitted whole.
    """
    if run.whole:
        raise DesignError("effects are injected into designs on weighted outcomes only")
    column = PROFILES.index(profile)
    b = run.shift[:, column]
    gram = run.gram
    c, d, f = gram[:, 0, 0], gram[:, 0, column + 1], gram[:, column + 1, column + 1]
    reach = run.half / run.error
    r = sign * np.asarray(sizes, float)[..., None]
    theta = sign * (run.estimate + r * b)
    error = np.sqrt(np.maximum(c + 2 * r * d + r**2 * f, 0.0))
    found: np.ndarray = (theta > reach * error).mean(axis=-1)
    return found


def recovered(run: Run, profile: str, size: float) -> float:
    """Share of draws whose interval holds an injected effect of the size, as the design averages it.

    Raises DesignError for a design that was fitted whole.
    """
    if run.whole:
        raise DesignError("effects are injected into designs on weighted outcomes only")
    column = PROFILES.index(profile) + 1
    gram = run.gram
    square = gram[:, 0, 0] + 2 * size * gram[:, 0, column] + size**2 * gram[:, column, column]
    return float((np.abs(run.estimate) <= run.half / run.error * np.sqrt(square)).mean())


def detectable(run: Run, profile: str, wanted: float = POWER, sign: int = 1, wider: float = 1.0) -> float:
    """The least size of effect found with the wanted power, in a study of its own size.

    Raises DesignError when no size reaches it, as where the profile is nought in every period analysed.
    """
    low, high = 0.0, float(np.median(run.error))
    for _ in range(FARTHEST):
        if power(run, profile, np.array(high), sign) >= wanted:
            break
        low, high = high, 2 * high
    else:
        raise DesignError(f"no {profile} effect of any size would be found with {wanted:.0%} power")
    for _ in range(STEPS):
        middle = (low + high) / 2
        low, high = (low, middle) if power(run, profile, np.array(middle), sign) >= wanted else (middle, high)
    return high / wider
