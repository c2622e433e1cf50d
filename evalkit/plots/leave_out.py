"""The estimate with each unit, wave or region left out in turn."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from evalkit import numbers
from evalkit.estimate import Check
from evalkit.markup import Shown
from evalkit.plots.checks import BELOW, answered
from evalkit.plots.style import DARK_BLUE, GREY, LIGHT_GREY, canvas, sentence_case, shown

NAMED = 3


@answered
def leave_out(check: Check) -> Shown:
    """Estimates with one left out, in order of size with their intervals; the most influential are named.

    Those that could not be left out are in the data table with the reason.
    """
    data = check.data
    noun = str(data["by"].iloc[0])
    drawn = data[data["reason"].eq("")].sort_values("estimate", kind="stable").reset_index(drop=True)
    level = numbers.per_cent(float(data["level"].iloc[0]))
    top = drawn["change"].abs().nlargest(NAMED).index
    with canvas(height=3.8) as (figure, axes):
        for part, style, label in (
            (drawn.index.difference(top), ("o", LIGHT_GREY, 1.2), f"One {noun} left out ({level} interval)"),
            (top, ("D", DARK_BLUE, 2.2), "Those that move it most"),
        ):
            _intervals(axes, drawn.loc[part], style, label)
        _name(axes, drawn.loc[top])
        axes.axhline(0, color=GREY, linewidth=1)
        axes.set_xticks([])
        axes.set_xlim(-1, len(drawn))
        axes.grid(visible=False, axis="x")
        axes.set_xlabel(f"{sentence_case(noun)} left out, in order of the estimate without it")
        axes.set_ylabel(f"Effect ({drawn['unit'].iloc[0]})")
        axes.legend(**BELOW)
    alt = f"The estimate with each of {numbers.of(len(drawn), noun)} left out in turn. {check.reading}"
    header = [
        f"{sentence_case(noun)} left out", "Units", "Effect", f"{level} low", f"{level} high",
        "Change in standard errors", "Note",
    ]  # fmt: skip
    caption = f"{data['label'].iloc[0]}: the effect with each {noun} left out"
    return shown(figure, alt, caption, header, _table(data))


def _intervals(axes: Axes, part: pd.DataFrame, style: tuple[str, str, float], label: str) -> None:
    if part.empty:
        return
    marker, colour, width = style
    y = part["estimate"].to_numpy(float)
    errors = np.vstack([y - part["low"].to_numpy(float), part["high"].to_numpy(float) - y])
    axes.errorbar(
        part.index, y, errors, fmt=marker, color=colour, markersize=4 + width / 2, linewidth=width, label=label
    )


def _name(axes: Axes, top: pd.DataFrame) -> None:
    """The most influential, each on a line of its own above the intervals, with a dotted line down to its own."""
    low, high = axes.get_ylim()
    low = min(low, 0.03 * (low - high))
    line = 0.09 * (high - low)
    middle = np.mean([0, *axes.get_xlim()])
    for i, (x, row) in enumerate(top.sort_index().iterrows()):
        y = high + (i + 0.3) * line
        right = float(x) > middle
        axes.plot([x, x], [row["high"], y], ":", color=DARK_BLUE, linewidth=1)
        axes.annotate(
            str(row["left_out"]),
            (float(x), y),
            (-4 if right else 4, 0),
            textcoords="offset points",
            ha="right" if right else "left",
            va="center",
            fontsize=9,
        )
    axes.set_ylim(low, high + (len(top) + 0.2) * line)


def _table(data: pd.DataFrame) -> list[list[str]]:
    width = (data["high"] - data["low"]).dropna()
    places = numbers.decimals_for([float(width.median()) / 4])
    out = []
    for _, row in data.iterrows():
        cells = [numbers.number(float(row[c]), places) for c in ("estimate", "low", "high")]
        change = numbers.signed(float(row["change"]), 2)
        note = f"not computed: {row['reason']}" if row["reason"] else ""
        out.append([str(row["left_out"]), numbers.count(row["units"]), *cells, change, note])
    return out
