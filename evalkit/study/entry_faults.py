"""What is wrong with an entry rule beside the rest of the protocol."""

from __future__ import annotations

from typing import Any

from evalkit import periods
from evalkit.errors import Fault
from evalkit.study.text import Tree


def entry_faults(parts: dict[str, Any], tree: Tree) -> list[Fault]:
    """Periods judged that are in the wrong order or outside the window, and an outcome that is none.

    parts  the top-level parts of the protocol that are valid in themselves, by name
    """
    entry = parts.get("entry")
    if entry is None:
        return []
    return [*_over(entry, parts, tree), *_outcome(entry, parts, tree)]


def _over(entry: Any, parts: dict[str, Any], tree: Tree) -> list[Fault]:  # noqa: ANN401 - a part of the protocol
    if entry.over is None:
        return []
    (first, last), where = entry.over, tree.where(("entry", "over"))
    said = f"`entry.over` runs from {periods.code(first)} to {periods.code(last)}"
    if first.freqstr != last.freqstr:
        return [Fault(said, where, "write both in one way: months, quarters or years")]
    if first > last:
        return [Fault(said, where, "put the earlier period first")]
    window = parts.get("window")
    if window is None or {period.freqstr for period in window} != {first.freqstr}:
        return []
    if first < window[0] or last >= window[1]:
        inside = f"the window is {periods.code(window[0])} to {periods.code(window[1])}"
        return [Fault(f"{said}, and {inside}", where, "correct the dates, or widen `window`")]
    return []


def _outcome(entry: Any, parts: dict[str, Any], tree: Tree) -> list[Fault]:  # noqa: ANN401 - a part of the protocol
    known = [outcome.name for outcome in parts.get("outcomes", ())]
    if entry.outcome is None or not known or entry.outcome in known:
        return []
    what = f"`entry.outcome` names {entry.outcome}, which is no outcome of the protocol"
    return [Fault(what, tree.where(("entry", "outcome")), f"use one of: {', '.join(known)}")]
