"""Group-time effects as weights on outcomes, without covariates.

For cohort g and period t with base period b (Callaway and Sant'Anna 2021, J Econometrics 225:200)

    ATT(g, t) = mean(Y_t - Y_b | joined at g) - mean(Y_t - Y_b | comparison)

over the units observed in both periods (`pairs`), or over those observed in each (`each`, which is what
treating the panel as repeated cross-sections means). Without covariates, outcome regression, inverse
probability and the doubly robust estimator all equal this difference. Unit i of weight w_i contributes
w_i / W (Y - mean) for each mean it is part of, W the sum of weights behind that mean, with the sign of the
mean, which is their influence function over n; no small-sample factor.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from evalkit.estimators._did.averages import Averages, Cells
from evalkit.estimators._did.layout import Layout, Types
from evalkit.estimators._did.linear import Linear

Found = tuple[int, int, int, np.ndarray, np.ndarray]  # cohort, period, base, and the types on either side


@dataclass(frozen=True)
class Design:
    """Who is compared with whom.

    comparison    `never` joined units only, or also those `not_yet` joined
    anticipation  periods before joining that are no longer untouched
    universal     one base period for all periods of a cohort, else the previous one before joining
    seen          `pairs` or `each`, see above; the same on a balanced panel
    """

    comparison: Literal["never", "not_yet"] = "not_yet"
    anticipation: int = 0
    universal: bool = False
    seen: Literal["pairs", "each"] = "pairs"


SIGNS = (1.0, -1.0, -1.0, 1.0)  # of the four means, in the order of `Roles`


class Roles(NamedTuple):
    """Share of each type in the four means of each cell, shape (m, U); rows add up to one.

    joined_now, joined_base, other_now, other_base  the means of Y_t and Y_b on either side
    """

    joined_now: np.ndarray
    joined_base: np.ndarray
    other_now: np.ndarray
    other_base: np.ndarray


@dataclass(frozen=True, eq=False)
class GroupTime:
    """Every identified effect by cohort and period.

    types       units gathered
    cells       cohort, period and size (the cohort's weight) of each, m of them
    base        base column of each, shape (m,)
    roles       who makes up its four means
    joined      units on the joined side, shape (m,)
    others      units on the other side, shape (m,)
    clusters    clusters on the joined side, shape (m,)
    dropped     units that joined before any usable period, booleans, shape (n,)
    skipped     cohort and period of the cells left out: nobody seen, or fewer than two clusters to compare with
    """

    types: Types
    cells: Cells
    base: np.ndarray
    roles: Roles
    joined: np.ndarray
    others: np.ndarray
    clusters: np.ndarray
    dropped: np.ndarray
    skipped: list[tuple[int, int]]

    def effects(self, means: np.ndarray) -> np.ndarray:
        """ATT(g, t) from type means; shapes (..., U, T) -> (..., m)."""
        now, base, other_now, other_base = self._sides(means)
        return now - base - (other_now - other_base)

    def _sides(self, means: np.ndarray) -> list[np.ndarray]:
        """The four means of each cell in the order of `Roles`; shapes (..., U, T) -> (..., m) each."""
        now, base = means[..., self.cells.period], means[..., self.base]
        at = (now, base, now, base)
        return [np.einsum("mu,...um->...m", role, y, optimize=True) for role, y in zip(self.roles, at, strict=True)]

    def linear(self, layout: Layout, averages: Averages) -> Linear:
        """The averages as weighted sums of outcomes."""
        types, cells, r = self.types, self.cells, self.roles
        each = 1.0 / types.count  # a type's share of a mean is shared among its units
        T, A = layout.Y.shape[1], averages.A
        now, base = (r.joined_now - r.other_now) * each, (r.other_base - r.joined_base) * each
        W = np.zeros((len(types.count), T, A.shape[1]))
        for t in np.unique(cells.period):
            at = cells.period == t
            W[:, t, :] += now[at].T @ A[at]
        for b in np.unique(self.base):
            at = self.base == b
            W[:, b, :] += base[at].T @ A[at]
        scaled = Roles(*(role * each for role in r))
        size = layout.size[types.first]
        slope = np.concatenate([averages.slope, np.zeros((1, *averages.slope.shape[1:]))])

        def centre(means: np.ndarray) -> np.ndarray:
            sides = self._sides(means)
            parts = [
                sign * np.einsum("mu,...m,mk->...uk", role, mean, A, optimize=True)
                for sign, role, mean in zip(SIGNS, scaled, sides, strict=True)
            ]
            effect = sides[0] - sides[1] - sides[2] + sides[3]
            of_sizes = np.einsum("hmk,...m->...hk", slope, effect, optimize=True)
            out: np.ndarray = np.sum(parts, axis=0) - size[:, None] * of_sizes[..., types.group, :]
            return out

        return Linear(types, W, centre, layout.cluster)


def effects_by_cell(layout: Layout, design: Design) -> GroupTime:
    """Every identified effect. Units that joined before any usable period are left out and named.

    So are the effects before joining of a wave without any after it: they say nothing of those averaged.
    A cell whose comparison is a single cluster is left out: within one cluster deviations from the mean add
    up to zero, so its variance would count as nought.
    """
    types = layout.types
    usable = np.flatnonzero(layout.seen.any(axis=0))
    start = np.append(layout.cohorts, np.inf)[types.group]
    found: list[Found] = []
    skipped: list[tuple[int, int]] = []
    gone = []
    clusters = _Clusters(layout)
    for h, g in enumerate(layout.cohorts.tolist()):
        fixed = _last(usable, g - 1 - design.anticipation)
        if fixed is None:
            gone.append(h)
            continue
        for t in usable.tolist():
            base = fixed if design.universal or t >= g - design.anticipation else _last(usable, t - 1)
            if base is None or base == t:
                continue
            both = types.seen[:, t] & types.seen[:, base] if design.seen == "pairs" else np.ones(len(start), bool)
            joined = both & (types.group == h)
            others = both & np.isinf(start)
            if design.comparison == "not_yet":
                others |= both & (start > max(t, base) + design.anticipation) & (types.group != h)
            there = [types.seen[:, at] & side for side in (joined, others) for at in (t, base)]
            if not all(side.any() for side in there) or clusters.fewest(there[2:]) <= 1:
                skipped.append((h, t))
                continue
            found.append((h, t, base, joined, others))
    carrying = {h for h, t, *_ in found if t >= layout.cohorts[h]}
    found = [f for f in found if f[0] in carrying]
    return _assembled(layout, found, np.isin(layout.group, gone), skipped)


def _last(usable: np.ndarray, at_most: float) -> int | None:
    """The last usable column at or before `at_most`."""
    before = usable[usable <= at_most]
    return int(before[-1]) if before.size else None


class _Clusters:
    """Counts clusters behind a set of types."""

    def __init__(self, layout: Layout) -> None:
        types = layout.types
        self.table = np.zeros((len(types.count), layout.cluster.max() + 1), bool)
        self.table[types.of, layout.cluster] = True
        self.single = len(np.unique(layout.cluster)) == len(layout.cluster)
        self.count = types.count

    def of(self, side: np.ndarray) -> int:
        if self.single:
            return int(self.count[side].sum())
        return int(self.table[side].any(axis=0).sum())

    def fewest(self, sides: list[np.ndarray]) -> int:
        return min(self.of(side) for side in sides)


def _assembled(
    layout: Layout,
    found: list[Found],
    dropped: np.ndarray,
    skipped: list[tuple[int, int]],
) -> GroupTime:
    types, clusters = layout.types, _Clusters(layout)
    U = len(types.count)
    cohort, period, base = np.array([f[:3] for f in found], int).reshape(-1, 3).T
    joined = np.array([f[3] for f in found], bool).reshape(-1, U)
    others = np.array([f[4] for f in found], bool).reshape(-1, U)
    weight = types.count * layout.size[types.first]
    now, then = types.seen[:, period].T, types.seen[:, base].T
    roles = Roles(
        *(_shares(side & at, weight) for side, at in ((joined, now), (joined, then), (others, now), (others, then)))
    )
    size = np.array([weight[types.group == h].sum() for h in range(len(layout.cohorts))])
    cells = Cells(cohort, period, period - layout.cohorts[cohort], layout.phases[cohort, period], size[cohort])
    return GroupTime(
        types,
        cells,
        base,
        roles,
        (joined & now) @ types.count,
        (others & now) @ types.count,
        np.array([clusters.of(side) for side in joined & now], int),
        dropped,
        skipped,
    )


def _shares(side: np.ndarray, weight: np.ndarray) -> np.ndarray:
    raw = side * weight
    shares: np.ndarray = raw / raw.sum(axis=1, keepdims=True)
    return shares
