"""Variation between units over a span: a funnel of limits by size, and each unit with its interval."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, cast

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from evalkit import markup, numbers
from evalkit.estimate import Refusal
from evalkit.markup import Shown
from evalkit.plots.checks import BELOW
from evalkit.plots.sites import LONGEST, MANY, TALLEST
from evalkit.plots.style import DARK_BLUE, GREY, LIGHT_GREY, ORANGE, SHADE, canvas, shown
from evalkit.spc import Funnel
from evalkit.spc.between import FAR, INSIDE
from evalkit.words import charts as words

LABELLED = 8  # units whose names stand in the figure
GROUPS = ((True, "D", DARK_BLUE, "Joined at some time"), (False, "o", LIGHT_GREY, "Never joined"))
P = ParamSpec("P")


def _refused(found: Refusal) -> Shown:
    title = f"No figure: {found.title} was not computed"
    return Shown(markup.notice(title, found.reasons, "refusal"), f"{title}: {' '.join(found.reasons)}")


def _or_refusal(draw: Callable[Concatenate[Funnel, P], Shown]) -> Callable[Concatenate[Funnel | Refusal, P], Shown]:
    """Let a figure also be asked of a refusal: it then says why nothing is drawn."""

    @wraps(draw)
    def wrapper(found: Funnel | Refusal, *args: P.args, **kwargs: P.kwargs) -> Shown:
        return _refused(found) if isinstance(found, Refusal) else draw(found, *args, **kwargs)

    return cast(Callable[Concatenate[Funnel | Refusal, P], Shown], wrapper)


@_or_refusal
def funnel(found: Funnel) -> Shown:
    """Units by size, with limits at 95 % and 99.8 % around the figure of all."""
    frame, curve = found.frame, found.curve
    with canvas(height=4.8) as (figure, axes):
        for name, style, label in (("95", "--", "95% limits"), ("998", "-", "99.8% limits")):
            axes.plot(curve["size"], curve[f"low_{name}"], color=GREY, linestyle=style, linewidth=1.2, label=label)
            axes.plot(curve["size"], curve[f"high_{name}"], color=GREY, linestyle=style, linewidth=1.2)
        if found.allowance != "none":
            axes.plot(curve["size"], curve["exact_low_998"], color=ORANGE, linestyle=":", linewidth=1.4,
                      label="99.8% limits if there were chance alone")  # fmt: skip
            axes.plot(curve["size"], curve["exact_high_998"], color=ORANGE, linestyle=":", linewidth=1.4)
        axes.axhline(found.centre, color=GREY, linewidth=0.8, label="All units together")
        for joined, marker, colour, label in GROUPS:
            part = frame[frame["joined"].eq(joined)]
            if len(part):
                axes.plot(part["size"], part["value"], marker, color=colour, markersize=4.5, label=label,
                          markerfacecolor=colour if joined else "white")  # fmt: skip
        _labels(axes, frame)
        normal = found.family == "normal"
        axes.set_xlabel("Standard error of the unit's figure" if normal else "Denominator over the span")
        if not normal:
            axes.xaxis.set_major_formatter(lambda value, _: numbers.count(value))
        axes.set_ylabel(found.outcome.unit)
        axes.legend(**{**BELOW, "bbox_to_anchor": (0, -0.14)})
    lines = words.funnel(found)
    caption = f"{found.outcome.title}: variation between units, {words.span(*found.span)}"
    alt = f"Funnel plot of {found.outcome.title}. {' '.join(lines)}"
    return shown(figure, alt, caption, *_table(found))


@_or_refusal
def unit_caterpillar(found: Funnel, *, shrinkage: bool = False) -> Shown:
    """Each unit's own figure with its exact 95 % interval, in order of size; with many, only those far out are named.

    shrinkage  also show it drawn towards the figure of all, as far as it is uncertain
    """
    frame = found.frame.sort_values("value", kind="stable")
    many = len(frame)
    with canvas(height=min(1.9 + (0.24 if many <= MANY else 0.06) * many, TALLEST)) as (figure, axes):
        y = np.arange(many)
        axes.axvspan(
            *_middle(found), color=SHADE, linewidth=0, zorder=0, label="Where 95% of units are expected to lie"
        )
        axes.axvline(found.centre, color=GREY, linewidth=1, label="All units together")
        axes.hlines(y, frame["low"], frame["high"], color=GREY, linewidth=1.2)
        for joined, marker, colour, label in GROUPS:
            which = frame["joined"].eq(joined).to_numpy()
            if which.any():
                axes.plot(frame["value"][which], y[which], marker, color=colour, markersize=4, label=label,
                          markerfacecolor=colour if joined else "white")  # fmt: skip
        if shrinkage:
            axes.plot(frame["shrunk"], y, "|", color=ORANGE, markersize=6, label="Drawn towards the figure of all")
        named = y if many <= MANY else y[frame["place"].eq(FAR).to_numpy()]
        axes.set_yticks(named, [_short(n) for n in frame["name"].iloc[named]], fontsize=8 if many <= MANY else 7)
        axes.grid(visible=False, axis="y")
        axes.set_ylim(-0.8, many - 0.2)
        axes.set_xlabel(found.outcome.unit)
        axes.legend(loc="upper left", bbox_to_anchor=(0, -0.6 / figure.get_figheight()), fontsize=9)
    places = numbers.decimals_for([float(frame["value"].std())])
    warning = "Not a league table: a place in this order says nothing about why"
    alt = (
        f"Caterpillar plot of {found.outcome.title}, {words.span(*found.span)}: {numbers.of(many, 'unit')} from "
        f"{numbers.interval(frame['value'].min(), frame['value'].max(), places)} {found.outcome.unit}, all together "
        f"{numbers.number(found.centre, places)}. {warning}."
    )
    rows = [
        [row.name, numbers.number(row.value, places), numbers.interval(row.low, row.high, places),
         *([numbers.number(row.shrunk, places), numbers.interval(row.shrunk_low, row.shrunk_high, places)]
           if shrinkage else [])]
        for row in frame.itertuples(index=False)
    ]  # fmt: skip
    more = ["Drawn towards all", "95% interval of that"] if shrinkage else []
    header = ["Unit", "Own figure", "Its 95% interval", *more]
    return shown(figure, alt, f"{found.outcome.title}: units, {words.span(*found.span)}. {warning}", header, rows)


def _short(name: str) -> str:
    return textwrap.shorten(name, LONGEST, placeholder="…") or name[:LONGEST]


def _middle(found: Funnel) -> tuple[float, float]:
    """The 95 % limits of the largest unit: what units vary by, with the least chance in it."""
    largest = found.frame.loc[
        found.frame["size"].idxmin() if found.family == "normal" else found.frame["size"].idxmax()
    ]
    return float(largest["low_95"]), float(largest["high_95"])


def _labels(axes: Axes, frame: pd.DataFrame) -> None:
    """Names beside the units furthest out, as long as there is room for them."""
    out = frame[frame["place"].eq(FAR)]
    for row in out.loc[out["z"].abs().sort_values(ascending=False).index[:LABELLED]].itertuples(index=False):
        axes.annotate(_short(row.name), (row.size, row.value), xytext=(5, 3), textcoords="offset points", fontsize=7)


def _table(found: Funnel) -> tuple[list[str], list[list[str]]]:
    """The data behind a funnel: units outside the limits first, then by name."""
    frame = found.frame.assign(inside=found.frame["place"].eq(INSIDE)).sort_values(["inside", "name"], kind="stable")
    places = numbers.decimals_for([float(frame["value"].std())])
    sizes = numbers.decimals_for(frame["size"]) if found.family == "normal" else 0
    rows = [
        [row.name, "yes" if row.joined else "no", numbers.number(row.size, sizes), numbers.number(row.value, places),
         numbers.interval(row.low_998, row.high_998, places), row.place]
        for row in frame.itertuples(index=False)
    ]  # fmt: skip
    size = "Standard error" if found.family == "normal" else "Denominator"
    return ["Unit", "Joined", size, "Value", "99.8% limits", "Place"], rows
