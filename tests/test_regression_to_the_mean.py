"""Is an entry rule in earlier windows worth what it says: on known panels, against theory, on national data?"""

from __future__ import annotations

import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from conftest import SHARED
from drawings import drawing

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
import did_panels
import regression_to_the_mean as simulation
from test_protocol import END, more

from evalkit import checks, estimators, plots
from evalkit.checks import _fallback, _returning
from evalkit.checks._entry_rule import entry_rule
from evalkit.checks._returning import Past, Pick, returning
from evalkit.errors import DataError, DesignError, StudyError
from evalkit.estimate import Refusal
from evalkit.estimators._did.headline import headline
from evalkit.estimators._did.layout import Layout
from evalkit.study import load
from evalkit.study.template import template

CASES = {case.label: case for case in simulation.CASES}
SELECTED = CASES["poorest over 3 months, no effect"]


def made(case=SELECTED, seed=1):
    return simulation.panel(case, np.random.default_rng(seed))


def asked(panel, design="group_time", **options):
    return checks.regression_to_the_mean(panel, estimators.fit(design, panel), **{"draws": 199, **options})


def figure(check, kind, column="effect"):
    return check.data.loc[check.data["kind"].eq(kind), column]


# -- the kernel -----------------------------------------------------------------


def past(Y, seen=None):
    seen = np.ones(Y.shape, bool) if seen is None else seen
    return Past(np.where(seen, Y, 0.0), seen, np.where(seen, Y, 0.0), seen, np.ones(len(Y)))


def ones(n, draws=0, seed=0):
    drawn = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=draws)
    return np.vstack([np.ones(n), drawn.astype(float)])


def noise(n=40, P=20, seed=3):
    return np.random.default_rng(seed).normal(size=(n, P)) + np.random.default_rng(seed + 1).normal(size=(n, 1))


PICK = Pick(4, 2, 8, share=0.25)


def found(Y, pick=PICK, copies=None, seen=None):
    copies = ones(len(Y), 20) if copies is None else copies
    return returning(past(Y, seen), pick, copies, np.arange(len(Y)))


def test_a_window_is_what_a_loop_over_units_finds():
    Y = noise()
    run = found(Y)
    for one in run.windows:
        base = Y[:, one.end - 3 : one.end + 1].mean(axis=1)
        worst = np.argsort(base)[:10]
        rest = np.setdiff1d(np.arange(40), worst)
        change = Y - base[:, None]
        np.testing.assert_allclose(one.profile[0], change[worst].mean(axis=0) - change[rest].mean(axis=0))
        assert one.gap[0] == pytest.approx(base[worst].mean() - base[rest].mean())
        later = slice(one.end + 2, min(one.end + 8, 19) + 1)
        expected = (change[worst, later].mean(axis=0) - change[rest, later].mean(axis=0)).mean()
        assert run.naive(PICK)[0, run.windows.index(one)] == pytest.approx(expected)


def test_a_draw_is_the_units_repeated():
    Y = noise()
    copies = ones(40, 3)
    run = found(Y, copies=copies)
    again = np.repeat(Y, copies[2].astype(int), axis=0)
    alone = found(again, copies=ones(len(again)))
    for one, two in zip(run.windows, alone.windows, strict=True):
        np.testing.assert_allclose(one.profile[2], two.profile[0])
        assert one.gap[2] == pytest.approx(two.gap[0])


def test_scale_shift_and_months_that_all_share_do_what_they_should():
    Y = noise()
    months = np.random.default_rng(9).normal(size=20)
    one, two = found(Y), found(-5 + 3 * Y + months)
    np.testing.assert_allclose(two.mean[:, one.reached], 3 * one.mean[:, one.reached], atol=1e-10)
    np.testing.assert_allclose(two.gap, 3 * one.gap)
    assert two.spread == pytest.approx(3 * one.spread)


def test_the_order_of_units_does_not_matter():
    Y, copies = noise(), ones(40, 10)
    order = np.random.default_rng(5).permutation(40)
    one = returning(past(Y), PICK, copies, np.arange(40))
    two = returning(past(Y[order]), PICK, copies[:, order], np.arange(40)[order])
    np.testing.assert_allclose(one.mean[:, one.reached], two.mean[:, two.reached])


def test_the_mean_over_windows_is_the_design_on_the_mean_return():
    run = found(noise())
    q = run.carried({-1: -1.0, 2: 0.5, 30: 0.5})
    assert q.sum() == pytest.approx(0)
    np.testing.assert_allclose(run.by_window(q).mean(axis=1), run.effect(q))


