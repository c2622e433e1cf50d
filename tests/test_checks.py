"""Does each check raise a concern when there is one, and only then?"""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest

from evalkit import checks, inference
from evalkit.estimate import EVENTS, PATH, Estimate, Refusal
from evalkit.study.protocol import Outcome

REFUSED = Refusal("s", "y", "its", "Interrupted time series", ("Too short.",))


def estimate(value=2.0, error=0.5, *, residuals=None, leads=None, title="A design", design="group_time"):
    row = inference.term("average effect", value, error, 40, 0.95)
    path, events, covariance = (
        pd.DataFrame({c: [] for c in PATH}),
        pd.DataFrame({c: [] for c in EVENTS}),
        np.empty((0, 0)),
    )
    if residuals is not None:
        months = pd.period_range("2020-01", periods=len(residuals), freq="M")
        path = pd.DataFrame(
            {"period": months, "phase": "pre", "observed": residuals, "fitted": 0.0, "counterfactual": np.nan,
             "low": np.nan, "high": np.nan, "effect": np.nan, "effect_low": np.nan, "effect_high": np.nan,
             "innovation": residuals}
        )  # fmt: skip
    if leads is not None:
        rows = [inference.term(str(i), lead, 1.0, 40, 0.95) for i, lead in enumerate(leads)]
        times = range(-len(leads), 0)
        events = pd.DataFrame(
            [{**r, "event_time": t, "phase": "pre", "units": 9} for r, t in zip(rows, times, strict=True)]
        ).reindex(columns=EVENTS)
        covariance = np.eye(len(leads))
    return Estimate(
        "s", "y", "Outcome", design, title, "estimand", "assumption", "points", 0.95, pd.DataFrame([row]), {},
        "method", path=path, events=events, covariance=covariance,
    )  # fmt: skip


def noise(n, rho=0.0):
    draws = np.random.default_rng(3).standard_normal(n)
    for i in range(1, n):
        draws[i] += rho * draws[i - 1]
    return draws


def test_autocorrelation_is_a_concern_only_when_it_is_there():
    assert checks.autocorrelation(estimate(residuals=noise(60))).verdict == "reassuring"
    found = checks.autocorrelation(estimate(residuals=noise(60, 0.8)))
    assert found.verdict == "concern"
    assert found.value < 0.05
    assert checks.autocorrelation(REFUSED).verdict == "not applicable"
    assert checks.autocorrelation(estimate()).verdict == "not applicable"


def test_parallel_trends_looks_at_all_leads_together():
    assert checks.parallel_trends(estimate(leads=[0.3, -0.5, 0.2, 0.1])).verdict == "reassuring"
    assert (
        checks.parallel_trends(estimate(leads=[1.8, 1.9, 1.8, 1.9])).verdict == "concern"
    )  # none excludes zero alone
    assert "not proof" in checks.parallel_trends(estimate(leads=[0.3, -0.5])).reading
    assert checks.parallel_trends(REFUSED).verdict == "not applicable"
    assert checks.parallel_trends(estimate()).verdict == "not applicable"


def test_parallel_trends_ignores_leads_far_from_joining():
    assert checks.parallel_trends(estimate(leads=[9.0, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1])).verdict == "reassuring"


@pytest.mark.parametrize(
    ("value", "better", "verdict"),
    [
        (2.0, "lower", "concern"),
        (2.0, "higher", "reassuring"),
        (-2.0, "higher", "concern"),
        (0.2, "lower", "inconclusive"),
    ],
)
def test_balancing_is_a_concern_when_the_whole_interval_is_worse(value, better, verdict):
    outcome = Outcome.model_validate({"name": "y", "kind": "count", "value": "v", "better": better})
    assert checks.balancing(estimate(value), outcome).verdict == verdict


def test_balancing_says_so_when_nothing_could_be_computed():
    outcome = Outcome.model_validate({"name": "y", "kind": "count", "value": "v", "better": "lower"})
    assert checks.balancing(REFUSED, outcome).verdict == "not applicable"


def test_agreement_is_a_concern_when_intervals_do_not_overlap():
    assert checks.agreement([estimate(2.0), estimate(2.5, title="B")]).verdict == "reassuring"
    found = checks.agreement([estimate(2.0), estimate(9.0, title="B")])
    assert found.verdict == "concern"
    assert found.value == pytest.approx(7.0)
    assert checks.agreement([estimate(2.0), REFUSED]).verdict == "not applicable"


def panel_with_gap(make, gap, **changes):
    rng = np.random.default_rng(5)
    months = pd.period_range("2018-01", "2019-12", freq="M").astype(str)
    units = [f"U{i:02d}" for i in range(20)]
    level = {u: 50 + rng.normal(0, 3) + (gap if i < 8 else 0) for i, u in enumerate(units)}
    rows = pd.DataFrame(
        [(u, m, level[u] + rng.normal()) for u in units for m in months], columns=["unit", "period", "y"]
    )
    rollout = pd.DataFrame({"unit": units, "joined": ["2019-01"] * 8 + [""] * 12})
    return make.panel(rows, rollout, **changes)


@pytest.mark.parametrize(("gap", "verdict"), [(-9.0, "concern"), (9.0, "reassuring"), (0.0, "reassuring")])
def test_entry_is_a_concern_when_the_joiners_were_worse(make, gap, verdict):
    found = checks.entry(panel_with_gap(make, gap))
    assert found.verdict == verdict
    assert (found.value < 0) == (gap < 0) or gap == 0


def test_entry_is_a_concern_when_the_protocol_says_so_whatever_the_baselines(make):
    entry = {"rule": "The worst eight", "selected_on_outcome": True}
    found = checks.entry(panel_with_gap(make, 9.0, entry=entry))
    assert found.verdict == "concern"
    assert "regression to the mean" in found.reading


def test_declared_anticipation_is_not_tested_as_an_earlier_trend():

    moved = estimate(leads=[0.1, -0.2, 0.1, 6.0, 7.0])
    assert checks.parallel_trends(moved).verdict == "concern"
    assert checks.parallel_trends(dataclasses.replace(moved, anticipation=2)).verdict == "reassuring"


def test_agreement_leaves_out_what_is_shown_for_comparison_only():

    shown = dataclasses.replace(estimate(9.0, title="B"), comparison_only=True)
    assert checks.agreement([estimate(2.0), shown]).verdict == "not applicable"
