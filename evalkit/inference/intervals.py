"""Intervals and p-values of one quantity.

Symbols: beta, shape (k,), estimates; V, shape (k, k), their covariance; c, shape (k,), the
weights of a contrast c'beta with variance c'Vc.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import special

from evalkit.errors import DesignError

ROUNDING = 1e-12  # what double precision leaves of a value after a regression, with room to spare
LARGEST = 700.0  # a logarithm beyond which its number overflows
TINY = 1e-10  # a standard error this small against the estimate's own scale is rounding, not evidence


def terms(
    names: Sequence[str],
    estimate: np.ndarray,
    std_error: np.ndarray,
    df: np.ndarray | float,
    level: float,
    *,
    scale: float = 0.0,
) -> list[dict[str, Any]]:
    """Rows of `Estimate.terms`: estimate -/+ t_{df} std_error, and the two-sided p-value; shape (m,) each.

    df = inf gives the normal distribution; scale is the size of the values that went in. The unit is left
    blank, which means that of the whole estimate. Raises
    DesignError when an error is missing, infinite, or no more than rounding against the estimate and
    the values: such a quantity cannot be computed, and is never reported as certain.
    """
    theta, error = np.asarray(estimate, float), np.asarray(std_error, float)
    free = np.broadcast_to(np.asarray(df, float), theta.shape)
    least = np.maximum(TINY * np.abs(theta), ROUNDING * scale)
    bad = ~np.isfinite(theta) | ~np.isfinite(error) | (error <= least)
    if bad.any():
        raise DesignError(
            f"the standard error of the {names[int(np.flatnonzero(bad)[0])]} cannot be computed",
            fix="the outcome does not vary enough around the fitted course, or too few units carry it",
        )
    if not (free > 0).all():
        which = names[int(np.flatnonzero(~(free > 0))[0])]
        raise DesignError(f"no degrees of freedom are left for the {which}", fix="use more periods or fewer terms")
    reach = special.stdtrit(free, 0.5 + level / 2) * error
    p_value = 2 * special.stdtr(free, -np.abs(theta) / error)
    columns = [theta, error, free, theta - reach, theta + reach, p_value]
    keys = ("estimate", "std_error", "df", "low", "high", "p_value")
    return [
        {"term": name, **dict(zip(keys, map(float, row), strict=True)), "unit": ""}
        for name, row in zip(names, zip(*columns, strict=True), strict=True)
    ]


def term(
    name: str, estimate: float, std_error: float, df: float, level: float, *, scale: float = 0.0
) -> dict[str, Any]:
    """One row, as `terms` computes it."""
    return terms([name], np.array([estimate]), np.array([std_error]), df, level, scale=scale)[0]


def ratio(name: str, logarithm: float, std_error: float, df: float, level: float, *, unit: str) -> dict[str, Any]:
    """One row of `Estimate.terms` for a ratio whose logarithm was estimated.

    The ratio is exp(l), its interval exp(l -/+ t_{df} s), its p-value that of l = 0, and its standard
    error exp(l) s (delta method), which is for the reader only. With unit `per cent` the ratio is
    given as the change 100 (exp(l) - 1). Raises DesignError as `term` does, and where the interval reaches beyond
    what a number can hold.
    """
    row = term(name, logarithm, std_error, df, level)
    if row["high"] > LARGEST:
        raise DesignError(f"the interval of '{name}' is too wide to be given as a ratio")
    factor, shift = (100.0, 100.0) if unit == "per cent" else (1.0, 0.0)
    turned = {key: factor * math.exp(row[key]) - shift for key in ("estimate", "low", "high")}
    return {**row, **turned, "std_error": factor * math.exp(logarithm) * std_error, "unit": unit}


def contrast(beta: np.ndarray, covariance: np.ndarray, weights: np.ndarray) -> tuple[float, float]:
    """c'beta and sqrt(c'Vc). Shapes (k,), (k, k), (k,)."""
    variance = float(weights @ covariance @ weights)
    return float(weights @ beta), math.sqrt(max(variance, 0.0))
