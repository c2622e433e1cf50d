"""Do units that never joined show effects as large, when they are taken for joined ones?

Every unit that never joined (sets of them, where several joined) is taken for the joined units, and the
same method fitted. Were joining handed out by lot among alike units, the rank of the real effect among
these would be a P value; units that were chosen for a reason are not alike, so it is a yardstick.

Beside the rank by size stands that of the difference after joining over that before, which does not
punish placebos for being hard to match.

Source: Abadie, Diamond and Hainmueller (2010), J Am Stat Assoc 105:493.
"""

from __future__ import annotations

import pandas as pd

from evalkit import numbers
from evalkit.estimate import Check, Estimate, Refusal

NAME = "placebo_units"
QUESTION = "Do units that never joined show effects as large?"
FEWEST = 9  # placebos below this cannot place the real effect among the rarest tenth
LARGE_SHARE = 0.10  # of placebos that may be as large as the real effect
COLUMNS = ["unit", "estimate", "fit", "real"]


def check(estimate: Estimate | Refusal) -> Check:
    """Concern when placebos show effects as large as a real one that is said to be clear of zero.

    Concern when the interval excludes zero and yet more than 10% of all (the real one counted) are at least
    as large; inconclusive when the interval holds zero and the effect does not stand out either, when it
    stands out though its interval holds zero, or with fewer than 9 placebos. `value` is the share at least
    as large, the real one counted. `data`: unit, estimate, fit, real, and label, unit_of_report.
    """
    if isinstance(estimate, Refusal) or estimate.weights.empty:
        return Check(NAME, QUESTION, "not applicable", "There is no synthetic comparison to look at.")
    if estimate.placebos.empty:
        reading = "Too few units never joined to be taken for the joined ones."
        return Check(NAME, QUESTION, "not applicable", reading, design=estimate.design)
    head, value = estimate.headline, estimate.diagnostics["placebo_p"]
    real = {"unit": "joined units", "estimate": float(head["estimate"]), "fit": estimate.diagnostics["rmspe_before"]}
    data = pd.concat([pd.DataFrame([real]), estimate.placebos], ignore_index=True).assign(
        real=[True] + [False] * len(estimate.placebos), label=estimate.label, unit_of_report=estimate.unit
    )
    data = data[[*COLUMNS, "label", "unit_of_report"]]
    facts, clear = _facts(estimate), not head["low"] <= 0 <= head["high"]
    if len(estimate.placebos) < FEWEST:
        reading = f"{facts} So few cannot place the real effect."
        return Check(NAME, QUESTION, "inconclusive", reading, value, estimate.design, data)
    if value > LARGE_SHARE and clear:
        reading = f"{facts} Units that never joined show effects as large, so this one may be chance."
        return Check(NAME, QUESTION, "concern", reading, value, estimate.design, data)
    if value > LARGE_SHARE:
        reading = f"{facts} The real effect does not stand out, which agrees with its interval."
        return Check(NAME, QUESTION, "inconclusive", reading, value, estimate.design, data)
    if not clear:
        reading = f"{facts} The real effect stands out, though its interval holds zero."
        return Check(NAME, QUESTION, "inconclusive", reading, value, estimate.design, data)
    reading = f"{facts} Units were not picked by lot, so this rank is no P value."
    return Check(NAME, QUESTION, "reassuring", reading, value, estimate.design, data)


def _facts(estimate: Estimate) -> str:
    found, many = estimate.diagnostics, len(estimate.placebos) + 1
    places = numbers.decimals_for([float(estimate.headline["std_error"])])
    size = numbers.number(abs(float(estimate.headline["estimate"])), places)
    text = (
        f"By its size, {size} {estimate.unit} either way, the effect ranks {round(found['placebo_p'] * many)} of "
        f"{many} among itself and {numbers.of(many - 1, 'placebo')}"
    )
    if "ratio_p" in found:
        text += f"; by the difference after joining over that before, {round(found['ratio_p'] * many)} of {many}"
    return f"{text}."
