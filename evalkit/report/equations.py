"""TeX -> MathML, when the page is made: a reader needs neither script nor network."""

from __future__ import annotations

import re
from functools import lru_cache
from html import escape
from xml.etree.ElementTree import Element

from latex2mathml.converter import convert

from evalkit.errors import RunError
from evalkit.report import tree
from evalkit.report.clean import MATH_ATTRIBUTES, MATH_TAGS, plain

_ENVIRONMENTS = frozenset(
    [
        "matrix",
        "pmatrix",
        "bmatrix",
        "Bmatrix",
        "vmatrix",
        "Vmatrix",
        "smallmatrix",
        "cases",
        "array",
        "align*",
        "split",
    ]
)
_BEGIN = re.compile(r"\\begin\{([^}]*)\}")
_TEXT = re.compile(r"\\text\{([^{}]*)\}")
_ESCAPED = re.compile(r"\\([%&#_$])")


@lru_cache(maxsize=1024)
def mathml(tex: str, *, display: bool, where: str = "") -> str:
    """One equation as a `math` element whose `alttext` is its TeX.

    tex      without the dollars
    display  on a line of its own, rather than within a sentence
    where    the cell, for the message

    Raises RunError for TeX that cannot be shown faithfully: the converter passes unknown
    commands, lost braces and raw markup through without a word, so each is looked for here.
    """
    tex = " ".join(plain(tex).split())
    fault = _fault(tex)
    if not fault:
        try:
            math = tree.parse(convert(_prepared(tex), display="block" if display else "inline"))[0]
        except Exception as error:  # noqa: BLE001  it has no common base class, and fails in any way
            fault = type(error).__name__
        else:
            fault = _unfaithful(math)
    if fault:
        raise RunError(f"the equation {tex!r} cannot be shown ({fault})", where, "correct its TeX")
    math.attrib.pop("xmlns", None)
    math.set("alttext", tex)
    holder = Element("div")
    holder.append(math)
    return tree.inner(holder)


def _fault(tex: str) -> str:
    bare = re.sub(r"\\[\\{}&]", "", tex)
    if not tex:
        return "it is empty"
    if bare.count("{") != bare.count("}"):
        return "its braces do not match"
    if "&" in bare and "\\begin{" not in tex and "\\text{" not in tex:
        return "& outside an array"
    unknown = [name for name in _BEGIN.findall(tex) if name not in {*_ENVIRONMENTS, "aligned"}]
    return f"unknown environment {unknown[0]}" if unknown else ""


def _prepared(tex: str) -> str:
    """What the converter understands: `aligned` by its other name, and text ready to be markup."""
    tex = tex.replace("{aligned}", "{split}")

    def ready(found: re.Match[str]) -> str:
        words = _ESCAPED.sub(r"\1", found[1])
        return "\\text{" + escape(words, quote=False) + "}"

    return _TEXT.sub(ready, tex)


def _unfaithful(math: Element) -> str:
    for element in math.iter():
        if element.tag not in MATH_TAGS:
            return f"it makes a <{element.tag}>"
        foreign = sorted(set(element.attrib) - MATH_ATTRIBUTES - {"xmlns"})
        if foreign:
            return f"it sets {foreign[0]}"
        if re.search(r"\\\w", element.text or ""):
            return f"unknown command {element.text}"
    return ""
