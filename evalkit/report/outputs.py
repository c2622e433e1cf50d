"""The outputs of one cell -> safe HTML."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any

from evalkit.errors import RunError
from evalkit.report import tree
from evalkit.report.arrange import arrange
from evalkit.report.clean import clean_output, plain
from evalkit.report.equations import mathml
from evalkit.report.prose import prose_output
from evalkit.report.register import Register

_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")
_IMAGES = ("image/svg+xml", "image/png", "image/jpeg")
_WIDGET = "application/vnd.jupyter.widget"
# The narrowest page (320 px) shows about this many monospaced characters without scrolling.
_NARROW = 30


def joined(text: str | Sequence[str]) -> str:
    """Notebook text: one string, or the list of its lines."""
    return text if isinstance(text, str) else "".join(text)


def outputs(cell: Mapping[str, Any], where: str, register: Register) -> str:
    """Everything a code cell showed, in order.

    where  the cell, for messages and names: `cell 5`

    Raises RunError for a picture without a description.
    """
    return "".join(_output(output, where, register) for output in _merged(cell.get("outputs", ())))


def _merged(items: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Neighbouring pieces of one stream joined: where they were cut is chance."""
    merged: list[Mapping[str, Any]] = []
    for item in items:
        last = merged[-1] if merged else {}
        if item["output_type"] == "stream" == last.get("output_type") and item["name"] == last["name"]:
            merged[-1] = {**last, "text": joined(last["text"]) + joined(item["text"])}
        else:
            merged.append(item)
    return merged


def _output(output: Mapping[str, Any], where: str, register: Register) -> str:
    kind = output["output_type"]
    if kind == "stream":
        text = joined(output["text"])
        if output["name"] != "stderr":
            return block(text, "stream", f"Printed by {where}", register)
        body = block(text, "stream", f"Messages from {where}", register)
        return f'<div class="evalkit note"><p><strong>Messages</strong></p>{body}</div>' if body else ""
    if kind == "error":
        return _error(output, where, register)
    return _display(output, where, register)


def block(text: str, css: str, name: str, register: Register) -> str:
    """Preformatted text; wide text scrolls in a region that a keyboard can reach."""
    # A progress bar rewrites its line: the last version is what a terminal would show.
    lines = [line.rstrip("\r").rsplit("\r", 1)[-1] for line in _ANSI.sub("", text).split("\n")]
    text = plain("\n".join(lines)).strip("\n")
    if not text.strip():
        return ""
    # One long line is a sentence and wraps; several may be aligned in columns and must not.
    if "\n" not in text or max(map(len, text.split("\n"))) <= _NARROW:
        return f'<pre class="{css}">{escape(text)}</pre>'
    label = escape(register.name(name))
    return f'<pre class="{css}" role="region" tabindex="0" aria-label="{label}">{escape(text)}</pre>'


def _error(output: Mapping[str, Any], where: str, register: Register) -> str:
    what = plain(_ANSI.sub("", f"{output.get('ename', '')}: {output.get('evalue', '')}"))
    trace = block("\n".join(output.get("traceback", ())), "trace", f"Traceback of {where}", register)
    detail = f"<details><summary>Traceback of {escape(where)}</summary>{trace}</details>" if trace else ""
    title = f"The run stopped here, in {escape(where)}, with an error"
    return f'<div class="evalkit refusal"><p><strong>{title}</strong></p><p>{escape(what)}</p></div>{detail}'


def _display(output: Mapping[str, Any], where: str, register: Register) -> str:
    data = output.get("data", {})
    for mime, show in _SHOW.items():
        if mime in data and (html := show(joined(data[mime]), where, register)):
            return html
    for mime in _IMAGES:
        if mime in data:
            return _picture(mime, joined(data[mime]), output.get("metadata", {}), where)
    if "text/plain" in data and not any(mime.startswith(_WIDGET) for mime in data):
        return block(joined(data["text/plain"]), "result", f"Result of {where}", register)
    return ""


def _html(text: str, _: str, register: Register) -> str:
    try:
        root = tree.parse(clean_output(text))
    except ValueError:  # nested beyond reason
        return ""
    # Where nothing but script was, the next representation speaks.
    if not tree.text_of(root) and root.find(".//img[@src]") is None:
        return ""
    return arrange(root, register, headings=True)


def _latex(text: str, where: str, register: Register) -> str:
    try:
        html = f"<p>{mathml(text.strip().strip('$'), display=True, where=where)}</p>"
    except RunError:
        return block(text, "result", f"Result of {where}", register)
    return arrange(tree.parse(html), register, headings=False)


def _picture(mime: str, content: str, metadata: Mapping[str, Any], where: str) -> str:
    own = metadata.get(mime)
    alt = (own.get("alt") if isinstance(own, Mapping) else None) or metadata.get("alt")
    if not isinstance(alt, str) or not alt.strip():
        raise RunError(
            "a picture has no description, so some readers would not get it",
            where,
            "show it through evalkit, or put the description into the output's metadata as `alt`",
        )
    if mime == "image/svg+xml":
        content = base64.b64encode(plain(content).encode()).decode("ascii")
    content = re.sub(r"\s", "", content)
    if not re.fullmatch(r"[A-Za-z0-9+/]+=*", content):
        raise RunError("a picture is not valid base64", where, "run the notebook again")
    return f'<figure><img alt="{escape(plain(alt))}" src="data:{mime};base64,{content}"></figure>'


_SHOW: dict[str, Callable[[str, str, Register], str]] = {
    "text/html": _html,
    "text/markdown": prose_output,
    "text/latex": _latex,
}
