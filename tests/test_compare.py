"""Does a comparison of two reports say what changed, and because of what?"""

from __future__ import annotations

import gzip
import json
import os

import numpy as np
import pandas as pd
import pytest

from evalkit import estimators
from evalkit.cli import main
from evalkit.errors import RunError
from evalkit.panel import build
from evalkit.report.compare import as_text, compare, read_report
from evalkit.report.history import PLAN, SERIES, keep, series
from evalkit.report.manifest import manifest
from evalkit.report.publish import write_json
from evalkit.study import load
from evalkit.words.compared import because, moved

OUTCOME = {"name": "y", "label": "Share", "kind": "proportion", "numerator": "n", "denominator": "d",
           "better": "higher", "role": "primary"}  # fmt: skip


def data(months=18, units=12):
    random = np.random.default_rng(2)
    index = pd.period_range("2018-01", periods=18, freq="M")
    rows = pd.DataFrame(
        [(f"U{i:02}", str(m), int(random.integers(40, 90)), 100) for i in range(12) for m in index],
        columns=["unit", "period", "n", "d"],
    )
    rollout = pd.DataFrame({"unit": [f"U{i:02}" for i in range(12)], "joined": ["2018-10"] * 5 + [""] * 7})
    kept = rows["unit"].isin([f"U{i:02}" for i in range(units)]) & rows["period"].isin(
        [str(m) for m in index[:months]]
    )
    return rows[kept].copy(), rollout.iloc[:units]


@pytest.fixture
def report(make, tmp_path, monkeypatch):
    """Write the report of a study, as a run does, without its pages; give its folder."""
    home = tmp_path / "home"
    (home / "data" / "collaboratives").mkdir(parents=True)
    monkeypatch.setenv("EVALKIT_HOME", str(home))

    def made(name, rows, rollout, before="", code=None, **changes):
        months = sorted(rows["period"])
        changes = {"outcomes": [OUTCOME], "window": [months[0], months[-1]], **changes}
        panel = build(load(make.write(rows, rollout, **changes)))
        folder = tmp_path / name
        folder.mkdir()
        keep(folder, tmp_path / (before or "nothing"), panel, complete=True)
        write_json(folder / "estimates.json", [estimators.fit("group_time", panel).store()])
        record = manifest(panel.study, panel, [])
        keys = {"status": "complete", "created": f"of {name}", "notebooks": [], "summary": {}, "failures": []}
        record["code"]["sha256"] = code or record["code"]["sha256"]
        write_json(folder / "manifest.json", {**record, **keys})
        return folder

    return made


def cli(capsys, *arguments):
    code = main([*map(str, arguments)])
    said = capsys.readouterr()
    assert "Traceback" not in said.err
    return code, said.out, said.err


def test_two_reports_on_the_same_inputs_are_the_same(capsys, report):
    old, new = report("old", *data()), report("new", *data(), before="old")
    code, out, err = cli(capsys, "compare", old, new)
    assert (code, err) == (0, "")
    assert "Nothing that an estimate is made of has changed." in out
    assert "the same" in out
    assert "Looks on record: 1 and 1." in out


def test_revised_figures_are_found_in_the_same_unit_periods(report):
    rows, rollout = data()
    old = report("old", rows, rollout)
    changed = rows.copy()
    changed.loc[changed["unit"].eq("U03") & changed["period"].eq("2018-12"), "n"] = 7
    changed.loc[changed["unit"].eq("U07") & changed["period"].eq("2018-02"), "d"] = 120
    found = compare(old, report("new", changed, rollout))
    first, second = found["data"]["revised"]
    before = int(rows.loc[rows["unit"].eq("U03") & rows["period"].eq("2018-12"), "n"].iloc[0])
    assert (first["unit"], first["period"], first["numerator"]) == ("U03", "2018-12", [float(before), 7.0])
    assert "denominator" not in first
    assert (second["unit"], second["denominator"]) == ("U07", [100.0, 120.0])
    assert "2 unit-periods revised" in found["because"]
    assert found["because"].startswith("Only this has changed")
    (head,) = found["estimates"]
    assert head["new"]["estimate"] != head["old"]["estimate"]
    size = head["new"]["estimate"] - head["old"]["estimate"]
    assert f"{abs(size) / head['old']['std_error']:.1f} of its earlier standard error" in head["words"]
    assert "U03" in as_text(found)


