"""The locked plan, and where the protocol departs from it, as tables."""

from __future__ import annotations

from evalkit import numbers
from evalkit.estimate import Check
from evalkit.markup import Shown
from evalkit.study import Study
from evalkit.study.lock import covers
from evalkit.tables.general import _shown

UNLOCKED = "Nothing is pre-specified: no plan was locked (evalkit lock freezes it)"


def plan(study: Study) -> Shown:
    """When the plan was locked and by whom, each amendment, and which outcomes are pre-specified."""
    rows = [["Plan now, SHA-256", study.plan_sha256[:16]]]
    lock = study.lock
    if lock is None:
        rows += [["Plan locked", "not locked"], ["Pre-specified", UNLOCKED]]
        return _shown(["Part", "As recorded"], rows, f"{study.protocol.title}: the plan")
    first = lock.first
    rows += [
        ["Plan locked", f"{first.day} (UTC), by {first.by}; evalkit {first.code.version}"],
        ["Locked plan, SHA-256", first.plan_sha256[:16]],
        *([["Note", first.note]] if first.note else []),
        ["Window was to end", first.window_to],
    ]
    rows += [
        [f"Amendment {entry.number - 1}", f"{entry.day}, by {entry.by}: {entry.why} ({_parts(len(found))})"]
        for entry, found in lock.amendments()
    ]
    rows += [
        [o.title, _specified(study, o.name, o.role)] for o in study.protocol.outcomes if o.alternative_to is None
    ]
    rows.append(["Main analysis", _analysis(study)])
    return _shown(["Part", "As recorded"], rows, f"{study.protocol.title}: the plan")


def _parts(count: int) -> str:
    return f"{numbers.of(count, 'part')} changed"


def _specified(study: Study, name: str, role: str) -> str:
    """Whether an outcome is as it was locked."""
    assert study.lock is not None  # noqa: S101 - asked only where there is a lock
    if name not in study.lock.latest.plan.get("outcomes", {}):
        return "not pre-specified: the locked plan does not have it"
    changed = [d.part for d in study.departures if covers(f"outcomes.{name}", d.part)]
    return f"pre-specified, changed since: {', '.join(changed)}" if changed else f"pre-specified, as {role}"


def _analysis(study: Study) -> str:
    """Whether the analysis is as it was locked."""
    changed = [d.part for d in study.departures if d.top not in ("outcomes", "question", "notebooks")]
    how = "the design that carries the finding follows by rule from comparison and number of joined units"
    return f"{how}; changed since: {', '.join(changed)}" if changed else f"pre-specified: {how}"


def deviations(check: Check) -> Shown:
    """Every deviation from the locked plan with its reason, and every amendment of it; of the check `plan`."""
    rows = [
        [row.part, row.kind + (f", {row.date}" if row.date else ""), row.locked, row.present, _why(row.why)]
        for row in check.data.itertuples()
    ]
    nothing = "No plan was locked." if check.value is None else "None."
    caption = "Deviations from the locked plan" + ("" if rows else f": {nothing.lower()}")
    rows = rows or [["none", "", "", "", ""]]
    return _shown(["Part", "Kind", "Locked", "Now", "Reason"], rows, caption)


def _why(text: str) -> str:
    return text or "no reason given"


def looks(check: Check) -> Shown:
    """The plain interval and the one that allows for repeated looks, of the check `looks`."""
    spread = [(row.high - row.low) / 4 for row in check.data.itertuples()]
    places = numbers.decimals_for(spread)
    rows = [
        [row.interval.capitalize(), f"{100 * row.level:.2f}%", numbers.interval(row.low, row.high, places)]
        for row in check.data.itertuples()
    ]
    count = "" if check.value is None else f" at look {int(check.value)}"
    return _shown(["Interval", "Level", "Low to high"], rows, f"The interval{count}", (False, True, True))
