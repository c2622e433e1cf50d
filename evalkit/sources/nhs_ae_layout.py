"""The columns of NHS England's monthly A&E provider files, found by name in every era."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from evalkit.errors import Fault

TYPES = ("type1", "type2", "other")

IDENTITY: Mapping[str, tuple[str, ...]] = {
    "period": ("Period",),
    "unit": ("Org Code",),
    "region": ("Parent Org",),
    "unit_name": ("Org name",),
}
"""Text columns: our name -> the headers under which it was published."""

COUNTS: Mapping[str, tuple[str, ...]] = {
    "type1_attended": ("A&E attendances Type 1", "Number of A&E attendances Type 1"),
    "type2_attended": ("A&E attendances Type 2", "Number of A&E attendances Type 2"),
    "other_attended": (
        "A&E attendances Other A&E Department",
        "Number of A&E attendances Other A&E Department",
    ),
    "type1_over": ("Attendances over 4hrs Type 1", "Number of attendances over 4hrs Type 1"),
    "type2_over": ("Attendances over 4hrs Type 2", "Number of attendances over 4hrs Type 2"),
    "other_over": (
        "Attendances over 4hrs Other Department",
        "Number of attendances over 4hrs Other A&E Department",
    ),
    # "hs" is how the publisher writes it.
    "dta_4_12h": ("Patients who have waited 4-12 hs from DTA to admission",),
    "dta_over_12h": ("Patients who have waited 12+ hrs from DTA to admission",),
    "type1_emergency_admissions": ("Emergency admissions via A&E - Type 1",),
    "type2_emergency_admissions": ("Emergency admissions via A&E - Type 2",),
    "other_ae_emergency_admissions": ("Emergency admissions via A&E - Other A&E department",),
    "other_emergency_admissions": ("Other emergency admissions",),
}
"""Counts that every era has: our name -> headers, the current one first."""

BOOKED: Mapping[str, tuple[str, ...]] = {
    "type1_attended_booked": ("A&E attendances Booked Appointments Type 1",),
    "type2_attended_booked": ("A&E attendances Booked Appointments Type 2",),
    "other_attended_booked": ("A&E attendances Booked Appointments Other Department",),
    "type1_over_booked": ("Attendances over 4hrs Booked Appointments Type 1",),
    "type2_over_booked": ("Attendances over 4hrs Booked Appointments Type 2",),
    "other_over_booked": ("Attendances over 4hrs Booked Appointments Other Department",),
}
"""Counts since booked appointments exist: all six or none; they come on top of the others."""

_WITH_BOOKED = {**IDENTITY, **COUNTS, **BOOKED}
_UNNAMED = re.compile(r"(unnamed: [0-9]+)?")


def plain(header: str) -> str:
    """A header as it is compared: no byte order mark, single spaces, case folded."""
    return " ".join(header.replace("\ufeff", "").split()).casefold()


_NAME_OF = {plain(header): name for name, headers in _WITH_BOOKED.items() for header in headers}


@dataclass(frozen=True)
class Layout:
    """Where one file keeps what.

    columns  our name -> position in the row
    headers  our name -> the header as published (for messages)
    strays   positions of columns with another header or none -> that header
    """

    columns: Mapping[str, int]
    headers: Mapping[str, str]
    strays: Mapping[int, str]

    @property
    def counts(self) -> tuple[str, ...]:
        """Our names of the counts this file has, in the publisher's order of eras."""
        return tuple(name for name in (*COUNTS, *BOOKED) if name in self.columns)


def layout_of(header: Sequence[str], file: str, faults: list[Fault]) -> Layout:
    """Find the columns by name; a missing or repeated one goes into `faults`.

    Case, byte order mark and repeated or surrounding white space do not matter; nothing else
    is tolerated. A file has all booked-appointment columns or none. An empty layout means
    that nothing was recognised.
    """
    if not any(plain(text) in _NAME_OF for text in header):
        fix = "give NHS England's monthly A&E provider CSV as published, headers in the first line"
        faults.append(Fault("the first line holds none of the expected headers", file, fix))
        return Layout({}, {}, {})
    columns: dict[str, int] = {}
    headers: dict[str, str] = {}
    strays: dict[int, str] = {}
    seen: set[str] = set()
    for position, text in enumerate(header):
        name = _NAME_OF.get(plain(text))
        key = name or plain(text)
        if key in seen and not _UNNAMED.fullmatch(key):
            faults.append(Fault(f"column {text.strip()!r} is there twice", file, "keep one of them"))
        seen.add(key)
        if name is None:
            strays[position] = text.strip()
        else:
            columns[name] = position
            headers[name] = " ".join(text.replace("\ufeff", "").split())
    faults += _absent(columns, file)
    return Layout(columns, headers, strays)


def _absent(columns: Mapping[str, int], file: str) -> list[Fault]:
    """Required columns that were not found; booked ones only when others of them are there."""
    wanted = _WITH_BOOKED if columns.keys() & BOOKED.keys() else {**IDENTITY, **COUNTS}
    return [
        Fault(f"column {headers[0]!r} is missing", file, "download the file again, as published")
        for name, headers in wanted.items()
        if name not in columns
    ]
