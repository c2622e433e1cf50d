"""Which units a panel is about: those the rollout lists, and those the protocol takes in or leaves out."""

from __future__ import annotations

from dataclasses import dataclass, field
from difflib import get_close_matches

import numpy as np
import pandas as pd

from evalkit import numbers, periods
from evalkit.errors import Fault
from evalkit.panel.roster import clusters_by_unit
from evalkit.study import Study

BLANK = ("", "nan", "<NA>", "None")


@dataclass
class Ledger:
    """What building a panel found: faults stop it, warnings go with it."""

    faults: list[Fault] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def membership(study: Study, roster: pd.DataFrame, rows: pd.DataFrame, ledger: Ledger) -> pd.DataFrame:
    """The roster of the study: units listed, plus comparison units that the protocol takes in."""
    rollout, present = study.protocol.rollout, pd.Index(rows["unit"].unique())
    if rows.empty:
        first, last = study.protocol.window
        what = f"the data have no row from {periods.code(first)} to {periods.code(last)}"
        ledger.faults.append(Fault(what, study.protocol.source.path, "correct `window`, or supply the periods"))
        return roster
    merged = _merged(rows)
    spelt = {str(unit).casefold(): str(unit) for unit in present}
    for unit in roster.index.difference(present):
        close = get_close_matches(str(unit).casefold(), spelt, n=1, cutoff=0.99)
        fix = f"the data have {spelt[close[0]]}" if close else "correct the code, or remove the line"
        if str(unit) in merged:
            fix = f"its counts are part of {merged[str(unit)]} since a merger: list that unit alone, joined or not"
        ledger.faults.append(Fault(f"unit {unit} of the rollout has no row in the window", rollout.path, fix))
    unlisted = present.difference(roster.index)
    if len(unlisted) and rollout.unlisted == "never_joined":
        if not clusters_by_unit(study):
            what = f"{len(unlisted)} units that the rollout does not list have no `{study.protocol.cluster}`"
            fix = f"list them in {rollout.path} with a blank joining date ({some(unlisted)})"
            ledger.faults.append(Fault(what, study.path.name, fix))
        extra = pd.DataFrame({"segment": "", "region": "", "cluster": unlisted}, index=unlisted)
        roster = pd.concat([roster, extra.reindex(columns=roster.columns)]).sort_index()
        roster["cohort"] = roster["cohort"].astype(f"period[{study.window.freqstr}]")
        ledger.warnings.append(f"{len(unlisted)} units that the rollout does not list count as never joined.")
    elif len(unlisted):
        ledger.warnings.append(
            f"{len(unlisted)} units have data but are not in the rollout, and were left out "
            f"({some(unlisted)}); list them with a blank date to compare with them."
        )
    return _chosen_comparison(study, roster, ledger)


def _merged(rows: pd.DataFrame) -> dict[str, str]:
    """Code as published -> the unit that its counts are added to, where a source adds up organisations."""
    if "published_codes" not in rows:
        return {}
    pairs = rows[["unit", "published_codes"]].drop_duplicates().itertuples(index=False)
    return {code: str(unit) for unit, codes in pairs for code in str(codes).split("+") if code != unit}


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


def covariates_exist(study: Study, roster: pd.DataFrame, rows: pd.DataFrame, ledger: Ledger) -> None:
    """Every covariate that the protocol names is a column of the rollout or of the source."""
    for covariate in study.protocol.covariates:
        if not _given(roster, covariate) and covariate not in rows.columns:
            what = f"covariate `{covariate}` is a column of neither the rollout nor the source"
            ledger.faults.append(Fault(what, study.path.name, "correct or remove it"))
        elif _given(roster, covariate) and roster[covariate].astype(str).str.strip().isin(BLANK).any():
            blank = roster.index[roster[covariate].astype(str).str.strip().isin(BLANK)]
            what = f"covariate `{covariate}` is blank for {numbers.of(len(blank), 'unit')} ({some(blank)})"
            ledger.faults.append(
                Fault(what, study.protocol.rollout.path, "fill it in, or leave it out of `covariates`")
            )


