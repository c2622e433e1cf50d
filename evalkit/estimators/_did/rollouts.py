"""The rollout drawn anew: which unit joins in which wave, as lot could have decided.

Waves keep their number of units. Units change places with units of their stratum only; where joining was
decided for whole clusters, clusters change places with clusters of as many units. Units are put in an order of
their own first, by their outcomes, so that neither names nor order of units matter.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations, product
from math import comb, prod

import numpy as np

from evalkit.errors import DesignError
from evalkit.estimators._did.headline import Rule, headline
from evalkit.estimators._did.layout import Layout
from evalkit.estimators._did.relabelled import Outcome, by_cluster, figures, under
from evalkit.inference.redrawn import Redrawn

MOST = 5_000  # rollouts that are all gone through; of more, some are drawn
FEWEST = 20  # rollouts below which nothing can be said at the 5 % level


@dataclass(frozen=True, eq=False)
class Lot:
    """What lot decided.

    units    the members of each thing that was drawn, a unit or a cluster, in an order of their own
    pools    positions in `units` of those that may change places
    wave     column of joining of each, NaN for never
    whole    whether clusters were drawn, not units
    """

    units: list[np.ndarray]
    pools: list[np.ndarray]
    wave: np.ndarray
    whole: bool

    @property
    def ways(self) -> int:
        """How many different rollouts there are."""
        return prod(_ways(self._counts(pool)) for pool in self.pools)

    def rollouts(self, draws: int, seed: int) -> tuple[np.ndarray, bool]:
        """Columns of joining in each draw, shape (B, n), and whether they are all there are."""
        every = self.ways <= MOST
        drawn = self._every() if every else self._some(draws, seed)
        out = np.empty((len(drawn), sum(map(len, self.units))))
        for k, members in enumerate(self.units):
            out[:, members] = drawn[:, k, None]
        return out, every

    def _some(self, draws: int, seed: int) -> np.ndarray:
        random = np.random.default_rng(seed)
        out = np.tile(self.wave, (draws, 1))
        for pool in self.pools:
            out[:, pool] = random.permuted(out[:, pool], axis=1)
        return out

    def _every(self) -> np.ndarray:
        out = np.tile(self.wave, (self.ways, 1))
        for row, chosen in zip(out, product(*(list(_arranged(self._labels(p))) for p in self.pools)), strict=True):
            for pool, columns in zip(self.pools, chosen, strict=True):
                row[pool] = columns
        return out

    def _labels(self, pool: np.ndarray) -> np.ndarray:
        return np.sort(self.wave[pool])

    def _counts(self, pool: np.ndarray) -> list[int]:
        return np.unique(self.wave[pool], return_counts=True)[1].tolist()


def lot(layout: Layout, strata: np.ndarray | None = None) -> Lot:
    """What lot could have decided on this layout.

    strata  codes of units that were drawn among themselves, shape (n,); None for all together

    Raises DesignError when nothing could have been drawn otherwise.
    """
    order = own_order(layout)
    whole = by_cluster(layout)
    if whole:
        units = [order[layout.cluster[order] == c] for c in dict.fromkeys(layout.cluster[order].tolist())]
    else:
        units = [np.array([i]) for i in order]
    first = np.array([members[0] for members in units])
    kind = np.array([len(members) for members in units])
    apart = np.zeros(len(units)) if strata is None else strata[first]
    if whole and strata is not None and any(len(set(strata[m].tolist())) > 1 for m in units):
        raise DesignError("clusters that joined together reach over several strata", fix="draw without strata")
    together: dict[tuple[float, int], list[int]] = {}
    for k, key in enumerate(zip(apart.tolist(), kind.tolist(), strict=True)):
        together.setdefault(key, []).append(k)
    found = Lot(units, [np.array(p) for p in together.values()], layout.g[first], whole)
    if found.ways < FEWEST:
        raise DesignError(_few(found, strata is not None), fix="judge the estimate by its interval")
    return found


def _few(found: Lot, within: bool) -> str:
    many = f"only {found.ways} rollouts" if found.ways > 1 else "no other rollout"
    if found.whole:
        return (
            f"whole clusters joined together, and with clusters of as many units changing places {many} can be drawn"
        )
    return f"{many} can be drawn{' within the strata' if within else ''}"


def redraw(
    design: str, layout: Layout, rule: Rule, strata: np.ndarray | None, draws: int = 999, seed: int = 0
) -> Redrawn:
    """A design's headline under the rollout that happened and under redrawn ones.

    Raises DesignError when the headline is not identified, or nothing could have been drawn otherwise.
    """
    drawn, every = lot(layout, strata).rollouts(draws, seed)
    joined = np.where(layout.of("pre") | np.isnan(layout.g)[:, None], 0.0, 1.0) * layout.seen
    outcomes = [Outcome(layout.Y), Outcome(joined)]  # having joined is that of the rollout that happened
    happened = under(headline(design, layout, rule), layout, outcomes)
    rest = figures(design, layout, rule, outcomes, drawn)
    theta, gram = np.vstack([happened.theta, rest.theta]), np.concatenate([happened.gram, rest.gram])
    below = np.stack([gram[:, 0, 0], gram[:, 0, 1], gram[:, 1, 1]], axis=1)
    return Redrawn(theta, below, every, rest.lost)


def own_order(layout: Layout) -> np.ndarray:
    """An order of the units by their own outcomes."""
    rows = np.where(layout.seen, layout.Y, np.inf)
    return np.lexsort((np.nan_to_num(layout.g, nan=-1.0), *rows.T[::-1]))


def _ways(counts: list[int]) -> int:
    """In how many ways so many of each kind can be put in a row."""
    left, ways = sum(counts), 1
    for count in counts:
        ways *= comb(left, count)
        left -= count
    return ways


def _arranged(labels: np.ndarray) -> Iterator[np.ndarray]:
    """Every different order of the labels."""
    kinds, counts = np.unique(labels, return_counts=True)
    if len(kinds) <= 1:
        yield labels
        return
    for places in combinations(range(len(labels)), int(counts[0])):
        left = np.setdiff1d(np.arange(len(labels)), places)
        for rest in _arranged(labels[counts[0] :]):
            out = np.empty(len(labels))
            out[list(places)], out[left] = kinds[0], rest
            yield out
