"""Figures of a panel: who joined when, every unit's series, the joined against the others."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from evalkit import numbers, periods
from evalkit.estimators._its.series import joint_series
from evalkit.markup import Shown
from evalkit.panel import Panel
from evalkit.plots.layout import colour_bar
from evalkit.plots.style import (
    DARK_BLUE,
    GREY,
    LIGHT_GREY,
    ORANGE,
    calendar,
    canvas,
    period_rows,
    shade,
    shown,
    spans,
)


def rollout(panel: Panel) -> Shown:
    """Who joined when: a bar a wave, from joining to the end of the window."""
    window, frequency = panel.study.window, panel.study.frequency
    sizes = panel.units["cohort"].value_counts().sort_index()
    waves: list[tuple[str, int, pd.Period | None]] = (
        [("Never joined", len(panel.never), None)] if len(panel.never) else []
    )
    waves += [(f"Wave {i + 1}", int(n), cohort) for i, (cohort, n) in enumerate(sizes.items())][::-1]
    with canvas(height=1.2 + 0.42 * len(waves)) as (figure, axes):
        calendar(axes, window)
        for y, (_, n, cohort) in enumerate(waves):
            start = len(window) if cohort is None else int(panel.study.time(pd.PeriodIndex([cohort]))[0])
            axes.barh(y, start, left=-0.5, color="white", edgecolor=LIGHT_GREY, height=0.6)
            if cohort is not None:
                axes.barh(y, len(window) - start, left=start - 0.5, color=DARK_BLUE, height=0.6)
                text = f"{n} joined {periods.say(cohort)}"
                place, side = (start - 1, "right") if start > len(window) / 2 else (start + 0.2, "left")
                box = {"facecolor": "white", "edgecolor": "none", "pad": 1.5}
                axes.text(place, y, text, ha=side, va="center", fontsize=9, bbox=box)
            else:
                box = {"facecolor": "white", "edgecolor": "none", "pad": 1.5}
                axes.text(0.5, y, numbers.of(n, "comparison unit"), ha="left", va="center", fontsize=9, bbox=box)
        axes.set_yticks(range(len(waves)), [name for name, _, _ in waves])
        axes.grid(visible=False)
        axes.set_title("Filled: joined. Outlined: not (yet) joined.", loc="left", fontsize=10)
    said = "; ".join(f"{n} in {periods.say(c)}" for c, n in sizes.items())
    alt = (
        f"Rollout chart over {len(window)} {periods.noun(frequency, 2)}: {numbers.of(len(panel.joined), 'unit')} "
        f"joined in {numbers.of(len(sizes), 'wave')} ({said}); {numbers.of(len(panel.never), 'unit')} never joined."
    )
    rows = [[name, numbers.count(n), periods.label(c) if c is not None else "never"] for name, n, c in waves[::-1]]
    return shown(figure, alt, "Who joined when", ["Wave", "Units", "Joined"], rows)


def heat_map(panel: Panel) -> Shown:
    """Every unit's series: a row a unit, waves together, the darker the higher; a line where each wave joined."""
    order = panel.units.assign(baseline=panel.baseline()["mean"], never=panel.units["cohort"].isna())
    order = order.sort_values(["never", "cohort", "baseline"], kind="stable")
    matrix = panel.wide().reindex(order.index)
    with canvas(height=5.6) as (figure, axes):
        # an image with a pixel a unit-period: small, and crisp at any size
        drawn = axes.imshow(matrix.to_numpy(float), cmap="Blues", aspect="auto", interpolation="none")
        unit = panel.outcome.unit if panel.outcome.kind != "proportion" else "per cent"
        colour_bar(figure, drawn, unit)
        axes.set_yticks([])
        axes.grid(visible=False)
        axes.set_facecolor("#FFDD99")
        positions = calendar(axes, panel.study.window)
        edges = []
        start = panel.study.time(order["cohort"].dropna())
        for cohort in np.unique(start):
            y = np.flatnonzero(start == cohort)
            axes.plot([cohort - 0.5, cohort - 0.5], [y[0] - 0.5, y[-1] + 0.5], color=ORANGE, linewidth=2.2)
            edges.append(y[-1] + 0.5)
        axes.hlines(edges, -0.5, len(positions) - 0.5, color=GREY, linewidth=0.8)
        axes.set_ylabel("Units: waves from the top, then never joined")
        axes.set_title("Orange line: the wave joined. Yellow: not reported.", loc="left", fontsize=10)
    values = panel.rows["value"]
    alt = (
        f"Heat map of {panel.outcome.title} for {len(matrix)} units over {len(positions)} periods. Values run from "
        f"{numbers.number(values.min(), 1)} to {numbers.number(values.max(), 1)}, median "
        f"{numbers.number(values.median(), 1)}; {int(matrix.isna().sum().sum())} unit-periods are not reported."
    )
    return shown(figure, alt, f"Every unit: {panel.outcome.title}", *_unit_table(panel, order.index))


