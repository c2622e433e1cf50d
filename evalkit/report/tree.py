"""HTML text <-> a small element tree."""

from __future__ import annotations

import re
from html import escape
from html.parser import HTMLParser
from xml.etree.ElementTree import Element, ParseError, TreeBuilder, XMLParser, fromstring

# In a table the next cell or row ends the one before it: the end tags of a long table would be a tenth of its page.
UNENDED = frozenset({"thead", "tbody", "tr", "th", "td"})
VOID = frozenset({"br", "col", "hr", "img", "wbr"})
_CLOSED = r"<\1/>"
_EMPTY = re.compile(r'<((?:br|col|hr|img|wbr)(?: [a-z-]+="[^"]*")*)>')

# Walking and writing a tree recurse, and no table or text needs more.
DEEPEST = 100


class _Builder(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = Element("div")
        self._open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs})
        self._open[-1].append(element)
        if tag not in VOID:
            self._open.append(element)
        if len(self._open) > DEEPEST:
            raise ValueError(f"elements are nested more than {DEEPEST} deep")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self._open.pop()

    def handle_endtag(self, tag: str) -> None:
        if tag != self._open[-1].tag:
            raise ValueError(f"</{tag}> closes <{self._open[-1].tag}>")
        self._open.pop()

    def handle_data(self, data: str) -> None:
        here = self._open[-1]
        if len(here):
            here[-1].tail = (here[-1].tail or "") + data
        else:
            here.text = (here.text or "") + data

    def finish(self) -> Element:
        self.close()
        if len(self._open) > 1:
            raise ValueError(f"<{self._open[-1].tag}> is never closed")
        return self.root


def parse(html: str) -> Element:
    """The fragment as the children of one `div`.

    Raises ValueError when elements are not well nested (cleaned HTML always is) or nested more
    than `DEEPEST` deep.
    """
    root = _as_xml(html)
    if root is not None:
        _measure(root)
        return root
    builder = _Builder()
    builder.feed(html)
    return builder.finish()


class _Plain(TreeBuilder):
    """As its parent, for markup without namespaces, which HTML has none of and XML would put into names."""

    def start_ns(self, prefix: str, uri: str) -> None:
        raise ParseError(f"a namespace ({prefix}={uri})")


def _as_xml(html: str) -> Element | None:
    """Cleaned HTML is XML but for its void elements, and that parser is ten times as fast; None where it is not."""
    text = f"<div>{_EMPTY.sub(_CLOSED, html)}</div>"
    try:
        return fromstring(text, XMLParser(target=_Plain()))  # noqa: S314 - no document type, no entities
    except ParseError:
        return None


def _measure(root: Element) -> None:
    """Raises ValueError for what is nested too deep, as the other way of reading does."""
    level, deep = [root], 0
    while level:
        deep += 1
        if deep > DEEPEST:
            raise ValueError(f"elements are nested more than {DEEPEST} deep")
        level = [child for element in level for child in element if child.tag not in VOID]


def inner(element: Element) -> str:
    """The HTML inside an element, everything in it escaped."""
    return escape(element.text or "", quote=False) + "".join(map(_outer, element))


def _outer(element: Element) -> str:
    # The standard serialiser leaves < as it is in attributes; nothing here may look like a tag.
    attributes = "".join(f' {name}="{quoted(value)}"' for name, value in element.attrib.items())
    tail = escape(element.tail or "", quote=False)
    if element.tag in VOID:
        return f"<{element.tag}{attributes}>{tail}"
    if element.tag in UNENDED and not tail.strip():
        return f"<{element.tag}{attributes}>{inner(element)}"
    return f"<{element.tag}{attributes}>{inner(element)}</{element.tag}>{tail}"


def quoted(value: str) -> str:
    """A value between double quotes; single ones, of which drawings are full, mean nothing there."""
    return escape(value, quote=False).replace('"', "&quot;")


def text_of(element: Element) -> str:
    """The text inside an element, spaces collapsed."""
    return " ".join("".join(element.itertext()).split())


def replace(parent: Element, old: Element, new: Element) -> None:
    """Put `new` where `old` is; the text that follows `old` stays where it is."""
    new.tail, old.tail = old.tail, None
    parent[list(parent).index(old)] = new


def remove(parent: Element, child: Element) -> None:
    """Take a child out and keep the text that follows it."""
    place = list(parent).index(child)
    if place:
        parent[place - 1].tail = (parent[place - 1].tail or "") + (child.tail or "")
    else:
        parent.text = (parent.text or "") + (child.tail or "")
    del parent[place]
