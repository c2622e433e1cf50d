"""Control charts: every figure of the reference, rules by hand, gaps, rebasing, what is said and drawn."""

from __future__ import annotations

import json
import re
import time

import numpy as np
import pandas as pd
import pytest
from conftest import REFERENCE
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit import plots, spc, tables, workbench
from evalkit.errors import DesignError
from evalkit.plots.spc import MARKS, TARGET_RED
from evalkit.report.audit import problems
from evalkit.report.clean import clean_output
from evalkit.spc.limits import moving_ranges, proportions, rates, xmr
from evalkit.spc.rules import RULES, assurance, meaning, signals
from evalkit.words import charts as words

STORED = {r["id"]: r["values"] for r in json.loads((REFERENCE / "spc_series.json").read_text("utf-8"))["results"]}
SERIES = pd.read_csv(REFERENCE / "spc_series.csv")
MATCHED = {  # every entry of the reference, by what is asked of it
    "increase": {}, "decrease": {}, "neutral": {}, "noscreen": {"screen": False}, "rebase19": {"cuts": (18,)},
    "rebase13_25": {"cuts": (12, 24)}, "fix18": {"fixed": 18}, "target_summary": {},
}  # fmt: skip
LEFT_OUT: dict[str, str] = {}  # nothing
BETTER = {"decrease": "lower", "neutral": "neither"}
POINTS = {1: "special_cause_improvement", 0: "common_cause", -1: "special_cause_concern", 2: "special_cause_neutral"}
CALLED = {"outside": ("Below LCL", "Above UCL"), "two of three": ("2 in 3 Below CL", "2 in 3 Above CL"),
          "shift": ("7 Points Below CL", "7 Points Above CL"), "trend": ("falling", "rising")}  # fmt: skip
MEANT = {
    "improvement": "special_cause_improvement",
    "concern": "special_cause_concern",
    "common cause": "common_cause",
}
ASSURED = {"inconsistent": "hit and miss", "consistent_pass": "passing", "consistent_fail": "failing"}
HOSTILE = "<img src=x onerror=alert(1)>&\"'"
REPORTED = pd.period_range("2018-01", "2019-12", freq="M")


def charted(name, entry, screen=True, cuts=(), fixed=None):
    """Values, limits, rules and meanings of one entry of the reference."""
    y = SERIES.loc[SERIES["series"].eq(name), "value"].to_numpy(float)[None]
    segment, basis = np.zeros(y.shape, int), np.ones(y.shape, bool)
    for cut in cuts:
        segment[:, cut:] += 1
    basis[:, fixed:] = fixed is None
    found = xmr(y, segment, basis, screen=screen)
    broken = signals(y, found, segment)
    return y, found, broken, meaning(broken, BETTER.get(entry, "higher")), segment


def test_every_entry_of_the_reference_is_matched_or_left_out():
    named = {(key.split("_", 1)[0], key.split("_", 1)[1]) for key in STORED}
    assert {entry for _, entry in named} <= {*MATCHED, *LEFT_OUT}
    assert {name for name, _ in named} == set(SERIES["series"])
    assert len(STORED) == 37


