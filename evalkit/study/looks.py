"""The history of looks: every published report of a study that saw data no earlier one had seen.

A look is a distinct outcome, last period and plan. The file is only ever added to.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from evalkit import files
from evalkit.errors import RunError
from evalkit.study.fields import Strict

if TYPE_CHECKING:
    from evalkit.study.study import Study

FILE = "looks.json"
FORMAT = 1


class Look(Strict):
    """One look: the outcome, the code of the last period with data, the hash of the plan, and the day (UTC)."""

    outcome: str
    last: str
    plan: str
    date: str = ""

    @property
    def key(self) -> tuple[str, str, str]:
        """What makes it a look of its own."""
        return (self.outcome, self.last, self.plan)


def report_name(study: Study, outcome: str) -> str:
    """The report's folder: the slug, with the outcome's name when it is not the primary one."""
    return study.slug if outcome == study.primary.name else f"{study.slug}.{outcome}"


def read_looks(path: Path) -> tuple[Look, ...]:
    """The looks that a report folder records, the first one first; none where there is no such file.

    Raises RunError when the file is not as it was written: a history that is lost would pass for a first look.
    """
    try:
        said = json.loads(files.read(path))
        good = set(said) == {"format", "looks"} and said["format"] == FORMAT
        looks = tuple(Look.model_validate(one) for one in said["looks"]) if good else None
    except (FileNotFoundError, NotADirectoryError):
        return ()
    except (OSError, ValueError, TypeError, KeyError, ValidationError, RecursionError):
        looks = None
    if looks is None:
        fix = "restore it, or move it away and say in the report that the count was lost"
        raise RunError("the record of earlier looks is not as it was written", str(path.name), fix)
    return looks


def added(before: Sequence[Look], now: Look) -> tuple[Look, ...]:
    """The looks with this one at the end, unless it is among them."""
    return tuple(before) if now.key in {one.key for one in before} else (*before, now)


def looks_record(looks: Sequence[Look]) -> dict[str, Any]:
    """What `read_looks` reads, as plain values."""
    return {"format": FORMAT, "looks": [one.model_dump() for one in looks]}
