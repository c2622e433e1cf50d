"""One month's file: rows of text -> counts per provider, and the publisher's own total."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import pandas as pd

from evalkit.errors import DataError, Fault
from evalkit.sources.nhs_ae_files import RawFile
from evalkit.sources.nhs_ae_layout import BOOKED, COUNTS, IDENTITY, Layout, layout_of
from evalkit.sources.nhs_ae_periods import month_of_cell, month_of_name
from evalkit.sources.tidy import SourceFile

MISSING = frozenset({"", "-", "N/A"})
"""Cells that stand for a value that was not published."""

# Nine digits at most: England has some three million attendances a month.
_COUNT = re.compile(r"[0-9]{1,9}|[0-9]{1,3}(,[0-9]{3}){1,2}")
_NAN = float("nan")
_Line = tuple[int, list[str]]


@dataclass(frozen=True, eq=False)
class Month:
    """One file, parsed.

    rows     one row per provider in file order: unit, period, unit_name, region (text), then
             the counts of COUNTS and BOOKED as floats, NaN where not published; booked counts
             are 0 in files older than booked appointments
    total    the publisher's total row, our name -> count; empty when the file has none
    headers  our name -> header as published
    """

    record: SourceFile
    period: pd.Period
    rows: pd.DataFrame
    total: Mapping[str, float]
    headers: Mapping[str, str]
    notes: tuple[str, ...]


def read_month(raw: RawFile) -> Month:
    """Parse one file; DataError with every fault in it."""
    faults: list[Fault] = []
    layout = layout_of(raw.header, raw.name, faults)
    if not layout.columns:
        raise DataError(faults)
    notes = _drop_strays(raw, layout, faults)
    lines = _whole_lines(raw, layout, faults)
    providers: list[_Line] = []
    totals: list[_Line] = []
    for line in lines:
        (totals if _is_total(line[1], layout) else providers).append(line)
    if not providers:
        faults.append(Fault("no provider rows", raw.name, "download it again, as published"))
    if len(totals) > 1:
        numbers = " and ".join(str(number) for number, _ in totals)
        faults.append(Fault(f"total rows on lines {numbers}", raw.name, "keep one of them"))
    period = _period(raw.name, providers, totals, layout, faults)
    faults += _identity_faults(raw.name, providers, layout)
    counts = {name: _counts(raw.name, providers, name, layout, faults) for name in layout.counts}
    total = {name: _counts(raw.name, totals, name, layout, faults)[0] for name in layout.counts if totals}
    if faults or period is None:
        raise DataError(faults)
    if not totals:
        notes.append(f"{raw.name} has no total row, so its sums could not be reconciled.")
    text = {name: [cells[layout.columns[name]].strip() for _, cells in providers] for name in IDENTITY}
    rows = pd.DataFrame({**text, **dict.fromkeys(BOOKED, 0.0), **counts})
    rows["period"] = pd.PeriodIndex([period] * len(rows), freq="M")
    columns = ["unit", "period", "unit_name", "region", *COUNTS, *BOOKED]
    return Month(raw.record, period, rows[columns], total, layout.headers, tuple(notes))


def _drop_strays(raw: RawFile, layout: Layout, faults: list[Fault]) -> list[str]:
    """Columns beyond the known ones: noted when empty, refused when they hold anything."""
    notes = []
    width = max((len(cells) for _, cells in raw.lines), default=0)
    beyond = dict.fromkeys(range(len(raw.header), width), "")
    empty = []
    for position, header in {**layout.strays, **beyond}.items():
        label = f"column {header!r}" if header else f"column {position + 1}, which has no header,"
        held = next(((n, c[position]) for n, c in raw.lines if len(c) > position and c[position].strip()), None)
        if held is None:
            empty.append(header or f"column {position + 1}")
        else:
            where = f"{raw.name}, line {held[0]}, column {header or position + 1}"
            what = f"{label} is not part of the format and holds {held[1].strip()!r}"
            faults.append(Fault(what, where, "take the column out, or give the file as published"))
    if empty:
        notes.append(f"{raw.name}: empty columns were dropped: {', '.join(empty)}.")
    return notes


def _whole_lines(raw: RawFile, layout: Layout, faults: list[Fault]) -> list[_Line]:
    """The lines that reach to the last known column; a shorter one is a fault."""
    needed = max(layout.columns.values()) + 1
    for number, cells in raw.lines:
        if len(cells) < needed:
            what = f"the line has {len(cells)} cells, not {needed}"
            faults.append(Fault(what, f"{raw.name}, line {number}", "download the file again, as published"))
    return [line for line in raw.lines if len(line[1]) >= needed]


def _cell(cells: list[str], name: str, layout: Layout) -> str:
    """One text cell, stripped; blank when the file lacks the column (a fault already)."""
    return cells[layout.columns[name]].strip() if name in layout.columns else ""


def _is_total(cells: list[str], layout: Layout) -> bool:
    """The publisher's own total: any of the four text columns says so, in any spelling."""
    return any(_cell(cells, name, layout).casefold() == "total" for name in IDENTITY)


