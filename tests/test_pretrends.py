"""What could the look before joining have missed, and do the checks about parallel trends say it rightly?"""

from __future__ import annotations

import dataclasses
import json
import math
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from conftest import REFERENCE
from drawings import drawing
from scipy import stats

from evalkit import checks, estimators, inference, numbers, plots
from evalkit.checks._path import around
from evalkit.errors import DesignError
from evalkit.estimate import EVENTS, Estimate, Refusal, framed, restore
from evalkit.inference import honest
from evalkit.inference.pretrends import detectable_slope, power_against
from evalkit.inference.rectangle import inside

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
import did_panels as simulation

REFUSED = Refusal("s", "y", "group_time", "Group-time effects", ("No unit joined.",))
PUBLISHED = json.loads((REFERENCE / "pretrends_he_wang.json").read_text("utf-8"))
ROTH = honest.consecutive(PUBLISHED["beta"], PUBLISHED["sigma"], 3)
MEAN = np.full(4, 0.25)


def correlated(k, rho=0.5):
    return rho ** np.abs(np.subtract.outer(np.arange(k), np.arange(k)))


# -- probabilities of boxes --------------------------------------------------------------------


def test_independent_variables_multiply():
    mean, sd, limit = np.array([0.3, -1.0, 0.0]), np.array([1.0, 2.0, 0.5]), np.array([1.0, 3.0, 0.4])
    found, within = inside(mean, np.diag(sd**2), limit)
    cut = [stats.truncnorm((-b - m) / s, (b - m) / s, m, s) for m, s, b in zip(mean, sd, limit, strict=True)]
    each = stats.norm.cdf(limit, mean, sd) - stats.norm.cdf(-limit, mean, sd)
    assert found == pytest.approx(each.prod(), rel=1e-12)
    assert within == pytest.approx([c.mean() for c in cut], abs=1e-6)


def test_two_variables_agree_with_numerical_integration():
    covariance, mean, limit = np.array([[1.0, 0.8], [0.8, 2.0]]), np.array([0.4, -0.3]), np.array([1.5, 1.0])
    x = np.linspace(-1.5, 1.5, 20_001)
    centre, sd = mean[1] + 0.8 * (x - mean[0]), math.sqrt(2 - 0.64)
    density = stats.norm.pdf(x, mean[0]) * (stats.norm.cdf((1 - centre) / sd) - stats.norm.cdf((-1 - centre) / sd))
    total = np.trapezoid(density, x)
    found, within = inside(mean, covariance, limit)
    assert found == pytest.approx(total, abs=2e-5)
    assert within[0] == pytest.approx(np.trapezoid(x * density, x) / total, abs=5e-5)


@pytest.mark.parametrize("df", [math.inf, 9.0])
def test_a_box_in_many_dimensions_agrees_with_simulation(df):
    k, draws = 11, 400_000
    covariance = np.cumsum(np.cumsum(correlated(k), axis=0), axis=1)  # differences from a common base: alike
    mean = 0.15 * np.arange(1, k + 1) * np.sqrt(np.diag(covariance)) / 3
    limit = stats.t.ppf(0.975, df) * np.sqrt(np.diag(covariance))
    rng = np.random.default_rng(5)
    x = mean + rng.standard_normal((draws, k)) @ np.linalg.cholesky(covariance).T
    stretch = np.ones(draws) if math.isinf(df) else np.sqrt(rng.chisquare(df, draws) / df)
    held = (np.abs(x) <= limit * stretch[:, None]).all(axis=1)
    found, within = inside(mean, covariance, limit, df)
    assert found == pytest.approx(held.mean(), abs=4 * math.sqrt(0.25 / draws))
    error = x[held].std(axis=0) / math.sqrt(held.sum())
    assert (np.abs(within - x[held].mean(axis=0)) < 4.5 * error).all()


def test_a_box_is_the_same_every_time_and_refuses_a_singular_covariance():
    args = np.array([0.2, 0.1]), correlated(2), np.ones(2)
    assert inside(*args)[0] == inside(*args)[0]
    with pytest.raises(DesignError, match="too few clusters"):
        inside(np.zeros(2), np.ones((2, 2)), np.ones(2))


