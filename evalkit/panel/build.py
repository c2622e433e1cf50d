"""Tidy rows and a rollout -> Panels, or every fault at once."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from evalkit.errors import DataError, Fault
from evalkit.panel import suspicions
from evalkit.panel.contract import breaches, by_unit, runs
from evalkit.panel.panel import ROWS, Panel
from evalkit.panel.roster import read_roster
from evalkit.panel.zeros import implausible
from evalkit.sources import Tidy, read
from evalkit.study import Outcome, Study
from evalkit.study.fields import Columns


@dataclass
class Ledger:
    """What building a panel found: faults stop it, warnings go with it."""

    faults: list[Fault] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def build_all(study: Study, tidy: Tidy | None = None) -> dict[str, Panel]:
    """A panel for every outcome, by name. Raises DataError with the faults of all of them."""
    tidy = read(study) if tidy is None else tidy
    panels: dict[str, Panel] = {}
    faults: list[Fault] = []
    for outcome in study.protocol.outcomes:
        try:
            panels[outcome.name] = build(study, outcome, tidy)
        except DataError as error:
            faults += error.faults
    if faults:
        raise DataError(dict.fromkeys(faults))
    return panels


def build(study: Study, outcome: Outcome | None = None, tidy: Tidy | None = None) -> Panel:
    """The panel of one outcome (the primary one by default).

    Raises DataError with every fault at once, each with unit, period and what to do.
    """
    outcome = outcome or study.primary
    tidy = read(study) if tidy is None else tidy
    roster, faults = read_roster(study)
    ledger = Ledger([*tidy.faults, *faults], list(tidy.notes))
    rows = tidy.rows[study.in_window(tidy.rows["period"])]
    roster = _membership(study, roster, rows, ledger)
    rows = _values(rows[rows["unit"].isin(roster.index)], outcome)
    missing = tidy.missing[study.in_window(tidy.missing["period"])] if len(tidy.missing) else tidy.missing
    rows, missing = _not_reported(study, outcome, rows, missing, ledger)
    ledger.faults += breaches(rows, outcome)
    roster, rows = _units_with_data(study, outcome, roster, rows, ledger)
    missing = _gaps(study, outcome, rows, missing, ledger)
    _comparison(study, roster, ledger)
    if ledger.faults:
        raise DataError(dict.fromkeys(ledger.faults))
    panel = _assemble(study, outcome, roster, rows, missing, tidy)
    return suspicions.annotate(panel, ledger.warnings)


def _membership(study: Study, roster: pd.DataFrame, rows: pd.DataFrame, ledger: Ledger) -> pd.DataFrame:
    """The roster of the study: units listed, plus comparison units that the protocol takes in."""
    rollout, present = study.protocol.rollout, pd.Index(rows["unit"].unique())
    for unit in roster.index.difference(present):
        fix = "correct the code, or remove the line"
        ledger.faults.append(Fault(f"unit {unit} of the rollout has no row in the data", rollout.path, fix))
    unlisted = present.difference(roster.index)
    if len(unlisted) and rollout.unlisted == "never_joined":
        extra = pd.DataFrame({"segment": "", "region": "", "cluster": unlisted}, index=unlisted)
        roster = pd.concat([roster, extra.reindex(columns=roster.columns)]).sort_index()
        roster["cohort"] = roster["cohort"].astype(f"period[{study.window.freqstr}]")
        ledger.warnings.append(f"{len(unlisted)} units that the rollout does not list count as never joined.")
    elif len(unlisted):
        ledger.warnings.append(
            f"{len(unlisted)} units have data but are not in the rollout, and were left out "
            f"({_some(unlisted)}); list them with a blank date to compare with them."
        )
    return _chosen_comparison(study, roster, ledger)


def _chosen_comparison(study: Study, roster: pd.DataFrame, ledger: Ledger) -> pd.DataFrame:
    chosen = study.protocol.comparison
    if not isinstance(chosen, tuple):
        return roster
    for unit in chosen:
        if unit not in roster.index:
            ledger.faults.append(Fault(f"comparison unit {unit} is not in the rollout", study.path.name, "add it"))
        elif pd.notna(roster.loc[unit, "cohort"]):
            ledger.faults.append(
                Fault(
                    f"comparison unit {unit} joined itself",
                    study.path.name,
                    "compare with units that did not",
                )
            )
    keep = roster["cohort"].notna() | roster.index.isin(chosen)
    if (~keep).any():
        ledger.warnings.append(f"{(~keep).sum()} units that never joined are not in the chosen comparison.")
    return roster[keep]


def _values(rows: pd.DataFrame, outcome: Outcome) -> pd.DataFrame:
    """unit, period, numerator, denominator and the source's own unit name, freshly numbered."""
    out = rows[["unit", "period"]].copy()
    out["numerator"] = _figure(rows, outcome.measured)
    out["denominator"] = _figure(rows, outcome.denominator) if outcome.denominator else np.nan
    return out.sort_values(["unit", "period"]).reset_index(drop=True)


