"""Do workflows hold the rules, do their scripts say what is wrong, and does no data become a command or markup?"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import jsonschema
import nbformat
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from evalkit.cli import main
from evalkit.report.actions import annotated, cell_line, markdown, message, summary, value
from evalkit.report.folder import LARGEST, audit, line
from evalkit.report.index import render_index
from evalkit.report.publishable import obstacles

ROOT = Path(__file__).parents[1]
SCRIPTS = [p for p in sorted((ROOT / ".ci").rglob("*")) if p.is_file() and p.suffix not in {".json", ".mjs"}]
RUN = [p for p in SCRIPTS if p.suffix != ".sh"]
WORKFLOWS = [
    *sorted((ROOT / ".github" / "workflows").glob("*.y*ml")),
    *sorted((ROOT / "docs" / "workflows").glob("*")),
]
BASH = pytest.mark.skipif(sys.platform == "win32", reason="the scripts are for bash")
ENV = {**os.environ, "EVALKIT_PYTHON": sys.executable, "PYTHONPATH": str(ROOT)}
ENV = {name: text for name, text in ENV.items() if name not in {"CI", "GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY"}}

STEP = {
    "type": "object",
    "properties": {
        "name": {"type": "string"}, "id": {"type": "string"}, "if": {"type": "string"}, "uses": {"type": "string"},
        "run": {"type": "string"}, "with": {"type": "object"}, "env": {"type": "object"},
    },
    "additionalProperties": False,
    "oneOf": [{"required": ["uses"]}, {"required": ["run"]}],
}  # fmt: skip
JOB = {
    "type": "object",
    "properties": {
        "runs-on": {"type": "string"}, "timeout-minutes": {"type": "integer", "minimum": 1, "maximum": 180},
        "permissions": {"type": "object", "additionalProperties": {"enum": ["read", "write"]}},
        "strategy": {"type": "object"}, "steps": {"type": "array", "items": STEP, "minItems": 1},
        "needs": {"type": "array", "items": {"type": "string"}}, "if": {"type": "string"},
        "environment": {"type": "object", "required": ["name"]},
    },
    "required": ["runs-on", "timeout-minutes", "permissions", "steps"],
    "additionalProperties": False,
}  # fmt: skip
WORKFLOW = {
    "type": "object",
    "properties": {
        "name": {"type": "string"}, "on": {"type": "object"}, "permissions": {"const": {}},
        "concurrency": {
            "type": "object",
            "properties": {"group": {"type": "string"}, "cancel-in-progress": {"const": True}},
            "required": ["group", "cancel-in-progress"], "additionalProperties": False,
        },
        "jobs": {"type": "object", "additionalProperties": JOB, "minProperties": 1},
    },
    "required": ["name", "on", "permissions", "concurrency", "jobs"],
    "additionalProperties": False,
}  # fmt: skip


def loaded(path):
    """A workflow as YAML 1.2 reads it, where `on` is a word."""
    found = yaml.safe_load(path.read_text(encoding="utf-8"))
    return {("on" if key is True else key): one for key, one in found.items()}


def steps(path):
    return [(job, step) for job, body in loaded(path)["jobs"].items() for step in body["steps"]]


def named(path):
    return path.name


def script(name, *arguments, cwd=ROOT, **env):
    done = subprocess.run(
        [str(ROOT / ".ci" / name), *map(str, arguments)], cwd=cwd, env=ENV | env, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    return done


# -- workflows ---------------------------------------------------------------------------


@pytest.mark.parametrize("path", WORKFLOWS, ids=named)
def test_a_workflow_has_the_form_of_one_and_least_permissions(path):
    found = loaded(path)
    jsonschema.validate(found, WORKFLOW)
    for name, job in found["jobs"].items():
        assert set(job.get("needs", [])) <= set(found["jobs"])
        allowed = {"pages": "write", "id-token": "write"} if name == "publish" else {"contents": "read"}
        if any(".ci/earlier" in step.get("run", "") for step in job["steps"]):
            allowed["actions"] = "read"
        assert job["permissions"] == allowed


@pytest.mark.parametrize("path", WORKFLOWS, ids=named)
def test_actions_are_pinned_and_leave_no_credentials(path):
    text = path.read_text(encoding="utf-8")
    for _, step in steps(path):
        if "uses" in step:
            assert re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40}", step["uses"])
            assert re.search(rf"{re.escape(step['uses'])} # v\d+\.\d+\.\d+\n", text)
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False


@pytest.mark.parametrize("path", WORKFLOWS, ids=named)
def test_a_step_runs_one_script_and_nothing_is_put_into_it(path):
    for _, step in steps(path):
        if "run" in step:
            found = re.fullmatch(r"(?:evalkit/)?(\.ci/[a-z]+)((?: [a-z]+(?:/[a-z]+)?)*)", step["run"])
            assert found, step["run"]
            assert ROOT / found[1] in RUN
    texts = re.findall(r"\$\{\{(.*?)\}\}", path.read_text(encoding="utf-8"))
    safe = {
        "github.workflow", "github.ref", "github.event_name", "matrix.python", "!cancelled()",
        "steps.deployed.outputs.page_url", "github.event.repository.visibility", "github.token",
    }  # fmt: skip
    assert {text.strip() for text in texts} <= safe


def test_the_tests_run_on_every_python_that_is_supported():
    wanted = re.search(r'requires-python = ">=3\.(\d+),<3\.(\d+)"', (ROOT / "pyproject.toml").read_text("utf-8"))
    versions = [f"3.{minor}" for minor in range(int(wanted[1]), int(wanted[2]))]
    assert loaded(ROOT / ".github" / "workflows" / "ci.yml")["jobs"]["check"]["strategy"]["matrix"] == {
        "python": versions
    }


def test_pages_are_published_last_from_the_main_branch_and_never_by_evaluators():
    jobs = loaded(ROOT / ".github" / "workflows" / "ci.yml")["jobs"]
    main_only = "github.event_name == 'push' && github.ref == 'refs/heads/main'"
    assert jobs["publish"]["if"] == main_only
    assert set(jobs["publish"]["needs"]) == {"check", "notebooks", "evaluate"}
    order = [step.get("run", step.get("uses", "").partition("@")[0]) for step in jobs["evaluate"]["steps"]]
    assert order.index(".ci/audit reports") < order.index(".ci/publishable reports")
    assert order.index(".ci/publishable reports") < order.index("actions/upload-pages-artifact")
    assert "if" not in jobs["evaluate"]["steps"][order.index(".ci/publishable reports")]
    assert jobs["evaluate"]["steps"][-1]["if"] == main_only
    theirs = (ROOT / "docs" / "workflows" / "evaluations.yml").read_text(encoding="utf-8")
    assert "pages" not in theirs.partition("jobs:")[2].lower().replace("name: pages accessible", "")
    assert set(loaded(ROOT / "docs" / "workflows" / "evaluations.yml")["on"]) == {"workflow_dispatch", "schedule"}


def test_axe_is_pinned_by_hash_and_from_nowhere_in_particular():
    lock = json.loads((ROOT / ".ci" / "axe" / "package-lock.json").read_text(encoding="utf-8"))
    asked = json.loads((ROOT / ".ci" / "axe" / "package.json").read_text(encoding="utf-8"))["dependencies"]
    held = {name.removeprefix("node_modules/"): one for name, one in lock["packages"].items() if name}
    assert {name: one["version"] for name, one in held.items()} == asked
    assert all(re.fullmatch(r"sha512-[A-Za-z0-9+/]{86}==", one["integrity"]) for one in held.values())
    assert "http" not in json.dumps(lock)


# -- scripts -----------------------------------------------------------------------------


@BASH
@pytest.mark.parametrize("path", SCRIPTS, ids=named)
def test_scripts_are_sound_and_can_be_run(path):
    subprocess.run(["bash", "-n", str(path)], check=True)
    text = path.read_text(encoding="utf-8")
    if path in RUN:
        assert os.access(path, os.X_OK)
        assert text.startswith("#!/usr/bin/env bash\n# ")
        assert re.search(r"^set -(e?)uo pipefail$", text, re.MULTILINE)
    assert not re.search(r"\beval\b|\bsudo\b|curl|wget", text)


def page(title="Fine", extra=""):
    """A page without a fault."""
    return render_index(()).replace("</main>", f"<p>{title}</p>{extra}</main>")


def manifest(**changes):
    base = {
        "study": "good", "status": "complete", "created": "2026-01-01T00:00:00+00:00", "failures": [],
        "notebooks": [{"name": "quick", "title": "Quick", "seconds": 1.5, "failure": None}],
        "summary": {
            "title": "A good one", "question": "?", "outcome": "y", "simulated": True,
            "finding": {"headline": "Better after joining, +2.3 points."},
            "headlines": [{"title": "Design", "term": "att", "unit": "points", "level": 0.95, "estimate": 2.26,
                           "std_error": 0.5, "low": 1.2, "high": 3.3}],
        },
    }  # fmt: skip
    return {**base, **changes}


@pytest.fixture
def reports(tmp_path):
    """A folder with one good report."""
    folder = tmp_path / "reports"
    (folder / "good").mkdir(parents=True)
    (folder / "index.html").write_text(page(extra='<a href="good/quick.html#main">A</a>'), encoding="utf-8")
    (folder / "good" / "quick.html").write_text(page(extra='<a href="../index.html">B</a>'), encoding="utf-8")
    (folder / "good" / "manifest.json").write_text(json.dumps(manifest()), encoding="utf-8")
    return folder


def failing(folder, error="ZeroDivisionError: division by zero", heading="A heading", cell=4):
    """Make the report one whose notebook failed; its source has the cell at a known line."""
    source = nbformat.v4.new_notebook()
    source.cells = [nbformat.v4.new_markdown_cell('# "cells": ['), nbformat.v4.new_code_cell("a = 1"),
                    nbformat.v4.new_code_cell("1 / 0")]  # fmt: skip
    source.cells[1].metadata["tags"] = ["parameters"]
    notebooks = folder.parent / "notebooks"
    notebooks.mkdir(exist_ok=True)
    nbformat.write(source, notebooks / "quick.ipynb")
    injected = nbformat.v4.new_code_cell("a = 2")
    injected.metadata["tags"] = ["injected-parameters"]
    source.cells.insert(2, injected)
    nbformat.write(source, folder / "good" / "quick.ipynb")
    row = {"name": "quick", "title": "Quick", "seconds": 1.5,
           "failure": {"cell": cell, "heading": heading, "error": error}}  # fmt: skip
    record = manifest(
        status="failed", failures=["good: quick: cell 4 (A heading)", "good: the page"], notebooks=[row]
    )
    (folder / "good" / "manifest.json").write_text(json.dumps(record), encoding="utf-8")
    return notebooks


@BASH
def test_a_good_folder_passes_and_a_bad_one_says_what_is_wrong(reports):
    done = script("audit", reports, PATH=without_node(reports.parent))
    assert (done.returncode, done.stderr) == (0, "")
    assert "2 pages audited, 0 problems" in done.stdout
    assert "axe: SKIPPED: node is not here" in done.stdout
    (reports / "good" / "quick.html").write_text(
        page(extra='<img src="data:image/png;base64,AA=="><a href="none.html">C</a><a href="../../x.html">D</a>'
                   '<a href="../index.html#nowhere">E</a><a href="https://example.org">F</a>'
                   '<a href="//example.org/x">G</a>' + "x" * LARGEST),
        encoding="utf-8",
    )  # fmt: skip
    done = script("audit", reports, PATH=without_node(reports.parent))
    assert done.returncode == 1
    said = done.stderr.splitlines()
    for wrong in ("an image has no description", "kB, more than 120", "'none.html' leads to a file that is not there",
                  "'../../x.html' leads out of the folder", "'../index.html#nowhere' leads to a place that is not",
                  "'//example.org/x' leads out"):  # fmt: skip
        assert sum(wrong in one and one.startswith("good/quick.html: ") for one in said) == 1, wrong
    assert len(said) == 6 + sum("audited" in one for one in said)


def test_the_limit_of_size_is_the_page_and_not_the_whole_report(reports):
    text = page(extra="y" * LARGEST)
    (reports / "good" / "good-report.html").write_text(text, encoding="utf-8")
    assert [one.problems for one in audit(reports)] == [(), (), ()]
    (reports / "good" / "other.html").write_text(text, encoding="utf-8")
    found = {one.name: one.problems for one in audit(reports)}
    assert found["good/other.html"] == (f"the page has {len(text) / 1000:.0f} kB, more than 120",)


def test_audit_as_a_command(capsys, reports, tmp_path):
    assert main(["audit", str(reports), "--json"]) == 0
    assert [one["name"] for one in json.loads(capsys.readouterr().out)] == ["good/quick.html", "index.html"]
    (tmp_path / "empty").mkdir()
    for folder in ("empty", "none"):
        assert main(["audit", str(tmp_path / folder)]) == 1
        assert "holds no page" in capsys.readouterr().err


def without_node(folder):
    """A PATH on which there are the usual tools, but neither node nor a browser."""
    tools = folder / "tools"
    tools.mkdir(exist_ok=True)
    for name in ("bash", "dirname", "env", "od", "tr", "cmp", "cp", "mkdir"):
        if not (tools / name).exists():
            (tools / name).symlink_to(shutil.which(name))
    return str(tools)


@BASH
def test_axe_is_skipped_in_words_here_and_missed_in_continuous_integration(reports):
    bare = without_node(reports.parent)
    done = script("axe/check", reports, PATH=bare)
    assert (done.returncode, done.stdout) == (0, "axe: SKIPPED: node is not here\n")
    done = script("axe/check", reports, PATH=bare, CI="true")
    assert done.returncode == 1
    assert "without it pages are not audited" in done.stderr


@BASH
@pytest.mark.skipif(
    not (ROOT / ".venv" / "axe" / "installed.json").is_file() or not shutil.which("node"),
    reason="axe-core is not installed: run .ci/axe/check once",
)
def test_axe_finds_what_a_browser_sees(reports):
    done = script("axe/check", reports)
    if "SKIPPED" in done.stdout:
        pytest.skip(done.stdout.strip())
    assert (done.returncode, done.stderr) == (0, "")
    assert "axe: 2 pages at 1200 and 320 pixels, 0 problems" in done.stdout
    bad = (
        '<p style="color:#ccc">Too pale to be read</p><div style="width:900px">wide</div><img src="none.png" alt="x">'
        '<a href="#top" style="outline:none">bare</a><a href="#top" style="position:fixed;left:-99px">gone</a>'
        '<p tabindex="0" style="visibility:hidden">hidden</p><button tabindex="3">early</button>'
    )
    (reports / "index.html").write_text(page(extra=bad).replace("img-src data:", "img-src *"), encoding="utf-8")
    done = script("axe/check", reports)
    assert done.returncode == 1
    assert "index.html at 1200: color-contrast (serious)" in done.stderr
    assert "index.html at 320: is " in done.stderr
    assert "none.png" in done.stderr
    assert 'index.html at 1200: no ring shows the focus on a "bare"' in done.stderr
    assert 'a "gone" has the focus out of sight' in done.stderr
    assert "the first stop does not skip to the content" in done.stderr
    assert "comes out of order" in done.stderr


@BASH
def test_the_summary_is_a_table_and_a_failing_cell_is_marked_in_place(reports, tmp_path):
    target = tmp_path / "summary.md"
    done = script("summary", reports, GITHUB_STEP_SUMMARY=str(target))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    text = target.read_text(encoding="utf-8")
    assert "| A good one | complete (simulated data) | Better after joining, +2.3 points. |" in text
    assert "Design&#58; +2.26 points, 1.20 to 3.30 | 1.5 | quick&#58; " in text
    notebooks = failing(reports)
    said, besides = annotated(reports, notebooks)
    assert besides == "::error title=good::good: the page"
    at = next(
        n for n, one in enumerate((notebooks / "quick.ipynb").read_text("utf-8").splitlines(), 1) if "1 / 0" in one
    )
    found = re.match(r"::error file=notebooks/quick\.ipynb,line=(\d+),title=good%3A A heading::Zero", said)
    assert at - 12 < int(found[1]) < at
    assert (notebooks / "quick.ipynb").read_text("utf-8").splitlines()[int(found[1]) - 1] == "  {"
    assert said.endswith("::ZeroDivisionError: division by zero")
    done = script("summary", tmp_path / "none")
    assert done.returncode == 1
    assert "there is no such folder" in done.stderr


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '"x"',
        '{"summary": 3, "notebooks": "x", "failures": {}}',
        '{"summary": {"headlines": [{}, 3], "finding": []}, "notebooks": [{}, 1]}',
    ],
)
def test_a_manifest_that_is_none_is_a_row_and_no_crash(reports, text):
    (reports / "good" / "manifest.json").write_text(text, encoding="utf-8")
    assert summary(reports).count("\n| ") == 3
    assert annotated(reports, reports) == []
    assert obstacles(reports)


def test_the_line_of_a_cell_is_found_or_is_the_first(tmp_path):
    path = tmp_path / "x.ipynb"
    assert cell_line(path, 2) == 1
    for text in ("", "{}", '{"cells": [', "\x00"):
        path.write_text(text, encoding="utf-8")
        assert cell_line(path, 2) == 1
    path.write_text('{\n"cells": [\n{"a": "}"},\n\n{"b": 1}\n]}', encoding="utf-8")
    assert [cell_line(path, n) for n in (1, 2, 3)] == [3, 5, 1]


# -- data are data -----------------------------------------------------------------------

PIECES = [
    "::error::x", "::set-output name=a::b", "::stop-commands::t", "##[error]x", "%0A::error::y", "\n::warning::z",
    "\r", "%", "|", "<script>alert(1)</script>", "[a](javascript:x)", "![a](http://x)", "`", "**b**", "_c_", "\\|",
    "&lt;", "$x$", "~~d~~", "http://evil.example", "www.evil.example", "www.9x", "a@b.example", "@team", "#1",
    "\u2028", "\u202e", "\x00", "<br>", "- e", "1.", "{{ x }}", "${{ secrets.X }}", ":smile:", "\n\n# h", "> q",
    "---", "é", "−1.5 to 2.3%",
]  # fmt: skip
HOSTILE = st.lists(st.sampled_from(PIECES) | st.text(max_size=12), max_size=8).map("".join)


class Seen(HTMLParser):
    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.tags, self.cells = [], []

    def handle_starttag(self, tag, attrs):
        assert not attrs
        self.tags.append(tag)
        if tag == "td":
            self.cells.append("")

    def handle_data(self, data):
        if self.cells:
            self.cells[-1] += data


def rendered(text):
    seen = Seen()
    seen.feed(MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).render(text))
    seen.close()
    return seen


@settings(max_examples=400, deadline=None)
@given(HOSTILE)
def test_no_text_becomes_markup(text):
    seen = rendered(f"| a | b |\n| --- | --- |\n| x{markdown(text)}x | y |\n")
    assert seen.tags == ["table", "thead", "tr", "th", "th", "tbody", "tr", "td", "td"]
    shown = line(text)[:600].replace("\ufffd", "")
    assert " ".join(seen.cells[0].replace("\ufffd", "").split()) == " ".join(f"x{shown}x".split())
    assert not re.search(r"www\.\w|://|@", markdown(text))


@settings(max_examples=400, deadline=None)
@given(HOSTILE, HOSTILE)
def test_no_text_becomes_a_command(text, other):
    said = f"::error file={value(other)},line=1,title={value(text)}::{message(text)}"
    assert len(said.splitlines()) == 1
    found = re.fullmatch(r"::error file=([^:,\r\n]*),line=1,title=([^:,\r\n]*)::([^\r\n]*)", said)

    def back(escaped):
        for sign, code in ((",", "%2C"), (":", "%3A"), ("\n", "%0A"), ("\r", "%0D"), ("%", "%25")):
            escaped = escaped.replace(code, sign)
        return escaped

    assert (back(found[1]), back(found[2]), back(found[3])) == (line(other)[:600], line(text)[:600], line(text)[:600])


@BASH
def test_hostile_reports_go_through_the_scripts(reports, tmp_path):
    hostile = "x\n::error::y | <img src=x> `z` %0A::warning::w"
    notebooks = failing(reports, error=hostile, heading=hostile)
    record = json.loads((reports / "good" / "manifest.json").read_text(encoding="utf-8"))
    record["summary"] |= {"title": hostile, "finding": {"headline": hostile}}
    record["summary"]["headlines"][0] |= {"title": hostile, "unit": hostile}
    (reports / "good" / "manifest.json").write_text(json.dumps(record), encoding="utf-8")
    done = script("summary", reports, GITHUB_STEP_SUMMARY=str(tmp_path / "s.md"))
    assert done.returncode == 0
    assert re.fullmatch(
        r"::error file=notebooks/quick\.ipynb,line=\d+,title=[^:\n]*::[^\n]*\n::error [^\n]*\n", done.stdout
    )
    seen = rendered((tmp_path / "s.md").read_text(encoding="utf-8"))
    assert set(seen.tags) == {"h2", "table", "thead", "tbody", "tr", "th", "td"}
    assert len(seen.cells) == 6
    assert notebooks.is_dir()


@BASH
def test_what_a_guarded_command_prints_is_no_command_and_its_code_is_kept():
    done = script("guarded", "bash", "-c", "echo ::error::x; exit 7", GITHUB_ACTIONS="true")
    first, *middle, last = done.stdout.splitlines()
    token = re.fullmatch(r"::stop-commands::([0-9a-f]{32})", first)[1]
    assert middle[0] == "::error::x"
    assert last == f"::{token}::"
    assert done.returncode == 7
    again = script("guarded", "true", GITHUB_ACTIONS="true").stdout
    assert token not in again
    assert script("guarded", "echo", "::error::x").stdout == "::error::x\n"


# -- whose data --------------------------------------------------------------------------


@BASH
def test_only_simulated_data_may_be_published(reports):
    assert script("publishable", reports).returncode == 0
    (reports / "good" / "manifest.json").write_text(
        json.dumps(manifest(summary={"simulated": False})), encoding="utf-8"
    )
    done = script("publishable", reports)
    assert done.returncode == 1
    assert done.stderr == "not to be published: good: its manifest does not say that the data are simulated\n"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"summary": {}}, "does not say"),
        ({"summary": {"simulated": "true"}}, "does not say"),
        ({"summary": {"simulated": 1}}, "does not say"),
        ({"summary": None}, "does not say"),
        ({"status": "failed"}, "did not complete"),
    ],
)
def test_in_doubt_nothing_is_published(reports, change, said):
    (reports / "good" / "manifest.json").write_text(json.dumps(manifest(**change)), encoding="utf-8")
    assert [said in one for one in obstacles(reports)] == [True]


def test_a_page_without_a_manifest_a_link_and_an_empty_folder_are_not_published(reports, tmp_path):
    assert obstacles(reports) == []
    (reports / "stray").mkdir()
    (reports / "stray" / "x.html").write_text("x", encoding="utf-8")
    assert obstacles(reports) == ["stray: has no manifest that can be read, so nobody knows whose data these are"]
    shutil.rmtree(reports / "stray")
    (reports / "good" / "elsewhere").symlink_to(tmp_path)
    assert "good/elsewhere: is a link to elsewhere" in obstacles(reports)
    (tmp_path / "empty").mkdir()
    assert "holds no report" in obstacles(tmp_path / "empty")[0]
    assert "no such folder" in obstacles(tmp_path / "none")[0]


@BASH
def test_an_evaluators_real_data_need_a_private_repository_and_sound_protocols(tmp_path):
    (tmp_path / "protocols").mkdir()
    done = script("evaluations", "protocols", "out", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (1, "there is no protocol (.yml) in protocols\n")
    assert script("evaluations", cwd=tmp_path).returncode == 2
    text = (ROOT / "data" / "collaboratives" / "frailty.yml").read_text(encoding="utf-8")
    text = text.replace("../demo/", f"{ROOT / 'data' / 'demo'}/")
    real = re.sub(r"^simulated: true$", "simulated: false", text, flags=re.MULTILINE)
    assert real != text
    (tmp_path / "protocols" / "mine.yml").write_text(real, encoding="utf-8")
    for visibility in ("public", ""):
        done = script("evaluations", "protocols", "out", cwd=tmp_path, VISIBILITY=visibility)
        assert done.returncode == 1
        assert "mine.yml: does not say that its data are simulated" in done.stderr
        assert "only in a private repository" in done.stderr
    (tmp_path / "protocols" / "mine.yml").write_text(real.replace("outcomes:", "outcome:"), encoding="utf-8")
    done = script("evaluations", "protocols", "out", cwd=tmp_path, VISIBILITY="private")
    assert done.returncode == 1
    assert "outcome" in done.stderr
    assert not (tmp_path / "out").exists()


GH = """#!/usr/bin/env bash
echo "$@" >> "$CALLS"
if [ "$1" = api ]; then cat "$ANSWER"; exit "${API:-0}"; fi
while [ "$#" -gt 0 ]; do [ "$1" = --dir ] && mkdir -p "$2" && echo "{}" > "$2/looks.json"; shift; done
"""


@pytest.fixture
def github(tmp_path):
    """`.ci/earlier` with GitHub's command played by a script that answers with the rows it is given."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "gh").write_text(GH, encoding="utf-8")
    (tmp_path / "bin" / "gh").chmod(0o755)

    def earlier(*rows, **env):
        (tmp_path / "answer").write_text("".join("\t".join(row) + "\n" for row in rows), encoding="utf-8")
        path = f"{tmp_path / 'bin'}:{os.environ['PATH']}"
        given = {"PATH": path, "CALLS": str(tmp_path / "calls"), "ANSWER": str(tmp_path / "answer")}
        given |= {"GITHUB_REPOSITORY": "o/r", "GITHUB_REF_NAME": "main"}
        return script("earlier", "evaluations", "reports", cwd=tmp_path, **given | env)

    return earlier


