"""Intervals and variances against independent computations."""

from __future__ import annotations

import math

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from evalkit import inference
from evalkit.errors import DesignError
from evalkit.inference.wild_cluster import wild

FINITE = st.floats(-1e6, 1e6, allow_nan=False)
POSITIVE = st.floats(1e-3, 1e6)


@given(FINITE, POSITIVE, st.integers(1, 200), st.sampled_from([0.8, 0.9, 0.95, 0.99]))
@settings(deadline=None)
def test_a_term_is_the_interval_and_p_value_of_scipy(estimate, error, df, level):
    row = inference.term("x", estimate, error, df, level)
    low, high = stats.t.interval(level, df, loc=estimate, scale=error)
    assert [row["low"], row["high"]] == pytest.approx([low, high], rel=1e-10, abs=1e-9 * error)
    assert row["p_value"] == pytest.approx(2 * (1 - stats.t.cdf(abs(estimate) / error, df)), rel=1e-6, abs=1e-12)
    assert (row["p_value"] < 1 - level) == (row["low"] > 0 or row["high"] < 0)


def test_a_ratio_beyond_what_a_number_holds_is_refused():
    row = inference.ratio("r", 1.0, 2.0, 20.0, 0.95, unit="per cent")
    assert row["low"] == pytest.approx(100 * (np.exp(1 - 2 * stats.t.ppf(0.975, 20)) - 1))
    with pytest.raises(DesignError, match="too wide to be given as a ratio"):
        inference.ratio("r", 1.0, 400.0, 20.0, 0.95, unit="per cent")


def test_infinite_degrees_of_freedom_are_the_normal_distribution():
    row = inference.term("x", 1.0, 0.5, math.inf, 0.95)
    assert [row["low"], row["high"]] == pytest.approx(stats.norm.interval(0.95, 1.0, 0.5))
    assert row["p_value"] == pytest.approx(2 * stats.norm.sf(2.0))


@pytest.mark.parametrize(
    ("estimate", "error", "df", "scale"),
    [
        (1.0, 0.0, 5, 0.0),
        (1.0, math.nan, 5, 0.0),
        (1.0, math.inf, 5, 0.0),
        (math.nan, 1.0, 5, 0.0),
        (1.0, 1e-12, 5, 0.0),
        (1e-15, 1e-15, 5, 50.0),
        (0.0, 0.0, 5, 0.0),
        (1.0, 1.0, 0, 0.0),
        (1.0, 1.0, -1, 0.0),
        (1.0, 1.0, math.nan, 0.0),
    ],
)
def test_what_cannot_be_computed_is_refused(estimate, error, df, scale):
    with pytest.raises(DesignError):
        inference.term("effect", estimate, error, df, 0.95, scale=scale)


@pytest.mark.parametrize("size", [1e-12, 1e-9, 1.0, 1e9, 1e12])
def test_a_term_follows_the_scale_of_the_outcome(size):
    row, plain = (inference.term("x", 3 * s, 0.2 * s, 7, 0.95, scale=50 * s) for s in (size, 1.0))
    assert row["low"] == pytest.approx(size * plain["low"], rel=1e-12)
    assert row["p_value"] == pytest.approx(plain["p_value"], rel=1e-10)


def regression(n=40, k=3, seed=0, keep=None):
    random = np.random.default_rng(seed)
    t = np.arange(n) if keep is None else np.array(keep)
    X = np.column_stack([np.ones(len(t)), *random.normal(size=(k - 1, len(t)))])
    y = X @ np.arange(1.0, k + 1) + random.normal(size=len(t)).cumsum()
    return X, y, t


@pytest.mark.parametrize("lags", [0, 1, 3, 12])
def test_newey_west_equals_statsmodels_on_an_unbroken_series(lags):
    X, y, t = regression()
    model = sm.OLS(y, X).fit(cov_type="HAC", cov_kwds={"maxlags": lags, "use_correction": True})
    ours = inference.newey_west(X, model.resid, t, lags)
    assert ours == pytest.approx(model.cov_params(), rel=1e-10)


def double_loop(X, e, t, lags):
    n, k = X.shape
    middle = np.zeros((k, k))
    for i in range(n):
        for j in range(n):
            distance = abs(int(t[i]) - int(t[j]))
            if distance <= lags:
                middle += (1 - distance / (lags + 1)) * e[i] * e[j] * np.outer(X[i], X[j])
    bread = np.linalg.inv(X.T @ X)
    return n / (n - k) * bread @ middle @ bread


