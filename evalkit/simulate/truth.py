"""What is true of a simulated collaborative, computed from what would have happened with and without it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from evalkit import periods
from evalkit.simulate import design, waits
from evalkit.simulate.potential import Simulated, positions
from evalkit.simulate.settings import Measure

ABOUT = "SIMULATED: made from random numbers; no unit here is a real organisation and no figure a real result"
DIGITS = 4


def truth(simulated: Simulated) -> dict[str, Any]:
    """Settings, true effects, regression to the mean and realised moments, ready for JSON."""
    demo = simulated.settings
    return {
        "about": ABOUT,
        "name": demo.name,
        "seed": demo.seed,
        "true_effects": {m.name: effects(simulated, m) for m in demo.measures},
        "regression_to_the_mean": returning(simulated),
        "realised_moments": {m.name: realised(simulated, m) for m in demo.measures},
        "settings": asdict(demo),
        **waits.known(simulated),
    }


def unit_of(measure: Measure) -> str:
    """The unit of every effect."""
    named = {"share": "percentage points", "mean": "days"}
    return named.get(measure.kind, f"per {measure.per:,.0f} {measure.of}")


def effects(simulated: Simulated, measure: Measure) -> dict[str, Any]:
    """Treated less untreated expected values, averaged over the unit-periods that joined.

    Every unit-period counts once, except where weighted by the denominator. `post` is after the
    transition; `while_others_wait` ends before the last unit of all joins, and is None where some
    units never join, because then a comparison remains throughout.
    """
    name, since = measure.name, simulated.since
    gain = simulated.treated[name] - simulated.untreated[name]
    joined = since >= 0
    post = since >= simulated.settings.transition
    before_last = np.arange(since.shape[1]) < simulated.joined.max()
    everyone = bool((simulated.joined != design.NEVER).all())
    return {
        "unit": unit_of(measure),
        "average_post": _mean(gain, post),
        "average_post_weighted_by_denominator": _mean(gain, post, simulated.columns[measure.of]),
        "average_post_while_others_wait": _mean(gain, post & before_last) if everyone else None,
        "average_joined": _mean(gain, joined),
        "by_periods_since_joining": _by_since(gain, since),
        "by_cohort": _by_cohort(simulated, gain, post),
    }


def _by_since(gain: np.ndarray, since: np.ndarray) -> list[dict[str, Any]]:
    steps = range(int(np.nanmax(since)) + 1)
    return [{"since": k, "units": int((since == k).sum()), "effect": _mean(gain, since == k)} for k in steps]


def _by_cohort(simulated: Simulated, gain: np.ndarray, post: np.ndarray) -> list[dict[str, Any]]:
    out = []
    for start in np.unique(simulated.joined[simulated.joined != design.NEVER]):
        wave = simulated.joined == start
        out.append(
            {
                "joined": periods.code(simulated.window[start]),
                "units": int(wave.sum()),
                "average_post": _mean(gain, post & wave[:, None]),
                "at_end": _mean(gain[wave, -1:], np.ones((wave.sum(), 1), bool)),
            }
        )
    return out


def returning(simulated: Simulated) -> dict[str, Any] | None:
    """What selection on a poor baseline does without any programme; None where entry was by chance.

    The change of the joiners' gap to the rest from before to after joining, had nobody joined: as it
    happened in this panel's untreated expected values, and as normal theory expects it from the
    scores. `before` is the selection periods, or all periods before joining.
    """
    demo = simulated.settings
    chosen = demo.selection
    if chosen is None:
        return None
    measure = demo.measures[0]
    base = positions(simulated.window, chosen.first, chosen.last)
    untreated = simulated.untreated[measure.name]
    spread = (measure.unit_sd, measure.within_sd, measure.rho, chosen.noise)
    expected = design.expected_return(simulated.score, base, untreated.shape[1], spread)
    design_of = (simulated.joined, demo.transition)
    joiners = simulated.joined != design.NEVER
    baseline = untreated[:, base].mean(axis=1)
    return {
        "outcome": measure.name,
        "unit": unit_of(measure),
        "selected_on": [chosen.first, chosen.last],
        "baseline_gap_joiners_less_rest": _number(baseline[joiners].mean() - baseline[~joiners].mean()),
        "since_selection_realised": _number(design.gap_change(untreated, *design_of, base)),
        "since_selection_expected": _number(design.gap_change(expected, *design_of, base)),
        "since_all_before_realised": _number(design.gap_change(untreated, *design_of, None)),
        "since_all_before_expected": _number(design.gap_change(expected, *design_of, None)),
    }


def realised(simulated: Simulated, measure: Measure) -> dict[str, float]:
    """Moments of the untreated expected values: mean, spread of unit means, spread and autocorrelation within."""
    values = simulated.untreated[measure.name]
    unit = values.mean(axis=1, keepdims=True)
    rest = values - unit - values.mean(axis=0) + values.mean()
    autocorrelation = np.corrcoef(rest[:, 1:].ravel(), rest[:, :-1].ravel())[0, 1]
    found = {"mean": values.mean(), "unit_sd": unit.std(ddof=1), "within_sd": rest.std(), "ar1": autocorrelation}
    return {name: _number(value) for name, value in found.items()}


def _mean(values: np.ndarray, where: np.ndarray, weight: np.ndarray | None = None) -> float:
    weights = where if weight is None else where * weight
    return _number((values * weights).sum() / weights.sum())


def _number(value: float) -> float:
    return round(float(value), DIGITS) + 0.0  # no minus zero
