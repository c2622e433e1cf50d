"""The lock beside a protocol: the plan as it was frozen, when and by whom, and every amendment since.

`<slug>.lock.json` holds entries that are only ever added to. Each carries the hash of its plan, the hash of the entry
before it, and its own hash over all of that; a file that was changed afterwards does not fit and is refused. Somebody
who works all hashes out anew can still write another history: the hash that `evalkit lock` prints, published or
lodged elsewhere on the day, is what settles that.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from evalkit import files, periods
from evalkit.errors import Fault, StudyError
from evalkit.study.fields import Strict
from evalkit.study.plan import Difference, Plan, differences, digest, plan
from evalkit.study.planned import Deviation
from evalkit.study.protocol import Protocol

ENDING = ".lock.json"
FORMAT = 1
LARGEST = 5_000_000  # bytes
RESTORE = "restore the file as it was written; the plan is changed with evalkit lock --amend"
ESSENTIAL = (
    "outcomes",
    "source",
    "rollout",
    "window",
    "transition",
    "exclude",
    "comparison",
    "weights",
    "covariates",
)


class Code(Strict):
    """The workbench that read the plan."""

    version: str
    sha256: str


class Entry(Strict):
    """One plan as it was frozen.

    date       UTC, to the second
    window_to  the last period of the study, as planned then
    previous   the hash of the entry before it, empty for the first
    sha256     the hash of everything else
    """

    number: int
    date: str = Field(pattern=r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z$")
    by: str
    note: str
    why: str
    code: Code
    window_to: str
    plan: dict[str, Any]
    plan_sha256: str
    previous: str
    sha256: str

    @property
    def when(self) -> datetime:
        """The date as a time in UTC."""
        return datetime.strptime(self.date, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)

    @property
    def day(self) -> str:
        """The date as it is printed: `3 May 2026`."""
        return f"{self.when.day} {self.when.strftime('%B %Y')}"


@dataclass(frozen=True)
class Lock:
    """Every plan of one study as it was frozen, the first one first."""

    entries: tuple[Entry, ...]

    @property
    def first(self) -> Entry:
        """The plan as it was first locked."""
        return self.entries[0]

    @property
    def latest(self) -> Entry:
        """The plan that holds: the first one, or its last amendment."""
        return self.entries[-1]

    def amendments(self) -> list[tuple[Entry, list[Difference]]]:
        """Every amendment with what it changed against the plan before it."""
        pairs = zip(self.entries, self.entries[1:], strict=False)
        return [(new, [replace(d, why=new.why) for d in _moved(old, new.plan, new.window_to)]) for old, new in pairs]

    def departures(self, protocol: Protocol) -> list[Difference]:
        """Every part in which a protocol differs from the plan that holds, with the reason it gives."""
        found = _moved(self.latest, plan(protocol), periods.code(protocol.window[1]))
        return [replace(d, why=_reason(d.part, protocol.deviations)) for d in found]


def _moved(old: Entry, new: Plan, window_to: str) -> list[Difference]:
    """Differences of two plans; the window may end later than planned, for that is a look, but not earlier."""
    found = differences(old.plan, new)
    if window_to < old.window_to:  # codes of one frequency sort as their periods do
        found.append(Difference("window.to", old.window_to, window_to))
    return found


def _reason(part: str, deviations: tuple[Deviation, ...]) -> str:
    return "; ".join(d.why for d in deviations if covers(d.part, part))


def covers(named: str, part: str) -> bool:
    """Whether a dotted key, or what lies below it, is meant."""
    return part == named or part.startswith(f"{named}.")


def essential(difference: Difference, design: str) -> bool:
    """Whether a difference can move the figure of a design, the one that carries the finding."""
    return difference.top in ESSENTIAL or covers(f"model.{design}", difference.part)


def lock_path(protocol: Path) -> Path:
    """Where the lock of a protocol stands."""
    return protocol.with_name(f"{protocol.stem}{ENDING}")


def read_lock(protocol: Path) -> Lock | None:
    """The lock beside a protocol, None where there is none.

    Raises StudyError when it is not as it was written.
    """
    path = lock_path(protocol)
    if not path.exists():
        return None
    try:
        content = files.read(path)
    except OSError as error:
        raise StudyError(f"the lock cannot be read ({error.strerror})", path.name) from None
    try:
        study, entries = _parsed(content)
    except (ValidationError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        what = "an entry is incomplete" if isinstance(error, ValidationError) else str(error)[:200]
        raise StudyError(f"the lock is not as it was written ({what})", path.name, RESTORE) from None
    if study != protocol.stem:
        raise StudyError(f"the lock is that of the study '{study[:64]}'", path.name, "put its own there")
    return Lock(entries)


def _parsed(content: bytes) -> tuple[str, tuple[Entry, ...]]:
    """The study that a lock names, and its entries. Raises ValueError when it is not as it was written."""
    if len(content) > LARGEST:
        raise ValueError(f"{len(content):,} bytes are too many")
    said = json.loads(content.decode("utf-8-sig"), object_pairs_hook=_once)
    if not isinstance(said, dict) or set(said) != {"format", "study", "entries"} or said["format"] != FORMAT:
        raise ValueError("it is no lock of this version")
    entries = tuple(Entry.model_validate(one) for one in said["entries"])
    _verify(entries)
    return str(said["study"]), entries


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    out = dict(pairs)
    if len(out) < len(pairs):
        raise ValueError("a key stands there twice")
    return out


def _verify(entries: tuple[Entry, ...]) -> None:
    """Raises ValueError when an entry, or the chain from one to the next, does not fit its hashes."""
    if not entries:
        raise ValueError("it holds no entry")
    before, date = "", ""
    for number, entry in enumerate(entries, 1):
        if entry.number != number or entry.previous != before or entry.date < date:
            raise ValueError(f"entry {number} does not follow from the one before it")
        if entry.plan_sha256 != digest(entry.plan):
            raise ValueError(f"the plan of entry {number} does not fit its hash")
        if entry.sha256 != _own(entry):
            raise ValueError(f"entry {number} does not fit its hash")
        before, date = entry.sha256, entry.date


def _own(entry: Entry) -> str:
    return digest(entry.model_dump(exclude={"sha256"}))


@dataclass(frozen=True)
class Said:
    """Who locks, with which note, or why the plan is amended, and with which code."""

    by: str
    note: str
    why: str
    code: Code


def add_entry(protocol: Protocol, path: Path, before: Lock | None, said: Said, now: datetime) -> Lock:
    """Freeze the present plan and write the lock beside the protocol, whole or not at all.

    before  the lock that is there; its entries stay as they are

    Raises StudyError when the clock stands before the last entry, or the file cannot be written.
    """
    entries = before.entries if before else ()
    present = plan(protocol)
    date = now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    if entries and date < entries[-1].date:
        raise StudyError(f"the clock says {date}, before the last entry of {entries[-1].date}", path.name, "set it")
    blank = Entry(
        number=len(entries) + 1,
        date=date,
        by=said.by,
        note=said.note,
        why=said.why,
        code=said.code,
        window_to=periods.code(protocol.window[1]),
        plan=present,
        plan_sha256=digest(present),
        previous=entries[-1].sha256 if entries else "",
        sha256="",
    )
    lock = Lock((*entries, blank.model_copy(update={"sha256": _own(blank)})))
    _write(lock_path(path), path.stem, lock)
    return lock


def _write(target: Path, study: str, lock: Lock) -> None:
    record = {"format": FORMAT, "study": study, "entries": [entry.model_dump() for entry in lock.entries]}
    try:
        files.write_text(target, json.dumps(record, indent=1, sort_keys=True) + "\n")
    except OSError as error:
        raise StudyError(f"the lock cannot be written ({error.strerror})", str(target)) from None


def deviation_faults(protocol: Protocol, lock: Lock | None) -> list[tuple[int, Fault]]:
    """Deviations that name nothing that differs, or that have no lock to deviate from, each with its place."""
    if lock is None:
        fix = "remove `deviations`, or lock the plan with evalkit lock"
        return [(0, Fault("`deviations` are given and no plan is locked", fix=fix))] if protocol.deviations else []
    found = [d.part for d in lock.departures(protocol)]
    known = ", ".join(found) or "nothing"
    out = []
    for i, deviation in enumerate(protocol.deviations):
        said = f"`deviations[{i + 1}]` names `{deviation.part}`"
        if not any(covers(deviation.part, part) for part in found):
            fix = f"what differs is: {known}"
            out.append((i, Fault(f"{said}, which does not differ from the locked plan", fix=fix)))
        elif deviation.part in [d.part for d in protocol.deviations[:i]]:
            out.append((i, Fault(f"{said} once more", fix="give each part once")))
    return out
