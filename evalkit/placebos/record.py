"""How wrong a design is on a study's own data: its record over pseudo-collaboratives that changed nothing.

Of B draws with estimates theta_b, errors s_b and intervals at level 1 - a:

    false-positive rate   share of draws whose interval excludes nought; its Monte Carlo error sqrt(p (1 - p) / B)
    bias                  mean of theta_b; typical error: median of |theta_b|
    rank                  (1 + draws with |theta_b / s_b| of the real size or more) / (1 + B)
    calibrated interval   theta - q_{1-a/2} s to theta - q_{a/2} s, q_p the p-quantile of theta_b / s_b

The last two are in standard errors, so that a pool with fewer units than the study serves; they take the study's
errors to be wrong by the same factor as those of the draws, and its bias in standard errors to be theirs.

Sources: Bertrand, Duflo and Mullainathan (2004), Q J Econ 119:249, on placebo laws; Schuemie and others (2018), Proc
Natl Acad Sci 115:2571, on calibration by negative controls.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from evalkit.placebos.pool import Pool
from evalkit.placebos.residuals import Resampled
from evalkit.placebos.runs import Run

Z = 1.96


@dataclass(frozen=True, eq=False)
class Calibrated:
    """A design's record.

    false_positive, monte_carlo  share of intervals that exclude nought, and its simulation error
    bias, typical, spread        mean, median size and standard deviation of the estimates, in the outcome's unit
    ratio                        root mean squared standard error over the standard deviation of the estimates
    """

    run: Run
    level: float

    @property
    def draws(self) -> int:
        """Draws in which it could be computed."""
        return len(self.run.estimate)

    @property
    def false_positive(self) -> float:
        """Share of draws whose interval excludes nought."""
        return float(self.run.rejected.mean())

    @property
    def monte_carlo(self) -> float:
        """Error of that share from drawing: half the width of Wilson's 95 % interval over 1.96, never nought.

        sqrt(p (1 - p) / B + z^2 / (4 B^2)) / (1 + z^2 / B), z = 1.96 (Wilson 1927, J Am Stat Assoc 22:209).
        """
        p, B = self.false_positive, self.draws
        return float(np.sqrt(p * (1 - p) / B + Z**2 / (4 * B**2)) / (1 + Z**2 / B))

    @property
    def least(self) -> float:
        """The lower end of that interval: the share that chance alone could hide behind this one."""
        p, B = self.false_positive, self.draws
        return float((p + Z**2 / (2 * B)) / (1 + Z**2 / B) - Z * self.monte_carlo)

    @property
    def bias(self) -> float:
        """Mean estimate."""
        return float(self.run.estimate.mean())

    @property
    def typical(self) -> float:
        """Median size of an estimate where there is nothing."""
        return float(np.median(np.abs(self.run.estimate)))

    @property
    def spread(self) -> float:
        """Standard deviation of the estimates."""
        return float(self.run.estimate.std(ddof=1))

    @property
    def ratio(self) -> float:
        """Root mean squared standard error over the standard deviation of the estimates."""
        return float(np.sqrt((self.run.error**2).mean()) / self.spread)

    @property
    def statistics(self) -> np.ndarray:
        """Estimates over their standard errors, shape (draws,)."""
        return self.run.estimate / self.run.error

    def rank(self, estimate: float, error: float) -> float:
        """Share of draws at least as far from nought as the real estimate, which counts as one of them."""
        return float((1 + (np.abs(self.statistics) >= abs(estimate / error)).sum()) / (1 + self.draws))

    def interval(self, estimate: float, error: float) -> tuple[float, float]:
        """The real estimate's interval with quantiles of the draws instead of Student's t."""
        tail = (1 - self.level) / 2
        low, high = np.quantile(self.statistics, [tail, 1 - tail])
        return float(estimate - high * error), float(estimate - low * error)

    def figures(self) -> dict[str, Any]:
        """Everything by name, for programs, and every draw's estimate and standard error."""
        simple = ("draws", "false_positive", "monte_carlo", "bias", "typical", "spread", "ratio")
        draws = {
            "estimates": self.run.estimate.tolist(),
            "std_errors": self.run.error.tolist(),
            "lost": self.run.lost,
        }
        return {name: getattr(self, name) for name in simple} | draws


@dataclass(frozen=True, eq=False)
class Calibration:
    """Records of several designs over the same draws.

    source   where draws come from; None where there is nothing to draw from, and every design is refused
    found    by design, units drawn by lot
    refused  designs without a record, and why
    leant    by design, units drawn as selectively as they joined; empty where entry was not by the outcome
    chosen   where those draws come from
    """

    source: Pool | Resampled | None
    found: dict[str, Calibrated]
    refused: dict[str, str]
    leant: dict[str, Calibrated] = field(default_factory=dict)
    chosen: Pool | None = None

    def __repr__(self) -> str:
        """Where the draws come from, and the rate of each design."""
        where = "nothing to draw from" if self.source is None else self.source.sentence()
        rates = "; ".join(f"{d} {100 * r.false_positive:.1f}% of {r.draws}" for d, r in self.found.items())
        return f"Calibration on {where}. Taken for an effect: {rates or 'no design'}."

    def figures(self) -> dict[str, Any]:
        """Everything by name, for programs, at full precision."""
        return {
            "source": None if self.source is None else self.source.sentence(),
            "designs": {design: one.figures() for design, one in self.found.items()},
            "as_selective": {design: one.figures() for design, one in self.leant.items()},
            "refused": dict(self.refused),
        }
