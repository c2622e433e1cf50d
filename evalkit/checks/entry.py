"""Did units join because they were doing badly?

Then part of any improvement would have come anyway: regression to the mean. The check compares the
units' own baselines, the periods before the first wave, as a standardised difference
(mean of joiners less mean of the others) / pooled standard deviation between units.
"""

from __future__ import annotations

import math

from evalkit import numbers
from evalkit.estimate import Check
from evalkit.inference import ROUNDING
from evalkit.panel import Panel

NAME = "entry"
QUESTION = "Did units join because they were doing badly?"
FEW = "Too few units on either side to compare their baselines."
PRECISE = 20  # parts of the spread between units to which a gap is given
NOTABLE = 0.25  # standardised difference; Rubin (2001), Health Serv Outcomes Res Methodol 2:169


def check(panel: Panel) -> Check:
    """Concern when the protocol says so, or when the joiners' baseline was notably worse."""
    entry = panel.study.protocol.entry
    declared = entry is not None and entry.selected_on_outcome
    baseline = panel.baseline().dropna()
    joined, others = baseline.loc[baseline["joined"], "mean"], baseline.loc[~baseline["joined"], "mean"]
    if min(len(joined), len(others)) <= 1:
        return _without_comparison(declared)
    gap = joined.mean() - others.mean()
    pooled = math.sqrt((joined.var() + others.var()) / 2)
    if not pooled > ROUNDING * max(1.0, float(baseline["mean"].abs().max())):
        return _without_comparison(declared, "Baselines do not vary between units, so that they cannot be compared.")
    standardised = gap / pooled
    worse = standardised < 0 if panel.outcome.better == "higher" else standardised > 0
    size = numbers.number(abs(gap), numbers.decimals_for([pooled / PRECISE]))
    side = "worse" if worse else "better"
    facts = (
        f"Before the first wave the joining units were {size} {panel.outcome.unit} {side} than the others "
        f"(standardised difference {numbers.number(abs(standardised), 2)})."
    )
    if declared or (worse and abs(standardised) >= NOTABLE):
        why = "The protocol says that entry followed poor results. " if declared else ""
        reading = f"{why}{facts} Part of an improvement may be regression to the mean, which would have come anyway."
        return Check(NAME, QUESTION, "concern", reading, float(standardised))
    reading = f"{facts} A short dip just before joining would not show in this."
    return Check(NAME, QUESTION, "reassuring", reading, float(standardised))


def _without_comparison(declared: bool, why: str = FEW) -> Check:
    if declared:
        reading = (
            "The protocol says that entry followed poor results: regression to the mean may be part of the change."
        )
        return Check(NAME, QUESTION, "concern", reading)
    return Check(NAME, QUESTION, "not applicable", why)
