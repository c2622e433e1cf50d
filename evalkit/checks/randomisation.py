"""Could a rollout drawn by lot have given this?

Which unit joined in which wave is drawn anew many times, each wave keeping its number of units, and the design
computed on every redrawn rollout. Had joining changed nothing for anybody, the outcomes would have been the same
under any of them, so the share of redrawn rollouts whose effect, over its standard error, is at least as large
as the real one is a p-value that rests on no model of the errors: only on joining having been as good as
drawn by lot (among all units, or within regions or segments).

Units change places with units; where joining was decided for whole clusters, clusters of as many units do. At
most 5,000 rollouts are gone through one and all; of more, 999 are drawn. Effects not rejected in
the same way, were they the same for every joined unit in every period, make the interval in the reading.

Sources: Fisher (1935), The Design of Experiments; Roth and Sant'Anna (2023), J Polit Econ Microecon 1:669, on
rollouts drawn by lot and studentised statistics.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd

from evalkit import numbers
from evalkit.checks._its import compared, excludes_zero, labelled, not_applicable, not_compared, sentence
from evalkit.errors import DesignError
from evalkit.estimate import Check, Estimate, Refusal
from evalkit.estimators._did.headline import DESIGNS, ruled
from evalkit.estimators._did.layout import layout
from evalkit.estimators._did.rollouts import redraw
from evalkit.inference.redrawn import Redrawn
from evalkit.panel import Panel

NAME = "randomisation"
QUESTION = "Could a rollout drawn by lot have given this?"
DRAWS, SEED = 999, 0
COLUMNS = ["statistic", "real"]


def check(
    panel: Panel, estimate: Estimate | Refusal, *, within: Literal["", "region", "segment"] = "", null: float = 0.0
) -> Check:
    """Concern when the interval says that there was an effect and redrawn rollouts say that there need not be.

    within  draw among units of the same region or segment only, as the rollout was
    null    the effect on every joined unit-period that is tested, in the estimate's unit

    Concern when the real interval excludes `null` and the p-value is above one less the level; inconclusive
    when the effect does not stand out and its interval holds `null`, or stands out although it does;
    reassuring when both say that it is there. `value` is the p-value. Not applicable to a design without a
    comparison, to one shown for comparison only, and where fewer than 20 rollouts can be drawn. `data`:
    statistic (estimate over standard error, the real one in the first row), real, and label, unit, level.
    """
    if not compared(estimate, DESIGNS):
        return not_compared(NAME, QUESTION, estimate)
    try:
        arrays = layout(panel)
        rule = ruled(panel, estimate.design, arrays)
        found = redraw(estimate.design, arrays, rule, _strata(panel, within), DRAWS, SEED)
    except DesignError as refusal:
        return not_applicable(NAME, QUESTION, f"Nothing was redrawn: {sentence(refusal)}.", estimate.design)
    value = found.p_value(null)
    statistics = found.statistics(null)
    data = pd.DataFrame({"statistic": statistics, "real": np.arange(len(statistics)) == 0}, columns=COLUMNS)
    facts = _facts(panel, estimate, found, within, null)
    verdict, reading = _judged(estimate, value, null)
    return Check(NAME, QUESTION, verdict, f"{facts} {reading}", value, estimate.design, labelled(data, estimate))


def _strata(panel: Panel, within: str) -> np.ndarray | None:
    """Codes of the units' strata. Raises DesignError when a unit has none."""
    if not within:
        return None
    named = panel.units[within].astype(str).str.strip()
    if named.isin(["", "nan", "<NA>"]).any():
        raise DesignError(f"some units have no {within}")
    return pd.factorize(named)[0].astype(int)


def _judged(
    estimate: Estimate, value: float, null: float
) -> tuple[Literal["reassuring", "inconclusive", "concern"], str]:
    head = estimate.headline
    clear = excludes_zero({"low": head["low"] - null, "high": head["high"] - null})
    rare = value <= 1 - estimate.level + 1e-12  # a p-value of just 5 % rejects at 5 %
    if clear and rare:
        return "reassuring", "Lot alone would hardly have given this, which agrees with its interval."
    if clear:
        return (
            "concern",
            "Lot alone could have given this, though its interval says otherwise: the errors are in doubt.",
        )
    if rare:
        return "inconclusive", "Lot alone would hardly have given this, though its interval does not rule it out."
    return "inconclusive", "Lot alone could have given this, which agrees with its interval."


def _facts(panel: Panel, estimate: Estimate, found: Redrawn, within: str, null: float) -> str:
    drawn = len(found.top) - 1 + found.lost
    what = f"All {numbers.count(drawn)} rollouts were gone through" if found.every else f"{drawn} rollouts were drawn"
    where = f" within each {within}" if within else ""
    against = f"against an effect of {numbers.number(null)} {estimate.unit}, " if null else ""
    share = "share in which the effect over its standard error is as large as the real one or larger"
    text = f"{what}{where}; {against}{share}: {numbers.p_text(found.p_value(null))}."
    if found.lost:
        text += f" In {found.lost} it could not be computed; they count as larger."
    if estimate.design == "group_time" and panel.study.protocol.covariates:
        text += " The covariates are left out here."
    try:
        low, high = found.interval(estimate.level)
    except DesignError as refusal:
        return f"{text} {str(refusal.faults[0].what)[:1].upper()}{str(refusal.faults[0].what)[1:]}."
    places = numbers.decimals_for([float(estimate.headline["std_error"])])
    return (
        f"{text} Effects from {numbers.interval(low, high, places)} {estimate.unit} are not rejected in this way "
        f"at {numbers.per_cent(estimate.level)}."
    )
