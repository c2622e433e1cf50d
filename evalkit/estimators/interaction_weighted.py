"""Interaction-weighted event study: each wave's own event study against units that never joined, averaged.

    y_it = alpha_i + lambda_t + sum_g sum_{k != ref} delta_gk 1{i joined at g, t - g = k} + e_it

ref is the last analysed period before joining (less any declared anticipation), per wave. The effects
delta_gk are averaged by the unit-periods behind them. Only units that never joined are a comparison; where
everybody joined, the last wave takes their place and the periods from its joining on are left out. On a
balanced panel without covariates delta_gk equals the group-time effect against units that never joined with
a universal base.

Assumes that without joining each wave would have kept its distance from the comparison in every period.

Source: Sun and Abraham (2021), J Econometrics 225:175.
"""

from __future__ import annotations

import numpy as np

from evalkit import periods
from evalkit.errors import DesignError
from evalkit.estimate import Estimate
from evalkit.estimators._did import reach
from evalkit.estimators._did.assemble import Words, assemble
from evalkit.estimators._did.layout import Layout
from evalkit.estimators._did.saturated import Saturated, saturate, start
from evalkit.panel import Panel

TITLE = "Interaction-weighted event study"


def fit(panel: Panel) -> Estimate:
    """Each wave's event study, averaged. Raises DesignError when not identified."""
    options = panel.study.protocol.model.interaction_weighted
    found, last = _prepared(panel)
    whom = "the last wave, until it joined" if last else "units that never joined"
    words = Words(
        "interaction_weighted",
        TITLE,
        f"Event study of each wave (Sun and Abraham 2021) against {whom}{found.adjusted}",
        "Without joining, each wave would have kept its distance from the comparison, "
        "and nothing changed before joining.",
        "standard errors of the regression",
        found.warnings,
        counts={"effects by wave and period": len(found.observed.cells.since)},
    )
    return assemble(panel, found.parts(panel, options), words)


def headline_weights(panel: Panel) -> reach.Reach:
    """The weights of the headline. Raises DesignError as `fit`."""
    found, _ = _prepared(panel)
    return reach.of_parts(found.parts(panel, panel.study.protocol.model.interaction_weighted))


def _prepared(panel: Panel) -> tuple[Saturated, str]:
    """The regression, and what is to be said where the last wave is the comparison; blank where it is not."""
    anticipation = panel.study.protocol.model.interaction_weighted.anticipation
    arrays, _, _, warnings = start(panel, anticipation)
    arrays, last = _without_later(panel, arrays, anticipation)
    if last:
        warnings = (*warnings, last)
    wanted = _wanted(arrays, anticipation, reference_wave=bool(last))
    return saturate(panel, arrays, wanted, warnings), last


def _without_later(panel: Panel, arrays: Layout, anticipation: int) -> tuple[Layout, str]:
    """Where everybody joined: without the periods that the last wave had joined in, and what that means."""
    if np.isnan(arrays.g).any():
        return arrays, ""
    if len(arrays.cohorts) <= 1:
        raise DesignError("nobody is left to compare with", panel.study.slug, "add units that did not join")
    last = int(arrays.cohorts[-1])
    before = np.arange(arrays.Y.shape[1]) < last - anticipation
    said = (
        f"Everybody joined, so the wave of {periods.say(panel.study.window[last])} stands in for units that never "
        "joined, and the periods from then on are left out."
    )
    return arrays.only(np.broadcast_to(before, arrays.Y.shape)), said


def _wanted(arrays: Layout, anticipation: int, *, reference_wave: bool) -> np.ndarray:
    """Unit-periods with a term: all of the joined but their reference period; booleans, shape (n, T)."""
    usable = np.flatnonzero(arrays.seen.any(axis=0))
    wanted = arrays.seen & ~np.isnan(arrays.g)[:, None]
    for h, start_at in enumerate(arrays.cohorts):
        before = usable[usable < start_at - anticipation]
        members = arrays.group == h
        if reference_wave and h == len(arrays.cohorts) - 1:
            wanted[members] = False
        elif before.size:
            wanted[np.ix_(members, before[-1:])] = False
    return wanted