def _unit_table(panel: Panel, order: pd.Index) -> tuple[list[str], list[list[str]]]:
    grouped = panel.rows.groupby(["unit", "phase"], observed=True)["value"].mean().unstack("phase")
    grouped = grouped.reindex(index=order, columns=["pre", "post"])
    cohort = panel.units["cohort"].reindex(order)
    rows = [
        [str(unit), periods.label(c) if pd.notna(c) else "never", numbers.number(pre, 1), numbers.number(post, 1)]
        for unit, c, pre, post in zip(order, cohort, grouped["pre"], grouped["post"], strict=True)
    ]
    return ["Unit", "Joined", "Mean before (or never joined)", "Mean after"], rows


def group_means(panel: Panel) -> Shown:
    """Mean of the joined units against the mean of those that never joined, the rollout shaded."""
    means, window = panel.group_means(), panel.study.window
    decimals = 1 if panel.outcome.kind == "proportion" else numbers.decimals_for([means.to_numpy().std() / 10 or 1])
    names = {"joined": ("Units that joined", DARK_BLUE, "-"), "comparison": ("Units that never joined", ORANGE, "--")}
    with canvas() as (figure, axes):
        x = calendar(axes, window)
        shade(axes, joint_series(panel).phase)
        for column, (label, colour, style) in names.items():
            if means[column].notna().any():
                axes.plot(x, means[column].to_numpy(float), style, color=colour, label=label, linewidth=2)
        for i, cohort in enumerate(panel.study.time(pd.PeriodIndex(panel.cohorts))):
            mark = "A wave joined" if i == 0 else None
            axes.axvline(cohort - 0.5, color=GREY, linewidth=1, linestyle=":", label=mark)
        _events(axes, panel)
        if panel.outcome.target is not None:
            share = 100.0 if panel.outcome.kind == "proportion" else 1.0  # other targets are in the unit of report
            axes.axhline(share * panel.outcome.target, color=GREY, linestyle="-.", label="Target")
        axes.set_ylabel(_axis(panel))
        axes.legend(loc="upper left", bbox_to_anchor=(0, -0.16), ncols=2, fontsize=9)
    alt = _means_alt(panel, means, decimals)
    rows = period_rows(
        window,
        [numbers.number(v, decimals) for v in means["joined"]],
        [numbers.number(v, decimals) for v in means["comparison"]],
    )
    caption = f"{panel.outcome.title}: units that joined against units that never did"
    return shown(figure, alt, caption, ["Period", "Joined", "Never joined"], rows)


def _means_alt(panel: Panel, means: pd.DataFrame, decimals: int) -> str:
    parts = []
    for column, label in (("joined", "units that joined"), ("comparison", "units that never joined")):
        line = means[column].dropna()
        if len(line):
            ends = f"{numbers.number(line.iloc[0], decimals)} to {numbers.number(line.iloc[-1], decimals)}"
            parts.append(f"the mean of {label} runs from {ends}")
    dates = ", ".join(periods.say(c) for c in panel.cohorts)
    return f"Line chart of {panel.outcome.title}: {' and '.join(parts)}. Waves joined in {dates}."


def _axis(panel: Panel) -> str:
    return "per cent" if panel.outcome.kind == "proportion" else panel.outcome.unit


def _events(axes: Axes, panel: Panel) -> None:
    """Mark declared events along the foot of the axes."""
    window = panel.study.window
    for i, event in enumerate(panel.study.protocol.events):
        inside = np.asarray((window >= event.first) & (window <= event.last))
        for start, stop in spans(inside):
            label = "Declared event" if i == 0 else None
            axes.axvspan(start - 0.5, stop + 0.5, ymax=0.03, color=GREY, label=label)
