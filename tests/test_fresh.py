"""Is only that run again of which something has changed, and is a report that was tampered with found out?"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import nbformat
import pytest
from conftest import forking
from test_run import made, notebook, run

from evalkit.cli import main


@pytest.fixture(scope="module")
def once(tmp_path_factory, warm_process):
    """A workbench with two notebooks and a report of them, made once, and a copy to put it back from."""
    top = tmp_path_factory.mktemp("fresh")
    with pytest.MonkeyPatch.context() as patched:
        forking(patched, warm_process)
        home = made(top, patched)
        protocol = home / "data" / "collaboratives" / "uec.yml"
        text = protocol.read_text(encoding="utf-8").replace("notebooks: [quick]", "notebooks: [quick, other]")
        protocol.write_text(text, encoding="utf-8")
        nbformat.write(notebook("## Another", "print(6 * 7)"), home / "notebooks" / "other.ipynb")
        assert main(["run", "uec"]) == 0
    shutil.copytree(home, top / "kept", symlinks=True)
    return home, top / "kept"


@pytest.fixture
def ran(once, monkeypatch, quick_kernels):
    """The workbench where its report was made, as it was then, whatever the test before did to it."""
    home, kept = once
    shutil.rmtree(home)
    shutil.copytree(kept, home, symlinks=True)
    monkeypatch.setenv("EVALKIT_HOME", str(home))
    return home


def report(home):
    return home / "reports" / "uec"


def content(home):
    return {p.name: p.read_bytes() for p in report(home).iterdir()}


def test_an_unchanged_run_does_nothing_and_loads_nothing_heavy(capsys, ran):
    before = content(ran)
    code, out, err = run(capsys, "uec")
    assert (code, err) == (0, "")
    assert "uec: up to date" in out
    assert content(ran) == before
    script = "import sys\nfrom evalkit.cli import main\nmain(['run', 'uec'])\nprint(sorted(sys.modules))"
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "up to date" in told.stdout
    assert not {"'pandas'", "'numpy'", "'papermill'", "'nbformat'"} & set(told.stdout.replace("[", "").split(", "))


def test_only_the_notebook_that_changed_is_run(capsys, ran):
    before = content(ran)
    nbformat.write(notebook("## Another", "print(6 * 8)"), ran / "notebooks" / "other.ipynb")
    code, out, _ = run(capsys, "uec", "--why")
    assert (code, out) == (0, "uec: notebook other.ipynb changed\n")
    assert content(ran) == before
    code, _, err = run(capsys, "uec")
    assert code == 0
    assert "quick: as before" in err
    assert "other: done" in err
    after = content(ran)
    assert after["quick.ipynb"] == before["quick.ipynb"]
    assert b"48" in after["other.html"]
    assert json.loads(after["estimates.json"]) == json.loads(before["estimates.json"])


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("data/collaboratives/uec.yml", "protocol changed"),
        ("data/demo/uec_panel.csv", "data uec_panel.csv changed"),
        ("data/demo/uec_rollout.csv", "rollout uec_rollout.csv changed"),
    ],
)
def test_what_every_page_depends_on_runs_everything_again(capsys, ran, path, said):
    with (ran / path).open("a", encoding="utf-8") as file:
        file.write("\n")
    code, out, _ = run(capsys, "uec", "--why")
    assert (code, out) == (0, f"uec: {said}\n")
    code, _, err = run(capsys, "uec")
    assert code == 0
    assert "as before" not in err


def test_force_runs_everything_and_another_library_or_environment_does_too(capsys, ran, monkeypatch):
    assert "quick: done" in run(capsys, "uec", "--force")[2]
    for function, said in (("environment", "environment changed"), ("tree_hash", "facts changed; library changed")):
        with monkeypatch.context() as patched:
            patched.setattr(f"evalkit.report.fresh.{function}", lambda *_: "other")
            assert run(capsys, "uec", "--why")[1] == f"uec: {said}\n"


def test_a_report_that_was_touched_is_made_again(capsys, ran):
    page = report(ran) / "quick.html"
    page.write_text(page.read_text(encoding="utf-8").replace("What is this?", "What was that?"), encoding="utf-8")
    assert run(capsys, "uec", "--why")[1] == "uec: quick.html of the report is not as it was written\n"
    (report(ran) / "quick.ipynb").unlink()
    _, _, err = run(capsys, "uec")
    assert "quick: done" in err
    assert "other: as before" in err
    assert "What is this?" in page.read_text(encoding="utf-8")


def test_a_failed_run_is_run_again(capsys, ran):
    nbformat.write(notebook("## Another", "1 / 0"), ran / "notebooks" / "other.ipynb")
    assert run(capsys, "uec")[0] == 1
    assert "notebook other.ipynb changed" in run(capsys, "uec", "--why")[1]
    assert run(capsys, "uec")[0] == 1
    nbformat.write(notebook("## Another", "print(6 * 7)"), ran / "notebooks" / "other.ipynb")
    assert run(capsys, "uec")[0] == 0


def test_another_outcome_is_another_report(capsys, ran):
    assert "up to date" in run(capsys, "uec", "--outcome", "within_4h", "--why")[1]
    assert "of another outcome" in run(capsys, "uec", "--outcome", "admissions", "--why")[1]
    assert run(capsys, "uec", "--outcome", "admissions")[0] == 0
    assert "up to date" in run(capsys, "uec", "--outcome", "admissions", "--why")[1]
    assert "up to date" in run(capsys, "uec", "--why")[1]


def told(capsys, *arguments):
    code = main(["verify", *map(str, arguments)])
    captured = capsys.readouterr()
    return code, captured.out + captured.err


def test_verify_finds_what_was_changed_added_or_lost_and_which_inputs_moved(capsys, ran):
    code, said = told(capsys, report(ran))
    assert code == 0
    assert "every file is as it was written" in said
    assert "every input is as it was" in said
    with (ran / "data" / "demo" / "uec_panel.csv").open("a", encoding="utf-8") as file:
        file.write("\n")
    (report(ran) / "extra.html").write_text("x", encoding="utf-8")
    (report(ran) / "estimates.csv").write_text("x", encoding="utf-8")
    code, said = told(capsys, report(ran), "--json")
    assert code == 1
    found = json.loads(said)
    assert found["changed"] == ["estimates.csv"]
    assert found["added"] == ["extra.html"]
    assert found["inputs"] == ["data uec_panel.csv changed"]
    assert not found["whole"]
    (report(ran) / "quick.html").unlink()
    assert "not as it was written: quick.html" in told(capsys, report(ran))[1]


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"status": "complete"}'])
def test_what_is_no_report_is_refused_in_one_line(capsys, tmp_path, text):
    (tmp_path / "manifest.json").write_text(text, encoding="utf-8")
    code, said = told(capsys, tmp_path)
    assert code == 1
    assert said.count("\n") == 1
    assert "is not the folder of a report" in said
    assert told(capsys, tmp_path / "none")[0] == 1


def test_a_report_of_an_earlier_version_is_made_anew(capsys, ran):
    path = report(ran) / "manifest.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    del record["inputs"]
    path.write_text(json.dumps(record), encoding="utf-8")
    assert "of an earlier version" in run(capsys, "uec", "--why")[1]
    assert "as before" not in run(capsys, "uec")[2]
