"""Does planning say what theory says, repeat itself, use untouched months only and refuse what cannot be?"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import SHARED
from scipy import stats

from evalkit import planning, plots, tables, workbench
from evalkit.errors import DesignError, RunError
from evalkit.estimators._did.layout import layout
from evalkit.panel import build
from evalkit.planning import Moments, Plan
from evalkit.planning.moments import fitted
from evalkit.planning.vary import VARIED, values
from evalkit.study import load

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
import did_panels as simulation

STATED = Moments(59, 9, 4.3, 0.6)
PLAN = Plan(30, 90, 12, 12)
BOTH = ("group_time", "imputation")
STUDIES = sorted(p.stem for p in (Path(__file__).parents[1] / "data" / "collaboratives").glob("*.yml"))


def panel_of(moments, n=150, T=30, joined=20, seed=5, g=None, **changes):
    """A panel simulated from moments; `joined` units join in the last period unless told otherwise."""
    random = np.random.default_rng(seed)
    level = moments.between * random.normal(size=(n, 1))
    Y = moments.mean + level + moments.within * simulation.ar1(random, (n, T), moments.rho)
    g = np.where(np.arange(n) < joined, T - 1.0, np.nan) if g is None else g
    return simulation.panel(simulation.Simulated(Y, g), **changes)


def size(baseline, plan, design="imputation", draws=1000, profile="constant"):
    return planning.minimal(baseline, plan, (design,), draws).found[design].sizes[profile]


# -- stated moments ----------------------------------------------------------------------


@pytest.mark.parametrize(("a", "b", "before", "after"), [(30, 90, 12, 12), (30, 30, 6, 18), (60, 40, 24, 3)])
def test_with_independent_errors_and_one_start_it_is_the_textbook_figure(a, b, before, after):
    found = planning.minimal(replace(STATED, rho=0.0), Plan(a, b, before, after), BOTH, 4000).found
    error = 4.3 * np.sqrt((1 / a + 1 / b) * (1 / before + 1 / after))
    one = found["imputation"]
    assert one.std_error == pytest.approx(error, rel=0.03)
    quantiles = stats.t.ppf(0.975, a + b - 1) + stats.norm.ppf(0.8)
    assert one.sizes["constant"] == pytest.approx(quantiles * error, abs=4 * one.sizes_error)
    assert one.false_positive == pytest.approx(0.05, abs=4 * one.monte_carlo)
    last = 4.3 * np.sqrt((1 / a + 1 / b) * (1 + 1 / after))  # group-time effects lean on the last month before alone
    assert found["group_time"].std_error == pytest.approx(last, rel=0.03)
    share = np.clip(np.arange(1, after + 1) / 12, 0, 1).mean()
    assert one.sizes["building up"] == pytest.approx(one.sizes["constant"] / share, rel=1e-6)
    assert one.sizes["relative"] == pytest.approx(one.sizes["constant"] / 0.59, rel=0.15)


def test_persistent_errors_make_it_larger():
    assert size(STATED, PLAN) > 1.3 * size(replace(STATED, rho=0.0), PLAN)


def test_more_units_and_more_months_find_smaller_effects():
    sizes = [size(STATED, replace(PLAN, joined=n)) for n in (10, 20, 40, 80)]
    assert (np.diff(sizes) < 0).all()
    sizes = [size(STATED, replace(PLAN, comparison=n)) for n in (15, 40, 160)]
    assert (np.diff(sizes) < 0).all()
    sizes = [size(STATED, replace(PLAN, before=n, after=n), draws=2000) for n in (3, 12, 48)]
    assert (np.diff(sizes) < 0).all()


def test_level_and_differences_between_units_do_not_matter_and_scale_does():
    moved = replace(STATED, mean=10_000.0, between=1.0)
    assert size(moved, PLAN) == pytest.approx(size(STATED, PLAN), rel=1e-6)
    assert size(replace(STATED, within=8.6), PLAN) == pytest.approx(2 * size(STATED, PLAN), rel=1e-6)


def test_the_same_seed_repeats_exactly_and_another_does_not():
    one, two = (planning.minimal(STATED, PLAN, BOTH, 200).record() for _ in range(2))
    assert one == two
    assert planning.minimal(STATED, PLAN, BOTH, 200, seed=1).record() != one


def test_a_relative_effect_is_left_out_where_outcomes_take_both_signs():
    sizes = planning.minimal(replace(STATED, mean=5.0), PLAN, ("imputation",), 200).found["imputation"].sizes
    assert set(sizes) == {"constant", "building up"}


def test_moments_are_found_again():
    """Plain residual moments would be too small: unit and period effects take from both."""
    random = np.random.default_rng(3)
    for rho in (0.0, 0.6, 0.9):
        Y = 59 + 9 * random.normal(size=(400, 1)) + 4.3 * simulation.ar1(random, (400, 30), rho)
        Y += random.normal(size=30)
        seen = random.random(Y.shape) > 0.05
        found = fitted(np.where(seen, Y, 0.0), seen)
        assert found["within"] == pytest.approx(4.3, rel=0.06)
        assert found["rho"] == pytest.approx(rho, abs=0.03)
        assert found["mean"] == pytest.approx(59, abs=2)
        assert found["between"] == pytest.approx(9, rel=0.15)
    with pytest.raises(DesignError, match="too few"):
        fitted(Y[:2, :4], np.ones((2, 4), bool))
    with pytest.raises(DesignError, match="do not vary"):
        fitted(np.ones((9, 9)), np.ones((9, 9), bool))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("mean=59", "between, within, rho not stated"),
        ("mean=59,between=9,within=4.3,rho=x", "'x' is no number for rho"),
        ("mean=59,between=9,within=4.3,rho=0.6,rho=0.7", "rho is given twice"),
        ("mean=59,sd=9", "'sd=9' is not one of"),
        ("", "'' is not one of"),
        ("mean=59,between=9,within=0,rho=0.6", "within is not above 0"),
        ("mean=59,between=-9,within=4.3,rho=0.6", "between is negative"),
        ("mean=59,between=9,within=4.3,rho=1", "rho is not between"),
        ("mean=nan,between=9,within=4.3,rho=0", "mean is not a finite number"),
    ],
)
def test_moments_that_cannot_be_are_refused(text, said):
    with pytest.raises((RunError, DesignError)) as refused:
        planning.parse(text)
    assert said in str(refused.value)


# -- plans -------------------------------------------------------------------------------


def test_a_plan_makes_equal_waves_equally_far_apart():
    plan = Plan(11, 0, 5, 4, waves=3, spacing=2, transition=1)
    assert plan.sizes.tolist() == [4, 4, 3]
    assert plan.starts.tolist() == [5, 7, 9]
    assert plan.length == 5 + 4 + 1 + 4
    arrays = plan.layout()
    assert arrays.Y.shape == (11, 14)
    assert (arrays.phases[2] == "transition").sum() == 1
    assert (arrays.phases[2] == "post").sum() == 4
    assert (arrays.phases[0] == "post").sum() == 8


@pytest.mark.parametrize(
    ("numbers", "said"),
    [
        ((1, 9, 5, 5), "not between 2"),
        ((5, 9, 5, 5, 3), "cannot form 3 waves of at least 2"),
        ((5, 0, 5, 5), "no unit to compare with"),
        ((5, 1, 5, 5, 2), "one unit only to compare with"),
        ((5, 9, 0, 5), "0 is not between 1"),
        ((5, 9, 5, -1), "-1 is not between 1"),
        ((5.5, 9, 5, 5), "5.5 is not a whole number"),
        ((True, 9, 5, 5), "True is not a whole number"),
        ((5, 10**9, 5, 5), "1000000000 is not between"),
        ((400, 400, 500, 500), "the plan takes 1000 periods"),
    ],
)
def test_a_plan_that_cannot_be_is_refused(numbers, said):
    with pytest.raises(DesignError) as refused:
        Plan(*numbers)
    assert said in str(refused.value)


@pytest.mark.parametrize("study", STUDIES)
def test_a_study_plans_by_its_own_rollout(study):
    panel = workbench.open_baseline(study)
    plan = planning.plan_of(panel)
    assert (plan.joined, plan.comparison, plan.waves) == (len(panel.joined), len(panel.never), len(panel.cohorts))
    assert plan.length <= len(panel.study.window)
    assert planning.plan_of(panel, joined=12, comparison=9, waves=1).sizes.tolist() == [12]


def test_waves_of_single_units_are_put_together():
    g = np.full(40, np.nan)
    g[:9] = 8 + np.arange(9)
    plan = planning.plan_of(panel_of(STATED, n=40, g=g))
    assert (plan.waves, plan.spacing, plan.joined) == (4, 2, 9)


def test_it_can_be_planned_before_anybody_has_joined(make):
    random = np.random.default_rng(0)
    months = pd.period_range("2018-01", periods=24, freq="M").astype(str)
    rows = pd.DataFrame([(f"U{i}", m, 50 + random.normal()) for i in range(40) for m in months],
                        columns=["unit", "period", "y"])  # fmt: skip
    study = make.study(rows, pd.DataFrame({"unit": [f"U{i}" for i in range(40)], "joined": ""}))
    panel = build(study, started=False)
    plan = planning.plan_of(panel)
    assert (plan.joined, plan.comparison, plan.length) == (10, 30, 24)
    found = planning.minimal(planning.measured(panel), plan, draws=200)
    assert set(found.found) == {"group_time", "imputation", "event_study"}


# -- a baseline panel --------------------------------------------------------------------


def test_a_panel_simulated_from_moments_gives_what_the_moments_give():
    plan = Plan(30, 90, 8, 8, waves=2, spacing=3)
    drawn = planning.minimal(planning.measured(panel_of(STATED, n=400, T=40)), plan, BOTH)
    stated = planning.minimal(STATED, plan, BOTH)
    assert drawn.wider == 1
    for design in BOTH:
        assert drawn.found[design].std_error == pytest.approx(stated.found[design].std_error, rel=0.05)
        assert drawn.found[design].sizes["constant"] == pytest.approx(
            stated.found[design].sizes["constant"], rel=0.08
        )


def test_only_untouched_months_play_a_part():
    g = np.where(np.arange(80) < 30, 15.0, np.nan)
    panel = panel_of(STATED, n=80, g=g)
    spoilt = panel.with_rows(panel.rows.assign(value=panel.rows["value"].where(panel.rows["phase"].ne("post"), 1e6)))
    plan = Plan(20, 40, 6, 6)
    one, two = (planning.minimal(planning.measured(p), plan, BOTH, 200).record() for p in (panel, spoilt))
    assert one == two


def test_draws_are_the_data_and_begin_at_different_dates():
    panel = panel_of(STATED, n=60)
    baseline = planning.measured(panel)
    source = baseline.source(Plan(10, 30, 6, 6))
    Y = source.courses(50, np.random.default_rng(0))
    assert Y.shape == (50, 40, 12)
    real = layout(panel).Y
    firsts = set()
    for unit in Y[:, 0]:
        place = [(i, s) for i in range(60) for s in range(19) if np.array_equal(real[i, s : s + 12], unit)]
        assert len(place) == 1
        firsts.add(place[0][1])
    assert len(firsts) > 10
    assert all(len({tuple(u) for u in draw}) == 40 for draw in Y)  # nobody twice


def test_names_and_the_order_of_rows_do_not_matter():
    panel = panel_of(STATED, n=60)
    names = dict(zip(panel.units.index, reversed(panel.units.index.tolist()), strict=True))
    rows = panel.rows.rename(index=names, level="unit").sort_index()
    units = panel.units.rename(index=names).sort_index()
    other = replace(panel, rows=rows, units=units.assign(cluster=units.index))
    one, two = (planning.minimal(planning.measured(p), Plan(10, 30, 6, 6), BOTH, 200).found for p in (panel, other))
    for design in BOTH:
        assert one[design].sizes["constant"] == pytest.approx(two[design].sizes["constant"], rel=1e-8)


def test_more_units_than_there_are_scale_and_are_not_copied():
    baseline = planning.measured(panel_of(STATED, n=100))
    found = planning.minimal(baseline, Plan(60, 180, 8, 8), BOTH)
    assert baseline.source(found.plan).plan == Plan(25, 75, 8, 8)
    assert found.wider == pytest.approx(np.sqrt(2.4))
    assert "more than there are" in found.source
    inside = planning.minimal(baseline, Plan(25, 75, 8, 8), BOTH)
    for design in BOTH:
        assert found.found[design].std_error == pytest.approx(inside.found[design].std_error / np.sqrt(2.4))
    everybody = baseline.source(Plan(200, 0, 6, 6, waves=2, spacing=3))
    assert (everybody.plan.joined, everybody.plan.comparison) == (100, 0)
    assert everybody.wider == pytest.approx(np.sqrt(2))


def test_more_months_than_there_are_are_refused_with_how_many_there_are():
    baseline = planning.measured(panel_of(STATED, n=60, T=30))
    found = planning.minimal(baseline, Plan(10, 30, 20, 20), BOTH)
    assert found.found == {}
    fault = found.refused["imputation"]
    assert "takes 40 months in a row, and no unit has more than 30" in fault.what
    assert "mean=" in fault.fix
    assert "Nothing can be said" in tables.detectable(found).text
    again = planning.minimal(baseline.modelled(), Plan(10, 30, 20, 20), BOTH, 200)
    assert set(again.found) == set(BOTH)
    assert "simulated from the moments" in tables.detectable(again).text


def test_too_few_units_for_the_waves_are_refused():
    baseline = planning.measured(panel_of(STATED, n=10, joined=2))
    fault = planning.minimal(baseline, Plan(30, 30, 4, 4, waves=8), BOTH).refused["group_time"]
    assert "10 units with 15 untouched months in a row cannot form 8 waves" in fault.what


def test_a_gap_keeps_a_unit_out_of_the_months_around_it():
    panel = panel_of(STATED, n=40)
    rows = panel.rows.drop(index=panel.rows.index[(panel.rows["t"] == 10) & (np.arange(len(panel.rows)) < 30 * 20)])
    baseline = planning.measured(panel.with_rows(rows))
    Y = baseline.source(Plan(5, 10, 6, 6)).courses(200, np.random.default_rng(0))
    assert not (Y == 0).any()


def test_clusters_of_several_units_are_refused():
    panel = panel_of(STATED, n=60)
    clustered = replace(panel, units=panel.units.assign(cluster=np.arange(60) // 3))
    baseline = planning.measured(clustered)
    for one in (baseline, baseline.modelled()):
        assert "groups of several units" in planning.minimal(one, Plan(10, 30, 6, 6)).refused["group_time"].what


# -- designs -----------------------------------------------------------------------------


def test_designs_that_do_not_suit_are_refused_with_the_reason():
    waves = replace(PLAN, waves=2, spacing=3)
    found = planning.minimal(STATED, waves, ("twoway", "event_study", "imputation"), 200)
    assert list(found.found) == ["imputation"]
    assert "already joined" in found.refused["twoway"].what
    assert "joined at once" in found.refused["event_study"].what
    with pytest.raises(DesignError, match="cannot be planned here"):
        planning.minimal(STATED, PLAN, ("its_pooled",))
    with pytest.raises(DesignError, match="no design called 'group_tme'"):
        planning.minimal(STATED, PLAN, ("group_tme",))
    with pytest.raises(DesignError, match="5 draws are not between"):
        planning.minimal(STATED, PLAN, BOTH, 5)
    baseline = planning.measured(panel_of(STATED, comparison="never_joined"))
    alone = planning.minimal(baseline, Plan(40, 0, 6, 6, waves=2, spacing=3), ("group_time",), 200)
    assert "the plan has none" in alone.refused["group_time"].what
    never = planning.minimal(baseline, Plan(20, 40, 6, 6, waves=2, spacing=3), draws=200)
    assert set(never.found) == {"group_time", "interaction_weighted"}
    assert "learns from later waves" in never.refused["imputation"].what
    assert planning.carrying(baseline, never.plan) == ("group_time", "interaction_weighted")
    assert planning.carrying(STATED, PLAN) == BOTH


def test_one_thing_is_changed_at_a_time_and_told():
    told = []
    found = planning.vary(STATED, PLAN, BOTH, 200, progress=told.append)
    assert tuple(told) == VARIED
    assert found.sizes.notna().all().all()
    for name in VARIED:
        part = found.sizes[found.sizes["varied"].eq(name)]
        assert sorted(part["value"].unique()) == values(PLAN, name)
        own = part[part["own"] & part["design"].eq("imputation") & part["profile"].eq("constant")]
        assert own["size"].iloc[0] == size(STATED, PLAN, draws=200)
    baseline = planning.measured(panel_of(STATED, n=60))
    for shown in (found, baseline, baseline.modelled(), planning.minimal(STATED, PLAN, BOTH, 200)):
        assert "DataFrame" not in repr(shown)
        assert len(repr(shown)) < 250
    figure = plots.planned(found, "joined")
    assert "A line for each design" in figure.text
    assert "simulated from stated moments" in figure.text
    assert "<table" in figure.html
    table = tables.varied(found).text
    assert "Units that join: 30 (the plan)" in table
    assert values(Plan(40, 0, 6, 6, waves=2), "comparison") == [0, 10, 20, 40]


def test_what_cannot_be_varied_is_shown_as_refused():
    baseline = planning.measured(panel_of(STATED, n=60, T=30))
    found = planning.vary(baseline, Plan(10, 30, 12, 12), BOTH, 200)
    assert "refused" in tables.varied(found).text
    assert "no unit has more than 30" in tables.varied(found).text
    none = planning.vary(baseline, Plan(10, 30, 60, 60), BOTH, 200)
    assert plots.planned(none, "joined").text.startswith("No figure: units that join could not be varied")
    assert tables.varied(none).text.startswith("Nothing can be said")


# -- real data ---------------------------------------------------------------------------

DATA = SHARED / "data" / "nhs"
PARTS, LATE = ["att_type1", "att_booked_type1"], ["over4h_type1", "over4h_booked_type1"]
REAL = {
    "Type 1": (
        "ae_monthly_provider_2020_2026.csv",
        {"numerator": {"plus": PARTS, "minus": LATE}, "denominator": {"plus": PARTS}},
        {"missing_where": [{"column": "crs_field_test_blank", "equals": 1, "why": "field test"}], "zeros": "missing"},
    ),
    "18 weeks": (
        "rtt_incomplete_provider_2021_2026.csv",
        {"numerator": "within_18wk", "denominator": "total_incomplete"},
        {"period": "month_start", "zeros": "keep"},
    ),
}  # fmt: skip


@pytest.mark.skipif(not DATA.is_dir(), reason="the national files are not in this checkout")
@pytest.mark.parametrize(
    ("outcome", "joined", "design", "low", "high"),
    [
        ("Type 1", 30, "group_time", 2.2, 2.8),
        ("Type 1", 30, "imputation", 2.2, 2.8),
        ("Type 1", 10, "group_time", 3.4, 4.1),
        ("18 weeks", 30, "imputation", 1.7, 2.6),
        ("18 weeks", 10, "imputation", 2.7, 3.9),
    ],
)
def test_real_trusts_give_the_published_order_of_size(tmp_path, outcome, joined, design, low, high):
    """Measured before: 2.4 to 2.5 and 2.0 points with 30 joined of about 120 trusts, 3.6 to 3.9 and 3.1 with 10."""
    file, columns, source = REAL[outcome]
    listed = ["RTE"] if outcome == "Type 1" else pd.read_csv(DATA / "trust_catchment_imd.csv")["org_code"]
    pd.DataFrame({"unit": listed, "joined": ""}).to_csv(tmp_path / "rollout.csv", index=False)
    unlisted = "never_joined" if outcome == "Type 1" else "leave_out"
    content = {
        "title": "National file",
        "question": "What could be detected?",
        "source": {"reader": "csv", "path": str(DATA / file), "unit": "org_code", "gaps": "allow", **source},
        "rollout": {"path": "rollout.csv", "unlisted": unlisted},
        "window": ["2022-04", "2026-02"],
        "outcomes": [{"name": "share", "kind": "proportion", "better": "higher", "role": "primary", **columns}],
    }
    (tmp_path / "n.yml").write_text(json.dumps(content), encoding="utf-8")
    baseline = planning.measured(build(load(tmp_path / "n.yml"), started=False))
    found = planning.minimal(baseline, Plan(joined, 122 - joined, 12, 12), (design,))
    assert low < found.found[design].sizes["constant"] < high
    assert found.found[design].false_positive < 0.11


def test_an_outcome_that_does_not_vary_is_refused_and_not_detected_at_nought():
    flat = panel_of(replace(STATED, between=1e-9, within=1e-9), n=40)
    rows = flat.rows.assign(value=5.0)
    found = planning.minimal(planning.measured(flat.with_rows(rows)), Plan(10, 20, 8, 8), BOTH, 100)
    assert not found.found
    assert all("does not vary" in fault.what for fault in found.refused.values())


def test_a_wave_in_the_first_period_is_in_no_plan():
    """It has no period before it, and a plan with it would outrun the study."""
    n, T = 60, 24
    g = np.full(n, np.nan)
    g[:10], g[10:20] = 0.0, 12.0
    plan = planning.plan_of(panel_of(STATED, n=n, T=T, g=g))
    assert (plan.joined, plan.waves, plan.before) == (10, 1, 12)
    assert plan.length <= T
