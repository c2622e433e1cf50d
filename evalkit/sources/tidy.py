"""What every source hands over: tidy rows, and where they came from."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path

import pandas as pd

from evalkit import files
from evalkit.errors import Fault


@dataclass(frozen=True)
class SourceFile:
    """One file that was read: enough to tell later whether it is still the same file.

    `retrieved` is the day it was fetched from its publisher, None where nobody recorded it. `size` is in bytes, None
    where disclosure control keeps it back: it grows with the digits of every count.
    """

    name: str
    sha256: str
    size: int | None
    retrieved: date | None
    note: str = ""


@dataclass(frozen=True, eq=False)
class Tidy:
    """One publisher's files as tidy rows.

    rows     one row per unit and period, sorted by both: `unit` (text), `period` (pandas
             Period), then measure columns as published; counts stay counts. Values a reader
             knows to be missing are missing here and listed in `missing`.
    files    every file read, in reading order
    missing  columns `unit`, `period`, `why`: unit-periods whose absence is explained
    faults   what is wrong with the rows, for a reader that can go on and let the panel report all
             faults together; a reader that cannot go on raises DataError instead
    notes    what was dropped, merged, reconciled or looked suspicious, one sentence each;
             the report shows them
    quoting  those of the notes that quote counts, for which only published data are the place
    """

    rows: pd.DataFrame
    files: tuple[SourceFile, ...]
    missing: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=["unit", "period", "why"]))
    notes: tuple[str, ...] = ()
    faults: tuple[Fault, ...] = ()
    quoting: tuple[str, ...] = ()


def fingerprint(path: Path, note: str = "", *, downloaded: bool = True) -> SourceFile:
    """The record of one file.

    A downloaded file was retrieved on the day it was written on this disk; of any other file the day
    says nothing (a checkout writes it anew), so it is left open.
    """
    content = files.read(path)
    written = datetime.fromtimestamp(path.stat().st_mtime, UTC).date() if downloaded else None
    return SourceFile(path.name, hashlib.sha256(content).hexdigest(), len(content), written, note)
