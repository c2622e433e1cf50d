"""What every design must do, for each there is; and each against an independent computation."""

from __future__ import annotations

import json
import math

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from conftest import Maker

from evalkit import estimate as estimates
from evalkit import estimators
from evalkit.columns import harmonics
from evalkit.errors import DesignError

DESIGNS = estimators.names()
SERIES = ["its", "controlled_its", "its_event_time", "its_pooled"]  # judged by their course, not by other units
COMPARATIVE = [d for d in DESIGNS if d not in SERIES]
SYNTHETIC = ["synthetic_control", "augmented_synthetic_control", "synthetic_did"]  # weigh units seen throughout
PERIODS = pd.period_range("2017-01", periods=30, freq="M")
WINDOW = ["2017-01", "2019-06"]
JOINED_AT = 15
EFFECT = 5.0
GAP = [{"from": "2018-02", "to": "2018-05", "why": "x"}]
ALLOW = {"reader": "csv", "path": "panel.csv", "gaps": "allow"}


DECLARED = {  # what some designs ask the protocol for; the others take no notice of it
    "model": {
        "triple_differences": {"outcome": "apart"},
        "dose": {"column": "dose"},
        "heterogeneity": {"by": ["region", "wave"]},
    },
    "outcomes": [
        {"name": "y", "label": "Outcome", "kind": "continuous", "value": "y", "better": "higher", "role": "primary"},
        {"name": "apart", "kind": "continuous", "value": "apart", "better": "higher"},
    ],
    "rollout": {"path": "rollout.csv", "region": "region"},
}
SLOPES = ["dose"]  # their headline is no average effect
PLAIN = ["twoway", "dose", "heterogeneity"]  # they report no horizon


def rows(units=12, joined=6, at=JOINED_AT, noise=1.0, seed=1, effect=EFFECT):
    """Common start: unit level + common trend + effect; noise is AR(1) with coefficient 0.5."""
    random = np.random.default_rng(seed)
    out = []
    for i in range(units):
        e = random.normal() / math.sqrt(0.75)
        for t, period in enumerate(PERIODS):
            e = 0.5 * e + random.normal()
            y = 50 + 2 * i + 0.1 * t + (effect if i < joined and t >= at else 0) + noise * e
            out.append((f"U{i:02d}", str(period), y))
    return apart(pd.DataFrame(out, columns=["unit", "period", "y"]))


def apart(data):
    """The same with an outcome that joining cannot move: it follows the calendar alone."""
    return data.assign(apart=20 + 0.2 * pd.PeriodIndex(data["period"], freq="M").month)


def rollout(units=12, joined=6, at=JOINED_AT):
    date = str(PERIODS[at])
    names = [f"U{i:02d}" for i in range(units)]
    region = ["North", "South", "East", "West"]
    return pd.DataFrame(
        {
            "unit": names,
            "joined": [date if i < joined else "" for i in range(units)],
            "region": [region[i % 4] for i in range(units)],
            "dose": [str(1 + (5 * i) % 7) if i < joined else "" for i in range(units)],
        }
    )


def thin(data, seed=4, share=0.1, design=""):
    """The same rows less a tenth, at random; less a few where donors must be seen throughout (synthetic designs)."""
    share = 0.01 if design in SYNTHETIC else share
    keep = np.random.default_rng(seed).random(len(data)) >= share
    return data[keep]


@pytest.fixture(scope="module")
def panel(tmp_path_factory):
    """A panel of the given rows and rollout; the same ones are built once, as no design may change them."""
    kept = {}

    def built(data=None, table=None, **changes):
        data, table = rows() if data is None else data, rollout() if table is None else table
        model = {**DECLARED["model"], **changes.pop("model", {})}
        changes = {"window": WINDOW, "horizons": [6], **DECLARED, **changes, "model": model}
        key = (data.to_csv(), table.to_csv(), json.dumps(changes))
        if key not in kept:
            kept[key] = Maker(tmp_path_factory.mktemp("study")).panel(data, table, **changes)
        return kept[key]

    return built


