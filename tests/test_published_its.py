"""Does the interrupted time series give the published answers on the published series?

The data stay outside the project (no licence is stated for some); without them these tests are
skipped. Figures are those of the papers' own scripts on these files; where a figure was printed
rounded, the tolerance is half a unit of its last digit or the one stated beside it.
"""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from conftest import SHARED

from evalkit import cli, estimators
from evalkit.estimators._its import arma
from evalkit.estimators._its.arima import arima
from evalkit.panel import build

DATA = SHARED / "data" / "its"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the published series are not beside this checkout")
PRINTED = 0.0011  # ratios printed to three digits, the last possibly rounded in between


def terms(panel, design="its"):
    return estimators.fit(design, panel).terms.set_index("term")


def figures(row):
    return [row["estimate"], row["low"], row["high"]]


@pytest.fixture
def sicily(make):
    """Hospital admissions for acute coronary events in Sicily, smoking ban January 2005."""
    data = pd.read_csv(DATA / "sicily_smokban_aces.csv")
    period = data["year"].astype(str) + "-" + data["month"].astype(str).str.zfill(2)
    rows = pd.DataFrame({"unit": "Sicily", "period": period, "aces": data["aces"], "stdpop": data["stdpop"]})
    outcome = {"name": "aces", "kind": "rate", "numerator": "aces", "denominator": "stdpop", "better": "lower",
               "role": "primary", "per": 100000}  # fmt: skip
    rollout = pd.DataFrame({"unit": ["Sicily"], "joined": ["2005-01"]})

    def built(**options):
        model = {"its": options}
        return make.panel(rows, rollout, window=["2002-01", "2006-11"], outcomes=[outcome], model=model)

    return built


STEP = {"impact": "level", "family": "poisson"}
NONE, TWO = {"season": {"harmonics": 0}}, {"season": {"harmonics": 2}}


@pytest.mark.parametrize(
    ("options", "expected", "dispersion"),
    [
        ({**STEP, **NONE, "errors": "model"}, (0.894, 0.864, 0.925), 3.559),
        ({**STEP, **NONE, "errors": "ols"}, (0.894, 0.839, 0.953), 3.559),
        ({**STEP, **TWO, "errors": "ols"}, (0.885, 0.839, 0.933), 2.262),
    ],
)
def test_sicily_as_published(sicily, options, expected, dispersion):
    found = estimators.fit("its", sicily(**options))
    row = found.terms.set_index("term").loc["level change, rate ratio"]
    assert row["estimate"] == pytest.approx(expected[0], abs=PRINTED)
    # the paper's intervals are normal; ours have t on n - k degrees of freedom unless the family's own errors are asked
    normal = np.exp(np.log(row["estimate"]) + np.array([-1, 1]) * 1.959964 * row["std_error"] / row["estimate"])
    assert normal == pytest.approx(expected[1:], abs=PRINTED)
    assert row["low"] <= normal[0] + 1e-9
    assert found.diagnostics["dispersion"] == pytest.approx(dispersion, abs=0.001)


def test_sicily_events_averted(sicily):
    found = terms(sicily(**STEP, errors="ols", **TWO))
    assert found.loc["events averted", "estimate"] == pytest.approx(2561, abs=1)


def test_sicily_step_and_slope(sicily):
    found = terms(sicily(family="poisson", errors="ols", **TWO))
    # published with the slope counted from the month before the ban; ours from its first month, one slope on
    slope = found.loc["slope change per month, rate ratio", "estimate"]
    assert slope == pytest.approx(1.001, abs=PRINTED)
    assert found.loc["level change, rate ratio", "estimate"] / slope == pytest.approx(0.876, abs=PRINTED)


def test_sicily_default_engine(sicily):
    row = terms(sicily(impact="level", **TWO)).loc["level change, rate ratio"]
    assert figures(row) == pytest.approx([0.884, 0.841, 0.929], abs=PRINTED)
    found = estimators.fit("its", sicily(impact="level", scale="log", **TWO))
    row = found.terms.set_index("term").loc["level change, rate ratio"]
    assert figures(row) == pytest.approx([0.883, 0.839, 0.928], abs=PRINTED)
    assert found.diagnostics["rho"] == pytest.approx(-0.11, abs=0.005)


