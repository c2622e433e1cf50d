"""The small types that a protocol is made of: periods, column sums, names, windows."""

from __future__ import annotations

import re
from typing import Annotated, Any

import pandas as pd
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator

from evalkit import periods
from evalkit.texts import LONGEST_NAME

SLUG = r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}"
LONGEST_TEXT, LONGEST_PATH = 5_000, 1_000  # characters
_ADDRESS = re.compile(
    r"[A-Za-z][A-Za-z0-9+.-]+:(?!\\)|//|\\\\"
)  # a scheme (a drive has one letter), or a network share
DEVICES = {"con", "prn", "aux", "nul", *(f"{d}{i}" for d in ("com", "lpt") for i in range(1, 10))}


def check_slug(text: str) -> str:
    """A name that is safe as a file name everywhere. Raises ValueError otherwise."""
    if not re.fullmatch(SLUG, text):
        raise ValueError(f"'{text}' may only hold letters, digits, `-` and `_`, and at most 64 of them")
    if text.lower() in DEVICES:
        raise ValueError(f"'{text}' is a reserved file name on Windows")
    return text


def _period(value: object) -> pd.Period:
    if isinstance(value, pd.Period):
        return value
    return periods.parse(str(value))


def _text(value: object, most: int = LONGEST_TEXT) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("needs some text")
    if len(text := value.strip()) > most:
        raise ValueError(f"{len(text):,} characters are too many, shorten it to {most:,}")
    return text


def _label(value: object) -> str:
    return " ".join(_text(value, LONGEST_NAME).split())


def _file(value: object) -> str:
    text = _text(value, LONGEST_PATH)
    if _ADDRESS.match(text):
        raise ValueError("this is an address, and data are read from files: download it, and give the file's path")
    if bad := [part for part in re.split(r"[/\\]", text) if part.partition(".")[0].strip().lower() in DEVICES]:
        raise ValueError(f"'{bad[0]}' is a reserved file name on Windows")
    return text


Text = Annotated[str, BeforeValidator(_text)]
Label = Annotated[str, BeforeValidator(_label)]  # one line, short enough for a figure
Line = Annotated[str, BeforeValidator(lambda v: _label(v) if isinstance(v, str) and v.strip() else v)]  # or blank
Column = Annotated[str, BeforeValidator(lambda v: _text(v, LONGEST_NAME))]
File = Annotated[str, BeforeValidator(_file)]
Number = Annotated[float, Field(ge=-1e15, le=1e15, allow_inf_nan=False)]
Name = Annotated[
    str,
    BeforeValidator(lambda v: check_slug(_text(v))),
    WithJsonSchema({"type": "string", "pattern": f"^{SLUG}$"}),
]
Period = Annotated[
    pd.Period,
    BeforeValidator(_period),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": r"^\d{4}(-(\d{2}(-\d{2})?|Q[1-4]))?$",
            "description": "A month, 2024-04, a quarter, 2024-Q2, or a year, 2024.",
        }
    ),
]


class Strict(BaseModel):
    """A part of a protocol: frozen, and no key that it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)


class Columns(Strict):
    """A figure made of columns of the source: the sum of `plus` less the sum of `minus`.

    In a protocol, a single column may be written as its name alone.
    """

    plus: Annotated[tuple[Column, ...], Field(min_length=1, description="Columns that are added.")]
    minus: Annotated[tuple[Column, ...], Field(description="Columns that are subtracted.")] = ()

    @model_validator(mode="before")
    @classmethod
    def _one_name(cls, value: object) -> object:
        return {"plus": [value]} if isinstance(value, str) else value

    @property
    def names(self) -> tuple[str, ...]:
        """Every column that is needed."""
        return (*self.plus, *self.minus)

    def __str__(self) -> str:
        """As a sum in words: `a + b - c`."""
        return " - ".join([" + ".join(self.plus), *self.minus])

    @classmethod
    def __get_pydantic_json_schema__(cls, core: Any, handler: Any) -> dict[str, Any]:  # noqa: ANN401 - pydantic's types
        long_form = handler.resolve_ref_schema(handler(core))
        short = {"type": "string", "description": "The name of one column."}
        return {"anyOf": [short, dict(long_form)]}


class Span(Strict):
    """A run of periods, both ends included."""

    first: Annotated[Period, Field(alias="from", description="First period, included.")]
    last: Annotated[Period, Field(alias="to", description="Last period, included.")]


class Exclusion(Span):
    """Periods that no estimate uses; figures show them shaded."""

    why: Annotated[Text, Field(description="The reason, printed in the report.")]


class Event(Span):
    """Something else that happened; figures mark it, nothing is excluded."""

    label: Annotated[Label, Field(description="What happened, printed in the report.")]


class Programme(Strict):
    """Another programme that reached some of the units; the rollout says which, and from when to when."""

    label: Annotated[Label, Field(description="What it is, printed in the report.")]
    started: Annotated[
        Column, Field(description="Column of the rollout with the first period in which it ran there; blank = never.")
    ]
    ended: Annotated[
        Column | None, Field(description="Column of the rollout with the last such period; blank = still running.")
    ] = None


class Transition(Strict):
    """Periods after joining that count as neither before nor after.

    In a protocol it may be written as the number alone.
    """

    periods: Annotated[int, Field(ge=0, le=36, description="How many periods after joining.")] = 0
    why: Annotated[str, Field(description="The reason, printed in the report.")] = ""

    @model_validator(mode="before")
    @classmethod
    def _one_number(cls, value: object) -> object:
        return {"periods": value} if isinstance(value, int | str) else value

    @classmethod
    def __get_pydantic_json_schema__(cls, core: Any, handler: Any) -> dict[str, Any]:  # noqa: ANN401 - pydantic's types
        long_form = handler.resolve_ref_schema(handler(core))
        return {"anyOf": [{"type": "integer", "minimum": 0, "maximum": 36}, dict(long_form)]}
