"""Do the findings survive that several outcomes were looked at?

Outcomes of one role are a family: the primary one (alone, in most protocols), the secondary, the process
measures, the balancing ones. Within a family p-values are adjusted by Holm's rule, so that the chance of one or
more false findings in it stays at the level. Balancing measures are there to find harm, and an adjustment makes
harm harder to find: they are shown, and judged, unadjusted as well.

Source: Holm (1979), Scand J Stat 6:65; European Medicines Agency (2017), Guideline on multiplicity issues in
clinical trials, on families and on safety measures.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from evalkit import inference, numbers
from evalkit.estimate import Check, Estimate, Refusal
from evalkit.study import Outcome

NAME = "family"
QUESTION = "Do the findings survive that several outcomes were looked at?"
ROLES = ("primary", "secondary", "process", "balancing")
COLUMNS = ["outcome", "role", "estimate", "low", "high", "p", "p_adjusted", "worse", "unit", "level", "title"]


def check(estimates: Sequence[Estimate | Refusal], outcomes: Sequence[Outcome]) -> Check:
    """Concern when a balancing measure got worse without adjustment, or a finding does not survive it.

    estimates  one a measured outcome, as far as they could be computed
    outcomes   the protocol's, which say the role and which way is better; another definition of one that is here
               as well is no outcome more

    Level 1 - alpha is that of the intervals. A concern is a balancing measure whose unadjusted p is below alpha
    in the worse direction. Inconclusive when some other outcome has p below alpha that adjustment raises above
    it. Reassuring otherwise. Not applicable with one outcome in all. `value` is the number of findings, outside
    the balancing family, that do not survive. `data`: outcome, role, estimate, low, high (of one outcome at a
    time), p, p_adjusted, whether the estimate is in the worse direction, unit, level and title of the design.
    """
    named = {o.name for o in outcomes}
    roles = {o.name: o for o in outcomes if o.alternative_to not in named}
    usable = [e for e in estimates if isinstance(e, Estimate) and not e.comparison_only and e.outcome in roles]
    if len(usable) <= 1:
        return Check(NAME, QUESTION, "not applicable", "Only one outcome was estimated.")
    data = _rows(usable, roles)
    alpha = 1 - usable[0].level
    balancing = data["role"].eq("balancing")
    lost = data[~balancing & (data["p"] < alpha) & (data["p_adjusted"] >= alpha)]
    harm = data[balancing & data["worse"] & (data["p"] < alpha)]
    facts = _facts(data, alpha)
    value = float(len(lost))
    if len(harm):
        reading = f"{facts} {_listed(harm)} got worse, judged without adjustment."
        return Check(NAME, QUESTION, "concern", reading, value, "", data)
    if len(lost):
        reading = f"{facts} {_listed(lost)} would count as a finding alone but not among the others of its family."
        return Check(NAME, QUESTION, "inconclusive", reading, value, "", data)
    return Check(NAME, QUESTION, "reassuring", f"{facts} No finding is lost by it.", value, "", data)


def _rows(usable: list[Estimate], roles: dict[str, Outcome]) -> pd.DataFrame:
    """One row an outcome, families in order of `ROLES`."""
    rows = []
    for one in usable:
        head, outcome = one.headline, roles[one.outcome]
        worse = (head["estimate"] < 0) == (outcome.better == "higher")
        rows.append(
            (outcome.title, outcome.role, *(float(head[c]) for c in ("estimate", "low", "high", "p_value")), np.nan,
             bool(worse), one.unit, one.level, one.title)
        )  # fmt: skip
    data = pd.DataFrame(rows, columns=COLUMNS)
    data = data.sort_values("role", key=lambda r: r.map(ROLES.index), kind="stable").reset_index(drop=True)
    for _, part in data.groupby("role"):
        data.loc[part.index, "p_adjusted"] = inference.holm(part["p"].to_numpy())
    return data


def _facts(data: pd.DataFrame, alpha: float) -> str:
    parts = []
    for role, part in data.groupby("role", sort=False):
        alone, after = int((part["p"] < alpha).sum()), int((part["p_adjusted"] < alpha).sum())
        parts.append(f"{role} {len(part)} ({alone} with p < {alpha:.2g} alone, {after} after)")
    return f"Outcomes by family, adjusted within it: {'; '.join(parts)}."


def _listed(part: pd.DataFrame) -> str:
    return " and ".join(
        f"{title} ({numbers.p_text(p)}, adjusted {numbers.p_text(q)})"
        for title, p, q in zip(part["outcome"], part["p"], part["p_adjusted"], strict=True)
    )
