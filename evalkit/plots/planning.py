"""Plans: the least effect that designs would find, by one number of the plan."""

from __future__ import annotations

import pandas as pd

from evalkit import markup, numbers
from evalkit.estimators import title
from evalkit.markup import Shown
from evalkit.placebos.power import POWER
from evalkit.planning import Varied
from evalkit.planning.vary import called
from evalkit.plots.checks import BELOW
from evalkit.plots.style import DARK_BLUE, GREY, LIGHT_GREY, ORANGE, TURQUOISE, canvas, shown

LOOKS = [
    (DARK_BLUE, "-", "o"),
    (ORANGE, "--", "s"),
    (TURQUOISE, "-.", "^"),
    (GREY, ":", "D"),
    (LIGHT_GREY, "-", "v"),
    (DARK_BLUE, ":", "x"),
    (ORANGE, ":", "P"),
    (TURQUOISE, ":", "*"),
    (GREY, "-", "<"),
    (LIGHT_GREY, "--", ">"),
]


def planned(found: Varied, name: str = "joined", profile: str = "constant") -> Shown:
    """The least effect by what was varied, a line a design; name, one of `planning.vary.VARIED`."""
    base = found.baseline
    what = called(name, base.frequency)
    data = found.sizes[found.sizes["varied"].eq(name) & found.sizes["profile"].eq(profile)]
    if data.empty:
        heading = f"No figure: {what[0].lower()}{what[1:]} could not be varied"
        lines = list(dict.fromkeys(found.refused.loc[found.refused["varied"].eq(name), "why"]))
        return Shown(markup.notice(heading, lines, "refusal"), f"{heading}: {' '.join(lines)}")
    wide = data.pivot(index="value", columns="design", values="size")[list(dict.fromkeys(data["design"]))]
    unit = "per cent of the outcome" if profile == "relative" else base.unit
    with canvas() as (figure, axes):
        for (design, line), (colour, style, marker) in zip(wide.items(), LOOKS, strict=False):
            label = _label(str(design), data)
            axes.plot(line.index, line.to_numpy(), color=colour, linestyle=style, marker=marker, label=label)
        own = getattr(found.plan, name)
        if own in wide.index:
            axes.axvline(own, color=LIGHT_GREY, linewidth=1, zorder=0)
            axes.annotate("the plan", (own, 0.02), xycoords=("data", "axes fraction"), xytext=(3, 0),
                          textcoords="offset points", color=GREY)  # fmt: skip
        axes.set_xticks(wide.index.tolist())
        axes.set_xlabel(what)
        axes.set_ylabel(f"Least effect found, {unit}")
        axes.set_ylim(bottom=0)
        axes.legend(**BELOW)
    places = numbers.decimals_for(data["std_error"].tolist())
    spans = [
        f"{title(str(design))}: {numbers.number(float(line.dropna().iloc[0]), places)} at {line.dropna().index[0]}, "
        f"{numbers.number(float(line.dropna().iloc[-1]), places)} at {line.dropna().index[-1]}"
        for design, line in wide.items()
    ]
    alt = (
        f"A line for each design: the least effect found with {numbers.per_cent(POWER)} power, {unit}, from the "
        f"smallest to the largest number tried. {'; '.join(spans)}."
    )
    rows = [
        [numbers.count(value), *[numbers.number(float(v), places) or "refused" for v in row]]
        for value, row in zip(wide.index, wide.to_numpy(), strict=True)
    ]
    header = [what, *[_label(str(design), data) for design in wide.columns]]
    caption = f"{base.label}: least effect found by {what[0].lower()}{what[1:]}; {base.origin}"
    return shown(figure, alt, caption, header, rows)


def _label(design: str, data: pd.DataFrame) -> str:
    """A design, with its number of draws where others have more."""
    own, most = int(data.loc[data["design"].eq(design), "draws"].min()), int(data["draws"].max())
    return f"{title(design)} ({own} draws)" if own < most else title(design)
