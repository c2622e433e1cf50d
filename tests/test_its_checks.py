"""Does each check of a single course raise a concern when there is one, and only then?"""

from __future__ import annotations

import dataclasses
from functools import cache

import numpy as np
import pandas as pd
import pytest
from conftest import Maker
from scipy import stats
from statsmodels.stats.diagnostic import acorr_ljungbox

from evalkit import checks, estimators, periods, plots
from evalkit.checks import _changed
from evalkit.checks.autocorrelation import correlations, error_parameters
from evalkit.checks.detectable import simulated
from evalkit.errors import DesignError
from evalkit.estimate import Refusal
from evalkit.estimators._its import ar1
from evalkit.estimators._its.brief import without_each
from evalkit.estimators._its.series import joint_series

FIRST = "2015-01"
REFUSED = Refusal("s", "y", "its", "Interrupted time series", ("Too short.",))
ON_PANEL = ["placebo_dates", "forecast_error", "influence", "specification_curve", "detectable"]
ON_ESTIMATE = ["autocorrelation", "seasonality"]


def ar(n, *phi, seed=1, sd=1.0):
    """An autoregressive course, started 200 periods earlier."""
    shocks = sd * np.random.default_rng(seed).standard_normal(n + 200)
    for i in range(len(phi), len(shocks)):
        shocks[i] += sum(p * shocks[i - j - 1] for j, p in enumerate(phi))
    return shocks[200:]


def panel_of(make, y, start, *, first=FIRST, others=0, **changes):
    """One unit that joins at position `start`, and others that never do."""
    window = pd.period_range(first, periods=len(y), freq="M")
    months = window.astype(str)
    rows = [("A", m, v) for m, v in zip(months, y, strict=True)]
    rows += [(f"B{i}", m, 5.0 + i) for i in range(others) for m in months]
    rollout = pd.DataFrame(
        {"unit": ["A", *(f"B{i}" for i in range(others))], "joined": [months[start]] + [""] * others}
    )
    frame = pd.DataFrame(rows, columns=["unit", "period", "y"])
    return make.panel(frame, rollout, window=[months[0], months[-1]], **{"horizons": [], **changes})


def model(**options):
    return {"its": options}


def asked(name, panel, estimate=None, **options):
    estimate = estimate or estimators.fit("its", panel)
    if name in ON_ESTIMATE:
        return getattr(checks, name)(estimate)
    return getattr(checks, name)(panel, estimate, **options)


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    """48 months, step of 4 standard deviations after 36, AR(1) of 0.3."""
    y = 50 + ar(48, 0.3, seed=8)
    y[36:] += 4
    return panel_of(Maker(tmp_path_factory.mktemp("clean")), y, 36, model=model(impact="level"))


@pytest.fixture(scope="module")
def answer(clean):
    """What a check says of the clean data, asked once."""
    return cache(lambda name: asked(name, clean))


@pytest.fixture
def nothing_there(make):
    """48 months without any effect."""
    return panel_of(make, 50 + ar(48, 0.3, seed=6), 32, model=model(impact="level"))


@pytest.mark.parametrize("name", [*ON_ESTIMATE, *ON_PANEL])
def test_clean_data_are_reassuring(answer, name):
    found = answer(name)
    assert found.verdict == "reassuring", found
    assert found.design == "its"
    assert "nan" not in found.reading.lower()
    assert np.isfinite(found.value)


@pytest.mark.parametrize("name", [*ON_ESTIMATE, *ON_PANEL])
def test_a_check_repeats_itself_and_changes_nothing(clean, answer, name):
    first = answer(name)
    rows, units, study = clean.rows.copy(), clean.units.copy(), clean.study
    estimate = estimators.fit("its", clean)
    path = estimate.path.copy()
    second = asked(name, clean, estimate)
    assert first.reading == second.reading
    assert first.value == second.value
    pd.testing.assert_frame_equal(first.data, second.data)
    pd.testing.assert_frame_equal(clean.rows, rows)
    pd.testing.assert_frame_equal(clean.units, units)
    pd.testing.assert_frame_equal(estimate.path, path)
    assert clean.study is study


@pytest.mark.parametrize("name", [*ON_ESTIMATE, *ON_PANEL])
def test_a_refusal_is_not_applicable_with_its_reason(clean, name):
    found = getattr(checks, name)(*([] if name in ON_ESTIMATE else [clean]), REFUSED)
    assert found.verdict == "not applicable"
    assert "Too short" in found.reading
    assert found.value is None
    shown = getattr(plots, name)(found) if name != "seasonality" else None
    assert shown is None or ("<img" not in shown.html and "Too short" in shown.text)


