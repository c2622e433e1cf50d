"""Figures of estimates: the course against its counterfactual, effects over time, designs side by side."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import numpy as np
import pandas as pd

from evalkit import numbers, periods
from evalkit.estimate import Estimate, Refusal
from evalkit.markup import Shown
from evalkit.plots.style import (
    DARK_BLUE,
    GREY,
    LIGHT_GREY,
    ORANGE,
    calendar,
    canvas,
    drawable,
    period_rows,
    shade,
    shown,
)

MOST_PERIODS = 12  # labels along the axis


@drawable
def counterfactual(estimate: Estimate) -> Shown:
    """Observed points, the fitted course, and where the earlier course would have led, with its band."""
    path = estimate.path
    window = pd.PeriodIndex(path["period"])
    level = numbers.per_cent(estimate.level)
    with canvas() as (figure, axes):
        x = calendar(axes, window)
        shade(axes, path["phase"].to_numpy())
        observed, fitted = path["observed"].to_numpy(float), path["fitted"].to_numpy(float)
        expected = path["counterfactual"].to_numpy(float)
        axes.plot(x, observed, "o", color=LIGHT_GREY, markersize=4, label="Observed")
        axes.plot(x, fitted, "-", color=DARK_BLUE, linewidth=2, label="Fitted")
        axes.plot(x, expected, "--", color=ORANGE, linewidth=2, label="Earlier course carried on")
        low, high = path["low"].to_numpy(float), path["high"].to_numpy(float)
        axes.fill_between(
            x, low, high, color=ORANGE, alpha=0.18, linewidth=0, label=f"{level} interval of that course"
        )
        axes.set_ylabel(_axis(estimate))
        axes.legend(loc="upper left", bbox_to_anchor=(0, -0.16), ncols=2, fontsize=9)
    post = path[path["counterfactual"].notna()]
    decimals = numbers.decimals_for(estimate.terms["std_error"])
    last = post.iloc[-1]
    alt = (
        f"Interrupted time series of {estimate.label} from {periods.say(window[0])} to {periods.say(window[-1])}. "
        f"In {periods.say(last['period'])} the fitted value is {numbers.number(last['fitted'], decimals)}; the "
        f"earlier course carried on would have reached {numbers.number(last['counterfactual'], decimals)} "
        f"({level} interval {numbers.interval(last['low'], last['high'], decimals)})."
    )
    columns = ["observed", "fitted", "counterfactual", "low", "high"]
    cells = [[numbers.number(v, decimals) for v in path[c]] for c in columns]
    header = ["Period", "Phase", "Observed", "Fitted", "Counterfactual", f"{level} low", f"{level} high"]
    rows = period_rows(window, path["phase"].tolist(), *cells)
    return shown(figure, alt, f"{estimate.label}: observed course and the earlier course carried on", header, rows)


@drawable
def effect_path(estimate: Estimate) -> Shown:
    """The effect in every analysed period after the start, with its pointwise interval."""
    path = estimate.path[estimate.path["effect"].notna()]
    window = pd.period_range(path["period"].iloc[0], path["period"].iloc[-1])
    level = numbers.per_cent(estimate.level)
    with canvas(height=3.8) as (figure, axes):
        x = np.array([(p - window[0]).n for p in path["period"]])
        effect = path["effect"].to_numpy(float)
        low, high = path["effect_low"].to_numpy(float), path["effect_high"].to_numpy(float)
        axes.errorbar(
            x, effect, np.vstack([effect - low, high - effect]), fmt="o", color=DARK_BLUE, markersize=5,
            linewidth=1.2, label=f"Effect ({level} interval, period by period)",
        )  # fmt: skip
        axes.axhline(0, color=GREY, linewidth=1)
        step = max(1, -(-len(window) // MOST_PERIODS))
        axes.set_xticks(range(0, len(window), step), [periods.label(p) for p in window[::step]])
        axes.set_xlabel("Analysed period after the start")
        axes.set_ylabel(f"Effect ({estimate.unit})")
        axes.legend(loc="upper left", bbox_to_anchor=(0, -0.16), fontsize=9)
    decimals = numbers.decimals_for([float(np.median(high - low)) / 4])
    clear = int(((low > 0) | (high < 0)).sum())
    alt = (
        f"Effect on {estimate.label} in {numbers.of(len(path), 'period')} after the start, in {estimate.unit}: "
        f"{numbers.signed(effect[0], decimals)} in {periods.say(window[0])} and "
        f"{numbers.signed(effect[-1], decimals)} in {periods.say(window[-1])}; "
        f"{clear} of the {len(path)} intervals exclude zero."
    )
    cells = [[numbers.number(v, decimals) for v in values] for values in (effect, low, high)]
    rows = period_rows(path["period"].tolist(), *cells)
    header = ["Period", "Effect", f"{level} low", f"{level} high"]
    return shown(figure, alt, f"{estimate.label}: effect in every period after the start", header, rows)


def forest(estimates: Sequence[Estimate | Refusal], *, caption: str = "Designs side by side") -> Shown:
    """Headline estimates with their intervals, one row a design or outcome; refused ones are listed in words."""
    drawn = [e for e in estimates if isinstance(e, Estimate)]
    labels = [textwrap.fill(label, 34) for label in _labels(drawn)]
    with canvas(height=1.2 + 0.62 * max(len(drawn), 1)) as (figure, axes):
        for y, estimate in enumerate(drawn[::-1]):
            head = estimate.headline
            solid = not estimate.comparison_only
            axes.plot([head["low"], head["high"]], [y, y], "-" if solid else ":", color=DARK_BLUE, linewidth=2)
            face = DARK_BLUE if solid else "white"
            axes.plot(head["estimate"], y, "o", color=DARK_BLUE, markerfacecolor=face, markersize=7)
        axes.axvline(0, color=GREY, linewidth=1)
        axes.set_yticks(range(len(drawn)), labels[::-1])
        axes.set_ylim(-0.6, max(len(drawn), 1) - 0.4)
        units = " or ".join(dict.fromkeys(e.unit for e in drawn))
        axes.set_xlabel(f"Estimate and {numbers.per_cent(drawn[0].level) if drawn else ''} interval ({units})")
    rows = [_forest_row(e) for e in estimates]
    said = "; ".join(f"{row[0]} {row[1]} ({row[2]})" for row in rows if row[2])
    refused = [e.title for e in estimates if isinstance(e, Refusal)]
    alt = f"Forest plot of {numbers.of(len(drawn), 'estimate')}: {said}." + (
        f" Not computed: {', '.join(refused)}." if refused else ""
    )
    return shown(figure, alt, caption, ["Design and outcome", "Estimate", "Interval", "What it is"], rows)


def _labels(drawn: Sequence[Estimate]) -> list[str]:
    """What tells the rows apart: the design, the outcome, or both."""
    one_outcome = len({e.outcome for e in drawn}) == 1
    one_design = len({e.design for e in drawn}) == 1
    if one_outcome:
        return [e.title for e in drawn]
    return [e.label if one_design else f"{e.title}: {e.label}" for e in drawn]


def _forest_row(estimate: Estimate | Refusal) -> list[str]:
    if isinstance(estimate, Refusal):
        return [f"{estimate.title}: {estimate.outcome}", "not computed", "", " ".join(estimate.reasons)]
    head = estimate.headline
    decimals = numbers.decimals_for([head["std_error"]])
    return [
        f"{estimate.title}: {estimate.label}",
        numbers.signed(head["estimate"], decimals),
        numbers.interval(head["low"], head["high"], decimals),
        f"{head['term']} ({estimate.unit})",
    ]


def _axis(estimate: Estimate) -> str:
    return "per cent" if estimate.unit == "percentage points" else estimate.unit
