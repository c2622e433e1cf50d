"""Each joined unit with the never-joined unit that looked most like it before.

Over the columns E of the first half of the baseline, with m_t the mean of the units seen in t,

    level_i = mean over t in E of (Y_it - m_t),    trend_i = least-squares slope of (Y_it - m_t) on t in E,

both over s, the root of the mean of the two sides' variances. Joined i and never-joined j may be a pair when no
measure that is matched on differs by more than `CALIPER` of s. Among all ways to pair each unit at most once, as many
pairs as can be are made, and of those ways the one with the least sum of squared distances is taken (an assignment
problem): no pair hangs on the order in which units are gone through, and no unit counts twice.

The second half of the baseline is not looked at when pairs are made. What the joined did there beside their pairs,
before anybody joined, is what matching alone brings: units matched on a poor stretch return from it at different
speeds where they come from populations with different means.

Sources: Rosenbaum (1989), J Am Stat Assoc 84:1024 (optimal matching); Daw and Hatfield (2018), Health Serv Res
53:4138 (regression to the mean that matching brings in). The caliper is our own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import optimize, special

from evalkit.errors import DesignError
from evalkit.estimators._did.brief import Brief
from evalkit.estimators._did.layout import Layout
from evalkit.panel import Panel

CALIPER = 0.5  # standard deviations
LEAST = 3  # periods in each half
TREND = 4  # periods in the first half from which a trend is formed
ENOUGH = 0.5  # of the joined units that must have a pair for the pairs to speak for them
SHARE = 0.5  # of the periods of each half that a unit must be seen in
MOST = 10_000_000  # possible pairs
MEASURES = ("level", "trend")
VERSIONS = {"Level": (0,), "Level and trend": (0, 1)}


@dataclass(frozen=True, eq=False)
class Before:
    """What is known of the units before anybody joined; n units, T periods.

    early, late  columns of the first and of the second half, ascending
    joined       units seen before they joined and often enough in both halves, booleans, shape (n,)
    never        units that never joined, seen as often, booleans, shape (n,)
    unseen       units that joined but were not seen so often, booleans, shape (n,)
    measures     level and trend in the first half, and level in the second; in the unit of report, trend a period;
                 shape (n, 3), NaN where not known
    judged       whether periods that decided who joined had to be used
    """

    early: np.ndarray
    late: np.ndarray
    joined: np.ndarray
    never: np.ndarray
    unseen: np.ndarray
    measures: np.ndarray
    judged: bool

    def scaled(self) -> np.ndarray:
        """The measures over the root of the mean of both sides' variances, shape (n, 3).

        A side of one unit has no variance, and the other's is taken. Raises DesignError where units do not differ.
        """
        sides = [self.measures[side] for side in (self.joined, self.never)]
        variances = [x.var(axis=0, ddof=1) for x in sides if len(x) > 1]
        if not variances:
            raise DesignError("there is one unit on either side")
        s = np.sqrt(np.mean(variances, axis=0))
        if not (s[np.isfinite(s)] > 0).all():
            raise DesignError("the units do not differ before anybody joined")
        found: np.ndarray = self.measures / s
        return found


@dataclass(frozen=True, eq=False)
class Pairs:
    """Pairs of rows: joined, never joined; shape (m,) each, in the order of the joined."""

    joined: np.ndarray
    never: np.ndarray

    def units(self, n: int) -> np.ndarray:
        """Everybody in a pair, booleans, shape (n,)."""
        out = np.zeros(n, bool)
        out[self.joined], out[self.never] = True, True
        return out


def before(panel: Panel, arrays: Layout, anticipation: int) -> Before:
    """The baseline in halves, and what each unit was like there.

    The baseline ends before the first wave that was seen before it joined, less what is anticipated. Periods that
    decided who joined (`entry.over`) are left out where enough others are left.

    Raises DesignError where nobody never joined, and where the baseline is too short.
    """
    never = np.isnan(arrays.g)
    if not never.any():
        raise DesignError("every unit joined, so nobody is left to match with")
    start = int(np.argmax(arrays.seen.any(axis=0)))
    later = arrays.cohorts[arrays.cohorts > start]
    if not len(later):
        raise DesignError("no unit was seen before it joined")
    sides = arrays.seen[never].any(axis=0) & arrays.seen[~never].any(axis=0)
    sides[max(int(later[0]) - anticipation, 0) :] = False
    columns, judged = _unjudged(panel, np.flatnonzero(sides))
    if len(columns) < 2 * LEAST:
        raise DesignError(
            f"{len(columns)} periods before the first wave are too few to match in one half and look in the other "
            f"({2 * LEAST} are needed)"
        )
    half = len(columns) // 2
    early, late = columns[:half], columns[half:]
    often = np.all([arrays.seen[:, part].mean(axis=1) >= SHARE for part in (early, late)], axis=0)
    often &= arrays.seen[:, early].sum(axis=1) >= min(len(early), LEAST)
    waiting = ~never & (np.nan_to_num(arrays.g) >= later[0])
    if not (waiting & often).any() or not (never & often).any():
        raise DesignError("on one of the sides no unit was seen often enough before the first wave")
    measured = np.column_stack([*_level_trend(arrays, early), _level_trend(arrays, late)[0]])
    return Before(early, late, waiting & often, never & often, waiting & ~often, measured, judged)


def _unjudged(panel: Panel, columns: np.ndarray) -> tuple[np.ndarray, bool]:
    """The columns without those that decided who joined, and whether these had to be kept."""
    entry = panel.study.protocol.entry
    if entry is None or entry.over is None:
        return columns, False
    first, last = map(int, panel.study.time(pd.PeriodIndex(entry.over)))
    kept = columns[(columns < first) | (columns > last)]
    if len(kept) == len(columns) or len(kept) >= 2 * LEAST:
        return kept, False
    return columns, True


def _level_trend(arrays: Layout, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Level and slope of each unit beside the mean of all, shape (n,) each; NaN where too little was seen."""
    Y, seen = arrays.Y[:, columns], arrays.seen[:, columns]
    apart = np.where(seen, Y - Y.sum(axis=0) / np.maximum(seen.sum(axis=0), 1), 0.0)
    count = seen.sum(axis=1)
    enough = np.maximum(count, 1)
    level = apart.sum(axis=1) / enough
    t = np.where(seen, columns, 0.0)
    t = np.where(seen, columns - (t.sum(axis=1) / enough)[:, None], 0.0)
    spread = (t * t).sum(axis=1)
    slope = (t * apart).sum(axis=1) / np.where(spread > 0, spread, 1.0)
    slope = np.where((count >= LEAST) & (spread > 0), slope, np.nan)
    if len(columns) < TREND:
        slope = np.full_like(slope, np.nan)
    return np.where(count > 0, level, np.nan), slope


