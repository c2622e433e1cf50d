"""Interrupted time series by segmented regression.

    link(E y_t) = a + trend(t) + season_t + L post_t + S since_t + u_t

y_t is the outcome of all joined units taken together (sum of numerators over sum of denominators); t is
calendar time in periods; post_t is 1 from the first analysed period after joining; since_t counts
periods from there (0 in that period). L is the level change in that period, S the change in slope per
period; other declared impacts have other columns (`evalkit.columns.impact`). While waves are joining,
and in declared transitions and exclusions, a period is neither before nor after; it is left out, and the
calendar keeps its gap.

By default the errors u_t are AR(1) over calendar time, fitted by restricted maximum likelihood, with
bounded Kenward-Roger inference; counts and proportions are modelled on the log and logit scale with
overdispersed AR(1) Pearson errors, and effects are turned back into the unit of report. The
protocol chooses other engines under `model.its`.

Assumes that without the intervention level, trend and season would have carried on.

Sources: Lopez Bernal, Cummins and Gasparrini (2017), Int J Epidemiol 46:348; Turner et al. (2021), BMC Med
Res Methodol 21:181; Kenward and Roger (1997), Biometrics 53:983.
"""

from __future__ import annotations

import pandas as pd

from evalkit import numbers
from evalkit.estimate import Estimate
from evalkit.estimators._common import exposure, identity, size
from evalkit.estimators._its import engines
from evalkit.estimators._its.brief import headline
from evalkit.estimators._its.course import Course
from evalkit.estimators._its.design import Design, build
from evalkit.estimators._its.series import Series, counts, joint_series
from evalkit.estimators._its.terms import path, terms
from evalkit.panel import Panel

__all__ = ["NAMED", "TITLE", "fit", "headline", "left_out", "method"]

TITLE = "Interrupted time series"
NAMED = 8  # units named one by one


def fit(panel: Panel) -> Estimate:
    """Change in the joined units' own course. Raises DesignError when it cannot be identified."""
    study = panel.study
    design = build(study, joint_series(panel))
    course = engines.run(design, study.protocol.model.its, study.protocol.level)
    rows, missing = terms(study, design, course, size(panel))
    series = design.series
    return Estimate(
        **identity(panel, "its", TITLE),  # type: ignore[arg-type]
        estimand="average effect on the joined units over the analysed periods after joining",
        assumption="Without the collaborative, the joined units' level, trend and season would have carried on.",
        terms=pd.DataFrame(rows),
        counts=counts(panel, series),
        method=method(design, course, "the joined units taken together"),
        path=path(study, design, course),
        exposure=exposure(panel, series.t[series.post]),
        diagnostics=dict(course.fit.diagnostics),
        warnings=tuple(dict.fromkeys((*missing, *design.notes, *course.fit.warnings, *_warnings(panel, design)))),
    )


def left_out(series: Series) -> str:
    """Which joined units are not part of the series, and why, one sentence."""
    said, names = ", ".join(series.left_out[:NAMED]), len(series.left_out)
    more = f" and {names - NAMED} more" if names > NAMED else ""
    return (
        f"{numbers.of(names, 'joined unit')} left out, not having reported in half of the periods on both sides of "
        f"the start: {said}{more}."
    )


def method(design: Design, course: Course, whole: str) -> str:
    """How a segmented regression was fitted, one sentence."""
    fit = course.fit
    seasonal = sum(c.startswith(("sin", "cos", "month")) for c in design.X)
    season = f"with {seasonal} seasonal terms" if seasonal else "without seasonal terms"
    scale = {"identity": "", "log": " on the log scale", "logit": " on the logit scale"}[fit.link]
    return f"Segmented regression of {whole}{scale}, {season}: {fit.method}."


def _warnings(panel: Panel, design: Design) -> list[str]:
    out = []
    series = design.series
    short = int((series.units < len(panel.joined) - len(series.left_out)).sum())
    if series.left_out:
        out.append(left_out(series))
    if short:
        out.append(
            f"In {short} of {len(series.units)} periods not every joined unit reported; where units differ in level, "
            "a change in who reports can look like an effect."
        )
    if series.outcome.kind == "count" and series.units.max(initial=0) > 1:
        out.append("Counts are means per joined unit; events averted or added are those of all of them.")
    if panel.staggered and panel.study.protocol.model.its.waves == "transition":
        out.append("Units joined in waves: periods between the first wave and the last count as neither.")
    return out
