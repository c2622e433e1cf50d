"""Texts from files that others wrote: what cannot be seen is taken out, or shown for what it is."""

from __future__ import annotations

import re

# Control characters, half a surrogate pair, what XML cannot hold, and what reorders or joins its neighbours unseen:
# marks and overrides of writing direction, blanks without width, soft hyphens. Joiners within emoji and scripts stay.
HIDDEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060\u2066-\u206f"
    "\ufeff\ufff9-\ufffb\ufffe\uffff\ud800-\udfff]"
)
FORMULA = re.compile(r"\s*[=+\-@\uff1d\uff0b\uff0d\uff20]")  # full-width forms start a formula too
LONGEST_NAME = 200  # characters of a name, a label or a code
LONGEST_LINE = 2000  # characters of a message
_ELLIPSIS = " ... "


def clean(text: str) -> str:
    """Text without what cannot be seen; tabs and ends of lines stay."""
    return HIDDEN.sub("", text)


def visible(text: str, most: int = LONGEST_LINE) -> str:
    """Text on one line, what cannot be seen written as its number, the middle left out where it is too long."""
    line = " ".join(HIDDEN.sub(_escaped, text).split())
    if len(line) <= most:
        return line
    tail = (most - len(_ELLIPSIS)) // 4
    return f"{line[: most - len(_ELLIPSIS) - tail]}{_ELLIPSIS}{line[-tail:]}"


def _escaped(found: re.Match[str]) -> str:
    return f"<U+{ord(found[0]):04X}>"


def cell(text: str) -> str:
    """A text as a cell of a CSV file, with a `'` before what a spreadsheet would take for a formula and compute.

    Numbers are no texts and stay as they are.
    """
    return f"'{text}" if FORMULA.match(text) else text
