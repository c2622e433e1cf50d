"""The summary and main tables of a report for Word: headings, real tables with header rows, nothing but words."""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from evalkit.files import write_bytes
from evalkit.report.front import CHECKLISTS, ESTIMATES, OTHERS, Front
from evalkit.report.page import PageContext
from evalkit.texts import clean

if TYPE_CHECKING:
    from docx.document import Document

LANGUAGE = "en-GB"
PAGE, MARGIN = (210, 297), 20  # A4, millimetres
SHORTEST, LONGEST = 18, 48  # characters that a column is reckoned to hold: no short word is broken
SIMULATED = "Simulated data: the numbers are made up to show the method. They describe no real organisation."


def write_word(path: Path, front: Front, context: PageContext, made: datetime) -> None:
    """Write the summary as a Word document, whole or not at all.

    made  when the report was made; it stands in the document's properties and nowhere else
    """
    document = _blank(context, made)
    document.add_paragraph(clean(context.study_title), style="Title")
    document.add_paragraph(clean(context.question), style="Subtitle")
    if context.simulated:
        document.add_paragraph().add_run(SIMULATED).bold = True
    if front.failures:
        document.add_heading("This evaluation is incomplete: do not quote it", 1)
        _bullets(document, front.failures)
    _answer(document, front)
    _table(document, *ESTIMATES, front.estimates)
    _table(document, *OTHERS, front.others)
    if front.methods:
        document.add_heading("Methods", 1)
        document.add_paragraph(clean(front.methods))
    _table(document, *CHECKLISTS, front.checklists)
    _table(document, "Quality assurance", ("Part", "Who, when and what"), front.assurance)
    document.add_heading("Known limits", 1)
    _bullets(document, front.limits or ("None recorded.",))
    _table(document, "How this was made", ("Part", "What"), [row for row in context.provenance if row[0] != "Run"])
    buffer = io.BytesIO()
    document.save(buffer)
    write_bytes(path, buffer.getvalue())


def _blank(context: PageContext, made: datetime) -> Document:
    import docx
    from docx.oxml import OxmlElement
    from docx.oxml.ns import qn
    from docx.shared import Mm

    document = docx.Document()
    section = document.sections[0]
    section.page_width, section.page_height = map(Mm, PAGE)
    section.left_margin = section.right_margin = section.top_margin = section.bottom_margin = Mm(MARGIN)
    properties = document.core_properties
    properties.title = clean(f"{context.study_title}: summary")[:255]
    properties.author = properties.last_modified_by = "evalkit"
    properties.comments, properties.language = "", LANGUAGE
    properties.created = properties.modified = made
    for style in document.styles.element.iter(qn("w:rPr")):  # what a screen reader speaks
        for old in style.findall(qn("w:lang")):
            style.remove(old)
    base = document.styles["Normal"].element.get_or_add_rPr()
    language = OxmlElement("w:lang")
    language.set(qn("w:val"), LANGUAGE)
    base.append(language)
    return document


def _answer(document: Document, front: Front) -> None:
    document.add_heading("The answer", 1)
    answer = front.answer
    if answer is None:
        document.add_paragraph("No answer: the findings page was not part of this run, or stopped before it.")
        return
    document.add_paragraph().add_run(clean(answer["verdict"])).bold = True
    if answer["figure"]:
        document.add_paragraph(
            clean(f"{answer['measure']}: {answer['figure']} ({answer['interval']}). {answer['good']}")
        )
    document.add_paragraph(clean(answer["said"]))
    document.add_paragraph(clean(f"Confidence: {answer['confidence']}. {answer['meaning']}"))
    _bullets(document, [f"{why[:1].upper()}{why[1:]}." for why in answer["because"]])
    for part in ("scale", "net", "overturned", "elsewhere"):
        if answer[part]:
            document.add_paragraph(clean(answer[part]))


def _bullets(document: Document, lines: Sequence[str]) -> None:
    for line in lines:
        document.add_paragraph(clean(line), style="List Bullet")


def _table(document: Document, title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A heading and a table whose first row repeats on every page, with its purpose for a screen reader."""
    from docx.oxml import OxmlElement
    from docx.oxml.ns import qn

    if not rows:
        return
    document.add_heading(title, 1)
    table = document.add_table(rows=1, cols=len(header), style="Table Grid")
    for tag in ("w:tblCaption", "w:tblDescription"):
        said = OxmlElement(tag)
        said.set(qn("w:val"), title)
        table._tbl.tblPr.append(said)  # noqa: SLF001 - python-docx has no other way to a table's description
    for cell, text in zip(table.rows[0].cells, header, strict=True):
        cell.paragraphs[0].add_run(text).bold = True
    repeated = OxmlElement("w:tblHeader")
    repeated.set(qn("w:val"), "true")
    table.rows[0]._tr.get_or_add_trPr().append(repeated)  # noqa: SLF001
    for row in rows:
        for cell, text in zip(table.add_row().cells, row, strict=True):
            cell.text = clean(text)
    for column, width in zip(table.columns, _widths([header, *rows]), strict=True):
        column.width = width
        for cell in column.cells:
            cell.width = width


def _widths(rows: Sequence[Sequence[str]]) -> list[int]:
    """Widths of columns that fill the page, in shares of their longest text."""
    from docx.shared import Mm

    most = [min(max(map(len, column)), LONGEST) for column in zip(*rows, strict=True)]
    held = [max(longest, SHORTEST) for longest in most]
    return [Mm((PAGE[0] - 2 * MARGIN) * one / sum(held)) for one in held]
