"""How long a period was, for counts that grow with it."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pandas as pd

from evalkit.errors import DesignError
from evalkit.study import Outcome


def exposure_days(window: pd.PeriodIndex, exposure: str, outcome: Outcome) -> np.ndarray:
    """Each period's days over the mean of the window's periods, shape (m,); ones for `none`.

    `working_days` are Monday to Friday less the bank holidays of England (package `holidays`).
    Raises DesignError for a proportion or a mean, which do not grow with the length of a period.
    """
    if exposure == "none":
        return np.ones(len(window))
    if outcome.kind not in ("count", "rate"):
        raise DesignError(
            f"`exposure: {exposure}` belongs to a count or a rate; {outcome.name} is a {outcome.kind}",
            fix="remove `exposure` from `model.its`, or choose another outcome",
        )
    if exposure == "calendar_days":
        days = np.array([(p.end_time.date() - p.start_time.date()).days + 1 for p in window], float)
    else:
        days = _working_days(window)
    return days / days.mean()


def _working_days(window: pd.PeriodIndex) -> np.ndarray:
    import holidays

    off = holidays.country_holidays("GB", subdiv="ENG", years=range(window[0].year, window[-1].year + 1))
    starts = np.array([p.start_time.date() for p in window], dtype="datetime64[D]")
    ends = np.array([p.end_time.date() + timedelta(days=1) for p in window], dtype="datetime64[D]")
    closed = np.array(sorted(d for d in off if isinstance(d, date)), dtype="datetime64[D]")
    return np.busday_count(starts, ends, holidays=closed).astype(float)
