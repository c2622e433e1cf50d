"""Do the synthetic designs equal the trusted R implementations on the same data?

Every entry of the two reference cases is either matched, with the tolerance and its reason, or left out with
the reason (`ENTRIES`); a test holds the list complete.
"""

from __future__ import annotations

import json
from functools import cache, partial

import numpy as np
import pandas as pd
import pytest
from conftest import REFERENCE

from evalkit import estimators
from evalkit.estimators._synthetic import recipes, ridge
from evalkit.estimators._synthetic.blocks import Block
from evalkit.estimators._synthetic.recipes import Sample, Weights
from evalkit.estimators._synthetic.replicates import Fitted, bootstrap, jackknife, placebos
from evalkit.estimators._synthetic.runs import Quantities, after, run
from evalkit.estimators._synthetic.timewise import Series, conformal_p, jackknife_plus

CASES = ["sc_1of40", "sc_5of40"]
EXACT = 1e-9  # both sides solve the same equations exactly
OSQP = 1e-5  # the reference weights come from osqp with eps 1e-8: effects to about 1e-5, weights to about 1e-3
EARLY = 0.02  # Frank-Wolfe stops early: the third digit, of effects of 1.8 to 2.7
AUGSYNTH = ["scm", "scm_fixedeff", "ridge", "ridge_fixedeff"]
RECIPES = {"sdid": recipes.difference, "sc": recipes.classical(levels=False), "did": recipes.plain}

MATCHED = "matched"
ENTRIES = {
    **{f"synthdid_{k}": MATCHED for k in RECIPES},
    **{f"synthdid_{k}_exact_qp": MATCHED for k in ("sdid", "sc")},
    **{f"synthdid_{k}_placebo_enumerated": MATCHED for k in RECIPES},
    **{f"synthdid_{k}_jackknife": MATCHED for k in RECIPES},
    "synthdid_sdid_placebo_seeded": MATCHED,
    "synthdid_sdid_bootstrap_seeded": MATCHED,
    **{f"augsynth_{k}": MATCHED for k in (*AUGSYNTH, "ridge_lambda10")},
    **{f"augsynth_{k}_{how}": MATCHED for k in AUGSYNTH for how in ("jackknife_plus", "jackknife", "permutation")},
    **{f"augsynth_{k}_conformal_block": MATCHED for k in AUGSYNTH},
    **{f"multisynth_nu{v}": "another estimator: weights pooled over treated units" for v in ("0", "0.5", "1")},
    "synth_custom_v_equal": MATCHED,
}


@cache
def stored(case):
    return json.loads((REFERENCE / f"{case}.json").read_text(encoding="utf-8"))


@cache
def values(case):
    return {r["id"]: r["values"] for r in stored(case)["results"]}


class Case:
    """A reference panel as arrays, in order of unit."""

    def __init__(self, name):
        self.name, about = name, stored(name)
        data = pd.read_csv(REFERENCE / f"{name}.csv")
        wide = data.pivot(index="provider_id", columns="t", values="outcome")
        treated = data.groupby("provider_id")["g"].first().gt(0).to_numpy()
        self.units, self.Y = wide.index, wide.to_numpy()
        self.joined, self.never = np.flatnonzero(treated), np.flatnonzero(~treated)
        self.before, self.periods = about["T0"], about["T0"] + about["T1"]
        self.block = Block(
            self.before, self.joined, self.never, np.arange(self.before), np.arange(self.before, self.periods),
            np.empty(0, int),
        )  # fmt: skip

    @property
    def course(self):
        return self.Y[self.joined].mean(axis=0)

    @property
    def sample(self):
        before = self.Y[self.never][:, : self.before]
        steps = np.ones(self.before - 1, bool)
        return Sample(
            before, self.course[: self.before], self.Y[self.never][:, self.before :], len(self.joined), steps
        )

    def series(self, treated=None):
        """The joined units, or one other unit, against everybody else (the donors, or all that are left)."""
        if treated is None:
            return Series(self.Y[self.never], self.course, self.before, len(self.joined))
        return Series(np.delete(self.Y, treated, axis=0), self.Y[treated], self.before, 1)

    def fitted(self, recipe):
        quantities = Quantities(after([self.block], self.periods).reshape(1, -1).astype(float))
        return Fitted(self.Y, [self.block], [recipe], run(self.Y, [self.block], [recipe]), quantities)

    def effect(self, weights):
        gap = self.course - weights.unit @ self.Y[self.never]
        return gap - weights.period @ gap[: self.before]


@pytest.fixture(params=CASES)
def case(request):
    return Case(request.param)


def present(template, kinds):
    """The cases and kinds for which the reference has an entry."""
    return [(case, kind) for case in CASES for kind in kinds if template.format(kind) in values(case)]


