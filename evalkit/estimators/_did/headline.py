"""A design's headline alone, from arrays: what placebos, redrawn rollouts and simulations want by the thousand.

`headline(design, layout)` is the first term of `estimators.fit(design, panel)` as weights on outcomes, with
the same sample, comparison, weights and errors (a wave that is a single unit or cluster borrows nothing here).
No frames, no other averages.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from evalkit.errors import DesignError
from evalkit.estimators._did import blocks, front
from evalkit.estimators._did.absorb import Sample, period_effects
from evalkit.estimators._did.averages import overall
from evalkit.estimators._did.covariates import covariates
from evalkit.estimators._did.group_time import Design, effects_by_cell
from evalkit.estimators._did.imputation import Imputation, conservative, impute, two_stage, unidentified
from evalkit.estimators._did.layout import Layout, Types, gather
from evalkit.estimators._did.linear import Linear
from evalkit.estimators._did.regression import regress
from evalkit.panel import Panel


@dataclass(frozen=True, eq=False)
class Rule:
    """What a protocol's options and covariates say of a headline.

    anticipation  periods before joining that are no longer untouched
    never         only units that never joined are a comparison (group_time)
    pairs         compare units seen in both periods (group_time)
    errors        `auto`, `conservative` or `leave_out` (imputation)
    z             a one and the covariates of each unit, shape (n, q); None without any
    levels        sets of period effects: one, or one for each region
    """

    anticipation: int = 0
    never: bool = False
    pairs: bool = True
    errors: str = "auto"
    z: np.ndarray | None = None
    levels: int = 1


def ruled(panel: Panel, design: str, layout: Layout) -> Rule:
    """What the panel's protocol says of a design's headline.

    Covariates enter as in the design, but for `group_time`, whose headline here is the unadjusted one.
    Raises DesignError when the protocol leaves nobody to compare with, or covariates cannot be used.
    """
    options = getattr(panel.study.protocol.model, design)
    z = None if design == "group_time" else covariates(panel, layout).z
    levels = 1
    if getattr(options, "by_region", False):
        region = panel.units["region"].astype(str).to_numpy()
        each = (region[:, None] == np.unique(region)[None, :]).astype(float)
        levels = each.shape[1]
        z = each if z is None else np.column_stack([each, z[:, 1:]])
    if z is not None and z.shape[1] == 1:
        z = None
    if design != "group_time":
        return Rule(options.anticipation, errors=getattr(options, "errors", "auto"), z=z, levels=levels)
    return Rule(options.anticipation, front.only_never(panel), options.unbalanced == "pairs")


def headline(design: str, layout: Layout, rule: Rule | None = None) -> Linear:
    """The headline of a design, one quantity.

    design  one of `DESIGNS`

    Raises DesignError when the layout does not identify it.
    """
    return DESIGNS[design](layout, rule or Rule())


def studentised(linear: Linear, Y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Estimates and standard errors of one quantity; shape (..., n, T) -> (...) each."""
    psi = linear.by_cluster(Y)[..., 0]
    error: np.ndarray = np.sqrt(np.einsum("...g,...g->...", psi, psi))
    return linear.estimate(Y)[..., 0], error


def _group_time(layout: Layout, rule: Rule) -> Linear:
    compared = Design("never" if rule.never else "not_yet", rule.anticipation, seen="pairs" if rule.pairs else "each")
    found = effects_by_cell(layout, compared, after=True)
    if not len(found.cells.since):
        raise _nothing()
    return found.linear(layout, overall(found.cells, len(layout.cohorts)))


def _imputation(layout: Layout, rule: Rule) -> Linear:
    arrays, found, late, waves = _imputed(layout, rule)
    return conservative(found, arrays, late, leave_out=leaves_out(arrays, waves.tolist(), rule))


def leaves_out(layout: Layout, waves: list[int], rule: Rule) -> bool:
    """Whether errors of imputation leave a unit out of the mean that it is judged by."""
    return rule.errors == "leave_out" or (rule.errors == "auto" and front.smallest(layout, waves) < front.SMALL_WAVE)


def _two_stage(layout: Layout, rule: Rule) -> Linear:
    arrays, found, *_ = _imputed(layout, rule)
    return two_stage(found, arrays)


def _imputed(layout: Layout, rule: Rule) -> tuple[Layout, Imputation, np.ndarray, np.ndarray]:
    """The layout used, the headline imputed, touched unit-periods of types, and the waves it averages."""
    untouched, touched = front.sample(layout, rule.anticipation)
    gone = np.asarray(~untouched.any(axis=1) & layout.seen.any(axis=1))
    arrays = layout.only(~gone[:, None]) if gone.any() else layout
    types, z = types_of(arrays, rule, by_cluster=True)
    late = touched[types.first] & types.seen
    periods = period_effects(Sample(types.count, types.masked(~late).weight, z))
    bad = unidentified(periods, late)
    kept = types.masked(~bad)
    target = np.where(_post(arrays)[types.group] & late, kept.weight, 0.0)
    total = types.count @ target.sum(axis=1)
    if not total > 0:
        raise _nothing()
    found = impute(kept, periods, (target / total)[:, :, None])
    return arrays, found, late, np.unique(types.group[target.any(axis=1)])


def _extended_twoway(layout: Layout, rule: Rule) -> Linear:
    return _saturated(*extended_terms(layout, rule), rule)


