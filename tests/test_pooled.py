"""Many interrupted series: do pooled effects, shared shocks and unit effects come out as they were put in?"""

from __future__ import annotations

import json
import math

import numpy as np
import pandas as pd
import pytest
from conftest import REFERENCE, Maker

from evalkit import columns, estimators, plots
from evalkit.errors import DesignError
from evalkit.estimate import Refusal
from evalkit.estimators._its import aligned, ar1, classical, meta, pooling
from evalkit.estimators._its.units import groups, units

MONTHS = 48
AR = 0.4


def autoregressive(random, shape, rho=AR):
    """Stationary AR(1) along the last axis, variance 1."""
    e = random.normal(size=shape)
    for t in range(1, shape[-1]):
        e[..., t] = rho * e[..., t - 1] + math.sqrt(1 - rho**2) * e[..., t]
    return e


def starts(count, waves):
    return (
        np.linspace(16, 32, waves).round().astype(int)[np.arange(count) % waves] if waves > 1 else np.full(count, 24)
    )


def outcomes(random, start, *, share=0.2, noise=1.0, level=3.0, slope=0.1, spread=0.0):
    """Unit levels, own trends, a season, a level and slope change at the start, own and shared AR(1) errors."""
    count, t = len(start), np.arange(MONTHS)
    own, all_ = autoregressive(random, (count, MONTHS)), autoregressive(random, (MONTHS,))
    since = t[None] - start[:, None]
    course = 60 + 5 * random.normal(size=(count, 1)) + 0.05 * random.normal(size=(count, 1)) * t
    effect = level + spread * random.normal(size=(count, 1)) + slope * since
    season = 2 * np.sin(2 * np.pi * t / 12)
    error = math.sqrt(1 - share) * own + math.sqrt(share) * all_
    return course + season + np.where(since >= 0, effect, 0) + noise * error


@pytest.fixture
def panel(tmp_path):
    def built(values, start, *, drop=(), **changes):
        window = pd.period_range("2016-01", periods=MONTHS, freq="M")
        names = [f"U{i:02d}" for i in range(len(values))]
        rows = pd.DataFrame(
            [(u, str(p), values[i, t]) for i, u in enumerate(names) for t, p in enumerate(window)],
            columns=["unit", "period", "y"],
        )
        for unit, months in drop:
            rows = rows[~(rows["unit"].eq(unit) & rows["period"].isin([str(window[m]) for m in months]))]
        table = pd.DataFrame({"unit": names, "joined": [str(window[s]) for s in start]})
        source = {"reader": "csv", "path": "panel.csv", "gaps": "allow"}
        changes = {"window": [str(window[0]), str(window[-1])], "horizons": [6], "source": source, **changes}
        return Maker(tmp_path).panel(rows, table, **changes)

    return built


def staggered(seed=1, count=12, waves=4, **settings):
    start = starts(count, waves)
    return outcomes(np.random.default_rng(seed), start, **settings), start


def terms(found):
    return found.terms.set_index("term")


# -- a known effect comes back --------------------------------------------------------


@pytest.mark.parametrize("design", ["its_pooled", "its_event_time"])
@pytest.mark.parametrize("waves", [1, 4])
def test_a_known_level_and_slope_are_recovered(panel, design, waves):
    values, start = staggered(waves=waves, noise=1e-4)
    found = terms(estimators.fit(design, panel(values, start)))
    assert found.loc["level change", "estimate"] == pytest.approx(3.0, abs=1e-3)
    assert found.loc["slope change per month", "estimate"] == pytest.approx(0.1, abs=1e-4)
    assert found.loc["effect 6 months after joining", "estimate"] == pytest.approx(3.6, abs=1e-3)
    if design == "its_pooled":
        post = MONTHS - start
        assert found.iloc[0]["estimate"] == pytest.approx(3 + 0.1 * ((post - 1) / 2).mean(), abs=1e-3)


@pytest.mark.parametrize("pooled", ["shock_robust", "random_effects"])
@pytest.mark.parametrize("scale", ["natural", "log"])
def test_scales_and_poolings_agree_where_there_is_hardly_any_noise(panel, scale, pooled):
    values, start = staggered(noise=1e-4, spread=0.0)
    model = {"its": {"scale": scale}, "its_pooled": {"pooling": pooled}}
    found = terms(estimators.fit("its_pooled", panel(values, start, model=model)))
    # on the log scale straight lines are bent, by little here
    assert found.loc["level change", "estimate"] == pytest.approx(3.0, abs=1e-3 if scale == "natural" else 0.2)


