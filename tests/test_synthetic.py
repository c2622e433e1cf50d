"""Do the synthetic designs weigh, judge and refuse as they say?"""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize

from evalkit import checks, estimators, plots, tables
from evalkit.errors import DesignError
from evalkit.estimate import Refusal
from evalkit.estimators._synthetic import guess
from evalkit.estimators._synthetic.blocks import Block, blocks
from evalkit.estimators._synthetic.recipes import classical, difference, ridge_augmented
from evalkit.estimators._synthetic.replicates import Fitted, placebos
from evalkit.estimators._synthetic.runs import Quantities, after, postfit, prefit, run
from evalkit.estimators._synthetic.simplex import simplex
from evalkit.estimators._synthetic.timewise import Series, conformal_interval, conformal_p

SYNTHETIC = ["synthetic_control", "augmented_synthetic_control", "synthetic_did"]
PERIODS = pd.period_range("2018-01", periods=40, freq="M")
EFFECT = 4.0


def made(units=16, waves=((24, 1),), noise=0.4, seed=3, build=0.0):
    """Two shared factors with loadings by unit; `waves` are (column of joining, units); the effect may build up."""
    random = np.random.default_rng(seed)
    factors = np.cumsum(random.normal(size=(2, 40)), axis=1) / 2
    y = 50 + random.normal(size=(units, 2)) @ factors + 5 * random.normal(size=(units, 1))
    y += noise * random.normal(size=(units, 40))
    joined, first, truth = [""] * units, 0, []
    for column, size in waves:
        for unit in range(first, first + size):
            joined[unit] = str(PERIODS[column])
            effect = EFFECT + build * np.arange(40 - column)
            y[unit, column:] += effect
            truth.append(effect)
        first += size
    names = [f"U{i:02d}" for i in range(units)]
    rows = pd.DataFrame(
        [(u, str(p), v) for u, r in zip(names, y, strict=True) for p, v in zip(PERIODS, r, strict=True)]
    )
    rows.columns = ["unit", "period", "y"]
    return rows, pd.DataFrame({"unit": names, "joined": joined}), np.concatenate(truth).mean()


@pytest.fixture
def panel(make):
    def built(rows, rollout, **changes):
        few = {design: {"replications": 50} for design in SYNTHETIC}  # enough for what is asked here, and quicker
        given = {"window": ["2018-01", "2021-04"], "horizons": [6], "model": few, **changes}
        return make.panel(rows, rollout, **given)

    return built


# -- weights -------------------------------------------------------------------


SHAPES = [(12, 30, 0.0), (40, 12, 0.0), (60, 24, 5.0), (200, 10, 0.0), (8, 8, 1e-3), (30, 30, 40.0), (2, 9, 0.0)]


@pytest.mark.parametrize(("columns", "rows", "ridge"), SHAPES)
@pytest.mark.parametrize("seed", range(5))
def test_weights_meet_the_conditions_of_the_optimum(columns, rows, ridge, seed):
    """At the optimum every weighted column gains alike, and no other would gain more."""
    random = np.random.default_rng(seed)
    A = random.normal(size=(rows, 3)) @ random.normal(size=(3, columns)) + random.normal(size=(rows, columns))
    b = A[:, 0] * 0.4 + random.normal(size=rows) + 3.0
    w = simplex(A, b, ridge)
    gain = A.T @ (b - A @ w) - ridge * w
    assert w.sum() == pytest.approx(1, abs=1e-12)
    assert w.min() >= 0
    inside = gain[w > 0]
    assert np.ptp(inside) <= 1e-8 * (1 + np.abs(gain).max())
    assert (gain[w == 0] <= inside.mean() + 1e-8 * (1 + np.abs(gain).max())).all()


def test_where_to_begin_does_not_move_the_optimum():
    random = np.random.default_rng(1)
    A, b = random.normal(size=(20, 15)), random.normal(size=20)
    for start in np.eye(15, dtype=bool):
        assert simplex(A, b, 0.0, start) == pytest.approx(simplex(A, b, 0.0), abs=1e-10)