@pytest.fixture
def california(make):
    """Cigarette sales by state and year, tax of 1989 in California (Proposition 99)."""
    data = pd.read_csv(DATA / "cigsales_prop99.csv")
    rows = data.rename(columns={"state": "unit", "year": "period", "cigsale": "y"})[["unit", "period", "y"]]

    def built(states=("California",), **options):
        kept = rows if states is None else rows[rows["unit"].isin(states)]
        names = sorted(kept["unit"].unique())
        rollout = pd.DataFrame({"unit": names, "joined": ["1989" if n == "California" else "" for n in names]})
        return make.panel(
            kept,
            rollout,
            source={"reader": "csv", "path": "panel.csv", "frequency": "year"},
            window=["1970", "2000"],
            comparison="never_joined" if states is None else "none",
            model={"its": options},
        )

    return built


def test_california_newey_west_and_least_squares(california):
    found = terms(california(errors="newey_west", lags=1))
    for name, expected in (
        ("level change", (-20.05810, -29.752, -10.364)),
        ("slope change per year", (-1.494652, -2.391, -0.598)),
    ):
        assert found.loc[name, "estimate"] == pytest.approx(expected[0], rel=1e-4)
        assert [found.loc[name, "low"], found.loc[name, "high"]] == pytest.approx(expected[1:], abs=6e-4)
    assert found.loc["level change", "std_error"] == pytest.approx(4.7244, rel=1e-3)
    assert found.loc["slope change per year", "std_error"] == pytest.approx(0.43682, rel=1e-3)
    plain = terms(california(errors="ols"))
    assert plain.loc["level change", "std_error"] == pytest.approx(3.7471, rel=1e-3)
    assert plain.loc["slope change per year", "std_error"] == pytest.approx(0.4846, rel=1e-3)


def test_california_default_engine_flags_the_near_unit_root(california):
    found = estimators.fit("its", california())
    row = found.terms.set_index("term").loc["level change"]
    assert figures(row) == pytest.approx([-5.9, -12.3, 0.5], abs=0.051)
    assert found.diagnostics["rho"] == 0.98
    assert any("upper bound" in w and "random walk" in w for w in found.warnings)


def test_california_against_the_other_states(california):
    # the published errors are of a panel of 39 states; the estimates are those of California against their mean
    found = terms(california(states=None, errors="ols"), "controlled_its")
    assert found.loc["difference in level change", "estimate"] == pytest.approx(-2.806417, rel=1e-4)
    assert found.loc["difference in slope change per year", "estimate"] == pytest.approx(-0.9911, rel=1e-3)
    assert found.loc["level change of the control alone", "estimate"] == pytest.approx(-17.25168, rel=1e-4)


@pytest.fixture
def virginia(make):
    """Market share of preferred antipsychotics in West Virginia, prior authorisation from 2003 Q2."""
    data = pd.read_csv(DATA / "wv_antipsychotic.csv")
    rows = pd.DataFrame(
        {
            "unit": "WV",
            "period": data["yearqtr"].str.replace(",", "-Q").str.replace(" ", ""),
            "y": data["marketshare"],
        }
    )
    period = sorted(rows["period"])
    rollout = pd.DataFrame({"unit": ["WV"], "joined": [rows["period"].iloc[8]]})

    def built(**options):
        return make.panel(
            rows,
            rollout,
            source={"reader": "csv", "path": "panel.csv", "frequency": "quarter"},
            window=[period[0], period[-1]],
            model={"its": {**NONE, **options}},
        )

    return built


def test_west_virginia_least_squares(virginia):
    found = terms(virginia(errors="ols"))
    slope = found.loc["slope change per quarter"]
    assert figures(slope) == pytest.approx([-0.015448, -0.01859, -0.01230], abs=5.1e-6)
    # published with the slope 1 in the first quarter after; ours 0 there, one slope on
    assert found.loc["level change", "estimate"] - slope["estimate"] == pytest.approx(-0.017435, abs=1e-6)


