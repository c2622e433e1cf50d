"""Organisation successions: one series for a trust that was published under several codes.

Counts of a predecessor are added to its successor for the whole period, before the merger
and after it, so that one series covers both. Percentages are never added: they are derived
later, from the sums.

A predecessor with two successors is a split. The published files do not say how its counts
were shared out, and giving all of them to one successor (the Strategy Unit takes the first)
puts a step of many thousand attendances into a series that an evaluation would read as an
effect. So a split predecessor keeps its own code and is flagged, unless the study's table
names exactly one successor for it.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd

from evalkit import files
from evalkit.errors import DataError, Fault
from evalkit.texts import clean

COLUMNS = ("predecessor_code", "successor_code", "effective_month", "kind", "source")
# Kinds of succession whose successor ran no department before, and so is not missed when absent.
_STARTS_WITH_IT = ("new code", "community")
_MONTH = re.compile(r"([0-9]{4})-(0[1-9]|1[0-2])(-01)?")


@dataclass(frozen=True)
class Succession:
    """One predecessor taken over by one successor.

    effective  first month published under the successor's code (Period, monthly)
    kind       free text; "new code" and "community" say that the successor did not report
               before, "split" that only part of the predecessor went to it
    """

    predecessor: str
    successor: str
    effective: pd.Period
    kind: str = ""
    source: str = ""


@dataclass(frozen=True)
class Successions:
    """A consistent table of successions; an inconsistent one raises DataError.

    Refused: an organisation that succeeds itself, a pair given twice, a circle.
    """

    table: tuple[Succession, ...] = ()

    def __post_init__(self) -> None:
        faults = [*_repeated(self.table), *_circles(self.table)]
        if faults:
            raise DataError(faults)

    @cached_property
    def outgoing(self) -> Mapping[str, tuple[Succession, ...]]:
        """The successions of each predecessor, in table order."""
        found: dict[str, tuple[Succession, ...]] = {}
        for row in self.table:
            found[row.predecessor] = (*found.get(row.predecessor, ()), row)
        return found

    @cached_property
    def splits(self) -> Mapping[str, tuple[Succession, ...]]:
        """Predecessors with more than one successor, which keep their own code."""
        return {code: rows for code, rows in self.outgoing.items() if len(rows) > 1}

    def resolve(self, code: str) -> str:
        """The code that holds the counts of `code`: A to B to C gives C; a split stops there."""
        while code in self.outgoing and code not in self.splits:
            code = self.outgoing[code][0].successor
        return code

    @cached_property
    def members(self) -> Mapping[str, tuple[str, ...]]:
        """Unit -> every code whose counts it holds (itself included), for units with predecessors."""
        units: dict[str, set[str]] = {}
        for code in self.outgoing.keys() - self.splits.keys():
            step = code
            while step != (unit := self.resolve(code)):
                units.setdefault(unit, {unit}).add(step)
                step = self.outgoing[step][0].successor
        return {unit: tuple(sorted(codes)) for unit, codes in sorted(units.items())}

    def expected(self, code: str, month: pd.Period) -> bool:
        """Whether the organisation `code` should have reported in `month` under its own code."""
        if code not in self.splits and any(month >= row.effective for row in self.outgoing.get(code, ())):
            return False
        starts = [
            row.effective
            for row in self.table
            if row.successor == code and any(word in row.kind.casefold() for word in _STARTS_WITH_IT)
        ]
        return not starts or bool(month >= min(starts))


def load(path: Path) -> Successions:
    """Read a table of successions: CSV, UTF-8, with the columns of COLUMNS (`source` may be absent).

    Raises DataError with every fault: no such file, a missing column, a blank code, a month
    that is not YYYY-MM or YYYY-MM-01, a repeated pair, a circle.
    """
    try:
        text = clean(files.read(path).decode("utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            "the table of successions cannot be read", str(path), f"give a readable UTF-8 CSV ({error})"
        ) from error
    reader = csv.DictReader(io.StringIO(text, newline=""))
    absent = [column for column in COLUMNS[:-1] if column not in (reader.fieldnames or ())]
    if absent:
        raise DataError(Fault(f"column {column} is missing", path.name, "add it") for column in absent)
    faults: list[Fault] = []
    try:
        parsed = [_parse(row, f"{path.name}, line {reader.line_num}", faults) for row in reader]
    except csv.Error as error:
        raise DataError(f"not a CSV file: {error}", f"{path.name}, line {reader.line_num}") from error
    table = tuple(row for row in parsed if row is not None)
    faults += [Fault(f.what, path.name, f.fix) for f in (*_repeated(table), *_circles(table))]
    if faults:
        raise DataError(faults)
    return Successions(table)


def _parse(row: Mapping[str, str | None], where: str, faults: list[Fault]) -> Succession | None:
    """One line of the table; what is wrong with it goes into `faults`."""
    old, new, month, kind, source = ((row.get(column) or "").strip() for column in COLUMNS)
    before = len(faults)
    faults += [
        Fault(f"{column} is blank", where, "give a code")
        for column, code in zip(COLUMNS, (old, new), strict=False)
        if not code
    ]
    matched = _MONTH.fullmatch(month)
    if matched is None:
        faults.append(Fault(f"effective_month is {month!r}", where, "write it as YYYY-MM, for example 2020-10"))
    if matched is None or len(faults) > before:
        return None
    effective = pd.Period(year=int(matched[1]), month=int(matched[2]), freq="M")
    return Succession(old, new, effective, kind, source)


def _repeated(table: Iterable[Succession]) -> list[Fault]:
    """Pairs given twice."""
    seen: set[tuple[str, str]] = set()
    faults = []
    for row in table:
        pair = (row.predecessor, row.successor)
        if pair in seen:
            faults.append(Fault(f"{pair[0]} to {pair[1]} is given twice", "", "keep one row"))
        seen.add(pair)
    return faults


def _circles(table: Iterable[Succession]) -> list[Fault]:
    """The codes that succeed each other in a circle.

    Codes that nobody succeeds and codes that succeed nobody are taken away again and again;
    what is left can only be a circle, or lie between two.
    """
    pairs = {(row.predecessor, row.successor) for row in table}
    while True:
        inner = {old for old, _ in pairs} & {new for _, new in pairs}
        kept = {pair for pair in pairs if pair[0] in inner and pair[1] in inner}
        if kept == pairs:
            break
        pairs = kept
    if not pairs:
        return []
    codes = ", ".join(sorted({code for pair in pairs for code in pair}))
    return [Fault(f"{codes} succeed each other in a circle", "", "remove one of these rows")]
