"""Figures of what departures from parallel trends could do, and of which of them could have been missed."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from evalkit import numbers
from evalkit.estimate import Check
from evalkit.markup import Shown
from evalkit.plots.checks import answered
from evalkit.plots.style import DARK_BLUE, GREY, LIGHT_GREY, ORANGE, TURQUOISE, canvas, shown

LEGEND = {"loc": "upper left", "bbox_to_anchor": (0, -0.16), "ncols": 2, "fontsize": 9}
LOOKS = {
    "parallel": ("o", DARK_BLUE, "Trends exactly parallel"),
    "relative": ("s", ORANGE, "Departures up to so many times the worst seen"),
    "line": ("D", TURQUOISE, "Earlier course carried on in a straight line"),
}


@answered
def sensitivity_bounds(check: Check) -> Shown:
    """The interval by how large departures after joining may be, with the original one beside it."""
    data = check.data
    breakdown = float(data["breakdown"].iloc[0])
    places = _places(data)
    step = 0.25
    left = {"parallel": 0.0, "line": -2 * step}
    with canvas(height=4.0) as (figure, axes):
        for kind, (marker, colour, label) in LOOKS.items():
            part = data[data["kind"].eq(kind)]
            if part.empty:
                continue
            x = part["mbar"].to_numpy(float) if kind == "relative" else np.full(len(part), left[kind])
            axes.vlines(x, part["low"], part["high"], color=colour, linewidth=2)
            for end in ("low", "high"):
                axes.plot(x, part[end], marker, color=colour, markersize=5, label=label if end == "low" else None)
        axes.axhline(0, color=GREY, linewidth=1)
        if math.isfinite(breakdown) and breakdown <= data["mbar"].max():
            axes.axvline(breakdown, color=GREY, linewidth=1, linestyle=":", label="Breakdown value")
        ticks = [0.0, *data.loc[data["kind"].eq("relative"), "mbar"].iloc[1::2]]
        names = ["none", *(f"{tick:g}" for tick in ticks[1:])]
        if data["kind"].eq("line").any():
            ticks, names = [left["line"], *ticks], ["line", *names]
        axes.set_xticks(ticks, names)
        axes.set_xlabel("Largest departure in a period, as a multiple of the worst seen before joining")
        axes.set_ylabel(f"Interval of the effect ({data['unit'].iloc[0]})")
        axes.legend(**LEGEND)
    alt = f"Intervals of the mean effect that widen as larger departures after joining are allowed. {check.reading}"
    rows = [[_allowed(row), *_ends(row, places), "yes" if row["low"] <= 0 <= row["high"] else "no"]
            for _, row in data.iterrows()]  # fmt: skip
    level = numbers.per_cent(float(data["level"].iloc[0]))
    header = ["Departures allowed", f"{level} low", f"{level} high", "Holds zero"]
    return shown(figure, alt, f"{data['label'].iloc[0]}: bounds when trends were not parallel", header, rows)


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
    return f"{row['mbar']:g} times the worst seen"


def _ends(row: pd.Series, places: int) -> list[str]:
    return [numbers.number(float(row[end]), places) for end in ("low", "high")]


def _places(data: pd.DataFrame) -> int:
    """Decimals that suit the narrowest interval: two digits of what would be its standard error."""
    return numbers.decimals_for([float((data["high"] - data["low"]).min()) / 4])
