"""Is the rollout moved as a whole, on untouched unit-periods only, and judged by its rules?"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from evalkit import checks, estimators, plots

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
import did_panels as simulation


def made(seed=1, drift=0.0, n=60, T=36, waves=2, **changes):
    g = simulation.waves(n, T, waves, never=0.5, first=0.55, last=0.7)
    simulated = simulation.simulate(g, T, rho=0.5, seed=seed)
    course = drift * np.arange(T)[None, :] * ~np.isnan(g)[:, None]
    return simulation.panel(replace(simulated, Y=simulated.Y + course), **changes)


def asked(panel, design="group_time"):
    return checks.earlier_rollout(panel, estimators.attempt(design, panel))


@pytest.mark.parametrize("design", ["group_time", "imputation", "interaction_weighted"])
def test_a_moved_rollout_is_the_design_on_rows_before_joining(design):
    panel = made()
    found = asked(panel, design).data
    since = panel.rows["t"] - panel.study.time(panel.rows["cohort"].fillna(panel.study.window[0]))
    before = panel.rows[panel.rows["cohort"].isna() | (since < 0)]
    shift = 7
    cohort = panel.units["cohort"] - shift
    whole = estimators.fit(design, panel.with_rows(before).joining(cohort)).headline
    row = found[found["date"].eq(min(panel.cohorts) - shift)].iloc[0]
    assert row["estimate"] == pytest.approx(whole["estimate"], rel=1e-9)
    assert row["std_error"] == pytest.approx(whole["std_error"], rel=1e-9)
    assert row["low"] == pytest.approx(whole["low"], rel=1e-9)


def test_what_happened_after_joining_plays_no_part():
    panel = made()
    after = panel.rows["phase"].eq("post") & panel.rows["cohort"].notna()
    spoilt = panel.with_rows(panel.rows.assign(value=panel.rows["value"].where(~after, 1e6)))
    one, two = asked(panel).data, asked(spoilt).data
    np.testing.assert_array_equal(one["estimate"][:-1], two["estimate"][:-1])
    assert one["real"].tolist() == [False] * (len(one) - 1) + [True]


def test_a_real_start_stands_out_and_diverging_courses_are_a_concern():
    assert asked(made()).verdict == "reassuring"
    drifting = asked(made(drift=0.15), "imputation")
    assert drifting.verdict == "concern"
    assert drifting.value >= 0.5
    assert "already changing" in drifting.reading


def test_a_short_time_before_is_not_applicable_or_said():
    g = np.repeat([6.0, np.nan], 20)
    early = simulation.panel(simulation.simulate(g, 24, seed=1))
    assert asked(early).verdict == "not applicable"
    g = np.repeat([9.0, np.nan], 20)
    few = asked(simulation.panel(simulation.simulate(g, 24, seed=1)))
    assert few.verdict == "inconclusive"
    assert "So few dates" in few.reading


def test_it_is_not_asked_of_a_series():
    panel = made(T=48)
    assert asked(panel, "its").verdict == "not applicable"
    assert asked(made(n=12, comparison="none")).verdict == "not applicable"


def test_the_figure_shows_every_date():
    shown = plots.placebo_dates(asked(made()))
    assert 'img alt="Effects at' in shown.html
