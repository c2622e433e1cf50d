"""Does the answer hang on a single unit, wave or region?

Each is left out in turn, whole, and the same design computed again on the others, with its own comparison, weights
and errors. The change of the headline is given in units of its standard error. Where clusters hold several units,
the clusters are left out in turn: they are what varies independently.

Without a wave the average is over fewer joined units, so that a change may also mean that waves differ.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
import pandas as pd

from evalkit import estimators, numbers, periods
from evalkit.checks._its import excludes_zero, labelled, not_applicable, sentence, told
from evalkit.checks._moved import LARGE, Moved, moved
from evalkit.errors import DesignError
from evalkit.estimate import Check, Estimate, Refusal
from evalkit.estimators._did.brief import brief, can
from evalkit.estimators._did.headline import DESIGNS
from evalkit.estimators._did.layout import Layout, layout
from evalkit.panel import Panel

NAME = "leave_out"
QUESTION = "Does the answer hang on a single {}?"
NAMED = 3
COLUMNS = ["by", "left_out", "units", "estimate", "low", "high", "change", "reason"]
By = Literal["unit", "wave", "region"]
ASKED = "It is asked of comparisons that are weighted sums of outcomes, such as group-time effects and imputation."


def check(panel: Panel, estimate: Estimate | Refusal, by: By = "unit") -> Check:
    """Concern when leaving one unit, wave or region out changes the answer.

    by  what is left out: `unit` (the cluster where clusters hold several), `wave` or `region`

    Concern when, with any one left out, the estimate moves by more than one standard error, or by half of one
    with its interval moving onto or off zero; inconclusive when a smaller move takes the interval onto or off zero
    (it was at the border anyway), its sign turns, or one cannot be left out; else reassuring. `value` is the
    largest change in standard errors, with its sign. Not applicable to a design without a comparison, to one shown
    for comparison only, and where there are not two to leave out. `data`: by, left_out, units (how many), estimate,
    low, high, change, reason (why it could not be left out, else blank), and label, unit, level.
    """
    question = QUESTION.format(by)
    if isinstance(estimate, Refusal):
        reading = f"{estimate.title} was not computed: {' '.join(estimate.reasons)}"
        return not_applicable(NAME, question, reading, estimate.design)
    if estimate.design not in DESIGNS or estimate.comparison_only:
        return not_applicable(NAME, question, ASKED, estimate.design)
    noun, groups, blank = _groups(panel, by)
    if len(groups) <= 1:
        said = f"There is only one {noun}" if groups else f"The rollout gives no {noun}"
        return not_applicable(NAME, question, f"{said}, so none can be left out.", estimate.design)
    data = _run(panel, estimate, noun, groups)
    found, refused = data[data["reason"].eq("")], data[data["reason"].ne("")]
    if found.empty:
        reading = f"No {noun} can be left out: {refused['reason'].iloc[0]}."
        return not_applicable(NAME, question, reading, estimate.design)
    move = moved(found, estimate.headline)
    facts = _facts(estimate, noun, found.loc[move.order[:NAMED]], refused)
    if blank:
        facts += f" {numbers.of(blank, 'unit')} without a {noun} stayed in."
    verdict, why = _judged(estimate, noun, move, refused)
    return Check(NAME, question, verdict, f"{facts} {why}".rstrip(), move.value, estimate.design, data)


def _groups(panel: Panel, by: str) -> tuple[str, list[tuple[str, np.ndarray]], int]:
    """What is left out in words, each with its name and its units, booleans, shape (n,); and units without one."""
    units = panel.units
    if by == "wave":
        joined = [(periods.say(w), units["cohort"].eq(w).to_numpy(bool)) for w in panel.cohorts]
        return by, joined, 0
    if by == "region":
        named = units["region"].astype(str).str.strip()
        blank = named.isin(["", "nan", "<NA>"])
        return by, [(r, named.eq(r).to_numpy(bool)) for r in sorted(named[~blank].unique())], int(blank.sum())
    if by != "unit":
        raise DesignError(f"'{by}' cannot be left out", fix="use unit, wave or region")
    cluster = units["cluster"].astype(str).to_numpy()
    names, code = np.unique(cluster, return_inverse=True)
    if len(names) < len(units):
        return "cluster", [(str(name), code == i) for i, name in enumerate(names)], 0
    every = np.eye(len(units), dtype=bool)
    return by, [(str(unit), every[i]) for i, unit in enumerate(units.index)], 0


def _run(panel: Panel, estimate: Estimate, noun: str, groups: list[tuple[str, np.ndarray]]) -> pd.DataFrame:
    """The estimate without each, columns `COLUMNS`."""
    head, arrays = estimate.headline, layout(panel)
    rows = []
    for name, inside in groups:
        size = int(inside.sum())
        found = without(panel, estimate.design, arrays, inside)
        if isinstance(found, str):
            rows.append((noun, name, size, *[float("nan")] * 4, found))
            continue
        change = (found["estimate"] - head["estimate"]) / head["std_error"]
        rows.append((noun, name, size, found["estimate"], found["low"], found["high"], change, ""))
    return labelled(pd.DataFrame(rows, columns=COLUMNS), estimate)


def without(panel: Panel, design: str, arrays: Layout, left_out: np.ndarray) -> pd.Series | str:
    """The headline without some units, booleans, shape (n,), or the reason why it cannot be computed."""
    kept = replace(panel, units=panel.units[~left_out])
    try:
        if can(panel, design):
            return pd.Series(brief(kept, design, arrays.part(~left_out)).row)
        gone = panel.units.index[left_out]
        rows = panel.rows[~panel.rows.index.get_level_values("unit").isin(gone)]
        return estimators.fit(design, panel.with_rows(rows)).headline
    except DesignError as refusal:
        return sentence(refusal)


def _facts(estimate: Estimate, noun: str, top: pd.DataFrame, refused: pd.DataFrame) -> str:
    places = numbers.decimals_for([float(estimate.headline["std_error"])])
    named = "; ".join(
        f"without {row.left_out} {numbers.signed(row.estimate, places)} "
        f"({numbers.signed(row.change, 2)} standard errors)"
        for row in top.itertuples()
    )
    text = f"The estimate is {told(estimate)}. The {noun}s that move it most: {named}."
    if len(refused):
        text += f" {numbers.of(len(refused), noun)} could not be left out ({_listed(refused)})."
    return text


def _listed(refused: pd.DataFrame) -> str:
    """The refusals, gathered by their reason."""
    return "; ".join(f"{_which(part)}: {reason}" for reason, part in refused.groupby("reason", sort=False))


def _judged(
    estimate: Estimate, noun: str, move: Moved, refused: pd.DataFrame
) -> tuple[Literal["reassuring", "inconclusive", "concern"], str]:
    if move.large or len(move.flipped):
        return "concern", _why(estimate, noun, move)
    if len(move.border):
        said = f"The interval ends so near to zero that leaving out {_any(move.border)} takes it across."
        return "inconclusive", said
    if len(move.turned):
        return "inconclusive", f"Leaving out {_any(move.turned)} turns its sign."
    if len(refused):
        return "inconclusive", "None of the others changes the answer."
    return "reassuring", "None changes the answer."


def _why(estimate: Estimate, noun: str, move: Moved) -> str:
    parts = []
    if abs(move.value) > LARGE:
        parts.append(f"One {noun} alone moves the estimate by more than its standard error.")
    if len(move.flipped):
        now = "holds" if excludes_zero(estimate.headline) else "excludes"
        parts.append(f"The interval {now} zero once {_any(move.flipped)} is left out.")
    return " ".join(parts)


def _any(rows: pd.DataFrame) -> str:
    return _which(rows) if len(rows) == 1 else f"any one of {_which(rows)}"


def _which(rows: pd.DataFrame) -> str:
    more = f" and {len(rows) - NAMED} more" if len(rows) > NAMED else ""
    return ", ".join(rows["left_out"].iloc[:NAMED]) + more