def test_a_course_inside_the_donors_range_is_matched_and_copies_share_alike():
    random = np.random.default_rng(2)
    A = random.normal(size=(6, 4))
    assert simplex(A, A @ [0.5, 0.3, 0.2, 0.0], 0.0) == pytest.approx([0.5, 0.3, 0.2, 0.0], abs=1e-9)
    twice = np.column_stack([A, A])
    w = simplex(twice, A @ [0.5, 0.3, 0.2, 0.0], 0.0)
    assert w[:4] + w[4:] == pytest.approx([0.5, 0.3, 0.2, 0.0], abs=1e-6)
    assert w[:4] == pytest.approx(w[4:], abs=1e-3)  # the ridge of next to nought shares them out
    assert simplex(np.ones((5, 3)), np.arange(5.0), 0.0) == pytest.approx([1 / 3] * 3)


STACKS = {
    "a ridge": (12, 20, 9.0),
    "a ridge and many columns": (30, 10, 2.0),
    "no ridge": (12, 20, 0.0),
    "perfect fits": (30, 6, 1e-3),
    "perfect fits without a ridge": (30, 6, 0.0),
}


@pytest.mark.parametrize(("columns", "rows", "ridge"), STACKS.values(), ids=STACKS)
def test_a_stack_of_problems_has_the_weights_of_each_alone(columns, rows, ridge):
    random = np.random.default_rng(4)
    A = np.swapaxes(random.normal(size=(9, columns, rows)), 1, 2) + random.normal(size=(rows, 1))
    A[3] = 2.0  # all columns alike
    b = A[:, :, :2].mean(axis=2) + (0 if rows < columns else 1) * random.normal(size=(9, rows))
    ridges = ridge * (1 + np.arange(9.0))
    for start in random.random((2, 9, columns)) < 0.3:  # perfect fits are mended from where they begin
        found = simplex(A, b, ridges, start)
        alone = [simplex(*one) for one in zip(A, b, ridges, start, strict=True)]
        assert np.array_equal(found, alone)
        assert found[3] == pytest.approx(1 / columns)


def test_supports_guessed_together_are_those_of_the_optimum():
    random = np.random.default_rng(5)
    A, b = random.normal(size=(40, 20, 12)), random.normal(size=(40, 20))
    support, sure = guess.together(A, b, np.full(40, 3.0), random.random((40, 12)) < 0.5)
    right = np.array([simplex(one, y, 3.0) > 0 for one, y in zip(A, b, strict=True)])
    assert sure.mean() > 0.9
    assert (support[sure] == right[sure]).all()
    y = A[:, :, :3].mean(axis=2)
    assert not guess.together(A, y, np.full(40, 1e-12), np.ones((40, 12), bool))[1].any()  # perfect, so not sure


@pytest.mark.parametrize("seed", [2, 5, 9, 10, 16])
def test_among_perfect_fits_the_weights_are_the_most_even_wherever_the_search_begins(seed):
    random = np.random.default_rng(seed)
    A = random.normal(size=(10, 23))
    A -= A.mean(axis=0)  # levels taken out: rows that add up to nothing
    b = A @ random.dirichlet(np.full(23, 0.3))
    found = simplex(A, b, 0.0)
    for share in (0.1, 0.3, 0.6, 0.9):
        np.testing.assert_array_equal(simplex(A, b, 0.0, random.random(23) < share), found)
    fits = [{"type": "eq", "fun": lambda w: A[1:] @ w - b[1:]}, {"type": "eq", "fun": lambda w: w.sum() - 1}]
    even = minimize(
        lambda w: w @ w, np.full(23, 1 / 23), jac=lambda w: 2 * w, method="SLSQP", bounds=[(0, 1)] * 23,
        constraints=fits, options={"ftol": 1e-14, "maxiter": 500},
    )  # fmt: skip
    assert np.abs(A @ found - b).max() < 1e-7
    np.testing.assert_allclose(found, even.x, atol=1e-5)  # that search stops there


