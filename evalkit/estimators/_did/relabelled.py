"""One headline under many rollouts: estimates, and sums of what units contribute, for several outcomes at once.

Where units are alike in what was observed of them, a rollout with as many units a wave is the same design with
its rows in another order: a unit takes the weights of the wave that it is put into, and what it contributes is one
of as many sums as there are types, all formed once. Elsewhere every rollout is a design of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from evalkit.errors import DesignError
from evalkit.estimators._did.headline import Rule, headline
from evalkit.estimators._did.layout import Layout
from evalkit.estimators._did.linear import CHUNK, Linear, add_up


@dataclass(frozen=True, eq=False)
class Outcome:
    """Y, or times(wave, t) Y + plus(wave, t), the wave being the one that a unit is put into.

    values  shape (n, T)
    times   by cohort position, the last row for never, shape (H + 1, T); None for one everywhere
    plus    likewise; None for nought everywhere
    """

    values: np.ndarray
    times: np.ndarray | None = None
    plus: np.ndarray | None = None

    def under(self, layout: Layout) -> np.ndarray:
        """The outcome under the layout's rollout, shape (n, T)."""
        out = self.values if self.times is None else self.values * self.times[layout.group]
        return out if self.plus is None else out + self.plus[layout.group] * layout.seen


@dataclass(frozen=True, eq=False)
class Figures:
    """Estimates of q outcomes under each rollout, and sums over clusters of products of their contributions.

    theta  shape (B, q)
    gram   shape (B, q, q): the variance of the estimate of outcome k is gram[:, k, k]
    lost   rollouts without a row, under which the headline was not identified
    kept   which rollout each row is of, shape (B,)
    """

    theta: np.ndarray
    gram: np.ndarray
    lost: int = 0
    kept: np.ndarray = field(default_factory=lambda: np.empty(0, int))

    def error(self, outcome: int = 0) -> np.ndarray:
        """Standard errors of one outcome, shape (B,)."""
        found: np.ndarray = np.sqrt(np.maximum(self.gram[:, outcome, outcome], 0.0))
        return found


def figures(design: str, layout: Layout, rule: Rule, outcomes: list[Outcome], drawn: np.ndarray) -> Figures:
    """A design's headline for every outcome under every rollout.

    layout  the units; its own rollout does not count, but its cohorts are the columns that `drawn` may hold
    drawn   columns of joining, NaN for never, shape (B, n)
    """
    first = layout.joining(drawn[0])
    found = None if rule.z is not None else _alike(design, first, rule, drawn)
    if found is not None:
        return _permuted(found[0], first, outcomes, found[1])
    return _anew(design, layout, rule, outcomes, drawn)


def under(linear: Linear, layout: Layout, outcomes: list[Outcome]) -> Figures:
    """The same for the layout's own rollout, one row."""
    Y = np.stack([outcome.under(layout) for outcome in outcomes])
    return _of(linear.estimate(Y)[None, :, 0], linear.by_cluster(Y)[None, ..., 0])


def _alike(design: str, layout: Layout, rule: Rule, drawn: np.ndarray) -> tuple[Linear, np.ndarray] | None:
    """The design that all rollouts share and the type of each unit in each, shape (B, n); None where they differ."""
    if np.bincount(layout.cluster).max() > 1 and not by_cluster(layout):
        return None
    kinds = int(layout.pattern.max(initial=0)) + 1
    wave = np.where(np.isnan(drawn), len(layout.cohorts), np.searchsorted(layout.cohorts, np.nan_to_num(drawn)))
    code = wave * kinds + layout.pattern
    if (np.sort(code, axis=1) != np.sort(code[0])).any():
        return None  # some rollout puts units of another kind into a wave
    linear = headline(design, layout, rule)
    types = linear.types
    own = layout.group[types.first] * kinds + layout.pattern[types.first]
    if len(np.unique(own)) < len(own):
        return None  # the design tells more apart than that
    of = np.empty((len(layout.cohorts) + 1) * kinds, int)
    of[own] = np.arange(len(own))
    return linear, of[code]


