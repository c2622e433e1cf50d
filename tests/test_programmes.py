"""Other programmes and case mix: are they read, allowed for as whole fits would, and named when they matter?"""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
from test_sensitivity import BASE, simulated

from evalkit import checks, estimators, plots
from evalkit.errors import DataError, DesignError
from evalkit.estimate import Refusal
from evalkit.estimators._did import front
from evalkit.estimators._did.headline import headline, ruled
from evalkit.estimators._did.layout import layout
from evalkit.estimators._did.varying import adjusted
from evalkit.panel import build_all

EXACT = 1e-9
ONE = [{"label": "Support", "started": "began", "ended": "stopped"}]
MIX = [{"name": "age", "label": "Mean age", "kind": "continuous", "value": "age"}]


def spread(n=36, *, with_joining=0.0, seed=3, effect=0.0, size=0.0):
    """Units of `simulated` with a programme: some by lot, and a share of the joined from when they joined."""
    random = np.random.default_rng(seed)
    rows, rollout = simulated(n, effect=effect)
    months = pd.period_range("2016-07", "2018-06", freq="M").astype(str)
    began = np.where(random.random(n) < 0.4, random.choice(months, n), "")
    follow = (rollout["joined"] != "") & (random.random(n) < with_joining)
    rollout["began"] = np.where(follow, rollout["joined"], began)
    rollout["stopped"] = ""
    start = rollout.set_index("unit")["began"].reindex(rows["unit"]).to_numpy()
    on = (start != "") & (rows["period"].to_numpy() >= start)
    rows["seen"] = np.minimum(rows["seen"] + np.round(size * on * rows["patients"]), rows["patients"]).astype(int)
    rows["age"] = 60 + np.random.default_rng(seed + 1).normal(0, 0.6, len(rows)).round(3)
    return rows, rollout


@pytest.fixture
def parts(make):
    """A panel, its arrays, the untouched unit-periods, and where the programme ran."""
    p = make.panel(*spread(size=0.03), **BASE, programmes=ONE)
    arrays = layout(p)
    return p, arrays, front.sample(arrays, 0)[0], p.reached("Support").astype(float)


def by_dummies(arrays, untouched, X):
    """beta and Y less the untreated model, by least squares with a dummy for every unit and period."""
    n, T = arrays.Y.shape
    unit, period = np.nonzero(untouched)
    D = np.zeros((len(unit), n + T))
    D[np.arange(len(unit)), unit], D[np.arange(len(unit)), n + period] = 1, 1
    A = np.column_stack([X[untouched], D])
    found = np.linalg.lstsq(A, arrays.Y[untouched], rcond=None)[0]
    predicted = found[0] * X + found[1 : 1 + n][:, None] + found[1 + n :][None, :]
    return found[0], arrays.Y - predicted


def test_imputation_adjusted_is_the_regression_with_dummies(parts):
    p, arrays, untouched, X = parts
    linear = headline("imputation", arrays, ruled(p, "imputation", arrays))
    found = adjusted(linear, arrays, untouched, X[None])
    beta, left = by_dummies(arrays, untouched, X)
    post = arrays.of("post") & arrays.seen
    assert found.beta[0] == pytest.approx(beta, rel=EXACT)
    assert found.estimate == pytest.approx(left[post].mean(), rel=EXACT)


@pytest.mark.parametrize("design", ["group_time", "two_stage"])
def test_contributions_are_derivatives_by_a_units_weight(parts, design):
    """psi_i is how the estimate moves when unit i counts a little more, but for the small-sample factors."""
    p, arrays, untouched, X = parts
    step = 1e-5

    def estimate(weight):
        made = dataclasses.replace(arrays, weight=arrays.weight * weight[:, None], equal=False)
        linear = headline(design, made, ruled(p, design, made))
        return adjusted(linear, made, untouched, X[None])

    linear = headline(design, arrays, ruled(p, design, arrays))
    plain = dataclasses.replace(linear, factor=1.0)
    found = adjusted(plain, arrays, untouched, X[None])
    used = int((untouched.sum(axis=1) > 0).sum())
    rows = int(untouched.sum())
    factor = used / (used - 1) * (rows - 1) / (rows - (1 + arrays.seen.any(axis=0).sum() - 1 + 1))
    own = plain.by_cluster(arrays.Y - found.beta[0] * X)[:, 0]
    psi = own + (found.psi - own) / np.sqrt(factor)
    for i in (0, 3, 8, 20, 35):
        up, down = np.ones(len(X)), np.ones(len(X))
        up[i], down[i] = 1 + step, 1 - step
        slope = (estimate(up).estimate - estimate(down).estimate) / (2 * step)
        assert psi[i] == pytest.approx(slope, abs=1e-6 * np.abs(psi).max())


