"""Figures of synthetic comparisons: the two courses, who makes up the comparison, and the placebos."""

from __future__ import annotations

import numpy as np
import pandas as pd

from evalkit import numbers, periods
from evalkit.estimate import Check, Estimate
from evalkit.markup import Shown
from evalkit.plots.checks import answered
from evalkit.plots.style import (
    DARK_BLUE,
    GREY,
    LIGHT_GREY,
    ORANGE,
    SHADE,
    calendar,
    canvas,
    drawable,
    period_rows,
    shade,
    shown,
)

DRAWN = 15  # donors drawn; all are in the data table
BELOW = {"loc": "upper left", "bbox_to_anchor": (0, -0.16), "ncols": 2, "fontsize": 9}


@drawable
def synthetic_path(estimate: Estimate) -> Shown:
    """The joined units' course and the synthetic one, with the gap between them after joining."""
    path = estimate.path
    window = pd.PeriodIndex(path["period"])
    level = numbers.per_cent(estimate.level)
    observed = path["observed"].to_numpy(float)
    fitted, expected = path["fitted"].to_numpy(float), path["counterfactual"].to_numpy(float)
    low, high = path["low"].to_numpy(float), path["high"].to_numpy(float)
    with canvas() as (figure, axes):
        x = calendar(axes, window)
        shade(axes, path["phase"].to_numpy())
        axes.plot(x, observed, "-o", color=DARK_BLUE, markersize=3, linewidth=1.5, label="Joined units")
        axes.plot(x, fitted, "--", color=ORANGE, linewidth=2, label="Synthetic comparison")
        axes.plot(x, expected, "--", color=ORANGE, linewidth=2)
        axes.fill_between(
            x, low, high, color=ORANGE, alpha=0.18, linewidth=0, label=f"{level} interval of the comparison"
        )
        axes.vlines(x, expected, observed, color=GREY, linewidth=1, linestyle=":", label="Effect in the period")
        axes.set_ylabel("per cent" if estimate.unit == "percentage points" else estimate.unit)
        axes.legend(**BELOW)
    decimals = numbers.decimals_for(estimate.terms["std_error"])
    alt = _path_alt(estimate, window, decimals)
    synthetic = np.where(np.isnan(expected), fitted, expected)
    columns = [observed, synthetic, observed - synthetic, path["effect_low"], path["effect_high"]]
    cells = [[numbers.number(float(v), decimals) for v in column] for column in columns]
    header = ["Period", "Phase", "Joined units", "Synthetic", "Gap", f"Effect {level} low", f"Effect {level} high"]
    rows = period_rows(window, path["phase"].tolist(), *cells)
    caption = f"{estimate.label}: joined units and their synthetic comparison ({estimate.title})"
    return shown(figure, alt, caption, header, rows)


def _path_alt(estimate: Estimate, window: pd.PeriodIndex, decimals: int) -> str:
    after = estimate.path[estimate.path["counterfactual"].notna()]
    missed = numbers.number(estimate.diagnostics["rmspe_before"], decimals)
    text = (
        f"The joined units and their synthetic comparison, {estimate.label}, {periods.say(window[0])} to "
        f"{periods.say(window[-1])}. Before joining they differ by {missed} (root mean square)"
    )
    if after.empty:
        return f"{text}; in no period is every wave past its transition."
    last = after.iloc[-1]
    return (
        f"{text}; in {periods.say(last['period'])} the joined units stand at "
        f"{numbers.number(last['observed'], decimals)} and the comparison at "
        f"{numbers.number(last['counterfactual'], decimals)}, so that the effect is "
        f"{numbers.signed(last['effect'], decimals)} {estimate.unit} (interval "
        f"{numbers.interval(last['effect_low'], last['effect_high'], decimals)})."
    )


@drawable
def unit_weights(estimate: Estimate) -> Shown:
    """How much each donor counts in the synthetic comparison, the largest first; averaged over waves."""
    donors = estimate.weights[estimate.weights["kind"].eq("unit")]
    waves = donors["cohort"].nunique()
    mean = (donors.groupby("name")["weight"].sum() / waves).rename("weight").reset_index()
    mean = mean.sort_values(["weight", "name"], ascending=[False, True], kind="stable")
    order = mean["weight"].abs().sort_values(ascending=False, kind="stable").index[:DRAWN]
    top = mean.loc[mean.index.isin(order)]
    with canvas(height=1.2 + 0.28 * len(top)) as (figure, axes):
        y = np.arange(len(top))[::-1]
        axes.barh(y, 100 * top["weight"], color=[DARK_BLUE if w > 0 else ORANGE for w in top["weight"]], height=0.7)
        axes.set_yticks(y, top["name"].tolist())
        axes.axvline(0, color=GREY, linewidth=1)
        axes.set_xlabel("Weight, per cent")
    share = numbers.per_cent(round(float(top["weight"].sum()), 3))
    alt = (
        f"Bars of the weights of {numbers.of(len(top), 'donor')} of {len(mean)} in the synthetic comparison for "
        f"{estimate.label}; together {share} of the weight. The largest is {top['name'].iloc[0]} with "
        f"{numbers.number(100 * float(top['weight'].iloc[0]), 1)} per cent."
    )
    over = f", mean over {numbers.of(waves, 'wave')}" if waves > 1 else ""
    rows = [
        [name, numbers.number(100 * weight, 1)] for name, weight in zip(mean["name"], mean["weight"], strict=True)
    ]
    caption = f"{estimate.label}: donors of the synthetic comparison ({estimate.title}{over})"
    return shown(figure, alt, caption, ["Donor", "Weight, per cent"], rows)


@answered
def placebo_units(check: Check) -> Shown:
    """The real effect among those found where nobody joined, in order of size."""
    data = check.data.sort_values(["estimate", "unit"], kind="stable").reset_index(drop=True)
    real = data["real"].to_numpy(bool)
    x = np.arange(1, len(data) + 1)
    effect = data["estimate"].to_numpy(float)
    with canvas(height=3.6) as (figure, axes):
        size = abs(float(effect[real][0]))
        axes.axhspan(-size, size, color=SHADE, linewidth=0, zorder=0, label="Smaller than the real effect")
        axes.plot(x[~real], effect[~real], "o", color=LIGHT_GREY, markersize=4, label="Placebos: nobody joined")
        axes.plot(x[real], effect[real], "D", color=DARK_BLUE, markersize=7, label="Joined units")
        axes.axhline(0, color=GREY, linewidth=1)
        axes.set_xlabel("Placebos and the real effect, from the least to the largest")
        axes.set_ylabel(f"Effect ({data['unit_of_report'].iloc[0]})")
        axes.legend(**BELOW)
    decimals = numbers.decimals_for([float(np.std(effect))])
    span = numbers.interval(float(effect[~real].min()), float(effect[~real].max()), decimals)
    alt = (
        f"The effect on the joined units, {numbers.signed(float(effect[real][0]), decimals)}, among "
        f"{numbers.of(int((~real).sum()), 'placebo')} that run from {span}. {check.reading}"
    )
    rows = [
        [
            r.unit,
            numbers.signed(r.estimate, decimals),
            numbers.number(r.fit, decimals),
            "real" if r.real else "placebo",
        ]
        for r in data.itertuples()
    ]
    header = ["Taken for joined", "Effect", "Missed before joining", "Which"]
    caption = f"{data['label'].iloc[0]}: the effect among units that never joined"
    return shown(figure, alt, caption, header, rows)
