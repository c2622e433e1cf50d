"""Do the committed notebooks keep the rules? (Their outputs are compared by nbval.)"""

from __future__ import annotations

import ast
from pathlib import Path

import nbformat
import pytest

from evalkit import tables, workbench
from evalkit.report.execute import PARAMETERS, check_notebook
from evalkit.study.protocol import NOTEBOOKS

FOLDER = Path(__file__).parents[1] / "notebooks"
PATHS = sorted(FOLDER.rglob("*.ipynb"))
LONGEST_CELL = 10
LOGIC = (ast.FunctionDef, ast.ClassDef, ast.Lambda, ast.For, ast.While, ast.If, ast.Try, ast.ListComp, ast.DictComp)


def read(path):
    return nbformat.read(path, as_version=4)


def code(notebook):
    return [c for c in notebook.cells if c.cell_type == "code"]


def test_every_default_notebook_is_there():
    assert {p.stem for p in PATHS} >= set(NOTEBOOKS)


@pytest.mark.parametrize("path", PATHS, ids=lambda p: p.stem)
def test_one_parameters_cell_declares_what_the_runner_sets(path):
    notebook = check_notebook(path)
    assert {"collaborative", "outcome"} == PARAMETERS
    assert not [c for c in notebook.cells if "injected-parameters" in c.metadata.get("tags", [])]
    assert "papermill" not in notebook.metadata


@pytest.mark.parametrize("path", PATHS, ids=lambda p: p.stem)
def test_cells_are_short_and_hold_no_logic(path):
    for cell in code(read(path)):
        assert len(cell.source.splitlines()) <= LONGEST_CELL
        found = [n for n in ast.walk(ast.parse(cell.source)) if isinstance(n, LOGIC)]
        assert found == []


@pytest.mark.parametrize("path", PATHS, ids=lambda p: p.stem)
def test_cells_ran_in_order_without_error_and_kept_their_outputs(path):
    cells = code(read(path))
    assert [c.execution_count for c in cells] == list(range(1, len(cells) + 1))
    outputs = [o for c in cells for o in c.outputs]
    assert len(outputs) >= 5
    assert not [o for o in outputs if o.output_type in ("error", "stream")]


@pytest.mark.parametrize("path", PATHS, ids=lambda p: p.stem)
def test_it_begins_with_one_title_that_asks_a_question(path):
    notebook = read(path)
    titles = [c.source for c in notebook.cells if c.cell_type == "markdown" and c.source.startswith("# ")]
    assert len(titles) == 1
    assert titles[0].splitlines()[0].endswith("?")
    assert notebook.cells[0].source == titles[0]


@pytest.mark.parametrize("path", PATHS, ids=lambda p: p.stem)
def test_no_cell_is_exempt_from_comparison(path):
    tags = {t for c in read(path).cells for t in c.metadata.get("tags", [])}
    assert tags <= {"parameters"}


def test_what_a_notebook_holds_shows_itself_in_words_and_not_as_python(capsys):
    case = workbench.open_case("uec")
    found = case.estimates()
    for shown in (case, case.study, case.panel, *found, *case.checks(found)):
        assert "(" not in repr(shown).split()[0]
        assert "DataFrame" not in repr(shown)
        assert len(repr(shown)) < 2500


def test_what_departs_from_the_default_models_is_said_as_a_protocol_writes_it():
    shown = tables.protocol(workbench.open_case("uec").study).text
    assert "twoway.allow_staggered: true; heterogeneity.by: region, wave" in shown
    assert "its.impact.shape: level" in tables.protocol(workbench.open_case("frailty").study).text
