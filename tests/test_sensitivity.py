"""Do the checks of what else could have been done answer as whole fits would, and say so when it matters?"""

from __future__ import annotations

import dataclasses
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from conftest import Maker
from drawings import drawings

from evalkit import checks, estimators, plots
from evalkit.checks._comparison_choices import combined
from evalkit.errors import DesignError
from evalkit.estimate import Refusal
from evalkit.estimators._did.brief import DESIGNS, brief, can, joint
from evalkit.estimators._did.layout import layout
from evalkit.report.audit import problems

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


def test_a_wave_that_one_large_unit_outweighs_is_small_in_brief_too(make):
    rows, rollout = simulated(72, 0.03)
    large = rows["unit"].eq("U00")
    rows.loc[large, ["seen", "patients"]] *= 20
    p = make.panel(rows, rollout, **BASE, weights="denominator")
    head = estimators.fit("imputation", p)
    assert "leave-one-out" in head.method  # of 12 units, which weigh like fewer than 10
    found = brief(p, "imputation", layout(p)).row
    assert [found[k] for k in FIGURES] == pytest.approx(head.headline[FIGURES].tolist(), rel=EXACT)


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
    said = {
        "unit": p.units.index.to_series(),
        "wave": p.units["cohort"].dt.strftime("%B %Y"),
        "region": p.units["region"],
    }[by]
    groups = {name: p.units.index[said.eq(name)] for name in data["left_out"]}
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


# -- the specification curve of comparisons --------------------------------------------


CHANGED = {
    "design": {"Imputation": {}, "Interaction-weighted": {}, "Extended two-way": {}},
    "comparison": {"Never joined": {"comparison": "never_joined"}},
    "anticipation": {f"{k} month{'s' * (k > 1)}": {"model": {"group_time": {"anticipation": k}}} for k in (1, 2, 3)},
    "transition": {"None": {"transition": 0}, "5 months": {"transition": 5}},
    "excluded": {
        "None": {"exclude": []},
        "Events too": {"exclude": [*BASE["exclude"], {"from": "2018-01", "to": "2018-02", "why": "x"}]},
    },
    "window": {
        "Without the first year": {"window": ["2017-01", "2018-12"], "exclude": []},
        "Without the last year": {"window": ["2016-01", "2017-12"], "events": []},
    },
    "weights": {"By denominator": {"weights": "denominator"}},
}
DESIGN = {"Imputation": "imputation", "Interaction-weighted": "interaction_weighted",
          "Extended two-way": "extended_twoway"}  # fmt: skip


@pytest.fixture(scope="module")
def curve(panel):
    p = panel(gaps=5)
    return p, checks.comparison_curve(p, estimators.fit("group_time", p))


def alone(data, column, label):
    """The row in which only one choice was changed."""
    columns = list(data.columns[: data.columns.get_loc("estimate")])
    same = data[columns].eq(data[columns].iloc[0])
    others = [c for c in columns if c != column and not (column == "design" and c == "comparison")]
    return data[same[others].all(axis=1) & data[column].eq(label)].iloc[0]


def test_the_declared_comparison_is_the_estimate_and_comes_first(curve):
    p, found = curve
    data = found.data
    head = estimators.fit("group_time", p).headline
    assert data.loc[0, FIGURES].tolist() == head[FIGURES].tolist()
    assert data["main"].tolist() == [True] + [False] * (len(data) - 1)
    assert 100 <= len(data) <= 600
    columns = list(data.columns[: data.columns.get_loc("estimate")])
    assert columns == ["design", "comparison", "anticipation", "transition", "excluded", "window", "neighbours",
                       "matched", "reporting", "weights"]  # fmt: skip
    assert not data[columns].duplicated().any()


@pytest.mark.parametrize(
    ("column", "label"), [(column, label) for column, labels in CHANGED.items() for label in labels]
)
def test_each_choice_is_the_fit_under_a_protocol_that_makes_it(curve, panel, column, label):
    row = alone(curve[1].data, column, label)
    p = panel(gaps=5, **CHANGED[column][label])
    head = estimators.fit(DESIGN.get(label, "group_time"), p).headline
    assert row[FIGURES].tolist() == pytest.approx(head[FIGURES].tolist(), rel=EXACT)


