"""Intervals and p-values of one quantity.

Symbols: beta, shape (k,), estimates; V, shape (k, k), their covariance; c, shape (k,), the
weights of a contrast c'beta with variance c'Vc.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy import stats

from evalkit.errors import DesignError

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
