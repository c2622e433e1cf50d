"""A folder of reports, audited: every page fit to be read, small, and leading where it says."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from evalkit.errors import RunError
from evalkit.report.audit import problems
from evalkit.report.fresh import MANIFEST

LARGEST, FIGURES = 120_000, 4  # bytes of a page, and up to how many figures; every further one may add its share
WHOLE = "-report.html"  # how a whole report in one file is called, which may be larger
OUTSIDE = frozenset({"http", "https", "mailto", "tel"})
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


@dataclass(frozen=True)
class Page:
    """An audited page: its path below the folder, its bytes, what is wrong with it in one line each."""

    name: str
    size: int
    problems: tuple[str, ...]


def audit(folder: Path) -> list[Page]:
    """Every page of a folder of reports, or of one report, in order of name.

    Checked: what `audit.problems` does, the size (but of a whole report in one file), and that links within the
    folder lead to files and places that are there, and not out of it. Raises RunError where there is no page.
    """
    root = folder.resolve()
    texts = {p: p.read_text(encoding="utf-8", errors="replace") for p in pages(root)}
    if not texts:
        raise RunError("holds no page", str(folder), "name a folder of reports, such as reports")
    read = {path: _read(text) for path, text in texts.items()}
    return [
        Page(
            path.relative_to(root).as_posix(),
            path.stat().st_size,
            tuple(map(line, [*problems(text), *_size(path, text), *_links(path, read, root)])),
        )
        for path, text in texts.items()
    ]


def pages(folder: Path) -> list[Path]:
    """Every page below a folder, in order of name; what a run is building or putting aside is left out."""
    found = sorted(folder.rglob("*.html"))
    return [p for p in found if not any(part.startswith(".") for part in p.relative_to(folder).parts)]


def manifests(folder: Path) -> dict[str, dict[str, Any] | None]:
    """The manifest of every report of a folder, by the name of its own folder; None for one that cannot be read.

    A folder in which a page lies is taken for a report's.
    """
    found = sorted({p.parent for p in pages(folder)} | {p.parent for p in folder.rglob(MANIFEST)})
    out: dict[str, dict[str, Any] | None] = {}
    for place in (p for p in found if p != folder and not p.name.startswith(".")):
        try:
            record = json.loads((place / MANIFEST).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            record = None
        out[place.relative_to(folder).as_posix()] = record if isinstance(record, dict) else None
    return out


def line(text: str) -> str:
    """A text as one line without control characters, however it was made."""
    return " ".join(_CONTROL.sub(" ", text).split())


def largest(text: str) -> int:
    """Bytes that a page may have, by how many figures it shows."""
    return LARGEST // FIGURES * max(FIGURES, text.count("<figure"))


def _size(path: Path, text: str) -> list[str]:
    size, most = path.stat().st_size, largest(text)
    if size <= most or path.name.endswith(WHOLE):
        return []
    return [f"the page has {size / 1000:.0f} kB, more than {most / 1000:.0f}"]


class _Read(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.links: list[str] = []
        self.ids: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name == "id":
                self.ids.add(value or "")
            elif name == "href" and tag in ("a", "area"):
                self.links.append(value or "")


def _read(text: str) -> _Read:
    found = _Read()
    found.feed(text)
    found.close()
    return found


def _links(path: Path, read: dict[Path, _Read], root: Path) -> list[str]:
    """Links that lead nowhere, or out of the folder; those within the page are looked at by `audit.problems`."""
    out = []
    for link in dict.fromkeys(read[path].links):
        try:
            parts = urlsplit(link)
        except ValueError:
            out.append(f"the link {link[:80]!r} is none")
            continue
        if parts.scheme in OUTSIDE or (parts.scheme, parts.netloc, parts.path) == ("", "", ""):
            continue
        target = (path.parent / unquote(parts.path)).resolve()
        if parts.scheme or parts.netloc or not target.is_relative_to(root):
            out.append(f"the link {link[:80]!r} leads out of the folder")
        elif not target.is_file():
            out.append(f"the link {link[:80]!r} leads to a file that is not there")
        elif parts.fragment and target in read and unquote(parts.fragment) not in read[target].ids:
            out.append(f"the link {link[:80]!r} leads to a place that is not on that page")
    return out
