"""The record of designs over a study's pseudo-collaboratives: by lot, and as selective as the real entry was."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from evalkit import inference
from evalkit.errors import DesignError
from evalkit.estimators._did.headline import DESIGNS
from evalkit.panel import Panel
from evalkit.placebos import runs
from evalkit.placebos.draw import Lean, lean, rollouts
from evalkit.placebos.pool import Pool, pool
from evalkit.placebos.record import Calibrated, Calibration
from evalkit.placebos.residuals import Resampled, resampled, weighed
from evalkit.placebos.runs import INDEPENDENT, Run

SEED = 20261122
FEWEST = 20  # draws below which no rate is given

Runner = Callable[[str], Run]


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


def calibrate(
    panel: Panel,
    designs: tuple[str, ...],
    draws: Draws = Draws(),
    progress: Callable[[str], None] = lambda _: None,
) -> Calibration:
    """The record of each design on pseudo-collaboratives of the study's own.

    progress  is told of each design before it runs

    Where the study has no untouched unit-periods to draw from, every design is refused with the reason.
    """
    anticipation = _anticipation(panel, designs)
    try:
        source = _source(panel, anticipation)
    except DesignError as refusal:
        why = "; ".join(fault.what for fault in refusal.faults)
        return Calibration(None, {}, dict.fromkeys(designs, why))
    runner = _by_rollout(source, draws) if isinstance(source, Pool) else _by_outcome(source, draws)
    found, refused = _records(panel, designs, runner, progress)
    leaning = lean(panel)
    if leaning is None or not isinstance(source, Pool):
        return Calibration(source, found, refused)
    chosen = pool(panel, anticipation, selective=True)
    quick = tuple(d for d in found if d in DESIGNS)
    leant, _ = _records(panel, quick, _by_rollout(chosen, draws, leaning), progress)
    return Calibration(source, found, refused, leant, chosen)


def _records(
    panel: Panel, designs: tuple[str, ...], runner: Runner, progress: Callable[[str], None]
) -> tuple[dict[str, Calibrated], dict[str, str]]:
    found, refused = {}, {}
    for design in designs:
        progress(design)
        try:
            one = Calibrated(runner(design), panel.study.protocol.level)
        except DesignError as refusal:
            refused[design] = "; ".join(fault.what for fault in refusal.faults)
            continue
        if one.draws < FEWEST:
            refused[design] = f"it could be computed in {one.draws} draws only"
        elif not (one.run.error > inference.ROUNDING * float(panel.rows["value"].abs().max())).all():
            refused[design] = "in some draws the outcome does not vary between units"
        else:
            found[design] = one
    return found, refused


def _source(panel: Panel, anticipation: int) -> Pool | Resampled:
    """Untouched unit-periods that can hold a rollout, or else residuals."""
    try:
        return pool(panel, anticipation)
    except DesignError:
        return resampled(panel, anticipation)


def _by_rollout(source: Pool, draws: Draws, leaning: Lean | None = None) -> Runner:
    """Runs a design on drawn rollouts."""
    random = np.random.default_rng(draws.seed)
    counts = _shares(draws.weighed if leaning is None else draws.leant, len(source.places))
    drawn = [rollouts(source, place, b, random, leaning) for place, b in zip(source.places, counts, strict=True)]

    def run(design: str) -> Run:
        whole = source.single or design not in DESIGNS
        few = _shares(min(draws.whole, sum(counts)), len(counts)) if whole else counts
        made = [
            runs.run(design, p, d[:b], whole=whole) for p, d, b in zip(source.places, drawn, few, strict=True) if b
        ]
        return runs.together(made)

    return run


def _by_outcome(source: Resampled, draws: Draws) -> Runner:
    """Runs a design on simulated outcomes under the study's own rollout."""

    def run(design: str) -> Run:
        if design not in DESIGNS:
            raise DesignError("no rollout can be moved here, and on simulated outcomes only comparisons are run")
        return weighed(design, source, draws.weighed, draws.seed)

    return run


def _shares(draws: int, places: int) -> list[int]:
    """Draws spread evenly over places."""
    return [draws // places + (k < draws % places) for k in range(places)]


def _anticipation(panel: Panel, designs: tuple[str, ...]) -> int:
    """The longest that any of the designs declares."""
    options = panel.study.protocol.model
    return max(
        (getattr(getattr(options, d, None), "anticipation", 0) for d in designs if d != INDEPENDENT), default=0
    )
