"""Comparisons between units: what the designs share, against plain computations of another kind."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from evalkit import estimators, inference
from evalkit.errors import DesignError
from evalkit.estimators._did import imputed
from evalkit.estimators._did.averages import averages
from evalkit.estimators._did.group_time import Design, effects_by_cell
from evalkit.estimators._did.headline import Rule, headline
from evalkit.estimators._did.imputation import conservative, impute
from evalkit.estimators._did.layout import layout

T = 16
PERIODS = pd.period_range("2020-01", periods=T, freq="M")
WINDOW = [str(PERIODS[0]), str(PERIODS[-1])]
WAVES = {"A": (6, 4), "B": (9, 5), "C": (12, 3)}  # column of joining, units
ALLOW = {"reader": "csv", "path": "panel.csv", "gaps": "allow"}
COVARIATES = ["x", "kind"]


def units(never=10, seed=3):
    random = np.random.default_rng(seed)
    rows = [(f"{w}{i}", at) for w, (at, n) in WAVES.items() for i in range(n)] + [
        (f"N{i}", np.nan) for i in range(never)
    ]
    table = pd.DataFrame(rows, columns=["unit", "g"])
    table["joined"] = [str(PERIODS[int(g)]) if np.isfinite(g) else "" for g in table["g"]]
    table["x"] = np.round(random.normal(size=len(table)), 3)
    table["kind"] = np.where(random.random(len(table)) < 0.5, "large", "small")
    table["region"] = np.array(["North", "South", "East"])[np.arange(len(table)) % 3]
    table["dose"] = [str(1 + i % 4) if np.isfinite(g) else "" for i, g in enumerate(table["g"])]
    return table


def outcomes(table, seed=5, share=0.0, effect=lambda g, t: 1.0 + 0.2 * (t - g)):
    random = np.random.default_rng(seed)
    out = []
    for i, row in enumerate(table.itertuples()):
        e = random.normal()
        for t, period in enumerate(PERIODS):
            e = 0.5 * e + random.normal()
            y = (
                40
                + i
                + 0.3 * t
                + 0.1 * row.x * t
                + e
                + (effect(row.g, t) if np.isfinite(row.g) and t >= row.g else 0)
            )
            if random.random() >= share:
                out.append((row.unit, str(period), y, 100 + 10 * i + random.integers(0, 5)))
    return pd.DataFrame(out, columns=["unit", "period", "y", "size"])


@pytest.fixture
def built(make):
    def panel(table=None, data=None, *, share=0.0, **changes):
        table = units() if table is None else table
        data = outcomes(table, share=share) if data is None else data
        changes = {
            "window": WINDOW, "horizons": [2], "source": ALLOW, **changes,
            "rollout": {"path": "rollout.csv", "region": "region"},
        }  # fmt: skip
        return make.panel(data.drop(columns="size", errors="ignore"), table.drop(columns="g"), **changes)

    return panel


# -- imputation against dummies ----------------------------------------------------------


def by_dummies(panel, table, covariates=()):
    """Mean imputed effect after joining from a regression with a dummy for every unit and period."""
    rows = panel.rows.reset_index()
    g = rows["unit"].map(table.set_index("unit")["g"]).to_numpy()
    touched = rows["t"].to_numpy() >= g
    unit = pd.get_dummies(rows["unit"], dtype=float).to_numpy()
    period = pd.get_dummies(rows["t"], dtype=float).to_numpy()
    X = [unit, period[:, 1:]]
    for c in covariates:
        values = rows["unit"].map(table.set_index("unit")[c])
        values = values.eq("small").astype(float) if c == "kind" else values
        X.append(period[:, 1:] * values.to_numpy()[:, None])
    X = np.column_stack(X)
    fit = sm.OLS(rows["value"].to_numpy()[~touched], X[~touched]).fit()
    return float((rows["value"].to_numpy() - X @ fit.params)[touched].mean())


@pytest.mark.parametrize("share", [0.0, 0.15])
@pytest.mark.parametrize("covariates", [(), ("x",), ("x", "kind")])
def test_imputation_is_the_regression_on_dummies(built, share, covariates):
    table = units()
    panel = built(table, share=share, covariates=list(covariates))
    found = estimators.fit("imputation", panel)
    assert found.headline["estimate"] == pytest.approx(by_dummies(panel, table, covariates), rel=1e-9)


def test_leads_of_imputation_are_a_regression_on_the_untouched(built):
    table = units()
    panel = built(table, share=0.1)
    found = estimators.fit("imputation", panel)
    rows = panel.rows.reset_index()
    g = rows["unit"].map(table.set_index("unit")["g"]).to_numpy()
    since = rows["t"].to_numpy() - g
    kept = ~(since >= 0)
    leads = [int(k) for k in found.events["event_time"] if k < 0]
    X = [
        *((since == k).astype(float) for k in leads),
        *pd.get_dummies(rows["unit"], dtype=float).to_numpy().T,
        *pd.get_dummies(rows["t"], dtype=float).to_numpy()[:, 1:].T,
    ]
    fit = sm.OLS(rows["value"].to_numpy()[kept], np.column_stack(X)[kept]).fit()
    early = found.events[found.events["event_time"] < 0]
    assert len(leads) == 11  # one less than the longest time before joining
    assert early["estimate"].to_numpy() == pytest.approx(fit.params[: len(leads)], rel=1e-8)


def test_imputation_two_stage_and_extended_two_way_share_their_estimates_on_a_balanced_panel(built):
    panel = built()
    one, two, three = (estimators.fit(d, panel) for d in ("imputation", "two_stage", "extended_twoway"))
    for other in (two, three):
        names = one.terms["term"].tolist()
        assert other.terms["term"].tolist() == names
        assert other.terms["estimate"].to_numpy() == pytest.approx(one.terms["estimate"].to_numpy(), rel=1e-9)
        assert other.headline["std_error"] != pytest.approx(one.headline["std_error"], rel=1e-4)


@pytest.mark.parametrize("cluster", [lambda i: i, lambda i: i // 2, lambda i: i % 5], ids=["own", "pairs", "five"])
def test_leaving_out_is_each_unit_against_the_others_of_its_wave(built, cluster):
    """On a balanced panel: deviations from the mean of the units of the wave that are in other clusters."""
    panel = built(model={"imputation": {"errors": "leave_out"}})
    names = np.array([f"c{cluster(i):02d}" for i in range(len(panel.units))])
    panel = replace(panel, units=panel.units.assign(cluster=names))
    base = imputed.prepare(panel, 0)
    arrays = base.layout
    A = averages(base.observed.cells, len(arrays.cohorts), ()).A[:, :1]
    found = impute(base.types, base.periods, base.observed.target(base.types, A))
    v = found.weights[base.types.of][:, :, 0]
    tau = found.residual(arrays.Y) if len(base.types.count) == len(arrays.g) else None
    fitted = base.periods.fitted(base.periods.effects(base.types.means(arrays.Y)))[base.types.of]
    touched = base.touched[base.types.of]
    left = arrays.Y - fitted
    left -= (left * ~touched).sum(axis=1, keepdims=True) / (~touched).sum(axis=1, keepdims=True)
    assert tau is None
    psi = np.zeros(len(arrays.g))
    for i in range(len(arrays.g)):
        for t in range(T):
            e = left[i, t]
            if touched[i, t]:
                others = (arrays.group == arrays.group[i]) & (arrays.cluster != arrays.cluster[i])
                e -= left[others, t].mean()
            psi[i] += v[i, t] * e
    fitted = estimators.fit("imputation", panel)
    mine = fitted.headline["std_error"]
    assert mine == pytest.approx(np.sqrt((np.bincount(arrays.cluster, psi) ** 2).sum()), rel=1e-9)
    assert "Student t on" in fitted.method  # however few the clusters
    quick = headline("imputation", arrays, Rule(errors="leave_out"))
    assert np.sqrt((quick.by_cluster(arrays.Y) ** 2).sum()) == pytest.approx(mine, rel=1e-9)
    plain = conservative(found, arrays, base.touched, leave_out=False).by_cluster(arrays.Y)
    assert mine > np.sqrt((plain**2).sum())


# -- the linear core ------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.0, 0.15])
def test_an_estimate_is_its_weights_times_the_outcomes_and_many_outcomes_go_at_once(built, share):
    panel = built(share=share)
    arrays = layout(panel)
    found = effects_by_cell(arrays, Design())
    linear = found.linear(arrays, averages(found.cells, len(arrays.cohorts), (2,)))
    W = linear.spread()
    assert np.einsum("itk,it->k", W, arrays.Y) == pytest.approx(linear.estimate(arrays.Y), rel=1e-9)
    assert W.sum(axis=1) == pytest.approx(0, abs=1e-12)  # no unit's level counts
    assert W.sum(axis=0) == pytest.approx(0, abs=1e-12)  # nor a shock to all units in one period
    many = np.stack([arrays.Y, 2 * arrays.Y + 1 * arrays.seen, np.where(arrays.seen, arrays.Y**2, 0)])
    together = linear.estimate(many), linear.by_cluster(many)
    for b, Y in enumerate(many):
        assert together[0][b] == pytest.approx(linear.estimate(Y), rel=1e-9)
        assert together[1][b] == pytest.approx(linear.by_cluster(Y), rel=1e-8, abs=1e-10)


def test_covariates_and_weights_do_not_break_the_core(built):
    panel = built(covariates=COVARIATES, share=0.1)
    for method in ("dr", "or", "ipw"):
        asked = built(covariates=COVARIATES, share=0.1, model={"group_time": {"method": method}})
        assert estimators.fit("group_time", asked).headline["std_error"] > 0
    assert "adjusted for x, kind by doubly robust" in estimators.fit("group_time", panel).method


def test_a_denominator_weighs_as_weighted_least_squares(make):
    table = units()
    data = outcomes(table).assign(number=lambda d: d["y"] * d["size"])
    outcome = {"name": "y", "kind": "rate", "numerator": "number", "denominator": "size", "better": "higher",
               "role": "primary"}  # fmt: skip
    once = table.assign(joined=[str(PERIODS[8]) if np.isfinite(g) else "" for g in table["g"]])
    panel = make.panel(data[["unit", "period", "number", "size"]], once.drop(columns="g"), window=WINDOW,
                       outcomes=[outcome], weights="denominator", source=ALLOW)  # fmt: skip
    rows = panel.rows.reset_index()
    joined = rows["phase"].eq("post").to_numpy(float)
    X = np.column_stack([
        joined, pd.get_dummies(rows["unit"], dtype=float), pd.get_dummies(rows["t"], dtype=float).iloc[:, 1:],
    ])  # fmt: skip
    fit = sm.WLS(rows["value"], X, weights=rows["denominator"]).fit()
    found = estimators.fit("twoway", panel)
    assert found.headline["estimate"] == pytest.approx(fit.params.iloc[0], rel=1e-9)
    assert estimators.fit("group_time", panel).method.count("weighing by denominator") == 1


# -- what is refused, left out and named ---------------------------------------------------


def test_a_covariate_that_changes_over_time_is_refused(make):
    table = units()
    data = outcomes(table).assign(beds=lambda d: d["size"])
    panel = make.panel(data[["unit", "period", "y", "beds"]], table.drop(columns="g"), window=WINDOW, source=ALLOW,
                       covariates=["beds"])  # fmt: skip
    for design in ("group_time", "imputation", "extended_twoway", "interaction_weighted"):
        with pytest.raises(DesignError, match="changes over time within units, so joining may have changed it"):
            estimators.fit(design, panel)


def test_a_constant_covariate_of_the_source_describes_its_units(make):
    table = units()
    data = outcomes(table)
    data["beds"] = data["unit"].map({u: 100 + 7 * i % 31 for i, u in enumerate(table["unit"])})
    panel = make.panel(data[["unit", "period", "y", "beds"]], table.drop(columns="g"), window=WINDOW, source=ALLOW,
                       covariates=["beds"])  # fmt: skip
    assert "adjusted for beds" in estimators.fit("group_time", panel).method


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda t: t.assign(x=1.0), "does not vary"),
        (lambda t: t.assign(twice=2 * t["x"] + 1), "`twice` does not vary, or follows"),
        (lambda t: t.assign(x=[f"v{i}" for i in range(len(t))]), "22 different values, some not numbers"),
    ],
)
def test_unusable_covariates_are_refused_by_name(built, change, said):
    table = change(units())
    asked = ["x", "twice"] if "twice" in table else ["x"]
    with pytest.raises(DesignError, match=said):
        estimators.fit("imputation", built(table, data=outcomes(units()), covariates=asked))


def test_units_that_had_joined_before_anything_was_seen_are_left_out_and_named(built):
    table = units()
    table.loc[table["unit"].eq("A0"), ["g", "joined"]] = 0, str(PERIODS[0])
    for design in ("group_time", "imputation", "two_stage", "extended_twoway", "interaction_weighted"):
        found = estimators.fit(design, built(table))
        assert any("left out" in w and "A0" in w for w in found.warnings), design
        assert found.counts["joined units"] == 11


def test_horizons_at_which_nobody_is_left_are_dropped_and_named(built):
    table = units(never=0)
    panel = built(table, horizons=[2, 8])
    for design in ("group_time", "imputation", "two_stage", "extended_twoway", "interaction_weighted"):
        found = estimators.fit(design, panel)
        assert found.events["event_time"].max() == 5  # the last wave joins six periods after the first
        assert any("effect 8 months after joining is not given" in w for w in found.warnings)
    imputed_ = estimators.fit("imputation", panel)
    assert any("2021-01 to 2021-04" in w and "nobody untouched was left" in w for w in imputed_.warnings)


def test_only_units_that_never_joined_means_that_later_waves_teach_nothing(built):
    panel = built(comparison="never_joined")
    for design in ("imputation", "two_stage", "extended_twoway", "stacked"):
        with pytest.raises(DesignError, match="only units that never joined"):
            estimators.fit(design, panel)
    assert estimators.fit("interaction_weighted", panel).headline["std_error"] > 0


def test_anticipated_periods_are_no_reference(built):
    table = units()
    data = outcomes(table)
    before = (
        data["unit"].map(table.set_index("unit")["g"])
        - pd.PeriodIndex(data["period"], freq="M").map({p: t for t, p in enumerate(PERIODS)})
        == 1
    )
    moved = data.assign(y=data["y"] + np.where(before, 25.0, 0.0))
    for design in ("group_time", "imputation", "interaction_weighted"):
        model = {design: {"anticipation": 1}}
        plain = estimators.fit(design, built(table, data, model=model))
        other = estimators.fit(design, built(table, moved, model=model))
        assert other.headline["estimate"] == pytest.approx(plain.headline["estimate"], rel=1e-9), design


# -- inference ------------------------------------------------------------------------------------


def test_a_band_holds_all_event_times_and_is_wider_than_each_interval(built):
    events = estimators.fit("group_time", built()).events
    assert (events["band_low"] < events["low"]).all()
    assert (events["band_high"] > events["high"]).all()
    reach = (events["band_high"] - events["estimate"]) / events["std_error"]
    assert reach.to_numpy() == pytest.approx(reach.iloc[0])


def test_the_band_of_one_quantity_is_its_interval():
    psi = np.random.default_rng(1).normal(size=(40, 1))
    from scipy import stats

    assert inference.critical_value(psi, 0.95, 39) == pytest.approx(stats.t.ppf(0.975, 39), rel=0.04)


def test_few_clusters_get_the_wild_bootstrap_and_many_do_not(built):
    few = estimators.fit("group_time", built(units(never=8)))
    assert "wild cluster bootstrap (9,999 random sign changes)" in few.method
    many = estimators.fit("group_time", built(units(never=25)))
    assert "wild" not in many.method
    asked = estimators.fit("group_time", built(units(never=8), model={"group_time": {"inference": "analytic"}}))
    assert asked.headline["std_error"] == few.headline["std_error"]
    assert asked.headline["low"] != few.headline["low"]


def test_bias_reduced_errors_are_larger_where_few_units_joined(built):
    table = units()
    table["joined"] = [str(PERIODS[8]) if u in ("A0", "A1") else "" for u in table["unit"]]
    table["g"] = [8 if j else np.nan for j in table["joined"]]
    plain, better = (
        estimators.fit("twoway", built(table, model={"twoway": {"inference": i}}))
        for i in ("analytic", "bias_reduced")
    )
    assert better.headline["std_error"] > plain.headline["std_error"]
    assert better.headline["df"] < 4 < plain.headline["df"]
    assert better.headline["estimate"] == plain.headline["estimate"]


def test_holm():
    assert inference.holm(np.array([0.01, 0.04, 0.03])) == pytest.approx([0.03, 0.06, 0.06])
    assert inference.holm(np.array([0.5])) == pytest.approx([0.5])
    assert inference.holm(np.array([0.9, 0.8])) == pytest.approx([1.0, 1.0])


# -- groups, dose, two outcomes, counts --------------------------------------------------------


def test_effects_by_group_are_means_of_the_units_own_imputed_effects(built):
    table = units()
    panel = built(table, model={"heterogeneity": {"by": ["region", "wave"]}})
    found = estimators.fit("heterogeneity", panel)
    own = found.sites.set_index("unit")["estimate"]
    regions = panel.units["region"].reindex(own.index)
    months = T - panel.units["cohort"].reindex(own.index).map({p: t for t, p in enumerate(PERIODS)}).astype(int)
    for kind, label in (("region", regions), ("wave", panel.units["cohort"].reindex(own.index).astype(str))):
        rows = found.groups[found.groups["kind"].eq(kind)].set_index("group")
        for group in label.unique():
            inside = label.eq(group).to_numpy()
            expected = np.average(own[inside], weights=months[inside])
            assert rows.loc[group, "estimate"] == pytest.approx(expected, rel=1e-9)
    assert found.headline["estimate"] == pytest.approx(np.average(own, weights=months), rel=1e-9)
    spread, drawn = own.std(), found.sites["shrunk"].std()
    assert drawn < spread
    for kind in ("region", "wave"):
        assert found.diagnostics[f"interaction_p_adjusted_{kind}"] >= found.diagnostics[f"interaction_p_{kind}"]


def test_groups_that_differ_are_told_apart(built):
    table = units(never=40)
    data = outcomes(table)
    east = data["unit"].map(table.set_index("unit")["region"]).eq("East")
    g = data["unit"].map(table.set_index("unit")["g"])
    t = pd.PeriodIndex(data["period"], freq="M").map({p: i for i, p in enumerate(PERIODS)})
    data["y"] += np.where(east & (t >= g), 12.0, 0.0)
    found = estimators.fit("heterogeneity", built(table, data, model={"heterogeneity": {"by": ["region"]}}))
    assert found.diagnostics["interaction_p_region"] < 0.001
    same = estimators.fit("heterogeneity", built(table, model={"heterogeneity": {"by": ["region"]}}))
    assert same.diagnostics["interaction_p_region"] > 0.05


def test_thirds_by_baseline_say_that_regression_to_the_mean_is_in_them(built):
    found = estimators.fit("heterogeneity", built(model={"heterogeneity": {"by": ["baseline"]}}))
    assert found.groups["group"].tolist() == ["highest third", "lowest third", "middle third"] or set(
        found.groups["group"]
    ) == {"lowest third", "middle third", "highest third"}
    assert any("regression to the mean alone" in w for w in found.warnings)
    with pytest.raises(DesignError, match="declares no grouping"):
        estimators.fit("heterogeneity", built())


def test_the_effect_of_a_dose_is_recovered(built):
    table = units(never=40)
    dose = pd.to_numeric(table["dose"]).fillna(0).to_numpy()
    data = outcomes(table, effect=lambda *_: 0.0)
    per = data["unit"].map(dict(zip(table["unit"], dose, strict=True)))
    g = data["unit"].map(table.set_index("unit")["g"])
    t = pd.PeriodIndex(data["period"], freq="M").map({p: i for i, p in enumerate(PERIODS)})
    data["y"] += np.where(t >= g, 3.0 * per, 0.0)
    found = estimators.fit("dose", built(table, data, model={"dose": {"column": "dose"}}))
    assert found.headline["estimate"] == pytest.approx(3.0, abs=4 * found.headline["std_error"])
    assert found.headline["std_error"] < 0.6
    assert any("association" in w for w in found.warnings)


def test_doses_that_do_not_vary_are_refused(built):
    table = units().assign(dose=lambda t: np.where(t["joined"].ne(""), "2", ""))
    with pytest.raises(DesignError, match="same in all joined units"):
        estimators.fit("dose", built(table, data=outcomes(units()), model={"dose": {"column": "dose"}}))
    with pytest.raises(DesignError, match="no dose is named"):
        estimators.fit("dose", built())


def test_what_moves_both_outcomes_falls_out_of_triple_differences(make):
    table = units()
    data = outcomes(table)
    random = np.random.default_rng(2)
    g = data["unit"].map(table.set_index("unit")["g"])
    t = pd.PeriodIndex(data["period"], freq="M").map({p: i for i, p in enumerate(PERIODS)})
    local = np.where(t >= g, 8.0, 0.0)  # something else that came to the joined units
    data = data.assign(y=data["y"] + local, other=local + 5 + 0.1 * random.normal(size=len(data)))
    names = [
        {"name": "y", "kind": "continuous", "value": "y", "better": "higher", "role": "primary"},
        {"name": "other", "kind": "continuous", "value": "other", "better": "higher"},
    ]
    options = {"triple_differences": {"outcome": "other"}}
    changes = {"window": WINDOW, "outcomes": names, "model": options, "source": ALLOW}
    panel = make.panel(data.drop(columns="size"), table.drop(columns="g"), **changes)
    naive, triple = (estimators.fit(d, panel).headline["estimate"] for d in ("group_time", "triple_differences"))
    assert naive - triple == pytest.approx(8.0, abs=0.3)


@pytest.fixture
def counted(make):
    """Counts with a rate ratio of 1.3, or shares with an odds ratio of 1.5, after joining."""

    def panel(kind, **changes):
        table = units(never=30, seed=8)
        random = np.random.default_rng(4)
        rows = []
        for i, row in enumerate(table.itertuples()):
            for t, period in enumerate(PERIODS):
                after = np.isfinite(row.g) and t >= row.g
                size = 400 + 5 * i
                level = 0.2 + 0.002 * t if kind == "poisson" else 1 / (1 + np.exp(-(0.3 + 0.02 * t)))
                if kind == "poisson":
                    number = random.poisson(size * level * (1.3 if after else 1.0))
                else:
                    odds = level / (1 - level) * (1.5 if after else 1.0)
                    number = random.binomial(size, odds / (1 + odds))
                rows.append((row.unit, str(period), number, size))
        data = pd.DataFrame(rows, columns=["unit", "period", "number", "size"])
        outcome = {"name": "y", "kind": "rate" if kind == "poisson" else "proportion", "numerator": "number",
                   "denominator": "size", "better": "higher", "role": "primary"}  # fmt: skip
        model = {"extended_twoway": {"family": kind}}
        return make.panel(data, table.drop(columns="g"), window=WINDOW, outcomes=[outcome], model=model, horizons=[2],
                          **changes)  # fmt: skip

    return panel


@pytest.mark.parametrize(("kind", "truth"), [("poisson", 1.3), ("logit", None)])
def test_counts_and_shares_on_their_own_scale(counted, kind, truth):
    panel = counted(kind)
    found = estimators.fit("extended_twoway", panel)
    ratio = found.terms[found.terms["unit"].str.endswith("ratio")].iloc[0]
    if truth:
        assert ratio["low"] < truth < ratio["high"]
    post = panel.rows[panel.rows["phase"].eq("post")]
    fitted = post["value"].mean()
    assert found.headline["estimate"] == pytest.approx(fitted - fitted / ratio["estimate"], rel=0.02)
    assert found.events["event_time"].min() == 0
    assert any("effect 2 months after" in t for t in found.terms["term"])


def test_a_family_that_does_not_fit_the_outcome_is_refused(counted, built):
    with pytest.raises(DesignError, match="does not fit y, a continuous"):
        estimators.fit("extended_twoway", built(model={"extended_twoway": {"family": "poisson"}}))
    with pytest.raises(DesignError, match="not offered with covariates"):
        estimators.fit("extended_twoway", counted("poisson", covariates=["x"]))


def test_event_times_can_be_chosen_and_balanced(built):
    model = {"group_time": {"first": -3, "last": 3}}
    assert estimators.fit("group_time", built(model=model)).events["event_time"].tolist() == [*range(-3, 4)]
    balanced = estimators.fit("group_time", built(model={"group_time": {"balanced": 5}}))
    assert balanced.events["event_time"].max() == 5
    late = balanced.events[balanced.events["event_time"].ge(0)]
    assert set(late["units"]) == {9}  # the two waves that were seen for five periods after joining


# -- found by review ---------------------------------------------------------------------------


def test_an_exclusion_does_not_let_levels_into_the_stacks(make):
    """Waves of different level, an excluded stretch inside their windows: the effect is found all the same."""
    found, plain = [], []
    for seed in range(6):
        random = np.random.default_rng(seed)
        table = pd.DataFrame({"unit": [f"U{i:02d}" for i in range(40)]})
        start = np.r_[np.full(8, 6), np.full(8, 9), np.full(24, np.inf)]
        level = np.r_[np.full(8, -8.0), np.full(8, -3.0), np.zeros(24)]
        table["joined"] = [str(PERIODS[int(g)]) if np.isfinite(g) else "" for g in start]
        t = np.arange(T)
        Y = level[:, None] + 0.3 * t + 2.0 * (t >= start[:, None]) + 0.5 * random.normal(size=(40, T))
        long = [(u, str(p), Y[i, j]) for i, u in enumerate(table["unit"]) for j, p in enumerate(PERIODS)]
        data = pd.DataFrame(long, columns=["unit", "period", "y"])
        gap = [{"from": str(PERIODS[7]), "to": str(PERIODS[7]), "why": "x"}]
        panel = make.panel(data, table, window=WINDOW, exclude=gap, model={"stacked": {"before": 4, "after": 4}})
        estimate = estimators.fit("stacked", panel)
        found.append(estimate.headline["estimate"])
        plain.append(estimate.events[estimate.events["event_time"] < 0]["estimate"].abs().max())
        assert any("not every wave has are left out: -2, 1" in w for w in estimate.warnings)
    assert np.mean(found) == pytest.approx(2.0, abs=0.25)
    assert max(plain) < 1.0


def test_a_unit_that_joined_at_the_start_does_not_change_what_the_others_weigh(make):
    table = units()
    data = outcomes(table).assign(below=lambda d: d["size"] * np.where(d["period"] >= str(PERIODS[6]), 3.0, 1.0))
    data = data.assign(above=lambda d: d["y"] * d["below"])
    random = np.random.default_rng(1).uniform(0.5, 3, len(table))
    late = data["period"] >= str(PERIODS[6])
    share = data["unit"].map(dict(zip(table["unit"], random, strict=True)))
    data["below"] = np.where(late, data["below"] * share, data["below"])
    data["above"] = data["y"] * data["below"]
    outcome = {"name": "y", "kind": "rate", "numerator": "above", "denominator": "below", "better": "higher",
               "role": "primary"}  # fmt: skip
    first = table.assign(joined=np.where(table["unit"].eq("N0"), str(PERIODS[0]), table["joined"]))
    changes = {"window": WINDOW, "outcomes": [outcome], "weights": "denominator", "source": ALLOW}
    columns = ["unit", "period", "above", "below"]
    with_it = estimators.fit("group_time", make.panel(data[columns], first.drop(columns="g"), **changes))
    kept, rest = data[data["unit"] != "N0"], table[table["unit"] != "N0"]
    without = estimators.fit("group_time", make.panel(kept[columns], rest.drop(columns="g"), **changes))
    assert with_it.headline["estimate"] == pytest.approx(without.headline["estimate"], rel=1e-9)


def test_effects_before_joining_are_changes_of_one_period_or_none(built):
    gap = [{"from": str(PERIODS[3]), "to": str(PERIODS[4]), "why": "x"}]
    cells = estimators.fit("group_time", built(exclude=gap)).cells
    early = cells[cells["event_time"] < 0]
    assert PERIODS[5] not in set(early["period"])  # its change would be from before the gap
    assert {PERIODS[1], PERIODS[2]} <= set(early["period"])


def test_degrees_of_freedom_do_not_hang_on_rounding(built):
    table = units(never=12)
    table["region"] = np.where(table["g"].eq(6), "East", np.where(table["g"].eq(9), "South", "North"))
    table.loc[table["g"].eq(12), ["g", "joined"]] = np.nan, ""
    never = table["g"].isna()
    table.loc[never, "region"] = [f"R{i % 4}" for i in range(never.sum())]
    df = set()
    for seed in range(8):
        panel = built(table, data=outcomes(table, seed=seed), cluster="region")
        df.add(estimators.fit("imputation", panel).headline["df"])
    assert len(df) == 1


def test_waves_of_unequal_denominators_count_as_fewer_units(make):
    table = units(never=30)
    outcome = {"name": "y", "kind": "rate", "numerator": "above", "denominator": "below", "better": "higher",
               "role": "primary"}  # fmt: skip
    joined = table[table["g"].notna()]
    big = pd.concat([table, *(joined.assign(unit=joined["unit"] + f"x{k}") for k in (1, 2, 3))])
    more = outcomes(big).assign(below=lambda d: np.where(d["unit"].str.len() == 2, 50.0, 1.0))
    more["above"] = more["y"] * more["below"]
    changes = {"window": WINDOW, "outcomes": [outcome], "source": ALLOW}
    columns = ["unit", "period", "above", "below"]
    alike = estimators.fit("imputation", make.panel(more[columns], big.drop(columns="g"), **changes))
    weighed = make.panel(more[columns], big.drop(columns="g"), weights="denominator", **changes)
    assert "conservative" in alike.method
    assert "leave-one-out" in estimators.fit("imputation", weighed).method


def test_a_blank_cell_is_no_change_of_a_covariate(make):
    table = units()
    data = outcomes(table)
    data["beds"] = data["unit"].map({u: str(100 + 7 * i % 31) for i, u in enumerate(table["unit"])})
    data.loc[5, "beds"] = ""
    panel = make.panel(data[["unit", "period", "y", "beds"]], table.drop(columns="g"), window=WINDOW, source=ALLOW,
                       covariates=["beds"])  # fmt: skip
    assert panel.varying == ()


def test_very_few_clusters_get_no_bootstrap(built):
    table = units()
    found = estimators.fit("group_time", built(table, cluster="region"))
    assert "Student t on 2 degrees of freedom" in found.method
    with pytest.raises(DesignError, match="needs at least 6 clusters, and there are 3"):
        estimators.fit("group_time", built(table, cluster="region", model={"group_time": {"inference": "wild"}}))


def test_faults_of_options_are_told_before_anything_is_estimated(make):
    from evalkit.errors import DataError

    table, data = units(), outcomes(units()).drop(columns="size")
    changes = {"window": WINDOW, "source": ALLOW}
    for model, said in (
        ({"dose": {"column": "dosage"}}, "names dosage, which is no column of the rollout"),
        ({"triple_differences": {"outcome": "z"}}, "names z, which is no outcome of the protocol"),
    ):
        with pytest.raises(DataError, match=said):
            make.panel(data, table.drop(columns="g"), model=model, **changes)
    blank = table.assign(x=["", *table["x"].astype(str)[1:]])
    with pytest.raises(DataError, match=r"covariate `x` is blank for 1 unit \(A0\)"):
        make.panel(data, blank.drop(columns="g"), covariates=["x"], **changes)
    words = table.assign(dose=np.where(table["joined"].ne(""), "high", ""))
    with pytest.raises(DataError, match="`dose` is not a number in 12 joined units"):
        make.panel(data, words.drop(columns="g"), model={"dose": {"column": "dose"}}, **changes)
