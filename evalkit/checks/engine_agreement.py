"""Do independent engines give the same figures on these data?

The same two-way regression, unit and period effects and one term for having joined, is fitted to the panel by
the library's own kernel, by linearmodels' PanelOLS and by statsmodels' least squares with a column for every
period within units. Standard errors are clustered as the protocol says; the engines count parameters each in
their own way, so all are brought to G/(G-1) (n-1)/(n-K), K without the unit effects, which are nested in
clusters. Every design for comparisons between units uses the kernel's arrays, sweeping and clustering, so this
holds them to two libraries that share no code with it. Under staggered starts the coefficient is no effect;
that does not matter for whether engines agree.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from evalkit import inference, numbers
from evalkit.checks._path import nothing
from evalkit.errors import DesignError
from evalkit.estimate import Check, Estimate, Refusal
from evalkit.estimators._did.layout import Layout, layout
from evalkit.estimators._did.regression import regress
from evalkit.panel import Panel

NAME = "engine_agreement"
QUESTION = "Do independent engines give the same figures on these data?"
CLOSE = 1e-6  # relative; regressions of this size keep some ten digits
OWN, LINEARMODELS, STATSMODELS = "evalkit", "linearmodels PanelOLS", "statsmodels least squares"
COLUMNS = ["engine", "estimate", "std_error", "difference"]


@dataclass(frozen=True, eq=False)
class _Sample:
    """Rows of the regression, all of shape (n,): outcome, joined, unit, period, weight, cluster; and the factor."""

    y: np.ndarray
    joined: np.ndarray
    unit: np.ndarray
    period: np.ndarray
    weight: np.ndarray
    cluster: np.ndarray
    factor: float


def check(panel: Panel, estimate: Estimate | Refusal) -> Check:
    """Concern when engines differ by more than one in a million in the coefficient or its standard error.

    Differences in the coefficient are relative to the larger of it and its standard error, since it may be
    nought. `value` is the largest. `data`: engine, estimate, std_error, difference (the larger of the two, from
    evalkit), and label, unit. Not applicable where the panel carries no two-way regression.
    """
    if isinstance(estimate, Refusal):
        return nothing(NAME, QUESTION, estimate)
    arrays = layout(panel)
    arrays = arrays.only(~arrays.of("transition"))
    post = np.vstack([arrays.phases == "post", np.zeros((1, arrays.Y.shape[1]), bool)])
    try:
        own = regress(arrays, post[:, :, None].astype(float)).linear(arrays, np.ones((1, 1)))
    except DesignError as refusal:
        return nothing(NAME, QUESTION, refusal)
    error = float(np.sqrt((own.by_cluster(arrays.Y) ** 2).sum()))
    if not error > inference.ROUNDING * float(np.abs(arrays.Y).max()):
        return nothing(NAME, QUESTION, DesignError("the changes do not vary between units"))
    found = [(OWN, float(own.estimate(arrays.Y)[0]), error)]
    sample = _sample(arrays, post[arrays.group])
    found.append((LINEARMODELS, *_linearmodels(sample)))
    found.append((STATSMODELS, *_statsmodels(sample)))
    data = _compared(found).assign(label=estimate.label, unit=estimate.unit)
    value = float(data["difference"].max())
    facts = _facts(panel, found, value)
    if value > CLOSE:
        reading = f"{facts} That is more than rounding: one of them is wrong on these data."
        return Check(NAME, QUESTION, "concern", reading, value, estimate.design, data)
    return Check(NAME, QUESTION, "reassuring", f"{facts} They agree.", value, estimate.design, data)


def _sample(arrays: Layout, joined: np.ndarray) -> _Sample:
    """The rows, codes without gaps, and the small-sample factor."""
    unit, period = np.nonzero(arrays.seen)
    units, i = np.unique(unit, return_inverse=True)
    times, t = np.unique(period, return_inverse=True)
    clusters = len(np.unique(arrays.cluster[units]))
    factor = inference.cluster_factor(clusters, len(unit), 1 + len(times))
    return _Sample(
        arrays.Y[unit, period], joined[unit, period].astype(float), i, t, arrays.weight[unit, period],
        arrays.cluster[unit], factor,
    )  # fmt: skip


def _linearmodels(s: _Sample) -> tuple[float, float]:
    """Coefficient and standard error by PanelOLS, its own scaling of the covariance undone."""
    from linearmodels.panel import PanelOLS

    index = pd.MultiIndex.from_arrays([s.unit, s.period], names=["unit", "period"])
    y, x = pd.Series(s.y, index, name="y"), pd.DataFrame({"x": s.joined}, index)
    weights = pd.Series(s.weight, index, name="w")
    model = PanelOLS(y, x, weights=weights, entity_effects=True, time_effects=True)
    clusters = pd.DataFrame({"cluster": s.cluster}, index)
    fit = model.fit(cov_type="clustered", clusters=clusters, debiased=False, group_debias=False)
    n, absorbed = len(s.y), s.unit.max() + s.period.max() + 1
    variance = float(fit.cov.to_numpy()[0, 0]) * (n - absorbed) / n * s.factor
    return float(fit.params.iloc[0]), float(np.sqrt(variance))


def second_engine() -> Any:  # noqa: ANN401 - a class of a library without types
    """The second engine's class; a process that others are forked from imports it once for all of them."""
    from statsmodels.regression.linear_model import WLS  # not the whole of `statsmodels.api`, half a second

    return WLS


def _statsmodels(s: _Sample) -> tuple[float, float]:
    """The same by least squares on a column for every period but the first, all less their means in the unit.

    That takes the place of a column for every unit (Frisch, Waugh and Lovell), which a large panel has no room for.
    """
    WLS = second_engine()
    columns = np.column_stack([s.y, s.joined, s.period[:, None] == np.arange(1, s.period.max() + 1)])
    total = np.bincount(s.unit, s.weight)
    means = np.stack([np.bincount(s.unit, s.weight * column) / total for column in columns.T], axis=1)
    within = columns - means[s.unit]
    fit = WLS(within[:, 0], within[:, 1:], weights=s.weight, hasconst=False).fit(
        cov_type="cluster", cov_kwds={"groups": s.cluster, "use_correction": False}
    )
    return float(fit.params[0]), float(fit.bse[0] * np.sqrt(s.factor))


def _compared(found: list[tuple[str, float, float]]) -> pd.DataFrame:
    _, beta, error = found[0]
    size = max(abs(beta), error)
    rows = [(name, b, e, max(abs(b - beta) / size, abs(e - error) / error)) for name, b, e in found]
    return pd.DataFrame(rows, columns=COLUMNS)


def _facts(panel: Panel, found: list[tuple[str, float, float]], value: float) -> str:
    names = [name for name, _, _ in found]
    _, beta, error = found[0]
    places = numbers.decimals_for([error])
    text = (
        f"The two-way coefficient is {numbers.signed(beta, places)}, its standard error "
        f"{numbers.number(error, places)}, by {', '.join(names)}; the largest relative difference is "
        f"{numbers.tiny(value)}."
    )
    if panel.staggered:
        text += " Units joined in waves, so the coefficient serves this comparison only and is no effect."
    return text
