"""Did the synthetic comparison follow the joined units before they joined?

A synthetic comparison is worth what its course before joining is worth. The root mean squared difference
from the joined units before joining is set against the same for placebos: units that never joined, each
matched by the others in the same way. Also said: how many equally weighted donors the comparison
amounts to, and when a single one carries most of it.

Source: Abadie (2021), J Econ Lit 59:391, sections 4 and 5.
"""

from __future__ import annotations

import pandas as pd

from evalkit import numbers
from evalkit.estimate import Check, Estimate, Refusal

NAME = "synthetic_fit"
QUESTION = "Did the synthetic comparison follow the joined units before they joined?"
POOR = 2.0  # times the typical fit of placebos
LOOSE = 0.5  # of the distance that the plain mean of the donors leaves, where there is no placebo to go by
MOST = 0.5  # share of the weight on one donor
COLUMNS = ["unit", "fit", "real"]


def check(estimate: Estimate | Refusal) -> Check:
    """Concern when the fit before joining is poor.

    Concern when the root mean squared difference before joining is over twice the median of placebos (or,
    without placebos, over half of what the plain mean of the donors leaves); inconclusive when one donor
    carries over half of the weight, or there is no placebo to go by. `value` is the difference over the
    median of placebos, or without placebos over that of the plain mean. `data`: unit, fit, real.
    """
    if isinstance(estimate, Refusal) or estimate.weights.empty:
        return Check(NAME, QUESTION, "not applicable", "There is no synthetic comparison to look at.")
    found, placebos = estimate.diagnostics, estimate.placebos
    before = found["rmspe_before"]
    rows = pd.DataFrame({"unit": ["joined units"], "fit": [before], "real": [True]})
    data = pd.concat([rows, placebos[["unit", "fit"]].assign(real=False)], ignore_index=True)[COLUMNS]
    data = data.assign(label=estimate.label, unit_of_report=estimate.unit)
    compared = "rmspe_donors" in found and found["rmspe_donors"] > 0
    value = before / found["rmspe_donors"] if compared else found["imbalance"]
    facts = f"{_facts(estimate, compared=compared)} {_donors(estimate)}"
    if value > (POOR if compared else LOOSE):
        reading = f"{facts} That is a poor fit, and what misses before joining says little about after."
        return Check(NAME, QUESTION, "concern", reading, value, estimate.design, data)
    if found["largest_weight"] > MOST:
        reading = f"{facts} Whatever happened to that one alone would pass for an effect."
        return Check(NAME, QUESTION, "inconclusive", reading, value, estimate.design, data)
    if not compared:
        reading = f"{facts} Without placebos there is nothing to say what is usual."
        return Check(NAME, QUESTION, "inconclusive", reading, value, estimate.design, data)
    reading = f"{facts} That is no worse than usual; it does not show that the course would have gone on."
    return Check(NAME, QUESTION, "reassuring", reading, value, estimate.design, data)


def _facts(estimate: Estimate, *, compared: bool) -> str:
    found = estimate.diagnostics
    before = found["rmspe_before"]
    places = numbers.decimals_for([before])
    text = f"Before joining it misses the joined units by {numbers.number(before, places)} {estimate.unit} (root mean"
    text += f" square), {numbers.per_cent(round(found['imbalance'], 2))} of what the plain mean of the donors leaves"
    if compared:
        text += f"; for placebos that is typically {numbers.number(found['rmspe_donors'], places)}"
    return f"{text}."


def _donors(estimate: Estimate) -> str:
    found = estimate.diagnostics
    many = numbers.number(found["donors_effective"], 1)
    largest = numbers.per_cent(round(found["largest_weight"], 2))
    return f"It amounts to {many} equally weighted donors, the largest weight being {largest}."
