"""How sure, from shifts in time: conformal tests and the jackknife+ over periods. Pure functions on arrays.

Both take one wave and a recipe without period weights of its own (synthetic control, augmented). They
ask less of the donors than placebos do, and more of time: what is left over must look alike whenever
it is looked at. As weights (and a unit's own level) are found from all periods under the hypothesis, an
effect that lasts through many periods is partly taken up by them, so that the conformal test sees little
unless the periods before joining are many times those after.

Sources: Chernozhukov, Wuthrich and Zhu (2021), J Am Stat Assoc 116:1849 (conformal, moving blocks);
Barber, Candes, Ramdas and Tibshirani (2021), Ann Stat 49:486 (jackknife+), over periods as in
Ben-Michael, Feller and Rothstein (2021), J Am Stat Assoc 116:1789, section 6.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evalkit.errors import DesignError
from evalkit.estimators._synthetic.recipes import Recipe, Sample

OUTWARDS = 40  # doublings of the step away from the estimate before an interval counts as having no end
HALVINGS = 50


@dataclass(frozen=True, eq=False)
class Series:
    """One wave over time.

    donors  shape (n, T0 + T1)
    joined  mean of the joined units, shape (T0 + T1,)
    before  T0
    units   joined units behind the mean
    """

    donors: np.ndarray
    joined: np.ndarray
    before: int
    units: int

    def gaps(self, recipe: Recipe, keep: np.ndarray | None = None) -> np.ndarray:
        """The effect in every period, shape (T0 + T1,), with weights from `keep`, by default those before joining."""
        used = np.arange(len(self.joined)) < self.before if keep is None else keep
        before, later = self.donors[:, used], self.donors[:, ~used]
        steps = np.diff(np.flatnonzero(used)) == 1
        weights = recipe(Sample(before, self.joined[used], later, self.units, steps), None)
        out = self.joined - weights.unit @ self.donors
        gaps: np.ndarray = out - weights.period @ out[used]
        return gaps


def conformal_p(series: Series, recipe: Recipe, effect: float, columns: np.ndarray | None = None) -> float:
    """p-value of the hypothesis that the effect is `effect` in every period of `columns`.

    The effect is taken off, weights are found from all periods before joining and `columns` together,
    and the sum of absolute residuals over `columns` is set among those over every run of as many
    neighbouring periods, the end joined to the beginning; p is the share at least as large, never under
    one over the number of periods.

    columns  by default all periods after joining
    """
    chosen = np.arange(series.before, len(series.joined)) if columns is None else columns
    use = np.concatenate([np.arange(series.before), chosen])
    joined = series.joined[use].copy()
    joined[series.before :] -= effect
    one = Series(series.donors[:, use], joined, len(use), series.units)
    size = np.abs(one.gaps(recipe))
    turned = np.stack([np.roll(size, -k)[series.before :] for k in range(len(size))])
    statistic = turned.sum(axis=1)
    return float(np.mean(statistic >= statistic[0]))


def conformal_interval(
    series: Series, recipe: Recipe, estimate: float, alpha: float, columns: np.ndarray | None = None
) -> tuple[float, float]:
    """The effects around the estimate that `conformal_p` does not reject at level alpha.

    Ends are where p first falls below alpha on the way out from the estimate, found by bisection. Raises
    DesignError when p cannot fall so low, or the estimate itself is rejected.
    """
    alpha = round(alpha, 9)  # p is a whole number of periods over all of them, and 1 - 0.95 is a little over 0.05
    chosen = len(series.joined) - series.before if columns is None else len(columns)
    total = series.before + chosen
    if 1 / total >= alpha:
        raise DesignError(
            f"with {total} periods no conformal p-value is below {alpha:.2g}",
            fix="ask for a lower `level`, widen `window`, or use `inference: placebo`",
        )
    if conformal_p(series, recipe, estimate, columns) < alpha:
        raise DesignError(
            "a constant effect of the size of the estimate is itself rejected, so there is no conformal interval",
            fix="use `inference: placebo`",
        )
    step = float(np.abs(series.gaps(recipe)).mean())
    low, high = (_end(series, recipe, (estimate, side * step, alpha), columns) for side in (-1.0, 1.0))
    return low, high


def _end(series: Series, recipe: Recipe, where: tuple[float, float, float], columns: np.ndarray | None) -> float:
    """Where p falls below alpha on one side of the estimate."""
    estimate, step, alpha = where
    inside, outside = 0.0, 0.25
    for _ in range(OUTWARDS):
        if conformal_p(series, recipe, estimate + outside * step, columns) < alpha:
            break
        inside, outside = outside, outside * 1.5
    else:
        raise DesignError("the conformal interval has no end", fix="use `inference: placebo`")
    for _ in range(HALVINGS):
        middle = (inside + outside) / 2
        if (outside - inside) <= 1e-6 * outside:
            break
        kept = conformal_p(series, recipe, estimate + middle * step, columns) >= alpha
        inside, outside = (middle, outside) if kept else (inside, middle)
    return estimate + outside * step


def jackknife_plus(series: Series, recipe: Recipe, alpha: float) -> tuple[np.ndarray, np.ndarray]:
    """Interval of the effect in every period after joining, and of their mean last; shapes (T1 + 1,).

    Each period before joining is left out in turn; what the others predict, less and plus the absolute
    error in the one left out, gives quantiles alpha/2 and 1 - alpha/2 of the course without joining.
    """
    periods = np.arange(len(series.joined))
    after = periods >= series.before
    low, high = [], []
    for column in range(series.before):
        keep = (periods < series.before) & (periods != column)
        gaps = series.gaps(recipe, keep)
        predicted = (series.joined - gaps)[after]
        predicted = np.append(predicted, predicted.mean())
        error = abs(gaps[column])
        low.append(predicted - error)
        high.append(predicted + error)
    observed = series.joined[after]
    observed = np.append(observed, observed.mean())
    upper = np.quantile(np.array(high), 1 - alpha / 2, axis=0)
    lower = np.quantile(np.array(low), alpha / 2, axis=0)
    return observed - upper, observed - lower
