"""Did who is counted change when units joined?

The denominator is made an outcome of its own, in the logarithm, and put through the same design: had joining changed
how many patients are counted, a change in the share or rate could come from who they are and not from what was done
for them. So is reporting: whether a unit reported in each period of the window. Units count alike in both. And so is
each measure of case mix that the protocol declares, weighed as the outcome is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pandas as pd

from evalkit import estimators, numbers
from evalkit.checks._its import not_applicable, sentence
from evalkit.checks.leave_out import ASKED
from evalkit.errors import DesignError
from evalkit.estimate import Check, Estimate, Refusal
from evalkit.estimators._did.brief import brief, can
from evalkit.estimators._did.headline import DESIGNS
from evalkit.estimators._did.layout import layout
from evalkit.panel import Panel
from evalkit.study import Outcome

NAME = "composition"
QUESTION = "Did who is counted change when units joined?"
MATTERS = 2.0  # per cent of a denominator or a case mix, or percentage points of unit-periods reported
COLUMNS = ["measure", "unit", "estimate", "low", "high", "p_value", "reason"]
REPORTED = "Unit-periods reported"


def check(panel: Panel, estimate: Estimate | Refusal, case_mix: Sequence[Panel] = ()) -> Check:
    """Concern when the denominator, reporting or the case mix changed with joining.

    case_mix  panels of the measures of case mix

    Concern when the interval of one of them excludes zero with an estimate of 2 or more (per cent of the denominator,
    per cent of the joined units' mean case mix before joining, percentage points of unit-periods reported) either
    way; inconclusive when an interval holds a change of 2, or excludes zero for less, or the denominator or a case
    mix cannot be computed; reassuring when all hold zero and lie within 2. `value` is the change of the denominator
    in per cent, without one that of the first case mix that could be computed. Not applicable to a design without a
    comparison, and where neither a denominator nor a case mix can be put through it.
    `data`: measure, unit, estimate, low, high, p_value, reason (why not computed, else blank), and level
    and matters (2).
    """
    if isinstance(estimate, Refusal):
        reading = f"{estimate.title} was not computed: {' '.join(estimate.reasons)}"
        return not_applicable(NAME, QUESTION, reading, estimate.design)
    if estimate.design not in DESIGNS or estimate.comparison_only:
        return not_applicable(NAME, QUESTION, ASKED, estimate.design)
    rows = [_denominator(panel, estimate.design)] if panel.outcome.denominator is not None else []
    rows += [_mix(one, estimate.design) for one in case_mix]
    if not rows:
        said = "The outcome has no denominator, and the protocol declares no case mix under `case_mix`."
        return not_applicable(NAME, QUESTION, said, estimate.design)
    if all(row[-1] for row in rows):
        reading = f"What is counted cannot be put through the design: {rows[0][-1]}."
        return not_applicable(NAME, QUESTION, reading, estimate.design)
    counted = next(row for row in rows if not row[-1])
    rows.append(_reporting(panel, estimate.design))
    data = pd.DataFrame(rows, columns=COLUMNS).assign(level=estimate.level, matters=MATTERS)
    lost = any(row[-1] for row in rows[:-1])
    verdict, why = _judged(data[data["reason"].eq("")], lost=lost)
    reading = f"{' '.join(_said(row) for _, row in data.iterrows())} {why}"
    return Check(NAME, QUESTION, verdict, reading, float(counted[2]), estimate.design, data)


def _denominator(panel: Panel, design: str) -> tuple[Any, ...]:
    """The change of the denominator in per cent: 100 (exp(b) - 1), b that of its logarithm."""
    named = f"Denominator ({str(panel.outcome.denominator).replace('_', ' ')})"
    if (panel.rows["denominator"] <= 0).any():
        return (named, "per cent", *[float("nan")] * 4, "some denominators are not above zero")
    head = _headline(_as_outcome(panel, panel.rows, np.log(panel.rows["denominator"])), design)
    if isinstance(head, str):
        return (named, "per cent", *[float("nan")] * 4, head)
    changed = [float(100 * np.expm1(head[name])) for name in ("estimate", "low", "high")]
    return (named, "per cent", *changed, float(head["p_value"]), "")


def _mix(panel: Panel, design: str) -> tuple[Any, ...]:
    """The change of a measure of case mix, in per cent of the joined units' mean before joining."""
    named = f"Case mix: {panel.outcome.title}"
    before = panel.rows.loc[panel.rows["cohort"].notna() & panel.rows["phase"].eq("pre"), "value"].mean()
    if not before > 0:
        return (named, "per cent", *[float("nan")] * 4, "its mean before joining is not above zero")
    head = _headline(panel, design)
    if isinstance(head, str):
        return (named, "per cent", *[float("nan")] * 4, head)
    changed = [float(100 * head[name] / before) for name in ("estimate", "low", "high")]
    return (named, "per cent", *changed, float(head["p_value"]), "")


def _reporting(panel: Panel, design: str) -> tuple[Any, ...]:
    """The change in the share of unit-periods that were reported."""
    window, units = panel.study.window, panel.units
    index = pd.MultiIndex.from_product([units.index, window], names=["unit", "period"])
    reported = panel.rows["value"].notna().reindex(index, fill_value=False).astype(float)
    if reported[~np.tile(panel.study.excluded, len(units))].eq(1).all():
        return (REPORTED, "percentage points", *[float("nan")] * 4, "every unit reported in every period")
    period = index.get_level_values("period").to_series(index=index)
    cohort = units["cohort"].reindex(index.get_level_values("unit")).set_axis(index)
    rows = pd.DataFrame(
        {
            "numerator": reported,
            "denominator": np.nan,
            "cohort": cohort,
            "phase": panel.study.phases(cohort, period),
            "t": panel.study.time(period),
        }
    )
    head = _headline(_as_outcome(panel, rows, 100 * reported), design)
    if isinstance(head, str):
        return (REPORTED, "percentage points", *[float("nan")] * 4, head)
    return (REPORTED, "percentage points", *(float(head[k]) for k in ("estimate", "low", "high", "p_value")), "")


def _headline(panel: Panel, design: str) -> pd.Series | str:
    """The design's headline, or why it cannot be computed."""
    try:
        if can(panel, design):
            return pd.Series(brief(panel, design, layout(panel)).row)
        return estimators.fit(design, panel).headline
    except DesignError as refusal:
        return sentence(refusal)


def _as_outcome(panel: Panel, rows: pd.DataFrame, value: pd.Series) -> Panel:
    """The same units and design with another outcome, a continuous one, units alike and by least squares."""
    name, columns = panel.outcome.name, panel.outcome.measured  # of which only the name is used
    outcome = Outcome(name=name, kind="continuous", value=columns, better="higher", role="primary")
    protocol = panel.study.protocol
    plain = protocol.model.extended_twoway.model_copy(update={"family": "gaussian"})
    model = protocol.model.model_copy(update={"extended_twoway": plain})
    study = replace(panel.study, protocol=protocol.model_copy(update={"weights": "unit", "model": model}))
    made = rows.assign(value=value)[list(panel.rows.columns)]
    return replace(panel, study=study, outcome=outcome).with_rows(made)


def _judged(data: pd.DataFrame, *, lost: bool) -> tuple[Literal["reassuring", "inconclusive", "concern"], str]:
    apart = (data["low"] > 0) | (data["high"] < 0)
    large = data["estimate"].abs() >= MATTERS
    if (apart & large).any():
        named = data.loc[apart & large, "measure"].str.split(" (", regex=False).str[0]
        which = " and the ".join(f"{name[:1].lower()}{name[1:]}" for name in named)
        return "concern", f"The {which} changed with joining: part of the effect may be a change in who is counted."
    open_ = np.maximum(-data["low"], data["high"]) >= MATTERS
    if open_.any():
        return "inconclusive", f"A change of {_limit(data[open_])} is not ruled out."
    if apart.any():
        return "inconclusive", f"Something changed with joining, by less than {_limit(data[apart])}."
    if lost:
        return "inconclusive", "The others did not change by as much as would matter."
    return "reassuring", f"Changes of {numbers.number(MATTERS, 0)} or more are ruled out."


def _said(row: pd.Series) -> str:
    if row["reason"]:
        return f"{row['measure']}: not computed, {row['reason']}."
    ends = numbers.interval(row["low"], row["high"], 1)
    level = numbers.per_cent(float(row["level"]))
    return f"{row['measure']}: {numbers.signed(row['estimate'], 1)} {row['unit']} ({level} interval {ends})."


def _limit(data: pd.DataFrame) -> str:
    """What matters, in the units of some measures."""
    return f"{numbers.number(MATTERS, 0)} {' or '.join(dict.fromkeys(data['unit']))}"
