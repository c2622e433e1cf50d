"""One study to HTML: `evalkit run` against the plain loop of papermill and nbconvert, in one run.

    python benchmarks/report_run.py [STUDY] [PAIRS] [light | whole] [--no-fork]

With `light`, six short notebooks (a series, a two-way regression, two figures) stand for those of the
workbench: what is compared is then the running of notebooks. Of the workbench's own the analysis is most,
and both have to do it. `--no-fork` has ours start every kernel anew, as where none can be forked.

Prints wall and CPU seconds of each pair and the ratio of ours to the loop's; times are not asserted
anywhere, because machines differ and ratios do not.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import nbformat

from evalkit.catalogue import home
from evalkit.study.protocol import NOTEBOOKS

SHORT = (
    'collaborative = "uec"\noutcome = ""',
    "from evalkit import estimators, plots, tables, words, workbench\n"
    "case = workbench.open_case(collaborative, outcome)\npanel = case.panel",
    "tables.protocol(case.study)",
    "tables.waves(panel)",
    'series = estimators.attempt("its", panel)\nseries',
    "plots.counterfactual(series)",
    "words.sentence(series, case.outcome)",
    'regression = estimators.attempt("twoway", panel)\nregression',
    "plots.forest([series, regression])",
    "words.sentence(regression, case.outcome)",
)
BIN = Path(sys.executable).parent


def cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def timed(commands: list[list[str]]) -> tuple[float, float]:
    """Wall and CPU seconds of the commands, one after another."""
    wall, before = time.perf_counter(), cpu()
    for command in commands:
        subprocess.run(command, check=True, capture_output=True, cwd=home() / "notebooks")  # noqa: S603
    return time.perf_counter() - wall, cpu() - before


def short(top: Path, study: str) -> tuple[str, ...]:
    """A workbench with short notebooks and one study; their names."""
    (top / "data" / "collaboratives").mkdir(parents=True)
    shutil.copytree(home() / "data" / "demo", top / "data" / "demo")
    names = tuple(f"short_{i}" for i in range(6))
    text = (home() / "data" / "collaboratives" / f"{study}.yml").read_text(encoding="utf-8")
    (top / "data" / "collaboratives" / f"{study}.yml").write_text(f"{text}\nnotebooks: [{', '.join(names)}]\n")
    (top / "notebooks").mkdir()
    for name in names:
        made = nbformat.v4.new_notebook()
        made.cells = [nbformat.v4.new_markdown_cell(f"# {name}"), *map(nbformat.v4.new_code_cell, SHORT)]
        made.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
        made.cells[1].metadata["tags"] = ["parameters"]
        nbformat.write(made, top / "notebooks" / f"{name}.ipynb")
    return names


def loop(study: str, folder: str, names: Sequence[str]) -> list[list[str]]:
    commands = []
    for name in names:
        output = f"{folder}/{name}.ipynb"
        commands.append([str(BIN / "papermill"), f"{name}.ipynb", output, "-p", "collaborative", study])
        commands.append([str(BIN / "jupyter"), "nbconvert", "--to", "html", output])
    return commands


def ours(study: str, folder: str, how: Sequence[str]) -> list[list[str]]:
    return [[str(BIN / "evalkit"), "run", study, "--out", folder, "--jobs", str(os.cpu_count()), *how]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("study", nargs="?", default="uec")
    parser.add_argument("pairs", nargs="?", type=int, default=3)
    parser.add_argument("kind", nargs="?", choices=("whole", "light"), default="whole")
    parser.add_argument("--no-fork", action="store_true")
    asked = parser.parse_args()
    how = ["--no-fork"] if asked.no_fork else []
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # compiled code is kept, as on a user's machine, for both
    if asked.kind == "light":
        with tempfile.TemporaryDirectory() as top:
            names = short(Path(top), asked.study)
            os.environ["EVALKIT_HOME"] = top
            return compare(asked.study, asked.pairs, names, how)
    return compare(asked.study, asked.pairs, NOTEBOOKS, how)


def compare(study: str, pairs: int, names: Sequence[str], how: Sequence[str]) -> None:
    ratios = []
    for i in range(pairs):
        with tempfile.TemporaryDirectory() as a, tempfile.TemporaryDirectory() as b:
            (wall_a, cpu_a), (wall_b, cpu_b) = timed(ours(study, a, how)), timed(loop(study, b, names))
        ratios.append((wall_a / wall_b, cpu_a / cpu_b))
        print(
            f"pair {i + 1}: evalkit {wall_a:.1f} s wall {cpu_a:.1f} s CPU; loop {wall_b:.1f} s wall {cpu_b:.1f} s CPU"
        )
    wall, used = (statistics.median(r[i] for r in ratios) for i in (0, 1))
    print(f"median ratio: wall {wall:.2f}, CPU {used:.2f}")


if __name__ == "__main__":
    main()
