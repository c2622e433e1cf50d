"""Does nothing leave but what a rule lets out, and can no suppressed count be told from what did?"""

from __future__ import annotations

import ast
import gzip
import json
import re
import shutil
import zipfile
from pathlib import Path
from typing import get_args

import nbformat
import numpy as np
import pandas as pd
import pytest
import yaml
from ae_files import provider, total_of, write
from drawings import word_body
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog
from test_run import FIT, notebook, run

from evalkit import checks, estimators
from evalkit.disclosure import RULES, Form, control
from evalkit.disclosure.secondary import adding_up
from evalkit.errors import DataError
from evalkit.panel import build, build_all
from evalkit.panel.released import SUPPRESSED, release
from evalkit.report.fresh import file_hash
from evalkit.report.pack import pack
from evalkit.study import load
from evalkit.study.protocol import Disclosure

ROOT = Path(__file__).parents[1]
SUPPRESSING = ["sde", "opensafely", "hes"]
NAN = float("nan")


def keys(units, periods):
    return pd.DataFrame([(f"U{u}", t) for u in range(units) for t in range(periods)], columns=["unit", "period"])


def one(values, rule):
    """A single line of counts, without secondary suppression: each alone in its unit and period."""
    table = pd.DataFrame({"n": np.asarray(values, float)})
    return RULES[rule].rounded(table["n"].to_numpy()), RULES[rule].small(table["n"].to_numpy())


# -- the rules ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "released"),
    [
        ("none", [0, 1, 5, 7, 8, 9, 10, 12, 13, 1003]),
        ("sde", [NAN, NAN, NAN, NAN, NAN, NAN, 10, 10, 15, 1005]),
        ("opensafely", [0, NAN, NAN, NAN, 10, 10, 10, 10, 15, 1005]),
        ("hes", [0, NAN, NAN, NAN, 10, 10, 10, 10, 15, 1005]),
        ("midpoint6", [0, 3, 3, 3 + 6, 9, 9, 9, 9, 15, 1005]),
    ],
)
def test_each_rule_on_a_hand_table(rule, released):
    shown, hidden = one([0, 1, 5, 7, 8, 9, 10, 12, 13, 1003], rule)
    assert np.where(hidden, NAN, shown).tolist() == pytest.approx(released, nan_ok=True)


