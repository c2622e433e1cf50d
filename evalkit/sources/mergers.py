"""Successions applied to tidy counts: summed, or missing where the sum would be partial."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from evalkit.sources.successions import Successions
from evalkit.sources.tidy import Tidy

KEY = ["unit", "period"]


def merge(tidy: Tidy, measures: Sequence[str], successions: Successions) -> Tidy:
    """Add the counts of predecessors to their successors, month by month.

    `tidy.rows` has one row per published code and period; `measures` are its columns of
    counts. The result has one row per unit and period, sorted by both, and a column
    `published_codes` ("RD3+RDZ") that says what each row is made of. A measure that is
    missing for one part is missing for the whole. A month in which only some of the parts
    reported would be a partial count: all its measures are missing, with the reason. Other
    columns come from the successor's own row, else from the first code's. Nothing handed in
    is changed.
    """
    rows = tidy.rows.assign(published_codes=tidy.rows["unit"])
    rows["unit"] = rows["unit"].map({code: successions.resolve(code) for code in rows["unit"].unique()})
    partial = _partial_months(rows, successions)
    summed = _sum(rows, measures)
    if len(partial):
        keys = pd.MultiIndex.from_frame(partial[KEY])
        hit = pd.MultiIndex.from_frame(summed[KEY]).isin(keys)
        summed.loc[hit, list(measures)] = float("nan")
    missing = combine_reasons(pd.concat([_renamed(tidy.missing, successions), partial], ignore_index=True))
    notes = (*tidy.notes, *_notes(rows, successions))
    return replace(tidy, rows=summed, missing=missing, notes=notes)


def combine_reasons(missing: pd.DataFrame) -> pd.DataFrame:
    """One row per unit and period, sorted; several reasons are joined by "; "."""
    if missing.empty:
        return missing.reset_index(drop=True)
    ordered = missing.sort_values([*KEY, "why"], kind="stable")
    return ordered.groupby(KEY, sort=True).agg({"why": "; ".join}).reset_index()


def _sum(rows: pd.DataFrame, measures: Sequence[str]) -> pd.DataFrame:
    """One row per unit and period; only units with several parts need adding."""
    ordered = rows.assign(_other=rows["unit"] != rows["published_codes"])
    ordered = ordered.sort_values([*KEY, "_other", "published_codes"]).drop(columns="_other")
    several = ordered.duplicated(KEY, keep=False)
    if not several.any():
        return ordered.reset_index(drop=True)
    parts = ordered[several]
    grouped = parts.groupby(KEY, sort=True)
    whole = grouped.first()
    columns = list(measures)
    sums = grouped[columns].sum()
    complete = grouped[columns].count().eq(grouped.size(), axis=0)
    whole[columns] = sums.where(complete)
    whole["published_codes"] = grouped["published_codes"].agg(lambda codes: "+".join(sorted(codes)))
    result = pd.concat([ordered[~several], whole.reset_index()[ordered.columns]], ignore_index=True)
    return result.sort_values(KEY, ignore_index=True)


def _partial_months(rows: pd.DataFrame, successions: Successions) -> pd.DataFrame:
    """Unit-months in which a part that should have reported did not: columns unit, period, why."""
    reported: dict[str, dict[pd.Period, set[str]]] = {}
    for unit, month, code in zip(rows["unit"], rows["period"], rows["published_codes"], strict=True):
        if unit in successions.members:
            reported.setdefault(unit, {}).setdefault(month, set()).add(code)
    found = []
    for unit, months in reported.items():
        for month, present in months.items():
            owed = [code for code in successions.members[unit] if successions.expected(code, month)]
            absent = [code for code in owed if code not in present]
            if absent:
                why = f"partial count: {', '.join(absent)} did not report, only {', '.join(sorted(present))}"
                found.append((unit, month, why))
    if not found:
        return rows.loc[[], KEY].assign(why="")
    frame = pd.DataFrame(found, columns=[*KEY, "why"])
    return frame.astype({"period": rows["period"].dtype})


def _renamed(missing: pd.DataFrame, successions: Successions) -> pd.DataFrame:
    """The reasons of published codes under their unit; the published code goes into the reason."""
    units = missing["unit"].map(successions.resolve)
    why = missing["why"].where(units == missing["unit"], missing["unit"] + ": " + missing["why"])
    return missing.assign(unit=units, why=why)


def _notes(rows: pd.DataFrame, successions: Successions) -> list[str]:
    """What was merged, what was not, and what looks odd; only about codes in these rows."""
    present = set(rows["published_codes"])
    notes = []
    for unit, codes in successions.members.items():
        merged = [code for code in codes if code != unit and code in present]
        if merged:
            notes.append(f"Counts published as {', '.join(merged)} are added to {unit} for the whole period.")
        notes += [note for code in merged if (note := _late(rows, code, successions))]
    for code, parts in successions.splits.items():
        if code in present:
            heirs = " and ".join(f"{part.successor} ({part.effective})" for part in parts)
            notes.append(
                f"{code} was split between {heirs}: it keeps its own code, because the files do not say how "
                "its counts were shared out; its successors' series step up there."
            )
    for code in sorted(present & (successions.outgoing.keys() - successions.splits.keys())):
        if "split" in successions.outgoing[code][0].kind.casefold():
            notes.append(f"{code} was split, but the table of successions gives it whole to one successor.")
    return notes


def _late(rows: pd.DataFrame, code: str, successions: Successions) -> str:
    """A sentence when a predecessor still reported after it was taken over."""
    effective = successions.outgoing[code][0].effective
    late = int(((rows["published_codes"] == code) & (rows["period"] >= effective)).sum())
    return f"{code} still reported in {late} months from {effective} on, when it had a successor." if late else ""
