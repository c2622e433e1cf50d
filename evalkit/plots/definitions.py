"""The effect under other definitions of the outcome, on one scale."""

from __future__ import annotations

import textwrap

import numpy as np
import pandas as pd

from evalkit import numbers
from evalkit.estimate import Check
from evalkit.markup import Shown
from evalkit.plots.checks import answered
from evalkit.plots.style import DARK_BLUE, GREY, LIGHT_GREY, canvas, shown

ROW = 0.45  # inches
WIDTH = 34  # characters of a name on the axis


@answered
def definitions(check: Check) -> Shown:
    """One row a definition, in standard deviations; its own unit, per cent and difference are in the data table."""
    data = check.data
    level = numbers.per_cent(float(data["level"].iloc[0]))
    drawn = data[data["reason"].eq("") & data["sd_estimate"].notna()].reset_index(drop=True)
    with canvas(height=1.2 + ROW * len(drawn)) as (figure, axes):
        for y, row in enumerate(drawn.itertuples()):
            colour, marker = (DARK_BLUE, "D") if row.main else (LIGHT_GREY, "o")
            ends = np.array([[row.sd_estimate - row.sd_low], [row.sd_high - row.sd_estimate]])
            axes.errorbar(row.sd_estimate, y, xerr=ends, fmt=marker, color=colour, markersize=6, linewidth=2)
        axes.axvline(0, color=GREY, linewidth=1)
        axes.set_yticks(range(len(drawn)), [textwrap.fill(str(name), WIDTH) for name in drawn["definition"]])
        axes.set_ylim(len(drawn) - 0.5, -0.5)
        axes.grid(visible=False, axis="y")
        axes.tick_params(left=False)
        axes.set_xlabel(f"Effect in standard deviations before joining, {level} interval")
    alt = f"The effect under {numbers.of(len(drawn), 'definition')} of the outcome. {check.reading}"
    header = [
        "Definition", "Unit", "Effect", f"{level} low", f"{level} high", "Standard deviations", "Per cent",
        "Difference from the declared", "Note",
    ]  # fmt: skip
    caption = f"{data['label'].iloc[0]}: the effect under other definitions"
    return shown(figure, alt, caption, header, [_cells(row) for _, row in data.iterrows()])


def _cells(row: pd.Series) -> list[str]:
    places = 2 if row["reason"] else numbers.decimals_for([(row["high"] - row["low"]) / 4])
    apart = ""
    if np.isfinite(row["difference_estimate"]):
        ends = numbers.interval(row["difference_low"], row["difference_high"], places)
        apart = f"{numbers.signed(row['difference_estimate'], places)} ({ends})"
    note = "declared" if row["main"] else row["reason"] and f"not computed: {row['reason']}"
    return [
        str(row["definition"]), str(row["of_unit"]),
        *(numbers.number(row[end], places) for end in ("estimate", "low", "high")),
        numbers.signed(row["sd_estimate"], 2), numbers.signed(row["percent_estimate"], 1), apart, note,
    ]  # fmt: skip
