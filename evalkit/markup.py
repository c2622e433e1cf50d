"""HTML fragments: the one place where a value becomes markup, always escaped.

Every fragment is readable without colour, carries its caption, and scopes its headers, so
that what JupyterLab shows is what the report shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any
from urllib.parse import quote

METADATA_KEY = "evalkit"
DRAWING = "data:image/svg+xml,"
KEPT = " !$'()*+,-./:;=?@[]^_`{|}~"  # of a drawing, as it is in its address
KIND_WORDS = {"warning": "Warning", "refusal": "Refused"}


@dataclass(frozen=True)
class Shown:
    """A fragment that shows itself in a notebook.

    html     the fragment, already escaped
    text     the same content for a plain terminal
    payload  machine-readable content, kept in the output's metadata under `METADATA_KEY`
    """

    html: str
    text: str
    payload: dict[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        """The plain text, so that a terminal shows prose and not markup."""
        return self.text

    def _repr_mimebundle_(self, **_: object) -> tuple[dict[str, str], dict[str, Any]]:
        metadata = {METADATA_KEY: self.payload} if self.payload else {}
        return {"text/html": self.html, "text/plain": self.text}, metadata


@dataclass(frozen=True)
class Picture:
    """A table cell with a small drawing before its text; the alt text says what is drawn."""

    svg: str
    alt: str
    text: str

    def __str__(self) -> str:
        """The text alone."""
        return self.text


def table(
    header: Sequence[str], rows: Sequence[Sequence[str | Picture]], caption: str, numeric: Sequence[bool] = ()
) -> str:
    """A captioned table; the first cell of each row is its header.

    header, rows  texts, already formatted, or pictures with one; each row as long as `header`
    numeric       which columns hold figures and are right-aligned (default: none)
    """
    numeric = tuple(numeric) or (False,) * len(header)
    css = [' class="num"' if flag else "" for flag in numeric]
    head = "".join(f'<th scope="col"{c}>{escape(h)}</th>' for h, c in zip(header, css, strict=True))
    body = "".join(_row(row, css) for row in rows)
    return (
        f'<table class="evalkit"><caption>{escape(caption)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    )


def _row(row: Sequence[str | Picture], css: Sequence[str]) -> str:
    first, *rest = row
    cells = "".join(f"<td{c}>{_cell(cell)}</td>" for cell, c in zip(rest, css[1:], strict=True))
    return f'<tr><th scope="row"{css[0]}>{_cell(first)}</th>{cells}</tr>'


def _cell(cell: str | Picture) -> str:
    return f"{_image(cell.svg, cell.alt)} {escape(cell.text)}" if isinstance(cell, Picture) else escape(cell)


def _image(svg: str, alt: str) -> str:
    # Percent signs where a page needs them take a fifth of the room of base64.
    return f'<img alt="{escape(alt, quote=True)}" src="{DRAWING}{escape(quote(svg, safe=KEPT), quote=False)}">'


def table_text(header: Sequence[str], rows: Sequence[Sequence[str | Picture]], caption: str) -> str:
    """The same table as aligned plain text."""
    grid = [list(header), *[[str(cell) for cell in row] for row in rows]]
    widths = [max(len(row[i]) for row in grid) for i in range(len(header))]
    lines = ["  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in grid]
    return "\n".join([caption, *lines])


def figure(svg: str, alt: str, caption: str, data_table: str) -> str:
    """A figure: the drawing as an image (an image cannot run script), its alt text, its data.

    svg         the drawing
    alt         what the drawing shows, for a reader who cannot see it
    caption     the title line under the drawing
    data_table  a `table` fragment with the numbers behind the drawing
    """
    return (
        f'<figure class="evalkit">{_image(svg, alt)}'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
        f"<details><summary>Data behind this figure: {escape(caption)}</summary>{data_table}</details>"
    )


def notice(title: str, lines: Sequence[str], kind: str = "note") -> str:
    """A titled box of short statements; `kind` is `note`, `warning` or `refusal`.

    A warning and a refusal say so in their title: a notebook shows no colours, and a reader may
    see none.
    """
    word = KIND_WORDS.get(kind, "")
    if word and not title.lower().startswith(word.lower()):
        title = f"{word}: {title}"
    items = "".join(f"<li>{escape(line)}</li>" for line in lines)
    body = f"<ul>{items}</ul>" if items else ""
    return f'<div class="evalkit {escape(kind)}"><p><strong>{escape(title)}</strong></p>{body}</div>'
