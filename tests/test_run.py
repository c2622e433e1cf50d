"""Does a run leave a whole report, say what failed, and never lose what was there?"""

from __future__ import annotations

import json
import shutil
from importlib.metadata import distributions
from pathlib import Path

import nbformat
import pandas as pd
import pytest

from evalkit import estimators
from evalkit.cli import main
from evalkit.errors import RunError
from evalkit.estimate import restore
from evalkit.panel import build
from evalkit.report import publish
from evalkit.report.execute import Engine, check_notebook, execute, payloads
from evalkit.report.page import problems
from evalkit.study import load

ROOT = Path(__file__).parents[1]


def notebook(*cells, parameters='collaborative = "uec"\noutcome = ""'):
    made = nbformat.v4.new_notebook()
    made.cells.append(nbformat.v4.new_markdown_cell("# What is this?"))
    if parameters is not None:
        cell = nbformat.v4.new_code_cell(parameters)
        cell.metadata["tags"] = ["parameters"]
        made.cells.append(cell)
    for source in cells:
        kind = nbformat.v4.new_markdown_cell if source.startswith("#") else nbformat.v4.new_code_cell
        made.cells.append(kind(source))
    return made


FIT = (
    "from evalkit import estimators, workbench\n"
    "estimators.attempt('group_time', workbench.open_case(collaborative, outcome).panel)"
)


def made(folder, patched):
    """A small workbench in a folder: the uec demonstration and one quick notebook."""
    home = folder / "home"
    (home / "data" / "collaboratives").mkdir(parents=True)
    shutil.copytree(ROOT / "data" / "demo", home / "data" / "demo")
    text = (ROOT / "data" / "collaboratives" / "uec.yml").read_text(encoding="utf-8")
    (home / "data" / "collaboratives" / "uec.yml").write_text(text + "\nnotebooks: [quick]\n", encoding="utf-8")
    (home / "notebooks").mkdir()
    nbformat.write(notebook("## A result", FIT), home / "notebooks" / "quick.ipynb")
    patched.setenv("EVALKIT_HOME", str(home))
    return home


@pytest.fixture
def workspace(tmp_path, monkeypatch, quick_kernels):
    """That of one test."""
    return made(tmp_path, monkeypatch)


def run(capsys, *arguments):
    code = main(["run", *map(str, arguments)])
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err
    return code, captured.out, captured.err


def test_a_run_writes_pages_results_manifest_and_index(capsys, workspace):
    code, out, err = run(capsys, "uec")
    assert code == 0
    report = workspace / "reports" / "uec"
    assert sorted(p.name for p in report.iterdir()) == [
        "estimates.csv", "estimates.json", "index.html", "looks.json", "manifest.json", "plan.json", "quick.html",
        "quick.ipynb", "series.csv.gz", "uec-report.html", "uec-summary.docx",
    ]  # fmt: skip
    assert "uec: quick: started" in err
    assert "uec: done" in out
    html = (report / "quick.html").read_text(encoding="utf-8")
    assert problems(html) == []
    assert "Simulated data" in html
    assert str(workspace) not in html
    assert "uec" in (workspace / "reports" / "index.html").read_text(encoding="utf-8")


def test_stored_estimates_equal_a_fit_by_hand_at_full_precision(capsys, workspace):
    run(capsys, "uec")
    stored = json.loads((workspace / "reports" / "uec" / "estimates.json").read_text(encoding="utf-8"))
    study = load(workspace / "data" / "collaboratives" / "uec.yml")
    by_hand = estimators.fit("group_time", build(study))
    found = restore(stored[0], "month")
    pd.testing.assert_frame_equal(found.terms, by_hand.terms, check_exact=True)
    pd.testing.assert_frame_equal(found.events, by_hand.events, check_exact=True, check_dtype=False)
    table = pd.read_csv(workspace / "reports" / "uec" / "estimates.csv")
    assert table["estimate"].tolist() == by_hand.terms["estimate"].tolist()


def test_the_manifest_holds_the_hashes_of_what_was_used(capsys, workspace):
    run(capsys, "uec")
    record = json.loads((workspace / "reports" / "uec" / "manifest.json").read_text(encoding="utf-8"))
    study = load(workspace / "data" / "collaboratives" / "uec.yml")
    assert record["status"] == "complete"
    assert record["protocol"]["sha256"] == study.sha256
    data = workspace / "data" / "demo" / "uec_panel.csv"
    from evalkit.report.fresh import file_hash as sha256

    assert [d["sha256"] for d in record["data"]] == [sha256(data)]
    assert record["code"]["notebooks"] == {"quick.ipynb": sha256(workspace / "notebooks" / "quick.ipynb")}
    packages = record["environment"]["packages"]
    assert packages["pandas"] == pd.__version__
    assert packages == {found.metadata["Name"].lower(): found.version for found in distributions()}


