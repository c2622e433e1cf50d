"""What a continuous-integration job says of a folder of reports: a summary in Markdown, and failing cells in place.

    python -m evalkit.report.actions REPORTS [--summary FILE] [--notebooks FOLDER]

Writes a table to the end of the summary file (to standard output without one), and one annotation a failing cell to
standard output in the form that GitHub Actions reads. Headlines, errors and titles are data: nothing of them may
become markup or a command of the workflow.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from evalkit import numbers
from evalkit.report.folder import line, manifests

LONGEST = 600  # characters of a text
SHOWN = 6  # estimates of a report
_ACTIVE = re.compile(r"\.(?=[^\W\d])|(?<!\d)\.(?=\w)|[^\w .,;%()+−–-]|_")

_BETWEEN = re.compile(r"\s*,?\s*")


def markdown(text: object) -> str:
    """A text as Markdown that shows just it: one line, without markup, links or HTML."""
    short = line(str(text))[:LONGEST]
    return _ACTIVE.sub(lambda found: f"&#{ord(found[0])};", short)


def message(text: object) -> str:
    """A text as the message of a workflow command."""
    short = line(str(text))[:LONGEST]
    return short.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def value(text: object) -> str:
    """A text as the value of a property of a workflow command."""
    return message(text).replace(":", "%3A").replace(",", "%2C")


def annotated(folder: Path, notebooks: Path) -> list[str]:
    """One `::error` a failing cell, at the line where the notebook's file holds it; one more a failure besides."""
    out = []
    for name, record in manifests(folder).items():
        rows = [r for r in _list(record, "notebooks") if isinstance(r, dict) and isinstance(r.get("failure"), dict)]
        out += [_annotation(folder / name, name, row, notebooks) for row in rows]
        told = tuple(f": {row.get('name')}: cell " for row in rows)
        besides = [said for said in _list(record, "failures") if not any(part in str(said) for part in told)]
        out += [f"::error title={value(name)}::{message(said)}" for said in besides]
    return out


def _annotation(report: Path, name: str, row: dict[str, Any], notebooks: Path) -> str:
    said, file = row["failure"], f"{Path(str(row.get('name'))).name}.ipynb"
    number = said.get("cell")
    cell = _source_cell(report / file, number if isinstance(number, int) else 1)
    at = cell_line(notebooks / file, cell)
    where = f"file={value(f'{notebooks.name}/{file}')},line={at}"
    title = f"{name}: {said.get('heading')}"
    return f"::error {where},title={value(title)}::{message(said.get('error'))}"


def _source_cell(executed: Path, number: int) -> int:
    """The number of a cell in the notebook's source: without the parameters that were put in before it."""
    try:
        cells = json.loads(executed.read_text(encoding="utf-8"))["cells"][:number]
        return number - sum("injected-parameters" in cell["metadata"].get("tags", []) for cell in cells)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return number


def cell_line(notebook: Path, number: int) -> int:
    """The line of a notebook's file at which its cell of that number begins, from one; one where it is not found."""
    try:
        text = notebook.read_text(encoding="utf-8")
        start = re.search(r'"cells"\s*:\s*\[\s*', text)
        position, decode = start.end() if start else len(text), json.JSONDecoder().raw_decode
        for _ in range(number - 1):
            _, end = decode(text, position)
            comma = _BETWEEN.match(text, end)
            position = comma.end() if comma else end
        decode(text, position)
    except (OSError, ValueError):
        return 1
    return text.count("\n", 0, position) + 1


def summary(folder: Path) -> str:
    """Every report of a folder as a row of a table, in Markdown."""
    head = ("Collaborative", "Status", "Finding", "Key estimates", "Seconds", "Pages")
    rows = [_row(folder / name, name, record) for name, record in manifests(folder).items()]
    lines = ["## Evaluations", "", *(f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows))]
    if not rows:
        lines = ["## Evaluations", "", "There is no report."]
    return "\n".join(lines) + "\n\n"


def _row(report: Path, name: str, record: dict[str, Any] | None) -> list[str]:
    told = _dict(record, "summary")
    finding = _dict(told, "finding").get("headline") or "none"
    status = record.get("status") or "not stated" if record is not None else "no manifest"
    if told.get("simulated") is True:
        status = f"{status} (simulated data)"
    seconds = [r.get("seconds") for r in _list(record, "notebooks") if isinstance(r, dict)]
    taken = sum(s for s in seconds if isinstance(s, int | float))
    estimates = "<br>".join(_estimates(_list(told, "headlines"))) or "none"
    return [
        markdown(told.get("title") or name), markdown(status), markdown(finding), estimates, f"{taken:.1f}",
        "<br>".join(_sizes(report)) or "none",
    ]  # fmt: skip


def _estimates(heads: list[Any]) -> Iterator[str]:
    for head in heads[:SHOWN]:
        try:
            figure, span = numbers.headline(head, head["unit"])
            yield markdown(f"{head['title']}: {figure}, {span}")
        except (KeyError, TypeError, ValueError):
            yield "not readable"


def _sizes(report: Path) -> Iterator[str]:
    for page in sorted(report.glob("*.html")):
        yield markdown(f"{page.stem}: {page.stat().st_size / 1000:.0f} kB")


def _list(record: dict[str, Any] | None, name: str) -> list[Any]:
    found = record.get(name) if record else None
    return found if isinstance(found, list) else []


def _dict(record: dict[str, Any] | None, name: str) -> dict[str, Any]:
    found = record.get(name) if record else None
    return found if isinstance(found, dict) else {}


def main(arguments: Sequence[str]) -> int:
    """Write the summary and the annotations."""
    parser = argparse.ArgumentParser(prog="python -m evalkit.report.actions")
    parser.add_argument("reports", type=Path)
    parser.add_argument("--summary", type=Path)
    parser.add_argument("--notebooks", type=Path, default=Path("notebooks"))
    options = parser.parse_args(arguments)
    if not options.reports.is_dir():
        sys.stderr.write(f"{options.reports}: there is no such folder\n")
        return 1
    text = summary(options.reports)
    if options.summary is None:
        sys.stdout.write(text)
    else:
        with options.summary.open("a", encoding="utf-8") as file:
            file.write(text)
    for one in annotated(options.reports, options.notebooks):
        sys.stdout.write(f"{one}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
