"""The demonstrations: labelled, rebuilt bit for bit, realistic, and true to their own truth."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from evalkit.errors import RunError
from evalkit.panel import build, build_all
from evalkit.simulate import DEMONSTRATIONS, Demonstration, Simulated, design, run, simulate, truth, waits
from evalkit.simulate.settings import Effect
from evalkit.simulate.write import write
from evalkit.study import load

DATA = Path(__file__).parent.parent / "data"
NAMES = tuple(DEMONSTRATIONS)
WITH_EFFECT = ("uec", "emergency-services-2002")


@cache
def simulated(name: str) -> Simulated:
    return run(DEMONSTRATIONS[name])


@cache
def panels(name: str):
    return build_all(load(DATA / "collaboratives" / f"{name}.yml"))


def committed(name: str) -> dict:
    return json.loads((DATA / "demo" / f"{name}_truth.json").read_text(encoding="utf-8"))


def without_effect(demo: Demonstration) -> Demonstration:
    return replace(demo, measures=tuple(replace(m, effect=Effect()) for m in demo.measures))


def moments(values: np.ndarray) -> dict[str, float]:
    """Spread between and within units and lag-one autocorrelation, by plain pandas."""
    frame = pd.DataFrame(values).rename_axis(index="unit", columns="t")
    rest = frame.sub(frame.mean(axis=1), axis=0)
    rest = rest - rest.mean(axis=0)
    long = rest.melt(ignore_index=False)["value"].sort_index(kind="stable")
    return {
        "mean": frame.to_numpy().mean(),
        "unit_sd": frame.mean(axis=1).std(),
        "within_sd": long.std(),
        "ar1": long.corr(long.groupby("unit").shift()),
    }


# -- the files ------------------------------------------------------------------


def test_rebuilt_byte_for_byte(tmp_path):
    paths = simulate(NAMES, tmp_path)
    assert len(paths) == 3 * len(NAMES)
    for path in paths:
        assert path.read_bytes() == (DATA / "demo" / path.name).read_bytes(), path.name


def test_small_and_plain():
    files = [p for p in (DATA / "demo").iterdir() if not p.name.startswith(".")]
    assert {p.name for p in files} == {
        "README.md",
        *(f"{n}_{e}" for n in NAMES for e in ("panel.csv", "rollout.csv", "truth.json")),
    }
    assert sum(p.stat().st_size for p in files) < 2_500_000
    assert not any(b"\r" in p.read_bytes() for p in files)


@pytest.mark.parametrize("name", NAMES)
def test_everything_says_simulated(name):
    protocol = load(DATA / "collaboratives" / f"{name}.yml").protocol
    assert protocol.simulated
    assert "(simulated demonstration)" in protocol.title
    assert (DATA / "collaboratives" / f"{name}.yml").read_text(encoding="utf-8").startswith("# SIMULATED")
    assert next(iter(committed(name).items()))[1].startswith("SIMULATED")
    rollout = pd.read_csv(DATA / "demo" / f"{name}_rollout.csv", dtype=str)
    assert rollout.iloc[:, 0].str.fullmatch(r"SIM[A-Z]\d{3}").all()
    assert rollout.iloc[:, 1].str.fullmatch(r"Simulated (Trust|Site) \d{3}").all()
    assert rollout["region"].str.fullmatch("Region [A-G]").all()


def test_readme_says_simulated_and_tells_the_truth():
    text = (DATA / "demo" / "README.md").read_text(encoding="utf-8")
    assert "SIMULATED" in text.splitlines()[0]
    for name in NAMES:
        _, units, joined, effect = re.search(rf"\| `({name})` \| (\d+) \| (\d+) \| (\S+) \|", text).groups()
        found = committed(name)
        primary = next(iter(found["true_effects"].values()))
        assert float(effect) == pytest.approx(primary["average_post"], abs=0.005)
        assert int(units) == found["settings"]["units"]
        assert int(joined) == sum(c["units"] for c in primary["by_cohort"])
    waiting = committed("emergency-services-2002")["true_effects"]["within_4h"]["average_post_while_others_wait"]
    artefact = committed("uec")["regression_to_the_mean"]
    assert f"{waiting:+.2f} points" in text
    assert f"{artefact['since_selection_realised']:.2f} points" in text
    assert f"{artefact['since_selection_expected']:.2f}. The seed" in text


def test_unknown_names_are_refused_before_anything_is_written(tmp_path):
    with pytest.raises(RunError, match=r"'nothing'.*use uec, outpatients"):
        simulate(["uec", "nothing"], tmp_path / "new")
    assert not (tmp_path / "new").exists()


# -- the protocols --------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_protocol_builds_and_agrees_with_the_settings(name):
    demo, study = DEMONSTRATIONS[name], load(DATA / "collaboratives" / f"{name}.yml")
    own = [o.name for o in study.protocol.outcomes if o.alternative_to is None]
    declared = [*own, *(m.name for m in study.protocol.case_mix)]
    assert declared == [m.name for m in demo.measures if m.name != "other_within_4h"]  # part of a definition
    assert bool(study.protocol.programmes) == (demo.support is not None)
    assert study.primary.name == demo.measures[0].name
    assert study.protocol.transition.periods == demo.transition
    assert study.protocol.transition.why
    assert study.protocol.entry.selected_on_outcome == (demo.selection is not None)
    assert study.protocol.level == 0.95
    for panel in panels(name).values():
        assert len(panel.units) == demo.units
        sizes = panel.units["cohort"].value_counts().sort_index()
        assert list(sizes) == [w.units for w in demo.waves]
        assert not any("joined in" in warning and "too few" in warning for warning in panel.warnings)


@pytest.mark.parametrize("name", NAMES)
def test_eight_periods_or_more_after_the_last_transition(name):
    demo, panel = DEMONSTRATIONS[name], panels(name)[DEMONSTRATIONS[name].measures[0].name]
    left = len(panel.study.window) - list(panel.study.window).index(panel.cohorts[-1]) - demo.transition
    assert left >= (8 if demo.frequency == "month" else 5)


# -- counts ---------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_counts_are_whole_and_within_their_denominator(name):
    frame = pd.read_csv(DATA / "demo" / f"{name}_panel.csv")
    for measure in DEMONSTRATIONS[name].measures:
        if measure.kind == "mean":
            assert frame[measure.column].dropna().gt(0).all()
            continue
        assert pd.api.types.is_integer_dtype(frame[measure.column])
        assert frame[measure.column].ge(0).all()
        if measure.kind == "share":
            assert (frame[measure.column] <= frame[measure.of]).all()
    if name == "outpatients":
        assert (frame["within_18wk"] + frame["over_52wk"] <= frame["total_incomplete"]).all()


@pytest.mark.parametrize("name", NAMES)
def test_no_expected_value_reaches_its_limits(name):
    for measure in DEMONSTRATIONS[name].measures:
        low, high = (0.0, 100.0) if measure.logit else measure.bounds
        for values in (simulated(name).untreated, simulated(name).treated):
            assert values[measure.name].min() > low
            assert values[measure.name].max() < high


# -- waits around a threshold ---------------------------------------------------


def test_bands_add_up_to_the_columns_they_split():
    frame = pd.read_csv(DATA / "demo" / "uec_panel.csv")
    assert list(frame.columns)[-len(waits.UEC.columns) :] == list(waits.UEC.columns)
    below = [c for c, e in zip(waits.UEC.columns, waits.UEC.edges, strict=True) if e < waits.UEC.threshold]
    assert (frame[below].sum(axis=1) == frame["type1_within_4h"]).all()
    assert (frame[list(waits.UEC.columns)].sum(axis=1) == frame["type1_attendances"]).all()
    assert (frame[list(waits.UEC.columns)] >= 0).all(axis=None)
    assert all(pd.api.types.is_integer_dtype(frame[c]) for c in waits.UEC.columns)
    declared = load(DATA / "collaboratives" / "uec.yml").primary.distribution
    assert declared.columns == waits.UEC.columns
    assert declared.edges.tolist() == list(waits.UEC.edges)
    assert declared.threshold == waits.UEC.threshold


def test_bands_change_no_other_column(monkeypatch):
    monkeypatch.setattr(waits, "WAITS", {})
    bare = run(DEMONSTRATIONS["uec"])
    for column, values in bare.columns.items():
        assert np.array_equal(values, simulated("uec").columns[column])
    assert "distribution" not in truth(bare)


def test_a_law_of_waits_has_the_share_asked_for_and_moves_what_it_says():
    percent, k = np.array([[45.0, 60.0, 90.0]]), np.array([[0.0, 0.3, 0.5]])
    bunched, plain = waits.laws(waits.UEC, percent, k), waits.laws(waits.UEC, percent, 0 * k)
    below = np.array(waits.UEC.edges) < waits.UEC.threshold
    for law in (bunched, plain):
        assert law.shares.sum(axis=0) == pytest.approx(1, abs=1e-12)
        assert 100 * law.shares[below].sum(axis=0) == pytest.approx(percent, abs=1e-9)
    assert bunched.shares[:, 0, 0] == pytest.approx(plain.shares[:, 0, 0])
    assert not plain.moved.any()
    beyond = bunched.shares[5:7].sum(axis=0)
    assert bunched.moved == pytest.approx(beyond * k / (1 - k))


def test_the_truth_of_the_bands_is_that_of_the_outcome():
    found = committed("uec")
    by_band = [band["average_post"] for band in found["distribution"]["by_band"]]
    assert sum(by_band[:5]) == pytest.approx(found["true_effects"]["within_4h"]["average_post"], abs=0.001)
    assert sum(by_band) == pytest.approx(0, abs=0.001)
    text = (DATA / "demo" / "README.md").read_text(encoding="utf-8")
    assert f"{found['distribution']['moved_across_without_joining']:.2f} points" in text
    assert f"adds {found['distribution']['moved_across_added_by_joining']:.2f} points" in text
    joined, post = simulated("uec").joined >= 0, simulated("uec").since >= 3
    since = simulated("uec").since
    with_it, without = (
        waits.pulled(waits.UEC, simulated("uec").settings.seed, since, joining=j) for j in (True, False)
    )
    assert np.array_equal(with_it[~joined], without[~joined])
    assert (with_it - without)[post].max() == pytest.approx(waits.UEC.extra, abs=1e-9)


# -- truth ----------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_effects_are_exactly_zero_where_none_is_declared(name):
    found = committed(name)["true_effects"]
    for measure in DEMONSTRATIONS[name].measures:
        gain = simulated(name).treated[measure.name] - simulated(name).untreated[measure.name]
        assert (measure.effect.size == 0) == (not gain.any()) == (found[measure.name]["average_post"] == 0)
        assert (measure.effect.size == 0) == all(
            step["effect"] == 0 for step in found[measure.name]["by_periods_since_joining"]
        )
    declared = {m.name for m in DEMONSTRATIONS[name].measures if m.effect.size}
    assert declared == ({"within_4h"} if name in WITH_EFFECT else set())


def noise_free_panel(demo: Demonstration, folder: Path):
    """The primary panel of a run without sampling noise, read like any other study."""
    write(run(demo, sampled=False), folder / "demo")
    (folder / "collaboratives").mkdir()
    study = shutil.copy(DATA / "collaboratives" / f"{demo.name}.yml", folder / "collaboratives")
    return build(load(Path(study)))


@pytest.mark.parametrize("name", WITH_EFFECT)
def test_truth_equals_two_noise_free_panels(name, tmp_path):
    demo = DEMONSTRATIONS[name]
    treated = noise_free_panel(demo, tmp_path / "treated").rows
    untreated = noise_free_panel(without_effect(demo), tmp_path / "untreated").rows
    gain = treated["value"] - untreated["value"]
    close = {"abs": 0.003}  # counts are whole numbers
    found = committed(name)["true_effects"]["within_4h"]
    post = treated["phase"].eq("post")
    assert gain[post].mean() == pytest.approx(found["average_post"], **close)
    weighted = np.average(gain[post], weights=treated.loc[post, "denominator"])
    assert weighted == pytest.approx(found["average_post_weighted_by_denominator"], **close)
    assert gain[treated["phase"].ne("pre")].mean() == pytest.approx(found["average_joined"], **close)
    period = treated.index.get_level_values("period")
    for cohort in found["by_cohort"]:
        wave = post & treated["cohort"].eq(pd.Period(cohort["joined"], "M"))
        assert gain[wave].mean() == pytest.approx(cohort["average_post"], **close)
        assert gain[wave & (period == period.max())].mean() == pytest.approx(cohort["at_end"], abs=0.005)
    start = {c: (c - period.min()).n for c in treated["cohort"].dropna().unique()}
    since = treated["t"] - treated["cohort"].map(start, na_action="ignore").astype(float)
    steps = gain.groupby(since).mean()
    for step in found["by_periods_since_joining"]:
        assert steps[step["since"]] == pytest.approx(step["effect"], abs=0.006)
    if treated["cohort"].notna().all():
        waiting = post & (period < treated["cohort"].max())
        assert gain[waiting].mean() == pytest.approx(found["average_post_while_others_wait"], **close)
    else:
        assert found["average_post_while_others_wait"] is None


def test_effect_builds_up_to_three_points():
    steps = [s["effect"] for s in committed("uec")["true_effects"]["within_4h"]["by_periods_since_joining"]]
    assert np.allclose(np.diff(steps[:12]), steps[0], atol=1e-3)
    assert steps[11] == pytest.approx(3.0, abs=0.3)
    gain = simulated("uec").treated["within_4h"] - simulated("uec").untreated["within_4h"]
    assert gain[simulated("uec").joined >= 0, -1].std() == pytest.approx(1.0, abs=0.3)


# -- realism --------------------------------------------------------------------

MOMENTS = {  # what the real series show, and how near the simulated panel must be
    "uec": {"mean": (59.0, 1.0), "unit_sd": (9.0, 0.5), "within_sd": (4.3, 0.2), "ar1": (0.60, 0.05)},
    "outpatients": {"mean": (61.0, 1.0), "unit_sd": (7.0, 0.6), "within_sd": (3.5, 0.6), "ar1": (0.93, 0.03)},
    "frailty": {"mean": (10.5, 0.3), "unit_sd": (1.3, 0.1), "within_sd": (0.6, 0.1), "ar1": (0.40, 0.1)},
}


@pytest.mark.parametrize("name", MOMENTS)
def test_moments_of_the_reported_panel(name):
    reported = run(replace(without_effect(DEMONSTRATIONS[name]), missing=None))
    measure = reported.settings.measures[0]
    values = reported.columns[measure.column]
    values = 100 * values / reported.columns[measure.of] if measure.kind == "share" else values
    found = moments(values)
    for moment, (target, tolerance) in MOMENTS[name].items():
        assert found[moment] == pytest.approx(target, abs=tolerance), moment


@pytest.mark.parametrize("name", NAMES)
def test_realised_moments_in_truth(name):
    for measure in DEMONSTRATIONS[name].measures:
        again = moments(simulated(name).untreated[measure.name])
        for moment, value in committed(name)["realised_moments"][measure.name].items():
            assert again[moment] == pytest.approx(value, rel=0.02), moment


def test_winters_and_strikes_are_shared():
    by_month = panels("uec")["within_4h"].wide().mean()
    month = by_month.index.month
    assert by_month[np.isin(month, [12, 1])].mean() < by_month[np.isin(month, [5, 6, 7, 8])].mean() - 3
    assert by_month["2022-12":"2023-01"].mean() < by_month["2024-12":"2025-01"].mean()
    volume = panels("uec")["within_4h"].wide("denominator").median()
    assert volume.median() == pytest.approx(8_500, rel=0.05)
    assert volume[month == 2].max() < volume[month == 5].min()


def test_poor_trusts_were_selected_and_come_back():
    found, panel = committed("uec")["regression_to_the_mean"], panels("uec")["within_4h"]
    baseline = panel.wide().loc[:, "2023-04":"2024-03"].mean(axis=1)
    gap = baseline[panel.joined].mean() - baseline[panel.never].mean()
    assert gap < -10
    assert gap == pytest.approx(found["baseline_gap_joiners_less_rest"], abs=0.2)
    assert found["since_selection_realised"] == pytest.approx(found["since_selection_expected"], abs=0.3)
    assert found["since_selection_expected"] > found["since_all_before_expected"] > 0.3
    segments = baseline.groupby(panel.units["segment"]).mean()
    assert segments.is_monotonic_decreasing
    assert list(segments.index) == ["1", "2", "3", "4"]
    for other in set(NAMES) - {"uec"}:
        assert committed(other)["regression_to_the_mean"] is None


def test_expected_return_is_the_mean_of_many_draws():
    units, periods, base, starts = 120, 40, np.arange(12, 24), np.array([24, 30])
    spread, realised, expected = (9.0, 4.5, 0.67, 1.5), [], []
    for seed in range(300):
        level = 9.0 * design.normals(seed, "level", (units,))
        series = level[:, None] + design.ar1(design.normals(seed, "within", (units, periods)), 4.5, 0.67)
        score = series[:, base].mean(axis=1) + 1.5 * design.normals(seed, "error", (units,))
        joined = design.lowest_first(score, starts, np.array([20, 20]))
        returned = design.expected_return(score, base, periods, spread)
        realised.append(design.gap_change(series, joined, 3, base))
        expected.append(design.gap_change(returned, joined, 3, base))
    assert np.mean(expected) > 0.9
    assert np.mean(realised) == pytest.approx(np.mean(expected), abs=3 * np.std(realised) / np.sqrt(300))


def test_entry_by_chance_is_not_tied_to_the_baseline():
    for name in set(NAMES) - {"uec"}:
        s = simulated(name)
        first = s.joined[s.joined >= 0].min()
        baseline = s.untreated[s.settings.measures[0].name][:, :first].mean(axis=1)
        early = (s.joined >= 0) & (s.joined <= np.median(s.joined[s.joined >= 0]))
        pooled = baseline.std() * np.sqrt(1 / early.sum() + 1 / (~early).sum())
        assert abs(baseline[early].mean() - baseline[~early].mean()) < 2.5 * pooled


def test_everybody_joins_within_two_years_while_the_nation_rises():
    panel = panels("emergency-services-2002")["within_4h"]
    assert len(panel.never) == 0
    assert len(panel.cohorts) == 6
    assert (panel.cohorts[-1] - panel.cohorts[0]).n < 24
    assert all(30 <= n <= 35 for n in panel.units["cohort"].value_counts())
    nation = panel.over(panel.units.index)["value"]
    published = [("2001-09", "2002-03", 77), ("2002-07", "2002-09", 77), ("2002-10", "2002-12", 78)]
    published += [("2004-04", "2004-06", 94.7), ("2004-07", "2004-09", 95.9), ("2005-04", "2005-06", 98)]
    for first, last, value in published:
        assert nation[first:last].mean() == pytest.approx(value, abs=1.5)
    untreated = simulated("emergency-services-2002").untreated["within_4h"].mean(axis=0)
    assert untreated[-1] - untreated[0] > 15


def test_long_stays_are_reported_less_often():
    s = simulated("frailty")
    gone = np.isnan(s.columns["mean_los_75plus"])
    expected = s.untreated["length_of_stay"]
    assert 0.004 < gone.mean() < 0.012
    assert not gone[:, [0, -1]].any()
    assert expected[gone].mean() > expected[~gone].mean() + 0.3
    assert len(panels("frailty")["length_of_stay"].missing) == gone.sum()


# -- the array functions --------------------------------------------------------


def test_draws_are_standard_normal_and_named():
    draws = design.normals(1, "a", (200, 100))
    assert abs(draws.mean()) < 0.03
    assert draws.std() == pytest.approx(1, abs=0.02)
    assert (np.abs(draws) > 1.96).mean() == pytest.approx(0.05, abs=0.006)
    assert np.array_equal(draws, design.normals(1, "a", (200, 100)))
    for other in (design.normals(1, "b", (200, 100)), design.normals(2, "a", (200, 100))):
        assert abs(np.corrcoef(draws.ravel(), other.ravel())[0, 1]) < 0.03


def test_a_column_more_changes_no_other():
    whole = simulated("uec")
    less = run(replace(whole.settings, measures=whole.settings.measures[:1]))
    for column, values in less.columns.items():
        assert np.array_equal(values, whole.columns[column])
    assert truth(less)["true_effects"]["within_4h"] == truth(whole)["true_effects"]["within_4h"]


def test_autoregression_is_stationary():
    series = design.ar1(design.normals(3, "ar", (4000, 12)), 2.0, 0.7)
    assert np.allclose(series.std(axis=0), 2.0, atol=0.12)
    assert np.corrcoef(series[:, 5], series[:, 6])[0, 1] == pytest.approx(0.7, abs=0.03)
    assert np.corrcoef(series[:, 5], series[:, 7])[0, 1] == pytest.approx(0.49, abs=0.04)


def test_winter_spans_the_turn_of_the_year():
    month, year = np.array([10, 11, 12, 1, 2, 3, 12]), np.array([2022, 2022, 2022, 2023, 2023, 2023, 2023])
    depth = design.winters(month, year, np.array([5.0, -10.0, -2.0]))
    assert depth.tolist() == [0.0, -3.0, -10.0, -8.0, -5.0, 0.0, -2.0]


def test_effects_begin_in_the_period_of_joining():
    since = design.since_joining(np.array([2, design.NEVER]), 6)
    assert since[0].tolist() == [-2, -1, 0, 1, 2, 3]
    assert np.isnan(since[1]).all()
    assert design.ramp(since, 3).tolist() == [[0, 0, 1 / 3, 2 / 3, 1, 1], [0] * 6]


def test_the_lowest_join_first():
    joined = design.lowest_first(np.array([3.0, 1.0, 2.0, 9.0]), np.array([4, 7]), np.array([1, 2]))
    assert joined.tolist() == [7, 4, 7, design.NEVER]


def test_counts_stay_inside_their_limits():
    extreme = np.array([-9.0, 0.0, 9.0])
    assert design.share_count(np.full(3, 20.0), np.array([3.0, 50.0, 97.0]), extreme).tolist() == [0, 10, 20]
    assert design.rate_count(np.full(3, 4.0), extreme).tolist() == [0, 4, 22]
    assert np.allclose(design.percent_of(design.logit(np.array([2.0, 77.0]))), [2.0, 77.0])
