"""Did the work spill over to neighbours?

If it did, comparison units near to joined ones changed too, and comparing with them hides part of the effect (or,
where patients and staff moved, adds to it). Neighbours are units that never joined in a region with joined ones. The
design is computed again with the other comparison units alone, and with the neighbours alone. Units that join later
stay in both. Had nothing spilled over, both would estimate the same; the error of their difference allows for the
joined units being the same in both.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd
from scipy import special

from evalkit import numbers
from evalkit.checks._comparison_choices import near_joined
from evalkit.checks._its import labelled, not_applicable, sentence, told
from evalkit.checks.leave_out import ASKED
from evalkit.errors import DesignError
from evalkit.estimate import Check, Estimate, Refusal
from evalkit.estimators._did.brief import Brief, brief, can, joint
from evalkit.estimators._did.headline import DESIGNS
from evalkit.estimators._did.layout import layout
from evalkit.panel import Panel

NAME = "neighbours"
QUESTION = "Did the work spill over to neighbours?"
COLUMNS = ["comparison", "units", "estimate", "std_error", "low", "high"]


def check(panel: Panel, estimate: Estimate | Refusal) -> Check:
    """Concern when comparing with neighbours and with the others give different answers.

    Concern when the interval of the difference, others less neighbours, excludes zero; inconclusive when it holds
    zero and also a difference as large as the effect, so that a spill-over which matters could not be seen;
    reassuring when it holds zero and no difference that large. `value` is the difference in the estimate's unit. Its
    interval is by Student's t on the fewer degrees of freedom of the two, also where the design's are bootstrapped.
    Not applicable without a comparison or regions, where nobody is left on either side, and to a design whose
    headline is no weighted sum of outcomes. `data`: comparison (who), units (of it that never joined), estimate,
    std_error, low, high, the difference in the last row, and label, unit, level.
    """
    if isinstance(estimate, Refusal):
        reading = f"{estimate.title} was not computed: {' '.join(estimate.reasons)}"
        return not_applicable(NAME, QUESTION, reading, estimate.design)
    if estimate.design not in DESIGNS or estimate.comparison_only or not can(panel, estimate.design):
        return not_applicable(NAME, QUESTION, ASKED, estimate.design)
    near = near_joined(panel)
    never = panel.units["cohort"].isna().to_numpy(bool)
    lacking = _lacking(near, never)
    if near is None or lacking:
        return not_applicable(NAME, QUESTION, lacking, estimate.design)
    arrays = layout(panel)
    try:
        far = brief(panel, estimate.design, arrays.part(~near))
        close = brief(panel, estimate.design, arrays.part(~never | near))
    except DesignError as refusal:
        reading = f"One of the two comparisons cannot be made: {sentence(refusal)}."
        return not_applicable(NAME, QUESTION, reading, estimate.design)
    apart = _difference(far, close, estimate.level)
    sizes = [int(never.sum()), int((never & ~near).sum()), int(near.sum())]
    data = _data(estimate, (far, close), sizes, apart)
    verdict, why = _judged(estimate, apart)
    return Check(NAME, QUESTION, verdict, f"{_facts(estimate, data)} {why}", apart["estimate"], estimate.design, data)


def _lacking(near: np.ndarray | None, never: np.ndarray) -> str:
    """Why neighbours and others cannot be told apart; blank where they can."""
    if near is None:
        return "The rollout does not give the region of every unit, so it is not known who is a neighbour."
    if not never.any():
        return "Every unit joined, so there are no neighbours that did not."
    if not near.any():
        return "No unit that never joined is in a region with joined ones: the comparison has no neighbours in it."
    if near.sum() == never.sum():
        return "Every unit that never joined has joined units in its region: without neighbours nobody is left."
    return ""


def _difference(far: Brief, close: Brief, level: float) -> dict[str, float]:
    estimate, error = joint(far, close)
    df = min(far.row["df"], close.row["df"])
    reach = float(special.stdtrit(df, 0.5 + level / 2)) * error
    return {"estimate": estimate, "std_error": error, "low": estimate - reach, "high": estimate + reach}


def _data(estimate: Estimate, briefs: tuple[Brief, Brief], sizes: list[int], apart: dict[str, float]) -> pd.DataFrame:
    named = ("All", "Others, no neighbours", "Neighbours alone")
    rows = [dict(estimate.headline), *(b.row for b in briefs)]
    found = [{"comparison": who, "units": size, **row} for who, size, row in zip(named, sizes, rows, strict=True)]
    found.append({"comparison": "Difference, others less neighbours", "units": 0, **apart})
    return labelled(pd.DataFrame(found)[COLUMNS], estimate)


def _judged(
    estimate: Estimate, apart: dict[str, float]
) -> tuple[Literal["reassuring", "inconclusive", "concern"], str]:
    if apart["low"] > 0 or apart["high"] < 0:
        return (
            "concern",
            "They differ by more than chance: neighbours were touched too, or were unlike the others before.",
        )
    if max(-apart["low"], apart["high"]) >= abs(float(estimate.headline["estimate"])):
        return "inconclusive", "A spill-over as large as the effect itself could not be seen in these data."
    return (
        "reassuring",
        "They do not differ by more than chance, and a difference as large as the effect is ruled out.",
    )


def _facts(estimate: Estimate, data: pd.DataFrame) -> str:
    places = numbers.decimals_for([float(estimate.headline["std_error"])])
    said = [
        f"{numbers.signed(row.estimate, places)} ({numbers.interval(row.low, row.high, places)})"
        for row in data.iloc[1:].itertuples()
    ]
    sizes = [numbers.of(int(size), "unit") for size in data["units"].iloc[1:3]]
    return (
        f"The estimate is {told(estimate)}; compared with the {sizes[0]} outside regions with joined units "
        f"{said[0]}, with the {sizes[1]} inside them {said[1]}; the difference is {said[2]}."
    )
