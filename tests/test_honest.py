"""Do the bounds for departures from parallel trends equal the published method, and hold what they promise?"""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from conftest import REFERENCE
from scipy import optimize, stats

from evalkit import estimators
from evalkit.checks import _changed
from evalkit.errors import DesignError
from evalkit.inference import honest
from evalkit.inference.honest import Coefficients, _pieces, _search

ENTRIES = {r["id"]: r["values"] for r in json.loads((REFERENCE / "honest_did.json").read_text("utf-8"))["results"]}
STUDY = ENTRIES["es2x2_event_study"]
CASE = honest.consecutive(STUDY["betahat"], STUDY["sigma"], STUDY["numPrePeriods"])
TARGETS = {"first": np.array([1.0, 0, 0, 0]), "average": np.full(4, 0.25)}
MATCHED = {
    "es2x2_event_study": "test_the_event_study_behind_the_references",
    "es2x2_original_first": "test_original",
    "es2x2_original_average": "test_original",
    "es2x2_RM_Conditional_first": "test_relative_magnitudes_conditional",
    "es2x2_RM_C-LF_first": "test_relative_magnitudes_hybrid",
    "es2x2_RM_C-LF_average": "test_relative_magnitudes_hybrid",
    "es2x2_SD_FLCI_first": "test_fixed_length",
    "es2x2_SD_FLCI_average": "test_fixed_length",
    "es2x2_SD_C-LF_first": "test_smoothness_hybrid",
    "es2x2_flci_vec": "test_fixed_length_weights",
    "es2x2_Mpre_bounds": "test_curvature_bounds",
}
LEFT_OUT: dict[str, str] = {}  # entry: reason


def step(target):
    """One step of the references' grid: 1,000 points over 20 standard errors either way."""
    low, high = honest.original(CASE, TARGETS[target])
    return 40 * (high - low) / 2 / stats.norm.ppf(0.975) / 999


def random_case(seed, p=3, q=2, scale=1.0):
    rng = np.random.default_rng(seed)
    A = rng.normal(size=(p + q, 3 * (p + q)))
    sigma = scale**2 * A @ A.T / A.shape[1]
    return honest.consecutive(rng.multivariate_normal(np.zeros(p + q), sigma), sigma, p)


# -- references ------------------------------------------------------------------------------


def test_every_reference_entry_is_matched_or_left_out_with_a_reason():
    assert set(MATCHED) | set(LEFT_OUT) == set(ENTRIES)
    assert not set(MATCHED) & set(LEFT_OUT)
    assert all(name in globals() for name in MATCHED.values())
    assert all(LEFT_OUT.values())


def test_the_event_study_behind_the_references(reference):
    panel = reference("did_2x2")
    first = panel.cohorts[0]
    found = estimators.fit("event_study", _changed.with_window(panel, first - 5, first + 3))
    assert found.base == "universal"
    assert list(found.events["event_time"]) == STUDY["rel"]
    assert found.events["estimate"].to_numpy() == pytest.approx(STUDY["betahat"], rel=1e-8)
    assert found.covariance == pytest.approx(np.array(STUDY["sigma"]), rel=1e-8)


@pytest.mark.parametrize("target", TARGETS)
def test_original(target):
    expected = ENTRIES[f"es2x2_original_{target}"]
    found = honest.original(CASE, TARGETS[target])
    assert found == pytest.approx([expected["lb"][0][0], expected["ub"][0][0]], rel=1e-9)


def test_relative_magnitudes_conditional():
    """No simulation on either side: the reference is the outermost grid point inside our set."""
    expected = ENTRIES["es2x2_RM_Conditional_first"]
    found = honest.relative_magnitudes(CASE, TARGETS["first"], expected["Mbar"], method="conditional")
    inwards = np.stack([np.array(expected["lb"]) - found[:, 0], found[:, 1] - np.array(expected["ub"])]) / step(
        "first"
    )
    assert (inwards >= 0).all()
    assert (inwards < 1).all()


@pytest.mark.parametrize("target", TARGETS)
def test_relative_magnitudes_hybrid(target):
    """The reference simulates its critical value with 1,000 draws and stands on a grid: three steps."""
    expected = ENTRIES[f"es2x2_RM_C-LF_{target}"]
    found = honest.relative_magnitudes(CASE, TARGETS[target], expected["Mbar"])
    assert found[:, 0] == pytest.approx(expected["lb"], abs=3 * step(target))
    assert found[:, 1] == pytest.approx(expected["ub"], abs=3 * step(target))