@pytest.mark.parametrize("name", ["placebo_dates", "forecast_error", "detectable"])
def test_a_short_period_before_the_start_is_not_applicable(make, name):
    panel = panel_of(make, 50 + ar(40, seed=2), 10, model=model(impact="level"))
    found = asked(name, panel)
    assert found.verdict == "not applicable"
    assert "10" in found.reading


# autocorrelation


def test_the_statistic_is_that_of_ljung_and_box_where_nothing_is_missing(make):
    panel = panel_of(make, 50 + ar(60, 0.5, seed=3), 40, model=model(errors="ols", impact="level"))
    estimate = estimators.fit("its", panel)
    innovations = estimate.path["innovation"].to_numpy()
    expected = float(acorr_ljungbox(innovations, lags=[12])["lb_pvalue"].iloc[0])
    assert checks.autocorrelation(estimate).value == pytest.approx(expected)


def test_pairs_are_as_far_apart_as_the_calendar_says():
    t = np.array([0, 1, 2, 10, 11, 12, 13, 20, 21, 22])
    e = np.arange(10.0)
    found = correlations(t, e, 12).set_index("lag")
    assert found.loc[1, "pairs"] == 7
    centred = e - e.mean()
    at = dict(zip(t.tolist(), centred, strict=True))
    pairs = [at[s] * at[s - 10] for s in at if s - 10 in at]
    assert found.loc[10, "acf"] == pytest.approx(np.mean(pairs) / np.mean(centred**2))
    assert 6 not in found.index  # fewer than four pairs


@pytest.mark.parametrize(
    ("diagnostics", "spent"),
    [
        ({"rho": 0.3, "sigma": 1.0}, 1), ({"phi1": 0.3, "phi2": 0.1, "partial1": 0.3, "partial2": 0.1}, 2),
        ({"phi": 0.2, "theta": 0.1}, 2), ({"ar.L1": 0.2, "ma.L1": 0.1, "sigma": 1.0}, 2), ({"level_share": 0.1}, 1),
        ({"dispersion": 3.0, "theta": 4.0}, 0), ({}, 0),
    ],
)  # fmt: skip
def test_fitted_error_parameters_are_counted(diagnostics, spent):
    assert error_parameters(diagnostics) == spent


def test_a_second_order_course_is_a_concern_under_least_squares_and_not_under_its_own_engine(make):
    y = 50 + ar(120, 0.2, 0.6, seed=4)
    ols = asked("autocorrelation", panel_of(make, y, 80, model=model(errors="ols", impact="level")))
    assert ols.verdict == "concern"
    assert "independent" in ols.reading
    one = asked("autocorrelation", panel_of(make, y, 80, model=model(errors="ar1", impact="level")))
    assert one.verdict == "concern"
    two = asked("autocorrelation", panel_of(make, y, 80, model=model(errors="ar2", impact="level")))
    assert two.verdict == "reassuring"


def test_a_random_walk_is_a_concern_by_itself(clean):
    estimate = estimators.fit("its", clean)
    assert "95% interval" in checks.autocorrelation(estimate).reading
    stuck = dataclasses.replace(estimate, diagnostics={**estimate.diagnostics, "rho": 0.98, "rho_high": 0.98})
    found = checks.autocorrelation(stuck)
    assert found.verdict == "concern"
    assert found.value == pytest.approx(0.98)
    assert "random walk" in found.reading
    near = dataclasses.replace(estimate, diagnostics={**estimate.diagnostics, "rho_high": 0.98})
    assert "may be close to a random walk" in checks.autocorrelation(near).reading


@pytest.mark.parametrize("errors", ["ar1", "ols"])
def test_white_noise_in_a_short_series_is_no_false_alarm(make, errors):
    verdicts = []
    for seed in range(8):
        panel = panel_of(make, 50 + ar(24, seed=seed), 14, model=model(impact="level", errors=errors))
        verdicts.append(checks.autocorrelation(estimators.fit("its", panel), panel).verdict)
    assert verdicts.count("concern") <= 2


