"""Figures of what departures from parallel trends could do, and of which of them could have been missed."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from evalkit import numbers
from evalkit.estimate import Check
from evalkit.markup import Shown
from evalkit.plots.checks import answered
from evalkit.plots.style import DARK_BLUE, GREY, LIGHT_GREY, ORANGE, TURQUOISE, canvas, panes, shown

LEGEND = {"loc": "upper left", "bbox_to_anchor": (0, -0.16), "ncols": 2, "fontsize": 9}
SIDES = {"positive": "upward", "negative": "downward"}
BESIDE = 0.07  # how far a second interval stands beside the first


@answered
def sensitivity_bounds(check: Check) -> Shown:
    """The intervals by how large departures after joining may be, and by how far the earlier line may bend.

    The two stand in panels with a scale of their own: bends add up faster than changes.
    """
    data = check.data
    curved = data["kind"].isin(["line", "smooth"])
    widths = [2.6, 1] if curved.any() else [1]
    with panes(height=4.4, ratios=widths, beside=True) as (figure, (left, *right)):
        for axes in right:
            _bends(axes, data[curved])
        _changes(left, data[~curved])
        left.set_ylabel(f"Interval of the effect ({data['unit'].iloc[0]})")
        figure.legend(*_merged(figure), loc="lower left", ncols=2, fontsize=9)
    alt = (
        "Intervals of the mean effect that widen as larger departures after joining, or bends of the earlier line, "
        f"are allowed. {check.reading}"
    )
    places = _places(data)
    rows = [[_allowed(row), *_ends(row, places), "yes" if row["low"] <= 0 <= row["high"] else "no"]
            for _, row in data.iterrows()]  # fmt: skip
    level = numbers.per_cent(float(data["level"].iloc[0]))
    header = ["Departures allowed", f"{level} low", f"{level} high", "Holds zero"]
    return shown(figure, alt, f"{data['label'].iloc[0]}: bounds when trends were not parallel", header, rows)


def _changes(axes: Axes, data: pd.DataFrame) -> None:
    """Exactly parallel trends, and departures by the worst change seen, to either side and to a known one."""
    relative = data[data["kind"].eq("relative")]
    sided = relative[relative["sign"].ne("any")]
    plain = relative[relative["sign"].eq("any")]
    breakdown = float(data["breakdown"].iloc[0])
    _intervals(axes, np.zeros(1), data[data["kind"].eq("parallel")], ("o", DARK_BLUE, "Trends exactly parallel"))
    look = ("s", ORANGE, "Departures up to so many times the worst seen")
    _intervals(axes, plain["mbar"].to_numpy(float), plain, look)
    if len(sided):
        label = f"The same if trends parted only {SIDES[sided['sign'].iloc[0]]}"
        _intervals(axes, sided["mbar"].to_numpy(float) + BESIDE, sided, ("^", LIGHT_GREY, label))
    axes.axhline(0, color=GREY, linewidth=1)
    if math.isfinite(breakdown) and breakdown <= plain["mbar"].max():
        axes.axvline(breakdown, color=GREY, linewidth=1, linestyle=":", label="Breakdown value")
    ticks = [0.0, *plain["mbar"].iloc[1::2]]
    axes.set_xticks(ticks, ["none", *(f"{tick:g}" for tick in ticks[1:])])
    axes.set_xlabel("Largest departure in a period,\ntimes the largest change seen before joining")


def _bends(axes: Axes, data: pd.DataFrame) -> None:
    """The earlier course carried on, straight and with bends."""
    x = data["mbar"].to_numpy(float)
    _intervals(axes, x, data, ("D", TURQUOISE, "Earlier course carried on, straight or with bends"))
    axes.axhline(0, color=GREY, linewidth=1)
    axes.set_xlim(-0.3, max(float(x.max()), 0.5) + 0.3)
    axes.set_xticks(x, ["straight" if times == 0 else f"{times:g}" for times in x])
    axes.set_xlabel("Largest bend in a period,\ntimes the largest seen")


def _intervals(axes: Axes, x: np.ndarray, part: pd.DataFrame, look: tuple[str, str, str]) -> None:
    marker, colour, label = look
    axes.vlines(x, part["low"], part["high"], color=colour, linewidth=2)
    for end in ("low", "high"):
        axes.plot(x, part[end], marker, color=colour, markersize=5, label=label if end == "low" else None)


def _merged(figure: Figure) -> tuple[list[Artist], list[str]]:
    """Handles and labels of all panels, for one legend."""
    found = [axes.get_legend_handles_labels() for axes in figure.axes]
    order = sorted(
        (pair for handles, labels in found for pair in zip(handles, labels, strict=True)),
        key=lambda pair: pair[1] == "Breakdown value",
    )
    return [handle for handle, _ in order], [label for _, label in order]


@answered
def pretrend_power(check: Check) -> Shown:
    """Estimates before joining, and the straight lines that a test of them finds with 50% and 80% power."""
    data = check.data
    level = numbers.per_cent(float(data["level"].iloc[0]))
    x, y = data["event_time"].to_numpy(float), data["estimate"].to_numpy(float)
    base = x[-1]
    with canvas(height=3.8) as (figure, axes):
        errors = np.vstack([y - data["low"].to_numpy(float), data["high"].to_numpy(float) - y])[:, :-1]
        axes.errorbar(
            x[:-1], y[:-1], errors, fmt="o", color=DARK_BLUE, markersize=5, linewidth=1.2,
            label=f"Difference from the base period ({level} interval)",
        )  # fmt: skip
        axes.plot(base, 0, "s", color=LIGHT_GREY, markersize=6, label="Base period, zero by definition")
        for name, style, label in (("line_50", "--", "50%"), ("line_80", ":", "80%")):
            axes.plot(x, data[name], style, color=ORANGE, linewidth=2, label=f"Trend found with {label} probability")
        axes.axhline(0, color=GREY, linewidth=1)
        axes.set_xticks(x)
        axes.set_xlabel("Periods since joining")
        axes.set_ylabel(f"Difference ({data['unit'].iloc[0]})")
        axes.legend(**LEGEND)
    alt = (
        f"Differences between joined and comparison units in {numbers.of(len(data) - 1, 'period')} before joining, "
        f"and the trends that a test of them would find. {check.reading}"
    )
    places = _places(data.iloc[:-1])
    columns = ["estimate", "low", "high", "line_50", "line_80"]
    rows = [
        [str(int(row["event_time"])), *(numbers.number(float(row[c]), places) for c in columns)]
        for _, row in data.iterrows()
    ]
    header = ["Periods since joining", "Difference", f"{level} low", f"{level} high", "Found half the time",
              "Found four times in five"]  # fmt: skip
    return shown(figure, alt, f"{data['label'].iloc[0]}: trends that could have been missed", header, rows)


def _allowed(row: pd.Series) -> str:
    if row["kind"] == "parallel":
        return "none: trends exactly parallel"
    if row["kind"] == "line":
        return "earlier course carried on in a straight line"
    if row["kind"] == "smooth":
        return f"that line bending by up to {row['mbar']:g} times the largest bend seen"
    only = f", {SIDES[row['sign']]} only" if row["sign"] in SIDES else ""
    return f"{row['mbar']:g} times the worst seen{only}"


def _ends(row: pd.Series, places: int) -> list[str]:
    return [numbers.number(float(row[end]), places) for end in ("low", "high")]


def _places(data: pd.DataFrame) -> int:
    """Decimals that suit the narrowest interval: two digits of what would be its standard error."""
    return numbers.decimals_for([float((data["high"] - data["low"]).min()) / 4])
