"""The headline of `its` alone, for those who refit by the dozen.

The same series, columns, engine and errors as `its`, without frames and without the other quantities.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from evalkit import inference
from evalkit.errors import DesignError
from evalkit.estimators._common import size
from evalkit.estimators._its import engines
from evalkit.estimators._its.design import Design, build
from evalkit.estimators._its.series import Series, assembled, dates, joint_series, nobody, on_both_sides
from evalkit.panel import Panel, Together


def headline(panel: Panel) -> dict[str, Any]:
    """The first row of `Estimate.terms`. Raises DesignError where `its` refuses it."""
    return _headline(panel, build(panel.study, joint_series(panel)), size(panel))


def without_each(panel: Panel) -> Iterator[tuple[pd.Period, dict[str, Any] | DesignError]]:
    """The headline without each analysed period in turn, or why there is none; the series is of the same units.

    The period keeps its place in the calendar, as one in which nobody reported.

    Raises DesignError where there is no series.
    """
    series, rounding = joint_series(panel), size(panel)
    for place in np.flatnonzero(series.used):
        left = np.where(np.arange(len(series.t)) == place, np.nan, series.value)
        try:
            yield series.window[place], _headline(panel, build(panel.study, replace(series, value=left)), rounding)
        except DesignError as refusal:
            yield series.window[place], refusal


def headlines(panel: Panel, joining: np.ndarray) -> list[dict[str, Any] | None]:
    """The first row of `Estimate.terms` for each group; None where `its` refuses it.

    panel    a panel in which some units joined at the dates in question
    joining  which units join in each group, booleans, shape (B, n), in the order of `panel.units`

    Raises DesignError when what the protocol declares cannot be had of any group.
    """
    phase, starts = dates(panel)
    counted = panel.counted(panel.units.index)
    kept = on_both_sides(~np.isnan(counted[0]), phase)
    rounding, made = size(panel), None
    out: list[dict[str, Any] | None] = []
    for group in joining:
        try:
            series = _series(panel, counted[:, group & kept], phase, starts)
            made = _design(panel, series, made)
            out.append(_headline(panel, made, rounding))
        except DesignError:
            out.append(None)
    return out


def _series(panel: Panel, counted: np.ndarray, phase: np.ndarray, starts: tuple[int, ...]) -> Series:
    """Of values, numerators and denominators by unit and period; as `Panel.over` adds them up."""
    if not counted.shape[1]:
        raise nobody(panel)
    seen = [~np.isnan(part) for part in counted]
    value, numerator, denominator = (
        np.where(some.any(axis=0), np.where(some, part, 0.0).sum(axis=0), np.nan)
        for part, some in zip(counted, seen, strict=True)
    )
    reported = seen[0].sum(axis=0)
    if panel.outcome.denominator is None:
        value = value / np.maximum(reported, 1)
    else:
        value = panel.outcome.scale * numerator / denominator
    return assembled(panel, Together(value, numerator, denominator, reported.astype(float)), phase, starts)


def _design(panel: Panel, series: Series, last: Design | None) -> Design:
    """The columns, those of the last series where the same periods are analysed."""
    if last is not None and (last.series.used == series.used).all():
        return Design(series, last.X, last.effect, last.others, last.notes)
    return build(panel.study, series)


def _headline(panel: Panel, design: Design, rounding: float) -> dict[str, Any]:
    protocol = panel.study.protocol
    course = engines.run(design, protocol.model.its, None)
    post = design.series.post & course.known
    value, gradient = course.effect(post / post.sum())
    _, error, df = course.fit.contrast(gradient)
    return inference.term("average effect after joining", value, error, df, protocol.level, scale=rounding)
