"""Other programmes: which units they reached, from when to when, as the rollout says."""

from __future__ import annotations

import pandas as pd

from evalkit import periods
from evalkit.errors import DataError, Fault
from evalkit.panel.panel import SPELLS
from evalkit.sources._table import Table, read_table, require_columns
from evalkit.study import Study
from evalkit.study.fields import Programme


def spells(study: Study) -> tuple[pd.DataFrame, list[Fault]]:
    """One row for each unit that a programme reached, columns `SPELLS`, and what is wrong with the dates.

    Empty where the protocol declares no programme.
    """
    declared, path = study.protocol.programmes, study.resolve(study.protocol.rollout.path)
    nothing = pd.DataFrame(columns=SPELLS).astype({"first": f"period[{study.window.freqstr}]"})
    if not declared:
        return nothing, []
    try:
        table = read_table(path)
        needed = {c: "programmes" for p in declared for c in (p.started, p.ended) if c is not None}
        require_columns(table, needed, path.name)
    except DataError as error:
        return nothing, list(error.faults)
    found, faults = [], []
    for programme in declared:
        rows, wrong = _spells(study, programme, table, path.name)
        found.append(rows)
        faults += wrong
    return pd.concat(found, ignore_index=True), faults


def _spells(study: Study, programme: Programme, table: Table, name: str) -> tuple[pd.DataFrame, list[Fault]]:
    unit = table.cells[study.protocol.rollout.unit]
    first, faults = _dates(study, programme.started, table, name)
    last = pd.Series(pd.PeriodIndex([pd.NaT] * len(unit), freq=study.window.freqstr), index=unit.index)
    if programme.ended is not None:
        last, more = _dates(study, programme.ended, table, name)
        faults += more
        for i in unit.index[last.notna() & first.isna() & table.cells[programme.started].eq("")]:
            what = f"unit {unit[i]}: `{programme.ended}` is given and `{programme.started}` is blank"
            faults.append(Fault(what, f"{name}:{table.line[i]}", "say when it began, or leave both blank"))
    for i in unit.index[(last < first).fillna(value=False)]:
        what = f"unit {unit[i]}: {programme.label} ends before it begins"
        faults.append(Fault(what, f"{name}:{table.line[i]}", f"correct `{programme.started}` or `{programme.ended}`"))
    rows = pd.DataFrame({"unit": unit, "programme": programme.label, "first": first, "last": last})
    return rows[first.notna()], faults


def _dates(study: Study, column: str, table: Table, name: str) -> tuple[pd.Series, list[Fault]]:
    text = table.cells[column]
    found, refused = periods.parse_column(text.where(text.ne("")), study.frequency)
    faults = [
        Fault(f"`{column}`: {reason}", f"{name}:{table.line[i]}", "leave it blank if the programme did not reach it")
        for written, reason in refused.items()
        for i in text.index[text.eq(written)]
    ]
    return found, faults
