"""Everything that is wrong with a protocol, at once, each with its line."""

from __future__ import annotations

import re
from collections import Counter
from difflib import get_close_matches
from typing import Any, get_args

import pandas as pd
from pydantic import ValidationError, create_model
from pydantic_core import ErrorDetails

from evalkit import periods
from evalkit.errors import Fault
from evalkit.study.fields import Span, Strict
from evalkit.study.protocol import Protocol
from evalkit.study.text import Location, Tree

Parts = dict[str, Any]


def validate(tree: Tree) -> tuple[Protocol | None, list[Fault]]:
    """The protocol and no fault, or None and every fault.

    Dates and names are cross-checked between the parts that are valid in themselves, so that a
    misspelt key in one place does not hide a wrong date in another.
    """
    faults: list[Fault] = []
    parts: Parts = {}
    protocol: Protocol | None = None
    try:
        protocol = Protocol.model_validate(tree.value)
        parts = {name: getattr(protocol, name) for name in Protocol.model_fields}
    except ValidationError as error:
        details = error.errors(include_url=False)
        faults = [_fault(detail, tree) for detail in details if not _echo(detail, tree)]
        parts = _valid_parts(tree, {detail["loc"][0] for detail in details if detail["loc"]})
    for check in (_window, _spans, _outcomes, _notebooks, _frequency):
        faults += check(parts, tree)
    unique = list(dict.fromkeys(faults))
    return (None, unique) if unique else (protocol, [])


def _valid_parts(tree: Tree, bad: set[Any]) -> Parts:
    """The top-level parts that are valid in themselves, defaults included."""
    parts = {name: (field.annotation, field) for name, field in Protocol.model_fields.items() if name not in bad}
    good: Any = create_model("Good", __base__=Strict, **parts)  # type: ignore[call-overload]
    given = {name: value for name, value in tree.value.items() if name in parts}
    return dict(good.model_validate(given))


# -- what pydantic found, in our words ----------------------------------------


def _fault(detail: ErrorDetails, tree: Tree) -> Fault:
    location = _in_tree(detail["loc"], tree)
    key = str(detail["loc"][-1]) if detail["loc"] else ""
    where = tree.where((*location, key) if detail["type"] == "extra_forbidden" else location)
    name = _dotted(location)
    if detail["type"] == "extra_forbidden":
        return Fault(
            f"unknown key `{key}`{_within(location, key)}",
            where,
            _suggest(key, _known_keys(detail["loc"], tree)),
        )
    if detail["type"] == "missing":
        return Fault(f"`{key}` is missing{_within(location, key)}", where, "add it")
    given = detail.get("input")
    got = f" (got `{given}`)" if isinstance(given, str | int | float) else (" (it is empty)" if given is None else "")
    message = detail["msg"].removeprefix("Value error, ")
    fix = ""
    if detail["type"] in ("literal_error", "union_tag_invalid"):
        context = detail.get("ctx", {})
        expected = str(context.get("expected", context.get("expected_tags", "")))
        choices = re.findall(r"'([^']*)'", expected)
        message, fix = f"must be one of {', '.join(choices)}", _suggest(str(given), choices)
    elif message.startswith("Input should be "):
        message = "must be " + message.removeprefix("Input should be ")
    elif detail["type"] in ("model_type", "model_attributes_type", "dict_type"):
        message = "must be a mapping of `key: value`"
    if detail["type"] == "value_error":
        got = ""
    return Fault(
        f"`{name}` {message}{got}" if detail["type"] != "value_error" else f"`{name}`: {message}", where, fix
    )


def _echo(detail: ErrorDetails, tree: Tree) -> bool:
    """A list counted as too short only because its items were refused: already reported."""
    return detail["type"] == "too_short" and bool(tree.value.get(str(detail["loc"][0])))


def _in_tree(loc: tuple[int | str, ...], tree: Tree) -> Location:
    """Pydantic's location less the parts that name a branch of a union and not a key."""
    found: list[int | str] = []
    for part in loc:
        if (*found, part) in tree.lines:
            found.append(part)
    return tuple(found)


def _dotted(location: Location) -> str:
    out = ""
    for part in location:
        out += f"[{part + 1}]" if isinstance(part, int) else f".{part}"
    return out.lstrip(".") or "protocol"


def _within(location: Location, key: str) -> str:
    parent = location[:-1] if location and location[-1] == key else location
    return f" in `{_dotted(parent)}`" if parent else ""


