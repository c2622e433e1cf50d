"""One notebook executed by papermill, in its own kernel, with checked parameters.

papermill accepts a misspelt parameter with a warning and never checks names, so a notebook's
parameters cell is read first and anything that it does not declare is refused. Values are plain
texts only: papermill writes other types into the notebook without escaping them.
"""

from __future__ import annotations

import ast
import contextlib
import json
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat

from evalkit.errors import RunError
from evalkit.files import write_text
from evalkit.texts import visible

if TYPE_CHECKING:
    from jupyter_client.manager import AsyncKernelManager

PARAMETERS = {"collaborative", "outcome"}
START_SECONDS = 120
ENGINE = "nbclient"  # papermill's own
LONGEST_ERROR = 500  # characters
MOST_SHOWN = 20_000_000  # characters that one cell may show
LONGEST_FIGURE = 24  # characters

Step = Callable[[int, int, str], None]  # cell number, cells in all, heading above it


@dataclass(frozen=True)
class Failure:
    """A cell that failed: its number among all cells, the heading above it, the error in one line."""

    cell: int
    heading: str
    error: str


@dataclass(frozen=True, eq=False)
class Executed:
    """An executed notebook, whole or up to the cell that failed."""

    name: str
    title: str
    notebook: nbformat.NotebookNode
    seconds: float
    failure: Failure | None = None


