"""Do the decomposition, the count models and the stacks equal the references, and refuse with reasons?

Results and the R calls that made them are in tests/reference; tolerances are relative.
"""

from __future__ import annotations

import json
from functools import cache

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from conftest import REFERENCE
from scipy import stats

from evalkit.errors import DesignError
from evalkit.estimators._did import bacon, extended, poisson
from evalkit.estimators._did.covariates import CovariateError
from evalkit.estimators._did.poisson import Counts
from evalkit.estimators._did.terms import Blocks, Columns

EXACT = 1e-9  # both sides are closed-form


@cache
def stored(case):
    return {r["id"]: r["values"] for r in json.loads((REFERENCE / f"{case}.json").read_text("utf-8"))["results"]}


@cache
def frame(case):
    return pd.read_csv(REFERENCE / f"{case}.csv")


def wide(case, column):
    return frame(case).pivot_table(index="provider_id", columns="t", values=column).to_numpy(float)


def joins(case):
    """Column in which each unit joined, NaN never; shape (n,)."""
    g = frame(case).groupby("provider_id")["g"].first().to_numpy(float)
    return np.where(g == 0, np.nan, g - 1)


# -- the two-way estimate taken apart ----------------------------------------------

STAGGERED = ["did_stag_small", "did_stag6", "did_all_treated", "did_covariate", "did_one_pre"]
R_KINDS = {
    bacon.NEVER: "Treated vs Untreated",
    bacon.EARLIER: "Earlier vs Later Treated",
    bacon.LATER: "Later vs Earlier Treated",
}


@pytest.mark.parametrize("case", STAGGERED)
def test_decomposition(case):
    expected = stored(case)["bacon"]
    found = bacon.decompose(wide(case, "outcome"), joins(case))
    theirs = expected["two_by_twos"]
    pairs = list(zip(theirs["treated"], map(float, theirs["untreated"]), strict=True))  # "Inf" is never
    others = np.where(np.isnan(found.comparison), np.inf, found.comparison + 1)
    order = [pairs.index(pair) for pair in zip(found.joined + 1, others, strict=True)]
    assert sorted(order) == list(range(len(pairs)))
    assert found.weight == pytest.approx(np.array(theirs["weight"])[order], rel=EXACT)
    assert found.estimate == pytest.approx(np.array(theirs["estimate"])[order], rel=EXACT)
    assert [R_KINDS[k] for k in found.kind] == [theirs["type"][i] for i in order]
    assert found.total == pytest.approx(expected["twfe"], rel=EXACT)
    kinds = dict(zip(expected["by_type"]["type"], range(9), strict=False))
    for kind, (weight, mean) in found.by_kind().items():
        assert weight == pytest.approx(expected["by_type"]["weight"][kinds[R_KINDS[kind]]], rel=EXACT)
        assert mean == pytest.approx(expected["by_type"]["average_estimate"][kinds[R_KINDS[kind]]], rel=EXACT)


def two_way(Y, D):
    """The coefficient of D given unit and period effects, in a balanced panel."""
    D = D - D.mean(axis=1, keepdims=True) - D.mean(axis=0) + D.mean()
    return (D * Y).sum() / (D**2).sum()


def test_decomposition_with_units_always_joined_and_joining_after_the_end():
    rng = np.random.default_rng(0)
    Y, g = rng.normal(size=(30, 12)), rng.choice([-3, 0, 4, 9, 12, 40, np.nan], 30)
    found = bacon.decompose(Y, g)
    assert found.total == pytest.approx(two_way(Y, (np.arange(12) >= g[:, None]).astype(float)), rel=1e-12)
    assert set(found.kind) == set(bacon.KINDS)
    assert not (found.joined == 0).any()
    assert found.weight.sum() == pytest.approx(1, rel=1e-12)
    assert (found.weight > 0).all()
    order = rng.permutation(30)
    moved = bacon.decompose((5 * Y + rng.normal(size=(30, 1)) + rng.normal(size=12))[order], g[order])
    assert moved.weight == pytest.approx(found.weight, rel=1e-12)
    assert moved.estimate == pytest.approx(5 * found.estimate, rel=1e-9)


