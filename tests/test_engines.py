"""Do the engines of the interrupted time series equal R, and behave as estimators must?

Results and the R calls that made them are in tests/reference; tolerances are relative unless `abs` is said.
"""

from __future__ import annotations

import json
import warnings
from functools import cache

import numpy as np
import pandas as pd
import pytest
from conftest import REFERENCE
from scipy import stats
from statsmodels.tsa.statespace.structural import UnobservedComponents

from evalkit.errors import DesignError
from evalkit.estimators._its import arima, arma, classical, counts, structural

EXACT = 1e-9  # closed-form least squares on both sides
REFINED = 1e-7  # R's `optimize` leaves phi to about 1e-8, which moves coefficients and errors by as much or more
OPTIMUM = 2e-6  # nlme's own optimum: its phi is good to about 1e-6, ours to rounding
HESSIAN = 1e-5  # R's Hessian by finite differences; coefficients of its optimiser are as far
CASES = ["its_short", "its_long", "its_phasein"]
AR1 = {"rho": (-0.9, 0.98)}
AR1_STARTS = np.array([[0.0], [0.5], [0.8]])


@cache
def stored(case):
    return {r["id"]: r["values"] for r in json.loads((REFERENCE / f"{case}.json").read_text("utf-8"))["results"]}


@cache
def frame(case):
    data = pd.read_csv(REFERENCE / f"{case}.csv").assign(**{"(Intercept)": 1.0})
    if case == "its_controlled":
        data = data.sort_values(["group", "t"])
        data = data.assign(**{f"{name}:group": data[name] * data["group"] for name in ("t", "post", "trend_after")})
    for j in (1, 2):
        data[f"s{j}"], data[f"c{j}"] = np.sin(2 * j * np.pi * data["t"] / 12), np.cos(2 * j * np.pi * data["t"] / 12)
    return data


def series(case, entry="ols"):
    data = frame(case)
    return data[list(stored(case)[entry]["coef"])].to_numpy(float), data["outcome"].to_numpy(), data["t"].to_numpy()


def numbers(named):
    return np.array(list(named.values()))


def errors(fit):
    return np.sqrt(np.diag(fit.covariance))


def assert_equals(fit, expected, rel):
    assert fit.beta == pytest.approx(numbers(expected["coef"]), rel=rel)
    assert errors(fit) == pytest.approx(numbers(expected["se"]), rel=rel)


def ar1_over(t):
    apart = np.abs(t[:, None] - t[None, :])
    return lambda theta: np.power(theta[0], apart)


