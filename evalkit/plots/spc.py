"""Control charts: one in full, or many small ones.

Making Data Count's blue (#00b0f0) and grey (#a6a6a6) have 2.5 and 2.4 to 1 against white, less than the 3 to 1 that
marks need; its orange (3.3) and red (4.0) pass. Improvement is therefore drawn dark blue and common cause a darker
grey. Every meaning has a marker of its own.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from evalkit import numbers
from evalkit.markup import Shown
from evalkit.plots.checks import BELOW
from evalkit.plots.style import DARK_BLUE, GREY, LIGHT_GREY, TURQUOISE, calendar, canvas, period_rows, shade, shown
from evalkit.spc import Chart, Charts
from evalkit.words import charts as words

CONCERN_ORANGE, TARGET_RED = "#E46C0A", "#FF0000"
MARKS = {
    "improvement": ("D", DARK_BLUE, "Improvement (special cause)"),
    "concern": ("s", CONCERN_ORANGE, "Concern (special cause)"),
    "change": ("^", TURQUOISE, "Change (special cause)"),
    "common cause": ("o", LIGHT_GREY, "Common cause"),
}
ORDER = ("concern", "improvement", "change", "common cause", "no point")
# lines of small charts
MIDDLE, LIMIT, COURSE, JOINED = (LIGHT_GREY, "-"), (LIGHT_GREY, ":"), (GREY, "-"), (GREY, "--")
MOST, ACROSS = 12, 3  # small charts, and how many in a row
LONGEST = 26  # characters of a unit's name


def spc(chart: Chart) -> Shown:
    """One control chart: points, mean, limits, target, the start, and what each signal means."""
    frame, window = chart.frame, pd.PeriodIndex(chart.frame.index)
    with canvas(height=4.6) as (figure, axes):
        x = calendar(axes, window)
        shade(axes, np.where(frame["excluded"], "excluded", ""))
        _limits(axes, x, frame)
        axes.plot(x, frame["value"], color=LIGHT_GREY, linewidth=1, zorder=2)
        _points(axes, x, frame)
        if chart.target is not None:
            axes.axhline(chart.target, color=TARGET_RED, linestyle="-.", linewidth=1.3, label="Target")
        if chart.start is not None:
            axes.axvline(chart.start - 0.5, color=GREY, linestyle=":", linewidth=1.2)
            text = "joined" if chart.of == 1 else "first wave joined"
            axes.annotate(text, (chart.start - 0.5, 1.0), xycoords=("data", "axes fraction"), xytext=(3, -9),
                          textcoords="offset points", fontsize=9)  # fmt: skip
        axes.set_ylabel(chart.outcome.unit)
        axes.legend(**{**BELOW, "ncols": 3})
    places, caption = words.decimals(chart), f"{chart.outcome.title}: {words.METHODS[chart.how.method]}, {chart.name}"
    lines = words.variation(chart)
    alt = f"{words.METHODS[chart.how.method]} of {chart.outcome.title}, {chart.name}. {' '.join(lines)}"
    cells = [[numbers.number(v, places) for v in frame[c]] for c in ("value", "centre", "low", "high")]
    said = [_said(row) for row in frame.itertuples()]
    header = [chart.study.frequency.capitalize(), "Value", "Mean", "Lower limit", "Upper limit", "Meaning"]
    return shown(figure, alt, caption, header, period_rows(list(window), *cells, said))


def small_multiples(charts: Charts, most: int = MOST) -> Shown:
    """A small chart for each unit, those with signals at the latest point first; at most `most`.

    All are on one scale, each moved up or down so that its first mean lies in the middle: levels are in the table.
    """
    latest = charts.latest()
    order = sorted(range(len(charts)), key=lambda i: (ORDER.index(latest[i]), charts.names[i]))[:most]
    drawn = [charts[i] for i in order]
    rows = math.ceil(len(drawn) / ACROSS)
    with canvas(height=0.6 + 1.1 * rows) as (figure, axes):
        _cells(axes, drawn)
        axes.set_axis_off()
        figure.legend(*axes.get_legend_handles_labels(), loc="lower left", ncols=3, fontsize=8)
    window = charts.study.window
    caption = (
        f"{charts.outcome.title}: units on one scale, each around its own mean, {words.span(window[0], window[-1])}"
    )
    counted = ", ".join(f"{numbers.count(latest.count(m))} {m}" for m in ORDER if m in latest)
    first = f" The first {len(drawn)} are drawn, signals first and then by name, which is no ranking."
    cut = first if len(drawn) < len(charts) else ""
    alt = (
        f"Small control charts of {charts.outcome.title} for {len(drawn)} of {numbers.of(len(charts), 'unit')}. "
        f"Latest points of all {len(charts)}: {counted}.{cut}"
    )
    header = ["Unit", "Latest value", "Mean", "Lower limit", "Upper limit", "Latest point"]
    return shown(figure, alt, f"{caption}.{cut}".rstrip("."), header, [_row(one) for one in drawn])


def _limits(axes: Axes, x: np.ndarray, frame: pd.DataFrame) -> None:
    """Mean and limits of each stretch, labelled once."""
    for k, (_, part) in enumerate(frame.groupby("segment", sort=True)):
        at = x[frame.index.get_indexer(part.index)]
        ends = np.concatenate([[at[0] - 0.5], at, [at[-1] + 0.5]])
        for column, style, label in (("centre", "-", "Mean"), ("low", "--", "Process limits"), ("high", "--", None)):
            line = part[column].to_numpy(float)
            axes.plot(ends, np.concatenate([line[:1], line, line[-1:]]), color=GREY, linestyle=style, linewidth=1.1,
                      label=label if k == 0 else None)  # fmt: skip


def _points(axes: Axes, x: np.ndarray, frame: pd.DataFrame) -> None:
    for meaning, (marker, colour, label) in MARKS.items():
        where = frame["meaning"].eq(meaning).to_numpy()
        if where.any():
            axes.plot(
                x[where], frame["value"].to_numpy()[where], marker, color=colour, markersize=5, label=label, zorder=3
            )
    unused = frame["excluded"].to_numpy() & frame["value"].notna().to_numpy()
    if unused.any():
        axes.plot(
            x[unused], frame["value"].to_numpy()[unused], "x", color=GREY, markersize=5, label="Shown, not used"
        )


def _cells(axes: Axes, drawn: list[Chart]) -> None:
    """Every small chart in one set of axes, so that a drawing of many stays light."""
    middles = [
        float(one.frame["centre"].dropna().iloc[0]) if one.frame["centre"].notna().any() else 0.0 for one in drawn
    ]
    figures = [one.frame[["value", "low", "high"]] - m for one, m in zip(drawn, middles, strict=True)]
    reach = max(float(np.nanmax(np.abs(part.to_numpy()))) for part in figures) or 1.0
    width, height = len(drawn[0].frame) + 4.0, 2.9 * reach
    lines: dict[tuple[str, str], list[np.ndarray]] = {look: [] for look in (MIDDLE, LIMIT, COURSE, JOINED)}
    for k, (one, middle) in enumerate(zip(drawn, middles, strict=True)):
        x0, y0 = (k % ACROSS) * width, -(k // ACROSS) * height - middle
        name = one.name if len(one.name) <= LONGEST else f"{one.name[: LONGEST - 1]}…"
        axes.text(x0, y0 + middle + 1.08 * reach, f"{name}: {one.variation}", fontsize=7, va="bottom")
        for look, x, y in _small(one.frame):
            lines[look].append(np.vstack([x0 + x, y0 + y]))
        if one.start is not None:
            ends = [y0 + middle - reach, y0 + middle + reach]
            lines[JOINED].append(np.vstack([[x0 + one.start - 0.5] * 2, ends]))
    for (colour, style), parts in lines.items():
        broken = [np.hstack([part, [[np.nan], [np.nan]]]) for part in parts]
        label = "Joined" if (colour, style) == JOINED else None
        if broken:
            axes.plot(*np.hstack(broken), color=colour, linestyle=style, linewidth=0.8, label=label)
    for meaning, (marker, colour, label) in MARKS.items():
        at = [
            (k % ACROSS * width + i, value - k // ACROSS * height - middle)
            for k, (one, middle) in enumerate(zip(drawn, middles, strict=True))
            for i, (value, said) in enumerate(zip(one.frame["value"], one.frame["meaning"], strict=True))
            if said == meaning != "common cause"
        ]
        if at:
            axes.plot(*zip(*at, strict=True), marker, color=colour, markersize=2.6, label=label)
    axes.set_xlim(-1, ACROSS * width - 2)
    axes.set_ylim(-((len(drawn) - 1) // ACROSS) * height - 1.1 * reach, 1.7 * reach)


def _small(frame: pd.DataFrame) -> Iterator[tuple[tuple[str, str], np.ndarray, np.ndarray]]:
    """Lines of one small chart, look and places; a straight limit is drawn by its ends."""
    for _, part in frame.groupby("segment", sort=True):
        at = frame.index.get_indexer(part.index)
        for column, look in (("centre", MIDDLE), ("low", LIMIT), ("high", LIMIT)):
            line, x = part[column].to_numpy(float), at
            if len(line) and np.ptp(line) == 0:
                line, x = line[[0, -1]], at[[0, -1]]
            yield look, x, line
    yield COURSE, np.arange(len(frame)), frame["value"].to_numpy(float)


def _row(one: Chart) -> list[str]:
    judged, places = one.judged, words.decimals(one)
    if judged.empty:
        return [one.name, "", "", "", "", one.variation]
    last = judged.iloc[-1]
    return [
        one.name,
        *(numbers.number(float(last[c]), places) for c in ("value", "centre", "low", "high")),
        one.variation,
    ]


def _said(row: object) -> str:
    """What a row of the data table is: its meaning with the rule, a gap, or shown and not used."""
    meaning, signal = str(getattr(row, "meaning")), str(getattr(row, "signal"))  # noqa: B009 - a row of a frame
    if meaning:
        return f"{meaning}: {words.RULES[signal]}" if signal else meaning
    return "excluded" if getattr(row, "excluded") else "no figure"  # noqa: B009
