"""Zeros that stand for "not reported".

NHS files have held 0 where nothing was reported: from May 2019 to May 2023 the field-test
trusts show thousands of attendances a month and not one over four hours. A zero is called
implausible when about `EXPECTED` or more events were to be expected and none happened; under
a Poisson law the chance of that is below 1e-21, which leaves much room for over-dispersion.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from evalkit.study import Outcome

EXPECTED = 50.0
LARGE = 500.0  # a denominator below this is never called implausible


def implausible(rows: pd.DataFrame, outcome: Outcome, *, strict: bool = False) -> np.ndarray:
    """Which rows hold an implausible zero; booleans, shape (rows,). `rows` is sorted by unit and period.

    Looked for in the numerator of a ratio and, for a proportion, in what is left of the denominator
    (nobody over four hours). What was to be expected is the smaller of the unit's own shares in the
    nearest periods before and after that have any, so that a count which fades in from nothing is
    left alone; for a unit that never has any, it is a share that 19 in 20 other unit-periods exceed, or
    when `strict` that 19 in 20 of its size or larger exceed: the latter cannot tell a hospital that never
    reported from a large walk-in centre where nobody waits, so it is for asking and not for deciding.
    A count without a denominator is held against the unit's own nearest counts in the same way.
    """
    if outcome.kind == "count":
        return _zero_among_many(rows["numerator"], rows["unit"])
    if outcome.denominator is None:
        return np.zeros(len(rows), bool)
    denominator = rows["denominator"]
    found = _zero_against_expectation(rows["numerator"], denominator, rows["unit"], strict=strict)
    if outcome.kind == "proportion":
        found = found | _zero_against_expectation(
            denominator - rows["numerator"], denominator, rows["unit"], strict=strict
        )
    return found


def _zero_among_many(count: pd.Series, unit: pd.Series) -> np.ndarray:
    around = count.where(count > 0).groupby(unit)
    least = pd.concat([around.ffill(), around.bfill()], axis=1).min(axis=1, skipna=False)
    out: np.ndarray = (count.eq(0) & (least >= EXPECTED)).to_numpy(bool)
    return out


def _zero_against_expectation(
    count: pd.Series, denominator: pd.Series, unit: pd.Series, *, strict: bool
) -> np.ndarray:
    share = (count / denominator).where((count > 0) & (denominator > 0))
    around = pd.concat([share.groupby(unit).ffill(), share.groupby(unit).bfill()], axis=1)
    typical = around.min(axis=1)
    never = typical.isna()
    typical[never] = share.quantile(0.05)
    if strict and never.any():
        size = denominator[never].groupby(unit[never]).median()
        size = size[size >= LARGE].clip(upper=denominator.quantile(0.9))
        peers = size.map(lambda least: share[denominator >= least].quantile(0.05))
        typical[never] = np.fmax(typical[never], unit[never].map(peers).astype(float))
    zero = count.eq(0) & (denominator >= LARGE) & (typical * denominator >= EXPECTED)
    out: np.ndarray = zero.fillna(value=False).to_numpy(bool)
    return out
