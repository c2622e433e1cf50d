"""Variances that allow for autocorrelation."""

from __future__ import annotations

import math

import numpy as np


def newey_west(design: np.ndarray, residuals: np.ndarray, t: np.ndarray, lags: int) -> np.ndarray:
    """Newey-West covariance of least-squares coefficients, over calendar time.

        V = n/(n-k) (X'X)^-1 S (X'X)^-1,   S = sum_{|h|<=L} (1 - |h|/(L+1)) sum_t s_t s_{t-h}'

    with scores s_t = x_t e_t, and s_t = 0 in a period that is not analysed, so that observations on
    either side of a gap are as far apart as the calendar says.

    design     X, shape (n, k)
    residuals  e, shape (n,)
    t          calendar positions, integers, shape (n,), strictly increasing
    lags       L, the bandwidth; 0 gives White's estimator with the same factor

    Source: Newey and West (1987), Econometrica 55:703; for gaps Datta and Du (2012),
    Nonparametric HAC estimation for time series data with missing observations (amplitude modulated).
    """
    n, k = design.shape
    scores = np.zeros((int(t[-1] - t[0]) + 1, k))
    scores[(t - t[0]).astype(int)] = design * residuals[:, None]
    middle = scores.T @ scores
    for lag in range(1, min(lags, len(scores) - 1) + 1):
        cross = scores[lag:].T @ scores[:-lag]
        middle += (1 - lag / (lags + 1)) * (cross + cross.T)
    bread = np.linalg.inv(design.T @ design)
    return n / (n - k) * bread @ middle @ bread


def default_lags(n: int) -> int:
    """floor(4 (n/100)^(2/9)): the rule of thumb of Newey and West (1994), for n periods."""
    return math.floor(4 * (n / 100) ** (2 / 9))
