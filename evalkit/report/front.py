"""The first page of a report: the answer, then where to find what it rests on, then who stands behind it.

Nothing is computed or worded here: the texts come from the payloads that the executed notebooks carry.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from evalkit import instruments, numbers, words
from evalkit.estimate import Estimate
from evalkit.markup import METADATA_KEY, table
from evalkit.panel import Panel
from evalkit.report import tree
from evalkit.report.arrange import arrange
from evalkit.report.assurance import Rows, assured, limits
from evalkit.report.execute import Executed, payloads
from evalkit.report.outputs import outputs
from evalkit.report.register import RESERVED, Register
from evalkit.report.templates import fill
from evalkit.study import Study

FINDINGS, ANSWER = "findings", "answer"
NAMES = {tool.key: tool.title for tool in instruments.BIAS} | {one.key: one.title for one in instruments.CHECKLISTS}
SECTIONS = (
    ("estimates", "What each method says"),
    ("others", "Other measures"),
    ("pages", "The pages of this report"),
    ("methods", "Methods"),
    ("checklists", "Checklists"),
    ("assurance", "Quality assurance"),
    ("files", "Files"),
)
ESTIMATES = ("Estimates by method", ("Method", "Estimate", "Interval"))
OTHERS = ("Other measures, those watched for harm first", ("Measure", "Role", "Estimate", "Interval", "Reading"))
CHECKLISTS = ("Items that the run or the evaluator answered", ("Instrument", "Answered", "In all"))
FIGURES = frozenset({"Estimate", "Interval", "Answered", "In all"})  # columns of them


@dataclass(frozen=True)
class Front:
    """What the first page says, as plain texts; empty where there is nothing.

    answer      the payload of `words.answer`; None where no notebook gave one
    figure      the output of the findings that shows the designs side by side
    estimates   design, estimate, interval of the report's outcome, the one that carries the finding first
    others      measure, role, estimate, interval, reading of every other outcome
    pages       address, title, and the first sentence of each page
    methods     one paragraph for a journal
    checklists  name, items answered, items in all
    assurance   label and text
    limits      one sentence each
    failures    what failed, one line each
    files       address and what it holds
    """

    answer: dict[str, Any] | None
    figure: Mapping[str, Any] | None
    estimates: tuple[tuple[str, str, str], ...]
    others: tuple[tuple[str, str, str, str, str], ...]
    pages: tuple[tuple[str, str, str], ...]
    methods: str
    checklists: tuple[tuple[str, str, str], ...]
    assurance: Rows
    limits: tuple[str, ...]
    failures: tuple[str, ...]
    files: tuple[tuple[str, str], ...]


def gather(
    study: Study, panel: Panel, executed: Sequence[Executed], estimates: Sequence[Estimate], record: dict[str, Any]
) -> Front:
    """Collect the first page from what the notebooks showed.

    record  the manifest so far: `by`, `data`, `failures`
    """
    answer, finding, summaries = (_last(executed, kind) for kind in ("answer", "finding", "summaries"))
    own = [e for e in estimates if e.outcome == panel.outcome.name and not e.comparison_only]
    carrying = answer["design"] if answer else ""
    return Front(
        answer=answer,
        figure=_figure(executed),
        estimates=tuple((e.title, *_figures(e)) for e in sorted(own, key=lambda e: e.title != carrying)),
        others=_others(study, panel, estimates),
        pages=tuple((f"{e.name}.html", e.title, _opening(e)) for e in executed),
        methods=summaries["methods"] if summaries else "",
        checklists=_checklists(executed),
        assurance=assured(study, panel, record),
        limits=limits(study, answer, finding),
        failures=tuple(record["failures"]),
        files=_files(study.slug, appraised=bool(_rows(executed))),
    )


def body(front: Front, register: Register) -> tuple[str, tuple[tuple[str, str], ...]]:
    """The page's content as safe HTML, and its sections as (anchor, text).

    register  of the page; its anchors and the names of its tables are taken from it first
    """
    tables = {
        "estimates": _table(ESTIMATES, front.estimates, register),
        "others": _table(OTHERS, [(what, role.capitalize(), *rest) for what, role, *rest in front.others], register),
        "checklists": _table(CHECKLISTS, front.checklists, register),
    }
    figure = outputs({"outputs": [front.figure]}, FINDINGS, register) if front.figure else ""
    answer = ((ANSWER, "The answer"),) if front.answer else ()
    shown = [(anchor, text) for anchor, text in SECTIONS if getattr(front, anchor)]
    safe = Markup(figure)  # noqa: S704 - cleaned
    html = fill("front.html.j2", front=front, figure=safe, tables=tables, sections=dict(shown))
    return html, (*answer, *shown)


def _table(what: tuple[str, tuple[str, ...]], rows: Sequence[Sequence[str]], register: Register) -> Markup:
    caption, header = what
    drawn = table(header, rows, caption, [name in FIGURES for name in header])
    return Markup(arrange(tree.parse(drawn), register, headings=False))  # noqa: S704 - escaped by `table`


def register() -> Register:
    """A page's register in which the anchors of the first page are taken."""
    return Register((*RESERVED, ANSWER, *(anchor for anchor, _ in SECTIONS)))