@pytest.fixture(params=DESIGNS)
def design(request):
    return request.param


@pytest.fixture(params=COMPARATIVE)
def comparative(request):
    return request.param


def same(one, other, rel=1e-9, scale=1.0, *, shifted=False):
    """Equal terms, events and covariance, the figures of `other` being `scale` times as large.

    Relative figures stay as they are when the outcome is scaled, and change when it is shifted.
    """
    assert list(one.terms["term"]) == list(other.terms["term"])
    own = one.terms["unit"].eq("").to_numpy()
    for column in ("estimate", "std_error", "low", "high"):
        found, expected = other.terms[column].to_numpy(float), one.terms[column].to_numpy(float)
        assert found[own] == pytest.approx(scale * expected[own], rel=rel, abs=1e-9 * abs(scale))
        assert shifted or found[~own] == pytest.approx(expected[~own], rel=rel, abs=1e-9)
        expected = scale * one.events[column].to_numpy(float)
        assert other.events[column].to_numpy(float) == pytest.approx(expected, rel=rel, abs=1e-9 * abs(scale))
    p_values = [e.terms["p_value"].to_numpy()[own] for e in (other, one)]
    assert p_values[0] == pytest.approx(p_values[1], rel=1e-6, abs=1e-12)
    assert other.covariance == pytest.approx(scale**2 * one.covariance, rel=1e-7, abs=1e-12 * scale**2)


# -- what every design must do -----------------------------------------------------


def test_there_are_designs_and_an_unknown_one_is_refused(panel):
    assert len(DESIGNS) >= 4
    with pytest.raises(DesignError, match=r"did you mean twoway\?"):
        estimators.fit("two_way", panel())
    with pytest.raises(DesignError, match="there is no design"):
        estimators.attempt("nothing", panel())


def test_a_known_effect_is_recovered(panel, design):
    found = estimators.fit(design, panel(rows(noise=1e-4)))
    expected = 0.0 if design in SLOPES else EFFECT
    assert found.headline["estimate"] == pytest.approx(expected, abs=1e-3)
    assert found.headline["low"] < found.headline["estimate"] < found.headline["high"]
    if not found.events.empty:
        later = found.events["event_time"] >= 0
        assert found.events.loc[later, "estimate"].to_numpy() == pytest.approx(EFFECT, abs=2e-3)
        assert found.events.loc[~later, "estimate"].to_numpy() == pytest.approx(0, abs=2e-3)


@pytest.mark.parametrize("scale", [1e-9, -1.0, 1e9])
def test_estimates_follow_the_scale_of_the_outcome(panel, design, scale):
    one = estimators.fit(design, panel())
    data = rows()
    other = estimators.fit(design, panel(data.assign(y=scale * data["y"], apart=scale * data["apart"])))
    if scale < 0:
        assert other.headline["estimate"] == pytest.approx(-one.headline["estimate"], rel=1e-9)
        assert other.headline["std_error"] == pytest.approx(one.headline["std_error"], rel=1e-9)
    else:
        same(one, other, scale=scale)


def test_a_shift_of_the_outcome_changes_nothing(panel, design):
    data = rows()
    same(
        estimators.fit(design, panel()),
        estimators.fit(design, panel(data.assign(y=data["y"] + 1000))),
        rel=1e-8,
        shifted=True,
    )


def test_a_shift_of_each_unit_changes_nothing_in_a_comparison(panel, comparative):
    data = rows()
    shift = data["unit"].map({u: 37.0 * i for i, u in enumerate(sorted(data["unit"].unique()))})
    season = 3.0 * pd.PeriodIndex(data["period"], freq="M").month
    if comparative == "synthetic_did":  # its ridge follows the size of all changes, shared ones included
        season = 0.0
    moved = data.assign(y=data["y"] + shift + season)
    same(estimators.fit(comparative, panel()), estimators.fit(comparative, panel(moved)), rel=1e-7)


