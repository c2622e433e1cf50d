"""Does the answer depend on how the outcome was defined?

The design is computed on every definition that the protocol declares as another one of the same outcome, and on the
declared values in other ways: units alike or by their denominator; the log odds of a proportion, the logarithm of
what is above zero. Each answer stands in its own unit, and, so that they can be set side by side, in standard
deviations of the unit-periods before the first wave, and in per cent of what the joined units had then (for a
logarithm, of what they would have had). With b the effect, s that deviation and m that mean,

    b / s,    100 b / m,    on a logarithm exp(b) as a ratio and 100 (exp(b) - 1).

s and m are taken as given. Another definition measures something else, and its effect need not be as large: what is
asked is whether the answer is the same. Where it is in the unit of the declared one the difference is shown, with an
error that allows for the units being the same in both.

Source: Simonsohn, Simmons and Nelson (2020), Nature Human Behaviour 4:1208, on reporting every reasonable choice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd

from evalkit import numbers
from evalkit.checks._its import compared, excludes_zero, labelled, not_applicable, not_compared, sentence, told
from evalkit.checks._matched import less
from evalkit.errors import DesignError
from evalkit.estimate import Check, Estimate, Refusal
from evalkit.estimators._did.brief import Brief, brief, can
from evalkit.estimators._did.headline import DESIGNS
from evalkit.estimators._did.layout import layout
from evalkit.panel import Panel

NAME = "definitions"
QUESTION = "Does the answer depend on how the outcome was defined?"
NAMED = 3
ENDS = ("estimate", "low", "high")
SCALES = ("", "sd_", "percent_", "difference_")
COLUMNS = ["definition", "of_unit", *(s + e for s in SCALES for e in ENDS), "p_value", "main", "reason"]
RATIO = {"log": "ratio", "logit": "odds ratio"}


@dataclass(frozen=True, eq=False)
class Definition:
    """One way to define the outcome.

    name   in words
    panel  its panel
    scale  `natural`, or `log` or `logit`, in which its values then are
    unit   of its effect
    alike  whether its effect is in the unit of the declared one
    """

    name: str
    panel: Panel
    scale: Literal["natural", "log", "logit"]
    unit: str
    alike: bool


def check(panel: Panel, estimate: Estimate | Refusal, alternatives: Sequence[Panel] = ()) -> Check:
    """Concern when another definition gives another answer.

    alternatives  panels of the outcomes that the protocol declares as other definitions of this one

    Concern when the interval of another definition excludes no effect on the other side, or when the declared
    interval excludes it and under half of the others do so on its side. Inconclusive when the sign of another
    differs, when one excludes no effect and the declared one does not, or the other way round, or when a declared
    definition could not be computed; else reassuring. `value` is the share of the others with the sign of the
    declared one. Not applicable where there is no other definition that could be computed, to a design without a
    comparison, and to one whose headline is no weighted sum of outcomes. `data`: definition, of_unit (its unit), then
    estimate, low and high in that unit (ratios for logarithms), the same with `sd_` in standard deviations, with
    `percent_` in per cent and with `difference_` from the declared one (missing where there is none), p_value, main,
    reason (why not computed, else blank), and label, unit, level.
    """
    if not compared(estimate, DESIGNS):
        return not_compared(NAME, QUESTION, estimate)
    if not can(panel, estimate.design):
        reading = f"{estimate.title} as declared is no weighted sum of outcomes, and is not computed on others."
        return not_applicable(NAME, QUESTION, reading, estimate.design)
    own = brief(panel, estimate.design, layout(panel))
    declared = Definition("As declared", panel, "natural", panel.outcome.unit, alike=True)
    rows = [{**_row(declared, own), "main": True}]
    for one in (*_declared(panel, alternatives), *_built_in(panel)):
        rows.append(_run(one, (panel, own), estimate))
    data = labelled(pd.DataFrame(rows).reindex(columns=COLUMNS), estimate)
    others = data[~data["main"] & data["reason"].eq("")]
    if others.empty:
        why = "; ".join(f"{row.definition}: {row.reason}" for row in data.iloc[1:].itertuples())
        reading = f"There is no other definition that could be computed{f' ({why})' if why else ''}."
        return not_applicable(NAME, QUESTION, reading, estimate.design)
    same = float((np.sign(others["sd_estimate"]) == np.sign(data["sd_estimate"].iloc[0])).mean())
    verdict, why = _judged(data, len(alternatives))
    reading = f"{_facts(estimate, data)} {why}"
    return Check(NAME, QUESTION, verdict, reading, same, estimate.design, data)


def _declared(panel: Panel, alternatives: Sequence[Panel]) -> list[Definition]:
    unit = panel.outcome.unit
    return [Definition(p.outcome.title, p, "natural", p.outcome.unit, p.outcome.unit == unit) for p in alternatives]


def _built_in(panel: Panel) -> list[Definition]:
    """The declared values weighed otherwise, and in logarithms where all of them can be."""
    out, value = [], panel.rows["value"]
    protocol, unit = panel.study.protocol, panel.outcome.unit
    if panel.outcome.denominator is not None:
        other = {"unit": "denominator", "denominator": "unit"}[protocol.weights]
        study = replace(panel.study, protocol=protocol.model_copy(update={"weights": other}))
        name = "Units by their denominator" if other == "denominator" else "Units alike"
        out.append(Definition(name, replace(panel, study=study), "natural", unit, alike=True))
    if panel.outcome.kind == "proportion":
        share = value / panel.outcome.scale
        if ((share > 0) & (share < 1)).all():
            made = panel.with_rows(panel.rows.assign(value=np.log(share / (1 - share))))
            out.append(Definition("In log odds", made, "logit", RATIO["logit"], alike=False))
    elif (value > 0).all():
        made = panel.with_rows(panel.rows.assign(value=np.log(value)))
        out.append(Definition("In logarithms", made, "log", RATIO["log"], alike=False))
    return out


def _run(one: Definition, declared: tuple[Panel, Brief], estimate: Estimate) -> dict[str, Any]:
    """The row of a definition, columns `COLUMNS` as far as it has them."""
    blank = {"definition": one.name, "of_unit": one.unit, "main": False}
    if not can(one.panel, estimate.design):
        return {**blank, "reason": "its design is no weighted sum of outcomes"}
    try:
        found = brief(one.panel, estimate.design, layout(one.panel))
    except DesignError as refusal:
        return {**blank, "reason": sentence(refusal)}
    row = {**_row(one, found), "main": False}
    if one.alike:
        apart = less(*_on_the_same_codes((one.panel, found), declared), estimate.level).row
        row |= {f"difference_{end}": apart[end] for end in ENDS}
    return row


def _row(one: Definition, found: Brief) -> dict[str, Any]:
    """An effect in its unit, in standard deviations and in per cent."""
    s, m = _before(one.panel)
    effect = {end: float(found.row[end]) for end in ENDS}
    row: dict[str, Any] = {"definition": one.name, "of_unit": one.unit, "p_value": float(found.row["p_value"])}
    row |= effect if one.scale == "natural" else {end: float(np.exp(x)) for end, x in effect.items()}
    if s > 0:
        row |= {f"sd_{end}": x / s for end, x in effect.items()}
    if one.scale == "log":
        row |= {f"percent_{end}": float(100 * np.expm1(x)) for end, x in effect.items()}
    elif one.scale == "natural" and m > 0:
        row |= {f"percent_{end}": 100 * x / m for end, x in effect.items()}
    return {**row, "reason": ""}


def _before(panel: Panel) -> tuple[float, float]:
    """Deviation of all unit-periods before the first wave, and the mean of the joined units' means there."""
    mean = panel.baseline()
    first = min((t for t in panel.study.time(pd.PeriodIndex(panel.cohorts)) if t > panel.rows["t"].min()), default=0)
    rows = panel.rows[(panel.rows["t"] < first) & panel.rows["phase"].eq("pre")]
    return float(rows["value"].std()), float(mean.loc[mean["joined"], "mean"].mean())