def test_values_that_were_not_seen_are_left_out():
    Y = noise(60)
    seen = np.random.default_rng(1).random(Y.shape) > 0.1
    one = found(Y, seen=seen)
    two = found(np.where(seen, Y, 1e6), seen=seen)
    np.testing.assert_allclose(one.mean[:, one.reached], two.mean[:, two.reached])
    assert np.isfinite(one.effect(one.carried({-2: -1.0, 4: 1.0}))).all()


def test_a_threshold_picks_those_below_it_and_windows_without_any_fall_away():
    Y = noise()
    run = found(Y, Pick(4, 1, 6, below=-1.0))
    for one in run.windows:
        assert one.picked == (Y[:, one.end - 3 : one.end + 1].mean(axis=1) < -1.0).sum()
    with pytest.raises(DesignError, match="in no earlier window"):
        found(Y, Pick(4, 1, 6, below=-99.0))


def test_without_an_earlier_window_it_is_refused():
    with pytest.raises(DesignError, match="widen `window`"):
        found(noise(P=6))


# -- theory ---------------------------------------------------------------------


@pytest.mark.parametrize(("r", "share"), [(0.0, 0.25), (0.6, 0.25), (0.8, 0.5), (0.5, 0.1)])
def test_theory_is_what_normal_values_do(r, share):
    random, n, runs = np.random.default_rng(8), 4000, 60
    gaps = []
    for _ in range(runs):
        first = 3 * random.normal(size=n)
        later = r * first + 3 * np.sqrt(1 - r**2) * random.normal(size=n)
        low = first <= np.quantile(first, share)
        change = later - first
        gaps.append(change[low].mean() - change[~low].mean())
    error = np.std(gaps, ddof=1) / np.sqrt(runs)
    assert np.mean(gaps) == pytest.approx(_fallback.expected_return(3.0, r, share), abs=4 * error)


def test_theory_from_the_data_agrees_with_the_rule_on_normal_values():
    random = np.random.default_rng(4)
    Y = 2 * random.normal(size=(4000, 1)) + did_panels.ar1(random, (4000, 20), 0.6)
    run = found(Y, copies=ones(4000))
    q = run.carried({-3: -0.25, -2: -0.25, -1: -0.25, 0: -0.25, 4: 0.5, 5: 0.5})
    assert run.theory(q) == pytest.approx(run.effect(q)[0], rel=0.03)
    assert _returning.distance(run.spread, run.share) == pytest.approx(-run.gap[0], rel=0.02)


# -- the design's own weights ---------------------------------------------------


@pytest.mark.parametrize("design", ["group_time", "imputation", "interaction_weighted", "event_study"])
def test_a_window_is_the_design_itself_had_the_picked_joined_then(design):
    """Where a window has as many periods before and after as the real one, the two must be the same."""
    random = np.random.default_rng(6)
    n, T, start, L = 30, 20, 14, 4
    Y = random.normal(size=(n, T)) + random.normal(size=(n, 1))
    run = returning(past(Y[:, :start]), Pick(L, 1, 5, share=0.2), ones(n), np.arange(n))
    one = run.windows[3]
    at = one.end + 1
    worst = np.argsort(Y[:, at - L : at].mean(axis=1))[:6]
    g = np.full(n, np.nan)
    g[worst] = at
    P = start
    phases = np.where(np.arange(P) < at, "pre", "post")[None, :].astype(object)
    seen = np.ones((n, P), bool)
    pseudo = Layout(
        Y[:, :P], seen, g, np.array([at]), phases, seen.astype(float), np.arange(n), pd.Index(range(n)), True
    )
    linear = headline(design, pseudo)
    weights = linear.spread()[:, :, 0][worst].sum(axis=0)
    own = float(one.profile[0] @ weights)
    assert own == pytest.approx(float(linear.estimate(pseudo.Y)[0]))


# -- the check ------------------------------------------------------------------


def test_it_flags_selective_entry_and_says_so():
    check = asked(made(), draws=399)
    assert check.verdict == "concern"
    assert check.value == pytest.approx(float(figure(check, "net").iloc[0]))
    real, expected = (float(figure(check, kind).iloc[0]) for kind in ("real", "expected"))
    assert check.value == pytest.approx(real - expected)
    assert figure(check, "window").mean() == pytest.approx(float(figure(check, "mean").iloc[0]))
    assert "the poorest 30 from October 2002 to December 2002" in check.reading
    assert figure(check, "window", "follow_up").min() == _returning.FEWEST


