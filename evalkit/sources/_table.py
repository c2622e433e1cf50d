"""A file as a table of texts: every cell is what was written, with the line it stands on."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from evalkit import files
from evalkit.errors import DataError, Fault
from evalkit.texts import HIDDEN, LONGEST_NAME, clean

PARQUET = (".parquet", ".pq")
MOST_LISTED = 20  # faults of one sort named one by one before the rest is counted
SIGNATURES = {  # first bytes of files that are often mistaken for CSV
    b"PK\x03\x04": "an Excel workbook or another zip file, not CSV",
    b"\x1f\x8b": "compressed",
    b"\xff\xfe": "UTF-16 text",
    b"\xfe\xff": "UTF-16 text",
    b"PAR1": "Parquet, not CSV; name it .parquet",
}


@dataclass(frozen=True, eq=False)
class Table:
    """The cells of a file.

    cells  one row a line with anything on it, every cell a text without surrounding blanks
    line   the line on which each row ends (the row number in a Parquet file); same index
    notes  what the reader must know, one sentence each
    utf8   whether the file is UTF-8 text, as it should be
    """

    cells: pd.DataFrame
    line: pd.Series
    notes: tuple[str, ...] = ()
    utf8: bool = True


def read_table(path: Path) -> Table:
    """Read a CSV or Parquet file as texts. Raises DataError with every line that is out of shape."""
    try:
        return _parquet(path) if path.suffix.lower() in PARQUET else _csv(path)
    except OSError as error:
        raise DataError(f"cannot be read ({error.strerror or error})", path.name) from None


def listed(faults: list[Fault], what: str, where: str) -> list[Fault]:
    """The first faults of one sort, and how many more there are."""
    more = len(faults) - MOST_LISTED
    return faults if more <= 0 else [*faults[:MOST_LISTED], Fault(f"{more} more {what}", where)]


def require_columns(table: Table, needed: dict[str, str], name: str) -> None:
    """Raise DataError unless every needed column is there once.

    needed  column -> where the protocol asks for it, empty when plain
    """
    columns = list(table.cells.columns)
    # The header of a file that is no such table at all is nobody's business: a path may be wrong.
    known = ", ".join(columns) if set(needed) & set(columns) else ""
    faults: list[Fault] = []
    for column, asked in needed.items():
        said = f" ({asked})" if asked else ""
        if column not in columns:
            faults.append(Fault(f"has no column `{column}`{said}", name, _column_hint(columns, known)))
        elif columns.count(column) > 1:
            faults.append(Fault(f"has the column `{column}` more than once", name, "rename or remove one"))
    if faults:
        raise DataError(faults)
    long = [fault for column in needed for fault in _too_long(table, column, name)]
    if long:
        raise DataError(listed(long, "cells are too long", name))


def _too_long(table: Table, column: str, name: str) -> list[Fault]:
    """Cells that no table or figure could show."""
    length = table.cells[column].str.len()
    what = f"`{column}` holds {{:,}} characters, and {LONGEST_NAME} are the most"
    at = length.index[length > LONGEST_NAME]
    return [Fault(what.format(length[i]), f"{name}:{table.line[i]}", "shorten it; check the quotes") for i in at]


def _column_hint(columns: list[str], known: str) -> str:
    if len(columns) == 1:
        for mark, said in ((";", "semicolons"), ("\t", "tabs"), ("|", "bars")):
            if mark in columns[0]:
                return f"its columns seem to be separated by {said}; save it with commas"
    return f"its columns are {known}" if known else f"none of its {len(columns)} columns is one that is asked for"


def _csv(path: Path) -> Table:
    text, utf8 = _decoded(path)
    text, notes = _seen(text, path.name)
    notes += () if utf8 else (f"{path.name} is not UTF-8 and was read as Windows-1252 text.",)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    header: list[str] = []
    rows: list[list[str]] = []
    lines: list[int] = []
    ragged: list[Fault] = []
    try:
        for record in reader:
            cells = [cell.strip() for cell in record]
            if not any(cells):
                continue
            if not header:
                header = cells
            elif len(cells) != len(header):
                what = f"{len(cells)} cells where the header has {len(header)}"
                ragged.append(Fault(what, f"{path.name}:{reader.line_num}", "check commas and quotes"))
            else:
                rows.append(cells)
                lines.append(reader.line_num)
    except csv.Error as error:
        place = f"{path.name}:{reader.line_num}"
        raise DataError(f"cannot be read as CSV ({error})", place, "check the quotes on this line") from None
    if ragged:
        raise DataError(listed(ragged, "lines are out of shape", path.name))
    if not header:
        raise DataError("is empty", path.name, "it needs a header line and rows")
    frame = pd.DataFrame(rows, columns=header, dtype=str)
    return Table(frame, pd.Series(lines, index=frame.index, dtype=int), notes, utf8)


def _seen(text: str, name: str) -> tuple[str, tuple[str, ...]]:
    """Text without what cannot be seen: codes that look alike must be one code, and none may turn its line round."""
    if HIDDEN.search(text) is None:
        return text, ()
    seen = clean(text)
    return seen, (f"{len(text) - len(seen)} characters of {name} that cannot be seen were taken out.",)


def _decoded(path: Path) -> tuple[str, bool]:
    """The text of a file, and whether it is UTF-8."""
    content = files.read(path)
    for start, what in SIGNATURES.items():
        if content.startswith(start):
            raise DataError(f"is {what}", path.name, "save it as a plain CSV file in UTF-8")
    if b"\0" in content:
        raise DataError("holds zero bytes, so it is not text", path.name, "save it as a plain CSV file in UTF-8")
    try:
        return content.decode("utf-8-sig"), True
    except UnicodeDecodeError:
        pass
    try:
        return content.decode("cp1252"), False
    except UnicodeDecodeError:
        raise DataError("is neither UTF-8 nor Windows-1252 text", path.name, "save it as UTF-8") from None


def _parquet(path: Path) -> Table:
    try:
        frame = pd.read_parquet(io.BytesIO(files.read(path)))
    except ImportError:
        raise DataError("Parquet needs the extra `parquet`", path.name, "pip install 'evalkit[parquet]'") from None
    except (ValueError, NotImplementedError, TypeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(f"cannot be read as Parquet ({reason})", path.name) from None
    if frame.index.names != [None]:
        frame = frame.reset_index()
    frame = frame.reset_index(drop=True)
    cells = [frame.iloc[:, i] for i in range(frame.shape[1])]
    texts = [cell.astype(str).where(cell.notna(), "").astype(str).map(clean).str.strip() for cell in cells]
    out = pd.concat(texts, axis=1) if texts else pd.DataFrame(index=frame.index)
    out.columns = pd.Index([str(c).strip() for c in frame.columns])
    return Table(out, pd.Series(range(1, len(out) + 1), index=out.index, dtype=int))