# -- power of the test before joining ------------------------------------------------------------


def test_the_published_slope():
    """The package's integral is randomised; ours agrees with a second implementation (0.05206645) to 1e-6."""
    found = detectable_slope(ROTH, MEAN, 0.5)
    assert found.slope == pytest.approx(PUBLISHED["published"]["slope_50"], rel=2e-4)
    assert found.slope == pytest.approx(0.05206645, rel=1e-6)
    assert found.power == pytest.approx(0.5, abs=1e-8)
    assert found.bias == pytest.approx(2.5 * found.slope)


def test_the_published_power_and_means_after_the_test():
    published = PUBLISHED["published"]
    departures = published["slope_50"] * ROTH.before
    power, given = power_against(ROTH, departures)
    false_alarm, still = power_against(ROTH, 0.0 * departures)
    assert power == pytest.approx(published["power"], abs=1e-4)
    assert (1 - power) / (1 - false_alarm) == pytest.approx(published["bayes_factor"], abs=2e-4)
    assert given == pytest.approx(published["mean_after_pretesting"][:3], abs=4e-6)
    assert still == pytest.approx([0, 0, 0], abs=2e-6)
    for j, expected in enumerate(published["mean_after_pretesting"][3:]):
        found = detectable_slope(ROTH, np.eye(4)[j], 0.5)
        assert found.bias_passed == pytest.approx(expected, rel=3e-4)  # the slope differs by 1.5e-4


@pytest.mark.parametrize("df", [math.inf, 20.0])
def test_the_joint_test_has_the_power_it_states(df):
    found = detectable_slope(ROTH, MEAN, 0.8, test="joint", df=df)
    rng, draws = np.random.default_rng(3), 40_000
    delta = found.slope * np.concatenate([ROTH.before, ROTH.after])
    beta = delta + rng.standard_normal((draws, 7)) @ np.linalg.cholesky(ROTH.sigma).T
    if math.isinf(df):
        drawn = np.broadcast_to(ROTH.sigma[:3, :3], (draws, 3, 3))
    else:
        drawn = stats.wishart(20, ROTH.sigma[:3, :3] / 20).rvs(draws, random_state=4)
    statistic = np.einsum("ni,nij,nj->n", beta[:, :3], np.linalg.inv(drawn), beta[:, :3])
    left = df - 2
    p_value = stats.chi2.sf(statistic, 3) if math.isinf(df) else stats.f.sf(statistic * left / (3 * df), 3, left)
    passed = p_value >= 0.05
    assert 1 - passed.mean() == pytest.approx(0.8, abs=0.008)  # four standard errors
    after = beta[passed][:, 3:] @ MEAN
    assert found.bias_passed == pytest.approx(after.mean(), abs=4 * after.std() / math.sqrt(passed.sum()))


def test_slopes_follow_the_scale_and_grow_with_power_and_few_clusters():
    half, usual = (detectable_slope(ROTH, MEAN, power).slope for power in (0.5, 0.8))
    scaled = honest.consecutive(10 * ROTH.beta, 100 * ROTH.sigma, 3)
    assert detectable_slope(scaled, MEAN, 0.5).slope == pytest.approx(10 * half, rel=1e-8)
    assert usual > half
    assert detectable_slope(ROTH, MEAN, 0.5, df=6).slope > half
    for test in ("any", "joint"):
        assert detectable_slope(ROTH, MEAN, 0.5, test=test, size=0.1).slope < detectable_slope(
            ROTH, MEAN, 0.5, test=test
        ).slope  # fmt: skip


def test_what_has_no_power_is_refused():
    with pytest.raises(DesignError, match="no coefficients before"):
        detectable_slope(honest.consecutive(np.ones(2), np.eye(2), 0), np.ones(2), 0.5)
    with pytest.raises(DesignError, match="no departure at all"):
        detectable_slope(ROTH, MEAN, 0.1)
    with pytest.raises(DesignError, match="degrees of freedom"):
        detectable_slope(ROTH, MEAN, 0.5, test="joint", df=2)
    with pytest.raises(DesignError, match="power"):
        detectable_slope(ROTH, MEAN, 1.0)


