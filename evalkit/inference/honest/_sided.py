"""Bounds when it is known to which side trends parted after joining.

    Delta^RMPB = Delta^RM and delta_t >= 0, t > 0;   Delta^SDPB = Delta^SD and delta_t >= 0, t > 0

(positive bias; negative is the mirror image). With weights l >= 0 the sign says that l'delta >= 0, that is,
theta <= l'E(beta). The set is

    {theta in C(alpha - s)} and {theta <= l'beta + z_{1-s} sd(l'beta)},   s = alpha/10,

C(a) being the set without signs of level 1 - a. It holds the truth with probability at least 1 - alpha:
C(alpha - s) misses it with probability at most alpha - s, the one-sided bound with at most s because
E(l'beta) = theta + l'delta >= theta, and both together with no more than the sum.

It is never wider than C(alpha - s): against C(alpha) the other end moves out by 0.05 standard errors where a
normal quantile decides (1.695 against 1.645, or 2.005 against 1.960), while the end of the known sign is at
most 2.58 standard errors of the estimate from it, whatever the bound on departures.

A conditional test on theta <= l'beta (Andrews, Roth and Pakes 2023), given which corner of the moments without
signs is the largest, was tried first. It spends alpha only once, but conditions on near ties: in 60 draws (12 +
12 periods, autocorrelation 0.5, Mbar = 1) its end of the known sign stood 2.6 standard errors beyond the
estimate on average and 8.4 at worst for changes, 5.0 and 15.1 for bends, where this has 2.58 throughout.

The set is as large as it must be, as noise vanishes, for changes; for bends it does not use that a path
above zero must bend before it reaches zero.

Source of the restrictions: Rambachan and Roth (2023), Rev Econ Stud 90:2555, section 2.4.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from scipy import stats

from evalkit.errors import DesignError
from evalkit.inference.honest._pieces import pieces
from evalkit.inference.honest._search import interval
from evalkit.inference.honest.coefficients import Coefficients

SPENT = 0.1  # s / alpha: the end without a sign has much the larger error, so it keeps most of alpha
Method = Literal["C-LF", "conditional"]
Sign = Literal["any", "positive", "negative"]


@dataclass(frozen=True)
class Test:
    """How a set is tested: its level, the test, and the known sign of departures after joining."""

    level: float
    method: Method
    sign: Sign

    def __post_init__(self) -> None:
        """Refuse what is no test."""
        if not 0 < self.level < 1:
            raise DesignError(f"a level is between 0 and 1, not {self.level:g}")
        for what, given, known in (("method", self.method, Method), ("sign", self.sign, Sign)):
            if given not in get_args(known):
                raise DesignError(f"`{what}` is {given!r}", fix=f"use one of {', '.join(get_args(known))}")


def facing(coefficients: Coefficients, sign: Sign) -> tuple[Coefficients, Callable[[np.ndarray], np.ndarray]]:
    """The coefficients turned so that a known sign is positive, and what turns sets, shape (k, 2), back."""
    if sign != "negative":
        return coefficients, lambda sets: sets
    kept = coefficients
    return Coefficients(-kept.beta, kept.sigma, kept.before, kept.after), lambda sets: -sets[:, ::-1]


def ends(
    coefficients: Coefficients, weights: np.ndarray, rows: np.ndarray, bounds: np.ndarray, test: Test
) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest effect not rejected in each piece, shapes (P,); inf and -inf where all are.

    rows and bounds as for `pieces`; any sign but `any` stands for positive. Where a bound of nought allows no
    first difference departures are zero and a sign says nothing: the set is then that without it.
    Raises DesignError when a set has no end within reach, and where the sign is known, for a negative weight.
    """
    found, hybrid, alpha = pieces(coefficients, weights, rows, bounds), test.method == "C-LF", 1 - test.level
    if test.sign == "any":
        return interval(found, alpha, hybrid=hybrid)
    top = _top(coefficients, weights, SPENT * alpha)
    low, high = interval(found, (1 - SPENT) * alpha, hybrid=hybrid)
    low, high = np.where(low <= top, low, np.inf), np.where(low <= top, np.minimum(high, top), -np.inf)
    idle = ~bounds.any(axis=1) & ~rows[:, : coefficients.p].any()
    if not idle.any():
        return low, high
    plain = interval(found, alpha, hybrid=hybrid)
    return np.where(idle, plain[0], low), np.where(idle, plain[1], high)


def _top(coefficients: Coefficients, weights: np.ndarray, size: float) -> float:
    """The one-sided bound l'beta + z sd(l'beta)."""
    target = coefficients.target(weights)
    if (target < 0).any():
        raise DesignError(
            "a known sign of departures bounds effects that are all weighed positively",
            fix="weigh no period negatively, or leave `sign` at any",
        )
    deviation = float(np.sqrt(target @ coefficients.sigma @ target))
    return float(target @ coefficients.beta) + float(stats.norm.isf(size)) * deviation
