"""Are bounds with a known sign of the departures valid, no wider than without it, and of use?"""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from evalkit.errors import DesignError
from evalkit.inference import honest

AVERAGE = np.full(3, 1 / 3)
FAMILIES = {
    "changes": (honest.relative_magnitudes, [0.5, 1.5]),
    "bends": (honest.relative_bends, [0.5, 1.5]),
    "smoothness": (honest.smoothness, [0.2, 1.0]),
}


def against_base(p, q):
    """Covariance of coefficients against one base period, of cells with autocorrelation 0.5."""
    n = p + q + 1
    cells = 0.5 ** np.abs(np.subtract.outer(np.arange(n), np.arange(n)))
    turn = np.delete(np.eye(n), p, axis=0) - np.eye(n)[p]
    return turn @ cells @ turn.T


def case(seed, p=5, q=3):
    sigma = against_base(p, q)
    return honest.consecutive(np.random.default_rng(seed).multivariate_normal(np.zeros(p + q), sigma), sigma, p)


def with_beta(coefficients, beta, factor=1.0):
    return honest.Coefficients(beta, factor * coefficients.sigma, coefficients.before, coefficients.after)


# -- properties ---------------------------------------------------------------------------------


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("method", ["C-LF", "conditional"])
def test_a_known_sign_never_gives_more_than_the_set_without_it_at_the_level_it_starts_from(family, method):
    bounds, m = FAMILIES[family]
    for seed in range(3):
        made = case(seed)
        wide = bounds(made, AVERAGE, m, level=0.955, method=method)
        for sign in ("positive", "negative"):
            found = bounds(made, AVERAGE, m, method=method, sign=sign)
            assert (found[:, 0] >= wide[:, 0] - 1e-9).all()
            assert (found[:, 1] <= wide[:, 1] + 1e-9).all()


@pytest.mark.parametrize("family", FAMILIES)
def test_the_known_side_ends_near_the_estimate_and_the_other_hardly_moves(family):
    """0.05 standard errors of what decides the other end, and 2.576 of the estimate, as documented. What
    decides under smoothness is the average less its line; for the others it also holds a bound with errors
    of its own, and is taken from how far the set without sign moves between two levels."""
    bounds, m = FAMILIES[family]
    for seed in range(3):
        made = case(seed)
        estimate = AVERAGE @ made.beta[5:]
        error = math.sqrt(AVERAGE @ made.sigma[5:, 5:] @ AVERAGE)
        plain, found = (bounds(made, AVERAGE, m, sign=sign) for sign in ("any", "positive"))
        assert (found[:, 1] <= estimate + stats.norm.isf(0.005) * error + 1e-9).all()
        assert found[-1, 1] < plain[-1, 1] - error / 2
        outer = bounds(made, AVERAGE, m, level=0.975)
        per_error = np.abs(outer - plain) / (stats.norm.isf(0.025) - stats.norm.isf(0.05))
        assert (plain[:, 0] - found[:, 0] >= -1e-9).all()
        assert (plain[:, 0] - found[:, 0] <= 0.06 * per_error[:, 0]).all()
        assert (found[:, 1] - plain[:, 1] <= 0.06 * per_error[:, 1]).all()


def test_the_other_end_moves_by_a_known_share_of_its_standard_error():
    made = case(3)
    line = np.append(np.eye(5)[4] * (AVERAGE @ np.arange(1, 4)), AVERAGE)  # l'beta less the line through -1 and 0
    error = math.sqrt(line @ made.sigma @ line)
    plain, found = (honest.smoothness(made, AVERAGE, [50.0], sign=sign)[0] for sign in ("any", "positive"))
    assert (plain[0] - found[0]) / error == pytest.approx(stats.norm.isf(0.045) - stats.norm.isf(0.05), abs=0.005)


@pytest.mark.parametrize("family", FAMILIES)
def test_mirrored_data_with_the_mirrored_sign_give_the_mirrored_set(family):
    bounds, m = FAMILIES[family]
    for seed in range(2):
        made = case(seed)
        up = bounds(made, AVERAGE, m, sign="positive")
        down = bounds(with_beta(made, -made.beta), AVERAGE, m, sign="negative")
        assert down == pytest.approx(-up[:, ::-1], rel=1e-12)
        assert not np.allclose(bounds(made, AVERAGE, m, sign="negative"), up)


@pytest.mark.parametrize("family", FAMILIES)
def test_sets_follow_the_scale_and_the_weights(family):
    bounds, m = FAMILIES[family]
    made = case(1)
    plain = bounds(made, AVERAGE, m, sign="positive")
    times = 100 if family == "smoothness" else 1
    scaled = bounds(with_beta(made, 100 * made.beta, 1e4), AVERAGE, times * np.array(m), sign="positive")
    assert scaled == pytest.approx(100 * plain, rel=1e-8)
    assert bounds(made, 3 * AVERAGE, m, sign="positive") == pytest.approx(3 * plain, rel=1e-8)


@pytest.mark.parametrize("sign", ["positive", "negative"])
def test_with_nothing_allowed_a_sign_says_nothing(sign):
    made = case(2)
    found = honest.relative_magnitudes(made, AVERAGE, [0.0, 1.0], sign=sign)
    assert found[0] == pytest.approx(honest.original(made, AVERAGE), rel=1e-9)
    alone = honest.relative_magnitudes(made, AVERAGE, [1.0], sign=sign)[0]
    assert found[1] == pytest.approx(alone, rel=1e-12)


