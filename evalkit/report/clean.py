"""The wall against markup that came from data: an allow-list of elements, attributes, links."""

from __future__ import annotations

import re

import nh3

from evalkit.texts import clean

HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")
_TABLE = {"table", "caption", "colgroup", "col", "thead", "tbody", "tfoot", "tr", "th", "td"}
_FIGURE = {"figure", "figcaption", "img", "details", "summary"}
_TEXT = {"p", "ul", "ol", "li", "dl", "dt", "dd", "div", "blockquote", "pre", "hr", "br"}
_INLINE = {"a", "strong", "em", "b", "i", "code", "span", "sub", "sup"}
TAGS = frozenset({*_TABLE, *_FIGURE, *_TEXT, *_INLINE, *HEADINGS})

_MATH = """
    math mrow mi mo mn mtext mspace mfrac msqrt mroot msub msup msubsup mover munder munderover
    mtable mtr mtd mstyle mpadded mphantom menclose
"""
MATH_TAGS = frozenset(_MATH.split())
_MATH_DETAIL = """
    alttext display displaystyle scriptlevel mathvariant mathsize stretchy fence form accent accentunder
    separator symmetric largeop movablelimits minsize maxsize lspace rspace width height depth voffset
    linebreak linethickness notation columnalign columnspacing columnlines rowspacing rowlines
"""
MATH_ATTRIBUTES = frozenset(_MATH_DETAIL.split())

# Other class names would let a site name dress up as a part of the page.
CLASSES = frozenset({"evalkit", "num", "note", "warning", "refusal"})
_ATTRIBUTES = {
    "a": {"href"},
    "img": {"src", "alt"},
    "th": {"scope", "colspan", "rowspan"},
    "td": {"colspan", "rowspan"},
    "col": {"span"},
    "colgroup": {"span"},
    "ol": {"start"},
}
# The text inside these is no content either.
_DROPPED_WHOLE = {
    "script", "style", "template", "iframe", "object", "noscript", "svg", "title", "textarea", "select"
}  # fmt: skip
_DATA_IMAGE = re.compile(
    r"data:image/(?:(?:svg\+xml|png|jpeg|gif|webp);base64,[A-Za-z0-9+/=]+"
    r"|svg\+xml,[A-Za-z0-9 !$'()*+,\-./:;=?@\[\]^_`{|}~%]+)"
)
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
# Browsers skip control characters in an address and read a backslash as a slash.
_DISGUISE = re.compile(r"[\x00-\x20\x7f\\]")


def is_embedded_image(address: str) -> bool:
    """Whether an address is an image that travels inside the page."""
    return _DATA_IMAGE.fullmatch(address) is not None


def is_allowed_link(address: str) -> bool:
    """Whether a reader may be led there: https, mailto, a neighbouring file or a place in the page."""
    if _DISGUISE.search(address) or address.startswith("/"):
        return False
    scheme = _SCHEME.match(address)
    return scheme is None or scheme[1].lower() in {"https", "mailto"}


def plain(text: str) -> str:
    """Text without what no page can hold, or what would reorder or hide its neighbours unseen."""
    return clean(text)


def _filtered(_tag: str, attribute: str, value: str) -> str | None:
    if attribute == "href":
        return value if is_allowed_link(value) else None
    if attribute == "src":
        return value if is_embedded_image(value) else None
    return value


def _cleaner(tags: frozenset[str], attributes: dict[str, set[str]], drop: set[str]) -> nh3.Cleaner:
    return nh3.Cleaner(
        tags=tags,
        attributes=attributes,
        clean_content_tags=drop,
        allowed_classes=dict.fromkeys(tags - MATH_TAGS, CLASSES),
        attribute_filter=_filtered,
        url_schemes={"https", "mailto", "data"},
        link_rel=None,
    )


_OUTPUT = _cleaner(TAGS, _ATTRIBUTES, {*_DROPPED_WHOLE, "math"})
_PROSE = _cleaner(
    TAGS | MATH_TAGS,
    {
        **_ATTRIBUTES,
        **{tag: {"id"} for tag in HEADINGS},
        **{tag: set(MATH_ATTRIBUTES) for tag in MATH_TAGS},
    },
    _DROPPED_WHOLE,
)


def clean_output(html: str) -> str:
    """HTML from a cell's output, well nested, with nothing left that can run, load or pose."""
    return _OUTPUT.clean(plain(html))


def clean_prose(html: str) -> str:
    """HTML that our own Markdown renderer made: as for outputs, with equations and anchors."""
    return _PROSE.clean(plain(html))