@pytest.mark.parametrize("target", TARGETS)
def test_fixed_length(target):
    """The reference simulates the folded normal quantile (to 1.2e-3) and stops its search early, where the
    optimum is flat: lengths agree to 1.5e-3, ends to 1% of a half-length."""
    expected = ENTRIES[f"es2x2_SD_FLCI_{target}"]
    for m, low, high in zip(expected["M"], expected["lb"], expected["ub"], strict=True):
        found = honest.fixed_length(CASE, TARGETS[target], m)
        assert found.half == pytest.approx((high - low) / 2, rel=1.5e-3)
        assert [found.low, found.high] == pytest.approx([low, high], abs=0.01 * found.half)


def test_smoothness_hybrid():
    """The critical value is simulated there and the ends stand on a grid over the identified set and 20
    standard errors either way: one step."""
    expected = ENTRIES["es2x2_SD_C-LF_first"]
    found = honest.smoothness(CASE, TARGETS["first"], expected["M"])
    steps = step("first") + 2 * np.array(expected["M"]) / 999
    assert (np.abs(found[:, 0] - expected["lb"]) < steps).all()
    assert (np.abs(found[:, 1] - expected["ub"]) < steps).all()


def test_fixed_length_weights():
    """With the quantile computed exactly, ours is no longer than the reference's own weights give, and no
    more than 1e-4 shorter: its weights stand near the same flat optimum."""
    expected = ENTRIES["es2x2_flci_vec"]
    found = honest.fixed_length(CASE, TARGETS["first"], expected["M"])
    theirs = half_length(CASE, np.array(expected["optimalVec"]), expected["M"])
    assert found.half <= theirs
    assert found.half == pytest.approx(theirs, rel=1e-4)
    assert found.weights == pytest.approx(expected["optimalVec"], abs=0.01)
    assert found.std_error == pytest.approx(expected["se_of_optimal"], rel=2e-3)


def test_curvature_bounds():
    low, high = honest.curvature_bounds(CASE)
    assert high == pytest.approx(ENTRIES["es2x2_Mpre_bounds"]["upper"], rel=1e-9)
    assert low == ENTRIES["es2x2_Mpre_bounds"]["lower"] == 0


# -- the test itself, against independent computations ---------------------------------------


def half_length(case, weights, m, level=0.95):
    """Exact half-length of an affine estimator under smoothness, its bias from a linear programme."""
    sd = math.sqrt(weights @ case.sigma @ weights)
    bias = worst_bias(case, weights, m)
    c = optimize.brentq(
        lambda c: stats.norm.cdf(c - bias / sd) - stats.norm.cdf(-c - bias / sd) - level, 0, 50 + bias
    )
    return sd * c


def worst_bias(case, weights, m):
    p, q = case.p, len(case.after)
    D = np.zeros((p + q - 1, p + q + 1))
    for i in range(p + q - 1):
        D[i, i : i + 3] = 1, -2, 1
    D = np.delete(D, p, axis=1)
    found = optimize.linprog(
        -weights, np.vstack([D, -D]), np.full(2 * len(D), float(m)), bounds=[(None, None)] * (p + q)
    )
    assert found.status == 0
    return -found.fun


def moments(case, weights, mbar, change):
    """y(theta), nuisance design X and covariance of the 2q moments of one piece, written out."""
    p, q = case.p, len(case.after)
    D = np.zeros((q, p + q))
    D[:, p:] = np.eye(q) - np.eye(q, k=-1)
    A = np.vstack([D - mbar * change, -D - mbar * change])
    basis = np.linalg.svd(weights[None])[2][1:].T  # directions of tau that leave theta alone
    along = weights / (weights @ weights)
    return A @ case.beta, A[:, p:] @ along, A[:, p:] @ basis, A @ case.sigma @ A.T


