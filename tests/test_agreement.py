"""Is the difference between designs judged as one between estimates that share their data?"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from evalkit import checks, estimators, placebos, tables
from evalkit.checks._apart import differences
from evalkit.errors import DesignError
from evalkit.placebos import Draws, Paired, draw, paired, residuals, runs

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
import did_panels as simulation

PAIR = ["group_time", "imputation"]


def null(seed, n=60, T=24, slope=0.0):
    g = simulation.waves(n, T, 2, never=0.5)
    made = simulation.simulate(g, T, rho=0.6, seed=seed)
    drift = slope * np.arange(T)[None, :] * ~np.isnan(g)[:, None]
    return simulation.panel(replace(made, Y=made.Y + drift))


def test_differences_are_those_of_the_headlines():
    panel = null(1)
    d, error, df = differences([*PAIR, "interaction_weighted"], panel)
    heads = [estimators.fit(name, panel).headline for name in (*PAIR, "interaction_weighted")]
    assert d == pytest.approx([h["estimate"] - heads[0]["estimate"] for h in heads[1:]], rel=1e-9)
    assert (error < heads[0]["std_error"] + heads[1]["std_error"]).all()
    assert df == len(panel.units) - 1


def test_the_error_of_a_difference_is_that_of_the_jackknife():
    panel = null(2, n=80)
    _, error, _ = differences(PAIR, panel)
    left = []
    for unit in panel.units.index:
        rows = panel.rows[panel.rows.index.get_level_values("unit") != unit]
        one, two = (estimators.fit(name, panel.with_rows(rows)).headline["estimate"] for name in PAIR)
        left.append(two - one)
    left = np.array(left)
    jackknife = np.sqrt((len(left) - 1) * ((left - left.mean()) ** 2).mean())
    assert error[0] == pytest.approx(jackknife, rel=0.1)  # it counts more than first-order terms


def test_designs_that_agree_are_told_apart_no_more_often_than_chance():
    found = [differences(PAIR, null(seed)) for seed in range(300)]
    rejected = np.mean([abs(d[0] / error[0]) > stats.t.ppf(0.975, df) for d, error, df in found])
    assert rejected <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 300)


def test_diverging_trends_are_a_concern_although_intervals_overlap():
    panel = null(3, slope=0.12)
    estimates = [estimators.fit(name, panel) for name in PAIR]
    assert checks.agreement(estimates).verdict != "concern"
    found = checks.agreement(estimates, panel)
    assert found.verdict == "concern"
    assert "Allowing for the data they share" in found.reading


def test_designs_that_coincide_have_no_difference_to_test():
    panel = null(4)
    with pytest.raises(DesignError, match="coincide"):
        differences(["imputation", "imputation"], panel)
    d, error, _ = differences(["imputation", "two_stage"], panel)  # the same estimate, with errors of their own
    assert d == pytest.approx(0, abs=1e-9)
    assert error > 0
    estimates = [estimators.fit(name, panel) for name in ("imputation", "two_stage")]
    assert checks.agreement(estimates, panel).verdict == "reassuring"


def test_a_wave_of_one_unit_says_nothing_by_its_contribution():
    g = np.concatenate([[10.0, 14.0], np.full(30, np.nan)])
    panel = simulation.panel(simulation.simulate(g, 24, rho=0.5, seed=4))
    with pytest.raises(DesignError, match="single unit"):
        differences(PAIR, panel)


# -- draw by draw ------------------------------------------------------------------------


def shocked(seed, *, shared=1.0, step=0.0, n=(16, 30), T=40, start=20):
    """Joined units and others with errors of their own and a shared course; `step` moves all of them at the start."""
    random = np.random.default_rng(seed)
    Y = simulation.ar1(random, (sum(n), T), 0.6) + shared * simulation.ar1(random, (T,), 0.6)
    Y += 60 + random.normal(size=(sum(n), 1))
    Y[:, start:] += step
    return simulation.panel(simulation.Simulated(Y, np.repeat([float(start), np.nan], n)))


def test_each_estimate_knows_its_draw():
    panel = shocked(1)
    source = placebos.pool(panel)
    drawn = draw.rollouts(source, source.places[0], 12, np.random.default_rng(0), None)
    record = placebos.calibrate(panel, ("group_time", "its", "synthetic_did"), Draws(60, 25))
    for design in record.found:
        run = record.found[design].run
        assert run.at.shape == (record.found[design].draws, 2)
        again = runs.run(design, source.places[0], drawn, whole=design not in PAIR)
        assert run.at[:, 1].tolist() == list(range(len(run.at)))
        assert again.at.tolist() == [[0, k] for k in range(12)]
    both = paired(record, "group_time", "synthetic_did")
    assert both.draws == 25
    assert both.first == pytest.approx(record.found["group_time"].run.estimate[:25])


def test_places_are_told_apart_and_lost_draws_leave_the_others_theirs(monkeypatch):
    panel = simulation.panel(simulation.simulate(np.repeat([16.0, 18.0], 10), 24, seed=4))
    source = placebos.pool(panel)
    assert len(source.places) > 1
    kept = estimators.attempt
    asked = []

    def sometimes(design, made):
        asked.append(design)
        found = kept(design, made)
        return found if len(asked) % 3 else replace_by_refusal(found)

    monkeypatch.setattr(estimators, "attempt", sometimes)
    record = placebos.calibrate(panel, ("group_time", "synthetic_did"), Draws(70, 60))
    at = record.found["synthetic_did"].run.at
    assert record.found["synthetic_did"].run.lost == 20
    assert len(np.unique(at[:, 0])) == len(source.places)
    assert len(np.unique(at, axis=0)) == len(at) == 40
    both = paired(record, "group_time", "synthetic_did")
    whole = record.found["group_time"].run
    of = {tuple(key): value for key, value in zip(whole.at.tolist(), whole.estimate, strict=True)}
    assert both.first == pytest.approx([of[tuple(key)] for key in at.tolist()])


def replace_by_refusal(found):
    from evalkit.estimate import Refusal

    return Refusal(found.study, found.outcome, found.design, found.title, ("no",))


@pytest.mark.parametrize("missing", [0.0, 0.05])
def test_a_series_in_brief_is_the_whole_one(missing):
    g = np.repeat([16.0, 20.0, np.nan], [6, 6, 28])
    panel = simulation.panel(simulation.simulate(g, 40, missing=missing, seed=3))
    source = placebos.pool(panel)
    place = source.places[0]
    drawn = draw.rollouts(source, place, 4, np.random.default_rng(0), None)
    brief, whole = runs.series(place, drawn), runs.fitted("its", place, drawn)
    for name in ("estimate", "error", "half"):
        assert getattr(brief, name) == pytest.approx(getattr(whole, name), rel=1e-8)
    assert brief.at.tolist() == whole.at.tolist()


def test_rank_reach_and_covariance_by_hand():
    first, second = np.zeros(20), 2.0 * np.arange(1, 21)
    pair = Paired(first, second, np.zeros(20, int), wider=2.0, share=0.5)
    assert pair.differences.tolist() == list(range(1, 21))
    assert pair.rank(-20.0) == 2 / 21
    assert pair.rank(20.5) == pair.resolution == 1 / 21
    assert pair.reach(0.90) == 19.0  # the 19th of 20: 0.90 x 21 = 18.9
    assert pair.rank(pair.reach(0.90)) >= 0.1 > pair.rank(pair.reach(0.90) + 1.1) - 1e-12
    with pytest.raises(DesignError, match="no 99% interval"):
        pair.reach(0.99)
    x, y, place = np.array([1.0, 3, 10, 14]), np.array([2.0, 4, 1, 9]), np.array([0, 0, 1, 1])
    by_place = ((1 - 2) * (2 - 3) + (3 - 2) * (4 - 3) + (10 - 12) * (1 - 5) + (14 - 12) * (9 - 5)) / 2
    assert Paired(x, y, place, 1.0, 0.5).covariance == pytest.approx(by_place * 0.5)


def test_the_series_is_judged_by_both_errors_and_their_covariance():
    panel = shocked(2)
    estimates = [estimators.fit(d, panel) for d in ("group_time", "its")]
    record = placebos.calibrate(panel, ("group_time", "its"), Draws(80, 60))
    row = checks.agreement(estimates, panel, record).data.iloc[1]
    i, g = (record.found[d].run.estimate[:60] for d in ("its", "group_time"))
    s1, s2 = (e.headline["std_error"] for e in estimates)
    c = np.cov(g, i)[0, 1] * 15 / 16
    variance = s1**2 + s2**2 - 2 * min(max(c, 0), s1**2, s2**2)
    df = variance**2 / (s1**4 / estimates[0].headline["df"] + s2**4 / estimates[1].headline["df"])
    d = estimates[1].headline["estimate"] - estimates[0].headline["estimate"]
    assert row["how"] == "errors and draws"
    assert row["error"] == pytest.approx(np.sqrt(variance))
    assert row["p"] == pytest.approx(2 * stats.t.sf(abs(d) / np.sqrt(variance), df))
    assert row["difference_high"] - d == pytest.approx(stats.t.ppf(0.975, df) * np.sqrt(variance))


def verdicts(designs, panels, draws):
    out = []
    for panel in panels:
        record = placebos.calibrate(panel, designs, draws)
        out.append(checks.agreement([estimators.fit(d, panel) for d in designs], panel, record))
    return out


def test_a_shock_that_all_share_is_told_as_such_and_makes_no_difference_of_comparisons():
    (found,) = verdicts(("group_time", "its", "controlled_its"), [shocked(5, shared=0.2, step=3.0)], Draws(60, 40))
    data = found.data.set_index("design")
    assert found.verdict == "concern"
    assert data.loc["its", "p_adjusted"] < 0.05
    assert data.loc["its", "drawn"] == pytest.approx(3.0, abs=1.0)
    assert "what moved every unit" in found.reading
    assert data.loc["controlled_its", "how"] == "draws"
    assert data.loc["controlled_its", "p"] > 0.05


def test_a_real_disagreement_of_comparisons_is_found_by_the_draws():
    """Joined units had been rising before: a difference that keeps its trend takes it out, group-time effects not."""
    panel = shocked(6, shared=0.3)
    rise = 0.25 * panel.rows["t"] * panel.rows["cohort"].notna()
    bent = panel.with_rows(panel.rows.assign(value=panel.rows["value"] + rise, numerator=panel.rows["value"] + rise))
    (found,) = verdicts(("group_time", "controlled_its"), [bent], Draws(60, 60))
    assert found.verdict == "concern"
    assert found.data["p"].iloc[1] == pytest.approx(1 / 61)
    assert found.data["difference_high"].iloc[1] < 0


def rates(designs, draws, seeds, shared):
    found = verdicts(designs, [shocked(seed, shared=shared) for seed in seeds], draws)
    p = np.array([f.data["p"].iloc[1:] for f in found])
    return np.mean([f.verdict == "concern" for f in found]), (p < 0.05).mean(axis=0)


@pytest.mark.slow
def test_designs_seldom_disagree_where_nothing_happened():
    for shared in (0.0, 1.0):
        concern, each = rates(("group_time", "its"), Draws(40, 40), range(60), shared)
        assert max(concern, *each) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 60)


@pytest.mark.slow
@pytest.mark.parametrize("shared", [0.0, 0.3, 1.0])
def test_rates_of_false_alarm(shared):
    concern, each = rates(("group_time", "its", "synthetic_did"), Draws(60, 60), range(200), shared)
    assert max(concern, *each) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 200)


# -- the verdict and what is said --------------------------------------------------------


def test_without_draws_the_reason_is_given():
    panel = shocked(7)
    estimates = [estimators.fit(d, panel) for d in ("group_time", "its")]
    for record, why in (
        (None, "not put to pseudo-collaboratives together"),
        (placebos.calibrate(panel, ("group_time",), Draws(40)), "has no record over draws"),
        (few(placebos.calibrate(panel, ("group_time", "its"), Draws(40, 40))), "19 draws have both"),
        (on_residuals(panel), "drawn anew from residuals"),
    ):
        found = checks.agreement(estimates, panel, record)
        assert found.data["how"].tolist() == ["carries the finding", "overlap only"]
        assert why in found.data["why"].iloc[1]
        assert why in found.reading
        assert np.isnan(found.data["p"].iloc[1])
        assert why in tables.agreement(found).text


def few(record):
    run = record.found["its"].run
    cut = replace(run, **{name: getattr(run, name)[:19] for name in ("estimate", "error", "half", "at")})
    return replace(record, found={**record.found, "its": replace(record.found["its"], run=cut)})


def on_residuals(panel):
    record = placebos.calibrate(panel, ("group_time", "its"), Draws(40, 40))
    return replace(record, source=residuals.resampled(panel))


def test_two_series_of_the_joined_units_are_only_compared_by_overlap():
    panel = shocked(8)
    one = estimators.fit("its", panel)
    found = checks.agreement([one, replace(one, design="its_pooled", title="Pooled")], panel, None)
    assert "both hold what moved every unit" in found.data["why"].iloc[1]


def test_p_values_are_adjusted_for_how_many_designs_there_are(monkeypatch):
    from evalkit.checks import agreement as module
    from evalkit.checks._apart import Apart

    panel = shocked(9)
    one = estimators.fit("group_time", panel)
    made = iter([Apart(0.1, "draws", 1.0, 2.0, 0.03, 1 / 61, 0.0, 60), Apart(0.1, "contributions", 1.0, 2.0, 0.6)])
    check = sys.modules["evalkit.checks.agreement"]
    monkeypatch.setattr(check, "apart", lambda *_: next(made))
    found = module([one, replace(one, design="b", title="B"), replace(one, design="c", title="C")])
    assert found.data["p_adjusted"].tolist()[1:] == [0.06, 0.6]
    assert found.verdict == "inconclusive"
    assert "until the number of designs is allowed for" in found.reading
    assert "can give no p below 0.016" in found.reading


def test_rank_and_shift_do_not_move_with_unit_or_names():
    panel = shocked(10)
    rows = panel.rows.assign(value=7 + 3 * panel.rows["value"], numerator=7 + 3 * panel.rows["value"])
    designs = ("group_time", "its", "controlled_its")
    one, three = verdicts(designs, [panel, panel.with_rows(rows)], Draws(40, 40))
    assert three.data["p"].iloc[1:].tolist() == pytest.approx(one.data["p"].iloc[1:].tolist(), rel=1e-6)
    assert three.data["error"].iloc[1:].tolist() == pytest.approx((3 * one.data["error"].iloc[1:]).tolist(), rel=1e-6)


def test_the_table_escapes_and_lists_every_design():
    panel = shocked(11)
    estimates = [replace(estimators.fit(d, panel), unit="<b>points") for d in PAIR]
    shown = tables.agreement(checks.agreement(estimates, panel))
    assert "<b>points" not in shown.html
    assert estimates[1].title in shown.text
    assert "what units contribute to both" in shown.text
    assert "Fewer than two" in tables.agreement(checks.agreement(estimates[:1], panel)).text
