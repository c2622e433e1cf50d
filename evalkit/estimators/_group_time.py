"""Group-time effects as arrays: pure functions, no study, no frame.

Notation (Callaway and Sant'Anna 2021, J Econometrics 225:200): n units, T periods; Y, shape (n, T),
outcomes, NaN where missing; g, shape (n,), the column in which a unit joined, NaN for never.
For cohort g and period t with base period b,

    ATT(g, t) = mean(Y_t - Y_b | joined at g) - mean(Y_t - Y_b | comparison)

over the units observed in both periods. Without covariates, outcome regression, inverse
probability and the doubly robust estimator all equal this difference. The influence of unit i on
a cell is

    psi_i = (n/n_g) 1{i in g} (d_i - mean_g d) - (n/n_c) 1{i in c} (d_i - mean_c d),  d = Y_t - Y_b

with variance mean(psi^2)/n (their equation for the analytic standard error, no small-sample factor).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np


@dataclass(frozen=True)
class Design:
    """Who is compared with whom.

    comparison    `never` joined units only, or also those `not_yet` joined
    anticipation  periods before joining that are no longer untouched
    universal     one base period for all periods of a cohort, else the previous one before joining
    """

    comparison: Literal["never", "not_yet"] = "not_yet"
    anticipation: int = 0
    universal: bool = False


@dataclass(frozen=True, eq=False)
class Cells:
    """Group-time effects.

    cohort, period  columns in which the cohort joined and the effect is measured; shape (m,)
    effect          ATT(g, t), shape (m,)
    influence       psi, shape (units, m), zero outside the sample
    joined, others  units behind each side of each cell, shape (m,)
    clusters        clusters behind the joined side of each cell, shape (m,)
    sizes           units of each cohort, by column
    member          units that are in the sample, booleans, shape (units,)
    skipped         cells left out because nobody joined was seen or the comparison was under two clusters
    """

    cohort: np.ndarray
    period: np.ndarray
    effect: np.ndarray
    influence: np.ndarray
    joined: np.ndarray
    others: np.ndarray
    clusters: np.ndarray
    sizes: dict[int, int]
    member: np.ndarray
    skipped: int

    @property
    def n(self) -> int:
        """Units in the sample."""
        return int(self.member.sum())

    @property
    def since(self) -> np.ndarray:
        """Periods since joining, shape (m,)."""
        return self.period - self.cohort


def group_time(Y: np.ndarray, g: np.ndarray, design: Design, cluster: np.ndarray | None = None) -> Cells:
    """Every identified group-time effect. `g` of units that joined in the first column is ignored.

    cluster  shape (units,), each unit its own by default. A cell whose comparison is a single cluster is
             left out: within one cluster deviations from the mean add up to zero, so its variance would
             count as nought.
    """
    cluster = np.arange(len(g)) if cluster is None else np.unique(cluster, return_inverse=True)[1]
    usable = ~np.isnan(Y).all(axis=0)
    cohorts = [int(c) for c in np.unique(g[~np.isnan(g)])]
    based = {c: _last_usable(usable, c - 1 - design.anticipation) for c in cohorts}
    cohorts = [c for c in cohorts if based[c] is not None]
    member = np.isnan(g) | np.isin(g, cohorts)
    found: list[tuple[int, int, float, np.ndarray, int, int, int]] = []
    skipped = 0
    for c in cohorts:
        for t in np.flatnonzero(usable):
            base = _base(usable, c, int(t), based[c], design)
            if base is None or base == t:
                continue
            cell = _cell(Y, g, cluster, (c, int(t), base), design, member)
            if cell is None:
                skipped += 1
            else:
                found.append((c, int(t), *cell))
    columns = list(zip(*found, strict=True)) if found else [()] * 7
    return Cells(
        np.array(columns[0], int),
        np.array(columns[1], int),
        np.array(columns[2], float),
        np.stack(columns[3], axis=1) if found else np.empty((len(g), 0)),
        np.array(columns[4], int),
        np.array(columns[5], int),
        np.array(columns[6], int),
        {c: int((g == c).sum()) for c in cohorts},
        member,
        skipped,
    )


def _last_usable(usable: np.ndarray, at_most: int) -> int | None:
    """The last usable column at or before `at_most`."""
    before = np.flatnonzero(usable[: max(at_most + 1, 0)])
    return int(before[-1]) if before.size else None


def _base(usable: np.ndarray, cohort: int, t: int, fixed: int | None, design: Design) -> int | None:
    if design.universal or t >= cohort - design.anticipation:
        return fixed
    return _last_usable(usable, t - 1)


def _cell(
    Y: np.ndarray, g: np.ndarray, cluster: np.ndarray, where: tuple[int, int, int], design: Design, member: np.ndarray
) -> tuple[float, np.ndarray, int, int, int] | None:
    """One effect and its influence, None when nobody joined or the comparison is not at least two clusters."""
    c, t, base = where
    n = int(member.sum())
    change = Y[:, t] - Y[:, base]
    seen = member & ~np.isnan(change)
    joined = seen & (g == c)
    others = seen & np.isnan(g)
    if design.comparison == "not_yet":
        others |= seen & (g > max(t, base) + design.anticipation)
        others &= ~(g == c)
    n_joined, n_others = int(joined.sum()), int(others.sum())
    if n_joined == 0 or np.unique(cluster[others]).size <= 1:
        return None
    mean_joined, mean_others = change[joined].mean(), change[others].mean()
    influence = np.zeros(len(g))
    influence[joined] = n / n_joined * (change[joined] - mean_joined)
    influence[others] = -n / n_others * (change[others] - mean_others)
    return float(mean_joined - mean_others), influence, n_joined, n_others, np.unique(cluster[joined]).size


def aggregate(cells: Cells, g: np.ndarray, keep: np.ndarray) -> tuple[float, np.ndarray]:
    """Mean of the kept effects, each weighted by its cohort's size, and its influence, shape (n,).

    theta = sum_k w_k ATT_k, w_k = p_k / sum p, p_k = share of units in the cohort of cell k. The sizes
    are estimated, which adds sum_k (dw_k/dp)(1{G_i = g_k} - p_k) ATT_k to the influence.
    """
    effect, cohort = cells.effect[keep], cells.cohort[keep]
    share = np.array([cells.sizes[int(c)] for c in cohort]) / cells.n
    total = share.sum()
    weights = share / total
    influence = cells.influence[:, keep] @ weights + of_sizes(cells, g, cohort) @ effect
    return float(weights @ effect), influence


def of_sizes(cells: Cells, g: np.ndarray, cohort: np.ndarray) -> np.ndarray:
    """Influence of estimating the weights w_k = p_k / sum p of the given cohorts, shape (units, len(cohort))."""
    share = np.array([cells.sizes[int(c)] for c in cohort]) / cells.n
    centred = ((g[:, None] == cohort[None, :]) - share) * cells.member[:, None]
    return (centred - centred.sum(axis=1, keepdims=True) * share / share.sum()) / share.sum()
