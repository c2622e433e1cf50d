"""Two designs on the same draws: how far apart they are where nothing happened.

With theta_1b and theta_2b the estimates of two designs in draw b of B that both could be computed in,

    d_b = (theta_2b - theta_1b) / w

w being how much wider an interval is in the pool than in the study from numbers alone (`Pool.wider`): for two
comparisons between units both estimates, and so their difference, have errors in proportion to sqrt(1/a + 1/b).
Standard errors do not serve here as they do for one design: no draw has one of the difference, and either design's
own says little of it. A real difference d has

    rank      (1 + draws with |d_b| >= |d|) / (1 + B),  never below 1 / (1 + B)
    interval  d -/+ the k-th smallest |d_b|, k = ceil(level (1 + B)): all differences with a rank above 1 - level

A series of the joined units alone holds what moved every unit in its months. That is in every draw at the same dates
alike, so the spread of d_b leaves it out; from the draws is then taken only how the two errors vary together,

    cov(theta_1, theta_2) a / A    over the draws of each place,   a joined in a draw, A in the study

since a comparison between units does not share what moved every unit, and both share the joined units' own errors,
whose variance goes with 1/a.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from evalkit import numbers
from evalkit.errors import DesignError
from evalkit.estimators import title
from evalkit.placebos.pool import Pool
from evalkit.placebos.record import Calibration

FEWEST = 20  # shared draws


@dataclass(frozen=True, eq=False)
class Paired:
    """Two designs' estimates in the draws that both have, B of them.

    first, second  estimates, shape (B,)
    place          which dates each draw is at, shape (B,)
    wider          how much wider an interval is in the pool than in the study
    share          joined units of a draw over those of the study
    """

    first: np.ndarray
    second: np.ndarray
    place: np.ndarray
    wider: float
    share: float

    @property
    def draws(self) -> int:
        """How many draws both have."""
        return len(self.first)

    @property
    def differences(self) -> np.ndarray:
        """The second less the first, in a study of its own size, shape (B,)."""
        return (self.second - self.first) / self.wider

    @property
    def spread(self) -> float:
        """Standard deviation of the differences."""
        return float(self.differences.std(ddof=1))

    @property
    def resolution(self) -> float:
        """The smallest rank that so many draws can give."""
        return 1 / (1 + self.draws)

    def rank(self, difference: float) -> float:
        """Share of draws at least as far apart as the real estimates, which count as one of them."""
        return float((1 + (np.abs(self.differences) >= abs(difference)).sum()) / (1 + self.draws))

    def reach(self, level: float) -> float:
        """Half the interval of a difference. Raises DesignError where so few draws have none at that level."""
        k = math.ceil(round(level * (1 + self.draws), 9))
        if k > self.draws:
            raise DesignError(f"{self.draws} draws give no {numbers.per_cent(level)} interval")
        return float(np.sort(np.abs(self.differences))[k - 1])

    @property
    def covariance(self) -> float:
        """Of the two estimates' errors in the study, but for what moves every unit. Raises DesignError with none."""
        places, of = np.unique(self.place, return_inverse=True)
        free = self.draws - len(places)
        if free <= 0:
            raise DesignError("each draw is at dates of its own")
        apart = [x - (np.bincount(of, x) / np.bincount(of))[of] for x in (self.first, self.second)]
        return float(apart[0] @ apart[1] / free * self.share)


def paired(calibration: Calibration, first: str, second: str) -> Paired:
    """Two designs of a record, draw by draw.

    Raises DesignError when one of them has no record, outcomes were drawn anew from residuals, or fewer than 20
    draws are shared.
    """
    source = calibration.source
    for design in (first, second):
        if design not in calibration.found:
            why = calibration.refused.get(design, "it was not put to pseudo-collaboratives")
            raise DesignError(f"{title(design)} has no record over draws: {why}")
    if not isinstance(source, Pool):
        raise DesignError("outcomes were drawn anew from residuals, which do not keep what designs share")
    one, two = (calibration.found[design].run for design in (first, second))
    keys = [[tuple(row) for row in run.at.tolist()] for run in (one, two)]
    where = {key: k for k, key in enumerate(keys[0])}
    pairs = np.array([(where[key], k) for k, key in enumerate(keys[1]) if key in where], int).reshape(-1, 2)
    if len(pairs) < FEWEST:
        raise DesignError(f"{numbers.of(len(pairs), 'draw')} have both, and {FEWEST} are needed")
    i, k = pairs.T
    share = float(source.sizes.sum() / source.joined)
    return Paired(one.estimate[i], two.estimate[k], one.at[i, 0], source.wider, share)
