"""Is what is refitted by the dozen the same as the whole analysis, refusals and all?"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from conftest import Maker

from evalkit import checks, estimators
from evalkit.checks import _changed
from evalkit.errors import DesignError
from evalkit.estimate import Estimate, Refusal
from evalkit.estimators._its import _rho
from evalkit.estimators._its._pairs import Pairs

MONTHS = pd.period_range("2015-01", periods=54, freq="M")
ENGINES = ["ar1", "ar2", "arma11", "prais_winsten", "newey_west", "ols", "arima", "structural", "robust", "model"]
COLUMNS = {
    "continuous": {"value": "y"},
    "count": {"value": "seen"},
    "proportion": {"numerator": "seen", "denominator": "all"},
}


def panel_of(folder, kind):
    """Seven units; two join in month 30, two in month 33; one of them comes late and some months are missing."""
    rng = np.random.default_rng(4)
    frame = pd.DataFrame([(f"U{i}", str(m)) for i in range(7) for m in MONTHS], columns=["unit", "period"])
    frame["all"] = rng.integers(900, 1100, len(frame))
    frame["seen"] = rng.binomial(frame["all"], 0.7)
    frame["y"] = frame["seen"] / 7 + rng.standard_normal(len(frame))
    frame = frame[(rng.random(len(frame)) > 0.03) & ~(frame["unit"].eq("U3") & frame["period"].lt("2016-10"))]
    starts = [str(MONTHS[30])] * 2 + [str(MONTHS[33])] * 2 + [""] * 3
    rollout = pd.DataFrame({"unit": [f"U{i}" for i in range(7)], "joined": starts})
    outcome = {"name": "y", "kind": kind, "better": "higher", "role": "primary", **COLUMNS[kind]}
    source = {"reader": "csv", "path": "panel.csv", "gaps": "allow"}
    return Maker(folder).panel(
        frame, rollout, window=[str(MONTHS[0]), str(MONTHS[-1])], outcomes=[outcome], horizons=[3], source=source
    )


@pytest.fixture(scope="module")
def panels(tmp_path_factory):
    return {kind: panel_of(tmp_path_factory.mktemp(kind), kind) for kind in COLUMNS}


def same(design, panel):
    """Whether the headline alone is that of the whole, or the same refusal; and which it is."""
    whole, brief = estimators.attempt(design, panel), estimators.headline(design, panel)
    if isinstance(whole, Refusal):
        assert brief == whole
    else:
        assert isinstance(whole, Estimate)
        assert brief == whole.headline.to_dict()
    return type(whole)


@pytest.mark.parametrize(("errors", "kind"), [*((e, "proportion") for e in ENGINES), ("robust", "continuous")])
def test_every_engine_has_the_same_headline_alone(panels, errors, kind):
    family = {"robust": "auto", "model": "auto"}.get(errors, "gaussian")
    found = same("its", _changed.with_options(panels[kind], errors=errors, family=family))
    assert found is (Refusal if family == "auto" and kind == "continuous" else Estimate)


def test_so_has_any_choice_of_options_window_and_gaps(panels):
    rng = np.random.default_rng(7)
    choices = {
        "trend": ["linear", "quadratic", "spline", "damped"],
        "impact": [{"shape": s} for s in ("level", "slope", "level_and_slope")],
        "waves": ["transition", "each"],
        "scale": ["natural", "log"],
        "noise_guard": [True, False],
    }
    found = []
    for _ in range(16):
        options = {name: values[rng.integers(len(values))] for name, values in choices.items()}
        panel = panels[str(rng.choice(list(COLUMNS)))]
        if options["scale"] == "log":
            options["family"] = "gaussian"
        first, last = MONTHS[int(rng.choice([0, 12, 24]))], MONTHS[-1 - int(rng.choice([0, 6, 12]))]
        part = _changed.with_window(panel, first, last)
        part = _changed.without_periods(part, MONTHS[rng.integers(0, 54, rng.integers(0, 4))])
        found.append(same("its", _changed.with_options(part, **options)))
    assert {Estimate, Refusal} == set(found)  # some of both, or nothing was tried
    assert same("controlled_its", panels["proportion"]) is Estimate  # which has no short road


def test_no_design_of_that_name_is_refused(panels):
    with pytest.raises(DesignError, match="no design called 'its_brief'"):
        estimators.headline("its_brief", panels["count"])


@pytest.mark.parametrize("kind", COLUMNS)
def test_units_are_added_up_as_a_frame_would_be(panels, kind):
    panel = panels[kind]
    units = pd.Index(["U3", "U0", "U5", "nobody"])
    rows = panel.rows[panel.rows.index.get_level_values("unit").isin(units)].groupby("period")
    expected = rows[["numerator", "denominator"]].sum(min_count=1)
    if kind == "proportion":
        expected["value"] = 100 * expected["numerator"] / expected["denominator"]
    else:
        expected["value"] = rows["value"].mean()
    expected["units"] = rows["value"].count()
    found = panel.over(units)
    pd.testing.assert_frame_equal(found, expected[list(found)], check_freq=False, rtol=1e-14)


def test_sums_are_compensated_for_rounding(panels):
    panel = panels["continuous"]
    counted = np.full((3, 7, 54), np.nan)
    counted[0] = np.array([1e16, 1.0, np.nan, 1.0, 1.0, 1.0, -1e16])[:, None]
    found = panel.together(counted)
    assert (found.value == 4 / 6).all()  # one after the other they come to nought
    assert (found.reported == 6).all()
    assert np.isnan(found.numerator).all()


def test_a_curve_cuts_the_window_and_bends_the_trend_as_one_would_by_hand(panels):
    panel = panels["continuous"]
    curve = checks.specification_curve(panel, estimators.fit("its", panel)).data.set_index(["trend", "window"])
    at = ("Quadratic", "Without the first year")
    fixed = _changed.with_options(_changed.with_fixed_season(panel), trend="quadratic")
    head = estimators.fit("its", _changed.with_window(fixed, MONTHS[12], MONTHS[-1])).headline
    assert curve.loc[[at], ["estimate", "low", "high"]].to_numpy().tolist() == [
        [head["estimate"], head["low"], head["high"]]
    ]


def test_series_of_one_design_are_searched_as_each_would_be_alone():
    rng = np.random.default_rng(0)
    t = np.delete(np.arange(30), [7, 8, 20])
    basis, _ = np.linalg.qr(np.column_stack([np.ones(27), t, t > 14]))
    series = rng.standard_normal((5, 27)).cumsum(axis=1)
    pairs = Pairs.of(basis, series, t)
    at_once = pairs.objective(_rho.GRID[:, None], 24)
    assert at_once.shape == (len(_rho.GRID), 5)
    for one, column in zip(series, at_once.T, strict=True):
        alone = Pairs.of(basis, one[None], t)
        assert alone.objective(_rho.GRID[:, None], 24)[:, 0] == pytest.approx(column, rel=1e-12)
        dense = []
        for rho in _rho.GRID:
            R = rho ** np.abs(np.subtract.outer(t, t)).astype(float)
            W = np.linalg.inv(R)
            XX = basis.T @ W @ basis
            e = one - basis @ np.linalg.solve(XX, basis.T @ W @ one)
            dense.append(24 * np.log(e @ W @ e) + np.linalg.slogdet(R)[1] + np.linalg.slogdet(XX)[1])
        assert column == pytest.approx(np.array(dense), rel=1e-8)