def test_a_simulated_reference_still_sees_what_is_there(make):
    y = 50 + ar(120, 0.2, 0.6, seed=4)
    panel = panel_of(make, y, 80, model=model(errors="ols", impact="level"))
    found = checks.autocorrelation(estimators.fit("its", panel), panel)
    assert found.verdict == "concern"
    assert "by simulation" in found.reading
    other = panel_of(make, y, 80, model=model(errors="ar2", impact="level"))
    assert "by simulation" not in checks.autocorrelation(estimators.fit("its", other), other).reading


# seasonality


def test_a_season_left_out_is_a_concern_and_one_that_is_modelled_is_not(make):
    month = np.arange(72) % 12
    y = 50 + 1.5 * np.isin(month, (11, 0, 1)) + ar(72, 0.3, seed=11, sd=0.5)
    left = asked("seasonality", panel_of(make, y, 48, model=model(impact="level", season={"harmonics": 0})))
    assert left.verdict == "concern"
    assert left.value < 0.05
    kept = asked("seasonality", panel_of(make, y, 48, model=model(impact="level", season={"months": True})))
    assert kept.verdict == "reassuring"


def test_a_season_needs_two_years(make):
    found = asked("seasonality", panel_of(make, 50 + ar(23, seed=2), 12, model=model(impact="level")))
    assert found.verdict == "not applicable"


# placebo dates


def test_a_break_before_the_start_makes_placebos_fire(make):
    y = 50 + ar(60, seed=5) + 0.5 * np.maximum(np.arange(60) - 22, 0)  # it turns long before the start
    found = asked("placebo_dates", panel_of(make, y, 44))
    assert found.verdict == "concern"
    clear = found.data[~found.data["real"]]
    assert ((clear["low"] > 0) | (clear["high"] < 0)).sum() > 2


def test_placebos_have_eight_periods_a_side_and_see_nothing_after_the_real_start(clean, answer):
    found = answer("placebo_dates")
    window = clean.study.window
    dates = found.data.loc[~found.data["real"], "date"]
    assert list(dates) == list(window[8:29])
    assert found.data.loc[found.data["real"], "date"].item() == window[36]
    far = clean.rows.copy()
    after = far.index.get_level_values("period") >= window[36]
    far.loc[after, ["value", "numerator"]] += 1000.0
    moved = asked("placebo_dates", dataclasses.replace(clean, rows=far), estimators.fit("its", clean))
    pd.testing.assert_frame_equal(moved.data, found.data)
    assert "ranks 1 of 22" in found.reading
    assert found.value == 0


def test_a_transition_follows_the_placebo_start(make):
    panel = panel_of(make, 50 + ar(60, seed=7), 30, transition=3, model=model(impact="level"))
    moved = _changed.with_start(panel, panel.study.window[12])
    assert joint_series(moved).phase.tolist() == ["pre"] * 12 + ["transition"] * 3 + ["post"] * 15
    found = asked("placebo_dates", panel)
    assert list(found.data.loc[~found.data["real"], "date"]) == list(panel.study.window[11:23])


def test_an_effect_that_does_not_stand_out_is_no_more_than_inconclusive(nothing_there):
    assert asked("placebo_dates", nothing_there).verdict in ("inconclusive", "reassuring")


def test_too_few_placebo_dates_are_inconclusive(make):
    panel = panel_of(make, 50 + ar(40, seed=2), 18, model=model(impact="level"))
    found = asked("placebo_dates", panel)
    assert found.verdict == "inconclusive"
    assert "So few dates" in found.reading


# forecast error


def test_a_course_that_turned_before_the_start_is_a_concern(make):
    y = 50 + ar(72, seed=5)
    y[38:] += 5
    found = asked("forecast_error", panel_of(make, y, 48, model=model(impact="level")))
    assert found.verdict == "concern"
    assert found.value == pytest.approx(5, abs=2)
    assert found.data["held_out"].sum() == 12


def test_the_forecast_rests_on_the_earlier_part_alone(clean, answer):
    before = answer("forecast_error").data
    far = clean.rows.copy()
    held = far.index.get_level_values("period").isin(before.loc[before["held_out"], "period"])
    far.loc[held, ["value", "numerator"]] += 7.0
    after = asked("forecast_error", dataclasses.replace(clean, rows=far), estimators.fit("its", clean)).data
    np.testing.assert_allclose(after["forecast"], before["forecast"], atol=1e-6)
    np.testing.assert_allclose(after["high"], before["high"], atol=1e-5)