def test_scale_shift_order_and_a_full_set_of_copies(parts):
    p, arrays, untouched, X = parts
    linear = headline("group_time", arrays, ruled(p, "group_time", arrays))
    base = adjusted(linear, arrays, untouched, X[None])
    scaled = adjusted(
        linear, dataclasses.replace(arrays, Y=np.where(arrays.seen, 3 * arrays.Y + 7, 0)), untouched, X[None]
    )
    assert scaled.estimate == pytest.approx(3 * base.estimate, rel=1e-8)
    assert scaled.psi == pytest.approx(3 * base.psi, abs=1e-8)
    other = adjusted(linear, arrays, untouched, -2 * X[None] + 5 * arrays.seen)
    assert other.estimate == pytest.approx(base.estimate, rel=1e-8)
    with pytest.raises(DesignError, match="cannot be told"):
        adjusted(linear, arrays, untouched, np.stack([X, 2 * X]))
    with pytest.raises(DesignError, match="cannot be told"):
        adjusted(linear, arrays, untouched, np.ones_like(X)[None])


def test_a_programme_by_lot_is_reassuring(make):
    p = make.panel(*spread(effect=0.04, size=0.01), **BASE, programmes=ONE)
    found = checks.other_programmes(p, estimators.fit("imputation", p))
    assert found.verdict == "reassuring"
    assert len(found.data) == 3
    without = p.with_rows(
        p.rows[~p.rows.index.get_level_values("unit").isin(p.units.index[p.reached("Support").any(axis=1)])]
    )
    again = estimators.fit("imputation", without).headline
    assert found.data["estimate"][1] == pytest.approx(again["estimate"], rel=EXACT)
    assert found.data["low"][1] == pytest.approx(again["low"], rel=1e-7)


def test_a_programme_that_does_the_work_is_found(make):
    """Two thirds of the joined got it as they joined, others at other times; all of the change is its."""
    p = make.panel(*spread(with_joining=0.7, size=0.06), **BASE, programmes=ONE)
    estimate = estimators.fit("imputation", p)
    assert estimate.headline["low"] > 1
    found = checks.other_programmes(p, estimate)
    assert found.verdict == "concern"
    assert "changes the answer" in found.reading
    adjusted_row = found.data[found.data["how"].eq("As a covariate")].iloc[0]
    assert abs(adjusted_row["estimate"]) < 1
    assert found.data["with_low"].iloc[0] > 10


def test_a_programme_that_came_with_joining_cannot_be_told_apart(make):
    rows, rollout = spread(effect=0.04)
    rollout["began"] = rollout["joined"]
    p = make.panel(rows, rollout, **BASE, programmes=ONE)
    found = checks.other_programmes(p, estimators.fit("imputation", p))
    assert found.verdict == "concern"
    assert "cannot be told apart" in found.reading
    assert found.data["reason"].ne("").all()
    assert found.value is None


def test_several_programmes_are_also_allowed_for_together(make):
    rows, rollout = spread(effect=0.04, size=0.01)
    rollout["other"] = np.where(np.arange(len(rollout)) % 3 == 0, "2017-02", "")
    two = [*ONE, {"label": "Other", "started": "other"}]
    p = make.panel(rows, rollout, **BASE, programmes=two)
    found = checks.other_programmes(p, estimators.fit("group_time", p))
    assert list(found.data["programme"]) == ["Support"] * 3 + ["Other"] * 3 + ["All programmes"]
    assert "all of them" in found.reading


def test_how_often_a_programme_by_lot_is_a_concern(make):
    """And how often one that does the work is found; with 60 panels 0 to 3 % and 80 to 95 % were seen."""
    lot, work = [], []
    for seed in range(8):
        for kept, how in ((lot, {"effect": 0.04}), (work, {"with_joining": 0.7, "size": 0.06})):
            p = make.panel(*spread(seed=seed, **how), **BASE, programmes=ONE)
            kept.append(checks.other_programmes(p, estimators.fit("imputation", p)).verdict)
    assert lot.count("concern") <= 1
    assert work.count("concern") >= 5


