"""Does redrawing the rollout keep its size, ignore names and order, and refuse where lot decided nothing?"""

from __future__ import annotations

import sys
from dataclasses import replace
from math import comb
from pathlib import Path

import numpy as np
import pytest

from evalkit import checks, estimators, inference, plots
from evalkit.errors import DesignError
from evalkit.estimators._did import bootstrap, rollouts
from evalkit.estimators._did.averages import averages
from evalkit.estimators._did.group_time import Design, effects_by_cell
from evalkit.estimators._did.headline import DESIGNS, Rule, headline, ruled, studentised
from evalkit.estimators._did.layout import layout
from evalkit.estimators._did.linear import Linear
from evalkit.estimators._did.unformed import Unformed

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
import did_panels as simulation

STAGGERED = ["group_time", "imputation", "two_stage", "extended_twoway", "interaction_weighted"]
COMMON = ["twoway", "event_study"]
EXACT = 1e-9  # the same closed form, by another order of operations


def panel_of(design, n=36, T=20, missing=0.0, seed=3, **changes):
    g = simulation.waves(n, T, 1 if design in COMMON else 3)
    return simulation.panel(simulation.simulate(g, T, missing=missing, seed=seed), **changes)


def without_effect(n, T, waves, seed):
    g = simulation.waves(n, T, waves)
    simulated = simulation.simulate(g, T, seed=seed)
    return replace(simulated, Y=simulated.Y - simulation.effects(g, T))


def with_units(panel, **columns):
    return replace(panel, units=panel.units.assign(**columns))


# -- the headline alone ------------------------------------------------------------


@pytest.mark.parametrize(
    "changes", [{}, {"transition": 2}, {"exclude": [{"from": "2000-05", "to": "2000-06", "why": "x"}]}]
)
@pytest.mark.parametrize("missing", [0.0, 0.08])
@pytest.mark.parametrize("design", DESIGNS)
def test_the_headline_alone_is_that_of_the_whole_estimate(design, missing, changes):
    panel = panel_of(design, missing=missing, **changes)
    whole = estimators.fit(design, panel).headline
    arrays = layout(panel)
    estimate, error = studentised(headline(design, arrays, ruled(panel, design, arrays)), arrays.Y)
    assert estimate == pytest.approx(whole["estimate"], rel=EXACT)
    assert error == pytest.approx(whole["std_error"], rel=EXACT)


@pytest.mark.parametrize("design", ["imputation", "two_stage", "extended_twoway", "interaction_weighted", "twoway"])
def test_covariates_enter_as_in_the_design(design):
    panel = panel_of(design, missing=0.05)
    size = np.random.default_rng(0).normal(size=len(panel.units))
    study = replace(panel.study, protocol=panel.study.protocol.model_copy(update={"covariates": ("size",)}))
    panel = replace(with_units(panel, size=size), study=study)
    whole = estimators.fit(design, panel).headline
    arrays = layout(panel)
    rule = ruled(panel, design, arrays)
    assert rule.z is not None
    estimate, error = studentised(headline(design, arrays, rule), arrays.Y)
    assert estimate == pytest.approx(whole["estimate"], rel=EXACT)
    assert error == pytest.approx(whole["std_error"], rel=EXACT)


def test_a_layout_that_identifies_nothing_is_refused():
    arrays = layout(panel_of("group_time"))
    late = arrays.only(np.arange(arrays.Y.shape[1])[None, :] >= arrays.cohorts[-1])
    for design in STAGGERED:
        with pytest.raises(DesignError):
            headline(design, late)


# -- redrawing -----------------------------------------------------------------------


@pytest.mark.parametrize("design", [*STAGGERED, *COMMON])
def test_rows_in_another_order_give_what_designs_built_anew_give(design):
    arrays = layout(panel_of(design))
    rule = Rule()
    drawn, every = rollouts.lot(arrays).rollouts(20, 1)
    assert not every
    found = rollouts.redraw(design, arrays, rule, None, 20, 1)
    for row, g in zip(found.statistics()[1:], drawn, strict=True):
        estimate, error = studentised(headline(design, arrays.joining(g), rule), arrays.Y)
        assert row == pytest.approx(estimate / error, rel=1e-8)  # cancellation in draws near nought


def test_each_draw_keeps_the_waves():
    arrays = layout(panel_of("group_time"))
    drawn, _ = rollouts.lot(arrays).rollouts(50, 0)
    real = np.sort(np.nan_to_num(arrays.g, nan=-1))
    assert (np.sort(np.nan_to_num(drawn, nan=-1), axis=1) == real).all()
    assert len(np.unique(np.nan_to_num(drawn, nan=-1), axis=0)) == 50


