"""Who joined when: the rollout table, read and checked."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from evalkit import periods
from evalkit.disclosure import RULES, control
from evalkit.errors import DataError, Fault
from evalkit.sources._table import Table, listed, read_table, require_columns
from evalkit.study import Study
from evalkit.study.protocol import Rollout

OWN = ("merged", "apart_on_joining")  # what a panel says of mergers
BLANK = {"", "never", "Never", "NEVER"}


def read_roster(study: Study) -> tuple[pd.DataFrame, list[Fault]]:
    """The rollout as one row a unit, and what is wrong with it.

    Returns a frame indexed by unit with columns cohort (Period, missing for never), segment, region,
    merged, cluster and any covariates it holds (text). Raises DataError when the table cannot be read at all.
    """
    rollout = study.protocol.rollout
    path = study.resolve(rollout.path)
    table = _read(study)
    text, line = table.cells, table.line
    unit, faults = _units(table, rollout.unit, path.name)
    joined = text[rollout.joined].where(~text[rollout.joined].isin(BLANK))
    cohort, refused = periods.parse_column(joined, study.frequency)
    for written, reason in refused.items():
        for i in joined.index[joined.eq(written)]:
            fix = "leave it blank if the unit has not joined"
            faults.append(Fault(f"unit {unit[i]}: {reason}", f"{path.name}:{line[i]}", fix))
    outside = cohort.notna() & ~study.in_window(cohort)
    first, last = study.protocol.window
    for i in text.index[outside]:
        instead = "remove the unit" if cohort[i] < first else "leave the date blank: it had not joined by then"
        fix = f"the window is {periods.code(first)} to {periods.code(last)}; widen it, or {instead}"
        what = f"unit {unit[i]} joined in {periods.code(cohort[i])}, outside the window"
        faults.append(Fault(what, f"{path.name}:{line[i]}", fix))
    roster = pd.DataFrame({"cohort": cohort.where(~outside)})
    for part, column in _described(rollout):
        roster[part] = text[column] if column else ""
    roster["cluster"], unclustered = _clusters(study, table, unit)
    for column in dict.fromkeys((*study.protocol.covariates, study.protocol.model.dose.column)):
        if column in OWN and column in text.columns:
            what = f"a covariate or dose cannot be called `{column}`: the panel has a column of that name"
            faults.append(Fault(what, path.name, "rename the column"))
        elif column in text.columns:
            roster[column] = text[column]
    roster.index = pd.Index(unit, name="unit")
    roster = roster[~roster.index.isna() & ~roster.index.duplicated()].sort_index()
    roster, unreleased = _released(study, roster)
    return roster, [*faults, *unclustered, *unreleased]


def _released(study: Study, roster: pd.DataFrame) -> tuple[pd.DataFrame, list[Fault]]:
    """The roster with what counts people as it is released, blank where suppressed, and faults."""
    rule, columns = RULES[study.protocol.disclosure], [c for c in study.protocol.people if c in roster.columns]
    if not rule.changes or not columns:
        return roster, []
    counts = roster[columns].apply(pd.to_numeric, errors="coerce").astype(float)
    keys = pd.DataFrame({"unit": roster.index, "period": 0}, index=roster.index)
    found, hidden = control(counts, keys, rule)
    texts = found.apply(lambda column: column.map(lambda count: "" if pd.isna(count) else str(int(count))))
    where = study.protocol.rollout.path
    faults = [
        Fault(f"`{name}` counts people and holds figures that are not whole numbers", where, "correct it")
        for name in columns
        if (counts[name].dropna() % 1 != 0).any()
    ]
    faults += [
        Fault(
            f"`{name}` is suppressed for {hidden[name].sum()} units (disclosure control), and designs need it of all",
            where,
            "put it in broad groups, or leave it out",
        )
        for name in columns
        if hidden[name].any()
    ]
    return roster.assign(**{name: texts[name] for name in columns}), faults


def _units(table: Table, column: str, name: str) -> tuple[pd.Series, list[Fault]]:
    """The unit of each line, and lines without one or with a repeated one. Raises DataError without any."""
    text, line = table.cells[column], table.line
    unit = text.where(text.ne(""))
    blank = unit.index[unit.isna()]
    faults = [Fault(f"column `{column}` is blank", f"{name}:{line[i]}", "name the unit") for i in blank]
    if unit.isna().all():
        raise DataError(listed(faults, "lines name no unit", name))
    for code, again in line[unit.duplicated(keep=False) & unit.notna()].groupby(unit):
        lines = ", ".join(map(str, again))
        faults.append(Fault(f"unit {code} is listed {len(again)} times", f"{name}:{lines}", "keep one line"))
    return unit, faults


def _described(rollout: Rollout) -> tuple[tuple[str, str | None], ...]:
    """What may be said of a unit, and the column that says it."""
    return ("segment", rollout.segment), ("region", rollout.region), ("merged", rollout.merged)


def clusters_by_unit(study: Study) -> bool:
    """Whether standard errors are clustered on the units themselves."""
    protocol = study.protocol
    own = {None, "unit", protocol.rollout.unit, getattr(protocol.source, "unit", "unit")}
    return protocol.cluster in own


def _clusters(study: Study, table: Table, unit: pd.Series) -> tuple[pd.Series, list[Fault]]:
    if clusters_by_unit(study):
        return unit, []
    cluster = str(study.protocol.cluster)
    name, column = Path(study.protocol.rollout.path).name, table.cells[cluster]
    faults = [
        Fault(f"unit {unit[i]} has no `{cluster}` to cluster on", f"{name}:{table.line[i]}", "fill it in")
        for i in column.index[column.eq("") & unit.notna()]
    ]
    return column, faults


def _read(study: Study) -> Table:
    protocol, rollout = study.protocol, study.protocol.rollout
    path = study.resolve(rollout.path)
    table = read_table(path)
    if not table.utf8:
        raise DataError("is not UTF-8 text", path.name, "save it as UTF-8")
    needed = {rollout.unit: "rollout.unit", rollout.joined: "rollout.joined"}
    for part, column in _described(rollout):
        if column is not None:
            needed.setdefault(column, f"rollout.{part}")
    if not clusters_by_unit(study):
        needed.setdefault(str(protocol.cluster), "cluster: name `unit` or a column of the rollout")
    require_columns(table, needed, path.name)
    if table.cells.empty:
        raise DataError("lists no unit", path.name, "give one line a unit; a blank joining date = has not joined")
    return table
