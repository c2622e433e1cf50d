"""What was estimated, how large it is, and how sure we are; and what a check answered."""

from evalkit.estimate.answers import Check, Refusal, Verdict
from evalkit.estimate.estimate import Estimate
from evalkit.estimate.frames import (
    CELLS,
    EVENTS,
    GROUPS,
    INTERVAL,
    PATH,
    PLACEBOS,
    SITES,
    TERMS,
    WEIGHTS,
    empty,
    framed,
)
from evalkit.estimate.restored import restore, stack, terms_of

__all__ = [
    "CELLS",
    "EVENTS",
    "GROUPS",
    "INTERVAL",
    "PATH",
    "PLACEBOS",
    "SITES",
    "TERMS",
    "WEIGHTS",
    "Check",
    "Estimate",
    "Refusal",
    "Verdict",
    "empty",
    "framed",
    "restore",
    "stack",
    "terms_of",
]
