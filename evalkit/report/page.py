"""One executed notebook -> one accessible HTML page that needs nothing but itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from markupsafe import Markup

from evalkit.report.audit import problems
from evalkit.report.content import Content, content
from evalkit.report.templates import fill

if TYPE_CHECKING:
    from nbformat import NotebookNode

__all__ = ["PageContext", "page", "problems", "render"]


@dataclass(frozen=True)
class PageContext:
    """What a page says around the notebook; plain texts, escaped here.

    study, study_title  the slug and the title of the collaborative's evaluation
    outcome_label       the outcome that the page is about
    question            the evaluation's question
    simulated           whether the data are made up: then every page says so, in words
    pages               (file name, title) of every page of this evaluation, this one included
    provenance          (label, value): hashes, versions, times, parameters
    file                this page's own file name, marked as the current one; when empty, the
                        page whose title equals the notebook's
    index               relative link to the index of all reports; empty for none
    """

    study: str
    study_title: str
    outcome_label: str
    question: str
    simulated: bool
    pages: tuple[tuple[str, str], ...]
    provenance: tuple[tuple[str, str], ...]
    file: str = ""
    index: str = ""


def render(notebook: NotebookNode, context: PageContext) -> str:
    """The page as HTML text; the same notebook and context give the same text.

    notebook  executed, nbformat 4; one that stopped at an error renders as far as it came

    Raises RunError, naming the cell, for what cannot be shown faithfully: no title, a broken
    equation, an image that is not embedded, a picture without a description.
    """
    return page(content(notebook), context)


def page(shown: Content, context: PageContext) -> str:
    """The page of what a notebook shows, as HTML text; as `render`."""
    pages = [
        (file, title, file == context.file if context.file else title == shown.title.text)
        for file, title in context.pages
    ]
    return fill(
        "page.html.j2",
        context=context,
        pages=pages,
        title=shown.title.text,
        # Cleaned by `content`, which is the only road from a notebook to markup.
        heading=Markup(shown.title.html),  # noqa: S704
        body=Markup(shown.body),  # noqa: S704
        contents=shown.contents,
        parameters=[(words, Markup(html)) for words, html in shown.parameters],  # noqa: S704
        stopped=shown.stopped,
        has_code='<details class="code">' in shown.body,
    )
