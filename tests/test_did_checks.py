"""Do the checks of comparisons between units say who is compared with whom, and raise a concern when there is one?"""

from __future__ import annotations

import dataclasses
import json
import re
import sys

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from conftest import REFERENCE, Maker

from evalkit import checks, estimators, inference, numbers, plots, tables
from evalkit.errors import DesignError
from evalkit.estimate import GROUPS, Estimate, Refusal, framed
from evalkit.estimators._did import bacon
from evalkit.study.protocol import Outcome

EXACT = 1e-9
LINEAR = ["group_time", "imputation", "two_stage", "interaction_weighted", "extended_twoway", "stacked", "twoway",
          "event_study"]  # fmt: skip
CLEAN = LINEAR[:6]
STAGGERED = {d: {"allow_staggered": True} for d in ("twoway", "event_study")}
STACK = {"stacked": {"before": 3, "after": 2}}
REFUSED = Refusal("s", "y", "group_time", "Group-time", ("Too short.",))


@pytest.fixture(scope="module")
def panel(tmp_path_factory):
    """A reference case as a panel: `panel(case, **protocol changes)`."""

    kept = {}

    def built(case, **changes):
        key = json.dumps([case, changes], sort_keys=True)
        if key not in kept:
            kept[key] = fresh(case, **changes)
        return kept[key]

    def fresh(case, *, model=None, **changes):
        data = pd.read_csv(REFERENCE / f"{case}.csv", dtype={"first_treated": str})
        data = data.rename(columns={"provider_id": "unit", "outcome": "y", "first_treated": "joined"})
        data["joined"] = data["joined"].fillna("")
        table = data.groupby("unit")[["joined", "region", "x"]].first().reset_index()
        window = [data["period"].min()[:7], data["period"].max()[:7]]
        changes = {"horizons": [2], "source": {"reader": "csv", "path": "panel.csv", "gaps": "allow"}, **changes}
        changes["rollout"] = {"path": "rollout.csv", "region": "region"}
        changes["model"] = {**STAGGERED, **STACK, **(model or {})}
        return Maker(tmp_path_factory.mktemp("study")).panel(
            data[["unit", "period", "y", "numerator", "denominator"]], table, window=window, **changes
        )

    return built


def values(panel):
    """Outcomes, shape (n, T), nought where missing, and which were seen; not by way of the library's arrays."""
    matrix = panel.rows["value"].unstack("period").reindex(index=panel.units.index, columns=panel.study.window)
    return matrix.fillna(0.0).to_numpy(), matrix.notna().to_numpy()


# -- the weights of a headline -----------------------------------------------------


@pytest.mark.parametrize("case", ["did_stag_small", "did_unbalanced", "did_all_treated", "did_2x2"])
@pytest.mark.parametrize("design", LINEAR)
def test_the_headline_is_the_weighted_sum_of_outcomes(panel, design, case):
    data = panel(case, transition=1)
    Y, seen = values(data)
    try:
        estimate = estimators.fit(design, data)
    except DesignError:
        with pytest.raises(DesignError):
            estimators.headline_weights(design, data)
        assert (design, case) == ("event_study", "did_all_treated")
        return
    w = estimators.headline_weights(design, data).weights
    assert (w * Y).sum() == pytest.approx(estimate.headline["estimate"], rel=EXACT)
    loose = (design, case) == ("stacked", "did_unbalanced")  # its regression has no unit effects
    assert (np.abs(w.sum(axis=1)).max() > EXACT) == loose
    assert np.abs(w[~seen]).max(initial=0.0) == 0


@pytest.mark.parametrize("method", ["dr", "ipw", "or"])
def test_so_it_is_with_covariates(panel, method):
    data = panel("did_covariate", covariates=["x"], model={"group_time": {"method": method}})
    w = estimators.headline_weights("group_time", data).weights
    headline = estimators.fit("group_time", data).headline["estimate"]
    assert (w * values(data)[0]).sum() == pytest.approx(headline, rel=EXACT)


def test_with_a_common_start_the_weights_are_those_of_two_means(panel):
    data = panel("did_2x2")
    found = estimators.headline_weights("group_time", data)
    joined = data.units["cohort"].notna().to_numpy()
    start = int(data.study.time(data.units["cohort"].dropna())[0])
    T = len(data.study.window)
    expected = np.zeros((len(joined), T))
    sign = np.where(joined, 1 / joined.sum(), -1 / (~joined).sum())
    expected[:, start:] = sign[:, None] / (T - start)
    expected[:, start - 1] = -sign
    assert found.weights == pytest.approx(expected, abs=1e-14)
    assert found.lent == pytest.approx(np.where(joined, 0, 1 / (~joined).sum()), abs=1e-14)
    assert found.forbidden == 0


