"""Do 95 % intervals of the default interrupted time series hold the truth, and are they no wider than need be?

The simulation is that of benchmarks/its_coverage.py, whose table is docs/its_coverage.md. A share that is
simulated is allowed three of its own standard errors; the same rule fails least squares.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
import its_coverage as simulation

LEAST, MOST, LEAST_OTHERWISE = 0.93, 0.985, 0.85
WIDEST = {24: (2.2, 5.0), 48: (1.8, 3.9), 96: (1.5, 2.0)}  # level, slope
FEW, MANY = 600, 4000
BIAS = 4.0


def leeway(share, series):
    return 3 * np.sqrt(share * (1 - share) / series)


def holds(covered, series, least=LEAST, most=MOST):
    return bool((covered >= least - leeway(least, series)).all() and (covered <= most + leeway(most, series)).all())


def named(cell):
    return f"{cell.n} {cell.label}"


def centred(cell):
    return cell.gap == 0 and cell.share == 0.5 and not cell.pairs


def check_first_order(cell, series):
    found = simulation.default_engine(cell, series)
    assert holds(found.covered, series), found.covered
    assert (np.abs(found.bias) < BIAS).all(), found.bias
    if centred(cell):  # the bar on width is for a start at the middle of an unbroken series without a season
        wide = simulation.width(cell, found)
        assert (wide[:2] <= WIDEST[cell.n]).all(), wide


@pytest.mark.parametrize("cell", [c for c in simulation.first_order() if c.n < 96], ids=named)
def test_a_small_simulation_keeps_the_bar_under_ar1_errors(cell):
    check_first_order(cell, FEW)


@pytest.mark.parametrize("cell", [c for c in simulation.misspecified() if c.n == 48], ids=named)
def test_a_small_simulation_keeps_the_bar_under_other_errors(cell):
    covered = simulation.default_engine(cell, FEW).covered
    assert holds(covered, FEW, LEAST_OTHERWISE, 1.0), covered


@pytest.mark.parametrize("cell", simulation.counts(), ids=named)
def test_a_small_simulation_keeps_the_bar_for_counts(cell):
    covered = simulation.default_engine(cell, FEW).covered
    assert holds(covered, FEW), covered


@pytest.mark.parametrize("cell", simulation.seasonal_model(), ids=named)
def test_a_small_simulation_keeps_the_bar_with_a_season_in_the_model(cell):
    check_first_order(cell, FEW)


@pytest.mark.parametrize("cell", [c for c in simulation.controlled() if c.n == 48], ids=named)
def test_a_small_simulation_keeps_the_bar_for_a_controlled_series(cell):
    covered = simulation.default_engine(cell, FEW).covered
    assert holds(covered, FEW, LEAST_OTHERWISE, 1.0), covered


def test_the_bar_fails_least_squares_and_newey_west():
    cell = next(c for c in simulation.first_order() if c.n == 48 and c.rho == 0.6 and centred(c))
    assert not holds(simulation.least_squares(cell, FEW).covered, FEW)
    assert not holds(simulation.least_squares(cell, FEW, lags=1).covered, FEW)


def test_the_bar_fails_the_default_engine_on_a_random_walk():
    cell = next(c for c in simulation.beyond() if c.n == 96)
    assert not holds(simulation.default_engine(cell, FEW).covered, FEW)


@pytest.mark.slow
@pytest.mark.parametrize("cell", simulation.first_order(), ids=named)
def test_the_bar_under_ar1_errors(cell):
    check_first_order(cell, MANY)


@pytest.mark.slow
@pytest.mark.parametrize("cell", simulation.seasonal_model(), ids=named)
def test_the_bar_with_a_season_in_the_model(cell):
    check_first_order(cell, MANY)


@pytest.mark.slow
@pytest.mark.parametrize("cell", [*simulation.misspecified(), *simulation.controlled()], ids=named)
def test_the_bar_under_other_errors(cell):
    covered = simulation.default_engine(cell, MANY).covered
    assert holds(covered, MANY, LEAST_OTHERWISE, 1.0), covered


@pytest.mark.slow
@pytest.mark.parametrize("cell", simulation.counts(), ids=named)
def test_the_bar_for_counts(cell):
    covered = simulation.default_engine(cell, MANY).covered
    assert holds(covered, MANY), covered


def test_the_committed_table_is_that_of_this_simulation():
    page = (Path(__file__).parents[1] / "docs" / "its_coverage.md").read_text(encoding="utf-8")
    assert f"seed {simulation.SEED}" in page
    cells = [
        c
        for kind in ("first_order", "seasonal_model", "misspecified", "controlled", "counts", "beyond")
        for c in getattr(simulation, kind)()
    ]
    for cell in cells:
        assert f"| {cell.label} | {cell.n} |" in page
