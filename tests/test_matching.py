"""Are units paired with those most like them, and is it said when matching brings its own change?"""

from __future__ import annotations

import sys
from dataclasses import replace
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
import statsmodels.api as sm

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
import did_panels
import matching as simulation

from evalkit import checks, estimators, plots
from evalkit.checks import _matched
from evalkit.errors import DesignError
from evalkit.estimate import Refusal
from evalkit.estimators._did.brief import brief, joint
from evalkit.estimators._did.layout import layout

CASES = {case.label: case for case in simulation.CASES}
BY_LOT = CASES["by lot, effect 4"]
EXACT = 1e-9
FIGURES = ["estimate", "std_error", "low", "high"]


def made(case=BY_LOT, seed=1):
    return simulation.panel(case, np.random.default_rng(seed))


def of(Y, joined, start=12, **changes):
    """A panel in which some rows of Y join at a column."""
    return did_panels.panel(did_panels.Simulated(Y, np.where(joined, float(start), np.nan)), **changes)


def parts(panel, version="Level and trend"):
    arrays = layout(panel)
    known = _matched.before(panel, arrays, 0)
    return arrays, known, _matched.match(arrays, known, version)


def asked(panel, design="group_time"):
    return checks.matching(panel, estimators.fit(design, panel))


def row(check, kind, version):
    return check.data[check.data["kind"].eq(kind) & check.data["version"].eq(version)].iloc[0]


def only(panel, units):
    """The panel with the rows of some units alone, booleans."""
    names = panel.units.index[units]
    return panel.with_rows(panel.rows[panel.rows.index.get_level_values("unit").isin(names)])


# -- the kernel ------------------------------------------------------------------------


def test_level_and_trend_are_those_of_a_fitted_line_beside_the_common_course():
    random = np.random.default_rng(3)
    Y = random.normal(size=(20, 24)) + 5 * np.sin(np.arange(24))
    Y[0, 3] = np.nan
    panel = of(Y, np.arange(20) < 6)
    known = _matched.before(panel, layout(panel), 0)
    assert known.early.tolist() == list(range(6))
    assert known.late.tolist() == list(range(6, 12))
    for i in (0, 4, 19):
        there = np.isfinite(Y[i, :6])
        apart = (Y[i] - np.nanmean(Y, axis=0))[:6][there]
        slope = np.polyfit(np.arange(6)[there], apart, 1)[0]
        assert known.measures[i, :2] == pytest.approx([apart.mean(), slope], abs=EXACT)
        late = (Y[i] - np.nanmean(Y, axis=0))[6:12].mean()
        assert known.measures[i, 2] == pytest.approx(late, abs=EXACT)


def test_pairs_are_as_many_as_can_be_and_then_the_nearest_of_all_ways():
    for seed in range(6):
        random = np.random.default_rng(seed)
        joined = np.arange(11) < 4
        panel = of(random.normal(size=(11, 1)) + 0.3 * random.normal(size=(11, 24)), joined)
        _, known, pairs = parts(panel, "Level")
        x = known.scaled()[:, 0]
        best = None
        for way in permutations(range(4, 11), 4):
            apart = np.abs(x[:4] - x[list(way)])
            near = apart <= _matched.CALIPER
            best = min(best or (99, 0.0), (-int(near.sum()), float((apart[near] ** 2).sum())))
        size = np.abs(x[pairs.joined] - x[pairs.never])
        assert (-len(size), float((size**2).sum())) == pytest.approx(best)
        assert (size <= _matched.CALIPER).all()
        assert len(set(pairs.never)) == len(pairs.never)


def test_both_measures_stay_inside_the_caliper():
    _, known, pairs = parts(made())
    apart = np.abs(known.scaled()[pairs.joined] - known.scaled()[pairs.never])[:, :2]
    assert (apart <= _matched.CALIPER).all()
    assert known.joined[pairs.joined].all()
    assert known.never[pairs.never].all()


@pytest.mark.parametrize("clusters", [120, 40])
def test_the_change_before_joining_is_a_regression_of_changes_clustered(clusters):
    panel = made(CASES["two populations, means 9 points apart"])
    cluster = [f"C{i % clusters}" for i in range(len(panel.units))]
    panel = replace(panel, units=panel.units.assign(cluster=cluster))
    arrays, known, pairs = parts(panel)
    keep = pairs.units(len(arrays.g))
    found = _matched.change(arrays, known, keep, 0.95).row
    Y = arrays.Y[keep]
    moved = Y[:, known.late].mean(axis=1) - Y[:, known.early].mean(axis=1)
    X = sm.add_constant(known.joined[keep].astype(float))
    fit = sm.OLS(moved, X).fit(cov_type="cluster", cov_kwds={"groups": arrays.cluster[keep]})
    n = len(moved)
    error = fit.bse[1] / np.sqrt((n - 1) / (n - 2))  # theirs has this factor as well
    assert found["estimate"] == pytest.approx(fit.params[1], abs=EXACT)
    assert found["std_error"] == pytest.approx(error, rel=EXACT)


