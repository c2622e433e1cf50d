"""The effect on every wave in every period, as a grid."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from evalkit import numbers, periods
from evalkit.errors import DesignError
from evalkit.estimate import Estimate
from evalkit.markup import Shown
from evalkit.plots.style import GREY, canvas, drawable, shown
from evalkit.plots.waves import along, blank, grid, hatch, hatched, height, legend, mark

Across = Literal["calendar", "joining"]
Places = list[Any]  # periods, or times since joining
CLEAR = 1.96  # standard errors; beyond it a cell is marked
MOST_TICKS = 16


@drawable
def cells(estimate: Estimate, *, across: Across = "calendar") -> Shown:
    """Waves down, periods across, the effect as colour; a dot where it is over 1.96 standard errors from zero.

    across  `calendar` months, or periods since `joining`

    Raises DesignError when the design has no effects by wave and period.
    """
    found = estimate.cells
    if found.empty:
        raise DesignError(f"{estimate.title} stores no effects by wave and period", fix="draw its events")
    if across not in ("calendar", "joining"):
        raise DesignError(f"a grid is drawn across `calendar` or `joining`, not '{across}'")
    waves = sorted(found["cohort"].unique())
    places = _places(found, across)
    values, marked, transition = (np.full((len(waves), len(places)), fill) for fill in (np.nan, False, False))
    y = found["cohort"].map({w: i for i, w in enumerate(waves)}).to_numpy(int)
    x = _column(found, across).map({p: i for i, p in enumerate(places)}).to_numpy(int)
    values[y, x] = found["estimate"]
    marked[y, x] = found["estimate"].abs() > CLEAR * found["std_error"]
    transition[y, x] = found["phase"].eq("transition")
    with canvas(height=height(len(waves))) as (figure, axes):
        end = grid(figure, axes, values, f"Effect ({estimate.unit})")
        hatch(axes, transition)
        dots = mark(axes, values, marked, "o", end)
        _axes(axes, places, across)
        lines = _joining(axes, waves, places, across)
        axes.set_yticks(range(len(waves)), [periods.label(w) for w in waves])
        axes.set_ylabel("Wave joined in")
        dot = Line2D(
            [], [], linestyle="", marker="o", markersize=4, color=GREY, label=f"Over {CLEAR} errors from zero"
        )
        line = Line2D([], [], color="black", linewidth=2, label="The wave joined")
        entries: list[tuple[Artist, object]] = [
            (dot, dots),
            (line, lines),
            (hatched("Transition: in no average"), transition.any()),
            (blank("Not estimated"), np.isnan(values).any()),
        ]
        legend(figure, [entry for entry, there in entries if there])
    decimals = numbers.decimals_for([float(found["std_error"].median())])
    caption = f"{estimate.label}: effect on each wave in each period ({estimate.title})"
    return shown(figure, _alt(estimate, decimals), caption, *_table(estimate, decimals))


def _column(found: pd.DataFrame, across: Across) -> pd.Series:
    return found["period"] if across == "calendar" else found["event_time"].astype(int)


def _places(found: pd.DataFrame, across: Across) -> Places:
    """Every period, or time since joining, from the first to the last."""
    column = _column(found, across)
    if across == "calendar":
        return list(pd.period_range(column.min(), column.max()))
    return list(range(int(column.min()), int(column.max()) + 1))


def _axes(axes: Axes, places: Places, across: Across) -> None:
    if across == "calendar":
        along(axes, pd.PeriodIndex(places))
        return
    step = max(1, -(-len(places) // MOST_TICKS))
    shown_at = [i for i, k in enumerate(places) if k % step == 0]
    axes.set_xticks(shown_at, [numbers.number(places[i], 0) for i in shown_at])
    axes.set_xlabel("Periods since joining")


def _joining(axes: Axes, waves: list[pd.Period], places: Places, across: Across) -> list[Line2D]:
    """A line where each wave joined, if that is in the grid."""
    found = []
    for i, wave in enumerate(waves):
        at = (wave - places[0]).n if across == "calendar" else -places[0]
        if 0 <= at <= len(places):
            found += axes.plot([at - 0.5] * 2, [i - 0.5, i + 0.5], color="black", linewidth=2)
    return found


def _alt(estimate: Estimate, decimals: int) -> str:
    found = estimate.cells
    parts = []
    for phase, when in (("pre", "before joining"), ("post", "after joining and any transition")):
        rows = found[found["phase"].eq(phase)]
        if len(rows):
            clear = int((rows["estimate"].abs() > CLEAR * rows["std_error"]).sum())
            span = numbers.interval(rows["estimate"].min(), rows["estimate"].max(), decimals)
            parts.append(f"{when} {len(rows)} effects run from {span}, {clear} of them over {CLEAR} errors from zero")
    waves = found["cohort"].nunique()
    return (
        f"Grid of effects on {estimate.label} in {estimate.unit}, {numbers.of(waves, 'wave')} by period: "
        f"{'; '.join(parts)}. Of effects that are all nought, about one in 20 is that far from zero by chance."
    )


def _table(estimate: Estimate, decimals: int) -> tuple[list[str], list[list[str]]]:
    level = numbers.per_cent(estimate.level)
    rows = [
        [
            f"{periods.label(row.cohort)}, {periods.label(row.period)}",
            str(int(row.event_time)),
            row.phase,
            numbers.signed(row.estimate, decimals),
            numbers.interval(row.low, row.high, decimals),
            numbers.count(row.units),
            numbers.count(row.comparison),
        ]
        for row in estimate.cells.itertuples()
    ]
    header = ["Wave, period", "Since joining", "Phase", "Effect", f"{level} interval", "Units", "Compared with"]
    return header, rows
