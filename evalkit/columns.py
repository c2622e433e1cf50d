"""Named design columns, built by us from structured options: never from a formula.

Every function takes the calendar positions of all periods, shape (n,), and returns one row for each, so
that a course can be followed through periods that are not analysed.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from evalkit import periods

KNOTS = (1 / 3, 2 / 3)  # of the course before the start, between its ends


def trend(t: np.ndarray, before: np.ndarray, kind: str, damping: float = 0.9) -> pd.DataFrame:
    """Level and course before the start, carried on after it.

    t        calendar positions, shape (n,)
    before   the analysed positions before the start, shape (m,); knots and damping are set by them alone
    kind     `linear`: t from the first position. `quadratic`: and its square. `spline`: a natural cubic spline with
             knots at the ends and thirds of `before`, straight after its last one (Harrell 2001, Regression
             Modeling Strategies, eq. 2.25). `damped`: each step after the last of `before` is `damping` times
             the one before it (Gardner and McKenzie 1985, Management Science 31:1237)

    Columns `intercept`, `trend`, and `trend_2`... for what is not straight. Positions are measured from
    the first one, in units of periods.
    """
    origin = t.min()
    x = (t - origin).astype(float)
    out = {"intercept": np.ones(len(t)), "trend": x}
    if kind == "quadratic":
        out["trend_2"] = x**2 / max(float(x.max()), 1.0)
    elif kind == "spline":
        out |= _natural_spline(x, (before - origin).astype(float))
    elif kind == "damped":
        last = float(before.max() - origin)
        steps = np.maximum(x - last, 0)
        out["trend"] = np.minimum(x, last) + damping * (1 - damping**steps) / (1 - damping)
    return pd.DataFrame(out)


def _natural_spline(x: np.ndarray, before: np.ndarray) -> dict[str, np.ndarray]:
    """The curved columns of a natural cubic spline, scaled by the square of the knots' range."""
    knots = np.quantile(before, [0.0, *KNOTS, 1.0])
    top, next_to_top = knots[-1], knots[-2]

    def cube(at: float) -> np.ndarray:
        return np.maximum(x - at, 0.0) ** 3

    out = {}
    for i, knot in enumerate(knots[:-2]):
        near, far = (top - knot) / (top - next_to_top), (next_to_top - knot) / (top - next_to_top)
        curved = cube(knot) - near * cube(next_to_top) + far * cube(top)
        out[f"trend_{i + 2}"] = curved / (top - knots[0]) ** 2
    return out


def impact(t: np.ndarray, onset: int, shape: str, over: int = 1, until: int | None = None) -> pd.DataFrame:
    """What an intervention adds from `onset` on; zero before it. s = t - onset.

    `level`            level_change  1 from the onset
    `slope`            slope_change  s
    `level_and_slope`  both; level_change is the change at the onset itself, where s = 0
    `ramp`             ramp          (s + 1) / over up to 1: it takes `over` periods to reach the new level
    `pulse`            pulse         1 for `over` periods, then 0

    until  position of the last period in which it ran: these columns are then 0 after it, and
           level_after_end (1) and, where there is a slope, slope_after_end (periods since the first after the end)
           take over
    """
    since = (t - onset).astype(float)
    on = since >= 0
    running = on if until is None else on & (t <= until)
    out: dict[str, np.ndarray] = {}
    if shape in ("level", "level_and_slope"):
        out["level_change"] = running.astype(float)
    if shape in ("slope", "level_and_slope"):
        out["slope_change"] = np.where(running, since, 0.0)
    if shape == "ramp":
        out["ramp"] = np.where(running, np.minimum((since + 1) / over, 1.0), 0.0)
    if shape == "pulse":
        out["pulse"] = (on & (since < over)).astype(float)
    if until is not None:
        after = np.asarray(t > until)
        out["level_after_end"] = after.astype(float)
        if "slope_change" in out:
            out["slope_after_end"] = np.where(after, t - until - 1.0, 0.0)
    return pd.DataFrame(out)


def harmonics(index: pd.PeriodIndex, pairs: int) -> pd.DataFrame:
    """Seasonal columns sin(2 pi k s / S) and cos(2 pi k s / S), k = 1..pairs.

    s is the position in the year (1..S), S the periods a year. A pair that S cannot carry (k > S/2, or
    the sine at k = S/2, which is zero throughout) is left out; a yearly study has no season.
    """
    season, year = _season(index)
    out = {}
    for k in range(1, pairs + 1):
        angle = 2 * np.pi * k * season / year
        if 2 * k < year:
            out[f"sin_{k}"] = np.sin(angle)
        if 2 * k <= year:
            out[f"cos_{k}"] = np.cos(angle)
    return pd.DataFrame(out, index=range(len(index)))


def months(index: pd.PeriodIndex) -> pd.DataFrame:
    """One column for every month (quarter) of the year but the first: 1 in it, else 0."""
    season, year = _season(index)
    return pd.DataFrame({f"month_{m}": (season == m).astype(float) for m in range(2, year + 1)})


def _season(index: pd.PeriodIndex) -> tuple[np.ndarray, int]:
    frequency = periods.frequency_of(index[0])
    position = {"month": "month", "quarter": "quarter"}.get(frequency)
    season = np.ones(len(index)) if position is None else np.asarray(getattr(index, position), float)
    return season, periods.PER_YEAR[frequency]
