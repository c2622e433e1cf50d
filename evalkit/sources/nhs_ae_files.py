"""The folder of A&E files: what is in it, its bytes as rows of text, and which revision counts."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import groupby
from pathlib import Path

import pandas as pd

from evalkit import files
from evalkit.errors import DataError, Fault
from evalkit.sources.nhs_ae_periods import Revision, revision_of
from evalkit.sources.tidy import SourceFile, fingerprint
from evalkit.texts import clean

RETRIEVED = "retrieved.csv"
"""Optional sidecar file: columns `file`, `retrieved` (YYYY-MM-DD), the day of each download."""

_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Listing:
    """The CSV files of a folder in name order, and a note for everything that was passed over."""

    files: tuple[Path, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class RawFile:
    """One file as text: the header and the other lines, blank ones left out.

    lines  (line number, cells) of each data row
    """

    name: str
    record: SourceFile
    header: tuple[str, ...]
    lines: tuple[tuple[int, list[str]], ...]


def list_folder(folder: Path) -> Listing:
    """The CSV files in `folder`; DataError when there is no folder or no CSV file in it."""
    if not folder.exists():
        raise DataError("no such folder", str(folder), "give the folder that holds the A&E files")
    if not folder.is_dir():
        raise DataError("this is a file, not a folder", str(folder), "give the folder that holds it")
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        why = f"the folder cannot be read ({error.strerror})"
        raise DataError(why, str(folder), "make it readable") from error
    files = [
        path for path in entries if path.suffix.casefold() == ".csv" and not path.is_dir() and path.name != RETRIEVED
    ]
    if not files:
        raise DataError("no CSV file in this folder", str(folder), "put the monthly A&E files there")
    passed = [path.name for path in entries if path not in files and path.name != RETRIEVED]
    notes = [f"{name} was ignored: it is not a CSV file." for name in passed]
    return Listing(tuple(files), tuple(notes))


def read_raw(path: Path, retrieved: Mapping[str, date]) -> RawFile:
    """The bytes of one file as rows of text; DataError when it is unreadable, empty or no CSV."""
    rows = _rows(path)
    if not rows:
        raise DataError("the file is empty", path.name, "download it again, or take it out of the folder")
    record = fingerprint(path)
    if path.name in retrieved:
        record = replace(record, retrieved=retrieved[path.name])
    return RawFile(path.name, record, tuple(rows[0][1]), tuple(rows[1:]))


def _rows(path: Path) -> list[tuple[int, list[str]]]:
    """Every line that is not blank, with its number."""
    reader = csv.reader(io.StringIO(_text(path), newline=""), strict=True)
    try:
        return [(reader.line_num, cells) for cells in reader if any(cell.strip() for cell in cells)]
    except csv.Error as error:
        where = f"{path.name}, line {reader.line_num}"
        raise DataError(f"not a CSV file ({error})", where, "download it again, as published") from error


def _text(path: Path) -> str:
    """UTF-8, with or without byte order mark, else Windows-1252."""
    try:
        content = files.read(path).removeprefix(_BOM)
    except OSError as error:
        why = f"the file cannot be read ({error.strerror})"
        raise DataError(why, path.name, "make it readable, or take it out of the folder") from error
    if b"\x00" in content:
        raise DataError("not a text file", path.name, "give the CSV as published, not a workbook renamed")
    try:
        return clean(content.decode("utf-8"))
    except UnicodeDecodeError:  # many of the published files are Windows-1252
        return clean(_windows_text(content, path.name))


def _windows_text(content: bytes, file: str) -> str:
    """Windows-1252; DataError when the bytes are not that either."""
    try:
        return content.decode("cp1252")
    except UnicodeDecodeError as error:
        why = f"neither UTF-8 nor Windows-1252 at byte {error.start}"
        raise DataError(why, file, "download it again, as published") from error


def retrieval_dates(folder: Path) -> dict[str, date]:
    """File name -> day of download, from the sidecar file; empty when there is none.

    Raises DataError with every fault: a missing column, a day that is none, a file named twice.
    """
    path = folder / RETRIEVED
    if not path.exists():
        return {}
    (_, header), *lines = _rows(path) or [(1, [])]
    names = [cell.strip().casefold() for cell in header]
    absent = [column for column in ("file", "retrieved") if column not in names]
    if absent:
        raise DataError(Fault(f"column {column!r} is missing", RETRIEVED, "add it") for column in absent)
    dates: dict[str, date] = {}
    faults = []
    for number, cells in lines:
        row = dict(zip(names, (cell.strip() for cell in cells), strict=False))
        file, text = row.get("file", ""), row.get("retrieved", "")
        where = f"{RETRIEVED}, line {number}"
        if not file:
            faults.append(Fault("the file name is blank", where, "give it, or drop the line"))
        elif file in dates:
            faults.append(Fault(f"{file} is named twice", where, "keep one line"))
        try:
            dates[file] = date.fromisoformat(text)
        except ValueError:
            faults.append(Fault(f"{text!r} is not a day", where, "write it as YYYY-MM-DD"))
    if faults:
        raise DataError(faults)
    return dates


def latest_revisions(found: Iterable[tuple[str, pd.Period]], faults: list[Fault]) -> dict[str, str]:
    """Superseded file -> the file that counts instead, from (file, month) pairs.

    A file revised later wins; a file not called revised is the first publication. Two files
    of one month whose names do not say which is the later go into `faults`.
    """
    superseded: dict[str, str] = {}
    by_month = sorted(found, key=lambda pair: (pair[1].ordinal, pair[0]))
    for _, pairs in groupby(by_month, key=lambda pair: pair[1].ordinal):
        group = list(pairs)
        files = [file for file, _ in group]
        winner = _latest(files)
        if winner is None:
            what = f"both hold {group[0][1].strftime('%B %Y')}, and no name says which was revised last"
            faults.append(Fault(what, " and ".join(files), "remove all but one"))
        else:
            superseded.update({file: winner for file in files if file != winner})
    return superseded


def _latest(files: Sequence[str]) -> str | None:
    """The file revised last, None when the names do not tell."""
    if len(files) == 1:
        return files[0]
    revisions: dict[str, Revision] = {file: revision_of(file) for file in files}
    revised = [file for file in files if revisions[file].revised]
    if len(revised) == 1:
        return revised[0]
    days = {file: revisions[file].on for file in revised}
    known = {file: day for file, day in days.items() if day is not None}
    if not known or len(known) < len(revised):
        return None
    last = [file for file, day in known.items() if day == max(known.values())]
    return last[0] if len(last) == 1 else None
