"""Is the default engine the exact restricted likelihood, with the inference that it promises?"""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from conftest import REFERENCE
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.errors import DesignError
from evalkit.estimators._its import _noise, _rho, ar1, arma, quasi

OPTIMUM = 2e-7  # R stops its search at about 1e-7 of phi and of the errors


def case(name, pairs):
    data = pd.read_csv(REFERENCE / f"{name}.csv")
    t = data["t"].to_numpy()
    waves = [f(2 * np.pi * k * t / 12) for k in range(1, pairs + 1) for f in (np.sin, np.cos)]
    X = np.column_stack([np.ones(len(t)), t, data["post"], data["trend_after"], *waves])
    stored = json.loads((REFERENCE / f"{name}.json").read_text(encoding="utf-8"))
    entries = {r["id"]: r["values"] for r in stored["results"]}
    return X, data["outcome"].to_numpy(), t, entries


@pytest.mark.parametrize(
    ("name", "pairs", "entry"),
    [
        ("its_short", 0, "gls_ar1_reml_refined"),
        ("its_long", 2, "gls_ar1_reml_refined"),
        ("its_phasein", 1, "gls_ar1_reml"),  # four months are left out of the middle
    ],
)
def test_it_equals_the_reference(name, pairs, entry):
    X, y, t, entries = case(name, pairs)
    found, expected = ar1.fit(X, y, t), entries[entry]
    assert found.diagnostics["rho"] == pytest.approx(expected["phi"], rel=OPTIMUM)
    assert found.diagnostics["sigma"] == pytest.approx(expected["sigma"], rel=OPTIMUM)
    assert found.beta == pytest.approx(list(expected["coef"].values()), rel=OPTIMUM)
    errors = np.sqrt(np.diag(found.covariance))
    assert errors == pytest.approx(list(expected["se"].values()), rel=OPTIMUM)


