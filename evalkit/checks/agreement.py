"""Do designs that lean on different assumptions tell the same story?

The designs share their data, so their intervals say little of whether they differ. Every design is set against the
first, which carries the finding, and the difference has an error of its own (`_apart`): from what units contribute
to both, from draws in which nothing happened, or from both designs' errors and how they vary together in the draws.
P-values are adjusted for how many designs are set against the first (Holm 1979, Scand J Stat 6:65).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import pandas as pd

from evalkit import inference, numbers
from evalkit.checks._apart import BOTH, CONTRIBUTIONS, DRAWS, OVERLAP, Apart, apart
from evalkit.checks._its import labelled
from evalkit.estimate import Check, Estimate, Refusal, Verdict
from evalkit.panel import Panel
from evalkit.placebos import Calibration

NAME = "agreement"
QUESTION = "Do the designs agree?"
COLUMNS = [
    *("design", "title", "estimate", "low", "high", "difference", "error", "difference_low", "difference_high"),
    *("p", "p_adjusted", "least_p", "draws", "drawn", "how", "why", "assumption"),
]
FIGURES = COLUMNS[2:14]
FIRST = "carries the finding"
DOUBT = (
    "a design's assumption is in doubt, or the effect differs so much over time or between large and small units "
    "that the designs measure different things"
)
ALL_MONTHS = 2.0  # spreads or errors from nought beyond which a mean over the draws is worth a word


def check(
    estimates: Sequence[Estimate | Refusal], panel: Panel | None = None, calibration: Calibration | None = None
) -> Check:
    """Concern when two headline intervals do not overlap, or a design differs from the first by more than chance.

    panel        with it, comparisons on weighted outcomes are set against each other by what units contribute
    calibration  with it, other designs by the draws that both were put to, where it holds both

    More than chance: p, adjusted for the number of designs that could be set against the first, below 1 - level.
    Inconclusive when that is so without the adjustment only, be it for want of draws, or a headline lies outside the
    interval of another and the difference of one of the two could not be tested. Reassuring otherwise: not proof,
    since they share their data. `value` is the range of the headlines. `data`: `COLUMNS` and label, unit,
    level, one row a design, the first one first: its headline with interval; its difference from the first, the
    error and interval of that, p, p adjusted, the least p that could have come out, how many draws and the mean
    difference in them, how it was got (`contributions`, `draws`, `errors and draws`, `overlap only`), why no better,
    and what the design leans on; missing where there is none. Not applicable with fewer than two designs.
    """
    usable = [e for e in estimates if isinstance(e, Estimate) and not e.comparison_only]
    if len(usable) <= 1:
        return Check(NAME, QUESTION, "not applicable", "Fewer than two designs could be computed.")
    first, *others = usable
    data = _table(usable, [apart(first, other, panel, calibration) for other in others])
    spread = float(data["estimate"].max() - data["estimate"].min())
    verdict, reading = _judged(data, usable)
    return Check(NAME, QUESTION, verdict, reading, spread, "", data)


def _judged(data: pd.DataFrame, usable: list[Estimate]) -> tuple[Verdict, str]:
    titles, alpha = [e.title.lower() for e in usable], 1 - usable[0].level
    names, tested = f"{', '.join(titles[:-1])} and {titles[-1]}", _tested(data)
    if data["low"].max() > data["high"].min():
        return "concern", f"The intervals of {names} do not all overlap, so {DOUBT}.{tested}"
    overlap = f"The intervals of {names} overlap"
    if (data["p_adjusted"] < alpha).any():
        return "concern", f"{overlap}.{tested} That is more than chance: {DOUBT}."
    if (data["p"] < alpha).any():
        cautious = "but a difference is more than chance until the number of designs is allowed for"
        return "inconclusive", f"{overlap}, {cautious}.{tested}"
    if _outside(data):
        places = numbers.decimals_for([e.headline["std_error"] for e in usable])
        ends = [numbers.signed(float(f(data["estimate"])), places) for f in (min, max)]
        run = f"but the estimates run from {ends[0]} to {ends[1]} {usable[0].unit}"
        return "inconclusive", f"{overlap}, {run}, and one lies outside another's interval.{tested}"
    return "reassuring", f"{overlap}. They share their data, so this is no independent confirmation.{tested}"


def _table(usable: list[Estimate], found: list[Apart]) -> pd.DataFrame:
    rows = []
    for one, other in zip(usable, [None, *found], strict=True):
        head = one.headline
        row: dict[str, Any] = {
            "design": one.design,
            "title": one.title,
            "assumption": one.assumption,
            "how": FIRST,
            "why": "",
        }
        row |= {name: float(head[name]) for name in ("estimate", "low", "high")}
        if other is not None:
            row |= {"difference": other.difference, "how": other.how, "why": other.why, "draws": other.draws}
        if other is not None and other.p is not None and other.reach is not None:
            low, high = other.difference - other.reach, other.difference + other.reach
            row |= {"error": other.error, "difference_low": low, "difference_high": high, "drawn": other.drawn}
            row |= {"p": other.p, "least_p": other.least}
        rows.append(row)
    data = pd.DataFrame(rows).reindex(columns=COLUMNS)
    data[FIGURES] = data[FIGURES].astype(float)
    known = data["p"].notna()
    data.loc[known, "p_adjusted"] = inference.holm(data.loc[known, "p"].to_numpy())
    return labelled(data, usable[0])


def _outside(data: pd.DataFrame) -> bool:
    """Whether a headline lies outside another's interval, of two whose differences were not both tested."""
    rows = data.to_dict("records")
    untested = [row["how"] == OVERLAP for row in rows]
    return any(
        not (b["low"] <= a["estimate"] <= b["high"] and a["low"] <= b["estimate"] <= a["high"])
        for (i, a), (k, b) in combinations(enumerate(rows), 2)
        if untested[i] or untested[k]
    )


def _tested(data: pd.DataFrame) -> str:
    """What each difference from the first amounts to, and how it was judged, in words."""
    first, unit = data["title"].iloc[0].lower(), data["unit"].iloc[0]
    text, said = "", " Allowing for the data they share,"
    for row in data.iloc[1:].itertuples():
        if row.how == OVERLAP:
            text += f" For {row.title.lower()} nothing but the overlap can be said: {row.why}."
            continue
        places = numbers.decimals_for([row.error])
        span = numbers.interval(row.difference_low, row.difference_high, places)
        text += (
            f"{said} {row.title.lower()} differs from {first} by {numbers.signed(row.difference, places)} {unit} "
            f"({numbers.per_cent(row.level)} interval {span}; {numbers.p_text(row.p)}"
            f"{_adjusted(data, row.p_adjusted)}{_by(row.how, row.draws)})."
        )
        said = " And"
        if row.how == BOTH and abs(row.drawn) > ALL_MONTHS * row.error:
            text += (
                f" In the draws, where nothing happened, the two differ by {numbers.signed(row.drawn, places)} on "
                f"average: what moved every unit in those periods is in a series of the joined units alone."
            )
    return text


def _adjusted(data: pd.DataFrame, p: float) -> str:
    many = int(data["p"].notna().sum())
    return f", {numbers.p_text(p)} allowing for {many} differences" if many > 1 else ""


def _by(how: str, draws: float) -> str:
    return {
        CONTRIBUTIONS: "",
        DRAWS: f", by {numbers.count(draws)} draws, which can give no p below {numbers.p_value(1 / (1 + draws))}",
        BOTH: f", by both errors and how they vary together in {numbers.count(draws)} draws",
    }[how]
