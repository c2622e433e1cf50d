"""The index: every collaborative's finding on one page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from evalkit.errors import RunError
from evalkit.report.register import Register
from evalkit.report.templates import fill

STATUSES = ("complete", "failed")


@dataclass(frozen=True)
class EstimateRow:
    """One headline estimate, as texts: the design's name, the estimate, its interval."""

    design: str
    estimate: str
    interval: str


@dataclass(frozen=True)
class ReportEntry:
    """What the index says about one collaborative; plain texts, escaped here.

    status     `complete` or `failed`
    finding    the plain-English finding; empty when there is none
    pages      (file name relative to the index, title)
    failures   what failed and why, one sentence each
    updated    when the report was made, as text
    estimates  the headline estimate of each design
    answer     the payload of `words.answer`; None where the report has none
    data_to    the last period with data, as text
    """

    slug: str
    title: str
    question: str
    outcome: str
    simulated: bool
    status: str
    finding: str
    pages: tuple[tuple[str, str], ...]
    failures: tuple[str, ...]
    updated: str
    estimates: tuple[EstimateRow, ...]
    answer: dict[str, Any] | None = None
    data_to: str = ""


def render_index(entries: Sequence[ReportEntry]) -> str:
    """The index page as HTML text, entries in the order given; none is a page too.

    Raises RunError for a status that is neither `complete` nor `failed`.
    """
    for entry in entries:
        if entry.status not in STATUSES:
            raise RunError(f"unknown report status {entry.status!r}", entry.slug, "use complete or failed")
    register = Register()
    return fill(
        "index.html.j2",
        cards=[(entry, register.anchor(entry.slug), register.name(entry.title)) for entry in entries],
        failed=sum(entry.status == "failed" for entry in entries),
        simulated=sum(entry.simulated for entry in entries),
    )
