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
from evalkit.estimators._did.linear import CHUNK, Linear, add_up
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
    order = _own_order(layout)
    whole = _by_cluster(layout)
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
    observed = headline(design, layout, rule)
    joined = np.where(layout.of("pre") | np.isnan(layout.g)[:, None], 0.0, 1.0) * layout.seen
    outcomes = np.stack([layout.Y, joined])
    first = _figures(*_parts(observed, outcomes))
    if rule.z is None and _interchangeable(layout, observed):
        rest, lost = _permuted(observed, layout, outcomes, drawn), 0
    else:
        rest, lost = _anew(design, layout, rule, outcomes, drawn)
    found = np.vstack([first[None, :], rest])
    return Redrawn(found[:, :2], found[:, 2:], every, lost)


def _interchangeable(layout: Layout, linear: Linear) -> bool:
    """Whether a redrawn rollout is the same design with rows of outcomes in another order."""
    one_pattern = len(linear.types.count) <= len(layout.cohorts) + 1 and not layout.pattern.any()
    return one_pattern and (np.bincount(layout.cluster).max() <= 1 or _by_cluster(layout))


def _permuted(linear: Linear, layout: Layout, outcomes: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """Figures of each draw, shape (B, 5), by one design: a unit takes the weights of the wave that it is drawn into.

    What a unit contributes is one of as many sums as there are types, which are all formed once.
    """
    types = linear.types
    v = (linear.weights if linear.own is None else linear.own)[:, :, 0]
    by_wave = {_key(layout.g[i]): u for u, i in enumerate(types.first)}
    keys = np.where(np.isnan(drawn), -1.0, drawn)
    waves, code = np.unique(keys, return_inverse=True)
    of = np.array([by_wave[w] for w in waves.tolist()])[code].reshape(drawn.shape)
    own = outcomes @ v.T  # (2, n, U)
    out = np.empty((len(drawn), 5))
    step = max(1, CHUNK // max(layout.Y.size, 1))
    for start in range(0, len(drawn), step):
        piece = of[start : start + step]
        members = (piece[:, None, :] == np.arange(len(types.count))[None, :, None]) / types.count[None, :, None]
        means = members[None] @ outcomes[:, None]  # (2, b, U, T)
        centre = linear.centre(means)[..., 0]
        psi = np.stack([own[k][np.arange(len(layout.g)), piece] for k in (0, 1)])
        psi -= np.take_along_axis(centre, np.broadcast_to(piece, (2, *piece.shape)), axis=2)
        theta = linear.of_means(means)[..., 0]
        out[start : start + step] = _figures(theta, _clustered(linear, psi))
    return out


def _key(joined: float) -> float:
    return -1.0 if np.isnan(joined) else float(joined)


def _anew(design: str, layout: Layout, rule: Rule, outcomes: np.ndarray, drawn: np.ndarray) -> tuple[np.ndarray, int]:
    """Figures of each draw, shape (B, 5), its design built anew; and in how many that was not possible.

    Having joined, as an outcome, is that of the rollout that happened, whatever the draw.
    """
    rows = []
    for g in drawn:
        try:
            linear = headline(design, layout.joining(g), rule)
        except DesignError:
            continue
        rows.append(_figures(*_parts(linear, outcomes)))
    return np.array(rows).reshape(-1, 5), len(drawn) - len(rows)


def _parts(linear: Linear, outcomes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """theta, shape (2,), and psi by cluster, shape (2, G), of the outcomes and of having joined."""
    return linear.estimate(outcomes)[:, 0], linear.by_cluster(outcomes)[..., 0]


def _clustered(linear: Linear, psi: np.ndarray) -> np.ndarray:
    """psi added up within clusters, times the root of the factor; shapes (2, b, n) -> (2, b, G)."""
    if np.bincount(linear.cluster).max() > 1:
        psi = np.moveaxis(add_up(np.moveaxis(psi, -1, 0), linear.cluster), 0, -1)
    return np.sqrt(linear.factor) * psi


def _figures(theta: np.ndarray, psi: np.ndarray) -> np.ndarray:
    """a, b, c, d, f of `Redrawn`; shapes (2, ...), (2, ..., G) -> (..., 5)."""
    p, c = psi
    below = [np.einsum("...g,...g->...", x, y) for x, y in ((p, p), (p, c), (c, c))]
    return np.stack([*theta, *below], axis=-1)


def _own_order(layout: Layout) -> np.ndarray:
    """An order of the units by their own outcomes."""
    rows = np.where(layout.seen, layout.Y, np.inf)
    return np.lexsort((np.nan_to_num(layout.g, nan=-1.0), *rows.T[::-1]))


def _by_cluster(layout: Layout) -> bool:
    """Whether joining was decided for whole clusters of several units."""
    if np.bincount(layout.cluster).max() <= 1:
        return False
    joined = np.nan_to_num(layout.g, nan=-1.0)
    low, high = np.full(layout.cluster.max() + 1, np.inf), np.full(layout.cluster.max() + 1, -np.inf)
    np.minimum.at(low, layout.cluster, joined)
    np.maximum.at(high, layout.cluster, joined)
    return bool((low == high).all())


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
