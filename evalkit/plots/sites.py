"""Figures of effects unit by unit: variation between sites, and why it is no league table."""

from __future__ import annotations

import textwrap

import pandas as pd
from matplotlib.axes import Axes

from evalkit import numbers
from evalkit.errors import DesignError
from evalkit.estimate import Estimate
from evalkit.markup import Shown
from evalkit.plots.style import DARK_BLUE, GREY, LIGHT_GREY, ORANGE, canvas, drawable, shown

MANY = 40  # units from which labels are small
TALLEST = 24.0  # inches
LONGEST = 30  # characters of a unit's name on the axis


@drawable
def caterpillar(estimate: Estimate) -> Shown:
    """Each unit's effect drawn towards the mean of all, in order of size, with its own estimate faintly beside it.

    Raises DesignError when the design estimates no unit on its own.
    """
    sites = estimate.sites.sort_values("shrunk", kind="stable").reset_index(drop=True)
    if sites.empty:
        raise DesignError(
            f"{estimate.title} estimates no unit on its own",
            fix="draw a design that does, such as its_pooled",
        )
    head, level = estimate.headline, numbers.per_cent(estimate.level)
    with canvas(height=min(1.9 + (0.24 if len(sites) <= MANY else 0.16) * len(sites), TALLEST)) as (figure, axes):
        axes.axvspan(head["low"], head["high"], color=ORANGE, alpha=0.18, linewidth=0, zorder=0)
        axes.axvline(
            head["estimate"], color=ORANGE, linestyle="--", label=f"Mean of all units (band: its {level} interval)"
        )
        axes.axvline(0, color=GREY, linewidth=1)
        _units(axes, sites, level)
        axes.set_xlabel(f"Effect ({estimate.unit})")
        axes.legend(loc="upper left", bbox_to_anchor=(0, -0.8 / figure.get_figheight()), fontsize=9)
    decimals = numbers.decimals_for(sites["std_error"])
    clear = int(((sites["shrunk_low"] > head["estimate"]) | (sites["shrunk_high"] < head["estimate"])).sum())
    warning = (
        f"Not a league table: a unit's rank is mostly noise, and the intervals of {clear} of {len(sites)} units "
        "exclude the mean of all"
    )
    span = numbers.interval(sites["shrunk"].min(), sites["shrunk"].max(), decimals)
    alt = (
        f"Caterpillar plot of {estimate.label}: effects of {numbers.of(len(sites), 'unit')} in {estimate.unit}, "
        f"drawn towards their mean, run from {span}; the mean of all is "
        f"{numbers.signed(head['estimate'], decimals)} ({level} interval "
        f"{numbers.interval(head['low'], head['high'], decimals)}). {warning}."
    )
    header = ["Unit", "Own estimate", f"Its {level} interval", "Drawn towards the mean", f"{level} interval of that"]
    rows = [
        [
            str(row.unit),
            numbers.signed(row.estimate, decimals),
            numbers.interval(row.low, row.high, decimals),
            numbers.signed(row.shrunk, decimals),
            numbers.interval(row.shrunk_low, row.shrunk_high, decimals),
        ]
        for row in sites.itertuples()
    ]
    return shown(figure, alt, f"{estimate.label}: effect in each unit. {warning}", header, rows)


def _units(axes: Axes, sites: pd.DataFrame, level: str) -> None:
    """One row a unit, the smallest shrunken effect at the bottom."""
    y = range(len(sites))
    axes.hlines(y, sites["shrunk_low"], sites["shrunk_high"], color=DARK_BLUE, linewidth=1.5)
    axes.plot(
        sites["estimate"], y, "o", color=LIGHT_GREY, alpha=0.6, markersize=4, markerfacecolor="white",
        label="The unit's own estimate",
    )  # fmt: skip
    axes.plot(
        sites["shrunk"], y, "s", color=DARK_BLUE, markersize=4, label=f"Drawn towards the mean, {level} interval"
    )
    labels = [textwrap.shorten(str(u), LONGEST, placeholder="…") or str(u)[:LONGEST] for u in sites["unit"]]
    axes.set_yticks(y, labels, fontsize=8 if len(sites) <= MANY else 6)
    axes.set_ylim(-0.8, len(sites) - 0.2)
