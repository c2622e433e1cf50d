"""Are repeated looks counted, and are the intervals that allow for them right?"""

from __future__ import annotations

import json
import math

import numpy as np
import pandas as pd
import pytest
from scipy import special, stats

from evalkit import catalogue, checks, estimators, tables, words
from evalkit.cli import main
from evalkit.errors import DesignError, RunError
from evalkit.inference import looks as rules
from evalkit.panel import build
from evalkit.report.history import keep
from evalkit.study import load
from evalkit.study.looks import FILE, Look, added, looks_record, read_looks

FIFTHS = np.arange(1, 6) / 5

# -- the kernel ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("spending", "published"),
    [
        # Lan-DeMets boundaries for five evenly spaced looks, two-sided 5 %, as printed by the programs for them
        # (Reboussin and others 2000, Control Clin Trials 21:190)
        ("obrien_fleming", [4.8769, 3.3569, 2.6803, 2.2898, 2.0310]),
        ("pocock", [2.4380, 2.4268, 2.4101, 2.3966, 2.3859]),
    ],
)
def test_spending_boundaries_are_the_published_ones(spending, published):
    found = rules.boundaries(FIFTHS, 0.05, spending)
    assert found == pytest.approx(published, abs=2e-4)
    assert rules.crossing(found, FIFTHS) == pytest.approx(rules.spent(FIFTHS, 0.05, spending), abs=1e-9)


@pytest.mark.parametrize(
    ("looks", "pocock", "obrien_fleming"),
    # Jennison and Turnbull (2000), tables 2.1 and 2.3, two-sided 5 %
    [(2, 2.178, 1.977), (3, 2.289, 2.004), (4, 2.361, 2.024), (5, 2.413, 2.040), (10, 2.555, 2.087)],
)
def test_classical_boundaries_are_crossed_in_five_per_cent(looks, pocock, obrien_fleming):
    share = np.arange(1, looks + 1) / looks
    assert rules.crossing(np.full(looks, pocock), share)[-1] == pytest.approx(0.05, abs=1e-4)
    assert rules.crossing(obrien_fleming / np.sqrt(share), share)[-1] == pytest.approx(0.05, abs=1e-4)


@pytest.mark.parametrize(("looks", "chance"), [(1, 0.05), (2, 0.083), (3, 0.107), (5, 0.142), (10, 0.193)])
def test_plain_intervals_at_every_look_miss_as_often_as_is_known(looks, chance):
    """Armitage, McPherson and Rowe (1969), table 2."""
    share = np.arange(1, looks + 1) / looks
    assert rules.crossing(np.full(looks, 1.959964), share)[-1] == pytest.approx(chance, abs=6e-4)


@pytest.mark.parametrize("spending", ["obrien_fleming", "pocock"])
def test_boundaries_against_multivariate_normal_probabilities(spending):
    share = np.array([0.3, 0.45, 1.0])
    c = rules.boundaries(share, 0.05, spending)
    root = np.sqrt(share)
    correlation = np.minimum.outer(share, share) / np.outer(root, root)
    for k in (1, 2, 3):
        normal = stats.multivariate_normal(np.zeros(k), correlation[:k, :k], abseps=1e-8, maxpts=2_000_000, seed=0)
        inside = normal.cdf(c[:k], lower_limit=-c[:k])
        assert 1 - inside == pytest.approx(rules.spent(share, 0.05, spending)[k - 1], abs=1e-6)


def test_one_look_at_the_end_is_the_plain_interval():
    for spending in ("obrien_fleming", "pocock"):
        assert rules.boundaries(np.ones(1), 0.05, spending) == pytest.approx([special.ndtri(0.975)], abs=1e-9)
    assert rules.nominal_level(special.ndtri(0.975)) == pytest.approx(0.95)


def test_a_look_too_early_to_spend_anything_at_claims_nothing():
    c = rules.boundaries(np.array([0.01, 0.5, 1.0]), 0.05, "obrien_fleming")
    assert math.isinf(c[0])
    assert c[1:] == pytest.approx(rules.boundaries(np.array([0.5, 1.0]), 0.05, "obrien_fleming"), abs=1e-6)


def test_a_later_look_does_not_change_an_earlier_one():
    every = rules.boundaries(FIFTHS, 0.05, "pocock")
    for k in range(1, 5):
        assert rules.boundaries(FIFTHS[:k], 0.05, "pocock") == pytest.approx(every[:k], abs=1e-12)


@pytest.mark.parametrize("share", [[], [0.0, 0.5], [0.5, 0.5], [0.6, 0.4], [-0.1]])
def test_shares_that_do_not_rise_are_refused(share):
    with pytest.raises(DesignError, match="must rise"):
        rules.boundaries(np.array(share), 0.05, "pocock")