def _figure(rows: pd.DataFrame, columns: Columns) -> pd.Series:
    absent = [c for c in columns.names if c not in rows.columns]
    if absent:
        have = ", ".join(c for c in rows.columns if c not in ("unit", "period", "unit_name"))
        raise DataError([Fault(f"the source has no column `{c}`", fix=f"it has {have}") for c in absent])
    plus = rows[list(columns.plus)].sum(axis=1, skipna=False)
    return plus - rows[list(columns.minus)].sum(axis=1, skipna=False)


def _not_reported(
    study: Study, outcome: Outcome, rows: pd.DataFrame, missing: pd.DataFrame, ledger: Ledger
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Blank the unit-periods that were not reported, declared or recognised by an implausible zero."""
    value = rows["numerator"] + rows["denominator"] if outcome.denominator else rows["numerator"]
    blank = value.isna().to_numpy()
    if len(missing):  # a source explains absences of any of its measures: keep those of this outcome
        here = pd.MultiIndex.from_frame(missing[["unit", "period"]])
        reported = pd.MultiIndex.from_frame(rows.loc[~blank, ["unit", "period"]])
        missing = missing[~here.isin(reported)]
    zeros = implausible(_blanked(rows, blank), outcome)
    policy = study.protocol.source.zeros
    if policy == "refuse":
        what = f"{outcome.name}: a count of zero where its size makes that implausible (not reported?)"
        fix = "say `zeros: missing` under `source` to treat them as not reported, or `zeros: keep` if they are real"
        ledger.faults += by_unit(rows[zeros], what, fix)
    elif policy == "missing":
        empty = zeros | (rows["denominator"].eq(0).to_numpy() if outcome.denominator else False)
        blank = blank | empty
        missing = pd.concat([missing, rows.loc[empty, ["unit", "period"]].assign(why="zero for not reported")])
    elif zeros.any():
        ledger.warnings.append(
            f"{zeros.sum()} implausible zeros were kept as the protocol says ({_which(rows[zeros])})."
        )
    return _blanked(rows, blank), missing


def _blanked(rows: pd.DataFrame, which: np.ndarray) -> pd.DataFrame:
    out = rows.copy()
    out.loc[which, ["numerator", "denominator"]] = np.nan
    return out


def _units_with_data(
    study: Study, outcome: Outcome, roster: pd.DataFrame, rows: pd.DataFrame, ledger: Ledger
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Drop unlisted units without any value; a listed one is a fault."""
    usable = rows["numerator"].notna() & (rows["denominator"].gt(0) if outcome.denominator else True)
    without = pd.Index(rows["unit"].unique()).difference(rows.loc[usable, "unit"].unique())
    listed = without.intersection(read_roster(study)[0].index)
    ledger.faults += [
        Fault(f"{outcome.name}: no usable value in the window", unit, "remove the unit from the rollout")
        for unit in listed
    ]
    drop = without.difference(listed)
    if len(drop):
        ledger.warnings.append(
            f"{len(drop)} unlisted units have no value of this outcome and were left out ({_some(drop)})."
        )
        about = [f for f in ledger.faults if f.where.split(",")[0] not in set(drop)]
        ledger.faults[:] = about
    return roster[~roster.index.isin(drop)], rows[~rows["unit"].isin(drop)]


def _gaps(study: Study, outcome: Outcome, rows: pd.DataFrame, missing: pd.DataFrame, ledger: Ledger) -> pd.DataFrame:
    """Periods missing inside a unit's life, explained or not."""
    matrix = rows.assign(there=rows["numerator"].notna()).pivot_table(
        index="unit", columns="period", values="there", aggfunc="max", observed=True
    )
    there = matrix.reindex(columns=study.window).eq(True).to_numpy()
    alive = np.maximum.accumulate(there, axis=1) & np.maximum.accumulate(there[:, ::-1], axis=1)[:, ::-1]
    unit, column = np.nonzero(alive & ~there)
    gaps = pd.DataFrame({"unit": matrix.index[unit], "period": study.window[column]})
    known = pd.MultiIndex.from_frame(missing[["unit", "period"]]) if len(missing) else None
    if known is not None and len(gaps):
        gaps = gaps[~pd.MultiIndex.from_frame(gaps).isin(known)]
    if study.protocol.source.gaps == "refuse":
        what = f"{outcome.name}: no value inside the unit's life"
        ledger.faults += by_unit(gaps, what, "supply the months, or say `gaps: allow` under `source`")
    elif len(gaps):
        ledger.warnings.append(f"{len(gaps)} unit-periods are missing inside a unit's life ({_which(gaps)}).")
    units = rows["unit"].unique()
    known_here = missing[missing["unit"].isin(units)] if len(missing) else missing
    return pd.concat([known_here, gaps.assign(why="no value in the source")], ignore_index=True)


def _comparison(study: Study, roster: pd.DataFrame, ledger: Ledger) -> None:
    comparison = study.protocol.comparison
    cohorts = roster["cohort"].dropna().unique()
    where = study.path.name
    if not len(cohorts):
        ledger.faults.append(Fault("no unit joined", study.protocol.rollout.path, "give at least one a joining date"))
    if comparison in (None, "none") or isinstance(comparison, tuple):
        return
    how = " at once" if len(cohorts) == 1 else ""
    if roster["cohort"].notna().all() and (comparison == "never_joined" or len(cohorts) == 1):
        ledger.faults.append(
            Fault(
                f"all {len(roster)} units joined{how}, so nobody is left to compare with",
                where,
                "add units that did not join, say `comparison: not_yet_joined` if they joined in waves, "
                "or `comparison: none` for an interrupted time series alone",
            )
        )


def _assemble(
    study: Study, outcome: Outcome, roster: pd.DataFrame, rows: pd.DataFrame, missing: pd.DataFrame, tidy: Tidy
) -> Panel:
    rows = rows[rows["numerator"].notna()].copy()
    ratio = outcome.denominator is not None
    rows["value"] = outcome.scale * rows["numerator"] / rows["denominator"] if ratio else rows["numerator"]
    rows["cohort"] = rows["unit"].map(roster["cohort"]).astype(f"period[{study.window.freqstr}]")
    rows["phase"] = study.phases(rows["cohort"], rows["period"])
    rows["t"] = study.time(rows["period"])
    names = tidy.rows.drop_duplicates("unit", keep="last").set_index("unit")
    units = roster.assign(name=names["unit_name"].reindex(roster.index) if "unit_name" in names else "")
    first = ["cohort", "name", "segment", "region", "cluster"]
    units = units[[*first, *(c for c in units.columns if c not in first)]].fillna(
        {"name": "", "segment": "", "region": ""}
    )
    return Panel(study, outcome, rows.set_index(["unit", "period"])[ROWS].sort_index(), units, missing, tidy.files)


def _some(units: pd.Index, most: int = 5) -> str:
    listed = ", ".join(map(str, units[:most]))
    return f"{listed} and {len(units) - most} more" if len(units) > most else listed


def _which(rows: pd.DataFrame, most: int = 3) -> str:
    parts = [f"{unit} {runs(group['period'])}" for unit, group in rows.groupby("unit", sort=True)]
    return "; ".join(parts[:most]) + (f"; and {len(parts) - most} more units" if len(parts) > most else "")
