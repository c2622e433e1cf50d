"""Does the command line keep its contract: outputs, exit codes, refusals without a traceback?"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import jsonschema
import numpy as np
import pandas as pd
import pytest
import yaml

from evalkit import estimators
from evalkit.cli import main
from evalkit.panel import build
from evalkit.study import load
from evalkit.study.schema import FILE, schema_text

ROOT = Path(__file__).parents[1]
STUDIES = ["emergency-services-2002", "frailty", "outpatients", "uec"]


def run(capsys, *arguments):
    code = main([*map(str, arguments)])
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err
    return code, captured.out, captured.err


def test_list_names_every_study_with_its_data_status(capsys):
    code, out, _ = run(capsys, "list")
    assert code == 0
    lines = out.splitlines()
    assert [line.split()[0] for line in lines] == STUDIES
    assert all("simulated" in line and "units" in line for line in lines)


@pytest.mark.parametrize("study", STUDIES)
def test_check_finds_the_demonstrations_sound(capsys, study):
    code, out, err = run(capsys, "check", study)
    assert (code, err) == (0, "")
    assert f"{study}: sound" in out


def test_check_takes_a_path_from_anywhere(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, _ = run(capsys, "check", ROOT / "data" / "collaboratives" / "uec.yml")
    assert code == 0
    assert "uec: sound" in out


def test_check_says_a_warning_once_with_the_outcomes_it_applies_to(capsys, make):
    random, months = np.random.default_rng(1), pd.period_range("2018-01", periods=24, freq="M").astype(str)
    rows = pd.DataFrame([(f"U{i}", m, *random.normal(size=3)) for i in range(8) for m in months],
                        columns=["unit", "period", "y", "z", "w"])  # fmt: skip
    rows.loc[rows["unit"].eq("U3") & rows["period"].eq("2018-05"), ["z", "w"]] = np.nan
    rollout = pd.DataFrame({"unit": [f"U{i}" for i in range(8)], "joined": ["2019-10", *[""] * 7]})
    outcomes = [{"name": name, "label": name, "kind": "continuous", "value": name, "better": "higher", "role": role}
                for name, role in (("y", "primary"), ("z", "secondary"), ("w", "secondary"))]  # fmt: skip
    source = {"reader": "csv", "path": "panel.csv", "gaps": "allow"}
    path = make.write(rows, rollout, outcomes=outcomes, source=source)
    code, out, err = run(capsys, "check", path)
    assert (code, err) == (0, "")
    warnings = [line.removeprefix("warning: ") for line in out.splitlines()[:-1]]
    for refused in ("Interrupted time series was not computed", "Group-time difference-in-differences was not"):
        assert len([w for w in warnings if w.startswith(refused)]) == 1  # of every outcome, so none is named
        assert out.count(refused) == 1
    assert len([w for w in warnings if w.startswith("z, w: ") and "missing" in w]) == 1
    assert len(set(warnings)) == len(warnings)


def test_an_unknown_study_is_refused_with_a_suggestion(capsys):
    code, out, err = run(capsys, "check", "outpatiens")
    assert (code, out) == (1, "")
    assert "did you mean outpatients?" in err


@pytest.mark.parametrize("name", ["../uec", "/etc/passwd", "no/such.yml", "uec.yml/", ""])
def test_a_path_that_is_no_protocol_is_refused(capsys, name):
    code, _, err = run(capsys, "check", name)
    assert code == 1
    assert err.strip()


@pytest.mark.parametrize("design", ["group_time", "its"])
def test_estimate_prints_the_contract_at_full_precision(capsys, design):
    code, out, err = run(capsys, "estimate", "uec", "--design", design, "--json")
    assert (code, err) == (0, "")
    record = json.loads(out)
    averages = ["events", "groups", "cells"] if design == "group_time" else []
    assert list(record) == [
        "study", "outcome", "design", "estimand", "unit", "level", "terms", *averages, "counts", "diagnostics",
        "method", "warnings",
    ]  # fmt: skip
    study = load(ROOT / "data" / "collaboratives" / "uec.yml")
    expected = estimators.fit(design, build(study)).terms
    for found, wanted in zip(record["terms"], expected.to_dict("records"), strict=True):
        assert list(found) == ["term", "estimate", "std_error", "df", "low", "high", "p_value", "unit"]
        assert found == {**wanted, "unit": wanted["unit"] or record["unit"]}


def test_estimate_takes_another_outcome(capsys):
    code, out, _ = run(capsys, "estimate", "uec", "--design", "group_time", "--outcome", "admissions", "--json")
    assert code == 0
    assert json.loads(out)["outcome"] == "admissions"


def test_estimate_as_a_table_names_method_and_interval_level(capsys):
    code, out, _ = run(capsys, "estimate", "uec", "--design", "its")
    assert code == 0
    assert "95% interval" in out
    assert "Kenward-Roger" in out
    assert "warning:" in out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--design", "group_tme"], "did you mean group_time?"),
        (["--design", "its", "--outcome", "within4h"], "use one of: within_4h, within_4h_all_types, admissions"),
        (["--design", "stacked", "--outcome", "nothing"], "use one of: within_4h, within_4h_all_types, admissions"),
        (["--design", "event_study"], "3 waves"),
    ],
)
def test_estimate_refuses_with_the_reason(capsys, arguments, said):
    code, out, err = run(capsys, "estimate", "uec", *arguments)
    assert (code, out) == (1, "")
    assert said in err


def test_two_way_effects_under_waves_are_refused_with_the_option_that_shows_them(capsys):
    code, out, err = run(capsys, "estimate", "outpatients", "--design", "twoway")
    assert (code, out) == (1, "")
    assert "model.twoway.allow_staggered" in err


@pytest.mark.parametrize("arguments", [[], ["estimate", "uec"], ["fly"], ["run", "--jobs", "0"], ["check"]])
def test_wrong_usage_exits_with_2(capsys, arguments):
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    assert "usage: evalkit" in capsys.readouterr().err


STATED = ["--moments", "mean=59,between=9,within=4.3,rho=0.6"]
PLAN = ["--joined", "30", "--comparison", "90", "--before", "12", "--after", "12"]


def test_power_of_a_study_follows_its_rollout_and_says_what_is_simulated(capsys):
    code, out, err = run(capsys, "power", "uec", "--draws", "100")
    assert code == 0
    assert "drawn from simulated demonstration data" in out
    assert "The plan: 40 units join in 3 waves" in out
    assert "Units that join: 40 (the plan)" in out
    assert err.count("changing: ") == 5


def test_power_prints_full_precision_and_repeats(capsys):
    arguments = ["power", *STATED, *PLAN, "--design", "imputation", "--draws", "200", "--plan-only", "--json"]
    code, out, err = run(capsys, *arguments)
    assert code == 0
    assert "simulated from stated moments" in err
    record = json.loads(out)
    assert record["study"] is None
    assert record["origin"] == "simulated from stated moments"
    assert record["plan"]["joined"] == 30
    (design,) = record["designs"]
    assert design["design"] == "imputation"
    assert 1.4 < design["sizes"]["constant"] < 2.2
    assert run(capsys, *arguments)[1] == out


def test_power_as_json_holds_what_was_varied(capsys):
    code, out, _ = run(capsys, "power", *STATED, *PLAN, "--design", "imputation", "--draws", "100", "--json")
    assert code == 0
    record = json.loads(out)
    assert {row["varied"] for row in record["varied"]} == {"joined", "comparison", "before", "after", "waves"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["uec", "--joined", "1"], "not between 2"),
        (["uec", "--before", "400"], "no unit has more than 47"),
        (["uec", "--design", "its_pooled"], "cannot be planned here"),
        (["uec", "--design", "its"], "do not show how it varies"),
        (["uec", "--design", "group_tme"], "no design called 'group_tme'"),
        (["uec", "--outcome", "nothing"], "use one of: within_4h, within_4h_all_types, admissions"),
        (["uec", "--draws", "3"], "3 draws are not between"),
        (["uec", "--frequency", "month"], "--frequency belongs to --moments"),
        (["emergency-services-2002"], "state moments, such as mean="),
        (["nowhere"], "nowhere"),
        ([*STATED, "--joined", "30"], "--comparison, --before, --after not given"),
        ([*STATED, *PLAN, "--outcome", "x"], "--outcome belongs to a study"),
        (["--moments", "mean=59", *PLAN], "between, within, rho not stated"),
        (["--moments", "", *PLAN], "is not one of mean=NUMBER"),
        ([*STATED, *PLAN, "--design", "event_study", "--waves", "2"], "joined at once"),
    ],
)
def test_power_refuses_with_the_reason(capsys, arguments, said):
    code, out, err = run(capsys, "power", *arguments)
    assert (code, out) == (1, "")
    assert said in err


@pytest.mark.parametrize(
    "arguments", [[], ["uec", *STATED], ["uec", "--joined", "-3"], ["uec", "--frequency", "day"]]
)
def test_power_asked_wrongly_exits_with_2(capsys, arguments):
    with pytest.raises(SystemExit) as stopped:
        main(["power", *arguments])
    assert stopped.value.code == 2
    assert "usage: evalkit power" in capsys.readouterr().err


def test_new_writes_a_commented_protocol_that_check_explains(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("EVALKIT_HOME", str(tmp_path))
    code, out, _ = run(capsys, "new", "flow-2027")
    assert code == 0
    path = tmp_path / "data" / "collaboratives" / "flow-2027.yml"
    assert str(path) in out
    assert path.read_text(encoding="utf-8").startswith("# yaml-language-server")
    code, _, err = run(capsys, "check", "flow-2027")
    assert code == 1
    assert "flow-2027.yml:" in err
    code, _, err = run(capsys, "new", "Flow-2027")
    assert code == 1
    assert "is there already" in err


@pytest.mark.parametrize("slug", ["../x", "a b", "con", "", "x" * 65, ".hidden", "naïve"])
def test_new_refuses_names_that_are_no_safe_file_names(capsys, tmp_path, monkeypatch, slug):
    monkeypatch.setenv("EVALKIT_HOME", str(tmp_path))
    code, _, err = run(capsys, "new", slug)
    assert code == 1
    assert err.strip()
    assert list(tmp_path.rglob("*.yml")) == []


def test_a_filled_in_template_is_a_sound_protocol(capsys, tmp_path, monkeypatch):
    shutil.copytree(ROOT / "data" / "demo", tmp_path / "data" / "demo")
    shutil.copytree(ROOT / "notebooks", tmp_path / "notebooks")
    monkeypatch.setenv("EVALKIT_HOME", str(tmp_path))
    run(capsys, "new", "mine")
    path = tmp_path / "data" / "collaboratives" / "mine.yml"
    text = path.read_text(encoding="utf-8")
    answers = {
        "<name of the collaborative>": "Mine",
        "<what the evaluation asks, in one sentence>": "Did it work?",
        "<../../my-data/panel.csv>": "../demo/uec_panel.csv",
        "<column with the unit's code>": "trust",
        "<column with the month, 2024-04 or 2024-04-01>": "month",
        "<2022-04>": "2022-04",
        "<2026-03>": "2026-02",
        "name: <within_4h>": "name: within_4h",
        "<as it is printed>": "Within four hours",
        "numerator: <column>\n    denominator: <column>": (
            "numerator: type1_within_4h\n    denominator: type1_attendances"
        ),
        "<../../my-data/rollout.csv>": "../demo/uec_rollout.csv",
        "  unit: unit\n": "  unit: trust\n",
        "<reason>}\n\n# Months that no": "none needed}\n\n# Months that no",
    }
    for asked, given in answers.items():
        assert asked in text, asked
        text = text.replace(asked, given)
    path.write_text(text, encoding="utf-8")
    code, out, err = run(capsys, "check", "mine")
    assert (code, err) == (0, "")
    assert "mine: sound" in out


def test_the_committed_schema_is_current_and_accepts_the_demonstrations():
    path = ROOT / "data" / "collaboratives" / FILE
    assert path.read_text(encoding="utf-8") == schema_text()
    schema = json.loads(schema_text())
    for study in STUDIES:
        text = (ROOT / "data" / "collaboratives" / f"{study}.yml").read_text(encoding="utf-8")
        jsonschema.validate(yaml.safe_load(text), schema)
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(yaml.safe_load(text.replace("window:", "windw:")), schema)


def test_simulate_rebuilds_the_committed_files(capsys, tmp_path):
    code, out, _ = run(capsys, "simulate", "frailty", "--out", tmp_path)
    assert code == 0
    for line in out.splitlines():
        name = Path(line).name
        assert Path(line).read_bytes() == (ROOT / "data" / "demo" / name).read_bytes()
    code, _, err = run(capsys, "simulate", "fraility", "--out", tmp_path)
    assert code == 1
    assert "fraility" in err


def test_help_loads_nothing_heavy():
    heavy = ["pandas", "numpy", "scipy", "matplotlib", "statsmodels", "pydantic", "yaml", "papermill"]
    program = (
        "import sys\nfrom evalkit.cli import parser\nparser().format_help()\n"
        f"print([m for m in {heavy!r} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_python_dash_m_is_the_same_program():
    done = subprocess.run([sys.executable, "-m", "evalkit", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("evalkit ")
