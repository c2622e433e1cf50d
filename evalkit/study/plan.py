"""The analysis plan inside a protocol: what decides a figure, in one canonical form with a hash.

Part of the plan: question, start of the window, outcomes (definition, role, direction), case mix, rules for the rows
of source and rollout, programmes, transition, exclusions, events where they are adjusted for, comparison, entry,
weights, covariates, cluster, horizons, level, options of every design with their defaults, what is done about
repeated looks, and the pages. Not part of it: where files lie and how their key columns are called, how things are
labelled, reasons, answers on risk of bias, who stands behind it, disclosure; and the end of the window, for it moves
on in an evaluation that is kept up to date, and every move is counted as a look.

Order where none is meant (outcomes, columns that are added, units, pages) makes no difference, nor does the way in
which an accented letter is encoded.
"""

from __future__ import annotations

import hashlib
import json
import unicodedata
from dataclasses import dataclass
from typing import Any

import pandas as pd

from evalkit import periods
from evalkit.study.options import ModelOptions
from evalkit.study.protocol import Protocol

Plan = dict[str, Any]

AS_THEY_ARE = ("question", "transition", "entry", "weights", "cluster", "level", "model", "looks", "exclude",
               "covariates", "horizons", "notebooks")  # fmt: skip
UNSAID = {"label", "why", "report"}  # spelling and reasons, wherever they stand
OF_FILES = {"path", "unit", "period", "name", "successions"}  # of source and rollout
ORDERED = {"over", "order", "bands"}  # lists whose order means something


@dataclass(frozen=True)
class Difference:
    """One part of the plan that differs; None where a side does not have it.

    why  the reason given, empty where none was
    """

    part: str
    locked: Any
    present: Any
    why: str = ""

    @property
    def top(self) -> str:
        """The key of the protocol that it belongs to."""
        return self.part.split(".", 1)[0]


def plan(protocol: Protocol) -> Plan:
    """The plan of a protocol as plain values, in canonical form."""
    said = protocol.model_dump(by_alias=True)
    out: Plan = {key: said[key] for key in AS_THEY_ARE}
    out["transition"] = said["transition"]["periods"]
    out["comparison"] = said["comparison"] or "not_yet_joined"
    out["cluster"] = said["cluster"] or "unit"
    out["window"] = {"from": said["window"][0]}
    for key in ("outcomes", "case_mix"):
        out[key] = {one["name"]: {k: v for k, v in one.items() if k != "name"} for one in said[key]}
    out["programmes"] = {one["label"]: one for one in said["programmes"]}
    for key in ("source", "rollout"):
        out[key] = {k: v for k, v in said[key].items() if k not in OF_FILES}
    if (table := said["source"].get("successions")) is not None:
        out["source"]["successions"] = "none" if table == "none" else "a table of its own"
    if protocol.model.its.adjust_for_events:
        out["events"] = said["events"]
    plain: Plan = _plain(out, "")
    return plain


def _plain(value: Any, key: str) -> Any:  # noqa: ANN401 - any part of a protocol
    if isinstance(value, dict):
        parts = {_text(k): _plain(v, k) for k, v in value.items() if k not in UNSAID}
        return {k: v for k, v in parts.items() if v is not None and v not in ({}, [])}
    if isinstance(value, list | tuple):
        items = [_plain(v, "") for v in value]
        return items if key in ORDERED else sorted(items, key=_rank)
    if isinstance(value, pd.Period):
        return periods.code(value)
    return _text(value) if isinstance(value, str) else value


def _rank(item: Any) -> tuple[float, str]:  # noqa: ANN401 - any plain value
    """Numbers by size, everything else by its canonical text."""
    return (float(item), "") if isinstance(item, int | float) else (0.0, canonical(item))


def _text(value: str) -> str:
    return unicodedata.normalize("NFC", value)


def canonical(value: Any) -> str:  # noqa: ANN401 - any plain value
    """Plain values as JSON that is the same on every machine. Raises ValueError for what is no number."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def digest(value: Any) -> str:  # noqa: ANN401 - any plain value
    """The SHA-256 of plain values in canonical form."""
    return hashlib.sha256(canonical(value).encode("ascii")).hexdigest()


def flat(nested: Plan) -> dict[str, Any]:
    """A plan by dotted key; lists stay whole."""
    out: dict[str, Any] = {}
    for key, value in nested.items():
        if isinstance(value, dict):
            out |= {f"{key}.{inner}": v for inner, v in flat(value).items()}
        else:
            out[key] = value
    return out


def differences(locked: Plan, present: Plan) -> list[Difference]:
    """Every part that differs, by dotted key.

    A design's option that `locked` does not know and that is left at its default is no difference: it was added to
    the workbench after the plan was locked.
    """
    old, new = flat(locked), flat(present)
    default = flat({"model": _plain(ModelOptions().model_dump(by_alias=True), "")})
    return [
        Difference(key, old.get(key), new.get(key))
        for key in sorted({*old, *new})
        if old.get(key) != new.get(key) and not (key not in old and key in default and new[key] == default[key])
    ]


def shown(value: Any) -> str:  # noqa: ANN401 - any plain value
    """A part of a plan as it is printed."""
    if value is None:
        return "not there"
    if isinstance(value, list):
        return ", ".join(shown(v) for v in value)
    if isinstance(value, dict):
        return "; ".join(f"{k} {shown(v)}" for k, v in value.items())
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
