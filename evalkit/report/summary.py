"""The index over every report in a folder, read from their manifests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from evalkit import files, numbers
from evalkit.report.index import EstimateRow, ReportEntry, render_index
from evalkit.report.whole import FIRST, SUMMARY


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """A report's manifest, or None where there is none of ours that can be read."""
    try:
        found = json.loads(files.read(folder / "manifest.json"))
    except (OSError, ValueError, RecursionError):
        return None
    ours = isinstance(found, dict) and {"study", "status", "created", "notebooks", "summary", "failures"} <= set(
        found
    )
    return found if ours else None


def write_index(out: Path) -> str:
    """The index page of a folder of reports, in order of name."""
    folders = sorted(p for p in out.iterdir() if p.is_dir() and not p.name.startswith("."))
    found = [(p.name, read_manifest(p)) for p in folders]
    return render_index([e for name, record in found if record is not None and (e := _read(name, record))])


def _read(folder: str, record: dict[str, Any]) -> ReportEntry | None:
    """What the index says of a report; None where its manifest is not as it was written."""
    try:
        return _entry(folder, record)
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def _entry(folder: str, record: dict[str, Any]) -> ReportEntry:
    summary = record["summary"]
    finding = summary["finding"]
    made = [n for n in record["notebooks"] if n["title"]]
    return ReportEntry(
        slug=folder,
        title=summary["title"],
        question=summary["question"],
        outcome=summary["outcome"],
        simulated=summary["simulated"],
        status=record["status"],
        finding=finding["headline"] if finding else "",
        pages=((f"{folder}/{FIRST}", SUMMARY), *((f"{folder}/{n['name']}.html", n["title"]) for n in made)),
        failures=tuple(record["failures"]),
        updated=record["created"][:16].replace("T", " ") + " UTC",
        estimates=tuple(_row(h) for h in summary["headlines"]),
        answer=summary.get("answer"),
        data_to=summary.get("data_to", ""),
    )


def _row(head: dict[str, Any]) -> EstimateRow:
    return EstimateRow(head["title"], *numbers.headline(head, head["unit"], head["level"]))
