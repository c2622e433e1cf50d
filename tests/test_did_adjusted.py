"""Do two-period effects with covariates equal DRDID's and did's, and refuse what they cannot carry?

Results and the R calls that made them are in tests/reference; tolerances are relative.
"""

from __future__ import annotations

import json
from functools import cache

import numpy as np
import pandas as pd
import pytest
from conftest import REFERENCE

from evalkit.errors import DesignError
from evalkit.estimators._did.adjusted import adjusted, balance, comparison_weights
from evalkit.estimators._did.adjusted_rows import adjusted_rows, row_weights
from evalkit.estimators._did.propensity import CovariateError, propensity, redundant, regress

EXACT = 1e-9  # both sides are closed-form least squares
LOGIT = 1e-7  # DRDID's logit stops when the deviance settles to 1e-8, ours when the fit does to 1e-9


@cache
def stored(case):
    return {r["id"]: r["values"] for r in json.loads((REFERENCE / f"{case}.json").read_text("utf-8"))["results"]}


def result(case, entry):
    return stored(case)[entry]


def data(case):
    """Y (n, T), join column from 1 with inf for never (n,), x (n,)."""
    frame = pd.read_csv(REFERENCE / f"{case}.csv")
    wide = frame.pivot_table(index="provider_id", columns="t", values="outcome")
    units = frame.groupby("provider_id").first()
    g = units["g"].to_numpy(float)
    return wide.to_numpy(), np.where(g == 0, np.inf, g), units["x"].to_numpy()


def pair(g, cohort, t, comparison):
    """Base period, and which units are joined and comparison in a cell of R's did, varying base."""
    base = t - 1 if t < cohort else cohort - 1
    others = np.isinf(g) if comparison == "never" else g > max(t, base)
    return base, g == cohort, others & (g != cohort)


def standard_error(psi):
    return np.sqrt((psi**2).mean() / len(psi))


def infinitesimal_jackknife(effect, w, h=1e-5):
    """n w d(effect)/dw by central differences: what an influence is by definition."""
    moved = [effect(w + h * e) - effect(w - h * e) for e in np.eye(len(w))]
    return len(w) * w * np.array(moved) / (2 * h)


def drdid_psi(fit, joined, post, X, y):
    """psi with DRDID's sign of the earlier period's regression (see `adjusted_rows`): ones as weights."""
    w = np.ones(len(joined))
    earlier = ~post
    line = regress(y[:, None], X, w, earlier & ~joined, "rows")
    theirs = propensity(joined, X, w).odds * earlier
    apart = X[earlier & joined].mean(axis=0) - theirs @ X / theirs.sum()
    return fit.influence - 2 * line.influence(apart)


@pytest.fixture(scope="module")
def sample():
    """80 units: changes that depend on two covariates, which also foretell joining; weights from 0.5 to 2."""
    rng = np.random.default_rng(7)
    x = rng.normal(size=(80, 2))
    joined = rng.random(80) < 1 / (1 + np.exp(-0.7 * x[:, 0] + 0.4))
    change = 1.5 * joined + x @ [0.8, -0.3] + 0.2 * x[:, 0] ** 2 + rng.normal(size=80)
    return change, joined, np.column_stack([np.ones(80), x]), rng.uniform(0.5, 2, 80)


@pytest.fixture(scope="module")
def rows(sample):
    """The same units seen in one or both of two periods."""
    change, joined, X, w = sample
    rng = np.random.default_rng(8)
    level = rng.normal(size=80) + X @ [0, 0.5, 0.5]
    y, post = np.concatenate([level, level + change]), np.repeat([False, True], 80)
    seen = rng.random(160) < 0.85
    return y[seen], post[seen], np.tile(joined, 2)[seen], np.tile(X, (2, 1))[seen], np.tile(w, 2)[seen]


METHODS = ["reg", "ipw", "dr"]


# -- against R -----------------------------------------------------------------


@pytest.mark.parametrize("case", ["did_2x2", "did_covariate"])
@pytest.mark.parametrize(
    ("method", "entry"), [("dr", "drdid_panel"), ("reg", "reg_did_panel"), ("ipw", "std_ipw_did_panel")]
)
def test_two_periods(case, method, entry):
    # drdid_imp_panel (its own moment conditions) and ipw_did_panel (weights that do not add up to one) are
    # other estimators, which evalkit does not offer
    expected = result(case, "drdid_2period")
    Y, g, x = data(case)
    kept = (g == g.min()) | np.isinf(g)
    change = (Y[:, expected["t2"] - 1] - Y[:, expected["t1"] - 1])[kept]
    X = np.column_stack([np.ones(kept.sum()), x[kept]])
    found = adjusted(method, change, g[kept] == g.min(), X, np.ones(kept.sum()))
    tolerance = EXACT if method == "reg" else LOGIT
    assert found.effect[0] == pytest.approx(expected[entry]["att"], rel=tolerance)
    assert standard_error(found.influence[:, 0]) == pytest.approx(expected[entry]["se"], rel=tolerance)
    assert not found.trimmed.any()