def test_where_it_is_not_asked(make):
    rows, rollout = spread()
    p = make.panel(rows, rollout, **BASE)
    refused = Refusal("s", "y", "group_time", "Group-time", ("Too short.",))
    assert "Too short" in checks.other_programmes(p, refused).reading
    assert "declares none" in checks.other_programmes(p, estimators.fit("imputation", p)).reading
    assert checks.other_programmes(p, estimators.fit("its", p)).verdict == "not applicable"
    rollout["began"] = ""
    p = make.panel(rows, rollout, **BASE, programmes=ONE)
    assert "reached a unit" in checks.other_programmes(p, estimators.fit("imputation", p)).reading


def test_wrong_dates_are_told_with_their_lines(make):
    rows, rollout = spread()
    rollout["began"], rollout["stopped"] = "", ""
    rollout.loc[0, ["began", "stopped"]] = ["2017-05", "2017-02"]
    rollout.loc[1, "began"] = "May 2017"
    rollout.loc[2, "stopped"] = "2017-05"
    with pytest.raises(DataError) as told:
        make.panel(rows, rollout, **BASE, programmes=ONE)
    said = str(told.value)
    assert "rollout.csv:2" in said
    assert "ends before it begins" in said
    assert "rollout.csv:3" in said
    assert "'May 2017' is not a period" in said
    assert "rollout.csv:4" in said
    with pytest.raises(DataError, match="no column `gone`"):
        make.panel(rows, rollout, **BASE, programmes=[{"label": "x", "started": "gone"}])


def test_case_mix_goes_through_the_design(make):
    rows, rollout = spread(effect=0.04)
    joined = rollout.set_index("unit")["joined"].reindex(rows["unit"]).to_numpy()
    after = (joined != "") & (rows["period"].to_numpy() >= joined)
    study = make.study(rows, rollout, **BASE, case_mix=MIX)
    panels = build_all(study)
    main, mix = panels["seen"], panels["age"]
    estimate = estimators.fit("imputation", main)
    found = checks.composition(main, estimate, [mix])
    own = estimators.fit("imputation", mix).headline
    before = mix.rows.loc[mix.rows["cohort"].notna() & mix.rows["phase"].eq("pre"), "value"].mean()
    row = found.data[found.data["measure"].eq("Case mix: Mean age")].iloc[0]
    assert row["estimate"] == pytest.approx(100 * own["estimate"] / before, rel=EXACT)
    assert found.verdict == "reassuring"
    rows.loc[after, "age"] += 3
    panels = build_all(make.study(rows, rollout, **BASE, case_mix=MIX))
    found = checks.composition(panels["seen"], estimate, [panels["age"]])
    assert found.verdict == "concern"
    assert "case mix: Mean age changed with joining" in found.reading
    assert "Mean age" in plots.composition(found).html


def test_case_mix_serves_an_outcome_without_denominator(make):
    rows, rollout = spread()
    outcome = {"name": "y", "kind": "continuous", "value": "seen", "better": "higher", "role": "primary"}
    panels = build_all(make.study(rows, rollout, **{**BASE, "outcomes": [outcome]}, case_mix=MIX))
    estimate = estimators.fit("imputation", panels["y"])
    assert checks.composition(panels["y"], estimate).verdict == "not applicable"
    assert checks.composition(panels["y"], estimate, [panels["age"]]).verdict != "not applicable"


def test_case_mix_without_a_denominator_survives_gaps(make):
    rows, rollout = spread()
    outcome = {"name": "y", "kind": "continuous", "value": "seen", "better": "higher", "role": "primary"}
    study = make.study(rows.drop(index=[700, 701]), rollout, **{**BASE, "outcomes": [outcome]}, case_mix=MIX)
    panels = build_all(study)
    found = checks.composition(panels["y"], estimators.fit("group_time", panels["y"]), [panels["age"]])
    assert "Unit-periods reported" in found.reading


def test_a_small_change_that_is_clear_of_nought_is_not_called_open(make):
    rows, rollout = spread()
    joined = rollout.set_index("unit")["joined"].reindex(rows["unit"]).to_numpy()
    after = (joined != "") & (rows["period"].to_numpy() >= joined)
    rows["patients"] = 100_000 + np.random.default_rng(0).integers(-50, 50, len(rows))
    rows.loc[after, "patients"] += 1000
    p = make.panel(rows, rollout, **BASE)
    found = checks.composition(p, estimators.fit("imputation", p))
    assert found.verdict == "inconclusive"
    assert "by less than 2 per cent." in found.reading
