"""Any tidy CSV or Parquet file, with columns named in the protocol.

Every cell is read as text first, so that a code such as `NO`, `012` or `5E10` stays what it
is; only the columns that the protocol uses as figures become numbers, and a cell that is not
a number is reported with its line.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from evalkit import periods
from evalkit.errors import DataError, Fault
from evalkit.sources.tidy import Tidy, fingerprint
from evalkit.study import Study
from evalkit.study.protocol import Condition, CsvSource

MISSING = {"", "NA", "N/A", "NaN", "nan", "null", "None", "-", "."}
MOST_LISTED = 20  # cells named one by one before the rest is counted


def read_study(study: Study) -> Tidy:
    """Read the file that the protocol names.

    Raises DataError when the file or its columns cannot be read at all; cells that are wrong are
    returned as faults with the rest, so that the panel reports everything at once.
    """
    source = study.protocol.source
    assert isinstance(source, CsvSource)  # noqa: S101 - dispatched by reader name
    path = study.resolve(source.path)
    text = _read_text(path)
    line = pd.Series(np.arange(2, len(text) + 2), index=text.index)
    wanted = _measure_columns(study, text)
    _require_columns(text, source, wanted, path.name)
    keep = np.logical_and.reduce([np.ones(len(text), bool), *[_meets(text, c) for c in source.where]])
    text, line = text[keep], line[keep]
    unit, period, faults = _keys(text, line, source, path.name)
    numbers, wrong = _numbers(text[wanted], line, unit, period, path.name)
    rows = pd.DataFrame({"unit": unit, "period": period}).join(numbers).assign(line=line)
    rows["unit_name"] = text[source.name] if source.name else ""
    rows = rows[unit.notna() & period.notna()]
    explained = _explained(text, rows, source)
    declared = pd.MultiIndex.from_frame(rows[["unit", "period"]]).isin(
        pd.MultiIndex.from_frame(explained[["unit", "period"]])
    )
    rows.loc[declared, wanted] = np.nan
    rows, duplicates = _unique(rows, source.sum_over, wanted, path.name)
    files = (fingerprint(path, downloaded=False),)
    notes = tuple(f"Only rows with {c.column} = {c.equals} were read. {c.why}".strip() for c in source.where)
    return Tidy(rows, files, explained, notes, (*faults, *wrong, *duplicates))


def _read_text(path: Path) -> pd.DataFrame:
    if path.suffix.lower() in (".parquet", ".pq"):
        return _read_parquet(path)
    for encoding in ("utf-8-sig", "cp1252"):
        try:
            frame = pd.read_csv(path, dtype=str, keep_default_na=False, encoding=encoding, skip_blank_lines=False)
        except UnicodeDecodeError:
            continue
        except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
            raise DataError(f"cannot be read as CSV ({error})", path.name, "save it as a plain CSV file") from None
        except OSError as error:
            raise DataError(f"cannot be read ({error.strerror})", path.name) from None
        frame.columns = [str(c).strip() for c in frame.columns]
        return pd.DataFrame({c: frame[c].str.strip() for c in frame.columns}) if frame.columns.is_unique else frame
    raise DataError("is neither UTF-8 nor Windows-1252 text", path.name, "save it as UTF-8")


def _read_parquet(path: Path) -> pd.DataFrame:
    try:
        frame = pd.read_parquet(path)
    except ImportError:
        raise DataError("Parquet needs the extra `parquet`", path.name, "pip install 'evalkit[parquet]'") from None
    except (OSError, ValueError) as error:
        raise DataError(f"cannot be read as Parquet ({error})", path.name) from None
    frame = frame.reset_index() if frame.index.names != [None] else frame
    return frame.apply(lambda c: c.astype(str).where(c.notna(), ""))


def _measure_columns(study: Study, text: pd.DataFrame) -> list[str]:
    """The columns that hold figures: every outcome's, and covariates that are in the file."""
    names: list[str] = []
    for outcome in study.protocol.outcomes:
        for part in (outcome.numerator, outcome.denominator, outcome.value):
            names += part.names if part else ()
    names += [c for c in study.protocol.covariates if c in text.columns]
    return list(dict.fromkeys(names))


def _require_columns(text: pd.DataFrame, source: CsvSource, wanted: list[str], name: str) -> None:
    conditions = [c.column for c in (*source.where, *source.missing_where)]
    name_column = [source.name] if source.name else []
    needed = dict.fromkeys([source.unit, source.period, *name_column, *wanted, *conditions, *source.sum_over])
    columns = ", ".join(text.columns)
    faults = [
        Fault(f"has no column `{c}`", name, f"its columns are {columns}") for c in needed if c not in text.columns
    ]
    repeated = sorted(set(text.columns[text.columns.duplicated()]) & set(needed))
    faults += [Fault(f"has the column `{c}` more than once", name, "rename or remove one") for c in repeated]
    if faults:
        raise DataError(faults)
    if text.empty:
        raise DataError("has a header and no rows", name)