def _suggest(given: str, known: list[str]) -> str:
    close = get_close_matches(given, known, n=1, cutoff=0.6)
    return f"did you mean `{close[0]}`?" if close else f"known here: {', '.join(known)}"


def _known_keys(loc: tuple[int | str, ...], tree: Tree) -> list[str]:
    """The keys that the part of the protocol around an unknown key may have."""
    model: Any = Protocol
    at: list[int | str] = []
    for part in loc[:-1]:
        if isinstance(part, int):
            at.append(part)
            continue
        candidates = _models_in(model.model_fields[part].annotation) if part in model.model_fields else []
        if candidates:
            at.append(part)
            model = candidates[0]
            if len(candidates) > 1:  # a source: its reader says which
                reader = tree.value[part].get("reader")
                model = next(
                    (c for c in candidates if reader in get_args(c.model_fields["reader"].annotation)), model
                )
    return [field.alias or name for name, field in model.model_fields.items()]


def _models_in(annotation: Any) -> list[type[Strict]]:  # noqa: ANN401 - any type annotation
    if isinstance(annotation, type) and issubclass(annotation, Strict):
        return [annotation]
    return [model for inner in get_args(annotation) for model in _models_in(inner)]


# -- what only the parts together show ----------------------------------------


def _window(parts: Parts, tree: Tree) -> list[Fault]:
    if "window" not in parts:
        return []
    first, last = parts["window"]
    if first.freqstr == last.freqstr and first < last:
        return []
    return [Fault(f"the window runs from {first} to {last}", tree.where(("window",)), "put the earlier period first")]


def _spans(parts: Parts, tree: Tree) -> list[Fault]:
    out: list[Fault] = []
    for key in ("exclude", "events"):
        for i, span in enumerate(parts.get(key, ())):
            where = tree.where((key, i))
            if span.first.freqstr == span.last.freqstr and span.first > span.last:
                out.append(Fault(f"`{key}[{i + 1}]` ends before it begins", where, "exchange `from` and `to`"))
            elif "window" in parts and _misses(span, parts["window"]):
                out.append(
                    Fault(
                        f"`{key}[{i + 1}]` ({span.first} to {span.last}) lies outside the window",
                        where,
                        "correct the dates or remove it",
                    )
                )
    return out


def _misses(span: Span, window: tuple[pd.Period, pd.Period]) -> bool:
    same = len({span.first.freqstr, span.last.freqstr, window[0].freqstr, window[1].freqstr}) == 1
    return same and (span.last < window[0] or span.first > window[1])


def _outcomes(parts: Parts, tree: Tree) -> list[Fault]:
    outcomes = parts.get("outcomes", ())
    out: list[Fault] = []
    for name, count in Counter(o.name.lower() for o in outcomes).items():
        if count > 1:
            out.append(
                Fault(
                    f"{count} outcomes are called `{name}`",
                    tree.where(("outcomes",)),
                    "give each its own name",
                )
            )
    primary = [o.name for o in outcomes if o.role == "primary"]
    if outcomes and len(primary) != 1:
        said = f"{len(primary)} are primary ({', '.join(primary)})" if primary else "none is primary"
        out.append(Fault(f"of the outcomes, {said}", tree.where(("outcomes",)), "give exactly one `role: primary`"))
    return out


def _notebooks(parts: Parts, tree: Tree) -> list[Fault]:
    names: tuple[str, ...] = parts.get("notebooks", ())
    repeated = [name for name, count in Counter(names).items() if count > 1]
    return [
        Fault(f"notebook `{name}` is listed twice", tree.where(("notebooks",)), "list it once") for name in repeated
    ]


def _frequency(parts: Parts, tree: Tree) -> list[Fault]:
    if "source" not in parts:
        return []
    code = periods.CODES[parts["source"].frequency]
    dated: list[tuple[Location, pd.Period]] = [(("window", i), p) for i, p in enumerate(parts.get("window", ()))]
    for key in ("exclude", "events"):
        for i, span in enumerate(parts.get(key, ())):
            dated += [((key, i, "from"), span.first), ((key, i, "to"), span.last)]
    return [
        Fault(
            f"{period} is not a {parts['source'].frequency}",
            tree.where(at),
            "write it in the study's frequency",
        )
        for at, period in dated
        if period.freqstr != code
    ]
