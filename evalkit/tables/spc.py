"""Tables of control charts and funnels: what varies, whether a target can be relied on, and what is not said."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from evalkit import markup, numbers
from evalkit.estimate import Refusal
from evalkit.markup import Picture, Shown
from evalkit.spc import Chart, Charts, Funnel
from evalkit.spc.between import FAR, INSIDE
from evalkit.tables import icons
from evalkit.words import charts as words

ORDER = ("concern", "improvement", "change", "common cause", "no point")
ASSURANCES = ("failing", "hit and miss", "passing", "no target", "no limits")
SIDES = {1: "high", -1: "low", 0: ""}
Row = list[str | Picture]


def spc(found: Chart | Charts | Sequence[Chart]) -> Shown:
    """A row for each chart: variation, assurance, latest value, limits; then what the charts say in words.

    Charts of many units are counted first, with the icons, and listed in words below.
    """
    if isinstance(found, Charts):
        return _many(found)
    charts = [found] if isinstance(found, Chart) else list(found)
    rows: list[Row] = [
        [
            one.name,
            icons.variation(one.variation, one.side),
            icons.assurance(one.assurance, one.better),
            *_figures(one),
        ]
        for one in charts
    ]
    caption = f"{charts[0].outcome.title}: variation over time, {charts[0].outcome.unit}"
    header = ["Who", "Variation (latest point)", "Assurance", "Latest value", "Mean", "Limits"]
    said = [(f"{one.name[:1].upper()}{one.name[1:]}", words.variation(one)) for one in charts]
    return _shown(header, rows, caption, [*said, ("What this is", [words.DESCRIPTIVE, words.INDEPENDENT])])


def funnels(found: Sequence[Funnel | Refusal]) -> Shown:
    """A row for each span: the figure of all, how far units differ, how many lie outside; refusals in words."""
    drawn = [one for one in found if isinstance(one, Funnel)]
    reasons = list(dict.fromkeys(r for one in found if isinstance(one, Refusal) for r in one.reasons))
    if not drawn:
        return Shown(markup.notice("No funnel plot", reasons, "refusal"), "\n".join(["No funnel plot", *reasons]))
    rows: list[Row] = []
    for one in drawn:
        places = numbers.decimals_for([float(one.frame["value"].std())])
        ends = one.frame["value"].quantile([0.1, 0.9])
        place = one.frame["place"]
        rows.append(
            [
                words.span(*one.span), numbers.count(len(place)), numbers.number(one.centre, places),
                numbers.interval(ends.iloc[0], ends.iloc[1], places),
                numbers.number(one.dispersion.phi**0.5, 1),
                numbers.count(place.ne(INSIDE).sum()), numbers.count(place.eq(FAR).sum()),
            ]
        )  # fmt: skip
    header = [
        "Span", "Units", "All together", "Middle 80% of units", "Spread, times chance", "Outside 95%", "Outside 99.8%"
    ]  # fmt: skip
    caption = f"{drawn[0].outcome.title}: variation between units, {drawn[0].outcome.unit}"
    said = [(words.span(*one.span), words.funnel(one)) for one in drawn]
    more = [("Refused", reasons)] if reasons else []
    return _shown(header, rows, caption, [*said, *more, ("What this is", [words.DESCRIPTIVE])], 1)


def _many(found: Charts) -> Shown:
    every = sorted((found[i] for i in range(len(found))), key=lambda one: (ORDER.index(one.variation), one.name))
    kinds = Counter((one.variation, one.side, one.assurance) for one in every)
    order = sorted(kinds, key=lambda k: (ORDER.index(k[0]), -k[1], ASSURANCES.index(k[2])))
    counted: list[Row] = [
        [numbers.count(kinds[v, side, a]), icons.variation(v, side), icons.assurance(a, found.better)]
        for v, side, a in order
    ]
    title = f"{found.outcome.title}: variation over time in each unit that joined"
    header = ["Units", "Variation (latest point)", "Assurance"]
    html = markup.table(header, counted, f"{title}, counted", [True, False, False])
    text = markup.table_text(header, counted, f"{title}, counted")
    rows: list[Row] = [[one.name, _named(one), one.assurance, *_figures(one), _signals(one)] for one in every]
    listed = ["Unit", "Variation", "Assurance", "Latest value", "Mean", "Limits", "Signals"]
    kept = [("About these charts", [*_about(found), words.DESCRIPTIVE, words.INDEPENDENT])]
    below = _shown(listed, rows, f"{title}, {found.outcome.unit}", kept)
    return Shown(html + below.html, f"{text}\n{below.text}")


def _about(found: Charts) -> list[str]:
    """How many were not rebased, and how many have gaps."""
    short = sum(bool(one) for one in found.cut.short)
    gaps = int((found.reported.sum(axis=1) < found.values.shape[1]).sum())
    out = [
        f"{numbers.of(short, 'unit')} of {len(found)} joined with fewer than {found.how.least} points before or "
        "after: limits are not rebased there."
    ] * bool(short)
    return out + [f"{numbers.of(gaps, 'unit')} with gaps, across which no moving range and no run goes."] * bool(gaps)


def _named(one: Chart) -> str:
    return f"{one.variation}, {SIDES[one.side]}" if one.side else one.variation


def _signals(one: Chart) -> str:
    return f"{int(one.judged['signal'].ne('').sum())} of {len(one.judged)}"


def _figures(one: Chart) -> list[str]:
    """Latest value, mean and limits at the latest judged point."""
    if one.judged.empty:
        return ["", "", ""]
    last, places = one.judged.iloc[-1], words.decimals(one)
    limits = (
        numbers.interval(float(last["low"]), float(last["high"]), places) if math.isfinite(last["low"]) else "none"
    )
    return [*(numbers.number(float(last[c]), places) for c in ("value", "centre")), limits]


def _shown(
    header: list[str], rows: list[Row], caption: str, said: list[tuple[str, list[str]]], texts: int = 3
) -> Shown:
    html = markup.table(header, rows, caption, [False] * texts + [True] * (len(header) - texts))
    text = markup.table_text(header, rows, caption)
    for title, lines in said:
        html += markup.notice(title, lines)
        text += "\n".join(["", title, *lines])
    return Shown(html, text)
