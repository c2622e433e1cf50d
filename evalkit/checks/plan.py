"""Was this the plan?

An analysis that was fixed before its results could be seen cannot have been picked for them. The plan is what was
locked (`evalkit.study.plan` says what belongs to it), and every part in which the protocol now differs from it is a
deviation, with the reason that the protocol gives. What can be known of the order of things is the date of the lock
against the calendar: data on a period do not exist before it has ended. When somebody first looked cannot be known.

Source: on what a plan has to hold, and on reporting departures from it: Lakens and others (2024), Adv Methods Pract
Psychol Sci 7(1); Sterne and others (2016), BMJ 355:i4919, domain 7.
"""

from __future__ import annotations

from datetime import datetime

import pandas as pd

from evalkit import numbers, periods
from evalkit.estimate import Check, Estimate, Refusal
from evalkit.panel import Panel
from evalkit.study.lock import Entry, Lock, essential
from evalkit.study.plan import Difference, shown

NAME = "plan"
QUESTION = "Was this the plan?"
COLUMNS = ["kind", "part", "locked", "present", "why", "essential", "date"]
MOST = 4  # parts named in the reading


def check(panel: Panel, estimate: Estimate | Refusal) -> Check:
    """Reassuring when the plan was locked before the first period after joining had ended, and was kept.

    estimate  the design that carries the finding: its options are essential, those of other designs are not

    A concern is a deviation without a reason in what can move the carrying figure: outcomes, rules for rows, rollout,
    start of the window (or an end earlier than planned), transition, exclusions, comparison, weights, covariates, or
    that design's options. Inconclusive when no plan was locked, when it was locked or amended after that period had
    ended, and with any other deviation, given a reason or not. `value` is the number of deviations, None without a
    lock. `data`: kind (deviation, or amendment of the lock), part (dotted key), locked, present, why, essential,
    date. `figures`: deviations, unexplained (essential ones without a reason), amendments.
    """
    lock = panel.study.lock
    if lock is None:
        reading = (
            "No plan was locked, so that nothing shows whether the analysis was fixed before the results were seen."
        )
        return Check(NAME, QUESTION, "inconclusive", reading, None, "", pd.DataFrame(columns=COLUMNS))
    departures = panel.study.departures
    bare = [d for d in departures if not d.why and essential(d, estimate.design)]
    late, timing = _timing(panel, lock)
    changed = [(entry, found) for entry, found in lock.amendments() if found]
    late_changes = [entry for entry, _ in changed if _seen(entry, panel)]
    reading = " ".join([timing, *_amended(changed, late_changes), _departed(departures, bare)])
    settled = not (late or late_changes or departures)
    verdict = "concern" if bare else "reassuring" if settled else "inconclusive"
    figures = {
        "deviations": float(len(departures)),
        "unexplained": float(len(bare)),
        "amendments": float(len(lock.entries) - 1),
    }
    data = _rows(departures, changed, estimate.design)
    return Check(NAME, QUESTION, verdict, reading, figures["deviations"], "", data, figures)  # type: ignore[arg-type]


def _end(period: pd.Period) -> datetime:
    found: datetime = period.end_time.to_pydatetime(warn=False)
    return found


def _seen(entry: Entry, panel: Panel) -> bool:
    """Whether a period after joining had ended, so that its data could have been seen."""
    return entry.when.replace(tzinfo=None) > _end(panel.cohorts[0])


def _timing(panel: Panel, lock: Lock) -> tuple[bool, str]:
    """Whether the lock came late, and in words."""
    first, last, entry = panel.cohorts[0], panel.study.window[-1], lock.first
    said = f"The plan was locked on {entry.day} by {entry.by} (SHA-256 {entry.plan_sha256[:16]})"
    if not _seen(entry, panel):
        noun = periods.noun(panel.study.frequency)
        return False, f"{said}, before the first {noun} after joining, {periods.say(first)}, had ended."
    whole = entry.when.replace(tzinfo=None) > _end(last)
    what = "all of the window" if whole else f"what came after joining, from {periods.say(first)} on,"
    return True, f"{said}, when {what} could have been seen; whether it had been cannot be known."


def _amended(changed: list[tuple[Entry, list[Difference]]], late: list[Entry]) -> list[str]:
    if not changed:
        return []
    when = f"{numbers.count(len(late))} of them after results could have been seen" if late else "before results"
    parts = [part for _, found in changed for part in found]
    return [f"It was amended {numbers.of(len(changed), 'time')}, {when}: {_listed(parts)}."]


def _departed(departures: list[Difference], bare: list[Difference]) -> str:
    if not departures:
        return "The protocol does not deviate from it."
    said = f"The protocol deviates from it in {numbers.of(len(departures), 'part')}: {_listed(departures)}."
    return f"{said} Of those that can move the result, {len(bare)} have no reason given." if bare else said


def _listed(parts: list[Difference]) -> str:
    named = [f"{d.part} ({shown(d.locked)} became {shown(d.present)}: {d.why or 'no reason given'})" for d in parts]
    more = f"; and {len(named) - MOST} more" if len(named) > MOST else ""
    return "; ".join(named[:MOST]) + more


def _rows(departures: list[Difference], changed: list[tuple[Entry, list[Difference]]], design: str) -> pd.DataFrame:
    rows = [
        (kind, d.part, shown(d.locked), shown(d.present), d.why, essential(d, design), day)
        for kind, day, found in (
            ("deviation", "", departures),
            *(("amendment", entry.day, parts) for entry, parts in changed),
        )
        for d in found
    ]
    return pd.DataFrame(rows, columns=COLUMNS)
