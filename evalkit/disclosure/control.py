"""Counts as they are -> counts as they are released: small ones suppressed, the rest rounded.

In this order: a count is suppressed for its own size; where a figure made of several counts by subtraction (a
numerator of a - b, those of a denominator that are not in the numerator) would be small, what is subtracted is; then
whatever else is needed so that none can be found by subtraction (`secondary`); the rest is rounded. Every figure,
share and total is afterwards made of what is released.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from evalkit.disclosure.rules import Rule
from evalkit.disclosure.secondary import adding_up, closed


@dataclass(frozen=True)
class Form:
    """A number of people that is a sum of counts less others."""

    plus: tuple[str, ...]
    minus: tuple[str, ...]


def control(
    counts: pd.DataFrame,
    keys: pd.DataFrame,
    rule: Rule,
    forms: Sequence[Form] = (),
    adding: Sequence[tuple[str, ...]] = (),
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The counts as they are released, missing where suppressed; and which were suppressed, booleans.

    counts  one column a count, whole numbers or missing
    keys    columns unit and period, same index; one row for each pair
    forms   numbers of people that can be had by subtraction
    adding  sets of counts that are known to add up; others are found in the counts
    """
    raw = counts.to_numpy(float)
    shown = rule.rounded(raw)
    hidden = rule.small(raw)
    if rule.suppresses and raw.size:
        at = {name: i for i, name in enumerate(counts.columns)}
        for form in forms:
            plus, minus = ([at[name] for name in names] for names in (form.plus, form.minus))
            people, released = (each[:, plus].sum(axis=1) - each[:, minus].sum(axis=1) for each in (raw, shown))
            low = rule.small(people) | ((people > 0) & (released < rule.least))
            hidden[:, minus] |= low[:, None] & (raw[:, minus] > 0)
        known = [tuple(sorted(at[name] for name in members)) for members in adding]
        if hidden.any():
            hidden = _closed(hidden, shown, keys, list(dict.fromkeys([*known, *adding_up(raw)])))
    released = pd.DataFrame(np.where(hidden, np.nan, shown), counts.index, counts.columns)
    return released, pd.DataFrame(hidden, counts.index, counts.columns)


def _closed(
    hidden: np.ndarray, shown: np.ndarray, keys: pd.DataFrame, adding: Sequence[tuple[int, ...]]
) -> np.ndarray:
    """Secondary suppression of rows (rows, counts), by way of an array of counts by units by periods."""
    unit, units = pd.factorize(keys["unit"], sort=True)
    period, periods = pd.factorize(keys["period"], sort=True)
    shape = (hidden.shape[1], len(units), len(periods))
    cube, sizes = np.zeros(shape, bool), np.full(shape, np.nan)
    cube[:, unit, period], sizes[:, unit, period] = hidden.T, shown.T
    found: np.ndarray = closed(cube, sizes, adding)[:, unit, period].T
    return found
