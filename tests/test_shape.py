"""Does the code keep the house rules?"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "evalkit"
LEVELS = {
    "errors": 0, "files": 0, "markup": 0, "numbers": 0, "texts": 0, "periods": 0, "instruments": 0, "remember": 0,
    "spread": 0, "study": 1, "catalogue": 1, "estimate": 1, "columns": 1, "inference": 1, "disclosure": 1,
    "sources": 2, "panel": 2, "simulate": 2,
    "estimators": 3,
    "placebos": 4, "checks": 4, "planning": 4, "spc": 4,
    "plots": 5, "tables": 5, "words": 5, "appraisal": 5,
    "workbench": 6, "report": 6,
    "cli": 7, "__main__": 7,
}  # fmt: skip
HOMES = {
    "yaml": {"study"},
    "statsmodels": {"estimators", "checks"},
    "linearmodels": {"estimators", "checks"},
    "holidays": {"estimators"},
    "matplotlib": {"plots"},
    "seaborn": {"plots"},
    "papermill": {"report"},
    "nbformat": {"report"},
    "nbclient": {"report"},
    "pandera": {"panel"},
    "pydantic": {"study"},
    "distributed": {"report"},
    "dask": {"report"},
}
LONGEST_MODULE, LONGEST_FUNCTION, MOST_ARGUMENTS = 300, 50, 6
MODULES = sorted(PACKAGE.rglob("*.py"))


def part(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def tree(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def imported(path):
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module
            if node.module == "evalkit":
                yield from (f"evalkit.{alias.name}" for alias in node.names)


def ids(path):
    return path.relative_to(PACKAGE).as_posix()


@pytest.mark.parametrize("path", MODULES, ids=ids)
def test_imports_go_only_downwards(path):
    own = part(path)
    if own == "__init__":
        assert not [m for m in imported(path) if m.startswith("evalkit.")]
        return
    for module in imported(path):
        names = module.split(".")
        if names[0] == "evalkit" and len(names) > 1 and names[1] in LEVELS and names[1] != own:
            assert LEVELS[names[1]] <= LEVELS[own], f"{ids(path)} imports {module} from above"


@pytest.mark.parametrize("path", MODULES, ids=ids)
def test_each_library_has_one_home(path):
    for module in imported(path):
        homes = HOMES.get(module.split(".")[0])
        assert homes is None or part(path) in homes, f"{module} is used in {ids(path)}"


@pytest.mark.parametrize("path", MODULES, ids=ids)
def test_modules_and_functions_are_small_and_documented(path):
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= LONGEST_MODULE
    assert ast.get_docstring(ast.parse(text))
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            assert node.end_lineno - node.lineno + 1 <= LONGEST_FUNCTION, f"{ids(path)}:{node.name}"
            assert len(node.args.args) + len(node.args.kwonlyargs) <= MOST_ARGUMENTS, f"{ids(path)}:{node.name}"
            if not node.name.startswith("_") and node.col_offset == 0:
                assert ast.get_docstring(node), f"{ids(path)}:{node.name}"


@pytest.mark.parametrize("path", MODULES, ids=ids)
def test_nothing_is_evaluated_from_text(path):
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Call):
            name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            assert name not in {"eval", "exec", "from_formula", "ols_formula"}, f"{ids(path)}:{node.lineno}"
    assert "statsmodels.formula" not in set(imported(path))


def test_only_the_study_compares_a_period_with_a_joining_date():
    allowed = {"study/study.py"}
    pattern = re.compile(r"(period|now)\w*\"?\]?\s*(<|>|<=|>=)\s*\w*(cohort|joined|start)")
    found = {ids(p) for p in MODULES if pattern.search(p.read_text(encoding="utf-8"))}
    assert found <= allowed


def test_no_file_names_a_machine_or_a_package_index():
    home = "/" + "home" + "/[a-z]+/|/Users/[A-Za-z]+/|[A-Z]:\\\\Users"
    banned = re.compile(rf"(https?://[^ \"]*/simple|https?://[^ \"]*\.(whl|tar\.gz)|(extra-)?index-url\s*=|{home})")
    kept = [p for p in ROOT.rglob("*") if p.suffix in {".py", ".md", ".yml", ".toml", ".lock", ".ipynb", ".cfg"}]
    skipped = {".venv", ".git", "reports", "reference"}
    found = [p for p in kept if not skipped & set(p.relative_to(ROOT).parts) and p != Path(__file__)]
    assert len(found) > 50
    assert [p for p in found if banned.search(p.read_text(encoding="utf-8"))] == []
