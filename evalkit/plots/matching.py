"""Units that looked alike before: how alike pairs are, what they did before joining, and the effect among them."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from evalkit import numbers
from evalkit.estimate import Check
from evalkit.markup import Shown
from evalkit.plots.balance import ALIKE, APART
from evalkit.plots.checks import answered
from evalkit.plots.style import DARK_BLUE, GREY, ORANGE, SHADE, TURQUOISE, panes, shown

ROW, MARGIN = 0.3, 2.6  # inches a row, and for axes and legend
MARKS = (("D", GREY), ("o", DARK_BLUE), ("s", TURQUOISE))  # all units, then the versions
STEP = 0.22  # of a row between versions
KINDS = {
    "placebo": "Change before anybody joined",
    "effect": "Effect",
    "difference": "Difference from the declared effect",
}


@answered
def matching(check: Check) -> Shown:
    """Standardised differences before and after matching; below, the change before joining and the effects."""
    data = check.data
    level, unit = numbers.per_cent(float(data["level"].iloc[0])), str(data["unit"].iloc[0])
    alike, rest = data[data["kind"].eq("balance")], data[data["kind"].ne("balance")]
    names = list(dict.fromkeys(alike["version"]))
    sizes = [alike["measure"].nunique(), len(rest)]
    with panes(height=MARGIN + ROW * sum(sizes), ratios=[sizes[0] + 1.5, sizes[1] + 1]) as (
        figure,
        (top, bottom),
    ):
        _alike(top, alike, names)
        _effects(bottom, rest, names)
        bottom.set_xlabel(f"{unit[:1].upper()}{unit[1:]}, {level} interval")
        figure.legend(*top.get_legend_handles_labels(), loc="lower left", ncols=3, fontsize=9)
    alt = (
        f"Above, standardised differences in {numbers.of(sizes[0], 'measure')} before and after matching; below, the "
        f"change before joining and the effect, of all units and of pairs. {check.reading}"
    )
    header = ["Figure", "Units", "Joined", "Others", "Unit", "Value", f"{level} low", f"{level} high"]
    caption = f"{data['label'].iloc[0]}: compared with units that looked alike before"
    return shown(figure, alt, caption, header, _table(data))


def _alike(axes: Axes, data: pd.DataFrame, names: list[str]) -> None:
    """A row a measure, all units above and each version below it, as in a balance plot."""
    measures = list(dict.fromkeys(data["measure"]))
    axes.axvspan(-ALIKE, ALIKE, color=SHADE, linewidth=0, zorder=0, label=f"Within {ALIKE}: alike")
    for edge in (-APART, APART):
        label = f"Beyond {APART}: apart" if edge > 0 else None
        axes.axvline(edge, color=ORANGE, linestyle=":", linewidth=1.5, label=label)
    axes.axvline(0, color=GREY, linewidth=1)
    for k, (name, (marker, colour)) in enumerate(zip(names, MARKS, strict=False)):
        part = data[data["version"].eq(name)]
        y = part["measure"].map(measures.index).to_numpy(float) + STEP * (k - (len(names) - 1) / 2)
        said = f"Matched by {name.lower()}" if k else f"{name}, before matching"
        face = "white" if not k else colour
        axes.plot(part["estimate"], y, marker, color=colour, markerfacecolor=face, markersize=6, label=said)
    axes.set_yticks(range(len(measures)), measures)
    axes.set_ylim(len(measures) - 0.5, -0.5)
    reach = 1.15 * max(float(data["estimate"].abs().max()), 1.2 * APART)
    axes.set_xlim(-reach, reach)
    axes.set_xlabel("Joined less the others, in standard deviations")
    axes.tick_params(left=False)


def _effects(axes: Axes, data: pd.DataFrame, names: list[str]) -> None:
    """A row each, the first above."""
    for y, row in enumerate(data.itertuples()):
        marker, colour = MARKS[names.index(row.version)]
        ends = np.array([[row.estimate - row.low], [row.high - row.estimate]])
        axes.errorbar(row.estimate, y, xerr=ends, fmt=marker, color=colour, markersize=5, linewidth=2)
    axes.axvline(0, color=GREY, linewidth=1)
    axes.set_yticks(range(len(data)), [f"{KINDS[row.kind]}: {row.version.lower()}" for row in data.itertuples()])
    axes.set_ylim(len(data) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")
    axes.tick_params(left=False)


def _table(data: pd.DataFrame) -> list[list[str]]:
    places = numbers.decimals_for(data["std_error"].dropna())
    out = []
    for row in data.itertuples():
        alike = row.kind == "balance"
        figure = f"{row.measure}, joined less others" if alike else KINDS[str(row.kind)]
        value = numbers.signed(row.estimate, 2 if alike else places)
        ends = [numbers.number(end, places) for end in (row.low, row.high)]
        unit = "standard deviations" if alike else str(row.unit)
        out.append(
            [figure, str(row.version), numbers.count(row.joined), numbers.count(row.comparison), unit, value, *ends]
        )
    return out