def named(mapping):
    return np.array(list(mapping.values()), float)


@pytest.mark.parametrize("name", CASES)
def test_every_entry_is_matched_or_left_out_with_a_reason(name):
    assert set(values(name)) <= set(ENTRIES)
    assert set(ENTRIES) == set(values(CASES[0])) | set(values(CASES[1]))
    assert all(len(why) > 20 for why in ENTRIES.values() if why != MATCHED)


# -- synthdid ------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["sdid", "sc"])
def test_the_exact_optimum(case, kind):
    expected = values(case.name)[f"synthdid_{kind}_exact_qp"]
    found = RECIPES[kind](case.sample, None)
    # the reference gives sc a ridge of (1e-6 x noise)^2, ours a still smaller one: 1e-8 of the effect
    assert case.effect(found)[case.before :].mean() == pytest.approx(expected["tau"], rel=EXACT, abs=1e-8)
    assert found.unit == pytest.approx(named(expected["omega"]), abs=1e-8)
    if kind == "sdid":
        assert found.period == pytest.approx(named(expected["lambda"]), abs=1e-8)


@pytest.mark.parametrize("kind", RECIPES)
def test_the_packages_default_stops_early(case, kind):
    expected = values(case.name)[f"synthdid_{kind}"]
    found = RECIPES[kind](case.sample, None)
    tolerance = 1e-9 if kind == "did" else EARLY
    curve = case.effect(found)[case.before :]
    assert curve.mean() == pytest.approx(expected["tau"], abs=tolerance)
    assert curve == pytest.approx(expected["effect_curve"], abs=2 * tolerance)
    assert case.sample.noise == pytest.approx(expected["noise_level"], rel=EXACT)
    if kind == "sdid":
        assert found.tuning["unit_ridge"] == pytest.approx(expected["zeta_omega"], rel=EXACT)


@pytest.mark.parametrize(("name", "kind"), present("synthdid_{}_placebo_enumerated", RECIPES))
def test_every_donor_as_a_placebo(name, kind):
    case = Case(name)
    expected = values(name)[f"synthdid_{kind}_placebo_enumerated"]
    found = placebos(case.fitted(RECIPES[kind]), case.never, case.joined, 200)
    ours = pd.Series(found.figures[:, 0], case.units[found.who[:, 0]])
    theirs = pd.Series(expected["tau_b"])
    # each of theirs stops early like the default entry; ours are exact. A uniform weighting has nothing to stop
    each, spread = (1e-9, 1e-9) if kind == "did" else (EARLY, 0.005)
    assert ours[theirs.index].to_numpy() == pytest.approx(theirs.to_numpy(), abs=each)
    error = float(np.sqrt(found.covariance()[0, 0]))
    assert error == pytest.approx(expected["se_b"], rel=spread)
    assert error == pytest.approx(expected["se_a"] or expected["se_b"], rel=max(spread, 0.01))
    real = abs(case.fitted(RECIPES[kind]).run.gaps[0, case.before :].mean())
    assert (1 + (ours.abs() >= real).sum()) / (1 + len(ours)) == pytest.approx(expected["rank_p_b"])


@pytest.mark.parametrize(("kind", "tolerance"), [("did", EXACT), ("sdid", 1e-4), ("sc", 0.005)])
def test_the_jackknife_with_weights_kept(kind, tolerance):
    """Kept weights are the exact ones here, those that stopped early there: 2e-5 apart for sdid, 2e-3 for sc."""
    case = Case("sc_5of40")  # with one joined unit there is none
    expected = values("sc_5of40")[f"synthdid_{kind}_jackknife"]
    covariance, df = jackknife(case.fitted(RECIPES[kind]), np.arange(len(case.Y)), refit=False)
    assert np.sqrt(covariance[0, 0]) == pytest.approx(expected["se"], rel=tolerance)
    assert 1 <= df[0] <= len(case.Y)


def test_seeded_placebos_and_bootstrap_agree_within_their_own_noise(case):
    """100 draws there: placebos to about a tenth; over 20 of our seeds 100 bootstrap draws give .31 to .42."""
    fitted = case.fitted(recipes.difference)
    error = np.sqrt(placebos(fitted, case.never, case.joined, 200).covariance()[0, 0])
    assert error == pytest.approx(values(case.name)["synthdid_sdid_placebo_seeded"]["se"], rel=0.15)
    if len(case.joined) > 1:
        drawn = np.sqrt(bootstrap(fitted, 200)[0, 0])
        assert drawn == pytest.approx(values(case.name)["synthdid_sdid_bootstrap_seeded"]["se"], rel=0.3)


# -- augsynth ------------------------------------------------------------------