def _permuted(linear: Linear, layout: Layout, outcomes: list[Outcome], of: np.ndarray) -> Figures:
    """By one design; of, types, shape (B, n)."""
    types = linear.types
    v = (linear.weights if linear.own is None else linear.own)[:, :, 0]
    shaped = [_shape(outcome, types.group, types.seen) for outcome in outcomes]
    own = [
        o.values @ (v * times).T + (v * plus).sum(axis=1) for o, (times, plus) in zip(outcomes, shaped, strict=True)
    ]
    theta, gram = np.empty((len(of), len(outcomes))), np.empty((len(of), len(outcomes), len(outcomes)))
    step = max(1, CHUNK // max(len(types.count) * layout.Y.size, 1)) * 4
    row = np.arange(len(layout.g))
    for start in range(0, len(of), step):
        piece = of[start : start + step]
        members = (piece[:, None, :] == np.arange(len(types.count))[None, :, None]) / types.count[None, :, None]
        psi, estimate = [], []
        for o, mine, (times, plus) in zip(outcomes, own, shaped, strict=True):
            means = (members @ o.values) * times + plus  # (b, U, T)
            centre = linear.centre(means)[..., 0]
            psi.append(mine[row, piece] - np.take_along_axis(centre, piece, axis=1))
            estimate.append(linear.of_means(means)[..., 0])
        found = _of(np.stack(estimate, axis=1), _clustered(linear, np.stack(psi, axis=1)))
        theta[start : start + step], gram[start : start + step] = found.theta, found.gram
    return Figures(theta, gram, kept=np.arange(len(of)))


def _shape(outcome: Outcome, group: np.ndarray, seen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`times` and `plus` by type, shape (U, T) each."""
    times = np.ones(seen.shape) if outcome.times is None else outcome.times[group]
    plus = np.zeros(seen.shape) if outcome.plus is None else outcome.plus[group] * seen
    return times, plus


def _anew(design: str, layout: Layout, rule: Rule, outcomes: list[Outcome], drawn: np.ndarray) -> Figures:
    """Each rollout's own design."""
    found, kept = [], []
    for k, g in enumerate(drawn):
        made = layout.joining(g)
        try:
            found.append(under(headline(design, made, rule), made, outcomes))
        except DesignError:
            continue
        kept.append(k)
    q = len(outcomes)
    theta = np.concatenate([f.theta for f in found]) if found else np.empty((0, q))
    gram = np.concatenate([f.gram for f in found]) if found else np.empty((0, q, q))
    return Figures(theta, gram, len(drawn) - len(found), np.array(kept, int))


def _clustered(linear: Linear, psi: np.ndarray) -> np.ndarray:
    """psi added up within clusters, times the root of the factor; shapes (..., n) -> (..., G)."""
    if np.bincount(linear.cluster).max() > 1:
        psi = np.moveaxis(add_up(np.moveaxis(psi, -1, 0), linear.cluster), 0, -1)
    return np.sqrt(linear.factor) * psi


def _of(theta: np.ndarray, psi: np.ndarray) -> Figures:
    """From estimates, shape (B, q), and contributions by cluster, shape (B, q, G)."""
    return Figures(theta, psi @ np.swapaxes(psi, -1, -2))


def by_cluster(layout: Layout) -> bool:
    """Whether joining was decided for whole clusters of several units."""
    if np.bincount(layout.cluster).max() <= 1:
        return False
    joined = np.nan_to_num(layout.g, nan=-1.0)
    low, high = np.full(layout.cluster.max() + 1, np.inf), np.full(layout.cluster.max() + 1, -np.inf)
    np.minimum.at(low, layout.cluster, joined)
    np.maximum.at(high, layout.cluster, joined)
    return bool((low == high).all())