def _given(units: pd.DataFrame, column: str) -> bool:
    """Whether the rollout gives a column; region and segment stand there blank where it does not."""
    return column in units.columns and not units[column].astype(str).str.strip().isin(BLANK).all()


def options_exist(study: Study, roster: pd.DataFrame, ledger: Ledger) -> None:
    """Every column and outcome that the options of a design name is there, and a dose is a number."""
    model, where = study.protocol.model, study.path.name
    known = [o.name for o in study.protocol.outcomes]
    for part in ("triple_differences", "controlled_its"):
        name = getattr(model, part).outcome
        if name is not None and name not in known:
            what = f"`model.{part}.outcome` names {name}, which is no outcome of the protocol"
            ledger.faults.append(Fault(what, where, f"use one of: {', '.join(known)}"))
    dose = model.dose.column
    if dose is None:
        return
    if dose not in roster.columns:
        what = f"`model.dose.column` names {dose}, which is no column of the rollout"
        ledger.faults.append(Fault(what, where, "correct it, or add the column"))
        return
    joined = roster.index[roster["cohort"].notna()]
    lacking = joined[pd.to_numeric(roster.loc[joined, dose], errors="coerce").isna()]
    if len(lacking):
        what = f"`{dose}` is not a number in {numbers.of(len(lacking), 'joined unit')} ({some(lacking)})"
        ledger.faults.append(Fault(what, study.protocol.rollout.path, "give every joined unit its dose as a number"))


def entry_before_joining(study: Study, roster: pd.DataFrame, ledger: Ledger) -> None:
    """The periods that decided who joins end before anybody joined."""
    entry, cohorts = study.protocol.entry, pd.PeriodIndex(roster["cohort"].dropna().unique())
    waves = cohorts[study.time(cohorts) > 0]  # who had joined from the outset is in no comparison
    if entry is None or entry.over is None or not len(waves):
        return
    end = entry.over[1]
    if (study.time(waves) - study.time(pd.PeriodIndex([end]))).min() <= 0:
        what = f"`entry.over` ends in {periods.code(end)}, and the first units joined in {periods.code(waves.min())}"
        ledger.faults.append(Fault(what, study.path.name, "end it before anybody joined"))


def with_covariates(study: Study, units: pd.DataFrame, rows: pd.DataFrame) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """The units with the covariates that only the source has, and those that change over time within units.

    Only a covariate that stays as it is in every unit can describe the unit: its value is added. Of the
    others the column is missing.
    """
    varying = []
    for covariate in study.protocol.covariates:
        if _given(units, covariate) or covariate not in rows.columns:
            continue
        known = rows[~rows[covariate].astype(str).str.strip().isin(BLANK)]
        by_unit = known.groupby("unit", observed=True)[covariate]
        if by_unit.nunique().gt(1).any():
            varying.append(covariate)
            units = units.assign(**{covariate: np.nan})
        else:
            units = units.assign(**{covariate: by_unit.first().reindex(units.index)})
    return units, tuple(varying)


def comparison_left(study: Study, roster: pd.DataFrame, ledger: Ledger, *, started: bool = True) -> None:
    """Somebody joined, if the collaborative has started, and where a comparison is wanted somebody is left for it."""
    comparison = study.protocol.comparison
    cohorts = roster["cohort"].dropna().unique()
    where = study.path.name
    if started and not len(cohorts):
        fix = "give at least one a joining date; before anybody has joined, plan with `evalkit power`"
        ledger.faults.append(Fault("no unit joined", study.protocol.rollout.path, fix))
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


def some(units: pd.Index, most: int = 5) -> str:
    """The first few names, and how many more there are."""
    listed = ", ".join(map(str, units[:most]))
    return f"{listed} and {len(units) - most} more" if len(units) > most else listed
