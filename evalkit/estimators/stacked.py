"""Stacked difference-in-differences: one small panel a wave, put on top of each other.

Each wave g has a stack: its own units and those untouched throughout, from `before` periods before joining to
`after` periods after. In stack s, with k periods since g and D_is = 1 for the wave's own units,

    y_iks = a_D + l_k + sum_{k != -1} delta_k D_is 1{k} + e_iks      weights q (`weights: corrected`)
    y_iks = a_is + l_ks + sum_{k != -1} delta_k D_is 1{k} + e_iks    (`weights: none`)

q gives the comparison of each stack the share of all comparison rows that its wave has of all joined, so that
delta_k is the effect on the joined k periods on; without it each wave weighs as a regression happens to weigh
it. Every reported average is over the stacks' own window: waves without the whole window are left out and
named. Clustered by unit (or as the protocol says), across stacks; Student t on clusters - 1.

Assumes that without joining each wave would have changed as its stack's comparison did.

Sources: Cengiz, Dube, Lindner and Zipperer (2019), Q J Econ 134:1405; Wing, Freedman and Hollingsworth (2024),
Stacked difference-in-differences, NBER working paper 32054.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from evalkit import inference, numbers, periods
from evalkit.errors import DesignError
from evalkit.estimate import EVENTS, Estimate, framed
from evalkit.estimators._common import at_horizons, exposure, identity, size
from evalkit.estimators._did import front, reach
from evalkit.estimators._did.layout import Layout, layout
from evalkit.estimators._did.stacks import Stacked, Stacks, build, reference, stacked
from evalkit.panel import Panel

TITLE = "Stacked difference-in-differences"


def fit(panel: Panel) -> Estimate:
    """Effects by periods since joining over the stacks' window. Raises DesignError when no wave can be stacked."""
    study, options = panel.study, panel.study.protocol.model.stacked
    arrays, stacks, found = _prepared(panel)
    beta, parts = found.estimate(arrays.Y)
    psi = np.sqrt(found.factor(arrays.cluster)) * inference.by_cluster(parts, arrays.cluster)
    _require_sides(arrays, stacks)
    df = float((psi != 0).any(axis=1).sum() - 1)
    times = np.asarray(found.since)
    names, C, more = _averages(panel, times, stacks)
    scale, level = size(panel), study.protocol.level
    theta, errors = beta @ C, np.sqrt(((psi @ C) ** 2).sum(axis=0))
    return Estimate(
        **identity(panel, "stacked", TITLE),  # type: ignore[arg-type]
        estimand=f"average effect on the joined (ATT), up to {options.after} {_noun(panel, options.after)} after",
        assumption="Without joining, each wave would have changed as the untouched units of its own window did.",
        terms=pd.DataFrame(inference.terms(names, theta, errors, df, level, scale=scale)),
        counts={
            "joined units": len(np.unique(stacks.unit[stacks.joined])),
            "comparison units": len(np.unique(stacks.unit[~stacks.joined])),
            "waves": len(np.unique(stacks.wave)),
            "rows": len(stacks.unit),
            "clusters": int(df) + 1,
        },
        method=_method(panel, df, reference(stacks)),
        events=_events(panel, stacks, found, (beta, psi, df)),
        covariance=psi.T @ psi,
        exposure=exposure(panel),
        warnings=(*more, *_warnings(panel, stacks), *_gaps(panel, stacks), *_few(arrays, stacks, int(df) + 1)),
    )


def headline_weights(panel: Panel) -> reach.Reach:
    """The weights of the headline. Raises DesignError as `fit`."""
    arrays, stacks, found = _prepared(panel)
    _, C, _ = _averages(panel, np.asarray(found.since), stacks)
    others, rows = np.zeros(stacks.shape), ~stacks.joined
    np.add.at(others, (stacks.unit[rows], stacks.period[rows]), (found.scale * (found.reach @ C[:, 0]))[rows])
    return reach.Reach(arrays, found.weights @ C[:, 0], others)


def _prepared(panel: Panel) -> tuple[Layout, Stacks, Stacked]:
    """The arrays, the stacks and the regression on them."""
    options = panel.study.protocol.model.stacked
    front.require_comparison(panel)
    _require_plain(panel)
    arrays = layout(panel)
    front.require_later_waves(panel)
    stacks = build(arrays.seen, arrays.g, options.before, options.after)
    if options.weights == "corrected":
        stacks = _in_every_stack(panel, stacks)
    return arrays, stacks, stacked(stacks, "weighted" if options.weights == "corrected" else "event")


def _in_every_stack(panel: Panel, stacks: Stacks) -> Stacks:
    """Only the times since joining that every stack has.

    With corrected weights there are no unit effects: were a time missing in one stack, as in an excluded period,
    its effect would compare other waves than the reference does, and their levels would enter.
    """
    waves = np.unique(stacks.wave)
    times = np.unique(stacks.since)
    shared = [k for k in times if len(np.unique(stacks.wave[stacks.since == k])) == len(waves)]
    if not any(k < 0 for k in shared) or not any(k >= 0 for k in shared):
        raise DesignError(
            "no time before, or none after joining is seen in the stack of every wave",
            panel.study.slug,
            "use `model.stacked.weights: none`, or a wider window",
        )
    keep = np.isin(stacks.since, shared)
    parts = ("unit", "period", "wave", "since", "joined", "q")
    return replace(stacks, **{part: getattr(stacks, part)[keep] for part in parts})


