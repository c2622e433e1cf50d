"""How units and periods are weighted: synthetic control, augmented, and synthetic difference-in-differences.

One course, y, shape (T0,) before joining, is set against n donors, X, shape (n, T0), or a stack of
such courses, each against donors of its own, with one more axis in front of every shape. Every recipe
gives unit weights w, shape (n,), that sum to one, and period weights l, shape (T0,); the effect in a
later period t is then

    effect_t = (y_t - sum_i w_i X_it) - sum_s l_s (y_s - sum_i w_i X_is)                    (1)

with l = 0 for the classical synthetic control, l = 1/T0 where every unit's own level is taken out,
and l estimated for synthetic difference-in-differences. Pure functions on arrays.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from evalkit.estimators._synthetic.ridge import augment, choose, cross_validated, penalties
from evalkit.estimators._synthetic.simplex import simplex

NEGLIGIBLE = 1e-6  # ridge against the noise: only chooses one among equally good weights


@dataclass(frozen=True, eq=False)
class Sample:
    """What weights are made from.

    before  donors before joining, X, shape (n, T0)
    joined  the mean course of the joined before joining, y, shape (T0,)
    after   donors after joining, shape (n, T1)
    units   joined units behind the mean
    steps   which neighbouring columns of `before` are neighbours in the calendar, shape (T0 - 1,)
    """

    before: np.ndarray
    joined: np.ndarray
    after: np.ndarray
    units: int
    steps: np.ndarray

    @property
    def noise(self) -> np.ndarray:
        """Standard deviation of the donors' changes from one period to the next, before joining; () or (stack,)."""
        changes = np.diff(np.swapaxes(self.before, -1, -2), axis=-2)
        kept = np.compress(self.steps, changes, axis=-2) if self.steps.any() else changes
        each = kept.reshape(*kept.shape[:-2], -1)
        return np.asarray(each.std(axis=-1, ddof=1) if each.shape[-1] > 1 else np.zeros(each.shape[:-1]))


@dataclass(frozen=True, eq=False)
class Weights:
    """Weights of units, shape (n,), and of periods before joining, shape (T0,), and how they were tuned."""

    unit: np.ndarray
    period: np.ndarray
    tuning: dict[str, Any] = field(default_factory=dict)


Recipe = Callable[[Sample, "Weights | None"], Weights]


def control(sample: Sample, start: Weights | None = None, *, levels: bool = True) -> Weights:
    """Synthetic control: w minimises ||y - w'X||^2 over weights of at least nought that sum to one.

    levels  take every unit's own mean before joining out first, and put the joined units' back after
            (l = 1/T0); otherwise levels are matched too (l = 0)

    Sources: Abadie, Diamond and Hainmueller (2010), J Am Stat Assoc 105:493, all periods before joining
    as predictors; with levels taken out Doudchenko and Imbens (2016), NBER 22791, and Ferman and Pinto
    (2021), Quantitative Economics 12:1197.
    """
    X, y = _levelled(sample) if levels else (sample.before, sample.joined)
    unit = simplex(_turned(X), y, 0.0, None if start is None else start.unit > 0)
    return Weights(unit, _own_level(sample, levels=levels))


def augmented(
    sample: Sample, start: Weights | None = None, *, levels: bool = True, penalty: float | None = None
) -> Weights:
    """Synthetic control with what is left of the imbalance before joining taken out by ridge regression.

    penalty  of the ridge; None chooses it by leaving out one period before joining at a time: the
             largest with an error within one standard error of the least

    Weights may then be below nought. Where levels are taken out, each fold takes out the means of the
    periods that it keeps, so that the period left out is not known beforehand.

    Source: Ben-Michael, Feller and Rothstein (2021), J Am Stat Assoc 116:1789, equations 7 to 9.
    """
    plain = control(sample, start, levels=levels)
    X, y = _levelled(sample) if levels else (sample.before, sample.joined)
    tuning = {}
    if penalty is None:
        grid = penalties(X)
        error, spread = cross_validated(sample.before, sample.joined, grid, levels=levels, start=plain.unit)
        penalty = choose(grid, error, spread)
        tuning = {"ridge_error": float(np.sqrt(error[np.flatnonzero(grid == penalty)[0]]))}
    unit = augment(X, y, plain.unit, penalty)
    return Weights(unit, plain.period, {"ridge_penalty": penalty, **tuning})


