"""Published instruments as data: what each asks, in our words, and what a run can say to it."""

from evalkit.instruments.epoc import CBA, ITS
from evalkit.instruments.parts import (
    ANSWERS,
    NO,
    YES,
    Answer,
    Checklist,
    Domain,
    Instrument,
    Item,
    Question,
    Rule,
    When,
)
from evalkit.instruments.robins_i import ROBINS_I
from evalkit.instruments.squire import SQUIRE
from evalkit.instruments.strobe import RECORD, STROBE
from evalkit.instruments.technical import ENTRY, TECHNICAL
from evalkit.instruments.tidier import TIDIER
from evalkit.instruments.trend import TREND

BIAS: tuple[Instrument, ...] = (ROBINS_I, ITS, CBA)
CHECKLISTS: tuple[Checklist, ...] = (SQUIRE, ENTRY, TREND, STROBE, RECORD, TIDIER, TECHNICAL)

__all__ = [
    "ANSWERS",
    "BIAS",
    "CBA",
    "CHECKLISTS",
    "ENTRY",
    "ITS",
    "NO",
    "RECORD",
    "ROBINS_I",
    "SQUIRE",
    "STROBE",
    "TECHNICAL",
    "TIDIER",
    "TREND",
    "YES",
    "Answer",
    "Checklist",
    "Domain",
    "Instrument",
    "Item",
    "Question",
    "Rule",
    "When",
]
