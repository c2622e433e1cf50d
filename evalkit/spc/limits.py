"""Centre lines and control limits of many series at once: XmR, P and U charts, plain and over-dispersed.

Every kernel takes arrays of shape (S, T), a series a row and a period a column, and returns `Limits` of the same
shape. Missing figures are NaN and stay gaps: no moving range spans one. `segment` numbers the stretches between
which limits are rebased; a moving range never spans two of them. `basis` marks the points limits rest on; limits
are given at every column of their segment, also where there is no point.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

XMR = 2.66  # 3 / 1.128: three standard deviations from the mean moving range of two
RANGE = 3.267  # upper limit of a moving range of two, in means of the moving range
TO_SIGMA = 1.128  # expected moving range of two independent normal values, in standard deviations
SIGMAS = 3.0


@dataclass(frozen=True)
class Limits:
    """Control limits, each of shape (S, T); `low` and `high` are NaN where too few points give none.

    centre  mean of the points a segment rests on (of all counts over all denominators in a P or U chart)
    low, high  lower and upper process limit
    spread  mean moving range on which the limits rest: of values (XmR) or of z-scores (Laney), 1.128 in a plain
            P or U chart
    screened  moving ranges that were left out of it as outliers
    """

    centre: np.ndarray
    low: np.ndarray
    high: np.ndarray
    spread: np.ndarray
    screened: np.ndarray


def xmr(values: np.ndarray, segment: np.ndarray, basis: np.ndarray, *, screen: bool = True) -> Limits:
    """Limits of individual values: mean ± 2.66 times the mean moving range, in each segment.

    values   shape (S, T)
    segment  integers, shape (S, T)
    basis    booleans, shape (S, T): the points that limits rest on
    screen   leave out, once, moving ranges above 3.267 times their mean (Nelson 1982, J Qual Technol 14:172; the
             convention of Making Data Count); the mean of the values keeps every point
    """
    used = np.where(basis, values, np.nan)
    ranges = moving_ranges(used, segment)
    centre, spread, screened = (np.full(values.shape, np.nan) for _ in range(3))
    for k in range(int(segment.max(initial=0)) + 1):
        inside = segment == k
        mean = _mean(used, inside)
        kept = inside & np.isfinite(ranges)
        average = _mean(ranges, kept)
        outlying = kept & (ranges > RANGE * average) if screen else np.zeros(kept.shape, bool)
        average = _mean(ranges, kept & ~outlying)
        count = outlying.sum(axis=1, keepdims=True)
        for out, found in ((centre, mean), (spread, average), (screened, count)):
            np.copyto(out, found, where=inside)
    return Limits(centre, centre - XMR * spread, centre + XMR * spread, spread, screened)


def proportions(
    numerator: np.ndarray, denominator: np.ndarray, segment: np.ndarray, basis: np.ndarray, *, adjusted: bool
) -> Limits:
    """P chart: all counts over all denominators, ± 3 sqrt(p (1 - p) / n); as shares, not cut at 0 and 1.

    adjusted  Laney's P' (2002, Qual Eng 14:531): times the standard deviation of z-scores, by their mean moving
              range over 1.128, which is what points vary by beyond chance among cases
    """
    share = _pooled(numerator, denominator, segment, basis)
    return _ratio(
        numerator, denominator, share, np.sqrt(share * (1 - share) / denominator), (segment, basis, adjusted)
    )


def rates(
    numerator: np.ndarray, denominator: np.ndarray, segment: np.ndarray, basis: np.ndarray, *, adjusted: bool
) -> Limits:
    """U chart: all counts over all denominators, ± 3 sqrt(u / n); per one of the denominator, not cut at 0.

    adjusted  Laney's U' (2002), as for `proportions`
    """
    rate = _pooled(numerator, denominator, segment, basis)
    return _ratio(numerator, denominator, rate, np.sqrt(rate / denominator), (segment, basis, adjusted))


def moving_ranges(values: np.ndarray, segment: np.ndarray) -> np.ndarray:
    """|value - the one before|, shape (S, T); NaN at the first point, after a gap and across segments."""
    out = np.full(values.shape, np.nan)
    same = segment[:, 1:] == segment[:, :-1]
    out[:, 1:] = np.where(same, np.abs(np.diff(values, axis=1)), np.nan)
    return out


def _ratio(
    numerator: np.ndarray,
    denominator: np.ndarray,
    centre: np.ndarray,
    error: np.ndarray,
    how: tuple[np.ndarray, np.ndarray, bool],
) -> Limits:
    segment, basis, adjusted = how
    spread = np.full(centre.shape, TO_SIGMA)
    if adjusted:
        with np.errstate(invalid="ignore", divide="ignore"):
            z = np.where(basis & (error > 0), (numerator / denominator - centre) / error, np.nan)
        ranges = moving_ranges(z, segment)
        for k in range(int(segment.max(initial=0)) + 1):
            inside = segment == k
            np.copyto(spread, _mean(ranges, inside & np.isfinite(ranges)), where=inside)
    half = SIGMAS * error * spread / TO_SIGMA
    return Limits(centre, centre - half, centre + half, spread, np.zeros(centre.shape))


def _pooled(numerator: np.ndarray, denominator: np.ndarray, segment: np.ndarray, basis: np.ndarray) -> np.ndarray:
    """All counts over all denominators of each segment, shape (S, T)."""
    out = np.full(numerator.shape, np.nan)
    whole = basis & np.isfinite(numerator) & np.isfinite(denominator)
    for k in range(int(segment.max(initial=0)) + 1):
        inside = segment == k
        counted = [np.where(whole & inside, part, 0).sum(axis=1, keepdims=True) for part in (numerator, denominator)]
        with np.errstate(invalid="ignore"):
            np.copyto(out, counted[0] / np.where(counted[1] > 0, counted[1], np.nan), where=inside)
    return out


def _mean(values: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """Mean over the kept, finite figures of each row, shape (S, 1); NaN where there is none."""
    kept = kept & np.isfinite(values)
    count = kept.sum(axis=1, keepdims=True)
    total = np.where(kept, values, 0).sum(axis=1, keepdims=True)
    out: np.ndarray = np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
    return out