def test_two_way_weights_are_the_residuals_of_having_joined(panel):
    data = panel("did_unbalanced")
    _, seen = values(data)
    unit, period = np.nonzero(seen)
    start = data.study.time(data.units["cohort"].fillna(data.study.window[0]))
    joined = (data.units["cohort"].notna().to_numpy() & True)[unit] & (period >= np.asarray(start)[unit])
    X = np.column_stack([np.eye(seen.shape[0])[unit], np.eye(seen.shape[1])[period][:, 1:]])
    left = joined - X @ np.linalg.lstsq(X, joined.astype(float), rcond=None)[0]
    found = estimators.headline_weights("twoway", data)
    assert found.weights[unit, period] == pytest.approx(left / (left @ left), abs=1e-12)
    after = joined & (found.layout.group[unit] >= 0)
    negative = pd.Series(left).groupby([found.layout.group[unit], period]).sum()
    misused = pd.Series(after).groupby([found.layout.group[unit], period]).first()
    share = -negative[(negative < 0) & misused].sum() / -negative[negative < 0].sum()
    assert found.forbidden == pytest.approx(share, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("design", [d for d in CLEAN if d != "stacked"])
def test_what_units_lend_and_their_own_part_make_up_the_weights(panel, design):
    found = estimators.headline_weights(design, panel("did_stag_small"))
    never = np.isnan(found.layout.g)
    assert found.others[never] == pytest.approx(found.weights[never], abs=1e-12)
    assert np.abs(found.others.sum(axis=1)).max() < 1e-12
    assert np.abs(np.where(found.after, found.others, 0)).max() < 1e-12  # nobody lends after joining


def test_later_waves_lend_to_earlier_ones_and_not_to_those_after_the_protocol_says_so(panel):
    lent = {}
    for comparison in ("not_yet_joined", "never_joined"):
        found = estimators.headline_weights("group_time", panel("did_stag_small", comparison=comparison))
        lent[comparison] = found.lent[~np.isnan(found.layout.g)].sum()
    assert lent["not_yet_joined"] > 0.01
    assert lent["never_joined"] == 0


def test_weights_are_refused_where_the_headline_is_no_weighted_sum(panel):
    with pytest.raises(DesignError, match="not known"):
        estimators.headline_weights("synthetic_did", panel("did_2x2"))
    with pytest.raises(DesignError, match="not known"):
        estimators.headline_weights("nothing", panel("did_2x2"))


# -- who is compared with whom -----------------------------------------------------


@pytest.mark.parametrize("design", CLEAN)
def test_modern_designs_give_joined_units_no_negative_weight(panel, design):
    data = panel("did_stag_small")
    check = checks.comparisons(data, estimators.fit(design, data))
    assert (check.verdict, check.value) == ("reassuring", 0.0)
    total = check.data.groupby("wave")["weight"].sum()
    assert np.abs(total).max() < 1e-12


def test_two_way_regression_under_waves_is_taken_apart(panel):
    data = panel("did_all_treated")
    estimate = estimators.fit("twoway", data)
    check = checks.comparisons(data, estimate)
    pairs = check.data[check.data["part"].eq("pair")]
    assert check.verdict == "concern"
    assert pairs["weight"].sum() == pytest.approx(1, rel=EXACT)
    assert pairs["weight"] @ pairs["estimate"] == pytest.approx(estimate.headline["estimate"], rel=EXACT)
    assert set(pairs["kind"]) == {bacon.EARLIER, bacon.LATER}
    assert "later against earlier joined" in check.reading


def test_negative_weight_after_joining_is_a_concern(panel):
    data = panel("did_all_treated")
    check = checks.comparisons(data, estimators.fit("twoway", data))
    rows = check.data[check.data["part"].eq("weight")]
    negative = rows[rows["weight"] < 0]
    assert check.value == pytest.approx(
        negative.loc[negative["phase"].eq("post"), "weight"].sum() / negative["weight"].sum(), rel=EXACT
    )
    assert check.value > 0


def test_an_unbalanced_two_way_regression_is_not_taken_apart_and_says_why(panel):
    data = panel("did_unbalanced")
    check = checks.comparisons(data, estimators.fit("twoway", data))
    assert check.data["part"].eq("weight").all()
    assert check.verdict in ("inconclusive", "concern")
    assert "missing periods" in check.reading or check.value > 0


def test_levels_of_units_that_come_and_go_are_noted(panel):
    data = panel("did_unbalanced")
    check = checks.comparisons(data, estimators.fit("stacked", data))
    assert check.verdict == "inconclusive"
    assert "their level" in check.reading


def test_comparisons_name_what_they_cannot_look_at(panel):
    data = panel("did_2x2")
    assert checks.comparisons(data, REFUSED).verdict == "not applicable"
    other = dataclasses.replace(estimators.fit("group_time", data), design="synthetic_did")
    assert checks.comparisons(data, other).verdict == "not applicable"


def test_half_of_the_comparison_is_half_of_alike_units(panel):
    data = panel("did_2x2")
    reading = checks.comparisons(data, estimators.fit("group_time", data)).reading
    others = len(data.never)
    assert f"{others} units, of which {-(-others // 2)} carry half" in reading
    assert "all of them never joined" in reading


# -- overlap and balance -----------------------------------------------------------


def plain_balance(data, x, weights):
    joined = data.units["cohort"].notna().to_numpy()
    spread = np.sqrt((x[joined].var(ddof=1) + x[~joined].var(ddof=1)) / 2)
    after = weights[~joined] @ x[~joined] / weights[~joined].sum()
    return (x[joined].mean() - x[~joined].mean()) / spread, (x[joined].mean() - after) / spread


def one_wave(make, strength=0.0, *, seed=5, units=80, x=None, joined=None, **changes):
    """Units that join in one month, by default the more likely the larger x; y follows x."""
    random = np.random.default_rng(seed)
    x = random.normal(size=units) if x is None else x
    units = len(x)
    joined = random.random(units) < 1 / (1 + np.exp(1 - strength * x)) if joined is None else joined
    months = pd.period_range("2018-01", periods=12, freq="M").astype(str)
    rows = pd.DataFrame(
        [(f"U{i:03d}", m, 50 + x[i] * t / 10 + random.normal()) for i in range(units) for t, m in enumerate(months)],
        columns=["unit", "period", "y"],
    )
    table = pd.DataFrame(
        {"unit": [f"U{i:03d}" for i in range(units)], "joined": np.where(joined, months[6], ""), "x": x}
    )
    return make.panel(rows, table, window=[months[0], months[-1]], horizons=[2], **changes)


@pytest.mark.parametrize("method", ["ipw", "dr", "or"])
def test_balance_before_and_after_weighting(make, method):
    data = one_wave(make, 0.7, covariates=["x"], model={"group_time": {"method": method}})
    check = checks.overlap(data, estimators.fit("group_time", data))
    x = data.units["x"].astype(float).to_numpy()
    joined = data.units["cohort"].notna().to_numpy()
    p = sm.Logit(joined.astype(float), sm.add_constant(x)).fit(disp=0, tol=1e-12, maxiter=100).predict()
    before, after = plain_balance(data, x, p / (1 - p))
    row = check.data.set_index("name").loc["x"]
    assert row["difference_before"] == pytest.approx(before, rel=1e-9)
    assert row["joined"] == pytest.approx(x[joined].mean(), rel=1e-9)
    assert row["difference_after"] == pytest.approx(after if method == "ipw" else 0.0, rel=1e-6, abs=1e-9)
    assert check.value == pytest.approx(abs(row["difference_after"]), abs=1e-12)
    odds = (p / (1 - p))[~joined]
    if method == "ipw":
        kish = numbers_of(odds.sum() ** 2 / (odds**2).sum())
        assert f"amount to {kish} equally weighted units" in check.reading


def numbers_of(value):
    return f"{value:.1f}"


def test_a_comparison_carried_by_few_units_is_a_concern(make):
    random = np.random.default_rng(3)
    x = np.concatenate([random.normal(1.5, 0.5, 30), random.normal(-1, 0.5, 96), random.normal(1.5, 0.3, 4)])
    data = one_wave(make, x=x, joined=np.arange(130) < 30, covariates=["x"], model={"group_time": {"method": "ipw"}})
    check = checks.overlap(data, estimators.fit("group_time", data))
    p = sm.Logit((np.arange(130) < 30).astype(float), sm.add_constant(x)).fit(disp=0).predict()
    odds = (p / (1 - p))[30:]
    assert odds.sum() ** 2 / (odds**2).sum() < 10
    assert check.verdict == "concern"
    assert "Few comparison units" in check.reading or check.value > 0.25


def test_a_comparison_of_fewer_than_five_units_in_effect_is_a_concern(panel):
    data = panel("did_stag_small", covariates=["x"], transition=1)
    check = checks.overlap(data, estimators.fit("group_time", data))
    assert "amount to 3.7 equally weighted units of 24" in check.reading
    assert check.verdict == "concern"


def test_a_regression_without_overlap_is_a_concern(make):
    data = one_wave(make, 40.0, seed=8, units=60, covariates=["x"], model={"group_time": {"method": "or"}})
    check = checks.overlap(data, estimators.fit("group_time", data))
    assert check.verdict == "concern"
    assert "overlap" in check.reading


def test_a_level_before_joining_is_described_where_nothing_is_adjusted_for(make):
    data = one_wave(make, 1.0)
    check = checks.overlap(data, estimators.fit("group_time", data))
    early = data.wide().to_numpy()[:, :6]
    t = np.arange(6) - 2.5
    level, slope = early.mean(axis=1), early @ t / (t @ t)
    rows = check.data.set_index("name")
    ones = np.ones(len(early))
    assert rows.loc["level of the outcome", "difference_before"] == pytest.approx(
        plain_balance(data, level, ones)[0], rel=1e-9
    )
    assert rows.loc["trend of the outcome, a month", "difference_before"] == pytest.approx(
        plain_balance(data, slope, ones)[0], rel=1e-9
    )
    assert check.verdict == "inconclusive"
    assert check.data["difference_after"].isna().all()


def test_overlap_is_asked_of_group_time_effects_where_there_are_covariates(make):
    data = one_wave(make, 0.5, covariates=["x"])
    assert checks.overlap(data, estimators.fit("imputation", data)).verdict == "not applicable"
    assert checks.overlap(data, REFUSED).verdict == "not applicable"


def test_the_balance_table_holds_the_means(make):
    data = one_wave(make, 0.7, covariates=["x"])
    shown = tables.balance(checks.overlap(data, estimators.fit("group_time", data)))
    assert shown.html.count("<tr>") == 4  # header, x, level, trend
    assert "level of the outcome" in shown.text
    assert shown.html.count("djust") == 2


def test_without_covariates_the_balance_shows_nothing_of_an_adjustment(make):
    data = one_wave(make, 0.7)
    check = checks.overlap(data, estimators.fit("group_time", data))
    table, figure = tables.balance(check), plots.balance(check)
    head = ["Measure", "Joined", "Comparison", "Standardised difference"]
    assert re.findall(r'<th scope="col"[^>]*>(.*?)</th>', table.html) == head
    assert re.findall(r'<th scope="col"[^>]*>(.*?)</th>', figure.html) == ["Measure", "Not adjusted"]
    assert numbers.signed(check.data["difference_before"].iloc[0], 2) in table.text


# -- heterogeneity, families, engines ----------------------------------------------


def grouped(effects, p, error=0.5):
    """An estimate of effects by one grouping with an interaction test of adjusted p."""
    head = inference.term("average effect", 1.0, error, 60, 0.95)
    rows = [
        {**inference.term(g, e, error, 60, 0.95), "kind": "region", "group": g, "units": 10}
        for g, e in effects.items()
    ]
    return Estimate(
        "s", "y", "Outcome", "heterogeneity", "Effects by group", "estimand", "assumption", "points", 0.95,
        pd.DataFrame([head]), {}, "method", groups=framed(rows, GROUPS),
        diagnostics={"interaction_p_region": p / 2, "interaction_p_adjusted_region": p},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("effects", "p", "verdict"),
    [
        ({"North": 2.0, "South": 2.2}, 0.7, "reassuring"),
        ({"North": 2.0, "South": 5.0}, 0.01, "inconclusive"),
        ({"North": 2.0, "South": -2.0}, 0.01, "concern"),
        ({"North": 2.0, "South": -0.1}, 0.01, "inconclusive"),
        ({"North": 2.0, "South": -2.0}, 0.2, "inconclusive"),
    ],
)
def test_groups_are_judged_by_the_adjusted_joint_test(effects, p, verdict):
    check = checks.heterogeneity(grouped(effects, p))
    assert (check.verdict, check.value) == (verdict, p)
    assert list(check.data["p_adjusted"]) == [p, p]


def test_groups_without_a_joint_test_are_not_judged():
    without = dataclasses.replace(grouped({"North": 2.0}, 0.1), diagnostics={})
    assert checks.heterogeneity(without).verdict == "not applicable"
    assert checks.heterogeneity(REFUSED).verdict == "not applicable"


def test_the_design_and_its_check_fit_together(panel):
    data = panel("did_stag6", model={"heterogeneity": {"by": ["wave", "baseline"]}})
    estimate = estimators.fit("heterogeneity", data)
    check = checks.heterogeneity(estimate)
    adjusted = [v for k, v in estimate.diagnostics.items() if k.startswith("interaction_p_adjusted")]
    assert check.value == min(adjusted)
    assert set(check.data["kind"]) == {"wave", "baseline"}


def outcome(name, role, better="higher"):
    return Outcome(name=name, kind="continuous", value=name, better=better, role=role)


def one(name, value, error=1.0):
    row = inference.term("average effect", value, error, 60, 0.95)
    return Estimate(
        "s", name, name, "group_time", "Group-time", "e", "a", "points", 0.95, pd.DataFrame([row]), {}, "m"
    )


OUTCOMES = [outcome("a", "primary"), outcome("b", "secondary"), outcome("c", "secondary"), outcome("d", "balancing")]


def test_p_values_are_adjusted_within_a_family_only():
    check = checks.family([one("a", 2.2), one("b", 2.2), one("c", 2.1), one("d", 0.2)], OUTCOMES)
    data = check.data.set_index("outcome")
    p = data["p"]
    assert data.loc["a", "p_adjusted"] == p["a"]
    assert data.loc["b", "p_adjusted"] == pytest.approx(2 * p["b"])
    assert data.loc["c", "p_adjusted"] == pytest.approx(max(2 * p["b"], p["c"]))
    assert data.loc["d", "p_adjusted"] == p["d"]
    assert check.verdict == "inconclusive"  # b alone would be a finding, adjusted it is none
    assert check.value == 2


def test_a_balancing_measure_is_judged_without_adjustment():
    more = [*OUTCOMES, outcome("f", "balancing"), outcome("g", "balancing")]
    found = [one("a", 4.0), one("d", -2.2), one("f", 0.1), one("g", 0.2)]
    check = checks.family(found, more)
    assert check.data.set_index("outcome").loc["d", "p_adjusted"] > 0.05
    assert check.verdict == "concern"
    assert "d (" in check.reading
    better = checks.family([one("a", 4.0), one("d", 2.2), one("f", 0.1), one("g", 0.2)], more)
    assert better.verdict == "reassuring"


def test_a_single_outcome_is_no_family():
    assert checks.family([one("a", 4.0), REFUSED], OUTCOMES).verdict == "not applicable"


def test_the_family_table_has_both_p_values():
    shown = tables.family(checks.family([one("b", 2.3), one("c", 2.1)], OUTCOMES))
    assert shown.html.count("<tr>") == 3
    assert "p in its family" in shown.text
    nothing = tables.family(checks.family([], OUTCOMES))
    assert "Only one outcome" in nothing.text


RATE = [{"name": "y", "kind": "proportion", "numerator": "numerator", "denominator": "denominator",
         "better": "higher", "role": "primary"}]  # fmt: skip


@pytest.mark.parametrize(
    ("case", "changes"),
    [
        ("did_2x2", {}),
        ("did_stag_small", {"transition": 1}),
        ("did_unbalanced", {"cluster": "region"}),
        ("did_unbalanced", {"weights": "denominator", "outcomes": RATE}),
    ],
)
def test_three_engines_agree(panel, case, changes):
    data = panel(case, **changes)
    check = checks.engine_agreement(data, estimators.fit("group_time", data))
    assert check.verdict == "reassuring"
    assert 0 < check.value < EXACT
    assert len(check.data) == 3


def test_the_own_figure_is_that_of_the_two_way_design(panel):
    data = panel("did_2x2", model={"twoway": {"inference": "analytic"}})
    estimate = estimators.fit("twoway", data)
    row = checks.engine_agreement(data, estimate).data.iloc[0]
    assert row["estimate"] == pytest.approx(estimate.headline["estimate"], rel=EXACT)
    assert row["std_error"] == pytest.approx(estimate.headline["std_error"], rel=EXACT)


@pytest.mark.parametrize("part", [0, 1])
def test_engines_that_differ_are_a_concern(panel, monkeypatch, part):
    data = panel("did_2x2")
    module = sys.modules["evalkit.checks.engine_agreement"]
    right = module._linearmodels

    def wrong(sample):
        found = list(right(sample))
        found[part] *= 1 + 1e-5
        return tuple(found)

    monkeypatch.setattr(module, "_linearmodels", wrong)
    check = checks.engine_agreement(data, estimators.fit("group_time", data))
    assert check.verdict == "concern"
    assert check.value > 1e-7


def test_engines_are_not_asked_of_a_refusal(panel):
    assert checks.engine_agreement(panel("did_2x2"), REFUSED).verdict == "not applicable"
