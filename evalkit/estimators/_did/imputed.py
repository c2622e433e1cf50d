"""What the designs that impute share: the untouched sample, the cells, effects before joining."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from evalkit import numbers, periods
from evalkit.errors import DesignError
from evalkit.estimators._did import front
from evalkit.estimators._did.absorb import Periods, Sample, period_effects
from evalkit.estimators._did.assemble import Parts
from evalkit.estimators._did.averages import Choice, averages
from evalkit.estimators._did.covariates import Covariates, covariates
from evalkit.estimators._did.effects import Observed, observed
from evalkit.estimators._did.imputation import Imputation, impute, unidentified
from evalkit.estimators._did.layout import Layout, Types, gather, layout
from evalkit.estimators._did.linear import Linear
from evalkit.estimators._did.regression import regress
from evalkit.panel import Panel
from evalkit.study.options import WindowedOptions

MOST_LEADS = 12  # periods before joining that are looked at one by one


@dataclass(frozen=True, eq=False)
class Base:
    """The untouched sample and the cells.

    layout    the arrays, without units that have no untouched period
    types     units gathered, by covariates too
    periods   period effects of the untouched sample
    observed  cells after joining (and, for two stages, before it)
    touched   unit-periods of each type outside the untouched sample, booleans, shape (U, T)
    told_apart  periods in which more than one wave is untouched, booleans, shape (T,): alone, a wave is fitted
    before    effects before joining from a regression of their own
    rows      untouched unit-periods
    adjusted  what it is adjusted for, to be put into a sentence
    warnings  what was left out
    """

    layout: Layout
    types: Types
    periods: Periods
    observed: Observed
    touched: np.ndarray
    told_apart: np.ndarray
    before: tuple[list[int], Linear] | None
    rows: int
    adjusted: str
    warnings: tuple[str, ...]

    def parts(
        self,
        panel: Panel,
        options: WindowedOptions,
        errors: Callable[[Imputation], Linear],
        *,
        left_out: bool = False,
    ) -> Parts:
        """For `assemble`; errors turns weights into contributions, and left_out is what `Parts` says of them."""
        seen = self.observed

        def linear(A: np.ndarray) -> Linear:
            return errors(impute(self.types, self.periods, seen.target(self.types, A)))

        chosen = averages(
            seen.cells,
            len(self.layout.cohorts),
            panel.study.protocol.horizons,
            Choice(options.first, options.last, options.balanced),
        )
        return Parts(
            self.layout,
            seen.cells,
            chosen,
            linear(chosen.A),
            seen.joined,
            seen.others,
            lambda some: linear(np.eye(len(seen.cells.since))[:, some]),
            options,
            self.before,
            shown=(seen.cells.since >= 0) | self.told_apart[seen.cells.period],
            left_out=left_out,
        )


def prepare(
    panel: Panel,
    anticipation: int,
    *,
    leads: bool = False,
    residual_leads: bool = False,
    apart: np.ndarray | None = None,
    by_cluster: bool = False,
) -> Base:
    """Build it from a panel.

    leads           estimate effects before joining on the untouched sample alone
    residual_leads  take them as means of what the untouched sample leaves unexplained
    apart           what else tells units apart, such as the group that an average is over, shape (n, p)
    by_cluster      clusters of several units are told apart too

    Raises DesignError when nothing can be imputed.
    """
    front.require_comparison(panel)
    front.require_later_waves(panel)
    arrays = layout(panel)
    untouched, touched = front.sample(arrays, anticipation)
    found = covariates(panel, arrays)
    arrays, gone = _usable(arrays, untouched)
    told = [found.values] if found.names else []
    told += [] if apart is None else [apart]
    told += [arrays.cluster[:, None].astype(float)] if by_cluster and arrays.gathered else []
    types = gather(arrays.group, arrays.seen, arrays.weight, np.hstack(told)) if told else arrays.types
    late = touched[types.first] & types.seen
    plain = types.masked(~late)
    effects = period_effects(Sample(types.count, plain.weight, found.z[types.first]))
    bad = unidentified(effects, late)
    since = np.arange(arrays.Y.shape[1])[None, :] - np.append(arrays.cohorts, np.inf)[types.group][:, None]
    wanted = late & ~bad
    if residual_leads:
        wanted |= plain.seen & (since < -1 - anticipation) & np.isfinite(since)
    cells = observed(arrays, types, wanted)
    _require_cells(panel, arrays, cells)
    kept = types.masked(~bad)
    before = _leads(arrays, plain, since + anticipation, found) if leads else None
    if before is not None:
        before = [k - anticipation for k in before[0]], before[1]
    return Base(
        arrays, kept, effects, cells, late, _told_apart(plain), before,
        int((types.count @ plain.seen).sum()), found.sentence, _warnings(panel, arrays, types, bad, gone),
    )  # fmt: skip


def _require_cells(panel: Panel, arrays: Layout, cells: Observed) -> None:
    if not (cells.cells.since >= 0).any():
        raise DesignError(
            "no wave has both an untouched period before joining and somebody left to compare with after it",
            panel.study.slug,
            "widen `window`, or add comparison units",
        )
    front.require_after(panel, cells.cells)
    front.require_both_sides(arrays, np.asarray(arrays.seen.any(axis=1)), later_waves=True)


def _usable(arrays: Layout, untouched: np.ndarray) -> tuple[Layout, np.ndarray]:
    """Without units that have no untouched period, which have no unit effect; and which those are."""
    gone = np.asarray(~untouched.any(axis=1) & arrays.seen.any(axis=1))
    return (arrays.only(~gone[:, None]), gone) if gone.any() else (arrays, gone)


def _told_apart(plain: Types) -> np.ndarray:
    """Periods in which more than one wave is untouched, booleans, shape (T,)."""
    return np.array([len(np.unique(plain.group[seen])) > 1 for seen in plain.seen.T])


def _leads(arrays: Layout, plain: Types, since: np.ndarray, found: Covariates) -> tuple[list[int], Linear] | None:
    """Effects in the last periods before joining, as many as the untouched sample can tell apart."""
    T = arrays.Y.shape[1]
    table = np.full((len(arrays.cohorts) + 1, T), np.nan)
    table[plain.group] = since
    present = {int(k) for k in np.unique(since[plain.seen & np.isfinite(since)])}
    for most in range(min(MOST_LEADS, len(present)), 0, -1):
        times = [k for k in range(-most, 0) if k in present]
        X = np.stack([table == k for k in times], axis=2).astype(float)
        sub = arrays.only(plain.seen[plain.of])
        try:
            linear = regress(sub, X, found.z[plain.first], plain).linear(sub, np.eye(len(times)))
        except DesignError:
            continue  # fewer leads leave more periods as reference
        return times, linear
    return None


def _warnings(panel: Panel, arrays: Layout, types: Types, bad: np.ndarray, gone: np.ndarray) -> tuple[str, ...]:
    out = []
    if gone.any():
        out.append(front.without_untouched(arrays, gone))
    if bad.any():
        late = panel.study.window[bad.any(axis=0)]
        cells = int((types.count @ bad).sum())
        out.append(
            f"{numbers.of(cells, 'unit-period')} of joined units in {periods.runs(list(late))} could not be imputed: "
            "nobody untouched was left to compare with."
        )
    return tuple(out)
