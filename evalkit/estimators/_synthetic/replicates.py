"""How sure: the same blocks with units exchanged, left out or drawn again. Pure functions on arrays.

Each gives replicates of the quantities, shape (replicates, quantities), and how many degrees of
freedom their spread has.

placebo    units that never joined play the joined ones, in the same numbers and waves, against the
           other donors; the spread of what is then found is the error. Needs that joined and never
           joined units vary alike.
jackknife  every unit (cluster) is left out in turn. Needs two joined units (clusters) in every wave.
bootstrap  units are drawn again with replacement. Needs many joined units.

Draws are seeded, and made over units in the order of how far their course lies from the mean course,
so that neither names, order, scale nor sign of the data move them.

Sources: Abadie, Diamond and Hainmueller (2010), J Am Stat Assoc 105:493 (placebo units); Arkhangelsky,
Athey, Hirshberg, Imbens and Wager (2021), Am Econ Rev 111:4088, algorithms 2 to 4; for waves Clarke,
Pailanir, Athey and Imbens (2023), arXiv 2301.11859.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from math import comb

import numpy as np

from evalkit.errors import DesignError
from evalkit.estimators._synthetic.blocks import DONORS, PAIR, Block
from evalkit.estimators._synthetic.recipes import Recipe, Weights
from evalkit.estimators._synthetic.runs import Quantities, Run, postfit, prefit, run

SEED = 20_210_912
TINY = 1e-9  # donors with less weight than this between them cannot stand in for the others
CELLS = 500_000  # of the matrices of a stack of placebos
REDRAWN = 20  # draws a replicate before a bootstrap is given up


@dataclass(frozen=True, eq=False)
class Fitted:
    """What replicates start from.

    Y           values, shape (units, periods)
    blocks      as fitted
    recipes     how, one a block
    run         what came of it
    quantities  what is read off it
    levels      whether levels are taken out, so that the fit before joining is judged around its mean
    """

    Y: np.ndarray
    blocks: Sequence[Block]
    recipes: Sequence[Recipe]
    run: Run
    quantities: Quantities
    levels: bool = True


@dataclass(frozen=True, eq=False)
class Placebos:
    """What was found where nobody joined.

    who      units of every placebo, shape (placebos, joined units), positions
    figures  quantities, shape (placebos, quantities)
    fit      root mean squared gap before joining, shape (placebos,)
    ratio    root mean squared gap after joining over `fit`, shape (placebos,)
    """

    who: np.ndarray
    figures: np.ndarray
    fit: np.ndarray
    ratio: np.ndarray

    def covariance(self) -> np.ndarray:
        """Of the quantities: mean product of deviations from the mean (algorithm 4)."""
        centred = self.figures - self.figures.mean(axis=0)
        out: np.ndarray = centred.T @ centred / len(centred)
        return out


def placebos(fitted: Fitted, never: np.ndarray, joined: np.ndarray, most: int) -> Placebos:
    """What is found when units that never joined play the joined ones.

    never   units that may, positions, donors of every block; joined: whom they play, wave by wave, positions
    most    placebos at most; all there are, where they are not more

    Raises DesignError when too few donors would be left.
    """
    left = min(len(b.donors) for b in fitted.blocks) - len(joined)
    if left < DONORS - 1 or len(never) < len(joined) + DONORS - 1:
        raise DesignError(
            f"{len(never)} units that never joined cannot stand in for {len(joined)} that did and leave "
            f"{DONORS - 1} donors",
            fix="add units that never joined",
        )
    chosen = np.array(list(_assigned(_central(fitted.Y, never, fitted.blocks), fitted, joined, most)))
    values, fit, ratio = [], [], []
    for who in np.array_split(chosen, _parts(fitted.blocks, len(chosen))):
        played = [_played(b, joined, who, len(fitted.Y)) for b in fitted.blocks]
        starts = [
            _start(w, b, p, len(fitted.Y)) for w, b, p in zip(fitted.run.weights, fitted.blocks, played, strict=True)
        ]
        again = run(fitted.Y, played, fitted.recipes, starts)
        values.append(fitted.quantities.of(again.gaps, again.units))
        before = prefit(again, played, levels=fitted.levels)
        fit.append(before)
        ratio.append(np.divide(postfit(again, played), before, out=np.full(len(who), np.inf), where=before > 0))
    return Placebos(chosen, np.concatenate(values), np.concatenate(fit), np.concatenate(ratio))


def _parts(blocks: Sequence[Block], placebos: int) -> int:
    """Into how many stacks placebos are cut, so that the matrices of one stay near the processor."""
    largest = max(len(b.donors) * max(len(b.before), len(b.donors)) for b in blocks)
    return min(-(-placebos * largest // CELLS), placebos)


def _central(Y: np.ndarray, units: np.ndarray, blocks: Sequence[Block]) -> np.ndarray:
    """Units in the order of how far their course before joining lies from the mean course."""
    columns = np.unique(np.concatenate([b.before for b in blocks]))
    course = Y[np.ix_(units, columns)]
    known = ~np.isnan(course).any(axis=0)
    course = course[:, known] - course[:, known].mean(axis=1, keepdims=True)
    far = ((course - course.mean(axis=0)) ** 2).sum(axis=1)
    return units[np.argsort(np.round(far / far.max(), 9) if far.max() > 0 else far, kind="stable")]


def _assigned(never: np.ndarray, fitted: Fitted, joined: np.ndarray, most: int) -> Iterator[np.ndarray]:
    """Who plays the joined: every choice when there are few, else seeded draws without replacement."""
    one_wave = len({b.cohort for b in fitted.blocks}) == 1
    if one_wave and comb(len(never), len(joined)) <= most:
        yield from (np.array(who) for who in combinations(never, len(joined)))
        return
    random = np.random.default_rng(SEED)
    if len(joined) == 1:
        yield from random.choice(never, most, replace=False)[:, None]
        return
    for _ in range(most):
        yield random.choice(never, len(joined), replace=False)


def _played(block: Block, joined: np.ndarray, who: np.ndarray, units: int) -> Block:
    """A stack of blocks in which `who` play `joined`: those of its wave join, those of later waves are donors.

    who    donors of the block, shape (placebos, joined units)
    units  all there are
    """
    role, taken = np.tile(np.arange(units), (len(who), 1)), np.zeros((len(who), units), bool)
    role[:, joined] = who
    np.put_along_axis(taken, who, values=True, axis=1)
    taken[:, joined] = False
    left = role[:, block.donors][~taken[:, block.donors]].reshape(len(who), -1)
    return replace(block, joined=np.ascontiguousarray(role[:, block.joined]), donors=left)


def _start(weights: Weights, block: Block, played: Block, units: int) -> Weights:
    """The weights of the real run for the donors that are left, to begin the search with."""
    known = np.zeros(units)
    known[block.donors] = weights.unit
    return Weights(known[played.donors], weights.period)


def jackknife(fitted: Fitted, cluster: np.ndarray, *, refit: bool) -> tuple[np.ndarray, np.ndarray]:
    """Covariance of the quantities with every unit (cluster) left out in turn, and their degrees of freedom.

    cluster  shape (units,)
    refit    find the weights again each time; otherwise they stay, those of donors scaled back to one
             (algorithm 3)

    The covariance is (n - 1)/n sum (q_i - mean q)(q_i - mean q)'. Joined units and donors contribute
    apart; the degrees of freedom are those of a sum of two variances with as many clusters less one
    (Welch and Satterthwaite). Raises DesignError when a wave is one cluster, or one donor is all.
    """
    involved = np.unique(np.concatenate([np.concatenate([b.joined, b.donors]) for b in fitted.blocks]))
    names = np.unique(cluster[involved])
    for block in fitted.blocks:
        if len(np.unique(cluster[block.joined])) < PAIR:
            raise DesignError(
                "a wave is a single unit or cluster, so leaving it out leaves nobody",
                fix="use `inference: placebo`, for which there must be more units that never joined",
            )
    if refit:
        values = np.array([_refitted(fitted, cluster == name) for name in names])
    else:
        code = np.where(np.isin(cluster, names), np.searchsorted(names, cluster), 0)
        values = _weights_kept(fitted, code)
    own = [np.isin(names, np.unique(cluster[b.joined])) for b in fitted.blocks]
    ours = np.any(own, axis=0)
    centred = values - values.mean(axis=0)
    factor = (len(names) - 1) / len(names)
    parts = [factor * (centred[side] ** 2).sum(axis=0) for side in (ours, ~ours)]
    df = [max(int(side.sum()) - 1, 1) for side in (ours, ~ours)]
    with np.errstate(invalid="ignore", divide="ignore"):
        welch = (parts[0] + parts[1]) ** 2 / (parts[0] ** 2 / df[0] + parts[1] ** 2 / df[1])
    return factor * centred.T @ centred, np.nan_to_num(welch, nan=1.0)


def _refitted(fitted: Fitted, out: np.ndarray) -> np.ndarray:
    """The quantities without some units, weights found again."""
    gone = set(np.flatnonzero(out).tolist())
    kept = [_less(b, gone) for b in fitted.blocks]
    starts = [
        _start(w, b, less, len(fitted.Y)) for w, b, less in zip(fitted.run.weights, fitted.blocks, kept, strict=True)
    ]
    again = run(fitted.Y, kept, fitted.recipes, starts)
    return fitted.quantities.of(again.gaps, again.units)


def _weights_kept(fitted: Fitted, code: np.ndarray) -> np.ndarray:
    """The quantities without each cluster in turn, weights kept, shape (clusters, quantities).

    code  cluster of every unit, shape (units,)
    """
    clusters = code.max() + 1
    gaps = np.empty((clusters, *fitted.run.gaps.shape))
    units = np.empty((clusters, len(fitted.blocks)))
    for at, (block, weights) in enumerate(zip(fitted.blocks, fitted.run.weights, strict=True)):
        gaps[:, at], units[:, at] = _one_block(fitted.Y, block, weights, code)
    return np.array([fitted.quantities.of(g, n) for g, n in zip(gaps, units, strict=True)])


def _one_block(Y: np.ndarray, block: Block, weights: Weights, code: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Gaps of one block without each cluster in turn, shape (clusters, periods), and the joined units left."""
    columns = np.concatenate([block.before, block.between, block.after])
    joined = Y[np.ix_(block.joined, columns)]
    donors = Y[np.ix_(block.donors, columns)] * weights.unit[:, None]
    clusters, ours, theirs = code.max() + 1, code[block.joined], code[block.donors]
    left = len(joined) - np.bincount(ours, minlength=clusters)
    share = weights.unit.sum() - np.bincount(theirs, weights.unit, clusters)
    if np.abs(share).min() <= TINY:
        raise DesignError(
            "one donor or cluster carries all of the weight, so it cannot be left out",
            fix="use `inference: placebo`",
        )
    mean = (joined.sum(axis=0) - _summed(joined, ours, clusters)) / left[:, None]
    other = (donors.sum(axis=0) - _summed(donors, theirs, clusters)) / share[:, None]
    out = np.full((clusters, Y.shape[1]), np.nan)
    out[:, columns] = mean - other
    out[:, columns] -= (out[:, block.before] @ weights.period)[:, None]
    return out, left


