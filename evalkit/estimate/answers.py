"""What a check answered, and why a design was refused."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import pandas as pd

from evalkit import markup

Verdict = Literal["reassuring", "inconclusive", "concern", "not applicable"]


@dataclass(frozen=True)
class Refusal:
    """A design that these data cannot carry, and why: a finding in itself, not an error."""

    study: str
    outcome: str
    design: str
    title: str
    reasons: tuple[str, ...]

    def __repr__(self) -> str:
        """The reasons as text."""
        return f"{self.title} was not computed: " + " ".join(self.reasons)

    def _repr_mimebundle_(self, **_: object) -> tuple[dict[str, str], dict[str, Any]]:
        html = markup.notice(f"{self.title} was not computed", self.reasons, "refusal")
        stored = {"refusal": {"outcome": self.outcome, "design": self.design, "reasons": list(self.reasons)}}
        return {"text/html": html, "text/plain": repr(self)}, {markup.METADATA_KEY: stored}


@dataclass(frozen=True, eq=False)
class Check:
    """A question put to an estimate.

    question  what was asked
    verdict   `reassuring`, `inconclusive`, `concern` or `not applicable`
    reading   the answer in words
    value     the number that decided, None where not applicable
    design    the design that it questions; empty when it bears on all of them
    data      what its figure draws, columns as the check's module says; empty where there is no figure
    figures   numbers that a text quotes, by name, as the check's module says
    """

    name: str
    question: str
    verdict: Verdict
    reading: str
    value: float | None = None
    design: str = ""
    data: pd.DataFrame = field(default_factory=pd.DataFrame)
    figures: dict[str, float] = field(default_factory=dict)

    def store(self) -> dict[str, Any]:
        """Everything but the figure's data, as plain values that `restored` turns back."""
        names = ("name", "question", "verdict", "reading", "value", "design", "figures")
        return {name: getattr(self, name) for name in names}

    @staticmethod
    def restored(stored: dict[str, Any]) -> Check:
        """The Check that `store` wrote, without its figure's data."""
        return Check(**stored)

    def __repr__(self) -> str:
        """Question, verdict and reading in one line."""
        return f"{self.question} {self.verdict.capitalize()}: {self.reading}"

    def _repr_mimebundle_(self, **_: object) -> tuple[dict[str, str], dict[str, Any]]:
        kind = "warning" if self.verdict == "concern" else "note"
        html = markup.notice(f"{self.question} {self.verdict.capitalize()}.", [self.reading], kind)
        return {"text/html": html, "text/plain": repr(self)}, {markup.METADATA_KEY: {"check": self.store()}}
