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

from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np
from scipy import sparse

from evalkit.estimators._did.averages import Averages, Cells
from evalkit.estimators._did.layout import FEW, Layout, Types
from evalkit.estimators._did.linear import Centre, Linear
from evalkit.estimators._did.unformed import Unformed, Ways

DENSE = 2_000_000  # multiplications up to which a design's weights are one product


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
        return [np.einsum("mu,...um->...m", role, y) for role, y in zip(self.roles, at, strict=True)]

    def where(self, keep: np.ndarray) -> GroupTime:
        """Some of the cells."""
        return replace(
            self,
            cells=self.cells.where(keep),
            base=self.base[keep],
            roles=Roles(*(role[keep] for role in self.roles)),
            joined=self.joined[keep],
            others=self.others[keep],
            clusters=self.clusters[keep],
        )

    def _scaled(self) -> list[tuple[np.ndarray, tuple[int, ...]]]:
        """Shares per unit, shape (U, m), with the means that they are shares of: pairs have them in common."""
        r, each = self.roles, 1.0 / self.types.count
        pairs = np.array_equal(r.joined_now, r.joined_base) and np.array_equal(r.other_now, r.other_base)
        groups = ((0, 1), (2, 3)) if pairs else ((0,), (1,), (2,), (3,))
        return [(each[:, None] * r[same[0]].T, same) for same in groups]

    def linear(self, layout: Layout, averages: Averages) -> Linear:
        """The averages as weighted sums of outcomes."""
        used = np.asarray(averages.A.any(axis=1) | averages.slope.any(axis=(0, 2)))
        if not used.all():
            some = Averages(averages.names, averages.A[used], averages.slope[:, used])
            return self.where(used).linear(layout, some)
        centre, A = self.centre(layout, averages), averages.A
        if len(self.types.count) <= FEW or A.shape[1] <= FEW:
            return Linear(self.types, self.weights(A), centre, layout.cluster)
        ways = Ways(
            A.shape[1],
            lambda: self.weights(A),
            lambda means: self.effects(means) @ A,
            lambda Y: self.contributions(Y, layout, averages),
            lambda columns: self.linear(layout, Averages([], A[:, columns], averages.slope[:, :, columns])),
        )
        return Unformed(self.types, centre, layout.cluster, ways)

    def weights(self, A: np.ndarray) -> np.ndarray:
        """Weights of outcomes in averages of the cells, per unit of a type; shapes (m, K) -> (U, T, K)."""
        types, r = self.types, self.roles
        each = 1.0 / types.count  # a type's share of a mean is shared among its units
        W = np.zeros((*types.weight.shape, A.shape[1]))
        _place(W, (r.joined_now - r.other_now) * each, self.cells.period, A)
        _place(W, (r.other_base - r.joined_base) * each, self.base, A)
        return W

    def centre(self, layout: Layout, averages: Averages) -> Centre:
        """c of `Linear`: the means that units are measured from, and what estimating the sizes adds."""
        A, scaled, of_sizes = averages.A, self._scaled(), self._of_sizes(layout, averages)

        def centre(means: np.ndarray) -> np.ndarray:
            sides = self._sides(means)
            signed = [sign * side for sign, side in zip(SIGNS, sides, strict=True)]
            parts = [role @ (np.sum([signed[k] for k in same], axis=0)[..., None] * A) for role, same in scaled]
            return np.sum([*parts, of_sizes(np.sum(signed, axis=0))], axis=0)

        return centre

    def _of_sizes(self, layout: Layout, averages: Averages) -> Centre:
        """What estimating the cohorts' sizes takes off; shapes (..., m) -> (..., U, K)."""
        size = layout.size[self.types.first]
        slope = np.concatenate([averages.slope, np.zeros((1, *averages.slope.shape[1:]))])
        by_cell = np.moveaxis(slope, 0, 1).reshape(slope.shape[1], -1)

        def of_sizes(effect: np.ndarray) -> np.ndarray:
            by_cohort = (effect @ by_cell).reshape(*effect.shape[:-1], len(slope), -1)
            return -size[:, None] * by_cohort[..., self.types.group, :]

        return of_sizes

    def contributions(self, Y: np.ndarray, layout: Layout, averages: Averages) -> np.ndarray:
        """psi of `Linear` without weights on outcomes: what a unit adds to each cell, averaged; (..., n, K)."""
        types = self.types
        sides = self._sides(types.means(Y))
        at = (self.cells.period, self.base, self.cells.period, self.base)
        own = np.zeros((*Y.shape[:-1], len(self.base)))
        for role, same in self._scaled():
            left = np.sum([SIGNS[k] * (Y[..., at[k]] - sides[k][..., None, :]) for k in same], axis=0)
            own += role[types.of] * left
        effect = sides[0] - sides[1] - sides[2] + sides[3]
        psi: np.ndarray = own @ averages.A
        psi -= self._of_sizes(layout, averages)(effect)[..., types.of, :]
        return psi


