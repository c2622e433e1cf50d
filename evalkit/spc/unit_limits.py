"""Limits for units of different size around one figure: exact, and allowing for over-dispersion.

Spiegelhalter 2005 (Stat Med 24:1185, funnel plots; Qual Saf Health Care 14:347, over-dispersion). Units are compared
on a scale on which the variance does not depend on the figure: arcsine of the square root for proportions, square
root for rates; both have a standard error of 1 / (2 sqrt(size)), size being cases, or expected events over the rate.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import stats

Family = Literal["binomial", "poisson", "normal"]

LEVELS = (0.95, 0.998)  # two and three standard deviations, about
WINSORISE = 0.10  # of z-scores at either end
LEAST_UNITS = 5  # with fewer, what they differ by beyond chance cannot be told


@dataclass(frozen=True)
class Dispersion:
    """How much units differ beyond chance.

    phi   mean square of the winsorised z-scores; 1 where units differ by chance alone
    tau   standard deviation between units beyond chance, on the scale of `transformed`; 0 where phi does not exceed
          what chance gives
    """

    phi: float
    tau: float


def transformed(figure: np.ndarray, family: Family) -> np.ndarray:
    """Figures on the scale on which units are compared; proportions and rates as shares, any shape."""
    if family == "binomial":
        return np.arcsin(np.sqrt(np.clip(figure, 0, 1)))
    return np.sqrt(figure) if family == "poisson" else np.asarray(figure, float)


def back(score: np.ndarray, family: Family) -> np.ndarray:
    """Figures from the scale of `transformed`, kept within what the outcome can be."""
    if family == "binomial":
        return np.asarray(np.sin(np.clip(score, 0, np.pi / 2)) ** 2)
    return np.asarray(np.maximum(score, 0) ** 2) if family == "poisson" else np.asarray(score, float)


def errors(size: np.ndarray, family: Family) -> np.ndarray:
    """Standard errors on that scale; size, denominators, or for `normal` the standard errors themselves."""
    return np.asarray(size, float) if family == "normal" else 1 / (2 * np.sqrt(size))


def scores(figure: np.ndarray, size: np.ndarray, centre: float, family: Family) -> np.ndarray:
    """z-scores of units against the centre, before any allowance, shape (U,)."""
    off = transformed(figure, family) - transformed(np.asarray(centre), family)
    out: np.ndarray = off / errors(size, family)
    return out


def winsorised(z: np.ndarray, share: float = WINSORISE) -> np.ndarray:
    """z-scores with those beyond the `share` and 1 - `share` quantiles set to these (linear between ranks)."""
    low, high = np.quantile(z, [share, 1 - share])
    return np.clip(z, low, high)


def dispersion(z: np.ndarray, error: np.ndarray, share: float = WINSORISE) -> Dispersion:
    """Over-dispersion of units by the method of moments, with w = 1 / error²:

    phi = mean(z_w²);  tau² = (U phi - (U - 1)) / (sum w - sum w² / sum w), not below 0.
    z, error  shape (U,), U at least 2
    """
    clipped = winsorised(z, share)
    phi = float(np.mean(clipped**2))
    weight, many = 1 / error**2, len(z)
    excess = (many * phi - (many - 1)) / (weight.sum() - (weight**2).sum() / weight.sum())
    return Dispersion(phi, float(np.sqrt(max(excess, 0.0))))


def outside(level: float, share: float = WINSORISE) -> float:
    """Share of units outside limits at `level` where units differ much more than by chance, normally distributed.

    Winsorised scores vary less: with q the `share` quantile, by v = 1 - 2 share - 2 q φ(q) + 2 share q² of what they
    do, so that limits lie at sqrt(v) of their distance; 0.68 for a tenth, and 10.6 % beyond the 95 % limits, not 5 %.
    """
    q = -stats.norm.ppf(share)
    kept = 1 - 2 * share - 2 * q * stats.norm.pdf(q) + 2 * share * q**2
    return float(2 * stats.norm.sf(stats.norm.ppf((1 + level) / 2) * np.sqrt(kept)))


def exact(centre: float, size: np.ndarray, family: Family, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Exact binomial or Poisson limits, interpolated between whole counts (Spiegelhalter 2005, appendix A.1.1).

    For tail probability p, r is the smallest count with F(r) >= p, and the limit (r - a) / size with
    a = (F(r) - p) / (F(r) - F(r - 1)). For `normal`, centre ± z standard errors.

    Returns lower and upper limits, each of the shape of `size`.
    """
    tails = ((1 - level) / 2, (1 + level) / 2)
    if family == "normal":
        return centre + stats.norm.ppf(tails[0]) * size, centre + stats.norm.ppf(tails[1]) * size
    law = stats.binom(size, centre) if family == "binomial" else stats.poisson(size * centre)
    low, high = (_interpolated(law, p) / size for p in tails)
    top = 1.0 if family == "binomial" else np.inf
    return np.clip(low, 0, top), np.clip(high, 0, top)


def _interpolated(law: stats.distributions.rv_frozen, tail: float) -> np.ndarray:
    r = law.ppf(tail)
    at, below = law.cdf(r), law.cdf(r - 1)
    out: np.ndarray = r - (at - tail) / np.where(at > below, at - below, 1)
    return out


def widened(
    centre: float, size: np.ndarray, family: Family, level: float, spread: Dispersion, *, additive: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Limits that allow for over-dispersion, each of the shape of `size`.

    additive  units differ by tau beyond chance: ± z sqrt(error² + tau²); otherwise chance itself is
              larger: ± z error sqrt(phi), phi not below 1
    """
    error = errors(size, family)
    wide = np.sqrt(error**2 + spread.tau**2) if additive else error * np.sqrt(max(spread.phi, 1.0))
    middle, z = transformed(np.asarray(centre), family), stats.norm.ppf((1 + level) / 2)
    return back(middle - z * wide, family), back(middle + z * wide, family)


def own_interval(count: np.ndarray, size: np.ndarray, family: Family, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Each unit's exact interval: Clopper and Pearson (1934) for proportions, Garwood (1936) for rates.

    count  numerators, or for `normal` the figures; size as in `errors`
    """
    tail = (1 - level) / 2
    if family == "normal":
        half = stats.norm.ppf(1 - tail) * size
        return count - half, count + half
    if family == "poisson":
        low, high = stats.chi2.ppf(tail, 2 * count) / 2, stats.chi2.ppf(1 - tail, 2 * count + 2) / 2
        return np.nan_to_num(low) / size, high / size
    low = np.nan_to_num(stats.beta.ppf(tail, count, size - count + 1))
    high = np.nan_to_num(stats.beta.ppf(1 - tail, count + 1, size - count), nan=1.0)
    return low, high


def shrunk(
    figure: np.ndarray, size: np.ndarray, centre: float, family: Family, tau: float, level: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Figures drawn towards the centre by B = tau² / (tau² + error²), interval ± z sqrt(B) error; shape (U,) each.

    tau  0 draws every unit all the way
    """
    error = errors(size, family)
    keep = tau**2 / (tau**2 + error**2)
    middle = transformed(np.asarray(centre), family)
    score = middle + keep * (transformed(figure, family) - middle)
    half = stats.norm.ppf((1 + level) / 2) * np.sqrt(keep) * error
    return back(score, family), back(score - half, family), back(score + half, family)
