"""Pseudo-collaboratives that changed nothing: what a design found in them, and what it would have found."""

from __future__ import annotations

from evalkit import numbers
from evalkit.estimate import Check
from evalkit.markup import Shown
from evalkit.plots.checks import BELOW, answered
from evalkit.plots.drawn import bars, parted, shares
from evalkit.plots.style import DARK_BLUE, GREY, ORANGE, canvas, shown

LINES = {"constant": (DARK_BLUE, "-"), "building up": (ORANGE, "--")}


@answered
def calibration(check: Check) -> Shown:
    """Effects found where there was none, and the real one."""
    data = check.data
    drawn, real = parted(data, "effect")
    unit = data["unit"].iloc[0]
    places = numbers.decimals_for([float(drawn.std())])
    with canvas(height=3.6) as (figure, axes):
        bars(axes, drawn, real, "No effect")
        axes.axvline(real, color=DARK_BLUE, linewidth=2, label="The study's estimate")
        axes.axvline(0, color=GREY, linewidth=1)
        axes.set_xlabel(f"Effect found, {unit}")
        axes.set_ylabel("Pseudo-collaboratives")
        axes.legend(**BELOW)
    span = f"{numbers.signed(float(drawn.min()), places)} to {numbers.signed(float(drawn.max()), places)}"
    alt = (
        f"Effects found in {numbers.count(len(drawn))} pseudo-collaboratives that changed nothing, from {span} "
        f"{unit}; the study's own is {numbers.signed(real, places)}. {check.reading}"
    )
    rows = shares(drawn, "draws", lambda value: numbers.signed(value, places))
    rows.append(["The study's estimate", numbers.signed(real, places)])
    caption = f"{data['label'].iloc[0]}: effects found where there was none"
    return shown(figure, alt, caption, ["Draws", f"Effect, {unit}"], rows)


@answered
def power(check: Check) -> Shown:
    """The chance of finding an effect by its size."""
    data = check.data
    unit = data["unit"].iloc[0]
    size = float(check.value or 0.0)
    places = numbers.decimals_for([size / 4])
    with canvas(height=3.6) as (figure, axes):
        for profile, (colour, style) in LINES.items():
            part = data[data["profile"].eq(profile)]
            name = "From joining on" if profile == "constant" else "Building up over a year"
            axes.plot(part["size"], 100 * part["power"], color=colour, linestyle=style, linewidth=2, label=name)
        axes.axhline(80, color=GREY, linewidth=1, linestyle=":", label="80%")
        axes.set_xlabel(f"Size of the effect, {unit}")
        axes.set_ylabel("Found, per cent")
        axes.set_ylim(0, 102)
        axes.set_xlim(left=0)
        axes.legend(**BELOW)
    alt = (
        f"Share of pseudo-collaboratives in which an injected effect would have been found, by its size in {unit}, "
        f"rising from chance at nought to 80% at {numbers.number(size, places)}. {check.reading}"
    )
    header = ["Effect", f"Size, {unit} (relative: per cent)", "Found, per cent"]
    rows = [
        [row.profile.capitalize(), numbers.number(row.size, places), numbers.number(100 * row.power, 0)]
        for row in data.iloc[::4].itertuples()
    ]
    caption = f"{data['label'].iloc[0]}: chance of finding an effect by its size"
    return shown(figure, alt, caption, header, rows)
