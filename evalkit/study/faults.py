"""Everything that is wrong with a protocol, at once, each with its line."""

from __future__ import annotations

import re
from collections import Counter
from difflib import get_close_matches
from functools import cache
from typing import Any, get_args

import pandas as pd
from pydantic import ValidationError, create_model
from pydantic_core import ErrorDetails

from evalkit import periods
from evalkit.errors import Fault
from evalkit.study.appraisal_faults import appraisal_faults
from evalkit.study.disclosure_faults import disclosure_faults
from evalkit.study.entry_faults import entry_faults
from evalkit.study.fields import Span, Strict
from evalkit.study.outcome_faults import outcome_faults
from evalkit.study.protocol import Protocol
from evalkit.study.text import Location, Tree

Parts = dict[str, Any]

LONGEST = 100  # years of a window
EARLIEST, LATEST = 1800, 2200  # timestamps to the nanosecond reach from 1677 to 2262


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
        faults = [_fault(detail, tree) for detail in details if not _echo(detail, details)]
        parts = _valid_parts(tree, {detail["loc"][0] for detail in details if detail["loc"]})
    faults += _unfilled(tree)
    own = (_window, _spans, outcome_faults, _repeated, _programmes, _frequency, _interventions)
    for check in (*own, entry_faults, appraisal_faults, disclosure_faults):
        faults += check(parts, tree)
    unique = sorted(dict.fromkeys(faults), key=lambda fault: int(fault.where.rpartition(":")[2]))
    return (None, unique) if unique else (protocol, [])


def _valid_parts(tree: Tree, bad: set[Any]) -> Parts:
    """The top-level parts that are valid in themselves, defaults included."""
    good = _without(frozenset(bad))
    given = {name: value for name, value in tree.value.items() if name in good.model_fields}
    return dict(good.model_validate(given))


@cache
def _without(bad: frozenset[Any]) -> Any:  # noqa: ANN401 - a model made here
    parts = {name: (field.annotation, field) for name, field in Protocol.model_fields.items() if name not in bad}
    return create_model("Good", __base__=Strict, **parts)  # type: ignore[call-overload]


# -- what pydantic found, in our words ----------------------------------------


PLAIN = {  # pydantic's kinds of error -> what to say instead, and what to change
    "tuple_type": ("must be a list", "write it as [first, second] or as lines that begin with `-`"),
    "model_type": ("must be a mapping", "write `key: value` lines, indented below it"),
    "model_attributes_type": ("must be a mapping", "write `key: value` lines, indented below it"),
    "dict_type": ("must be a mapping", "write `key: value` lines, indented below it"),
    "int_parsing": ("must be a whole number", "write digits only"),
    "int_from_float": ("must be a whole number", "write digits only"),
    "float_parsing": ("must be a number", "write digits with a point, such as 0.95"),
    "finite_number": ("must be a finite number", "correct it"),
    "bool_parsing": ("must be true or false", "write `true` or `false`"),
}
CHOICES = ("literal_error", "union_tag_invalid")


def _fault(detail: ErrorDetails, tree: Tree) -> Fault:
    location, kind = _in_tree(detail["loc"], tree), detail["type"]
    key = str(detail["loc"][-1]) if detail["loc"] else ""
    name, given = _dotted(location), detail.get("input")
    where = tree.where((*location, key) if kind == "extra_forbidden" else location)
    if kind == "extra_forbidden":
        return Fault(
            f"unknown key `{key}`{_within(location, key)}", where, _suggest(key, _known_keys(detail["loc"], tree))
        )
    if name in ("window", "entry.over") and kind in ("missing", "too_long", "too_short", "tuple_type"):
        return Fault(
            f"`{name}` must be two periods", where, "write the first and the last, such as [2022-04, 2026-02]"
        )
    if kind == "missing":
        return Fault(f"`{key}` is missing{_within(location, key)}", where, "add it")
    if kind == "union_tag_not_found":
        return Fault(f"`reader` is missing in `{name}`", where, "add it, such as `reader: csv`")
    if kind == "value_error":
        return Fault(f"`{name}`: {detail['msg'].removeprefix('Value error, ')}", where)
    if kind in CHOICES:
        context = detail.get("ctx", {})
        choices = re.findall(r"'([^']*)'", str(context.get("expected", context.get("expected_tags", ""))))
        given = given.get("reader") if isinstance(given, dict) else given
        fix = _suggest(str(given), choices) if len(choices) > 1 else f"write `{choices[0]}`"
        return Fault(f"`{name}` must be one of {', '.join(choices)}{_got(given)}", where, fix)
    if kind == "too_short":
        return Fault(f"`{name}` is empty", where, "list at least one")
    said = detail["msg"].removeprefix("Input should be ")
    message, fix = PLAIN.get(kind, (f"must be {said}", "correct it"))
    return Fault(f"`{name}` {message}{_got(given)}", where, fix)


def _got(given: object) -> str:
    if given is None:
        return " (it is empty)"
    return f" (got `{str(given)[:60]}`)" if isinstance(given, str | int | float) else ""


def _echo(detail: ErrorDetails, details: list[ErrorDetails]) -> bool:
    """A list counted as too short only because its items were refused: already reported."""
    at = detail["loc"]
    inside = (other["loc"] for other in details if len(other["loc"]) > len(at))
    return detail["type"] == "too_short" and any(loc[: len(at)] == at for loc in inside)


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


