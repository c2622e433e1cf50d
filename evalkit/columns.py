"""Named design columns, built by us from structured options: never from a formula."""

from __future__ import annotations

import numpy as np
import pandas as pd

from evalkit import periods


def segments(t: np.ndarray, post: np.ndarray) -> pd.DataFrame:
    """Level, trend, level change and slope change of a segmented regression.

    t     calendar positions, shape (n,)
    post  which of them count as after, booleans, shape (n,)

    Columns: `intercept`, `trend` (t from the first position), `level_change` (1 after), and
    `slope_change` (periods since the first one after, 0 there, so that `level_change` is the change
    in that very period).
    """
    first = t[post].min()
    return pd.DataFrame(
        {
            "intercept": 1.0,
            "trend": (t - t.min()).astype(float),
            "level_change": post.astype(float),
            "slope_change": np.where(post, t - first, 0).astype(float),
        }
    )


def harmonics(index: pd.PeriodIndex, pairs: int) -> pd.DataFrame:
    """Seasonal columns sin(2 pi k s / S) and cos(2 pi k s / S), k = 1..pairs.

    s is the position in the year (1..S), S the periods a year. A pair that S cannot carry (k > S/2, or
    the sine at k = S/2, which is zero throughout) is left out.
    """
    frequency = periods.frequency_of(index[0])
    year = periods.PER_YEAR[frequency]
    season = np.asarray(index.month if frequency == "month" else index.quarter, float)
    out = {}
    for k in range(1, pairs + 1):
        angle = 2 * np.pi * k * season / year
        if 2 * k < year:
            out[f"sin_{k}"] = np.sin(angle)
        if 2 * k <= year:
            out[f"cos_{k}"] = np.cos(angle)
    return pd.DataFrame(out, index=range(len(index)))
