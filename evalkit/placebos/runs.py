"""A design put to drawn rollouts: its headline, the error, and what injected effects would add.

For an injected effect of size r the estimate is theta + r b and its variance c + 2 r d + r^2 f, with b the estimate
of a unit effect, and c, d, f the sums over clusters of the products of what outcome and effect contribute. So one
pass over the draws serves every size. Designs on weighted outcomes go through `relabelled`; the others are fitted
whole, on fewer draws, and are judged by the interval that they report.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy import stats

from evalkit import estimators
from evalkit.errors import DesignError
from evalkit.estimate import Estimate
from evalkit.estimators._did.absorb import Sample, period_effects
from evalkit.estimators._did.headline import DESIGNS, Rule, headline, ruled
from evalkit.estimators._did.layout import Layout
from evalkit.estimators._did.relabelled import Outcome, figures
from evalkit.estimators._its.brief import headlines
from evalkit.panel import Panel
from evalkit.placebos.pool import Place

PROFILES = ("constant", "building up", "relative")
YEAR = {"month": 12, "quarter": 4, "year": 1}  # periods over which an effect builds up
SERIES = ("its", "its_pooled", "its_event_time")  # of the joined units alone: what moves every unit stays in them
INDEPENDENT = "independent"  # two-way fixed effects with errors taken as independent, as a warning


@dataclass(frozen=True, eq=False)
class Run:
    """A design's figures over the draws, B of them.

    estimate, error  shape (B,)
    half     half-widths of the intervals at the study's level, shape (B,)
    gram     sums of products of contributions of outcome and profiles, shape (B, 4, 4); empty where fitted whole
    shift    estimate of each profile's unit effect, shape (B, 3); empty where fitted whole
    lost     draws in which the design was refused
    whole    whether each draw was fitted whole
    at       which draw each estimate is of: its place, and its number there; shape (B, 2), empty where not known
    """

    design: str
    estimate: np.ndarray
    error: np.ndarray
    half: np.ndarray
    gram: np.ndarray
    shift: np.ndarray
    lost: int
    whole: bool
    at: np.ndarray = field(default_factory=lambda: np.empty((0, 2), int))

    @property
    def rejected(self) -> np.ndarray:
        """Draws whose interval excludes nought, booleans, shape (B,)."""
        return np.abs(self.estimate) > self.half


def profiles(layout: Layout, level: np.ndarray, frequency: str) -> list[Outcome]:
    """Each profile of `PROFILES` as an outcome of its own.

    constant: one from joining on; building up: in a straight line over a year, then one; relative: one per cent of
    `level`, shape (n, T), from joining on.
    """
    since = np.arange(layout.Y.shape[1])[None, :] - np.append(layout.cohorts, np.inf)[:, None]
    on = (since >= 0).astype(float)
    rising = np.clip((np.where(np.isfinite(since), since, -1) + 1) / YEAR[frequency], 0.0, 1.0)
    nothing = np.zeros_like(on)
    return [Outcome(layout.Y, nothing, on), Outcome(layout.Y, nothing, rising), Outcome(level, 0.01 * on)]


def half_widths(panel: Panel, layout: Layout, error: np.ndarray) -> np.ndarray:
    """Half-widths of intervals by Student's t on clusters - 1, shape as `error`."""
    found: np.ndarray = stats.t.ppf(0.5 + panel.study.protocol.level / 2, clusters(layout) - 1) * error
    return found


def clusters(layout: Layout) -> int:
    """Clusters with data."""
    return len(np.unique(layout.cluster[layout.seen.any(axis=1)]))


def weighed(design: str, place: Place, drawn: np.ndarray) -> Run:
    """A design of `headline.DESIGNS` on drawn rollouts. Raises DesignError when its protocol refuses it."""
    arrays, panel = place.layout, place.panel
    asked = [Outcome(arrays.Y), *profiles(arrays, arrays.Y, panel.study.frequency)]
    found = figures(design, arrays, ruled(panel, design, arrays), asked, drawn)
    half = half_widths(panel, arrays, found.error())
    return Run(
        design, found.theta[:, 0], found.error(), half, found.gram, found.theta[:, 1:], found.lost, whole=False,
        at=numbered(found.kept),
    )  # fmt: skip


def numbered(kept: np.ndarray) -> np.ndarray:
    """`Run.at` of draws at one place; their numbers, shape (B,)."""
    return np.column_stack([np.zeros(len(kept), int), kept])