def test_units_left_out_are_those_near_joined_ones_or_with_gaps(curve):
    p, found = curve
    region, never = p.units["region"], p.units["cohort"].isna()
    near = p.units.index[never & region.isin(region[~never])]
    assert 0 < len(near) < never.sum()
    reported = p.rows["value"].groupby("unit").count()
    for column, label, gone in (
        ("neighbours", "Left out", near),
        ("reporting", "Every period", reported.index[reported < len(p.study.window)]),
    ):
        head = estimators.fit("group_time", without(p, gone)).headline
        row = alone(found.data, column, label)
        assert row[FIGURES].tolist() == pytest.approx(head[FIGURES].tolist(), rel=EXACT)


def test_shares_are_those_of_the_data_and_thinning_is_said(curve):
    data = curve[1].data
    others = data[~data["main"] & data["reason"].eq("")]
    assert curve[1].value == pytest.approx((others["estimate"] > 0).mean())
    assert f"{(others['low'] > 0).sum()} of {len(others)} intervals exclude zero on that side" in curve[1].reading
    assert "fixed shuffle" in curve[1].reading
    p = curve[0]
    few = checks.comparison_curve(p, estimators.fit("group_time", p), most=50)
    assert few.data["reason"].eq("").sum() == 50
    assert few.data.equals(checks.comparison_curve(p, estimators.fit("group_time", p), most=50).data)


def test_what_cannot_be_chosen_is_listed_once_with_the_reason(make):
    rows, rollout = simulated(36, 0.03, waves=("2017-11", "2018-01"))
    p = make.panel(rows, rollout, **{**BASE, "window": ["2016-01", "2018-10"], "events": []})
    data = checks.comparison_curve(p, estimators.fit("group_time", p), most=60).data
    refused = data[data["reason"].ne("")]
    assert refused["window"].tolist() == ["Without the last year"]
    assert data.loc[data["reason"].eq(""), "estimate"].notna().all()


def test_an_all_joined_rollout_and_a_common_start_have_curves_of_their_own(make):
    rows, rollout = simulated(36, 0.03)
    rollout.loc[rollout["joined"].eq(""), "joined"] = "2018-06"
    late = make.panel(rows, rollout, **BASE)
    data = checks.comparison_curve(late, estimators.fit("group_time", late), most=60).data
    assert set(data.loc[data["design"].eq("Group-time"), "comparison"]) == {"Not yet joined"}
    assert set(data.loc[data["design"].eq("Interaction-weighted"), "comparison"]) == {"Last wave"}
    rows, rollout = simulated(36, 0.03, waves=("2017-04", "2017-04"))
    once = make.panel(rows, rollout, **BASE)
    found = checks.comparison_curve(once, estimators.fit("event_study", once), most=60)
    assert found.data["comparison"].eq("Never joined").all()
    assert found.data["design"].iloc[0] == "Event study, two-way"


def test_a_curve_is_drawn_with_every_choice(curve):
    shown = plots.comparison_curve(curve[1])
    assert shown.html.count("<tr>") == len(curve[1].data) + 1
    assert "Without the last year" in shown.html
    assert "declared" in shown.html
    assert len(drawings(shown.html)[0]) < 110_000


def test_no_curve_without_a_comparison_or_of_what_is_no_weighted_sum(panel):
    p = panel(24, model={"extended_twoway": {"family": "logit"}})
    for estimate in (REFUSED, estimators.fit("its", p), estimators.fit("extended_twoway", p)):
        assert checks.comparison_curve(p, estimate).verdict == "not applicable"


def test_opposite_answers_are_a_concern(panel):
    p = panel()
    joined = p.rows["phase"].eq("post") & p.rows["cohort"].notna()
    late = p.rows.index.get_level_values("period") >= pd.Period("2018-01")
    turned = p.with_rows(p.rows.assign(value=p.rows["value"] - 12.0 * (joined & late)))
    found = checks.comparison_curve(turned, estimators.fit("group_time", turned), most=100)
    assert found.verdict == "concern"
    assert "opposite" in found.reading


# -- neighbours ------------------------------------------------------------------------


def near(p):
    """Never-joined units in a region with joined ones."""
    region, never = p.units["region"], p.units["cohort"].isna()
    return p.units.index[never & region.isin(region[~never])], p.units.index[never & ~region.isin(region[~never])]


