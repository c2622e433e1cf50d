"""Do 95 % intervals of the staggered designs hold the truth, with errors of the right size?

The simulation is that of benchmarks/did_coverage.py, whose table is docs/did_coverage.md. A share that is
simulated is allowed three of its own standard errors; the same rule fails the conservative errors of imputation
where waves are small.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
import did_coverage as simulation

LEAST, MOST = 0.93, 0.985
FEW, MANY = 400, 4000
BIAS = 4.0
DEFAULTS = [name for name in simulation.DESIGNS if name not in ("imputation, conservative", "imputation, leave_out")]
KEEPING = [(cell, name) for cell in simulation.ANALYTIC for name in DEFAULTS]


def leeway(share, series):
    return 3 * np.sqrt(share * (1 - share) / series)


def holds(covered, series, least=LEAST, most=MOST):
    return bool((covered >= least - leeway(least, series)).all() and (covered <= most + leeway(most, series)).all())


def named(value):
    return f"{value.label}, {value.rho}" if isinstance(value, simulation.Cell) else value


def check(cell, name, series):
    found = simulation.analytic(name, cell, series)
    assert holds(found.covered, series), found.covered
    assert (np.abs(found.bias) < BIAS).all(), found.bias
    return found


@pytest.mark.parametrize(("cell", "name"), KEEPING, ids=named)
def test_a_small_simulation_keeps_the_bar(cell, name):
    check(cell, name, FEW)


def test_the_bar_fails_conservative_errors_of_small_waves():
    found = simulation.analytic("imputation, conservative", simulation.sized(2), FEW)
    assert not holds(found.covered, FEW)
    assert (found.ratio < 0.95).all()


def test_leaving_out_takes_over_where_waves_are_small():
    auto, left, plain = (
        simulation.analytic(f"imputation, {e}", simulation.SMALL, 50) for e in ("auto", "leave_out", "conservative")
    )
    np.testing.assert_array_equal(auto.error, left.error)
    assert (left.error > plain.error).all()


def test_errors_are_of_the_right_size_on_the_large_panel():
    for name in DEFAULTS:
        ratio = simulation.analytic(name, simulation.LARGE, FEW).ratio
        assert (np.abs(ratio - 1) < 0.15).all(), (name, ratio)  # a standard deviation is known to 3.5 % from 400


def test_the_wild_bootstrap_keeps_the_bar_with_few_clusters():
    covered = simulation.wild("group_time", simulation.WILD[1], 60)
    assert (covered >= 0.95 - leeway(0.95, 60)).all(), covered


@pytest.mark.parametrize("cell", simulation.WILD, ids=named)
def test_leaving_whole_clusters_out_keeps_the_bar_with_few_clusters(cell):
    covered = simulation.analytic("imputation, auto", cell, FEW).covered
    assert holds(covered, FEW), covered


def test_the_bar_fails_conservative_errors_with_seven_regions():
    covered = simulation.analytic("imputation, conservative", simulation.REGIONS, FEW).covered
    assert not holds(covered, FEW), covered


@pytest.mark.slow
@pytest.mark.parametrize(("cell", "name"), KEEPING, ids=named)
def test_the_full_simulation_keeps_the_bar(cell, name):
    check(cell, name, MANY)


@pytest.mark.slow
@pytest.mark.parametrize("cell", simulation.WILD, ids=named)
def test_the_full_simulation_keeps_the_bar_with_few_clusters(cell):
    covered = simulation.wild("group_time", cell, 500)
    assert holds(covered, 500), covered
    by_t = simulation.analytic("imputation, auto", cell, MANY).covered
    assert holds(by_t, MANY), by_t