def walks(draws, looks, seed=1):
    steps = np.random.default_rng(seed).normal(size=(draws, looks))
    return np.abs(steps.cumsum(axis=1)) / np.sqrt(np.arange(1, looks + 1))


@pytest.mark.parametrize("spending", ["obrien_fleming", "pocock"])
def test_over_all_looks_nothing_is_taken_for_an_effect_in_five_per_cent(spending):
    z = walks(40_000, 12)
    c = rules.boundaries(np.arange(1, 13) / 12, 0.05, spending)
    rate = (z >= c).any(axis=1).mean()
    assert abs(rate - 0.05) < 4 * math.sqrt(0.05 * 0.95 / 40_000)
    assert (z >= 1.96).any(axis=1).mean() > 0.18


def test_an_always_valid_interval_holds_at_every_look():
    z = walks(4_000, 1_000)
    c = np.array([rules.always_valid(v, 100, 0.05) for v in range(1, 1_001)])
    rate = (z >= c).any(axis=1).mean()
    assert 0.01 < rate < 0.05  # a discrete walk that is stopped at 1,000: below the level, and not by much


def test_the_mixture_boundary_by_its_definition():
    """The boundary is where the mixture exp(s x - x^2 v / 2) over x ~ N(0, 1 / r) equals 1 / alpha."""
    alpha, tuned, v = 0.05, 12.0, 20.0
    mixing = tuned / (-special.lambertw(-(alpha**2) / math.e, -1).real - 1)
    s = rules.always_valid(v, tuned, alpha) * math.sqrt(v)
    x = np.linspace(-8, 8, 200_001) / math.sqrt(mixing)
    density = np.exp(-0.5 * mixing * x**2) * math.sqrt(mixing / (2 * math.pi))
    mixture = np.trapezoid(np.exp(s * x - 0.5 * v * x**2) * density, x)
    assert mixture == pytest.approx(1 / alpha, rel=1e-6)


@pytest.mark.parametrize("alpha", [0.05, 0.01, 0.2])
def test_the_mixture_boundary_is_tightest_where_it_is_tuned(alpha):
    grid = np.linspace(1, 60, 5_901)
    width = [rules.always_valid(v, 12, alpha) for v in grid]
    assert grid[int(np.argmin(width))] == pytest.approx(12, abs=0.02)
    assert rules.always_valid(24, 12, alpha) == pytest.approx(rules.always_valid(2, 1, alpha))  # any unit of time


# -- the history ---------------------------------------------------------------


def look(last="2019-06", outcome="y", plan="p"):
    return Look(outcome=outcome, last=last, plan=plan)


def test_a_look_is_a_distinct_outcome_last_period_and_plan():
    seen = (look(),)
    assert added(seen, look()) == seen
    for other in (look("2019-07"), look(outcome="z"), look(plan="q")):
        assert added(seen, other) == (*seen, other)


def test_the_history_is_read_back_and_a_spoilt_one_refused(tmp_path):
    path = tmp_path / FILE
    assert read_looks(path) == ()
    path.write_text(json.dumps(looks_record((look(), look("2019-07")))), encoding="utf-8")
    assert read_looks(path) == (look(), look("2019-07"))
    for text in ("", "[]", "3", '{"format": 2, "looks": []}', '{"format": 1, "looks": [{"outcome": 1}]}', "{"):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(RunError, match="not as it was written"):
            read_looks(path)


# -- the check -----------------------------------------------------------------


@pytest.fixture
def panel(make):
    """A panel with an effect of `size`, 12 months before and `after` months after joining."""

    def made(size=1.5, after=12, **changes):
        random = np.random.default_rng(9)
        months = pd.period_range("2018-01", periods=12 + after, freq="M")
        rows = pd.DataFrame(
            [
                (f"U{i}", str(m), random.normal() + (size if i < 15 and m.year >= 2019 else 0))
                for i in range(40)
                for m in months
            ],
            columns=["unit", "period", "y"],
        )
        rollout = pd.DataFrame({"unit": [f"U{i}" for i in range(40)], "joined": ["2019-01"] * 15 + [""] * 25})
        return make.panel(rows, rollout, window=["2018-01", str(months[-1])], **changes)

    return made


def earlier(panel, *lasts):
    return [look(last, plan=panel.study.plan_sha256) for last in lasts]


def asked(panel, *lasts):
    return checks.looks(panel, estimators.fit("group_time", panel), earlier(panel, *lasts))


