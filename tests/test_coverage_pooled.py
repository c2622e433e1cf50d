"""Do 95 % intervals of pooled interrupted series hold the truth about 95 times in a hundred?

Units start in waves over months 16 to 32 of 48, or together; own errors and the shock to all are AR(1). The bar
is 93 to 98.5 %; what counting only so many draws adds to it is allowed for. Run
`pytest -s -m slow` here to see the table.
"""

from __future__ import annotations

import math
import os

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from evalkit.estimators._its import ar1, pooling
from evalkit.estimators._its.shocks import Group

NAMES = ("level change", "slope change", "average effect")
LEAST, MOST = 0.93, 0.985
DRAWS = int(os.environ.get("EVALKIT_DRAWS", "1000"))


def autoregressive(random, shape, rho):
    e = random.normal(size=shape)
    for t in range(1, shape[-1]):
        e[..., t] = rho * e[..., t - 1] + math.sqrt(1 - rho**2) * e[..., t]
    return e


def design(n, start):
    t = np.arange(n)
    post = (t >= start).astype(float)
    angle = 2 * np.pi * t / 12
    season = [np.sin(angle), np.cos(angle), np.sin(2 * angle), np.cos(2 * angle)]
    return np.column_stack([np.ones(n), t, post, post * (t - start), *season])


def contrasts(n, start):
    rows = np.zeros((3, 8))
    rows[0, 2] = rows[1, 3] = rows[2, 2] = 1
    rows[2, 3] = (n - start - 1) / 2
    return rows


def starts(random, units, n, waves):
    if waves == 1:
        return np.full(units, n // 2)
    return np.sort(random.choice(np.arange(n // 3, 2 * n // 3 + 1), waves, replace=False))[np.arange(units) % waves]


def pooled(values, start):
    """Value, standard error and degrees of freedom of each quantity, and those of a plain mean of units."""
    n = values.shape[1]
    if len(set(start)) == 1:
        found = ar1.fit(design(n, start[0]), values.mean(axis=0), np.arange(n))
        return np.column_stack(found.contrasts(contrasts(n, start[0]))), None
    gathered = [
        Group(np.flatnonzero(start == s), design(n, s), values[start == s], np.arange(n)) for s in np.unique(start)
    ]
    shared = pooling.shared(gathered, n)
    out, plain = [], []
    for q in range(3):
        rows = [contrasts(n, s)[q] for s in start]
        each = np.array([row @ shared.beta(i) for i, row in enumerate(rows)])
        found = shared.pool(pooling.Effect(np.arange(len(start)), each, rows))
        out.append((found.value, found.std_error, found.df))
        plain.append((each.mean(), each.std(ddof=1) / math.sqrt(len(each)), len(each) - 1))
    return np.array(out), np.array(plain)


def simulate(draws, seed, *, units=20, n=48, waves=5, share=0.2, own=0.4, lasting=0.4):
    """Coverage of a true effect of nought: shape (draws, 3) for the design, and for a plain mean of units."""
    random = np.random.default_rng(seed)
    held, plain = [], []
    for _ in range(draws):
        start = starts(random, units, n, waves)
        common = autoregressive(random, (n,), lasting)
        values = math.sqrt(1 - share) * autoregressive(random, (units, n), own) + math.sqrt(share) * common
        for kept, rows in zip((held, plain), pooled(values, start), strict=True):
            if rows is not None:
                kept.append(np.abs(rows[:, 0]) <= stats.t.ppf(0.975, rows[:, 2]) * rows[:, 1])
    return np.array(held), np.array(plain)


def bounds(draws, deviations=2):
    low = LEAST - deviations * math.sqrt(LEAST * (1 - LEAST) / draws)
    return low, min(MOST + deviations * math.sqrt(MOST * (1 - MOST) / draws), 1.0)


def test_staggered_intervals_hold_the_truth_and_plain_ones_would_not():
    draws = 60
    held, plain = simulate(draws, seed=3, share=0.5, units=12)
    low, _ = bounds(draws)
    assert (held.mean(axis=0) >= low).all(), held.mean(axis=0)
    assert (plain.mean(axis=0) < low).all(), plain.mean(axis=0)


CELLS = {
    "one start, no shared shock": {"waves": 1, "share": 0.0},
    "one start, a fifth shared": {"waves": 1, "share": 0.2},
    "one start, half shared": {"waves": 1, "share": 0.5},
    "waves, no shared shock": {"share": 0.0},
    "waves, a fifth shared": {"share": 0.2},
    "waves, half shared": {"share": 0.5},
    "waves, half shared, lasting shocks": {"share": 0.5, "own": 0.2, "lasting": 0.8},
    "waves, a fifth shared, lasting shocks": {"share": 0.2, "own": 0.2, "lasting": 0.8},
    "waves, half shared, passing shocks": {"share": 0.5, "own": 0.6, "lasting": 0.0},
    "6 units, no shared shock": {"units": 6, "waves": 3, "share": 0.0},
    "6 units, half shared": {"units": 6, "waves": 3, "share": 0.5},
    "40 units, half shared": {"units": 40, "share": 0.5},
    "36 months, half shared": {"n": 36, "share": 0.5},
}


@pytest.mark.slow
@pytest.mark.parametrize("cell", CELLS)
def test_intervals_hold_the_truth_in_a_long_simulation(cell):
    held, plain = simulate(DRAWS, seed=11, **CELLS[cell])
    shares = pd.Series(held.mean(axis=0), NAMES)
    told = " ".join(f"{name} {value:.3f};" for name, value in shares.items())
    beside = "" if not len(plain) else f" plain mean {plain.mean(axis=0).round(2)}"
    print(f"{cell}: {told}{beside}")  # noqa: T201 - the table that a run with -s shows
    low, high = bounds(DRAWS)
    few = 0.01 if CELLS[cell].get("units", 20) < 10 else 0.0  # a share estimated from six units is rough
    assert shares.between(low - few, max(high, 0.99)).all(), told