def test_weights_that_are_kept_are_not_changed_by_whoever_asked_for_them():
    random = np.random.default_rng(6)
    A, b = random.normal(size=(3, 9, 5)), random.normal(size=(3, 9))
    first = simplex(A, b, 0.0)
    kept = first.copy()
    first[:] = np.nan
    assert np.array_equal(simplex(A, b, 0.0), kept)


@pytest.mark.parametrize(
    "recipe", [difference, classical(levels=True), classical(levels=False), ridge_augmented(levels=True, penalty=0.1)]
)
def test_placebos_in_a_stack_are_those_fitted_one_by_one(recipe):
    """Two waves, the first with the second among its donors: who plays it is a donor in its stead."""
    random = np.random.default_rng(7)
    Y = np.cumsum(random.normal(size=(14, 30)), axis=1)
    early, late = np.array([0, 1]), np.array([2])
    blocks = [
        Block(15, early, np.arange(2, 14), np.arange(15), np.arange(16, 20), np.array([15]), 0.4),
        Block(15, early, np.arange(3, 14), np.arange(15), np.arange(20, 30), np.array([15]), 0.6),
        Block(20, late, np.arange(3, 14), np.delete(np.arange(20), 7), np.arange(20, 30), np.empty(0, int)),
    ]
    quantities = Quantities(after(blocks, 30).reshape(1, -1) * 1.0)
    fitted = Fitted(Y, blocks, [recipe] * 3, run(Y, blocks, [recipe] * 3), quantities)
    found = placebos(fitted, np.arange(3, 14), np.array([0, 1, 2]), 12)
    for k, (one, other, later) in enumerate(found.who.tolist()):
        never = [u for u in range(3, 14) if u not in (one, other, later)]
        played = [
            dataclasses.replace(blocks[0], joined=np.array([one, other]), donors=np.array([later, *never])),
            dataclasses.replace(blocks[1], joined=np.array([one, other]), donors=np.array(never)),
            dataclasses.replace(blocks[2], joined=np.array([later]), donors=np.array(never)),
        ]
        alone = run(Y, played, fitted.recipes)
        assert found.figures[k] == pytest.approx(quantities.of(alone.gaps, alone.units), rel=1e-12)
        before = prefit(alone, played, levels=True)
        assert found.fit[k] == pytest.approx(float(before), rel=1e-12)
        assert found.ratio[k] == pytest.approx(float(postfit(alone, played) / before), rel=1e-12)


# -- estimates -----------------------------------------------------------------


@pytest.mark.parametrize("design", SYNTHETIC)
def test_frames_hang_together(panel, design):
    found = estimators.fit(design, panel(*made()[:2]))
    units = found.weights[found.weights["kind"].eq("unit")]
    assert units["weight"].sum() == pytest.approx(1, abs=1e-4)
    assert found.headline["estimate"] == pytest.approx(EFFECT, abs=1.0)
    path = found.path
    post = path["phase"].eq("post")
    assert path.loc[post, "effect"].mean() == pytest.approx(found.headline["estimate"])
    assert (path["observed"] - path["counterfactual"])[post].to_numpy() == pytest.approx(path.loc[post, "effect"])
    assert path.loc[~post, "counterfactual"].isna().all()
    later = found.events["event_time"].ge(0)
    assert found.events.loc[later, "estimate"].to_numpy() == pytest.approx(path.loc[post, "effect"].to_numpy())
    assert np.sqrt(np.diag(found.covariance)) == pytest.approx(found.events["std_error"].to_numpy())
    assert len(found.placebos) == found.counts["placebos"] == 15
    assert found.headline["std_error"] == pytest.approx(found.placebos["estimate"].std(ddof=0))
    assert found.headline["df"] == 14
    rank = (1 + (found.placebos["estimate"].abs() >= abs(found.headline["estimate"])).sum()) / 16
    assert found.diagnostics["placebo_p"] == pytest.approx(rank)