def test_few_rollouts_are_all_gone_through():
    panel = panel_of("twoway", n=9)
    joined = len(panel.joined)
    found = rollouts.redraw("twoway", layout(panel), Rule(), None)
    assert found.every
    assert len(found.top) - 1 == comb(9, joined)
    assert found.p_value() * comb(9, joined) == pytest.approx(round(found.p_value() * comb(9, joined)))
    assert found.p_value() >= 1 / comb(9, joined)  # what happened is one of them


def test_strata_and_clusters_are_kept():
    panel = panel_of("group_time", n=36)
    strata = np.arange(36) % 3
    drawn, _ = rollouts.lot(layout(panel), strata).rollouts(30, 0)
    real = layout(panel).g
    for s in range(3):
        here = strata == s
        assert (
            np.sort(drawn[:, here], axis=1)[:, : (~np.isnan(real[here])).sum()]
            == np.sort(real[here & ~np.isnan(real)])
        ).all()
    together = np.repeat(np.arange(18), 2)  # pairs that joined together
    g = np.repeat(simulation.waves(18, 20, 3), 2)
    whole = with_units(simulation.panel(simulation.simulate(g, 20)), cluster=np.array([f"c{c}" for c in together]))
    drawn, _ = rollouts.lot(layout(whole)).rollouts(30, 0)
    pairs = np.nan_to_num(drawn, nan=-1).reshape(30, 18, 2)
    assert (pairs[:, :, 0] == pairs[:, :, 1]).all()


def test_clusters_of_different_sizes_are_refused_with_the_reason():
    sizes = [1, 2, 3, 4, 5, 6, 7, 8]
    cluster = np.repeat(np.arange(8), sizes)
    g = np.repeat([6.0, np.nan, 6.0, np.nan, 10.0, np.nan, 10.0, np.nan], sizes)
    panel = with_units(simulation.panel(simulation.simulate(g, 20)), cluster=np.array([f"c{c}" for c in cluster]))
    with pytest.raises(DesignError, match="clusters of as many units"):
        rollouts.lot(layout(panel))
    check = checks.randomisation(panel, estimators.attempt("group_time", panel))
    assert check.verdict == "not applicable"
    assert "clusters of as many units" in check.reading


@pytest.mark.parametrize("missing", [0.0, 0.05])
def test_names_and_order_of_units_do_not_matter(missing):
    g = simulation.waves(24, 16, 2)
    simulated = simulation.simulate(g, 16, missing=missing)
    shuffle = np.random.default_rng(5).permutation(24)
    other = simulation.Simulated(simulated.Y[shuffle], g[shuffle])
    one, two = (
        rollouts.redraw("group_time", layout(simulation.panel(s)), Rule(), None, 60) for s in (simulated, other)
    )
    np.testing.assert_allclose(one.statistics(), two.statistics(), rtol=1e-8)


def test_scale_and_shift_leave_the_test_and_move_the_interval():
    simulated = simulation.simulate(simulation.waves(24, 16, 2), 16)
    moved = replace(simulated, Y=100 + 7 * simulated.Y)
    one, two = (
        rollouts.redraw("imputation", layout(simulation.panel(s)), Rule(), None, 199) for s in (simulated, moved)
    )
    assert one.p_value() == two.p_value()
    np.testing.assert_allclose(7 * np.array(one.interval(0.95)), two.interval(0.95), rtol=1e-6)


def test_a_constant_effect_moves_the_p_value_with_the_null():
    simulated = without_effect(24, 16, 2, seed=8)
    joined = np.arange(16)[None, :] >= np.nan_to_num(simulated.g, nan=np.inf)[:, None]
    lifted = replace(simulated, Y=simulated.Y + 3.0 * joined)
    one, two = (
        rollouts.redraw("group_time", layout(simulation.panel(s)), Rule(), None, 99) for s in (simulated, lifted)
    )
    # the same draws: units keep their order by outcomes here because unit effects are far apart before joining
    assert two.top[0, 0] == pytest.approx(one.top[0, 0] + 3.0)
    low, high = two.interval(0.9)
    assert two.p_value(low - 0.01) <= 0.1
    assert two.p_value(high + 0.01) <= 0.1
    assert two.p_value((low + high) / 2) > 0.1


def rejections(draws, n, T, waves, design="group_time"):
    p = [
        rollouts.redraw(
            design, layout(simulation.panel(without_effect(n, T, waves, seed))), Rule(), None, 99
        ).p_value()
        for seed in range(draws)
    ]
    return np.array(p)


