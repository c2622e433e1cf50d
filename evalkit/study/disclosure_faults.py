"""What is wrong with the columns that a protocol says count people, or none."""

from __future__ import annotations

from typing import Any

from evalkit.errors import Fault
from evalkit.study.text import Tree


def disclosure_faults(parts: dict[str, Any], tree: Tree) -> list[Fault]:
    """Columns in both lists, and columns for which a list says nothing.

    parts  the top-level parts of the protocol that are valid in themselves, by name
    """
    people, others = parts.get("people", ()), parts.get("not_people", ())
    out = [
        Fault(f"`{name}` is listed under `people` and under `not_people`", tree.where(("people",)), "decide for one")
        for name in people
        if name in others
    ]
    if {"outcomes", "case_mix", "covariates", "model"} <= parts.keys():
        described = {*parts["covariates"], parts["model"].dose.column}
        made = {name for measure in (*parts["outcomes"], *parts["case_mix"]) for name in measure.columns}
        what = "`people` names {}, which is neither a covariate nor the dose"
        out += _unknown(people, described, what, tree.where(("people",)))
        what = "`not_people` names {}, of which no outcome is made and which is neither a covariate nor the dose"
        out += _unknown(others, made | described, what, tree.where(("not_people",)))
    return out


def _unknown(named: tuple[str, ...], known: set[Any], what: str, where: str) -> list[Fault]:
    return [Fault(what.format(name), where, "correct or remove it") for name in named if name not in known]