def test_every_rule_of_the_protocol_is_there_and_its_error_is_the_largest():
    assert tuple(RULES) == get_args(Disclosure)
    counts = np.arange(1, 600.0)
    for rule in RULES.values():
        error = rule.rounded(counts) - counts
        assert np.abs(error).max() == (rule.error if rule.changes else 0)
        assert rule.spread == pytest.approx(error[: 300 // rule.base * rule.base].std(), abs=1e-9)


def test_missing_and_negative_counts_stay_for_whoever_refuses_them():
    for rule in RULES.values():
        assert np.array_equal(rule.rounded(np.array([NAN, -3.0])), [NAN, -3.0], equal_nan=True)
        assert not rule.small(np.array([NAN, -3.0])).any()


# -- properties of a released table -------------------------------------------


@st.composite
def tables(draw):
    units, periods, columns = draw(st.integers(2, 6)), draw(st.integers(2, 6)), draw(st.integers(1, 3))
    cell = st.one_of(st.integers(0, 12), st.integers(8, 60), st.integers(900, 1100), st.just(NAN))
    size = units * periods * columns
    values = np.array(draw(st.lists(cell, min_size=size, max_size=size)), float).reshape(-1, columns)
    return pd.DataFrame(values, columns=list("abc")[:columns]), keys(units, periods)


@settings(max_examples=150, deadline=None)
@given(tables(), st.sampled_from(list(RULES)))
def test_what_is_released_is_rounded_and_never_small_and_stays_so(table, name):
    counts, where = table
    rule = RULES[name]
    released, hidden = control(counts, where, rule)
    found = released.to_numpy()[~np.isnan(released.to_numpy())]
    assert ((found == 0) | (found % rule.base == (3 if rule.midpoint else 0))).all()
    assert not rule.small(found).any()
    assert (released.isna() == (hidden | counts.isna())).to_numpy().all()
    pd.testing.assert_frame_equal(control(released, where, rule)[0], released)


def lines(hidden, released, where):
    """(suppressed, others above zero) of every line of every count over units and over periods."""
    for column in hidden:
        for by in ("unit", "period"):
            suppressed = hidden[column].groupby(where[by]).sum()
            others = released[column].gt(0).groupby(where[by]).sum()
            yield from zip(suppressed, others, strict=True)


@settings(max_examples=150, deadline=None)
@given(tables(), st.sampled_from(SUPPRESSING))
def test_no_line_has_exactly_one_suppressed_count_beside_others(table, name):
    counts, where = table
    released, hidden = control(counts, where, RULES[name])
    assert not [1 for suppressed, others in lines(hidden, released, where) if suppressed == 1 and others > 0]


@settings(max_examples=100, deadline=None)
@given(tables(), st.sampled_from(SUPPRESSING), st.randoms(use_true_random=False))
def test_order_of_rows_and_names_of_units_do_not_matter(table, name, random):
    counts, where = table
    counts = counts.mask(counts.isna(), 500.0)
    counts["a"] += np.repeat(np.arange(len(where) // where["period"].nunique()) * 1000.0, where["period"].nunique())
    released, _ = control(counts, where, RULES[name])
    order = list(range(len(where)))
    random.shuffle(order)
    names = sorted(where["unit"].unique())
    shuffled = names.copy()
    random.shuffle(shuffled)
    again, _ = control(
        counts.iloc[order],
        where.assign(unit=where["unit"].map(dict(zip(names, shuffled, strict=True)))).iloc[order],
        RULES[name],
    )
    pd.testing.assert_frame_equal(again.sort_index(), released)


@settings(max_examples=150, deadline=None)
@given(tables(), st.sampled_from(SUPPRESSING), st.integers(0, 10**6), st.integers(0, 10**6))
def test_no_small_count_can_be_told_from_another_by_anything_released(table, name, which, instead):
    """Whatever a suppressed count is within its range, the same is released: nothing tells it from another."""
    counts, where = table
    rule = RULES[name]
    counts = counts[["a"]]
    small = np.flatnonzero(rule.small(counts["a"].to_numpy()))
    if not len(small):
        return
    changed = counts.copy()
    range_ = np.arange(0 if rule.zero else 1, rule.least)
    changed.iloc[small[which % len(small)], 0] = range_[instead % len(range_)]
    for before, after in zip(control(counts, where, rule), control(changed, where, rule), strict=True):
        pd.testing.assert_frame_equal(before, after)


def test_what_a_difference_would_show_is_suppressed_too():
    counts = pd.DataFrame({"seen": [1000.0, 1000, 1000, 1000], "all": [1003.0, 1200, 1000, 1009]})
    where = keys(2, 2)
    form = [Form(("all",), ("seen",))]
    found, hidden = control(counts, where, RULES["hes"], form)
    assert hidden["seen"].tolist() == [True] * 4  # the first for its complement, the rest so that no line has one
    assert hidden["all"].sum() == 0
    assert found["all"].tolist() == [1005, 1200, 1000, 1010]
    alone = control(counts.iloc[[0]], where.iloc[[0]], RULES["hes"], form)[1]
    assert alone["seen"].tolist() == [True]
    assert not control(counts.iloc[[2]], where.iloc[[2]], RULES["hes"], form)[1].to_numpy().any()  # none left is zero
    assert control(counts.iloc[[2]], where.iloc[[2]], RULES["sde"], form)[1]["seen"].all()  # which `sde` hides
    assert not control(counts, where, RULES["midpoint6"], form)[1].to_numpy().any()


def test_counts_that_add_up_are_found_and_never_leave_one_to_subtract():
    rng = np.random.default_rng(2)
    counts = pd.DataFrame(
        {"x": rng.poisson(400, 60), "over": rng.poisson(30, 60), "z": rng.poisson(90, 60)}, dtype=float
    )
    counts["all"] = counts["x"] + counts["over"] + counts["z"]
    assert adding_up(counts.to_numpy()) == [(0, 1, 2, 3)]
    counts.loc[7, "all"] += 1  # one slip does not undo it
    assert adding_up(counts.to_numpy()) == [(0, 1, 2, 3)]
    assert adding_up(rng.poisson(50, (60, 4)).astype(float)) == []
    counts.loc[4, ["over", "all"]] = [3, counts.loc[4, "x"] + 3 + counts.loc[4, "z"]]
    _, hidden = control(counts, keys(6, 10), RULES["hes"])
    assert hidden.loc[4].tolist() == [False, True, True, False]  # the smallest of the others goes
    assert (hidden.sum(axis=1) != 1).all()


# -- attack -------------------------------------------------------------------


def bounds(rule, released):
    """What may be known of each cell from its released figure and the rule."""
    out = []
    for figure in released:
        if np.isnan(figure):
            out.append((0 if rule.zero else 1, None))
        elif figure == 0:
            out.append((0, 0))
        else:
            out.append((max(figure - 2, rule.least), figure + 2))
    return out


def feasible(cell, limits, equal=None, total=None):
    """Least and largest value of a cell that agree with everything that is known."""
    cost = np.zeros(len(limits))
    cost[cell] = 1
    solved = [linprog(sign * cost, A_eq=equal, b_eq=total, bounds=limits, method="highs") for sign in (1, -1)]
    assert all(s.status in (0, 3) for s in solved)
    return [solved[0].fun, -solved[1].fun if solved[1].status == 0 else np.inf]


@pytest.mark.parametrize("name", SUPPRESSING)
@pytest.mark.parametrize("seed", range(4))
def test_everything_published_put_together_does_not_narrow_a_suppressed_count(name, seed):
    """Linear programming with all cells, their rounding, and that two counts add up to the third in every row."""
    rule, rng = RULES[name], np.random.default_rng(seed)
    where = keys(4, 4)
    counts = pd.DataFrame(
        {"within": rng.choice([12, 40, 200], 16), "over": rng.choice([0, 3, 6, 25], 16)}, dtype=float
    )
    counts["all"] = counts.sum(axis=1)
    forms = [Form(("all",), ("within",)), Form(("all",), ("over",))]
    released, _ = control(counts, where, rule, forms, [("within", "over", "all")])
    low, high = (0 if rule.zero else 1), rule.least - 1
    asked = 0
    for row in range(len(counts)):
        limits = bounds(rule, released.iloc[row])
        for cell in range(3):
            if rule.small(counts.iloc[[row], cell].to_numpy())[0] and counts.iloc[row, cell] > 0:
                least, most = feasible(cell, limits, np.array([[1, 1, -1]]), np.array([0]))
                assert least <= low
                assert most >= high
                asked += 1
    assert asked > 3


def test_a_public_total_of_each_period_does_not_give_a_suppressed_count_away():
    """Exact totals from elsewhere: what one suppressed cell of a line would give away, the others withhold."""
    rule, found, plain = RULES["hes"], [], []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        where = keys(6, 5)
        counts = pd.DataFrame({"n": rng.choice([3, 30, 60, 90], 30, p=[0.1, 0.3, 0.3, 0.3])}, dtype=float)
        released, hidden = control(counts, where, rule)
        for period in range(5):
            rows = np.flatnonzero(where["period"] == period)
            limits = bounds(rule, released["n"].iloc[rows])
            small = rule.small(counts["n"].to_numpy())
            for cell in np.flatnonzero(small[rows]):
                total = [counts["n"].iloc[rows].sum()]
                least, most = feasible(cell, limits, np.ones((1, len(rows))), total)
                found.append(most - least)
                if small[rows].sum() == 1:  # and without: the others are as they were rounded
                    known = [
                        b if i == cell else (v, v)
                        for i, (b, v) in enumerate(zip(limits, counts["n"].iloc[rows], strict=True))
                    ]
                    plain.append(np.diff(feasible(cell, known, np.ones((1, len(rows))), total))[0])
        assert hidden["n"].sum() >= small.sum()
    assert len(found) > 30
    assert min(found) >= 6
    assert plain
    assert max(plain) == 0


# -- panels -------------------------------------------------------------------

SHARE = {"name": "seen", "label": "Seen in time", "kind": "proportion", "numerator": "within", "denominator": "all",
         "better": "higher", "role": "primary"}  # fmt: skip
DEATHS = {"name": "deaths", "label": "Deaths", "kind": "count", "value": "deaths", "better": "lower"}
WINDOW = ["2018-01", "2019-12"]


def data(seed=5, units=14):
    """Units of very different size, with small counts and others that no rounding leaves as they are."""
    rng = np.random.default_rng(seed)
    months = pd.period_range(*WINDOW, freq="M").astype(str)
    rows = pd.DataFrame([(f"U{u:02}", m) for u in range(units) for m in months], columns=["unit", "period"])
    size = np.repeat(rng.choice([40, 300, 1003, 2017], units), len(months))
    rows["all"] = np.maximum(rng.poisson(size), 20)
    rows["within"] = rng.binomial(rows["all"], 0.7)
    rows["deaths"] = rng.poisson(np.maximum(size / 25, 12))
    rows.loc[[30, 130], "deaths"] = 3
    joined = ["2018-10" if u < 4 else "2019-02" if u < 7 else "" for u in range(units)]
    rollout = pd.DataFrame({"unit": [f"U{u:02}" for u in range(units)], "joined": joined})
    return rows, rollout


def protocol(**more):
    return {"outcomes": [SHARE, DEATHS], "window": WINDOW, **more}


def test_a_panel_is_made_of_released_counts_and_says_so(make):
    rows, rollout = data()
    panels = build_all(make.study(rows, rollout, **protocol(disclosure="hes")))
    deaths = panels["deaths"]
    assert (deaths.rows["value"] % 5 == 0).all()
    gone = deaths.missing[deaths.missing["why"].eq(SUPPRESSED)]
    first = rows.loc[[30, 130], ["unit", "period"]].astype(str).apply(tuple, axis=1)
    assert set(first) <= {(u, str(p)) for u, p in zip(gone["unit"], gone["period"], strict=True)}
    assert len(gone) + len(deaths.rows) == len(rows)
    (warned,) = [w for w in deaths.warnings if "Disclosure" in w]
    assert f"{len(gone)} counts of this outcome" in warned
    assert "3" not in re.sub(r"\d+ counts of this|in \d+ unit|of \d+ unit|1 to 7|nearest 5", "", warned)
    assert ("Disclosure control", RULES["hes"].words) in deaths.facts()
    share = panels["seen"]
    np.testing.assert_allclose(share.rows["value"], 100 * share.rows["numerator"] / share.rows["denominator"])
    assert (share.rows[["numerator", "denominator"]] % 5 == 0).all(axis=None)
    assert "Disclosure control" not in dict(build(make.study(rows, rollout, **protocol())).facts())


def test_a_suppressed_denominator_leaves_no_rate_and_is_no_gap(make):
    rows, rollout = data()
    rows.loc[3, ["all", "within"]] = [6, 5]
    panel = build(make.study(rows, rollout, **protocol(disclosure="hes")))  # `gaps: refuse` is the default
    assert ("U00", pd.Period("2018-04")) not in panel.rows.index
    rows.loc[30, "deaths"] = np.nan  # of another outcome, and really missing
    with pytest.raises(DataError, match="deaths: no value inside the unit's life"):
        build_all(make.study(rows, rollout, **protocol(disclosure="hes")))


def test_midpoints_never_break_a_panel_whose_figures_are_sums(make):
    rows, rollout = data()
    rng = np.random.default_rng(8)
    rows["a"] = rng.integers(1, 8, len(rows))
    rows["b"] = rng.integers(6, 14, len(rows))
    rows["n"] = rows["a"] + rows["b"]  # as large as its denominator, which is rounded in two parts
    outcome = {**SHARE, "numerator": "n", "denominator": {"plus": ["a", "b"]}}
    rest = {**SHARE, "name": "rest", "role": "secondary", "numerator": {"plus": ["n"], "minus": ["b"]},
            "denominator": {"plus": ["n"], "minus": ["a"]}}  # fmt: skip
    panels = build_all(make.study(rows, rollout, **protocol(outcomes=[outcome, rest], disclosure="midpoint6")))
    for panel in panels.values():
        assert panel.rows["value"].between(0, 100).all()
        assert len(panel.rows) + len(panel.missing) == len(rows)


def test_bands_are_rounded_before_they_are_held_against_the_outcome(make):
    rows, rollout = data()
    names = [f"w{i}" for i in range(6)]
    rng = np.random.default_rng(4)
    rows[names] = rng.multinomial(200, [0.3, 0.2, 0.2, 0.15, 0.1, 0.05], len(rows))
    bands = [{"columns": n, "upto": 60 * (i + 1)} if i < 5 else {"columns": n} for i, n in enumerate(names)]
    outcome = {**SHARE, "numerator": {"plus": names[:3]}, "denominator": {"plus": names},
               "distribution": {"threshold": 180, "unit": "minutes", "words": "three hours",
                                "bands": bands}}  # fmt: skip
    for name in ("midpoint6", "hes"):
        panel = build(make.study(rows, rollout, **protocol(outcomes=[outcome], disclosure=name)))
        counts = panel.distribution.counts.to_numpy()
        assert (counts % RULES[name].base == (3 if name == "midpoint6" else 0)).all()
        assert not [w for w in panel.warnings if "miss the denominator" in w]


def test_figures_that_are_no_counts_are_refused_unless_they_are_said_to_count_nobody(make):
    rows, rollout = data()
    rows["beds"] = 20.5
    rate = {**DEATHS, "name": "rate", "kind": "rate", "numerator": "deaths", "denominator": "beds"}
    del rate["value"]
    with pytest.raises(DataError, match=r"`beds` holds figures that are not whole numbers.*not_people: \[beds\]"):
        build_all(make.study(rows, rollout, **protocol(outcomes=[SHARE, rate], disclosure="hes")))
    panels = build_all(
        make.study(rows, rollout, **protocol(outcomes=[SHARE, rate], disclosure="hes", not_people=["beds"]))
    )
    assert (panels["rate"].rows["denominator"] == 20.5).all()


def test_covariates_that_count_people_are_released_and_others_are_asked_about(make):
    rows, rollout = data()
    rollout["list"] = [1003 + 7 * i for i in range(len(rollout))]
    rows["staff"] = rows["unit"].map(dict(zip(rollout["unit"], range(11, 60), strict=False)))
    more = {"covariates": ["list", "staff"], "disclosure": "hes"}
    asked = build(make.study(rows, rollout, **protocol(**more)))
    assert sum("name it under `people`" in w for w in asked.warnings) == 2
    panel = build(make.study(rows, rollout, **protocol(**more, people=["list", "staff"])))
    assert panel.units["list"].astype(int).tolist() == [round(v / 5) * 5 for v in rollout["list"]]
    assert (panel.units["staff"].astype(int) % 5 == 0).all()
    assert not any("name it under" in w for w in panel.warnings)
    rollout.loc[2, "list"] = 4
    with pytest.raises(DataError, match="`list` is suppressed for 2 units"):
        build(make.study(rows, rollout, **protocol(**more, people=["list", "staff"])))


def test_notes_of_a_source_that_quote_counts_stay_behind(tmp_path):
    folder = tmp_path / "published"
    folder.mkdir()
    for number, month in enumerate(("JANUARY", "FEBRUARY", "MARCH", "APRIL"), start=1):
        rows = [provider(code, type1_attended=2017 + number, type1_over=207 + number) for code in ("RXA", "RXB")]
        total = total_of(rows) | {"type1_attended": 4711}
        write(folder, f"{month}.csv", rows, month=f"MSitAE-{month}-2024", total=total)
    (tmp_path / "rollout.csv").write_text("unit,joined\nRXA,2024-03\nRXB,\n", encoding="utf-8")
    share = {"numerator": "type1_within_4h", "denominator": "type1_attendances"}
    for rule, quoted in (("none", True), ("hes", False)):
        path = tmp_path / f"{rule}.yml"
        source = {"reader": "nhs_ae", "path": "published", "successions": "none"}
        said = {"title": "T", "question": "Q", "source": source, "window": ["2024-01", "2024-04"],
                "outcomes": [{**SHARE, **share}], "rollout": {"path": "rollout.csv"}, "disclosure": rule}  # fmt: skip
        path.write_text(yaml.safe_dump(said), encoding="utf-8")
        warnings = " ".join(build(load(path)).warnings)
        assert ("4,711" in warnings) is quoted
        assert ("quote counts" in warnings) is not quoted


# -- one door -----------------------------------------------------------------


def test_a_second_door_is_found_out():
    """Sources are read in one module, and panels are built from what it released, whatever they are handed."""
    readers = {"read_study", "read_csv", "read_parquet", "read_table", "read_json", "loadtxt", "genfromtxt"}
    allowed = {"read_table": {"panel/roster.py", "panel/programmes.py", "sources/csv.py", "sources/_table.py"},
               "read_parquet": {"sources/_table.py"}, "read_study": {"sources/__init__.py"},
               "read_csv": {"report/compare.py"}}  # fmt: skip
    found: dict[str, set[str]] = {}
    for path in sorted((ROOT / "evalkit").rglob("*.py")):
        where = path.relative_to(ROOT / "evalkit").as_posix()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module == "evalkit.sources":
                for alias in node.names:
                    if alias.name == "read":
                        found.setdefault("sources.read", set()).add(where)
            if isinstance(node, ast.Call):
                name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
                if name in readers:
                    found.setdefault(name, set()).add(where)
    assert found.pop("sources.read") == {"panel/released.py"}
    assert {name: more for name, places in found.items() if (more := places - allowed.get(name, set()))} == {}


def test_rows_that_are_handed_in_come_through_the_door_too(make):
    from evalkit.sources import read

    rows, rollout = data()
    study = make.study(rows, rollout, **protocol(disclosure="midpoint6"))
    raw, released = read(study), release(study)
    pd.testing.assert_frame_equal(build(study, tidy=raw).rows, build(study).rows)
    assert release(study, released) is released
    assert raw.rows["all"].tolist() == rows["all"].tolist()  # and are not changed


def test_counts_that_the_study_does_not_use_stay_behind(make):
    rows, rollout = data()
    study = make.study(rows, rollout.iloc[:10], **protocol(disclosure="hes", window=["2018-01", "2019-06"]))
    released = release(study).rows
    used = released["unit"].isin(rollout["unit"][:10]) & (released["period"] <= pd.Period("2019-06"))
    assert released.loc[~used, ["all", "within", "deaths"]].isna().all(axis=None)
    assert released.loc[used, "all"].notna().all()


# -- what it cost -------------------------------------------------------------


def test_the_check_counts_what_is_missing_and_carries_rounding_to_the_effect(make):
    rows, rollout = data()
    rows[["all", "within"]] += [300, 150]  # neither small, nor what is left of one without the other
    study = make.study(rows, rollout, **protocol(disclosure="hes"))
    panels = build_all(study)
    panel = panels["seen"]
    estimate = estimators.fit("imputation", panel)
    found = checks.disclosure(panel, estimate)
    assert found.verdict == "reassuring"
    n, d = panel.rows["numerator"], panel.rows["denominator"]
    v2 = 100**2 * 2 * (1 / d**2 + n**2 / d**4)  # by hand: the variance of a rounding to 5 is 2
    joined, phase = panel.rows["cohort"].notna(), panel.rows["phase"]
    w2 = sum(v2[c].mean() / c.sum() for c in (joined & phase.eq("pre"), joined & phase.eq("post"), ~joined))
    assert found.figures["value_error"] == pytest.approx(np.sqrt(v2.mean()), rel=1e-9)
    assert found.figures["effect_error"] == pytest.approx(np.sqrt(w2), rel=1e-9)
    assert found.figures["ratio"] == pytest.approx(np.sqrt(w2) / estimate.headline["std_error"], rel=1e-9)
    deaths = panels["deaths"]
    gone = deaths.missing["why"].eq(SUPPRESSED).sum()
    asked = checks.disclosure(deaths, estimators.attempt("imputation", deaths))
    assert asked.data["suppressed"].sum() == gone
    assert asked.value == pytest.approx((asked.data["suppressed"] / asked.data["unit_periods"]).max())
    assert f"{gone} of {len(rows)} unit-periods are missing for it" in asked.reading


def test_much_suppression_is_a_concern_and_said_not_to_be_at_random(make):
    rows, rollout = data()
    rows.loc[rows["unit"].isin(["U00", "U08"]) & rows["period"].ge("2019-01"), "deaths"] = 2
    panel = build_all(make.study(rows, rollout, **protocol(disclosure="opensafely")))["deaths"]
    found = checks.disclosure(panel, estimators.attempt("imputation", panel))
    assert found.verdict == "concern"
    assert "not a fair sample" in found.reading
    open_ = build(make.study(rows, rollout, **protocol()))
    assert checks.disclosure(open_, estimators.attempt("imputation", open_)).verdict == "not applicable"


def test_the_carried_error_is_that_of_rounding_in_simulation():
    rng = np.random.default_rng(11)
    n, d = rng.poisson(700, 200_000), rng.poisson(1000, 200_000)
    for name in ("hes", "midpoint6"):
        rule = RULES[name]
        error = 100 * (rule.rounded(n * 1.0) / rule.rounded(d * 1.0) - n / d)
        expected = 100 * rule.spread * np.sqrt((1 / d**2 + n**2 / d**4).mean())
        assert error.std() == pytest.approx(expected, rel=0.02)


# -- a whole report -----------------------------------------------------------

MARKED = re.compile(rb'"id": "[0-9a-f]{8}"|[0-9a-f]{64}|\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}\+00:00| UTC)?')


@pytest.fixture
def workbench(tmp_path, monkeypatch, quick_kernels):
    """A workbench of its own with a study of small counts, a page that shows the data and one that shows results."""

    def made(rule, notebooks=("data_and_design", "quick")):
        home = tmp_path / "home"
        (home / "data" / "collaboratives").mkdir(parents=True)
        (home / "notebooks").mkdir()
        for name in notebooks:
            if name == "quick":
                nbformat.write(
                    notebook("## A result", FIT, FIT.replace("outcome)", "'deaths')")),
                    home / "notebooks" / "quick.ipynb",
                )
            else:
                shutil.copy(ROOT / "notebooks" / f"{name}.ipynb", home / "notebooks" / f"{name}.ipynb")
        said = {"title": "T", "question": "Q", "source": {"reader": "csv", "path": "panel.csv"}, "rollout":
                {"path": "rollout.csv"}, **protocol(disclosure=rule), "notebooks": list(notebooks)}  # fmt: skip
        where = home / "data" / "collaboratives"
        (where / "case.yml").write_text(yaml.safe_dump(said), encoding="utf-8")
        data()[1].to_csv(where / "rollout.csv", index=False)
        monkeypatch.setenv("EVALKIT_HOME", str(home))
        return home

    return made


def report(capsys, home, rows):
    """Every file of the report on these rows, without hashes, times and sizes of what it was made of."""
    rows.to_csv(home / "data" / "collaboratives" / "panel.csv", index=False)
    code, _, err = run(capsys, "case", "--force")
    assert code == 0, err
    own = file_hash(home / "data" / "collaboratives" / "panel.csv")[:16].encode()
    out = {}
    for path in sorted((home / "reports" / "case").iterdir()):
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        if path.suffix == ".docx":
            content = word_body(content)
        if path.name == "manifest.json":
            record = json.loads(content)
            for key in ("inputs", "data", "created", "files", "code", "environment"):
                record.pop(key)
            for row in record["notebooks"]:
                row.pop("seconds")
            content = json.dumps(record).encode()
        out[path.name] = MARKED.sub(b"-", content).replace(own, b"-")
    return out


def alike(rows, rule):
    """Other raw data of which the same is released: nearly every count is another one."""
    rule, out = RULES[rule], rows.copy()

    def told(table):
        counts = table[["all", "within", "deaths"]].to_numpy(float)
        rest = counts[:, :1] - counts[:, 1:2]
        low = rule.small(rest) | (
            (rest > 0) & (rule.rounded(counts)[:, :1] - rule.rounded(counts)[:, 1:2] < rule.least)
        )
        return np.hstack([np.where(rule.small(counts), NAN, rule.rounded(counts)), low])

    for column in ("all", "within", "deaths"):
        for move in (2, 1, -1):
            trial = out.assign(**{column: out[column] + move})
            same = (np.nan_to_num(told(trial)) == np.nan_to_num(told(rows))).all(axis=1)
            same &= (trial["within"] <= trial["all"]) & (trial["deaths"] > 0)
            out = out.where(~(same & (out[column] == rows[column])), trial)
    assert (out != rows).sum().sum() > 1.5 * len(rows)
    return out


@pytest.mark.parametrize("rule", ["hes", "midpoint6"])
def test_a_report_is_made_of_released_figures_alone(capsys, workbench, rule):
    """Other raw counts with the same released ones leave every byte of the report as it is."""
    rows, _ = data()
    other = alike(rows, rule)
    if rule == "hes":
        assert set(rows.loc[[30, 130], "deaths"]) == {3}
        other.loc[[30, 130], "deaths"] = [7, 1]
    home = workbench(rule)
    first, second = report(capsys, home, rows), report(capsys, home, other)
    assert len(first) > 7
    assert {name for name in first if first[name] != second[name]} == set()
    assert RULES[rule].words.encode() in first["data_and_design.html"]


def test_no_raw_count_stands_in_any_file_of_a_report_or_a_pack(capsys, workbench, tmp_path, monkeypatch):
    """Counts that no rounding leaves as they are, looked for in every figure, table, text and store."""
    rows, _ = data()
    marked = {1234567 + 10 * i + 1: i for i in range(6)}  # seven digits, none a multiple of 5
    rows["all"] = rows["all"].astype(int)
    at = rows.index[(rows["unit"] == "U13") | (rows["unit"] == "U12")][:6]
    rows.loc[at, "all"] = list(marked)
    rows.loc[at, "within"] = [value - 300_001 for value in marked]
    home = workbench("hes", ("quick",))
    files = report(capsys, home, rows)
    numbers = [value for pair in rows.loc[at, ["all", "within"]].to_numpy() for value in pair]
    forms = [form.encode() for value in numbers for form in (str(value), f"{value:,}")]
    assert [(name, form) for name, content in files.items() for form in forms if form in content] == []
    released = build_all(load(home / "data" / "collaboratives" / "case.yml"))["deaths"]
    series = files["series.csv.gz"].decode()
    assert "U01,2018-07" not in " ".join(f"{u},{p}" for u, p in released.rows.index)  # the count of 3
    assert series.splitlines()[0] == "unit,period"
    changed = report(capsys, home, rows.assign(all=rows["all"] + 5 * (rows["unit"] == "U01")))  # is seen
    assert {"quick.html", "quick.ipynb", "estimates.json"} <= {name for name in files if files[name] != changed[name]}
    monkeypatch.chdir(tmp_path)
    with zipfile.ZipFile(pack("case").path) as archive:  # nor in what is handed on
        members = {name: archive.read(name) for name in archive.namelist()}
    assert any("results/quick.html" in name for name in members)
    unpacked = [gzip.decompress(c) if c[:2] == b"\x1f\x8b" else c for c in members.values()]
    assert not [form for content in unpacked for form in forms if form in content]


@pytest.mark.slow
@pytest.mark.parametrize("rule", ["sde", "opensafely", "hes", "midpoint6"])
def test_all_pages_are_made_of_released_figures_alone(capsys, workbench, rule):
    rows, _ = data()
    if rule in ("sde", "opensafely"):
        rows["deaths"] += 10
        rows.loc[[30, 130], "deaths"] = 3
    pages = sorted(p.stem for p in (ROOT / "notebooks").glob("*.ipynb"))
    home = workbench(rule, tuple(pages))
    first, second = report(capsys, home, rows), report(capsys, home, alike(rows, rule))
    assert {name for name in first if first[name] != second[name]} == set()