def _interaction_weighted(layout: Layout, rule: Rule) -> Linear:
    return _saturated(*interaction_terms(layout, rule), rule)


def extended_terms(layout: Layout, rule: Rule) -> tuple[Layout, np.ndarray]:
    """What the extended two-way regression uses, and its unit-periods with a term, booleans, shape (n, T)."""
    return _comparable(layout, rule.anticipation)


def interaction_terms(layout: Layout, rule: Rule) -> tuple[Layout, np.ndarray]:
    """What the interaction-weighted regression uses, and its unit-periods with a term, booleans, shape (n, T)."""
    arrays, _ = _comparable(layout, rule.anticipation)
    H, T = arrays.phases.shape
    everybody = not np.isnan(arrays.g).any()
    if everybody:
        before = np.arange(T) < arrays.cohorts[-1] - rule.anticipation
        arrays = arrays.only(np.broadcast_to(before, arrays.Y.shape))
    terms = np.ones((H + 1, T), bool)
    terms[H] = False
    if everybody:
        terms[H - 1] = False
    usable = np.flatnonzero(arrays.seen.any(axis=0))
    place = np.searchsorted(usable, arrays.cohorts - rule.anticipation) - 1
    has = place >= 0
    terms[np.flatnonzero(has), usable[place[has]]] = False
    return arrays, arrays.seen & terms[arrays.group]


def _saturated(arrays: Layout, wanted: np.ndarray, rule: Rule) -> Linear:
    """A term for each cohort and period of the wanted unit-periods, averaged over those after joining by weight."""
    types, z = types_of(arrays, rule)
    size = _sizes(arrays, types, wanted)
    post = np.where(_post(arrays)[:-1], size, 0.0)
    if not post.any():
        raise _nothing()
    return blocks.contrast(arrays, types, z, size > 0, post / post.sum())


def _twoway(layout: Layout, rule: Rule) -> Linear:
    arrays = layout.only(~layout.of("transition"))
    types, z = types_of(arrays, rule)
    X = _post(arrays)[:, :, None].astype(float)
    return regress(arrays, X, z, types, rule.levels).linear(arrays, np.ones((1, 1)))


def _event_study(layout: Layout, rule: Rule) -> Linear:
    if len(layout.cohorts) != 1:
        raise DesignError(
            "an event study by two-way fixed effects is for units that joined at once", fix="group_time"
        )
    types, z = types_of(layout, rule)
    size = _sizes(layout, types, layout.seen)
    before = np.flatnonzero((size[0] > 0) & (np.arange(size.shape[1]) < layout.cohorts[0] - rule.anticipation))
    post = _post(layout)[:-1] & (size > 0)
    if not before.size or not post.any():
        raise _nothing()
    terms = size > 0
    terms[0, before[-1]] = False
    return blocks.contrast(layout, types, z, terms, post / post.sum(), rule.levels)


def types_of(arrays: Layout, rule: Rule, *, by_cluster: bool = False) -> tuple[Types, np.ndarray]:
    """Units gathered, by covariates and clusters too, and what the period effects are effects of, shape (U, q)."""
    told = [] if rule.z is None else [rule.z]
    told += [arrays.cluster[:, None].astype(float)] if by_cluster and arrays.gathered else []
    types = gather(arrays.group, arrays.seen, arrays.weight, np.hstack(told)) if told else arrays.types
    return types, np.ones((len(types.count), 1)) if rule.z is None else rule.z[types.first]


def _post(arrays: Layout) -> np.ndarray:
    """Analysed periods after joining by cohort, the last row for never; booleans, shape (H + 1, T)."""
    found: np.ndarray = np.vstack([arrays.phases == "post", np.zeros((1, arrays.Y.shape[1]), bool)])
    return found


def _sizes(arrays: Layout, types: Types, wanted: np.ndarray) -> np.ndarray:
    """Weight of the wanted unit-periods by cohort and period, shape (H, T)."""
    weight = np.where(wanted[types.first], types.weight, 0.0)
    members = np.arange(len(arrays.cohorts))[:, None] == types.group[None, :]
    found: np.ndarray = (members * types.count) @ weight
    return found


def _comparable(layout: Layout, anticipation: int) -> tuple[Layout, np.ndarray]:
    """Without units never seen untouched and periods in which nobody untouched was seen; and what is touched."""
    untouched, touched = front.sample(layout, anticipation)
    gone = np.asarray(~untouched.any(axis=1) & layout.seen.any(axis=1))
    alone = np.asarray(~untouched.any(axis=0) & layout.seen.any(axis=0))
    if not gone.any() and not alone.any():
        return layout, touched
    keep = ~gone[:, None] & ~alone[None, :]
    return layout.only(keep), touched & keep


def _nothing() -> DesignError:
    return DesignError(
        "no wave has an analysed period after joining with a comparison left",
        fix="shorten `transition`, widen `window`, or add comparison units",
    )


DESIGNS: dict[str, Callable[[Layout, Rule], Linear]] = {
    "group_time": _group_time,
    "imputation": _imputation,
    "two_stage": _two_stage,
    "extended_twoway": _extended_twoway,
    "interaction_weighted": _interaction_weighted,
    "twoway": _twoway,
    "event_study": _event_study,
}