def test_the_classical_method_counts_a_level_it_cannot_reach_as_effect(panel):
    """A unit below all donors: why levels are taken out by default."""
    rows, rollout, _ = made()
    low = rows.assign(y=rows["y"] - 60 * rows["unit"].eq("U00"))
    own = estimators.fit("synthetic_control", panel(low, rollout))
    assert own.headline["estimate"] == pytest.approx(EFFECT, abs=1.0)
    matched = estimators.fit(
        "synthetic_control", panel(low, rollout, model={"synthetic_control": {"levels": "matched"}})
    )
    assert matched.headline["estimate"] < -20
    assert any("poor stand-in" in w for w in matched.warnings)
    assert checks.synthetic_fit(matched).verdict == "concern"


@pytest.mark.parametrize("design", SYNTHETIC)
@pytest.mark.parametrize("comparison", ["never_joined", "not_yet_joined"])
def test_waves_with_effects_that_differ_are_recovered(panel, design, comparison):
    rows, rollout, truth = made(30, ((16, 3), (22, 4), (28, 3)), noise=0.1, build=0.2)
    found = estimators.fit(design, panel(rows, rollout, comparison=comparison))
    assert found.headline["estimate"] == pytest.approx(truth, abs=0.4)
    expected = {k: EFFECT + 0.2 * k for k in (0, 5, 11)}
    events = found.events.set_index("event_time")["estimate"]
    for k, effect in expected.items():
        assert events[k] == pytest.approx(effect, abs=0.6)
    assert list(found.groups["units"]) == [3, 4, 3]
    sizes = np.array([3 * 24, 4 * 18, 3 * 12])
    assert found.groups["estimate"].to_numpy() @ sizes / sizes.sum() == pytest.approx(found.headline["estimate"])
    assert found.counts["waves"] == 3


def test_no_joined_unit_is_a_donor_once_it_has_joined(panel):
    rows, rollout, _ = made(30, ((16, 3), (22, 4), (28, 3)))
    built = panel(rows, rollout, comparison="not_yet_joined", transition=2)
    Y, g = built.value_matrix()
    found = blocks(built, Y, g, 8)
    assert len(found.found) == 3 + 2 + 1
    for block in found.found:
        assert not (g[block.donors] <= block.after.max()).any()
        assert block.after.min() >= block.cohort + 2
        assert block.before.max() < block.cohort
    first = [b for b in found.found if b.cohort == 16]
    assert sum(b.share for b in first) == pytest.approx(1)
    assert [int((~np.isnan(g[b.donors])).sum()) for b in first] == [7, 3, 0]
    assert sorted(np.concatenate([b.after for b in first])) == list(range(18, 40))
    never = blocks(panel(rows, rollout, comparison="never_joined"), Y, g, 8)
    assert all(np.isnan(g[b.donors]).all() for b in never.found)


def test_a_transition_and_an_exclusion_are_in_no_weight_and_no_average(panel):
    """Whatever stands in those periods, the average stays."""
    rows, rollout, _ = made()
    changes = {"transition": 3, "exclude": [{"from": "2019-03", "to": "2019-06", "why": "x"}]}
    wild = rows["period"].between("2019-03", "2019-06") | (
        rows["period"].between("2020-01", "2020-03") & rows["unit"].eq("U00")
    )
    for design in SYNTHETIC:
        plain = estimators.fit(design, panel(rows, rollout, **changes))
        moved = estimators.fit(design, panel(rows.assign(y=rows["y"] + 500 * wild), rollout, **changes))
        assert moved.headline["estimate"] == pytest.approx(plain.headline["estimate"], rel=1e-9)
        assert moved.headline["std_error"] == pytest.approx(plain.headline["std_error"], rel=1e-9)
        assert set(plain.events.loc[plain.events["phase"].eq("transition"), "event_time"]) == {0, 1, 2}


