"""Rollouts drawn from a pool: by lot, or leaning to units that did badly as the real entry did.

Where the protocol says that units joined because they were doing badly, units are drawn with probabilities in
proportion to exp(-a z), z the standardised mean of the outcome over the selection periods (good is high), one after
the other without putting back, by the largest of -a z_i + G_i with G_i standard Gumbel; a is chosen so that the
mean gap between drawn and others is, in standard deviations, that of the study (Yellott 1977, J Math Psychol 15:109,
on the equivalence of the two). The waves are filled in the order drawn.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from evalkit.estimators._did.layout import Layout, layout
from evalkit.panel import Panel
from evalkit.placebos.pool import Place, Pool

YEAR = {"month": 12, "quarter": 4, "year": 1}  # selection periods where the protocol names none
STEEPEST = 12.0  # a beyond which the worst are always taken
STEPS = 40


@dataclass(frozen=True, eq=False)
class Lean:
    """How selective the real entry was.

    gap      mean score of the joined less that of the others, in standard deviations between units or clusters
    far, near  how many periods before the first wave the selection periods begin and end
    sign     1 where higher is better, -1 where lower is
    """

    gap: float
    far: int
    near: int
    sign: int


def lean(panel: Panel) -> Lean | None:
    """How the study's entry leaned; None where units did not join because they were doing badly."""
    entry = panel.study.protocol.entry
    if entry is None or not entry.selected_on_outcome or panel.joined.empty:
        return None
    arrays = layout(panel)
    first = int(arrays.cohorts[0])
    far, near = min(YEAR[panel.study.frequency], first), 1
    if entry.over is not None and entry.outcome in (None, panel.outcome.name):
        far, near = (first - int(t) for t in panel.study.time(pd.PeriodIndex(entry.over)))
    found = Lean(0.0, far, near, 1 if panel.outcome.better == "higher" else -1)
    z = score(arrays, [np.array([i]) for i in range(len(arrays.g))], first, found)
    joined = ~np.isnan(arrays.g)
    if joined.all():
        return None
    return replace(found, gap=float(z[joined].mean() - z[~joined].mean()))


def rollouts(pool: Pool, place: Place, draws: int, random: np.random.Generator, leaning: Lean | None) -> np.ndarray:
    """Columns of joining, NaN for never, shape (draws, n)."""
    D = int(pool.sizes.sum())
    noise = random.gumbel(size=(draws, len(pool.things)))
    if leaning is not None:
        noise += tilt(score(place.layout, pool.things, int(place.starts[0]), leaning), noise, D, leaning.gap)
    order = np.argsort(-noise, axis=1, kind="stable")[:, :D]
    by_thing = np.full((draws, len(pool.things)), np.nan)
    np.put_along_axis(by_thing, order, np.repeat(place.starts, pool.sizes)[None, :].astype(float), axis=1)
    out = np.full((draws, len(place.layout.g)), np.nan)
    for k, members in enumerate(pool.things):
        out[:, members] = by_thing[:, k, None]
    return out


def score(arrays: Layout, things: list[np.ndarray], first: int, leaning: Lean) -> np.ndarray:
    """Standardised mean over the selection periods before column `first`, high is good; shape (things,)."""
    columns = slice(max(first - leaning.far, 0), max(first - leaning.near, 0) + 1)
    seen = arrays.seen[:, columns]
    total = np.array([(arrays.Y[m, columns] * seen[m]).sum() for m in things])
    count = np.array([seen[m].sum() for m in things])
    present = count > 0
    value = total / np.maximum(count, 1)
    spread = value[present].std() if present.any() else 0.0
    if not spread > 0:
        return np.zeros(len(things))
    return np.where(present, leaning.sign * (value - value[present].mean()) / spread, 0.0)


def tilt(z: np.ndarray, noise: np.ndarray, joined: int, gap: float) -> np.ndarray:
    """-a z with a so that the mean gap between drawn and others is the one wanted, or nearest to it; shape (n,)."""

    def reached(a: float) -> float:
        top = np.argsort(-(noise - a * z), axis=1, kind="stable")[:, :joined]
        inside = z[top].sum(axis=1)
        return float((inside / joined - (z.sum() - inside) / (len(z) - joined)).mean())

    low, high = (0.0, STEEPEST) if gap < 0 else (-STEEPEST, 0.0)
    for _ in range(STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if reached(middle) > gap else (low, middle)
    found: np.ndarray = -(low + high) / 2 * z
    return found