# -- changes and long differences ----------------------------------------------------------------


@pytest.fixture
def both(reference):
    def fitted(comparison):
        varying, universal = (
            estimators.fit("group_time", reference("did_stag_small", comparison=comparison, model=model))
            for model in ({}, {"group_time": {"base": "universal"}})
        )
        assert (varying.base, universal.base) == ("varying", "universal")
        return varying, universal

    return fitted


def test_summed_changes_are_the_universal_base_where_the_same_waves_are_seen(both):
    varying, universal = both("never_joined")
    one, other = around(varying), around(universal)
    times = list(one.coefficients.before)
    assert times == list(other.coefficients.before)
    for k in (-3, -2, -1):  # from three periods before the base on all three waves are seen
        i = times.index(k)
        assert one.coefficients.beta[i] == pytest.approx(other.coefficients.beta[i], rel=1e-9)
        assert one.coefficients.sigma[i, i] == pytest.approx(other.coefficients.sigma[i, i], rel=1e-9)
        # and together with what comes after
        assert one.coefficients.sigma[i, -1] == pytest.approx(other.coefficients.sigma[i, -1], rel=1e-8)
    assert one.coefficients.beta[0] != pytest.approx(other.coefficients.beta[0], rel=0.1)  # one wave alone


def test_against_units_not_yet_joined_the_comparison_changes_with_the_base(both):
    varying, universal = both("not_yet_joined")
    one, other = around(varying).coefficients, around(universal).coefficients
    k = list(one.before).index(-3)
    assert one.beta[k] != pytest.approx(other.beta[k], rel=0.05)  # the same waves, but others to compare with
    assert one.beta[k] == pytest.approx(other.beta[k], abs=one.sigma[k, k] ** 0.5 / 4)
    assert one.beta[k + 1 :] == pytest.approx(other.beta[k + 1 :], rel=1e-9)


def test_the_base_is_stored_and_restored(both):
    varying, universal = both("never_joined")
    for estimate in (varying, universal):
        stored = json.loads(json.dumps(estimate.store(), allow_nan=False))
        assert restore(stored, "month").base == estimate.base
    old = {key: value for key, value in varying.store().items() if key != "base"}
    assert restore(old, "month").base == "universal"


# -- the path that the checks look at ---------------------------------------------------------------


def estimate(times, values=None, *, phase=None, covariance=None, **changes):
    """An Estimate with these events; by default a clear effect after joining and small differences before."""
    times = list(times)
    if values is None:
        values = [0.1 * (-1) ** k if k < 0 else 3.0 for k in times]
    covariance = 0.04 * (np.eye(len(times)) + 1) if covariance is None else covariance
    rows = []
    for k, value, variance in zip(times, values, np.diag(covariance), strict=True):
        row = inference.term(f"at {k}", value, math.sqrt(variance), 60, 0.95)
        where = phase(k) if phase else "pre" if k < 0 else "post"
        rows.append({**row, "event_time": k, "phase": where, "units": 9})
    head = pd.DataFrame([inference.term("effect", 3.0, 0.3, 60, 0.95)])
    made = Estimate(
        "s", "y", "Outcome", "group_time", "A design", "estimand", "assumption", "points", 0.95, head, {}, "method",
        events=framed(rows, EVENTS), covariance=covariance,
    )  # fmt: skip
    return dataclasses.replace(made, **changes)


SPAN = [*range(-9, -1), *range(6)]


def test_the_path_is_cut_at_gaps_and_at_its_limits():
    assert list(around(estimate(SPAN)).coefficients.before) == list(range(-8, 0))
    gap = [k for k in SPAN if k != -6]
    assert list(around(estimate(gap)).coefficients.before) == [-4, -3, -2, -1]
    long = around(estimate([*range(-30, -1), *range(40)]))
    assert (long.coefficients.p, len(long.coefficients.after)) == (12, 24)
    assert "16 later ones are not judged" in long.left_out
    after_gap = around(estimate([*range(-9, -1), 0, 1, 4, 5]))
    assert list(after_gap.coefficients.after) == [1, 2, 5, 6]


