"""Bounds by relative magnitudes: departures after joining against the worst seen before it.

    Delta^RM(Mbar) = {delta : |delta_{t+1} - delta_t| <= Mbar max_{s < 0} |delta_{s+1} - delta_s|, t >= 0}

with the base period at 0. Delta^SDRM(Mbar) is the same with second differences: departures from a straight
line against the worst bend before joining. Each is a union of pieces, one for every difference before
joining and each of its signs; the confidence set is the union of theirs. Departures after joining may also be
known to be nowhere negative, or nowhere positive (Delta^RMPB, Delta^RMNB and the same of bends).

Source: Rambachan and Roth (2023), Rev Econ Stud 90:2555, sections 2.4.2, 2.4.4, 3.3 and appendix.
"""

from __future__ import annotations

import numpy as np

from evalkit.errors import DesignError
from evalkit.inference.honest._pieces import changes_after, changes_before, curvature_after, curvature_before
from evalkit.inference.honest._sided import Method, Sign, Test, ends, facing
from evalkit.inference.honest.coefficients import Coefficients

CHUNK = 1500  # pieces at a time, which bounds the memory


def relative_magnitudes(
    coefficients: Coefficients,
    weights: np.ndarray,
    mbar: np.ndarray,
    *,
    level: float = 0.95,
    method: Method = "C-LF",
    sign: Sign = "any",
) -> np.ndarray:
    """Robust confidence set for l'tau, the union over pieces filled in; shape (len(mbar), 2), low and high.

    weights  l, one for each coefficient after joining, shape (q,)
    mbar     how many times the largest change from period to period before joining, at least 0
    method   the conditional least-favourable hybrid (C-LF) or the conditional test alone
    sign     of the departures after joining: `positive`, trends could only part upward (delta >= 0), and
             `negative`; weights must then not be negative

    With mbar = 0 it is the original interval, whatever the sign. A known sign never gives more than the set
    without it at level 1 - 0.9 (1 - level). Raises DesignError when no change before joining is seen, and as
    `Coefficients` and the pieces do.
    """
    rows = changes_after(coefficients), changes_before(coefficients)
    return _union(coefficients, weights, mbar, rows, Test(level, method, sign))


def relative_bends(
    coefficients: Coefficients,
    weights: np.ndarray,
    mbar: np.ndarray,
    *,
    level: float = 0.95,
    method: Method = "C-LF",
    sign: Sign = "any",
) -> np.ndarray:
    """The same against the largest bend, or second difference, before joining (Delta^SDRM).

    Arguments and shapes are those of `relative_magnitudes`. With mbar = 0 the line through the base period
    and the one before it goes on. Raises DesignError when no bend before joining is seen, or there is a gap
    from the period before the base on.
    """
    before = curvature_before(coefficients)
    if not len(before):
        raise DesignError(
            "no bend before joining is seen to measure departures by", fix="widen the window before joining"
        )
    return _union(coefficients, weights, mbar, (curvature_after(coefficients), before), Test(level, method, sign))


def _union(
    coefficients: Coefficients, weights: np.ndarray, mbar: np.ndarray, rows: tuple[np.ndarray, np.ndarray], test: Test
) -> np.ndarray:
    """The set at every mbar from the differences after and before joining, shapes (q, p + q) and (m, p + q)."""
    mbar = np.atleast_1d(np.asarray(mbar, float))
    if not (np.isfinite(mbar).all() and (mbar >= 0).all()):
        raise DesignError("Mbar must be a number of at least 0")
    after, seen = rows
    if not len(seen):
        raise DesignError(
            "no change before joining is seen to measure departures by", fix="widen the window before joining"
        )
    signed = np.vstack([seen, -seen])
    out = np.empty((len(mbar), 2))
    step = max(1, CHUNK // len(signed))
    turned, flip = facing(coefficients, test.sign)
    for start in range(0, len(mbar), step):
        part = mbar[start : start + step]
        bounds = np.concatenate([m * signed for m in part])
        low, high = ends(turned, weights, after, np.hstack([bounds, np.zeros((len(bounds), 1))]), test)
        out[start : start + step, 0] = low.reshape(len(part), -1).min(axis=1)
        out[start : start + step, 1] = high.reshape(len(part), -1).max(axis=1)
    if not np.isfinite(out).all():
        raise DesignError("every effect is rejected: the path before joining contradicts the restriction")
    return flip(out)
