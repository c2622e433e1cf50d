"""What is not wrong but looks odd: warnings that the report shows beside the data."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from evalkit import periods
from evalkit.panel.members import some
from evalkit.panel.panel import Panel

SMALL_WAVE = 5
SHORT = 12  # periods before joining
JUMP = 1.8  # a denominator this many times its own usual size, or 1 / JUMP of it


def annotate(panel: Panel, notes: list[str]) -> Panel:
    """The panel with its warnings: what building it noted, then what looks odd in it."""
    found = [
        text
        for check in (_waves, _short_baseline, _no_baseline, _entries, _denominators, _all_join)
        for text in check(panel)
    ]
    return replace(panel, warnings=(*notes, *found))


def _waves(panel: Panel) -> list[str]:
    sizes = panel.units["cohort"].value_counts().sort_index()
    return [
        f"Only {n} {'unit' if n == 1 else 'units'} joined in {periods.say(cohort)}: too few to judge it alone."
        for cohort, n in sizes.items()
        if n < SMALL_WAVE
    ]


def _short_baseline(panel: Panel) -> list[str]:
    out = []
    for cohort in panel.cohorts:
        rows = panel.rows[panel.rows["cohort"].eq(cohort) & panel.rows["phase"].eq("pre")]
        before = rows.index.get_level_values("period").nunique()
        if before < SHORT:
            noun = periods.noun(panel.study.frequency, before)
            out.append(
                f"The units that joined in {periods.say(cohort)} have only {before} {noun} of data before joining."
            )
    return out


def _no_baseline(panel: Panel) -> list[str]:
    """Units without a period before joining, in a wave that has some."""
    seen = panel.rows.index[panel.rows["phase"].eq("pre")].unique("unit")
    waves = panel.units.loc[panel.joined.intersection(seen), "cohort"]
    units = panel.joined.difference(seen)
    units = units[panel.units.loc[units, "cohort"].isin(waves)]
    if not len(units):
        return []
    return [f"{_units(len(units))} joined without any data before joining ({some(units)}): their change is unknown."]


def _units(count: int) -> str:
    return f"{count} unit" if count == 1 else f"{count} units"


def _entries(panel: Panel) -> list[str]:
    seen = panel.rows.reset_index().groupby("unit", observed=True)["period"].agg(["min", "max"])
    first, last = panel.study.window[0], panel.study.window[-1]
    late, early = seen.index[seen["min"] > first], seen.index[seen["max"] < last]
    out = []
    if len(late):
        out.append(f"{_units(len(late))} with data only from later than {periods.say(first)} ({some(late)}).")
    if len(early):
        out.append(f"{_units(len(early))} with no data up to {periods.say(last)} ({some(early)}): closed or merged?")
    return out


def _denominators(panel: Panel) -> list[str]:
    """A jump in size between neighbouring years: a merger, a split or a recoding?"""
    if panel.outcome.denominator is None:
        return []
    size = np.log(panel.wide("denominator").astype(float))
    span = periods.PER_YEAR[panel.study.frequency] // 2
    before = size.T.rolling(span, min_periods=span).median().T
    after = before.shift(-span, axis=1)
    jump = (after - before).abs()
    worst = jump.max(axis=1)
    units = worst.index[worst > np.log(JUMP)]
    if not len(units):
        return []
    listed = pd.Index([f"{unit} about {periods.label(_peak(jump.loc[unit]))}" for unit in units])
    return [f"{_units(len(units))} changed in size by a factor of {JUMP} or more ({some(listed)}): merged or split?"]


def _peak(jump: pd.Series) -> pd.Period:
    """The period after the largest jump; the middle one where several are equally large."""
    largest = jump.index[jump >= jump.max() * (1 - 1e-9)]
    return largest[len(largest) // 2] + 1


def _all_join(panel: Panel) -> list[str]:
    if len(panel.never) or not panel.staggered:
        return []
    last = panel.cohorts[-1]
    return [
        f"Every unit joined: from {periods.say(last)}, when the last wave joined, nobody is left to compare with, "
        "and effects can only be estimated up to then."
    ]
