"""What a report folder holds beside the notebooks: pages, estimates, manifest."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import Any

import pandas as pd

from evalkit import periods
from evalkit.appraisal import COLUMNS
from evalkit.errors import RunError
from evalkit.estimate import Estimate, stack, terms_of
from evalkit.panel import Panel
from evalkit.report import fresh
from evalkit.report.content import Content, content
from evalkit.report.execute import Executed, payloads
from evalkit.report.front import Front, bundle_name, gather, word_name
from evalkit.report.manifest import provenance
from evalkit.report.page import PageContext, page, problems
from evalkit.report.publish import write_json, write_text
from evalkit.report.whole import FIRST, SUMMARY, bundle, first_page
from evalkit.report.word import write_word
from evalkit.study import Study
from evalkit.texts import cell

SEE = "; see "  # what stands before the partial notebook's name in a failure


def write_report(
    folder: Path, study: Study, panel: Panel, executed: Sequence[Executed], record: dict[str, Any]
) -> list[str]:
    """Write pages, `estimates.csv`, `estimates.json`, `manifest.json` and, where shown, `appraisal.csv`.

    Returns failures, one line each.
    """
    failures = [_failure_line(study, e) for e in executed if e.failure]
    context = _context(study, panel, executed, record)
    parts, unseen = _contents(study, executed)
    failures += unseen + _pages(folder, context, executed, parts)
    stored = shown(executed)
    estimates = [terms_of(one, study.frequency) for one in stored]
    front = gather(study, panel, executed, estimates, record | {"failures": failures})
    failures += _whole(folder, context, front, parts if len(parts) == len(executed) else None)
    write_text(folder / "estimates.csv", _csv(estimates))
    write_text(folder / "estimates.json", _lines(stored))
    if appraised := appraisals(executed):
        write_text(
            folder / "appraisal.csv",
            _texts(pd.DataFrame(appraised, columns=COLUMNS)).to_csv(index=False, lineterminator="\n"),
        )
    record |= {
        "status": "failed" if failures else "complete",
        "failures": failures,
        "notebooks": [_notebook_row(e) for e in executed],
        "summary": _summary(study, panel, executed, estimates),
    }
    write_json(folder / "manifest.json", record)
    return failures


def seal(folder: Path, record: dict[str, Any]) -> None:
    """Write the manifest again with the hash of every other file, once all of them are there."""
    files = {p.name: fresh.file_hash(p) for p in sorted(folder.iterdir()) if p.is_file() and p.name != fresh.MANIFEST}
    write_json(folder / fresh.MANIFEST, {**record, "files": files})


def shown(executed: Sequence[Executed]) -> list[dict[str, Any]]:
    """Every estimate that any notebook showed, once, as it is stored there: notebooks are the store of results."""
    every = ([*payloads(one.notebook, "estimate"), *chain(*payloads(one.notebook, "estimates"))] for one in executed)
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for stored in chain(*every):
        found.setdefault((stored["outcome"], stored["design"]), stored)
    return list(found.values())


def _lines(stored: Sequence[dict[str, Any]]) -> str:
    """Estimates as JSON, one a line."""
    text = (json.dumps(one, ensure_ascii=False, allow_nan=False) for one in stored)
    return "[\n" + ",\n".join(text) + "\n]\n"


def appraisals(executed: Sequence[Executed]) -> list[dict[str, str]]:
    """Every row on risk of bias and reporting that any notebook showed, once."""
    shown = chain(*(chain(*payloads(one.notebook, "appraisal")) for one in executed))
    found = {(row["outcome"], row["instrument"], row["id"]): row for row in shown}
    return list(found.values())


def _csv(estimates: Sequence[Estimate]) -> str:
    frame = stack(list(estimates)) if estimates else pd.DataFrame(columns=["study", "outcome", "design"])
    text: str = _texts(frame).to_csv(index=False, lineterminator="\n")
    return text


def _texts(frame: pd.DataFrame) -> pd.DataFrame:
    """The same table with no text that a spreadsheet would compute; the JSON beside it has the texts as they are."""
    return frame.map(lambda value: cell(value) if isinstance(value, str) else value)


def _failure_line(study: Study, one: Executed) -> str:
    assert one.failure is not None  # noqa: S101 - asked only of failures
    where = f"cell {one.failure.cell} ({one.failure.heading})"
    return f"{study.slug}: {one.name}: {where}: {one.failure.error}{SEE}{one.name}.ipynb"


def _context(study: Study, panel: Panel, executed: Sequence[Executed], record: dict[str, Any]) -> PageContext:
    links = [(FIRST, SUMMARY), *((f"{e.name}.html", e.title) for e in executed)]
    return PageContext(
        study=study.slug,
        study_title=study.protocol.title,
        outcome_label=panel.outcome.title,
        question=study.protocol.question,
        simulated=study.protocol.simulated,
        pages=tuple(links),
        provenance=provenance(record),
        index="../index.html",
    )


def _contents(study: Study, executed: Sequence[Executed]) -> tuple[dict[str, Content], list[str]]:
    """What every notebook shows, by its name, and what cannot be shown faithfully."""
    parts, failures = {}, []
    for one in executed:
        try:
            parts[one.name] = content(one.notebook)
        except RunError as error:
            failures.append(f"{study.slug}: {one.name}: the page cannot be made: {error}")
    return parts, failures


def _pages(folder: Path, context: PageContext, executed: Sequence[Executed], parts: dict[str, Content]) -> list[str]:
    failures = []
    for one in executed:
        if one.name not in parts:
            continue
        file = f"{one.name}.html"
        html = page(parts[one.name], replace(context, file=file))
        write_text(folder / file, html)
        if one.failure is None:
            failures += _faults(context, file, html)
    return failures


def _whole(folder: Path, context: PageContext, front: Front, parts: dict[str, Content] | None) -> list[str]:
    """Write the first page, the summary for Word and, where every notebook can be shown, the report as one file."""
    failures = []
    texts = {FIRST: first_page(front, replace(context, file=FIRST))}
    if parts is not None:
        texts[bundle_name(context.study)] = bundle(front, parts, context)
    for file, html in texts.items():
        write_text(folder / file, html)
        failures += _faults(context, file, html)
    made = dict(context.provenance)["Run"]
    write_word(folder / word_name(context.study), front, context, datetime.fromisoformat(made))
    return failures


def _faults(context: PageContext, file: str, html: str) -> list[str]:
    return [f"{context.study}: {file}: {problem}" for problem in problems(html)]


def _notebook_row(one: Executed) -> dict[str, Any]:
    error = None
    if one.failure:
        error = {"cell": one.failure.cell, "heading": one.failure.heading, "error": one.failure.error}
    return {"name": one.name, "title": one.title, "seconds": round(one.seconds, 2), "failure": error}


def _summary(
    study: Study, panel: Panel, executed: Sequence[Executed], estimates: Sequence[Estimate]
) -> dict[str, Any]:
    """What the index says of this report."""
    findings, answers = ([f for one in executed for f in payloads(one.notebook, k)] for k in ("finding", "answer"))
    own = [e for e in estimates if e.outcome == panel.outcome.name and not e.comparison_only]
    return {
        "title": study.protocol.title,
        "question": study.protocol.question,
        "outcome": panel.outcome.title,
        "simulated": study.protocol.simulated,
        "finding": findings[-1] if findings else None,
        "answer": answers[-1] if answers else None,
        "data_to": periods.say(panel.rows.index.get_level_values("period").max()),
        "headlines": [
            {
                "title": e.title,
                "term": e.headline["term"],
                "unit": e.unit,
                "level": e.level,
                **{k: float(e.headline[k]) for k in ("estimate", "std_error", "low", "high")},
            }
            for e in own
        ],
    }