def test_prediction_limits_hold_their_level():
    rng = np.random.default_rng(3)
    X = np.column_stack([np.ones(48), np.arange(48.0)])
    alone = np.eye(48)[:, 36:]
    paths = np.stack([ar(48, 0.4, seed=int(s)) for s in rng.integers(1, 10**6, 300)])
    many = ar1.fit_many(np.hstack([X, alone]), paths, np.arange(48))
    mean = np.concatenate([np.zeros(2), np.full(12, 1 / 12)])
    value, error, df = many.contrast(mean)
    held = np.abs(value) <= stats.t.ppf(0.975, df) * error
    assert 0.9 <= held.mean() <= 0.99


# influence


def test_an_outlying_month_is_named(make):
    y = 50 + ar(36, seed=12)
    y[25] += 15
    panel = panel_of(make, y, 24, model=model(impact="level"))
    found = asked("influence", panel)
    assert found.verdict == "concern"
    assert "February 2017" in found.reading
    assert abs(found.value) > 1
    assert len(found.data) == 36


def test_a_period_left_out_is_a_gap_and_not_closed_up(clean):
    window = clean.study.window
    changed = _changed.without_periods(clean, window[10:12])
    series = joint_series(changed)
    assert (~series.used).sum() == 2
    assert series.t[series.used].max() == 47


def test_leaving_a_period_out_is_an_evaluation_without_its_rows(make):
    panel = panel_of(make, 50 + ar(36, 0.4, seed=6), 20)
    found = asked("influence", panel).data.set_index("period")
    kept = _changed.with_options(_changed.with_fixed_season(panel), allow_short=True)
    for period in panel.study.window[[0, 19, 35]]:
        again = estimators.fit("its", _changed.without_periods(kept, pd.PeriodIndex([period]))).headline
        for column in ("estimate", "low", "high"):
            assert found.loc[period, column] == pytest.approx(again[column], rel=1e-9)


def test_units_stay_in_the_series_when_a_period_is_left_out(make):
    """One unit reported in just half of the periods before joining, so without one of them it would be left out."""
    months = pd.period_range(FIRST, periods=36, freq="M").astype(str)
    y = 50 + ar(36, seed=3)
    rows = [("A", m, v) for m, v in zip(months, y, strict=True)]
    rows += [("B", m, 30 - v / 2) for m, v in zip(months[12:], y[12:], strict=True)]
    rollout = pd.DataFrame({"unit": ["A", "B"], "joined": [months[24]] * 2})
    frame = pd.DataFrame(rows, columns=["unit", "period", "y"])
    options = {"window": [months[0], months[-1]], "horizons": [], "model": model(impact="level")}
    panel = make.panel(frame, rollout, **options)
    period = panel.study.window[12]
    less = _changed.without_periods(panel, panel.study.window[12:13])
    assert (joint_series(panel).left_out, joint_series(less).left_out) == ((), ("B",))
    both, one = dict(without_each(panel))[period], estimators.headline("its", less)
    whole = estimators.fit("its", panel).headline
    assert abs(both["estimate"] - whole["estimate"]) < whole["std_error"] < abs(one["estimate"] - whole["estimate"])


def test_leaving_one_out_keeps_a_slope_at_eight_a_side(make):
    found = asked("influence", panel_of(make, 50 + ar(24, seed=4), 16))
    assert len(found.data) == 24


# specification curve


def test_the_curve_lists_every_specification_once_with_the_declared_first(clean, answer):
    found = answer("specification_curve")
    data = found.data
    assert data["main"].tolist() == [True] + [False] * (len(data) - 1)
    assert 25 <= len(data) <= 40
    assert not data[["engine", "trend", "season", "window"]].duplicated().any()
    assert data.loc[data["reason"].ne(""), "estimate"].isna().all()
    assert data["estimate"].iloc[0] == estimators.fit("its", clean).headline["estimate"]


def test_specifications_that_point_the_other_way_are_a_concern(make):
    t = np.arange(60.0)
    y = 50 + 0.01 * t**2 + ar(60, seed=9, sd=0.4)  # a curve that a straight line takes for an effect
    y[40:] -= 2
    found = asked("specification_curve", panel_of(make, y, 40, model=model(impact="level", errors="ols")))
    assert found.verdict == "concern"
    assert "opposite answer" in found.reading
    assert "ARMA(1,1), REML, linear" in found.reading


