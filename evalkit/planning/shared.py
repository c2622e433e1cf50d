"""What moves all units alike in a panel: how large it is and how it persists, once trend and season are taken out."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from evalkit import columns, periods
from evalkit.errors import DesignError
from evalkit.estimators._did.absorb import Sample, period_effects
from evalkit.estimators._its import ar1
from evalkit.estimators._its.design import SHORT, YEARS_FOR_SEASON

APART = 0.5  # of a plan's length, that the dates at which draws begin are apart at least, for a series of its own
PAIRS = 2  # of harmonics, from two years on


def together(Y: np.ndarray, seen: np.ndarray, window: pd.PeriodIndex) -> dict[str, float]:
    """`shared` and `shared_rho` of `Moments`: of period effects, by AR(1) errors around trend and season.

    Y, seen  outcomes and which of them count, shape (n, T)

    Empty with fewer than 12 periods, or effects that are all on their course.
    """
    kept = seen[seen.any(axis=1)]
    effects = period_effects(Sample(np.ones(len(kept)), kept.astype(float), np.ones((len(kept), 1))))
    here = kept.any(axis=0)
    course = effects.fitted(effects.effects(Y[seen.any(axis=1)]))[0, here]
    t = np.flatnonzero(here)
    if len(t) < SHORT:
        return {}
    years = (t[-1] - t[0] + 1) / periods.PER_YEAR[periods.frequency_of(window[0])]
    season = columns.harmonics(window, PAIRS if years >= YEARS_FOR_SEASON else 0).to_numpy()
    X = np.column_stack([columns.trend(t, t, "linear").to_numpy(), season[here]])
    try:
        found = ar1.fit_many(X, course[None], t)
    except DesignError:
        return {}
    return {"shared": float(np.sqrt(found.sigma2[0])), "shared_rho": float(found.rho[0])}


def spread(starts: np.ndarray, length: int, noun: Callable[[int], str]) -> tuple[str, str | None]:
    """What moves all units alike in draws of real courses, in words, and why they do not show how it varies, if so.

    starts  positions at which draws begin, shape (D,)
    length  periods of a draw
    noun    what a number of periods is called
    """
    span = int(starts[-1] - starts[0]) + 1
    dates = f"{len(starts)} {'beginning' if len(starts) == 1 else 'beginnings'} over {span} {noun(span)}"
    text = f"that of the data, with {dates}, few of which are independent of each other"
    if span - 1 >= APART * length:
        return text, None
    return text, (
        f"what moves every unit is in a series of the joined units alone, and draws of {length} {noun(length)} with "
        f"{dates} have most of it in common: they do not show how it varies"
    )