def test_without_an_effect_the_p_value_is_uniform():
    p = rejections(120, 16, 10, 2)
    assert p.min() >= 0.01
    assert abs(p.mean() - 0.5) < 3 * np.sqrt(1 / 12 / 120)
    assert (p <= 0.1).mean() <= 0.1 + 3 * np.sqrt(0.09 / 120)


@pytest.mark.slow
@pytest.mark.parametrize("design", STAGGERED)
def test_without_an_effect_five_per_cent_reject(design):
    p = rejections(600, 24, 12, 3, design)
    assert abs((p <= 0.05).mean() - 0.05) < 3 * np.sqrt(0.05 * 0.95 / 600)


# -- the check and its figure ---------------------------------------------------------


def test_the_check_says_what_was_drawn():
    panel = panel_of("group_time")
    check = checks.randomisation(panel, estimators.fit("group_time", panel))
    assert check.verdict == "reassuring"
    assert check.value <= 0.05
    assert "999 rollouts were drawn" in check.reading
    assert check.data["real"].sum() == 1
    assert len(check.data) == 1000
    drawing = plots.randomisation(check)
    assert "redrawn rollouts" in repr(drawing)


def test_no_effect_is_no_reassurance():
    panel = simulation.panel(without_effect(40, 24, 4, seed=1))
    check = checks.randomisation(panel, estimators.fit("group_time", panel))
    assert check.verdict == "inconclusive"
    assert check.value > 0.05


def test_the_check_names_why_it_does_not_apply():
    panel = panel_of("group_time", n=6)
    its = estimators.attempt("its", panel)
    assert checks.randomisation(panel, its).verdict == "not applicable"
    tiny = simulation.panel(simulation.simulate(np.array([4.0, 4.0, np.nan, np.nan, np.nan]), 12))
    check = checks.randomisation(tiny, estimators.fit("twoway", tiny))
    assert check.verdict == "not applicable"
    assert "only 10 rollouts" in check.reading
    assert plots.randomisation(check)


def test_weights_that_are_not_formed_give_what_formed_ones_do():
    arrays = layout(panel_of("group_time", n=60, T=24, missing=0.1))
    found = effects_by_cell(arrays, Design())
    chosen = averages(found.cells, len(arrays.cohorts), (3,))
    unformed = found.linear(arrays, chosen)
    assert isinstance(unformed, Unformed)
    formed = Linear(found.types, found.weights(chosen.A), found.centre(arrays, chosen), arrays.cluster)
    some = [0, 3, 5]
    np.testing.assert_allclose(unformed.estimate(arrays.Y), formed.estimate(arrays.Y), rtol=EXACT)
    np.testing.assert_allclose(unformed.by_cluster(arrays.Y), formed.by_cluster(arrays.Y), atol=1e-12)
    np.testing.assert_allclose(unformed.weights, formed.weights, atol=1e-15)
    np.testing.assert_allclose(
        unformed.pick(some).by_cluster(arrays.Y), formed.pick(some).by_cluster(arrays.Y), atol=1e-12
    )
    both = unformed.beside(formed)
    assert both.K == unformed.K + formed.K
    np.testing.assert_allclose(both.estimate(arrays.Y)[: formed.K], formed.estimate(arrays.Y), rtol=EXACT)


def test_bands_by_signs_and_by_correlations_agree_with_many_clusters():
    psi = np.random.default_rng(2).normal(size=(1_000, 6)) @ np.random.default_rng(3).normal(size=(6, 6))
    by_signs = inference.critical_value(psi, 0.95, 999, draws=20_000)
    twice = np.vstack([psi, psi])  # the same correlations from more clusters than signs are drawn for
    assert inference.critical_value(twice, 0.95, 999, draws=20_000) == pytest.approx(by_signs, rel=0.02)  # simulation


@pytest.mark.parametrize("pairs", [1, 2])
def test_a_bootstrap_by_sums_over_types_is_that_by_clusters(pairs, monkeypatch):
    panel = panel_of("group_time", n=36)
    cluster = np.array([f"c{i // pairs:02d}" for i in np.random.default_rng(1).permutation(36)])
    arrays = layout(with_units(panel, cluster=cluster))
    for design in ("group_time", "imputation", "two_stage", "extended_twoway"):
        linear, E = headline(design, arrays), bootstrap.residuals(arrays)
        by_clusters = bootstrap.wild(arrays, linear, 0, E)
        with monkeypatch.context() as patched:
            patched.setattr(bootstrap, "FEW", 0)
            by_sums = bootstrap.wild(arrays, linear, 0, E)
        np.testing.assert_allclose(by_sums.top, by_clusters.top, atol=1e-10)
        np.testing.assert_allclose(by_sums.below, by_clusters.below, atol=1e-10)