def test_it_repeats_exactly_and_ignores_names_and_order():
    panel = made()
    one, two = asked(panel), asked(panel)
    pd.testing.assert_frame_equal(one.data, two.data)
    values, g = panel.value_matrix()
    order = np.random.default_rng(0).permutation(len(g))
    other = did_panels.panel(did_panels.Simulated(values[order], g[order]), entry=SELECTED.entry)
    three = asked(other)
    assert three.value == pytest.approx(one.value, rel=1e-9)
    numbers = ["effect", "low", "high", "naive"]
    np.testing.assert_allclose(three.data[numbers].astype(float), one.data[numbers].astype(float), rtol=1e-7)


def test_scale_and_direction_are_followed():
    values, g = made().value_matrix()
    outcome = {"name": "y", "kind": "continuous", "value": "y", "better": "lower", "role": "primary"}
    turned = did_panels.panel(did_panels.Simulated(100 - 2 * values, g), entry=SELECTED.entry, outcomes=[outcome])
    one, two = asked(made()), asked(turned)
    assert float(figure(two, "expected").iloc[0]) == pytest.approx(-2 * float(figure(one, "expected").iloc[0]))
    assert float(figure(two, "theory").iloc[0]) == pytest.approx(-2 * float(figure(one, "theory").iloc[0]))


def test_without_a_declared_rule_one_is_inferred_and_said_to_be():
    check = asked(made(CASES["poorest over 12 months, rule not declared, no effect"]))
    assert check.reading.startswith("The rule is not declared and was taken to be: the poorest 30 from January 2002")
    assert check.verdict != "not applicable"


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        (None, "does not say how units came to take part"),
        ({"rule": "By lot", "selected_on_outcome": False}, "did not follow"),
        ({**SELECTED.entry, "worst": 500}, "takes 500 units, and 120 were seen"),
        ({**SELECTED.entry, "over": ["2000-01", "2002-12"]}, "widen `window`"),
    ],
)
def test_what_cannot_be_asked_is_said(entry, said):
    values, g = made().value_matrix()
    changes = {} if entry is None else {"entry": entry}
    check = asked(did_panels.panel(did_panels.Simulated(values, g), **changes))
    assert check.verdict == "not applicable"
    assert said in check.reading
    assert check.value is None


def test_refusals_and_other_designs_are_not_asked():
    refused = Refusal("s", "y", "group_time", "Group-time", ("Too short.",))
    assert "Too short." in checks.regression_to_the_mean(made(), refused).reading
    assert asked(made(), "its").verdict == "not applicable"


def test_waves_gaps_missing_values_and_a_threshold_are_survived():
    random = np.random.default_rng(12)
    Y = 60 + 5 * random.normal(size=(60, 1)) + 3 * did_panels.ar1(random, (60, 48), 0.6)
    score = Y[:, 20:28].mean(axis=1)
    g = np.full(60, np.nan)
    g[np.argsort(score)[:20]] = np.repeat([30.0, 36.0], 10)
    Y[random.random(Y.shape) < 0.05] = np.nan
    entry = {"rule": "x", "selected_on_outcome": True, "threshold": 58.5, "over": ["2001-09", "2002-04"]}
    span = [{"from": "2001-01", "to": "2001-02", "why": "x"}]
    panel = did_panels.panel(did_panels.Simulated(Y, g), entry=entry, exclude=span)
    rule = entry_rule(panel, 0)
    assert (rule.end, rule.first, rule.pick.length) == (27, 30, 8)
    for design in ("group_time", "imputation"):
        check = asked(panel, design)
        assert check.verdict != "not applicable", check.reading
        rows = check.data[check.data["kind"].isin(["window", "mean", "expected", "real", "net"])]
        assert rows[["effect", "low", "high"]].notna().all().all()
        assert "those poorer than 58.5" in check.reading


# -- the protocol ---------------------------------------------------------------