def test_west_virginia_likelihood_and_default_engine(virginia):
    data = pd.read_csv(DATA / "wv_antipsychotic.csv")
    y = data["marketshare"].to_numpy()
    t = np.arange(len(y))
    after = (t >= 8).astype(float)
    X = np.column_stack([np.ones(len(y)), t, after, after * (t - 7)])
    assert arma.gls(X, y, np.eye(len(y)), "ML").loglik == pytest.approx(66.69826, abs=1e-5)
    found = terms(virginia())
    assert figures(found.loc["slope change per quarter"]) == pytest.approx([-0.0139, -0.0240, -0.0039], abs=6e-5)


def nile(*covariates):
    data = pd.read_csv(DATA / "nile_drought_elnino.csv")
    t = np.arange(len(data))
    columns = [np.ones(len(t)), t, data["level"], data["trend"], *(data[c] for c in covariates)]
    return np.column_stack(columns).astype(float), data["flow"].to_numpy(float), t


@pytest.mark.parametrize(
    ("covariates", "expected", "loglik"),
    [
        (["drought"], {2: (-680.943, 133.034), 3: (-13.983, 6.648), 4: (-1004.553, 344.828)}, -438.786),
        (["drought", "elnino"], {2: (-694.370, 130.954), 3: (-18.302, 6.702), 5: (-358.669, 90.375)}, -432.629),
    ],
)
def test_nile_exact_likelihood_of_order_ten(covariates, expected, loglik):
    X, y, t = nile(*covariates)
    found = arima(X, y, t, (10, 0, 0))
    assert found.diagnostics["loglik"] == pytest.approx(loglik, abs=0.002)
    for column, (estimate, _) in expected.items():
        assert found.beta[column] == pytest.approx(estimate, rel=2e-3)


def test_nile_default_engine_through_a_protocol(make, capsys):
    data = pd.read_csv(DATA / "nile_drought_elnino.csv")
    rows = pd.DataFrame({"unit": "Aswan", "period": data["year"], "y": data["flow"]})
    path = make.write(
        rows,
        pd.DataFrame({"unit": ["Aswan"], "joined": [str(data["year"].iloc[27])]}),
        source={"reader": "csv", "path": "panel.csv", "frequency": "year"},
        window=[str(data["year"].min()), str(data["year"].max())],
    )
    assert cli.main(["estimate", str(path), "--design", "its", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    row = next(r for r in printed["terms"] if r["term"] == "level change")
    slope = next(r for r in printed["terms"] if r["term"] == "slope change per year")
    # the published level counts the slope from 1 in the first year: level there = ours - slope
    assert row["estimate"] - slope["estimate"] == pytest.approx(-745, abs=0.5)
    assert printed["diagnostics"]["rho"] == pytest.approx(0.15, abs=0.006)


def test_nile_with_the_drought_left_to_its_own_column(make):
    data = pd.read_csv(DATA / "nile_drought_elnino.csv")
    rows = pd.DataFrame({"unit": "Aswan", "period": data["year"], "y": data["flow"]})
    study = make.study(
        rows,
        pd.DataFrame({"unit": ["Aswan"], "joined": [str(data["year"].iloc[27])]}),
        source={"reader": "csv", "path": "panel.csv", "frequency": "year"},
        window=[str(data["year"].min()), str(data["year"].max())],
        events=[{"from": "1913", "to": "1913", "label": "Drought"}],
        model={"its": {"errors": "ols", "adjust_for_events": True}},
    )
    found = terms(build(study))
    slope = found.loc["slope change per year"]
    assert slope["estimate"] == pytest.approx(-11.381, rel=1e-3)
    assert slope["std_error"] == pytest.approx(13.365, rel=1e-3)
    assert found.loc["level change", "estimate"] - slope["estimate"] == pytest.approx(-761.059, rel=1e-3)