def _require_plain(panel: Panel) -> None:
    protocol = panel.study.protocol
    for asked, what in (
        (bool(protocol.covariates), "covariates"),
        (protocol.weights == "denominator", "`weights: denominator`"),
    ):
        if asked:
            raise DesignError(
                f"no stacked form is offered with {what}",
                panel.study.slug,
                "use imputation or group_time",
            )


def _noun(panel: Panel, count: int) -> str:
    return periods.noun(panel.study.frequency, count)


def _require_sides(arrays: Layout, stacks: Stacks) -> None:
    own, others = np.unique(stacks.unit[stacks.joined]), np.unique(stacks.unit[~stacks.joined])
    mask = np.zeros(len(arrays.g), bool)
    mask[own] = True
    other = np.zeros(len(arrays.g), bool)
    other[others] = True
    inference.require_clusters(arrays.cluster, mask, other)


def _averages(panel: Panel, times: np.ndarray, stacks: Stacks) -> tuple[list[str], np.ndarray, list[str]]:
    """Names and contrasts of the reported averages, shape (P, L), and what is not given."""
    transition = panel.study.protocol.transition.periods
    after = times >= transition
    if not after.any():
        raise DesignError(
            "no analysed period after joining lies in the stacks",
            panel.study.slug,
            "raise `model.stacked.after`, or shorten `transition`",
        )
    size_of = np.array([(stacks.joined & (stacks.since == k)).sum() for k in times], float)
    weights = np.where(after, size_of, 0.0)
    found, absent = at_horizons(panel.study, times, after)
    columns = {
        "average effect on the joined (ATT)": weights / weights.sum(),
        "mean over periods since joining": after / after.sum(),
        **found,
    }
    warnings = [f"The {one} is not given: it lies outside the stacks' window." for one in absent]
    return [*columns], np.column_stack([*columns.values()]), warnings


def _events(
    panel: Panel, stacks: Stacks, found: Stacked, fitted: tuple[np.ndarray, np.ndarray, float]
) -> pd.DataFrame:
    beta, psi, df = fitted
    level, times = panel.study.protocol.level, np.asarray(found.since)
    errors = np.sqrt((psi**2).sum(axis=0))
    reach = inference.critical_value(psi, level, df)
    rows: list[dict[str, Any]] = inference.terms(
        [f"effect at {k}" for k in times], beta, errors, df, level, scale=size(panel)
    )
    transition = panel.study.protocol.transition.periods
    for row, k, error in zip(rows, times.tolist(), errors, strict=True):
        phase = "pre" if k < 0 else "transition" if k < transition else "post"
        units = int((stacks.joined & (stacks.since == k)).sum())
        row |= {"event_time": k, "phase": phase, "units": units}
        row |= {"band_low": row["estimate"] - reach * error, "band_high": row["estimate"] + reach * error}
    return framed(rows, EVENTS)


def _method(panel: Panel, df: float, against: int) -> str:
    options = panel.study.protocol.model.stacked
    weights = (
        "weights that give each stack's comparison the share of its wave (Wing et al. 2024)"
        if options.weights == "corrected"
        else "unit and period effects of each stack's own (Cengiz et al. 2019)"
    )
    return (
        f"Stacks of each wave from {options.before} {_noun(panel, options.before)} before joining to {options.after} "
        f"after, {weights}, reference {against}, standard errors clustered on {int(df) + 1} clusters, Student t on "
        f"{df:.0f} degrees of freedom."
    )


def _few(arrays: Layout, stacks: Stacks, clusters: int) -> list[str]:
    """Few clusters, and waves that are one unit or cluster, whose own variation counts as nought here."""
    own = [stacks.unit[(stacks.wave == w) & stacks.joined] for w in np.unique(stacks.wave)]
    lone = [units for units in own if len(np.unique(arrays.cluster[units])) == 1]
    out = []
    if lone:
        out.append(
            f"{numbers.of(len(lone), 'wave')} of a single unit or cluster: its own variation counts as nought here, "
            "so intervals are too narrow."
        )
    if clusters < front.FEW_CLUSTERS:
        out.append(f"With only {clusters} clusters the intervals may be too narrow.")
    return out


def _gaps(panel: Panel, stacks: Stacks) -> list[str]:
    """With corrected weights there are no unit effects, so units that come and go bring their levels with them."""
    if panel.study.protocol.model.stacked.weights != "corrected":
        return []
    whole = [len(np.unique(stacks.since[stacks.wave == w])) for w in np.unique(stacks.wave)]
    rows = [np.unique(stacks.unit[stacks.wave == w], return_counts=True)[1] for w in np.unique(stacks.wave)]
    partly = sum(int((seen < all_of).sum()) for seen, all_of in zip(rows, whole, strict=True))
    if not partly:
        return []
    return [
        f"{numbers.of(partly, 'unit')} of the stacks were not seen throughout; with corrected weights their levels "
        "enter as they come and go. `weights: none` takes unit effects out."
    ]


def _warnings(panel: Panel, stacks: Stacks) -> list[str]:
    options, window, out = panel.study.protocol.model.stacked, panel.study.window, []
    lacking = sorted(set(range(-options.before, options.after + 1)) - set(stacks.since.tolist()))
    if lacking:
        out.append(f"Times since joining that not every wave has are left out: {', '.join(map(str, lacking))}.")
    for wave, why in stacks.left_out.items():
        inside = 0 <= wave < len(window)
        name = f"of {periods.say(window[wave])}" if inside else "that joined before the window"
        out.append(f"The wave {name} has no stack: {why}.")
    if len(stacks.left_out) > 0:
        out.append(f"The average is over {numbers.of(len(np.unique(stacks.wave)), 'wave')}.")
    return out
