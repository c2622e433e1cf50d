"""Blocks fitted, and the quantities that are read off them. Pure functions on arrays.

The effect of block b in column t, equation (1) of `recipes`, is a gap. Every reported quantity is a
weighted mean of gaps, with weights joined units x share: the headline over all columns after joining,
so that every joined unit-period counts alike; an effect so many periods after joining over the waves
that have it. Replicates for the standard errors go through the same weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evalkit.estimators._synthetic.blocks import Block
from evalkit.estimators._synthetic.recipes import Recipe, Sample, Weights


@dataclass(frozen=True, eq=False)
class Run:
    """Blocks fitted.

    gaps     effect by block and column, shape (blocks, periods), NaN where the block has no such column
    weights  of units and periods, one a block
    units    joined units, one a block

    Of stacks of blocks, gaps and weights have one more axis in front.
    """

    gaps: np.ndarray
    weights: list[Weights]
    units: np.ndarray


@dataclass(frozen=True, eq=False)
class Quantities:
    """Which gaps make up which quantity.

    cells  shape (quantities, blocks x periods), nought or the block's share
    """

    cells: np.ndarray

    def of(self, gaps: np.ndarray, units: np.ndarray) -> np.ndarray:
        """The quantities, shape (quantities,), or with an axis in front; NaN where none of its gaps is there.

        gaps  shape (blocks, periods), or a stack of such that are all missing in the same places
        """
        flat = gaps.reshape(*gaps.shape[:-2], -1)
        missing = np.isnan(flat)
        weight = self.cells * np.repeat(units, gaps.shape[-1]) * ~missing.reshape(-1, flat.shape[-1])[0]
        with np.errstate(invalid="ignore", divide="ignore"):
            total = (weight @ np.where(missing, 0.0, flat)[..., None])[..., 0]
            out: np.ndarray = total / weight.sum(axis=1)
        return out


def sample(Y: np.ndarray, block: Block) -> Sample:
    """What the weights of a block, or of a stack of blocks, are made from."""
    return Sample(
        _by_period(Y, block.donors, block.before),
        Y[block.joined[..., None], block.before].mean(axis=-2),
        _by_period(Y, block.donors, block.after),
        block.joined.shape[-1],
        np.diff(block.before) == 1,
    )


def _by_period(Y: np.ndarray, units: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Y of units in columns, shape (..., units, columns), the units of a period side by side in memory."""
    return np.swapaxes(Y[units[..., None, :], columns[:, None]], -1, -2)


def gap(Y: np.ndarray, block: Block, weights: Weights) -> np.ndarray:
    """The effect in every column of a block, shape (periods,), NaN elsewhere; a row for each of a stack."""
    out = np.full((*block.donors.shape[:-1], Y.shape[1]), np.nan)
    columns = np.concatenate([block.before, block.between, block.after])
    joined = Y[block.joined[..., None], columns].mean(axis=-2)
    out[..., columns] = joined - _dot(weights.unit, Y[block.donors[..., None], columns])
    out[..., columns] -= _dot(weights.period, _at(out, block.before)[..., None])
    return out


def _dot(x: np.ndarray, A: np.ndarray) -> np.ndarray:
    """x'A; shapes (..., m) and (..., m, n) -> (..., n)."""
    found: np.ndarray = (x[..., None, :] @ A)[..., 0, :]
    return found


def run(
    Y: np.ndarray, blocks: Sequence[Block], recipes: Sequence[Recipe], starts: Sequence[Weights | None] | None = None
) -> Run:
    """Fit every block, or every stack of blocks.

    Y        shape (units, periods)
    recipes  how, one a block
    starts   weights near the optimum, one a block, to save time
    """
    begun = starts or [None] * len(blocks)
    weights = [recipe(sample(Y, b), start) for recipe, b, start in zip(recipes, blocks, begun, strict=True)]
    gaps = np.stack([gap(Y, b, w) for b, w in zip(blocks, weights, strict=True)], axis=-2)
    return Run(gaps, weights, np.array([b.joined.shape[-1] for b in blocks], float))


def after(blocks: Sequence[Block], periods: int) -> np.ndarray:
    """Which gaps are in columns after joining that are analysed, shape (blocks, periods), booleans."""
    return _which(blocks, periods, "after")


def cells(blocks: Sequence[Block], periods: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Which gaps there are, their event times, and how much each counts; shape (blocks, periods) each.

    A wave cut into several blocks has columns before joining in each of them; they count by share.
    """
    later = after(blocks, periods)
    there = later | _which(blocks, periods, "before") | _which(blocks, periods, "between")
    time = np.arange(periods)[None, :] - np.array([b.cohort for b in blocks])[:, None]
    share = np.where(later, 1.0, np.array([b.share for b in blocks])[:, None]) * there
    return there, time, share


def _which(blocks: Sequence[Block], periods: int, side: str) -> np.ndarray:
    out = np.zeros((len(blocks), periods), bool)
    for row, block in zip(out, blocks, strict=True):
        row[getattr(block, side)] = True
    return out


def prefit(run: Run, blocks: Sequence[Block], *, levels: bool) -> np.ndarray:
    """Root mean squared gap before joining, over blocks by joined units and share; shape () or that of the stack.

    levels  gaps are taken around their own mean, which these designs do not try to make nought
    """
    weight = run.units * np.array([b.share for b in blocks])
    gaps = [_at(run.gaps[..., i, :], b.before) for i, b in enumerate(blocks)]
    square = [np.var(one, axis=-1) if levels else np.mean(one**2, axis=-1) for one in gaps]
    return _root(square, weight)


def postfit(run: Run, blocks: Sequence[Block]) -> np.ndarray:
    """Root mean squared gap after joining, over joined unit-periods; shape () or that of the stack."""
    weight = run.units * np.array([float(len(b.after)) for b in blocks])
    return _root([np.mean(_at(run.gaps[..., i, :], b.after) ** 2, axis=-1) for i, b in enumerate(blocks)], weight)


def _at(gaps: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Some columns, side by side in memory, so that a stack is added up as a single row is."""
    return np.ascontiguousarray(gaps[..., columns])


def _root(square: list[np.ndarray], weight: np.ndarray) -> np.ndarray:
    """The root of the weighted mean over blocks; each of `square` of shape (...), weight of shape (blocks,)."""
    found: np.ndarray = np.sqrt(_dot(np.stack(square, axis=-1), weight[:, None])[..., 0] / weight.sum())
    return found