def bundle_name(slug: str) -> str:
    """The file that holds the whole report."""
    return f"{slug}-report.html"


def word_name(slug: str) -> str:
    """The file that holds the summary for Word."""
    return f"{slug}-summary.docx"


def _files(slug: str, *, appraised: bool) -> tuple[tuple[str, str], ...]:
    listed = {
        bundle_name(slug): "the whole report as one file, to send by e-mail",
        word_name(slug): "this summary and its main tables for Word",
        "estimates.csv": "every estimate, with all its terms",
        "estimates.json": "the same, at full precision",
        "appraisal.csv": "every row on risk of bias and on reporting" if appraised else "",
        "manifest.json": "hashes of everything that the report was made from",
    }
    return tuple((name, what) for name, what in listed.items() if what)


def _figures(estimate: Estimate) -> tuple[str, str]:
    return numbers.headline(estimate.headline, estimate.unit, estimate.level)


def _last(executed: Sequence[Executed], kind: str) -> Any:  # noqa: ANN401 - any payload
    found = [one for e in executed for one in payloads(e.notebook, kind)]
    return found[-1] if found else None


def _figure(executed: Sequence[Executed]) -> Mapping[str, Any] | None:
    """The first figure of the findings."""
    shown = (
        output
        for one in executed
        if one.name == FINDINGS
        for cell in one.notebook["cells"]
        for output in cell.get("outputs", ())
        if "figure" in output.get("metadata", {}).get(METADATA_KEY, {})
    )
    return next(shown, None)


def _others(study: Study, panel: Panel, estimates: Sequence[Estimate]) -> tuple[tuple[str, str, str, str, str], ...]:
    rows = []
    for outcome in study.protocol.outcomes:
        found = next((e for e in estimates if e.outcome == outcome.name), None)
        if outcome.name != panel.outcome.name and found is not None:
            reads = words.direction(found, outcome)
            rows.append((outcome.title, str(outcome.role), *_figures(found), reads.capitalize()))
    return tuple(sorted(rows, key=lambda row: row[1] != "balancing"))


def _opening(one: Executed) -> str:
    """The first sentence under the title of a notebook."""
    first = next((c["source"] for c in one.notebook["cells"] if c["cell_type"] == "markdown"), "")
    text = " ".join(line for line in first.splitlines() if line.strip() and not line.startswith("#"))
    return text.split(". ")[0].rstrip(".") + "." if text else ""


def _rows(executed: Sequence[Executed]) -> list[Mapping[str, str]]:
    return [row for one in executed for shown in payloads(one.notebook, "appraisal") for row in shown]


def _checklists(executed: Sequence[Executed]) -> tuple[tuple[str, str, str], ...]:
    rows = {(row["instrument"], row["id"]): row["status"] for row in _rows(executed)}
    every = Counter(name for name, _ in rows)
    answered = Counter(name for (name, _), status in rows.items() if status != "missing")
    return tuple((NAMES.get(name, name), str(answered[name]), str(count)) for name, count in every.items())
