"""Are series and synthetic comparisons planned as they are analysed, and what moves every unit counted and told?"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from evalkit import estimators, planning, plots, tables
from evalkit.errors import DesignError, RunError
from evalkit.planning import Moments, Plan, series, synthetic
from evalkit.planning.injected import Injected
from evalkit.planning.shared import together
from evalkit.study.options import ItsOptions, ModelOptions

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
import did_panels as simulation

STATED = Moments(59, 9, 4.3, 0.6)
PLAN = Plan(20, 40, 24, 18)
WAVES = Plan(20, 40, 16, 12, waves=2, spacing=3, transition=1)


def one(baseline, plan, design, draws=400):
    return planning.minimal(baseline, plan, (design,), draws).found[design]


def gls(asked, rho, sd):
    """The standard error of the average effect with known rho and size, by its formula."""
    R = rho ** np.abs(np.subtract.outer(asked.t, asked.t)).astype(float) if rho else np.eye(len(asked.t))
    V = np.linalg.inv(asked.X.T @ np.linalg.solve(sd**2 * R, asked.X))
    return float(np.sqrt(asked.contrast @ V @ asked.contrast))


# -- interrupted time series -------------------------------------------------------------


class Options(Moments):
    """Moments of a study that declares something of its series."""

    def declaring(self, **options):
        object.__setattr__(self, "declared", ModelOptions(its=ItsOptions.model_validate(options)))
        return self

    def options(self):
        return self.declared


@pytest.mark.parametrize("shared", [0.0, 1.0])
def test_independent_errors_and_one_start_give_the_figure_of_the_formula(shared):
    """rho is estimated, which costs 3 %; that intervals are guarded against noise, another 6 %."""
    moments = Options(59, 9, 4.3, 0.0, shared=shared).declaring(noise_guard=False)
    plan = Plan(30, 60, 72, 72)
    found = one(moments, plan, "its", 2000)
    asked = series.columns_of("its", plan, moments)
    error = gls(asked, 0.0, np.sqrt(4.3**2 / 30 + shared**2))
    n, k = asked.X.shape
    wanted = (stats.t.ppf(0.975, n - k) + stats.norm.ppf(0.8)) * error
    assert found.std_error == pytest.approx(error, rel=0.03)
    assert found.sizes["constant"] == pytest.approx(wanted, rel=0.05)
    assert found.false_positive == pytest.approx(0.05, abs=4 * found.monte_carlo)
    guarded = one(moments.declaring(), plan, "its", 2000).sizes["constant"]
    assert found.sizes["constant"] < guarded < 1.15 * wanted


def test_persistent_errors_too_where_the_series_is_long():
    moments = replace(STATED, rho=0.5, shared=1.5, shared_rho=0.5)
    plan = Plan(30, 60, 96, 96)
    asked = series.columns_of("its", plan, moments)
    error = gls(asked, 0.5, np.sqrt(4.3**2 / 30 + 1.5**2))
    assert one(moments, plan, "its", 1000).std_error == pytest.approx(error, rel=0.08)


@pytest.mark.parametrize("design", ["its", "controlled_its"])
@pytest.mark.parametrize("plan", [PLAN, WAVES])
def test_a_series_is_what_the_estimator_says_of_the_same_outcomes(plan, design):
    """With injected effects: estimate and half-width of a plain fit on a panel that has them."""
    source = STATED.source(plan)
    run = series.run(design, STATED, source, series.columns_of(design, plan, STATED), 3, 7)
    Y = source.courses(3, np.random.default_rng(7)) + series.common(source, 3, 7)[:, None, :]
    arrays = plan.layout()
    since = np.arange(plan.length)[None, :] - np.nan_to_num(arrays.g, nan=np.inf)[:, None]
    on = (since >= 0) * 1.0
    rising = np.clip((np.where(np.isfinite(since), since, -1) + 1) / 12, 0, 1)
    declared = {"transition": {"periods": plan.transition, "why": "x"}} if plan.transition else {}
    for name, size, profile in (("", 0.0, [on] * 3), ("constant", 4.0, [on] * 3), ("building up", 4.0, [rising] * 3),
                                ("relative", 4.0, 0.01 * Y * on)):  # fmt: skip
        if name in run.moved:
            value, half = run.moved[name](size)
        else:
            value, half = run.estimate + size * run.shift.get(name, np.zeros(3)), run.half
        for b in range(3):
            made = simulation.panel(simulation.Simulated(Y[b] + size * profile[b], arrays.g))
            if declared:
                made = simulation.panel(simulation.Simulated(Y[b] + size * profile[b], arrays.g), **declared)
                made = made.joining(made.units["cohort"])
            head = estimators.fit(design, made).headline
            assert value[b] == pytest.approx(head["estimate"], rel=1e-6, abs=1e-8)
            assert half[b] == pytest.approx((head["high"] - head["low"]) / 2, rel=1e-6)


def test_what_moves_every_unit_counts_in_a_series_and_in_nothing_else():
    still, moved = (replace(STATED, shared=size) for size in (0.0, 4.0))
    assert one(moved, PLAN, "its").sizes["constant"] > 2 * one(still, PLAN, "its").sizes["constant"]
    for design in ("controlled_its", "group_time", "synthetic_did"):
        sizes = [one(m, PLAN, design, 100).sizes["constant"] for m in (still, moved)]
        assert sizes[1] == pytest.approx(sizes[0], rel=0.02)


def test_what_is_not_stated_of_it_is_taken_and_said():
    assert STATED.common == pytest.approx((4.3 / 3, 0.6))
    told = tables.detectable(planning.minimal(STATED, PLAN, ("its",), 100)).text
    assert "a third of that within units and the same autocorrelation, not stated" in told
    stated = planning.parse("mean=59,between=9,within=4.3,rho=0.6,shared=2,shared_rho=0.1")
    assert stated.common == (2, 0.1)
    assert "not stated" not in tables.detectable(planning.minimal(stated, PLAN, ("its",), 100)).text
    none = tables.detectable(planning.minimal(STATED, PLAN, ("group_time",), 100)).text
    assert "move together" not in none
    for text, said in (("shared=-1", "shared is negative"), ("shared_rho=1", "shared_rho is not between")):
        with pytest.raises(DesignError, match=said):
            planning.parse(f"mean=59,between=9,within=4.3,rho=0.6,{text}")
    with pytest.raises(RunError, match="no number for shared"):
        planning.parse("mean=59,between=9,within=4.3,rho=0.6,shared=x")


def test_stating_it_leaves_the_other_designs_as_they_were():
    one_, two = (planning.minimal(m, PLAN, ("group_time",), 200).record()["designs"] for m in (STATED, replace(STATED, shared=9.0)))  # fmt: skip  # noqa: E501
    assert one_ == two


def test_it_is_found_again_in_a_panel():
    random = np.random.default_rng(4)
    alike = 2.0 * simulation.ar1(random, (240,), 0.5)
    Y = 59 + 9 * random.normal(size=(100, 1)) + 4.3 * simulation.ar1(random, (100, 240), 0.6) + alike
    Y += 0.02 * np.arange(240) + 3 * np.sin(2 * np.pi * np.arange(240) / 12)
    found = together(Y, np.ones(Y.shape, bool), simulation.panel(simulation.Simulated(Y[:4], np.array([100.0, *[np.nan] * 3]))).study.window)  # fmt: skip  # noqa: E501
    assert found["shared"] == pytest.approx(2.0, rel=0.15)
    assert found["shared_rho"] == pytest.approx(0.5, abs=0.15)
    short = np.ones((20, 6), bool)
    assert together(Y[:20, :6], short, None) == {}


@pytest.mark.parametrize(
    ("plan", "options", "design", "said"),
    [
        (Plan(10, 20, 5, 20), {}, "its", "needs 8 a side"),
        (Plan(10, 20, 4, 4), {"impact": "level"}, "its", "no autocorrelation can be estimated"),
        (PLAN, {"errors": "arima"}, "its", "only `errors: ar1`"),
        (PLAN, {"waves": "each"}, "its", "`waves: each`"),
        (PLAN, {"impact": {"shape": "level", "lag": 40}}, "its", "no period of the plan shows"),
        (Plan(10, 0, 20, 20, waves=2), {}, "controlled_its", "no unit is left as a control"),
        (Plan(10, 20, 3, 20), {}, "synthetic_did", "4 are needed"),
        (Plan(10, 3, 20, 20), {}, "synthetic_did", "fewer than 4 donors"),
    ],
)
def test_a_plan_that_a_design_cannot_carry_is_refused_with_the_reason(plan, options, design, said):
    baseline = Options(59, 9, 4.3, 0.6).declaring(**options)
    found = planning.minimal(baseline, plan, (design,), 100)
    assert not found.found
    assert said in found.refused[design].what


def test_draws_that_share_their_months_are_refused_and_others_told():
    random = np.random.default_rng(1)
    Y = 59 + simulation.ar1(random, (60, 90), 0.6) + simulation.ar1(random, (90,), 0.6)
    panel = simulation.panel(simulation.Simulated(Y, np.where(np.arange(60) < 20, 89.0, np.nan)))
    baseline = planning.measured(panel)
    long = planning.minimal(baseline, Plan(20, 40, 40, 40), ("its", "controlled_its"), 100)
    assert list(long.found) == ["controlled_its"]
    assert "do not show how it varies" in long.refused["its"].what
    assert "shared=" in long.refused["its"].fix
    short = planning.minimal(baseline, Plan(20, 40, 20, 20), ("its",), 100)
    assert "50 beginnings" in " ".join(short.notes)
    more = planning.minimal(baseline, Plan(60, 120, 20, 20), ("its", "controlled_its"), 100)
    assert more.found["its"].divided == 1
    assert more.found["controlled_its"].divided == more.wider > 1
    assert "are not divided" in " ".join(more.notes)
    assert one(baseline.modelled(), Plan(20, 40, 40, 40), "its", 100).sizes["constant"] > 0


def test_an_effect_that_the_model_does_not_follow_is_said_not_to_be_found():
    """One that rises for a year and stays, under a change of level and slope over two years."""
    found = planning.minimal(STATED, Plan(30, 60, 24, 24), ("its",), 300)
    assert "building up" not in found.found["its"].sizes
    assert "the declared impact does not follow it" in tables.detectable(found).text
    assert "not found" in tables.detectable(found).text
    ramp = Options(59, 9, 4.3, 0.6).declaring(impact={"shape": "ramp", "over": 12})
    assert planning.minimal(ramp, Plan(30, 60, 24, 24), ("its",), 300).found["its"].sizes["building up"] > 0


# -- synthetic ---------------------------------------------------------------------------


@pytest.mark.parametrize("plan", [Plan(12, 20, 12, 8), Plan(12, 20, 10, 6, waves=2, spacing=3), Plan(3, 14, 12, 6)])
def test_synthetic_power_is_that_of_a_plain_loop_over_injected_panels(plan, monkeypatch):
    monkeypatch.setattr(synthetic, "DRAWS", 5)
    monkeypatch.setattr(synthetic, "BY_PLACEBO", 3)
    source, arrays = STATED.source(plan), plan.layout()
    run = synthetic.run(STATED, source, synthetic.blocks_of(plan, STATED), 100, 3)
    B = len(run.estimate)
    Y = source.courses(B, np.random.default_rng(3)) + series.common(source, B, 3)[:, None, :]
    since = np.arange(plan.length)[None, :] - np.nan_to_num(arrays.g, nan=np.inf)[:, None]
    rising = np.clip((np.where(np.isfinite(since), since, -1) + 1) / 12, 0, 1)
    for name, profile in (("constant", [(since >= 0) * 1.0] * B), ("building up", [rising] * B),
                          ("relative", 0.01 * Y * (since >= 0))):  # fmt: skip
        size = 2.5
        value, half = (run.estimate + size, run.half) if name == "constant" else run.moved[name](size)
        heads = [estimators.fit("synthetic_did", simulation.panel(simulation.Simulated(Y[b] + size * profile[b], arrays.g))).headline for b in range(B)]  # fmt: skip  # noqa: E501
        assert value == pytest.approx([h["estimate"] for h in heads], rel=1e-6)
        assert half == pytest.approx([(h["high"] - h["low"]) / 2 for h in heads], rel=1e-6)
    least = run.least("constant", 0.8, 1)
    found = [h["estimate"] - 2.5 + least for h in heads_of(Y, arrays, 2.5)]
    assert np.mean(np.array(found) >= run.half - 1e-9) >= 0.8


def heads_of(Y, arrays, size):
    since = np.arange(Y.shape[2])[None, :] - np.nan_to_num(arrays.g, nan=np.inf)[:, None]
    made = [simulation.panel(simulation.Simulated(y + size * (since >= 0), arrays.g)) for y in Y]
    return [estimators.fit("synthetic_did", panel).headline for panel in made]


def test_fewer_draws_are_said():
    found = planning.minimal(STATED, Plan(12, 20, 12, 8), ("group_time", "synthetic_did"), 200)
    assert [found.found[d].draws for d in ("group_time", "synthetic_did")] == [200, 100]
    assert "100 of 200 draws" in tables.detectable(found).text
    assert found.record()["designs"][1]["draws"] == 100
    varied = planning.vary(STATED, Plan(12, 20, 12, 8), ("group_time", "its"), 100)
    assert set(varied.sizes["design"]) == {"group_time", "its"}
    text = plots.planned(replace(varied, sizes=varied.sizes.assign(draws=np.where(varied.sizes["design"].eq("its"), 60, 100)))).html  # fmt: skip  # noqa: E501
    assert "Interrupted time series (60 draws)" in text


# -- the least effect --------------------------------------------------------------------


def test_least_sizes_by_hand():
    run = Injected("d", np.array([0.0, 1.0, -1.0, 5.0]), np.ones(4), np.full(4, 2.0), {"constant": np.full(4, 0.5)})
    assert run.least("constant", 0.5, 1) == 2.0  # needed: 4, 2, 6, 0
    assert run.least("constant", 0.75, 1) == 4.0
    assert run.least("constant", 0.75, -1) == 6.0  # needed: 4, 6, 2, 14
    half = np.full(4, 2.0)
    bent = replace(run, shift={}, moved={"rising": lambda r: (run.estimate + np.sign(r) * r**2 / 4, half)})
    assert bent.least("rising", 0.75, 1) == pytest.approx(np.sqrt(8), rel=5e-3)
    never = replace(run, moved={"rising": lambda r: (run.estimate * 0 + r, half + 2 * abs(r))})
    with pytest.raises(DesignError, match="the declared impact does not follow it"):
        never.least("rising", 0.75, 1)
