"""The same evaluation with something changed, as a Panel: how placebos and sensitivity runs are made.

Every function returns a new Panel, which then takes the same road as the main analysis; none changes
what it was given.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from evalkit.errors import DesignError
from evalkit.estimators._its.design import default_pairs
from evalkit.estimators._its.series import joint_series
from evalkit.panel import Panel
from evalkit.study import Study
from evalkit.study.options import BELONGS, ItsOptions, Season


def needed(panel: Panel, design: str) -> Panel:
    """What a design looks at: a plain interrupted time series needs the joined units alone, and is then faster."""
    if design != "its" or panel.never.empty:
        return panel
    return panel.with_rows(panel.rows[panel.rows["cohort"].notna()])


def with_options(panel: Panel, **options: Any) -> Panel:  # noqa: ANN401 - any option of `model.its`
    """With other options under `model.its`. Raises DesignError when they do not go together."""
    kept = panel.study.protocol.model.its
    fields = {name: getattr(kept, name) for name in kept.model_fields_set} | options
    for option, (home, value) in BELONGS.items():
        if fields.get(home) != value:
            fields.pop(option, None)  # it goes with a choice that is not made here
    try:
        chosen = ItsOptions(**fields)
    except ValueError as error:
        told = str(error).splitlines()[-2].strip().removeprefix("Value error, ").split(" [type=")[0]
        raise DesignError(f"these options do not go together: {told}") from None
    model = panel.study.protocol.model.model_copy(update={"its": chosen})
    return replace(panel, study=_with(panel.study, model=model))


def with_fixed_season(panel: Panel) -> Panel:
    """With the seasonal terms that the main analysis has, whatever the length of a shorter series.

    By default seasonal terms depend on how many years are analysed; a run on fewer periods would
    otherwise be another model.
    """
    if panel.study.protocol.model.its.season is not None:
        return panel
    return with_options(panel, season=Season(harmonics=default_pairs(panel.study, joint_series(panel))))


def with_window(panel: Panel, first: pd.Period, last: pd.Period) -> Panel:
    """Over another window inside the study's own: what lies outside is left out, both ends included."""
    if (first, last) == panel.study.protocol.window:
        return panel
    return _again(panel, _with(panel.study, window=(first, last)), panel.rows, panel.units)


def without_periods(panel: Panel, left_out: pd.PeriodIndex) -> Panel:
    """Without some periods, which become gaps: the calendar is not closed up."""
    return _holding(panel, panel.rows[~panel.rows.index.get_level_values("period").isin(left_out)])


def with_start(panel: Panel, start: pd.Period) -> Panel:
    """As if every joined unit had joined in period `start`, before the first one did.

    Rows from the real first joining on are left out, and the window ends before it. The declared
    transition follows the start as it follows the real one; a declared end of the intervention does not,
    and horizons are not asked for.
    """
    real = panel.cohorts[0]
    kept = with_fixed_season(panel)
    options = kept.study.protocol.model.its
    kept = with_options(kept, impact=options.impact.model_copy(update={"until": None}), waves="transition")
    study = _with(kept.study, window=(panel.study.window[0], real - 1), horizons=())
    moved = panel.units["cohort"].where(panel.units["cohort"].isna(), start)
    units = panel.units.assign(cohort=moved.astype(panel.units["cohort"].dtype))
    rows = panel.rows.assign(cohort=panel.rows["cohort"].where(panel.rows["cohort"].isna(), start))
    return _again(kept, study, rows.astype({"cohort": panel.rows["cohort"].dtype}), units)


def _with(study: Study, **changes: Any) -> Study:  # noqa: ANN401 - any field of a protocol
    return replace(study, protocol=study.protocol.model_copy(update=changes))


def _again(panel: Panel, study: Study, rows: pd.DataFrame, units: pd.DataFrame) -> Panel:
    """The panel under another study: rows inside its window, their phases and positions decided anew."""
    rows = rows[study.in_window(rows.index.get_level_values("period"))]
    when = pd.Series(rows.index.get_level_values("period"), index=rows.index)
    rows = rows.assign(phase=study.phases(rows["cohort"], when), t=study.time(when))
    missing = panel.missing
    if len(missing):
        missing = missing[study.in_window(missing["period"])]
    return _holding(replace(panel, study=study, units=units, missing=missing), rows)


def _holding(panel: Panel, rows: pd.DataFrame) -> Panel:
    """The panel with some of its rows; units that have none left are dropped."""
    if len(np.unique(rows.index.codes[0])) == len(panel.units):
        return replace(panel, rows=rows)
    return panel.with_rows(rows)
