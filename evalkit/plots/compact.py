"""The same drawing in fewer bytes: what matplotlib writes for editors is taken out, nothing that is seen changes.

Styles that repeat become classes, groups that only name things are opened, paths are written in steps from point to
point, and coordinates have one decimal: a tenth of a point, less than a screen shows. Ids are numbered in order of
appearance: matplotlib derives them from coordinates at full precision, whose last digit is not the same everywhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from html import escape
from xml.etree.ElementTree import Element

LINK = "xlink:href"
GRAIN = 10  # parts of a point
PLACED = frozenset({"x", "y", "width", "height", "viewBox"})
DROPPED = frozenset({"metadata", "style"})
EVERYWHERE = "stroke-linejoin:round;stroke-linecap:butt"  # what matplotlib sets for every element
NUMBER = re.compile(r"-?\d+\.?\d*(?:e-?\d+)?")
SHIFT = re.compile(r"translate\([^)]*\)")
TURN = re.compile(r"rotate\((-?\d+\.?\d*) ([^)]*)\)")
REFERENCE = re.compile(r"#([^)\"\s;]+)")
FAMILY = re.compile(r"font-family:[^;]+")
STEP = re.compile(r"([MLQCz])([^MLQCz]*)")


def compact(root: Element) -> str:
    """The drawing as one line of SVG.

    root  as matplotlib draws it: paths of absolute M, L, Q, C and z; styles in `style`; names as they are written
    """
    used = set(REFERENCE.findall(" ".join(v for e in root.iter() for v in e.attrib.values() if "#" in v)))
    given = [name for e in root.iter() if (name := e.get("id")) in used]
    names = {str(name): f"i{n}" for n, name in enumerate(given)}
    styles: dict[str, str] = {}
    inside = "".join(_written(child, names, styles) for child in root)
    rules = "".join(f".{name}{{{style}}}" for style, name in styles.items())
    everywhere = EVERYWHERE
    if len(families := set(FAMILY.findall(rules))) == 1:  # said once
        family = families.pop()
        everywhere, rules = f"{EVERYWHERE};{family}", rules.replace(f"{family};", "").replace(family, "")
    size = " ".join(f"{name}='{escape(root.get(name, ''))}'" for name in ("width", "height", "viewBox"))
    sheet = f"<style>*{{{everywhere}}}{rules}</style>"
    return f"<svg xmlns='http://www.w3.org/2000/svg' {size}>{sheet}{inside}</svg>"


def _written(element: Element, names: dict[str, str], styles: dict[str, str]) -> str:
    tag = element.tag
    if tag in DROPPED:
        return ""
    attributes = "".join(f" {name}='{escape(value)}'" for name, value in _attributes(element, names, styles))
    inside = "".join(_written(child, names, styles) for child in element)
    if tag in ("text", "tspan"):
        inside = escape(element.text or "", quote=False) + inside
    if tag in ("g", "defs") and (not inside or (tag == "g" and not attributes)):
        return inside
    return f"<{tag}{attributes}>{inside}</{tag}>" if inside else f"<{tag}{attributes}/>"


def _attributes(element: Element, names: dict[str, str], styles: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Names and values as they are written; style and clip path, which repeat, as one class at the end."""
    clip = element.get("clip-path")
    style = [_style(element.get("style", "")), f"clip-path:{clip}" if clip else ""]
    for name, value in element.attrib.items():
        if name == "id":
            if value in names:
                yield name, names[value]
        elif name not in ("style", "clip-path") and (kept := _kept(name, _renamed(value, names))):
            yield "href" if name == LINK else name, kept
    if wanted := _renamed(";".join(filter(None, style)), names):
        yield "class", styles.setdefault(wanted, f"c{len(styles)}")


def _kept(name: str, value: str) -> str:
    if name == "d":
        return steps(value)
    if name in PLACED:
        return _rounded(value)
    if name == LINK and value.startswith("data:"):
        return "".join(value.split())
    if name == "transform":
        return _rounded(value) if SHIFT.fullmatch(value) else TURN.sub(_turned, value).strip()
    return value


@lru_cache(4096)
def _rounded(text: str) -> str:
    return NUMBER.sub(lambda figure: _number(round(float(figure[0]) * GRAIN)), text)


def _turned(found: re.Match[str]) -> str:
    """A turn about a point; none where it turns by nothing."""
    angle = float(found[1])
    return f"rotate({angle:g} {_rounded(found[2])})" if angle else ""


@lru_cache(1024)
def _style(text: str) -> str:
    """A style without spaces that say nothing, and without quotes: names of fonts are plain words."""
    return re.sub(r"\s*([:;,])\s*", r"\1", text.replace("'", "")).strip("; ")


def _renamed(text: str, names: dict[str, str]) -> str:
    return text if "#" not in text else REFERENCE.sub(lambda found: f"#{names.get(found[1], found[1])}", text)


def steps(path: str) -> str:
    """A path in steps from point to point, each end rounded where it lies so that no error builds up.

    path  absolute M, L, Q, C and z, as matplotlib writes them
    """
    out, last, here, start = [], "", (0, 0), (0, 0)
    for command, text in STEP.findall(path):
        figures = [round(float(n) * GRAIN) for n in NUMBER.findall(text)]
        points = list(zip(figures[::2], figures[1::2], strict=True))
        if command == "z":
            out.append("z")
            here, last = start, "z"
            continue
        letter, numbers = _step(command, points, here if out else None)
        words = " ".join(_number(n) for n in numbers)
        # a letter goes without saying where it repeats; pairs after a move are lines
        out.append(f" {words}" if letter == last and letter in "lqc" else letter + words)
        here, last = points[-1], letter
        if command == "M":
            start = here
    return "".join(out).replace(" -", "-")


def _step(command: str, points: list[tuple[int, int]], here: tuple[int, int] | None) -> tuple[str, list[int]]:
    """The letter and figures of one command, relative to where the pen is; the first move says where it goes."""
    if here is None:
        return "M", list(points[0])
    moves = [(x - here[0], y - here[1]) for x, y in points]
    if command == "L" and moves[0][1] == 0:
        return "h", [moves[0][0]]
    if command == "L" and moves[0][0] == 0:
        return "v", [moves[0][1]]
    return command.lower(), [figure for move in moves for figure in move]


def _number(parts: int) -> str:
    """A figure in `GRAIN` parts as text, in its shortest form: `-.5`, `12`."""
    sign, (whole, rest) = "-" if parts < 0 else "", divmod(abs(parts), GRAIN)
    return f"{sign}{whole or ''}.{rest}" if rest else f"{sign}{whole}" if whole else "0"