def test_with_varying_base_a_change_across_a_gap_is_not_one():
    times = [*range(-9, -5), *range(-3, 4)]
    found = around(estimate(times, base="varying"))
    assert list(found.coefficients.before) == [-2, -1]  # the change at -3 is from -6
    whole = around(estimate(range(-9, 4), base="varying"))
    assert list(whole.coefficients.before) == list(range(-9, 0))
    assert whole.coefficients.beta[8] == pytest.approx(0.1)  # minus the change at -1


def test_transition_and_anticipation_are_on_the_path_but_in_no_average():
    kept = around(estimate(SPAN, phase=lambda k: "pre" if k < 0 else "transition" if k < 2 else "post"))
    assert list(kept.weights) == pytest.approx([0, 0, 0.25, 0.25, 0.25, 0.25])
    ahead = around(estimate([*range(-9, -3), *range(-2, 6)], anticipation=2))
    assert ahead.base == -3
    assert list(ahead.coefficients.after[:3]) == [1, 2, 3]
    assert list(ahead.weights[:3]) == pytest.approx([0, 0, 1 / 6])


REASONS = {
    "refused": (REFUSED, "was not computed"),
    "no events": (lambda: estimate(SPAN, events=framed([], EVENTS), covariance=np.empty((0, 0))), "no effects by"),
    "for comparison": (lambda: estimate(SPAN, comparison_only=True), "for comparison"),
    "nothing before": (lambda: estimate(range(6)), "no effects before joining"),
    "gap at the base": (lambda: estimate([-4, -3, 0, 1]), "gap"),
    "base estimated": (lambda: estimate(range(-4, 4)), "itself among the effects"),
    "one change over a gap": (lambda: estimate([-6, -5, -1, 0, 1], base="varying"), "no change up to it"),
    "nothing judged": (lambda: estimate(SPAN, phase=lambda k: "pre" if k < 0 else "transition"), "in the average"),
}


@pytest.mark.parametrize("case", REASONS)
@pytest.mark.parametrize("check", [checks.sensitivity_bounds, checks.pretrend_power])
def test_what_has_no_path_is_not_applicable_with_the_reason(check, case):
    made, reason = REASONS[case]
    if case == "no events":
        empty = dataclasses.replace(estimate(SPAN), events=framed([], EVENTS), covariance=np.empty((0, 0)))
        found = check(empty)
    else:
        found = check(made if isinstance(made, Refusal) else made())
    assert found.verdict == "not applicable"
    assert reason in found.reading
    assert found.value is None
    assert found.data.empty


# -- sensitivity bounds ------------------------------------------------------------------------------


def test_the_bounds_reassure_only_when_the_worst_seen_would_not_overturn_it():
    found = checks.sensitivity_bounds(estimate([*range(-9, -1), 0, 1]))
    assert found.verdict == "reassuring"
    assert found.value >= 1
    assert f"more than {found.value:.2f} times the worst seen" in found.reading
    noisy = estimate([*range(-9, -1), 0, 1], [*np.tile([1.0, -1.0], 4), 3.0, 3.0])
    middle = checks.sensitivity_bounds(noisy)
    assert (middle.verdict, middle.value < 1) == ("inconclusive", True)
    long = checks.sensitivity_bounds(estimate([*range(-9, -1), *range(6)], [*np.tile([1.0, -1.0], 4), *[3.0] * 6]))
    assert long.verdict == "concern"
    assert long.value < 0.5


def test_an_interval_that_holds_zero_has_no_breakdown_value():
    found = checks.sensitivity_bounds(estimate(SPAN, [0.1 * (-1) ** k for k in SPAN]))
    assert (found.verdict, found.value) == ("inconclusive", 0.0)
    assert "holds zero even if trends were exactly parallel" in found.reading
    assert found.data["breakdown"].isna().all()


