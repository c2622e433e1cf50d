"""Which averages of effects by cohort and period are reported, as weights on those effects.

Cells are effects by cohort and period, m of them; a cell has a size: the units of its cohort (group-time
effects) or the unit-periods behind it (imputation and regression). With sizes s_c the averages are

    all together        sum_{c post} s_c effect_c / sum_{c post} s_c
    by event time       the same over the cells at one distance from joining
    by cohort           the same over a cohort's analysed periods after joining
    by calendar period  the same over the cells of one calendar period after joining

and of the last three the plain mean over event times after joining, the mean over cohorts weighted by
their size, and the plain mean over calendar periods (Callaway and Sant'Anna 2021, J Econometrics 225:200,
section 3). Each is a column of A, shape (m, K).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evalkit.errors import DesignError

ALL = "average effect on the joined (ATT)"
OVER_EVENTS = "mean over periods since joining"
OVER_COHORTS = "mean of the waves' own averages"
OVER_CALENDAR = "mean over calendar periods"


@dataclass(frozen=True, eq=False)
class Cells:
    """Effects by cohort and period.

    cohort  position of the cohort, shape (m,)
    period  column of the period, shape (m,)
    since   periods since joining, shape (m,)
    phase   `pre`, `transition` or `post`, shape (m,)
    size    units or unit-periods behind each, shape (m,)
    """

    cohort: np.ndarray
    period: np.ndarray
    since: np.ndarray
    phase: np.ndarray
    size: np.ndarray

    @property
    def post(self) -> np.ndarray:
        """Which cells are analysed periods after joining, booleans, shape (m,)."""
        found: np.ndarray = self.phase == "post"
        return found

    def where(self, keep: np.ndarray) -> Cells:
        """Some of them."""
        return Cells(self.cohort[keep], self.period[keep], self.since[keep], self.phase[keep], self.size[keep])


@dataclass(frozen=True, eq=False)
class Averages:
    """Weights of cells in each reported average.

    names  what each column is: the kind (`term`, `event`, `cohort`, `calendar`, `horizon`) and its label
    A      shape (m, K)
    slope  d A / d size of each cohort, shape (H, m, K): what estimating the sizes adds to the uncertainty
    """

    names: list[tuple[str, int | str]]
    A: np.ndarray
    slope: np.ndarray

    def column(self, kind: str, label: int | str) -> int:
        """The column of one of them."""
        return self.names.index((kind, label))

    def kind(self, kind: str) -> list[int]:
        """The columns of one kind, in order."""
        return [k for k, (found, _) in enumerate(self.names) if found == kind]


@dataclass(frozen=True)
class Choice:
    """Which cells go in: event times from `first` to `last`, and only waves seen for at least `balanced` more."""

    first: int | None = None
    last: int | None = None
    balanced: int | None = None


class _Builder:
    """Collects columns; a mean by size, and means of columns already there."""

    def __init__(self, cells: Cells, cohorts: int) -> None:
        self.cells, self.cohorts = cells, cohorts
        self.names: list[tuple[str, int | str]] = []
        self.columns: list[np.ndarray] = []
        self.slopes: list[np.ndarray] = []

    def by_size(self, keep: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Weights s_c / S of the kept cells and their slopes in each cohort's size, S = sum of s."""
        size = np.where(keep, self.cells.size, 0.0)
        total = size.sum()
        of = np.zeros((self.cohorts, len(size)))
        kept = np.flatnonzero(keep)
        share = np.where(keep, size, 0.0) / total
        own = np.zeros(self.cohorts)
        np.add.at(own, self.cells.cohort[kept], 1.0)
        of[self.cells.cohort[kept], kept] += 1.0 / total
        return share, of - own[:, None] / total * share[None, :]

    def add(self, kind: str, label: int | str, column: tuple[np.ndarray, np.ndarray]) -> None:
        self.names.append((kind, label))
        self.columns.append(column[0])
        self.slopes.append(column[1])

    def mean(self, kind: str, keep: list[int]) -> tuple[np.ndarray, np.ndarray]:
        """The plain mean of the columns of one kind that are kept by label."""
        picked = [k for k, (found, label) in enumerate(self.names) if found == kind and label in keep]
        return np.mean([self.columns[k] for k in picked], 0), np.mean([self.slopes[k] for k in picked], 0)

    def done(self) -> Averages:
        return Averages(self.names, np.stack(self.columns, 1), np.stack(self.slopes, 2))


