"""How every figure looks, and how it becomes a fragment with alt text and a data table.

Drawings are SVG with text kept as text, deterministic to the byte. Colours are those of the UK
Government Analysis Function; line style, marker or a direct label always says the same as colour.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from typing import Any, Concatenate, ParamSpec, cast

import matplotlib as mpl
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import FuncFormatter

from evalkit import markup, periods
from evalkit.estimate import Estimate, Refusal
from evalkit.markup import Shown
from evalkit.plots.compact import compact
from evalkit.plots.drawing import svg
from evalkit.plots.layout import POINTS
from evalkit.texts import clean

DARK_BLUE, ORANGE, GREY, TURQUOISE = "#12436D", "#F46A25", "#3D3D3D", "#28A197"
LIGHT_GREY, SHADE, GRID = "#768692", "#F0F4F5", "#D8DDE0"
MOST_TICKS = 9
LONGEST, LONGEST_TICK = 120, 60  # characters of a text in a drawing, and beside an axis


RC: Any = {
    "svg.hashsalt": "evalkit",
    "svg.fonttype": "none",
    "text.parse_math": False,  # a dollar sign in a label is a dollar sign
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Arial", "Helvetica"],
    "font.size": 10,
    "text.color": GREY,
    "axes.labelcolor": GREY,
    "axes.edgecolor": LIGHT_GREY,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.titley": 1.0,  # or every tick label above is measured for the title's sake
    "grid.color": GRID,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "legend.frameon": False,
}
LOOK: Any = {**sns.axes_style("ticks", rc=RC), **RC}


@contextmanager
def canvas(width: float = 8.0, height: float = 4.2) -> Iterator[tuple[Figure, Axes]]:
    """A figure with one set of axes, inches; no global state is left behind."""
    with panes(width, height) as (figure, axes):
        yield figure, axes[0]


@contextmanager
def panes(
    width: float = 8.0,
    height: float = 4.2,
    *,
    ratios: Sequence[float] = (1.0,),
    beside: bool = False,
    share: bool = False,
) -> Iterator[tuple[Figure, list[Axes]]]:
    """A figure with axes one below the other.

    ratios  of their heights, or of their widths where they stand beside one another
    share   one scale across
    """
    rows, columns = (1, len(ratios)) if beside else (len(ratios), 1)
    wide, tall = (ratios, None) if beside else (None, ratios)
    with mpl.rc_context(LOOK):
        figure = Figure(figsize=(width, height), dpi=POINTS)
        axes = figure.subplots(rows, columns, sharex=share, squeeze=False, width_ratios=wide, height_ratios=tall)
        yield figure, list(axes.flat)


def shown(figure: Figure, alt: str, caption: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> Shown:
    """The drawing as a fragment: alt text, caption, and a table with the data behind it."""
    with mpl.rc_context(LOOK), warnings.catch_warnings():
        # The reader's browser has fonts of its own; the text is kept as text.
        warnings.filterwarnings("ignore", r"Glyph \d+ .* missing from font")
        _shorten(figure)
        drawing = clean(compact(svg(figure)))
    numeric = [False, *[True] * (len(header) - 1)]
    table = markup.table(header, rows, f"Data: {caption}", numeric)
    text = f"[figure] {caption}. {alt}"
    return Shown(markup.figure(drawing, alt, caption, table), text, {"figure": {"alt": alt}})


def _shorten(figure: Figure) -> None:
    """Cut texts that no figure has room for: names from data are as long as they like."""
    texts = [child for axes in figure.axes for child in axes.get_children() if isinstance(child, Text)]
    texts += [axis.label for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)]
    legends = [axes.get_legend() for axes in figure.axes] + figure.legends
    for text in (*texts, *figure.texts, *(text for legend in legends if legend for text in legend.get_texts())):
        text.set_text(_cut(clean(text.get_text())))
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            if not isinstance(axis.get_major_formatter(), FuncFormatter):  # numbers
                continue
            labels = axis.get_major_formatter().format_ticks(axis.get_majorticklocs().tolist())
            short = [_cut(clean(label), LONGEST_TICK) for label in labels]
            if short != labels:
                axis.set_ticks(axis.get_majorticklocs(), short)


def _cut(text: str, most: int = LONGEST) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


P = ParamSpec("P")


def drawable(draw: Callable[Concatenate[Estimate, P], Shown]) -> Callable[Concatenate[Estimate | Refusal, P], Shown]:
    """Let a figure of an estimate also be asked of a refusal: it then says why nothing is drawn."""

    @wraps(draw)
    def wrapper(estimate: Estimate | Refusal, *args: P.args, **kwargs: P.kwargs) -> Shown:
        if isinstance(estimate, Refusal):
            title = f"No figure: {estimate.title} was not computed"
            return Shown(markup.notice(title, estimate.reasons, "refusal"), f"{title}: {' '.join(estimate.reasons)}")
        return draw(estimate, *args, **kwargs)

    return cast(Callable[Concatenate[Estimate | Refusal, P], Shown], wrapper)


def calendar(axes: Axes, window: pd.PeriodIndex) -> np.ndarray:
    """Label the x axis with the window's years; returns the positions 0..n-1 of the periods."""
    starts = np.flatnonzero(np.append(True, np.diff(window.year) > 0) & (window.start_time.month == 1))
    step = max(1, int(np.ceil(len(starts) / MOST_TICKS)))
    starts = starts[::step]
    axes.set_xticks(starts, [str(window[i].year) for i in starts])
    axes.set_xlim(-0.5, len(window) - 0.5)
    axes.set_xlabel("Calendar year (each label stands at its start)")
    return np.arange(len(window))


def shade(axes: Axes, phase: np.ndarray) -> None:
    """Shade transition and excluded periods, hatched differently and labelled by a legend entry."""
    marks = {"transition": ("//", "Joining and transition: neither before nor after"), "excluded": ("xx", "Excluded")}
    for name, (hatch, label) in marks.items():
        for i, (start, stop) in enumerate(spans(phase == name)):
            axes.axvspan(
                start - 0.5, stop + 0.5, facecolor=SHADE, edgecolor=GRID, hatch=hatch, linewidth=0, zorder=0,
                label=label if i == 0 else None,
            )  # fmt: skip


def spans(flags: np.ndarray) -> list[tuple[int, int]]:
    """Runs of true values as (first, last) positions."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(int), [0]])))
    return [(int(a), int(b) - 1) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def period_rows(window: Sequence[pd.Period], *columns: Sequence[str]) -> list[list[str]]:
    """Rows of a data table, one a period."""
    return [[periods.label(p), *cells] for p, *cells in zip(window, *columns, strict=True)]


def sentence_case(text: str) -> str:
    """First letter large, the rest as it is."""
    return text[:1].upper() + text[1:]