def _summed(rows: np.ndarray, code: np.ndarray, clusters: int) -> np.ndarray:
    """Rows added up within clusters, shape (clusters, columns)."""
    out = np.zeros((clusters, rows.shape[1]))
    np.add.at(out, code, rows)
    return out


def _less(block: Block, gone: set[int]) -> Block:
    joined = np.array([u for u in block.joined.tolist() if u not in gone], int)
    donors = np.array([u for u in block.donors.tolist() if u not in gone], int)
    if len(donors) < PAIR:
        raise DesignError("one cluster holds all but one of the donors", fix="cluster on a finer level")
    return replace(block, joined=joined, donors=donors)


def bootstrap(fitted: Fitted, times: int) -> np.ndarray:
    """Covariance of the quantities over units drawn again with replacement, weights found anew (algorithm 2).

    Raises DesignError when draws keep leaving a wave without units.
    """
    involved = np.unique(np.concatenate([np.concatenate([b.joined, b.donors]) for b in fitted.blocks]))
    order = _central(fitted.Y, involved, fitted.blocks)
    random = np.random.default_rng(SEED)
    values: list[np.ndarray] = []
    for _ in range(REDRAWN * times):
        drawn = random.choice(order, len(order))
        again = [_drawn(b, drawn) for b in fitted.blocks]
        if any(len(b.joined) == 0 or len(np.unique(b.donors)) < PAIR for b in again):
            continue
        starts = [
            _start(w, b, d, len(fitted.Y)) for w, b, d in zip(fitted.run.weights, fitted.blocks, again, strict=True)
        ]
        found = run(fitted.Y, again, fitted.recipes, starts)
        values.append(fitted.quantities.of(found.gaps, found.units))
        if len(values) == times:
            centred = np.array(values) - np.mean(values, axis=0)
            return centred.T @ centred / times
    raise DesignError("draws keep leaving a wave without units", fix="use `inference: placebo`")


def _drawn(block: Block, drawn: np.ndarray) -> Block:
    return replace(block, joined=drawn[np.isin(drawn, block.joined)], donors=drawn[np.isin(drawn, block.donors)])
