"""A panel as arrays, and its units gathered into types that a design cannot tell apart.

Notation of this package: n units, T periods of the window, H cohorts; Y, shape (n, T), outcomes, nought
where nothing was observed; `g`, shape (n,), the column in which a unit joined, NaN for never.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from evalkit.panel import Panel

FEW = 32  # types up to which they are gone through one by one


@dataclass(frozen=True, eq=False)
class Layout:
    """What every design of this package starts from.

    Y        outcomes, shape (n, T), nought where `seen` is False
    seen     which unit-periods were observed and not excluded, booleans, shape (n, T)
    g        column of joining, shape (n,), NaN for never
    cohorts  the columns in which units joined, ascending, shape (H,)
    phases   phase of each cohort in each period, shape (H, T), texts
    weight   weight of each unit-period, shape (n, T), nought where unseen; ones when units weigh equally
    cluster  codes from nought, shape (n,)
    units    names, in the order of the rows
    equal    whether units weigh equally
    """

    Y: np.ndarray
    seen: np.ndarray
    g: np.ndarray
    cohorts: np.ndarray
    phases: np.ndarray
    weight: np.ndarray
    cluster: np.ndarray
    units: pd.Index
    equal: bool

    @cached_property
    def group(self) -> np.ndarray:
        """Position of each unit's cohort in `cohorts`, H for never; shape (n,)."""
        return np.where(np.isnan(self.g), len(self.cohorts), np.searchsorted(self.cohorts, np.nan_to_num(self.g)))

    @cached_property
    def pattern(self) -> np.ndarray:
        """Code of what each unit was observed in and weighs there, shape (n,)."""
        return patterns(self.weight)

    @cached_property
    def size(self) -> np.ndarray:
        """What each unit counts for where it counts once: one, or its mean weight before anybody joined, (n,)."""
        if self.equal:
            return np.ones(len(self.g))
        start = int(np.argmax(self.seen.any(axis=0)))
        later = self.cohorts[self.cohorts > start]  # who had joined before anything was seen is in no comparison
        first = later[0] if len(later) else self.Y.shape[1]
        early = self.seen & (np.arange(self.Y.shape[1]) < first)[None, :]
        used = np.where(early.any(axis=1)[:, None], early, self.seen)
        size: np.ndarray = (self.weight * used).sum(axis=1) / np.maximum(used.sum(axis=1), 1)
        return size

    @cached_property
    def gathered(self) -> bool:
        """Whether some cluster holds several units."""
        return len(np.unique(self.cluster)) < len(self.cluster)

    @cached_property
    def types(self) -> Types:
        """Units gathered by cohort, observed periods and weights."""
        return _gathered(self.group, self.pattern, self.seen, self.weight)

    def joining(self, g: np.ndarray) -> Layout:
        """The same units had they joined otherwise, in the same cohorts; g, columns, NaN for never, shape (n,)."""
        made = Layout(
            self.Y, self.seen, g, self.cohorts, self.phases, self.weight, self.cluster, self.units, self.equal
        )
        made.__dict__["pattern"] = self.pattern  # outcomes and weights are the same
        return made

    def only(self, keep: np.ndarray) -> Layout:
        """The same without some unit-periods; keep, booleans, shape (n, T)."""
        seen = self.seen & keep
        return Layout(
            np.where(seen, self.Y, 0.0),
            seen,
            self.g,
            self.cohorts,
            self.phases,
            np.where(seen, self.weight, 0.0),
            self.cluster,
            self.units,
            self.equal,
        )

    def part(self, units: np.ndarray, first: int = 0, last: int | None = None) -> Layout:
        """Some units in a shorter window, as a panel without the others would be laid out.

        units        booleans, shape (n,); cluster codes stay those of the whole
        first, last  columns of the shorter window, `last` not included

        Columns of joining count from the new start, and may lie outside.
        """
        columns, g = slice(first, last), self.g[units] - first
        cohorts = np.unique(g[~np.isnan(g)]).astype(int)
        return Layout(
            self.Y[units, columns],
            self.seen[units, columns],
            g,
            cohorts,
            self.phases[np.isin(self.cohorts - first, cohorts), columns],
            self.weight[units, columns],
            self.cluster[units],
            self.units[units],
            self.equal,
        )

    def of(self, phase: str) -> np.ndarray:
        """The unit-periods of joined units in a phase, booleans, shape (n, T)."""
        table = np.vstack([self.phases == phase, np.zeros((1, self.Y.shape[1]), bool)])
        picked: np.ndarray = table[self.group]
        return picked


