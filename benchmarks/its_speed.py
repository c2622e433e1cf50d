"""What one interrupted time series costs beside statsmodels, and what a thousand cost beside a loop.

    python benchmarks/its_speed.py

CPU time per fit, everything in this run, on a monthly series of 24, 48 and 96 months with two harmonic pairs.
The peers give coefficients and standard errors; the default engine also widens for few periods, which they do not.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable

import its_coverage as simulation
import numpy as np
import statsmodels.api as sm

from evalkit.estimators._its import ar1, quasi

SERIES, LOOP = 1000, 40
LENGTHS = (24, 48, 96)


def cpu(work: Callable[[], object], repeats: int) -> float:
    """CPU seconds of one call, the least of three rounds."""
    rounds = []
    for _ in range(3):
        start = time.process_time()
        for _ in range(repeats):
            work()
        rounds.append((time.process_time() - start) / repeats)
    return min(rounds)


def glsar(X: np.ndarray, y: np.ndarray) -> object:
    """Feasible generalised least squares, iterated."""
    return sm.GLSAR(y, X, rho=1).iterative_fit(maxiter=50).bse


def sarimax(X: np.ndarray, y: np.ndarray) -> object:
    """Exact maximum likelihood with AR(1) errors."""
    return sm.tsa.SARIMAX(y, exog=X, order=(1, 0, 0)).fit(disp=False).bse


def one_length(n: int) -> list[str]:
    """Rows of the table for one length."""
    cell = simulation.Cell("speed", n, simulation.arma((0.4,)), 0.4, pairs=2)
    X, t, Y = simulation.draw(cell, SERIES, 1)
    counted = quasi.Counted(
        "log", np.random.default_rng(1).poisson(500 * np.exp(0.05 * Y)).astype(float), np.ones_like(Y)
    )
    one = quasi.Counted("log", counted.y[:1], counted.base[:1])
    first = Y[0]
    own = cpu(lambda: ar1.fit(X, first, t), LOOP)
    rows = [
        ("one series, default engine", own, 1.0),
        ("one series of counts, default engine", (c := cpu(lambda: quasi.fit(X, one, t), LOOP)), c / own),
        ("one series, statsmodels GLSAR", (g := cpu(lambda: glsar(X, first), LOOP)), g / own),
        ("one series, statsmodels SARIMAX", (s := cpu(lambda: sarimax(X, first), 5)), s / own),
    ]
    batch = cpu(lambda: ar1.fit_many(X, Y, t), 1)
    rows += [
        (f"{SERIES:,} series in one pass", batch, batch / own),
        (f"{SERIES:,} series in a loop of GLSAR (from {LOOP})", g * SERIES, g * SERIES / own),
    ]
    return [f"{n:3d} months  {name:52s} {1000 * value:10.2f} ms  {ratio:9.2f} x" for name, value, ratio in rows]


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    for months in LENGTHS:
        print(*one_length(months), sep="\n")
