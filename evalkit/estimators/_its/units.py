"""Every joined unit as a series of its own, with its own start, design and gaps."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from evalkit import periods
from evalkit.errors import DesignError
from evalkit.estimators._common import horizon_name
from evalkit.estimators._its import engines
from evalkit.estimators._its.course import Course, Quantity, of_regression
from evalkit.estimators._its.days import exposure_days
from evalkit.estimators._its.design import SHORT, Design, build, title
from evalkit.estimators._its.fit import Fit
from evalkit.estimators._its.series import Series
from evalkit.estimators._its.shocks import Group
from evalkit.estimators._its.terms import absolute
from evalkit.inference import ROUNDING
from evalkit.panel import Panel
from evalkit.study import Study

AVERAGE = "average effect after joining"


@dataclass(frozen=True, eq=False)
class Unit:
    """One unit that can carry the model.

    name    of the unit
    cohort  the period in which it joined
    design  its columns and its series
    y       its analysed values on the scale of the model, shape (n,)
    link    of that scale
    """

    name: str
    cohort: pd.Period
    design: Design
    y: np.ndarray
    link: str

    def course(self, beta: np.ndarray) -> Course:
        """Its course at given coefficients, shape (k,); only values and gradients, no errors."""
        k = len(beta)
        fit = Fit(beta, np.zeros((k, k)), np.inf, np.empty(0), "", self.link)
        return of_regression(self.design, fit)


def unit_series(panel: Panel) -> dict[str, Series]:
    """The series of every joined unit, by name.

    Raises DesignError when no unit joined.
    """
    if panel.joined.empty:
        raise DesignError("no unit joined, so there is no start to look at", fix="give joining dates in the rollout")
    study, window = panel.study, panel.study.window
    t, days = study.time(window), exposure_days(window, study.protocol.model.its.exposure, panel.outcome)
    values = panel.wide().reindex(panel.joined).to_numpy(float) / days
    out = {}
    for name, value in zip(panel.joined, values, strict=True):
        cohort = panel.units.loc[name, "cohort"]
        phase = study.phases(pd.Series([cohort] * len(window)).astype(window.dtype), pd.Series(window))
        start = int(study.time(pd.PeriodIndex([cohort]))[0]) + study.protocol.transition.periods
        reported = np.isfinite(value).astype(float)
        ones = np.ones(len(t))
        waves = len(panel.cohorts)
        out[name] = Series(window, t, phase, value, value, ones, ones, reported, panel.outcome, (start,), waves)
    return out


def units(panel: Panel) -> tuple[list[Unit], dict[str, str]]:
    """The joined units that can carry the model, and the others with the reason.

    Raises DesignError when a value cannot be put on the declared scale, or none of the units can carry the model.
    """
    study, scale = panel.study, panel.study.protocol.model.its.scale
    kept: list[Unit] = []
    left: dict[str, str] = {}
    first: DesignError | None = None
    designs: dict[tuple[object, ...], Design | DesignError] = {}
    for name, series in unit_series(panel).items():
        cohort = panel.units.loc[name, "cohort"]
        key = (cohort, series.used.tobytes())
        if key not in designs:
            designs[key] = _design(study, series)
        found = designs[key]
        if isinstance(found, Design):
            y, link = _scaled(name, series, scale)
            if _varies(found.analysed, y):
                kept.append(Unit(name, cohort, replace(found, series=series), y, link))
                continue
            found = DesignError("the series does not vary around its fitted course", fix="check the outcome")
        left[name] = found.faults[0].what
        first = first or found
    if first is not None and not kept:
        raise first
    return kept, left


def _design(study: Study, series: Series) -> Design | DesignError:
    try:
        design = build(study, series)
    except DesignError as refusal:
        return refusal
    n = int(series.used.sum())
    if n < SHORT:
        noun = periods.noun(study.frequency, 2)
        return DesignError(
            f"{n} analysed {noun}; the autocorrelation of a unit's own series needs {SHORT}",
            study.slug,
            "widen `window`, or use the interrupted time series of the units taken together (its)",
        )
    return design


def _scaled(name: str, series: Series, scale: str) -> tuple[np.ndarray, str]:
    """The unit's values on the declared scale; one that has none refuses all, lest its unit be lost for it."""
    try:
        return engines.on_scale(series, scale)
    except DesignError as refusal:
        raise DesignError(refusal.faults[0].what, name, "use `scale: natural` under `model.its`") from None


def _varies(X: np.ndarray, y: np.ndarray) -> bool:
    basis, _ = np.linalg.qr(X)
    return bool(np.linalg.norm(y - basis @ (basis.T @ y)) > ROUNDING * np.linalg.norm(y))


def groups(kept: list[Unit]) -> list[Group]:
    """Units gathered by design, for vectorised passes; members are positions in `kept`."""
    gathered: dict[tuple[object, ...], list[int]] = {}
    for i, unit in enumerate(kept):
        gathered.setdefault((unit.cohort, unit.design.series.used.tobytes()), []).append(i)
    out = []
    for members in gathered.values():
        design = kept[members[0]].design
        Y = np.stack([kept[i].y for i in members])
        out.append(Group(np.array(members), design.analysed, Y, design.series.t[design.series.used]))
    return out


def quantities(study: Study, design: Design, course: Course) -> dict[str, Quantity]:
    """What is reported of one series, by name: a figure in the unit of report and its gradient, shape (k,).

    The average effect over the analysed periods after joining, the collaborative's own columns, and the
    effect at each declared horizon that is analysed.
    """
    series = design.series
    out = {AVERAGE: course.effect(series.post / series.post.sum())}
    for column in design.effect:
        weights = design.weights(column)
        found: Quantity | None = (float(weights @ course.fit.beta), weights)
        if course.fit.link != "identity":
            found = absolute(design, course, column)
        if found is not None:
            out[title(column, study)] = found
    joined = series.starts[-1] - study.protocol.transition.periods
    for horizon in study.protocol.horizons:
        here = series.post & (series.t == joined + horizon)
        if here.any():
            out[horizon_name(study, horizon)] = course.effect(here.astype(float))
    return out


def left_out(left: dict[str, str]) -> list[str]:
    """The units left out, counted and named with the reason, as a warning; none when all are kept."""
    if not left:
        return []
    named = "; ".join(f"{name} ({why})" for name, why in left.items())
    count = f"{len(left)} joined unit{'s' if len(left) != 1 else ''}"
    return [f"{count} cannot carry the model and {'are' if len(left) != 1 else 'is'} left out: {named}."]