def _period(
    file: str, providers: list[_Line], totals: list[_Line], layout: Layout, faults: list[Fault]
) -> pd.Period | None:
    """The one month of the file, which the total row and the file name must not contradict."""
    if "period" not in layout.columns:
        return None
    found: dict[pd.Period, int] = {}
    first_line = {_cell(cells, "period", layout): number for number, cells in reversed(providers)}
    for text, number in reversed(first_line.items()):  # a fault in every row is one fault
        month = month_of_cell(text)
        if month is None:
            where = f"{file}, line {number}, column {layout.headers['period']}"
            faults.append(Fault(f"{text!r} is not a month", where, "write it like MSitAE-APRIL-2024"))
        else:
            found.setdefault(month, number)
    for number, cells in totals:
        if (month := month_of_cell(_cell(cells, "period", layout))) is not None:
            found.setdefault(month, number)
    if len(found) > 1:
        months = ", ".join(f"{month.strftime('%B %Y')} (line {number})" for month, number in found.items())
        faults.append(Fault(f"several months in one file: {months}", file, "give one file a month"))
    if len(found) != 1:
        return None
    period = next(iter(found))
    named = month_of_name(file)
    if named is not None and (named[0] or period.year, named[1]) != (period.year, period.month):
        in_name = f"{named[0] or period.year}-{named[1]:02d}"
        what = f"the file name says {in_name}, the rows say {period}"
        faults.append(Fault(what, file, "rename the file, or download the right month"))
    return period


def _identity_faults(file: str, providers: list[_Line], layout: Layout) -> list[Fault]:
    """Organisations without a code or with two rows."""
    if "unit" not in layout.columns:
        return []
    first: dict[str, int] = {}
    faults = []
    for number, cells in providers:
        code = _cell(cells, "unit", layout)
        where = f"{file}, line {number}, column {layout.headers['unit']}"
        if not code:
            faults.append(Fault("the organisation code is blank", where, "give the code, or drop the row"))
        elif code in first:
            what = f"organisation {code} has a row on line {first[code]} already"
            faults.append(Fault(what, where, "keep one of the rows"))
        first.setdefault(code, number)
    return faults


def _counts(file: str, lines: list[_Line], name: str, layout: Layout, faults: list[Fault]) -> list[float]:
    """One column of counts; a cell that is neither a count nor missing is a fault."""
    position = layout.columns[name]
    values = []
    for number, cells in lines:
        value = _count(cells[position])
        if value is None:
            where = f"{file}, line {number}, column {layout.headers[name]}"
            fix = "give a whole number that is not negative, or leave the cell blank"
            faults.append(Fault(f"{cells[position].strip()!r} is not a count", where, fix))
        values.append(_NAN if value is None else value)
    return values


@cache
def _count(text: str) -> float | None:
    """A cell as a count: NaN when not published, None when it is no count. Most cells repeat."""
    text = text.strip()
    if text in MISSING:
        return _NAN
    return float(text.replace(",", "")) if _COUNT.fullmatch(text) else None
