"""What has to be unique or in order across one page: anchors, accessible names, headings."""

from __future__ import annotations

import re
from collections.abc import Iterable

# Used by the page itself; a heading called "Main" must not take them.
RESERVED = ("main", "portfolio", "show-code", "provenance", "parameters")
LONGEST_ANCHOR = 60
DEEPEST = 6


class Register:
    """The page-wide record that every part of a page writes into, in reading order.

    contents  (anchor, text) of each second-level heading of the prose: the table of contents
    anchors   every anchor given, with what it was made from
    names     every accessible name given, with what was asked for
    """

    def __init__(self, reserved: Iterable[str] = RESERVED) -> None:
        self.contents: list[tuple[str, str]] = []
        self.anchors: dict[str, str] = {name: name for name in reserved}
        self.names: dict[str, str] = {}
        # (level asked for, level given) of the headings still open; the page title never closes
        self._open: list[tuple[int, int]] = [(1, 1)]

    def anchor(self, text: str) -> str:
        """An id made from `text`, the same for the same text, never given twice."""
        stem = re.sub(r"\W+", "-", text.lower()).strip("-_")[:LONGEST_ANCHOR].rstrip("-_") or "section"
        return _claim(stem, self.anchors, "{}-{}")

    def name(self, text: str) -> str:
        """An accessible name that no other region of the page bears."""
        return _claim(" ".join(text.split()) or "Content", self.names, "{} ({})")

    def level(self, asked: int, floor: int = 2) -> int:
        """The level a heading gets: in order whatever was asked for, below the page title.

        Siblings stay siblings: `##`, `####`, `####` become 2, 3, 3.
        """
        asked = max(asked, floor)
        while len(self._open) > 1 and self._open[-1][0] >= asked:
            self._open.pop()
        given = min(self._open[-1][1] + 1, DEEPEST)
        self._open.append((asked, given))
        return given


def _claim(stem: str, taken: dict[str, str], pattern: str) -> str:
    name, count = stem, 1
    while name in taken:
        count += 1
        name = pattern.format(stem, count)
    taken[name] = stem
    return name