BALANCED = [
    *[(c, k) for c in ("did_stag_small", "did_stag6", "did_covariate", "did_one_pre") for k in ("never", "notyet")],
    ("did_2x2", "never"),
    ("did_all_treated", "notyet"),
]


@pytest.mark.parametrize(("case", "comparison"), BALANCED)
@pytest.mark.parametrize("method", METHODS)
def test_every_group_time_effect(case, comparison, method):
    expected = result(case, f"cs_{comparison}_x_{method}")
    Y, g, x = data(case)
    effects, errors = [], []
    for cohort, t in zip(expected["group"], expected["t"], strict=True):
        base, joined, others = pair(g, int(cohort), int(t), comparison)
        kept = joined | others
        X = np.column_stack([np.ones(kept.sum()), x[kept]])
        found = adjusted(method, (Y[:, int(t) - 1] - Y[:, base - 1])[kept], joined[kept], X, np.ones(kept.sum()))
        psi = np.zeros(len(g))
        psi[kept] = len(g) / kept.sum() * found.influence[:, 0]
        effects.append(found.effect[0])
        errors.append(standard_error(psi))
    tolerance = EXACT if method == "reg" else LOGIT
    assert effects == pytest.approx(expected["att"], rel=tolerance)
    assert errors == pytest.approx(expected["se"], rel=tolerance)


@pytest.mark.parametrize("comparison", ["never", "notyet"])
def test_weights_are_those_of_did(comparison):
    expected = result("did_stag_small", f"cs_{comparison}_weighted")
    Y, g, _ = data("did_stag_small")
    w = pd.read_csv(REFERENCE / "did_stag_small.csv").groupby("provider_id")["denominator"].first().to_numpy(float)
    for i, (cohort, t) in enumerate(zip(expected["group"], expected["t"], strict=True)):
        base, joined, others = pair(g, int(cohort), int(t), comparison)
        kept = joined | others
        change = (Y[:, int(t) - 1] - Y[:, base - 1])[kept]
        found = adjusted("dr", change, joined[kept], np.ones((kept.sum(), 1)), w[kept])
        assert found.effect[0] == pytest.approx(expected["att"][i], rel=EXACT)
        assert standard_error(found.influence[:, 0]) == pytest.approx(expected["se"][i], rel=EXACT)


@pytest.mark.parametrize("comparison", ["never", "notyet"])
@pytest.mark.parametrize("method", METHODS)
def test_every_group_time_effect_of_an_unbalanced_panel(comparison, method):
    expected = result("did_unbalanced", f"cs_{comparison}_x_{method}")
    Y, g, x = data("did_unbalanced")
    effects, errors = [], []
    for cohort, t in zip(expected["group"], expected["t"], strict=True):
        base, joined, others = pair(g, int(cohort), int(t), comparison)
        unit, post = np.nonzero(~np.isnan(Y[:, [base - 1, int(t) - 1]]) & (joined | others)[:, None])
        y, post = Y[unit, np.where(post, int(t) - 1, base - 1)], post.astype(bool)
        X = np.column_stack([np.ones(len(unit)), x[unit]])
        found = adjusted_rows(method, y, post, joined[unit], X, np.ones(len(unit)))
        influence = drdid_psi(found, joined[unit], post, X, y) if method == "dr" else found.influence
        psi = len(g) / len(unit) * np.bincount(unit, influence[:, 0], len(g))
        effects.append(found.effect[0])
        errors.append(standard_error(psi))
    tolerance = EXACT if method == "reg" else LOGIT
    assert effects == pytest.approx(expected["att"], rel=tolerance)
    assert errors == pytest.approx(expected["se"], rel=tolerance)


# -- what the numbers mean -------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_influence_is_the_derivative_by_the_weights(sample, method):
    change, joined, X, w = sample
    found = adjusted(method, change, joined, X, w)
    expected = infinitesimal_jackknife(lambda v: adjusted(method, change, joined, X, v).effect[0], w / w.mean())
    assert found.influence[:, 0] == pytest.approx(expected, rel=1e-5, abs=1e-6)  # central differences
    assert found.influence.mean() == pytest.approx(0, abs=1e-10)