def test_decomposition_refuses_gaps_and_one_wave():
    Y, g = wide("did_unbalanced", "outcome"), joins("did_unbalanced")
    with pytest.raises(DesignError, match="of 80 units have missing periods"):
        bacon.decompose(Y, g)
    with pytest.raises(DesignError, match="no unit joined while another had not"):
        bacon.decompose(np.ones((5, 4)), np.full(5, 2.0))


# -- counts --------------------------------------------------------------------------

FITTED = 1e-9  # both sides are iterated to their optimum
GIVEN = [*STAGGERED, "did_2x2", "did_unbalanced"]
DEMEANED = {"did_stag6": 1e-7}  # fixest's iterated demeaning leaves 2e-8 there; statsmodels below agrees with ours


def counted(case):
    y = wide(case, "numerator")
    return Counts(y, wide(case, "denominator"), ~np.isnan(y), np.arange(len(y)))


def since(g, periods):
    return np.arange(periods) >= g[:, None]


@pytest.mark.parametrize("case", GIVEN)
@pytest.mark.parametrize("kind", ["columns", "blocks"])
def test_two_way_poisson(case, kind):
    expected, data = stored(case)["ppml_twfe"], counted(case)
    D = since(joins(case), data.seen.shape[1])
    found = poisson.fit(data, Columns(D[:, :, None] * 1.0) if kind == "columns" else Blocks(np.where(D, 0, -1), 1))
    error = np.sqrt(found.covariance[0, 0])
    assert found.beta[0] == pytest.approx(expected["coef"]["D"], rel=FITTED)
    assert error == pytest.approx(expected["se"]["D"], rel=DEMEANED.get(case, FITTED))
    z = found.beta[0] / error
    assert z == pytest.approx(expected["t"]["D"], rel=DEMEANED.get(case, FITTED))
    # p moves z^2 times as much as z does
    assert 2 * stats.norm.sf(z) == pytest.approx(expected["p"]["D"], rel=z**2 * DEMEANED.get(case, FITTED))
    assert found.deviance == pytest.approx(expected["deviance"], rel=FITTED)
    assert found.loglik == pytest.approx(expected["loglik"], rel=FITTED)
    assert found.empty_units.size == found.empty_periods.size == 0
    assert found.used.sum() == data.seen.sum()


