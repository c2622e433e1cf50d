"""Do the checks of what else could have been done answer as whole fits would, and raise a concern when they should?"""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
from conftest import Maker

from evalkit import checks, estimators, plots
from evalkit.errors import DesignError
from evalkit.estimate import Refusal
from evalkit.estimators._did.brief import DESIGNS, brief, can
from evalkit.estimators._did.layout import layout

EXACT = 1e-9
FIGURES = ["estimate", "low", "high"]
REFUSED = Refusal("s", "y", "group_time", "Group-time", ("Too short.",))
STAGGERED = ["group_time", "imputation", "two_stage", "extended_twoway", "interaction_weighted"]
OUTCOME = {"name": "seen", "label": "Seen $in$ time", "kind": "proportion", "numerator": "seen",
           "denominator": "patients", "better": "higher", "role": "primary"}  # fmt: skip
BASE = {
    "outcomes": [OUTCOME], "window": ["2016-01", "2018-12"], "horizons": [], "transition": 2,
    "exclude": [{"from": "2016-05", "to": "2016-06", "why": "x"}],
    "events": [{"from": "2018-01", "to": "2018-02", "label": "x"}],
    "rollout": {"path": "rollout.csv", "region": "region"},
    "source": {"reader": "csv", "path": "panel.csv", "gaps": "allow"},
}  # fmt: skip


def simulated(n=36, effect=0.0, *, gaps=0, seed=4, waves=("2017-04", "2017-09")):
    """A share of patients in n units, two thirds never joined, in six regions, two of them without joined units."""
    random = np.random.default_rng(seed)
    months = pd.period_range("2016-01", "2018-12", freq="M").astype(str)
    units = [f"U{i:02d}" for i in range(n)]
    each = n // 6
    joined = [*[waves[0]] * each, *[waves[-1]] * each, *[""] * (n - 2 * each)]
    level, size = random.normal(size=n), random.integers(400, 1200, size=n)
    rows = []
    for i, u in enumerate(units):
        for m in months:
            patients = int(size[i] * (1 + 0.05 * random.normal()))
            share = 0.6 + 0.05 * level[i] + 0.02 * random.normal() + effect * bool(joined[i] and m >= joined[i])
            rows.append((u, m, round(patients * share), patients))
    frame = pd.DataFrame(rows, columns=["unit", "period", "seen", "patients"])
    out = np.arange(gaps) * 31 + n * 30  # of units that never joined
    region = [f"R{i % 4 + (2 if i >= 2 * each else 0)}" for i in range(n)]
    return frame.drop(index=out), pd.DataFrame(
        {"unit": units, "joined": joined, "region": region, "x": random.normal(size=n).round(3)}
    )


@pytest.fixture(scope="module")
def panel(tmp_path_factory):
    """`panel(n, effect, gaps=..., **protocol changes)`, each made once."""
    kept = {}

    def made(n=36, effect=0.03, *, gaps=0, seed=4, **changes):
        key = repr((n, effect, gaps, seed, changes))
        if key not in kept:
            rows, rollout = simulated(n, effect, gaps=gaps, seed=seed)
            kept[key] = Maker(tmp_path_factory.mktemp("study")).panel(rows, rollout, **{**BASE, **changes})
        return kept[key]

    return made


def without(panel, units):
    """The panel with the rows of some units gone."""
    return panel.with_rows(panel.rows[~panel.rows.index.get_level_values("unit").isin(units)])


# -- a headline in brief -------------------------------------------------------------


@pytest.mark.parametrize("n", [24, 36])  # with fewer than 30 clusters intervals are by the wild bootstrap
@pytest.mark.parametrize("changes", [{}, {"weights": "denominator"}, {"covariates": ["x"]}])
@pytest.mark.parametrize("design", STAGGERED)
def test_a_headline_in_brief_is_the_first_term(panel, design, changes, n):
    p = panel(n, gaps=5, **changes)
    head = estimators.fit(design, p).headline
    found = brief(p, design, layout(p)).row
    for name in ("estimate", "std_error", "df", "low", "high", "p_value"):
        assert found[name] == pytest.approx(head[name], rel=EXACT, abs=EXACT), name


def test_so_it_is_where_all_joined_at_once_and_where_a_wave_is_one_unit(make):
    rows, rollout = simulated(36, 0.02, waves=("2017-04", "2017-04"))
    once = make.panel(rows, rollout, **BASE)
    rollout.loc[0, "joined"] = "2017-11"
    lone = make.panel(rows, rollout, **BASE)
    for p in (once, lone):
        for design in DESIGNS:
            whole = estimators.attempt(design, p)
            if isinstance(whole, Refusal):
                with pytest.raises(DesignError):
                    brief(p, design, layout(p))
                continue
            found = brief(p, design, layout(p)).row
            assert [found[k] for k in FIGURES] == pytest.approx(whole.headline[FIGURES].tolist(), rel=EXACT)


def test_what_is_no_weighted_sum_is_not_given_in_brief(panel):
    assert not can(panel(model={"extended_twoway": {"family": "logit"}}), "extended_twoway")
    assert not can(panel(), "its")