def averages(cells: Cells, cohorts: int, horizons: tuple[int, ...], choice: Choice = Choice()) -> Averages:
    """The reported averages of these cells; the headline first.

    cohorts  H, how many cohorts there are
    """
    build = _Builder(cells, cohorts)
    chosen = _chosen(cells, choice)
    post = cells.post
    times = [int(k) for k in np.unique(cells.since[chosen])]
    build.add("term", ALL, build.by_size(post))
    for k in times:
        build.add("event", k, build.by_size(chosen & (cells.since == k)))
    for h in np.unique(cells.cohort[post]):
        build.add("cohort", int(h), build.by_size(post & (cells.cohort == h)))
    for t in np.unique(cells.period[post]):
        build.add("calendar", int(t), build.by_size(post & (cells.period == t)))
    after = sorted(set(times) & {int(k) for k in np.unique(cells.since[post])})
    if after:
        build.add("term", OVER_EVENTS, build.mean("event", after))
    if len(np.unique(cells.cohort[post])) > 1:
        build.add("term", OVER_COHORTS, _over_cohorts(build, post))
    build.add("term", OVER_CALENDAR, build.mean("calendar", _labels(build, "calendar")))
    for horizon in dict.fromkeys(horizons):
        keep = post & (cells.since == horizon)
        if keep.any():
            build.add("horizon", horizon, build.by_size(keep))
    return build.done()


def overall(cells: Cells, cohorts: int) -> Averages:
    """The headline alone."""
    build = _Builder(cells, cohorts)
    build.add("term", ALL, build.by_size(cells.post))
    return build.done()


def _labels(build: _Builder, kind: str) -> list[int]:
    return [int(label) for found, label in build.names if found == kind]


def _chosen(cells: Cells, choice: Choice) -> np.ndarray:
    """Cells within the declared event times, of the waves seen long enough."""
    keep = np.ones(len(cells.since), bool)
    if choice.first is not None:
        keep &= cells.since >= choice.first
    if choice.last is not None:
        keep &= cells.since <= choice.last
    if choice.balanced is not None:
        reach = {h: cells.since[cells.cohort == h].max() for h in np.unique(cells.cohort)}
        enough = np.array([reach[h] >= choice.balanced for h in cells.cohort])
        keep &= enough & (cells.since <= choice.balanced)
        if not keep.any():
            longest = max(reach.values())
            said = f"no wave was seen for {choice.balanced} periods after joining; the longest was {longest}"
            raise DesignError(said, fix="lower `balanced`")
    return keep


def _over_cohorts(build: _Builder, post: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Waves' own averages weighted by their size, and the slopes of those weights."""
    cells = build.cells
    present = np.unique(cells.cohort[post])
    size = np.array([cells.size[post & (cells.cohort == h)].mean() for h in present])
    total = size.sum()
    own = np.zeros((len(present), len(post)))
    for j, h in enumerate(present):
        keep = post & (cells.cohort == h)
        own[j] = np.where(keep, cells.size, 0.0) / cells.size[keep].sum()
    share = size @ own / total
    slope = np.zeros((build.cohorts, len(post)))
    slope[present] = own / total - share[None, :] / total
    return share, slope


def alone(count: int, cohorts: int, some: np.ndarray) -> Averages:
    """Some of `count` cells, each by itself; their sizes play no part."""
    A = np.eye(count)[:, some]
    return Averages([], A, np.zeros((cohorts, *A.shape)))
