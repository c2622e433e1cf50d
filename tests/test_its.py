"""Does the interrupted time series do what its protocol declares, and refuse what cannot be done?"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from evalkit import estimators
from evalkit.errors import DesignError
from evalkit.estimators._its.days import exposure_days
from evalkit.panel import build

MONTHS = pd.period_range("2015-01", periods=60, freq="M")
START = 30
JOINED = str(MONTHS[START])
T = np.arange(60)
SINCE = T - START
TINY = 1e-3
NO_SEASON = {"season": {"harmonics": 0}}


def jitter(seed=1, size=TINY, n=60):
    return size * np.random.default_rng(seed).normal(size=n)


@pytest.fixture
def series(make):
    """One unit with a known course; `series(values, its options, **protocol changes)` gives the panel."""

    def built(values, options=None, **changes):
        rows = pd.DataFrame({"unit": "A", "period": MONTHS.astype(str), "y": values})
        rollout = pd.DataFrame({"unit": ["A"], "joined": [JOINED]})
        base = {"window": [str(MONTHS[0]), str(MONTHS[-1])], "comparison": "none", "horizons": [6, 12]}
        model = {"its": {**NO_SEASON, **(options or {})}}
        return make.panel(rows, rollout, **{**base, "model": model, **changes})

    return built


@pytest.fixture
def counted(make):
    """One unit with numerators and denominators."""

    def built(kind, numerator, denominator, options=None, **changes):
        rows = pd.DataFrame({"unit": "A", "period": MONTHS.astype(str), "n": numerator, "d": denominator})
        rollout = pd.DataFrame({"unit": ["A"], "joined": [JOINED]})
        outcome = {"name": "y", "kind": kind, "better": "lower", "role": "primary"}
        outcome |= {"value": "n"} if kind == "count" else {"numerator": "n", "denominator": "d"}
        base = {"window": [str(MONTHS[0]), str(MONTHS[-1])], "comparison": "none", "outcomes": [outcome]}
        base["source"] = {"reader": "csv", "path": "panel.csv", "zeros": "keep"}
        model = {"its": {**NO_SEASON, **(options or {})}}
        return make.panel(rows, rollout, **{**base, "model": model, **changes})

    return built


def fit(panel):
    return estimators.fit("its", panel)


def value(estimate, name, column="estimate"):
    return estimate.terms.set_index("term").loc[name, column]


# -- declared impacts -------------------------------------------------------------------

POST = SINCE >= 0
IMPACTS = {
    "level and slope": (
        "level_and_slope",
        4 * POST + 0.5 * np.maximum(SINCE, 0),
        {"level change": 4, "slope change per month": 0.5},
    ),
    "level": ("level", 4 * POST, {"level change": 4}),
    "slope": ("slope", 0.5 * np.maximum(SINCE, 0), {"slope change per month": 0.5}),
    "ramp": (
        {"shape": "ramp", "over": 6},
        4 * np.clip((SINCE + 1) / 6, 0, 1),
        {"level change once the ramp is complete": 4},
    ),
    "pulse": ({"shape": "pulse", "over": 5}, 4 * ((SINCE >= 0) & (SINCE < 5)), {"level change while it lasted": 4}),
    "lagged": ({"shape": "level", "lag": 4}, 4 * (SINCE >= 4), {"level change": 4}),
    "ended": (
        {"shape": "level_and_slope", "until": str(MONTHS[44])},
        np.where(SINCE > 14, 1 - 0.2 * (SINCE - 15), 4 * POST + 0.5 * np.maximum(SINCE, 0)),
        {
            "level change": 4,
            "slope change per month": 0.5,
            "level change that remained after the end": 1,
            "slope change per month after the end": -0.2,
        },
    ),
}


@pytest.mark.parametrize("case", IMPACTS)
def test_a_declared_impact_is_recovered(series, case):
    impact, effect, expected = IMPACTS[case]
    found = fit(series(50 + 0.1 * T + effect + jitter(), {"impact": impact}))
    for name, truth in expected.items():
        assert value(found, name) == pytest.approx(truth, abs=5 * TINY)
    assert found.headline["estimate"] == pytest.approx(effect[POST].mean(), abs=5 * TINY)
    if case == "pulse":  # what the model holds to be nought is named, and is no estimate
        assert any("effect 12 months after joining is nought under the declared impact" in w for w in found.warnings)
    else:
        assert value(found, "effect 12 months after joining") == pytest.approx(effect[START + 12], abs=5 * TINY)
    path = found.path[found.path["phase"].eq("post")]
    assert path["effect"].to_numpy() == pytest.approx(effect[POST], abs=10 * TINY)


@pytest.mark.parametrize("trend", ["quadratic", "spline", "damped"])
def test_the_course_that_carries_on_is_the_declared_one(series, trend):
    x = T.astype(float)
    if trend == "quadratic":
        course = 0.3 * x + 0.01 * x**2
    elif trend == "damped":
        course = 0.3 * (np.minimum(x, 29) + 0.9 * (1 - 0.9 ** np.maximum(x - 29, 0)) / 0.1)
    else:  # straight after the last month before, curved until then
        course = np.where(x <= 29, 0.002 * x**3, 0.002 * 29**3 + 0.002 * 3 * 29**2 * (x - 29))
    effect = 4.0 * POST
    own, other = (
        fit(series(50 + course + effect + jitter(), {"trend": t, "impact": "level"})) for t in (trend, "linear")
    )
    size = {"quadratic": 0.02, "damped": 0.02, "spline": 12.0}[trend]  # three knots follow a cubic only roughly
    assert value(own, "level change") == pytest.approx(4, abs=size)
    assert abs(value(other, "level change") - 4) > abs(value(own, "level change") - 4)


@pytest.mark.parametrize("season", [{"harmonics": 2}, {"months": True}])
def test_a_season_is_taken_out(series, season):
    wave = 3 * np.sin(2 * np.pi * MONTHS.month / 12) + np.cos(4 * np.pi * MONTHS.month / 12)
    found = fit(series(50 + wave + 4 * POST + jitter(), {"season": season}))
    assert value(found, "level change") == pytest.approx(4, abs=5 * TINY)


def test_two_years_have_a_season_by_default_and_less_has_none(series):
    noise = jitter(size=1.0)
    long = fit(series(50 + noise, {"season": None}))
    assert "with 4 seasonal terms" in long.method
    short = fit(series(50 + noise, {"season": None}, window=[str(MONTHS[20]), str(MONTHS[42])], horizons=[6]))
    assert "without seasonal terms" in short.method


def test_another_intervention_has_columns_and_terms_of_its_own(series):
    other = -6.0 * (T >= 12)
    options = {"interventions": [{"label": "New counting", "from": str(MONTHS[12]), "impact": "level"}]}
    found = fit(series(50 + other + 4 * POST + jitter(), options))
    assert value(found, "level change: New counting") == pytest.approx(-6, abs=5 * TINY)
    assert value(found, "level change") == pytest.approx(4, abs=5 * TINY)
    # what the other intervention did stays in the counterfactual
    assert found.path["counterfactual"].dropna().mean() == pytest.approx(44, abs=10 * TINY)


def test_declared_events_can_have_columns(series):
    shock = 20.0 * ((T >= 40) & (T < 43))
    events = [{"from": str(MONTHS[40]), "to": str(MONTHS[42]), "label": "Strikes"}]
    found = fit(series(50 + shock + 4 * POST + jitter(), {"adjust_for_events": True}, events=events))
    assert value(found, "level change") == pytest.approx(4, abs=5 * TINY)
    assert value(found, "level while it lasted: Strikes") == pytest.approx(20, abs=5 * TINY)
    left = fit(series(50 + shock + 4 * POST + jitter(), {}, events=events))
    assert abs(value(left, "level change") - 4) > 0.3


def test_phase_in_and_exclusions_keep_the_calendar(series):
    values = 50 + 0.5 * T + 4 * POST + jitter()
    values[10:20] += 100  # excluded
    values[START : START + 4] -= 30  # transition
    exclude = [{"from": str(MONTHS[10]), "to": str(MONTHS[19]), "why": "x"}]
    found = fit(series(values, exclude=exclude, transition=4, horizons=[2, 6]))
    assert value(found, "level change") == pytest.approx(4, abs=5 * TINY)
    assert found.counts == {"joined units": 1, "periods before": 20, "periods after": 26, "periods left out": 14}
    assert any("effect 2 months after joining is not in an analysed period" in w for w in found.warnings)


def waves(make, options, sizes=(2, 2), starts=(20, 36)):
    rows, table, unit = [], [], 0
    for wave, (size, start) in enumerate(zip(sizes, starts, strict=True)):
        for _ in range(size):
            y = 50 + 0.1 * T + (wave + 1) * 2.0 * (start <= T) + jitter(unit)
            rows.append(pd.DataFrame({"unit": f"U{unit}", "period": MONTHS.astype(str), "y": y}))
            table.append((f"U{unit}", str(MONTHS[start])))
            unit += 1
    window = [str(MONTHS[0]), str(MONTHS[-1])]
    model = {"its": {**NO_SEASON, **options}}
    return make.panel(pd.concat(rows), pd.DataFrame(table, columns=["unit", "joined"]), window=window, model=model)


def test_each_wave_can_have_a_change_of_its_own(make):
    found = fit(waves(make, {"waves": "each", "impact": "level"}))
    # two of four units change by 2, then two of four by 4
    assert value(found, "level change, wave 1") == pytest.approx(1, abs=5 * TINY)
    assert value(found, "level change, wave 2") == pytest.approx(2, abs=5 * TINY)
    assert found.counts["periods after"] == 40
    together = fit(waves(make, {"impact": "level"}))
    assert value(together, "level change") == pytest.approx(3, abs=5 * TINY)
    assert together.counts["periods after"] == 24


# -- kinds, scales, engines -------------------------------------------------------------


def rates(seed=2, effect=-0.2, base=20000.0, level=0.05, noise=0.0):
    random = np.random.default_rng(seed)
    denominator = random.integers(int(0.8 * base), int(1.2 * base), 60)
    mean = level * np.exp(0.002 * T + effect * POST + noise * random.normal(size=60))
    return random.poisson(denominator * mean), denominator


@pytest.mark.parametrize(
    ("kind", "ratio"), [("rate", "rate ratio"), ("count", "rate ratio"), ("proportion", "odds ratio")]
)
def test_the_kind_decides_the_scale_and_the_unit_of_report_stays(counted, kind, ratio):
    numerator, denominator = rates()
    found = fit(counted(kind, numerator, denominator, {"impact": "level"}))
    row = found.terms.set_index("term").loc[f"level change, {ratio}"]
    assert row["unit"] == ratio
    assert row["low"] < np.exp(-0.2) < row["high"]
    assert np.sqrt(row["low"] * row["high"]) == pytest.approx(row["estimate"])
    assert found.headline["unit"] == ""
    post = found.path[found.path["phase"].eq("post")]
    assert found.headline["estimate"] == pytest.approx((post["fitted"] - post["counterfactual"]).mean(), rel=1e-9)
    relative = value(found, "average effect after joining, relative")
    assert relative == pytest.approx(100 * (post["fitted"].sum() / post["counterfactual"].sum() - 1), rel=1e-9)
    assert {"rho", "rho_low", "rho_high", "dispersion"} <= set(found.diagnostics)


def test_events_averted_are_the_effect_times_what_it_is_out_of(counted):
    numerator, denominator = rates()
    found = fit(counted("rate", numerator, denominator))
    row = found.terms.set_index("term").loc["events averted"]
    post = found.path["phase"].eq("post").to_numpy()
    expected = -(found.path["effect"] * denominator)[post].sum()
    assert row["estimate"] == pytest.approx(expected, rel=1e-9)
    assert row["unit"] == "events"
    assert row["low"] < row["estimate"] < row["high"]


def test_excluded_periods_are_counted_as_averted_only_on_request(counted):
    numerator, denominator = rates()
    exclude = [{"from": str(MONTHS[45]), "to": str(MONTHS[50]), "why": "x"}]
    without = fit(counted("rate", numerator, denominator, {}, exclude=exclude))
    asked = fit(counted("rate", numerator, denominator, {"averted_when_excluded": True}, exclude=exclude))
    more = value(asked, "events averted, excluded periods included") / value(without, "events averted")
    assert more == pytest.approx(30 / 24, rel=0.1)


@pytest.mark.parametrize(
    "options",
    [
        {"errors": e}
        for e in ("ar2", "arma11", "arima", "prais_winsten", "newey_west", "ols", "structural", "robust", "model")
    ]
    + [
        {"scale": "log"},
        {"family": "gaussian"},
        {"errors": "robust", "family": "negative_binomial"},
        {"errors": "newey_west", "family": "poisson"},
        {"errors": "ols", "family": "poisson"},
        {"noise_guard": False},
    ],
    ids=str,
)
def test_every_engine_gives_the_same_estimate_within_its_error(counted, options):
    numerator, denominator = rates(noise=0.03)
    default = fit(counted("rate", numerator, denominator))
    found = fit(counted("rate", numerator, denominator, options))
    assert found.headline["estimate"] == pytest.approx(
        default.headline["estimate"], abs=default.headline["std_error"]
    )
    assert 0.3 < found.headline["std_error"] / default.headline["std_error"] < 3
    assert found.headline["term"] == "average effect after joining"
    assert np.isfinite(found.terms[["estimate", "low", "high", "p_value"]].to_numpy(float)).all()
    assert found.method.endswith(".")


def test_a_forecast_learns_from_the_period_before_alone(series):
    values = 50 + 0.1 * T + jitter(size=0.5)
    one = fit(series(values, {"errors": "structural"}))
    moved = values.copy()
    moved[START:] += 7.0
    other = fit(series(moved, {"errors": "structural"}))
    assert other.headline["estimate"] - one.headline["estimate"] == pytest.approx(7, abs=1e-8)
    assert other.headline["std_error"] == pytest.approx(one.headline["std_error"], rel=1e-9)
    assert "level change" not in set(one.terms["term"])


def test_the_family_s_own_errors_come_with_a_warning(counted):
    found = fit(counted("rate", *rates(noise=0.1), {"errors": "model"}))
    assert any("too small" in w for w in found.warnings)


def test_fewer_than_twelve_periods_are_fitted_by_least_squares_and_say_so(series):
    found = fit(
        series(
            50 + 4.0 * POST + jitter(size=0.3),
            {"impact": "level"},
            window=[str(MONTHS[25]), str(MONTHS[34])],
            horizons=[2],
        )
    )
    assert any("10 periods no autocorrelation" in w for w in found.warnings)
    assert found.headline["df"] == 10 - 3


def test_calendar_days_and_working_days():
    february, march = pd.period_range("2023-02", "2023-03", freq="M"), pd.period_range("2023-04", "2023-05", freq="M")
    outcome = type("Outcome", (), {"kind": "count", "name": "y"})()
    assert exposure_days(february, "calendar_days", outcome) == pytest.approx(np.array([28, 31]) / 29.5)
    # April 2023 had 20 weekdays less two at Easter; May 23 less three, one of them for the coronation
    assert exposure_days(march, "working_days", outcome) == pytest.approx(np.array([18, 20]) / 19)


def test_counts_per_day_do_not_follow_the_length_of_the_month(counted):
    days = MONTHS.days_in_month.to_numpy()
    numerator = np.round(1000 * days * np.exp(-0.1 * POST)).astype(int)
    plain, adjusted = (
        fit(counted("count", numerator, numerator, {"impact": "level", "exposure": e}))
        for e in ("none", "calendar_days")
    )
    assert value(adjusted, "level change, rate ratio") == pytest.approx(np.exp(-0.1), rel=1e-4)
    assert value(adjusted, "level change, rate ratio", "std_error") < value(
        plain, "level change, rate ratio", "std_error"
    )


# -- refusals ---------------------------------------------------------------------------

NOISY = 50 + jitter(size=1.0)
REFUSED = {
    "seven before": (
        {},
        {"window": [str(MONTHS[23]), str(MONTHS[-1])]},
        "7 analysed months before .* needs 8 a side",
    ),
    "seven after": ({}, {"window": [str(MONTHS[0]), str(MONTHS[36])]}, "7 after it; a slope change needs 8 a side"),
    "two after for a level": (
        {"impact": "level"},
        {"window": [str(MONTHS[0]), str(MONTHS[31])]},
        "2 after it; any change needs 3 a side",
    ),
    "nothing left after exclusions": (
        {},
        {"exclude": [{"from": str(MONTHS[0]), "to": str(MONTHS[29]), "why": "x"}]},
        "no analysed period lies before the start",
    ),
    "more terms than months": (
        {"season": {"months": True}, "trend": "spline", "allow_short": True},
        {"window": [str(MONTHS[22]), str(MONTHS[36])]},
        "the model has .* terms and there are only 15",
    ),
    "terms alike": (
        {"interventions": [{"label": "Same day", "from": JOINED}]},
        {},
        "cannot tell level change: Same day from the other terms",
    ),
    "an impact that never shows": ({"impact": {"shape": "level", "lag": 40}}, {}, "no analysed period shows"),
    "an end before the start": (
        {"impact": {"shape": "level", "until": str(MONTHS[10])}},
        {},
        "outside the periods with an effect",
    ),
    "days for a mean": ({"exposure": "calendar_days"}, {}, "belongs to a count or a rate"),
    "a count model for a mean": ({"family": "poisson", "errors": "robust"}, {}, "does not go with y"),
    "a logit of a mean": ({"scale": "logit"}, {}, "needs every value between 0 and 1"),
    "a forecast with a later intervention": (
        {"errors": "structural", "interventions": [{"label": "Later", "from": str(MONTHS[45])}]},
        {},
        "cannot be learnt from the period before",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_done_is_refused_with_the_reason(series, case):
    options, changes, said = REFUSED[case]
    with pytest.raises(DesignError, match=said) as refused:
        fit(series(NOISY, options, **changes))
    assert all(fault.fix for fault in refused.value.faults)


def test_a_start_outside_the_series_is_refused(make):
    rows = pd.DataFrame({"unit": "A", "period": MONTHS.astype(str), "y": NOISY})
    rollout = pd.DataFrame({"unit": ["A"], "joined": ["2021-06"]})
    window = [str(MONTHS[0]), str(MONTHS[-1])]
    with pytest.raises(Exception, match=r"2021|no analysed period lies after the start") as refused:
        fit(make.panel(rows, rollout, window=window, comparison="none"))
    assert refused.type.__name__ in ("DataError", "DesignError")


def test_values_at_the_ends_have_no_logarithm(counted):
    numerator, denominator = rates()
    numerator = numerator.copy()
    numerator[5] = 0
    with pytest.raises(DesignError, match="needs every value above 0"):
        fit(counted("rate", numerator, denominator, {"scale": "log"}))
    assert np.isfinite(fit(counted("rate", numerator, denominator)).headline["std_error"])


def test_short_series_are_estimated_when_asked(series):
    found = fit(series(NOISY, {"allow_short": True}, window=[str(MONTHS[24]), str(MONTHS[-1])], horizons=[6]))
    assert found.counts["periods before"] == 6


# -- controlled -------------------------------------------------------------------------


def pair(make, options=None, control=None, *, shock=0.0, seed=3, **changes):
    random = np.random.default_rng(seed)
    wave = np.zeros(60)
    for i in range(1, 60):
        wave[i] = 0.9 * wave[i - 1] + random.normal()
    rows = []
    for unit, effect in (("A", 4.0), ("B", 0.0), ("C", 0.0)):
        y = 50 + 0.1 * T + effect * POST + shock * wave + 0.2 * random.normal(size=60)
        rows.append(
            pd.DataFrame({"unit": unit, "period": MONTHS.astype(str), "y": y, "z": 80 + 0.1 * T + shock * wave})
        )
    rollout = pd.DataFrame({"unit": ["A", "B", "C"], "joined": [JOINED, "", ""]})
    outcomes = [
        {"name": "y", "kind": "continuous", "value": "y", "better": "higher", "role": "primary"},
        {"name": "z", "kind": "continuous", "value": "z", "better": "higher"},
    ]
    model = {"its": {**NO_SEASON, **(options or {})}, "controlled_its": control or {}}
    window = [str(MONTHS[0]), str(MONTHS[-1])]
    return make.panel(pd.concat(rows), rollout, window=window, outcomes=outcomes, model=model, **changes)


@pytest.mark.parametrize("control", [{}, {"units": ["C"]}, {"outcome": "z"}])
def test_a_control_takes_out_what_both_series_share(make, control):
    panel = pair(make, {"impact": "level"}, control, shock=3.0)
    alone, found = estimators.fit("its", panel), estimators.fit("controlled_its", panel)
    assert found.headline["estimate"] == pytest.approx(4, abs=0.5)
    assert found.headline["std_error"] < alone.headline["std_error"] / 5
    assert found.diagnostics["between_correlation"] > 0.9
    assert value(found, "difference in trend before joining, per month") == pytest.approx(0, abs=0.05)


def test_the_difference_is_the_full_interaction(make):
    panel = pair(make, {"errors": "ols"}, {"units": ["B"]}, shock=1.0)
    found = estimators.fit("controlled_its", panel)
    wide = panel.wide()
    y = np.concatenate([wide.loc["A"], wide.loc["B"]])
    own = np.column_stack([np.ones(60), T, POST, np.maximum(SINCE, 0)])
    group = np.repeat([1.0, 0.0], 60)[:, None]
    X = np.hstack([np.vstack([own, own]), group * np.vstack([own, own])])
    beta = np.linalg.lstsq(X, y, rcond=None)[0]
    assert value(found, "difference in level change") == pytest.approx(beta[6], rel=1e-8)
    assert value(found, "difference in slope change per month") == pytest.approx(beta[7], rel=1e-8)
    assert value(found, "difference in trend before joining, per month") == pytest.approx(beta[5], rel=1e-7)
    assert value(found, "level change of the control alone") == pytest.approx(beta[2], rel=1e-8)


CONTROLS = {
    "a unit that joined": ({}, {"units": ["A"]}, "among those that joined: A"),
    "an unknown unit": ({}, {"units": ["Q"]}, "not in the panel: Q"),
    "itself": ({}, {"outcome": "y"}, "cannot be its own control"),
    "a forecast": ({"errors": "structural"}, {}, "has no controlled form"),
}


@pytest.mark.parametrize("case", CONTROLS)
def test_a_control_that_is_none_is_refused(make, case):
    options, control, said = CONTROLS[case]
    with pytest.raises(DesignError, match=said):
        estimators.fit("controlled_its", pair(make, options, control))


def test_without_anybody_left_there_is_no_control(series):
    with pytest.raises(DesignError, match="every unit joined"):
        estimators.fit("controlled_its", series(NOISY))


def test_the_panel_of_a_study_is_what_is_fitted(series):
    panel = series(NOISY)
    assert estimators.fit("its", build(panel.study)).store() == fit(panel).store()


# -- who reports, and when ------------------------------------------------------------------


def test_a_unit_that_comes_with_the_start_is_no_effect(make):
    rows = [
        pd.DataFrame({"unit": unit, "period": MONTHS.astype(str), "y": level + jitter(seed, 0.5)})
        for seed, (unit, level) in enumerate((("A", 50.0), ("B", 50.0), ("C", 90.0)))
    ]
    late = rows[2].iloc[START:]
    rollout = pd.DataFrame({"unit": ["A", "B", "C"], "joined": [JOINED] * 3})
    window = [str(MONTHS[0]), str(MONTHS[-1])]
    source = {"reader": "csv", "path": "panel.csv", "gaps": "allow"}
    data = pd.concat([*rows[:2], late])
    found = fit(make.panel(data, rollout, window=window, comparison="none", source=source))
    assert found.headline["low"] < 0 < found.headline["high"]
    assert abs(found.headline["estimate"]) < 1
    assert found.counts["joined units"] == 2
    assert any("1 joined unit left out" in w and "C" in w for w in found.warnings)


def test_a_change_of_slope_after_a_lag_is_the_slope_s_alone(counted):
    """Mean 100,000, half as much again from the sixth month on, and no change of slope."""
    expected = 100_000 * np.where(SINCE >= 6, 1.5, 1.0)
    numerator = np.round(expected * np.exp(jitter(size=0.001))).astype(int)
    impact = {"shape": "level_and_slope", "lag": 6}
    found = fit(counted("count", numerator, numerator, {"impact": impact}))
    assert value(found, "slope change per month") == pytest.approx(0, abs=20)
    ended = np.round(100_000 * np.where((SINCE >= 0) & (SINCE < 15), 1.5, 1.0) * np.exp(jitter(size=0.001)))
    impact = {"shape": "level_and_slope", "until": str(MONTHS[START + 14])}
    found = fit(counted("count", ended.astype(int), numerator, {"impact": impact}))
    assert value(found, "slope change per month") == pytest.approx(0, abs=20)


def test_a_ramp_goes_on_while_nothing_is_analysed(series):
    effect = 6 * np.clip((SINCE + 1) / 6, 0, 1)
    exclude = [{"from": str(MONTHS[START]), "to": str(MONTHS[START + 5]), "why": "x"}]
    options = {"impact": {"shape": "ramp", "over": 6}}
    found = fit(series(50 + effect + jitter(), options, exclude=exclude, horizons=[12]))
    assert value(found, "level change once the ramp is complete") == pytest.approx(6, abs=5 * TINY)


SPANS = {
    "a slope late in the window": {"impact": {"shape": "level_and_slope", "lag": 25}},
    "a slope that soon ends": {"impact": {"shape": "level_and_slope", "until": str(MONTHS[START + 3])}},
    "what remains after a late end": {"impact": {"shape": "level", "until": str(MONTHS[58])}},
    "another intervention at the very end": {
        "interventions": [{"label": "Late", "from": str(MONTHS[58]), "impact": "level"}]
    },
}


@pytest.mark.parametrize("case", SPANS)
def test_a_change_that_too_few_periods_show_is_refused(series, case):
    with pytest.raises(DesignError, match=r"analysed months? and needs"):
        fit(series(NOISY, SPANS[case]))


def test_two_events_of_one_name_are_told_apart(series):
    spans = [(38, 39), (50, 51)]
    events = [{"from": str(MONTHS[a]), "to": str(MONTHS[b]), "label": "Strikes"} for a, b in spans]
    found = fit(series(NOISY, {"adjust_for_events": True}, events=events))
    assert {f"level while it lasted: Strikes ({MONTHS[a]})" for a, _ in spans} <= set(found.terms["term"])


def test_wide_intervals_for_noise_are_told(series):
    random = np.random.default_rng(6)
    slow = np.zeros(60)
    for i in range(1, 60):
        slow[i] = 0.95 * slow[i - 1] + 0.4 * random.normal()
    values = 50 + slow + random.normal(size=60)
    guarded, plain = (fit(series(values, {"noise_guard": g})) for g in (True, False))
    told = any("widened" in w for w in guarded.warnings)
    assert told == (guarded.diagnostics["noise_belief"] >= 0.1)
    assert guarded.headline["std_error"] >= plain.headline["std_error"]
    assert not any("widened" in w for w in plain.warnings)


def test_engines_of_counts_are_refused_for_a_mean(series):
    for errors in ("robust", "model"):
        with pytest.raises(DesignError, match="is for counts and proportions"):
            fit(series(NOISY, {"errors": errors}))


def test_nothing_and_everything_are_named(counted):
    zeros, ones = np.zeros(60, int), np.full(60, 100)
    with pytest.raises(DesignError, match="nothing was counted"):
        fit(counted("rate", zeros, ones))
    with pytest.raises(DesignError, match="everything was counted"):
        fit(counted("proportion", ones, ones))


def test_a_relative_effect_needs_a_counterfactual_clear_of_zero(series):
    found = fit(series(0.2 + jitter(size=0.5)))
    assert not found.terms["unit"].eq("per cent").any() or (found.path["counterfactual"].dropna() > 0).all()
    near = fit(series(jitter(size=1.0)))
    assert not near.terms["unit"].eq("per cent").any()
    assert any("not clearly above zero" in w for w in near.warnings)


def test_counts_that_do_not_follow_the_working_days_are_still_fitted(counted):
    for seed in range(5):
        numerator = np.random.default_rng(seed).poisson(600, 60)
        found = fit(counted("count", numerator, numerator, {"exposure": "working_days", "season": {"harmonics": 2}}))
        assert found.headline["low"] < 0 < found.headline["high"] or abs(found.headline["estimate"]) < 60
        assert found.diagnostics["rho"] < 0.9
