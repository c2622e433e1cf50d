"""Do 95 % intervals of group-time effects hold the truth about 95 times in a hundred?

Staggered panels, 40 units by 24 months, AR(1) errors of 0.5, effects that differ by wave and grow with time.
The bar is 93 to 98.5 %; what counting only so many draws adds to it is allowed for.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from conftest import Maker

from evalkit import estimators

UNITS, MONTHS = 40, 24
STARTS = {8: 6, 11: 6, 14: 6, 17: 6}  # month of joining -> units; the other 16 never join
AR = 0.5
LEAST, MOST = 0.93, 0.985
HEADLINE = "average effect on the joined (ATT)"
LATER = "effect 4 months after joining"


def starts():
    joined = [month for month, size in STARTS.items() for _ in range(size)]
    return np.array(joined + [np.nan] * (UNITS - len(joined)))


def effects():
    """Each unit's effect in each month: larger in later waves, growing with time since joining."""
    since = np.arange(MONTHS)[None, :] - starts()[:, None]
    wave = np.nan_to_num(starts() / 8.0)[:, None]
    return np.where(since >= 0, wave * (1.0 + 0.25 * since), 0.0), since


def draw(random):
    """Outcomes: unit levels, a common course, the effects, stationary AR(1) errors; shape (UNITS, MONTHS)."""
    e = np.empty((UNITS, MONTHS))
    e[:, 0] = random.normal(size=UNITS) / math.sqrt(1 - AR**2)
    for t in range(1, MONTHS):
        e[:, t] = AR * e[:, t - 1] + random.normal(size=UNITS)
    course = random.normal(size=MONTHS).cumsum()
    return 60 + 5 * random.normal(size=(UNITS, 1)) + course + effects()[0] + 2 * e


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    window = pd.period_range("2018-01", periods=MONTHS, freq="M")
    names = [f"U{i:02d}" for i in range(UNITS)]
    rows = pd.DataFrame([(u, str(p), float(i)) for i, u in enumerate(names) for p in window])
    rows.columns = ["unit", "period", "y"]
    joined = ["" if np.isnan(g) else str(window[int(g)]) for g in starts()]
    rollout = pd.DataFrame({"unit": names, "joined": joined})
    return Maker(tmp_path_factory.mktemp("study")).panel(rows, rollout, horizons=[4])


def simulate(template, draws, seed):
    """One row a draw and term: estimate, std_error, df and the truth."""
    random = np.random.default_rng(seed)
    effect, since = effects()
    truth = {HEADLINE: effect[since >= 0].mean(), LATER: effect[since == 4].mean()}
    found = []
    for _ in range(draws):
        rows = template.rows.assign(value=draw(random).ravel())
        terms = estimators.fit("group_time", template.with_rows(rows)).terms.set_index("term")
        found.append(terms.loc[list(truth)].assign(truth=truth))
    return pd.concat(found)


def coverage(found, width=1.0):
    """The share of intervals that hold the truth, by term, when they are `width` times as wide."""
    reach = width * (found["high"] - found["low"]) / 2
    return ((found["estimate"] - found["truth"]).abs() <= reach).groupby(level=0).mean()


def allowed(draws, deviations):
    low = LEAST - deviations * math.sqrt(LEAST * (1 - LEAST) / draws)
    return low, min(MOST + deviations * math.sqrt(MOST * (1 - MOST) / draws), 1.0)


def within(shares, draws, deviations=2):
    low, high = allowed(draws, deviations)
    return shares.between(low, high)


def unbiased(found):
    standardised = (found["estimate"] - found["truth"]) / found["std_error"]
    return (standardised.groupby(level=0).mean().abs() < 3 / math.sqrt(len(found) / 2)).all()


@pytest.fixture(scope="module")
def short(template):
    return simulate(template, 60, seed=7)


def test_intervals_hold_the_truth_in_a_short_simulation(short):
    assert within(coverage(short), 60).all(), coverage(short)
    assert unbiased(short)


def test_the_short_simulation_would_see_intervals_that_are_too_narrow(short):
    """Independent errors would make them about two thirds as wide here."""
    assert not within(coverage(short, width=0.62), 60).any(), coverage(short, width=0.62)


@pytest.mark.slow
def test_intervals_hold_the_truth_in_a_long_simulation(template):
    found = simulate(template, 400, seed=11)
    assert within(coverage(found), 400).all(), coverage(found)
    assert unbiased(found)
    assert not within(coverage(found, width=0.75), 400).any()
    assert not within(coverage(found, width=2.0), 400).any()