@pytest.mark.parametrize("seed", range(4))
def test_the_corners_solve_the_linear_programme(seed):
    case, weights, mbar = random_case(seed, p=3, q=3), np.array([0.5, -0.2, 0.7]), 0.8
    before = _pieces.changes_before(case)
    found = _pieces.pieces(
        case, weights, _pieces.changes_after(case), np.hstack([mbar * before, np.zeros((len(before), 1))])
    )
    corners = _search._corners(found)
    for piece, change in enumerate(before):
        y, along, X, sigma = moments(case, weights, mbar, change)
        for theta in (-2.0, 0.1, 3.0):
            moved = y - along * theta
            sd = np.sqrt(np.diag(sigma))
            programme = optimize.linprog(
                [1.0, *np.zeros(X.shape[1])], -np.column_stack([sd, X]), -moved, bounds=[(None, None)] * 3
            )
            ours = corners[piece] @ [found.centre - theta, found.bound[piece]]
            assert ours.max() == pytest.approx(programme.fun, rel=1e-7, abs=1e-9)


def test_the_least_favourable_value_has_its_size():
    case, weights = random_case(3, p=3, q=3), np.full(3, 1 / 3)
    before = _pieces.changes_before(case)
    found = _pieces.pieces(case, weights, _pieces.changes_after(case), np.hstack([before, np.zeros((3, 1))]))
    critical = _search.least_favourable(found, 0.05)
    draws = np.random.default_rng(1).standard_normal((400_000, 2))
    for piece, omega in enumerate(_search._omega(found)):
        largest = (draws @ np.linalg.cholesky(omega).T @ _search._corners(found)[piece].T).max(axis=1)
        assert (largest > critical[piece]).mean() == pytest.approx(0.05, abs=0.0015)  # four standard errors


def rejected(y, sigma_corners, alpha, ceiling):
    """The conditional (or hybrid) test from the corners and their covariance, written plainly."""
    top = int(np.argmax(y))
    sd = math.sqrt(sigma_corners[top, top])
    if y[top] <= 0:
        return False
    if y[top] > ceiling:
        return True
    low, high = -math.inf, ceiling
    for k in range(len(y)):
        r = sigma_corners[top, k] / sd**2
        if k == top or abs(1 - r) < 1e-9:
            continue
        cut = (y[k] - r * y[top]) / (1 - r)
        low, high = (max(low, cut), high) if r < 1 else (low, min(high, cut))
    top_tail, high_tail, low_tail = (stats.norm.sf(edge / sd) for edge in (y[top], high, low))
    return (top_tail - high_tail) / (low_tail - high_tail) < alpha


@pytest.mark.parametrize("method", ["C-LF", "conditional"])
@pytest.mark.parametrize("seed", range(5))
def test_the_ends_are_those_of_a_plain_search(seed, method):
    """Corners that are largest anywhere, not only the outer ones, on a fine grid; the hull of what is kept."""
    case, weights, mbar = random_case(seed, p=2, q=2, scale=0.5), np.array([0.3, 0.7]), 1.3
    before = _pieces.changes_before(case)
    signed = mbar * np.vstack([before, -before])
    found = _pieces.pieces(case, weights, _pieces.changes_after(case), np.hstack([signed, np.zeros((4, 1))]))
    hybrid = method == "C-LF"
    ceiling = _search.least_favourable(found, 0.005) if hybrid else np.full(4, np.inf)
    alpha = 0.045 / 0.995 if hybrid else 0.05
    low, high = honest.relative_magnitudes(case, weights, [mbar], method=method)[0]
    grid = np.linspace(low - 0.5, high + 0.5, 3000)
    corners = _search._corners(found)
    covariance = np.einsum("pki,pij,plj->pkl", corners, _search._omega(found), corners)
    kept = [
        any(
            not rejected(corners[i] @ [found.centre - theta, found.bound[i]], covariance[i], alpha, ceiling[i])
            for i in range(4)
        )
        for theta in grid
    ]
    inside = grid[np.array(kept)]
    width = grid[1] - grid[0]
    assert 0 <= inside[0] - low <= width
    assert 0 <= high - inside[-1] <= width


# -- properties ------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["C-LF", "conditional"])
def test_with_nothing_allowed_the_set_is_the_original_interval(method):
    weights = np.array([0.4, 0.1, 0.5, 0.0])
    found = honest.relative_magnitudes(CASE, weights, [0.0], method=method)[0]
    assert found == pytest.approx(honest.original(CASE, weights), rel=1e-9)


