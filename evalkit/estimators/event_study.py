"""Event study by two-way fixed effects: the effect by time since joining, common start.

    y_it = alpha_i + lambda_t + sum_{k != -1} delta_k 1{i joined and t - g = k} + e_it

g is the period in which the units joined, k the periods since. The reference is the last analysed
period before joining (k = -1 unless that is excluded), less any declared anticipation, where delta is zero
by definition. delta_k before joining should be near zero; after joining it is the effect k periods on, in the
outcome's unit. Staggered starts are refused unless the protocol asks for the comparison.

Covariates, standard errors and inference as in `twoway`; the events' own intervals are analytic, and a band
holds all of them at once.

Assumes parallel trends between joined and comparison units.

Source: Sun and Abraham (2021), J Econometrics 225:175, on what it means under staggered starts.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from evalkit import inference
from evalkit.errors import DesignError
from evalkit.estimate import EVENTS, INTERVAL, Estimate
from evalkit.estimators._common import at_horizons, exposure, identity, size
from evalkit.estimators._did import reach
from evalkit.estimators._did.common_start import ASSUMPTION, fit_regression, reduced, require_common_start
from evalkit.estimators._did.layout import Layout, layout
from evalkit.estimators._did.regression import Regression
from evalkit.estimators._did.saturated import residuals
from evalkit.estimators._did.terms import Judged, judge
from evalkit.panel import Panel

TITLE = "Event study, two-way fixed effects"


def fit(panel: Panel) -> Estimate:
    """Effects by time since joining. Raises DesignError when not identified."""
    study, options = panel.study, panel.study.protocol.model.event_study
    warnings = require_common_start(panel, "event_study", options)
    arrays = layout(panel)
    since, times, reference = _times(panel, arrays, options.anticipation)
    found, adjusted = fit_regression(panel, arrays, _dummies(since, times), options)
    names, C, more = _averages(panel, times, _analysed(arrays, since), _name(warnings))
    alone = "bias_reduced" if options.inference == "bias_reduced" else "analytic"
    single = _judged(panel, arrays, found, np.eye(len(times)), alone)
    judged = _judged(panel, arrays, found, C, options.inference)
    scale = size(panel)
    return Estimate(
        **identity(panel, "event_study", TITLE),  # type: ignore[arg-type]
        estimand=f"{_name(warnings)}, mean over the analysed periods since joining",
        assumption=ASSUMPTION,
        terms=pd.DataFrame([judged.row(name, k, study.protocol.level, scale) for k, name in enumerate(names)]),
        counts={
            "joined units": len(panel.joined),
            "comparison units": len(panel.never),
            "unit-periods": found.rows,
            "clusters": judged.clusters,
        },
        method=(
            f"Two-way fixed effects with one term for each {study.frequency} since joining, reference "
            f"{reference}{adjusted}, standard errors clustered on {judged.clusters} clusters, {judged.how}"
        ),
        events=_events(panel, arrays, times, since, single),
        covariance=_covariance(single),
        exposure=exposure(panel),
        anticipation=options.anticipation,
        comparison_only=bool(warnings),
        warnings=(*warnings, *more),
    )


def _covariance(single: Judged) -> np.ndarray:
    """Of the terms; its diagonal is the square of their errors, bias-reduced or not."""
    psi = single.psi * (single.error / np.sqrt((single.psi**2).sum(axis=0)))
    return psi.T @ psi


def headline_weights(panel: Panel) -> reach.Reach:
    """The weights of the headline. Raises DesignError as `fit`."""
    options = panel.study.protocol.model.event_study
    warnings = require_common_start(panel, "event_study", options)
    arrays = layout(panel)
    since, times, _ = _times(panel, arrays, options.anticipation)
    found, _ = fit_regression(panel, arrays, _dummies(since, times), options)
    _, C, _ = _averages(panel, times, _analysed(arrays, since), _name(warnings))
    return reach.of(arrays, found.linear(arrays, C))


def _dummies(since: np.ndarray, times: np.ndarray) -> np.ndarray:
    """A column for each time since joining, shape (H + 1, T, P)."""
    never = np.zeros((1, since.shape[1], len(times)), bool)
    return np.concatenate([since[:, :, None] == times, never]).astype(float)


def _analysed(arrays: Layout, since: np.ndarray) -> np.ndarray:
    """Times since joining that are analysed after it."""
    return np.unique(since[(arrays.phases == "post") & arrays.seen.any(axis=0)])


def _judged(panel: Panel, arrays: Layout, found: Regression, C: np.ndarray, choice: str) -> Judged:
    """Contrasts of the terms, shape (P, L), judged."""
    return judge(
        panel,
        arrays,
        found.linear(arrays, C),
        choice,
        E=lambda: residuals(found, arrays),
        reduced=lambda: reduced(found, arrays, C),
    )


def _name(warnings: list[str]) -> str:
    """What the headline is: an effect only when all units joined at once."""
    return "mean two-way coefficient, not an effect" if warnings else "average effect on the joined (ATT)"


def _times(panel: Panel, arrays: Layout, anticipation: int) -> tuple[np.ndarray, np.ndarray, int]:
    """Periods since joining by cohort, shape (H, T); those with a term; and the reference."""
    T = arrays.Y.shape[1]
    since = np.arange(T)[None, :] - arrays.cohorts[:, None]
    seen = np.array([arrays.seen[arrays.group == h].any(axis=0) for h in range(len(arrays.cohorts))])
    times = np.unique(since[seen])
    before = times[times < -anticipation]
    if before.size == 0:
        raise DesignError("no analysed period before joining", panel.study.slug, "widen `window`")
    reference = int(before.max())
    return since, times[times != reference], reference


def _averages(
    panel: Panel, times: np.ndarray, analysed: np.ndarray, name: str
) -> tuple[list[str], np.ndarray, list[str]]:
    """Names and contrasts of the reported averages, shape (P, L), and what is not given."""
    study = panel.study
    after = np.isin(times, analysed)
    if not after.any():
        raise DesignError("no analysed period after joining", study.slug, "shorten `transition` or widen `window`")
    found, absent = at_horizons(study, times, after)
    columns = {name: after / after.sum(), **found}
    warnings = [f"The {one} is not in an analysed period and is not given." for one in absent]
    return [*columns], np.column_stack([*columns.values()]), warnings


def _events(panel: Panel, arrays: Layout, times: np.ndarray, since: np.ndarray, single: Judged) -> pd.DataFrame:
    level = panel.study.protocol.level
    names = [f"effect at {k}" for k in times]
    rows = inference.terms(names, single.estimate, single.error, single.df, level, scale=size(panel))
    reach = inference.critical_value(single.psi, level, float(single.df.min())) * single.error
    count = np.array([arrays.seen[arrays.group == h].sum(axis=0) for h in range(len(arrays.cohorts))])
    known = count > 0  # every time was seen of somebody
    _, first = np.unique(since[known], return_index=True)
    phase = dict(zip(since[known][first].tolist(), arrays.phases[known][first], strict=True))
    units = np.bincount((since - since.min()).ravel(), count.ravel()).astype(int)[times - since.min()]
    found: dict[str, Any] = {name: [row[name] for row in rows] for name in INTERVAL}
    found |= {"band_low": single.estimate - reach, "band_high": single.estimate + reach}
    found |= {"event_time": times.astype(int), "phase": [str(phase[k]) for k in times.tolist()], "units": units}
    return pd.DataFrame({name: found[name] for name in EVENTS})