@pytest.fixture(scope="module")
def panel():
    """40 units x 9 periods: three cohorts and never; some cells missing; counts that vary more than Poisson's."""
    rng = np.random.default_rng(5)
    g = rng.choice([3.0, 5.0, 7.0, np.nan], 40)
    E = rng.uniform(200, 2000, (40, 9))
    log_rate = -2 + rng.normal(0, 0.4, (40, 1)) + np.linspace(0, 0.3, 9) + 0.2 * since(g, 9)
    y = rng.poisson(E * np.exp(log_rate + rng.normal(0, 0.1, (40, 9)))).astype(float)
    return Counts(y, E, rng.random((40, 9)) < 0.93, np.arange(40) // 2), g


def dense(data, g, levels):
    """Rows, and columns for periods but the first, levels (units or cohorts), and blocks, of the used cells."""
    seen, _ = extended.identified(data.seen, g)
    code = extended.cohort_by_period(g, seen & since(g, seen.shape[1]))
    unit, t = np.nonzero(seen)
    Z = np.hstack([t[:, None] == np.arange(1, seen.shape[1]), levels[unit, None] == np.unique(levels)]).astype(float)
    return (unit, t), np.hstack([Z, (code[unit, t][:, None] == np.arange(code.max() + 1))]), code


def by_hand(model, Z, cluster, trials=1.0):
    """Clustered covariance of a statsmodels fit, from its scores, before the small-sample factor."""
    score = Z * ((model.model.endog - model.fittedvalues) * trials)[:, None]
    meat = np.zeros((Z.shape[1], Z.shape[1]))
    for c in np.unique(cluster):
        s = score[cluster == c].sum(axis=0)
        meat += np.outer(s, s)
    return model.normalized_cov_params @ meat @ model.normalized_cov_params


def test_extended_poisson_is_a_regression_on_dummies(panel):
    data, g = panel
    (unit, t), Z, code = dense(data, g, np.arange(40))
    y, E = data.numerator[unit, t], data.denominator[unit, t]
    model = sm.GLM(y, Z, family=sm.families.Poisson(), offset=np.log(E)).fit(tol=1e-13, maxiter=100)
    weights = np.stack([since(g, 9) & (code >= 0), (code >= 0) * data.denominator], axis=2).astype(float)
    found = extended.extended_poisson(data, g, weights)
    B = int(code.max()) + 1
    assert found.model.block == pytest.approx(model.params[-B:], rel=1e-8)
    V = by_hand(model, Z, data.cluster[unit])
    G, N = 20, len(y)
    V *= G / (G - 1) * (N - 1) / (N - B - 9)  # blocks and periods; units are nested in clusters
    assert found.model.covariance(found.model.block_parts, data.cluster) == pytest.approx(V[-B:, -B:], rel=1e-6)
    mu = model.fittedvalues
    Z0 = np.where(np.arange(Z.shape[1]) >= Z.shape[1] - B, 0, Z)
    mu0 = E * np.exp(Z0 @ model.params)
    for k in range(2):
        v = weights[unit, t, k] / weights[..., k].sum() / E
        assert found.effect[k] == pytest.approx(v @ (mu - mu0), rel=1e-8)
        slope = (v * mu) @ Z - (v * mu0) @ Z0
        variance = found.model.covariance(found.effect_parts, data.cluster)[k, k]
        assert variance == pytest.approx(slope @ V @ slope, rel=1e-7)
        assert found.log_ratio[k] == pytest.approx(np.log(v @ mu / (v @ mu0)), rel=1e-8)
        slope = (v * mu) @ Z / (v @ mu) - (v * mu0) @ Z0 / (v @ mu0)
        variance = found.model.covariance(found.ratio_parts, data.cluster)[k, k]
        assert variance == pytest.approx(slope @ V @ slope, rel=1e-7)


def test_extended_logit_is_a_regression_on_dummies(panel):
    data, g = panel
    (unit, t), Z, code = dense(data, g, np.where(np.isnan(g), 99, g))
    y, E = data.numerator[unit, t], np.ceil(data.denominator[unit, t])
    data = Counts(data.numerator, np.ceil(data.denominator), data.seen, data.cluster)
    model = sm.GLM(np.column_stack([y, E - y]), Z, family=sm.families.Binomial()).fit(tol=1e-13, maxiter=100)
    B = int(code.max()) + 1
    found = extended.extended_logit(data, g, (code >= 0) * 1.0)
    assert found.model.block == pytest.approx(model.params[-B:], rel=1e-8)
    V = by_hand(model, Z, data.cluster[unit], E)
    G, N = 20, len(y)
    V *= G / (G - 1) * (N - 1) / (N - Z.shape[1])  # cohorts are not nested in clusters and are counted
    assert found.model.covariance(found.model.block_parts, data.cluster) == pytest.approx(V[-B:, -B:], rel=1e-6)
    p = model.fittedvalues
    Z0 = np.where(np.arange(Z.shape[1]) >= Z.shape[1] - B, 0, Z)
    p0 = 1 / (1 + np.exp(-(Z0 @ model.params)))
    joined = code[unit, t] >= 0
    assert found.effect[0] == pytest.approx((p - p0)[joined].mean(), rel=1e-8)
    slope = ((p * (1 - p))[:, None] * Z - (p0 * (1 - p0))[:, None] * Z0)[joined].mean(axis=0)
    variance = found.model.covariance(found.effect_parts, data.cluster)[0, 0]
    assert variance == pytest.approx(slope @ V @ slope, rel=1e-7)
    assert found.log_ratio[0] == pytest.approx(np.log(p[joined].mean() / p0[joined].mean()), rel=1e-8)


def test_counts_that_say_nothing_are_left_out_and_named(panel):
    data, g = panel
    y = data.numerator.copy()
    y[7] = 0
    y[:, 4] = 0
    found = poisson.fit(Counts(y, data.denominator, data.seen, data.cluster), Blocks(np.where(since(g, 9), 0, -1), 1))
    assert list(found.empty_units) == [7]
    assert list(found.empty_periods) == [4]
    rest = np.arange(9) != 4
    kept = np.delete(np.arange(40), 7)
    without = Counts(*(a[kept][:, rest] for a in (y, data.denominator, data.seen)), data.cluster[kept])
    alone = poisson.fit(without, Blocks(np.where(since(g, 9), 0, -1)[kept][:, rest], 1))
    assert found.beta == pytest.approx(alone.beta, rel=1e-12)
    assert found.covariance == pytest.approx(alone.covariance, rel=1e-10)
    whole = extended.extended_poisson(
        Counts(y, data.denominator, data.seen, data.cluster), g, since(g, 9) & data.seen
    )
    assert list(whole.model.empty_units) == [7]
    assert list(whole.model.empty_periods) == [4]
    assert np.isfinite(whole.effect).all()


def test_scale_and_order_of_counts(panel):
    data, g = panel
    weights = since(g, 9) & extended.identified(data.seen, g)[0]
    found = extended.extended_poisson(data, g, weights)
    order = np.random.default_rng(2).permutation(40)
    moved = extended.extended_poisson(
        Counts(data.numerator[order], 10 * data.denominator[order], data.seen[order], data.cluster[order]),
        g[order],
        weights[order],
    )
    assert moved.effect == pytest.approx(found.effect / 10, rel=1e-9)
    assert moved.log_ratio == pytest.approx(found.log_ratio, rel=1e-9)
    assert moved.ratio_parts == pytest.approx(found.ratio_parts[order], rel=1e-7, abs=1e-12)


def test_cells_without_comparison_are_left_out_and_marked(panel):
    data, g = panel
    g = np.where(np.isnan(g), 7.0, g)
    g[0] = -1.0  # joined before the data begin
    found = extended.extended_poisson(data, g, since(g, 9) & (np.arange(9) < 7) & data.seen & (g >= 0)[:, None])
    assert found.model.unidentified[:, 7:].sum() == data.seen[:, 7:].sum()
    assert found.model.unidentified[0].sum() == data.seen[0].sum()
    assert np.isnan(found.model.fitted[found.model.unidentified]).all()
    with pytest.raises(DesignError, match="weight on unit-periods whose effect is not identified"):
        extended.extended_poisson(data, g, since(g, 9) & data.seen)
    with pytest.raises(DesignError, match="nobody is left to compare with"):
        extended.extended_poisson(data, np.full(40, 0.0), data.seen)


def test_counts_refused(panel):
    data, g = panel
    D = since(g, 9)[:, :, None] * 1.0
    with pytest.raises(CovariateError, match="repeat others") as refusal:
        poisson.fit(data, Columns(np.concatenate([D, np.ones((40, 9, 1)) * np.arange(9)[:, None]], axis=2)))
    assert refusal.value.columns == (1,)
    y = np.where(since(g, 9) & (g == 5)[:, None] & (np.arange(9) == 6), 0.0, data.numerator)
    with pytest.raises(CovariateError, match="nothing was counted in the cells of an effect") as refusal:
        extended.extended_poisson(Counts(y, data.denominator, data.seen, data.cluster), g, since(g, 9) & data.seen)
    seen = extended.identified(data.seen, g)[0] & since(g, 9)
    assert refusal.value.columns == tuple(np.unique(extended.cohort_by_period(g, seen)[(g == 5), 6]))[-1:]
    with pytest.raises(CovariateError, match="all or none were counted"):
        extended.extended_logit(Counts(y, data.denominator, data.seen, data.cluster), g, since(g, 9) & data.seen)
    with pytest.raises(DesignError, match="nothing was counted"):
        poisson.fit(Counts(0 * y, data.denominator, data.seen, data.cluster), Columns(D))
    with pytest.raises(DesignError, match="a count is missing or negative"):
        poisson.fit(Counts(y - 1e6, data.denominator, data.seen, data.cluster), Columns(D))
    with pytest.raises(DesignError, match="a denominator is missing or nought"):
        poisson.fit(Counts(y, 0 * data.denominator, data.seen, data.cluster), Columns(D))
    with pytest.raises(DesignError, match="numerator is larger than its denominator"):
        extended.extended_logit(Counts(data.denominator + 1, data.denominator, data.seen, data.cluster), g, seen)
