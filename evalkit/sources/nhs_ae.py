"""NHS England's monthly A&E provider CSV files, exactly as published -> tidy counts.

Reads a folder of files (one month each, any revision), checks them against themselves,
blanks what was not reported, and adds predecessors to their successors. The files are
only read. Everything wrong in any of them is said at once.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd

from evalkit.catalogue import home
from evalkit.errors import DataError, Fault
from evalkit.sources.mergers import merge
from evalkit.sources.nhs_ae_checks import (
    explain_missing,
    field_test_note,
    gaps,
    impossible,
    not_reported,
    reconcile,
)
from evalkit.sources.nhs_ae_files import RETRIEVED, latest_revisions, list_folder, read_raw, retrieval_dates
from evalkit.sources.nhs_ae_layout import TYPES
from evalkit.sources.nhs_ae_rows import Month, read_month
from evalkit.sources.successions import Successions, load
from evalkit.sources.tidy import SourceFile, Tidy
from evalkit.study import Study
from evalkit.study.protocol import NhsAeSource

FOUR_HOUR = tuple(f"{kind}_{what}_4h" for kind in (*TYPES, "all") for what in ("over", "within"))
"""The measures that a trust in a field test of other standards did not report."""

_VIA_AE = ("type1_emergency_admissions", "type2_emergency_admissions", "other_ae_emergency_admissions")

MEASURES: tuple[str, ...] = (
    *(f"{kind}_{what}" for kind in (*TYPES, "all") for what in ("attendances", "over_4h", "within_4h")),
    "dta_4_12h",
    "dta_over_12h",
    *_VIA_AE,
    "other_emergency_admissions",
    "ae_emergency_admissions",
)
"""The measure columns of `read(...).rows`: counts of attendances, patients or admissions a month."""

_LABELS = ("unit", "period", "unit_name", "region", "published_codes")


def read(folder: Path, successions: Successions | None = None) -> Tidy:
    """Read every monthly A&E provider file in `folder`.

    Rows: one per unit and month (Period, monthly), sorted by both; `unit`, `period`,
    `unit_name` (the latest published), `region` (Parent Org), `published_codes` ("RD3+RDZ"
    where several codes were added up), then MEASURES as floats: counts, booked appointments
    included, NaN where missing. `all` is Type 1, Type 2 and other together;
    `ae_emergency_admissions` is the sum of the three kinds via A&E. Rates are for the reader
    to derive, with `within_4h` over `over_4h + within_4h`, never over `attendances`: a trust
    that did not report the four-hour standard has attendances all the same.

    Four-hour measures of a provider-month that did not report them are missing; this is
    decided on the published rows, before `successions` (None: keep the published codes)
    adds them up, so a merged unit with one such part is missing too.

    Raises DataError with every fault in every file: an unreadable folder or file, missing or
    repeated columns, cells that are not counts, disagreeing months, repeated organisations,
    two files for one month that cannot be ordered.
    """
    listing = list_folder(folder)
    months, superseded, unknown = _read_files(folder, listing.files)
    current = sorted(
        (month for month in months if month.record.name not in superseded), key=lambda month: month.period
    )
    published = pd.concat([month.rows for month in current], ignore_index=True)
    notes = [*listing.notes, *unknown]
    notes += [*(f"{old} is superseded by {new}." for old, new in superseded.items())]
    sums = {month.record.name: reconcile(month) for month in current}
    for month in current:
        notes += [*month.notes, *sums[month.record.name]]
    notes += [*gaps(month.period for month in current), *field_test_note(published)]
    files = tuple(_noted(month.record, superseded) for month in months)
    quoting = tuple(note for found in sums.values() for note in found)
    tidy = Tidy(_measures(published), files, explain_missing(published), tuple(notes), quoting=quoting)
    return _finished(merge(tidy, MEASURES, successions or Successions()))


def four_hour_performance(rows: pd.DataFrame, kind: str = "all") -> pd.Series:
    """Share of attendances within 4 hours in each period, over the units that reported.

    `rows` as read; `kind` is type1, type2, other or all. Index period, values 0 to 1, NaN
    where nobody reported. Units whose four-hour measures are missing count on neither side.
    """
    counts = rows[[f"{kind}_within_4h", f"{kind}_over_4h"]].dropna()
    sums = counts.groupby(rows["period"]).sum().reindex(sorted(rows["period"].unique()))
    share = sums[f"{kind}_within_4h"] / sums.sum(axis=1)
    return share.rename(f"{kind}_within_4h_share").rename_axis("period")


def read_study(study: Study) -> Tidy:
    """The folder that a protocol names, with its succession table or the workbench's own."""
    source = study.protocol.source
    assert isinstance(source, NhsAeSource)  # noqa: S101 - dispatched by reader name
    chosen = source.successions
    if chosen == "none":
        return read(study.resolve(source.path))
    own = home() / "data" / "reference" / "organisation_successions.csv"
    return read(study.resolve(source.path), load(study.resolve(chosen) if chosen else own))