def test_few_changes_before_joining_do_not_reassure():
    strong = estimate([-3, -2, 0], [0.01, -0.01, 40.0])
    found = checks.sensitivity_bounds(strong)
    assert found.verdict == "inconclusive"
    assert found.value == 5.0
    assert "5 times" in found.reading
    assert "say little" in found.reading


def test_the_bounds_start_from_the_estimates_own_interval():
    made = estimate(SPAN)
    found = checks.sensitivity_bounds(made)
    own = inference.term("mean", 3.0, math.sqrt(0.04 / 6 + 0.04), 60, 0.95)
    parallel = found.data[found.data["kind"].eq("parallel")].iloc[0]
    assert [parallel["low"], parallel["high"]] == pytest.approx([own["low"], own["high"]], rel=1e-9)
    relative = found.data[found.data["kind"].eq("relative")]
    assert list(relative["mbar"]) == [0.25 * i for i in range(1, 9)]
    assert (relative["low"].diff().dropna() < 0).all()
    assert found.data["kind"].eq("line").sum() == 1


def test_lines_that_bend_stand_beside_the_straight_one():
    made = estimate(SPAN)
    found = checks.sensitivity_bounds(made)
    line, bent = (found.data[found.data["kind"].eq(kind)] for kind in ("line", "smooth"))
    assert (line["mbar"].item(), line["m"].item()) == (0.0, 0.0)
    assert list(bent["mbar"]) == [0.5, 1.0]
    assert list(bent["m"]) == pytest.approx([0.2, 0.4])  # the differences before joining go from -0.1 to 0.1 and back
    lengths = [*(line["high"] - line["low"]), *(bent["high"] - bent["low"])]
    assert (np.diff(lengths) > 0).all()
    low, high = bent[["low", "high"]].iloc[1]
    assert f"up to all of it, {numbers.interval(low, high, 2)}." in found.reading


def test_without_a_whole_last_block_there_are_no_bends():
    made = estimate([*range(-24, -1), *range(9)], covariance=0.2 * (np.eye(32) + 1))
    found = checks.sensitivity_bounds(made, block=6)
    assert "line" in set(found.data["kind"])
    assert "smooth" not in set(found.data["kind"])
    assert "largest bend" not in found.reading


@pytest.mark.parametrize(("sign", "word"), [("positive", "upward"), ("negative", "downward")])
def test_a_known_side_is_shown_and_decides_nothing(sign, word):
    for made in (estimate(SPAN), estimate([*range(-9, -1), 0, 1])):
        plain, sided = checks.sensitivity_bounds(made), checks.sensitivity_bounds(made, sign=sign)
        assert (sided.verdict, sided.value) == (plain.verdict, plain.value)
        assert sided.reading.startswith(plain.reading)
        assert f"If trends parted only {word}" in sided.reading
        assert "which the verdict does not use" in sided.reading
        assert set(plain.data["sign"]) == {"any"}
        pd.testing.assert_frame_equal(sided.data[sided.data["sign"].eq("any")].reset_index(drop=True), plain.data)
        extra = sided.data[sided.data["sign"].eq(sign)]
        assert list(extra["mbar"]) == list(plain.data.loc[plain.data["kind"].eq("relative"), "mbar"])
        free = plain.data[plain.data["kind"].eq("relative")]
        end, turn = ("high", 1) if sign == "positive" else ("low", -1)
        tighter = turn * (free[end].to_numpy() - extra[end].to_numpy())
        assert (tighter[1:] > 0).all()
        assert tighter[0] > -0.02  # 0.05 standard errors, where next to nothing is allowed


@pytest.mark.parametrize(("better", "sign"), [("higher", "positive"), ("lower", "negative")])
def test_selection_on_the_outcome_shows_the_side_of_regression_to_the_mean(reference, better, sign):
    def asked(selected):
        entry = {"rule": "The worst eight", "selected_on_outcome": selected}
        outcome = {"name": "y", "label": "Y", "kind": "continuous", "value": "y", "better": better}
        panel = reference("did_2x2", entry=entry, outcomes=[{**outcome, "role": "primary", "report": "points"}])
        return checks.sensitivity_bounds(estimate(SPAN), panel)

    found = asked(True)
    assert set(found.data["sign"]) == {"any", sign}
    assert "selected because results were poor" in found.reading
    assert set(asked(False).data["sign"]) == {"any"}


