"""What did disclosure control cost the answer?

Asked of what is released and of the rule alone. Two things are lost. Small counts are suppressed, and with them the
unit-periods that they belong to; not at random, for it is small units and quiet months that go, and where joining
makes a count small or large, suppression depends on the outcome. And all others are rounded.

Rounding a whole number to multiples of b adds an error of variance s^2 = (b^2 - 1) / 12 where last digits are equally
frequent. For N made of p counts, D made of q, and the scale c, a value c N / D gets, to first order and with errors
that do not go together,

    v^2 = c^2 (p s^2 / D^2 + q s^2 N^2 / D^4)

and a value N alone c^2 p s^2. Averages before and after in both groups of units, compared, then get an error of
w^2 = sum over the groups of (mean of v^2) / (unit-periods), which is set against the standard error of the effect. It
holds for errors that differ from month to month. An error that stays the same in a unit cancels.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from evalkit import numbers
from evalkit.disclosure import RULES, Rule
from evalkit.estimate import Check, Estimate, Refusal
from evalkit.estimate.answers import Verdict
from evalkit.panel import Panel
from evalkit.panel.released import NO_SIZE, SUPPRESSED

NAME = "disclosure"
QUESTION = "What did disclosure control cost the answer?"
COLUMNS = ["group", "phase", "unit_periods", "suppressed", "share"]
MUCH = 0.05  # of the unit-periods of a group, before or after
NOTABLE = 0.25  # of the standard error: it then adds 3 per cent to it
GROUPS = {"joined": "joined units", "comparison": "comparison units"}
WHEN = {"pre": "before joining", "post": "after joining"}


def check(panel: Panel, estimate: Estimate | Refusal) -> Check:
    """Concern when 1 in 20 unit-periods or more of a group, before or after, are suppressed, or rounding matters.

    Rounding matters when its error of a comparison of averages is a quarter of the standard error of the effect or
    more. Else reassuring. Where there is no estimate, what is missing decides alone. Not applicable where counts are
    as published, and to an outcome that is not made of counts. `value` is the largest share suppressed. `data`: group
    (joined, comparison), phase (pre, post), unit_periods (with a value or suppressed), suppressed, share. `figures`:
    value_error (v, root mean square), and where there is an estimate effect_error (w) and ratio (of it to the
    standard error).
    """
    rule, outcome = RULES[panel.study.protocol.disclosure], panel.outcome
    if not rule.changes:
        return Check(NAME, QUESTION, "not applicable", "Counts are as published.")
    if not set(outcome.columns) & set(panel.study.protocol.counts):
        return Check(NAME, QUESTION, "not applicable", "The outcome is not made of counts of people.")
    data = _shares(panel)
    error = _errors(panel, rule)
    phase, joined = panel.rows["phase"], panel.rows["cohort"].notna()
    cells = [error[(phase.eq(p) & joined.eq(j)).to_numpy()] for j in (True, False) for p in ("pre", "post")]
    figures = {"value_error": math.sqrt(float(np.mean(error[phase.isin([*WHEN]).to_numpy()])))}
    if isinstance(estimate, Estimate):
        figures["effect_error"] = math.sqrt(sum(float(each.mean()) / len(each) for each in cells if len(each)))
        figures["ratio"] = figures["effect_error"] / float(estimate.headline["std_error"])
    most = float(data["share"].max())
    lost, rounded = most >= MUCH, figures.get("ratio", 0.0) >= NOTABLE
    reading = f"{_rule(rule)} {_lost(data, rule)} {_rounded(panel, rule, figures)}"
    if lost:
        reading += " What is left is not a fair sample: small units and quiet periods are the ones that go."
    verdict: Verdict = "concern" if lost or rounded else "reassuring"
    return Check(NAME, QUESTION, verdict, reading, most, data=data, figures=figures)


def _shares(panel: Panel) -> pd.DataFrame:
    """Unit-periods with a value or suppressed, and those suppressed, by group and phase; where there are any."""
    gone = panel.missing[panel.missing["why"].isin([SUPPRESSED, NO_SIZE])]
    cohort = gone["unit"].map(panel.units["cohort"]).astype(panel.units["cohort"].dtype)
    period = pd.Series(gone["period"].to_numpy(), gone.index, dtype=panel.units["cohort"].dtype)
    phases = pd.Series(panel.study.phases(cohort, period), index=gone.index, dtype=object)
    rows = []
    for group in GROUPS:
        own = panel.rows["cohort"].notna() == (group == "joined")
        theirs = cohort.notna() == (group == "joined")
        for phase in WHEN:
            left = int((own & panel.rows["phase"].eq(phase)).sum())
            lost = int((theirs & phases.eq(phase)).sum())
            if left + lost:
                rows.append((group, phase, left + lost, lost, lost / (left + lost)))
    return pd.DataFrame(rows, columns=COLUMNS)


def _errors(panel: Panel, rule: Rule) -> np.ndarray:
    """v^2 of every row, shape (rows,)."""
    outcome, counts, unit = panel.outcome, set(panel.study.protocol.counts), rule.spread**2
    p = sum(name in counts for name in outcome.measured.names)
    if outcome.denominator is None:
        return np.full(len(panel.rows), p * unit)
    q = sum(name in counts for name in outcome.denominator.names)
    n, d = (panel.rows[name].to_numpy(float) for name in ("numerator", "denominator"))
    found: np.ndarray = outcome.scale**2 * unit * (p / d**2 + q * n**2 / d**4)
    return found


def _rule(rule: Rule) -> str:
    return f"{rule.words[:1].upper()}{rule.words[1:]}."


def _lost(data: pd.DataFrame, rule: Rule) -> str:
    if not rule.suppresses:
        return "None is suppressed."
    lost, size = int(data["suppressed"].sum()), int(data["unit_periods"].sum())
    if not lost:
        return "No unit-period of this outcome is lost by it."
    worst = data.loc[data["share"].idxmax()]
    when = f" {WHEN[worst['phase']]}" if worst["group"] == "joined" else ""
    return (
        f"{numbers.count(lost)} of {numbers.of(size, 'unit-period')} are missing for it "
        f"({_per_cent(lost / size)}), at most {_per_cent(float(worst['share']))}, of {GROUPS[worst['group']]}{when}."
    )


def _per_cent(share: float) -> str:
    return f"{numbers.number(100 * share, 1)}%"


def _rounded(panel: Panel, rule: Rule, figures: dict[str, float]) -> str:
    places = numbers.decimals_for([figures["value_error"]])
    size = numbers.number(figures["value_error"], places)
    text = (
        f"Rounding moves a count by up to {rule.error:g} and a value by {size} {panel.outcome.unit} "
        "(root mean square)"
    )
    if "ratio" not in figures:
        return f"{text}."
    places = numbers.decimals_for([figures["effect_error"]])
    share, size = _per_cent(figures["ratio"]), numbers.number(figures["effect_error"], places)
    return f"{text}; a comparison of averages by {size}, which is {share} of the standard error of the effect."
