"""Calendar periods: read strictly, shown plainly, never a timestamp.

A period is written `2024-04` (or any date inside that month, `2024-04-01`) for monthly
studies, `2024-Q2` or `2024Q2` for quarterly and `2024` for yearly ones. Nothing is guessed: `04/2024` or
`202404` is refused, because the first is read differently in different countries and the
second is easily mistaken for a number.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date
from typing import Literal

import numpy as np
import pandas as pd

Frequency = Literal["month", "quarter", "year"]

CODES: dict[Frequency, str] = {"month": "M", "quarter": "Q-DEC", "year": "Y-DEC"}
PER_YEAR: dict[Frequency, int] = {"month": 12, "quarter": 4, "year": 1}
EXAMPLES: dict[Frequency, str] = {"month": "2024-04", "quarter": "2024-Q2", "year": "2024"}

MOST_RUNS = 6  # runs of periods named one by one

_MONTH = re.compile(r"(\d{4})-(\d{2})(?:-(\d{2}))?(?:[T ]00:00(?::00(?:\.0+)?)?)?")
_YEAR = re.compile(r"\d{4}")
_QUARTER = re.compile(r"(\d{4})-?[Qq]([1-4])")


def parse(text: str, frequency: Frequency | None = None) -> pd.Period:
    """One period from its text.

    With a `frequency`, a date is read as the month, quarter or year it falls in and text of another
    frequency is refused; without, the text decides. Raises ValueError saying what was expected.
    """
    text = text.strip()
    if found := _QUARTER.fullmatch(text):
        if frequency in ("month", "year"):
            raise ValueError(f"'{text}' is a quarter where a {frequency} such as {EXAMPLES[frequency]} is expected")
        return pd.Period(year=int(found[1]), quarter=int(found[2]), freq=CODES["quarter"])
    if found := _MONTH.fullmatch(text):
        try:
            day = date(int(found[1]), int(found[2]), int(found[3] or 1))
        except ValueError as error:
            raise ValueError(f"'{text}' is not a date in the calendar ({error})") from None
        return pd.Period(day, freq=CODES[frequency or "month"])
    if _YEAR.fullmatch(text) and int(text) > 0:
        if frequency in ("month", "quarter"):
            raise ValueError(f"'{text}' is a year where a {frequency} such as {EXAMPLES[frequency]} is expected")
        return pd.Period(year=int(text), freq=CODES["year"])
    expected = EXAMPLES[frequency] if frequency in ("quarter", "year") else "2024-04 or 2024-04-01"
    raise ValueError(f"'{text}' is not a period; write it like {expected}")


def parse_column(texts: pd.Series, frequency: Frequency) -> tuple[pd.Series, dict[str, str]]:
    """A column of texts as periods, and the texts that could not be read with the reason.

    Returns a Series of the same index with period dtype (missing where unreadable or blank).
    """
    periods: dict[str, pd.Period] = {}
    refused: dict[str, str] = {}
    for text in texts.dropna().unique():
        try:
            periods[text] = parse(str(text), frequency)
        except ValueError as error:
            refused[str(text)] = str(error)
    values = pd.PeriodIndex([periods.get(text, pd.NaT) for text in texts], freq=CODES[frequency])
    return pd.Series(values, index=texts.index), refused


def frequency_of(period: pd.Period) -> Frequency:
    """`month`, `quarter` or `year`. Raises ValueError for any other frequency."""
    for name, code in CODES.items():
        if period.freqstr == code:
            return name
    raise ValueError(f"{period} is not a month, a quarter or a year")


def ordinals(periods: pd.Series | pd.PeriodIndex) -> np.ndarray:
    """Calendar positions as floats, consecutive periods 1 apart; missing periods are NaN."""
    index = pd.PeriodIndex(periods)
    out = index.asi8.astype(float)
    out[np.asarray(index.isna())] = np.nan
    return out


def say(period: pd.Period) -> str:
    """How a period is written in prose: `April 2024`, `Q2 2024` or `2024`."""
    if period.freqstr.startswith("Y"):
        return f"{period.year:04d}"
    return f"Q{period.quarter} {period.year}" if period.freqstr.startswith("Q") else period.strftime("%B %Y")


def label(period: pd.Period) -> str:
    """How a period is written in tables and figures: `2024-04`, `Q2 2024` or `2024`."""
    return say(period) if period.freqstr.startswith("Q") else code(period)


def relabel(name: str) -> str:
    """The name of a period as `code` wrote it, written as `label` does; any other text as it is."""
    return label(parse(name)) if _QUARTER.fullmatch(name) else name


def code(period: pd.Period) -> str:
    """How a period is written in files: `2024-04`, `2024-Q2` or `2024`."""
    if period.freqstr.startswith("Y"):
        return f"{period.year:04d}"
    if period.freqstr.startswith("Q"):
        return f"{period.year:04d}-Q{period.quarter}"
    return f"{period.year:04d}-{period.month:02d}"


def noun(frequency: Frequency, count: int = 1) -> str:
    """`month` or `months`, and so on."""
    return frequency if count == 1 else f"{frequency}s"


def runs(which: Iterable[pd.Period]) -> str:
    """Periods as runs, written as `label` does: `2020-04 to 2020-06, 2021-01 (4 months)`."""
    ordered = sorted(set(which))
    spans: list[list[pd.Period]] = []
    for period in ordered:
        if spans and (period - spans[-1][-1]).n == 1:
            spans[-1].append(period)
        else:
            spans.append([period])
    parts = [label(s[0]) if len(s) == 1 else f"{label(s[0])} to {label(s[-1])}" for s in spans]
    listed = ", ".join(parts[:MOST_RUNS]) + (
        f" and {len(parts) - MOST_RUNS} more runs" if len(parts) > MOST_RUNS else ""
    )
    if len(ordered) == 1:
        return listed
    return f"{listed} ({len(ordered)} {noun(frequency_of(ordered[0]), len(ordered))})"
