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

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from evalkit.errors import DesignError
from evalkit.estimators._did.headline import DESIGNS
from evalkit.panel import Panel
from evalkit.placebos import runs
from evalkit.placebos.draw import Lean, lean, rollouts
from evalkit.placebos.pool import Pool, pool
from evalkit.placebos.residuals import Resampled, resampled, weighed
from evalkit.placebos.runs import INDEPENDENT, Run

DRAWS, DRAWS_WHOLE, SEED = 1_000, 100, 20261122
FEWEST = 20  # draws below which no rate is given
NOTABLE = 0.08  # a false-positive rate above this is a concern


@dataclass(frozen=True)
class Draws:
    """How many draws for designs on weighted outcomes, and for those fitted whole; and the seed."""

    weighed: int
    whole: int
    seed: int


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
        """Standard error of that share from drawing."""
        p = self.false_positive
        return float(np.sqrt(p * (1 - p) / self.draws))

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


@dataclass(frozen=True, eq=False)
class Calibration:
    """Records of several designs over the same draws.

    source   where draws come from
    leaning  how entry leaned to poor baselines, if it did and is imitated
    found    by design
    refused  designs without a record, and why
    """

    source: Pool | Resampled
    leaning: Lean | None
    seed: int
    found: dict[str, Calibrated]
    refused: dict[str, str]


def calibrate(
    panel: Panel,
    designs: tuple[str, ...],
    draws: int = DRAWS,
    draws_whole: int = DRAWS_WHOLE,
    seed: int = SEED,
    progress: Callable[[str], None] = lambda _: None,
) -> Calibration:
    """The record of each design on pseudo-collaboratives of the study's own.

    draws        of designs on weighted outcomes
    draws_whole  of the others, the first of the same draws
    progress     is told of each design before it runs

    Raises DesignError when the study has no untouched unit-periods to draw from.
    """
    leaning = lean(panel)
    anticipation = _anticipation(panel, designs)
    found, refused = {}, {}
    source, leaning = _source(panel, anticipation, leaning)
    asked = Draws(draws, draws_whole, seed)
    runner = _by_rollout(source, asked, leaning) if isinstance(source, Pool) else _by_outcome(source, asked)
    for design in designs:
        progress(design)
        try:
            one = Calibrated(runner(design), panel.study.protocol.level)
        except DesignError as refusal:
            refused[design] = "; ".join(fault.what for fault in refusal.faults)
            continue
        if one.draws < FEWEST:
            refused[design] = f"it could be computed in {one.draws} draws only"
            continue
        found[design] = one
    return Calibration(source, leaning, seed, found, refused)


def _source(panel: Panel, anticipation: int, leaning: Lean | None) -> tuple[Pool | Resampled, Lean | None]:
    """Untouched unit-periods that can hold a rollout, or else residuals, for which no entry is imitated."""
    try:
        return pool(panel, anticipation, selective=leaning is not None), leaning
    except DesignError:
        return resampled(panel, anticipation), None


def _by_rollout(source: Pool, draws: Draws, leaning: Lean | None) -> Callable[[str], Run]:
    """Runs a design on drawn rollouts."""
    random = np.random.default_rng(draws.seed)
    counts = _shares(draws.weighed, len(source.places))
    drawn = [rollouts(source, place, b, random, leaning) for place, b in zip(source.places, counts, strict=True)]

    def run(design: str) -> Run:
        few = design not in DESIGNS and design != INDEPENDENT
        least = _shares(min(draws.whole, draws.weighed), len(counts)) if few else counts
        made = [runs.run(design, p, d[:b]) for p, d, b in zip(source.places, drawn, least, strict=True) if b]
        return runs.together(made)

    return run


def _by_outcome(source: Resampled, draws: Draws) -> Callable[[str], Run]:
    """Runs a design on simulated outcomes under the study's own rollout."""

    def run(design: str) -> Run:
        if design not in DESIGNS:
            raise DesignError("no rollout can be moved here, and on simulated outcomes only comparisons are run")
        return weighed(design, source, draws.weighed, draws.seed)

    return run


def _shares(draws: int, places: int) -> list[int]:
    """Draws spread evenly over places."""
    return [draws // places + (k < draws % places) for k in range(places)]


def _anticipation(panel: Panel, designs: tuple[str, ...]) -> int:
    """The longest that any of the designs declares."""
    options = panel.study.protocol.model
    return max(
        (getattr(getattr(options, d, None), "anticipation", 0) for d in designs if d != INDEPENDENT), default=0
    )
