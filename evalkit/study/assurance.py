"""Who stands behind an evaluation: commissioner, analysts, assurers, approver, and what is known to limit it.

The roles are those of the AQuA Book (HM Government, guidance on producing quality analysis, 2025).
"""

from __future__ import annotations

import datetime
import re
from typing import Annotated

from pydantic import BeforeValidator, Field, WithJsonSchema

from evalkit.study.fields import Period, Strict, Text


def _day(value: object) -> str:
    text = str(value).strip()
    try:
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
            return datetime.date.fromisoformat(text).isoformat()
    except ValueError:
        pass
    raise ValueError(f"'{text[:40]}' is not a day; write it as 2026-03-31")


Day = Annotated[
    str, BeforeValidator(_day), WithJsonSchema({"type": "string", "format": "date", "description": "As 2026-03-31."})
]


class SignOff(Strict):
    """One look by somebody who answers for it."""

    by: Annotated[Text, Field(description="Name and role.")]
    date: Annotated[Day, Field(description="The day.")]
    what: Annotated[Text, Field(description="What was looked at, or what was agreed.")]
    data_to: Annotated[
        Period, Field(description="Last period of the data that were looked at; later data are not covered.")
    ]


class Assurance(Strict):
    """Roles, sign-offs and known limits; printed on the first page of the report."""

    commissioned_by: Annotated[Text | None, Field(description="Who asked for the evaluation.")] = None
    analysts: Annotated[tuple[Text, ...], Field(description="Who carried it out.")] = ()
    checked: Annotated[tuple[SignOff, ...], Field(description="Checks by somebody other than the analysts.")] = ()
    approved: Annotated[tuple[SignOff, ...], Field(description="Who approved it for use.")] = ()
    limits: Annotated[tuple[Text, ...], Field(description="What is known to limit the data or the analysis.")] = ()
