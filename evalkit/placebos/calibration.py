"""The record of designs over a study's pseudo-collaboratives: by lot, and as selective as the real entry was."""

from __future__ import annotations

from collections.abc import Callable

from evalkit import inference
from evalkit.errors import DesignError
from evalkit.estimators._did.headline import DESIGNS
from evalkit.panel import Panel
from evalkit.placebos import runs
from evalkit.placebos.batches import SEED, Batch, Drawing, Draws, worked
from evalkit.placebos.draw import lean
from evalkit.placebos.pool import Pool, pool
from evalkit.placebos.record import Calibrated, Calibration
from evalkit.placebos.residuals import Resampled, resampled
from evalkit.placebos.runs import INDEPENDENT, Run
from evalkit.spread import Spread, in_order

__all__ = ["SEED", "Draws", "calibrate"]
USUAL = Draws()
FEWEST = 20  # draws below which no rate is given


def calibrate(
    panel: Panel,
    designs: tuple[str, ...],
    draws: Draws = USUAL,
    progress: Callable[[str], None] = lambda _: None,
    spread: Spread = in_order,
) -> Calibration:
    """The record of each design on pseudo-collaboratives of the study's own.

    progress  is told of each design before it runs
    spread    where batches of draws are worked out; the record is the same wherever that is

    Where the study has no untouched unit-periods to draw from, every design is refused with the reason.
    """
    anticipation = _anticipation(panel, designs)
    try:
        source = _source(panel, anticipation)
    except DesignError as refusal:
        return Calibration(None, {}, dict.fromkeys(designs, _why(refusal)))
    found, refused = _records(panel, designs, Drawing(source, draws), progress, spread)
    leaning = lean(panel)
    if leaning is None or not isinstance(source, Pool):
        return Calibration(source, found, refused)
    chosen = pool(panel, anticipation, selective=True)
    quick = tuple(d for d in found if d in DESIGNS)
    leant, _ = _records(panel, quick, Drawing(chosen, draws, leaning), progress, spread)
    return Calibration(source, found, refused, leant, chosen)


def _records(
    panel: Panel, designs: tuple[str, ...], drawing: Drawing, progress: Callable[[str], None], spread: Spread
) -> tuple[dict[str, Calibrated], dict[str, str]]:
    asked = [batch for design in dict.fromkeys(designs) for batch in drawing.batches(design)]
    begun: set[str] = set()

    def told(batch: Batch) -> None:
        if batch.design not in begun:
            begun.add(batch.design)
            progress(batch.design)

    made: dict[str, list[Run | DesignError]] = {design: [] for design in designs}
    for batch, run in zip(asked, spread(worked, drawing, asked, told), strict=True):
        made[batch.design].append(run)
    found, refused = {}, {}
    for design, parts in made.items():
        one = _judged(parts, panel)
        if isinstance(one, Calibrated):
            found[design] = one
        else:
            refused[design] = one
    return found, refused


def _judged(parts: list[Run | DesignError], panel: Panel) -> Calibrated | str:
    """The record of a design from its batches, or why it has none."""
    refusal = next((part for part in parts if isinstance(part, DesignError)), None)
    if refusal is not None:
        return _why(refusal)
    one = Calibrated(runs.together([part for part in parts if isinstance(part, Run)]), panel.study.protocol.level)
    if one.draws < FEWEST:
        return f"it could be computed in {one.draws} draws only"
    if not (one.run.error > inference.ROUNDING * float(panel.rows["value"].abs().max())).all():
        return "in some draws the outcome does not vary between units"
    return one


def _why(refusal: DesignError) -> str:
    return "; ".join(fault.what for fault in refusal.faults)


def _source(panel: Panel, anticipation: int) -> Pool | Resampled:
    """Untouched unit-periods that can hold a rollout, or else residuals."""
    try:
        return pool(panel, anticipation)
    except DesignError:
        return resampled(panel, anticipation)


def _anticipation(panel: Panel, designs: tuple[str, ...]) -> int:
    """The longest that any of the designs declares."""
    options = panel.study.protocol.model
    return max(
        (getattr(getattr(options, d, None), "anticipation", 0) for d in designs if d != INDEPENDENT), default=0
    )
