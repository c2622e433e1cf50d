"""Does the answer depend on units that merged?

A unit that merged is several organisations in one series: counts are added for the whole window, so that the series
holds together, but what joined is not what was there before. All such units are left out at once, then each in turn,
and the same design is computed on the others.

Worse is a unit of which a part may never have joined. Where the source adds up published codes, it can be known: a
joined unit whose rows are made of several codes in the period in which it joined, or later, was not one organisation
yet, and whether all of it took part is for the evaluator to say. A code that had ended before tells of nothing but a
change of name or a merger before joining. Mergers that the rollout names in words have no date, and that cannot be
said of them.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd

from evalkit import numbers
from evalkit.checks._its import compared, excludes_zero, labelled, not_applicable, not_compared, told
from evalkit.checks._moved import LARGE, Moved, moved
from evalkit.checks.leave_out import COLUMNS, NAMED, without
from evalkit.estimate import Check, Estimate, Refusal
from evalkit.estimators._did.headline import DESIGNS
from evalkit.estimators._did.layout import layout
from evalkit.panel import Panel

NAME = "mergers"
QUESTION = "Does the answer depend on units that merged?"
ALL = "All that merged"
NOUN = "merged unit"


def check(panel: Panel, estimate: Estimate | Refusal) -> Check:
    """Concern when leaving out the units that merged, all or one, changes the answer.

    Concern when the estimate moves by more than one standard error, or by half of one with its interval moving onto
    or off zero; inconclusive when a smaller move takes the interval onto or off zero, its sign turns, or when all of
    them cannot be left out; else reassuring. Joined units that were still several organisations when they joined are
    named whatever the verdict. `value` is the change without all of them in standard errors, None where that cannot
    be computed. Not applicable where no unit is known to have merged, and to a design without a comparison. `data`,
    as of `leave_out`: by (`merged unit`), left_out (`All that merged`, then each unit with what it was merged from),
    units, estimate, low, high, change, reason (why it could not be left out, else blank), and label, unit, level.
    """
    if not compared(estimate, DESIGNS):
        return not_compared(NAME, QUESTION, estimate)
    if not len(panel.merged):
        reading = "Neither the source nor the rollout says of any unit that it merged."
        return not_applicable(NAME, QUESTION, reading, estimate.design)
    data = _run(panel, estimate)
    found = data[data["reason"].eq("")]
    facts = _facts(panel, estimate, data)
    if found.empty:
        reading = f"{facts} None can be left out: {data['reason'].iloc[0]}."
        return Check(NAME, QUESTION, "inconclusive", reading, None, estimate.design, data)
    verdict, why = _judged(estimate, moved(found, estimate.headline), data)
    value = None if data["reason"].iloc[0] else float(data["change"].iloc[0])
    return Check(NAME, QUESTION, verdict, f"{facts} {why}", value, estimate.design, data)


def _run(panel: Panel, estimate: Estimate) -> pd.DataFrame:
    """The estimate without all of them, then without each, columns `COLUMNS`; one that merged is not shown twice."""
    arrays, head, merged = layout(panel), estimate.headline, panel.merged
    named = [(ALL, panel.units.index.isin(merged))]
    if len(merged) > 1:
        named += [(f"{unit} ({panel.units.loc[unit, 'merged']})", panel.units.index == unit) for unit in merged]
    rows = []
    for name, gone in named:
        found, size = without(panel, estimate.design, arrays, np.asarray(gone)), int(gone.sum())
        if isinstance(found, str):
            rows.append((NOUN, name, size, *[float("nan")] * 4, found))
            continue
        change = (found["estimate"] - head["estimate"]) / head["std_error"]
        rows.append((NOUN, name, size, found["estimate"], found["low"], found["high"], change, ""))
    return labelled(pd.DataFrame(rows, columns=COLUMNS), estimate)


def _judged(
    estimate: Estimate, move: Moved, data: pd.DataFrame
) -> tuple[Literal["reassuring", "inconclusive", "concern"], str]:
    if move.large:
        most = data.loc[move.order[0], "left_out"]
        return "concern", f"Without {_said(most)} it moves by more than {numbers.number(LARGE, 0)} standard error."
    for rows, verdict in ((move.flipped, "concern"), (move.border, "inconclusive")):
        if len(rows):
            now = "holds" if excludes_zero(estimate.headline) else "excludes"
            return verdict, f"Its interval {now} zero without {_which(rows)}."  # type: ignore[return-value]
    if len(move.turned):
        return "inconclusive", f"Its sign turns without {_which(move.turned)}."
    if data["reason"].iloc[0]:
        return "inconclusive", f"All of them cannot be left out: {data['reason'].iloc[0]}."
    return "reassuring", "It does not hang on them."


def _facts(panel: Panel, estimate: Estimate, data: pd.DataFrame) -> str:
    places = numbers.decimals_for([float(estimate.headline["std_error"])])
    merged, joined = panel.merged, panel.units.loc[panel.merged, "cohort"].notna()
    text = (
        f"{numbers.of(len(merged), 'unit')} merged, {int(joined.sum())} of them joined ({_listed(panel, merged)}). "
        f"The estimate is {told(estimate)}"
    )
    first = data.iloc[0]
    if not first["reason"]:
        text += (
            f"; without them {numbers.signed(first['estimate'], places)} "
            f"({numbers.interval(first['low'], first['high'], places)}), a change of "
            f"{numbers.signed(first['change'], 2)} standard errors"
        )
    text += "."
    apart = panel.units.index[panel.units["apart_on_joining"].to_numpy(bool)]
    if len(apart):
        text += (
            f" {_listed(panel, apart)} {'was' if len(apart) == 1 else 'were'} still several organisations on "
            "joining, and a part that did not take part would be counted as joined."
        )
    return text


def _listed(panel: Panel, units: pd.Index) -> str:
    """Units with what they were merged from."""
    named = [f"{unit}: {panel.units.loc[unit, 'merged']}" for unit in units[:NAMED]]
    more = f"; and {len(units) - NAMED} more" if len(units) > NAMED else ""
    return "; ".join(named) + more


def _which(rows: pd.DataFrame) -> str:
    more = f" and {len(rows) - NAMED} more" if len(rows) > NAMED else ""
    return ", ".join(map(_said, rows["left_out"].iloc[:NAMED])) + more


def _said(name: str) -> str:
    return "all of them" if name == ALL else name
