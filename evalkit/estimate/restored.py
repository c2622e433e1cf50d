"""Estimates read back from where they were stored, and stacked."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

from evalkit import periods
from evalkit.estimate.estimate import Estimate
from evalkit.estimate.frames import FRAMES, TERMS, loaded


def restore(stored: dict[str, Any], frequency: periods.Frequency) -> Estimate:
    """The Estimate that `Estimate.store` wrote."""
    terms = pd.DataFrame(stored["terms"], columns=TERMS)
    terms["unit"] = terms["unit"].where(terms["unit"].ne(stored["unit"]), "")
    terms["df"] = terms["df"].astype(float).fillna(math.inf)
    frames = {name: loaded(name, stored.get(name, []), frequency) for name in FRAMES}
    simple = (
        "study",
        "outcome",
        "label",
        "design",
        "title",
        "estimand",
        "assumption",
        "unit",
        "level",
        "counts",
        "diagnostics",
        "method",
    )
    return Estimate(
        **{name: stored[name] for name in simple},
        terms=terms,
        **frames,
        covariance=_whole(stored["covariance"], len(frames["events"])),
        exposure=stored["exposure"],
        anticipation=stored["anticipation"],
        base=stored.get("base", "universal"),
        comparison_only=stored["comparison_only"],
        warnings=tuple(stored["warnings"]),
    )


def _whole(rows: list[list[float]], size: int) -> np.ndarray:
    """A symmetric matrix, shape (size, size), of its rows up to the diagonal."""
    out = np.zeros((size, size))
    for i, row in zip(range(size), rows, strict=True):
        out[i, : i + 1] = out[: i + 1, i] = row
    return out


def terms_of(stored: dict[str, Any], frequency: periods.Frequency) -> Estimate:
    """As `restore`, but with no row in the frames behind the terms: for who reads the terms of many estimates."""
    return restore({**stored, **{name: [] for name in FRAMES}, "covariance": []}, frequency)


def stack(estimates: list[Estimate]) -> pd.DataFrame:
    """The terms of several estimates in one frame."""
    return pd.concat([e.tidy() for e in estimates], ignore_index=True)