def test_sets_grow_with_what_is_allowed():
    mbar = np.linspace(0, 3, 13)
    for case in (CASE, random_case(5, p=6, q=4)):
        found = honest.relative_magnitudes(case, TARGETS["average"], mbar)
        assert (np.diff(found[:, 0]) <= 1e-9).all()
        assert (np.diff(found[:, 1]) >= -1e-9).all()


@pytest.mark.parametrize("of", ["relative_magnitudes", "relative_bends"])
def test_bounds_follow_the_scale_the_sign_and_the_weights(of):
    def bounds(beta, sigma, weights):
        return getattr(honest, of)(honest.consecutive(beta, sigma, 4), weights, [0.5, 1.5])

    weights = TARGETS["average"]
    plain = bounds(CASE.beta, CASE.sigma, weights)
    assert bounds(100 * CASE.beta, 1e4 * CASE.sigma, weights) == pytest.approx(100 * plain, rel=1e-8)
    assert bounds(-CASE.beta, CASE.sigma, weights)[:, ::-1] == pytest.approx(-plain, rel=1e-8)
    assert bounds(CASE.beta, CASE.sigma, 3 * weights) == pytest.approx(3 * plain, rel=1e-8)


@pytest.mark.parametrize("m", [0.0, 0.1])
def test_smoothness_does_not_react_to_a_straight_line(m):
    line = 0.7 * np.concatenate([CASE.before, CASE.after])
    moved = Coefficients(CASE.beta + line, CASE.sigma, CASE.before, CASE.after)
    weights = TARGETS["average"]
    one, other = honest.fixed_length(CASE, weights, m), honest.fixed_length(moved, weights, m)
    assert [other.low, other.high] == pytest.approx([one.low, one.high], rel=1e-9)
    assert honest.smoothness(moved, weights, [m]) == pytest.approx(honest.smoothness(CASE, weights, [m]), rel=1e-9)
    bends = honest.relative_bends(moved, weights, [1.0])
    assert bends == pytest.approx(honest.relative_bends(CASE, weights, [1.0]), rel=1e-9)


def test_with_little_noise_the_set_is_the_identified_one():
    """theta -/+ Mbar x largest change x mean distance from the base period; gaps after joining included."""
    before, after = np.array([-4, -3, -2, -1]), np.array([1, 2, 5])
    beta = np.array([0.3, -0.2, 0.4, 0.1, 2.0, 2.5, 3.0])  # the largest change is 0.6
    case = Coefficients(beta, 1e-12 * np.eye(7), before, after)
    found = honest.relative_magnitudes(case, np.full(3, 1 / 3), [0.5])[0]
    assert found == pytest.approx([2.5 - 0.3 * 8 / 3, 2.5 + 0.3 * 8 / 3], abs=1e-4)
    bends = Coefficients(beta, 1e-12 * np.eye(7), before, np.array([1, 2, 3]))
    worst = np.abs(np.diff([*beta[:4], 0.0], n=2)).max()
    found = honest.relative_bends(bends, np.array([1.0, 0, 0]), [1.0])[0]
    assert found == pytest.approx([2.0 + 0.1 - worst, 2.0 + 0.1 + worst], abs=1e-4)  # the line continues to -0.1


def test_a_gap_before_joining_is_no_change_from_one_period_to_the_next():
    gap = Coefficients(np.array([9.0, 0.1, 2.0]), 1e-12 * np.eye(3), np.array([-5, -1]), np.array([1]))
    assert honest.relative_magnitudes(gap, [1.0], [1.0])[0] == pytest.approx([1.9, 2.1], abs=1e-4)


@pytest.mark.parametrize("seed", range(4))
def test_no_other_weights_give_a_shorter_fixed_length_interval(seed):
    case, m = random_case(seed, p=4, q=3), 0.3
    weights = np.array([0.2, 0.3, 0.5])
    best = honest.fixed_length(case, weights, m)
    assert half_length(case, best.weights, m) == pytest.approx(best.half, rel=1e-8)
    rng = np.random.default_rng(seed)
    line = case.before.astype(float)
    for size in (1e-3, 1e-2, 0.1, 0.5):
        for _ in range(10):
            move = rng.normal(size=case.p) * size
            move -= line * (line @ move) / (line @ line)  # still indifferent to a straight line
            other = best.weights + np.concatenate([move, np.zeros(3)])
            assert half_length(case, other, m) >= best.half * (1 - 1e-9)


