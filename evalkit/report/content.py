"""An executed notebook -> the parts of a page, in reading order."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape, unescape
from typing import Any

from evalkit.errors import RunError
from evalkit.report.clean import plain
from evalkit.report.highlight import highlight
from evalkit.report.outputs import joined, outputs
from evalkit.report.prose import Heading, prose, take_title
from evalkit.report.register import DEEPEST, Register
from evalkit.report.tree import quoted

# papermill's tags, and what a reader should call them; the injected cell wins, so it comes first.
PARAMETER_TAGS = {"injected-parameters": "Set for this run", "parameters": "Defaults in the notebook"}
# Nothing but our own tags looks like these: what is less or greater is escaped in texts and values, quotes in values.
_HEADING = re.compile(r"<(/?)h([2-6])(?=[ >])")
_TAG = re.compile(r"<(?:h[1-6]|a|div|span|pre) [^>]*>")
_PLACED = re.compile(r' (id|href|aria-label)="(#?)([^"]*)"')


@dataclass(frozen=True)
class Content:
    """What a page shows of a notebook; every string but the texts is safe HTML.

    title       the first `# ` heading
    body        everything else, in order
    contents    (anchor, text) of the second-level headings
    parameters  (text, HTML) of each parameters cell
    stopped     the cell with the first error, as text; empty when the notebook ran to its end
    register    the anchors and names in `body`
    """

    title: Heading
    body: str
    contents: tuple[tuple[str, str], ...]
    parameters: tuple[tuple[str, str], ...]
    stopped: str
    register: Register


def content(notebook: Mapping[str, Any]) -> Content:
    """Read an executed notebook (nbformat 4) as a page of its own.

    Raises RunError, naming the cell, for a notebook without a `# ` heading, an equation that
    cannot be shown, an image that is not embedded and a picture without a description.
    """
    register = Register()
    title: Heading | None = None
    body: list[str] = []
    parameters: dict[str, str] = {}
    for number, cell in enumerate(notebook["cells"], start=1):
        where, source = f"cell {number}", joined(cell["source"])
        if cell["cell_type"] == "markdown":
            if title is None:
                title, source = take_title(source, where)
            body.append(prose(source, where, register))
        elif cell["cell_type"] == "code":
            tag = _parameter_tag(cell)
            code = _code(source, where, register)
            if tag:
                parameters[tag] = parameters.get(tag, "") + code
            else:
                body.append(_folded(code, where))
            body.append(outputs(cell, where, register))
    if title is None:
        raise RunError("the notebook has no title", fix="begin its first Markdown cell with `# ` and a title")
    shown = tuple((words, parameters[tag]) for tag, words in PARAMETER_TAGS.items() if tag in parameters)
    whole = "\n".join(filter(None, body))
    return Content(title, whole, tuple(register.contents), shown, _stopped(notebook), register)


def within(shown: Content, register: Register) -> str:
    """The body as a part of another page, below a heading of the second level.

    register  of that page: anchors and names that it has already are given anew, and links to them follow
    """
    own, tags = shown.register, _TAG.findall(shown.body)
    ids = [value for tag in tags for what, _, value in _PLACED.findall(tag) if what == "id"]
    places = {anchor: register.anchor(own.anchors.get(anchor, anchor)) for anchor in ids}

    def placed(found: re.Match[str]) -> str:
        what, mark, value = found.groups()
        if what == "aria-label":
            name = unescape(value)
            value = quoted(register.name(own.names.get(name, name)))
        elif what == "id" or mark:
            value = places.get(value, value)
        return f' {what}="{mark}{value}"'

    deeper = _HEADING.sub(lambda found: f"<{found[1]}h{min(int(found[2]) + 1, DEEPEST)}", shown.body)
    return _TAG.sub(lambda tag: _PLACED.sub(placed, tag[0]), deeper)


def _parameter_tag(cell: Mapping[str, Any]) -> str:
    tags = cell.get("metadata", {}).get("tags", ())
    return next((tag for tag in PARAMETER_TAGS if tag in tags), "")


def _code(source: str, where: str, register: Register) -> str:
    source = plain(source).strip("\n")
    if not source.strip():
        return ""
    name = escape(register.name(f"Code of {where}"))
    return f'<pre class="source" role="region" tabindex="0" aria-label="{name}">{highlight(source)}</pre>'


def _folded(code: str, where: str) -> str:
    if not code:
        return ""
    summary = f'Code<span class="unseen"> of {escape(where)}</span>'
    return f'<details class="code"><summary>{summary}</summary>{code}</details>'


def _stopped(notebook: Mapping[str, Any]) -> str:
    for number, cell in enumerate(notebook["cells"], start=1):
        if any(output["output_type"] == "error" for output in cell.get("outputs", ())):
            return f"cell {number}"
    return ""
