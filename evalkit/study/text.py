"""A protocol's YAML as text with line numbers: nothing is guessed, nothing is executed.

Every scalar stays the text that was written until the schema says what it is, so `NO`,
`012`, `5E10` and `12:30:45` reach an identifier unchanged. Tags, anchors, aliases,
duplicate keys and several documents are refused: they hide what a protocol says.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import yaml

from evalkit import files
from evalkit.errors import Fault, StudyError
from evalkit.texts import HIDDEN

LARGEST = 200_000  # bytes; a protocol is a page or two
DEEPEST = 40
MOST_UNSEEN = 100  # characters named one by one
NULLS = {"", "~", "null", "Null", "NULL"}

LOADER: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)  # the C library's parser, where it is there

Location = tuple[str | int, ...]


@dataclass(frozen=True)
class Tree:
    """What the file says: mappings, lists, texts and None, and on which line each part stands."""

    value: dict[str, Any]
    lines: dict[Location, int]
    name: str

    def texts(self) -> list[tuple[Location, str]]:
        """Every text in the file and where it stands."""
        found: list[tuple[Location, str]] = []
        stack: list[tuple[Location, Any]] = [((), self.value)]
        while stack:
            at, value = stack.pop()
            if isinstance(value, dict):
                stack += [((*at, key), part) for key, part in value.items()]
            elif isinstance(value, list):
                stack += [((*at, i), part) for i, part in enumerate(value)]
            elif isinstance(value, str):
                found.append((at, value))
        return found

    def where(self, location: Location) -> str:
        """`file:line` of the deepest part of `location` that the file has."""
        known = location
        while known and known not in self.lines:
            known = known[:-1]
        return f"{self.name}:{self.lines.get(known, 1)}"


def read_tree(path: Path) -> Tree:
    """Read one protocol file. Raises StudyError naming file and line, with every fault found."""
    text = _read_text(path)
    faults = _hidden_faults(text, path.name)
    if faults:
        raise StudyError(faults)
    root = yaml.compose(text, Loader=LOADER)
    if not isinstance(root, yaml.MappingNode):
        raise StudyError("a protocol is a mapping of `key: value` lines", path.name, "see `evalkit new`")
    reader = _Reader(path.name)
    value = reader.read(root, ())
    if reader.faults:
        raise StudyError(reader.faults)
    return Tree(value, reader.lines, path.name)


def _read_text(path: Path) -> str:
    try:
        content = files.read(path)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise StudyError(f"the protocol cannot be read ({reason})", str(path)) from None
    if len(content) > LARGEST:
        what = f"{len(content):,} bytes is too large for a protocol"
        raise StudyError(what, path.name, "keep data in files of their own")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise StudyError("not UTF-8 text", f"{path.name}:{line}", "save the file as UTF-8") from None


def _hidden_faults(text: str, name: str) -> list[Fault]:
    """Syntax errors and the YAML features that can hide or execute something."""
    faults = _unseen(text, name)
    if faults:
        return faults
    documents = depth = 0
    try:
        for event in yaml.parse(text, Loader=LOADER):
            line = _line(event.start_mark)
            documents += isinstance(event, yaml.DocumentStartEvent)
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            if depth > DEEPEST:
                return [Fault("nested too deeply", f"{name}:{line}", "flatten it")]
            faults += [Fault(what, f"{name}:{line}", fix) for what, fix in _refused(event)]
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{name}:{mark.line + 1}" if mark else name
        return [
            *faults,
            Fault(f"not valid YAML: {error.problem}", where, "check indentation, quotes and brackets"),
        ]
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, int(error.position)) + 1
        what = f"character U+{int(error.character):04X} is not allowed"
        return [*faults, Fault(what, f"{name}:{line}", "remove it")]
    if documents > 1:
        faults.append(Fault("more than one document", name, "keep one protocol a file and remove `---`"))
    return faults


def _unseen(text: str, name: str) -> list[Fault]:
    """Characters that cannot be seen, in comments too: they make a reader see another protocol than is read."""
    at = {text.count("\n", 0, found.start()) + 1: found[0] for found in islice(HIDDEN.finditer(text), MOST_UNSEEN)}
    return [
        Fault(f"character U+{ord(sign):04X} is not allowed", f"{name}:{line}", "remove it; it cannot be seen")
        for line, sign in at.items()
    ]


def _line(mark: Any) -> int:  # noqa: ANN401 - PyYAML's own or its C twin's mark
    return int(mark.line) + 1


def _refused(event: yaml.Event) -> list[tuple[str, str]]:
    out = []
    anchor, tag = getattr(event, "anchor", None), getattr(event, "tag", None)
    if isinstance(event, yaml.AliasEvent):
        out.append((f"alias `*{anchor}` is not allowed", "write the value out"))
    elif anchor:
        out.append((f"anchor `&{anchor}` is not allowed", "write the value out where it is used"))
    value = getattr(event, "value", None) or ""
    if found := HIDDEN.search(value):
        out.append((f"a text holds U+{ord(found[0]):04X}, a control character or half of one", "remove the escape"))
    if tag:
        out.append((f"tag `{tag}` is not allowed", "remove it; values are plain text"))
    return out


class _Reader:
    """Composed YAML nodes -> plain values, remembering lines and faults."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.lines: dict[Location, int] = {}
        self.faults: list[Fault] = []

    def read(self, node: yaml.Node, location: Location) -> Any:  # noqa: ANN401 - any YAML value
        self.lines.setdefault(location, _line(node.start_mark))
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, location)
        if isinstance(node, yaml.SequenceNode):
            return [self.read(child, (*location, i)) for i, child in enumerate(node.value)]
        plain = isinstance(node, yaml.ScalarNode) and not node.style
        return None if plain and node.value in NULLS else node.value

    def _mapping(self, node: yaml.MappingNode, location: Location) -> dict[str, Any]:
        out: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = _line(key_node.start_mark)
            if not isinstance(key_node, yaml.ScalarNode):
                self.faults.append(Fault("a key must be plain text", f"{self.name}:{line}", "write `key: value`"))
                continue
            key = key_node.value
            here = (*location, key)
            if key in out:
                first = self.lines[here]
                self.faults.append(
                    Fault(f"`{key}` is given twice (first on line {first})", f"{self.name}:{line}", "keep one")
                )
                continue
            self.lines[here] = line
            out[key] = self.read(value_node, here)
        return out


def with_texts(path: Path, texts: dict[Location, str]) -> str:
    """A protocol's text with some of its values replaced, every other character as it is.

    texts  the new value by where it stands; each must be there, as a scalar. Raises StudyError otherwise.
    """
    read_tree(path)  # refuses what hides something
    text = _read_text(path)
    spans: list[tuple[int, int, str]] = []
    for location, value in texts.items():
        node: Any = yaml.compose(text, Loader=yaml.BaseLoader)
        for part in location:
            pairs = node.value if isinstance(node, yaml.MappingNode) else []
            node = next((child for key, child in pairs if key.value == part), None)
        if not isinstance(node, yaml.ScalarNode):
            raise StudyError(f"`{'.'.join(map(str, location))}` is no plain value", path.name)
        spans.append((node.start_mark.index, node.end_mark.index, _quoted(value) + "\n" * (node.style in (*"|>",))))
    for start, end, value in sorted(spans, reverse=True):
        text = text[:start] + value + text[end:]
    return text


def _quoted(value: str) -> str:
    """A text in single quotes, in which YAML reads nothing but a doubled quote."""
    return "'" + value.replace("'", "''") + "'"
