"""Refusals: what is wrong, where, and what to change.

Everything evalkit refuses derives from `EvalkitError`, carries one or more `Fault`s and
prints without a traceback; the command line turns it into exit code 1.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from evalkit.texts import visible


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong.

    what   the fault itself, in one clause
    where  file and line, or unit and period; empty when the whole is meant
    fix    what to change; empty only when `what` already says it
    """

    what: str
    where: str = ""
    fix: str = ""

    def __str__(self) -> str:
        """One line: `where: what; fix`, whatever the texts hold that it quotes."""
        place = f"{self.where}: " if self.where else ""
        remedy = f"; {self.fix}" if self.fix else ""
        return visible(f"{place}{self.what}{remedy}")


class EvalkitError(Exception):
    """A refusal, made of faults. `faults` is never empty."""

    def __init__(self, faults: Fault | str | Iterable[Fault], where: str = "", fix: str = "") -> None:
        if isinstance(faults, str):
            faults = Fault(faults, where, fix)
        self.faults: tuple[Fault, ...] = (faults,) if isinstance(faults, Fault) else tuple(faults)
        super().__init__("\n".join(str(fault) for fault in self.faults))

    def __reduce__(self) -> tuple[type[EvalkitError], tuple[tuple[Fault, ...]]]:
        """With its faults, when it comes from another process."""
        return type(self), (self.faults,)


class StudyError(EvalkitError):
    """A protocol that cannot be read or contradicts itself."""


class DataError(EvalkitError):
    """Data that cannot be read, or that break the Panel contract."""


class DesignError(EvalkitError):
    """A design that these data cannot identify, or an estimate that cannot be computed."""


class RunError(EvalkitError):
    """A notebook, report or file operation that failed."""