def versions(found: Before) -> list[str]:
    """The versions that can be made: without a trend, that by level alone."""
    trends = np.isfinite(found.measures[found.joined | found.never, 1]).all()
    return [name for name, which in VERSIONS.items() if trends or 1 not in which]


def match(arrays: Layout, found: Before, version: str) -> Pairs:
    """The pairs of a version.

    Raises DesignError where no pair is near enough or everybody is in one, or where pairs are too many to weigh.
    """
    x = found.scaled()[:, list(VERSIONS[version])]
    order = np.lexsort((*arrays.Y.T[::-1], *arrays.seen.T[::-1]))  # so that neither names nor row order matter
    one, two = (order[side[order]] for side in (found.joined, found.never))
    if len(one) * len(two) > MOST:
        raise DesignError(f"{len(one)} joined and {len(two)} other units are too many to match")
    apart = np.abs(x[one][:, None, :] - x[two][None, :, :])
    near = (apart <= CALIPER).all(axis=2)
    if not near.any():
        raise DesignError(f"no joined unit has a never-joined one within {CALIPER:g} standard deviations")
    cost = np.where(near, (apart**2).sum(axis=2), 1.0 + len(one) * x.shape[1] * CALIPER**2)
    i, j = optimize.linear_sum_assignment(cost)
    fits = near[i, j]
    i, j = one[i[fits]], two[j[fits]]
    if len(i) + len(j) == len(arrays.g):
        raise DesignError("every unit is in a pair, so the pairs are the declared comparison")
    return Pairs(np.sort(i), j[np.argsort(i)])


def balance(found: Before, pairs: Pairs | None) -> np.ndarray:
    """Means of the joined less those of the others in standard deviations, of all or in pairs, shape (3,)."""
    x = found.scaled()
    one, two = (found.joined, found.never) if pairs is None else (pairs.joined, pairs.never)
    apart: np.ndarray = x[one].mean(axis=0) - x[two].mean(axis=0)
    return apart


def change(arrays: Layout, found: Before, keep: np.ndarray, level: float) -> Brief:
    """What the joined changed by from the first half to the second, beside the others: nobody had joined yet.

    keep  units that are looked at, booleans, shape (n,)

    The difference of the two sides' means of (mean over the second half - mean over the first), both beside the mean
    of all units; clustered as the design is, with Student's t on clusters less one and the factor G / (G - 1).
    Raises DesignError with a side that is a single cluster.
    """
    kept = keep & (found.joined | found.never)
    moved = _level_trend(arrays, found.late)[0] - _level_trend(arrays, found.early)[0]
    psi, estimate = np.zeros(len(kept)), 0.0
    for side, sign in ((kept & found.joined, 1.0), (kept & found.never, -1.0)):
        if len(np.unique(arrays.cluster[side])) <= 1:
            raise DesignError("a side is a single cluster, so the change before joining has no error")
        share = arrays.size[side] / arrays.size[side].sum()
        mean = float(share @ moved[side])
        psi[side] = sign * share * (moved[side] - mean)
        estimate += sign * mean
    clusters, code = np.unique(arrays.cluster[kept], return_inverse=True)
    G = len(clusters)
    by_cluster = np.bincount(code, psi[kept]) * np.sqrt(G / (G - 1))
    return _brief(estimate, G - 1.0, level, (by_cluster, np.empty(0), clusters))


def less(one: Brief, other: Brief, level: float) -> Brief:
    """The difference of two headlines of overlapping units, with its error as `joint` has it.

    Its interval is by Student's t on the fewer degrees of freedom of the two.
    """
    clusters = np.union1d(one.clusters, other.clusters)
    psi = np.zeros(len(clusters))
    for part, sign in ((one, 1.0), (other, -1.0)):
        psi[np.searchsorted(clusters, part.clusters)] += sign * part.psi
    estimate = float(one.row["estimate"] - other.row["estimate"])
    df = float(min(one.row["df"], other.row["df"]))
    return _brief(estimate, df, level, (psi, np.concatenate([one.lent, other.lent]), clusters))


def _brief(estimate: float, df: float, level: float, parts: tuple[np.ndarray, np.ndarray, np.ndarray]) -> Brief:
    """With its error and interval; parts are psi, lent and clusters."""
    error = float(np.sqrt(parts[0] @ parts[0] + parts[1] @ parts[1]))
    reach = float(special.stdtrit(df, 0.5 + level / 2)) * error
    row = {"estimate": estimate, "std_error": error, "df": df, "low": estimate - reach, "high": estimate + reach}
    return Brief(row, *parts)