RULE = "entry: {{rule: x, selected_on_outcome: {}, {}}}"
GOOD_RULE = "worst: 3, over: [2018-02, 2018-06]"
FAULTS = {
    "both": ("worst: 3, threshold: 70, over: [2018-02, 2018-06]", "one of the two"),
    "neither": ("over: [2018-02, 2018-06]", "`worst` or `threshold`"),
    "no periods": ("worst: 3", "needs `over`"),
    "outside": ("worst: 3, over: [2017-02, 2018-06]", "the window is 2018-01 to 2019-12"),
    "reversed": ("worst: 3, over: [2018-06, 2018-02]", "earlier period first"),
    "one period": ("worst: 3, over: [2018-06]", "`entry.over` must be two periods"),
    "quarters": ("worst: 3, over: [2018-Q1, 2018-Q2]", "is not a month"),
    "unknown outcome": (f"{GOOD_RULE}, outcome: z", "`entry.outcome` names z"),
    "none": ("worst: 0, over: [2018-02, 2018-06]", "greater than or equal to 1"),
    "half a unit": ("worst: 2.5, over: [2018-02, 2018-06]", "whole number"),
    "not a number": ("threshold: .nan, over: [2018-02, 2018-06]", "must be a number"),
}


def loaded(folder, text):
    path = folder / "case.yml"
    path.write_text(text, encoding="utf-8")
    return load(path)


def refusal(folder, text):
    with pytest.raises(StudyError) as refused:
        loaded(folder, text)
    return [str(fault) for fault in refused.value.faults]


@pytest.mark.parametrize("case", FAULTS)
def test_a_rule_that_cannot_be_is_refused_with_its_line(tmp_path, case):
    text, said = FAULTS[case]
    told = refusal(tmp_path, more(RULE.format("true", text)))
    assert any(f.startswith(f"case.yml:{END}: ") and said in f for f in told), told


def test_a_rule_needs_entry_by_outcome(tmp_path):
    assert any("selected_on_outcome: true" in f for f in refusal(tmp_path, more(RULE.format("false", GOOD_RULE))))


def test_a_good_rule_loads_and_the_template_shows_one(tmp_path):
    entry = loaded(tmp_path, more(RULE.format("true", f"{GOOD_RULE}, outcome: y"))).protocol.entry
    assert (entry.worst, entry.threshold, entry.outcome) == (3, None, "y")
    assert entry.over == (pd.Period("2018-02"), pd.Period("2018-06"))
    assert "worst: 40" in template("x")


def small(make, over):
    random = np.random.default_rng(0)
    months = pd.period_range("2018-01", "2019-12", freq="M").astype(str)
    rows = pd.DataFrame(
        [(f"U{i}", m, random.normal()) for i in range(8) for m in months], columns=["unit", "period", "y"]
    )
    rollout = pd.DataFrame({"unit": [f"U{i}" for i in range(8)], "joined": ["2019-01"] * 4 + [""] * 4})
    entry = {"rule": "x", "selected_on_outcome": True, "worst": 4, "over": over}
    return make.panel(rows, rollout, entry=entry)


def test_a_rule_that_ends_after_the_first_joined_is_refused(make):
    with pytest.raises(DataError, match="ends in 2019-01, and the first units joined in 2019-01"):
        small(make, ["2018-06", "2019-01"])
    assert small(make, ["2018-06", "2018-12"]) is not None


# -- the figure -----------------------------------------------------------------


def test_the_figure_has_alt_text_and_data_and_is_the_same_every_time():
    check = asked(made())
    shown, again = plots.regression_to_the_mean(check), plots.regression_to_the_mean(check)
    assert shown.html == again.html
    assert check.reading in shown.payload["figure"]["alt"]
    assert shown.html.count("<tr>") == len(check.data) + 1
    assert ElementTree.fromstring(drawing(shown.html)).tag.endswith("svg")  # noqa: S314 - our own drawing
    assert "No figure" in plots.regression_to_the_mean(asked(made(), "its")).text


# -- known panels: the bars -----------------------------------------------------


def rates(label, replications, designs=("group_time",)):
    out = simulation.run(CASES[label], replications, designs)
    return out, out["verdict"].eq("concern").mean()


def test_selection_without_effect_is_flagged():
    out, concern = rates("poorest over 1 months, no effect", 25)
    assert (out["naive_p"] < 0.05).mean() > 0.7
    assert concern > 0.8
    assert out["net_covered"].mean() > 0.8
    assert abs(out["net"].mean()) < 4 * out["net"].std() / 5


def test_entry_by_lot_stays_quiet():
    out, concern = rates("by lot, said to follow poor results, effect 4", 25)
    assert concern <= 0.08
    assert out["net_covered"].mean() > 0.8
    silent, concern = rates("by lot, and said to be, effect 4", 3)
    assert set(silent["verdict"]) == {"not applicable"}
    assert concern == 0


