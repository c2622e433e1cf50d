"""Cleaned HTML -> the same content, made usable: scopes, captions, scrolling, heading order."""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree.ElementTree import Element

from evalkit.report import tree
from evalkit.report.clean import HEADINGS
from evalkit.report.register import Register

CAPTION_MARK = "Table: "
# Headings inside an output stand below the sections that the notebook's author wrote.
OUTPUT_FLOOR = 3
# A table's columns of figures are said once, in its class, as far as this.
MOST_COLUMNS = 16
# Browsers do not break equations: one with more signs than this may be wider than a small screen.
LONGEST_INLINE = 24


def arrange(root: Element, register: Register, *, headings: bool) -> str:
    """Repair what can be repaired without inventing content.

    root      a cleaned fragment as `tree.parse` reads it; it is changed
    register  the names and heading levels of the page
    headings  whether the headings still need their level (outputs) or have it (prose)
    """
    if headings:
        for element in root.iter():
            if element.tag in HEADINGS:
                element.tag = f"h{register.level(int(element.tag[1]), OUTPUT_FLOOR)}"
    for parent, math in _pairs(root, "math"):
        block = math.get("display") == "block"
        if block or len(tree.text_of(math)) > LONGEST_INLINE:
            region = _scrolling(math, "Equation", register, tag="span", role="group")
            region.set("class", "scroll" if block else "scroll inline")
            tree.replace(parent, math, region)
    for parent, image in _pairs(root, "img"):
        _image(parent, image, register)
    for parent, table in _pairs(root, "table"):
        _caption(parent, table)
        _scopes(table)
        _figures(table)
        tree.replace(parent, table, _scrolling(table, _table_name(table), register))
    return tree.inner(root)


def _pairs(root: Element, tag: str) -> list[tuple[Element, Element]]:
    def walk(parent: Element) -> Iterator[tuple[Element, Element]]:
        for child in parent:
            if child.tag == tag:
                yield parent, child
            yield from walk(child)

    return list(walk(root))


def _scrolling(content: Element, name: str, register: Register, tag: str = "div", role: str = "region") -> Element:
    """Content in a box that scrolls by itself, that a keyboard reaches and that says what it is.

    tag, role  `span` where a paragraph must hold it; `group` where a landmark would be too much
    """
    label = register.name(name)
    region = Element(tag, {"class": "scroll", "role": role, "tabindex": "0", "aria-label": label})
    region.append(content)
    return region


def _image(parent: Element, image: Element, register: Register) -> None:
    if "src" not in image.attrib:
        tree.remove(parent, image)
        return
    caption = parent.find("figcaption")
    if parent.tag == "figure" and caption is not None:
        tree.replace(parent, image, _scrolling(image, f"Figure: {tree.text_of(caption)}", register))


def _caption(parent: Element, table: Element) -> None:
    """A paragraph `Table: words` straight before a table is its caption (Markdown has no other way)."""
    place = list(parent).index(table)
    before = parent[place - 1] if place else None
    if table.find("caption") is not None or before is None or before.tag != "p":
        return
    if (before.text or "").startswith(CAPTION_MARK) and not (before.tail or "").strip():
        before.text = (before.text or "").removeprefix(CAPTION_MARK)
        parent.remove(before)
        before.tag, before.tail = "caption", None
        table.insert(0, before)


def _table_name(table: Element) -> str:
    caption = table.find("caption")
    return f"Table: {tree.text_of(caption)}" if caption is not None else "Table"


def _scopes(table: Element) -> None:
    """Headers say what they are the header of; an empty corner is a cell, not a header."""
    heads = {id(cell) for head in table.findall("thead") for cell in head.iter("th")}
    for cell in table.iter("th"):
        if not tree.text_of(cell) and cell.find(".//img") is None:
            cell.tag = "td"
            cell.attrib.pop("scope", None)
        elif cell.get("scope") not in {"col", "row", "colgroup", "rowgroup"}:
            cell.set("scope", "col" if id(cell) in heads else "row")


def _figures(table: Element) -> None:
    """Say which columns hold figures once, in the table's class (`n2 n5`), and not in every cell.

    Only where the columns are plain: no cell that spans several, and all cells of a column alike.
    """
    rows = list(table.iter("tr"))
    if any({"colspan", "rowspan"} & set(cell.attrib) for row in rows for cell in row):
        return
    columns = [[row[i] for row in rows if i < len(row)] for i in range(max(map(len, rows), default=0))]
    whole = [i for i, cells in enumerate(columns[:MOST_COLUMNS]) if all(c.get("class") == "num" for c in cells)]
    for cell in (cell for i in whole for cell in columns[i]):
        del cell.attrib["class"]
    if whole:
        table.set("class", " ".join([table.get("class", ""), *(f"n{i + 1}" for i in whole)]).strip())
