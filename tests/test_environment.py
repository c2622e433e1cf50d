"""Do the two lists of dependencies and the lock agree?"""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).parents[1]
PIP_ONLY = {"latex2mathml"}  # not relied on from conda-forge: comes with `pip: -e .`
BUILD = {"hatchling", "editables"}  # conda needs them for the editable install


def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def split(requirement):
    name, bounds = re.fullmatch(r"([A-Za-z0-9_.-]+)(?:\[[^]]*\])?\s*(.*)", requirement).groups()
    return name.lower().replace("_", "-"), bounds.replace(" ", "")


def wanted():
    extras = project()["optional-dependencies"]
    build = [r for r in extras["dev"] if split(r)[0] in BUILD]
    return dict(
        split(r)
        for r in [*project()["dependencies"], *extras["cluster"], *extras["parquet"], *extras["test"], *build]
    )


def conda():
    return yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))


def test_conda_environment_lists_the_same_packages_and_bounds():
    listed = dict(split(r) for r in conda()["dependencies"] if isinstance(r, str))
    assert listed.pop("python") == project()["requires-python"]
    listed.pop("pip")
    expected = {name: bounds for name, bounds in wanted().items() if name not in PIP_ONLY}
    assert listed == expected


def test_conda_environment_uses_conda_forge_alone_and_installs_the_package():
    assert conda()["channels"] == ["conda-forge", "nodefaults"]
    assert {"pip": ["-e ."]} in conda()["dependencies"]


def locked():
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    return text, dict(re.findall(r"^([A-Za-z0-9_.-]+)==([^ ;\\]+)", text, flags=re.MULTILINE))


@pytest.mark.parametrize("name", sorted(set(wanted())))
def test_every_dependency_is_locked(name):
    assert name in {n.lower() for n in locked()[1]}


@pytest.mark.parametrize(("name", "bounds"), sorted(wanted().items()))
def test_every_locked_version_meets_the_bounds(name, bounds):
    versions = {n.lower(): v for n, v in locked()[1].items()}
    assert versions[name] in SpecifierSet(bounds)


def test_the_lock_holds_hashes_and_no_addresses():
    text, versions = locked()
    assert "://" not in text
    assert "index-url" not in text
    blocks = re.split(r"\n(?=[A-Za-z0-9])", text.strip())
    assert len(blocks) >= len(versions) > 100
    assert all("--hash=sha256:" in block for block in blocks)


def test_every_package_that_is_imported_is_declared():
    provided = {
        "yaml": "pyyaml",
        "mdit_py_plugins": "mdit-py-plugins",
        "markdown_it": "markdown-it-py",
        "docx": "python-docx",
    }
    tops = set()
    for path in (ROOT / "evalkit").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                tops |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                tops.add(node.module.split(".")[0])
    third_party = tops - set(sys.stdlib_module_names) - {"evalkit", "pydantic_core"}
    names = {provided.get(top, top.replace("_", "-")) for top in third_party}
    assert names <= set(wanted())