@given(st.sets(st.integers(0, 60), min_size=12, max_size=40), st.integers(0, 14))
@settings(max_examples=25, deadline=None)
def test_newey_west_counts_lags_by_the_calendar_across_any_gaps(kept, lags):
    X, y, t = regression(keep=sorted(kept))
    e = y - X @ np.linalg.lstsq(X, y, rcond=None)[0]
    assert inference.newey_west(X, e, t, lags) == pytest.approx(double_loop(X, e, t, lags), rel=1e-8, abs=1e-12)


def test_newey_west_does_not_depend_on_where_the_calendar_begins():
    X, y, t = regression(keep=[0, 1, 2, 5, 6, 9, 10, 11, 12, 20])
    e = y - X @ np.linalg.lstsq(X, y, rcond=None)[0]
    assert np.array_equal(inference.newey_west(X, e, t, 3), inference.newey_west(X, e, t + 600, 3))


def test_the_default_number_of_lags_is_the_rule_of_thumb():
    assert [inference.default_lags(n) for n in (24, 48, 100, 200)] == [2, 3, 4, 4]


def test_a_contrast_is_a_sum_and_its_error():
    covariance = np.array([[4.0, 1.0], [1.0, 9.0]])
    assert inference.contrast(np.array([2.0, 3.0]), covariance, np.array([1.0, -1.0])) == pytest.approx(
        (-1.0, math.sqrt(4 + 9 - 2))
    )


def test_the_cluster_factor_is_as_stated_and_refuses_one_cluster_or_no_room():
    assert inference.cluster_factor(10, 100, 7) == pytest.approx(10 / 9 * 99 / 93)
    with pytest.raises(DesignError, match="at least two clusters"):
        inference.cluster_factor(1, 100, 7)
    for coefficients in (100, 101):
        with pytest.raises(DesignError, match="only 100 unit-periods"):
            inference.cluster_factor(10, 100, coefficients)


def test_a_side_that_is_one_cluster_is_refused():
    cluster = np.array(["N", "N", "S", "E"])
    joined = np.array([True, True, False, False])
    with pytest.raises(DesignError, match="that joined are one cluster"):
        inference.require_clusters(cluster, joined, ~joined)
    with pytest.raises(DesignError, match="to compare with are one cluster"):
        inference.require_clusters(cluster, ~joined, joined)
    with pytest.raises(DesignError, match="to compare with are none"):
        inference.require_clusters(cluster, ~joined, joined & False)
    inference.require_clusters(cluster, ~joined)


def test_influence_is_added_up_by_cluster():
    influence = np.arange(8.0).reshape(4, 2)
    total = inference.by_cluster(influence, np.array(["b", "a", "b", "a"]))
    assert total.tolist() == [[8.0, 10.0], [4.0, 6.0]]


# -- joint tests -----------------------------------------------------------------


def spread(k, rank, seed):
    root = np.random.default_rng(seed).normal(size=(k, rank))
    return root @ root.T, root


@given(st.integers(1, 6), st.integers(0, 1000))
@settings(max_examples=40, deadline=None)
def test_the_joint_test_is_the_quadratic_form(k, seed):
    covariance, _ = spread(k, k + 2, seed)
    b = np.random.default_rng(seed + 1).normal(size=k)
    statistic, df, p_value = inference.wald(b, covariance)
    assert statistic == pytest.approx(b @ np.linalg.solve(covariance, b), rel=1e-6)
    assert df == k
    assert p_value == pytest.approx(stats.chi2.sf(statistic, k), rel=1e-6)


@pytest.mark.parametrize("scales", [[1e-9, 1e-9, 1e-9], [1e9, 1e9, 1e9], [1e-6, 1.0, 1e6]])
def test_the_joint_test_does_not_depend_on_the_units_of_measurement(scales):
    covariance, _ = spread(3, 5, 1)
    b, d = np.array([1.0, -2.0, 0.5]), np.diag(scales)
    plain, scaled = inference.wald(b, covariance), inference.wald(d @ b, d @ covariance @ d)
    assert scaled == pytest.approx(plain, rel=1e-8)


def test_estimates_that_repeat_one_another_are_counted_once():
    covariance, _ = spread(2, 4, 2)
    b, repeat = np.array([1.0, 2.0]), np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    plain = inference.wald(b, covariance)
    again = inference.wald(repeat @ b, repeat @ covariance @ repeat.T)
    assert again == pytest.approx(plain, rel=1e-8)


def test_more_estimates_than_clusters_are_refused_and_not_tested_in_part():
    covariance, _ = spread(6, 3, 3)
    with pytest.raises(DesignError, match="too few clusters to be tested together"):
        inference.wald(np.random.default_rng(0).normal(size=6), covariance)