def test_neither_the_order_nor_the_names_of_units_matter(panel, design):
    data, table = rows(), rollout()
    names = {u: f"Z{(7 * i) % 12}" for i, u in enumerate(table["unit"])}
    other = panel(
        data.replace({"unit": names}).sample(frac=1, random_state=2), table.replace({"unit": names}).iloc[::-1]
    )
    same(estimators.fit(design, panel(data, table)), estimators.fit(design, other), rel=1e-8)


def test_the_panel_is_left_alone_and_a_repeat_is_identical(panel, design):
    built = panel(thin(rows(), design=design), source=ALLOW, exclude=GAP)
    before, units = built.rows.copy(deep=True), built.units.copy(deep=True)
    one, two = estimators.fit(design, built), estimators.fit(design, built)
    pd.testing.assert_frame_equal(built.rows, before)
    pd.testing.assert_frame_equal(built.units, units)
    assert one.store() == two.store()


def test_unbalance_an_exclusion_and_a_transition_leave_finite_figures(panel, design):
    built = panel(thin(rows(), design=design), source=ALLOW, exclude=GAP, transition=2)
    found = estimators.fit(design, built)
    figures = found.terms[["estimate", "std_error", "low", "high", "p_value"]].to_numpy(float)
    assert np.isfinite(figures).all()
    expected = 0.0 if design in SLOPES else EFFECT
    assert found.headline["estimate"] == pytest.approx(expected, abs=5 * found.headline["std_error"])


def test_an_estimate_survives_being_stored(panel, design):
    found = estimators.fit(design, panel(thin(rows(), design=design), source=ALLOW, exclude=GAP))
    stored = json.loads(json.dumps(found.store(), allow_nan=False))
    again = estimates.restore(stored, "month")
    assert again.store() == found.store()
    for frame in ("terms", "path", "events"):
        pd.testing.assert_frame_equal(getattr(again, frame), getattr(found, frame), check_dtype=False)
    assert np.array_equal(again.covariance, found.covariance)
    brief = estimates.terms_of(stored, "month")
    pd.testing.assert_frame_equal(brief.tidy(), again.tidy())
    assert (brief.title, brief.level, brief.comparison_only) == (found.title, found.level, found.comparison_only)
    assert (again.counts, again.method, again.warnings, again.exposure) == (
        found.counts,
        found.method,
        found.warnings,
        found.exposure,
    )


def test_the_record_is_the_command_lines_contract(panel, design):
    record = json.loads(json.dumps(estimators.fit(design, panel()).record(), allow_nan=False))
    keys = ["study", "outcome", "design", "estimand", "unit", "level", "terms"]
    keys += [name for name in ("events", "groups", "cells") if name in record]
    keys += ["counts", "diagnostics", "method", "warnings"]
    assert list(record) == keys
    for name in ("events", "groups", "cells"):
        assert all(math.isfinite(row["estimate"]) and row["std_error"] > 0 for row in record.get(name, []))
    for term in record["terms"]:
        assert list(term) == ["term", "estimate", "std_error", "df", "low", "high", "p_value", "unit"]
        assert all(isinstance(v, float) and math.isfinite(v) for k, v in term.items() if k not in ("term", "unit"))
        assert term["unit"]
    assert all(isinstance(v, int) for v in record["counts"].values())
    assert record["method"].endswith(".")


def test_a_wider_level_gives_a_wider_interval_around_the_same_estimate(panel, design):
    narrow, wide = (estimators.fit(design, panel(level=level)).headline for level in (0.8, 0.99))
    assert narrow["estimate"] == wide["estimate"]
    assert wide["low"] < narrow["low"] < narrow["high"] < wide["high"]


