"""Any tidy CSV or Parquet file, with columns named in the protocol.

Every cell is read as text first, so that a code such as `NO`, `012` or `5E10` stays what it
is; only the columns that the protocol uses as figures become numbers, and a cell that is not
a number is reported with its line.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from evalkit import periods
from evalkit.errors import DataError, Fault
from evalkit.sources._table import Table, listed, read_table, require_columns
from evalkit.sources.tidy import Tidy, fingerprint
from evalkit.study import Study
from evalkit.study.protocol import Condition, CsvSource

MISSING = {"", "NA", "N/A", "NaN", "nan", "null", "None", "-", "."}
NO_UNIT = {"", "N/A", "-", "."}  # `NA` and `None` may be codes
NUMBER = r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
THOUSANDS = r"[+-]?[1-9][0-9]{0,2}(?:,[0-9]{3})+(?:\.[0-9]+)?"  # 1,234 and 12,345.6; never 0,123 or 1234,567
RESERVED = {"unit", "period", "unit_name"}  # what tidy rows call their own columns
LARGEST, SMALLEST = 1e15, 1e-12  # beyond them, sums and squares lose their digits
MOST_LINES = 6  # lines of duplicates named one by one
LINE, PART = " line", " part"  # no column of a file begins with a blank


def read_study(study: Study) -> Tidy:
    """Read the file that the protocol names.

    Raises DataError when the file or its columns cannot be read at all; cells that are wrong are
    returned as faults with the rest, so that the panel reports everything at once.
    """
    source = study.protocol.source
    assert isinstance(source, CsvSource)  # noqa: S101 - dispatched by reader name
    path = study.resolve(source.path)
    table = read_table(path)
    wanted = _measure_columns(study)
    _require(table, source, wanted, path.name)
    kept = _where(table, source, path.name)
    unit, period, faults = _keys(kept, source, path.name)
    numbers, wrong = _numbers(kept, wanted, (unit, period), path.name)
    extra = [c for c in study.protocol.covariates if c in kept.cells.columns and c not in {*wanted, *RESERVED}]
    rows = pd.DataFrame({"unit": unit, "period": period}).join(numbers).join(kept.cells[extra])
    rows["unit_name"] = kept.cells[source.name] if source.name else ""
    rows[LINE] = kept.line
    rows[PART] = [tuple(parts) for parts in kept.cells[list(source.sum_over)].to_numpy()]
    rows = rows[unit.notna() & period.notna()]
    explained, notes = _explained(kept.cells.loc[rows.index], rows, source)
    declared = pd.MultiIndex.from_frame(explained[["unit", "period"]])
    rows.loc[pd.MultiIndex.from_frame(rows[["unit", "period"]]).isin(declared), wanted] = np.nan
    rows, duplicates = _unique(rows, wanted, path.name, split=bool(source.sum_over))
    read = tuple(f"Only rows with {c.column} = {c.equals} were read. {c.why}".strip() for c in source.where)
    files = (fingerprint(path, downloaded=False),)
    return Tidy(rows, files, explained, (*table.notes, *read, *notes), (*faults, *wrong, *duplicates))


def _measure_columns(study: Study) -> list[str]:
    """The columns that hold figures: every outcome's, with the bands of its distribution, and those of case mix."""
    measures = (*study.protocol.outcomes, *study.protocol.case_mix)
    return list(dict.fromkeys(name for measure in measures for name in measure.columns))


def _require(table: Table, source: CsvSource, wanted: list[str], name: str) -> None:
    conditions = [c.column for c in (*source.where, *source.missing_where)]
    name_column = [source.name] if source.name else []
    needed = [source.unit, source.period, *name_column, *wanted, *conditions, *source.sum_over]
    require_columns(table, dict.fromkeys(needed, ""), name)
    taken = sorted(RESERVED & set(wanted))
    if taken:
        raise DataError([Fault(f"a figure cannot be called `{c}`", name, "rename the column") for c in taken])
    if table.cells.empty:
        raise DataError("has a header and no rows", name)


def _where(table: Table, source: CsvSource, name: str) -> Table:
    """The rows that meet every condition of `where`."""
    keep = np.ones(len(table.cells), bool)
    for condition in source.where:
        met = _meets(table.cells, condition)
        if not met.any():
            found = ", ".join(f"'{v}'" for v in table.cells[condition.column].unique()[:5])
            what = f"no row has `{condition.column}` = {condition.equals}, which `source.where` asks for"
            raise DataError(what, name, f"the column holds {found}")
        keep &= met
    if not keep.any():
        raise DataError("no row meets every condition of `source.where`", name, "drop one of them")
    return Table(table.cells[keep], table.line[keep])


def _meets(text: pd.DataFrame, condition: Condition) -> np.ndarray:
    """Rows whose cell equals the wanted value, as text or as a number (1 = 1.0)."""
    cells = text[condition.column]
    same = cells.eq(condition.equals)
    number = pd.to_numeric(pd.Series([condition.equals]), errors="coerce").iloc[0]
    if pd.notna(number):
        same |= pd.to_numeric(cells, errors="coerce").eq(number)
    return same.to_numpy(bool)


