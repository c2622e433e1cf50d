"""The first page and the bundle: the whole of a report on one page each, from the same parts as its pages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from markupsafe import Markup

from evalkit.report.content import Content, within
from evalkit.report.front import Front, body, register
from evalkit.report.page import PageContext
from evalkit.report.register import Register
from evalkit.report.templates import fill

FIRST, SUMMARY = "index.html", "Summary"  # the first page: its file and what it is called


def first_page(front: Front, context: PageContext) -> str:
    """The report's first page as HTML text."""
    html, sections = body(front, register())
    return _page(html, sections, context, code=False)


def bundle(front: Front, parts: Mapping[str, Content], context: PageContext) -> str:
    """The whole report as one page that leads nowhere else: the summary, then every notebook's page.

    parts  what each notebook shows, by its name
    """
    names = register()
    anchors = {name: names.anchor(name) for name in parts}
    inside = {f"{name}.html": f"#{anchor}" for name, anchor in anchors.items()}
    pages = tuple((inside.get(file, file), title, opening) for file, title, opening in front.pages)
    alone = replace(front, files=(), pages=pages)
    html, sections = body(alone, names)
    text = "\n".join([html, *(_part(shown, anchors[name], names) for name, shown in parts.items())])
    contents = (*sections, *((anchors[name], shown.title.text) for name, shown in parts.items()))
    closed = replace(context, pages=(), index="")
    return _page(text, contents, closed, code='<details class="code">' in text)


def _part(shown: Content, anchor: str, names: Register) -> str:
    return fill(
        "part.html.j2",
        anchor=anchor,
        heading=Markup(shown.title.html),  # noqa: S704 - cleaned by `content`
        stopped=shown.stopped,
        body=Markup(within(shown, names)),  # noqa: S704 - cleaned by `content`
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
