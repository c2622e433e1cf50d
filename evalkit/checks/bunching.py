"""Did cases bunch more just under the threshold when units joined?

Everybody watches a threshold such as four hours, and a share within it can rise because departures are pulled, or
recorded, just under the line. Where the protocol gives the distribution in bands, the design that carries the finding
is put to every band: the effects on the bands below the threshold add up to the effect on the share within it, and
show where it was made. What lies just below the threshold beyond a smooth course through the bands around it, the
excess of `estimators._bunching`, is put through the same design: an effect that speeds everybody up moves the smooth
course and leaves the excess as it is, while moving departures across the line makes it grow. Bunching that was there
before and on both sides cancels; where a fixed share of those just beyond the line is always pulled, an effect that
leaves fewer there makes the excess fall a little, so the question leans towards reassurance.

Patients who leave before they are seen, or who come again, cannot be told from others here: a departure that was
hurried and came back counts as two. Nor is a clock that is stopped early told from a patient who left early. Cases
pulled from further beyond the threshold than the bands that are left out of the curve count as smooth.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd

from evalkit import numbers
from evalkit.checks._bands import FIGURES, Row, Spread, effect, levels, spread
from evalkit.checks._its import excludes_zero, labelled, not_applicable, sentence
from evalkit.checks.leave_out import ASKED
from evalkit.errors import DesignError
from evalkit.estimate import Check, Estimate, Refusal
from evalkit.estimators._did.brief import can
from evalkit.estimators._did.headline import DESIGNS
from evalkit.panel import Panel

NAME = "bunching"
QUESTION = "Did cases bunch more just under the threshold when units joined?"
MATTERS = 0.25  # part of the effect on the share within the threshold
COLUMNS = ["part", "name", "lower", "upper", "near", "smooth", *FIGURES]
WITHOUT = (
    "The outcome has no distribution around a threshold: with counts in bands of it, under `distribution` in the "
    "protocol, what moved just across the line would show."
)


def check(panel: Panel, estimate: Estimate | Refusal) -> Check:
    """Concern when bunching grew with joining, by a material part of the effect.

    Concern when the interval of the change of the excess lies above zero and the change is a quarter or more of the
    effect on the share within the threshold, whatever its sign; inconclusive when it lies above zero for less, or
    holds a quarter of the effect; reassuring when a quarter of the effect is ruled out. So an effect near zero is
    never reassuring. A concern without any change of bunching comes in about half of 1 less the level.
    `value` is the change of the excess, in percentage points of the denominator. Not applicable without a
    distribution, where the bands cannot carry a curve, to a design whose headline is no weighted sum of outcomes, and
    where the design cannot be computed on a band.
    `data`: part (`band`, `within`, `near`, `excess`, `share` of those within that is just below, `level` of the
    excess), name, lower and upper edge (missing for the open band), near (just below the threshold), smooth (what the
    curve gives, missing where it does not reach), estimate, std_error, low, high, p_value, and label, unit, level,
    threshold, words, counted (the unit of the edges).
    """
    if isinstance(estimate, Refusal):
        reading = f"{estimate.title} was not computed: {' '.join(estimate.reasons)}"
        return not_applicable(NAME, QUESTION, reading, estimate.design)
    if panel.distribution is None:
        return not_applicable(NAME, QUESTION, WITHOUT, estimate.design)
    if estimate.design not in DESIGNS or estimate.comparison_only or not can(panel, estimate.design):
        return not_applicable(NAME, QUESTION, ASKED, estimate.design)
    try:
        found = spread(panel)
        rows = [*_effects(panel, estimate.design, found), *_levels(panel, found)]
    except DesignError as refusal:
        reading = f"The design cannot be put to the distribution: {sentence(refusal)}."
        return not_applicable(NAME, QUESTION, reading, estimate.design)
    declared = found.declared
    data = labelled(pd.DataFrame(rows, columns=COLUMNS), estimate)
    data = data.assign(threshold=declared.threshold, words=declared.words, counted=declared.unit)
    verdict, why = _judged(_one(data, "excess"), _one(data, "within"))
    value = float(_one(data, "excess")["estimate"])
    return Check(NAME, QUESTION, verdict, f"{_facts(data)} {why}", value, estimate.design, data)


def _effects(panel: Panel, design: str, found: Spread) -> list[Row]:
    """Effects on every band, on the share within, on the excess, and on the share just below among those within."""
    declared, arrays, near = found.declared, found.arrays, found.curve.near
    upper = np.append(declared.edges[1:], np.nan)
    edges = list(zip(declared.edges.tolist(), upper.tolist(), strict=True))
    bands: list[Row] = [
        {"part": "band", "name": name, "lower": a, "upper": b, "near": bool(beside)}
        | effect(panel, design, arrays, values)
        for name, (a, b), beside, values in zip(declared.names, edges, near, found.shares, strict=True)
    ]
    effects = np.array([row["estimate"] for row in bands])
    curve = np.where(found.curve.covered, found.curve.expected @ effects, np.nan)
    bands = [row | {"smooth": float(value)} for row, value in zip(bands, curve, strict=True)]
    some = arrays.only(found.within > 0)
    share = 100 * found.near / np.where(found.within > 0, found.within, 1.0)
    just = float(declared.edges[np.flatnonzero(near)[0]])
    below = f"{just:g} to {declared.threshold:g} {declared.unit}"
    sums = (
        ("within", f"Within {declared.words}", declared.edges[0], arrays, found.within),
        ("near", f"Just below: {below}", just, arrays, found.near),
        ("excess", f"{below}, beyond the smooth course", just, arrays, found.excess),
        ("share", f"{below}, of those within {declared.words}", just, some, share),
    )
    return bands + [
        {"part": part, "name": name, "lower": float(lower), "upper": declared.threshold, "near": part != "within"}
        | effect(panel, design, where, values)
        for part, name, lower, where, values in sums
    ]


def _levels(panel: Panel, found: Spread) -> list[Row]:
    declared = found.declared
    lower = float(declared.edges[np.flatnonzero(found.curve.near)[0]])
    edges = {"lower": lower, "upper": declared.threshold, "near": True}
    return [{"part": "level", **edges, **row} for row in levels(panel, found)]


def _one(data: pd.DataFrame, part: str) -> pd.Series:
    return data[data["part"].eq(part)].iloc[0]


def _judged(excess: pd.Series, within: pd.Series) -> tuple[Literal["reassuring", "inconclusive", "concern"], str]:
    limit = MATTERS * abs(float(within["estimate"]))
    if excess["low"] > 0 and excess["estimate"] >= limit:
        return (
            "concern",
            "Bunching grew with joining by more than chance: part of the effect may be cases moved, or recorded, "
            "across the line.",
        )
    if excess["low"] > 0:
        return "inconclusive", "Bunching grew with joining, by less than a quarter of the effect."
    if excess["high"] >= limit:
        return "inconclusive", "Growth of bunching by a quarter of the effect is not ruled out."
    return "reassuring", "Growth of bunching by a quarter of the effect or more is ruled out."


def _facts(data: pd.DataFrame) -> str:
    within, near, excess, share = (_one(data, part) for part in ("within", "near", "excess", "share"))
    places = numbers.decimals_for([near["std_error"], excess["std_error"]], digits=1)
    level = numbers.per_cent(float(within["level"]))
    words, below = within["words"], f"{near['lower']:g} to {near['upper']:g} {near['counted']}"
    smooth = float(near["estimate"] - excess["estimate"])
    part = ""
    if excludes_zero(within):
        part = f", {numbers.number(100 * excess['estimate'] / within['estimate'], 0)}% of the effect"
    said = [
        f"Of the effect of {_signed(within, places)} {within['unit']} on the share within {words}, "
        f"{_signed(near, places)} ({level} interval {_span(near, places)}) lies in {below}.",
        f"The bands around would give {numbers.signed(smooth, places)} there, so bunching changed by "
        f"{_signed(excess, places)} ({_span(excess, places)}){part}.",
    ]
    held = data[data["part"].eq("level")].set_index("name")["estimate"]
    sides = {"Joined": "in units that joined", "Never joined": "in those that never did"}
    moves = [
        f"from {numbers.number(held[f'{who}, before'], places)} to "
        f"{numbers.number(held[f'{who}, after'], places)} {told}"
        for who, told in sides.items()
        if {f"{who}, before", f"{who}, after"} <= set(held.index)
    ]
    last = (
        f"Among those within {words}, the share just below changed by {_signed(share, places)} percentage points "
        f"({_span(share, places)})."
    )
    return " ".join([*said, *([f"It went {', and '.join(moves)}."] if moves else []), last])


def _signed(row: pd.Series, places: int) -> str:
    return numbers.signed(float(row["estimate"]), places)


def _span(row: pd.Series, places: int) -> str:
    return numbers.interval(float(row["low"]), float(row["high"]), places)
