"""Markdown -> safe HTML with anchors and equations; raw HTML in it stays text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict
from mdit_py_plugins.dollarmath import dollarmath_plugin

from evalkit.errors import RunError
from evalkit.report import tree
from evalkit.report.arrange import OUTPUT_FLOOR, arrange
from evalkit.report.clean import clean_prose, is_embedded_image, plain
from evalkit.report.equations import mathml
from evalkit.report.register import Register


@dataclass(frozen=True)
class Heading:
    """A heading's text and its HTML."""

    text: str
    html: str


def prose(source: str, where: str, register: Register) -> str:
    """A Markdown cell of the notebook as HTML.

    source    Markdown: CommonMark, tables, `$..$` and `$$..$$`
    where     the cell, for messages
    register  gets the anchors, and the second-level headings for the table of contents

    Raises RunError for an equation that cannot be shown and for an image that is not embedded.
    """
    tokens, env = _parsed(source, where)
    _headings(tokens, register, authored=True)
    return _html(tokens, env, register)


def prose_output(source: str, where: str, register: Register) -> str:
    """A Markdown output as HTML. It may carry names from data, so it cannot stop a report: what
    `prose` refuses is shown as plain text, and its headings stay out of the table of contents.
    """
    tokens, env = _parsed(source, where, lenient=True)
    _headings(tokens, register, authored=False)
    return _html(tokens, env, register)


def take_title(source: str, where: str) -> tuple[Heading | None, str]:
    """The first `# ` heading of a Markdown cell, if there is one, and the cell without it."""
    tokens, env = _parsed(source, where)
    for place, token in enumerate(tokens):
        if token.type == "heading_open" and token.tag == "h1" and token.map and token.level == 0:
            inline = tokens[place + 1]
            html = clean_prose(_MARKDOWN.renderer.render([inline], _MARKDOWN.options, env))
            lines = source.splitlines()
            first, last = token.map
            return Heading(_words(inline), html), "\n".join([*lines[:first], *lines[last:]])
    return None, source


def _parsed(source: str, where: str, *, lenient: bool = False) -> tuple[list[Token], dict[str, Any]]:
    env = {"where": where, "lenient": lenient}
    return _MARKDOWN.parse(plain(source), env), env


def _html(tokens: list[Token], env: dict[str, Any], register: Register) -> str:
    for token in tokens:
        if token.type in {"th_open", "td_open"} and "right" in str(token.attrs.pop("style", "")):
            token.attrSet("class", "num")
    html = _MARKDOWN.renderer.render(tokens, _MARKDOWN.options, env)
    return arrange(tree.parse(clean_prose(html)), register, headings=False)


def _headings(tokens: list[Token], register: Register, *, authored: bool) -> None:
    level = 0
    for place, token in enumerate(tokens):
        if token.type == "heading_open":
            level = register.level(int(token.tag[1]), 2 if authored else OUTPUT_FLOOR)
            text = _words(tokens[place + 1])
            if authored:
                token.attrSet("id", register.anchor(text))
            if authored and level == 2:  # noqa: PLR2004  the second level is the contents
                register.contents.append((str(token.attrs["id"]), text))
        if token.type in {"heading_open", "heading_close"}:
            token.tag = f"h{level}"


def _words(inline: Token) -> str:
    parts = [" " if child.type.endswith("break") else child.content for child in inline.children or []]
    return " ".join("".join(parts).split())


def _equation(_: RendererHTML, tokens: Sequence[Token], place: int, __: OptionsDict, env: EnvType) -> str:
    display = tokens[place].type != "math_inline"
    tex = tokens[place].content
    try:
        html = mathml(tex, display=display, where=env["where"])
    except RunError:
        if not env["lenient"]:
            raise
        return f"<code>{escape(tex)}</code>"
    # A paragraph may hold `math`, so nothing is wrapped; page.css lets a long line scroll.
    return html if tokens[place].type != "math_block" else f"<p>{html}</p>"


def _picture(_: RendererHTML, tokens: Sequence[Token], place: int, __: OptionsDict, env: EnvType) -> str:
    source, alt = str(tokens[place].attrs["src"]), tokens[place].content
    if is_embedded_image(source) and alt.strip():
        return f'<img src="{escape(source)}" alt="{escape(alt)}">'
    if env["lenient"]:
        return escape(alt)
    raise RunError(
        f"the image {source[:60]!r} is not embedded, or has no description",
        env["where"],
        "let a code cell draw it, or embed it as data: with a description",
    )


def _any_address(url: str) -> bool:  # noqa: ARG001  the parser's signature
    return True


def _markdown() -> MarkdownIt:
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    markdown.use(dollarmath_plugin, allow_labels=False, allow_digits=False, double_inline=True)
    # Every address is let through here and judged in one place: by the allow-list in `clean`.
    markdown.validateLink = _any_address  # type: ignore[method-assign]
    for kind in ("math_inline", "math_inline_double", "math_block"):
        markdown.add_render_rule(kind, _equation)
    markdown.add_render_rule("image", _picture)
    return markdown


_MARKDOWN = _markdown()