@pytest.mark.parametrize(
    "covariance", [np.zeros((2, 2)), np.diag([1.0, 0.0]), np.diag([1.0, np.nan]), np.empty((0, 0))]
)
def test_a_joint_test_without_a_covariance_is_refused(covariance):
    with pytest.raises(DesignError, match="needs estimates with a covariance"):
        inference.wald(np.ones(len(covariance)), covariance)


def test_the_joint_test_keeps_its_level_with_few_clusters():
    rng = np.random.default_rng(8)
    clusters, leads, draws, rejected = 15, 6, 400, 0
    for _ in range(draws):
        influence = rng.standard_normal((clusters, leads)) / clusters
        estimates = influence.sum(axis=0)
        centred = influence - influence.mean(axis=0)
        rejected += inference.wald(estimates, centred.T @ centred, clusters - 1)[2] < 0.05
    assert rejected / draws < 0.09  # 36% by chi-squared


def test_the_joint_test_tends_to_chi_squared_as_clusters_grow():
    b, covariance = np.array([1.0, -1.5]), np.diag([1.0, 2.0])
    assert inference.wald(b, covariance, 1e9)[2] == pytest.approx(inference.wald(b, covariance)[2], rel=1e-6)
    with pytest.raises(DesignError):
        inference.wald(np.ones(4), np.eye(4), 3)


def test_welch_of_two_groups_is_the_t_test_of_unequal_variances():
    random = np.random.default_rng(3)
    one, two = random.normal(0, 1, 7), random.normal(0.5, 3, 12)
    variances = np.array([one.var(ddof=1) / 7, two.var(ddof=1) / 12])
    statistic, df, p_value = inference.welch(np.array([one.mean(), two.mean()]), variances, np.array([6.0, 11.0]))
    expected = stats.ttest_ind(one, two, equal_var=False)
    assert statistic == pytest.approx(expected.statistic**2, rel=1e-12)
    assert df == pytest.approx(expected.df, rel=1e-12)
    assert p_value == pytest.approx(expected.pvalue, rel=1e-10)


def test_welch_of_three_groups_is_that_of_statsmodels():
    from statsmodels.stats.oneway import anova_oneway

    random = np.random.default_rng(4)
    groups = [random.normal(m, s, n) for m, s, n in ((0, 1, 5), (1, 2, 9), (0.3, 0.5, 14))]
    means, variances = np.array([g.mean() for g in groups]), np.array([g.var(ddof=1) / len(g) for g in groups])
    statistic, df, p_value = inference.welch(means, variances, np.array([len(g) - 1.0 for g in groups]))
    expected = anova_oneway(groups, use_var="unequal", welch_correction=True)
    assert [statistic, df, p_value] == pytest.approx([expected.statistic, expected.df[1], expected.pvalue], rel=1e-9)
    with pytest.raises(DesignError, match="one group"):
        inference.welch(means[:1], variances[:1], np.array([3.0]))


@pytest.mark.parametrize("clusters", [8, 12, 20])
def test_the_wild_bootstrap_counts_by_its_formula_and_keeps_its_draws(clusters):
    """p by the module's formula on the draws, to the last bit, however often asked; at the ends p turns."""
    rng = np.random.default_rng(clusters)
    e, d = rng.normal(size=clusters), rng.uniform(0.5, 1.5, clusters)
    d /= d.sum()
    made = wild(0.3, float(np.sqrt(e @ e)), clusters, (lambda v: (v @ e, v * e), lambda v: (v @ d, v * d)))
    top, below = made.top.copy(), made.below.copy()
    for null in (0.0, 0.3, -2.0, 0.0):
        r = made.theta - null
        size = below[:, 0] + 2 * r * below[:, 1] + r**2 * below[:, 2]
        drawn = np.abs(top[:, 0] + r * top[:, 1]) / np.sqrt(np.maximum(size, 1e-300))
        n, more = len(drawn), 0 if made.enumerated else 1
        assert made.p_value(null) == (more + (drawn >= abs(r) / made.std_error - 1e-9).sum()) / (more + n)
    low, high = made.interval(0.9)
    assert made.interval(0.9) == (low, high)
    assert made.interval(0.8) != (low, high)
    for end, out in ((low, -1e-6), (high, 1e-6)):
        assert made.p_value(end - out) > 0.1 - 1e-12
        assert made.p_value(end + out) <= 0.1 + 1e-12
    assert (made.top == top).all()
    assert (made.below == below).all()