# -- what is missing ---------------------------------------------------------------


def test_a_donor_with_a_gap_is_dropped_and_named(panel):
    rows, rollout, _ = made()
    less = rows[~((rows["unit"] == "U05") & (rows["period"] == "2019-02"))]
    allow = {"source": {"reader": "csv", "path": "panel.csv", "gaps": "allow"}}
    found = estimators.fit("synthetic_control", panel(less, rollout, **allow))
    assert any("not seen in every period that is used: U05." in w for w in found.warnings)
    assert found.counts["donors"] == 14
    without = estimators.fit(
        "synthetic_control", panel(rows[rows["unit"] != "U05"], rollout[rollout["unit"] != "U05"])
    )
    assert found.headline["estimate"] == pytest.approx(without.headline["estimate"], rel=1e-12)


def test_a_period_in_which_the_joined_unit_is_not_seen_is_left_out_and_said(panel):
    rows, rollout, _ = made()
    less = rows[~((rows["unit"] == "U00") & rows["period"].isin(["2019-02", "2020-11"]))]
    allow = {"source": {"reader": "csv", "path": "panel.csv", "gaps": "allow"}}
    found = estimators.fit("synthetic_did", panel(less, rollout, **allow))
    assert found.counts["periods before joining"] == 23
    assert any("were not seen: 2019-02, 2020-11 (2 months)." in w for w in found.warnings)
    assert 10 not in set(found.events["event_time"])


def test_a_joined_unit_hardly_seen_is_left_out_and_named(panel):
    rows, rollout, _ = made(waves=((24, 3),))
    less = rows[~((rows["unit"] == "U01") & (rows["period"] > "2020-03"))]
    allow = {"source": {"reader": "csv", "path": "panel.csv", "gaps": "allow"}}
    found = estimators.fit("synthetic_did", panel(less, rollout, **allow))
    assert found.counts["joined units"] == 2
    assert any("seen in fewer than half of the periods: U01." in w for w in found.warnings)


