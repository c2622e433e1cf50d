"""The first page and the bundle: the whole of a report on one page each, from the same parts as its pages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from markupsafe import Markup

from evalkit.report.content import content
from evalkit.report.execute import Executed
from evalkit.report.front import Front, body, register
from evalkit.report.page import PageContext
from evalkit.report.register import Register
from evalkit.report.templates import fill

FIRST, SUMMARY = "index.html", "Summary"  # the first page: its file and what it is called


def first_page(front: Front, context: PageContext) -> str:
    """The report's first page as HTML text."""
    html, sections = body(front, register())
    return _page(html, sections, context, code=False)


def bundle(front: Front, executed: Sequence[Executed], context: PageContext) -> str:
    """The whole report as one page that leads nowhere else: the summary, then every notebook's page.

    Raises RunError, naming the cell, for a notebook that cannot be shown faithfully.
    """
    names = register()
    anchors = [names.anchor(one.name) for one in executed]
    inside = {f"{one.name}.html": f"#{anchor}" for one, anchor in zip(executed, anchors, strict=True)}
    pages = tuple((inside.get(file, file), title, opening) for file, title, opening in front.pages)
    alone = replace(front, files=(), pages=pages)
    html, sections = body(alone, names)
    parts = [html, *(_part(one, anchor, names) for one, anchor in zip(executed, anchors, strict=True))]
    contents = (*sections, *((anchor, one.title) for one, anchor in zip(executed, anchors, strict=True)))
    text = "\n".join(parts)
    closed = replace(context, pages=(), index="")
    return _page(text, contents, closed, code='<details class="code">' in text)


def _part(one: Executed, anchor: str, names: Register) -> str:
    names.begin(2)
    shown = content(one.notebook, names)
    return fill(
        "part.html.j2",
        anchor=anchor,
        heading=Markup(shown.title.html),  # noqa: S704 - cleaned by `content`
        stopped=shown.stopped,
        body=Markup(shown.body),  # noqa: S704 - cleaned by `content`
    )


def _page(html: str, sections: tuple[tuple[str, str], ...], context: PageContext, *, code: bool) -> str:
    return fill(
        "page.html.j2",
        context=context,
        pages=[(file, title, file == context.file) for file, title in context.pages],
        title=SUMMARY,
        heading=context.question,
        body=Markup(html),  # noqa: S704 - made from cleaned parts and from escaped texts
        contents=sections,
        parameters=[],
        stopped="",
        has_code=code,
    )
