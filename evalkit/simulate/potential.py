"""A demonstration's settings -> what would happen with and without joining, and what is reported."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from evalkit import periods
from evalkit.simulate import design, waits
from evalkit.simulate.settings import Demonstration, Measure, Volume

REGIONS = "ABCDEFG"
SEGMENT_EDGES = (0.15, 0.5, 0.85)  # quantiles of the score that divide the segments 4, 3, 2 and 1


@dataclass(frozen=True, eq=False)
class Simulated:
    """One simulated collaborative. Arrays are units by periods unless said otherwise.

    joined     (units,) position of the joining period in the window, `design.NEVER` for never
    score      (units,) what entry was decided on; lowest first
    region     (units,) letters
    columns    what the panel file holds, by column; NaN where not reported
    untreated  expected values had nobody joined, by measure, in its unit of report
    treated    expected values as units did join, by measure
    """

    settings: Demonstration
    window: pd.PeriodIndex
    joined: np.ndarray
    score: np.ndarray
    region: np.ndarray
    columns: dict[str, np.ndarray]
    untreated: dict[str, np.ndarray]
    treated: dict[str, np.ndarray]

    @property
    def since(self) -> np.ndarray:
        """Periods since joining, NaN for never."""
        return design.since_joining(self.joined, len(self.window))

    @property
    def segment(self) -> np.ndarray:
        """(units,) oversight segments: 4 for the lowest scores, 1 for the highest."""
        edges = np.quantile(self.score, SEGMENT_EDGES)
        return 4 - np.searchsorted(edges, self.score, side="right")


def window_of(demo: Demonstration) -> pd.PeriodIndex:
    """Every period of the demonstration."""
    first, last = (periods.parse(text, demo.frequency) for text in demo.window)
    return pd.period_range(first, last)


def run(demo: Demonstration, sampled: bool = True) -> Simulated:
    """Simulate. Without `sampled`, counts and means equal their expectation (counts are still rounded)."""
    window = window_of(demo)
    latent = {m.name: _latent(demo, m, window) for m in demo.measures}
    untreated = {m.name: _expected(m, latent[m.name]) for m in demo.measures}
    score = _score(demo, window, untreated[demo.measures[0].name])
    joined = _joined(demo, window, score)
    since = design.since_joining(joined, len(window))
    treated = {m.name: _expected(m, latent[m.name] + _shift(demo, m, since)) for m in demo.measures}
    columns = {v.column: _volume(demo, v, window) for v in demo.volumes}
    for measure in sorted(demo.measures, key=lambda m: m.kind != "rate"):  # a rate's count may be what others are of
        expected = treated[measure.name]
        columns[measure.column] = _reported(demo, measure, expected, columns[measure.of], float(sampled))
    if demo.missing and sampled:
        columns[demo.missing.column] = _with_gaps(demo, columns[demo.missing.column])
    draws = design.normals(demo.seed, "region", (demo.units,))
    region = np.array(list(REGIONS))[np.argsort(np.argsort(draws)) % len(REGIONS)]
    out = Simulated(demo, window, joined, score, region, columns, untreated, treated)
    out.columns.update(waits.banded(out, float(sampled)))
    return out


def positions(window: pd.PeriodIndex, first: str, last: str) -> np.ndarray:
    """The positions in the window from one period to another, both included."""
    frequency = periods.frequency_of(window[0])
    span = (window >= periods.parse(first, frequency)) & (window <= periods.parse(last, frequency))
    return np.flatnonzero(span)


def _latent(demo: Demonstration, measure: Measure, window: pd.PeriodIndex) -> np.ndarray:
    """The untreated course of every unit on the measure's scale, before expected values are formed."""
    shape = (demo.units, len(window))
    level = design.levels(design.normals(demo.seed, f"{measure.name}/unit", shape[:1]), measure.unit_sd)
    noise = design.normals(demo.seed, f"{measure.name}/within", shape)
    shared = _shared(demo, measure, window)
    return shared + level[:, None] + design.ar1(noise, measure.within_sd, measure.rho)


