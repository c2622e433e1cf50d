"""The series that is analysed: units taken together, period by period, with its phases."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd

from evalkit.errors import DesignError
from evalkit.estimators._its.days import exposure_days
from evalkit.panel import Panel, Together
from evalkit.study import Outcome

HALF = 0.5  # of the analysed periods of a side in which a unit must have reported


@dataclass(frozen=True, eq=False)
class Series:
    """One outcome of some units together over the study's window.

    window   every period of the study, shape (m,)
    t        its calendar positions, shape (m,)
    phase    `pre`, `transition`, `post` or `excluded`, shape (m,)
    value    in the unit of report, NaN where nobody reported, shape (m,)
    y, base  what was counted, and what it is a share or rate of (1 for a mean), shape (m,)
    days     the length of each period over the mean length, where exposure counts; it is part of base
    units    how many units reported, shape (m,)
    outcome  its kind, unit and scale: value = outcome.scale * y / base
    left_out units that joined and are not part of it, because they did not report on both sides of the start
    starts   calendar positions of the first period after each transition that counts, increasing
    waves    how many waves joined
    """

    window: pd.PeriodIndex
    t: np.ndarray
    phase: np.ndarray
    value: np.ndarray
    y: np.ndarray
    base: np.ndarray
    days: np.ndarray
    units: np.ndarray
    outcome: Outcome
    starts: tuple[int, ...]
    waves: int
    left_out: tuple[str, ...] = ()

    @cached_property
    def used(self) -> np.ndarray:
        """The periods that are analysed: before or after, and reported; booleans, shape (m,)."""
        return ((self.phase == "pre") | (self.phase == "post")) & np.isfinite(self.value)

    @cached_property
    def post(self) -> np.ndarray:
        """The analysed periods after the start; booleans, shape (m,)."""
        return self.used & (self.phase == "post")


def joint_series(panel: Panel) -> Series:
    """The joined units as one series.

    A period is `pre` while no unit has joined, `excluded` where the protocol excludes it, `post` once
    every unit is past its transition, and `transition` in between. Under `waves: each` only the
    transitions themselves are left out: the time between two waves is then `post`.

    Raises DesignError when no unit joined.
    """
    if panel.joined.empty:
        raise DesignError("no unit joined, so there is no start to look at", fix="give joining dates in the rollout")
    phase, starts = dates(panel)
    counted = panel.counted(panel.joined)
    kept = on_both_sides(~np.isnan(counted[0]), phase)
    if not kept.any():
        raise nobody(panel)
    found = assembled(panel, panel.together(counted[:, kept]), phase, starts)
    return replace(found, left_out=tuple(str(u) for u in panel.joined[~kept]))


def dates(panel: Panel) -> tuple[np.ndarray, tuple[int, ...]]:
    """The phase of every period for the joined units together, shape (m,), and `Series.starts`."""
    study, window = panel.study, panel.study.window
    cohorts = pd.PeriodIndex(panel.cohorts)
    each = window.take(np.tile(np.arange(len(window)), len(cohorts)))
    phases = study.phases(cohorts.repeat(len(window)), each).reshape(len(cohorts), len(window))
    phase = np.where((phases == phases[0]).all(axis=0), phases[0], _between(panel, phases))
    first = study.time(cohorts) + study.protocol.transition.periods
    starts = tuple(int(i) for i in first) if panel.study.protocol.model.its.waves == "each" else (int(first[-1]),)
    return phase, starts


def nobody(panel: Panel) -> DesignError:
    """That no joined unit is left."""
    return DesignError(
        "no joined unit reported both before the start and after it",
        panel.study.slug,
        "widen `window`, or check who reported when",
    )


def on_both_sides(seen: np.ndarray, phase: np.ndarray) -> np.ndarray:
    """Units that reported in half of the analysed periods or more on either side of the start, booleans, shape (n,).

    seen  who reported when, shape (n, m)

    A unit that comes or goes with the start would change the series by being another unit, not by changing.
    """
    kept = np.ones(len(seen), bool)
    for side in ("pre", "post"):
        here = phase == side
        if here.any():
            kept &= seen[:, here].mean(axis=1) >= HALF
    return kept


def _between(panel: Panel, phases: np.ndarray) -> np.ndarray:
    """The phase of periods in which the waves differ; shape (periods,)."""
    if panel.study.protocol.model.its.waves == "each":
        return np.where((phases == "transition").any(axis=0), "transition", "post")
    return np.full(phases.shape[1], "transition")


def control_series(panel: Panel, units: pd.Index, like: Series) -> Series:
    """Other units, or the same units' other outcome, with the phases of the joined series."""
    counted = panel.counted(panel.units.index[panel.units.index.isin(units)])
    return assembled(panel, panel.together(counted), like.phase, like.starts)


def counts(panel: Panel, series: Series) -> dict[str, int]:
    """What went in, by name."""
    return {
        "joined units": len(panel.joined) - len(series.left_out),
        "periods before": int((series.used & ~series.post).sum()),
        "periods after": int(series.post.sum()),
        "periods left out": int((~series.used).sum()),
    }


def assembled(panel: Panel, sums: Together, phase: np.ndarray, starts: tuple[int, ...]) -> Series:
    """The series of units taken together."""
    study, outcome, window = panel.study, panel.outcome, panel.study.window
    value, reported = sums.value, sums.reported
    if outcome.denominator is not None:
        y, base = sums.numerator, sums.denominator
    elif outcome.kind == "count":
        y, base = value * reported, reported
    else:
        y, base = value, np.ones(len(value))
    days = exposure_days(window, study.protocol.model.its.exposure, outcome)
    t, waves = study.time(window), len(panel.cohorts)
    return Series(window, t, phase, value / days, y, base * days, days, reported, outcome, starts, waves)