def difference(sample: Sample, start: Weights | None = None) -> Weights:
    """Synthetic difference-in-differences.

        w minimises sum_t (w_0 + sum_i w_i X_it - y_t)^2 + T0 zeta^2 ||w||^2
        l minimises sum_i (l_0 + sum_t l_t X_it - mean over later periods of X_i)^2 + n (1e-6 s)^2 ||l||^2

    both at least nought and summing to one, zeta = (joined units x later periods)^(1/4) s, s = `noise`.

    Source: Arkhangelsky, Athey, Hirshberg, Imbens and Wager (2021), Am Econ Rev 111:4088, equations 4 to 6.
    """
    noise = sample.noise
    zeta = np.asarray((sample.units * sample.after.shape[-1]) ** 0.25 * noise)
    X, y = _levelled(sample)
    unit = simplex(_turned(X), y, y.shape[-1] * _squared(zeta), None if start is None else start.unit > 0)
    level = sample.before.mean(axis=-1, keepdims=True)  # adds the same to both sides; better conditioned
    A, b = sample.before - level, sample.after.mean(axis=-1) - level[..., 0]
    A, b = A - A.mean(axis=-2, keepdims=True), b - b.mean(axis=-1, keepdims=True)
    ridge = A.shape[-2] * _squared(np.asarray(NEGLIGIBLE * noise))
    period = simplex(A, b, ridge, None if start is None else start.period > 0)
    return Weights(unit, period, {"unit_ridge": zeta})


def plain(sample: Sample, start: Weights | None = None) -> Weights:  # noqa: ARG001 - the same call for every recipe
    """Difference-in-differences: every donor and every period before joining counts alike."""
    *stack, n, periods = sample.before.shape
    return Weights(np.full((*stack, n), 1 / n), np.full(periods, 1 / periods))


def classical(*, levels: bool) -> Recipe:
    """`control` with or without levels."""
    return partial(control, levels=levels)


def ridge_augmented(*, levels: bool, penalty: float | None) -> Recipe:
    """`augmented` with or without levels, with a given penalty or one chosen each time."""
    return partial(augmented, levels=levels, penalty=penalty)


def imbalance(sample: Sample, unit: np.ndarray, *, levels: bool) -> tuple[float, float]:
    """||y - w'X|| over the periods before joining, and its ratio to that of the plain mean of the donors."""
    X, y = _levelled(sample) if levels else (sample.before, sample.joined)
    ours, even = (float(np.linalg.norm(y - w @ X)) for w in (unit, np.full(len(X), 1 / len(X))))
    return ours, ours / even if even > 0 else 1.0


def _levelled(sample: Sample) -> tuple[np.ndarray, np.ndarray]:
    X, y = sample.before, sample.joined
    return X - X.mean(axis=-1, keepdims=True), y - y.mean(axis=-1, keepdims=True)


def _squared(x: np.ndarray) -> np.ndarray:
    """x squared, for a stack as for one alone: numpy squares arrays and numbers differently, in the last digit."""
    return np.array([one**2 for one in x.ravel().tolist()]).reshape(x.shape)


def _turned(X: np.ndarray) -> np.ndarray:
    return np.swapaxes(X, -1, -2)


def _own_level(sample: Sample, *, levels: bool) -> np.ndarray:
    periods = sample.joined.shape[-1]
    return np.full(periods, 1 / periods if levels else 0.0)
