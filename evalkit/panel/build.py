"""Tidy rows and a rollout -> Panels, or every fault at once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from evalkit import numbers, periods
from evalkit.errors import DataError, Fault
from evalkit.panel import suspicions
from evalkit.panel.contract import breaches, by_unit
from evalkit.panel.distribution import distributed
from evalkit.panel.members import (
    Ledger,
    comparison_left,
    covariates_exist,
    entry_before_joining,
    membership,
    options_exist,
    some,
    with_covariates,
)
from evalkit.panel.merged import with_mergers
from evalkit.panel.panel import ROWS, UNITS, Panel
from evalkit.panel.programmes import spells
from evalkit.panel.released import NO_SIZE, Released, bounded, explained, release, said, undeclared
from evalkit.panel.roster import read_roster
from evalkit.panel.zeros import implausible
from evalkit.sources import Tidy
from evalkit.study import Outcome, Study
from evalkit.study.fields import Columns

KEYS = ["unit", "period"]


def build_all(study: Study, tidy: Tidy | None = None) -> dict[str, Panel]:
    """A panel for every outcome and measure of case mix, by name. Raises DataError with the faults of all of them."""
    tidy = release(study, tidy)
    panels: dict[str, Panel] = {}
    faults: list[Fault] = []
    for outcome in (*study.protocol.outcomes, *study.protocol.case_mix):
        try:
            panels[outcome.name] = build(study, outcome, tidy)
        except DataError as error:
            faults += error.faults
    if faults:
        raise DataError(dict.fromkeys(faults))
    return panels


def build(study: Study, outcome: Outcome | None = None, tidy: Tidy | None = None, *, started: bool = True) -> Panel:
    """The panel of one outcome (the primary one by default).

    started  whether somebody must have joined; without, a panel to plan on

    Raises DataError with every fault at once, each with unit, period and what to do.
    """
    outcome = outcome or study.primary
    tidy = release(study, tidy)
    try:
        roster, faults = read_roster(study)
    except DataError as error:
        raise DataError([*tidy.faults, *error.faults]) from None
    reached, unread = spells(study)
    ledger = Ledger([*tidy.faults, *faults, *unread], list(tidy.notes))
    listed = roster.index
    rows = tidy.rows[study.in_window(tidy.rows["period"])]
    roster = membership(study, roster, rows, ledger)
    roster = with_mergers(roster, rows)
    covariates_exist(study, roster, tidy.rows, ledger)
    options_exist(study, roster, ledger)
    entry_before_joining(study, roster, ledger)
    rows = rows[rows["unit"].isin(roster.index)]
    _columns_exist(rows, outcome)
    bands = _bands(rows, outcome, tidy.rule.error)
    rows, none = bounded(_values(rows, outcome), outcome, tidy.rule)
    missing = explained(tidy, outcome, tidy.missing)
    missing = pd.concat([missing, rows.loc[none, KEYS].assign(why=NO_SIZE)]) if none.any() else missing
    missing = missing[study.in_window(missing["period"])] if len(missing) else missing
    rows = _blanked(rows, none)
    ledger.warnings += [*said(study, outcome, tidy, rows), *undeclared(study, roster, tidy)]
    rows, missing = _not_reported(study, outcome, rows, missing, ledger)
    roster, rows = _units_with_data(outcome, roster, listed, rows, ledger, closed=tidy.rule.suppresses)
    ledger.faults += breaches(rows, outcome)
    distribution = distributed(outcome, rows, bands, ledger, tidy.rule.error)
    missing = _gaps(study, outcome, roster, rows, missing, ledger)
    comparison_left(study, roster, ledger, started=started)
    if ledger.faults:
        raise DataError(dict.fromkeys(ledger.faults))
    panel = _assemble(study, outcome, roster, _complete(rows, outcome), missing, tidy)
    reached = reached[reached["unit"].isin(panel.units.index)]
    panel = replace(panel, programmes=reached, distribution=distribution)
    return suspicions.annotate(panel, ledger.warnings)


def _complete(rows: pd.DataFrame, outcome: Outcome) -> pd.DataFrame:
    """The rows that have a value: of a ratio, both its parts."""
    there = rows["numerator"].notna() & (rows["denominator"].notna() | (outcome.denominator is None))
    return rows[there].copy()


def _values(rows: pd.DataFrame, outcome: Outcome) -> pd.DataFrame:
    """unit, period, numerator, denominator and the source's own unit name, freshly numbered."""
    out = rows[["unit", "period"]].copy()
    out["numerator"] = _figure(rows, outcome.measured)
    out["denominator"] = _figure(rows, outcome.denominator) if outcome.denominator else np.nan
    return out.sort_values(["unit", "period"]).reset_index(drop=True)