@pytest.mark.parametrize("design", STAGGERED)
def test_each_side_of_neighbours_is_the_fit_on_its_rows(panel, design):
    p = panel(gaps=5)
    found = checks.neighbours(p, estimators.fit(design, p))
    close, far = near(p)
    for row, gone in ((1, close), (2, far)):
        head = estimators.fit(design, without(p, gone)).headline
        assert found.data.loc[row, FIGURES].tolist() == pytest.approx(head[FIGURES].tolist(), rel=EXACT)
    assert found.data["units"].tolist() == [24, len(far), len(close), 0]
    assert found.value == pytest.approx(found.data.loc[1, "estimate"] - found.data.loc[2, "estimate"], rel=EXACT)


@pytest.mark.parametrize("design", ["group_time", "imputation"])
def test_the_difference_varies_as_much_as_its_error_says(panel, design):
    p = panel(
        model={design: {"inference": "analytic"}}
    )  # the error is the same; intervals of each side are not asked
    arrays, gone = layout(p), p.units.index.isin(near(p)[0])
    never = p.units["cohort"].isna().to_numpy()
    random, drawn = np.random.default_rng(3), []
    for _ in range(200):
        made = dataclasses.replace(arrays, Y=np.where(arrays.seen, random.normal(size=arrays.Y.shape), 0.0))
        drawn.append(joint(brief(p, design, made.part(~gone)), brief(p, design, made.part(~never | gone))))
    estimates, errors = np.array(drawn).T
    assert np.sqrt((errors**2).mean()) / estimates.std() == pytest.approx(1, abs=0.15)


def spilt(p, size):
    """The panel with neighbours changed too, from the first wave's transition on."""
    later = p.rows.index.get_level_values("period") >= pd.Period("2017-06")
    at = p.rows.index.get_level_values("unit").isin(near(p)[0]) & later
    return p.with_rows(p.rows.assign(value=p.rows["value"] + size * at))


def test_spill_over_is_a_concern_and_its_size_is_found(panel):
    p = panel(seed=7)
    clean = checks.neighbours(p, estimators.fit("imputation", p))
    assert clean.verdict == "reassuring"
    touched = spilt(p, 2.0)
    found = checks.neighbours(touched, estimators.fit("imputation", touched))
    assert found.verdict == "concern"
    assert found.value - clean.value == pytest.approx(2.0, abs=0.35)  # three months fall before the second wave


def test_where_it_could_not_be_seen_it_says_so(panel):
    p = panel(seed=7)
    none = p.rows["value"] - 2.9 * (p.rows["phase"].eq("post") & p.rows["cohort"].notna())
    p = p.with_rows(p.rows.assign(value=none))
    found = checks.neighbours(p, estimators.fit("imputation", p))
    assert found.verdict == "inconclusive"
    assert "could not be seen" in found.reading


@pytest.mark.parametrize(
    ("region", "said"),
    [("", "not known who"), ("R0", "nobody is left"), (None, "no neighbours in it"), ("all", "Every unit joined")],
)
def test_without_both_sides_there_is_nothing_to_compare(make, region, said):
    rows, rollout = simulated(36, 0.03)
    if region == "all":
        rollout["joined"] = rollout["joined"].replace("", "2018-06")
    else:
        rollout["region"] = np.where(rollout["joined"].eq(""), "A", "B") if region is None else region
    p = make.panel(rows, rollout, **BASE)
    found = checks.neighbours(p, estimators.fit("group_time", p))
    assert found.verdict == "not applicable"
    assert said in found.reading
    assert "<img" not in plots.neighbours(found).html


# -- composition -----------------------------------------------------------------------


def test_the_denominator_goes_through_the_same_design(panel):
    p = panel(gaps=5)
    estimate = estimators.fit("group_time", p)
    found = checks.composition(p, estimate)
    logs = p.with_rows(p.rows.assign(value=np.log(p.rows["denominator"])))
    head = estimators.fit("group_time", logs).headline
    assert found.value == pytest.approx(100 * np.expm1(head["estimate"]), rel=1e-6)
    assert found.data.loc[0, "p_value"] == pytest.approx(head["p_value"], rel=1e-6)
    assert p.outcome.denominator is not None  # what was handed in is left alone


def test_a_denominator_that_moves_with_joining_is_a_concern(make):
    rows, rollout = simulated(36)
    joined = rollout.set_index("unit")["joined"].reindex(rows["unit"]).to_numpy()
    after = (joined != "") & (rows["period"].to_numpy() >= joined)
    rows.loc[after, ["seen", "patients"]] = (rows.loc[after, ["seen", "patients"]] * 1.1).round().astype(int)
    p = make.panel(rows, rollout, **BASE)
    found = checks.composition(p, estimators.fit("imputation", p))
    assert found.verdict == "concern"
    assert found.value == pytest.approx(10, abs=2)
    assert "denominator changed" in found.reading


