"""Bounds by relative magnitudes: departures after joining against the worst seen before it.

    Delta^RM(Mbar) = {delta : |delta_{t+1} - delta_t| <= Mbar max_{s < 0} |delta_{s+1} - delta_s|, t >= 0}

with the base period at 0. Delta^SDRM(Mbar) is the same with second differences: departures from a straight
line against the worst bend before joining. Each is a union of pieces, one for every difference before
joining and each of its signs; the confidence set is the union of theirs.

Source: Rambachan and Roth (2023), Rev Econ Stud 90:2555, sections 2.4.2, 3.3 and appendix.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from evalkit.errors import DesignError
from evalkit.inference.honest._pieces import (
    changes_after,
    changes_before,
    curvature_after,
    curvature_before,
    pieces,
)
from evalkit.inference.honest._search import interval
from evalkit.inference.honest.coefficients import Coefficients

Method = Literal["C-LF", "conditional"]
CHUNK = 1500  # pieces at a time, which bounds the memory


def relative_magnitudes(
    coefficients: Coefficients,
    weights: np.ndarray,
    mbar: np.ndarray,
    *,
    level: float = 0.95,
    method: Method = "C-LF",
    of: Literal["changes", "bends"] = "changes",
) -> np.ndarray:
    """Robust confidence set for l'tau, the union over pieces filled in; shape (len(mbar), 2), low and high.

    weights  l, one for each coefficient after joining, shape (q,)
    mbar     how many times the worst departure before joining, at least 0
    method   the conditional least-favourable hybrid (C-LF) or the conditional test alone
    of       `changes` from period to period (RM), or `bends`, second differences (SDRM)

    With mbar = 0 and `changes` it is the original interval. Raises DesignError when no difference before
    joining is seen, and as `Coefficients` and the pieces do.
    """
    mbar = np.atleast_1d(np.asarray(mbar, float))
    if not (np.isfinite(mbar).all() and (mbar >= 0).all()):
        raise DesignError("Mbar must be a number of at least 0")
    after, before = (changes_after, changes_before) if of == "changes" else (curvature_after, curvature_before)
    rows, seen = after(coefficients), before(coefficients)
    if not len(seen):
        raise DesignError(
            f"no {'change' if of == 'changes' else 'bend'} before joining is seen to measure departures by",
            fix="widen the window before joining",
        )
    signed = np.vstack([seen, -seen])
    out = np.empty((len(mbar), 2))
    step = max(1, CHUNK // len(signed))
    for start in range(0, len(mbar), step):
        part = mbar[start : start + step]
        bounds = np.concatenate([m * signed for m in part])
        found = pieces(coefficients, weights, rows, np.hstack([bounds, np.zeros((len(bounds), 1))]))
        low, high = interval(found, 1 - level, hybrid=method == "C-LF")
        out[start : start + step, 0] = low.reshape(len(part), -1).min(axis=1)
        out[start : start + step, 1] = high.reshape(len(part), -1).max(axis=1)
    if not np.isfinite(out).all():
        raise DesignError("every effect is rejected: the path before joining contradicts the restriction")
    return out
