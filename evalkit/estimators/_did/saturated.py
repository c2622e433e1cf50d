"""What the regressions with a term for every cohort and period share: sample, columns, averages."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evalkit import periods
from evalkit.errors import DesignError
from evalkit.estimators._did import front
from evalkit.estimators._did.assemble import Parts
from evalkit.estimators._did.averages import Choice, averages
from evalkit.estimators._did.covariates import covariates
from evalkit.estimators._did.effects import Observed, dummies, observed
from evalkit.estimators._did.layout import Layout, Types, gather, layout
from evalkit.estimators._did.linear import Linear
from evalkit.estimators._did.regression import Regression, regress
from evalkit.panel import Panel
from evalkit.study.options import WindowedOptions


@dataclass(frozen=True, eq=False)
class Saturated:
    """A regression with one term for each of the cells.

    layout      the arrays, without what the regression cannot use
    regression  on those cells' dummies
    observed    the cells
    adjusted    what it is adjusted for, to be put into a sentence
    warnings    what was left out
    """

    layout: Layout
    regression: Regression
    observed: Observed
    adjusted: str
    warnings: tuple[str, ...]

    def parts(self, panel: Panel, options: WindowedOptions) -> Parts:
        """For `assemble`."""
        cells = self.observed.cells
        chosen = averages(
            cells,
            len(self.layout.cohorts),
            panel.study.protocol.horizons,
            Choice(options.first, options.last, options.balanced),
        )

        def linear(A: np.ndarray) -> Linear:
            return self.regression.linear(self.layout, A)

        m = len(cells.since)
        return Parts(
            self.layout,
            cells,
            chosen,
            linear(chosen.A),
            self.observed.joined,
            self.observed.others,
            lambda some: linear(np.eye(m)[:, some]),
            options,
            residuals=self.residuals,
        )

    def residuals(self, arrays: Layout) -> np.ndarray:
        """Of the regression, shape (n, T)."""
        return residuals(self.regression, arrays)


def residuals(found: Regression, arrays: Layout) -> np.ndarray:
    """Y less everything fitted, unit effects too, shape (n, T)."""
    types = found.types
    left = np.where(types.weight[types.of] > 0, arrays.Y - found.fitted(types.means(arrays.Y))[types.of], 0.0)
    w = types.weight[types.of]
    mean = (w * left).sum(axis=1) / np.maximum(w.sum(axis=1), np.finfo(float).tiny)
    return np.where(w > 0, left - mean[:, None], 0.0)


def saturate(panel: Panel, arrays: Layout, wanted: np.ndarray, warnings: tuple[str, ...] = ()) -> Saturated:
    """A regression with a term for every cohort and period that wanted unit-periods make up.

    wanted  booleans, shape (n, T)

    Raises DesignError when a term cannot be told from the effects and the others.
    """
    found = covariates(panel, arrays)
    types: Types = gather(arrays.group, arrays.seen, arrays.weight, found.values) if found.names else arrays.types
    cells = observed(arrays, types, wanted[types.first])
    if not len(cells.cells.since):
        raise DesignError(
            "no wave has both an untouched period before joining and somebody left to compare with after it",
            panel.study.slug,
            "widen `window`, or add comparison units",
        )
    front.require_after(panel, cells.cells)
    front.require_both_sides(arrays, np.asarray(arrays.seen.any(axis=1)), later_waves=True)
    X = dummies(cells, np.arange(len(cells.cells.since)))
    regression = regress(arrays, X, found.z[types.first], types)
    return Saturated(arrays, regression, cells, found.sentence, warnings)


def start(panel: Panel, anticipation: int) -> tuple[Layout, np.ndarray, np.ndarray, tuple[str, ...]]:
    """The arrays without what no comparison can use, untouched and touched unit-periods, and what was left out.

    Left out are units without an untouched period (already joined), and periods in which nobody untouched
    is seen.
    """
    front.require_comparison(panel)
    arrays = layout(panel)
    untouched, touched = front.sample(arrays, anticipation)
    gone = np.asarray(~untouched.any(axis=1) & arrays.seen.any(axis=1))
    alone = np.asarray(~untouched.any(axis=0) & arrays.seen.any(axis=0))
    warnings = []
    if gone.any():
        warnings.append(front.without_untouched(arrays, gone))
    if alone.any():
        when = periods.runs(list(panel.study.window[alone]))
        warnings.append(f"Nobody untouched was left to compare with in {when}: those periods are left out.")
    keep = ~gone[:, None] & ~alone[None, :]
    arrays = arrays.only(keep) if gone.any() or alone.any() else arrays
    return arrays, untouched & keep, touched & keep, tuple(warnings)
