"""Who joined when: the rollout table, read and checked."""

from __future__ import annotations

import pandas as pd

from evalkit import periods
from evalkit.errors import DataError, Fault
from evalkit.study import Study

BLANK = {"", "never", "Never", "NEVER"}


def read_roster(study: Study) -> tuple[pd.DataFrame, list[Fault]]:
    """The rollout as one row a unit, and what is wrong with it.

    Returns a frame indexed by unit with columns cohort (Period, missing for never), segment, region,
    cluster and any covariates it holds (text). Raises DataError when the table cannot be read at all.
    """
    rollout = study.protocol.rollout
    path = study.resolve(rollout.path)
    text = _read(study)
    faults = []
    unit = text[rollout.unit].where(text[rollout.unit].ne(""))
    line = pd.Series(range(2, len(text) + 2), index=text.index)
    for i in text.index[unit.isna()]:
        faults.append(Fault(f"column `{rollout.unit}` is blank", f"{path.name}:{line[i]}", "name the unit"))
    for name, again in line[unit.duplicated(keep=False) & unit.notna()].groupby(unit):
        lines = ", ".join(map(str, again))
        faults.append(Fault(f"unit {name} is listed {len(again)} times", f"{path.name}:{lines}", "keep one line"))
    joined = text[rollout.joined].where(~text[rollout.joined].isin(BLANK))
    cohort, refused = periods.parse_column(joined, study.frequency)
    for written, reason in refused.items():
        for i in joined.index[joined.eq(written)]:
            faults.append(Fault(f"unit {unit[i]}: {reason}", f"{path.name}:{line[i]}", "or leave it blank"))
    outside = cohort.notna() & ~study.in_window(cohort)
    first, last = study.protocol.window
    for i in text.index[outside]:
        fix = f"the window is {first} to {last}; widen it, or leave the date blank if the unit had not joined by then"
        faults.append(
            Fault(f"unit {unit[i]} joined in {cohort[i]}, outside the window", f"{path.name}:{line[i]}", fix)
        )
    roster = pd.DataFrame({"cohort": cohort.where(~outside)})
    for part, column in (("segment", rollout.segment), ("region", rollout.region)):
        roster[part] = text[column] if column else ""
    cluster = study.protocol.cluster
    roster["cluster"] = text[cluster] if cluster in text.columns and cluster != rollout.unit else unit
    for covariate in study.protocol.covariates:
        if covariate in text.columns:
            roster[covariate] = text[covariate]
    roster.index = pd.Index(unit, name="unit")
    return roster[~roster.index.isna() & ~roster.index.duplicated()].sort_index(), faults


def _read(study: Study) -> pd.DataFrame:
    rollout = study.protocol.rollout
    path = study.resolve(rollout.path)
    try:
        text = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except (UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError, OSError) as error:
        raise DataError(f"the rollout cannot be read ({error})", path.name, "save it as a plain UTF-8 CSV") from None
    text.columns = [str(c).strip() for c in text.columns]
    needed = {
        "unit": rollout.unit,
        "joined": rollout.joined,
        "segment": rollout.segment,
        "region": rollout.region,
    }
    faults = [
        Fault(f"has no column `{c}` (rollout.{part})", path.name, f"its columns are {', '.join(text.columns)}")
        for part, c in needed.items()
        if c is not None and c not in text.columns
    ]
    cluster = study.protocol.cluster
    known = {*text.columns, "unit", getattr(study.protocol.source, "unit", "unit")}
    if cluster is not None and cluster not in known:
        faults.append(Fault(f"has no column `{cluster}` (cluster)", path.name, "name `unit` or a rollout column"))
    if faults:
        raise DataError(faults)
    if text.empty:
        raise DataError("lists no unit", path.name, "give one line a unit; a blank joining date = has not joined")
    return text.apply(lambda column: column.str.strip())