def _on_the_same_codes(one: tuple[Panel, Brief], other: tuple[Panel, Brief]) -> tuple[Brief, Brief]:
    """Two headlines of different panels with clusters coded alike, by name."""
    names = [pd.factorize(p.units["cluster"])[1].astype(str)[b.clusters] for p, b in (one, other)]
    every = np.unique(np.concatenate(names))
    out = []
    for (_, found), own in zip((one, other), names, strict=True):
        codes = np.searchsorted(every, own)
        order = np.argsort(codes)
        out.append(replace(found, psi=found.psi[order], clusters=codes[order]))
    return out[0], out[1]


def _judged(data: pd.DataFrame, declared: int) -> tuple[Literal["reassuring", "inconclusive", "concern"], str]:
    main = data.iloc[0]
    found = data[~data["main"] & data["reason"].eq("")]
    side = np.sign(main["sd_estimate"])
    ends = found[["sd_low", "sd_high"]].to_numpy() * side
    toward, against = ends.min(axis=1) > 0, ends.max(axis=1) < 0
    clear = excludes_zero({"low": main["sd_low"], "high": main["sd_high"]})
    if against.any():
        return "concern", f"The opposite is found with {_which(found[against])}."
    if clear and toward.sum() < len(found) / 2:
        return "concern", "Most other definitions do not show it: the answer rests on the one declared."
    turned = (np.sign(found["sd_estimate"]) != side).to_numpy()
    if turned.any():
        return "inconclusive", f"The sign turns with {_which(found[turned])}."
    if (toward != clear).any():
        return "inconclusive", f"Whether there is an effect depends on it: {_which(found[toward != clear])}."
    refused = data.iloc[1 : 1 + declared]
    if refused["reason"].ne("").any():
        return "inconclusive", "The others agree, but one that the protocol declares could not be computed."
    return "reassuring", "It does not depend on the definition."


def _which(rows: pd.DataFrame) -> str:
    more = f" and {len(rows) - NAMED} more" if len(rows) > NAMED else ""
    return ", ".join(f"`{name}`" for name in rows["definition"].iloc[:NAMED]) + more


def _facts(estimate: Estimate, data: pd.DataFrame) -> str:
    first = data.iloc[0]
    text = (
        f"As declared the effect is {told(estimate)}, {numbers.signed(first['sd_estimate'], 2)} standard deviations."
    )
    for row in data.iloc[1:].itertuples():
        if row.reason:
            text += f" {row.definition}: not computed, {row.reason}."
            continue
        ratio = row.of_unit in RATIO.values()
        places = 2 if ratio else numbers.decimals_for([(row.high - row.low) / 4])
        size = numbers.number(row.estimate, places) if ratio else numbers.signed(row.estimate, places)
        said = f"{row.of_unit} {size}" if ratio else f"{size} {row.of_unit}"
        text += (
            f" {row.definition}: {said} ({numbers.interval(row.low, row.high, places)}), "
            f"{numbers.signed(row.sd_estimate, 2)} standard deviations"
        )
        if np.isfinite(row.difference_estimate):
            ends = numbers.interval(row.difference_low, row.difference_high, places)
            text += f"; it differs by {numbers.signed(row.difference_estimate, places)} ({ends})"
        text += "."
    return text
