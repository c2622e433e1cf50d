"""What the published counts say about themselves: totals, zeros that mean nothing, gaps."""

from __future__ import annotations

import math
from collections.abc import Iterable

import pandas as pd

from evalkit.sources.nhs_ae_layout import BOOKED, COUNTS, TYPES
from evalkit.sources.nhs_ae_rows import Month

REPORTING_THRESHOLD = 500
"""Type 1 attendances in a month above which no wait over 4 hours means "not reported"."""


def reconcile(month: Month) -> list[str]:
    """A sentence for every count whose provider rows do not add up to the publisher's total."""
    if not month.total:
        return []
    file, notes = month.record.name, []
    sums = month.rows[list(month.total)].sum()
    for name, total in month.total.items():
        added, header = int(sums[name]), month.headers[name]
        if math.isnan(total):
            notes.append(f"{file}: the total row is blank for {header}; the provider rows sum to {added:,}.")
        elif added != total:
            notes.append(
                f"{file}: the provider rows of {header} sum to {added:,}, the total row says {int(total):,}."
            )
    return notes


def not_reported(published: pd.DataFrame) -> pd.Series:
    """True for provider-months whose zero Type 1 waits over 4 hours stand for "not reported".

    Between May 2019 and May 2023 fourteen trusts tried out other standards and did not report
    the four-hour one; the files hold 0 for them, not a blank. No department with more than
    REPORTING_THRESHOLD attendances a month has ever seen everybody within 4 hours. Booked
    appointments count on both sides. `published` has one row per published code and month.
    """
    attended = published["type1_attended"] + published["type1_attended_booked"]
    over = published["type1_over"] + published["type1_over_booked"]
    return (attended > REPORTING_THRESHOLD) & (over == 0)


def impossible(published: pd.DataFrame, kind: str) -> pd.Series:
    """True for provider-months with more waits over 4 hours than attendances of one type."""
    attended = published[f"{kind}_attended"] + published[f"{kind}_attended_booked"]
    return published[f"{kind}_over"] + published[f"{kind}_over_booked"] > attended


def explain_missing(published: pd.DataFrame) -> pd.DataFrame:
    """Columns unit, period, why: every provider-month with something missing, and what.

    A provider-month with several reasons has several rows.
    """
    silent = f"four-hour measures not reported: over {REPORTING_THRESHOLD} Type 1 attendances, none over 4 hours"
    odd = {kind: f"{kind}: more waits over 4 hours than attendances" for kind in TYPES}
    blank = {name: f"not published: {headers[0]}" for name, headers in {**COUNTS, **BOOKED}.items()}
    reasons = [
        (not_reported(published), silent),
        *((impossible(published, kind), why) for kind, why in odd.items()),
        *((published[name].isna(), why) for name, why in blank.items()),
    ]
    frames = [published.loc[hit, ["unit", "period"]].assign(why=why) for hit, why in reasons if hit.any()]
    if not frames:
        return published.loc[[], ["unit", "period"]].assign(why="")
    return pd.concat(frames, ignore_index=True)


def gaps(periods: Iterable[pd.Period]) -> list[str]:
    """A sentence when months are missing between the first and the last."""
    present = sorted(set(periods))
    months = pd.period_range(present[0], present[-1], freq="M")
    absent = [str(month) for month in months if month not in present]
    return [f"No file for {', '.join(absent)}, between {present[0]} and {present[-1]}."] if absent else []


def field_test_note(published: pd.DataFrame) -> list[str]:
    """One sentence that counts the rows taken as not reported."""
    hit = published[not_reported(published)]
    if hit.empty:
        return []
    codes = sorted(hit["unit"].unique())
    who = f"{len(hit)} published rows of {len(codes)} organisations ({', '.join(codes)})"
    what = f"over {REPORTING_THRESHOLD} Type 1 attendances and none over 4 hours"
    return [f"{who} have {what}: not reported, so their four-hour measures are missing."]