@pytest.mark.slow
@pytest.mark.parametrize("case", [c.label for c in simulation.CASES if c.declared != "lot"])
def test_net_intervals_hold_the_truth(case):
    out, concern = rates(case, 300, simulation.DESIGNS)
    for _, part in out.groupby("design"):
        assert part["net_covered"].mean() >= 0.93 - 0.025  # three simulation errors
        assert abs(part["net"].mean() - CASES[case].effect) < 0.25  # points; estimates are off by up to 2.7
    if case.startswith("by lot"):
        assert concern < 0.05


# -- national data --------------------------------------------------------------

DATA = SHARED / "data" / "nhs"
national = pytest.mark.skipif(not DATA.is_dir(), reason="the national files are not in this checkout")


def early():
    rows = pd.read_csv(DATA / "ae_attendances_2016_2019.csv", dtype={"type": str}).query("type == '1'")
    return matrix(rows.assign(value=100 * (1 - rows["breaches"] / rows["attendances"])))


def late():
    rows = pd.read_csv(DATA / "ae_monthly_provider_2020_2026.csv").query("crs_field_test_blank != 1")
    seen, over = (rows[[f"{c}_type1", f"{c}_booked_type1"]].fillna(0).sum(axis=1) for c in ("att", "over4h"))
    return matrix(rows.assign(value=100 * (1 - over / seen.where(seen > 0))))


def matrix(rows):
    wide = rows.pivot_table(index="org_code", columns="period", values="value")
    return wide.set_axis(pd.PeriodIndex(wide.columns, freq="M"), axis=1)


def artefact(wide, first, last, later):
    """Worst quarter of the trusts seen in every month judged and followed up."""
    start, end = pd.Period(first, "M"), pd.Period(last, "M")
    ends = pd.Period(later[0], "M"), pd.Period(later[1], "M")
    used = wide.loc[:, start : ends[1]]
    there = used.loc[:, start:end].notna().all(axis=1) & used.loc[:, ends[0] :].notna().all(axis=1)
    Y = used[there].to_numpy(float)
    n, length = len(Y), (end - start).n + 1
    pick = Pick(length, (ends[0] - end).n, (ends[1] - end).n, share=round(n / 4) / n)
    seen = ~np.isnan(Y)
    window = _returning.window(past(np.nan_to_num(Y), seen), pick, length - 1, ones(n), np.arange(n))
    return float(window.profile[0, _returning.followed(window, pick)].mean())


# The published note gives the months judged and not what followed. A year and a quarter followed by the next three
# months (in the late file by the next year) give its figures; of the single months those that do are named here.
# The tolerance is rounding to one decimal and what trusts count as complete.
PUBLISHED = [
    ("early", "2016-04", "2017-03", ("2017-04", "2017-06"), 1.6),
    ("late", "2024-03", "2025-02", ("2025-03", "2026-02"), 2.4),
    ("early", "2016-04", "2016-06", ("2016-07", "2016-09"), 2.4),
    ("early", "2017-01", "2017-03", ("2017-04", "2017-06"), 3.4),
    ("early", "2017-03", "2017-03", ("2017-05", "2017-05"), 3.8),
    ("early", "2016-04", "2016-04", ("2017-04", "2017-04"), 5.1),
]


@national
@pytest.mark.parametrize(("file", "first", "last", "later", "published"), PUBLISHED)
def test_the_artefact_of_the_worst_quarter_on_national_data(file, first, last, later, published):
    wide = {"early": early, "late": late}[file]()
    assert artefact(wide, first, last, later) == pytest.approx(published, abs=0.07)


@national
def test_a_collaborative_of_the_worst_quarter_that_never_was_is_seen_through():
    wide = late().loc[:, "2022-04":"2026-02"]
    wide = wide[wide.notna().all(axis=1)]
    T, start = wide.shape[1], 35
    g = np.full(len(wide), np.nan)
    g[np.argsort(wide.to_numpy()[:, start - 3 : start].mean(axis=1))[: len(wide) // 4]] = start
    entry = {"rule": "x", "selected_on_outcome": True, "worst": len(wide) // 4, "over": ["2002-09", "2002-11"]}
    panel = did_panels.panel(did_panels.Simulated(wide.to_numpy(float), g), entry=entry)
    assert T == 47
    check = asked(panel, draws=399)
    low, high = (float(figure(check, "net", end).iloc[0]) for end in ("low", "high"))
    assert low < 0 < high, check.reading
    assert float(figure(check, "mean").iloc[0]) > 0.5, check.reading