def test_two_runs_differ_only_in_time(capsys, workspace):
    pages = []
    for how in ((), ("--no-fork",)):  # kernels that hash texts in different ways
        run(capsys, "uec", "--force", *how)
        record = json.loads((workspace / "reports" / "uec" / "manifest.json").read_text(encoding="utf-8"))
        page = (workspace / "reports" / "uec" / "quick.html").read_text(encoding="utf-8")
        pages.append(page.replace(record["created"], "TIME"))
    assert pages[0] == pages[1]


def test_a_failing_notebook_is_one_line_and_the_others_go_on(capsys, workspace):
    protocol = workspace / "data" / "collaboratives" / "uec.yml"
    text = protocol.read_text(encoding="utf-8").replace("notebooks: [quick]", "notebooks: [broken, quick]")
    protocol.write_text(text, encoding="utf-8")
    nbformat.write(notebook("## Here it breaks", "1 / 0", "print('never')"), workspace / "notebooks" / "broken.ipynb")
    code, out, err = run(capsys, "uec", "--jobs", "1")
    assert code == 1
    lines = [line for line in err.splitlines() if line.startswith("uec: broken: cell")]
    partial = workspace / "reports" / "uec" / "broken.ipynb"
    assert lines == [f"uec: broken: cell 5 (Here it breaks): ZeroDivisionError: division by zero; see {partial}"]
    assert partial.exists()
    assert (workspace / "reports" / "uec" / "quick.html").exists()
    assert "uec: FAILED (1)" in out
    index = (workspace / "reports" / "index.html").read_text(encoding="utf-8")
    assert "ZeroDivisionError" in index


def test_a_failed_run_never_replaces_a_complete_report(capsys, workspace):
    run(capsys, "uec")
    before = (workspace / "reports" / "uec" / "quick.html").read_bytes()
    nbformat.write(notebook("raise ValueError('late')"), workspace / "notebooks" / "quick.ipynb")
    code, _, err = run(capsys, "uec")
    assert code == 1
    assert (workspace / "reports" / "uec" / "quick.html").read_bytes() == before
    assert (workspace / "reports" / "uec~failed" / "quick.ipynb").exists()
    assert "uec~failed" in err
    nbformat.write(notebook("## A result", FIT), workspace / "notebooks" / "quick.ipynb")
    code, _, _ = run(capsys, "uec")
    assert code == 0
    assert not (workspace / "reports" / "uec~failed").exists()


def test_bad_data_stop_one_study_with_every_fault_and_leave_its_report_alone(capsys, workspace):
    run(capsys, "uec")
    before = {p.name: p.read_bytes() for p in (workspace / "reports" / "uec").iterdir()}
    panel = workspace / "data" / "demo" / "uec_panel.csv"
    lines = panel.read_text(encoding="utf-8").splitlines()
    stranger = ",".join(["SIM999", "Nobody", "2022-04", *["5"] * (lines[0].count(",") - 2)])
    panel.write_text("\n".join([*lines, lines[1], stranger]) + "\n", encoding="utf-8")
    code, out, err = run(capsys, "uec")
    assert code == 1
    assert "uec: REFUSED" in out
    assert "several rows for one unit and period" in err
    assert {p.name: p.read_bytes() for p in (workspace / "reports" / "uec").iterdir()} == before


def test_a_protocol_outside_the_workbench_runs_by_path(capsys, workspace, tmp_path):
    away = tmp_path / "elsewhere"
    away.mkdir()
    text = (workspace / "data" / "collaboratives" / "uec.yml").read_text(encoding="utf-8")
    (away / "my_study.yml").write_text(text.replace("../demo/", f"{workspace}/data/demo/"), encoding="utf-8")
    code, _, _ = run(capsys, away / "my_study.yml", "--out", away / "out {odd} name", "--outcome", "admissions")
    assert code == 0
    report = away / "out {odd} name" / "my_study.admissions"
    stored = json.loads((report / "estimates.json").read_text(encoding="utf-8"))
    assert {e["outcome"] for e in stored} == {"admissions"}


def test_a_hanging_cell_is_ended_and_reported(capsys, workspace):
    nbformat.write(notebook("## Long", "import time; time.sleep(600)"), workspace / "notebooks" / "quick.ipynb")
    code, _, err = run(capsys, "uec", "--timeout", "1", "--no-fork")
    assert code == 1
    assert "timed out" in err.lower() or "timeout" in err.lower()


