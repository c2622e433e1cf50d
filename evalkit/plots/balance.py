"""How alike the joined and their comparison are: standardised differences before and after adjustment."""

from __future__ import annotations

import textwrap

import numpy as np

from evalkit import numbers
from evalkit.estimate import Check
from evalkit.markup import Shown
from evalkit.plots.checks import answered
from evalkit.plots.style import DARK_BLUE, GREY, LIGHT_GREY, ORANGE, SHADE, canvas, shown

ALIKE, APART = 0.1, 0.25
ROW = 0.36  # inches
WIDTH = 30  # characters of a name on the axis


@answered
def balance(check: Check) -> Shown:
    """One row a covariate: its standardised difference before and, where adjusted, after."""
    data = check.data.iloc[::-1].reset_index(drop=True)
    y = np.arange(len(data))
    before, after = data["difference_before"].to_numpy(float), data["difference_after"].to_numpy(float)
    adjusted = bool(np.isfinite(after).any())
    with canvas(height=2.3 + ROW * len(data)) as (figure, axes):
        axes.axvspan(-ALIKE, ALIKE, color=SHADE, linewidth=0, zorder=0, label=f"Within {ALIKE}: alike")
        for edge in (-APART, APART):
            axes.axvline(
                edge, color=ORANGE, linestyle=":", linewidth=1.5, label=f"Beyond {APART}: apart" if edge > 0 else None
            )
        if adjusted:
            axes.hlines(y, before, after, color=LIGHT_GREY, linewidth=1)
            axes.plot(after, y, "o", color=DARK_BLUE, markersize=7, label="After adjustment")
        axes.plot(before, y, "D", color=GREY, markerfacecolor="white", markersize=6,
                  label="Before adjustment" if adjusted else "Not adjusted")  # fmt: skip
        axes.axvline(0, color=GREY, linewidth=1)
        axes.set_yticks(y, [textwrap.fill(str(n), WIDTH) for n in data["name"]])
        axes.set_ylim(-0.6, len(data) - 0.4)
        reach = 1.15 * max(float(np.nanmax(np.abs([before, after]))), 1.2 * APART)
        axes.set_xlim(-reach, reach)
        axes.set_xlabel("Joined less comparison, in standard deviations")
        figure.legend(loc="lower left", ncols=2, fontsize=9)
    alt = f"Standardised differences in {numbers.of(len(data), 'measure')} before joining. {check.reading}"
    columns = {"Before adjustment": "difference_before", "After adjustment": "difference_after"}
    if not adjusted:
        columns = {"Not adjusted": "difference_before"}
    rows = [
        [str(row["name"]), *(numbers.signed(float(row[c]), 2) for c in columns.values())]
        for _, row in check.data.iterrows()
    ]
    header = ["Measure", *columns]
    return shown(figure, alt, f"{data['label'].iloc[0]}: joined and comparison before joining", header, rows)
