"""An estimate net of what the entry rule gives by itself, with the uncertainty of both.

Over bootstrap draws b of clusters, unit i being held m(b, i) times,

    net_b = tau + sum over i of (m(b, i) - 1) psi_i - k_b A_b

with tau and psi the estimate and what each unit contributes to it, A the mean artefact of the rule in earlier
windows, and k how far those that joined were behind, over how far those were whom the rule picked in the earlier
windows. The selection is done anew in each draw, so the variance of net_b holds both uncertainties and what they
share.

Windows may also differ by more than the draws explain, because the units were not equally volatile at all times.
With d_w the artefacts of the windows about their mean, V_w their variances over draws and o(w, v) the share of
their periods that windows w and v have in common,

    between = max(0, sum of d_w^2 - sum of V_w) / (W - sum of o / W),

and the artefact in the real window has k^2 between (1 + sum of o / W^2) of variance besides, a prediction variance.
It is left out where fewer than three windows do not overlap.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

from evalkit.checks._returning import Returning

APART = 3  # windows that do not overlap; fewer say too little of how windows differ


@dataclass(frozen=True, eq=False)
class Net:
    """Figures in the estimate's unit; each pair is a figure and its standard error.

    windows   artefact of the rule in each window, shape (W,), and standard errors, shape (W,)
    naive     mean change of the picked less the rest in each window, shape (W,), and standard errors
    mean      of the artefacts
    theory    what normal values lead to expect of it
    ratio     k
    expected  k times the mean: what is in the estimate
    net       the estimate less that
    between   variance between windows beyond the draws', None where it cannot be known
    low, high the interval of the net estimate
    """

    windows: tuple[np.ndarray, np.ndarray]
    naive: tuple[np.ndarray, np.ndarray]
    mean: tuple[float, float]
    theory: float
    ratio: float
    expected: tuple[float, float]
    net: tuple[float, float]
    between: float | None
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class Own:
    """The study's own estimate.

    estimate   tau
    moved      tau in each draw, less tau, shape (B,), the first nought
    df, level  of its interval
    """

    estimate: float
    moved: np.ndarray
    df: float
    level: float


def net_of(found: Returning, q: np.ndarray, behind: np.ndarray, naive: np.ndarray, own: Own) -> Net:
    """The estimate net of the artefact.

    q       weights of the lags that are reached, as `Returning.carried` gives them
    behind  how far those that joined were behind the rest, shape (B,)
    naive   as `Returning.naive` gives it, shape (B, W)

    The first copy is the units as they are, the others are draws.
    """
    by_window, mean = found.by_window(q), found.effect(q)
    ratio = behind / found.gap
    expected = ratio * mean
    between = between_windows(found, by_window)
    ahead = 0.0
    if between is not None:
        shared, W = _shared(found), len(found.windows)
        ahead = float(ratio[0] ** 2 * between * (1 + shared.sum() / W**2))
    drawn = (own.moved - expected)[1:]
    error = float(np.sqrt(drawn.var(ddof=1) + ahead))
    centre = own.estimate - float(expected[0])
    reach = float(special.stdtrit(own.df, 0.5 + own.level / 2)) * error
    return Net(
        (by_window[0], by_window[1:].std(axis=0, ddof=1)),
        (naive[0], naive[1:].std(axis=0, ddof=1)),
        (float(mean[0]), float(mean[1:].std(ddof=1))),
        found.theory(q),
        float(ratio[0]),
        (float(expected[0]), float(np.sqrt(expected[1:].var(ddof=1) + ahead))),
        (centre, error),
        between,
        centre - reach,
        centre + reach,
    )


def between_windows(found: Returning, by_window: np.ndarray) -> float | None:
    """The variance between windows beyond sampling; None with fewer than three that do not overlap."""
    if found.apart < APART:
        return None
    d = by_window - by_window.mean(axis=1, keepdims=True)
    W, shared = by_window.shape[1], _shared(found)
    beyond = (d[0] ** 2).sum() - d[1:].var(axis=0, ddof=1).sum()
    return max(0.0, float(beyond / (W - shared.sum() / W)))


def _shared(found: Returning) -> np.ndarray:
    """o, shape (W, W)."""
    ends = np.array([w.end for w in found.windows], float)
    out: np.ndarray = np.clip(1 - np.abs(ends[:, None] - ends[None, :]) / found.length, 0.0, 1.0)
    return out