def check_notebook(path: Path) -> nbformat.NotebookNode:
    """Read a notebook and make sure that its one parameters cell declares exactly what we set.

    Raises RunError for a file that is not a notebook, and for other parameters.
    """
    try:
        notebook = _without_outputs(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        known = ", ".join(sorted(p.stem for p in path.parent.glob("*.ipynb"))) or "none"
        raise RunError(f"there is no notebook called '{path.stem}'", str(path.parent), f"known: {known}") from None
    except (OSError, ValueError, nbformat.reader.NotJSONError) as error:
        raise RunError(f"is not a notebook ({error})", path.name) from None
    cells = [c for c in notebook.cells if "parameters" in c.metadata.get("tags", [])]
    if len(cells) != 1:
        raise RunError(f"has {len(cells)} cells tagged `parameters`", path.name, "tag exactly one")
    declared = _declared(cells[0].source)
    if declared != PARAMETERS:
        raise RunError(
            f"declares the parameters {', '.join(sorted(declared)) or 'none'}",
            path.name,
            f"it must declare {' and '.join(sorted(PARAMETERS))}, and nothing else",
        )
    return notebook


def _without_outputs(text: str) -> nbformat.NotebookNode:
    """A notebook as it is before a run; outputs are most of a file, and those of another run."""
    with contextlib.suppress(ValueError):  # which the library reports
        raw = json.loads(text)
        cells = raw.get("cells") if isinstance(raw, dict) else None
        for cell in cells if isinstance(cells, list) else []:
            if isinstance(cell, dict) and "outputs" in cell:
                cell["outputs"] = []
        text = json.dumps(raw)
    return nbformat.reads(text, as_version=4)


def written(notebook: nbformat.NotebookNode) -> str:
    """A notebook as a file holds it, a line for each cell.

    The library's own writer takes more than twice as long: it copies the notebook and puts every figure on a line.
    """
    parts = dict(notebook, cells=None)
    cells = ",\n".join(json.dumps(cell, sort_keys=True, ensure_ascii=False) for cell in notebook.cells)
    rest = {name: json.dumps(value, sort_keys=True, ensure_ascii=False) for name, value in sorted(parts.items())}
    rest["cells"] = f"[\n{cells}\n]"
    return "{" + ",\n".join(f'"{name}": {value}' for name, value in rest.items()) + "}\n"


def _declared(source: str) -> set[str]:
    try:
        body = ast.parse(source).body
    except SyntaxError:
        return set()
    targets = [t for node in body if isinstance(node, ast.Assign) for t in node.targets]
    targets += [node.target for node in body if isinstance(node, ast.AnnAssign)]
    return {t.id for t in targets if isinstance(t, ast.Name)}


@dataclass(frozen=True)
class Engine:
    """How cells are run.

    timeout  seconds that one cell may take
    warm     the process that kernels are forked from; None to start each anew
    given    what kernels that are started anew have in their environment beside this process's, name and value
    """

    timeout: int = 600
    warm: str | None = None
    given: tuple[tuple[str, str], ...] = ()


def execute(path: Path, parameters: dict[str, str], folder: Path, engine: Engine, step: Step) -> Executed:
    """Run one notebook and write it, executed, to `folder`.

    parameters  texts for every name in `PARAMETERS`
    step        told before each cell

    A failing cell is no exception: the notebook up to there is written and the failure returned.
    """
    source = check_notebook(path)
    if set(parameters) != PARAMETERS or not all(type(v) is str for v in parameters.values()):
        raise RunError(f"parameters must be texts for {' and '.join(sorted(PARAMETERS))}", path.name)
    started = time.monotonic()
    notebook, error = _papermill(source, path.parent, parameters, engine, step)
    _tidy(notebook)
    loud = _shortened(notebook)
    text = written(notebook)
    write_text(folder / path.name, text)
    notebook = nbformat.reads(text, as_version=4)  # as whoever opens it later: keys in order
    failure = loud if error is None else _failure(notebook, error)
    return Executed(path.stem, heading_above(notebook, 0), notebook, time.monotonic() - started, failure)


def _papermill(
    source: nbformat.NotebookNode, folder: Path, parameters: dict[str, str], engine: Engine, step: Step
) -> tuple[nbformat.NotebookNode, Exception | None]:
    """The notebook as far as it ran in a folder, and what stopped it.

    papermill takes it, puts the parameters in and runs it, as `papermill.execute_notebook` would, which also writes
    it twice and more; a notebook of half a megabyte is written once here.
    """
    from jupyter_core.utils import ensure_event_loop
    from papermill.engines import papermill_engines
    from papermill.iorw import load_notebook_node
    from papermill.parameterize import parameterize_notebook
    from traitlets.config import Config

    from evalkit.report.kernel import private, transport

    headings: list[str] = []
    named = {"kernel_name": "python3", "language": "python"}  # a name only: the manager decides what runs
    notebook = parameterize_notebook(load_notebook_node(source), parameters, engine_name=ENGINE, **named)

    def before(cell: nbformat.NotebookNode, cell_index: int) -> None:
        headings.append(_heading(cell) or (headings[-1] if headings else ""))
        step(cell_index + 1, len(notebook.cells), headings[-1])

    sockets = private()
    try:
        papermill_engines.execute_notebook_with_engine(
            ENGINE,
            notebook,
            kernel_name=named["kernel_name"],
            progress_bar=False,
            log_output=False,
            start_timeout=START_SECONDS,
            execution_timeout=engine.timeout,
            kernel_manager_class=_manager(engine),
            config=Config(transport(sockets)),
            shutdown_kernel="immediate",
            resources={"metadata": {"path": str(folder)}},
            on_cell_start=before,
        )
    except Exception as error:  # noqa: BLE001 - a kernel may die or hang in many ways; each is one failed notebook
        return notebook, error
    finally:
        ensure_event_loop().close()  # this thread's, which the client leaves open
        shutil.rmtree(sockets, ignore_errors=True)
    return notebook, _raised(notebook)


def _raised(notebook: nbformat.NotebookNode) -> Exception | None:
    """What stopped the notebook where papermill's engine ended without a word; a cell that exits has failed, too."""
    stopped = [cell for cell in notebook.cells if cell.metadata.get("papermill", {}).get("exception") is True]
    errors = [
        output for cell in notebook.cells for output in cell.get("outputs", []) if output.output_type == "error"
    ]
    return RunError("a cell failed") if stopped or errors else None


def kept(path: Path, folder: Path, former: Path) -> Executed:
    """A notebook as it was executed before, copied from a former report; nothing is run."""
    source = former / path.name
    shutil.copyfile(source, folder / path.name)
    notebook = nbformat.read(source, as_version=4)
    return Executed(path.stem, heading_above(notebook, 0), notebook, 0.0)


def _manager(engine: Engine) -> type[AsyncKernelManager]:
    if engine.warm is None:
        from evalkit.report.kernel import with_environment

        return with_environment(dict(engine.given))
    from evalkit.report.forked import manager

    return manager(engine.warm)


def _failure(notebook: nbformat.NotebookNode, error: Exception) -> Failure:
    for number, cell in enumerate(notebook.cells, 1):
        for output in cell.get("outputs", []):
            if output.output_type == "error":
                said = f"{output.ename}: {output.evalue}".strip().splitlines()
                return Failure(number, heading_above(notebook, number - 1), visible(" ".join(said), LONGEST_ERROR))
    last = max((n for n, c in enumerate(notebook.cells, 1) if c.get("execution_count")), default=1)
    said = f"{type(error).__name__}: {error}".strip().splitlines()
    return Failure(last, heading_above(notebook, last - 1), visible(" ".join(said[:3]), LONGEST_ERROR))


def heading_above(notebook: nbformat.NotebookNode, position: int) -> str:
    """The text of the nearest Markdown heading at or before a cell; for the first cell, the title."""
    for cell in reversed(notebook.cells[: position + 1]):
        if found := _heading(cell):
            return found
    return next((h for h in map(_heading, notebook.cells) if h), "")


def _heading(cell: nbformat.NotebookNode) -> str:
    if cell.cell_type != "markdown":
        return ""
    return next((line.lstrip("#").strip() for line in cell.source.splitlines()[::-1] if line.startswith("#")), "")


def _tidy(notebook: nbformat.NotebookNode) -> None:
    """Take out what papermill notes about the run: the manifest holds it, and paths are nobody's business."""
    notebook.metadata.pop("papermill", None)
    for cell in notebook.cells:
        if "injected-parameters" in cell.metadata.get("tags", []) and "id" in cell:
            cell["id"] = "injected-parameters"  # papermill draws one by lot
        cell.metadata.pop("papermill", None)
        cell.metadata.pop("execution", None)


def _shortened(notebook: nbformat.NotebookNode) -> Failure | None:
    """Take out what a cell showed beyond all measure, and say so: no browser would open such a page."""
    found = None
    for number, cell in enumerate(notebook.cells, 1):
        size = sum(_size(output) for output in cell.get("outputs", []))
        if size <= MOST_SHOWN:
            continue
        said = f"the cell showed {size / 1e6:.0f} MB, and a page takes {MOST_SHOWN / 1e6:.0f} MB of a cell"
        cell.outputs = [nbformat.v4.new_output("error", ename="TooMuch", evalue=said)]
        found = found or Failure(number, heading_above(notebook, number - 1), said)
    return found


def _size(value: Any) -> int:  # noqa: ANN401 - any part of an output
    """Characters of the texts in it; a figure counts as the longest that there is."""
    if isinstance(value, dict):
        return sum(map(_size, value.values()))
    if isinstance(value, list):
        return sum(map(_size, value))
    return len(value) if isinstance(value, str) else LONGEST_FIGURE


def payloads(notebook: nbformat.NotebookNode, kind: str) -> list[Any]:
    """What the outputs of a notebook carry for machines: every `estimate`, `finding`, `check` ... in order."""
    from evalkit.markup import METADATA_KEY

    found = []
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            stored = output.get("metadata", {}).get(METADATA_KEY, {})
            if kind in stored:
                found.append(stored[kind])
    return found