REFUSED = {
    "seven periods before": (made(waves=((7, 1),)), {}, "8 are needed", SYNTHETIC[:2]),
    "three periods before": (made(waves=((3, 1),)), {}, "4 are needed", ["synthetic_did"]),
    "three donors": (made(units=4), {}, "fewer than 4 donors", SYNTHETIC),
    "nobody else": (made(units=3, waves=((24, 3),)), {}, "fewer than 4 donors", SYNTHETIC),
    "no comparison": (made(), {"comparison": "none"}, "there is no comparison", SYNTHETIC),
    "waves shifted in time": (
        made(20, ((20, 2), (26, 2))),
        {"model": {d: {"inference": "conformal"} for d in SYNTHETIC[:2]}},
        "conformal intervals are for one wave",
        SYNTHETIC[:2],
    ),
    "a level out of reach": (
        made(),
        {"level": 0.99, "model": {d: {"inference": "conformal"} for d in SYNTHETIC[:2]}},
        "no conformal p-value is below 0.01",
        SYNTHETIC[:2],
    ),
    "one unit to leave out": (
        made(),
        {"model": {d: {"inference": "jackknife"} for d in SYNTHETIC}},
        "leaving it out leaves nobody",
        SYNTHETIC,
    ),
    "placebos too few": (
        made(units=12, waves=((24, 6),)),
        {"model": {d: {"inference": "placebo"} for d in SYNTHETIC}},
        "cannot stand in for 6",
        SYNTHETIC,
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_said_is_refused_with_the_reason(panel, case):
    (rows, rollout, _), changes, why, designs = REFUSED[case]
    built = panel(rows, rollout, **changes)
    for design in designs:
        with pytest.raises(DesignError, match=why) as refused:
            estimators.fit(design, built)
        assert all(fault.fix for fault in refused.value.faults)


# -- how sure --------------------------------------------------------------------


def test_a_conformal_interval_holds_what_its_test_does_not_reject(panel):
    found = estimators.fit(
        "synthetic_control", panel(*made()[:2], model={"synthetic_control": {"inference": "conformal"}})
    )
    plain = estimators.fit("synthetic_control", panel(*made()[:2]))
    head = found.headline
    assert head["estimate"] == plain.headline["estimate"]
    assert head["std_error"] == plain.headline["std_error"]
    assert head["low"] < EFFECT < head["high"]
    rows, _, _ = made()
    Y = rows.pivot(index="unit", columns="period", values="y").to_numpy()
    series = Series(Y[1:], Y[0], 24, 1)
    low, high = conformal_interval(series, classical(levels=True), head["estimate"], 0.05)
    assert (low, high) == pytest.approx((head["low"], head["high"]), rel=1e-9)
    assert head["p_value"] == conformal_p(series, classical(levels=True), 0.0)
    assert head["p_value"] * 40 == pytest.approx(round(head["p_value"] * 40))
    width = high - low
    for inside in (low + 1e-3 * width, high - 1e-3 * width):
        assert conformal_p(series, classical(levels=True), inside) >= 0.05
    for outside in (low - 1e-3 * width, high + 1e-3 * width):
        assert conformal_p(series, classical(levels=True), outside) < 0.05


@pytest.mark.parametrize("inference", ["placebo", "jackknife", "bootstrap"])
def test_ways_to_the_error_of_synthetic_did(panel, inference):
    rows, rollout, _ = made(30, ((24, 8),))
    built = panel(rows, rollout, model={"synthetic_did": {"inference": inference, "replications": 60}})
    found = estimators.fit("synthetic_did", built)
    assert 0.2 < found.headline["std_error"] < 0.6  # loadings of 8 joined units on wandering factors
    said = {
        "placebo": "60 seeded draws of a set of 8 units",
        "jackknife": "out in turn",
        "bootstrap": "60 seeded draws",
    }
    assert said[inference] in found.method


def test_many_joined_units_are_judged_by_the_jackknife_and_few_by_placebos(panel):
    assert "out in turn" in estimators.fit("synthetic_did", panel(*made(40, ((24, 10),))[:2])).method
    assert "taken for the joined" in estimators.fit("synthetic_did", panel(*made(40, ((24, 9),))[:2])).method


def test_the_jackknife_follows_the_declared_clusters(panel):
    rows, rollout, _ = made(30, ((24, 12),))
    table = rollout.assign(region=[f"R{i % 6}" for i in range(30)])
    by_unit = estimators.fit("synthetic_did", panel(rows, table))
    by_region = estimators.fit("synthetic_did", panel(rows, table, cluster="region"))
    assert by_region.headline["estimate"] == by_unit.headline["estimate"]
    assert by_region.headline["std_error"] != by_unit.headline["std_error"]
    assert by_region.headline["df"] <= 10


def rejections(runs, recipe, seed=0, units=20, level=2.101):
    """Share of panels without any effect in which t over placebos exceeds its 95% point on 18 degrees of freedom."""
    random, hits = np.random.default_rng(seed), 0
    block = Block(24, np.array([0]), np.arange(1, units), np.arange(24), np.arange(24, 36), np.empty(0, int))
    quantities = Quantities(after([block], 36).reshape(1, -1).astype(float))
    for _ in range(runs):
        factors = np.cumsum(random.normal(size=(2, 36)), axis=1) / 2
        Y = random.normal(size=(units, 2)) @ factors + 3 * random.normal(size=(units, 1))
        Y += random.normal(size=(units, 36))
        once = run(Y, [block], [recipe])
        fitted = Fitted(Y, [block], [recipe], once, quantities)
        found = placebos(fitted, block.donors, block.joined, 200)
        tau = quantities.of(once.gaps, once.units)[0]
        hits += abs(tau) > level * np.sqrt(found.covariance()[0, 0])
    return hits / runs


@pytest.mark.parametrize("recipe", [difference, classical(levels=True)])
def test_placebo_errors_seldom_reject_where_nothing_happened(recipe):
    """60 panels: 0.17 is more than 95 in 100 000 would reach at a size of 5%."""
    assert rejections(60, recipe) <= 0.17


@pytest.mark.slow
@pytest.mark.parametrize("recipe", [difference, classical(levels=True)])
def test_the_size_of_placebo_inference(recipe):
    assert 0.02 <= rejections(600, recipe, seed=1) <= 0.09


# -- checks, figures and tables ---------------------------------------------------


@pytest.fixture
def found(panel):
    return estimators.fit("synthetic_control", panel(*made()[:2]))


def with_figures(found, **figures):
    return dataclasses.replace(found, diagnostics={**found.diagnostics, **figures})


def test_the_fit_before_joining_is_judged_against_placebos(found):
    fine = with_figures(found, rmspe_before=1.0, rmspe_donors=0.9, largest_weight=0.4)
    assert checks.synthetic_fit(fine).verdict == "reassuring"
    poor = checks.synthetic_fit(with_figures(fine, rmspe_before=2.0))
    assert poor.verdict == "concern"
    assert poor.value == pytest.approx(2.0 / 0.9)
    alone = checks.synthetic_fit(with_figures(fine, largest_weight=0.6))
    assert alone.verdict == "inconclusive"
    assert "that one alone" in alone.reading
    bare = dataclasses.replace(
        found,
        diagnostics={"rmspe_before": 1.0, "imbalance": 0.3, "donors_effective": 5.0, "largest_weight": 0.3},
        placebos=found.placebos.iloc[:0],
    )
    assert checks.synthetic_fit(bare).verdict == "inconclusive"
    assert checks.synthetic_fit(with_figures(bare, imbalance=0.7)).verdict == "concern"


def test_the_effect_is_placed_among_placebos(found):
    clear = with_figures(found, placebo_p=1 / 16)
    assert checks.placebo_units(clear).verdict == "reassuring"
    assert "ranks 1 of 16" in checks.placebo_units(clear).reading
    assert checks.placebo_units(with_figures(found, placebo_p=0.25)).verdict == "concern"
    wide = dataclasses.replace(clear, terms=clear.terms.assign(low=-1.0, high=9.0))
    assert checks.placebo_units(wide).verdict == "inconclusive"
    few = dataclasses.replace(clear, placebos=clear.placebos.head(8))
    assert checks.placebo_units(few).verdict == "inconclusive"
    none = dataclasses.replace(clear, placebos=clear.placebos.head(0))
    assert checks.placebo_units(none).verdict == "not applicable"


REFUSAL = Refusal("s", "y", "synthetic_did", "Synthetic difference-in-differences", ("No donor.",))


def test_a_refusal_is_not_judged_and_not_drawn():
    for check in (checks.synthetic_fit, checks.placebo_units):
        assert check(REFUSAL).verdict == "not applicable"
    for draw in (plots.synthetic_path, plots.unit_weights, tables.weights):
        assert "No donor." in draw(REFUSAL).text
    assert "No figure" in plots.placebo_units(checks.placebo_units(REFUSAL)).text


def test_figures_and_the_table_show_the_numbers(found):
    path = plots.synthetic_path(found)
    assert path.html.count("<tr>") == len(found.path) + 1
    bars = plots.unit_weights(found)
    units = found.weights[found.weights["kind"].eq("unit")]
    assert bars.html.count("<tr>") == len(units) + 1
    largest = units.iloc[0]
    assert f"{largest['name']} with {100 * largest['weight']:.1f} per cent" in bars.text
    assert f"{largest['name']} {100 * largest['weight']:.1f}" in tables.weights(found).text
    drawn = plots.placebo_units(checks.placebo_units(found))
    assert drawn.html.count("<tr>") == len(found.placebos) + 2
    assert "among 15 placebos" in drawn.text
