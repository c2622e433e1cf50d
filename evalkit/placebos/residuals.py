"""Outcomes drawn anew around the untouched model, where no rollout can be moved: the study's own rollout stays.

    y_it = alpha_i + lambda_t + e_it    on the unit-periods that no joining has touched

Residuals e are cut into overlapping blocks of consecutive periods of one unit, and every unit gets a course joined
of blocks drawn with replacement from all units, so that errors keep their size and, within a block, their
persistence (Kuensch 1989, Ann Stat 17:1217). They are scaled up by sqrt(N / (N - n - T + 1)) for the effects that
were fitted. Unit and period effects drop out of every comparison between units and are left out.

Persistence beyond a block is lost, so that errors of long averages come out somewhat small; estimates and their
errors are both of such outcomes, and rates of rejection suffer less. Entry is not imitated.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evalkit import numbers, periods
from evalkit.errors import DesignError
from evalkit.estimators._did import front
from evalkit.estimators._did.absorb import Sample, period_effects
from evalkit.estimators._did.headline import headline, ruled
from evalkit.estimators._did.layout import Layout, layout
from evalkit.estimators._did.linear import CHUNK
from evalkit.panel import Panel
from evalkit.placebos.runs import Run, half_widths, numbered, profiles

LONGEST = {"month": 12, "quarter": 4, "year": 3}  # periods of a block
SHORTEST = 3
FEWEST = 20  # different blocks


@dataclass(frozen=True, eq=False)
class Resampled:
    """What courses are drawn from.

    panel   the study's
    layout  its arrays
    blocks  shape (C, b), scaled
    level   alpha_i + lambda_t, shape (n, T), for effects relative to the outcome
    """

    panel: Panel
    layout: Layout
    blocks: np.ndarray
    level: np.ndarray

    wider = 1.0  # the study's own numbers

    def sentence(self) -> str:
        """How outcomes are drawn."""
        noun = periods.noun(self.panel.study.frequency, self.blocks.shape[1])
        return (
            f"residuals of the untouched model in blocks of {self.blocks.shape[1]} {noun}, put together anew for all "
            f"{numbers.of(len(self.layout.g), 'unit')} under the study's own rollout"
        )

    def courses(self, draws: int, random: np.random.Generator) -> np.ndarray:
        """Simulated outcomes, nought where nothing was observed, shape (draws, n, T)."""
        n, T = self.layout.Y.shape
        C, b = self.blocks.shape
        pieces = -(-T // b) + 1
        whole = self.blocks[random.integers(C, size=(draws, n, pieces))].reshape(draws, n, pieces * b)
        start = random.integers(b, size=(draws, n, 1))
        cut = np.take_along_axis(whole, start + np.arange(T)[None, None, :], axis=2)
        return np.where(self.layout.seen[None], cut, 0.0)


def resampled(panel: Panel, anticipation: int = 0) -> Resampled:
    """The study's untouched residuals.

    Raises DesignError when clusters hold several units, whose shared shocks blocks of single units would lose, or
    the untouched unit-periods give too few blocks.
    """
    arrays = layout(panel)
    if arrays.gathered:
        raise DesignError("clusters hold several units, and what they share would be lost", panel.study.slug)
    untouched, _ = front.sample(arrays, anticipation)
    sample = Sample(np.ones(len(arrays.g)), untouched.astype(float), np.ones((len(arrays.g), 1)))
    effects = period_effects(sample)
    fitted = effects.fitted(effects.effects(arrays.Y))
    alpha = (untouched * (arrays.Y - fitted)).sum(axis=1) / sample.total
    level = alpha[:, None] + fitted
    free = untouched.sum() - untouched.any(axis=1).sum() - untouched.any(axis=0).sum() + 1
    if free <= 0:
        raise DesignError("the untouched unit-periods leave no residuals", panel.study.slug)
    residual = np.where(untouched, arrays.Y - level, np.nan) * np.sqrt(untouched.sum() / free)
    return Resampled(panel, arrays, _blocks(panel, residual), level)


def _blocks(panel: Panel, residual: np.ndarray) -> np.ndarray:
    """All complete blocks of the greatest length of which there are enough. Raises DesignError without."""
    for length in range(min(LONGEST[panel.study.frequency], residual.shape[1]), SHORTEST - 1, -1):
        every = np.lib.stride_tricks.sliding_window_view(residual, length, axis=1).reshape(-1, length)
        found = every[~np.isnan(every).any(axis=1)]
        if len(found) >= FEWEST:
            return found
    raise DesignError("too few consecutive untouched periods to draw from", panel.study.slug, "widen `window`")


def weighed(design: str, source: Resampled, draws: int, seed: int) -> Run:
    """A design of `headline.DESIGNS` on simulated outcomes. Raises DesignError when it is refused."""
    arrays, panel = source.layout, source.panel
    linear = headline(design, arrays, ruled(panel, design, arrays))
    random = np.random.default_rng(seed)
    added = np.stack([o.under(arrays) for o in profiles(arrays, source.level, panel.study.frequency)])
    shift, chi = linear.estimate(added)[:, 0], linear.by_cluster(added)[..., 0]
    theta, psi = [], []
    step = max(1, CHUNK // max(arrays.Y.size, 1))
    for start in range(0, draws, step):
        Y = source.courses(min(step, draws - start), random)
        theta.append(linear.estimate(Y)[:, 0])
        psi.append(linear.by_cluster(Y)[..., 0])
    found = np.concatenate(psi)
    parts = np.concatenate([found[:, None, :], np.broadcast_to(chi, (draws, *chi.shape))], axis=1)
    gram = parts @ np.swapaxes(parts, 1, 2)
    error = np.sqrt(gram[:, 0, 0])
    half = half_widths(panel, arrays, error)
    at = numbered(np.arange(draws))
    return Run(design, np.concatenate(theta), error, half, gram, np.tile(shift, (draws, 1)), 0, whole=False, at=at)
