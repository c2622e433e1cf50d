"""Means over units whose estimates are taken as independent, and the units' own effects drawn towards a mean.

Symbols: theta_i, shape (K,), the units' estimates; v_i their error variances; tau the standard deviation
between their true effects.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import optimize

from evalkit.estimators._its.pooling import Pooled, require_units


def random_effects(values: np.ndarray, variances: np.ndarray, method: str = "REML") -> Pooled:
    """Random-effects mean with the Hartung-Knapp error, units taken as independent.

        theta = sum w_i theta_i / sum w_i,  w_i = 1 / (v_i + tau^2),
        Var = sum w_i (theta_i - theta)^2 / ((K - 1) sum w_i),  Student's t on K - 1

    values, variances  theta_i and v_i, shape (K,)
    method             tau^2 by `REML`, or by `DL`, the moments of DerSimonian and Laird; 0 at least

    Raises DesignError with fewer than three units. Sources: DerSimonian and Laird (1986), Control Clin Trials
    7:177; Hartung and Knapp (2001), Stat Med 20:3875; Viechtbauer (2005), J Educ Behav Stat 30:261.
    """
    K = require_units(len(values))
    tau2 = _moments(values, variances) if method == "DL" else _restricted(values, variances)
    w = 1 / (variances + tau2)
    mean = float(w @ values / w.sum())
    variance = float(w @ (values - mean) ** 2 / ((K - 1) * w.sum()))
    return Pooled(mean, float(np.sqrt(variance)), K - 1.0, float(np.sqrt(tau2)))


def _moments(values: np.ndarray, variances: np.ndarray) -> float:
    w = 1 / variances
    Q = w @ (values - w @ values / w.sum()) ** 2
    return max(float((Q - len(values) + 1) / (w.sum() - w @ w / w.sum())), 0.0)


def _restricted(values: np.ndarray, variances: np.ndarray) -> float:
    """The tau^2 at which the restricted likelihood is highest: a grid, then the bracket around its best point."""
    scale = float(np.var(values) + variances.mean())

    def deviance(tau2: float) -> float:
        w = 1 / (variances + tau2)
        mean = w @ values / w.sum()
        return float(-np.log(w).sum() + np.log(w.sum()) + w @ (values - mean) ** 2)

    def score(tau2: float) -> float:
        w = 1 / (variances + tau2)
        mean = w @ values / w.sum()
        return float(w.sum() - w @ w / w.sum() - (w * w) @ (values - mean) ** 2)

    grid = scale * np.concatenate([[0.0], np.geomspace(1e-4, 10, 60)])
    best = int(np.argmin([deviance(x) for x in grid]))
    low, high = grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)]
    if score(low) >= 0:
        return float(low)
    return float(optimize.brentq(score, low, high, xtol=1e-14 * scale, rtol=1e-14))


class Shrunk(NamedTuple):
    """Effects drawn towards the mean of all, their standard errors and degrees of freedom; each shape (K,)."""

    value: np.ndarray
    std_error: np.ndarray
    df: np.ndarray


def shrink(values: np.ndarray, errors: np.ndarray, dfs: np.ndarray, mean: Pooled) -> Shrunk:
    """Empirical-Bayes effects: each unit's own, drawn towards the mean as far as its error warrants.

    With a_i = v_i - C the unit's own part of its error variance v_i (the shared part C moves all alike),

        B_i = (K-3)/(K-1) a_i / (a_i + tau^2),   shrunk_i = theta_i - B_i (theta_i - theta),
        Var_i = a_i (1 - B_i) + B_i^2 (Var(theta) - C) + C + 2/(K-3) B_i^2 (theta_i - theta)^2,

    the last part for tau^2 being estimated. With three units nothing is drawn. Satterthwaite degrees
    of freedom: the unit's own for the first part, those of the mean for the rest.

    values, errors, dfs  of the units, shape (K,)
    Source: Morris (1983), J Am Stat Assoc 78:47, eqs 1.14-1.17, with C added.
    """
    K = len(values)
    a = np.maximum(errors**2 - mean.shock, 0.0)
    away = values - mean.value
    B = (K - 3) / (K - 1) * a / np.where(a > 0, a + mean.between**2, 1.0)
    own = a * (1 - B)
    rest = B**2 * max(mean.std_error**2 - mean.shock, 0.0) + mean.shock + 2 / max(K - 3, 1) * (B * away) ** 2
    whole = own + rest
    return Shrunk(values - B * away, np.sqrt(whole), whole**2 / (own**2 / dfs + rest**2 / mean.df))
