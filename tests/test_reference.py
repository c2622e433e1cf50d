"""Do the estimators equal the trusted R implementations on the same data?

Results and the R calls that made them are in tests/reference; the tolerances are relative.
"""

from __future__ import annotations

import json

import numpy as np
import pytest
from conftest import REFERENCE

from evalkit import estimators, inference

EXACT = 1e-9  # both sides are closed-form least squares


def result(case, entry):
    stored = json.loads((REFERENCE / f"{case}.json").read_text(encoding="utf-8"))
    return next(r["values"] for r in stored["results"] if r["id"] == entry)


def term(estimate, name):
    return estimate.terms.set_index("term").loc[name]


# -- interrupted time series ---------------------------------------------------

ITS = {"season": {"harmonics": 0}, "errors": "newey_west"}


@pytest.mark.parametrize("lags", [1, 3, 6, 12])
def test_its_newey_west(reference, lags):
    estimate = estimators.fit("its", reference("its_short", model={"its": {**ITS, "lags": lags}}))
    expected = result("its_short", f"ols_nw_lag{lags}_adj")
    for name, key in (("level change", "post"), ("slope change per month", "trend_after")):
        assert term(estimate, name)["estimate"] == pytest.approx(expected["coef"][key], rel=EXACT)
        assert term(estimate, name)["std_error"] == pytest.approx(expected["se"][key], rel=EXACT)


def test_its_default_lags_p_values_and_df(reference):
    estimate = estimators.fit("its", reference("its_short", model={"its": ITS}))
    expected = result("its_short", "coeftest_nw3")
    for name, key in (("level change", "post"), ("slope change per month", "trend_after")):
        assert term(estimate, name)["p_value"] == pytest.approx(expected["p"][key], rel=1e-8)
        assert term(estimate, name)["df"] == expected["df"]


def test_its_ols_errors_and_counterfactual(reference):
    estimate = estimators.fit("its", reference("its_short", model={"its": {**ITS, "errors": "ols"}}, horizons=[23]))
    expected = result("its_short", "ols")
    assert term(estimate, "level change")["std_error"] == pytest.approx(expected["se"]["post"], rel=EXACT)
    end = result("its_short", "ols_counterfactual_end")
    last = estimate.path.iloc[-1]
    assert last["counterfactual"] == pytest.approx(end["counterfactual"], rel=EXACT)
    assert [last["low"], last["high"]] == pytest.approx(end["ci95"], rel=EXACT)
    assert term(estimate, "effect 23 months after joining")["estimate"] == pytest.approx(end["difference"], rel=EXACT)
    every = result("its_short", "ols_counterfactual_all")
    post = estimate.path[estimate.path["phase"].eq("post")]
    assert post["counterfactual"].to_numpy() == pytest.approx(every["counterfactual"], rel=EXACT)


# -- two-way fixed effects -----------------------------------------------------


def test_twoway_2x2(reference):
    estimate = estimators.fit("twoway", reference("did_2x2"))
    expected = result("did_2x2", "twfe_cluster_provider")
    (key,) = expected["coef"]
    assert estimate.headline["estimate"] == pytest.approx(expected["coef"][key], rel=EXACT)
    assert estimate.headline["std_error"] == pytest.approx(expected["se"][key], rel=EXACT)
    assert estimate.headline["p_value"] == pytest.approx(expected["p"][key], rel=1e-7)


def test_twoway_clustered_on_region(reference):
    estimate = estimators.fit("twoway", reference("did_2x2", cluster="region"))
    expected = result("did_2x2", "twfe_cluster_region")
    (key,) = expected["coef"]
    assert estimate.headline["std_error"] == pytest.approx(expected["se"][key], rel=EXACT)


def test_event_study_2x2(reference):
    estimate = estimators.fit("event_study", reference("did_2x2"))
    expected = result("did_2x2", "twfe_event_study")
    coefficients = {int(k.split("::")[1]): k for k in expected["coef"]}
    events = estimate.events.set_index("event_time")
    assert sorted(coefficients) == list(events.index)
    for time, key in coefficients.items():
        assert events.loc[time, "estimate"] == pytest.approx(expected["coef"][key], rel=1e-8, abs=1e-10)
        assert events.loc[time, "std_error"] == pytest.approx(expected["se"][key], rel=1e-8)


# -- group-time ----------------------------------------------------------------

CASES = ["did_2x2", "did_stag_small", "did_stag6", "did_one_pre"]
COMPARISONS = [("never", "never_joined"), ("notyet", "not_yet_joined")]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(("r_name", "ours"), COMPARISONS)
def test_group_time_averages(reference, case, r_name, ours):
    if case == "did_2x2" and ours == "not_yet_joined":
        r_name = "never"  # one wave: the two comparisons are the same units
    estimate = estimators.fit("group_time", reference(case, comparison=ours))
    names = {
        "simple": "average effect on the joined (ATT)",
        "dynamic": "mean over periods since joining",
        "group": "mean of the waves' own averages",
    }
    for kind, name in names.items():
        expected = result(case, f"cs_{r_name}_agg_{kind}")
        if name not in set(estimate.terms["term"]):
            assert (case, kind) == ("did_2x2", "group")  # one wave: its average is the headline
            continue
        assert term(estimate, name)["estimate"] == pytest.approx(expected["overall_att"], rel=EXACT)
        assert term(estimate, name)["std_error"] == pytest.approx(expected["overall_se"], rel=EXACT)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(("r_name", "ours"), COMPARISONS)
