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
from evalkit.estimators._did import bacon, extended, poisson, stacks
from evalkit.estimators._did.poisson import Counts
from evalkit.estimators._did.propensity import CovariateError
from evalkit.estimators._did.regressors import Blocks, Columns

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
DEMEANED = {"did_stag6": 1e-7}  # fixest's iterated demeaning leaves 2e-8 there, see the exact one below


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


def test_two_way_poisson_error_by_exact_demeaning():
    data, g = counted("did_stag6"), joins("did_stag6")
    n, T = data.seen.shape
    D = since(g, T)
    found = poisson.fit(data, Blocks(np.where(D, 0, -1), 1))
    mu = found.fitted.ravel()
    root = np.sqrt(mu)[:, None]
    effects = root * np.hstack([np.repeat(np.eye(n), T, axis=0), np.tile(np.eye(T), (n, 1))])
    d = D.ravel() * root[:, 0]
    left = (d - effects @ np.linalg.lstsq(effects, d, rcond=None)[0]) / root[:, 0]
    score = (left * (data.numerator.ravel() - mu)).reshape(n, T).sum(axis=1)
    factor = n / (n - 1) * (n * T - 1) / (n * T - 1 - T)
    error = np.sqrt(factor * (score**2).sum()) / (mu * left**2).sum()
    assert np.sqrt(found.covariance[0, 0]) == pytest.approx(error, rel=1e-10)


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
    assert refusal.value.faults[0].where.startswith("joined in column 5, seen in column 6: block")
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


# -- stacks ------------------------------------------------------------------------------

WINDOWS = {"did_stag_small": (3, 2), "did_stag6": (6, 6), "did_all_treated": (4, 3), "did_unbalanced": (4, 3)}
R_STACKS = {"static": "att", "event": "event", "weighted": "wfh_weighted_event"}


def lonely(rows):
    return [wave + 1 for wave, why in rows.left_out.items() if why == "nobody was left to compare with"]