def test_new_months_and_new_units_are_told_apart_from_revisions(report):
    old = report("old", *data(months=15, units=11))
    found = compare(old, report("new", *data(), before="old"))
    assert found["data"]["new_periods"] == ["2019-04", "2019-05", "2019-06"]
    assert found["data"]["new_units"] == ["U11"]
    assert (found["data"]["revised"], found["data"]["filled"], found["data"]["gone_units"]) == ([], 0, [])
    assert found["plan"] == []  # the window ends later, which is a look and no other plan
    assert found["new"]["looks"] == 2
    assert "3 new periods (2019-04 to 2019-06)" in found["because"]
    assert "1 new unit" in found["because"]
    assert "cannot be told" in found["because"]


def test_a_value_that_is_no_longer_missing_is_filled_in(report):
    rows, rollout = data()
    gaps = {"source": {"reader": "csv", "path": "panel.csv", "gaps": "allow"}}
    holed = rows[~(rows["unit"].eq("U02") & rows["period"].eq("2018-04"))]
    found = compare(report("old", holed, rollout, **gaps), report("new", rows, rollout, **gaps))
    assert (found["data"]["filled"], found["data"]["emptied"]) == (1, 0)
    back = compare(report("a", rows, rollout, **gaps), report("b", holed, rollout, **gaps))
    assert back["data"]["emptied"] == 1


def test_differences_of_the_plan_and_of_spelling_are_told_apart(report):
    old = report("old", *data())
    found = compare(old, report("new", *data(), comparison="never_joined", level="0.9"))
    assert [d["part"] for d in found["plan"]] == ["comparison", "level"]
    assert "the plan (comparison, level)" in found["because"]
    found = compare(old, report("titled", *data(), title="Another title"))
    assert found["plan"] == []
    assert not found["protocol"]["same"]
    assert "in no part of the plan" in as_text(found)
    assert found["because"].startswith("Nothing")


def test_code_rollout_and_environment_are_causes_too(report):
    old = report("old", *data())
    assert compare(old, report("new", *data(), code="f" * 64))["code"] == ["the library"]
    rows, rollout = data()
    rollout.loc[0, "joined"] = "2018-11"
    assert "the rollout file" in compare(old, report("rolled", rows, rollout))["because"]
    other = report("other", *data())
    record = json.loads((other / "manifest.json").read_text(encoding="utf-8"))
    record["environment"]["packages"]["numpy"] = "0.1"
    write_json(other / "manifest.json", record)
    found = compare(old, other)
    assert found["environment"] == {"numpy": [np.__version__, "0.1"]}
    assert "numpy" in as_text(found)


def test_the_json_is_what_the_function_gives(capsys, report):
    old, new = report("old", *data(15)), report("new", *data())
    code, out, _ = cli(capsys, "compare", old, new, "--json")
    assert code == 0
    assert json.loads(out) == json.loads(json.dumps(compare(old, new)))


def test_the_fingerprint_is_the_same_for_the_same_data_and_holds_no_figure_under_disclosure_rules(make):
    rows, rollout = data()
    panel = build(load(make.write(rows, rollout, outcomes=[OUTCOME], window=["2018-01", "2019-06"])))
    shuffled = build(load(make.write(rows.sample(frac=1, random_state=1), rollout, outcomes=[OUTCOME],
                                     window=["2018-01", "2019-06"])))  # fmt: skip
    assert series(panel) == series(shuffled)
    text = gzip.decompress(series(panel)).decode()
    assert text.splitlines()[0] == "unit,period,value,numerator,denominator"
    closed = panel.study.protocol.model_copy(update={"disclosure": "hes"})
    study = panel.study.__class__(panel.study.slug, panel.study.path, panel.study.sha256, closed)
    hidden = panel.__class__(**{**panel.__dict__, "study": study})
    lines = gzip.decompress(series(hidden)).decode().splitlines()
    assert lines[:2] == ["unit,period", "U00,2018-01"]
    assert len(lines) == len(panel.rows) + 1


