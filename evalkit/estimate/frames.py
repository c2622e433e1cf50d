"""The frames of an Estimate: their columns, and how they are stored."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from evalkit import periods

INTERVAL = ["estimate", "std_error", "df", "low", "high", "p_value"]
TERMS = ["term", *INTERVAL, "unit"]
PATH = [
    *("period", "phase", "observed", "fitted", "counterfactual", "low", "high"),
    *("effect", "effect_low", "effect_high", "innovation"),
]
SITES = [
    *("unit", "cohort", "estimate", "std_error", "df", "low", "high"),
    *("shrunk", "shrunk_low", "shrunk_high", "rho"),
]
EVENTS = ["event_time", "phase", *INTERVAL, "units", "band_low", "band_high"]
CELLS = ["cohort", "period", "event_time", "phase", *INTERVAL, "units", "comparison"]
GROUPS = ["kind", "group", *INTERVAL, "units"]
WEIGHTS = ["kind", "cohort", "name", "weight"]
PLACEBOS = ["unit", "estimate", "fit"]


FRAMES = {
    "path": PATH,
    "events": EVENTS,
    "cells": CELLS,
    "groups": GROUPS,
    "sites": SITES,
    "weights": WEIGHTS,
    "placebos": PLACEBOS,
}
DATES = {"path": ["period"], "cells": ["cohort", "period"], "sites": ["cohort"], "weights": ["cohort"]}
TEXTS = {"phase", "term", "unit", "kind", "group", "name"}
COUNTS = {"event_time", "units", "comparison"}


def empty(columns: list[str]) -> pd.DataFrame:
    """A frame with these columns and no row."""
    return _empty(tuple(columns)).copy()


@cache
def _empty(columns: tuple[str, ...]) -> pd.DataFrame:
    return pd.DataFrame({c: [] for c in columns})


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as plain values; infinite degrees of freedom and absent figures become None."""
    columns = [[plain(value) for value in frame[name].tolist()] for name in frame]
    return [dict(zip(frame, row, strict=True)) for row in zip(*columns, strict=True)]


def plain(value: Any) -> Any:  # noqa: ANN401 - any cell
    """A cell as a plain value; what is not finite becomes None."""
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def framed(rows: list[dict[str, Any]], columns: list[str]) -> pd.DataFrame:
    """Rows as one of the frames above; a column that no row has, such as a band, is missing."""
    return pd.DataFrame(rows).reindex(columns=columns) if rows else empty(columns)


def stored(name: str, frame: pd.DataFrame) -> list[dict[str, Any]]:
    """One of `FRAMES` as plain values, its periods as codes."""
    dated = {
        c: [periods.code(p) if isinstance(p, pd.Period) else None for p in frame[c]] for c in DATES.get(name, [])
    }
    return records(frame.assign(**dated))


def loaded(name: str, rows: list[dict[str, Any]], frequency: periods.Frequency) -> pd.DataFrame:
    """What `stored` wrote, as the frame that it was."""
    return _typed(name, rows, frequency) if rows else _none(name, frequency).copy()


@cache
def _none(name: str, frequency: periods.Frequency) -> pd.DataFrame:
    """Most frames of most estimates have no row."""
    return _typed(name, [], frequency)


def _typed(name: str, rows: list[dict[str, Any]], frequency: periods.Frequency) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=FRAMES[name])
    for column in DATES.get(name, []):
        frame[column] = [None if p is None else periods.parse(p, frequency) for p in frame[column]]
    if "df" in frame:
        frame["df"] = frame["df"].astype(float).fillna(math.inf)
    other = {*TEXTS, *COUNTS, *DATES.get(name, [])}
    return frame.astype({c: float for c in frame.columns if c not in other})