def augsynth(kind, case):
    """The package's fit: levels taken out of all periods first, the last period never left out, the penalty kept."""
    levels, one = "fixedeff" in kind, case.sample
    if "ridge" not in kind:
        return recipes.classical(levels=levels), {}
    X, y = recipes._levelled(one) if levels else (one.before, one.joined)
    start = recipes.control(one, levels=levels).unit
    grid = ridge.penalties(X)
    columns = np.arange(case.before - 1)
    error, spread = ridge.cross_validated(X, y, grid, levels=False, start=start, held_out=columns)
    penalty = ridge.choose(grid, error, spread)
    return recipes.ridge_augmented(levels=levels, penalty=penalty), {"grid": grid, "error": error, "lambda": penalty}


@pytest.mark.parametrize("kind", AUGSYNTH)
def test_effects_weights_and_penalty(case, kind):
    expected = values(case.name)[f"augsynth_{kind}"]
    recipe, tuned = augsynth(kind, case)
    found = recipe(case.sample, None)
    assert case.effect(found) == pytest.approx(expected["att_by_time"], abs=OSQP)
    assert case.effect(found)[case.before :].mean() == pytest.approx(expected["average_att_post"], abs=OSQP)
    assert found.unit == pytest.approx(named(expected["weights"]), abs=1e-5)
    ours = recipes.imbalance(case.sample, found.unit, levels="fixedeff" in kind)
    assert ours == pytest.approx((expected["l2_imbalance"], expected["scaled_l2_imbalance"]), rel=1e-5, abs=1e-8)
    if tuned:
        assert tuned["grid"] == pytest.approx(expected["ridge_lambda_grid"], rel=EXACT)
        assert tuned["error"] == pytest.approx(expected["cv_errors"], rel=1e-4)
        assert tuned["lambda"] == pytest.approx(expected["lambda"], rel=EXACT)


def test_a_given_penalty(case):
    expected = values(case.name)["augsynth_ridge_lambda10"]
    found = recipes.augmented(case.sample, levels=False, penalty=10.0)
    assert case.effect(found) == pytest.approx(expected["att_by_time"], abs=OSQP)
    assert found.unit == pytest.approx(named(expected["weights"]), abs=1e-5)
    plain = recipes.control(case.sample, levels=False)
    assert plain.unit == pytest.approx(named(expected["synw"]), abs=1e-5)


@pytest.mark.parametrize("kind", AUGSYNTH)
def test_the_jackknife_plus_over_periods(case, kind):
    expected = values(case.name)[f"augsynth_{kind}_jackknife_plus"]
    low, high = jackknife_plus(case.series(), augsynth(kind, case)[0], 0.05)
    for found, key in ((low, "lower_bound"), (high, "upper_bound")):
        theirs = np.array(expected["att"][key][case.before :], float)
        assert found[:-1] == pytest.approx(theirs, abs=OSQP)
        assert found[-1] == pytest.approx(expected["average_att"][key], abs=OSQP)


@pytest.mark.parametrize("kind", AUGSYNTH)
def test_conformal_p_values_by_blocks(case, kind):
    """The p-values are counts, so they are equal or one period apart; here they are equal."""
    expected = values(case.name)[f"augsynth_{kind}_conformal_block"]
    recipe, series = augsynth(kind, case)[0], case.series()
    assert conformal_p(series, recipe, 0.0) == pytest.approx(expected["average_att"]["p_val"])
    each = [conformal_p(series, recipe, 0.0, np.array([c])) for c in range(case.before, case.periods)]
    assert each == pytest.approx(expected["att"]["p_val"][case.before :])


@pytest.mark.parametrize("kind", AUGSYNTH)
def test_conformal_intervals_on_the_packages_grid(case, kind):
    """Inverted on their grid of 50 effects and nought; a grid point whose p-value sits on a tie may move one step."""
    expected = values(case.name)[f"augsynth_{kind}_conformal_block"]["att"]
    recipe, series = augsynth(kind, case)[0], case.series()
    effect = series.gaps(recipe)
    reach = 2 * np.sqrt(np.mean(effect[case.before :] ** 2))
    for column in range(case.before, case.periods, 5):
        grid = np.append(np.linspace(effect[column] - reach, effect[column] + reach, 50), 0.0)
        kept = [v for v in grid if conformal_p(series, recipe, float(v), np.array([column])) >= 0.05]
        step = 2 * reach / 49 * 1.001
        assert min(kept) == pytest.approx(expected["lower_bound"][column], abs=step)
        assert max(kept) == pytest.approx(expected["upper_bound"][column], abs=step)