@pytest.mark.parametrize("impact", ["level", "slope", {"shape": "ramp", "over": 6}])
def test_other_impacts_are_pooled_too(panel, impact):
    values, start = staggered()
    found = estimators.fit("its_pooled", panel(values, start, model={"its": {"impact": impact}}))
    assert len(found.terms) == 3
    assert np.isfinite(found.terms[["low", "high"]].to_numpy(float)).all()


# -- each against what it should equal ------------------------------------------------


def test_a_units_own_effect_is_that_of_its_series_alone(panel):
    values, start = staggered()
    built = panel(values, start, drop=[("U03", [4, 5, 40])])
    sites = estimators.fit("its_pooled", built).sites.set_index("unit")
    window = built.study.window
    for unit in ("U00", "U03"):
        at = int(unit[1:])
        used = ~np.isin(np.arange(MONTHS), [4, 5, 40] if unit == "U03" else [])
        t = np.arange(MONTHS)
        X = pd.concat(
            [
                columns.trend(t, t[t < start[at]], "linear"),
                columns.impact(t, int(start[at]), "level_and_slope"),
                columns.harmonics(window, 2),
            ],
            axis=1,
        ).to_numpy()[used]
        weights = np.zeros(X.shape[1])
        post = (t >= start[at])[used]
        weights[2], weights[3] = 1, X[post, 3].mean()
        value, error, df = ar1.fit(X, values[at][used], t[used]).contrast(weights)
        row = sites.loc[unit]
        assert [row["estimate"], row["std_error"], row["df"]] == pytest.approx([value, error, df], rel=1e-6)


def test_with_one_start_it_is_the_series_of_the_mean_of_the_units(panel):
    values, start = staggered(waves=1)
    built = panel(values, start)
    pooled, joint = (
        estimators.fit("its_pooled", built),
        estimators.fit("its", built),
    )  # a mean of units: the same series
    assert "mean of their 12 values" in pooled.method
    for name in ("average effect after joining", "level change", "slope change per month"):
        for column in ("estimate", "std_error", "df"):
            assert terms(pooled).loc[name, column] == pytest.approx(terms(joint).loc[name, column], rel=1e-9)
    pd.testing.assert_frame_equal(pooled.path, joint.path)


def test_with_one_start_event_time_is_the_calendar(panel):
    values, start = staggered(waves=1)
    built = panel(values, start)
    aligned_, joint = (terms(estimators.fit(d, built)) for d in ("its_event_time", "its"))
    for column in ("estimate", "std_error", "df"):
        assert aligned_.loc["level change", column] == pytest.approx(joint.loc["level change", column], rel=1e-8)


def test_the_mean_of_providers_equals_the_mixed_model_of_r(reference):
    """With one start and complete data, least squares on the mean gives the random-intercept model's coefficients."""
    stored = json.loads((REFERENCE / "its_pooled.json").read_text(encoding="utf-8"))
    expected = next(r["values"]["coef"] for r in stored["results"] if r["id"] == "lme_ri_reml")
    built = reference("its_pooled", model={"its": {"season": {"harmonics": 1}}})
    kept, left = units(built)
    assert (len(kept), left) == (12, {})
    mean = np.mean([u.y for u in kept], axis=0)
    design = kept[0].design
    found = classical.ols(design.analysed, mean).beta[
        [list(design.X).index(c) for c in ("level_change", "slope_change")]
    ]
    assert found == pytest.approx([expected["post"], expected["trend_after"]], rel=1e-9)
    ours = terms(estimators.fit("its_pooled", built))
    ar = next(r["values"]["coef"] for r in stored["results"] if r["id"] == "lme_ri_ar1_reml")
    assert ours.loc["level change", "estimate"] == pytest.approx(ar["post"], abs=0.1)


@pytest.mark.parametrize(("method", "entry"), [("DL", "rma_dl_knha"), ("REML", "rma_reml_knha")])
def test_random_effects_equal_metafor(method, entry):
    data = pd.read_csv(REFERENCE / "meta_effects.csv")
    stored = json.loads((REFERENCE / "meta_effects.json").read_text(encoding="utf-8"))
    expected = next(r["values"] for r in stored["results"] if r["id"] == entry)
    found = meta.random_effects(data["yi"].to_numpy(), data["vi"].to_numpy(), method)
    rel = 1e-9 if method == "DL" else 1e-8
    assert found.value == pytest.approx(expected["b"]["intrcpt"], rel=rel)
    assert found.std_error == pytest.approx(expected["se"]["intrcpt"], rel=rel)
    assert found.between**2 == pytest.approx(expected["tau2"], rel=rel)
    assert found.df == expected["ddf"]