def test_periods_that_decided_who_joined_are_left_out_where_there_is_room():
    entry = {"rule": "x", "selected_on_outcome": True, "worst": 6, "over": ["2000-07", "2000-12"]}
    random = np.random.default_rng(1)
    Y, joined = random.normal(size=(20, 24)), np.arange(20) < 6
    known = _matched.before(p := of(Y, joined, entry=entry), layout(p), 0)
    assert [*known.early, *known.late] == list(range(6))
    assert not known.judged
    entry["over"] = ["2000-05", "2000-12"]
    known = _matched.before(p := of(Y, joined, entry=entry), layout(p), 0)
    assert [*known.early, *known.late] == list(range(12))
    assert known.judged
    assert "had to be used" in asked(p).reading


def test_a_unit_seen_too_seldom_is_not_paired_and_is_named():
    random = np.random.default_rng(2)
    Y = random.normal(size=(30, 24))
    Y[2, :4] = np.nan
    panel = of(Y, np.arange(30) < 6, source={"reader": "csv", "path": "x", "gaps": "allow"})
    _, known, pairs = parts(panel, "Level")
    assert known.unseen.tolist() == [i == 2 for i in range(30)]
    assert 2 not in pairs.joined
    assert "of 6 joined units" in (reading := asked(panel).reading)
    assert panel.units.index[2] in reading


# -- the check -------------------------------------------------------------------------


@pytest.mark.parametrize("design", ["group_time", "imputation"])
def test_the_effect_is_the_fit_on_the_pairs_and_its_difference_allows_for_shared_units(design):
    panel = made()
    found, (arrays, _, pairs) = asked(panel, design), parts(panel)
    keep = pairs.units(len(arrays.g))
    head = estimators.fit(design, only(panel, keep)).headline
    effect = row(found, "effect", "Level and trend")
    assert effect[FIGURES].tolist() == pytest.approx(head[FIGURES].tolist(), rel=EXACT)
    apart = joint(brief(panel, design, arrays.part(keep)), brief(panel, design, arrays))
    difference = row(found, "difference", "Level and trend")
    assert difference[["estimate", "std_error"]].tolist() == pytest.approx(apart, rel=EXACT)
    whole = estimators.fit(design, panel).headline
    assert found.value == pytest.approx(head["estimate"] - whole["estimate"], rel=EXACT)
    assert row(found, "effect", "All units")[FIGURES].tolist() == whole[FIGURES].tolist()


def test_balance_is_the_difference_of_means_over_the_pooled_deviation():
    panel = made(CASES["two populations, means 9 points apart"])
    _, known, pairs = parts(panel, "Level")
    level = known.measures[:, 0]
    s = np.sqrt((level[known.joined].var(ddof=1) + level[known.never].var(ddof=1)) / 2)
    found = asked(panel)
    raw = (level[known.joined].mean() - level[known.never].mean()) / s
    after = (level[pairs.joined].mean() - level[pairs.never].mean()) / s
    assert row(found, "balance", "All units")["estimate"] == pytest.approx(raw, rel=EXACT)
    assert row(found, "balance", "Level")["estimate"] == pytest.approx(after, rel=EXACT)
    assert abs(after) < 0.3 < abs(raw)


def test_names_order_scale_and_shift_change_nothing():
    random = np.random.default_rng(5)
    Y, joined = random.normal(size=(40, 1)) + random.normal(size=(40, 24)), np.arange(40) < 12
    first = asked(of(Y, joined))
    order = random.permutation(40)
    for other, scale in (
        (of(Y[order], joined[order]), 1.0),
        (of(7 - 3 * Y, joined), -3.0),
        (of(Y + 100, joined), 1.0),
    ):
        again = asked(other)
        assert again.verdict == first.verdict
        assert again.value == pytest.approx(scale * first.value, rel=1e-8)
        at = first.data["kind"].isin(["effect", "difference", "placebo"])
        assert again.data.loc[at, "estimate"].tolist() == pytest.approx(
            (scale * first.data.loc[at, "estimate"]).tolist()
        )


def test_units_that_look_alike_and_did_otherwise_are_a_concern():
    random = np.random.default_rng(8)
    joined = np.arange(60) < 20
    level = np.where(joined, -3, 0) + 3 * random.normal(size=60)
    Y = level[:, None] + 0.3 * random.normal(size=(60, 24))
    Y[:, 12:] -= 0.8 * level[:, None]  # from then on those who were low rise, joined or not
    found = asked(of(Y, joined))
    assert found.verdict == "concern"
    assert found.value < -1
    assert "another one" in found.reading
    before, after = row(found, "effect", "All units"), row(found, "effect", "Level and trend")
    assert before["low"] > 0 > after["low"]


def test_pairs_that_parted_before_joining_settle_nothing():
    found = asked(made(CASES["two populations, units alike within each, means 4.3 points apart"], seed=2))
    assert found.verdict == "inconclusive"
    assert "parted before anybody joined" in found.reading
    assert row(found, "placebo", "Level and trend")["high"] < 0


