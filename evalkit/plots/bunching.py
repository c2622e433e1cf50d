"""Where around a threshold an effect was made: the effect on every band, beside what a smooth course would give."""

from __future__ import annotations

import numpy as np
import pandas as pd

from evalkit import numbers
from evalkit.estimate import Check
from evalkit.markup import Shown
from evalkit.plots.checks import answered
from evalkit.plots.style import DARK_BLUE, GREY, LIGHT_GREY, ORANGE, SHADE, canvas, shown

WIDTH = 0.62  # inches a band
NAMES = {
    "within": "Sum below the threshold",
    "excess": "Just below, beyond the smooth course",
    "share": "Just below, of those within the threshold",
}


@answered
def bunching(check: Check) -> Shown:
    """One effect a band with its interval, the threshold as a line, the bands just below it marked."""
    data = check.data
    bands = data[data["part"].eq("band")].reset_index(drop=True)
    first = bands.iloc[0]
    level, x = numbers.per_cent(float(first["level"])), np.arange(len(bands))
    line = float((bands["lower"] < first["threshold"]).sum()) - 0.5
    near = bands["near"].to_numpy(bool)
    with canvas(width=max(8.0, 1.2 + WIDTH * len(bands)), height=4.4) as (figure, axes):
        axes.axvspan(x[near].min() - 0.5, line, color=SHADE, linewidth=0, zorder=0)
        axes.plot(x, bands["smooth"], "s", color=GREY, markerfacecolor="white", markersize=6, label="A smooth course")
        for where, colour, marker, label in (
            (~near, DARK_BLUE, "o", f"Effect, {level} interval"),
            (near, ORANGE, "D", "Effect just below the threshold"),
        ):
            ends = np.abs(
                bands.loc[where, ["low", "high"]].to_numpy(float).T - bands.loc[where, "estimate"].to_numpy()
            )
            axes.errorbar(
                x[where], bands.loc[where, "estimate"], yerr=ends, fmt=marker, color=colour, markersize=6,
                linewidth=2, label=label,
            )  # fmt: skip
        axes.axvline(line, color=GREY, linestyle="--", linewidth=1.5, label=f"Threshold: {first['words']}")
        axes.axhline(0, color=LIGHT_GREY, linewidth=1)
        axes.set_xticks(x, [str(name).replace(" or more", "+").replace(" to ", "\nto ") for name in bands["name"]])
        axes.set_xlim(-0.6, len(bands) - 0.4)
        axes.grid(visible=False, axis="x")
        axes.set_xlabel(f"Band ({first['counted']}; bands may differ in width)")
        axes.set_ylabel(f"Effect on its share ({first['unit']})")
        figure.legend(loc="lower left", ncols=2, fontsize=9)
    alt = (
        f"The effect on the share in each of {len(bands)} bands around {first['words']}, and what a smooth course "
        f"through the bands away from it gives. {check.reading}"
    )
    caption = f"{first['label']}: the effect by band around {first['words']}"
    header = ["Band", "Effect", f"{level} low", f"{level} high", "A smooth course"]
    return shown(figure, alt, caption, header, _rows(data))


def _rows(data: pd.DataFrame) -> list[list[str]]:
    """The bands, then their sums, then how much was bunched before and after."""
    places = numbers.decimals_for(data["std_error"], digits=1)
    rows = []
    for row in data[data["part"].ne("near")].itertuples():
        name = NAMES.get(row.part, f"Bunched, {row.name[:1].lower()}{row.name[1:]}")
        if row.part == "band":
            span, more, _ = f"{row.name} ".partition(" or more")
            name = f"{span.strip()} {row.counted}{more}"
        figure = numbers.number if row.part == "level" else numbers.signed
        cells = [figure(float(value), places) for value in (row.estimate, row.low, row.high, row.smooth)]
        rows.append([name, *cells])
    return rows