def test_counts_and_shares_have_engines_of_their_own(make):
    rng = np.random.default_rng(2)
    months = pd.period_range(FIRST, periods=48, freq="M").astype(str)
    share = 0.6 + 0.02 * ar(48, 0.3, seed=2)
    rows = pd.DataFrame({"unit": "A", "period": months, "seen": rng.binomial(4000, share), "all": 4000})
    outcome = {"name": "y", "kind": "proportion", "numerator": "seen", "denominator": "all", "better": "higher",
               "role": "primary"}  # fmt: skip
    panel = make.panel(
        rows, pd.DataFrame({"unit": ["A"], "joined": [months[30]]}), window=[months[0], months[-1]],
        outcomes=[outcome], horizons=[],
    )  # fmt: skip
    found = asked("specification_curve", panel)
    data = found.data
    assert data["engine"].iloc[0] == "Counts, AR(1), REML"
    engines = set(data.loc[data["reason"].eq(""), "engine"])
    assert {"AR(1), REML on the logit scale", "AR(1), REML", "Counts, robust errors"} <= engines
    assert "not computed" in plots.specification_curve(found).html or data["reason"].eq("").all()


def test_options_that_do_not_go_together_are_refused_in_words(clean):
    with pytest.raises(DesignError, match="needs family gaussian"):
        _changed.with_options(clean, family="poisson", errors="ar2")


# what could have been detected


@pytest.mark.parametrize(("n", "start", "rho", "pairs"), [(24, 12, 0.6, 0), (48, 24, 0.6, 2), (60, 36, 0.3, 1)])
def test_the_minimal_detectable_effect_is_found_four_times_in_five(n, start, rho, pairs):
    t = np.arange(n)
    post = (t >= start).astype(float)
    waves = [f(2 * np.pi * k * t / 12) for k in range(1, pairs + 1) for f in (np.sin, np.cos)]
    X = np.column_stack([np.ones(n), t, post, post * (t - start), *waves])
    weights = np.zeros(X.shape[1])
    weights[2:4] = 1.0, (n - start - 1) / 2
    value, error, df = simulated(X, t, (rho, 1.0)).contrast(weights)
    effect = np.quantile(stats.t.ppf(0.975, df) * error - value, 0.8)
    # other draws, made another way
    shocks = np.random.default_rng(17).standard_normal((1500, n))
    for i in range(1, n):
        shocks[:, i] = rho * shocks[:, i - 1] + np.sqrt(1 - rho**2) * shocks[:, i]
    value, error, df = ar1.fit_many(X, shocks + effect * post, t).contrast(weights)
    assert (value > stats.t.ppf(0.975, df) * error).mean() == pytest.approx(0.8, abs=0.04)


def test_what_happened_after_the_start_does_not_move_the_detectable_effect(clean, answer):
    far = clean.rows.copy()
    after = far["phase"].eq("post")
    far.loc[after, ["value", "numerator"]] *= 3.0
    moved = dataclasses.replace(clean, rows=far)
    assert asked("detectable", moved).value == answer("detectable").value


def test_no_effect_shown_is_not_evidence_of_none(nothing_there):
    found = asked("detectable", nothing_there)
    estimate = estimators.fit("its", nothing_there)
    assert estimate.headline["low"] < 0 < estimate.headline["high"]
    assert found.verdict == "inconclusive"
    assert asked("detectable", nothing_there, worthwhile=50.0).verdict == "reassuring"
    assert asked("detectable", nothing_there, worthwhile=0.01).verdict == "inconclusive"


def test_a_series_less_steady_than_before_the_start_leaves_the_figure_in_doubt(make):
    y = 50 + ar(60, 0.2, seed=6, sd=0.5)
    y[36:] += ar(24, 0.7, seed=4, sd=4.0)
    panel = panel_of(make, y, 36, model=model(impact="level"))
    found = asked("detectable", panel, worthwhile=30.0)
    assert found.verdict == "inconclusive"
    assert "less steady" in found.reading


# changed panels and figures


def test_another_window_keeps_the_calendar(make):
    panel = panel_of(make, 50 + ar(60, seed=1), 40, others=2)
    window = panel.study.window
    cut = _changed.with_window(panel, window[12], window[53])
    assert cut.rows["t"].min() == 0
    assert len(cut.study.window) == 42
    assert cut.cohorts == panel.cohorts
    assert (joint_series(cut).phase == "post").sum() == 14
    assert len(_changed.needed(panel, "its").units) == 1
    assert len(_changed.needed(panel, "controlled_its").units) == 3


def test_a_shorter_series_keeps_the_main_season(make):
    panel = panel_of(make, 50 + ar(60, seed=1), 20)
    moved = _changed.with_start(panel, panel.study.window[10])
    assert moved.study.protocol.model.its.season.harmonics == 2
    assert periods.code(moved.study.window[-1]) == "2016-08"