@pytest.mark.parametrize("method", METHODS)
def test_influence_of_rows_is_the_derivative_by_the_weights(rows, method):
    y, post, joined, X, w = rows
    found = adjusted_rows(method, y, post, joined, X, w)
    expected = infinitesimal_jackknife(lambda v: adjusted_rows(method, y, post, joined, X, v).effect[0], w / w.mean())
    assert found.influence[:, 0] == pytest.approx(expected, rel=1e-5, abs=1e-6)


def test_the_sign_in_drdid_is_not_that_of_the_derivative(rows):
    y, post, joined, X, _ = rows
    ones = np.ones(len(y))
    theirs = drdid_psi(adjusted_rows("dr", y, post, joined, X, ones), joined, post, X, y)[:, 0]
    expected = infinitesimal_jackknife(lambda v: adjusted_rows("dr", y, post, joined, X, v).effect[0], ones)
    assert np.abs(theirs - expected).max() > 1e-2


@pytest.mark.parametrize("method", METHODS)
def test_many_outcomes_at_once_are_the_outcomes_one_by_one(sample, method):
    change, joined, X, w = sample
    several = np.column_stack([change, 3 * change - 2, change**2])
    together = adjusted(method, several, joined, X, w)
    for j in range(3):
        alone = adjusted(method, several[:, j], joined, X, w)
        assert together.effect[j] == pytest.approx(alone.effect[0], rel=1e-12)
        assert together.influence[:, j] == pytest.approx(alone.influence[:, 0], rel=1e-9, abs=1e-12)
    assert together.effect[1] == pytest.approx(3 * together.effect[0], rel=1e-12)  # a common change falls out


@pytest.mark.parametrize("method", METHODS)
def test_row_order_and_the_covariates_units_do_not_matter(sample, method):
    change, joined, X, w = sample
    order = np.random.default_rng(1).permutation(len(w))
    found = adjusted(method, change, joined, X, w)
    far = X * [1, 1000, 0.01] + [0, 50, 100]  # the last one varies in its fifth digit
    moved = adjusted(method, change[order], joined[order], far[order], 7 * w[order])
    assert moved.effect == pytest.approx(found.effect, rel=1e-10)
    assert moved.influence == pytest.approx(found.influence[order], rel=1e-8, abs=1e-9)


@pytest.mark.parametrize("method", METHODS)
def test_without_covariates_all_are_the_difference_in_means(sample, method):
    change, joined, X, w = sample
    found = adjusted(method, change, joined, X[:, :1], w)
    expected = np.average(change[joined], weights=w[joined]) - np.average(change[~joined], weights=w[~joined])
    assert found.effect[0] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("method", METHODS)
def test_without_covariates_rows_give_four_means(rows, method):
    y, post, joined, X, _ = rows
    mean = {(p, d): y[(post == p) & (joined == d)].mean() for p in (0, 1) for d in (0, 1)}
    found = adjusted_rows(method, y, post, joined, X[:, :1], np.ones(len(y)))
    assert found.effect[0] == pytest.approx(mean[1, 1] - mean[0, 1] - mean[1, 0] + mean[0, 0], rel=1e-12)