def simulated(n=48, seed=1, rho=0.4):
    noise = np.random.default_rng(seed).standard_normal(n)
    for i in range(1, n):
        noise[i] += rho * noise[i - 1]
    t = np.arange(n)
    post = t >= n // 2
    X = np.column_stack([np.ones(n), t, post, np.where(post, t - n // 2, 0)]).astype(float)
    return X, 50 + 0.2 * t + 3 * post + noise, t


# -- least squares, Newey-West, Prais-Winsten ----------------------------------


@pytest.mark.parametrize("case", CASES)
def test_least_squares(case):
    X, y, _ = series(case)
    expected = stored(case)["ols"]
    fit = classical.ols(X, y)
    assert_equals(fit, expected, EXACT)
    assert fit.diagnostics["sigma"] == pytest.approx(expected["sigma"], rel=EXACT)
    assert (fit.df, fit.warnings) == (expected["df_resid"], ())
    assert fit.innovations * fit.diagnostics["sigma"] == pytest.approx(np.array(expected["residuals"]), abs=1e-9)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("lags", [1, 3, 6, 12])
def test_newey_west(case, lags):
    X, y, t = series(case)
    t = np.arange(len(t))  # R's function takes rows as neighbours, gap or no gap
    fit = classical.newey_west(X, y, t, lags)
    assert_equals(fit, stored(case)[f"ols_nw_lag{lags}_adj"], EXACT)
    assert fit.df == len(y) - X.shape[1]
    assert "too narrow" in fit.warnings[0]


def test_newey_west_keeps_gaps_and_has_a_default():
    X, y, t = series("its_phasein")
    assert classical.newey_west(X, y, t).diagnostics["lags"] == 3
    closed = classical.newey_west(X, y, np.arange(len(t)), 6)
    assert (np.abs(errors(classical.newey_west(X, y, t, 6)) / errors(closed) - 1) > 1e-4).all()
    long = simulated(120)
    assert classical.newey_west(*long).warnings == ()


@pytest.mark.parametrize("case", ["its_short", "its_long"])
def test_prais_winsten(case):
    fit = classical.prais_winsten(*series(case))
    expected = stored(case)["prais_winsten_iterated"]
    assert_equals(fit, expected, EXACT)
    for name in ("rho", "sigma"):
        assert fit.diagnostics[name] == pytest.approx(expected[name], rel=EXACT)
    assert fit.innovations @ fit.innovations == pytest.approx(fit.df)


def test_prais_winsten_over_a_gap_is_generalised_least_squares():
    X, y, t = series("its_phasein")
    fit = classical.prais_winsten(X, y, t)
    known = arma.gls(X, y, ar1_over(t)([fit.diagnostics["rho"]]))
    assert fit.beta == pytest.approx(known.beta, rel=EXACT)
    assert errors(fit) == pytest.approx(np.sqrt(known.variance * np.diag(known.bread)), rel=EXACT)
    assert fit.innovations == pytest.approx(known.innovations, abs=1e-9)


def test_prais_winsten_says_when_rho_is_at_its_bound():
    t = np.arange(40)
    fit = classical.prais_winsten(np.ones((40, 1)), (-1.2) ** t, t)
    assert "at its bound of -0.999" in fit.warnings[0]


# -- restricted maximum likelihood ---------------------------------------------


@pytest.mark.parametrize("case", CASES)
def test_gls_at_a_known_correlation(case):
    X, y, t = series(case)
    expected = stored(case)["gls_ar1_fixed_phi_0.4"]
    found = arma.gls(X, y, ar1_over(t)([0.4]))
    assert found.beta == pytest.approx(numbers(expected["coef"]), rel=EXACT)
    assert np.sqrt(found.variance * np.diag(found.bread)) == pytest.approx(numbers(expected["se"]), rel=EXACT)
    assert np.sqrt(found.variance) == pytest.approx(expected["sigma"], rel=EXACT)
    assert found.loglik == pytest.approx(expected["loglik"], rel=EXACT)


def sigma_in_nlme(fit, n, method):
    """nlme prints S/n under ML, though its covariance of b, as ours, rests on S/(n - k)."""
    return fit.diagnostics["sigma"] * (np.sqrt(fit.df / n) if method == "ML" else 1)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("method", ["REML", "ML"])
def test_ar1(case, method):
    X, y, t = series(case)
    fit = arma.reml(X, y, ar1_over(t), AR1, AR1_STARTS, method)
    entry, rel = (f"gls_ar1_{method.lower()}", OPTIMUM) if case == "its_phasein" else (None, REFINED)
    expected = stored(case)[entry or f"gls_ar1_{method.lower()}_refined"]
    assert_equals(fit, expected, rel)
    assert fit.diagnostics["rho"] == pytest.approx(np.ravel(expected["phi"])[0], rel=rel)
    assert fit.diagnostics["loglik"] == pytest.approx(expected["loglik"], rel=1e-11)
    assert sigma_in_nlme(fit, len(y), method) == pytest.approx(expected["sigma"], rel=rel)
    assert fit.warnings == ()


@pytest.mark.parametrize(("case", "method"), [(c, m) for c in CASES for m in ("REML", "ML")])
def test_ar2(case, method):
    X, y, t = series(case)
    expected = stored(case)[f"gls_ar2_{method.lower()}"]
    fit = arma.ar2(X, y, t, method)
    if (case, method) == ("its_short", "REML"):  # R walks to phi1 + phi2 = 0.99998, where the level has no error
        assert fit.warnings == ("partial1 stands at its bound of 0.98, so no interval here can be relied on.",)
        p2 = expected["phi"][1]
        known = arma.gls(X, y, arma._over_time(t, arma._ar2_acf)([expected["phi"][0] / (1 - p2), p2]))
        assert known.loglik == pytest.approx(expected["loglik"], rel=1e-9)
        # R prints 17 digits of a phi whose distance from 1 is 2e-5: 1e-9 of that is lost there
        assert known.beta == pytest.approx(numbers(expected["coef"]), rel=1e-7)
        return
    assert_equals(fit, expected, OPTIMUM)
    assert [fit.diagnostics["phi1"], fit.diagnostics["phi2"]] == pytest.approx(expected["phi"], rel=1e-5)
    assert fit.diagnostics["loglik"] == pytest.approx(expected["loglik"], rel=1e-11)
    assert sigma_in_nlme(fit, len(y), method) == pytest.approx(expected["sigma"], rel=OPTIMUM)


@pytest.mark.parametrize("entry", ["ar1_reml", "ar2_reml", "ar1_ml", "ar2_ml", "ar1_hetero_reml"])
def test_two_series_stacked(entry):
    X, y, t = series("its_controlled")
    group = frame("its_controlled")["group"].to_numpy()
    same = group[:, None] == group[None, :]
    bounds, starts, one = AR1, AR1_STARTS, ar1_over(t)
    if "ar2" in entry:
        bounds, starts, one = arma.AR2_BOUNDS, arma.AR2_STARTS, arma._over_time(t, arma._ar2_acf)

    def correlation(theta):
        size = np.where(group == 1, theta[1], 1.0) if "hetero" in entry else np.ones(len(y))
        return same * one(theta) * np.outer(size, size)

    if "hetero" in entry:
        bounds, starts = {**AR1, "ratio": (0.1, 10.0)}, [[0.4, 1.0]]
    fit = arma.reml(X, y, correlation, bounds, np.array(starts), "ML" if entry.endswith("_ml") else "REML")
    expected = stored("its_controlled")[f"gls_{entry}"]
    assert_equals(fit, expected, OPTIMUM)
    assert fit.diagnostics["loglik"] == pytest.approx(expected["loglik"], rel=1e-11)
    if "hetero" in entry:
        assert fit.diagnostics["ratio"] == pytest.approx(expected["sd_ratio"], rel=OPTIMUM)


@pytest.mark.parametrize("case", ["its_short", "its_long"])
def test_arma11_by_maximum_likelihood_is_that_of_arima(case):
    X, y, t = series(case)
    fit = arma.arma11(X, y, t, "ML")
    expected = stored(case)["arima_101_ml"]
    found = [fit.diagnostics["phi"], fit.diagnostics["theta"], *fit.beta]
    assert found == pytest.approx(numbers(expected["coef"]), rel=HESSIAN)
    assert fit.diagnostics["loglik"] == pytest.approx(expected["loglik"], rel=1e-10)


def test_kenward_roger_is_the_expansion_it_stands_for():
    """Phi_A = Phi + Phi {sum W (Q - P Phi P)} Phi - 1/2 sum W d2 Phi, with every part by brute differences."""
    X, y, t = simulated(30, rho=0.5)
    R = arma._over_time(t, arma._ar2_acf)
    fit = arma.ar2(X, y, t)
    at = np.array([1.0, fit.diagnostics["partial1"], fit.diagnostics["partial2"]])
    s2 = fit.diagnostics["sigma"] ** 2

    def covariance(p):
        return s2 * p[0] * R(p[1:])

    def precision(p):
        return X.T @ np.linalg.solve(covariance(p), X)

    def second(function, i, j, h=2e-3):
        a, b = h * np.eye(3)[i], h * np.eye(3)[j]
        return (function(at + a + b) - function(at + a - b) - function(at - a + b) + function(at - a - b)) / 4 / h**2

    def first(function, i, h=1e-5):
        return (function(at + h * np.eye(3)[i]) - function(at - h * np.eye(3)[i])) / 2 / h

    Phi, inverse = fit.covariance, np.linalg.inv(covariance(at))
    P, Vi = [first(precision, i) for i in range(3)], [first(covariance, i) for i in range(3)]
    total = Phi.copy()
    for i in range(3):
        assert fit.slopes[i] == pytest.approx(P[i], rel=1e-6, abs=1e-8 * np.abs(P[i]).max())
        for j in range(3):
            Q = X.T @ inverse @ Vi[i] @ inverse @ Vi[j] @ inverse @ X
            bias = second(lambda p: np.linalg.inv(precision(p)), i, j)
            total += fit.spread[i, j] * (Phi @ (Q - P[i] @ Phi @ P[j]) @ Phi - bias / 2)
    assert fit.adjusted == pytest.approx(total, rel=1e-3)  # second differences of second order: h^2 is 4e-6


def test_kenward_roger_is_exact_where_an_exact_answer_exists():
    """Balanced groups, treatment given to whole groups: Student's t on groups - 2."""
    groups, size = 8, 5
    group = np.repeat(np.arange(groups), size)
    rng = np.random.default_rng(3)
    y = rng.standard_normal(groups)[group] + rng.standard_normal(groups * size)
    X = np.column_stack([np.ones(len(y)), group % 2]).astype(float)
    together = (group[:, None] == group[None, :]).astype(float)
    fit = arma.reml(X, y, lambda p: np.eye(len(y)) + p[0] * together, {"ratio": (0.0, 50.0)}, np.array([[1.0]]))
    means = np.array([y[group == g].mean() for g in range(groups)])
    test = stats.ttest_ind(means[1::2], means[::2])
    estimate, _, df = fit.contrast(np.array([0.0, 1.0]))
    assert df == pytest.approx(groups - 2, rel=1e-6)
    assert estimate / errors(fit)[1] == pytest.approx(test.statistic, rel=1e-6)


def test_kenward_roger_is_held_within_its_bounds():
    X, y, t = series("its_short")  # the level hardly has an error here: phi at its bound
    for fit in (arma.ar2(X, y, t), arma.arma11(X, y, t)):
        assert fit.warnings
        for c in (*np.eye(4), np.array([0, 0, 1.0, 12])):
            estimate, error, df = fit.contrast(c)
            model = np.sqrt(c @ fit.covariance @ c)
            assert estimate == pytest.approx(c @ fit.beta)
            assert 1 / np.sqrt(1.3) - 1e-12 <= error / model <= np.sqrt(1.3) + 1e-12
            assert 3 <= df <= len(y) - 4


def test_white_noise_cannot_tell_the_two_parts_of_arma11_apart():
    n = 60
    X, t = np.ones((n, 1)), np.arange(n)
    e = np.random.default_rng(0).standard_normal(n)
    fit = arma.kenward_roger(classical.ols(X, e), X, arma._over_time(t, arma._arma11_acf), np.array([0.0, 0.0]))
    assert "cannot be told apart" in fit.warnings[0]
    assert np.isfinite(fit.contrast(np.ones(1))).all()


# -- counts and proportions ----------------------------------------------------


def counted(entry):
    """Counts, design and calendar of a reference entry."""
    if entry.startswith(("binomial", "quasibinomial")):
        data = frame("its_prop")
        held = counts.Counts(
            "binomial", data["numerator"].to_numpy(float), trials=data["denominator"].to_numpy(float)
        )
        case = "its_prop"
    else:
        data, case = frame("its_count"), "its_count"
        family = "negative_binomial" if entry.endswith("_nb") else "poisson"
        y = data["events_od" if "_od" in entry else "events"].to_numpy(float)
        held = counts.Counts(family, y, np.log(data["denominator"].to_numpy(float)))
    expected = stored(case)
    return held, data[list(expected[entry]["coef"])].to_numpy(float), data["t"].to_numpy(), expected


# glm stops when the deviance stands, one Newton step before rounding: events_poisson errors to 2e-10
GLM = 1e-9
LINKED = [
    ("events_poisson", "model"),
    ("events_quasipoisson", "quasi"),
    ("events_od_poisson", "model"),
    ("events_od_quasipoisson", "quasi"),
    ("binomial", "model"),
    ("quasibinomial", "quasi"),
]


@pytest.mark.parametrize(("entry", "kind"), LINKED)
def test_generalised_linear_models(entry, kind):
    held, X, _, expected = counted(entry)
    fit = counts.fit_glm(held, X, errors=kind)
    assert_equals(fit, expected[entry], GLM)
    assert fit.df == (np.inf if kind == "model" else expected[entry]["df_resid"])
    chi2 = expected[entry]["pearson_chi2"] / expected[entry]["df_resid"]
    assert fit.diagnostics["dispersion"] == pytest.approx(chi2, rel=GLM)
    pearson = np.array(expected[f"{entry}_resid_diag"]["pearson"])
    assert fit.innovations * np.sqrt(chi2) == pytest.approx(pearson, abs=1e-9)
    assert fit.link == ("logit" if "binomial" in entry else "log")


@pytest.mark.parametrize("entry", [entry for entry, _ in LINKED])
def test_sandwich_errors_of_counts(entry):
    held, X, t, expected = counted(entry)
    robust = expected[f"{entry}_robust"]
    n, k = X.shape
    white = errors(counts.fit_glm(held, X, errors="robust"))
    assert white == pytest.approx(numbers(robust["hc1"]), rel=GLM)
    assert white * np.sqrt((n - k) / n) == pytest.approx(numbers(robust["hc0"]), rel=GLM)
    assert errors(counts.fit_glm(held, X, errors="hc3")) == pytest.approx(numbers(robust["hc3"]), rel=GLM)
    factored = counts.fit_glm(held, X, t, "newey_west", 3)
    assert errors(factored) == pytest.approx(numbers(robust["nw3_adj"]), rel=GLM)
    assert factored.df == n - k
    for lags in (1, 3, 6, 12):
        plain = errors(counts.fit_glm(held, X, t, "newey_west", lags)) * np.sqrt((n - k) / n)
        assert plain == pytest.approx(numbers(robust[f"nw{lags}"]), rel=GLM)


def test_negative_binomial():
    held, X, _, expected = counted("events_od_glm_nb")
    fit = counts.fit_glm(held, X)
    entry = expected["events_od_glm_nb"]
    # R's last iterate leaves a score of 1e-6 where ours is 1e-10: 3e-8 of its smallest coefficient
    assert fit.beta == pytest.approx(numbers(entry["coef"]), rel=1e-7)
    assert errors(fit) == pytest.approx(numbers(entry["se"]), rel=GLM)
    assert fit.diagnostics["theta"] == pytest.approx(entry["theta"], rel=1e-10)
    mu = np.exp(X @ fit.beta + held.offset)
    assert np.abs(X.T @ ((held.y - mu) / (1 + mu / fit.diagnostics["theta"]))).max() < 1e-8


def test_negative_binomial_without_overdispersion_says_it_is_poisson():
    held, X, _, _ = counted("events_od_glm_nb")
    smooth = counts.Counts("negative_binomial", np.round(np.exp(X @ [-4.4, 0.001, 0.1, 0, 0, 0] + held.offset)))
    fit = counts.fit_glm(smooth, X)
    assert "is a Poisson fit" in fit.warnings[0]
    assert np.isinf(fit.diagnostics["theta"])
    assert fit.beta == pytest.approx(counts.fit_glm(counts.Counts("poisson", smooth.y), X).beta)


@pytest.mark.parametrize("entry", ["events_poisson", "events_od_glm_nb"])
def test_an_offset_moves_its_own_coefficient_only(entry):
    held, X, _, _ = counted(entry)
    moved = counts.Counts(held.family, held.y, held.offset + X @ [0.3, 0, 0.1, 0, 0, 0])
    fit, again = counts.fit_glm(held, X), counts.fit_glm(moved, X)
    assert fit.beta - again.beta == pytest.approx([0.3, 0, 0.1, 0, 0, 0], abs=1e-9)
    assert errors(again) == pytest.approx(errors(fit), rel=1e-8)


def test_failures_are_successes_with_the_sign_changed():
    held, X, _, _ = counted("binomial")
    other = counts.Counts("binomial", held.trials - held.y, trials=held.trials)
    fit, again = counts.fit_glm(held, X, errors="quasi"), counts.fit_glm(other, X, errors="quasi")
    assert again.beta == pytest.approx(-fit.beta, rel=1e-8)
    assert errors(again) == pytest.approx(errors(fit), rel=1e-8)


def refused_counts():
    y, m = np.array([3.0, 5, 4, 6, 2, 7, 5, 4]), np.full(8, 20.0)
    late = np.arange(8) >= 4
    yield "nought", counts.Counts("poisson", 0 * y)
    yield "negative", counts.Counts("poisson", y - 3)
    yield "larger than its denominator", counts.Counts("binomial", y, trials=m / 4)
    yield "denominator of nought", counts.Counts("binomial", y, trials=np.where(late, 0, m))
    yield "denominator of nought", counts.Counts("poisson", y, np.where(late, -np.inf, 1.0))
    yield "equals its denominator", counts.Counts("binomial", m, trials=m)
    yield "takes trials", counts.Counts("binomial", y)
    yield "takes trials", counts.Counts("poisson", y, trials=m)
    yield "does not settle", counts.Counts("poisson", np.where(late, 0, y))
    yield "does not settle", counts.Counts("negative_binomial", np.where(late, 0, y))
    yield "does not settle", counts.Counts("binomial", np.where(late, 0, y), trials=m)
    yield "does not settle", counts.Counts("binomial", np.where(late, m, y), trials=m)
    yield "not both known", counts.Counts("gamma", y)


@pytest.mark.parametrize(("why", "held"), list(refused_counts()))
def test_counts_are_refused_with_the_reason(why, held):
    X = np.column_stack([np.ones(8), np.arange(8) >= 4]).astype(float)
    with pytest.raises(DesignError, match=why):
        counts.fit_glm(held, X)


def test_newey_west_of_counts_needs_the_calendar():
    held, X, _, _ = counted("events_poisson")
    with pytest.raises(DesignError, match="calendar"):
        counts.fit_glm(held, X, errors="newey_west")


def test_hc3_refuses_a_term_of_a_single_period():
    held, X, t, _ = counted("events_poisson")
    X = np.column_stack([X, t == 20])
    assert np.isfinite(errors(counts.fit_glm(held, X, errors="robust"))).all()
    with pytest.raises(DesignError, match="single period"):
        counts.fit_glm(held, X, errors="hc3")


# -- ARIMA ---------------------------------------------------------------------

ORDERS = [("its_short", o) for o in ((1, 0, 0), (2, 0, 0), (1, 0, 1), (0, 0, 1))] + [("its_long", (1, 0, 1))]


@pytest.mark.parametrize(("case", "order"), ORDERS)
def test_arima(case, order):
    X, y, t = series(case)
    fit = arima.arima(X, y, t, order)
    expected = stored(case)["arima_{}{}{}_ml".format(*order)]
    k, extra = X.shape[1], order[0] + order[2]
    assert fit.beta == pytest.approx(numbers(expected["coef"])[extra:], rel=HESSIAN)
    assert errors(fit) == pytest.approx(numbers(expected["se"])[extra:], rel=HESSIAN)
    assert list(fit.diagnostics.values())[:extra] == pytest.approx(numbers(expected["coef"])[:extra], rel=HESSIAN)
    assert fit.diagnostics["sigma"] ** 2 == pytest.approx(expected["sigma2"], rel=HESSIAN)
    assert fit.diagnostics["loglik"] == pytest.approx(expected["loglik"], rel=1e-10)
    assert fit.innovations @ fit.innovations == pytest.approx(len(y), rel=1e-6)
    assert (len(fit.beta), fit.df, fit.warnings) == (k, np.inf, ())


def test_seasonal_arima():
    X, y, t = series("its_long")
    fit = arima.arima(X[:, :4], y, t, (1, 0, 0), (1, 0, 0, 12))
    expected = stored("its_long")["arima_100_100_12_ml"]
    assert [*list(fit.diagnostics.values())[:2], *fit.beta] == pytest.approx(numbers(expected["coef"]), rel=HESSIAN)
    assert errors(fit) == pytest.approx(numbers(expected["se"])[2:], rel=HESSIAN)


def test_arima_keeps_gaps():
    X, y, t = series("its_phasein")
    fit = arima.arima(X, y, t)
    exact = arma.reml(X, y, ar1_over(t), AR1, AR1_STARTS, "ML")
    assert fit.diagnostics["ar.L1"] == pytest.approx(exact.diagnostics["rho"], rel=1e-7)
    assert fit.beta == pytest.approx(exact.beta, rel=1e-7)
    assert fit.diagnostics["loglik"] == pytest.approx(exact.diagnostics["loglik"], rel=1e-10)


def test_differences_are_least_squares_of_differences_and_say_nothing_of_the_level():
    X, y, t = series("its_short")
    fit = arima.arima(X, y, t, (0, 1, 0))
    plain = classical.ols(np.diff(X[:, 1:], axis=0), np.diff(y))
    n, k = len(y) - 1, 3
    assert fit.beta[1:] == pytest.approx(plain.beta, rel=1e-8)
    assert errors(fit)[1:] == pytest.approx(errors(plain) * np.sqrt((n - k) / n), rel=1e-6)
    assert (y - X @ fit.beta).mean() == pytest.approx(0, abs=1e-9)
    assert fit.contrast(np.array([0, 0, 1.0, 0]))[0] == pytest.approx(plain.beta[1])
    with pytest.raises(DesignError, match="nothing of the level"):
        fit.contrast(np.array([1.0, 20, 0, 0]))


def test_arima_warns_of_a_root_near_the_unit_circle():
    t = np.arange(60)
    y = np.random.default_rng(5).standard_normal(60)
    fit = arima.arima(np.ones((60, 1)), np.diff(y, prepend=0), t, (0, 0, 1))  # differenced noise: its root is 1
    assert any("near the unit circle" in note for note in fit.warnings)


@pytest.mark.parametrize(("order", "seasonal"), [((1, 2, 0), (0, 0, 0, 0)), ((1, 0, 0), (0, 1, 0, 12))])
def test_arima_refuses_further_differences(order, seasonal):
    with pytest.raises(DesignError, match="remove the trend or the season"):
        arima.arima(*series("its_short"), order, seasonal)


# -- forecast from the pre-period ----------------------------------------------


def split(case):
    data = frame(case)
    names = [name for name in stored(case)["ols"]["coef"] if name not in {"post", "trend_after"}]
    X, pre = data[names].to_numpy(float), data["post"].eq(0).to_numpy()
    y, t = data["outcome"].to_numpy(), data["t"].to_numpy()
    return X[pre], y[pre], t[pre], X[~pre], t[~pre]


@pytest.mark.parametrize("case", CASES)
def test_forecast_of_a_level_that_stands_is_that_of_least_squares(case):
    found = structural.forecast(*split(case), share=0.0)
    expected = stored(case)["pre_only_ols_forecast"]
    reach = stats.t.ppf(0.975, found.df) * np.sqrt(np.diag(found.covariance))
    assert found.mean == pytest.approx(np.array(expected["forecast"]), rel=EXACT)
    assert found.mean - reach == pytest.approx(np.array(expected["lower95"]), rel=EXACT)
    assert found.mean + reach == pytest.approx(np.array(expected["upper95"]), rel=EXACT)
    assert found.diagnostics["sigma_noise"] == pytest.approx(expected["sigma"], rel=EXACT)


@pytest.mark.parametrize("case", CASES)
def test_forecast_is_that_of_the_kalman_filter(case):
    X, y, t, Z, s = split(case)
    if case == "its_phasein":  # a gap within the pre-period besides the one after it
        keep = (t < 10) | (t > 13)
        X, y, t = X[keep], y[keep], t[keep]
    found = structural.forecast(X, y, t, Z, s)
    length, last = int(s[-1] - t[0]) + 1, int(t[-1] - t[0]) + 1
    grid, columns = np.full(last, np.nan), np.zeros((length, X.shape[1] - 1))
    grid[t - t[0]], columns[t - t[0]], columns[s - t[0]] = y, X[:, 1:], Z[:, 1:]
    options = {"mle_regression": False, "use_exact_diffuse": True}
    model = UnobservedComponents(grid, "llevel", exog=columns[:last], **options)
    variances = [found.diagnostics["sigma_noise"] ** 2, found.diagnostics["sigma_level"] ** 2]
    result = model.smooth(variances, cov_type="none")
    ahead = result.get_forecast(length - last, exog=columns[last:])
    assert found.mean == pytest.approx(ahead.predicted_mean[s - t[0] - last], rel=1e-8)
    assert np.sqrt(np.diag(found.covariance)) == pytest.approx(ahead.se_mean[s - t[0] - last], rel=1e-8)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its optimiser may stop short; only how high it came is asked
        tried = [model.fit(np.array(start) * y.var(), disp=0, cov_type="none") for start in ([1, 0.1], [0.1, 1])]
    highest = max(other.llf for other in tried)
    assert highest - 1e-8 <= result.llf <= highest + 1e-3


def test_forecast_errors_are_joint():
    """The variance of a mean over periods, against the same forecast made by brute force of simulation."""
    X, y, t, Z, s = split("its_short")
    found = structural.forecast(X, y, t, Z, s, share=0.5)
    mean = np.full(len(s), 1 / len(s))
    rng = np.random.default_rng(2)
    noise, level = found.diagnostics["sigma_noise"], found.diagnostics["sigma_level"]
    draws = 4000
    e = rng.normal(0, noise, (draws, len(t) + len(s))) + rng.normal(0, level, (draws, len(t) + len(s))).cumsum(axis=1)
    R = 0.5 * np.eye(len(t)) + 0.5 * np.minimum.outer(t, t) / len(t)
    C = 0.5 * np.minimum.outer(s, t) / len(t)
    b = np.linalg.solve(X.T @ np.linalg.solve(R, X), np.linalg.solve(R, X).T @ e[:, : len(t)].T)
    ahead = Z @ b + C @ np.linalg.solve(R, e[:, : len(t)].T - X @ b)
    misses = (e[:, len(t) :].T - ahead).mean(axis=0)
    assert np.sqrt(mean @ found.covariance @ mean) == pytest.approx(misses.std(), rel=0.04)  # 4 MC errors of 1.1 %


def test_forecast_adds_the_level_where_the_design_has_none():
    X, y, t, Z, s = split("its_short")
    whole, without = structural.forecast(X, y, t, Z, s), structural.forecast(X[:, 1:], y, t, Z[:, 1:], s)
    assert without.mean == pytest.approx(whole.mean)
    assert without.covariance == pytest.approx(whole.covariance)


def test_forecast_says_when_the_level_stands_or_is_all_there_is():
    t, s = np.arange(40), np.arange(40, 50)
    rng = np.random.default_rng(0)
    noise = rng.standard_normal(40)
    X, Z = np.ones((40, 1)), np.ones((10, 1))
    still = structural.forecast(X, noise - 0.6 * np.roll(noise, 1), t, Z, s)
    assert "not to wander" in still.warnings[0]
    walk = structural.forecast(X, np.cumsum(noise + 0.4 * np.roll(noise, 1)), t, Z, s)
    assert "starts from the last period" in walk.warnings[0]


def test_forecast_refusals():
    X, y, t, Z, s = split("its_short")
    with pytest.raises(DesignError, match="after the pre-period"):
        structural.forecast(X, y, t, Z, s - 5)
    with pytest.raises(DesignError, match="does not go with"):
        structural.forecast(X, y, t, Z[:, :1], s)
    with pytest.raises(DesignError, match="share"):
        structural.forecast(X, y, t, Z, s, share=1.5)


# -- what every engine owes ----------------------------------------------------

ENGINES = {
    "ols": lambda X, y, _: classical.ols(X, y),
    "newey_west": classical.newey_west,
    "prais_winsten": classical.prais_winsten,
    "ar2": arma.ar2,
    "arma11": arma.arma11,
    "arima": arima.arima,
}
OWED = 1e-6  # where an optimum is searched for; the others are far closer


def both(fit):
    return np.array([fit.contrast(c)[:2] for c in np.eye(len(fit.beta))]).T


@pytest.mark.parametrize("engine", ENGINES)
def test_engines_follow_the_outcome(engine):
    X, y, t = simulated()
    fit = ENGINES[engine]
    beta, error = both(fit(X, y, t))
    shift = np.array([1000.0, -2.0, 5.0, 0.3])
    for factor, move in ((1e4, 0 * shift), (-1.0, 0 * shift), (1.0, shift)):
        again, error_again = both(fit(X, factor * y + X @ move, t))
        assert again == pytest.approx(factor * beta + move, rel=OWED, abs=OWED * abs(factor))
        assert error_again == pytest.approx(abs(factor) * error, rel=OWED)


@pytest.mark.parametrize("engine", ENGINES)
def test_engines_do_not_ask_when_the_calendar_began_but_where_it_breaks(engine):
    X, y, t = simulated()
    keep = (t < 24) | (t > 29)
    X, y, t = X[keep], y[keep], t[keep]
    fit = ENGINES[engine]
    beta, error = both(fit(X, y, t))
    later, error_later = both(fit(X, y, t + 1200))
    assert later == pytest.approx(beta, rel=OWED)
    assert error_later == pytest.approx(error, rel=OWED)
    if engine != "ols":
        _, closed = both(fit(X, y, np.arange(len(t))))
        assert np.abs(closed / error - 1).max() > 1e-4


@pytest.mark.parametrize("engine", ENGINES)
def test_engines_standardise_their_innovations(engine):
    X, y, t = simulated(96, seed=4)
    fit = ENGINES[engine](X, y, t)
    assert fit.innovations.shape == y.shape
    assert fit.innovations.std() == pytest.approx(1, abs=0.05)
    lagged = fit.innovations[1:] @ fit.innovations[:-1] / len(y)
    assert abs(lagged) < 0.15 or engine in {"ols", "newey_west"}


def faulty():
    X, y, t = simulated()
    yield "repeat others", (np.column_stack([X, X[:, 1] + X[:, 2]]), y, t)
    yield "repeat others", (np.column_stack([X, np.zeros(48)]), y, t)
    yield "missing or infinite", (X, np.where(t == 3, np.nan, y), t)
    yield "only 4 periods", (X[20:24, :], y[20:24], t[20:24])
    yield "does not go with", (X, y[:-1], t[:-1])
    yield "does not vary", (X, X @ [1.0, 2.0, 3.0, 4.0], t)


@pytest.mark.parametrize(("why", "arrays"), list(faulty()))
@pytest.mark.parametrize("engine", ENGINES)
def test_engines_refuse_with_the_reason(engine, why, arrays):
    with pytest.raises(DesignError, match=why):
        ENGINES[engine](*arrays)


@pytest.mark.parametrize("engine", [name for name in ENGINES if name != "ols"])
def test_engines_refuse_a_calendar_out_of_order(engine):
    X, y, t = simulated()
    for wrong in (t[::-1], np.minimum(t, 40), t + 0.5):
        with pytest.raises(DesignError, match="calendar positions"):
            ENGINES[engine](X, y, wrong)


def test_engines_refuse_what_leaves_nothing_to_estimate_the_errors_from():
    X, y, t = simulated(6)
    with pytest.raises(DesignError, match="too few"):
        arma.ar2(X, y, t)
    with pytest.raises(DesignError, match="too few"):
        arima.arima(X, y, t, (1, 0, 1))
    with pytest.raises(DesignError, match="no two periods are adjacent"):
        classical.prais_winsten(X, y, 2 * t)
    with pytest.raises(DesignError, match="lags"):
        classical.newey_west(X, y, t, -1)