@pytest.mark.parametrize("case", WINDOWS)
@pytest.mark.parametrize("kind", R_STACKS)
def test_stacked(case, kind):
    expected = stored(case)["stacked_did"]
    Y, g = wide(case, "outcome"), joins(case)
    rows = stacks.build(~np.isnan(Y), g, *WINDOWS[case])
    assert len(rows.unit) == expected["rows"]
    # the reference lists a wave whose window fits; its last one has nobody left to compare with and no rows
    assert sorted([*np.unique(rows.wave) + 1, *lonely(rows)]) == expected["cohorts_used"]
    design = stacks.stacked(rows, kind)
    found, parts = design.estimate(Y)
    cluster = np.arange(len(g))
    errors = np.sqrt(design.factor(cluster) * (parts**2).sum(axis=0))
    theirs = expected[R_STACKS[kind]]
    names = ["Ds"] if design.since is None else [f"rs::{s}:tr" for s in design.since]
    assert set(names) == set(theirs["coef"])
    assert found == pytest.approx([theirs["coef"][k] for k in names], rel=EXACT, abs=1e-12)
    assert errors == pytest.approx([theirs["se"][k] for k in names], rel=EXACT)
    t = found / errors
    p = 2 * stats.t.sf(np.abs(t), len(np.unique(rows.unit)) - 1)
    assert p == pytest.approx([theirs["p"][k] for k in names], rel=1e-7)
    assert np.einsum("itp,it->p", design.weights, np.nan_to_num(Y)) == pytest.approx(found, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("kind", R_STACKS)
def test_stacked_is_blind_to_levels_and_recovers_a_common_effect(kind):
    g = joins("did_stag_small")
    n, T = 30, 12
    rng = np.random.default_rng(3)
    base = rng.normal(size=(n, 1)) + rng.normal(size=T)
    design = stacks.stacked(stacks.build(np.ones((n, T), bool), g, 3, 2), kind)
    assert design.estimate(base)[0] == pytest.approx(0, abs=1e-12)
    found = design.estimate(base + 2.5 * since(g, T))[0]
    assert found == pytest.approx([2.5] if design.since is None else 2.5 * (design.since >= 0), abs=1e-12)
    assert design.weights.sum(axis=1) == pytest.approx(0, abs=1e-12)


def test_weighted_stack_is_the_mean_of_the_waves_own_differences():
    Y, g = wide("did_stag6", "outcome"), joins("did_stag6")
    rows = stacks.build(np.ones(Y.shape, bool), g, 6, 6)
    design = stacks.stacked(rows, "weighted")
    found = dict(zip(design.since, design.estimate(Y)[0], strict=True))
    waves, size = np.unique(g[~np.isnan(g)], return_counts=True)
    change = np.zeros(len(waves))
    for j, a in enumerate(waves.astype(int)):
        d = Y[:, a + 4] - Y[:, a - 1]
        change[j] = d[g == a].mean() - d[np.isnan(g) | (g > a + 6)].mean()
    assert found[4] == pytest.approx(size @ change / size.sum(), rel=1e-10)
    assert rows.q[~rows.joined].sum() == pytest.approx((~rows.joined).sum(), rel=1e-12)


def test_stacked_with_gaps_is_a_regression_on_dummies():
    Y, g = wide("did_unbalanced", "outcome"), joins("did_unbalanced")
    rows = stacks.build(~np.isnan(Y), g, 4, 3)
    design = stacks.stacked(rows, "event")
    unit = np.unique(rows.wave * 1000 + rows.unit, return_inverse=True)[1]
    period = np.unique(rows.wave * 1000 + rows.period, return_inverse=True)[1]
    Z = rows.joined[:, None] & (rows.since[:, None] == design.since)
    X = np.hstack([Z, np.eye(unit.max() + 1)[unit], np.eye(period.max() + 1)[period]])
    expected = np.linalg.lstsq(X, Y[rows.unit, rows.period], rcond=None)[0][: Z.shape[1]]
    assert design.estimate(Y)[0] == pytest.approx(expected, rel=1e-9)


def test_stacks_refused_and_left_out():
    Y, g = wide("did_all_treated", "outcome"), joins("did_all_treated")
    seen = np.ones(Y.shape, bool)
    rows = stacks.build(seen, g, 10, 3)
    assert rows.left_out[8] == "its window reaches beyond the data"
    assert rows.left_out[23] == "nobody was left to compare with"
    with pytest.raises(DesignError, match="no wave has 40 periods before and 3 after joining"):
        stacks.build(seen, g, 40, 3)
    with pytest.raises(DesignError, match="a stack needs a period before joining"):
        stacks.build(seen, g, 0, 3)
    hidden = seen.copy()
    for a in np.unique(g).astype(int):
        hidden[g == a, a - 2] = False
    with pytest.raises(DesignError, match="cannot be told from the others"):
        stacks.stacked(stacks.build(hidden, g, 4, 3), "event")
    with pytest.raises(DesignError, match="an outcome of the stack is missing"):
        stacks.stacked(stacks.build(seen, g, 4, 3), "static").estimate(np.where(g[:, None] > 9, Y, np.nan))


# -- recovery ------------------------------------------------------------------------------


def simulate(kind, rng):
    """60 units x 10 periods, waves at 4 and 7; effects of 0.1 + 0.03 s on log or logit; correlated noise.

    Returns data, g, weights, and the true average effect on the joined and log ratio given the units' levels.
    """
    n, T = 60, 10
    g = np.repeat([4.0, 7.0, np.nan], 20)
    E = np.round(rng.uniform(500, 3000, (n, 1)) * np.ones(T))
    level = rng.normal(0, 0.3 if kind == "poisson" else 0.0, (n, 1)) - 0.2 * (g == 4)[:, None]
    noise = np.cumsum(rng.normal(0, 0.03, (n, T)), axis=1)
    s = np.arange(T) - g[:, None]
    tau = np.where(s >= 0, 0.1 + 0.03 * s, 0.0)
    index = (-1.0 if kind == "logit" else -2.0) + level + 0.05 * np.sin(np.arange(T))
    turn = np.exp if kind == "poisson" else lambda v: 1 / (1 + np.exp(-v))
    draw = rng.poisson if kind == "poisson" else lambda p: rng.binomial(E.astype(int), p)
    mean = turn(index + tau + noise)
    y = draw(E * mean) if kind == "poisson" else draw(mean)
    weights = since(g, T).astype(float)
    # noise is multiplicative: to the order that matters here it leaves the ratio of expectations as it is
    with_, without = (weights * turn(index + tau)).sum(), (weights * turn(index)).sum()
    data = Counts(y.astype(float), E, np.ones((n, T), bool), np.arange(n))
    return data, g, weights, ((with_ - without) / weights.sum(), np.log(with_ / without))


def repeated(kind, draws, seed):
    """Estimates, standard errors and truths of both quantities; shape (draws, 2) each."""
    rng = np.random.default_rng(seed)
    fit = {"poisson": extended.extended_poisson, "logit": extended.extended_logit}[kind]
    out = []
    for _ in range(draws):
        data, g, weights, truth = simulate(kind, rng)
        found = fit(data, g, weights)
        parts = np.hstack([found.effect_parts, found.ratio_parts])
        errors = np.sqrt(np.diag(found.model.covariance(parts, data.cluster)))
        out.append((np.concatenate([found.effect, found.log_ratio]), errors, truth))
    return tuple(np.array(column) for column in zip(*out, strict=True))


@pytest.mark.parametrize("kind", ["poisson", "logit"])
def test_extended_recovers_the_effect(kind):
    estimates, errors, truths = repeated(kind, 30, 1)
    missed = (estimates - truths) / errors
    assert np.abs(missed.mean(axis=0)).max() < 3 / np.sqrt(30)  # Monte Carlo error of a mean of 30 draws
    assert (np.abs(missed) < 4).all()
    assert np.median(errors[:, 1]) < 0.1  # and the errors are small against the effect of 0.18


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["poisson", "logit"])
def test_extended_covers(kind):
    draws = 600
    estimates, errors, truths = repeated(kind, draws, 2)
    reach = stats.t.ppf(0.975, 59)
    covered = (np.abs(estimates - truths) < reach * errors).mean(axis=0)
    margin = 3 * np.sqrt(0.95 * 0.05 / draws)
    assert (covered > 0.93 - margin).all()
    assert (covered < 0.985 + margin).all()