def test_one_that_does_not_is_reassuring_and_full_reporting_is_said(panel):
    p = panel()
    found = checks.composition(p, estimators.fit("imputation", p))
    assert found.verdict == "reassuring"
    assert "every unit reported in every period" in found.reading
    assert "not computed" in plots.composition(found).html


def test_units_that_stop_reporting_are_a_concern(make):
    rows, rollout = simulated(36)
    lost = rows["unit"].isin(["U00", "U01", "U06", "U07", "U08"]) & rows["period"].ge("2018-01")
    p = make.panel(rows[~lost], rollout, **BASE)
    found = checks.composition(p, estimators.fit("imputation", p))
    reported = found.data.iloc[1]
    assert reported["estimate"] < -2
    assert found.verdict in ("concern", "inconclusive")
    share = p.rows["value"].unstack("period").notna()[p.study.window]
    assert (found.verdict == "concern") == (reported["high"] < 0)
    assert share.loc["U00"].iloc[-1] == np.False_


def test_it_needs_a_denominator_and_a_comparison(make, panel):
    rows, rollout = simulated(24)
    plain = [{"name": "y", "kind": "continuous", "value": "seen", "better": "higher", "role": "primary"}]
    p = make.panel(rows, rollout, **{**BASE, "outcomes": plain})
    assert "no denominator" in checks.composition(p, estimators.fit("group_time", p)).reading
    for estimate in (REFUSED, estimators.fit("its", panel())):
        for ask_it in (checks.composition, checks.neighbours):
            assert ask_it(panel(), estimate).verdict == "not applicable"


@pytest.mark.parametrize("name", ["neighbours", "composition"])
def test_side_by_side_figures_list_what_they_draw(panel, name):
    p = panel(gaps=5)
    found = getattr(checks, name)(p, estimators.fit("imputation", p))
    shown = getattr(plots, name)(found)
    assert shown.html.count("<tr>") == len(found.data) + 1
    assert found.reading.split(".")[0] in shown.text


# -- figures ---------------------------------------------------------------------------

HOSTILE = "<img src=x onerror=alert(1)>&\"'$"
ASK = {
    "leave_out": lambda p, e: checks.leave_out(p, e, "region"),
    "comparison_curve": lambda p, e: checks.comparison_curve(p, e, most=60),
    "neighbours": checks.neighbours,
    "composition": checks.composition,
    "matching": checks.matching,
}


@pytest.mark.parametrize("name", ASK)
def test_figures_are_readable_repeat_exactly_and_survive_hostile_names(make, name):
    rows, rollout = simulated(36, 0.03, gaps=5)
    rollout["region"] += HOSTILE
    p = make.panel(rows, rollout, **BASE)
    estimate = estimators.fit("group_time", p)
    shown, again = (getattr(plots, name)(ASK[name](p, estimate)) for _ in range(2))
    assert shown.html == again.html
    assert "<img src=x" not in shown.html
    page = f"<!doctype html><html lang='en-GB'><head><title>t</title></head><body><main><h1>t</h1>{shown.html}"
    found = problems(f"{page}</main></body></html>")
    assert not [f for f in found if "img" in f or "alt" in f.lower() or "table" in f or "th" in f.split()]
    assert len(shown.payload["figure"]["alt"]) >= 60
    drawn = drawings(shown.html)[0]
    assert ElementTree.fromstring(drawn).tag.endswith("svg")  # noqa: S314 - our own drawing
    assert len(drawn) < 110_000


def test_combinations_are_nearest_first_and_the_same_every_time():
    few, every = combined([3, 2, 2], 100)
    assert every == len(few) == 12
    assert few[0] == (0, 0, 0)
    assert [sum(i > 0 for i in at) for at in few] == sorted(sum(i > 0 for i in at) for at in few)
    some, every = combined([5, 4, 3, 3, 3, 2, 2], 60)
    assert (len(some), len(set(some)), every) == (60, 60, 2160)
    assert some == combined([5, 4, 3, 3, 3, 2, 2], 60)[0]
    alone = {at for at in some if sum(i > 0 for i in at) == 1}
    assert len(alone) == 4 + 3 + 2 + 2 + 2 + 1 + 1