@dataclass(frozen=True, eq=False)
class Types:
    """Units that joined together, were observed in the same periods and weigh the same are one type.

    A design's weights are the same for all units of a type, so they are computed once a type: a balanced
    panel has as many types as cohorts, whatever its size.

    of      type of each unit, shape (n,)
    count   units of each type, shape (U,)
    group   cohort position of each type, H for never; shape (U,)
    seen    shape (U, T)
    weight  shape (U, T)
    first   a unit of each type, shape (U,)
    """

    of: np.ndarray
    count: np.ndarray
    group: np.ndarray
    seen: np.ndarray
    weight: np.ndarray
    first: np.ndarray

    def masked(self, keep: np.ndarray) -> Types:
        """The same types with some periods of theirs left out; keep, booleans, shape (U, T)."""
        weight = np.where(keep, self.weight, 0.0)
        return Types(self.of, self.count, self.group, self.seen & keep, weight, self.first)

    def means(self, Y: np.ndarray) -> np.ndarray:
        """Mean of Y over the units of each type; shapes (..., n, T) -> (..., U, T)."""
        if len(self.count) == len(self.of):
            found: np.ndarray = Y[..., self.first, :]
            return found
        if len(self.count) > FEW:
            order, starts = self._sorted
            out = np.add.reduceat(Y[..., order, :], starts, axis=-2)
            out /= self.count[:, None]
            return out
        out = np.empty((*Y.shape[:-2], len(self.count), Y.shape[-1]))
        for u, members in enumerate(self.members):
            out[..., u, :] = np.add.reduce(Y[..., members, :], axis=-2)
        out /= self.count[:, None]
        return out

    @cached_property
    def _sorted(self) -> tuple[np.ndarray, np.ndarray]:
        """Units ordered by type, and where each type starts."""
        return np.argsort(self.of, kind="stable"), np.cumsum(self.count) - self.count

    @cached_property
    def members(self) -> list[np.ndarray]:
        """The units of each type."""
        order, starts = self._sorted
        return np.split(order, starts[1:])


def gather(group: np.ndarray, seen: np.ndarray, weight: np.ndarray, apart: np.ndarray | None = None) -> Types:
    """Types of units; `apart`, shape (n, q), holds what else tells units apart, such as covariates."""
    pattern = patterns(weight)
    if apart is not None:
        other = _coded(apart)
        pattern = np.unique(pattern * (other.max(initial=0) + 1) + other, return_inverse=True)[1]
    return _gathered(group, pattern, seen, weight)


def patterns(weight: np.ndarray) -> np.ndarray:
    """A code for each unit's row of weights, the same for equal rows; shapes (n, T) -> (n,)."""
    if len(weight) and (weight == weight[0]).all():
        return np.zeros(len(weight), int)
    if ((weight == 0) | (weight == 1)).all():
        return _coded(np.packbits(weight > 0, axis=1))
    return _coded(weight)


def _coded(rows: np.ndarray) -> np.ndarray:
    """A code for each row, the same for equal rows."""
    key = np.ascontiguousarray(rows)
    whole = key.view(np.dtype((np.void, key.dtype.itemsize * key.shape[1]))).ravel()
    return np.unique(whole, return_inverse=True)[1]


def _gathered(group: np.ndarray, pattern: np.ndarray, seen: np.ndarray, weight: np.ndarray) -> Types:
    key = pattern * (group.max(initial=0) + 1) + group
    _, first, of, count = np.unique(key, return_index=True, return_inverse=True, return_counts=True)
    return Types(of, count, group[first], seen[first], weight[first], first)


def layout(panel: Panel) -> Layout:
    """The panel's arrays. Units weigh equally, or by denominator where the protocol says so."""
    study, rows, units = panel.study, panel.rows, panel.units
    window = study.window
    n, T = len(units), len(window)
    where = panel.places
    column = rows["t"].to_numpy()
    value = rows["value"].to_numpy(float)
    Y, seen = np.zeros((n, T)), np.zeros((n, T), bool)
    present = ~np.isnan(value)
    seen[where[present], column[present]] = True
    Y[where[present], column[present]] = value[present]
    joined = units["cohort"].notna().to_numpy()
    g = np.full(n, np.nan)
    g[joined] = study.time(units.loc[joined, "cohort"])
    cohorts = np.unique(g[joined]).astype(int)
    first = window[0]
    dates = pd.PeriodIndex([first + int(c) for c in cohorts], freq=window.freqstr)
    pairs = [pd.Series(dates.repeat(T)), pd.Series(window.append([window] * (len(cohorts) - 1)))]
    phases = study.phases(*pairs).reshape(len(cohorts), T) if len(cohorts) else np.empty((0, T), object)
    seen &= ~study.excluded[None, :]
    equal = study.protocol.weights == "unit" or panel.outcome.denominator is None
    weight = np.zeros((n, T))
    weight[where, column] = 1.0 if equal else rows["denominator"].to_numpy(float)
    cluster = pd.factorize(units["cluster"])[0]
    return Layout(
        np.where(seen, Y, 0.0),
        seen,
        g,
        cohorts,
        phases,
        np.where(seen, weight, 0.0),
        cluster,
        units.index,
        equal,
    )