def _keys(table: Table, source: CsvSource, name: str) -> tuple[pd.Series, pd.Series, list[Fault]]:
    text, line = table.cells, table.line
    unit = text[source.unit].where(~text[source.unit].isin(NO_UNIT))
    period, refused = periods.parse_column(text[source.period], source.frequency)
    blank = [
        Fault(f"column `{source.unit}` is blank", f"{name}:{line[i]}", "name the unit or remove the row")
        for i in unit.index[unit.isna()]
    ]
    unread = []
    for written, reason in refused.items():
        at = line[text[source.period].eq(written)]
        said = f"column `{source.period}` is blank" if not written else f"column `{source.period}`: {reason}"
        fix = f"{len(at)} rows like it" if len(at) > 1 else "correct the cell or remove the row"
        unread.append(Fault(said, f"{name}:{at.iloc[0]}", fix))
    return unit, period, [*listed(blank, "rows name no unit", name), *listed(unread, "unreadable periods", name)]


def _numbers(
    table: Table, wanted: list[str], keys: tuple[pd.Series, pd.Series], name: str
) -> tuple[pd.DataFrame, list[Fault]]:
    out: dict[str, pd.Series] = {}
    faults: list[Fault] = []
    for column in wanted:
        cells = table.cells[column]
        blank = cells.isin(MISSING)
        grouped = cells.str.fullmatch(THOUSANDS)
        plain = cells.where(~grouped, cells.str.replace(",", ""))
        number = pd.to_numeric(plain.where(plain.str.fullmatch(NUMBER)), errors="coerce").astype(float)
        absurd = (number.abs() > LARGEST) | ((number.abs() < SMALLEST) & number.ne(0))
        number = number.where(np.isfinite(number) & ~absurd)
        wrong = [
            Fault(
                f"`{column}` is '{cells[i]}', which is {'no figure of this world' if absurd[i] else 'not a number'}",
                f"{name}:{table.line[i]}{_said(keys[0][i], keys[1][i])}",
                "correct the cell, or leave it blank if it was not reported",
            )
            for i in cells.index[number.isna() & ~blank]
        ]
        faults += listed(wrong, f"cells of `{column}` are not numbers", name)
        out[column] = number
    return pd.DataFrame(out, index=table.cells.index), faults


def _said(unit: object, period: object) -> str:
    when = periods.label(period) if isinstance(period, pd.Period) else ""
    parts = [part for part in (unit if isinstance(unit, str) else "", when) if part]
    return f" ({', '.join(parts)})" if parts else ""


def _explained(text: pd.DataFrame, rows: pd.DataFrame, source: CsvSource) -> tuple[pd.DataFrame, list[str]]:
    """Unit-periods that the protocol declares as not reported, and conditions that no row meets."""
    parts, notes = [pd.DataFrame({"unit": [], "period": [], "why": []})], []
    for condition in source.missing_where:
        met = rows.loc[_meets(text, condition), ["unit", "period"]]
        if met.empty:
            notes.append(f"No row has {condition.column} = {condition.equals}, so `missing_where` changes nothing.")
        parts.append(met.assign(why=condition.why or f"{condition.column} = {condition.equals}"))
    return pd.concat(parts[1:] or parts, ignore_index=True).drop_duplicates(["unit", "period"]), notes


def _unique(rows: pd.DataFrame, wanted: list[str], name: str, *, split: bool) -> tuple[pd.DataFrame, list[Fault]]:
    """One row a unit and period: declared splits are added up, anything else is a duplicate."""
    rows = rows.sort_values(["unit", "period", LINE], kind="stable").reset_index(drop=True)
    again = rows.duplicated(["unit", "period", PART], keep=False)
    what = "several rows for one unit and period" + (", the columns of `sum_over` being equal" if split else "")
    remedy = "" if split else "; if a column splits them, name it in `source.sum_over` or `source.where`"
    faults = []
    for unit, group in rows[again].groupby("unit", sort=True):
        lines = ", ".join(map(str, group[LINE][:MOST_LINES])) + (" and more" if len(group) > MOST_LINES else "")
        where = f"{name} ({unit}, {periods.runs(group['period'])})"
        faults.append(Fault(what, where, f"keep one of the lines {lines}{remedy}"))
    first = rows.drop_duplicates(["unit", "period"]).drop(columns=[LINE, PART]).reset_index(drop=True)
    if split:
        # a sum with a missing part is a partial count, so it is missing too
        grouped = rows.groupby(["unit", "period"], sort=True, observed=True)[wanted]
        complete = grouped.count().eq(grouped.size().to_numpy()[:, None])
        first[wanted] = grouped.sum().where(complete).to_numpy()
    return first, listed(faults, "units with several rows for one period", name)
