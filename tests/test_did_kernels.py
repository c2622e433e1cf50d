"""Do the decomposition, the count models and the stacks equal the references, and refuse with reasons?

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
from evalkit.estimators._did import bacon

EXACT = 1e-9  # both sides are closed-form


@cache
def stored(case):
    return {r["id"]: r["values"] for r in json.loads((REFERENCE / f"{case}.json").read_text("utf-8"))["results"]}


@cache
def frame(case):
    return pd.read_csv(REFERENCE / f"{case}.csv")


def wide(case, column):
    return frame(case).pivot_table(index="provider_id", columns="t", values=column).to_numpy(float)


def joins(case):
    """Column in which each unit joined, NaN never; shape (n,)."""
    g = frame(case).groupby("provider_id")["g"].first().to_numpy(float)
    return np.where(g == 0, np.nan, g - 1)


# -- the two-way estimate taken apart ----------------------------------------------

STAGGERED = ["did_stag_small", "did_stag6", "did_all_treated", "did_covariate", "did_one_pre"]
R_KINDS = {
    bacon.NEVER: "Treated vs Untreated",
    bacon.EARLIER: "Earlier vs Later Treated",
    bacon.LATER: "Later vs Earlier Treated",
}


@pytest.mark.parametrize("case", STAGGERED)
def test_decomposition(case):
    expected = stored(case)["bacon"]
    found = bacon.decompose(wide(case, "outcome"), joins(case))
    theirs = expected["two_by_twos"]
    pairs = list(zip(theirs["treated"], map(float, theirs["untreated"]), strict=True))  # "Inf" is never
    others = np.where(np.isnan(found.comparison), np.inf, found.comparison + 1)
    order = [pairs.index(pair) for pair in zip(found.joined + 1, others, strict=True)]
    assert sorted(order) == list(range(len(pairs)))
    assert found.weight == pytest.approx(np.array(theirs["weight"])[order], rel=EXACT)
    assert found.estimate == pytest.approx(np.array(theirs["estimate"])[order], rel=EXACT)
    assert [R_KINDS[k] for k in found.kind] == [theirs["type"][i] for i in order]
    assert found.total == pytest.approx(expected["twfe"], rel=EXACT)
    kinds = dict(zip(expected["by_type"]["type"], range(9), strict=False))
    for kind, (weight, mean) in found.by_kind().items():
        assert weight == pytest.approx(expected["by_type"]["weight"][kinds[R_KINDS[kind]]], rel=EXACT)
        assert mean == pytest.approx(expected["by_type"]["average_estimate"][kinds[R_KINDS[kind]]], rel=EXACT)


def two_way(Y, D):
    """The coefficient of D given unit and period effects, in a balanced panel."""
    D = D - D.mean(axis=1, keepdims=True) - D.mean(axis=0) + D.mean()
    return (D * Y).sum() / (D**2).sum()


def test_decomposition_with_units_always_joined_and_joining_after_the_end():
    rng = np.random.default_rng(0)
    Y, g = rng.normal(size=(30, 12)), rng.choice([-3, 0, 4, 9, 12, 40, np.nan], 30)
    found = bacon.decompose(Y, g)
    assert found.total == pytest.approx(two_way(Y, (np.arange(12) >= g[:, None]).astype(float)), rel=1e-12)
    assert set(found.kind) == set(bacon.KINDS)
    assert not (found.joined == 0).any()
    assert found.weight.sum() == pytest.approx(1, rel=1e-12)
    assert (found.weight > 0).all()
    order = rng.permutation(30)
    moved = bacon.decompose((5 * Y + rng.normal(size=(30, 1)) + rng.normal(size=12))[order], g[order])
    assert moved.weight == pytest.approx(found.weight, rel=1e-12)
    assert moved.estimate == pytest.approx(5 * found.estimate, rel=1e-9)


def test_decomposition_refuses_gaps_and_one_wave():
    Y, g = wide("did_unbalanced", "outcome"), joins("did_unbalanced")
    with pytest.raises(DesignError, match="of 80 units have missing periods"):
        bacon.decompose(Y, g)
    with pytest.raises(DesignError, match="no unit joined while another had not"):
        bacon.decompose(np.ones((5, 4)), np.full(5, 2.0))