def test_a_straight_line_is_extrapolated_by_generalised_least_squares():
    found = honest.fixed_length(CASE, TARGETS["first"], 0.0)
    S, t = CASE.sigma[:4, :4], CASE.before.astype(float)
    inverse = np.linalg.inv(S)
    slope = inverse @ t / (t @ inverse @ t)
    error = CASE.sigma[4, :4] @ inverse  # what is known of the post coefficient's own error
    expected = -slope - error + (error @ t) * slope
    assert found.weights[:4] == pytest.approx(expected, rel=1e-8)
    assert found.half == pytest.approx(stats.norm.ppf(0.975) * found.std_error, rel=1e-12)
    assert found.bias == 0


@pytest.mark.parametrize("level", [0.8, 0.95, 0.99])
def test_the_folded_quantile_has_its_probability(level):
    x = np.array([0.0, 1e-3, 0.3, 1.0, 4.0, 50.0])
    c = honest.folded_quantile(x, level)
    assert stats.norm.cdf(c - x) - stats.norm.cdf(-c - x) == pytest.approx(level, abs=1e-13)


def test_a_bend_clearly_seen_has_a_lower_bound():
    beta = np.array([0.0, 8.0, 0.0, 0.0, 1.0])
    low, high = honest.curvature_bounds(honest.consecutive(beta, np.eye(5), 4))
    assert 8 < low < 16 < high  # the largest bend is 16 with standard error sqrt(6)


def test_the_breakdown_value_is_the_last_that_excludes_zero():
    def sets(mbar):
        return honest.relative_magnitudes(CASE, TARGETS["average"], mbar)

    found = honest.breakdown(sets)
    assert found == pytest.approx(0.21)  # by the sets themselves, next line
    assert sets([found])[0, 0] > 0 > sets([found + 0.01])[0, 0]
    assert honest.breakdown(lambda m: np.column_stack([1 + 0 * m, 2 + 0 * m])) == math.inf
    assert honest.breakdown(lambda m: np.column_stack([-1 - m, 1 + m])) is None
    for edge in (0.0, 0.07, 0.24, 0.25, 0.26, 4.99):
        assert honest.breakdown(lambda m, e=edge: np.column_stack([e + 0.005 - m, 9 + m])) == pytest.approx(edge)


def test_blocks_average_periods_and_keep_the_target():
    rng = np.random.default_rng(4)
    case = Coefficients(rng.normal(size=17), np.eye(17), np.arange(-8, 0), np.arange(1, 10))
    weights = np.array([0, 0, 0, 1, 1, 1, 1, 1, 1]) / 6
    found, shares = honest.in_blocks(case, weights, 3)
    base = (case.beta[6] + case.beta[7]) / 3
    assert list(found.before) == [-2, -1]
    assert list(found.after) == [2, 3]
    assert found.beta == pytest.approx(
        [case.beta[0:3].mean() - base, case.beta[3:6].mean() - base,
         case.beta[11:14].mean() - base, case.beta[14:17].mean() - base]
    )  # fmt: skip
    assert shares == pytest.approx([0.5, 0.5])
    assert shares @ found.beta[2:] == pytest.approx(weights @ case.beta[8:] - base)
    same, plain = honest.in_blocks(case, weights, 1)
    kept = weights > 0
    assert honest.relative_magnitudes(same, plain, [0.0])[0] == pytest.approx(honest.original(case, weights))
    assert list(same.after) == list(case.after[kept])


# -- refusals --------------------------------------------------------------------------------


def test_what_cannot_be_bounded_is_refused_with_the_reason():
    two = np.array([1.0, 1.0])
    none = honest.consecutive([1.0, 2.0], np.eye(2), 0)
    with pytest.raises(DesignError, match="no change before joining"):
        honest.relative_magnitudes(none, two, [1.0])
    with pytest.raises(DesignError, match="no bend before joining"):
        honest.relative_bends(honest.consecutive(np.ones(3), np.eye(3), 1), two, [1.0])
    with pytest.raises(DesignError, match="no bend"):
        honest.curvature_bounds(honest.consecutive(np.ones(3), np.eye(3), 1))
    with pytest.raises(DesignError, match="before the base period"):
        honest.fixed_length(none, two, 0.0)
    with pytest.raises(DesignError, match="gaps around joining"):
        honest.smoothness(Coefficients(np.ones(3), np.eye(3), np.array([-1]), np.array([1, 3])), two, [0.1])
    with pytest.raises(DesignError, match="Mbar"):
        honest.relative_magnitudes(CASE, TARGETS["first"], [-0.5])
    with pytest.raises(DesignError, match="M must"):
        honest.fixed_length(CASE, TARGETS["first"], math.nan)
    with pytest.raises(DesignError, match="as many weights"):
        honest.original(CASE, two)
    with pytest.raises(DesignError, match="as many weights"):
        honest.original(CASE, np.zeros(4))
    with pytest.raises(DesignError, match="two blocks"):
        honest.in_blocks(CASE, TARGETS["average"], 4)


