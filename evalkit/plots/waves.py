"""Grids of waves by periods, drawn in colours that run both ways from nought, with marks that say the same.

Colours run from orange (negative) over white to blue (positive), alike for the usual kinds of colour
blindness; a mark in the cell says what must not depend on colour.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.colors import FuncNorm, LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from evalkit import numbers, periods
from evalkit.plots.layout import colour_bar
from evalkit.plots.style import DARK_BLUE, GREY, LIGHT_GREY, ORANGE, calendar

DIVERGING = LinearSegmentedColormap.from_list("evalkit", [ORANGE, "#FBD3BE", "#FFFFFF", "#B5C7D9", DARK_BLUE])
BLANK = "#ECECEC"
TALLEST, ROW, OUTSIDE = 14.0, 0.42, 1.6  # inches
MARK, MANY = 16, 36  # area of a mark in square points, and columns from which it is smaller
SHORT, MOST = 24, 8  # periods that are labelled one by one, and labels
PALE = 0.7  # share of the scale from which a mark is white


def height(rows: int) -> float:
    """Of a figure with so many rows, inches."""
    return min(OUTSIDE + ROW * rows, TALLEST)


def grid(figure: Figure, axes: Axes, values: np.ndarray, label: str, power: float = 1.0) -> float:
    """Cells of values, shape (rows, columns), NaN for none, on a scale symmetric around nought; its end.

    power  of the scale: below one, small values are told apart better
    """
    known = np.abs(values[np.isfinite(values)])
    end = float(known.max(initial=0.0)) or 1.0
    axes.set_facecolor(BLANK)
    norm = FuncNorm((_bent(power), _bent(1 / power)), -end, end)
    drawn = axes.imshow(
        np.ma.masked_invalid(values), cmap=DIVERGING, norm=norm, aspect="auto",
        interpolation="none",
    )  # fmt: skip
    ticks = [end * share for share in (-1.0, -0.25, 0.0, 0.25, 1.0)] if power < 1 else None
    bar = colour_bar(figure, drawn, label, ticks)
    if ticks is not None:
        bar.set_ticklabels([numbers.number(tick, numbers.decimals_for([end])) for tick in ticks])
    axes.grid(visible=False)
    edges = np.arange(values.shape[0] + 1) - 0.5
    axes.hlines(edges, -0.5, values.shape[1] - 0.5, color="white", linewidth=1.5)
    return end


def _bent(power: float) -> Callable[[np.ndarray], np.ndarray]:
    """|x|^power with the sign of x."""
    return lambda x: np.sign(x) * np.abs(x) ** power


def legend(figure: Figure, handles: Sequence[Artist]) -> None:
    """The entries below the axes, whatever their height."""
    figure.legend(handles=handles, loc="lower left", ncols=3, fontsize=9)


def mark(
    axes: Axes, values: np.ndarray, where: np.ndarray, marker: str, end: float, size: float = 1.0
) -> list[PathCollection]:
    """A mark in some cells, dark on pale colours and white on strong ones; where, booleans like values."""
    found = []
    area = size * (MARK if values.shape[1] <= MANY else MARK / 2)
    strong = np.abs(np.nan_to_num(values)) > PALE * end
    for side, colour in ((where & ~strong, GREY), (where & strong, "white")):
        if side.any():
            y, x = np.nonzero(side)
            found.append(axes.scatter(x, y, marker=marker, s=area, color=colour, linewidths=1.1))
    return found


def along(axes: Axes, window: pd.PeriodIndex) -> None:
    """Label the periods: by year, or one by one where years are few."""
    calendar(axes, window)
    if len(window) <= SHORT:
        step = -(-len(window) // MOST)
        axes.set_xticks(range(0, len(window), step), [periods.label(p) for p in window[::step]])
        axes.set_xlabel("Period")


def hatch(axes: Axes, where: np.ndarray) -> None:
    """Hatched cells, drawn as runs along each row; where, booleans, shape (rows, columns)."""
    for y, row in enumerate(where):
        edges = np.flatnonzero(np.diff(np.concatenate([[0], row.astype(int), [0]])))
        for first, stop in zip(edges[::2], edges[1::2], strict=True):
            axes.add_patch(
                Rectangle(
                    (first - 0.5, y - 0.5),
                    stop - first,
                    1,
                    fill=False,
                    hatch="////",
                    edgecolor=LIGHT_GREY,
                    linewidth=0,
                )
            )


def hatched(label: str) -> Patch:
    """The legend's entry of hatched cells."""
    return Patch(facecolor="white", edgecolor=LIGHT_GREY, hatch="////", label=label)


def blank(label: str) -> Patch:
    """The legend's entry of cells without a value."""
    return Patch(facecolor=BLANK, edgecolor=LIGHT_GREY, label=label)
