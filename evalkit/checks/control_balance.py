"""Did the control run alongside the joined units before the start?

Asked of a controlled interrupted time series: its difference in trend before joining, which the model
allows for and carries on. A control whose trend differed may be carried on wrongly, and the further from the
start, the more so.

Source: Lopez Bernal, Cummins and Gasparrini (2018), Int J Epidemiol 47:2082.
"""

from __future__ import annotations

import numpy as np

from evalkit import numbers
from evalkit.checks._its import excludes_zero, not_applicable, nothing
from evalkit.estimate import Check, Estimate, Refusal

NAME = "control_balance"
QUESTION = "Did the control run alongside the joined units before the start?"
TERM = "difference in trend before joining"
WIDE = 1.0  # standard errors of the effect that a hidden difference may add up to


def check(estimate: Estimate | Refusal) -> Check:
    """Concern when the trends before joining differed; inconclusive when a difference that matters could be hidden.

    Concern when the interval of the difference excludes zero. Inconclusive when it holds zero and yet allows
    a difference that, carried on from the start to the middle of the periods after it, exceeds the
    standard error of the effect on the same scale. `value` is the difference a period.
    """
    if isinstance(estimate, Refusal):
        return nothing(NAME, QUESTION, estimate)
    found = estimate.terms[estimate.terms["term"].str.startswith(TERM)]
    if found.empty:
        return not_applicable(NAME, QUESTION, "There is no control series.", estimate.design)
    row = found.iloc[0]
    unit = row["unit"] or estimate.unit
    places = numbers.decimals_for([row["std_error"]])
    span = numbers.interval(row["low"], row["high"], places)
    level = numbers.per_cent(estimate.level)
    figure = f"{numbers.signed(row['estimate'], places)} {unit}"
    facts = f"The difference in trend was {figure} a period ({level} interval {span})."
    value = float(row["estimate"])
    if excludes_zero(row):
        reading = f"{facts} The two did not run alongside each other, so the control says less of the joined units."
        return Check(NAME, QUESTION, "concern", reading, value, estimate.design)
    same = estimate.terms[estimate.terms["unit"].eq(row["unit"])].iloc[0]
    places_in_time = np.arange(len(estimate.path))  # one row a period of the calendar
    phase = estimate.path["phase"].to_numpy()
    ahead = places_in_time[phase == "post"].mean() - places_in_time[phase == "pre"].max()
    hidden = max(abs(row["low"]), abs(row["high"])) * ahead
    if hidden > WIDE * same["std_error"]:
        reading = f"{facts} A difference that matters could be hidden in it."
        return Check(NAME, QUESTION, "inconclusive", reading, value, estimate.design)
    return Check(NAME, QUESTION, "reassuring", facts, value, estimate.design)
