"""Our own checks on a finished page: what automatic accessibility tests cannot see."""

from __future__ import annotations

import re
from collections import Counter
from html.parser import HTMLParser

from evalkit.report.tree import UNENDED

SHORTEST_ALT = 20
_PLACEHOLDER = re.compile(r"(no|missing) (alt|description|text)|<figure size|(figure|image|plot|chart)\W*\d*$")
_FORBIDDEN = frozenset(["script", "iframe", "object", "embed", "link", "base", "frame", "applet", "form", "svg"])
_LOADING = frozenset(["src", "srcset", "poster", "data", "background", "action", "formaction", "xlink:href"])
_SCOPES = frozenset({"col", "row", "colgroup", "rowgroup"})
_VOID = frozenset(
    ["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"]
)
_CSS_LOADS = re.compile(r"@import|url\(\s*['\"]?(?!data:)", re.IGNORECASE)
_HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")
_SOUND_CELL = re.compile(r'<(?:t[rd]|th scope="(?:col|row)")>')
_READ = ("style", "title", "caption", "figcaption", *_HEADINGS)  # whose text is looked at


def problems(html: str) -> list[str]:
    """What is wrong with a page, one sentence each; empty when it is fine.

    Checked: language, title, one h1, heading order, descriptions of images, captions and header
    scopes of tables, unique ids and region names, working links within the page, and nothing
    that runs or loads.
    """
    page = _Page()
    page.feed(html)
    page.close()
    return [*page.found, *_whole(page)]


class _Page(HTMLParser):
    """One pass over the page; what can be judged on the spot is in `found`."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []
        self.headings: list[tuple[int, str]] = []
        self.ids: Counter[str] = Counter()
        self.regions: Counter[str] = Counter()
        self.targets: list[str] = []
        self.title = ""
        self.lang = ""
        self._open: list[str] = []
        self._within = dict.fromkeys(_READ, 0)  # how many of them are open
        self._captions: list[str] = []
        self._figure: tuple[list[str], str] = ([], "")  # descriptions of its images, caption

    def parse_starttag(self, i: int) -> int:
        """As the parser does, but for the cells of tables, most of all tags, of which there is nothing to ask."""
        cell = _SOUND_CELL.match(self.rawdata, i)
        return cell.end() if cell else super().parse_starttag(i)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.found.extend(_unsafe(tag, given))
        self._note(tag, given)
        if tag not in _VOID and tag not in UNENDED:
            self._open.append(tag)
            if tag in self._within:
                self._within[tag] += 1
        if tag == "table":
            self._captions.append("")
        elif tag == "figure":
            self._figure = ([], "")
        elif tag == "img":
            self._figure[0].append(given.get("alt", ""))
            self.found.extend(_image(given))
        elif tag == "th" and given.get("scope") not in _SCOPES:
            self.found.append("a table header has no scope")
        elif tag in _HEADINGS:
            self.headings.append((int(tag[1]), ""))

    def _note(self, tag: str, given: dict[str, str]) -> None:
        if "id" in given:
            self.ids[given["id"]] += 1
        if given.get("role") == "region":
            self.regions[given.get("aria-label", "")] += 1
        if tag == "html":
            self.lang = given.get("lang", "")
        if tag == "a" and given.get("href", "").startswith("#"):
            self.targets.append(given["href"][1:])

    def handle_data(self, data: str) -> None:
        within = self._within
        if within["style"] and _CSS_LOADS.search(data):
            self.found.append("the style sheet loads something from outside")
        if within["title"]:
            self.title += data
        if within["caption"] and self._captions:
            self._captions[-1] += data
        if within["figcaption"]:
            self._figure = (self._figure[0], self._figure[1] + data)
        if self.headings and any(within[heading] for heading in _HEADINGS):
            level, text = self.headings[-1]
            self.headings[-1] = (level, text + data)

    def handle_endtag(self, tag: str) -> None:
        if tag in self._open:
            last = len(self._open) - 1 - self._open[::-1].index(tag)
            for closed in self._open[last:]:
                if closed in self._within:
                    self._within[closed] -= 1
            del self._open[last:]
        if tag == "table" and self._captions and not self._captions.pop().strip():
            self.found.append("a table has no caption")
        alts, caption = self._figure
        if tag == "figure" and caption.strip() and _same(caption) in map(_same, alts):
            self.found.append(f"an image's description only repeats its caption: {caption.strip()!r}")


def _whole(page: _Page) -> list[str]:
    found = []
    if not page.lang:
        found.append("the page does not say its language")
    if not page.title.strip():
        found.append("the page has no title")
    tops = sum(level == 1 for level, _ in page.headings)
    if tops != 1:
        found.append(f"the page has {tops} headings of the first level, not one")
    before = 0
    for level, text in page.headings:
        if level > before + 1:
            found.append(f"the heading {text.strip()!r} skips a level (h{level} after h{before})")
        before = level
    found.extend(f"the heading of level {level} is empty" for level, text in page.headings if not text.strip())
    found.extend(f"the id {name!r} occurs {count} times" for name, count in page.ids.items() if count > 1)
    found.extend(
        f"the region name {name!r} is {'empty' if not name else 'not unique'}"
        for name, count in page.regions.items()
        if count > 1 or not name
    )
    missing = dict.fromkeys(name for name in page.targets if name not in page.ids)
    return [*found, *(f"a link leads to #{name}, which is not on the page" for name in missing)]


def _unsafe(tag: str, given: dict[str, str]) -> list[str]:
    found = [f"<{tag}> is not allowed"] if tag in _FORBIDDEN else []
    if tag == "meta" and given.get("http-equiv", "").lower() == "refresh":
        found.append("the page sends its reader elsewhere (meta refresh)")
    for name, value in given.items():
        if name.startswith("on"):
            found.append(f"<{tag}> has the event handler {name}")
        if name in _LOADING and not value.startswith("data:image/"):
            found.append(f"<{tag}> loads {value[:60]!r}")
        if name == "href" and re.match(r"\s*(javascript|data|vbscript|file)\s*:", value, re.IGNORECASE):
            found.append(f"<{tag}> links to {value[:60]!r}")
        if name == "style" and _CSS_LOADS.search(value):
            found.append(f"<{tag}> has a style that loads something from outside")
    return found


def _image(given: dict[str, str]) -> list[str]:
    alt = given.get("alt", "").strip()
    if not alt:
        return ["an image has no description"]
    if len(alt) < SHORTEST_ALT or _PLACEHOLDER.match(alt.lower()):
        return [f"an image's description says too little: {alt!r}"]
    return []


def _same(text: str) -> str:
    return re.sub(r"\W+", " ", text).strip().lower()
