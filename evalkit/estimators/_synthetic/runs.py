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
        """The quantities, shape (quantities,); NaN where none of its gaps is there."""
        flat = gaps.ravel()
        weight = self.cells * np.repeat(units, gaps.shape[1]) * ~np.isnan(flat)
        with np.errstate(invalid="ignore", divide="ignore"):
            out: np.ndarray = weight @ np.nan_to_num(flat) / weight.sum(axis=1)
        return out


def sample(Y: np.ndarray, block: Block) -> Sample:
    """What the weights of a block are made from."""
    donors = Y[block.donors]
    return Sample(
        donors[:, block.before],
        Y[np.ix_(block.joined, block.before)].mean(axis=0),
        donors[:, block.after],
        len(block.joined),
        np.diff(block.before) == 1,
    )


def gap(Y: np.ndarray, block: Block, weights: Weights) -> np.ndarray:
    """The effect in every column of a block, shape (periods,), NaN elsewhere."""
    out = np.full(Y.shape[1], np.nan)
    columns = np.concatenate([block.before, block.between, block.after])
    out[columns] = Y[np.ix_(block.joined, columns)].mean(axis=0) - weights.unit @ Y[np.ix_(block.donors, columns)]
    out[columns] -= weights.period @ out[block.before]
    return out


def run(
    Y: np.ndarray, blocks: Sequence[Block], recipes: Sequence[Recipe], starts: Sequence[Weights | None] | None = None
) -> Run:
    """Fit every block.

    Y        shape (units, periods)
    recipes  how, one a block
    starts   weights near the optimum, one a block, to save time
    """
    begun = starts or [None] * len(blocks)
    weights = [recipe(sample(Y, b), start) for recipe, b, start in zip(recipes, blocks, begun, strict=True)]
    gaps = np.stack([gap(Y, b, w) for b, w in zip(blocks, weights, strict=True)])
    return Run(gaps, weights, np.array([len(b.joined) for b in blocks], float))


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


def prefit(run: Run, blocks: Sequence[Block], *, levels: bool) -> float:
    """Root mean squared gap before joining, over blocks by joined units and share.

    levels  gaps are taken around their own mean, which these designs do not try to make nought
    """
    weight = run.units * np.array([b.share for b in blocks])
    gaps = [row[b.before] for row, b in zip(run.gaps, blocks, strict=True)]
    square = np.array([np.var(one) if levels else np.mean(one**2) for one in gaps])
    return float(np.sqrt(weight @ square / weight.sum()))


def postfit(run: Run, blocks: Sequence[Block]) -> float:
    """Root mean squared gap after joining, over joined unit-periods."""
    weight = run.units * np.array([float(len(b.after)) for b in blocks])
    square = np.array([np.mean(row[b.after] ** 2) for row, b in zip(run.gaps, blocks, strict=True)])
    return float(np.sqrt(weight @ square / weight.sum()))
