"""The bands of an outcome's distribution for every unit and period, held against the outcome they belong to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from evalkit import numbers
from evalkit.errors import Fault
from evalkit.panel.contract import by_unit
from evalkit.panel.members import Ledger
from evalkit.study import Outcome
from evalkit.study.distribution import Distribution as Declared

SHORT = 0.01  # share of the denominator up to which bands may miss it: waits nobody wrote down, late corrections
KEYS = ["unit", "period"]


@dataclass(frozen=True, eq=False)
class Distribution:
    """Counts by band.

    declared  threshold, edges and words, from the protocol
    counts    index (unit, period), sorted and unique, unit-periods with a value of the outcome and every band
              reported; one column a band, from the lowest to the highest, whole numbers as floats
    """

    declared: Declared
    counts: pd.DataFrame

    def matrix(self, units: pd.Index, window: pd.PeriodIndex) -> np.ndarray:
        """The counts, shape (bands, units, periods), NaN where there are none."""
        full = pd.MultiIndex.from_product([units, window])
        found = self.counts.reindex(full).to_numpy(float).reshape(len(units), len(window), -1)
        out: np.ndarray = np.moveaxis(found, -1, 0)
        return out


def distributed(
    outcome: Outcome, rows: pd.DataFrame, bands: pd.DataFrame, ledger: Ledger, error: float = 0.0
) -> Distribution | None:
    """The distribution of an outcome's rows; None where the protocol declares none, or where it is faulty.

    rows   columns unit, period, numerator, denominator, missing where not reported; index freshly numbered
    bands  one column a band, index (unit, period)
    error  the most that rounding has moved a count

    Faults: counts that are negative or no whole numbers; bands that miss the denominator, or those on the outcome's
    side of the threshold the numerator, by more than 1 in 100 of the denominator; no unit-period with all bands.
    Warnings: bands that miss them by less, and unit-periods with a value and without all bands. What rounding of
    every column can have added is allowed for in both.
    """
    declared = outcome.distribution
    if declared is None:
        return None
    held = rows[rows["numerator"].notna() & rows["denominator"].gt(0)].reset_index(drop=True)
    found = bands.reindex(pd.MultiIndex.from_frame(held[KEYS])).to_numpy(float)
    there = ~np.isnan(found).any(axis=1)
    before = len(ledger.faults)
    if not there.any():
        what = f"{outcome.name}: no unit-period has all {len(declared.bands)} bands of the distribution"
        fix = "check the columns of `distribution.bands`, or remove `distribution`"
        ledger.faults.append(Fault(what, fix=f"{fix}; bands that are suppressed can be made wider" if error else fix))
        return None
    _whole(outcome, held, found, ledger)
    if len(ledger.faults) == before:
        _adds_up(outcome, held, found, ledger, error)
    if not there.all():
        said = f"{numbers.of(int((~there).sum()), 'unit-period')} of {len(held)}"
        ledger.warnings.append(f"{said} have a value and not every band of the distribution.")
    index = pd.MultiIndex.from_frame(held.loc[there, KEYS])
    return Distribution(declared, pd.DataFrame(found[there], index=index, columns=list(declared.names)).sort_index())


def _whole(outcome: Outcome, held: pd.DataFrame, found: np.ndarray, ledger: Ledger) -> None:
    """Counts are whole numbers from nought on."""
    known = np.where(np.isnan(found), 0.0, found)
    wrong = {
        "negative": (known < 0).any(axis=1),
        "no whole number": ((known != np.rint(known)) | np.isinf(known)).any(axis=1),
    }
    for what, where in wrong.items():
        said = f"{outcome.name}: a count in a band of the distribution is {what}"
        ledger.faults += by_unit(held[where], said, "correct the source, or the columns of the band")


def _adds_up(outcome: Outcome, held: pd.DataFrame, found: np.ndarray, ledger: Ledger, error: float) -> None:
    """All bands make the denominator, and those on the outcome's side of the threshold the numerator."""
    declared = outcome.distribution
    assert declared is not None and outcome.denominator is not None  # noqa: S101, PT018 - the caller asked
    side = declared.below if declared.side == "below" else ~declared.below
    size = held["denominator"].to_numpy(float)
    slack = error * len((*outcome.measured.names, *outcome.denominator.names, *declared.columns))
    pairs = {
        "the bands of the distribution": (found.sum(axis=1), size, f"the denominator ({outcome.denominator})"),
        f"the bands {declared.side} {declared.threshold:g}": (
            found[:, side].sum(axis=1),
            held["numerator"].to_numpy(float),
            f"the numerator ({outcome.measured})",
        ),
    }
    for named, (total, wanted, of_what) in pairs.items():
        apart = np.maximum(np.abs(total - wanted) - slack, 0.0)
        far = apart > SHORT * size
        what = f"{outcome.name}: {named} add up to something else than {of_what}"
        fix = "check the columns and edges of the bands, and `distribution.side`; every patient is in one band"
        ledger.faults += by_unit(held[far], what, fix)
        near = (apart > 0) & ~far
        if near.any():
            most = numbers.number(100 * float((apart / size)[near].max()), 2)
            ledger.warnings.append(
                f"In {numbers.of(int(near.sum()), 'unit-period')} {named} miss {of_what}, by {most}% of the "
                f"denominator at most."
            )