@BASH
def test_the_last_reports_of_the_branch_are_fetched_so_that_looks_are_counted_on(tmp_path, github):
    rows = [
        ("2026-09-16T05:30:00Z", "false", "7", "main"),
        ("2026-11-16T05:30:00Z", "false", "9", "other"),
        ("2026-10-16T05:30:00Z", "false", "8", "main"),
    ]
    done = github(*rows)
    assert (done.returncode, done.stdout, done.stderr) == (0, "earlier: reports of 2026-10-16T05:30:00Z\n", "")
    assert (tmp_path / "reports" / "looks.json").is_file()
    calls = (tmp_path / "calls").read_text(encoding="utf-8").splitlines()
    assert calls[0].startswith("api repos/o/r/actions/artifacts?name=evaluations&per_page=100 --jq ")
    assert calls[1:] == ["run download 8 --repo o/r --name evaluations --dir reports"]
    assert "left as it is" in github(*rows).stdout


@BASH
def test_looks_begin_at_one_only_where_it_is_said(tmp_path, github):
    done = github(("2026-11-16T05:30:00Z", "false", "9", "other"))
    assert (done.returncode, done.stdout) == (
        0, "earlier: no earlier reports on main; looks at data are counted from one\n")  # fmt: skip
    gone = [("2026-06-16T05:30:00Z", "true", "3", "main")]
    done = github(*gone)
    assert done.returncode == 1
    assert "have expired" in done.stderr
    assert "FIRST_LOOK=true" in done.stderr
    assert github(*gone, FIRST_LOOK="true").returncode == 0
    assert github(API="1").returncode == 1
    assert not (tmp_path / "reports").exists()
    bare = without_node(tmp_path)
    assert "gh is not here" in github(PATH=bare).stderr


@BASH
@pytest.mark.slow
def test_an_evaluators_protocols_become_reports(tmp_path):
    (tmp_path / "protocols").mkdir()
    text = (ROOT / "data" / "collaboratives" / "frailty.yml").read_text(encoding="utf-8")
    text = text.replace("../demo/", f"{ROOT / 'data' / 'demo'}/") + "\nnotebooks: [data_and_design]\n"
    (tmp_path / "protocols" / "mine.yml").write_text(text, encoding="utf-8")
    done = script("evaluations", "protocols", "out", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "mine" / "data_and_design.html").is_file()
    assert (tmp_path / "out" / "index.html").is_file()
