"""The figure of effects by time since joining, each with its own interval and a band that holds all of them."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from evalkit import numbers
from evalkit.estimate import Estimate
from evalkit.markup import Shown
from evalkit.plots.style import DARK_BLUE, GREY, LIGHT_GREY, ORANGE, canvas, drawable, shown, spans

BAND = "#C9D6E2"


@drawable
def event_study(estimate: Estimate, *, reach: int = 24) -> Shown:
    """Effects by periods since joining; before joining they should be near zero.

    Bars are intervals of one effect each; the band, where the design has one, holds all effects at once and is
    the one to judge a course by. Event times further than `reach` from joining are left to the data table.
    """
    events = estimate.events.sort_values("event_time", kind="stable")
    near = events[events["event_time"].between(-reach, reach)]
    level = numbers.per_cent(estimate.level)
    banded = bool(near["band_low"].notna().any())
    with canvas() as (figure, axes):
        if banded:
            _band(axes, near, f"{level} band for all {len(events)} effects at once")
        _effects(axes, near, level)
        axes.axhline(0, color=GREY, linewidth=1)
        axes.axvline(-0.5, color=GREY, linewidth=1, linestyle=":")
        axes.set_xlabel("Periods since joining")
        axes.set_ylabel(f"Effect ({estimate.unit})")
        axes.legend(loc="upper left", bbox_to_anchor=(0, -0.16), ncols=2, fontsize=9)
    decimals = numbers.decimals_for(events["std_error"])
    columns = ["estimate", "low", "high", *(["band_low", "band_high"] if banded else [])]
    header = ["Periods since joining", "Effect", f"{level} low", f"{level} high"]
    header += ["Band low", "Band high"] if banded else []
    rows = [
        [
            str(int(row["event_time"])),
            numbers.signed(row["estimate"], decimals),
            *(numbers.number(row[c], decimals) for c in columns[1:]),
            numbers.count(row["units"]),
            row["phase"],
        ]
        for _, row in events.iterrows()
    ]
    caption = f"{estimate.label}: effect by time since joining"
    caption += "; bars for one effect at a time, the band for all at once" if banded else ""
    alt = _alt(estimate, near, decimals, banded=banded)
    return shown(figure, alt, caption, [*header, "Joined units", "Phase"], rows)


def _band(axes: Axes, near: pd.DataFrame, label: str) -> None:
    """The band over each run of event times that has one; a lone one is drawn as wide as its own period."""
    times = near["event_time"].to_numpy(int)
    every = np.arange(times.min(), times.max() + 1)
    whole = near.set_index("event_time")[["band_low", "band_high"]].reindex(every).to_numpy(float)
    for i, (first, last) in enumerate(spans(np.isfinite(whole).all(axis=1))):
        x = np.concatenate([[every[first] - 0.3], every[first : last + 1], [every[last] + 0.3]])
        low, high = (np.concatenate([[v[first]], v[first : last + 1], [v[last]]]) for v in whole.T)
        axes.fill_between(x, low, high, color=BAND, linewidth=0, zorder=0.5, label=label if i == 0 else None)


def _effects(axes: Axes, near: pd.DataFrame, level: str) -> None:
    """Points with their own intervals, by phase."""
    x, y = near["event_time"].to_numpy(float), near["estimate"].to_numpy(float)
    errors = np.vstack([y - near["low"].to_numpy(float), near["high"].to_numpy(float) - y])
    phase = near["phase"].to_numpy()
    looks = (
        ("pre", "s", LIGHT_GREY, f"Before joining ({level} interval of each)"),
        ("transition", "x", ORANGE, "Transition: in no average"),
        ("post", "o", DARK_BLUE, f"After joining ({level} interval of each)"),
    )
    for name, marker, colour, label in looks:
        side = phase == name
        if side.any():
            axes.errorbar(
                x[side], y[side], errors[:, side], fmt=marker, color=colour, markersize=4, linewidth=1.2, label=label
            )


def _alt(estimate: Estimate, near: pd.DataFrame, decimals: int, *, banded: bool) -> str:
    parts = []
    for phase, when in (("pre", "before joining"), ("post", "after joining and any transition")):
        rows = near[near["phase"].eq(phase)]
        if len(rows):
            clear = int(((rows["low"] > 0) | (rows["high"] < 0)).sum())
            span = numbers.interval(rows["estimate"].min(), rows["estimate"].max(), decimals)
            said = f"{when} the {len(rows)} effects run from {span}, and {clear} of their intervals exclude zero"
            if banded:
                outside = int(((rows["band_low"] > 0) | (rows["band_high"] < 0)).sum())
                said += f" ({outside} by the wider band that holds all effects at once)"
            parts.append(said)
    return f"Event study of {estimate.label} in {estimate.unit}: {'; '.join(parts)}."