def _place(W: np.ndarray, share: np.ndarray, column: np.ndarray, A: np.ndarray) -> None:
    """Adds the sum over cells of share(cell, u) A(cell, k) to W in the cell's column.

    Shapes (U, T, K), (m, U), (m,), (m, K).
    """
    (m, U), (_, T, K) = share.shape, W.shape
    if m * U * T * K <= DENSE:
        spread = np.zeros((m, T, K))
        spread[np.arange(m), column] = A
        W += (share.T @ spread.reshape(m, -1)).reshape(U, T, K)
        return
    for t in np.unique(column):
        at = column == t
        used = A[at].any(axis=0)  # most averages are of few cells
        W[:, t, used] += share[at].T @ A[at][:, used]


def effects_by_cell(layout: Layout, design: Design, *, after: bool = False) -> GroupTime:
    """Every identified effect. Units that joined before any usable period are left out and named.

    So are the effects before joining of a wave without any after it: they say nothing of those averaged.
    A cell whose comparison is a single cluster is left out: within one cluster deviations from the mean add
    up to zero, so its variance would count as nought.

    after  only effects in analysed periods after joining
    """
    types = layout.types
    cohort, period, base, gone = _candidates(layout, design, after=after)
    start = np.append(layout.cohorts, np.inf)[types.group]
    now, then = types.seen.T[period], types.seen.T[base]
    both = now & then if design.seen == "pairs" else np.ones_like(now)
    joined = both & (types.group[None, :] == cohort[:, None])
    others = both & np.isinf(start)
    if design.comparison == "not_yet":
        last = np.maximum(period, base) + design.anticipation
        others |= both & (start[None, :] > last[:, None]) & ~joined
    clusters = _Clusters(layout)
    there = [side & at for side in (joined, others) for at in (now, then)]
    fine = there[0].any(axis=1) & there[1].any(axis=1)
    fine &= (clusters.of(there[2]) > 1) & (clusters.of(there[3]) > 1)
    skipped = list(zip(cohort[~fine].tolist(), period[~fine].tolist(), strict=True))
    carrying = np.zeros(len(layout.cohorts), bool)
    carrying[cohort[fine & (period >= layout.cohorts[cohort])]] = True
    kept = fine & carrying[cohort]
    weight = types.count * layout.size[types.first]
    roles = Roles(*(_shares(side[kept], weight) for side in there))
    size = np.array([weight[types.group == h].sum() for h in range(len(layout.cohorts))])
    cohort, period, base = cohort[kept], period[kept], base[kept]
    cells = Cells(cohort, period, period - layout.cohorts[cohort], layout.phases[cohort, period], size[cohort])
    return GroupTime(
        types,
        cells,
        base,
        roles,
        there[0][kept] @ types.count,
        there[2][kept] @ types.count,
        clusters.of(there[0][kept]),
        np.isin(layout.group, gone),
        skipped,
    )


def _candidates(
    layout: Layout, design: Design, *, after: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Cohort, period and base of every cell that has a base, and the cohorts that have none."""
    usable = np.flatnonzero(layout.seen.any(axis=0))
    first = layout.cohorts - design.anticipation
    bases = np.searchsorted(usable, first) - 1  # the last usable period before the first that may be touched
    none = np.flatnonzero(bases < 0)
    fixed = usable[np.maximum(bases, 0)] if len(usable) else np.zeros(len(first), int)
    previous = np.concatenate([[-1], usable[:-1]])  # of each usable period, none for the first
    cohort, place = np.divmod(np.arange(len(first) * len(usable)), max(len(usable), 1))
    period = usable[place]
    late = period >= first[cohort]
    base = np.where(late | design.universal, fixed[cohort], previous[place])
    kept = (base >= 0) & (base != period) & (bases[cohort] >= 0)
    if not design.universal:
        kept &= late | (period - base == 1)  # across a gap it would be the change over several periods, not one
    if after:
        kept &= layout.phases[cohort, period] == "post"
    return cohort[kept], period[kept], base[kept], none


class _Clusters:
    """Counts clusters behind sets of types."""

    def __init__(self, layout: Layout) -> None:
        types = layout.types
        self.count = types.count
        self.single = bool(np.bincount(layout.cluster).max() <= 1)
        if not self.single:
            shape = (len(types.count), int(layout.cluster.max()) + 1)
            self.table = sparse.csr_matrix((np.ones(len(types.of)), (types.of, layout.cluster)), shape)

    def of(self, sides: np.ndarray) -> np.ndarray:
        """Shapes (m, U) -> (m,)."""
        if self.single:
            found: np.ndarray = sides @ self.count
            return found
        behind = self.table.T @ sides.T.astype(float)
        return np.asarray((behind > 0).sum(axis=0))


def _shares(side: np.ndarray, weight: np.ndarray) -> np.ndarray:
    raw = side * weight
    shares: np.ndarray = raw / raw.sum(axis=1, keepdims=True)
    return shares
