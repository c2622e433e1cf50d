"""What a test of the course before joining could have missed.

Had the joined units already been on a straight line of slope g a period, delta_t = g t from the base period
on, how steep would it have to be for the test to find it with a given power; how far off would that line,
carried on, put the estimate; and how far among the studies that pass the test, which are not a fair sample.

Source: Roth (2022), Pretest with caution, AER: Insights 4:305, sections II and III.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import optimize, stats

from evalkit.errors import DesignError
from evalkit.inference.honest import Coefficients
from evalkit.inference.rectangle import inside

Test = Literal["any", "joint"]
STEEPEST = 60  # doublings in the search for a slope


@dataclass(frozen=True)
class Slope:
    """A straight line that the test before joining would find with a given power.

    slope        departure a period, in the outcome's unit, positive
    power        probability that the test finds it
    bias         l'delta_post of that line carried on
    bias_passed  the mean error of the estimate among studies in which the test finds nothing
    """

    slope: float
    power: float
    bias: float
    bias_passed: float


def detectable_slope(
    coefficients: Coefficients,
    weights: np.ndarray,
    power: float,
    *,
    test: Test = "any",
    size: float = 0.05,
    df: float = math.inf,
) -> Slope:
    """The slope that a test of the coefficients before joining finds with the given power.

    weights  l of the estimate, one for each coefficient after joining, shape (q,)
    test     `any` coefficient alone significant, |beta_k| > t_df se_k; or the `joint` Wald test, whose
             reference is Hotelling's (inference.wald)
    size     level of each test
    df       degrees of freedom of the errors; inf takes the covariance as known

    Power rises with the slope (Anderson 1955: the region of acceptance is convex and symmetric). That of
    `any` is right to about 1e-4, that of `joint` exact for normal coefficients. Raises DesignError when there
    is nothing before joining, its covariance is singular, or the test is so liberal that it rejects as often
    without any slope.
    """
    if not coefficients.p:
        raise DesignError("there are no coefficients before joining", fix="widen `window` before joining")
    if not 0 < power < 1:
        raise DesignError("power must lie between 0 and 1")
    base = power_against(coefficients, np.zeros(coefficients.p), test=test, size=size, df=df)[0]
    if base >= power:
        raise DesignError(
            f"the test before joining rejects with probability {base:.2f} when there is no departure at all",
            fix="ask for more power, or test fewer periods",
        )
    before = coefficients.before.astype(float)

    def excess(slope: float) -> float:
        return power_against(coefficients, slope * before, test=test, size=size, df=df)[0] - power

    steep = float(np.sqrt(np.diag(coefficients.sigma)[: coefficients.p] / before**2).min())
    for _ in range(STEEPEST):
        if excess(steep) > 0:
            break
        steep *= 2
    slope = float(optimize.brentq(excess, 0.0, steep, xtol=1e-12 * steep, rtol=1e-10))
    reached, given = power_against(coefficients, slope * before, test=test, size=size, df=df)
    return Slope(slope, reached, *_bias(coefficients, weights, slope, given))


def power_against(
    coefficients: Coefficients,
    departures: np.ndarray,
    *,
    test: Test = "any",
    size: float = 0.05,
    df: float = math.inf,
) -> tuple[float, np.ndarray]:
    """Power of the test against departures before joining, and the mean coefficients when it finds nothing.

    departures  delta before joining, shape (p,)

    For the joint test, with nc the noncentrality delta' S^-1 delta and P_q the probability of passing with
    q degrees of freedom, the mean when passing is delta P_{q+2}(nc) / P_q(nc).
    """
    p = coefficients.p
    sigma = coefficients.sigma[:p, :p]
    if test == "any":
        limit = stats.t.ppf(1 - size / 2, df) * np.sqrt(np.diag(sigma))
        passed, mean = inside(departures, sigma, limit, df)
        return 1 - passed, mean
    nc = _noncentrality(sigma, departures)
    passed, wider = (_passing(p, extra, nc, size, df) for extra in (0, 2))
    return 1 - passed, departures * (wider / passed if passed > 0 else 0.0)


def _passing(p: int, extra: int, nc: float, size: float, df: float) -> float:
    """Pr(chi-squared on p + extra, noncentrality nc, is below the joint test's limit)."""
    if math.isinf(df):
        limit = stats.chi2.ppf(1 - size, p)
        return float(stats.ncx2.cdf(limit, p + extra, nc) if nc > 0 else stats.chi2.cdf(limit, p + extra))
    left = df - p + 1
    if left <= 0:
        raise DesignError(
            f"{p} coefficients cannot be tested together on {df:g} degrees of freedom",
            fix="cluster on a finer level, or test fewer periods",
        )
    limit = stats.f.ppf(1 - size, p, left) * p / (p + extra)
    return float(stats.ncf.cdf(limit, p + extra, left, nc) if nc > 0 else stats.f.cdf(limit, p + extra, left))


def _noncentrality(sigma: np.ndarray, departures: np.ndarray) -> float:
    try:
        return float(departures @ np.linalg.solve(sigma, departures))
    except np.linalg.LinAlgError:
        raise DesignError(
            f"{len(departures)} coefficients rest on too few clusters to be tested together",
            fix="cluster on a finer level, or test fewer periods",
        ) from None


def _bias(coefficients: Coefficients, weights: np.ndarray, slope: float, given: np.ndarray) -> tuple[float, float]:
    """Error of the estimate from the line carried on: in all studies, and in those that pass the test.

    The second adds l' S_post,pre S_pre^-1 (E[beta_pre | passed] - delta_pre).
    """
    p, target = coefficients.p, coefficients.target(weights)
    carried = slope * float(target[p:] @ coefficients.after)
    shift = given - slope * coefficients.before
    pulled = target @ coefficients.sigma[:, :p] @ np.linalg.solve(coefficients.sigma[:p, :p], shift)
    return carried, carried + float(pulled)