def _read_files(folder: Path, files: tuple[Path, ...]) -> tuple[list[Month], dict[str, str], list[str]]:
    """Every file parsed, superseded file -> the one that counts, and notes on retrieval dates.

    The faults of all files are raised together.
    """
    faults: list[Fault] = []
    months: list[Month] = []
    try:
        retrieved = retrieval_dates(folder)
    except DataError as refusal:
        retrieved = {}
        faults += refusal.faults
    for path in files:
        try:
            months.append(read_month(read_raw(path, retrieved)))
        except DataError as refusal:
            faults += refusal.faults
    superseded = latest_revisions(((month.record.name, month.period) for month in months), faults)
    if faults:
        raise DataError(faults)
    unknown = sorted(retrieved.keys() - {path.name for path in files})
    return months, superseded, [f"{RETRIEVED} names {name}, which is not in the folder." for name in unknown]


def _noted(record: SourceFile, superseded: dict[str, str]) -> SourceFile:
    """The file's record, saying so when another file counts instead."""
    winner = superseded.get(record.name)
    return replace(record, note=f"superseded by {winner}") if winner else record


def _measures(published: pd.DataFrame) -> pd.DataFrame:
    """Labels and MEASURES of each published row; what was not reported is missing."""
    rows = published[["unit", "period", "unit_name", "region"]].copy()
    for kind in TYPES:
        wrong = impossible(published, kind)
        attended = published[f"{kind}_attended"] + published[f"{kind}_attended_booked"]
        over = (published[f"{kind}_over"] + published[f"{kind}_over_booked"]).mask(wrong)
        rows[f"{kind}_attendances"] = attended
        rows[f"{kind}_over_4h"] = over
        # Missing wherever either side is, so that over and within always go together.
        rows[f"{kind}_within_4h"] = attended - over
        rows[f"{kind}_over_4h"] = over.mask(attended.isna())
    for what in ("attendances", "over_4h", "within_4h"):
        rows[f"all_{what}"] = sum((rows[f"{kind}_{what}"] for kind in TYPES), start=0.0)
    rows.loc[not_reported(published), list(FOUR_HOUR)] = float("nan")
    for name in ("dta_4_12h", "dta_over_12h", *_VIA_AE, "other_emergency_admissions"):
        rows[name] = published[name]
    rows["ae_emergency_admissions"] = published[list(_VIA_AE)].sum(axis=1, skipna=False)
    return rows


def _finished(tidy: Tidy) -> Tidy:
    """The columns in order, and one name a unit: the latest, so that labels do not jump."""
    rows = tidy.rows.assign(unit_name=tidy.rows.groupby("unit")["unit_name"].transform("last"))
    return replace(tidy, rows=rows[[*_LABELS, *MEASURES]])