def _shared(demo: Demonstration, measure: Measure, window: pd.PeriodIndex) -> np.ndarray:
    """What moves all units together: course, winters of different depth, dips, noise; shape (periods,)."""
    at = [periods.parse(text, demo.frequency).ordinal for text, _ in measure.course]
    heights = np.array([height for _, height in measure.course])
    course = np.interp(periods.ordinals(window), at, design.logit(heights) if measure.logit else heights)
    month = np.asarray(window.month) - 2 * (demo.frequency == "quarter")  # a quarter by its first month
    year = np.asarray(window.year)
    spans = int(np.ptp(year)) + 2
    depths = measure.winter * (1.0 + 0.3 * design.normals(demo.seed, f"{measure.name}/winter", (spans,)))
    out: np.ndarray = course + design.winters(month, year, depths)
    out += measure.shared_sd * design.normals(demo.seed, f"{measure.name}/shared", (len(window),))
    for dip in measure.dips:
        out[positions(window, dip.first, dip.last)] += dip.depth
    return out


def _expected(measure: Measure, latent: np.ndarray) -> np.ndarray:
    return design.percent_of(latent) if measure.logit else np.clip(latent, *measure.bounds)


def _score(demo: Demonstration, window: pd.PeriodIndex, untreated: np.ndarray) -> np.ndarray:
    """What entry is decided on, (units,): the measured baseline with an error, or chance alone."""
    draws = design.normals(demo.seed, "selection", (demo.units,))
    if demo.selection is None:
        return draws
    base = positions(window, demo.selection.first, demo.selection.last)
    out: np.ndarray = untreated[:, base].mean(axis=1) + demo.selection.noise * draws
    return out


def _joined(demo: Demonstration, window: pd.PeriodIndex, score: np.ndarray) -> np.ndarray:
    starts = np.array([window.get_loc(periods.parse(w.joined, demo.frequency)) for w in demo.waves])
    return design.lowest_first(score, starts, np.array([w.units for w in demo.waves]))


def _shift(demo: Demonstration, measure: Measure, since: np.ndarray) -> np.ndarray:
    """What joining adds on the measure's scale: one size for each unit, built up since it joined."""
    draws = design.normals(demo.seed, f"{measure.name}/effect", since.shape[:1])
    size = measure.effect.size + measure.effect.spread * draws
    out: np.ndarray = size[:, None] * design.ramp(since, measure.effect.build)
    return out


def _volume(demo: Demonstration, volume: Volume, window: pd.PeriodIndex) -> np.ndarray:
    shape = (demo.units, len(window))
    size = design.levels(design.normals(demo.seed, f"{volume.column}/unit", shape[:1]), volume.unit_sd)
    noise = volume.within_sd * design.normals(demo.seed, f"{volume.column}/within", shape)
    per_year = periods.PER_YEAR[demo.frequency]
    years = np.arange(shape[1]) / per_year
    season = -volume.season * np.cos(2 * np.pi * (np.asarray(window.month) - 1) / 12)
    days = np.asarray(window.days_in_month) / 30.4375 if volume.by_days else 1.0
    shared = days * (1 + season) * (1 + volume.growth) ** (years - years.mean())
    return np.maximum(np.rint(volume.median * shared * np.exp(size[:, None] + noise)), 1.0)


def _reported(
    demo: Demonstration, measure: Measure, expected: np.ndarray, size: np.ndarray, sampling: float
) -> np.ndarray:
    """The column of the panel; `sampling` 0 leaves the draws out."""
    draws = sampling * design.normals(demo.seed, f"{measure.name}/sampling", expected.shape)
    if measure.kind == "share":
        return design.share_count(size, expected, draws)
    if measure.kind == "rate":
        return design.rate_count(size * expected / measure.per, draws)
    out: np.ndarray = expected + draws * measure.stay_sd / np.sqrt(size)
    return out


def _with_gaps(demo: Demonstration, values: np.ndarray) -> np.ndarray:
    """The values with those not reported as NaN; a unit's first and last period always are."""
    assert demo.missing is not None  # noqa: S101 - the caller asked
    chance = design.tilted(values, demo.missing.share, demo.missing.tilt)
    chance[:, [0, -1]] = 0.0
    pair = design.normals(demo.seed, "missing", (*values.shape, 2))
    uniform = 1.0 - np.exp(-0.5 * (pair**2).sum(axis=-1))  # a Rayleigh radius, as its probability
    return np.where(uniform < chance, np.nan, values)