# -- leave one out ---------------------------------------------------------------------


@pytest.mark.parametrize("by", ["unit", "wave", "region"])
@pytest.mark.parametrize("design", STAGGERED)
def test_leaving_one_out_is_the_fit_without_its_rows(panel, design, by):
    p = panel(gaps=5)
    estimate = estimators.fit(design, p)
    data = checks.leave_out(p, estimate, by).data
    assert data["reason"].eq("").all()
    members = {
        "unit": pd.Series(p.units.index, p.units.index).groupby(level=0),
        "wave": p.units["cohort"].dt.strftime("%B %Y").dropna().groupby(lambda u: None),
        "region": p.units["region"].groupby(p.units["region"]),
    }
    if by == "wave":
        said = p.units["cohort"].dt.strftime("%B %Y")
        groups = {w: said.index[said.eq(w)] for w in data["left_out"]}
    else:
        groups = {name: part.index for name, part in members[by]}
    for row in data.iloc[:: 6 if by == "unit" else 1].itertuples():
        again = estimators.fit(design, without(p, groups[row.left_out])).headline
        assert [row.estimate, row.low, row.high] == pytest.approx(again[FIGURES].tolist(), rel=EXACT), row.left_out
        change = (again["estimate"] - estimate.headline["estimate"]) / estimate.headline["std_error"]
        assert row.change == pytest.approx(change, abs=EXACT)
    assert data["units"].sum() == (len(p.joined) if by == "wave" else len(p.units))


def test_designs_that_are_no_weighted_sum_are_fitted_whole(panel):
    p = panel(24, model={"extended_twoway": {"family": "logit"}})
    data = checks.leave_out(p, estimators.fit("extended_twoway", p), "region").data
    first = p.units.index[p.units["region"].eq(data["left_out"].iloc[0])]
    again = estimators.fit("extended_twoway", without(p, first)).headline
    assert data[FIGURES].iloc[0].tolist() == pytest.approx(again[FIGURES].tolist(), rel=EXACT)


def test_one_unit_that_carries_the_answer_is_a_concern_and_named(make):
    rows, rollout = simulated(36)
    odd = rows["unit"].eq("U03") & rows["period"].ge("2017-04")
    rows.loc[odd, "seen"] = rows.loc[odd, "patients"] - 5
    found = ask(make.panel(rows, rollout, **BASE))
    assert found.verdict == "concern"
    assert "U03" in found.reading
    assert abs(found.value) > 1


def ask(p, by="unit", design="group_time"):
    return checks.leave_out(p, estimators.fit(design, p), by)


def test_a_plain_effect_does_not_hang_on_one(panel):
    found = ask(panel())
    assert found.verdict == "reassuring"
    assert abs(found.value) <= 1


def test_an_interval_at_the_border_is_inconclusive(panel):
    p = panel()
    estimate = estimators.fit("group_time", p)
    values = p.rows["value"]
    low = estimate.headline["low"]
    shift = (p.rows["phase"].eq("post") & p.rows["cohort"].notna()) * (low - 1e-3)
    found = ask(p.with_rows(p.rows.assign(value=values - shift)))
    assert found.verdict == "inconclusive"
    assert "so near to zero" in found.reading


def test_clusters_are_left_out_where_they_hold_several_units(panel):
    p = panel(cluster="region")
    found = checks.leave_out(p, estimators.fit("interaction_weighted", p))
    assert found.data["by"].eq("cluster").all()
    assert set(found.data["left_out"]) == set(p.units["cluster"])


def test_what_cannot_be_left_out_is_listed_with_the_reason(make):
    rows, rollout = simulated(36, 0.03, waves=("2017-04", "2017-04"))
    rollout["region"] = np.where(rollout["joined"].eq(""), "Far", np.where(rollout.index % 2, "A", "B"))
    found = ask(make.panel(rows, rollout, **BASE), "region")
    data = found.data.set_index("left_out")
    assert data.loc["Far", "reason"]
    assert np.isnan(data.loc["Far", "estimate"])
    assert data.loc[["A", "B"], "reason"].eq("").all()
    assert "Far:" in found.reading
    assert found.verdict == "inconclusive"
    assert "not computed" in plots.leave_out(found).html


@pytest.mark.parametrize("by", ["wave", "region"])
def test_one_alone_cannot_be_left_out(make, by):
    rows, rollout = simulated(36, 0.03, waves=("2017-04", "2017-04"))
    p = make.panel(rows, rollout.assign(region=""), **BASE)
    found = ask(p, by)
    assert found.verdict == "not applicable"
    assert "none can be left out" in found.reading
    assert "<img" not in plots.leave_out(found).html


def test_it_is_asked_of_comparisons_between_units_alone(panel):
    p = panel()
    assert checks.leave_out(p, REFUSED).verdict == "not applicable"
    assert checks.leave_out(p, estimators.fit("its", p)).verdict == "not applicable"
    with pytest.raises(DesignError, match="cannot be left out"):
        checks.leave_out(p, estimators.fit("group_time", p), "segment")