def test_the_first_look_is_said_to_be_one(panel):
    check = asked(panel())
    assert (check.verdict, check.value) == ("reassuring", 1)
    assert "this is the first look; data run to December 2019" in check.reading
    again = asked(panel(), "2019-12")  # the same data, looked at before
    assert again.value == 1


def test_without_a_rule_a_second_look_leaves_a_clear_interval_unsettled(panel):
    check = asked(panel(), "2019-06", "2019-09")
    assert (check.verdict, check.value) == ("inconclusive", 3)
    assert "3 looks are on record" in check.reading
    held = asked(panel(size=0.0), "2019-06")
    assert held.verdict == "reassuring"
    assert "holds zero" in held.reading


def test_looks_at_another_outcome_do_not_count_and_those_under_another_plan_do(panel):
    made = panel()
    estimate = estimators.fit("group_time", made)
    check = checks.looks(made, estimate, [look("2019-03", outcome="z"), look("2019-12", plan="other")])
    assert check.value == 2
    assert "under 2 different plans" in check.reading


@pytest.mark.parametrize("spending", ["obrien_fleming", "pocock"])
def test_the_adjusted_interval_is_that_of_the_boundary_at_this_look(panel, spending):
    made = panel(looks={"spending": spending, "planned": 24})
    check = asked(made, "2019-06", "2019-09")
    head = estimators.fit("group_time", made).headline
    c = rules.boundaries(np.array([6, 9, 12]) / 24, 0.05, spending)[-1]
    reach = stats.t.ppf(stats.norm.cdf(c), head["df"]) * head["std_error"]
    assert check.figures["low"] == pytest.approx(head["estimate"] - reach, rel=1e-9)
    assert check.figures["high"] == pytest.approx(head["estimate"] + reach, rel=1e-9)
    assert check.figures["share"] == pytest.approx(0.5)
    plain, adjusted = check.data.itertuples(index=False)
    assert plain[1:] == (0.95, head["low"], head["high"])
    assert adjusted.low < plain.low < plain.high < adjusted.high
    assert "12 are seen" in check.reading
    assert "Adjusted" in tables.looks(check).text


def test_an_always_valid_interval_does_not_depend_on_the_number_of_looks(panel):
    made = panel(looks={"always_valid": True})
    one, many = asked(made), asked(made, "2019-03", "2019-04", "2019-05")
    assert one.figures["low"] == many.figures["low"]
    assert one.figures["critical"] == pytest.approx(rules.always_valid(12, 12, 0.05))
    assert (one.value, many.value) == (1, 4)


def test_an_effect_that_the_rule_takes_away_is_a_concern(panel):
    for size in np.linspace(0.2, 1.5, 66):
        made = panel(size=size, looks={"spending": "obrien_fleming", "planned": 36})
        head = estimators.fit("group_time", made).headline
        if head["low"] > 0:
            break
    check = asked(made)
    assert check.verdict == "concern"
    assert "Allowing for the looks, the interval holds zero." in check.reading
    finding = words.finding(made.study, made.outcome, [estimators.fit("group_time", made)], [check])
    assert finding.strength == "weak"


def test_after_the_planned_end_was_looked_at_nothing_is_left(panel):
    made = panel(looks={"spending": "pocock", "planned": 6})
    assert asked(made).figures["critical"] == pytest.approx(special.ndtri(0.975), abs=1e-9)  # late, but the first
    check = asked(made, "2019-06")
    assert check.verdict == "inconclusive"
    assert "lets nothing be claimed" in check.reading
    assert check.data["interval"].tolist() == ["plain"]


def test_a_transition_is_no_period_after_joining(panel):
    made = panel(transition=3, looks={"spending": "pocock", "planned": 18})
    assert asked(made).figures["share"] == pytest.approx(0.5)
    assert (
        asked(made, "2019-02").figures["critical"] == asked(made).figures["critical"]
    )  # no effect could be seen then


def test_scale_and_shift_go_through(panel):
    made = panel(looks={"spending": "pocock", "planned": 24})
    before = asked(made, "2019-06").figures
    moved = made.with_rows(made.rows.assign(value=3 * made.rows["value"] + 7))
    after = checks.looks(moved, estimators.fit("group_time", moved), earlier(made, "2019-06")).figures
    assert after["low"] == pytest.approx(3 * before["low"], rel=1e-9)
    assert after["critical"] == before["critical"]


def test_a_design_that_was_refused_has_no_looks(panel):
    made = panel()
    refusal = estimators.attempt("event_study", made.joining(made.units["cohort"].where(made.units["cohort"].isna())))
    assert checks.looks(made, refusal).verdict == "not applicable"