def test_reports_under_disclosure_rules_say_that_figures_cannot_be_compared(report):
    rows, rollout = data()
    old = report("old", rows, rollout)
    changed = rows.copy()
    changed.loc[3, "n"] = 7
    new = report("new", changed, rollout)
    for folder in (old, new):
        frame = pd.read_csv(folder / SERIES, dtype=str)[["unit", "period"]]
        frame.to_csv(folder / SERIES, index=False)
    found = compare(old, new)
    assert found["data"]["revised"] == []
    assert "which figures cannot be said" in found["because"]


def test_a_report_from_before_fingerprints_is_compared_by_its_hashes(report):
    rows, rollout = data()
    old = report("old", rows, rollout)
    rows.loc[3, "n"] = 7
    new = report("new", rows, rollout)
    (old / SERIES).unlink()
    (old / PLAN).unlink()
    found = compare(old, new)
    assert found["plan"] is None
    assert found["because"] == "Only this has changed, so whatever moved was moved by it: the files of data."
    assert "kept no fingerprint" in as_text(found)


def test_what_cannot_be_compared_is_refused(capsys, report, tmp_path):
    old, new = report("old", *data()), report("new", *data())
    for folder in (tmp_path / "home", tmp_path / "nowhere"):
        code, out, err = cli(capsys, "compare", old, folder)
        assert (code, out) == (1, "")
        assert "holds no report" in err
    record = json.loads((new / "manifest.json").read_text(encoding="utf-8"))
    for key, said in (("study", "different studies"), ("outcome", "different outcomes")):
        write_json(new / "manifest.json", {**record, key: "other"})
        write_json(new / "estimates.json", [])
        code, _, err = cli(capsys, "compare", old, new)
        assert code == 1
        assert said in err


@pytest.mark.parametrize("name", [SERIES, PLAN, "estimates.json", "looks.json"])
@pytest.mark.parametrize("content", [b"", b"{", b"[3]", b"\x1f\x8b\x00"])
def test_a_spoilt_file_is_refused(capsys, report, name, content):
    old, new = report("old", *data()), report("new", *data())
    (new / name).write_bytes(content)
    code, _, err = cli(capsys, "compare", old, new)
    assert code == 1
    assert "not as it was written" in err


def test_a_fingerprint_that_unpacks_without_end_is_refused(report, monkeypatch):
    folder = report("old", *data())
    monkeypatch.setattr("evalkit.report.compare.LARGEST", 100)
    with pytest.raises(RunError, match="not as it was written"):
        read_report(folder)


def head(estimate, low, high):
    return {"estimate": estimate, "std_error": 1.0, "low": low, "high": high}


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (head(2, -1, 5), head(3, 1, 5), "held zero and no longer does"),
        (head(3, 1, 5), head(2, -1, 5), "did not hold zero and now does"),
        (head(3, 1, 5), head(-3, -5, -1), "The direction has turned"),
        (head(3, 1, 5), head(3.05, 1, 5), "hardly at all"),
        (head(3, 1, 5), head(3, 1, 5), "the same"),
        (None, head(3, 1, 5), "computed now and not before"),
        (head(3, 1, 5), None, "computed before and not now"),
    ],
)
def test_a_move_is_said_in_words(old, new, said):
    assert said in moved("A design", "points", old, new)


def test_one_cause_is_named_as_the_cause_and_several_are_not():
    assert "so whatever moved was moved by it" in because(["the plan"])
    assert "cannot be told" in because(["the plan", "the code"])
    assert os.sep not in because([])