@pytest.mark.parametrize("method", METHODS)
def test_comparison_weights_give_the_effect_and_the_balance(sample, method):
    change, joined, X, w = sample
    weights = comparison_weights(method, joined, X, w)
    assert weights.sum() == pytest.approx(1, rel=1e-12)
    assert not weights[joined].any()
    expected = np.average(change[joined], weights=w[joined]) - weights @ change
    assert adjusted(method, change, joined, X, w).effect[0] == pytest.approx(expected, rel=1e-11)
    target, before, after = balance(weights, joined, X, w)
    assert target[1] == pytest.approx(np.average(X[joined, 1], weights=w[joined]), rel=1e-12)
    assert abs(target[1] - before[1]) > 0.2
    if method == "ipw":  # the logit's fitted odds bring the means near, not to, those of the joined
        assert abs(target[1] - after[1]) < 0.5 * abs(target[1] - before[1])
    else:
        assert after == pytest.approx(target, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("method", METHODS)
def test_row_weights_give_the_effect(rows, method):
    y, post, joined, X, w = rows
    weights = row_weights(method, post, joined, X, w)
    assert weights @ y == pytest.approx(adjusted_rows(method, y, post, joined, X, w).effect[0], rel=1e-10)
    sums = [weights[(post == p) & (joined == d)].sum() for p, d in ((1, 1), (0, 1), (1, 0), (0, 0))]
    assert sums == pytest.approx([1, -1, -1, 1], rel=1e-10)


def test_comparison_units_beyond_the_limit_are_trimmed_and_marked():
    rng = np.random.default_rng(3)
    x = np.concatenate([rng.uniform(-1, 1, 300), [1.0]])
    joined = np.concatenate([rng.random(300) < 1 / (1 + np.exp(-6 * x[:300])), [False]])
    X = np.column_stack([np.ones(301), x])
    p = propensity(joined, X, np.ones(301))
    assert p.fitted[300] >= 0.995
    found = adjusted("ipw", x, joined, X, np.ones(301))
    assert found.trimmed[300]
    assert found.trimmed.sum() == (p.fitted[~joined] >= 0.995).sum()
    assert not comparison_weights("ipw", joined, X, np.ones(301))[found.trimmed].any()


# -- refusals ----------------------------------------------------------------------


@pytest.mark.parametrize("method", ["ipw", "dr"])
def test_a_covariate_that_separates_is_named(sample, method):
    change, joined, X, w = sample
    apart = np.column_stack([X, joined * 2.0 + np.linspace(0, 1, 80)])
    with pytest.raises(CovariateError, match="no overlap: the covariates separate") as refusal:
        adjusted(method, change, joined, apart, w)
    assert 3 in refusal.value.columns
    assert 0 not in refusal.value.columns


def test_a_group_nobody_of_which_joined_separates_too(sample):
    change, joined, X, w = sample
    region = (~joined & (np.arange(80) % 3 == 0)).astype(float)
    with pytest.raises(CovariateError, match="separate") as refusal:
        adjusted("ipw", change, joined, np.column_stack([X, region]), w)
    assert refusal.value.columns == (3,)


def test_units_certain_to_join_are_refused():
    x = np.concatenate([np.linspace(-1, 1, 60), [8.0]])
    joined = np.concatenate([np.arange(60) % 2 == np.arange(60) // 20 % 2, [True]]) | (x > 0.4)
    joined[45] = joined[59] = False
    with pytest.raises(DesignError, match=r"no overlap: given the covariates, 1 rows were at least 99\.9% certain"):
        adjusted("ipw", x, joined, np.column_stack([np.ones(61), x]), np.ones(61))


def test_covariates_that_repeat_others_are_named(sample):
    change, joined, X, w = sample
    for method in METHODS:
        with pytest.raises(CovariateError, match="repeat others in this sample") as refusal:
            adjusted(method, change, joined, np.column_stack([X, X[:, 1] - 2 * X[:, 2]]), w)
        assert refusal.value.columns == (3,)
    among = np.column_stack([X, np.where(joined, X[:, 1] ** 2, 4.0)])
    with pytest.raises(CovariateError, match="among the comparison units") as refusal:
        adjusted("reg", change, joined, among, w)
    assert refusal.value.columns == (3,)
    assert redundant(np.column_stack([X, np.zeros(80)])) == (3,)
    assert redundant(X) == ()


def test_too_few_comparison_units_for_the_regression(sample):
    change, joined, X, w = sample
    kept = joined | (np.cumsum(~joined) <= 3)
    with pytest.raises(DesignError, match="3 covariates, the constant included, and only 3 comparison units"):
        adjusted("reg", change[kept], joined[kept], X[kept], w[kept])


def test_a_constant_is_asked_for(sample):
    change, joined, X, w = sample
    with pytest.raises(DesignError, match="no constant"):
        adjusted("reg", change, joined, X[:, 1:], w)
    both = np.column_stack([X[:, 1] > 0, X[:, 1] <= 0])  # together they are one
    assert adjusted("reg", change, joined, both.astype(float), w).effect.shape == (1,)


def test_empty_sides_missing_values_and_bad_weights(sample, rows):
    change, joined, X, w = sample
    with pytest.raises(DesignError, match="there is nobody to compare with"):
        adjusted("reg", change, np.ones(80, bool), X, w)
    with pytest.raises(DesignError, match="changes of some units are missing"):
        adjusted("reg", np.where(np.arange(80) == 4, np.nan, change), joined, X, w)
    with pytest.raises(DesignError, match="weight is missing, nought or negative"):
        adjusted("reg", change, joined, X, np.where(np.arange(80) == 4, 0, w))
    with pytest.raises(CovariateError, match="missing for some rows") as refusal:
        adjusted("reg", change, joined, np.where(np.isclose(X, X[5, 2]), np.nan, X), w)
    assert refusal.value.columns == (2,)
    y, post, joined, X, w = rows
    kept = ~(joined & post)
    with pytest.raises(DesignError, match="the joined units have no rows in the later period"):
        adjusted_rows("dr", y[kept], post[kept], joined[kept], X[kept], w[kept])
