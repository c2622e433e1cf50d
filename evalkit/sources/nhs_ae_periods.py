"""Months and revision dates as NHS England writes them in cells and file names."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache

import pandas as pd

_MONTHS = (
    "JANUARY FEBRUARY MARCH APRIL MAY JUNE JULY AUGUST SEPTEMBER OCTOBER NOVEMBER DECEMBER".split()  # noqa: SIM905
)
_NUMBER = {
    **{name: number for number, name in enumerate(_MONTHS, 1)},
    **{name[:3]: number for number, name in enumerate(_MONTHS, 1)},
    "SEPT": 9,
}
_WORDS = "|".join(sorted(_NUMBER, key=len, reverse=True))
_CELL = re.compile(rf"(?:MSITAE[-_ ]+)?({_WORDS})[-_ ]+(20[0-9]{{2}}|[0-9]{{2}})")
_WORD_IN_NAME = re.compile(rf"(?<![A-Z])({_WORDS})(?![A-Z])(?:[-_ ]*(20[0-9]{{2}}|[0-9]{{2}})(?![0-9]))?")
# 2021-04, but neither a day (2021-04-30) nor part of a longer number.
_DIGITS_IN_NAME = re.compile(r"(?<![0-9])(20[0-9]{2})[-_](0[1-9]|1[0-2])(?![-_]?[0-9])")
_REVISED = re.compile(r"REVISED?(?![A-Z])(?:[-_ ]*([0-9]{6})(?![0-9]))?")


@cache
def month_of_cell(text: str) -> pd.Period | None:
    """The month in a Period cell (`MSitAE-APRIL-2024`, `MSitAE-Apr-24`), None when there is none.

    A two-digit year is one of this century: the collection began in 2010.
    """
    found = _CELL.fullmatch(" ".join(text.split()).upper())
    return None if found is None else _month(found[1], found[2])


def month_of_name(file: str) -> tuple[int | None, int] | None:
    """The year (None when the name has only a month) and month in a file name, None without one."""
    upper = file.upper()
    revised = _REVISED.search(upper)
    head = upper[: revised.start()] if revised else upper
    words = list(_WORD_IN_NAME.finditer(head))
    for word in words:
        if word[2]:
            return _month(word[1], word[2]).year, _NUMBER[word[1]]
    if digits := _DIGITS_IN_NAME.search(head):
        return int(digits[1]), int(digits[2])
    return (None, _NUMBER[words[0][1]]) if words else None


@dataclass(frozen=True)
class Revision:
    """What a file name says about its revision: none, one without a date, or one of a date."""

    revised: bool
    on: date | None = None


def revision_of(file: str) -> Revision:
    """The revision in a file name; `April-2021-revised-120522-x.csv` is of 12 May 2022."""
    found = _REVISED.search(file.upper())
    if found is None:
        return Revision(revised=False)
    try:
        return Revision(revised=True, on=datetime.strptime(found[1] or "", "%d%m%y").date())
    except ValueError:  # no digits, or digits that are no date: revised, we do not know when
        return Revision(revised=True)


def _month(word: str, year: str) -> pd.Period:
    """A month from its name and a year of two or four digits."""
    return pd.Period(year=int(year) % 100 + 2000, month=_NUMBER[word], freq="M")
