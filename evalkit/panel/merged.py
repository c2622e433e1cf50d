"""Which units were made of several organisations, as far as the source or the rollout says."""

from __future__ import annotations

import numpy as np
import pandas as pd

CODES = "published_codes"  # "RD3+RDZ" in the tidy rows of a source that adds up organisations
NOTHING = ("", "no", "none", "n", "false", "0", "nan", "<na>")  # in the rollout's column: nothing merged


def with_mergers(roster: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """The roster with what each unit was merged from, and whether it was still apart when it joined.

    rows  tidy rows inside the window, one a unit and period

    `merged` is text, blank where nothing is known of a merger: the codes other than its own that any of a unit's
    rows is made of (`RD3+RDZ`), and what the rollout says. `apart_on_joining` is True where the rows of a joined unit
    are made of several codes in the period in which it joined, or later: then only a part of it may have joined.
    """
    said = roster["merged"].fillna("").astype(str).str.strip()
    said = said.mask(said.str.casefold().isin(NOTHING), "")
    if CODES not in rows:
        return roster.assign(merged=said, apart_on_joining=False)
    other = rows[rows[CODES].ne(rows["unit"]) & rows["unit"].isin(roster.index)]
    pairs = other[["unit", CODES]].drop_duplicates()
    codes: dict[str, set[str]] = {}
    for unit, written in pairs.itertuples(index=False):
        codes.setdefault(unit, set()).update(set(str(written).split("+")) - {unit})
    found = pd.Series({unit: "+".join(sorted(each)) for unit, each in codes.items()}, dtype=object)
    found = found.reindex(roster.index).fillna("")
    merged = found.where(said.eq(""), np.where(found.eq(""), said, found + ": " + said))
    several = other[other[CODES].str.contains("+", regex=False)]
    last = several.groupby("unit")["period"].max().reindex(roster.index)
    apart = last.notna() & roster["cohort"].notna()
    apart &= last.ge(roster["cohort"])
    return roster.assign(merged=merged, apart_on_joining=apart.to_numpy(bool))