REFUSED = {  # nothing that these data hold can carry any design
    "a constant series": (rows().assign(y=5.0), rollout(), {}),
    "perfectly fitted": (rows(noise=0), rollout(), {}),
    "perfectly fitted without an effect": (rows(noise=0, effect=0), rollout(), {}),
    "joined in the first period": (rows(), rollout(at=0), {}),
    "nothing before that is analysed": (
        rows(),
        rollout(),
        {"exclude": [{"from": "2017-01", "to": "2018-03", "why": "x"}]},
    ),
    "nothing after that is analysed": (rows(), rollout(), {"transition": 15}),
    "two periods and two units": (
        rows(units=2, joined=1, at=1).query("period <= '2017-02'"),
        rollout(units=2, joined=1, at=1),
        {"window": ["2017-01", "2017-02"]},
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_too_little_is_refused_with_a_reason_and_a_remedy(panel, design, case):
    data, table, changes = REFUSED[case]
    built = panel(data, table, **changes)
    with pytest.raises(DesignError) as refused:
        estimators.fit(design, built)
    for fault in refused.value.faults:
        assert fault.what
        assert fault.fix
    attempted = estimators.attempt(design, built)
    assert isinstance(attempted, estimates.Refusal)
    assert len(attempted.reasons) == len(refused.value.faults)
    for said, fault in zip(attempted.reasons, refused.value.faults, strict=True):
        assert said[1:].startswith(fault.what[1:])
        assert fault.fix in said


LONELY = {
    "one unit joined": (rows(joined=1), rollout(joined=1), {}),
    "one unit to compare with": (rows(joined=11), rollout(joined=11), {}),
    "one cluster": (rows(), rollout().assign(region="N"), {"cluster": "region"}),
    "the joined are one cluster": (
        rows(),
        rollout().assign(region=["N"] * 6 + ["S", "E"] * 3),
        {"cluster": "region"},
    ),
    "nobody never joined": (rows(joined=12), rollout(joined=12), {}),
    "no comparison wanted": (rows(), rollout(), {"comparison": "none"}),
    "the comparison ends before joining": (rows().query("unit < 'U06' or period < '2018-04'"), rollout(), {}),
}


@pytest.mark.parametrize("case", LONELY)
def test_a_comparison_with_one_or_none_on_a_side_is_refused(panel, comparative, case):
    data, table, changes = LONELY[case]
    if comparative in SYNTHETIC and case == "one unit joined":  # what they are made for: placebos judge it
        assert math.isfinite(estimators.fit(comparative, panel(data, table, **changes)).headline["std_error"])
        return
    with pytest.raises(DesignError) as refused:
        estimators.fit(comparative, panel(data, table, **changes))
    assert all(fault.fix for fault in refused.value.faults)
    assert math.isfinite(estimators.fit("its", panel(data, table, **changes)).headline["std_error"])


def test_a_repeated_or_unmet_horizon_is_told_and_not_invented(panel, design):
    found = estimators.fit(design, panel(horizons=[6, 100]))
    if design in PLAIN:
        assert not any("months after" in t for t in found.terms["term"])
        return
    assert any("effect 6 months after" in t for t in found.terms["term"])
    assert not any("100 months" in t for t in found.terms["term"])
    assert any("100 months after" in w and "not given" in w for w in found.warnings)


# -- staggered starts ----------------------------------------------------------------


def staggered(sizes=(3, 3), gap=4, never=6):
    table = rollout(units=sum(sizes) + never, joined=0)
    data = rows(units=len(table), joined=0)
    first = 0
    for wave, size in enumerate(sizes):
        members = table["unit"].iloc[first : first + size]
        table.loc[members.index, "joined"] = str(PERIODS[12 + gap * wave])
        table.loc[members.index, "dose"] = [str(1 + i % 3) for i in range(size)]
        late = data["unit"].isin(members) & data["period"].ge(str(PERIODS[12 + gap * wave]))
        data.loc[late, "y"] += EFFECT
        first += size
    return data, table


@pytest.mark.parametrize("two", ["twoway", "event_study"])
def test_two_way_effects_are_refused_under_staggered_starts_unless_asked_for(panel, two):
    data, table = staggered()
    with pytest.raises(DesignError, match="use group_time"):
        estimators.fit(two, panel(data, table))
    asked = estimators.fit(two, panel(data, table, model={two: {"allow_staggered": True}}))
    assert any("is not an estimate of the effect" in w for w in asked.warnings)


def test_a_wave_of_one_unit_borrows_the_variation_of_the_comparison(panel):
    found = estimators.fit("group_time", panel(*staggered(sizes=(1, 5))))
    assert any("1 of 2 waves are a single unit" in w for w in found.warnings)
    alone = found.cells[found.cells["cohort"].eq(PERIODS[12]) & found.cells["event_time"].ge(0)]
    paired = found.cells[found.cells["cohort"].eq(PERIODS[16]) & found.cells["event_time"].ge(0)]
    assert alone["std_error"].median() > 1.5 * paired["std_error"].median()  # one unit against five


def test_what_is_borrowed_is_the_spread_of_the_same_change_over_the_comparison(panel):
    built = panel(*staggered(sizes=(1, 5)), comparison="never_joined")
    found = estimators.fit("group_time", built)
    cell = found.cells[found.cells["cohort"].eq(PERIODS[12]) & found.cells["period"].eq(PERIODS[14])].iloc[0]
    wide = built.wide()
    change = (wide[PERIODS[14]] - wide[PERIODS[11]]).loc[built.never].to_numpy()
    own, mean = change.var(), change.var() / len(change)  # of one unit, and of the comparison's mean
    adjusted = own * len(change) / (len(change) - 1)
    assert cell["std_error"] == pytest.approx(math.sqrt(adjusted + mean), rel=1e-9)


def test_when_everyone_joins_effects_are_estimated_until_the_last_wave(panel):
    built = panel(*staggered(sizes=(4, 4, 4), never=0), comparison="not_yet_joined")
    found = estimators.fit("group_time", built)
    assert found.events["event_time"].max() == 7
    assert any("nobody left to compare with" in w for w in found.warnings)


# -- each against an independent computation -------------------------------------------


def dummies(built, columns):
    """OLS with a dummy for every unit and period, and its clustered covariance by hand.

    Factor G/(G-1) (n-1)/(n-K), K the regressors and the periods, unit dummies not counted.
    """
    data = built.rows.loc[columns.index]
    unit = pd.get_dummies(data.index.get_level_values("unit"), dtype=float).to_numpy()
    period = pd.get_dummies(data.index.get_level_values("period").astype(str), dtype=float).to_numpy()[:, 1:]
    X = np.column_stack([columns.to_numpy(float), unit, period])
    model = sm.OLS(data["value"].to_numpy(), X).fit()
    cluster = built.units["cluster"].reindex(data.index.get_level_values("unit")).to_numpy()
    scores = X * model.resid[:, None]
    sums = np.array([scores[cluster == c].sum(axis=0) for c in np.unique(cluster)])
    bread = np.linalg.inv(X.T @ X)
    n, k, clusters = len(X), columns.shape[1], len(sums)
    factor = clusters / (clusters - 1) * (n - 1) / (n - k - period.shape[1] - 1)
    return model.params[:k], (factor * bread @ (sums.T @ sums) @ bread)[:k, :k]


CASES = {
    "balanced": {},
    "unbalanced": {"thin": True},
    "with a gap": {"exclude": GAP},
    "unbalanced with a gap and a transition": {"thin": True, "exclude": GAP, "transition": 2},
    "clustered on regions": {"cluster": "region"},
}


@pytest.fixture(params=CASES)
def case(request, panel):
    changes = dict(CASES[request.param])
    data = thin(rows()) if changes.pop("thin", False) else rows()
    return panel(data, source=ALLOW, **changes)


def test_two_way_effects_equal_least_squares_with_dummies(case):
    data = case.analysed
    beta, covariance = dummies(case, data["phase"].eq("post").astype(float).to_frame())
    found = estimators.fit("twoway", case).headline
    assert found["estimate"] == pytest.approx(beta[0], rel=1e-8)
    assert found["std_error"] == pytest.approx(math.sqrt(covariance[0, 0]), rel=1e-8)
    assert found["df"] == case.units["cluster"].nunique() - 1


def test_the_event_study_equals_least_squares_with_dummies(case):
    data = case.rows[case.rows["phase"].ne("excluded")]
    found = estimators.fit("event_study", case)
    since = (data["t"] - JOINED_AT).where(data["cohort"].notna())
    columns = pd.DataFrame({k: since.eq(k).astype(float) for k in found.events["event_time"]})
    beta, covariance = dummies(case, columns)
    assert found.events["estimate"].to_numpy() == pytest.approx(beta, rel=1e-8)
    assert found.covariance == pytest.approx(covariance, rel=1e-7, abs=1e-10)
    post = data["phase"].eq("post").groupby(since).any()
    after = found.events["event_time"].map(post).to_numpy(bool)
    assert found.headline["estimate"] == pytest.approx(beta[after].mean(), rel=1e-8)
    weights = after / after.sum()
    assert found.headline["std_error"] == pytest.approx(math.sqrt(weights @ covariance @ weights), rel=1e-8)


def test_each_two_by_two_equals_a_difference_of_means_of_complete_pairs(case):
    wide = case.rows[case.rows["phase"].ne("excluded")]["value"].unstack("period").sort_index(axis=1)
    usable = list(wide.columns)
    joined = wide.index.isin(case.joined)
    found = estimators.fit("group_time", case)
    base = [p for p in usable if p < PERIODS[JOINED_AT]][-1]
    cluster = case.units["cluster"].reindex(wide.index).to_numpy()
    for event in found.events.itertuples():
        period = PERIODS[JOINED_AT + int(event.event_time)]
        from_period = base if event.event_time >= 0 else [p for p in usable if p < period][-1]
        change = wide[period] - wide[from_period]
        seen = change.notna()
        ours, others = change[seen & joined], change[seen & ~joined]
        assert event.estimate == pytest.approx(ours.mean() - others.mean(), rel=1e-9)
        assert event.units == len(ours)
        part = pd.Series(0.0, change.index)
        part[ours.index] = (ours - ours.mean()) / len(ours)
        part[others.index] = -(others - others.mean()) / len(others)
        assert event.std_error == pytest.approx(math.sqrt((part.groupby(cluster).sum() ** 2).sum()), rel=1e-8)


def segmented(built, pairs):
    series = built.over(built.joined)["value"].reindex(built.study.window)
    since = np.arange(len(series)) - JOINED_AT
    excluded = built.study.phases(
        pd.Series(pd.PeriodIndex([pd.NaT] * len(series), freq="M")), pd.Series(series.index)
    )
    transition = built.study.protocol.transition.periods
    used = (excluded != "excluded") & ((since < 0) | (since >= transition)) & series.notna().to_numpy()
    t = np.flatnonzero(used)
    post = since[used] >= 0
    first = t[post][0]
    X = np.column_stack([np.ones(len(t)), t - t[0], post, np.where(post, t - first, 0)]).astype(float)
    X = np.column_stack([X, harmonics(series.index[used], pairs).to_numpy()])
    return X, series.to_numpy()[used], t, post, t[post] - first


@pytest.mark.parametrize("pairs", [0, 2])
@pytest.mark.parametrize("changes", [{}, {"exclude": GAP}, {"exclude": GAP, "transition": 3}])
def test_the_interrupted_series_equals_statsmodels_or_the_padded_computation(panel, changes, pairs):
    lags = 4
    built = panel(model={"its": {"errors": "newey_west", "lags": lags, "season": {"harmonics": pairs}}}, **changes)
    found = estimators.fit("its", built)
    X, y, t, post, since = segmented(built, pairs)
    model = sm.OLS(y, X).fit(cov_type="HAC", cov_kwds={"maxlags": lags, "use_correction": True})
    covariance = model.cov_params()
    if changes:  # zero scores in the months left out, so that lags are counted by the calendar
        padded = np.zeros((t[-1] + 1, X.shape[1]))
        padded[t] = X * model.resid[:, None]
        middle = padded.T @ padded
        for lag in range(1, lags + 1):
            cross = padded[lag:].T @ padded[:-lag]
            middle += (1 - lag / (lags + 1)) * (cross + cross.T)
        bread = np.linalg.inv(X.T @ X)
        covariance = len(y) / (len(y) - X.shape[1]) * bread @ middle @ bread
    terms = found.terms.set_index("term")
    for name, i in (("level change", 2), ("slope change per month", 3)):
        assert terms.loc[name, "estimate"] == pytest.approx(model.params[i], rel=1e-8)
        assert terms.loc[name, "std_error"] == pytest.approx(math.sqrt(covariance[i, i]), rel=1e-8)
        assert terms.loc[name, "df"] == len(y) - X.shape[1]
    weights = np.zeros(X.shape[1])
    weights[2:4] = 1, since.mean()
    assert found.headline["estimate"] == pytest.approx(weights @ model.params, rel=1e-8)
    assert found.headline["std_error"] == pytest.approx(math.sqrt(weights @ covariance @ weights), rel=1e-8)
    path = found.path[found.path["phase"].eq("post")]
    assert (path["fitted"] - path["counterfactual"]).mean() == pytest.approx(found.headline["estimate"], rel=1e-8)
    assert list(found.path["period"]) == list(built.study.window)
    assert post.sum() == len(path)


def test_equal_designs_agree_on_a_balanced_panel(panel):
    """With one wave the two-way coefficient is the difference of the means before and after."""
    wide = panel().wide()
    before, after = wide.iloc[:, :JOINED_AT].mean(axis=1), wide.iloc[:, JOINED_AT:].mean(axis=1)
    change = after - before
    expected = change[:6].mean() - change[6:].mean()
    assert estimators.fit("twoway", panel()).headline["estimate"] == pytest.approx(expected, rel=1e-10)


def test_a_wave_in_one_cluster_is_not_judged_by_the_variation_inside_it(panel):
    """Two waves of one region each: within a region deviations add up to nought, so errors would be far too small."""
    regions = ["N"] * 3 + ["S"] * 3 + [f"R{i}" for i in range(6)]
    table = rollout().assign(region=regions)
    table.loc[3:5, "joined"] = "2018-10"
    by_region = estimators.fit("group_time", panel(rows(), table, cluster="region"))
    by_unit = estimators.fit("group_time", panel(rows(), table))
    assert any("2 of 2 waves are a single unit or cluster" in w for w in by_region.warnings)
    assert by_region.headline["std_error"] > by_unit.headline["std_error"]


def test_a_comparison_in_one_cluster_is_refused_however_it_was_chosen(panel):
    table = rollout().assign(region=[f"R{i}" for i in range(6)] + ["C"] * 6)
    chosen = list(table.loc[6:, "unit"])
    for comparison in ("never_joined", "not_yet_joined", chosen):
        with pytest.raises(DesignError):
            estimators.fit("group_time", panel(rows(), table, cluster="region", comparison=comparison))


def test_a_staggered_two_way_figure_is_never_called_an_effect(panel):
    table = rollout()
    table.loc[3:5, "joined"] = "2018-10"
    allowed = {"twoway": {"allow_staggered": True}, "event_study": {"allow_staggered": True}}
    for design in allowed:
        shown = estimators.fit(design, panel(rows(), table, model=allowed))
        assert shown.comparison_only
        assert "not an effect" in shown.headline["term"]
        assert "ATT" not in shown.estimand


def test_seasonal_terms_that_the_analysed_periods_cannot_tell_apart_are_refused(panel):
    summers = [{"from": f"{p.year}-04", "to": f"{p.year}-12", "why": "closed"} for p in PERIODS[::12]]
    with pytest.raises(DesignError, match=r"cannot tell the seasonal terms|slope change needs"):
        estimators.fit("its", panel(rows(), rollout(), exclude=summers))