def _bands(rows: pd.DataFrame, outcome: Outcome, error: float) -> pd.DataFrame:
    """Counts by band, index (unit, period); empty where the outcome has no distribution.

    error  the most that rounding moves a count: what it alone puts below nought is nought
    """
    if outcome.distribution is None:
        return pd.DataFrame()
    figures = {i: _figure(rows, band.columns) for i, band in enumerate(outcome.distribution.bands)}
    if error:
        slack = [error * len(band.columns.names) for band in outcome.distribution.bands]
        figures = {i: each.mask((each < 0) & (each >= -slack[i]), 0.0) for i, each in figures.items()}
    return pd.DataFrame(figures).set_axis(pd.MultiIndex.from_frame(rows[["unit", "period"]]))


def _columns_exist(rows: pd.DataFrame, outcome: Outcome) -> None:
    absent = [c for c in outcome.columns if c not in rows.columns]
    if absent:
        have = ", ".join(c for c in rows.columns if c not in ("unit", "period", "unit_name"))
        raise DataError([Fault(f"the source has no column `{c}`", fix=f"it has {have}") for c in absent])


def _figure(rows: pd.DataFrame, columns: Columns) -> pd.Series:
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
    definite, zeros = (implausible(_blanked(rows, blank), outcome, strict=strict) for strict in (False, True))
    none = (rows["numerator"].eq(0) & rows["denominator"].eq(0)).to_numpy()  # 0 of 0
    policy = study.protocol.source.zeros
    if policy == "refuse":
        what = f"{outcome.name}: a count of zero where its size makes that implausible (not reported?)"
        fix = "say `zeros: missing` under `source` to treat them as not reported, or `zeros: keep` if they are real"
        ledger.faults += by_unit(rows[zeros], what, fix)
    elif policy == "missing":
        empty = definite | none
        blank = blank | empty
        ledger.warnings += _doubtful(rows, definite, zeros)
        missing = pd.concat([missing, rows.loc[empty, ["unit", "period"]].assign(why="zero for not reported")])
        missing = missing.drop_duplicates(["unit", "period"])
    else:
        blank = blank | none
        missing = pd.concat([missing, rows.loc[none, ["unit", "period"]].assign(why="none of none has no share")])
        missing = missing.drop_duplicates(["unit", "period"])
        if zeros.any():
            ledger.warnings.append(
                f"{zeros.sum()} implausible zeros were kept as the protocol says ({_which(rows[zeros])})."
            )
    return _blanked(rows, blank), missing


def _doubtful(rows: pd.DataFrame, definite: np.ndarray, zeros: np.ndarray) -> list[str]:
    """What was treated as not reported, and what looks like it and was left."""
    out = []
    if definite.any():
        out.append(f"{definite.sum()} implausible zeros were treated as not reported ({_which(rows[definite])}).")
    left = pd.Index(rows.loc[zeros & ~definite, "unit"].unique())
    if len(left):
        out.append(
            f"{len(left)} units of some size show no event, or nothing else, in every period and were left as they "
            f"are ({some(left, len(left))}); where nothing was reported, say so with `missing_where`."
        )
    return out


def _blanked(rows: pd.DataFrame, which: np.ndarray) -> pd.DataFrame:
    out = rows.copy()
    out.loc[which, ["numerator", "denominator"]] = np.nan
    return out