def test_bounds_by_blocks_are_less_at_the_mercy_of_single_periods():
    made = estimate([*range(-24, -1), *range(24)], covariance=0.2 * (np.eye(47) + 1))
    single, blocks = checks.sensitivity_bounds(made), checks.sensitivity_bounds(made, block=6)
    assert single.value < blocks.value
    assert "mean of 6 periods" in blocks.reading
    assert checks.sensitivity_bounds(made, block=20).verdict == "not applicable"


def test_a_change_of_sign_or_scale_leaves_the_verdict_alone():
    made = estimate(SPAN)
    times = list(SPAN)
    for factor in (-1.0, 100.0):
        other = estimate(times, factor * made.events["estimate"].to_numpy(), covariance=factor**2 * made.covariance)
        for check in (checks.sensitivity_bounds, checks.pretrend_power):
            assert check(other).verdict == check(made).verdict
            assert check(other).value == pytest.approx(check(made).value, rel=1e-6)


# -- power of the look before joining ------------------------------------------------------------------


def test_a_missed_trend_that_explains_everything_is_a_concern():
    sharp = checks.pretrend_power(estimate([*range(-9, -1), 0, 1], covariance=0.001 * (np.eye(10) + 1)))
    assert sharp.verdict == "reassuring"
    assert sharp.value < 0.5
    blunt = checks.pretrend_power(estimate([*range(-9, -1), *range(20)], covariance=0.5 * (np.eye(28) + 1)))
    assert blunt.verdict == "concern"
    assert blunt.value > 1
    assert "does not rule out a trend" in blunt.reading
    nothing = checks.pretrend_power(estimate(SPAN, [0.1 * (-1) ** k for k in SPAN]))
    assert nothing.verdict == "inconclusive"


def test_the_share_is_that_of_the_sharper_test_on_the_periods_of_parallel_trends():
    made = estimate(SPAN)
    found = checks.pretrend_power(made)
    cut = [k >= -6 for k in SPAN]
    rows = np.flatnonzero(cut)
    nearest = honest.Coefficients(
        made.events["estimate"].to_numpy()[rows],
        made.covariance[np.ix_(rows, rows)],
        np.arange(-5, 0),
        np.arange(1, 7),
    )
    slopes = [detectable_slope(nearest, np.full(6, 1 / 6), 0.5, test=test, df=60) for test in ("any", "joint")]
    best = min(slopes, key=lambda s: s.slope)
    assert found.value == pytest.approx(best.bias / 3.0, rel=1e-9)
    assert list(found.data["event_time"]) == [-6, -5, -4, -3, -2, -1]
    assert found.data["line_50"].iloc[0] == pytest.approx(-5 * best.slope, rel=1e-9)
    assert (found.data["line_80"].abs() >= found.data["line_50"].abs()).all()
    falling = checks.pretrend_power(estimate(SPAN, -made.events["estimate"].to_numpy()))
    assert falling.data["line_50"].iloc[0] == pytest.approx(5 * best.slope, rel=1e-9)


def test_the_joint_test_is_the_same_for_changes_and_long_differences():
    changes = estimate(range(-6, 4), base="varying")
    beta, sigma = honest.long_differences(changes.events["estimate"].to_numpy(), changes.covariance, 6)
    long = estimate([*range(-7, -1), *range(4)], beta, covariance=sigma)
    one = inference.wald(changes.events["estimate"].to_numpy()[:6], changes.covariance[:6, :6], 60)
    other = inference.wald(beta[:6], sigma[:6, :6], 60)
    assert one[0] == pytest.approx(other[0], rel=1e-9)
    assert checks.sensitivity_bounds(changes).value == checks.sensitivity_bounds(long).value