def test_few_pairs_settle_nothing():
    random = np.random.default_rng(4)
    joined = np.arange(60) < 20
    Y = np.where(joined, -4, 0)[:, None] + 1.0 * random.normal(size=(60, 1)) + 0.1 * random.normal(size=(60, 24))
    Y[0], Y[1] = Y[30] + 0.01 * random.normal(size=24), Y[31] + 0.01 * random.normal(size=24)
    found = asked(of(Y, joined))
    assert found.verdict == "inconclusive"
    assert "like nobody" in found.reading
    assert "and 1" in found.reading.split(" had none")[0]  # five are named, the others counted


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"joined": np.full(20, True)}, "every unit joined"),
        ({"start": 5}, "5 periods before the first wave are too few"),
        ({"level": np.where(np.arange(20) < 6, -50, 0)}, "no joined unit has a never-joined one within"),
    ],
)
def test_where_nobody_can_be_matched_it_says_why(change, said):
    random = np.random.default_rng(6)
    joined = change.get("joined", np.arange(20) < 6)
    level = change.get("level", random.normal(size=20))
    Y = level[:, None] + 0.1 * random.normal(size=(20, 24))
    Y[:, 12:] += random.normal(size=(20, 12))
    panel = of(Y, joined, change.get("start", 12))
    if joined.all():
        estimate = estimators.fit("its", panel)
        assert checks.matching(panel, estimate).verdict == "not applicable"
        with pytest.raises(DesignError, match=said):
            _matched.before(panel, layout(panel), 0)
        return
    found = asked(panel)
    assert found.verdict == "not applicable"
    assert said in found.reading


def test_units_that_do_not_differ_are_not_matched():
    panel = of(np.tile(np.arange(24.0), (20, 1)), np.arange(20) < 6)
    with pytest.raises(DesignError, match="do not differ"):
        _matched.before(panel, layout(panel), 0).scaled()


def test_without_a_trend_it_is_by_level_and_everybody_in_a_pair_is_no_news():
    random = np.random.default_rng(7)
    Y, joined = random.normal(size=(30, 1)) + random.normal(size=(30, 24)), np.arange(30) < 10
    found = asked(of(Y, joined, 6))
    assert set(found.data["version"]) == {"All units", "Level"}
    assert set(found.data.loc[found.data["kind"].eq("balance"), "measure"]) == {"Level", "Level in the second half"}
    twins = np.repeat(Y[:10], 2, axis=0) + 1e-3 * random.normal(size=(20, 24))
    twins[:, 12:] += random.normal(size=(20, 12))
    same = asked(of(twins, np.arange(20) % 2 == 0))
    assert same.verdict == "not applicable"
    assert "every unit is in a pair" in same.reading


def test_it_is_asked_of_comparisons_alone():
    panel = made()
    refused = Refusal("s", "y", "group_time", "Group-time", ("Too short.",))
    assert checks.matching(panel, refused).verdict == "not applicable"
    assert checks.matching(panel, estimators.fit("its", panel)).verdict == "not applicable"


def test_the_curve_has_the_pairs_as_a_choice():
    panel = made()
    data = checks.comparison_curve(panel, estimators.fit("group_time", panel), most=30).data
    columns = list(data.columns[: data.columns.get_loc("estimate")])
    same = data[columns].eq(data.loc[0, columns])
    for version in _matched.VERSIONS:
        arrays, _, pairs = parts(panel, version)
        head = estimators.fit("group_time", only(panel, pairs.units(len(arrays.g)))).headline
        alone = data[same.drop(columns="matched").all(axis=1) & data["matched"].eq(version)].iloc[0]
        assert alone[["estimate", "low"]].tolist() == pytest.approx(head[["estimate", "low"]].tolist(), rel=EXACT)


def test_the_figure_lists_what_it_draws():
    found = asked(made())
    shown = plots.matching(found)
    assert shown.html.count("<tr>") == len(found.data) + 1
    assert found.reading.split(".")[0] in shown.text


# -- how often it is right ---------------------------------------------------------------


def test_alike_is_quiet_unlike_populations_are_flagged_and_trends_by_level_are_repaired():
    lot = simulation.run(BY_LOT, 12, ("group_time",))
    assert lot["verdict"].eq("concern").sum() <= 2
    assert lot["verdict"].eq("reassuring").sum() >= 6
    apart = simulation.run(CASES["two populations, units alike within each, means 4.3 points apart"], 12)
    assert apart["naive"].mean() < -0.6
    assert apart["flagged"].mean() > 0.5
    assert apart["verdict"].eq("concern").sum() <= 1
    closing = simulation.run(CASES["low units catch up, joined 9 points lower"], 12, ("imputation",))
    assert closing["estimate"].mean() > 3
    assert abs(closing["effect"].mean()) < 1.2
    assert closing["verdict"].eq("concern").mean() > 0.6


@pytest.mark.slow
@pytest.mark.parametrize("case", [c.label for c in simulation.CASES])
def test_rates_of_what_it_says(case):
    kind = CASES[case]
    for _, found in simulation.run(kind, 300).groupby("design"):
        concern = found["verdict"].eq("concern").mean()
        assert (concern > 0.2) if kind.closing else (concern < 0.1)
        if not kind.apart and not kind.judged:
            assert found["flagged"].mean() < 0.05 + 0.04
            assert found["matched_covered"].mean() > 0.88