@pytest.mark.parametrize("key", [k for k in STORED if not k.endswith("target_summary")])
def test_limits_signals_and_meanings_are_those_of_the_reference(key):
    name, entry = key.split("_", 1)
    stored = STORED[key]
    y, found, broken, meant, segment = charted(name, entry, **MATCHED[entry])
    for figure, column in ((found.centre, "mean"), (found.low, "lpl"), (found.high, "upl")):
        np.testing.assert_allclose(figure[0], stored[column], rtol=1e-12)
    assert segment[0].tolist() == stored["rebase_group"]
    assert y[0].tolist() == stored["value"]
    assert (broken != 0).any(axis=0)[0].astype(int).tolist() == stored["special_cause_flag"]
    assert np.abs(broken[0, 0]).tolist() == stored["outside_limits"]
    assert np.sign(np.round(y - found.centre, 12))[0].tolist() == stored["relative_to_mean"]
    first = [next((k for k in range(4) if broken[k, 0, t]), None) for t in range(y.shape[1])]
    called = [
        "Common Cause" if k is None else CALLED[RULES[k]][(broken[k, 0, t] + 1) // 2] for t, k in enumerate(first)
    ]
    assert called == stored["special_cause_type"]
    points = [POINTS[m] for m in meant[0].tolist()]
    assert points == [re.sub("_(high|low)$", "", p) for p in stored["point_type"]]
    near = (np.abs(y - found.centre) > 2 / 3 * (found.high - found.centre)) & (broken[0] == 0)
    assert near[0].astype(int).tolist() == stored["close_to_limits"]


@pytest.mark.parametrize("key", [k for k in STORED if k.endswith("target_summary")])
def test_summaries_against_a_target_are_those_of_the_reference(make, key):
    stored, values = STORED[key], SERIES.loc[SERIES["series"].eq(key.split("_")[0]), "value"].to_numpy()
    found = spc.chart(one_unit(make, values, target=stored["target"]), "A", spc.How(rebase="never"))
    last = found.frame.iloc[-1]
    np.testing.assert_allclose(
        [last["centre"], last["low"], last["high"]], [stored["mean_col"], stored["lpl"], stored["upl"]], rtol=1e-12
    )
    count = found.frame["meaning"].value_counts()
    assert [count.get(m, 0) for m in MEANT] == [stored[column] for column in MEANT.values()]
    assert (len(found.frame), found.target) == (stored["n"], stored["target"])
    assert MEANT[found.variation] == stored["variation_type"]
    assert found.assurance == ASSURED[stored["assurance_type"]]


def one_unit(make, values, joined="", better="higher", kind="continuous", **changes):
    """A panel of a unit A, and of a flat unit B that joins where A does not; missing values are gaps."""
    months = pd.period_range("2018-01", periods=len(values), freq="M").astype(str)
    rows = pd.DataFrame({"unit": "A", "period": months, "y": values}).dropna()
    other = pd.DataFrame({"unit": "B", "period": months, "y": 1.0})
    outcome = {"name": "y", "label": "Outcome", "kind": kind, "value": "y", "better": better, "role": "primary"}
    extra = {key: changes.pop(key) for key in ("target",) if key in changes}
    rollout = pd.DataFrame({"unit": ["A", "B"], "joined": [joined, "" if joined else months[len(months) // 2]]})
    source = {"reader": "csv", "path": "panel.csv", "gaps": "allow"}
    return make.panel(pd.concat([rows, other]), rollout, window=[months[0], months[-1]], source=source,
                      outcomes=[{**outcome, **extra}], **changes)  # fmt: skip


def broken(values, centre=0.0, low=-3.0, high=3.0, segment=None):
    """Which rules points break against given limits, as (rule, side) of each point; shape (T,)."""
    y = np.array([values], float)
    given_ = [np.full(y.shape, v) for v in (centre, low, high, 0.0, 0.0)]
    from evalkit.spc.limits import Limits

    found = signals(y, Limits(*given_), np.zeros(y.shape, int) if segment is None else np.array([segment]))
    return {rule: found[k, 0].tolist() for k, rule in enumerate(RULES)}


def test_seven_points_on_a_side_are_a_shift_and_six_are_not():
    assert broken([1, 1.5] * 3 + [-1])["shift"] == [0] * 7
    assert broken([1, 1.5] * 3 + [1, -1])["shift"] == [1] * 7 + [0]
    assert broken([-1, -1.5] * 3 + [-1, -1])["shift"] == [-1] * 8
    assert broken([1, 1.5, 1, 0.0, 1, 1.5, 1])["shift"] == [0] * 7  # a point on the mean is on neither side


def test_seven_points_that_rise_are_a_trend_and_its_side_is_its_direction():
    rising = [-1.8, -1.2, -0.6, 0.1, 0.6, 1.2, 1.8]
    assert broken(rising)["trend"] == [1] * 7
    assert broken(rising[::-1])["trend"] == [-1] * 7
    assert broken(rising[1:])["trend"] == [0] * 6
    assert broken([*rising[:3], rising[2], *rising[3:6]])["trend"] == [0] * 7  # two equal points


def test_two_of_three_near_a_limit_on_the_same_side_and_not_beyond_it():
    assert broken([0, 2.5, 0.5, 2.4, 0])["two of three"] == [0, 1, 0, 1, 0]
    assert broken([0, 2.5, -0.5, 2.4, 0])["two of three"] == [0] * 5
    assert broken([0, 3.5, 0.5, 2.4, 0])["two of three"] == [0] * 5
    assert broken([0, 2.5, 1.9, 0.4, 0])["two of three"] == [0] * 5  # two thirds of the way is 2
    assert broken([0, 3.5, 0.5, -3.1, 0])["outside"] == [0, 1, 0, -1, 0]


@pytest.mark.parametrize("rule", ["shift", "two of three", "trend"])
def test_a_gap_and_a_rebasing_end_a_run(rule):
    run = {"shift": [1, 1.5] * 4, "trend": np.linspace(-1.5, 1.5, 8).tolist(), "two of three": [2.5, 0.5, 2.5]}[rule]
    assert any(broken(run)[rule])
    middle = len(run) // 2
    assert not any(broken([*run[:middle], np.nan, *run[middle:]])[rule])
    assert not any(broken(run, segment=[0] * middle + [1] * (len(run) - middle))[rule])


def test_no_moving_range_goes_across_a_gap_or_a_rebasing():
    y = np.array([[1.0, 4.0, np.nan, 9.0, 11.0, 16.0]])
    np.testing.assert_array_equal(
        moving_ranges(y, np.array([[0, 0, 0, 0, 1, 1]])), [[np.nan, 3, np.nan, np.nan, np.nan, 5]]
    )
    found = xmr(y, np.zeros((1, 6), int), np.ones((1, 6), bool))
    np.testing.assert_allclose(found.high - found.centre, 2.66 * (3 + 2 + 5) / 3)  # not 5 from 4 to 9


def test_outlying_moving_ranges_are_left_out_once_and_the_mean_keeps_every_point():
    y = np.array([[10, 11, 10, 11, 10, 11, 40, 10, 11, 10, 11, 10.0]])
    flat, every = np.zeros(y.shape, int), np.ones(y.shape, bool)
    ranges = np.abs(np.diff(y[0]))
    kept = ranges[ranges <= 3.267 * ranges.mean()]
    assert len(kept) == len(ranges) - 2
    screened = xmr(y, flat, every)
    np.testing.assert_allclose(screened.high, y.mean() + 2.66 * kept.mean())
    np.testing.assert_array_equal(screened.screened, 2)
    np.testing.assert_allclose(xmr(y, flat, every, screen=False).high, y.mean() + 2.66 * ranges.mean())


def test_p_and_u_charts_by_hand():
    r, n = np.array([12.0, 9, 20, 14, 11]), np.array([100.0, 80, 150, 120, 90])
    flat, every = np.zeros((1, 5), int), np.ones((1, 5), bool)
    for make, error in ((proportions, lambda c: np.sqrt(c * (1 - c) / n)), (rates, lambda c: np.sqrt(c / n))):
        centre = 66 / 540
        s = error(centre)
        plain = make(r[None], n[None], flat, every, adjusted=False)
        np.testing.assert_allclose(plain.centre[0], centre)
        np.testing.assert_allclose(plain.high[0], centre + 3 * s)
        z = (r / n - centre) / s
        sigma = np.abs(z[1:] - z[:-1]).mean() / 1.128  # Laney 2002
        laney = make(r[None], n[None], flat, every, adjusted=True)
        np.testing.assert_allclose(laney.low[0], centre - 3 * s * sigma)
        np.testing.assert_allclose(laney.spread[0] / 1.128, sigma)


def test_laney_allows_for_what_plain_limits_take_for_signals():
    rng = np.random.default_rng(4)
    n = np.full((200, 48), 20_000.0)
    share = 0.6 + rng.normal(0, 0.02, n.shape)  # more than chance among 20,000 gives
    r, flat, every = rng.binomial(n.astype(int), share).astype(float), np.zeros(n.shape, int), np.ones(n.shape, bool)
    out = {
        a: (np.abs(signals(r / n, proportions(r, n, flat, every, adjusted=a), flat)[0])).mean() for a in (False, True)
    }
    assert out[False] > 0.3
    assert out[True] < 0.02


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.integers(-50, 50), min_size=3, max_size=30), st.sampled_from([0.001, 1, 40]), st.integers(-500, 500)
)
def test_charts_follow_scale_and_shift(values, scale, shift):
    y = np.array([values], float)
    flat, every = np.zeros(y.shape, int), np.ones(y.shape, bool)
    moved = scale * y + shift
    one, two = xmr(y, flat, every), xmr(moved, flat, every)
    np.testing.assert_allclose(two.high, scale * one.high + shift, rtol=1e-9, atol=1e-9)
    slack = np.abs(np.abs(y - one.centre) - np.array([[0], [2 / 3], [1]])[:, :, None] * (one.high - one.centre)).min()
    if slack > 1e-6:  # else rounding decides
        np.testing.assert_array_equal(signals(y, one, flat), signals(moved, two, flat))
        np.testing.assert_array_equal(signals(-moved, xmr(-moved, flat, every), flat), -signals(moved, two, flat))


def test_a_series_that_never_moves_has_no_signal():
    y = np.full((1, 30), 0.1)
    found = xmr(y, np.zeros(y.shape, int), np.ones(y.shape, bool))
    assert not signals(y, found, np.zeros(y.shape, int)).any()


def test_assurance_needs_the_direction():
    low, high = np.array([60.0, 60, 60, np.nan]), np.array([70.0, 70, 70, np.nan])
    assert assurance(low, high, 55, "higher") == ["passing"] * 3 + ["no limits"]
    assert assurance(low, high, 55, "lower")[0] == "failing"
    assert assurance(low, high, 75, "lower")[0] == "passing"
    assert assurance(low, high, 65, "higher")[0] == assurance(low, high, 70, "higher")[0] == "hit and miss"
    assert assurance(low, high, None, "higher")[0] == assurance(low, high, 55, "neither")[0] == "no target"


def test_points_outside_by_chance_are_rare_and_all_rules_together_are_not():
    y = np.random.default_rng(1).normal(size=(2000, 24))
    flat, every = np.zeros(y.shape, int), np.ones(y.shape, bool)
    found = signals(y, xmr(y, flat, every), flat)
    assert np.abs(found[0]).mean() < 0.01
    assert 0.02 < (found != 0).any(axis=0).mean() < 0.06


def test_points_that_resemble_the_one_before_give_the_share_of_signals_that_is_said():
    noise = np.random.default_rng(6).normal(size=(1500, 98))
    for rho, said in ((0.0, 0.05), (0.6, 0.37)):
        y = noise.copy()
        for t in range(1, 98):
            y[:, t] += rho * y[:, t - 1]
        y = y[:, 50:]
        flat, every = np.zeros(y.shape, int), np.ones(y.shape, bool)
        found = signals(y, xmr(y, flat, every), flat)
        assert (found != 0).any(axis=0).mean() == pytest.approx(said, abs=0.012)
        assert f"{100 * said:.0f} in 100" in words.INDEPENDENT


def ups_and_downs(n, level=50.0, seed=0):
    return level + np.random.default_rng(seed).normal(size=n)


def test_limits_are_rebased_at_joining_where_twelve_points_lie_on_either_side(make):
    y = np.concatenate([ups_and_downs(15), ups_and_downs(15, 60, 1)])
    frame = spc.chart(one_unit(make, y, "2019-04")).frame
    np.testing.assert_array_equal(frame["segment"], [0] * 15 + [1] * 15)
    np.testing.assert_allclose(frame["centre"].iloc[[0, -1]], [y[:15].mean(), y[15:].mean()])


def test_with_too_few_points_after_joining_the_limits_of_before_are_carried_on_and_said_so(make):
    y = np.concatenate([ups_and_downs(18), ups_and_downs(11, 60, 1)])
    found = spc.chart(one_unit(make, y, "2019-07"))
    assert found.short == ((18, 18, 11),)
    np.testing.assert_allclose(found.frame["centre"], y[:18].mean())
    assert found.variation == "improvement"
    assert "Not rebased in July 2019, which leaves 18 months before and 11 from then on" in " ".join(
        words.variation(found)
    )
    assert spc.chart(one_unit(make, y, "2019-07"), "A", spc.How(least=11)).short == ()


def test_carried_limits_show_a_change_that_rebased_limits_hide(make):
    y = np.concatenate([ups_and_downs(15), ups_and_downs(15, 55, 1)])
    panel = one_unit(make, y, "2019-04", better="lower")
    carried = spc.chart(panel, "A", spc.How(rebase="carried")).frame
    assert set(carried["meaning"][15:]) == {"concern"}
    np.testing.assert_allclose(carried["centre"], y[:15].mean())
    assert set(spc.chart(panel).frame["meaning"][15:]) != {"concern"}


def test_given_dates_and_dates_outside_the_window(make):
    panel = one_unit(make, ups_and_downs(36))
    cuts = tuple(pd.Period(p, "M") for p in ("2020-01", "2019-01"))
    assert spc.chart(panel, "A", spc.How(rebase=cuts)).frame["segment"].tolist() == [0] * 12 + [1] * 12 + [2] * 12
    with pytest.raises(DesignError, match="outside the study's window"):
        spc.chart(panel, "A", spc.How(rebase=(pd.Period("2030-01", "M"),)))


def test_gaps_stay_gaps_and_excluded_periods_are_shown_and_not_used(make):
    y = ups_and_downs(24)
    y[10], y[15] = np.nan, 500.0
    panel = one_unit(make, y, exclude=[{"from": "2019-04", "to": "2019-04", "why": "A strike"}])
    found = spc.chart(panel, "A")
    used = np.delete(y, [10, 15])
    np.testing.assert_allclose(found.frame["centre"], used.mean())
    assert found.frame["value"].iloc[15] == 500
    assert found.frame["meaning"].iloc[[10, 15]].tolist() == ["", ""]
    said = " ".join(words.variation(found))
    assert "No figure for 2018-11: a gap" in said
    assert "Shown and not used, for the protocol excludes them: 2019-04" in said
    assert "<td>excluded</td>" in (html := plots.spc(found).html).replace(' class="num"', "")
    assert "no figure" in html


def test_fewer_than_twelve_points_give_trial_limits_and_say_so(make):
    few, enough = (" ".join(words.variation(spc.chart(one_unit(make, ups_and_downs(n)), "A"))) for n in (11, 12))
    assert "trial limits" in few
    assert "trial limits" not in enough


def test_limits_stay_within_what_the_outcome_can_be(make):
    y = np.random.default_rng(3).poisson(2, 30).astype(float)
    found = spc.chart(one_unit(make, y, kind="count"), "A").frame
    assert (found["low"] == 0).all()
    assert (spc.chart(one_unit(make, y), "A").frame["low"] < 0).all()


def test_a_chart_of_units_together_adds_counts_before_it_divides():
    panel = workbench.open_case("uec").panel
    found, together = spc.chart(panel, "joined"), panel.over(panel.joined)
    np.testing.assert_allclose(found.frame["value"], 100 * together["numerator"] / together["denominator"])
    adjusted = spc.chart(panel, "joined", spc.How(method="p_adjusted", rebase="never")).frame
    np.testing.assert_allclose(adjusted["centre"], 100 * together["numerator"].sum() / together["denominator"].sum())
    p = spc.chart(panel, "joined", spc.How(method="p", rebase="never")).frame
    assert ((adjusted["high"] - adjusted["low"]) > 5 * (p["high"] - p["low"])).all()


def test_charts_of_many_units_are_those_of_each_and_do_not_depend_on_their_order():
    panel = workbench.open_case("frailty").panel
    many = spc.charts(panel)
    back = spc.charts(panel, list(panel.joined[::-1]))
    assert many.latest() == [many[i].variation for i in range(len(many))] == back.latest()[::-1]
    alone = spc.chart(panel, panel.joined[7])
    pd.testing.assert_frame_equal(alone.frame, many[7].frame)
    pd.testing.assert_frame_equal(alone.frame, back[len(back) - 8].frame)


def test_charts_of_two_hundred_units_take_less_than_a_second():
    y = np.random.default_rng(0).normal(size=(200, 60))
    segment, every = np.repeat([[0, 1]], 30, axis=1).repeat(200, axis=0), np.ones(y.shape, bool)
    start = time.perf_counter()
    signals(y, xmr(y, segment, every), segment)
    assert time.perf_counter() - start < 0.5


def test_what_does_not_fit_is_refused(make):
    panel = one_unit(make, ups_and_downs(24))
    with pytest.raises(DesignError, match="a P chart is of a proportion"):
        spc.chart(panel, "A", spc.How(method="p"))
    with pytest.raises(DesignError, match="no unit to chart under 'Z'"):
        spc.chart(panel, "Z")
    with pytest.raises(DesignError, match="no unit 'Z'"):
        spc.charts(panel, ["Z"])


@pytest.mark.parametrize("slug", ["uec", "frailty", "outpatients", "emergency-services-2002"])
def test_every_demonstration_has_its_charts(slug):
    for outcome in workbench.open_case(slug).panels:
        case = workbench.open_case(slug, "" if outcome == "by_ambulance" else outcome)
        assert problems(page(tables.spc(case.spc_groups()).html + tables.spc(case.spc_units()).html)) == []
        shown = plots.spc(case.spc(rebase="carried"))
        assert problems(page(shown.html)) == []
        assert len(shown.payload["figure"]["alt"]) > 150


def page(fragment):
    head = "<!doctype html><html lang='en-GB'><head><title>t</title></head>"
    return f"{head}<body><main><h1>t</h1>{clean_output(fragment)}</main></body></html>"


def test_what_is_said_is_description_and_points_to_the_estimate():
    case = workbench.open_case("uec")
    said = tables.spc(case.spc()).text
    assert "a signal says that something changed, not what changed it" in said
    assert "estimates of its effect" in said
    assert "Target 78: if nothing changes, it will be missed every time (failing)." in said
    assert not re.search(r"because of the collaborative|caused|effective|no effect", said)


def test_icons_stand_beside_their_words_and_survive_the_page():
    html = clean_output(tables.spc(workbench.open_case("uec").spc_units()).html)
    assert re.search(
        r'<img alt="Icon: a line that ends above its upper limit, improvement"[^>]*> Improvement, high', html
    )
    assert re.search(r'<img alt="Icon: the span of the limits lies below the target, failing"[^>]*> Failing', html)


def test_marks_have_three_to_one_against_white_and_shapes_of_their_own():
    def against_white(colour):
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 1.05 / (np.dot(linear, [0.2126, 0.7152, 0.0722]) + 0.05)

    assert min(against_white(c) for c in [TARGET_RED, *(colour for _, colour, _ in MARKS.values())]) >= 3
    assert max(against_white(c) for c in ("#00b0f0", "#a6a6a6")) < 2.5
    assert len({marker for marker, _, _ in MARKS.values()}) == len(MARKS)


def test_names_from_the_data_become_no_markup_and_drawings_repeat(make):
    rng = np.random.default_rng(5)
    units = [f"U{i} {HOSTILE}" for i in range(6)]
    rows = pd.DataFrame(
        [(u, str(p), 9 + rng.normal()) for u in units for p in REPORTED], columns=["unit", "period", "y"]
    )
    rollout = pd.DataFrame({"unit": units, "joined": ["2019-01"] * 3 + [""] * 3})
    outcome = {
        "name": "y",
        "label": f"L {HOSTILE}",
        "kind": "continuous",
        "value": "y",
        "better": "lower",
        "role": "primary",
    }
    panel = make.panel(rows, rollout, outcomes=[outcome])
    made = [lambda: plots.spc(spc.chart(panel)), lambda: plots.small_multiples(spc.charts(panel)),
            lambda: tables.spc(spc.charts(panel)), lambda: tables.spc([spc.chart(panel)])]  # fmt: skip
    for draw in made:
        html = draw().html
        assert "<img src=x" not in html
        assert html == draw().html
        assert problems(page(html)) == []
