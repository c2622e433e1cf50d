"""Is the difference between designs judged as one between estimates that share their data?"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from evalkit import checks, estimators
from evalkit.checks.agreement import differences
from evalkit.errors import DesignError

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
import did_panels as simulation

PAIR = ["group_time", "imputation"]


def null(seed, n=60, T=24, slope=0.0):
    g = simulation.waves(n, T, 2, never=0.5)
    made = simulation.simulate(g, T, rho=0.6, seed=seed)
    drift = slope * np.arange(T)[None, :] * ~np.isnan(g)[:, None]
    return simulation.panel(replace(made, Y=made.Y + drift))


def test_differences_are_those_of_the_headlines():
    panel = null(1)
    d, error, p = differences([*PAIR, "interaction_weighted"], panel)
    heads = [estimators.fit(name, panel).headline for name in (*PAIR, "interaction_weighted")]
    assert d == pytest.approx([h["estimate"] - heads[0]["estimate"] for h in heads[1:]], rel=1e-9)
    assert (error < heads[0]["std_error"] + heads[1]["std_error"]).all()
    assert 0 < p <= 1


def test_the_error_of_a_difference_is_that_of_the_jackknife():
    panel = null(2, n=80)
    _, error, _ = differences(PAIR, panel)
    left = []
    for unit in panel.units.index:
        rows = panel.rows[panel.rows.index.get_level_values("unit") != unit]
        one, two = (estimators.fit(name, panel.with_rows(rows)).headline["estimate"] for name in PAIR)
        left.append(two - one)
    left = np.array(left)
    jackknife = np.sqrt((len(left) - 1) * ((left - left.mean()) ** 2).mean())
    assert error[0] == pytest.approx(jackknife, rel=0.1)  # it counts more than first-order terms


def test_designs_that_agree_are_told_apart_no_more_often_than_chance():
    rejected = np.mean([differences(PAIR, null(seed))[2] < 0.05 for seed in range(300)])
    assert rejected <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 300)


def test_diverging_trends_are_a_concern_although_intervals_overlap():
    panel = null(3, slope=0.12)
    estimates = [estimators.fit(name, panel) for name in PAIR]
    assert checks.agreement(estimates).verdict != "concern"
    found = checks.agreement(estimates, panel)
    assert found.verdict == "concern"
    assert "Allowing for the data they share" in found.reading


def test_designs_that_coincide_have_no_difference_to_test():
    panel = null(4)
    with pytest.raises(DesignError, match="coincide"):
        differences(["imputation", "imputation"], panel)
    d, _, p = differences(["imputation", "two_stage"], panel)  # the same estimate, with errors of their own
    assert d == pytest.approx(0, abs=1e-9)
    assert p > 0.99
    estimates = [estimators.fit(name, panel) for name in ("imputation", "two_stage")]
    assert checks.agreement(estimates, panel).verdict == "reassuring"
