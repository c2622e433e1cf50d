"""Stacked data: one clean comparison a wave, stacked and estimated together.

n units, T periods. A wave that joined in column a makes a stack of its units and of all units that had not
joined by a + after, seen from a - before to a + after; s = t - a is the time since joining. r rows, one for
each unit, period and stack; a comparison unit is in as many stacks as it can serve. With D_i whether the
unit is of the stack's own wave,

    static     y = unit-by-stack + period-by-stack + b D 1{s >= 0}
    event      y = unit-by-stack + period-by-stack + sum_s b_s D 1{s},        b_-1 = 0
    weighted   y = wave or comparison + time since joining + sum_s b_s D 1{s}, b_-1 = 0, with weights q

Least squares weights waves by how well each is estimated, in the first two, and not by their size; the
comparison's weights q = (own share of the joined) / (own share of the comparison) of a stack, both counted
at s = 0, make b_s the mean effect over the waves weighted by their joined units. Every b is linear in the
outcomes, sum_it w_it y_it. Clusters are of whole units, across stacks, with the factor G/(G-1) (r-1)/(r-K):
K counts b and the effects that are not nested in units (the rule of fixest).

Sources: Cengiz, Dube, Lindner and Zipperer (2019), Q J Econ 134:1405, online appendix D; Wing, Freedman and
Hollingsworth (2024), NBER working paper 32054, section 4.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import linalg

from evalkit import inference
from evalkit.errors import DesignError
from evalkit.estimators._did.propensity import dependent

GONE = 1e-9  # what is left of a column against its size when the effects take all of it
Kind = Literal["static", "event", "weighted"]


@dataclass(frozen=True, eq=False)
class Stacks:
    """Rows, all of shape (r,), and what was left out.

    unit, period  positions of the row's outcome
    wave          column in which the stack's wave joined
    since         periods since then, from -before to after
    joined        whether the unit is of that wave
    q             weights of the weighted kind
    shape         (n, T)
    left_out      why waves have no stack, by column
    """

    unit: np.ndarray
    period: np.ndarray
    wave: np.ndarray
    since: np.ndarray
    joined: np.ndarray
    q: np.ndarray
    shape: tuple[int, int]
    left_out: dict[int, str]


@dataclass(frozen=True, eq=False)
class _Absorbed:
    """Effects taken out: means within codes, then the span of orthonormal columns in parts of the rows.

    within  code of each row, shape (r,); None when nothing is
    parts   rows, and columns of shape (rows, m), already taken out of each other and of the means
    count   K less the number of terms
    """

    within: np.ndarray | None
    parts: tuple[tuple[np.ndarray, np.ndarray], ...]
    count: int

    def residuals(self, values: np.ndarray) -> np.ndarray:
        """What is left of values, shape (r, m)."""
        left = values if self.within is None else centred(values, self.within)
        left = left.copy()
        for rows, basis in self.parts:
            left[rows] -= basis @ (basis.T @ left[rows])
        return left


@dataclass(frozen=True, eq=False)
class Stacked:
    """A regression on the stack before any outcome is looked at; P terms, b = sum_it weights_it y_it.

    stacks      the rows
    since       the time since joining of each term, shape (P,); None for `static`, which has one term
    weights     of the outcomes in each term, shape (n, T, P); 0 where not in the stack
    regressors  D 1{..}, times sqrt(q) in the weighted kind, less what the effects take, shape (r, P)
    reach       of each row's residual in each term, shape (r, P)
    scale       sqrt(q), or ones, shape (r,)
    absorbed    the effects
    """

    stacks: Stacks
    since: np.ndarray | None
    weights: np.ndarray
    regressors: np.ndarray
    reach: np.ndarray
    scale: np.ndarray
    absorbed: _Absorbed

    def estimate(self, Y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """b, shape (P,), and what each unit contributes to its covariance, shape (n, P), of Y, shape (n, T).

        Added up within clusters, the sum of outer products times `factor` is the covariance.
        """
        y = self.scale * Y[self.stacks.unit, self.stacks.period]
        if not np.isfinite(y).all():
            raise DesignError(
                "an outcome of the stack is missing", fix="build the stack from the cells that are seen"
            )
        beta = self.reach.T @ y
        left = self.absorbed.residuals(y[:, None])[:, 0] - self.regressors @ beta
        parts = np.zeros((self.stacks.shape[0], len(beta)))
        np.add.at(parts, self.stacks.unit, self.reach * left[:, None])
        return beta, parts

    def factor(self, cluster: np.ndarray) -> float:
        """G/(G-1) (r-1)/(r-K) for clusters of units, shape (n,)."""
        clusters = len(np.unique(cluster[np.unique(self.stacks.unit)]))
        return inference.cluster_factor(clusters, len(self.scale), self.reach.shape[1] + self.absorbed.count)


def build(seen: np.ndarray, g: np.ndarray, before: int, after: int) -> Stacks:
    """The stack of every wave whose whole window lies in the data.

    seen           cells with an outcome, booleans, shape (n, T)
    g              column in which a unit joined, NaN never, shape (n,)
    before, after  periods before joining, at least one, and after the period of joining, in the window

    Raises DesignError when the window has no period before joining, and when no wave can be stacked.
    """
    if before < 1 or after < 0:
        raise DesignError("a stack needs a period before joining and the one of joining", fix="widen the window")
    n, T = seen.shape
    parts, left_out = [], {}
    for wave in np.unique(g[~np.isnan(g)]).astype(int):
        window = np.arange(wave - before, wave + after + 1)
        own, others = g == wave, np.isnan(g) | (g > wave + after)
        if window[0] < 0 or window[-1] >= T:
            left_out[int(wave)] = "its window reaches beyond the data"
            continue
        now = seen[:, _anchor(seen, window[before:])]
        if not (now & own).any() or not (now & others).any():
            who = "not seen when it joined" if (now & others).any() else "nobody was left to compare with"
            left_out[int(wave)] = who
            continue
        unit, place = np.nonzero(seen[:, window] & (own | others)[:, None])
        ratio = (now & own).sum() / (now & others).sum()
        parts.append((unit, window[place], np.full(len(unit), wave), own[unit], np.where(own[unit], 1.0, ratio)))
    if not parts:
        raise DesignError(
            f"no wave has {before} periods before and {after} after joining, and units to compare with",
            fix="use a narrower window",
        )
    unit, period, wave_of, joined, q = (np.concatenate(column) for column in zip(*parts, strict=True))
    anchors = {w: _anchor(seen, np.arange(w, w + after + 1)) for w in np.unique(wave_of)}
    now = period == np.array([anchors[w] for w in wave_of])
    q = np.where(joined, 1.0, q * (now & ~joined).sum() / (now & joined).sum())
    return Stacks(unit, period, wave_of, period - wave_of, joined, q, (n, T), left_out)


def _anchor(seen: np.ndarray, window: np.ndarray) -> int:
    """The period whose units are counted: that of joining, or the first after it in which anybody was seen."""
    there = window[seen[:, window].any(axis=0)]
    return int(there[0] if there.size else window[0])


def reference(stacks: Stacks) -> int:
    """The time since joining against which effects are measured: the last before joining that was seen."""
    before = stacks.since[stacks.since < 0]
    if not before.size:
        raise DesignError("no stack has a period before joining that was seen", fix="raise `before`")
    return int(before.max())


def stacked(stacks: Stacks, kind: Kind) -> Stacked:
    """The regression of one kind on the stack. Raises DesignError when its terms cannot be told apart."""
    times = np.unique(stacks.since)
    terms = times[times != reference(stacks)]
    if kind == "static":
        Z = (stacks.joined & (stacks.since >= 0))[:, None].astype(float)
    else:
        Z = (stacks.joined[:, None] & (stacks.since[:, None] == terms)).astype(float)
    weighted = kind == "weighted"
    scale = np.sqrt(stacks.q) if weighted else np.ones(len(stacks.q))
    absorbed = _groups_and_times(stacks, scale) if weighted else _units_and_periods(stacks)
    left = absorbed.residuals(scale[:, None] * Z)
    gram = left.T @ left
    if (Z.sum(axis=0) == 0).any() or (np.diag(gram) <= GONE * Z.sum(axis=0)).any() or dependent(gram):
        raise DesignError(
            "an effect of the stack cannot be told from the others",
            fix="use a narrower window, or leave out periods in which a whole wave is missing",
        )
    reach = np.linalg.solve(gram, left.T).T
    weights = np.zeros((*stacks.shape, Z.shape[1]))
    np.add.at(weights, (stacks.unit, stacks.period), scale[:, None] * reach)
    return Stacked(stacks, None if kind == "static" else terms, weights, left, reach, scale, absorbed)


def centred(values: np.ndarray, code: np.ndarray) -> np.ndarray:
    """Values, shape (r, m), less their means over rows of one code."""
    count = np.bincount(code)
    means = np.stack([np.bincount(code, column) / count for column in values.T], axis=1)
    return values - means[code]


def _units_and_periods(stacks: Stacks) -> _Absorbed:
    """Unit-by-stack and period-by-stack effects; the former are nested in clusters and are not counted."""
    within = np.unique(stacks.wave * stacks.shape[0] + stacks.unit, return_inverse=True)[1]
    parts, count = [], 0
    for wave in np.unique(stacks.wave):
        rows = np.flatnonzero(stacks.wave == wave)
        periods, place = np.unique(stacks.period[rows], return_inverse=True)
        codes = np.unique(within[rows], return_inverse=True)[1]
        parts.append((rows, _basis(centred(np.eye(len(periods))[place], codes))))
        count += len(periods)
    return _Absorbed(within, tuple(parts), count)


def _groups_and_times(stacks: Stacks, scale: np.ndarray) -> _Absorbed:
    """Effects of wave or comparison and of time since joining, under weights scale^2."""
    times, place = np.unique(stacks.since, return_inverse=True)
    columns = np.column_stack([np.eye(len(times))[place], stacks.joined])
    return _Absorbed(None, ((np.arange(len(scale)), _basis(scale[:, None] * columns)),), len(times) + 1)


def _basis(columns: np.ndarray) -> np.ndarray:
    """Orthonormal columns of the same span, shape (rows, rank)."""
    q, r, _ = linalg.qr(columns, mode="economic", pivoting=True)
    pivots = np.abs(np.diag(r))
    return q[:, pivots > GONE * max(pivots[0], 1.0)]
