"""Made-up A&E files in the published formats, for the tests."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from evalkit.sources.nhs_ae_layout import BOOKED, COUNTS, IDENTITY

SHARED = Path(__file__).parents[2] / "shared" / "data" / "nhs"
REFERENCE = Path(__file__).parents[1] / "data" / "reference"

CURRENT = [
    "Period",
    "Org Code",
    "Parent Org",
    "Org name",
    "A&E attendances Type 1",
    "A&E attendances Type 2",
    "A&E attendances Other A&E Department",
    "A&E attendances Booked Appointments Type 1",
    "A&E attendances Booked Appointments Type 2",
    "A&E attendances Booked Appointments Other Department",
    "Attendances over 4hrs Type 1",
    "Attendances over 4hrs Type 2",
    "Attendances over 4hrs Other Department",
    "Attendances over 4hrs Booked Appointments Type 1",
    "Attendances over 4hrs Booked Appointments Type 2",
    "Attendances over 4hrs Booked Appointments Other Department",
    "Patients who have waited 4-12 hs from DTA to admission",
    "Patients who have waited 12+ hrs from DTA to admission",
    "Emergency admissions via A&E - Type 1",
    "Emergency admissions via A&E - Type 2",
    "Emergency admissions via A&E - Other A&E department",
    "Other emergency admissions",
]
BEFORE_BOOKED = [header for header in CURRENT if "Booked" not in header]
OLDER = [
    "Number of " + (header if header.startswith("A&E") else header[0].lower() + header[1:])
    if "ttendances" in header
    else header
    for header in BEFORE_BOOKED
]
OLDER = [header.replace("over 4hrs Other Department", "over 4hrs Other A&E Department") for header in OLDER]
NAME_OF = {header: name for name, texts in {**IDENTITY, **COUNTS, **BOOKED}.items() for header in texts}
COUNT_NAMES = [*COUNTS, *BOOKED]


def provider(code, **counts):
    """One provider row by our names; counts that are not given are 0."""
    row = {"unit": code, "region": "NHS ENGLAND LONDON ", "unit_name": f"TRUST {code}"}
    return row | dict.fromkeys(COUNT_NAMES, 0) | counts


def total_of(rows, **identity):
    """A total row that adds up, marked TOTAL in every text column unless told otherwise."""
    sums = {name: sum(int(row[name]) for row in rows) for name in COUNT_NAMES}
    return dict.fromkeys(IDENTITY, "TOTAL") | sums | identity


def text_of(rows, month="MSitAE-APRIL-2024", headers=CURRENT, total=True):
    """The file as text; `total` may be a row of its own, True for one that adds up, or None."""
    added = [total_of(rows)] if total is True else [total] if total else []
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(headers)
    for row in [*rows, *added]:
        filled = {"period": month} | row
        writer.writerow([filled[NAME_OF[header]] for header in headers])
    return out.getvalue()


def write(folder, name, rows, encoding="utf-8", **options):
    """Write one file and return its path."""
    path = folder / name
    path.write_bytes(text_of(rows, **options).encode(encoding))
    return path
