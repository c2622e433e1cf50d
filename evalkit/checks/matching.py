"""Does the answer hold against units that looked alike before?

Units that joined were often doing worse. Each is given the never-joined unit that was most like it over the first
half of the baseline, once in level, once in level and trend (`evalkit/checks/_matched.py` has the rule), and the
design is computed again on the pairs alone, with its own weights and errors. The error of the difference from the
estimate allows for the units in both; the pairs are taken as given.

Matching on the outcome is no cure in itself. Where the joined and the others come from populations with different
means, those who look alike do so by chance, and part ways again: regression to the mean, brought in by matching. The
second half of the baseline shows it, before anybody joined, and what is seen there is part of the verdict. It shows
no more than that: units that joined because of a poor stretch just before joining would come back from it in either
comparison.

Sources: Daw and Hatfield (2018), Health Serv Res 53:4138; Stuart (2010), Stat Sci 25:1, on 0.25 standard deviations.
How often the answers below are given where the truth is known: `benchmarks/matching.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from evalkit import numbers, periods
from evalkit.checks._its import compared, excludes_zero, labelled, not_applicable, not_compared, sentence, told
from evalkit.checks._matched import (
    CALIPER,
    ENOUGH,
    MEASURES,
    VERSIONS,
    Before,
    Pairs,
    balance,
    before,
    change,
    less,
    match,
    versions,
)
from evalkit.errors import DesignError
from evalkit.estimate import Check, Estimate, Refusal
from evalkit.estimators._did.brief import brief, can
from evalkit.estimators._did.headline import DESIGNS
from evalkit.estimators._did.layout import Layout, layout
from evalkit.panel import Panel

NAME = "matching"
QUESTION = "Does the answer hold against units that looked alike before?"
APART = 0.25  # standardised differences
FEWEST = 6  # pairs, below which their errors say too little
NAMED = 5
ALL = "All units"
SHOWN = ("Level", "Trend", "Level in the second half")
COLUMNS = ["kind", "version", "measure", "joined", "comparison", "estimate", "std_error", "low", "high"]
Row = dict[str, Any]
Verdict = Literal["reassuring", "inconclusive", "concern"]


@dataclass(frozen=True, eq=False)
class Version:
    """One way to match.

    pairs       who is with whom
    effect      the headline on the pairs
    difference  that less the estimate's
    placebo     the change before anybody joined
    net         the difference less the change
    balance     standardised differences, shape (3,)
    """

    name: str
    pairs: Pairs
    effect: Row
    difference: Row
    placebo: Row
    net: Row
    balance: np.ndarray


def check(panel: Panel, estimate: Estimate | Refusal) -> Check:
    """Concern when a comparison with units that looked alike gives another answer.

    Judged on the version by level and trend, or by level alone where the first half is too short for a trend.
    Inconclusive, whatever the answer, when under half of the joined units or fewer than 6 have a pair, when a
    standardised difference that was matched on stays above 0.25, or when the interval of the change between the
    halves of the baseline excludes zero: then the pairs parted before anybody joined. Else concern when the interval
    of the difference from the estimate excludes zero, unless that change has the same sign and the difference less
    it does not: then inconclusive. Inconclusive too when the interval of the difference, or of the change before
    joining, holds one as large as the estimate; else reassuring. `value` is the difference, matched less declared.
    Its interval is by Student's t on the fewer degrees of freedom of the two. Not applicable without units that
    never joined, with fewer than 6 usable periods before the first wave, where no pair is near enough or everybody
    is in one, to a design without a comparison, and to one whose headline is no weighted sum of outcomes.

    `data`: kind (`balance`, in standard deviations: joined less the others; `placebo`: the change before joining;
    `effect`; `difference`), version (`All units`, `Level`, `Level and trend`), measure (of a balance row, else
    blank), joined and comparison (units), estimate, std_error, low, high (missing where there are none), and label,
    unit, level.
    """
    if not compared(estimate, DESIGNS):
        return not_compared(NAME, QUESTION, estimate)
    if not can(panel, estimate.design):
        reading = f"{estimate.title} as declared is no weighted sum of outcomes, and is not computed on pairs."
        return not_applicable(NAME, QUESTION, reading, estimate.design)
    arrays = layout(panel)
    try:
        found = before(panel, arrays, estimate.anticipation)
        made, refused = _versions(panel, estimate, arrays, found)
        whole = change(arrays, found, np.ones(len(arrays.g), bool), estimate.level).row
    except DesignError as refusal:
        return not_applicable(NAME, QUESTION, f"Nobody was matched: {sentence(refusal)}.", estimate.design)
    if not made:
        return not_applicable(NAME, QUESTION, f"Nobody was matched: {refused}.", estimate.design)
    data = labelled(_data(panel, estimate, found, made, whole), estimate)
    verdict, why = _judged(estimate, found, made[-1])
    reading = f"{_facts(panel, estimate, found, made)} {why}"
    if refused:
        reading += f" By level and trend nobody was matched: {refused}."
    value = float(made[-1].difference["estimate"])
    return Check(NAME, QUESTION, verdict, reading, value, estimate.design, data)


def _versions(panel: Panel, estimate: Estimate, arrays: Layout, found: Before) -> tuple[list[Version], str]:
    """The versions that can be computed, and why one cannot, blank where all can."""
    out: list[Version] = []
    refused = ""
    whole = brief(panel, estimate.design, arrays)
    for name in versions(found):
        try:
            pairs = match(arrays, found, name)
            keep = pairs.units(len(arrays.g))
            matched = brief(panel, estimate.design, arrays.part(keep))
            placebo = change(arrays, found, keep, estimate.level)
        except DesignError as refusal:
            refused = sentence(refusal)
            continue
        apart = less(matched, whole, estimate.level)
        net = less(apart, placebo, estimate.level).row
        out.append(Version(name, pairs, matched.row, apart.row, placebo.row, net, balance(found, pairs)))
    return out, refused


def _judged(estimate: Estimate, found: Before, one: Version) -> tuple[Verdict, str]:
    size = abs(float(estimate.headline["estimate"]))
    many, half = len(one.pairs.joined), ENOUGH * (found.joined.sum() + found.unseen.sum())
    if many < max(FEWEST, half):
        most = "Most joined units are like nobody who did not join, so the pairs say little of them."
        return "inconclusive", most if many < half else f"So few as {numbers.of(many, 'pair')} say little."
    if (np.abs(one.balance[list(VERSIONS[one.name])]) > APART).any():
        return "inconclusive", "The pairs are still unlike."
    if excludes_zero(one.placebo):
        return "inconclusive", (
            "The pairs parted before anybody joined: part of what they show is the return of units that looked alike "
            "by chance, or a course of their own, so they neither bear the estimate out nor overturn it."
        )
    if excludes_zero(one.difference) and _explained(one):
        return "inconclusive", "They differ by no more than the pairs may have parted by before anybody joined."
    if excludes_zero(one.difference):
        return "concern", "Against units that looked alike before, the answer is another one."
    if _holds(one.difference, size):
        return "inconclusive", "A difference as large as the effect itself could not be seen in these data."
    if _holds(one.placebo, size):
        return "inconclusive", "What matching alone brings could be as large as the effect itself."
    return "reassuring", "The answer does not differ by more than chance, and a difference as large is ruled out."


def _explained(one: Version) -> bool:
    """Whether the difference goes the way the pairs were going anyway, and is not clear of that."""
    return one.difference["estimate"] * one.placebo["estimate"] > 0 and not excludes_zero(one.net)


def _holds(row: Row, size: float) -> bool:
    """Whether an interval reaches as far from zero as a size."""
    return bool(max(-row["low"], row["high"]) >= size)


def _data(panel: Panel, estimate: Estimate, found: Before, made: list[Version], whole: Row) -> pd.DataFrame:
    everybody = (int(found.joined.sum()), int(found.never.sum()))
    rows: list[Row] = []

    def add(kind: str, version: str, units: tuple[int, int], row: Row, measure: str = "") -> None:
        rows.append(
            {"kind": kind, "version": version, "measure": measure, "joined": units[0], "comparison": units[1], **row}
        )

    alike = [(ALL, everybody, balance(found, None)), *((v.name, _sizes(v), v.balance) for v in made)]
    for name, units, apart in alike:
        for measure, size in zip(SHOWN, apart, strict=True):
            if np.isfinite(size):
                add("balance", name, units, {"estimate": float(size)}, measure)
    add("placebo", ALL, everybody, whole)
    for one in made:
        add("placebo", one.name, _sizes(one), one.placebo)
    add("effect", ALL, (len(panel.joined), len(panel.never)), dict(estimate.headline))
    for one in made:
        add("effect", one.name, _sizes(one), one.effect)
    for one in made:
        add("difference", one.name, _sizes(one), one.difference)
    return pd.DataFrame(rows)[COLUMNS]


def _sizes(version: Version) -> tuple[int, int]:
    return len(version.pairs.joined), len(version.pairs.never)


def _facts(panel: Panel, estimate: Estimate, found: Before, made: list[Version]) -> str:
    one, window = made[-1], panel.study.window
    places = numbers.decimals_for([float(estimate.headline["std_error"])])

    def told_of(row: Row) -> str:
        return f"{numbers.signed(row['estimate'], places)} ({numbers.interval(row['low'], row['high'], places)})"

    raw = [numbers.signed(float(x), 2) for x in balance(found, None)]
    alike = " and ".join(
        f"{MEASURES[k]} {raw[k]} before and {numbers.signed(float(one.balance[k]), 2)} after"
        for k in VERSIONS[one.name]
    )
    text = (
        f"{_paired(panel, found, one)} by {one.name.lower()} from {_span(window, found.early)}, at most {CALIPER:g} "
        f"standard deviations apart. In standard deviations they differ in {alike} matching. Between that half and "
        f"the next, {_span(window, found.late)}, when nobody had joined, they parted by {told_of(one.placebo)}. The "
        f"estimate is "
        f"{told(estimate)}; among the pairs it is {told_of(one.effect)}, a difference of {told_of(one.difference)}."
    )
    for other in made[:-1]:
        text += (
            f" By {other.name.lower()} alone it is {told_of(other.effect)}, a difference of "
            f"{told_of(other.difference)}, after parting by {told_of(other.placebo)}."
        )
    if found.judged:
        text += " Periods that decided who joined had to be used: there are too few others."
    return text


def _paired(panel: Panel, found: Before, one: Version) -> str:
    """How many joined units have a pair, and who has none."""
    joined, paired = found.joined | found.unseen, np.zeros(len(found.joined), bool)
    paired[one.pairs.joined] = True
    without = panel.units.index[joined & ~paired]
    named = ""
    if len(without):
        more = f" and {len(without) - NAMED} more" if len(without) > NAMED else ""
        named = f" ({', '.join(map(str, without[:NAMED]))}{more} had none)"
    many = numbers.of(int(joined.sum()), "joined unit")
    return f"{len(one.pairs.joined)} of {many} were each paired with one that never joined{named}"


def _span(window: pd.PeriodIndex, columns: np.ndarray) -> str:
    first, last = window[columns[0]], window[columns[-1]]
    return f"{periods.say(first)} to {periods.say(last)}"