@pytest.mark.parametrize("name", ["autocorrelation", *ON_PANEL])
def test_every_figure_has_alt_text_and_its_data(answer, name):
    found = answer(name)
    shown = getattr(plots, name)(found)
    assert found.reading in shown.payload["figure"]["alt"]
    assert shown.html.count("<tr>") == len(found.data) + 1
    assert shown.html == getattr(plots, name)(found).html


def test_the_effect_by_period_is_drawn_from_the_path(clean):
    estimate = estimators.fit("its", clean)
    shown = plots.effect_path(estimate)
    assert shown.html.count("<tr>") == 12 + 1
    assert "12 of the 12 intervals exclude zero" in shown.text
    assert "Too short" in plots.effect_path(REFUSED).text


# -- the control ----------------------------------------------------------------------------


def against_control(make, lean=0.0, noise=0.3, seed=4):
    random = np.random.default_rng(seed)
    months = pd.period_range("2015-01", periods=60, freq="M").astype(str)
    rows = []
    for unit, slope, step in (("A", lean, 3.0), ("B", 0.0, 0.0)):
        y = 50 + slope * np.arange(60) + step * (np.arange(60) >= 30) + noise * random.normal(size=60)
        rows.append(pd.DataFrame({"unit": unit, "period": months, "y": y}))
    rollout = pd.DataFrame({"unit": ["A", "B"], "joined": [months[30], ""]})
    model = {"its": {"season": {"harmonics": 0}}}
    return make.panel(pd.concat(rows), rollout, window=[months[0], months[-1]], model=model)


def test_a_control_that_leans_away_before_the_start_is_a_concern(make):
    leaning = checks.control_balance(estimators.fit("controlled_its", against_control(make, lean=0.2)))
    assert leaning.verdict == "concern"
    assert leaning.value == pytest.approx(0.2, abs=0.03)


def test_a_control_that_runs_alongside_is_no_concern(make):
    found = checks.control_balance(estimators.fit("controlled_its", against_control(make)))
    assert found.verdict in ("reassuring", "inconclusive")
    assert abs(found.value) < 0.03


def test_the_control_is_asked_of_a_controlled_series_alone(make):
    assert checks.control_balance(estimators.fit("its", against_control(make))).verdict == "not applicable"
    refused = Refusal("s", "y", "controlled_its", "Controlled interrupted time series", ("No control.",))
    assert checks.control_balance(refused).verdict == "not applicable"


def test_years_have_no_season(make):
    years = [str(1960 + i) for i in range(40)]
    rows = pd.DataFrame({"unit": "A", "period": years, "y": np.random.default_rng(1).normal(size=40)})
    panel = make.panel(
        rows,
        pd.DataFrame({"unit": ["A"], "joined": ["1980"]}),
        window=["1960", "1999"],
        source={"reader": "csv", "path": "panel.csv", "frequency": "year"},
        comparison="none",
    )
    assert checks.seasonality(estimators.fit("its", panel)).verdict == "not applicable"


def test_declared_events_are_a_choice_of_the_curve(make):
    """Left out or with a column of their own, as whole fits of such protocols would have them."""
    y = 50 + ar(60, seed=2, sd=0.6)
    y[44:47] -= 4  # a strike after the start
    events = [{"from": "2018-09", "to": "2018-11", "label": "Strike"}]
    kept = model(impact="level", errors="ols")
    found = asked("specification_curve", panel_of(make, y, 40, model=kept, events=events)).data
    alone = found[found[["trend", "season", "window"]].eq(found[["trend", "season", "window"]].iloc[0]).all(axis=1)]
    alone = alone[alone["engine"].eq(found["engine"].iloc[0])].set_index("events")["estimate"]
    assert alone.index.tolist() == ["As other periods", "A column each", "Left out"]
    columns = panel_of(make, y, 40, model=model(impact="level", errors="ols", adjust_for_events=True), events=events)
    assert alone["A column each"] == pytest.approx(estimators.fit("its", columns).headline["estimate"], rel=1e-9)
    gone = panel_of(make, y, 40, model=kept, exclude=[{"from": "2018-09", "to": "2018-11", "why": "Strike"}])
    assert alone["Left out"] == pytest.approx(estimators.fit("its", gone).headline["estimate"], rel=1e-9)
    assert alone["As other periods"] < alone["Left out"] - 0.2