def test_the_error_of_the_mean_is_that_of_its_weights_under_the_fitted_model(panel):
    """C by the definition, unit by unit and pair by pair."""
    values, start = staggered(count=6, waves=3, share=0.5)
    kept, _ = units(panel(values, start))
    shared = pooling.shared(groups(kept), MONTHS)
    gradient = np.zeros(kept[0].design.X.shape[1])
    gradient[2] = 1
    effect = pooling.Effect(np.arange(6), np.array([shared.beta(i)[2] for i in range(6)]), [gradient] * 6)
    t = np.arange(MONTHS)
    R = shared.rho ** np.abs(t[:, None] - t)
    lines = []
    for i, unit in enumerate(kept):
        X, y = unit.design.analysed, unit.y
        hat = np.linalg.solve(X.T @ np.linalg.solve(R, X), np.linalg.solve(R, X).T)
        assert hat @ y == pytest.approx(shared.beta(i), rel=1e-6)
        e = y - X @ hat @ y
        lines.append(math.sqrt(e @ np.linalg.solve(R, e) / (MONTHS - X.shape[1])) * hat[2])
    Phi = shared.shock.lasting ** np.abs(t[:, None] - t)
    pairs = [a @ Phi @ b for i, a in enumerate(lines) for j, b in enumerate(lines) if i != j]
    found = shared.pool(effect)
    assert found.shock == pytest.approx(shared.shock.scale * shared.shock.share * np.mean(pairs), rel=1e-6)
    assert found.std_error == pytest.approx(math.sqrt(np.var(effect.values, ddof=1) / 6 + found.shock), rel=1e-9)


# -- what units share -------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_the_share_of_common_shocks_and_the_spread_between_units_are_recovered(panel, share):
    random = np.random.default_rng(5)
    found = []
    for _ in range(12):
        start = starts(20, 5)
        values = outcomes(random, start, share=share, spread=1.5)
        found.append(estimators.fit("its_pooled", panel(values, start, horizons=[])).diagnostics)
    mean = pd.DataFrame(found).mean()
    assert mean["shared_shock"] == pytest.approx(share, abs=0.12)
    assert mean["rho"] == pytest.approx(AR, abs=0.06)
    assert mean["between_sd"] == pytest.approx(1.5, abs=0.3)


def test_random_effects_warn_that_shared_shocks_are_left_out(panel):
    values, start = staggered(count=20, waves=5, share=0.5)
    robust = estimators.fit("its_pooled", panel(values, start))
    plain = estimators.fit("its_pooled", panel(values, start, model={"its_pooled": {"pooling": "random_effects"}}))
    assert any("far too narrow" in w for w in plain.warnings)
    assert plain.headline["std_error"] < 0.8 * robust.headline["std_error"]


def test_shrunken_effects_are_nearer_the_mean_in_order_of_their_errors(panel):
    values, start = staggered(count=20, waves=5, spread=1.0)
    found = estimators.fit("its_pooled", panel(values, start))
    mean, sites = found.headline["estimate"], found.sites
    pull = (sites["estimate"] - sites["shrunk"]) / (sites["estimate"] - mean)
    assert pull.between(0, 1).all()
    assert pull.rank().corr(sites["std_error"].rank()) > 0.999
    assert (sites["shrunk_low"] < sites["shrunk"]).all()
    assert sites["shrunk"].std() < sites["estimate"].std()


# -- what cannot be done, and what is left out ---------------------------------------------


def test_units_that_cannot_carry_the_model_are_left_out_and_named(panel):
    values, start = staggered()
    start[2] = 44
    values[5] = 7.0
    found = estimators.fit("its_pooled", panel(values, start))
    (said,) = [w for w in found.warnings if "left out" in w]
    assert "2 joined units" in said
    assert "U02 (44 analysed months before the start and 4 after it" in said
    assert "U05 (the series does not vary" in said
    assert found.counts["units left out"] == 2
    assert list(found.sites["unit"]) == [f"U{i:02d}" for i in range(12) if i not in (2, 5)]


@pytest.mark.parametrize("design", ["its_pooled", "its_event_time"])
def test_fewer_than_three_units_are_refused(panel, design):
    values, start = staggered(count=4, waves=4)
    start[:2] = 45
    with pytest.raises(DesignError, match=r"only 2 units .*U00 .*U01"):
        estimators.fit(design, panel(values, start))


def test_a_horizon_that_few_units_reach_is_said_or_refused(panel):
    values, start = staggered(count=12, waves=4)
    found = estimators.fit("its_pooled", panel(values, start, horizons=[20, 31, 40]))
    assert any("20 months after joining is the mean over the 9 of 12" in w for w in found.warnings)
    assert any("31 months after joining is the mean over the 3 of 12" in w for w in found.warnings)
    assert any("40 months after joining is in an analysed period of 0 of 12" in w for w in found.warnings)