def series(seed, t, k=4, rho=0.5, many=1):
    random = np.random.default_rng(seed)
    after = t >= t[len(t) // 2]
    X = np.column_stack([np.ones(len(t)), t, after, np.where(after, t - t[len(t) // 2], 0)]).astype(float)[:, :k]
    e = random.normal(size=(many, int(t[-1]) + 1))
    for i in range(1, e.shape[1]):
        e[:, i] += rho * e[:, i - 1]
    return X, 10 + 0.3 * t + e[:, t], t


TIMES = {
    "unbroken": np.arange(30),
    "one gap": np.r_[0:14, 20:36],
    "many gaps": np.r_[0:5, 6:9, 12:15, 17, 21:30, 40:44],
}


@pytest.mark.parametrize("times", TIMES)
@pytest.mark.parametrize("rho", [0.0, 0.4, 0.8])
def test_rho_errors_and_degrees_of_freedom_equal_the_dense_computation(times, rho):
    X, Y, t = series(3, TIMES[times], rho=rho)
    found = ar1.fit(X, Y[0], t, guarded=False)
    distance = np.abs(np.subtract.outer(t, t))
    dense = arma.reml(
        X, Y[0], lambda theta: theta[0] ** distance, {"phi": (_rho.LOWEST, _rho.HIGHEST)}, np.array([[0.0], [0.5]])
    )
    assert found.diagnostics["rho"] == pytest.approx(dense.diagnostics["phi"], abs=2e-5)  # two searches
    for weights in (*np.eye(4), np.array([0, 0, 1.0, 11])):
        # the dense side differentiates R numerically
        assert found.contrast(weights) == pytest.approx(dense.contrast(weights), rel=2e-3)


def test_many_series_at_once_equal_each_on_its_own():
    X, Y, t = series(5, TIMES["one gap"], many=40)
    many = ar1.fit_many(X, Y, t)
    weights = np.array([0, 0, 1.0, 5])
    each = [ar1.fit(X, y, t).contrast(weights) for y in Y]
    assert pytest.approx(np.array(each), rel=1e-6) == np.array(many.contrast(weights)).T
    own = ar1.fit_many(np.broadcast_to(X, (len(Y), *X.shape)).copy(), Y, t)  # a design for each
    assert np.array(own.contrast(weights)) == pytest.approx(np.array(many.contrast(weights)), rel=1e-6)


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    scale=st.floats(1e-6, 1e6),
    shift=st.floats(-1e3, 1e3),
    slope=st.floats(-5, 5),
)
def test_estimates_follow_shift_scale_and_trend(seed, scale, shift, slope):
    X, Y, t = series(seed, TIMES["one gap"])
    one, other = ar1.fit(X, Y[0], t), ar1.fit(X, scale * (Y[0] + shift + slope * t), t)
    weights = np.array([0, 0, 1.0, 6])
    value, error, df = one.contrast(weights)
    # rho is found to 1e-10, and the score is flat in it where the likelihood is
    assert other.contrast(weights) == pytest.approx((scale * value, scale * error, df), rel=1e-5, abs=1e-6 * scale)


def test_turning_time_around_leaves_the_step_alone():
    X, Y, t = series(8, TIMES["unbroken"])
    turned = t[-1] - t[::-1]
    one = ar1.fit(X[:, :3], Y[0], t).contrast(np.array([0, 0, 1.0]))
    other = ar1.fit(X[::-1, :3], Y[0][::-1], turned).contrast(np.array([0, 0, 1.0]))
    assert other == pytest.approx(one, rel=1e-7)


def test_a_gap_is_not_closed_up():
    X, Y, t = series(2, TIMES["one gap"], rho=0.9)
    assert ar1.fit(X, Y[0], t).diagnostics["rho"] != pytest.approx(
        ar1.fit(X, Y[0], np.arange(len(t))).diagnostics["rho"], abs=1e-3
    )


def test_rho_at_a_bound_is_flagged_and_its_interval_holds_it():
    random = np.random.default_rng(0)
    t = np.arange(40)
    X = np.column_stack([np.ones(40), t, t >= 20]).astype(float)
    walk = random.normal(size=40).cumsum() + 20 * np.sin(t / 8)  # far from any straight course
    found = ar1.fit(X[:, [0, 2]], walk, t)
    assert found.diagnostics["rho"] == _rho.HIGHEST
    assert any("random walk" in w for w in found.warnings)
    low, high = ar1.rho_interval(X[:, [0, 2]], walk, t, 0.95)
    assert low < high
    assert high == _rho.HIGHEST
    swing = np.where(t % 2, 1.0, -1.0) + 0.01 * random.normal(size=40)
    assert any("alternate" in w for w in ar1.fit(X, swing, t).warnings)


def test_the_interval_of_rho_is_where_the_likelihood_says():
    X, Y, t = series(4, np.arange(120), rho=0.6)
    low, high = ar1.rho_interval(X, Y[0], t, 0.95)
    rho = ar1.fit(X, Y[0], t).diagnostics["rho"]
    assert low < rho < high
    distance = np.abs(np.subtract.outer(t, t))
    best = arma.gls(X, Y[0], rho**distance).loglik
    for end in (low, high):
        # twice the drop of the restricted likelihood is the 95 % point of chi-squared on one degree of freedom
        assert 2 * (best - arma.gls(X, Y[0], end**distance).loglik) == pytest.approx(3.8415, abs=0.01)
    narrow = ar1.rho_interval(X, Y[0], t, 0.5)
    assert low < narrow[0] < narrow[1] < high


def test_innovations_are_white_and_of_unit_size():
    X, Y, t = series(6, np.arange(400), rho=0.7)
    found = ar1.fit(X, Y[0], t).innovations
    assert np.corrcoef(found[1:], found[:-1])[0, 1] == pytest.approx(0, abs=0.1)
    assert found.std() == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("seed", range(5))
def test_the_noise_guard_only_widens_and_at_most_by_its_cap(seed):
    t = np.arange(60)
    X, Y, _ = series(seed, t, rho=0.85)
    Y = Y + 2 * np.random.default_rng(seed).normal(size=Y.shape)
    plain, guarded = (ar1.fit(X, Y[0], t, guarded=g).contrast(np.eye(4)[3]) for g in (False, True))
    assert plain[1] * (1 - 1e-12) <= guarded[1] <= plain[1] * np.sqrt(_noise.CAP) * (1 + 1e-12)
    assert (plain[0], plain[2]) == (guarded[0], guarded[2])


def test_the_noise_guard_answers_noise_and_leaves_an_autoregression_alone():
    t = np.arange(96)
    X, Y, _ = series(1, t, rho=0.9, many=200)
    noisy = Y + 2 * np.random.default_rng(1).normal(size=Y.shape)
    belief = [ar1.fit_many(X, y, t).guard.belief.mean() for y in (Y, noisy)]
    assert belief[0] < 0.1
    assert belief[1] > 0.3


def test_too_many_terms_and_a_perfect_fit_are_refused():
    t = np.arange(6)
    X = np.column_stack([np.ones(6), t, t**2, t**3, t**4]).astype(float)
    with pytest.raises(DesignError, match="5 terms and only 6 periods"):
        ar1.fit(X, np.arange(6.0), t)
    with pytest.raises(DesignError, match="does not vary"):
        ar1.fit(X[:, :2], 3.0 + 2.0 * t, t)


# -- counts and proportions ------------------------------------------------------------


def counted(link, seed=1, n=48, mean=400.0):
    random = np.random.default_rng(seed)
    t = np.r_[0 : n // 2, n // 2 + 4 : n + 4]
    X, _, _ = series(0, t)
    latent = 0.01 * t - 0.1 * X[:, 2] + 0.05 * random.normal(size=n)
    if link == "log":
        base = np.exp(0.2 * random.normal(size=n)) * mean
        return X, quasi.Counted("log", random.poisson(base * np.exp(latent))[None].astype(float), base[None]), t
    trials = random.poisson(4 * mean, size=n)
    shares = 1 / (1 + np.exp(-1 - latent))
    return (
        X,
        quasi.Counted("logit", random.binomial(trials, shares)[None].astype(float), trials[None].astype(float)),
        t,
    )


@pytest.mark.parametrize("link", ["log", "logit"])
def test_the_working_model_is_solved_at_its_own_solution(link):
    """At the fitted coefficients the dense engine, on the weighted working response, gives them back."""
    X, data, t = counted(link)
    found = quasi.fit(X, data, t, guarded=False)
    eta = (X @ found.beta)[None]
    mean = np.exp(eta) if link == "log" else 1 / (1 + np.exp(-eta))
    variance = data.base * mean * (1 if link == "log" else 1 - mean)
    response, root = (eta + (data.y - data.base * mean) / variance)[0], np.sqrt(variance[0])
    distance = np.abs(np.subtract.outer(t, t))
    dense = arma.gls(root[:, None] * X, root * response, found.diagnostics["rho"] ** distance)
    assert found.beta == pytest.approx(dense.beta, rel=1e-6)
    assert found.diagnostics["dispersion"] == pytest.approx(dense.variance, rel=1e-6)
    assert found.covariance == pytest.approx(dense.variance * dense.bread, rel=1e-5)


@pytest.mark.parametrize("link", ["log", "logit"])
def test_counts_in_one_pass_equal_each_on_its_own(link):
    parts = [counted(link, seed) for seed in range(4)]
    X, t = parts[0][0], parts[0][2]
    joint = quasi.Counted(link, np.vstack([p[1].y for p in parts]), np.vstack([p[1].base for p in parts]))
    many = quasi.fit_many(X, joint, t)
    for i, (_, data, _) in enumerate(parts):
        assert many.beta[i] == pytest.approx(quasi.fit(X, data, t).beta, rel=1e-6)


def test_a_rate_does_not_depend_on_the_unit_of_its_denominator():
    X, data, t = counted("log")
    other = quasi.Counted("log", data.y, data.base / 1000)
    one, two = (quasi.fit(X, d, t).contrast(np.eye(4)[2]) for d in (data, other))
    assert two == pytest.approx(one, rel=1e-6)


def test_counts_of_nothing_on_one_side_are_refused():
    X, data, t = counted("log")
    empty = quasi.Counted("log", data.y * (X[:, 2] == 0), data.base)
    with pytest.raises(DesignError, match="does not settle"):
        quasi.fit(X, empty, t)
