"""Headlines side by side: with neighbours and without, and what else changed with joining."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from evalkit import numbers
from evalkit.estimate import Check
from evalkit.markup import Shown
from evalkit.plots.checks import answered
from evalkit.plots.style import DARK_BLUE, GREY, LIGHT_GREY, ORANGE, SHADE, canvas, shown

ROW = 0.5  # inches


@answered
def neighbours(check: Check) -> Shown:
    """The effect against all comparison units, without neighbours and against them alone, and the difference."""
    data = check.data
    level = numbers.per_cent(float(data["level"].iloc[0]))
    with canvas(height=1.1 + ROW * len(data)) as (figure, axes):
        colours = [DARK_BLUE, LIGHT_GREY, LIGHT_GREY, ORANGE]
        _forest(axes, data, data["comparison"].tolist(), list(zip(colours, ("D", "o", "o", "s"), strict=True)))
        axes.set_xlabel(f"Effect ({data['unit'].iloc[0]}), {level} interval")
    places = numbers.decimals_for(data["std_error"])
    rows = [
        [
            str(row.comparison),
            numbers.count(row.units) if row.units else "",
            *(numbers.number(v, places) for v in (row.estimate, row.low, row.high)),
        ]
        for row in data.itertuples()
    ]
    alt = f"The effect by who is compared with, and the difference. {check.reading}"
    caption = f"{data['label'].iloc[0]}: the effect with and without neighbours as comparison"
    header = ["Compared with", "Units that never joined", "Effect", f"{level} low", f"{level} high"]
    return shown(figure, alt, caption, header, rows)


@answered
def composition(check: Check) -> Shown:
    """The change of denominator, case mix and reporting with joining, beside the change that would matter."""
    data = check.data
    level = numbers.per_cent(float(data["level"].iloc[0]))
    matters = float(data["matters"].iloc[0])
    drawn = data[data["reason"].eq("")].reset_index(drop=True)
    with canvas(height=1.3 + ROW * len(drawn)) as (figure, axes):
        names = [f"{row.measure},\n{row.unit}" for row in drawn.itertuples()]
        axes.axvspan(-matters, matters, color=SHADE, zorder=0)
        _forest(axes, drawn, names, [(DARK_BLUE, "D")] * len(drawn))
        axes.set_xlabel(f"Change with joining, {level} interval (shaded: less than {numbers.number(matters, 0)})")
    rows = [
        [
            str(row.measure), str(row.unit), *(numbers.number(v, 2) for v in (row.estimate, row.low, row.high)),
            "" if row.reason else numbers.p_value(row.p_value), f"not computed: {row.reason}" if row.reason else "",
        ]
        for row in data.itertuples()
    ]  # fmt: skip
    alt = f"Change with joining in what is counted. {check.reading}"
    header = ["Measure", "Unit", "Change", f"{level} low", f"{level} high", "p", "Note"]
    return shown(figure, alt, "What else changed with joining", header, rows)


def _forest(axes: Axes, data: pd.DataFrame, names: list[str], marks: list[tuple[str, str]]) -> None:
    """One row each, the first above."""
    for y, (row, (colour, marker)) in enumerate(zip(data.itertuples(), marks, strict=True)):
        ends = np.array([[row.estimate - row.low], [row.high - row.estimate]])
        axes.errorbar(row.estimate, y, xerr=ends, fmt=marker, color=colour, markersize=6, linewidth=2)
    axes.axvline(0, color=GREY, linewidth=1)
    axes.set_yticks(range(len(data)), names)
    axes.set_ylim(len(data) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")
    axes.tick_params(left=False)
