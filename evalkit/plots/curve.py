"""Specification curves: every specification's estimate above, and which choices it made below."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from evalkit import numbers
from evalkit.estimate import Check
from evalkit.markup import Shown
from evalkit.plots.checks import answered
from evalkit.plots.style import DARK_BLUE, GREY, GRID, LIGHT_GREY, panes, sentence_case, shown

ROW = 0.2  # inches a row of the matrix
TOP = 2.9
MANY = 150  # specifications; more of them are drawn finer


@answered
def comparison_curve(check: Check) -> Shown:
    """As `specification_curve`, for comparisons between units; choices in the order in which they were tried."""
    return _drawn(check, ordered=True)


@answered
def specification_curve(check: Check) -> Shown:
    """Estimates in order of size with their intervals, the declared one marked; a dot for each choice made.

    Specifications that were refused are listed in the data table with the reason.
    """
    return _drawn(check, ordered=False)


def _drawn(check: Check, *, ordered: bool) -> Shown:
    data = check.data
    drawn = data[data["reason"].eq("")].sort_values("estimate", kind="stable").reset_index(drop=True)
    choices = list(data.columns[: data.columns.get_loc("estimate")])
    rows = [(choice, str(value)) for choice in choices for value in dict.fromkeys(drawn[choice])]
    if ordered:
        place = {row: k for k, row in enumerate((c, str(v)) for c in choices for v in dict.fromkeys(data[c]))}
        rows.sort(key=lambda row: place[row])
    heights = [TOP, ROW * (len(rows) + len(choices))]
    with panes(height=sum(heights) + 0.4, ratios=heights, share=True) as (figure, (top, bottom)):
        _estimates(top, drawn)
        _matrix(bottom, drawn, rows)
    declared = f"{len(drawn)} specifications in order of their estimate"
    alt = f"Specification curve: {declared}, with the choices that each made. {check.reading}"
    level = numbers.per_cent(float(data["level"].iloc[0]))
    header = ["Specification", *map(sentence_case, choices[1:]), "Estimate", f"{level} low", f"{level} high", "Note"]
    caption = f"{data['label'].iloc[0]}: the effect under other reasonable specifications"
    return shown(figure, alt, caption, header, _table(data, choices))


def _estimates(axes: Axes, drawn: pd.DataFrame) -> None:
    x, main = np.arange(len(drawn)), drawn["main"].to_numpy(bool)
    level = numbers.per_cent(float(drawn["level"].iloc[0]))
    for which, marker, colour, width, label in (
        (~main, "o", LIGHT_GREY, 1.2, f"Other specification ({level} interval)"),
        (main, "D", DARK_BLUE, 2.4, f"Declared in the protocol ({level} interval)"),
    ):
        part = drawn[which]
        y = part["estimate"].to_numpy(float)
        if len(part) > MANY:
            ends = np.column_stack([part["low"], part["high"], np.full(len(part), np.nan)])
            axes.plot(np.repeat(x[which], 3), ends.ravel(), color=LIGHT_GREY, linewidth=0.3)
            axes.plot(x[which], y, color=LIGHT_GREY, linewidth=2, label=label)
            continue
        errors = np.vstack([y - part["low"].to_numpy(float), part["high"].to_numpy(float) - y])
        axes.errorbar(x[which], y, errors, fmt=marker, color=colour, markersize=5, linewidth=width, label=label)
    axes.axhline(0, color=GREY, linewidth=1)
    axes.set_ylabel(f"Effect ({drawn['unit'].iloc[0]})")
    axes.tick_params(bottom=False)
    axes.grid(visible=False, axis="x")
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=2, fontsize=9)


def _matrix(axes: Axes, drawn: pd.DataFrame, rows: list[tuple[str, str]]) -> None:
    """A row for each choice, in groups with their headings; filled where the specification made it."""
    ticks, labels, y, group = [], [], 0, ""
    for choice, value in rows:
        if choice != group:
            group = choice
            axes.text(-0.9, y, sentence_case(choice), fontsize=9, fontweight="bold", va="center", ha="left")
            y += 1
        ticks.append(y)
        labels.append(value)
        y += 1
    _made(axes, drawn, rows, np.array(ticks))
    axes.set_yticks(ticks, labels, fontsize=8)
    axes.set_ylim(y - 0.4, -0.7)
    axes.set_xlim(-1, len(drawn))
    axes.set_xticks([])
    axes.grid(visible=False)
    axes.spines[["left", "bottom"]].set_visible(False)
    axes.tick_params(left=False)


def _made(axes: Axes, drawn: pd.DataFrame, rows: list[tuple[str, str]], y: np.ndarray) -> None:
    """Marks at the specifications that made the choice of each row, y its place."""
    axes.hlines(y, -1, len(drawn), color=GRID, linewidth=0.6)
    row, x = np.nonzero([drawn[choice].eq(value).to_numpy(bool) for choice, value in rows])
    main = drawn["main"].to_numpy(bool)[x]
    if len(drawn) > MANY:
        ends = np.column_stack([x - 0.4, x + 0.4, np.full(len(x), np.nan)])
        axes.plot(ends.ravel(), np.repeat(y[row], 3), color=LIGHT_GREY, linewidth=4, solid_capstyle="butt")
    else:
        axes.plot(x[~main], y[row[~main]], "o", color=LIGHT_GREY, markersize=4)
    axes.plot(x[main], y[row[main]], "D", color=DARK_BLUE, markersize=5)


def _table(data: pd.DataFrame, choices: list[str]) -> list[list[str]]:
    width = (data["high"] - data["low"]).dropna()
    places = numbers.decimals_for([float(width.median()) / 4])
    figures = [[numbers.number(float(v), places) for v in data[c]] for c in ("estimate", "low", "high")]
    notes = [
        "declared" if main else reason and f"not computed: {reason}"
        for main, reason in zip(data["main"], data["reason"], strict=True)
    ]
    return [list(row) for row in zip(*(data[c].map(str) for c in choices), *figures, notes, strict=True)]