def test_a_value_without_a_logarithm_is_refused_by_unit(panel):
    values, start = staggered()
    values[4, 10] = -1.0
    with pytest.raises(DesignError, match=r"U04: .*log scale"):
        estimators.fit("its_pooled", panel(values, start, model={"its": {"scale": "log"}}))


@pytest.mark.parametrize(
    "options",
    [
        {"scale": "log"},
        {"errors": "structural"},
        {"adjust_for_events": True},
        {"impact": {"shape": "level", "until": "2019-06"}},
        {"interventions": [{"label": "x", "from": "2017-01"}]},
    ],
    ids=lambda o: next(iter(o)),
)
def test_event_time_refuses_what_belongs_to_the_calendar(panel, options):
    values, start = staggered()
    events = [{"from": "2018-06", "to": "2018-07", "label": "Strikes"}] if "adjust_for_events" in options else []
    with pytest.raises(DesignError) as refused:
        estimators.fit("its_event_time", panel(values, start, model={"its": options}, events=events))
    assert refused.value.faults[0].fix


def test_gaps_of_few_units_leave_the_mean_to_the_complete_periods_and_of_many_to_pooling(panel):
    values, start = staggered(waves=1)
    few = estimators.fit("its_pooled", panel(values, start, drop=[("U01", [3]), ("U02", [30])]))
    assert "over 46 months" in few.method
    assert any("2 months in which not every unit reported" in w for w in few.warnings)
    many = estimators.fit("its_pooled", panel(values, start, drop=[(f"U{i:02d}", [3 * i]) for i in range(12)]))
    assert "one common autocorrelation" in many.method
    assert terms(many).loc["level change", "estimate"] == pytest.approx(
        terms(few).loc["level change", "estimate"], abs=terms(few).loc["level change", "std_error"]
    )


# -- event time ---------------------------------------------------------------------------


def test_averaging_is_the_mean_when_balanced_and_allows_for_levels_when_not():
    used = np.ones((4, 9), bool)
    random = np.random.default_rng(3)
    values = random.normal(size=(4, 9))
    assert aligned.averaging(used) @ values[used] == pytest.approx(values.mean(axis=0))
    used[1, 4] = used[2, 0] = False
    common = random.normal(size=9) + np.array([[-3.0], [1.0], [0.0], [2.0]])
    assert aligned.averaging(used) @ common[used] == pytest.approx(common.mean(axis=0))


def test_event_time_reports_its_window_its_gap_and_what_it_leaves_unused(panel):
    values, start = staggered()
    found = estimators.fit("its_event_time", panel(values, start, transition=2, horizons=[]))
    assert "from 16 months before to 15 months after" in found.method
    assert found.counts["event times after"] == 14
    assert list(found.events["event_time"]) == list(range(2, 16))
    assert any("blended" in w for w in found.warnings)
    assert any("are not used" in w for w in found.warnings)
    assert np.sqrt(np.diag(found.covariance)) == pytest.approx(found.events["std_error"].to_numpy(), rel=1e-9)
    assert found.events["estimate"].mean() == pytest.approx(found.headline["estimate"], rel=1e-9)


def test_a_season_averages_out_exactly_when_starts_fill_the_year(panel):
    start = np.arange(16, 28)
    values = outcomes(np.random.default_rng(1), start, noise=1e-5)
    found = terms(estimators.fit("its_event_time", panel(values, start)))
    assert found.loc["level change", "estimate"] == pytest.approx(3.0, abs=1e-3)


# -- the caterpillar ------------------------------------------------------------------------


def test_the_caterpillar_holds_every_unit_and_warns_of_ranks(panel):
    values, start = staggered(count=20, waves=5, spread=1.0)
    found = estimators.fit("its_pooled", panel(values, start))
    shown = plots.caterpillar(found)
    assert shown.html.count("<tr>") == 21
    head = found.headline["estimate"]
    clear = ((found.sites["shrunk_low"] > head) | (found.sites["shrunk_high"] < head)).sum()
    assert f"intervals of {clear} of 20 units exclude the mean" in shown.payload["figure"]["alt"]
    assert "Not a league table" in shown.text
    assert plots.caterpillar(found).html == shown.html


def test_a_caterpillar_of_a_refusal_or_of_a_design_without_units_says_so(panel):
    refused = Refusal("s", "y", "its_pooled", "Pooled", ("Too short.",))
    assert "Too short" in plots.caterpillar(refused).text
    values, start = staggered()
    with pytest.raises(DesignError, match="estimates no unit on its own"):
        plots.caterpillar(estimators.fit("its", panel(values, start)))