def independent(place: Place, drawn: np.ndarray) -> Run:
    """Two-way fixed effects with independent errors: Var theta = s^2 sum w^2, s^2 = RSS / (N - n - T).

    What happens where months of one unit are taken to tell something new each; shown to be avoided.
    """
    level, rows, kept = place.panel.study.protocol.level, [], []
    for k, g in enumerate(drawn):
        made = place.layout.joining(g)
        try:
            linear = headline("twoway", made, Rule())
        except DesignError:
            continue
        used = made.only(~made.of("transition"))
        w = linear.spread()[:, :, 0]
        theta, square = float((w * used.Y).sum()), float((w**2).sum())
        residual = _residual(used)
        df = float(used.seen.sum() - used.seen.any(axis=1).sum() - used.seen.any(axis=0).sum())
        error = np.sqrt(max((residual**2).sum() - theta**2 / square, 0.0) / df * square)
        kept.append(k)
        rows.append((theta, error, stats.t.ppf(0.5 + level / 2, df) * error))
    return _plain(INDEPENDENT, rows, kept, len(drawn))


def _residual(layout: Layout) -> np.ndarray:
    """Y less unit and period effects, shape (n, T)."""
    sample = Sample(np.ones(len(layout.g)), layout.seen.astype(float), np.ones((len(layout.g), 1)))
    periods = period_effects(sample)
    left = layout.Y - periods.fitted(periods.effects(layout.Y))
    alpha = (layout.seen * left).sum(axis=1) / sample.total
    found: np.ndarray = (left - alpha[:, None]) * layout.seen
    return found


def fitted(design: str, place: Place, drawn: np.ndarray) -> Run:
    """Any design, fitted whole on each drawn rollout, judged by the interval it reports."""
    window, units = place.panel.study.window, place.panel.units.index
    rows, kept = [], []
    for k, g in enumerate(drawn):
        cohort = pd.Series([window[int(c)] if np.isfinite(c) else pd.NaT for c in g], index=units)
        found = estimators.attempt(design, place.panel.joining(cohort))
        if not isinstance(found, Estimate):
            continue
        head = found.headline
        kept.append(k)
        rows.append((head["estimate"], head["std_error"], _reach(head)))
    return _plain(design, rows, kept, len(drawn))


def series(place: Place, drawn: np.ndarray) -> Run:
    """The interrupted time series on each drawn rollout: as `fitted`, without what is not looked at."""
    found = headlines(place.panel, np.isfinite(drawn))
    kept = [k for k, head in enumerate(found) if head is not None]
    heads = [pd.Series(head) for head in found if head is not None]
    return _plain("its", [(h["estimate"], h["std_error"], _reach(h)) for h in heads], kept, len(drawn))


def _reach(head: pd.Series) -> float:
    """How far the interval reaches from the estimate towards nought."""
    end = head["low"] if head["estimate"] > 0 else head["high"]
    return float(abs(head["estimate"] - end))


def _plain(design: str, rows: list[tuple[float, float, float]], kept: list[int], draws: int) -> Run:
    estimate, error, half = np.array(rows, float).reshape(-1, 3).T
    lost, at = draws - len(kept), numbered(np.array(kept, int))
    return Run(design, estimate, error, half, np.empty((0, 0, 0)), np.empty((0, 0)), lost, whole=True, at=at)


def one_by_one(design: str, *, whole: bool) -> bool:
    """Whether `run` fits a design on one draw after the other."""
    return design not in (INDEPENDENT, "its") and (whole or design not in DESIGNS)


def run(design: str, place: Place, drawn: np.ndarray, *, whole: bool = False) -> Run:
    """A design on drawn rollouts, by the quicker way that it has, or fitted whole."""
    if one_by_one(design, whole=whole):
        return fitted(design, place, drawn)
    if design == INDEPENDENT:
        return independent(place, drawn)
    return series(place, drawn) if design == "its" else weighed(design, place, drawn)


def together(runs: list[Run]) -> Run:
    """The same design in several batches, as one."""

    def stacked(name: str) -> np.ndarray:
        return np.concatenate([getattr(r, name) for r in runs])

    return Run(
        runs[0].design, stacked("estimate"), stacked("error"), stacked("half"), stacked("gram"), stacked("shift"),
        sum(r.lost for r in runs), runs[0].whole, stacked("at"),
    )  # fmt: skip
