"""The effect on every joined unit, judged by what untouched units show, and drawn towards the mean of all."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats

from evalkit import inference
from evalkit.estimate import SITES, empty, framed
from evalkit.estimators._common import size
from evalkit.estimators._did.imputed import Base
from evalkit.estimators._its import meta
from evalkit.panel import Panel

FEWEST = 8  # untouched units by which a unit is judged
SHRUNK = 4  # units that can be drawn towards their mean


def sites(panel: Panel, base: Base, post: np.ndarray) -> tuple[pd.DataFrame, list[str]]:
    """Rows of `Estimate.sites`, and what is to be said of them.

    A unit's effect is the mean of its imputed effects; its standard error the root mean square of the same
    contrast of the untouched units' residuals: the same periods after, less the same periods before.

    post  analysed unit-periods after joining of each type, booleans, shape (U, T)
    """
    types, arrays = base.types, base.layout
    untouched = np.isnan(arrays.g) & np.asarray(arrays.seen.any(axis=1))
    if untouched.sum() < FEWEST:
        return empty(SITES), [f"Units' own effects are not given: fewer than {FEWEST} units never joined."]
    fitted = base.periods.fitted(base.periods.effects(types.means(arrays.Y)))[types.of]
    left = np.where(arrays.seen, arrays.Y - fitted, 0.0)
    joined = np.flatnonzero(np.asarray(post.any(axis=1))[types.of])
    before = base.periods.sample.weight[types.of] > 0
    after = post[types.of]
    value, error, df = (np.full(len(joined), np.nan) for _ in range(3))
    for i, unit in enumerate(joined):
        contrast = after[unit] / after[unit].sum() - before[unit] / before[unit].sum()
        value[i] = left[unit] @ contrast
        like = untouched & arrays.seen[:, contrast != 0].all(axis=1)
        if like.sum() >= FEWEST:
            apart = left[like] @ contrast
            error[i], df[i] = float(np.sqrt(apart @ apart / (like.sum() - 1))), float(like.sum() - 1)
    known = np.isfinite(error)
    said = [] if known.all() else [f"{int((~known).sum())} joined units could not be judged by untouched ones."]
    if known.sum() < SHRUNK or (error[known] <= inference.ROUNDING * size(panel)).any():
        return empty(SITES), [*said, "Units' own effects are not given: too few can be judged."]
    return _rows(panel, joined[known], value[known], error[known], df[known]), said


def _rows(panel: Panel, joined: np.ndarray, value: np.ndarray, error: np.ndarray, df: np.ndarray) -> pd.DataFrame:
    mean = meta.random_effects(value, error**2)
    drawn = meta.shrink(value, error, df, mean)
    level = panel.study.protocol.level
    names = panel.units.index[joined]
    own = inference.terms([f"effect in {n}" for n in names], value, error, df, level, scale=size(panel))
    reach = stats.t.ppf(0.5 + level / 2, drawn.df) * drawn.std_error
    keys = ("estimate", "std_error", "df", "low", "high")
    rows = [
        {
            "unit": name,
            "cohort": panel.units["cohort"].loc[name],
            **{key: row[key] for key in keys},
            "shrunk": float(drawn.value[i]),
            "shrunk_low": float(drawn.value[i] - reach[i]),
            "shrunk_high": float(drawn.value[i] + reach[i]),
        }
        for i, (name, row) in enumerate(zip(names, own, strict=True))
    ]
    return framed(rows, SITES)