@pytest.mark.parametrize(("name", "kind"), present("augsynth_{}_jackknife", AUGSYNTH))
def test_the_jackknife_over_units(name, kind):
    """Their sum runs over the units left out, donors with a weight that rounds to 0.000 not among them."""
    case = Case(name)
    expected = values(name)[f"augsynth_{kind}_jackknife"]
    recipe, _ = augsynth(kind, case)
    weights = recipe(case.sample, None)
    out = [int(u) for u, w in zip(case.never, weights.unit, strict=True) if abs(w) >= 5e-4]
    out += [int(u) for u in case.joined] if len(case.joined) > 1 else []
    effects = []
    for unit in out:
        donors, joined = np.setdiff1d(case.never, [unit]), np.setdiff1d(case.joined, [unit])
        series = Series(case.Y[donors], case.Y[joined].mean(axis=0), case.before, len(joined))
        gaps = series.gaps(recipe)[case.before :]
        effects.append(np.append(gaps, gaps.mean()))
    n, centred = len(case.Y), np.array(effects) - np.mean(effects, axis=0)
    error = np.sqrt((n - 1) / n * (centred**2).sum(axis=0))
    assert error[-1] == pytest.approx(expected["average_att"]["Std.Error"], abs=OSQP)
    theirs = np.array(expected["att_se"], float)[case.before :]
    assert error[: len(theirs)] == pytest.approx(theirs, abs=OSQP)


@pytest.mark.parametrize(("name", "kind"), present("augsynth_{}_permutation", AUGSYNTH))
def test_permuted_units(name, kind):
    """The package leaves the treated unit among the donors of the placebos; ours do not, so it is put there here."""
    case = Case(name)
    expected = values(name)[f"augsynth_{kind}_permutation"]["att"]
    recipe, _ = augsynth(kind, case)
    gaps = np.array([case.series(unit).gaps(recipe) for unit in range(len(case.Y))])[:, case.before :]
    real = gaps[case.joined[0]]
    p = (np.abs(gaps) >= np.abs(real) - 1e-9).mean(axis=0)
    reach = 1.959963984540054 * gaps[case.never].std(axis=0, ddof=1)
    assert p == pytest.approx(expected["p_val"][case.before :])
    assert real - reach == pytest.approx(np.array(expected["lower_bound"][case.before :], float), abs=1e-4)
    assert real + reach == pytest.approx(np.array(expected["upper_bound"][case.before :], float), abs=1e-4)


# -- Synth ---------------------------------------------------------------------


def test_synth_with_equal_importance_of_all_periods():
    """That package divides every predictor by its standard deviation over all units; its ipop stops at 1e-8."""
    case = Case("sc_1of40")
    expected = values(case.name)["synth_custom_v_equal"]
    one = case.sample
    spread = np.vstack([one.joined, one.before]).std(axis=0, ddof=1)
    found = recipes.simplex((one.before / spread).T, one.joined / spread, 0.0)
    gap = case.course - found @ case.Y[case.never]
    assert found == pytest.approx(named(expected["w"]), abs=1e-3)
    assert gap == pytest.approx(np.array(expected["gap"]), abs=1e-3)
    assert gap[case.before :].mean() == pytest.approx(expected["average_gap_post"], abs=1e-4)


# -- from a protocol -------------------------------------------------------------


def test_the_designs_give_the_same_from_a_protocol(reference):
    """The design's own way through Panel, phases and blocks ends at the reference figure."""
    exact = values("sc_5of40")["synthdid_sdid_exact_qp"]["tau"]
    found = estimators.fit(
        "synthetic_did", reference("sc_5of40", model={"synthetic_did": {"inference": "jackknife"}})
    )
    assert found.headline["estimate"] == pytest.approx(exact, rel=EXACT)
    error = values("sc_5of40")["synthdid_sdid_jackknife"]["se"]
    assert found.headline["std_error"] == pytest.approx(error, rel=1e-4)
    for levels, entry in (("matched", "augsynth_scm"), ("own", "augsynth_scm_fixedeff")):
        panel = reference("sc_5of40", model={"synthetic_control": {"levels": levels}})
        expected = values("sc_5of40")[entry]["average_att_post"]
        assert estimators.fit("synthetic_control", panel).headline["estimate"] == pytest.approx(expected, abs=OSQP)
    panel = reference("sc_5of40", model={"augmented_synthetic_control": {"levels": "matched", "penalty": 10.0}})
    expected = values("sc_5of40")["augsynth_ridge_lambda10"]["average_att_post"]
    found = estimators.fit("augmented_synthetic_control", panel)
    assert found.headline["estimate"] == pytest.approx(expected, abs=OSQP)
    assert found.diagnostics["ridge_penalty"] == 10.0


def test_weights_as_given_are_used_as_given(case):
    given = Weights(np.full(len(case.never), 1 / len(case.never)), np.full(case.before, 1 / case.before))
    fixed = partial(lambda _, __, weights: weights, weights=given)
    expected = values(case.name)["synthdid_did"]["tau"]
    assert case.fitted(fixed).run.gaps[0, case.before :].mean() == pytest.approx(expected, rel=EXACT)