def test_the_figure_of_the_bounds_tells_the_sides_and_the_bends_apart():
    plain, sided = (checks.sensitivity_bounds(estimate(SPAN), sign=sign) for sign in ("any", "negative"))
    html = plots.sensitivity_bounds(sided).html
    assert html.count("times the worst seen, downward only") == 8
    assert html.count("times the largest bend seen") == 2
    assert "downward only" not in plots.sensitivity_bounds(plain).html
    few = checks.sensitivity_bounds(estimate([-2, 0, 1], [0.1, 3.0, 3.0]))  # one period before the base: no bend
    assert "bending by" not in plots.sensitivity_bounds(few).html


# -- the real road, and the figures -----------------------------------------------------------------------


@pytest.mark.parametrize("design", ["group_time", "event_study"])
def test_the_checks_take_an_estimate_as_it_comes(reference, design):
    found = estimators.fit(design, reference("did_2x2"))
    bounds, power = checks.sensitivity_bounds(found), checks.pretrend_power(found)
    assert bounds.verdict in {"reassuring", "inconclusive", "concern"}
    assert 0 <= bounds.value <= 5
    assert power.value > 0
    for check in (bounds, power):
        assert check.design == design
        json.dumps(check._repr_mimebundle_()[1], allow_nan=False)


def test_with_one_wave_both_designs_give_the_same_answer(reference):
    """One wave, never-joined comparison: group-time changes add up to the event study's coefficients. Their
    errors differ by the event study's small-sample factor, the degrees of freedom do not."""
    panel = reference("did_2x2", comparison="never_joined")
    one, other = (around(estimators.fit(design, panel)) for design in ("group_time", "event_study"))
    assert one.coefficients.beta == pytest.approx(other.coefficients.beta, rel=1e-7, abs=1e-9)
    ratio = one.coefficients.sigma / other.coefficients.sigma
    assert ratio == pytest.approx(ratio[0, 0], rel=1e-6)


@pytest.mark.parametrize("name", ["sensitivity_bounds", "pretrend_power"])
def test_a_figure_has_alt_text_its_data_and_the_same_bytes(name):
    check = getattr(checks, name)(estimate(SPAN))
    first, second = (getattr(plots, name)(check) for _ in range(2))
    assert first.html == second.html
    assert check.reading in first.payload["figure"]["alt"]
    assert first.html.count("<tr>") == len(check.data) + 1
    drawn = drawing(first.html)
    assert ElementTree.fromstring(drawn).tag.endswith("svg")  # noqa: S314 - our own drawing
    assert len(drawn) < 20_000
    refused = getattr(plots, name)(getattr(checks, name)(REFUSED))
    assert "No unit joined" in refused.text


@pytest.mark.parametrize("joined", [3, 8, 14])
def test_with_few_joined_units_a_flat_course_is_rarely_called_another(joined):
    """The joint test by all clusters would call half of these a concern."""
    concerns = {"group_time": 0, "imputation": 0}
    for seed in range(20):
        random = np.random.default_rng(seed)
        Y = 50 + 5 * random.normal(size=(60, 1)) + 4 * simulation.ar1(random, (60, 30), 0.6)
        panel = simulation.panel(simulation.Simulated(Y, np.where(np.arange(60) < joined, 20.0, np.nan)))
        for design in concerns:
            concerns[design] += checks.parallel_trends(estimators.fit(design, panel)).verdict == "concern"
    assert max(concerns.values()) <= 4


def test_few_joined_units_on_a_course_of_their_own_are_found():
    random = np.random.default_rng(1)
    Y = 50 + 5 * random.normal(size=(60, 1)) + simulation.ar1(random, (60, 30), 0.3)
    Y[:5] += 3 * np.arange(30)
    panel = simulation.panel(simulation.Simulated(Y, np.where(np.arange(60) < 5, 20.0, np.nan)))
    found = checks.parallel_trends(estimators.fit("imputation", panel))
    assert found.verdict == "concern"
    assert "with 5 joined units each alone on 4 degrees of freedom" in found.reading