def _meets(text: pd.DataFrame, condition: Condition) -> np.ndarray:
    """Rows whose cell equals the wanted value, as text or as a number (1 = 1.0)."""
    cells = text[condition.column]
    same = cells.eq(condition.equals)
    number = pd.to_numeric(pd.Series([condition.equals]), errors="coerce").iloc[0]
    if pd.notna(number):
        same |= pd.to_numeric(cells, errors="coerce").eq(number)
    return same.to_numpy()


def _keys(
    text: pd.DataFrame, line: pd.Series, source: CsvSource, name: str
) -> tuple[pd.Series, pd.Series, list[Fault]]:
    unit = text[source.unit].where(~text[source.unit].isin(MISSING - {"NA", "NaN", "nan", "None", "null"}))
    period, refused = periods.parse_column(text[source.period], source.frequency)
    faults = [
        Fault(f"column `{source.unit}` is blank", f"{name}:{line[i]}", "name the unit or remove the row")
        for i in unit.index[unit.isna()][:MOST_LISTED]
    ]
    for written, reason in list(refused.items())[:MOST_LISTED]:
        rows = line[text[source.period].eq(written)]
        faults.append(Fault(f"column `{source.period}`: {reason}", f"{name}:{rows.iloc[0]}", f"{len(rows)} rows"))
    return unit, period, faults


def _numbers(
    text: pd.DataFrame, line: pd.Series, unit: pd.Series, period: pd.Series, name: str
) -> tuple[pd.DataFrame, list[Fault]]:
    out, faults = {}, []
    for column in text.columns:
        cells = text[column]
        blank = cells.isin(MISSING)
        plain = cells.str.replace(r"(?<=\d),(?=\d{3}(\D|$))", "", regex=True)
        number = pd.to_numeric(plain.where(~blank), errors="coerce").astype(float)
        number = number.where(np.isfinite(number))
        wrong = cells.index[number.isna() & ~blank]
        faults += [
            Fault(
                f"`{column}` is '{cells[i]}', which is not a number",
                f"{name}:{line[i]} ({unit[i]}, {period[i]})",
                "correct the cell, or leave it blank if it was not reported",
            )
            for i in wrong[:MOST_LISTED]
        ]
        if len(wrong) > MOST_LISTED:
            faults.append(Fault(f"`{column}` has {len(wrong) - MOST_LISTED} more cells that are not numbers", name))
        out[column] = number
    return pd.DataFrame(out, index=text.index), faults


def _explained(text: pd.DataFrame, rows: pd.DataFrame, source: CsvSource) -> pd.DataFrame:
    """Unit-periods that the protocol declares as not reported."""
    parts = [pd.DataFrame({"unit": [], "period": [], "why": []})]
    for condition in source.missing_where:
        met = rows.loc[_meets(text, condition)[text.index.isin(rows.index)], ["unit", "period"]]
        why = condition.why or f"{condition.column} = {condition.equals}"
        parts.append(met.assign(why=why))
    return pd.concat(parts[1:] or parts, ignore_index=True).drop_duplicates(["unit", "period"])


def _unique(
    rows: pd.DataFrame, sum_over: tuple[str, ...], wanted: list[str], name: str
) -> tuple[pd.DataFrame, list[Fault]]:
    """One row a unit and period: declared splits are added up, anything else is a duplicate."""
    rows = rows.sort_values(["unit", "period", "line"], kind="stable").reset_index(drop=True)
    if sum_over:
        # min_count: a sum with a missing part is a partial count, so it is missing too
        grouped = rows.groupby(["unit", "period"], sort=True, observed=True)
        complete = grouped[wanted].count().eq(grouped[wanted].size().to_numpy()[:, None])
        names = grouped["unit_name"].first()
        return grouped[wanted].sum().where(complete).assign(unit_name=names).reset_index(), []
    again = rows.duplicated(["unit", "period"], keep=False)
    faults = [
        Fault(
            f"{len(group)} rows for one unit and period",
            f"{name} ({unit}, {periods.code(period)})",
            f"keep one of the lines {', '.join(map(str, group['line']))}",
        )
        for (unit, period), group in rows[again].groupby(["unit", "period"], observed=True)
    ]
    first = rows.drop_duplicates(["unit", "period"]).drop(columns="line").reset_index(drop=True)
    return first, faults
