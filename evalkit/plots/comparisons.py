"""Figures of who is compared with whom: the weight of every wave in every period, and pairs of waves."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from evalkit import markup, numbers, periods
from evalkit.estimate import Check
from evalkit.estimators import title as titled
from evalkit.markup import Shown
from evalkit.plots.checks import answered
from evalkit.plots.style import DARK_BLUE, GREY, LIGHT_GREY, ORANGE, TURQUOISE, canvas, shown
from evalkit.plots.waves import along, grid, hatch, hatched, height, legend, mark

SCALE = 0.5  # the root, since a baseline of one period outweighs many periods after
LOOKS = {
    "joined against never joined": ("o", DARK_BLUE),
    "earlier against later joined": ("s", TURQUOISE),
    "later against earlier joined": ("X", ORANGE),
    "joined against joined before the first period": ("D", LIGHT_GREY),
}


@answered
def comparisons(check: Check) -> Shown:
    """The weight of each wave's outcomes in each period: a plus counts for the effect, a minus against it."""
    data = check.data[check.data["part"].eq("weight")]
    waves = list(dict.fromkeys(data["wave"]))
    window = pd.PeriodIndex(sorted(data["period"].unique()))
    order = {"index": "wave", "columns": "period"}
    weights = data.pivot_table(**order, values="weight", sort=False, dropna=False)
    weights = weights.reindex(index=waves, columns=window).to_numpy(float)
    phase = data.set_index(["wave", "period"])["phase"].unstack().reindex(index=waves, columns=window).to_numpy()
    misused = (weights < 0) & np.isin(phase, ["post", "transition"])
    with canvas(height=height(len(waves))) as (figure, axes):
        end = grid(figure, axes, weights, "Weight of the wave", SCALE)
        along(axes, window)
        hatch(axes, np.isin(phase, ["transition", "excluded"]))
        handles: list[Artist] = []
        for where, marker, size, label in (
            (weights > 0, "+", 1.0, "Plus"),
            ((weights < 0) & ~misused, "_", 1.0, "Minus"),
            (misused, "X", 3.0, "Minus after joining: must not be"),
        ):
            if mark(axes, weights, where, marker, end, size):
                handles.append(Line2D([], [], linestyle="", marker=marker, color=GREY, label=label))
        if _joined(axes, waves, window):
            handles.append(Line2D([], [], color="black", linewidth=2, label="The wave joined"))
        left_out = [name for name in ("transition", "excluded") if (phase == name).any()]
        if left_out:
            handles.append(hatched(", ".join(left_out).capitalize()))
        axes.set_yticks(range(len(waves)), [periods.relabel(w) if w != "never" else "never joined" for w in waves])
        axes.set_ylabel("Wave joined in")
        legend(figure, handles)
    alt = f"Grid of the weights of {numbers.of(len(waves), 'group')} over {len(window)} periods. {check.reading}"
    rows = [
        [
            periods.relabel(wave),
            *(numbers.signed(float(row[side].sum()), 3) for side in (row > 0, row < 0)),
            _when(window, row),
        ]
        for wave, row in zip(waves, weights, strict=True)
    ]
    header = ["Wave", "Sum of plus", "Sum of minus", "Periods with weight"]
    label = data["label"].iloc[0]
    return shown(figure, alt, f"{label}: who is compared with whom ({titled(check.design)})", header, rows)


def _joined(axes: Axes, waves: list[str], window: pd.PeriodIndex) -> list[Line2D]:
    """A line where each wave joined, if that is in the grid."""
    found = []
    for i, wave in enumerate(waves):
        if wave != "never":
            at = (periods.parse(wave, periods.frequency_of(window[0])) - window[0]).n
            if 0 <= at <= len(window):
                found += axes.plot([at - 0.5] * 2, [i - 0.5, i + 0.5], color="black", linewidth=2)
    return found


def _when(window: pd.PeriodIndex, row: np.ndarray) -> str:
    used = window[row != 0]
    return f"{periods.label(used[0])} to {periods.label(used[-1])} ({len(used)})" if len(used) else "none"


@answered
def decomposition(check: Check) -> Shown:
    """The comparisons of two waves that a two-way regression is made of: estimate against weight, by kind."""
    data = check.data[check.data["part"].eq("pair")]
    if data.empty:
        title = "No figure: the estimate is no two-way regression of waves that can be taken apart"
        return Shown(markup.notice(title, [check.reading], "refusal"), f"{title}. {check.reading}")
    total = float(data["weight"] @ data["estimate"])
    places = numbers.decimals_for([float(data["estimate"].std())])
    with canvas(height=4.0) as (figure, axes):
        for kind, (marker, colour) in LOOKS.items():
            part = data[data["kind"].eq(kind)]
            if len(part):
                share = numbers.number(100 * float(part["weight"].sum()), 1)
                axes.plot(
                    100 * part["weight"], part["estimate"], marker, color=colour, markersize=7,
                    label=f"{kind.capitalize()} ({share}% of the weight)",
                )  # fmt: skip
        axes.axhline(total, color=GREY, linestyle="--", linewidth=1.2, label="Their weighted mean: the regression")
        axes.axhline(0, color=GREY, linewidth=1)
        axes.set_xlim(left=0)
        axes.set_xlabel("Weight, per cent")
        axes.set_ylabel(f"Estimate ({data['unit'].iloc[0]})")
        axes.legend(loc="upper left", bbox_to_anchor=(0, -0.16), ncols=2, fontsize=9)
    by_kind = data.groupby("kind", sort=False)["weight"]
    kinds = "; ".join(
        f"{kind}: {numbers.of(len(weight), 'comparison')}, {numbers.number(100 * weight.sum(), 1)}% of the weight"
        for kind, weight in by_kind
    )
    alt = (
        f"Scatter of {numbers.of(len(data), 'comparison')} of two waves, estimate against weight. By kind, {kinds}. "
        f"Their weighted mean is {numbers.signed(total, places)} {data['unit'].iloc[0]}."
    )
    rows = [
        [
            f"{periods.relabel(r.joined)} against {periods.relabel(r.comparison)}",
            numbers.number(100 * r.weight, 2),
            numbers.signed(r.estimate, places),
            r.kind,
        ]
        for r in data.sort_values("weight", ascending=False, kind="stable").itertuples()
    ]
    header = ["Waves", "Weight, per cent", "Estimate", "Kind"]
    return shown(figure, alt, f"{data['label'].iloc[0]}: what the two-way regression is made of", header, rows)
