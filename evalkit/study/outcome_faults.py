"""What is wrong with the outcomes of a protocol taken together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from evalkit.errors import Fault
from evalkit.study.outcome import Outcome
from evalkit.study.text import Tree


def outcome_faults(parts: dict[str, Any], tree: Tree) -> list[Fault]:
    """Names given twice, not one primary outcome, and other definitions of what is no outcome to define.

    parts  the top-level parts of the protocol that are valid in themselves, by name
    """
    outcomes: Sequence[Outcome] = parts.get("outcomes", ())
    out = [
        Fault(f"{count} measures are called `{name}`", tree.where(("outcomes",)), "give each its own name")
        for name, count in Counter(o.name.lower() for o in (*outcomes, *parts.get("case_mix", ()))).items()
        if count > 1
    ]
    primary = [o.name for o in outcomes if o.role == "primary"]
    if outcomes and len(primary) != 1:
        said = f"{len(primary)} are primary ({', '.join(primary)})" if primary else "none is primary"
        out.append(Fault(f"of the outcomes, {said}", tree.where(("outcomes",)), "give exactly one `role: primary`"))
    return out + _alternatives(outcomes, tree)


def _alternatives(outcomes: Sequence[Outcome], tree: Tree) -> list[Fault]:
    """Other definitions of an unknown outcome, of themselves, of another definition, or with another direction."""
    known = {o.name: o for o in outcomes}
    own = [o.name for o in outcomes if o.alternative_to is None]
    out = []
    for i, outcome in enumerate(outcomes):
        name = outcome.alternative_to
        if name is None:
            continue
        said, fix = f"`outcomes[{i + 1}].alternative_to` names {name}", f"use one of: {', '.join(own)}"
        where = tree.where(("outcomes", i, "alternative_to"))
        if name not in known:
            out.append(Fault(f"{said}, which is no outcome of the protocol", where, fix))
        elif name == outcome.name:
            out.append(Fault(f"{said}, which is the outcome itself", where, fix))
        elif known[name].alternative_to is not None:
            out.append(Fault(f"{said}, which is another definition itself", where, fix))
        elif known[name].better != outcome.better:
            what = f"`outcomes[{i + 1}]` is better {outcome.better}, and {name}, which it defines otherwise, is not"
            out.append(Fault(what, where, "define it so that both are better in the same direction"))
    return out
