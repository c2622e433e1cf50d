"""Are pseudo-collaboratives drawn from untouched unit-periods only, and do designs keep their record honestly?"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from evalkit import checks, estimators, placebos, plots
from evalkit.errors import DesignError
from evalkit.estimators._did import relabelled
from evalkit.estimators._did.headline import ruled
from evalkit.estimators._did.layout import layout
from evalkit.placebos import Draws, draw, residuals, runs
from evalkit.placebos.power import detectable, power, recovered

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
import did_panels as simulation

FAST = ["group_time", "imputation", "interaction_weighted", "extended_twoway"]
EXACT = 1e-9  # the same closed form, by another order of operations
SELECTIVE = {"entry": {"rule": "the worst", "selected_on_outcome": True}}


def made(n=40, T=24, waves=2, never=0.6, *, missing=0.0, seed=4, effect=True, rho=0.5, g=None, **changes):
    g = simulation.waves(n, T, waves, never=never) if g is None else g
    simulated = simulation.simulate(g, T, rho=rho, missing=missing, seed=seed)
    if not effect:
        simulated = replace(simulated, Y=simulated.Y - simulation.effects(g, T))
    return simulation.panel(simulated, **changes)


def drawn_from(panel, draws=12, seed=0, leaning=None):
    source = placebos.pool(panel)
    place = source.places[0]
    return source, place, draw.rollouts(source, place, draws, np.random.default_rng(seed), leaning)


# -- the pool ----------------------------------------------------------------------------


def test_only_untouched_outcomes_play_a_part():
    panel = made()
    touched = panel.rows["cohort"].notna() & panel.rows["phase"].eq("post")
    spoilt = panel.with_rows(panel.rows.assign(value=panel.rows["value"].where(~touched, 1e6)))
    one, two = (placebos.calibrate(p, ("group_time", "imputation"), Draws(50)) for p in (panel, spoilt))
    for design in one.found:
        np.testing.assert_array_equal(one.found[design].run.estimate, two.found[design].run.estimate)


def test_waves_keep_their_numbers_and_dates_where_enough_never_joined():
    panel = made(never=0.7)
    source, place, drawn = drawn_from(panel)
    real = layout(panel)
    assert source.inside
    assert source.sizes.tolist() == [6, 6]
    assert place.starts.tolist() == real.cohorts.tolist()
    for g in drawn:
        starts, counts = np.unique(g[~np.isnan(g)], return_counts=True)
        assert starts.tolist() == place.starts.tolist()
        assert counts.tolist() == [6, 6]
    assert set(place.panel.units.index) == set(panel.never)


def test_waves_shrink_in_proportion_where_fewer_never_joined():
    source = placebos.pool(made(never=0.4))
    assert source.inside
    assert source.sizes.tolist() == [4, 4]
    assert source.joined == 24
    a = b = 8
    assert source.wider == pytest.approx(np.sqrt((1 / a + 1 / b) / (1 / 24 + 1 / 16)))
    assert "in the study 24 joined" in source.sentence()


def test_without_comparison_units_earlier_dates_are_used():
    g = np.repeat([16.0, 18.0], 10)
    source = placebos.pool(made(g=g))
    assert not source.inside
    assert len(source.places) > 3
    for place in source.places:
        assert place.layout.seen[:, 16:].sum() == 0  # nothing after the first wave
        assert np.diff(place.starts).tolist() == [2]
        assert place.starts[0] >= 4
        assert place.starts[-1] + 3 <= 16
    assert "different dates" in source.sentence()


def test_anticipation_keeps_the_last_periods_before_joining_out():
    g = np.repeat([16.0, 18.0], 10)
    source = placebos.pool(made(g=g), 2)
    assert all(place.layout.seen[:, 14:].sum() == 0 for place in source.places)


def test_a_pool_that_cannot_hold_the_rollout_is_refused_and_residuals_stand_in():
    panel = made(g=np.repeat([6.0, 18.0], 10))
    with pytest.raises(DesignError, match="cannot hold a rollout") as refusal:
        placebos.pool(panel)
    assert refusal.value.faults[0].fix
    found = placebos.calibrate(panel, ("group_time", "its"), Draws(50))
    assert isinstance(found.source, residuals.Resampled)
    assert list(found.found) == ["group_time"]
    assert "no rollout can be moved" in found.refused["its"]


def nobody(panel):
    return panel.joining(pd.Series(pd.NaT, index=panel.units.index))


def test_nobody_joined_is_refused():
    with pytest.raises(DesignError, match="no unit joined"):
        placebos.pool(nobody(made()))


def test_clusters_that_joined_together_are_drawn_together():
    panel = made(n=60, g=np.concatenate([np.repeat(8.0, 12), np.repeat(12.0, 12), np.full(36, np.nan)]))
    names = np.array([f"c{i // 3:02d}" for i in range(60)])
    panel = replace(panel, units=panel.units.assign(cluster=names))
    source, place, drawn = drawn_from(panel)
    assert source.whole
    assert source.sizes.tolist() == [3, 3]  # of 4 each, half of the 12 that never joined
    cluster = place.panel.units["cluster"].to_numpy()
    for g in drawn:
        assert all(len(set(np.nan_to_num(g[cluster == c], nan=-1))) == 1 for c in set(cluster))


def test_names_and_the_order_of_rows_do_not_matter():
    panel = made()
    names = panel.units.index
    renamed = dict(zip(names, reversed(names.tolist()), strict=True))
    rows = panel.rows.rename(index=renamed, level="unit").sort_index()
    units = panel.units.rename(index=renamed).sort_index()
    other = replace(panel, rows=rows, units=units.assign(cluster=units.index))
    one, two = (placebos.calibrate(p, ("group_time",), Draws(50)).found["group_time"].run for p in (panel, other))
    assert np.sort(one.estimate) == pytest.approx(np.sort(two.estimate), rel=1e-8)


# -- what is run -------------------------------------------------------------------------


@pytest.mark.parametrize("transition", [0, 2])
@pytest.mark.parametrize("missing", [0.0, 0.06])
@pytest.mark.parametrize("design", FAST)
def test_a_draw_is_what_the_whole_design_says_of_the_same_rollout(design, missing, transition):
    changes = {"transition": {"periods": transition, "why": "x"}} if transition else {}
    panel = made(missing=missing, **changes)
    _, place, drawn = drawn_from(panel, 3)
    quick, whole = runs.weighed(design, place, drawn), runs.fitted(design, place, drawn)
    assert quick.estimate == pytest.approx(whole.estimate, rel=EXACT)
    assert quick.error == pytest.approx(whole.error, rel=EXACT)


def test_units_alike_in_gaps_still_share_one_design(monkeypatch):
    panel = made(g=np.repeat([16.0, 18.0], 10))
    _, place, drawn = drawn_from(panel)
    asked = [relabelled.Outcome(place.layout.Y), *runs.profiles(place.layout, place.layout.Y, "month")]
    rule = ruled(place.panel, "imputation", place.layout)
    shared = relabelled.figures("imputation", place.layout, rule, asked, drawn)
    monkeypatch.setattr(relabelled, "_alike", lambda *_: None)
    anew = relabelled.figures("imputation", place.layout, rule, asked, drawn)
    assert shared.theta == pytest.approx(anew.theta, rel=1e-8, abs=1e-10)
    assert shared.gram == pytest.approx(anew.gram, rel=1e-8, abs=1e-10)


@pytest.mark.parametrize("missing", [0.0, 0.06])
def test_independent_errors_are_those_of_least_squares_with_dummies(missing):
    panel = made(missing=missing)
    _, place, drawn = drawn_from(panel, 2)
    found = runs.independent(place, drawn)
    arrays = place.layout
    for k, g in enumerate(drawn):
        unit, t = np.nonzero(arrays.seen)
        D = (t >= np.nan_to_num(g, nan=np.inf)[unit]).astype(float)
        X = np.column_stack([D, pd.get_dummies(unit, dtype=float), pd.get_dummies(t, dtype=float).iloc[:, 1:]])
        fit = sm.OLS(arrays.Y[unit, t], X).fit()
        assert found.estimate[k] == pytest.approx(fit.params[0], rel=1e-8)
        assert found.error[k] == pytest.approx(fit.bse[0], rel=1e-8)


@pytest.mark.parametrize("profile", runs.PROFILES)
@pytest.mark.parametrize("design", ["group_time", "imputation"])
def test_an_injected_effect_is_one_that_was_in_the_outcomes(design, profile):
    panel = made(waves=3)
    _, place, drawn = drawn_from(panel, 4)
    run = runs.weighed(design, place, drawn)
    column, size = runs.PROFILES.index(profile), 1.7
    for k, g in enumerate(drawn):
        since = np.arange(24)[None, :] - np.nan_to_num(g, nan=np.inf)[:, None]
        shape = {
            "constant": (since >= 0) * 1.0,
            "building up": np.clip((since + 1) / 12, 0, 1) * (since >= 0),
            "relative": 0.01 * place.layout.Y * (since >= 0),
        }[profile]
        moved = replace(place, layout=replace(place.layout, Y=place.layout.Y + size * np.nan_to_num(shape)))
        anew = runs.weighed(design, moved, g[None, :])
        b, gram = run.shift[k, column], run.gram[k]
        assert anew.estimate[0] == pytest.approx(run.estimate[k] + size * b, rel=1e-8)
        square = gram[0, 0] + 2 * size * gram[0, column + 1] + size**2 * gram[column + 1, column + 1]
        assert anew.error[0] == pytest.approx(np.sqrt(square), rel=1e-8)


def test_errors_follow_scale_and_shift():
    panel = made(effect=False)
    moved = panel.with_rows(panel.rows.assign(value=10 + 3 * panel.rows["value"]))
    one, two = (placebos.calibrate(p, ("group_time",), Draws(60)).found["group_time"] for p in (panel, moved))
    assert two.spread == pytest.approx(3 * one.spread, rel=1e-8)
    assert two.false_positive == one.false_positive


# -- the record --------------------------------------------------------------------------


def test_default_designs_keep_their_level_and_independent_errors_do_not():
    panel = made(n=90, effect=False, rho=0.8, never=0.67)
    found = placebos.calibrate(panel, (*FAST, "independent"), Draws(600, 200)).found
    for design in FAST:
        assert 0.03 - 3 * 0.007 <= found[design].false_positive <= 0.08 + 3 * 0.007
        assert found[design].ratio == pytest.approx(1.0, abs=0.15)
    assert found["independent"].false_positive > 0.25
    assert found["independent"].ratio < 0.7


def test_rank_and_interval_by_hand():
    run = runs.Run("d", np.array([1.0, -2.0, 3.0, -4.0]), np.array([1.0, 1.0, 2.0, 2.0]), np.full(4, 2.5), *[np.empty(0)] * 2, 0, whole=True)  # fmt: skip  # noqa: E501
    record = placebos.Calibrated(run, 0.5)
    assert record.false_positive == 0.5
    assert record.typical == 2.5
    assert record.bias == -0.5
    assert record.statistics.tolist() == [1.0, -2.0, 1.5, -2.0]
    assert record.rank(-1.6, 1.0) == pytest.approx(3 / 5)
    low, high = np.quantile([1.0, -2.0, 1.5, -2.0], [0.25, 0.75])
    assert record.interval(5.0, 2.0) == pytest.approx((5 - 2 * high, 5 - 2 * low))


def test_entry_leans_as_far_as_it_did():
    random = np.random.default_rng(5)
    g = np.repeat([12.0, np.nan], [20, 80])
    panel = made(n=100, g=g, effect=False, **SELECTIVE)
    assert draw.lean(made(n=100, g=g)) is None
    for gap in (-1.2, 0.0, 0.7):
        leaning = draw.Lean(gap, 12, 1, 1)
        source = placebos.pool(panel, selective=True)
        place = source.places[0]
        drawn = draw.rollouts(source, place, 400, random, leaning)
        z = draw.score(
            place.layout, [np.array([i]) for i in range(len(place.layout.g))], int(place.starts[0]), leaning
        )
        joined = ~np.isnan(drawn)
        reached = np.mean([z[j].mean() - z[~j].mean() for j in joined])
        assert reached == pytest.approx(gap, abs=0.03)


def test_selective_entry_is_told_and_biases_the_draws():
    random = np.random.default_rng(1)
    n, T = 120, 36
    Y = random.normal(size=(n, 1)) + simulation.ar1(random, (n, T), 0.6)
    base = Y[:, 12:24].mean(axis=1)
    g = np.where(np.argsort(np.argsort(base)) < 30, 24.0, np.nan)
    panel = simulation.panel(simulation.Simulated(Y, g), **SELECTIVE)
    found = placebos.calibrate(panel, ("imputation",), Draws(300, leant=300))
    assert abs(found.found["imputation"].bias) < 0.05
    assert found.leant["imputation"].bias > 0.15
    check = checks.calibration(found, estimators.attempt("imputation", panel))
    assert check.verdict == "concern"
    assert "regression to the mean" in check.reading


def test_resampled_residuals_keep_size_and_level():
    panel = made(n=90, T=40, g=np.repeat([20.0, 26.0], 45), effect=False)
    source = residuals.resampled(panel)
    courses = source.courses(50, np.random.default_rng(0))
    assert courses.std() == pytest.approx(1.0, abs=0.1)
    record = placebos.Calibrated(residuals.weighed("imputation", source, 800, 0), 0.95)
    assert record.false_positive == pytest.approx(0.05, abs=3 * np.sqrt(0.05 * 0.95 / 800) + 0.01)
    assert abs(record.bias) < 4 * record.spread / np.sqrt(800)
    clustered = replace(panel, units=panel.units.assign(cluster=np.arange(90) // 3))
    with pytest.raises(DesignError, match="what they share"):
        residuals.resampled(clustered)


# -- power -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def calibration():
    return placebos.calibrate(made(n=60, effect=False), ("group_time", "imputation"), Draws(500))


def test_power_rises_from_half_the_level_and_meets_the_normal_figure(calibration):
    run = calibration.found["group_time"].run
    sizes = np.linspace(0, 3 * run.error.mean(), 8)
    curve = power(run, "constant", sizes)
    assert curve[0] == pytest.approx(0.025, abs=0.025)
    assert (np.diff(curve) >= 0).all()
    least = detectable(run, "constant")
    assert power(run, "constant", np.array(least)) >= 0.8
    assert power(run, "constant", np.array(0.99 * least)) < 0.82
    assert least == pytest.approx(2.85 * calibration.found["group_time"].spread, rel=0.12)  # 2.02 + 0.85 on 35 df
    assert detectable(run, "constant", wider=2.0) == pytest.approx(least / 2)
    assert detectable(run, "building up") > least
    with pytest.raises(DesignError, match="weighted outcomes"):
        power(replace(run, whole=True), "constant", sizes)


def test_injected_effects_are_recovered_at_the_nominal_rate(calibration):
    for design in calibration.found:
        run = calibration.found[design].run
        assert recovered(run, "constant", 0.0) == pytest.approx(1 - run.rejected.mean())
        for profile in ("constant", "building up"):
            assert recovered(run, profile, 2.0) == pytest.approx(0.95, abs=0.04)  # 500 draws: 3 errors of 1 point
    with pytest.raises(DesignError, match="weighted outcomes"):
        recovered(replace(run, whole=True), "constant", 1.0)


def test_an_effect_below_is_found_by_its_own_side():
    run = placebos.calibrate(made(n=60, effect=False), ("group_time",), Draws(200)).found["group_time"].run
    up, down = detectable(run, "constant"), detectable(run, "constant", sign=-1)
    assert up == pytest.approx(down, rel=0.3)
    mirrored = replace(run, estimate=-run.estimate, gram=run.gram * np.outer([-1, 1, 1, 1], [-1, 1, 1, 1]))
    assert detectable(mirrored, "constant", sign=-1) == pytest.approx(up)


# -- the checks --------------------------------------------------------------------------


def test_checks_say_what_was_done(calibration):
    panel = made(n=60, effect=False)
    estimate = estimators.attempt("group_time", panel)
    check = checks.calibration(calibration, estimate)
    assert check.verdict == "reassuring"
    assert check.value == calibration.found["group_time"].false_positive
    assert "500 pseudo-collaboratives" in check.reading
    assert len(check.data) == 501
    assert check.data["effect"].iloc[0] == estimate.headline["estimate"]
    told = checks.power(panel, calibration, "group_time")
    assert "of the outcome" not in told.reading  # it has both signs, so that a share of it means nothing
    assert told.value == detectable(calibration.found["group_time"].run, "constant", wider=calibration.source.wider)
    assert told.verdict == "inconclusive"
    assert "does not say" in told.reading
    for size, verdict in ((100.0, "reassuring"), (0.01, "inconclusive")):
        asked = replace(panel, outcome=panel.outcome.model_copy(update={"worthwhile": size}))
        assert checks.power(asked, calibration, "group_time").verdict == verdict
    for shown in (plots.calibration(check), plots.power(told)):
        assert 'img alt="' in shown.html
        assert "<th scope=" in shown.html


def test_too_many_false_positives_are_a_concern(calibration):
    record = calibration.found["group_time"]
    narrow = replace(record, run=replace(record.run, half=record.run.half / 3))
    estimate = estimators.attempt("group_time", made(n=60))
    check = checks.calibration(replace(calibration, found={"group_time": narrow}), estimate)
    assert check.verdict == "concern"
    assert "too often" in check.reading


def test_too_often_is_by_the_level_and_by_more_than_drawing_explains(calibration):
    """Sixty draws of which five reject are no sign of 8 %; at 90 % a tenth should."""
    record = calibration.found["group_time"]
    estimate = estimators.attempt("group_time", made(n=60))

    def said(rejected, draws, level=0.95):
        half = np.where(np.arange(draws) < rejected, 0.0, np.inf)
        cut = {name: getattr(record.run, name)[:draws] for name in ("estimate", "error", "at")}
        one = replace(record, level=level, run=replace(record.run, half=half, **cut))
        return checks.calibration(replace(calibration, found={"group_time": one}, leant={}), estimate)

    assert "too often" in said(8, 60).reading
    assert "by no more than so few draws explain" in said(5, 60).reading
    assert said(30, 300).verdict == "concern"
    assert "too often" not in said(36, 300, level=0.9).reading
    assert said(60, 300, level=0.9).verdict == "concern"


def test_the_error_of_a_share_is_wilsons_and_never_nought(calibration):
    record = calibration.found["group_time"]
    none = replace(record, run=replace(record.run, half=np.full(len(record.run.half), np.inf)))
    low, high = sm.stats.proportion_confint(0, none.draws, method="wilson")
    assert none.false_positive == 0
    assert 2 * 1.96 * none.monte_carlo == pytest.approx(high - low, rel=1e-4)
    count = round(record.false_positive * record.draws)
    assert record.least == pytest.approx(
        sm.stats.proportion_confint(count, record.draws, method="wilson")[0], rel=1e-4
    )


def test_draws_judged_by_another_interval_than_the_studys_are_no_concern():
    panel = made(n=24, never=0.7)
    found = placebos.calibrate(panel, ("group_time",), Draws(60))
    record = found.found["group_time"]
    narrow = replace(record, run=replace(record.run, half=record.run.half / 3))
    check = checks.calibration(replace(found, found={"group_time": narrow}), estimators.attempt("group_time", panel))
    assert check.verdict == "inconclusive"
    assert "not the one that this study reports" in check.reading


def test_a_design_without_a_record_is_not_applicable(calibration):
    panel = made(n=60)
    its = estimators.attempt("its", panel)
    assert checks.calibration(calibration, its).verdict == "not applicable"
    assert checks.power(panel, calibration, "its").verdict == "not applicable"
    refused = estimators.attempt("group_time", nobody(panel))
    assert checks.calibration(calibration, refused).verdict == "not applicable"


def test_designs_that_are_fitted_whole_go_through_fewer_draws():
    panel = made(n=40, T=40)
    found = placebos.calibrate(panel, ("its", "group_time"), Draws(60, 25))
    assert found.found["its"].draws + found.found["its"].run.lost == 25
    assert found.found["group_time"].draws == 60
    assert found.found["its"].run.whole
    assert checks.power(panel, found, "its").verdict == "not applicable"


def test_waves_of_one_unit_are_fitted_whole_since_they_borrow():
    g = np.concatenate([[10.0, 14.0], np.full(30, np.nan)])
    panel = made(n=32, g=g, T=24, effect=False)
    source = placebos.pool(panel)
    assert source.sizes.tolist() == [1, 1]
    assert source.single
    found = placebos.calibrate(panel, ("group_time",), Draws(60, 25)).found["group_time"]
    assert found.run.whole
    assert found.draws == 25


def test_an_outcome_that_does_not_vary_is_refused():
    panel = made()
    flat = panel.with_rows(panel.rows.assign(value=5.0))
    found = placebos.calibrate(flat, ("group_time", "imputation", "independent"), Draws(30))
    assert not found.found
    assert set(found.refused.values()) == {"in some draws the outcome does not vary between units"}


def test_intervals_by_the_bootstrap_are_said_to_differ():
    panel = made(n=24, never=0.7)
    found = placebos.calibrate(panel, ("group_time",), Draws(60))
    check = checks.calibration(found, estimators.attempt("group_time", panel))
    assert "by the bootstrap in the study" in check.reading


def test_rules_do_not_leak_between_designs():
    panel = made(comparison="never_joined")
    _, place, _ = drawn_from(panel)
    assert ruled(place.panel, "group_time", place.layout).never