def test_group_time_by_event_time(reference, case, r_name, ours):
    if case == "did_2x2" and ours == "not_yet_joined":
        r_name = "never"  # one wave: the two comparisons are the same units
    estimate = estimators.fit("group_time", reference(case, comparison=ours))
    expected = result(case, f"cs_{r_name}_agg_dynamic")
    assert list(estimate.events["event_time"]) == expected["egt"]
    assert estimate.events["estimate"].to_numpy() == pytest.approx(expected["att_egt"], rel=EXACT, abs=1e-12)
    assert estimate.events["std_error"].to_numpy() == pytest.approx(expected["se_egt"], rel=EXACT)
    variance = np.diag(estimate.covariance)
    assert np.sqrt(variance) == pytest.approx(expected["se_egt"], rel=EXACT)


def test_group_time_clustered_on_region(reference):
    estimate = estimators.fit("group_time", reference("did_stag6", cluster="region"))
    expected = result("did_stag6", "cs_notyet_cluster_region_agg_simple")
    assert estimate.headline["std_error"] == pytest.approx(expected["overall_se"], rel=EXACT)


@pytest.mark.parametrize("kind", ["simple", "dynamic"])
def test_group_time_with_anticipation(reference, kind):
    panel = reference("did_2x2", comparison="never_joined", model={"group_time": {"anticipation": 1}})
    expected = result("did_2x2", f"cs_never_anticip1_agg_{kind}")
    name = {"simple": "average effect on the joined (ATT)", "dynamic": "mean over periods since joining"}[kind]
    found = term(estimators.fit("group_time", panel), name)
    assert found["estimate"] == pytest.approx(expected["overall_att"], rel=EXACT)
    assert found["std_error"] == pytest.approx(expected["overall_se"], rel=EXACT)


def test_group_time_universal_base(reference):
    model = {"group_time": {"base": "universal"}}
    estimate = estimators.fit("group_time", reference("did_stag_small", model=model))
    expected = result("did_stag_small", "cs_notyet_universal_agg_dynamic")
    kept = [i for i, e in enumerate(expected["egt"]) if e != -1]  # the base period itself is zero by definition
    assert list(estimate.events["event_time"]) == [expected["egt"][i] for i in kept]
    assert estimate.events["estimate"].to_numpy() == pytest.approx([expected["att_egt"][i] for i in kept], rel=EXACT)


def test_wald_statistic_of_the_small_case():
    covariance = np.array([[2.0, 0.5], [0.5, 1.0]])
    statistic, df, p_value = inference.wald(np.array([1.0, -1.0]), covariance)
    assert statistic == pytest.approx(np.array([1.0, -1.0]) @ np.linalg.inv(covariance) @ np.array([1.0, -1.0]))
    assert df == 2
    assert 0 < p_value < 1


# -- interrupted time series of two series, and of many ------------------------------------


def test_controlled_its_equals_the_difference_series(reference):
    options = {"season": {"harmonics": 0}, "errors": "newey_west", "lags": 3}
    found = estimators.fit("controlled_its", reference("its_controlled", model={"its": options}, horizons=[23]))
    expected = result("its_controlled", "difference_series_nw")
    for name, key in (
        ("difference in level change", "post"),
        ("difference in slope change per month", "trend_after"),
    ):
        assert term(found, name)["estimate"] == pytest.approx(expected["coef"][key], rel=EXACT)
        assert term(found, name)["std_error"] == pytest.approx(expected["se_nw3_adj"][key], rel=EXACT)


def test_controlled_its_equals_the_full_interaction(reference):
    options = {"season": {"harmonics": 0}, "errors": "ols"}
    found = estimators.fit("controlled_its", reference("its_controlled", model={"its": options}, horizons=[23]))
    expected = result("its_controlled", "ols")["coef"]
    assert term(found, "difference in level change")["estimate"] == pytest.approx(expected["post:group"], rel=EXACT)
    slope = term(found, "difference in slope change per month")["estimate"]
    assert slope == pytest.approx(expected["trend_after:group"], rel=EXACT)


@pytest.mark.parametrize("entry", ["lme_ri_reml", "feols_provider_fe"])
def test_the_joint_series_has_the_coefficients_of_the_panel_with_unit_effects(reference, entry):
    """With one date and no gaps the mean of the units holds all there is to know of common coefficients."""
    options = {"season": {"harmonics": 1}, "errors": "ols"}
    found = estimators.fit("its", reference("its_pooled", model={"its": options}, comparison="none"))
    expected = result("its_pooled", entry)["coef"]
    # lme stops its search at about 1e-9 of the coefficients
    assert term(found, "level change")["estimate"] == pytest.approx(expected["post"], rel=1e-7)
    assert term(found, "slope change per month")["estimate"] == pytest.approx(expected["trend_after"], rel=1e-7)


@pytest.mark.parametrize("unit", ["P001", "P007", "P012"])
def test_one_unit_at_a_time(reference, unit):
    options = {"season": {"harmonics": 1}, "errors": "ols"}
    panel = reference("its_pooled", model={"its": options}, comparison="none", horizons=[23])
    alone = panel.with_rows(panel.rows.loc[[unit]])
    found, expected = estimators.fit("its", alone), result("its_pooled", "provider_slopes")[unit]
    end = term(found, "effect 23 months after joining")
    assert term(found, "level change")["estimate"] == pytest.approx(expected["level"], rel=EXACT)
    assert term(found, "level change")["std_error"] == pytest.approx(expected["level_se"], rel=EXACT)
    assert [end["estimate"], end["std_error"]] == pytest.approx([expected["end"], expected["end_se"]], rel=EXACT)