def _units_with_data(
    outcome: Outcome, roster: pd.DataFrame, listed: pd.Index, rows: pd.DataFrame, ledger: Ledger, *, closed: bool
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Drop unlisted units without any value; a listed one is a fault."""
    usable = rows["numerator"].notna() & (rows["denominator"].gt(0) if outcome.denominator else True)
    without = pd.Index(rows["unit"].unique()).difference(rows.loc[usable, "unit"].unique())
    remedy = "remove the unit from the rollout"
    if closed:
        remedy += ", or take longer periods if its counts are too small to be released"
    ledger.faults += [
        Fault(f"{outcome.name}: no usable value in the window", unit, remedy) for unit in without.intersection(listed)
    ]
    drop = without.difference(listed)
    if len(drop):
        ledger.warnings.append(
            f"{len(drop)} unlisted units have no value of this outcome and were left out ({some(drop)})."
        )
    return roster[~roster.index.isin(drop)], rows[~rows["unit"].isin(without)]


def _gaps(
    study: Study,
    outcome: Outcome,
    roster: pd.DataFrame,
    rows: pd.DataFrame,
    missing: pd.DataFrame,
    ledger: Ledger,
) -> pd.DataFrame:
    """Periods missing inside a unit's life; a fault where they would be analysed and nothing explains them."""
    held = _complete(rows, outcome)
    code, names = pd.factorize(held["unit"], sort=True)
    at = study.window.get_indexer(pd.PeriodIndex(held["period"]))
    there = np.zeros((len(names), len(study.window)), bool)
    there[code[at >= 0], at[at >= 0]] = True
    alive = np.maximum.accumulate(there, axis=1) & np.maximum.accumulate(there[:, ::-1], axis=1)[:, ::-1]
    unit, column = np.nonzero(alive & ~there)
    gaps = pd.DataFrame({"unit": names[unit], "period": study.window[column]})
    known = pd.MultiIndex.from_frame(missing[["unit", "period"]]) if len(missing) else None
    if known is not None and len(gaps):
        gaps = gaps[~pd.MultiIndex.from_frame(gaps).isin(known)]
    cohort = roster["cohort"].reindex(gaps["unit"]).set_axis(gaps.index)
    analysed = np.isin(study.phases(cohort, gaps["period"]), ("pre", "post"))
    if study.protocol.source.gaps == "refuse":
        what = f"{outcome.name}: no value inside the unit's life"
        ledger.faults += by_unit(gaps[analysed], what, "supply the months, or say `gaps: allow` under `source`")
        gaps = gaps[~analysed]
    if len(gaps):
        ledger.warnings.append(f"{len(gaps)} unit-periods are missing inside a unit's life ({_which(gaps)}).")
    units = rows["unit"].unique()
    known_here = missing[missing["unit"].isin(units)] if len(missing) else missing
    return pd.concat([known_here, gaps.assign(why="no value in the source")], ignore_index=True)


def _assemble(
    study: Study, outcome: Outcome, roster: pd.DataFrame, rows: pd.DataFrame, missing: pd.DataFrame, tidy: Released
) -> Panel:
    ratio = outcome.denominator is not None
    rows["value"] = outcome.scale * rows["numerator"] / rows["denominator"] if ratio else rows["numerator"]
    rows["cohort"] = rows["unit"].map(roster["cohort"]).astype(f"period[{study.window.freqstr}]")
    rows["phase"] = study.phases(rows["cohort"], rows["period"])
    rows["t"] = study.time(rows["period"])
    names = tidy.rows.drop_duplicates("unit", keep="last").set_index("unit")
    units = roster.assign(name=names["unit_name"].reindex(roster.index) if "unit_name" in names else "")
    units, varying = with_covariates(study, units, tidy.rows)
    units = units[[*UNITS, *(c for c in units.columns if c not in UNITS)]].fillna(
        {"name": "", "segment": "", "region": ""}
    )
    indexed = rows.set_index(["unit", "period"])[ROWS].sort_index()
    return Panel(study, outcome, indexed, units, missing, varying, tidy.files)


def _which(rows: pd.DataFrame, most: int = 3) -> str:
    parts = [f"{unit} {periods.runs(group['period'])}" for unit, group in rows.groupby("unit", sort=True)]
    return "; ".join(parts[:most]) + (
        f"; and {numbers.of(len(parts) - most, 'more unit')}" if len(parts) > most else ""
    )