def test_broken_coefficients_are_refused():
    with pytest.raises(DesignError, match="missing"):
        honest.consecutive([1.0, math.nan], np.eye(2), 1)
    with pytest.raises(DesignError, match="no variance"):
        honest.consecutive([1.0, 1.0], np.diag([1.0, 0.0]), 1)
    with pytest.raises(DesignError, match="symmetric"):
        honest.consecutive([1.0, 1.0], np.array([[1.0, 0.5], [0.0, 1.0]]), 1)
    with pytest.raises(DesignError, match="after joining"):
        honest.consecutive([1.0, 1.0], np.eye(2), 2)
    with pytest.raises(DesignError, match="ascend"):
        Coefficients(np.ones(2), np.eye(2), np.array([1]), np.array([2]))


def test_too_few_clusters_leave_the_straight_line_out_but_not_the_bounds():
    rng = np.random.default_rng(2)
    few = rng.normal(size=(4, 7))
    case = honest.consecutive(np.arange(7.0), few.T @ few, 5)
    with pytest.raises(DesignError, match="too few clusters"):
        honest.fixed_length(case, np.full(2, 0.5), 0.1)
    found = honest.relative_magnitudes(case, np.full(2, 0.5), [0.0, 1.0])
    assert found[0] == pytest.approx(honest.original(case, np.full(2, 0.5)), rel=1e-8)
    assert found[1, 0] < found[0, 0]


# -- coverage --------------------------------------------------------------------------------


def covered(mbar, draws, seed=11):
    """Share of draws whose C-LF set holds a truth at the edge of the restriction; 5 + 2 periods, AR(1) 0.5."""
    p, q = 5, 2
    times = np.concatenate([np.arange(-p, 0), np.arange(1, q + 1)])
    cells = 0.5 ** np.abs(np.subtract.outer(np.arange(p + q + 1), np.arange(p + q + 1)))
    against = np.delete(np.eye(p + q + 1), p, axis=0) - np.eye(p + q + 1)[p]
    sigma = against @ cells @ against.T
    worst = 8.0  # well above the noise, so that one piece alone decides and nothing is left to spare
    departures = np.where(times < -1, worst, 0.0) + np.where(times > 0, mbar * worst * times, 0.0)
    weights = np.full(q, 1 / q)
    drawn = np.random.default_rng(seed).multivariate_normal(departures, sigma, size=draws)
    held = 0
    for beta in drawn:
        low, high = honest.relative_magnitudes(honest.consecutive(beta, sigma, p), weights, [mbar])[0]
        held += low <= 0 <= high
    return held / draws


@pytest.mark.parametrize("mbar", [0.5, 1.0, 2.0])
def test_coverage_at_the_edge_in_a_few_draws(mbar):
    assert covered(mbar, 60) >= 0.85  # 0.95 less four standard errors


@pytest.mark.slow
@pytest.mark.parametrize("mbar", [0.5, 1.0, 2.0])
def test_coverage_at_the_edge(mbar):
    assert 0.93 <= covered(mbar, 1500, seed=7) <= 0.97  # 0.951, 0.953 and 0.947 as measured


def test_long_differences_are_minus_the_changes_still_to_come():
    rng = np.random.default_rng(8)
    levels = rng.normal(size=6)
    levels -= levels[-1]  # the base period comes last
    changes = np.diff(levels)
    beta, sigma = honest.long_differences(np.append(changes, 7.0), np.eye(6), 5)
    assert beta == pytest.approx([*levels[:-1], 7.0])
    assert np.diag(sigma) == pytest.approx([5, 4, 3, 2, 1, 1])
