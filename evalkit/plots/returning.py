"""What the entry rule gives in earlier windows, beside the estimate and what is left net of it."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from evalkit import numbers, periods
from evalkit.estimate import Check
from evalkit.markup import Shown
from evalkit.plots.checks import BELOW, answered
from evalkit.plots.style import DARK_BLUE, GREY, LIGHT_GREY, ORANGE, TURQUOISE, canvas, shown

SAID = {
    "window": "Rule in an earlier window",
    "mean": "Mean of earlier windows",
    "theory": "Normal theory",
    "expected": "Would have come anyway",
    "real": "Estimate",
    "net": "Estimate net of it",
}
LOOKS = {"expected": ("s", ORANGE), "real": ("D", DARK_BLUE), "net": ("o", TURQUOISE)}


@answered
def regression_to_the_mean(check: Check) -> Shown:
    """A dot for the rule in each earlier window, their mean and theory; then the estimate before and after."""
    data = check.data
    with canvas() as (figure, axes):
        _windows(axes, data)
        _answers(axes, data)
        axes.axhline(0, color=GREY, linewidth=1)
        axes.set_ylabel(f"Effect ({data['unit'].iloc[0]})")
        axes.legend(**BELOW)
    many = int(data["kind"].eq("window").sum())
    alt = f"What the entry rule gives in {numbers.of(many, 'earlier window')}, and the estimate. {check.reading}"
    caption = f"{data['label'].iloc[0]}: the entry rule when nothing had started"
    level = numbers.per_cent(float(data["level"].iloc[0]))
    header = ["What", "Judged", "Followed up", "Effect", f"{level} low", f"{level} high", "Naive difference"]
    return shown(figure, alt, caption, header, _rows(data))


def _windows(axes: Axes, data: pd.DataFrame) -> None:
    part = data[data["kind"].eq("window")]
    x = np.arange(len(part))
    axes.plot(x, part["effect"], "o", color=LIGHT_GREY, markersize=6, label=SAID["window"])
    for kind, line, colour in (("mean", "-", GREY), ("theory", ":", ORANGE)):
        y = float(data.loc[data["kind"].eq(kind), "effect"].iloc[0])
        axes.plot([-0.5, len(part) - 0.5], [y, y], line, color=colour, linewidth=2, label=SAID[kind])
    step = max(1, int(np.ceil(len(part) / 5)))
    names = [periods.code(p) for p in part["joined"]]
    axes.set_xticks(x[::step], names[::step])
    axes.set_xlabel("First period counted as joined in an earlier window; to the right, the real one")


def _answers(axes: Axes, data: pd.DataFrame) -> None:
    many = int(data["kind"].eq("window").sum())
    gap = max(1.0, many / 12)
    for i, (kind, (marker, colour)) in enumerate(LOOKS.items()):
        row = data[data["kind"].eq(kind)].iloc[0]
        reach = [[row["effect"] - row["low"]], [row["high"] - row["effect"]]]
        at = many - 0.5 + (i + 1) * gap
        label = f"{SAID[kind]} ({numbers.per_cent(float(row['level']))} interval)"
        axes.errorbar(
            [at], [row["effect"]], reach, fmt=marker, color=colour, markersize=7, linewidth=1.5, label=label
        )
    axes.axvline(many - 0.5 + gap / 2, color=LIGHT_GREY, linewidth=1)
    axes.set_xlim(-0.8, many - 0.5 + 4 * gap)


def _rows(data: pd.DataFrame) -> list[list[str]]:
    places = numbers.decimals_for(
        [float(data.loc[data["kind"].eq("net"), "high"].iloc[0] - data["effect"].iloc[-1]) / 2]
    )
    out = []
    for row in data.itertuples():
        judged = "" if pd.isna(row.first) else f"{periods.code(row.first)} to {periods.code(row.last)}"
        followed = "" if pd.isna(row.follow_up) else numbers.count(row.follow_up)
        figures = [numbers.number(v, places) for v in (row.effect, row.low, row.high, row.naive)]
        out.append([SAID[str(row.kind)], judged, followed, *figures])
    return out
