"""Effects by declared group, against the average."""

from __future__ import annotations

import textwrap

import numpy as np

from evalkit import numbers
from evalkit.estimate import Check
from evalkit.markup import Shown
from evalkit.plots.checks import answered
from evalkit.plots.style import DARK_BLUE, GREY, LIGHT_GREY, ORANGE, TURQUOISE, canvas, shown

WIDTH = 34  # characters of a group on the axis
ROW, APART = 0.34, 0.6  # inches a group; rows between groupings
LOOKS = (("o", DARK_BLUE), ("s", TURQUOISE), ("D", GREY), ("^", LIGHT_GREY))


@answered
def groups(check: Check) -> Shown:
    """One row a group with its interval, groupings apart, each with the adjusted p of its joint test."""
    data = check.data
    kinds = list(dict.fromkeys(data["kind"]))
    order = data["kind"].map({k: i for i, k in enumerate(kinds)}).to_numpy()
    y = -(np.arange(len(data)) + APART * order)
    unit, level = data["unit"].iloc[0], numbers.per_cent(float(data["level"].iloc[0]))
    places = numbers.decimals_for([float((data["high"] - data["low"]).min()) / 4])
    with canvas(height=2.0 + ROW * (len(data) + APART * len(kinds))) as (figure, axes):
        for i, kind in enumerate(kinds):
            part = data[data["kind"].eq(kind)]
            marker, colour = LOOKS[i % len(LOOKS)]
            here = y[order == i]
            axes.hlines(here, part["low"], part["high"], color=colour, linewidth=2)
            p = float(part["p_adjusted"].iloc[0])
            tested = f"do they differ? adjusted {numbers.p_text(p)}" if np.isfinite(p) else "no joint test"
            label = f"By {kind}: {tested}"
            axes.plot(part["estimate"], here, marker, color=colour, markersize=7, label=label)
        average = float(data["average"].iloc[0])
        axes.axvline(average, color=ORANGE, linestyle="--", linewidth=1.5, label="Average of all joined units")
        axes.axvline(0, color=GREY, linewidth=1)
        names = [
            textwrap.fill(f"{group} ({numbers.of(int(n), 'unit')})", WIDTH)
            for group, n in zip(data["group"], data["units"], strict=True)
        ]
        axes.set_yticks(y, names)
        axes.set_ylim(y.min() - 0.6, 0.6)
        axes.set_xlabel(f"Effect and {level} interval ({unit})")
        figure.legend(loc="lower left", fontsize=9)
    alt = (
        f"Effects by group in {unit}, {numbers.of(len(data), 'group')} of {numbers.of(len(kinds), 'grouping')}. "
        f"{check.reading}"
    )
    rows = [
        [
            f"{r.kind}: {r.group}",
            numbers.signed(r.estimate, places),
            numbers.interval(r.low, r.high, places),
            numbers.count(r.units),
            *("" if np.isnan(p) else numbers.p_value(p) for p in (r.p, r.p_adjusted)),
        ]
        for r in data.itertuples()
    ]
    header = ["Group", "Effect", f"{level} interval", "Units", "p that they do not differ", "Adjusted (Holm)"]
    return shown(figure, alt, f"{data['label'].iloc[0]}: effects by declared group", header, rows)
