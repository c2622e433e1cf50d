"""Funnels: limits and over-dispersion by hand, refusals, what chance gives, what is said and drawn."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import optimize, stats

from evalkit import periods, plots, spc, tables, workbench
from evalkit.errors import DesignError
from evalkit.estimate import Refusal
from evalkit.report.audit import problems
from evalkit.report.clean import clean_output
from evalkit.spc import unit_limits as kernels
from evalkit.words import charts as words

HOSTILE = "<img src=x onerror=alert(1)>&\"'"
SLUGS = ["uec", "frailty", "outpatients", "emergency-services-2002"]


def page(fragment):
    head = "<!doctype html><html lang='en-GB'><head><title>t</title></head>"
    return f"{head}<body><main><h1>t</h1>{clean_output(fragment)}</main></body></html>"


@pytest.mark.parametrize(("family", "law"), [("binomial", stats.binom), ("poisson", stats.poisson)])
def test_exact_limits_are_interpolated_between_whole_counts(family, law):
    size, centre = np.array([40.0, 333.0]), 0.12
    for level in kernels.LEVELS:
        low, high = kernels.exact(centre, size, family, level)
        for n, ends in zip(size, zip(low, high, strict=True), strict=True):
            for p, end in zip(((1 - level) / 2, (1 + level) / 2), ends, strict=True):
                args = (n, centre) if family == "binomial" else (n * centre,)
                cdf = np.cumsum([law.pmf(k, *args) for k in range(400)])
                r = int(np.argmax(cdf >= p))  # the smallest count whose cumulative probability reaches p
                a = (cdf[r] - p) / law.pmf(r, *args)
                assert end == pytest.approx(max(r - a, 0) / n, abs=1e-9)


def test_over_dispersion_by_hand():
    value, n = (
        np.array([0.20, 0.25, 0.22, 0.31, 0.18, 0.27, 0.24, 0.36]),
        np.array([400.0, 500, 800, 350, 900, 600, 450, 300]),
    )
    centre = float((value * n).sum() / n.sum())
    z = (np.arcsin(np.sqrt(value)) - np.arcsin(np.sqrt(centre))) * 2 * np.sqrt(n)
    np.testing.assert_allclose(kernels.scores(value, n, centre, "binomial"), z)
    ranked = np.sort(z)
    low, high = (
        ranked[0] + 0.7 * (ranked[1] - ranked[0]),
        ranked[6] + 0.3 * (ranked[7] - ranked[6]),
    )  # 10 % of 7 steps
    clipped = np.minimum(np.maximum(z, low), high)
    phi, w = (clipped**2).mean(), 4 * n
    tau2 = (8 * phi - 7) / (w.sum() - (w**2).sum() / w.sum())
    found = kernels.dispersion(z, 1 / np.sqrt(w))
    assert found.phi == pytest.approx(phi)
    assert found.tau == pytest.approx(np.sqrt(tau2))
    q = stats.norm.ppf(0.999)
    middle = np.arcsin(np.sqrt(centre))
    for additive, wide in ((True, np.sqrt(1 / w + tau2)), (False, np.sqrt(phi / w))):
        ends = kernels.widened(centre, n, "binomial", 0.998, found, additive=additive)
        np.testing.assert_allclose(ends, [np.sin(middle - q * wide) ** 2, np.sin(middle + q * wide) ** 2])


def test_units_that_differ_by_chance_need_no_allowance_and_lie_outside_as_often_as_levels_say():
    rng, share = np.random.default_rng(8), 0.3
    outside, tau = np.zeros(2), []
    for _ in range(200):
        n = rng.integers(200, 3000, 80).astype(float)
        value = rng.binomial(n.astype(int), share) / n
        centre = float((value * n).sum() / n.sum())
        for k, level in enumerate(kernels.LEVELS):
            low, high = kernels.exact(centre, n, "binomial", level)
            outside[k] += ((value < low) | (value > high)).mean() / 200
        z = kernels.scores(value, n, centre, "binomial")
        tau.append(kernels.dispersion(z, kernels.errors(n, "binomial"), 0.0).tau)
    assert 0.04 < outside[0] < 0.06
    assert outside[1] < 0.004
    assert np.median(tau) < 0.004


def test_limits_with_the_extremes_drawn_in_leave_more_units_outside_and_it_is_known_how_many():
    z = 50 * np.random.default_rng(2).normal(size=(400, 120))
    phi = [kernels.dispersion(row, np.ones(120)).phi for row in z]
    for level in kernels.LEVELS:
        reach = stats.norm.ppf((1 + level) / 2) * np.sqrt(phi)
        assert (np.abs(z) > reach[:, None]).mean() == pytest.approx(kernels.outside(level), rel=0.1)
    assert kernels.outside(0.95) == pytest.approx(0.106, abs=0.001)
    assert kernels.outside(0.95, 1e-9) == pytest.approx(0.05, abs=1e-6)


@pytest.mark.parametrize("family", ["binomial", "poisson"])
def test_the_variation_between_units_is_found_and_allowed_for(family):
    rng, tau, outside, found = np.random.default_rng(9), 0.05, [], []
    for _ in range(100):
        n = rng.integers(2000, 30000, 120).astype(float)
        true = kernels.back(kernels.transformed(np.array(0.4), family) + rng.normal(0, tau, 120), family)
        count = rng.binomial(n.astype(int), true) if family == "binomial" else rng.poisson(n * true)
        value = count / n
        centre = float(count.sum() / n.sum())
        z = kernels.scores(value, n, centre, family)
        spread = kernels.dispersion(z, kernels.errors(n, family), 0.0)
        low, high = kernels.widened(centre, n, family, 0.95, spread, additive=True)
        found.append(spread.tau)
        outside.append(((value < low) | (value > high)).mean())
    assert np.mean(found) == pytest.approx(tau, rel=0.05)
    assert 0.035 < np.mean(outside) < 0.065


def test_own_intervals_are_those_at_which_the_tail_is_half_of_what_is_left():
    low, high = kernels.own_interval(np.array([7.0]), np.array([50.0]), "binomial", 0.95)
    assert stats.binom.sf(6, 50, low[0]) == pytest.approx(0.025)
    assert stats.binom.cdf(7, 50, high[0]) == pytest.approx(0.025)
    low, high = kernels.own_interval(np.array([7.0]), np.array([50.0]), "poisson", 0.95)
    assert high[0] == pytest.approx(optimize.brentq(lambda u: stats.poisson.cdf(7, 50 * u) - 0.025, 0.01, 2))
    assert stats.poisson.sf(6, 50 * low[0]) == pytest.approx(0.025)
    none, every = (kernels.own_interval(np.array([c]), np.array([20.0]), "binomial", 0.95) for c in (0.0, 20.0))
    assert none[0][0] == 0
    assert every[1][0] == 1


def test_shrinkage_draws_uncertain_units_further():
    figure, size = np.array([0.5, 0.5]), np.array([20.0, 20_000.0])
    value, low, high = kernels.shrunk(figure, size, 0.3, "binomial", 0.05, 0.95)
    keep = 0.05**2 / (0.05**2 + 1 / (4 * size))
    middle, own = np.arcsin(np.sqrt(0.3)), np.arcsin(np.sqrt(0.5))
    np.testing.assert_allclose(value, np.sin(middle + keep * (own - middle)) ** 2)
    assert (low < value).all()
    assert (value < high).all()
    assert abs(value[0] - 0.3) < abs(value[1] - 0.3)
    np.testing.assert_allclose(kernels.shrunk(figure, size, 0.3, "binomial", 0.0, 0.95)[0], 0.3)


def test_counts_of_the_span_are_added_before_they_are_divided():
    panel = workbench.open_case("uec").panel
    before, after = spc.spans(panel)
    assert [periods.label(p) for p in (*before, *after)] == ["2023-04", "2024-03", "2025-03", "2026-02"]
    found = spc.funnel(panel, before)
    unit = found.frame.index[11]
    rows = panel.rows.loc[unit].loc["2023-04":"2024-03"]
    assert len(rows) == 12
    assert found.frame.loc[unit, "value"] == pytest.approx(100 * rows["numerator"].sum() / rows["denominator"].sum())
    assert found.frame.loc[unit, "size"] == rows["denominator"].sum()
    all_rows = panel.rows[panel.rows.index.get_level_values("period").isin(pd.period_range(*before))]
    assert found.centre == pytest.approx(100 * all_rows["numerator"].sum() / all_rows["denominator"].sum())


def test_excluded_periods_do_not_count(make):
    panel = simulated(make, exclude=[{"from": "2018-01", "to": "2018-06", "why": "A strike"}])
    found = spc.funnel(panel, (pd.Period("2018-01", "M"), pd.Period("2018-12", "M")))
    assert (found.frame["size"] == 6 * 1000).all()


def test_a_quarterly_year_has_four_quarters_and_an_early_start_takes_the_first_year():
    panel = workbench.open_case("frailty").panel
    assert [(b - a).n for a, b in spc.spans(panel)] == [3, 3]
    nobody = panel.joining(panel.units["cohort"].where(panel.units["cohort"].isna()))
    assert periods.label(spc.spans(nobody)[0][1]) == "Q4 2012"


def simulated(make, kind="rate", units=8, **changes):
    rng = np.random.default_rng(3)
    named = [f"U{i} {HOSTILE}" for i in range(units)]
    months = [str(p) for p in pd.period_range("2018-01", "2019-12", freq="M")]
    rows = pd.DataFrame(
        [(u, m, rng.poisson(120), 1000) for u in named for m in months], columns=["unit", "period", "y", "n"]
    )
    ratio = {"numerator": "y", "denominator": "n"}
    outcome = {"name": "y", "label": f"L {HOSTILE}", "kind": kind, "better": "lower", "role": "primary",
               **(ratio if kind in ("rate", "proportion") else {"value": "y"})}  # fmt: skip
    rollout = pd.DataFrame({"unit": named, "joined": ["2019-01"] * (units // 2) + [""] * (units - units // 2)})
    return make.panel(rows, rollout, outcomes=[outcome], **changes)


@pytest.mark.parametrize(
    ("kind", "why"), [("continuous", "standard error is not in the data"), ("count", "without a denominator")]
)
def test_without_known_chance_variation_a_funnel_is_refused_with_the_reason(make, kind, why):
    panel = simulated(make, kind)
    refused = spc.attempt(panel, spc.spans(panel)[0])
    assert isinstance(refused, Refusal)
    assert why in repr(refused)
    for shown in (plots.funnel(refused), plots.unit_caterpillar(refused), tables.funnels([refused])):
        assert why in shown.text
        assert "<img src=x" not in shown.html


def test_with_standard_errors_a_mean_has_its_funnel(make):
    panel = simulated(make, "continuous")
    error = pd.Series(np.linspace(1, 4, 8), index=panel.units.index)
    found = spc.funnel(panel, spc.spans(panel)[0], "none", error)
    weight = 1 / error**2
    assert found.centre == pytest.approx((weight * found.frame["value"]).sum() / weight.sum())
    np.testing.assert_allclose(found.frame["high_95"], found.centre + stats.norm.ppf(0.975) * error)
    np.testing.assert_allclose(found.frame["low"], found.frame["value"] - stats.norm.ppf(0.975) * error)
    assert problems(page(plots.funnel(found).html)) == []


def test_four_units_are_too_few(make):
    panel = simulated(make, units=4)
    with pytest.raises(DesignError, match="4 units with a figure in January 2018 to December 2018"):
        spc.funnel(panel, spc.spans(panel)[0])


def test_more_patients_everywhere_leave_places_as_they_are_and_order_is_no_matter(make):
    panel = simulated(make)
    one = spc.funnel(panel, spc.spans(panel)[0])
    turned = spc.funnel(panel.with_rows(panel.rows.iloc[::-1]), spc.spans(panel)[0])
    pd.testing.assert_frame_equal(one.frame, turned.frame)


@pytest.mark.parametrize("slug", SLUGS)
def test_every_demonstration_has_its_funnels_or_the_reason(slug):
    case = workbench.open_case(slug)
    for outcome in case.study.protocol.outcomes:
        found = workbench.open_case(slug, outcome.name).funnels()
        assert len(found) == 2
        for one in found:
            assert isinstance(one, Refusal) == (outcome.kind == "continuous")
            for shown in (plots.funnel(one), plots.unit_caterpillar(one, shrinkage=True), tables.funnels(found)):
                assert problems(page(shown.html)) == []


def test_what_is_said_of_a_funnel():
    case = workbench.open_case("uec")
    found = case.funnels()[0]
    said = " ".join(words.funnel(found))
    assert "120 units, April 2023 to March 2024" in said
    assert "outside the 95% limits, where about 13 would be if units differed as a normal distribution has it" in said
    assert "a reason to look, not a judgement" in said
    alone = " ".join(words.funnel(case.funnels("none")[0]))
    assert "No allowance is made for over-dispersion" in alone
    assert "where about 6 would be by chance" in alone
    assert "what changed it" in tables.funnels([found]).text
    assert (spc.funnel(case.panel, found.span, "none").frame["place"].ne("within the limits").sum()) > 100


def test_figures_escape_names_and_repeat(make):
    panel = simulated(make)
    found = spc.funnel(panel, spc.spans(panel)[0])
    for draw in (plots.funnel, plots.unit_caterpillar, lambda f: tables.funnels([f])):
        html = draw(found).html
        assert "<img src=x" not in html
        assert html == draw(found).html
