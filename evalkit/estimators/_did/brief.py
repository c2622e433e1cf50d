"""A design's headline with its interval from arrays: what sensitivity runs want by the hundred.

`brief(panel, design, arrays)` is the first row of `estimators.fit(design, panel).terms`, with what the clusters
contribute to its error; no other averages, events or frames. The arrays may be a part of the panel's
(`Layout.part`), and the panel's protocol another than it was built by.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from evalkit import inference
from evalkit.errors import DesignError
from evalkit.estimators._did import bootstrap, front
from evalkit.estimators._did.averages import ALL, Choice, averages, overall
from evalkit.estimators._did.borrow import borrowed
from evalkit.estimators._did.covariate_cells import Adjustment
from evalkit.estimators._did.covariates import covariates
from evalkit.estimators._did.effects import dummies, observed
from evalkit.estimators._did.group_time import Design, effects_by_cell
from evalkit.estimators._did.headline import (
    DESIGNS,
    Rule,
    extended_terms,
    headline,
    interaction_terms,
    leaves_out,
    ruled,
    types_of,
)
from evalkit.estimators._did.layout import Layout
from evalkit.estimators._did.linear import Linear
from evalkit.estimators._did.propensity import CovariateError
from evalkit.estimators._did.regression import regress
from evalkit.estimators._did.saturated import residuals
from evalkit.estimators._did.terms import judge
from evalkit.panel import Panel

METHODS: dict[str, Any] = {"or": "reg", "ipw": "ipw", "dr": "dr"}
COMMON = ("twoway", "event_study")  # designs for a common start, whose lone waves borrow nothing
LATER = ("imputation", "two_stage", "extended_twoway")  # designs that learn from later waves too


@dataclass(frozen=True, eq=False)
class Brief:
    """A headline.

    row       as in `Estimate.terms`: estimate, std_error, df, low, high, p_value
    psi       contributions by cluster, shape (G,)
    lent      what single-cluster waves borrow from the comparison, shape (J,)
    clusters  the codes that psi follows, shape (G,)
    """

    row: dict[str, Any]
    psi: np.ndarray
    lent: np.ndarray
    clusters: np.ndarray


def can(panel: Panel, design: str) -> bool:
    """Whether a design's headline, with the protocol's options, is one of those that `brief` gives."""
    if design not in DESIGNS:
        return False
    options = getattr(panel.study.protocol.model, design)
    return getattr(options, "family", "gaussian") == "gaussian" and options.inference != "bias_reduced"


def brief(panel: Panel, design: str, arrays: Layout) -> Brief:
    """The headline of a design for which `can` holds.

    panel   its protocol and units; rows are not looked at
    arrays  all of its units or some

    Raises DesignError as the design does.
    """
    here = panel
    if len(arrays.units) < len(panel.units):
        here = replace(panel, units=panel.units[panel.units.index.isin(arrays.units)])
    _require(here, design, len(arrays.cohorts))
    rule = ruled(here, design, arrays)
    linear = _linear(here, design, arrays, rule)
    used = _used(design, arrays, rule)
    _require_sides(design, arrays, used, rule)
    waves = _waves(linear, used)
    lone = [] if design in COMMON else front.lonely(used, waves)
    choice = getattr(here.study.protocol.model, design).inference
    if design == "imputation" and choice == "auto" and leaves_out(used, waves, rule):
        choice = "analytic"
    if lone and choice == "wild":
        raise DesignError(
            "the wild cluster bootstrap knows nothing of a wave that is a single unit or cluster",
            fix="use `inference: analytic`, or cluster on a finer level",
        )
    choice = "analytic" if lone else choice
    judged = judge(here, used, linear, choice, E=lambda: _residuals(design, arrays, rule))
    lent = np.vstack([np.empty((0, 1)), *(borrowed(used, linear, h) for h in lone)])[:, 0]
    judged = replace(
        judged,
        error=np.sqrt(judged.error**2 + lent @ lent),
        df=np.array([_count(here, design, (arrays, used), rule, judged.clusters) - 1.0]),
    )
    scale, level = float(np.abs(arrays.Y).max(initial=0.0)), here.study.protocol.level
    return Brief(judged.row(ALL, 0, level, scale), judged.psi[:, 0], lent, np.unique(used.cluster))


def joint(one: Brief, other: Brief) -> tuple[float, float]:
    """The difference of two headlines of overlapping units, and its error: clusters contribute to both."""
    mine, theirs = pd.Series(one.psi, one.clusters), pd.Series(other.psi, other.clusters)
    apart = mine.subtract(theirs, fill_value=0.0).to_numpy()
    variance = float(apart @ apart) + float(one.lent @ one.lent) + float(other.lent @ other.lent)
    return float(one.row["estimate"] - other.row["estimate"]), float(np.sqrt(variance))


def _require(panel: Panel, design: str, waves: int) -> None:
    """Refuse what the design refuses before it starts."""
    front.require_comparison(panel, waves)
    if design in LATER:
        front.require_later_waves(panel)
    if design in COMMON and panel.staggered and not getattr(panel.study.protocol.model, design).allow_staggered:
        raise DesignError(f"units joined in {len(panel.cohorts)} waves", panel.study.slug, "use group_time")


def _require_sides(design: str, arrays: Layout, used: Layout, rule: Rule) -> None:
    """Refuse a side that is a single cluster, as the design does."""
    if design in COMMON:
        joined = ~np.isnan(arrays.g)
        inference.require_clusters(arrays.cluster, joined, None if len(arrays.cohorts) > 1 else ~joined)
    elif design == "group_time":
        seen = np.flatnonzero(arrays.seen.any(axis=0))
        kept = np.isnan(arrays.g) | (arrays.g - rule.anticipation > seen.min(initial=arrays.Y.shape[1]))
        front.require_both_sides(arrays, kept, later_waves=not rule.never)
    else:
        front.require_both_sides(used, np.asarray(used.seen.any(axis=1)), later_waves=True)


def _linear(panel: Panel, design: str, arrays: Layout, rule: Rule) -> Linear:
    """The headline as weights; group-time effects are adjusted for covariates here."""
    found = covariates(panel, arrays) if design == "group_time" else None
    if found is None or not found.names:
        return headline(design, arrays, rule)
    compared = Design("never" if rule.never else "not_yet", rule.anticipation, seen="pairs" if rule.pairs else "each")
    cells = effects_by_cell(arrays, compared, after=True)
    if not len(cells.cells.since):
        return headline(design, arrays, rule)  # which refuses
    method = METHODS[panel.study.protocol.model.group_time.method]
    try:
        return Adjustment(arrays, cells, found.z, method).linear(overall(cells.cells, len(arrays.cohorts)))
    except CovariateError as error:
        raise DesignError(f"{error.faults[0].what} (covariates)", panel.study.slug, error.faults[0].fix) from None


def _used(design: str, arrays: Layout, rule: Rule) -> Layout:
    """The part of the arrays that a design uses."""
    if design in ("imputation", "two_stage"):
        untouched, _ = front.sample(arrays, rule.anticipation)
        return arrays.only(np.asarray(untouched.any(axis=1))[:, None])
    if design == "extended_twoway":
        return extended_terms(arrays, rule)[0]
    if design == "interaction_weighted":
        return interaction_terms(arrays, rule)[0]
    return arrays.only(~arrays.of("transition")) if design == "twoway" else arrays


def _count(panel: Panel, design: str, layouts: tuple[Layout, Layout], rule: Rule, clusters: int) -> int:
    """Clusters behind the degrees of freedom: those that contribute to any reported average."""
    arrays, used = layouts
    if design == "imputation":
        return len(np.unique(used.cluster[used.seen.any(axis=1)]))  # effects before joining have a part of everybody
    if design != "group_time" or (arrays.seen == arrays.seen[:1]).all():
        return clusters
    options, asked = panel.study.protocol.model.group_time, panel.study.protocol.horizons
    compared = Design(
        "never" if rule.never else "not_yet",
        rule.anticipation,
        options.base == "universal",
        "pairs" if rule.pairs else "each",
    )
    found = effects_by_cell(arrays, compared)
    shown = Choice(options.first, options.last, options.balanced)
    linear = found.linear(arrays, averages(found.cells, len(arrays.cohorts), asked, shown))
    return linear.count(linear.by_cluster(arrays.Y))


def _waves(linear: Linear, used: Layout) -> list[int]:
    """Waves whose analysed periods after joining the headline averages."""
    types = linear.types
    post = np.vstack([used.phases == "post", np.zeros((1, used.Y.shape[1]), bool)])[types.group]
    inside = (post & (linear.weights[:, :, 0] != 0)).any(axis=1)
    return [int(h) for h in np.unique(types.group[inside])]


def _residuals(design: str, arrays: Layout, rule: Rule) -> np.ndarray:
    """Of the model that no average restricts, for the wild bootstrap; shape (n, T)."""
    used = _used(design, arrays, rule)
    if design not in (*COMMON, "extended_twoway", "interaction_weighted"):
        return bootstrap.residuals(used)
    types, z = types_of(used, rule)
    if design == "twoway":
        X = np.vstack([used.phases == "post", np.zeros((1, used.Y.shape[1]), bool)])[:, :, None].astype(float)
        return residuals(regress(used, X, z, types, rule.levels), used)
    wanted = used.seen & ~np.isnan(used.g)[:, None]
    if design == "extended_twoway":
        wanted = extended_terms(arrays, rule)[1]
    elif design == "interaction_weighted":
        wanted = interaction_terms(arrays, rule)[1]
    else:
        usable = np.flatnonzero(used.seen[~np.isnan(used.g)].any(axis=0))
        wanted[:, usable[usable < used.cohorts[0] - rule.anticipation][-1]] = False
    cells = observed(used, types, wanted[types.first])
    X = dummies(cells, np.arange(len(cells.cells.since)))
    return residuals(regress(used, X, z, types, rule.levels), used)
