"""Units aligned on their own start and averaged, so that one series in event time remains.

Event time e is the number of periods since the unit joined: 0 in that period. With y_i(e) the value of
unit i of K at event time e, and the same for every column x_i(e) of its calendar,

    y_i(e) = a_i + m(e) + r_i(e),   sum_i a_i = 0,

is fitted by least squares to the cells that were observed, and m(e) is what is analysed. Where all units
are observed m(e) is their mean; where some are missing it is the mean less what their absence adds by their
own levels alone. m is a linear map of the cells, the same for outcome and columns, so a calendar season with
common coefficients stays exact.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from evalkit import columns, periods
from evalkit.errors import DesignError
from evalkit.estimators._its.design import Design, build, needed
from evalkit.estimators._its.pooling import require_units
from evalkit.estimators._its.series import Series
from evalkit.estimators._its.units import left_out, unit_series
from evalkit.panel import Panel
from evalkit.study.options import LINEAR

SHARE = 0.5  # of the units that must be observed at an event time for it to be analysed
FLAT = 1e-9  # a seasonal column this small has averaged out


@dataclass(frozen=True, eq=False)
class Aligned:
    """The averaged series with its columns in event time, and what went into it.

    design  columns and series; its t counts periods since joining
    units   names of the units averaged
    left    the units left out, and why
    cells   unit-periods averaged
    patchy  event times at which some but not all units were observed, and that are analysed
    """

    design: Design
    units: list[str]
    left: dict[str, str]
    cells: int
    patchy: int


def align(panel: Panel) -> Aligned:
    """Average the joined units in event time over the window that all of them have.

    Raises DesignError when fewer than three units have enough periods a side, when too few event times are
    left, or when the protocol asks for columns tied to the calendar.
    """
    _require_plain(panel)
    kept, left = _enough(panel)
    try:
        require_units(len(kept))
    except DesignError as refusal:
        fault = refusal.faults[0]
        raise DesignError(" ".join([fault.what, *left_out(left)]), panel.study.slug, fault.fix) from None
    joined = {name: _joined(panel, name) for name in kept}
    first = -min(joined.values())
    last = min(len(panel.study.window) - 1 - j for j in joined.values())
    e = np.arange(first, last + 1)
    at = np.stack([e + j for j in joined.values()])  # calendar positions, shape (K, E)
    used = np.stack([s.used[row] for s, row in zip(kept.values(), at, strict=True)])
    enough = used.mean(axis=0) >= SHARE
    used &= enough
    values = np.stack([s.value[row] for s, row in zip(kept.values(), at, strict=True)])
    map_ = averaging(used)
    value = np.full(len(e), np.nan)
    value[enough] = map_ @ values[used]
    design = _design(panel, next(iter(kept.values())), e, (value, used.sum(axis=0)))
    design = _with_season(panel, design, at, (used, enough, map_))
    patchy = int((enough & ~used.all(axis=0)).sum())
    return Aligned(design, list(kept), left, int(used.sum()), patchy)


def averaging(used: np.ndarray) -> np.ndarray:
    """The map from the observed cells (units by rows, in order) to m(e), for the event times that have one.

    used  shape (K, E), booleans; returns shape (event times with a cell, cells)
    """
    K, E = used.shape
    unit, event = np.nonzero(used)
    own = np.eye(K)[:, 1:] - np.eye(K)[:, :1]  # columns that add up to nought over units
    X = np.column_stack([np.eye(E)[event][:, used.any(axis=0)], own[unit]])
    if np.linalg.matrix_rank(X.T @ X) < X.shape[1]:
        raise DesignError(
            "the units' observed periods do not overlap in event time",
            fix="widen `window`, or drop an exclusion",
        )
    return np.linalg.solve(X.T @ X, X.T)[: int(used.any(axis=0).sum())]


def _joined(panel: Panel, name: str) -> int:
    return int(panel.study.time(pd.PeriodIndex([panel.units.loc[name, "cohort"]]))[0])


def _require_plain(panel: Panel) -> None:
    """Refuse what is tied to the calendar, or to another scale than the values' own."""
    options, slug = panel.study.protocol.model.its, panel.study.slug
    tied = {
        "interventions": bool(options.interventions),
        "adjust_for_events": options.adjust_for_events,
        "impact.until": options.impact.until is not None,
    }
    for name, given in tied.items():
        if given:
            raise DesignError(
                f"`{name}` under `model.its` is tied to the calendar, which aligned units do not share",
                slug,
                "leave it out, or use its_pooled, which keeps every unit in its own calendar",
            )
    if options.scale != "natural":
        raise DesignError(
            f"`scale: {options.scale}` is not defined for a mean of units",
            slug,
            "use `scale: natural`, or its_pooled, which models every unit on that scale",
        )
    if options.errors not in LINEAR:
        raise DesignError(
            f"`errors: {options.errors}` has no form in event time",
            slug,
            f"use one of {', '.join(LINEAR)} under `model.its`",
        )


def _enough(panel: Panel) -> tuple[dict[str, Series], dict[str, str]]:
    """The units whose window holds enough analysed periods a side, and the others with the reason."""
    options, noun = panel.study.protocol.model.its, periods.noun(panel.study.frequency, 2)
    least = needed(options.impact, options)
    kept, left = {}, {}
    for name, series in unit_series(panel).items():
        before, after = int((series.used & ~series.post).sum()), int(series.post.sum())
        if min(before, after) >= least:
            kept[name] = series
        else:
            left[name] = f"{before} analysed {noun} before joining and {after} after, {least} a side needed"
    return kept, left


def _design(panel: Panel, like: Series, e: np.ndarray, mean: tuple[np.ndarray, np.ndarray]) -> Design:
    """The columns in event time, for a mean and how many units it is of; the season here is that of a stand-in."""
    value, units = mean
    transition = panel.study.protocol.transition.periods
    phase = np.where(e < 0, "pre", np.where(e < transition, "transition", "post"))
    window = panel.study.window[: len(e)]
    series = replace(
        like, window=window, t=e, phase=phase, value=value, y=value, base=np.ones(len(e)), units=units.astype(float),
        starts=(transition,), waves=1,
    )  # fmt: skip
    return build(panel.study, series)


def _with_season(
    panel: Panel, design: Design, at: np.ndarray, cells: tuple[np.ndarray, np.ndarray, np.ndarray]
) -> Design:
    """The seasonal columns of the units' own calendar months, averaged as the outcome is."""
    used, enough, map_ = cells
    window, options = panel.study.window, panel.study.protocol.model.its
    names = [c for c in design.X if c.startswith(("sin_", "cos_", "month_"))]
    if not names:
        return design
    monthly = options.season is not None and options.season.months
    pairs = max(int(c.partition("_")[2]) for c in names)
    calendar = columns.months(window) if monthly else columns.harmonics(window, pairs)
    X = design.X.copy()
    flat = []
    for name in calendar:
        averaged = map_ @ calendar[name].to_numpy()[at][used]
        if np.abs(averaged - averaged.mean()).max() <= FLAT:
            flat.append(name)
        X[name] = 0.0
        X.loc[enough, name] = averaged
    X = X.drop(columns=flat)
    rows = X.to_numpy()[design.series.used]
    if len(rows) <= rows.shape[1] + 1 or np.linalg.matrix_rank(rows / np.abs(rows).max(axis=0)) < rows.shape[1]:
        raise DesignError(
            "the event times cannot tell the averaged seasonal terms from the other terms",
            panel.study.slug,
            "use fewer `season` harmonics under `model.its`, or its_pooled",
        )
    return replace(design, X=X)