def test_a_kernel_of_the_users_own_is_never_used(capsys, workspace, tmp_path, monkeypatch):
    kernels = tmp_path / "jupyter" / "kernels" / "python3"
    kernels.mkdir(parents=True)
    spec = {"argv": ["/bin/false", "{connection_file}"], "display_name": "Wrong", "language": "python"}
    (kernels / "kernel.json").write_text(json.dumps(spec), encoding="utf-8")
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    code, _, _ = run(capsys, "uec", "--no-fork")
    assert code == 0


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        (None, "has 0 cells tagged"),
        ('collaborative = "uec"', "declares the parameters collaborative"),
        ('collaborative = "uec"\noutcome = ""\nlevel = 0.9', "collaborative, level, outcome"),
        ('colaborative = "uec"\noutcome = ""', "colaborative"),
    ],
)
def test_a_notebook_with_other_parameters_is_refused(tmp_path, parameters, said):
    path = tmp_path / "n.ipynb"
    nbformat.write(notebook(parameters=parameters), path)
    with pytest.raises(RunError, match=said):
        check_notebook(path)


@pytest.mark.parametrize("values", [{"collaborative": "uec"}, {"collaborative": "uec", "outcome": ("a",)}])
def test_only_the_declared_parameters_as_texts_reach_papermill(tmp_path, values):
    path = tmp_path / "n.ipynb"
    nbformat.write(notebook(), path)
    with pytest.raises(RunError):
        execute(path, values, tmp_path / "out", Engine(10), lambda *_: None)


def test_a_hostile_outcome_name_is_refused_before_any_kernel_starts(capsys, workspace):
    code, _, err = run(capsys, "uec", "--outcome", '"; import os; os.system("touch pwned") #')
    assert code == 1
    assert "no outcome is called" in err


def test_an_interrupted_swap_is_mended_by_the_next_run(tmp_path):
    (tmp_path / ".uec.old").mkdir()
    (tmp_path / ".uec.old" / "manifest.json").write_text('{"study": "uec", "status": "complete"}', encoding="utf-8")
    publish.recover(tmp_path)
    assert (tmp_path / "uec" / "manifest.json").exists()
    shutil.copytree(tmp_path / "uec", tmp_path / ".uec.old")
    publish.recover(tmp_path)
    assert not (tmp_path / ".uec.old").exists()
    assert (tmp_path / "uec" / "manifest.json").exists()


def test_an_output_folder_that_is_a_file_is_refused(capsys, workspace, tmp_path):
    taken = tmp_path / "taken"
    taken.write_text("x", encoding="utf-8")
    code, _, err = run(capsys, "uec", "--out", taken)
    assert code == 1
    assert "output folder" in err
    assert taken.read_text(encoding="utf-8") == "x"


def test_the_committed_notebooks_carry_their_results():
    stored = nbformat.read(ROOT / "notebooks" / "findings.ipynb", as_version=4)
    (finding,) = payloads(stored, "finding")
    assert finding["strength"] in {"none", "weak", "moderate"}


def test_a_study_named_by_slug_and_by_path_runs_once(capsys, workspace):
    code, out, _ = run(capsys, "uec", workspace / "data" / "collaboratives" / "uec.yml")
    assert code == 0
    assert out.count("uec: done") == 1


def test_two_studies_of_one_name_do_not_share_a_folder(capsys, workspace, tmp_path):
    twin = tmp_path / "twin"
    twin.mkdir()
    text = (workspace / "data" / "collaboratives" / "uec.yml").read_text(encoding="utf-8")
    (twin / "uec.yml").write_text(text.replace("../demo/", f"{workspace}/data/demo/"), encoding="utf-8")
    code, out, err = run(capsys, "uec", twin / "uec.yml")
    assert code == 1
    assert "uec: done" in out
    assert "another study of this run writes the report 'uec' too" in err


def test_a_foreign_manifest_beside_the_reports_is_left_alone(capsys, workspace):
    foreign = workspace / "reports" / "webapp"
    foreign.mkdir(parents=True)
    (foreign / "manifest.json").write_text('{"name": "web app"}', encoding="utf-8")
    code, _, _ = run(capsys, "uec")
    assert code == 0
    assert "webapp" not in (workspace / "reports" / "index.html").read_text(encoding="utf-8")


def test_a_report_that_cannot_be_written_is_one_line_and_leaves_no_workspace(capsys, workspace, monkeypatch):
    from evalkit.report import run as runner

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(runner, "_place", full)
    code, out, err = run(capsys, "uec")
    assert code == 1
    assert "uec: the report could not be written (OSError: [Errno 28] No space left on device)" in err
    assert "index" in out
    assert [p.name for p in (workspace / "reports").glob("[!.]*")] == ["index.html"]
