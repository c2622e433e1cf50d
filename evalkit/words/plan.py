"""What a finding says of its plan and of earlier looks, where that raised no concern."""

from __future__ import annotations

from collections.abc import Sequence

from evalkit.estimate import Check

SAID = ("plan", "looks")


def on_record(asked: Sequence[Check]) -> list[str]:
    """The readings of the plan and of the number of looks, where they are reassuring; others are said elsewhere."""
    return [f"On record: {c.reading}" for c in asked if c.name in SAID and c.verdict == "reassuring"]