def _unfilled(tree: Tree) -> list[Fault]:
    """Answers that `evalkit new` left to be filled in: texts that are still `<...>`."""
    return [
        Fault(f"`{_dotted(at)}` is still to be filled in (`{value}`)", tree.where(at), "write your own")
        for at, value in tree.texts()
        if value.startswith("<") and value.endswith(">")
    ]


# -- what only the parts together show ----------------------------------------


def _window(parts: Parts, tree: Tree) -> list[Fault]:
    if "window" not in parts:
        return []
    (first, last), where = parts["window"], tree.where(("window",))
    said = f"the window runs from {periods.code(first)} to {periods.code(last)}"
    if first.freqstr != last.freqstr:
        return [Fault(said, where, "write both in one way: months, quarters or years")]
    if first >= last:
        return [Fault(said, where, "put the earlier period first, and a later one last")]
    years = last.year - first.year
    if years > LONGEST:
        return [Fault(f"{said}, {years} years", where, "correct the dates")]
    far = first.year < EARLIEST or last.year > LATEST
    return [Fault(said, where, f"correct the dates; {EARLIEST} to {LATEST} can be evaluated")] if far else []


def _spans(parts: Parts, tree: Tree) -> list[Fault]:
    out: list[Fault] = []
    for key in ("exclude", "events"):
        for i, span in enumerate(parts.get(key, ())):
            where = tree.where((key, i))
            name, both = f"`{key}[{i + 1}]`", f"{periods.code(span.first)} to {periods.code(span.last)}"
            if span.first.freqstr != span.last.freqstr:
                out.append(Fault(f"{name} mixes months, quarters or years", where, "write both in one way"))
            elif span.first > span.last:
                out.append(Fault(f"{name} ends before it begins", where, "exchange `from` and `to`"))
            elif "window" in parts and _misses(span, parts["window"]):
                what = f"{name} ({both}) lies outside the window"
                out.append(Fault(what, where, "correct the dates or remove it"))
    return out


def _misses(span: Span, window: tuple[pd.Period, pd.Period]) -> bool:
    same = len({span.first.freqstr, span.last.freqstr, window[0].freqstr, window[1].freqstr}) == 1
    return same and (span.last < window[0] or span.first > window[1])


def _repeated(parts: Parts, tree: Tree) -> list[Fault]:
    """Lists in which an entry may stand only once."""
    out: list[Fault] = []
    for key in ("notebooks", "horizons", "covariates", "comparison", "people", "not_people"):
        value = parts.get(key)
        entries = value if isinstance(value, tuple) else ()
        again = [entry for entry, count in Counter(entries).items() if count > 1]
        out += [Fault(f"`{key}` lists {entry} twice", tree.where((key,)), "list it once") for entry in again]
    return out


def _programmes(parts: Parts, tree: Tree) -> list[Fault]:
    """Programmes of one label, which no figure could tell apart."""
    return [
        Fault(f"{count} programmes are labelled `{label}`", tree.where(("programmes",)), "give each its own label")
        for label, count in Counter(p.label for p in parts.get("programmes", ())).items()
        if count > 1
    ]


def _frequency(parts: Parts, tree: Tree) -> list[Fault]:
    if "source" not in parts:
        return []
    code = periods.CODES[parts["source"].frequency]
    dated: list[tuple[Location, pd.Period]] = [(("window", i), p) for i, p in enumerate(parts.get("window", ()))]
    for key in ("exclude", "events"):
        for i, span in enumerate(parts.get(key, ())):
            dated += [((key, i, "from"), span.first), ((key, i, "to"), span.last)]
    entry = parts.get("entry")
    dated += [(("entry", "over", i), p) for i, p in enumerate(entry.over if entry and entry.over else ())]
    if "model" in parts:
        its = parts["model"].its
        ends: list[tuple[Location, pd.Period | None]] = [(("model", "its", "impact", "until"), its.impact.until)]
        for i, other in enumerate(its.interventions):
            at: Location = ("model", "its", "interventions", i)
            ends += [((*at, "from"), other.first), ((*at, "impact", "until"), other.impact.until)]
        dated += [(at, period) for at, period in ends if period is not None]
    return [
        Fault(
            f"{periods.code(period)} is not a {parts['source'].frequency}",
            tree.where(at),
            "write it in the study's frequency",
        )
        for at, period in dated
        if period.freqstr != code
    ]


def _interventions(parts: Parts, tree: Tree) -> list[Fault]:
    """Other interventions that the window cannot show, and a column for events where there are none."""
    if "model" not in parts or "window" not in parts:
        return []
    (first, last), its, out = parts["window"], parts["model"].its, []
    for i, other in enumerate(its.interventions):
        at = tree.where(("model", "its", "interventions", i))
        same = other.first.freqstr == first.freqstr == last.freqstr
        if same and not first < other.first <= last:
            what = f"`interventions[{i + 1}]` ({periods.code(other.first)}) does not begin inside the window"
            out.append(Fault(what, at, "correct the date, widen `window`, or remove it"))
    if its.adjust_for_events and not parts.get("events"):
        at = tree.where(("model", "its", "adjust_for_events"))
        out.append(Fault("`adjust_for_events` is set and no event is declared", at, "declare `events`, or remove it"))
    return out