def test_with_no_bend_allowed_the_line_goes_on_and_the_sign_cuts_it():
    """M = 0: the estimate less the line through the base period and the one before it, two-sided at 95.5%."""
    made = case(4)
    line = np.append(np.eye(5)[4] * (AVERAGE @ np.arange(1, 4)), AVERAGE)
    centre, reach = line @ made.beta, stats.norm.isf(0.0225) * math.sqrt(line @ made.sigma @ line)
    top = AVERAGE @ made.beta[5:] + stats.norm.isf(0.005) * math.sqrt(AVERAGE @ made.sigma[5:, 5:] @ AVERAGE)
    found = honest.smoothness(made, AVERAGE, [0.0], sign="positive")[0]
    assert found == pytest.approx([centre - reach, min(centre + reach, top)], rel=1e-8)


def test_with_little_noise_the_set_of_changes_is_the_identified_one():
    beta = np.array([0.3, -0.2, 0.4, 0.1, 2.0, 2.5, 3.0])  # the largest change before joining is 0.6
    made = honest.consecutive(beta, 1e-12 * np.eye(7), 4)
    up, down = (honest.relative_magnitudes(made, AVERAGE, [0.5], sign=sign)[0] for sign in ("positive", "negative"))
    assert up == pytest.approx([2.5 - 0.3 * 2, 2.5], abs=1e-4)
    assert down == pytest.approx([2.5, 2.5 + 0.3 * 2], abs=1e-4)


def test_sets_with_a_sign_grow_with_what_is_allowed():
    found = honest.relative_magnitudes(case(5), AVERAGE, np.linspace(0.25, 3, 12), sign="positive")
    assert (np.diff(found[:, 0]) <= 1e-9).all()
    assert (np.diff(found[:, 1]) >= -1e-9).all()


# -- refusals --------------------------------------------------------------------------------------


def test_what_no_sign_can_bound_is_refused_with_the_reason():
    made = case(0)
    with pytest.raises(DesignError, match="weighed positively"):
        honest.relative_magnitudes(made, np.array([1.0, -1.0, 0.0]), [1.0], sign="positive")
    assert np.isfinite(honest.relative_magnitudes(made, np.array([1.0, -1.0, 0.0]), [1.0])).all()
    with pytest.raises(DesignError, match="`sign` is 'upward'"):
        honest.relative_magnitudes(made, AVERAGE, [1.0], sign="upward")
    with pytest.raises(DesignError, match="`method` is 'LF'"):
        honest.smoothness(made, AVERAGE, [1.0], method="LF")
    with pytest.raises(DesignError, match="between 0 and 1"):
        honest.smoothness(made, AVERAGE, [1.0], level=1.0)
    with pytest.raises(DesignError, match="Mbar"):
        honest.relative_bends(made, AVERAGE, [math.inf], sign="negative")


def test_a_course_that_contradicts_the_sign_is_refused():
    falling = honest.consecutive([5.0, 4.0, 3.0, 2.0, 1.0, -1.0, -2.0, -3.0], 1e-4 * np.eye(8), 5)
    with pytest.raises(DesignError, match="leads away from the sign `positive`"):
        honest.smoothness(falling, AVERAGE, [0.1], sign="positive")
    assert np.isfinite(honest.smoothness(falling, AVERAGE, [0.1], sign="negative")).all()


# -- coverage ----------------------------------------------------------------------------------------

EDGES = ["at the sign", "at the bound", "between", "bound of a bend"]


def departures(edge, p, q):
    """A path at an edge of what is allowed, and the family and m that allow it."""
    times = np.concatenate([np.arange(-p, 0), np.arange(1, q + 1)])
    worst = np.where(times < -1, 8.0, 0.0)  # well above the noise, so that one piece decides
    share = {"at the sign": 0.0, "at the bound": 1.0, "between": 0.1}
    if edge in share:
        return worst + share[edge] * 8.0 * np.maximum(times, 0), honest.relative_magnitudes, 1.0
    bend = np.where(times > 0, times * (times + 1) / 2, 0.0)
    return bend, honest.smoothness, 1.0


def covered(edge, draws, seed, *, sign="positive", turn=1.0):
    """Share of draws whose set holds the truth, an effect of zero; 5 + 2 periods."""
    p, q = 5, 2
    path, bounds, m = departures(edge, p, q)
    sigma, weights = against_base(p, q), np.full(q, 1 / q)
    drawn = np.random.default_rng(seed).multivariate_normal(turn * path, sigma, size=draws)
    sets = [bounds(honest.consecutive(beta, sigma, p), weights, [m], sign=sign)[0] for beta in drawn]
    return np.mean([low <= 0 <= high for low, high in sets])


@pytest.mark.parametrize("edge", EDGES)
def test_coverage_at_the_edges_in_a_few_draws(edge):
    assert covered(edge, 60, 3) >= 0.85  # 0.95 less four standard errors


def test_a_wrong_sign_misses_the_truth():
    assert covered("at the bound", 20, 3, turn=-1.0) == 0.0
    assert covered("at the bound", 20, 3, sign="negative", turn=-1.0) >= 0.8


@pytest.mark.slow
@pytest.mark.parametrize("edge", EDGES)
def test_coverage_at_the_edges(edge):
    assert covered(edge, 1500, 7) >= 0.93