@pytest.mark.parametrize(
    ("looks", "said"),
    [
        ({"spending": "pocock"}, "needs `planned`"),
        ({"spending": "pocock", "planned": 12, "always_valid": True}, "choose one"),
        ({"spending": "pocok", "planned": 12}, "must be one of"),
        ({"spending": "pocock", "planned": 0}, "greater than or equal to 1"),
        ({"spent": "pocock"}, "unknown key `spent`"),
    ],
)
def test_a_rule_that_cannot_be_is_a_fault(capsys, panel, make, looks, said):
    panel()
    path = make.folder / "case.yml"
    path.write_text(path.read_text(encoding="utf-8") + f"looks: {json.dumps(looks)}\n", encoding="utf-8")
    assert main(["check", str(path)]) == 1
    assert said in capsys.readouterr().err


# -- from report to report -----------------------------------------------------


def test_a_report_carries_the_looks_on_and_a_failed_one_adds_none(panel, tmp_path):
    made = panel()
    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir()
    new.mkdir()
    keep(old, tmp_path / "nothing", made, complete=True)
    (first,) = read_looks(old / FILE)
    assert (first.outcome, first.last, first.plan) == ("y", "2019-12", made.study.plan_sha256)
    keep(new, old, made, complete=True)
    assert read_looks(new / FILE) == (first,)
    later = panel(after=15)
    keep(new, old, later, complete=False)
    assert read_looks(new / FILE) == (first,)
    keep(new, old, later, complete=True)
    assert [one.last for one in read_looks(new / FILE)] == ["2019-12", "2020-03"]
    (old / FILE).write_text("{", encoding="utf-8")
    with pytest.raises(RunError):
        keep(new, old, later, complete=True)


def test_earlier_looks_are_found_where_this_run_writes_reports(panel, tmp_path, monkeypatch):
    monkeypatch.delenv(catalogue.REPORTS_VARIABLE, raising=False)
    made = panel()
    folder = tmp_path / "out" / "case"
    folder.mkdir(parents=True)
    keep(folder, tmp_path / "nothing", made, complete=True)
    study = load(made.study.path)
    assert catalogue.earlier_looks(study, "y") == ()
    with catalogue.reporting_to(tmp_path / "out"):
        assert [one.last for one in catalogue.earlier_looks(study, "y")] == ["2019-12"]
    assert catalogue.REPORTS_VARIABLE not in __import__("os").environ
    assert build(study).outcome.name == "y"


@pytest.mark.slow
@pytest.mark.parametrize("design", ["group_time", "imputation"])
def test_looks_at_panels_that_arrive_month_by_month(make, design):
    """Four looks at panels without an effect, autocorrelation 0.6: how often any of them claims one."""
    random = np.random.default_rng(3)
    months = pd.period_range("2018-01", periods=24, freq="M")
    units = [f"U{i:02}" for i in range(40)]
    rollout = pd.DataFrame({"unit": units, "joined": ["2019-01"] * 15 + [""] * 25})
    rates = dict.fromkeys(("plain", "pocock", "obrien_fleming", "always_valid"), 0)
    blank = pd.DataFrame([(u, str(m)) for u in units for m in months], columns=["unit", "period"]).assign(y=0.0)
    panel = make.panel(blank, rollout, window=["2018-01", "2019-12"])
    period = panel.rows.index.get_level_values("period")
    critical = {s: rules.boundaries(np.array([3, 6, 9, 12]) / 12, 0.05, s) for s in ("pocock", "obrien_fleming")}
    critical["always_valid"] = np.array([rules.always_valid(v, 12, 0.05) for v in (3, 6, 9, 12)])
    critical["plain"] = np.full(4, special.ndtri(0.975))
    draws = 200
    for _ in range(draws):
        noise = random.normal(size=(40, 24))
        for t in range(1, 24):
            noise[:, t] = 0.6 * noise[:, t - 1] + 0.8 * noise[:, t]
        drawn = panel.with_rows(panel.rows.assign(value=noise.ravel()))
        z = []
        for last in (14, 17, 20, 23):
            head = estimators.fit(design, drawn.with_rows(drawn.rows[period <= months[last]])).headline
            z.append(special.ndtri(1 - head["p_value"] / 2))  # Student's t turned into a normal of the same chance
        for name, c in critical.items():
            rates[name] += bool((np.array(z) >= c).any())
    share = {name: count / draws for name, count in rates.items()}
    assert share["plain"] > 0.06
    for name in ("pocock", "obrien_fleming", "always_valid"):
        assert share[name] <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / draws)
