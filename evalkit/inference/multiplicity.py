"""Several tests at once."""

from __future__ import annotations

import numpy as np


def holm(p_values: np.ndarray) -> np.ndarray:
    """Holm's adjusted p-values: the chance of one or more false alarms in the family stays at the level.

    Ordered p_(1) <= ... <= p_(m): adjusted_(j) = max over i <= j of min(1, (m - i + 1) p_(i)); shape (m,).
    Source: Holm (1979), Scand J Stat 6:65.
    """
    p = np.asarray(p_values, float)
    order = np.argsort(p, kind="stable")
    raised = np.minimum(1.0, (len(p) - np.arange(len(p))) * p[order])
    adjusted = np.empty_like(p)
    adjusted[order] = np.maximum.accumulate(raised)
    return adjusted
