"""Intervals, p-values and variances: the one place where they are computed.

Symbols: beta, shape (k,), estimates; V, shape (k, k), their covariance; c, shape (k,), the
weights of a contrast c'beta with variance c'Vc; G clusters; n observations.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy import stats

from evalkit.errors import DesignError

RANK = 1e-10  # an eigenvalue this small against the largest is rounding
ROUNDING = 1e-12  # what double precision leaves of a value after a regression, with room to spare
TINY = 1e-10  # a standard error this small against the estimate's own scale is rounding, not evidence


def term(
    name: str, estimate: float, std_error: float, df: float, level: float, *, scale: float = 0.0
) -> dict[str, Any]:
    """One row of `Estimate.terms`: estimate -/+ t_{df} std_error, and the two-sided p-value.

    df = inf gives the normal distribution; scale is the size of the values that went in. The unit is left
    blank, which means that of the whole estimate. Raises
    DesignError when the error is missing, infinite, or no more than rounding against the estimate and
    the values: such a quantity cannot be computed, and is never reported as certain.
    """
    least = max(TINY * abs(estimate), ROUNDING * scale)
    if not math.isfinite(estimate) or not math.isfinite(std_error) or std_error <= least:
        raise DesignError(
            f"the standard error of the {name} cannot be computed",
            fix="the outcome does not vary enough around the fitted course, or too few units carry it",
        )
    if not df > 0:
        raise DesignError(f"no degrees of freedom are left for the {name}", fix="use more periods or fewer terms")
    reach = stats.t.ppf(0.5 + level / 2, df) * std_error
    p_value = 2 * stats.t.sf(abs(estimate) / std_error, df)
    return {
        "term": name,
        "estimate": float(estimate),
        "std_error": float(std_error),
        "df": float(df),
        "low": float(estimate - reach),
        "high": float(estimate + reach),
        "p_value": float(p_value),
        "unit": "",
    }


def ratio(name: str, logarithm: float, std_error: float, df: float, level: float, *, unit: str) -> dict[str, Any]:
    """One row of `Estimate.terms` for a ratio whose logarithm was estimated.

    The ratio is exp(l), its interval exp(l -/+ t_{df} s), its p-value that of l = 0, and its standard
    error exp(l) s (delta method), which is for the reader only. With unit `per cent` the ratio is
    given as the change 100 (exp(l) - 1). Raises DesignError as `term` does.
    """
    row = term(name, logarithm, std_error, df, level)
    factor, shift = (100.0, 100.0) if unit == "per cent" else (1.0, 0.0)
    turned = {key: factor * math.exp(row[key]) - shift for key in ("estimate", "low", "high")}
    return {**row, **turned, "std_error": factor * math.exp(logarithm) * std_error, "unit": unit}


def contrast(beta: np.ndarray, covariance: np.ndarray, weights: np.ndarray) -> tuple[float, float]:
    """c'beta and sqrt(c'Vc). Shapes (k,), (k, k), (k,)."""
    variance = float(weights @ covariance @ weights)
    return float(weights @ beta), math.sqrt(max(variance, 0.0))


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


def cluster_factor(clusters: int, observations: int, coefficients: int) -> float:
    """G/(G-1) x (n-1)/(n-K): small-sample factor of a clustered covariance.

    K counts the coefficients and the fixed effects that are not nested in the clusters; unit effects
    are nested in clusters of whole units and are not counted (the rule of reghdfe and fixest).
    """
    if clusters <= 1:
        raise DesignError("clustered standard errors need at least two clusters", fix="cluster on a finer level")
    if observations <= coefficients:
        raise DesignError(
            f"{coefficients} coefficients and only {observations} unit-periods", fix="use more units or periods"
        )
    return clusters / (clusters - 1) * (observations - 1) / (observations - coefficients)


def require_clusters(cluster: np.ndarray, joined: np.ndarray, never: np.ndarray | None = None) -> None:
    """Refuse a comparison one side of which is a single cluster: its own variation would count as nought.

    cluster  shape (units,)
    joined   which units joined, booleans
    never    which units alone make up the comparison, booleans; None when later waves are part of it
    """
    for side, who in (("that joined", joined), ("to compare with", never)):
        count = 2 if who is None else len(np.unique(cluster[who]))
        if count <= 1:
            raise DesignError(
                f"the units {side} are {'one cluster' if count else 'none'}, whose own variation cannot be judged",
                fix="cluster on a finer level, add units, or use an interrupted time series",
            )


def by_cluster(influence: np.ndarray, cluster: np.ndarray) -> np.ndarray:
    """Influence contributions added up within clusters; shapes (units, m), (units,) -> (clusters, m)."""
    _, code = np.unique(cluster, return_inverse=True)
    out = np.zeros((code.max() + 1, influence.shape[1]))
    np.add.at(out, code, influence)
    return out


def wald(estimates: np.ndarray, covariance: np.ndarray, df: float = math.inf) -> tuple[float, int, float]:
    """Joint test that all are zero: W = b' V^+ b, its rank q, and the p-value.

    df is that of each estimate alone, clusters - 1. With few clusters W is far larger than chi-squared
    under the null; Hotelling's reference (df - q + 1) / (q df) W ~ F(q, df - q + 1) allows for that and
    tends to chi-squared on q as df grows. Source: Hotelling (1931), Ann Math Stat 2:360.

    V may be singular when some estimates are combinations of others. Raises DesignError when V is
    singular and b does not lie in its range, as with fewer clusters than estimates: W would then leave
    out a part of b.
    """
    size = np.sqrt(np.diag(covariance))
    if not np.isfinite(size).all() or not np.isfinite(estimates).all() or not size.size or size.min() <= 0:
        raise DesignError("a joint test needs estimates with a covariance")
    scaled, correlation = estimates / size, covariance / np.outer(size, size)
    values, vectors = np.linalg.eigh(correlation)
    kept = values > RANK * values.max()
    along = vectors.T @ scaled
    if np.abs(along[~kept]).max(initial=0.0) > math.sqrt(RANK) * max(1.0, float(np.abs(scaled).max())):
        raise DesignError(
            f"{len(estimates)} estimates rest on too few clusters to be tested together",
            fix="cluster on a finer level, or test fewer periods",
        )
    rank = int(kept.sum())
    statistic = float((along[kept] ** 2 / values[kept]).sum())
    if math.isinf(df):
        return statistic, rank, float(stats.chi2.sf(statistic, rank))
    left = df - rank + 1
    if left <= 0:
        raise DesignError(
            f"{rank} estimates cannot be tested together on {df:g} degrees of freedom",
            fix="cluster on a finer level, or test fewer periods",
        )
    return statistic, rank, float(stats.f.sf(statistic * left / (rank * df), rank, left))
