"""Controlled interrupted time series: the joined units' course against that of a control.

Both series are put on one scale g and the difference d_t = g(y_joined,t) - g(y_control,t) is modelled as
a segmented regression with the columns and the engine of `its`:

    d_t = a + b t + season_t + L post_t + S since_t + u_t

This is the regression of both series with every term interacted with the group (full interaction):
a and b are the differences in level and trend before joining, L and S the differences in the changes
of level and slope; by least squares the coefficients are the same. What moves both series in the same
period cancels, however strongly it is correlated over time. What is left, u_t, is taken as AR(1); where
the series' own errors persist differently it is a sum of two autoregressions, for which the guard
against noise (`_its._noise`) is set more readily than in `its`. Each series' own change, given
beside the difference, is fitted with an autocorrelation of its own, so the two need not differ by
exactly the headline. g is the identity for a mean, the logit for a proportion and the logarithm for a
rate or count, or as `scale` says; on those scales L and S are ratios of the two series' changes, and effects are
turned back into the unit of report at the level that the control's course implies.

Assumes that without the collaborative the difference would have kept its level and trend, and that
joining did not move the control.

Sources: Lopez Bernal, Cummins and Gasparrini (2018), Int J Epidemiol 47:2082; Linden (2015), Stata Journal
15:480 (the interactions); Bottomley, Scott and Isham (2019), Epidemiologic Methods 8 (the difference).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from evalkit import inference, periods
from evalkit.errors import DesignError
from evalkit.estimate import Estimate
from evalkit.estimators._common import exposure, identity, size
from evalkit.estimators._its import engines
from evalkit.estimators._its._noise import COMPOSITE, USUAL
from evalkit.estimators._its.course import of_regression
from evalkit.estimators._its.design import Design, build
from evalkit.estimators._its.fit import Fit
from evalkit.estimators._its.series import Series, control_series, counts, joint_series
from evalkit.estimators._its.terms import PER_CENT, RATIO, path, terms
from evalkit.estimators.its import left_out
from evalkit.panel import Panel
from evalkit.panel import build as build_panel
from evalkit.study.options import LINEAR

TITLE = "Controlled interrupted time series"


def fit(panel: Panel) -> Estimate:
    """Change in the joined units' course relative to the control's.

    Raises DesignError when there is no control, or the two series cannot carry the model together.
    """
    study, options, level = panel.study, panel.study.protocol.model.its, panel.study.protocol.level
    _require_engine(panel)
    joined, control, whom = _pair(panel)
    scale = _scale(panel, joined, control)
    (y, link), (c, _) = engines.on_scale(joined, scale), engines.on_scale(control, scale, f"the control, {whom}")
    design = build(study, joined)
    fitted, *own = (
        replace(engines.gaussian(design, one, options, level, doubt), link=link)
        for one, doubt in ((y - c, COMPOSITE), (y, USUAL), (c, USUAL))
    )
    offset = np.full(len(joined.t), np.nan)
    offset[joined.used] = c
    course = of_regression(design, fitted, offset)
    rows, missing = terms(study, design, course, size(panel), prefix="difference in ")
    rows += _alone(panel, design, own)
    rows.append(_trend_before(panel, design, fitted))
    together = float(np.corrcoef(own[0].innovations, own[1].innovations)[0, 1])
    return Estimate(
        **identity(panel, "controlled_its", TITLE),  # type: ignore[arg-type]
        estimand="average effect on the joined units over the analysed periods after joining, given the control",
        assumption=f"Without the collaborative, the joined units would have kept their distance from {whom}, "
        "and its trend.",
        terms=pd.DataFrame(rows),
        counts=counts(panel, joined),
        method=_method(design, fitted, whom),
        path=path(study, design, course),
        exposure=exposure(panel, joined.t[joined.post]),
        diagnostics={**fitted.diagnostics, "between_correlation": together},
        warnings=tuple(dict.fromkeys((*missing, *design.notes, *fitted.warnings, *_warnings(joined)))),
    )


def _warnings(joined: Series) -> list[str]:
    return [left_out(joined)] if joined.left_out else []


def _require_engine(panel: Panel) -> None:
    errors = panel.study.protocol.model.its.errors
    if errors not in LINEAR:
        raise DesignError(
            f"`errors: {errors}` has no controlled form",
            panel.study.slug,
            f"use one of {', '.join(LINEAR)} under `model.its`",
        )


def _pair(panel: Panel) -> tuple[Series, Series, str]:
    """The joined series and its control in the periods that both have, and what the control is."""
    joined = joint_series(panel)
    control, whom = _control(panel, joined)
    for side, which in (("before", joined.used & ~joined.post), ("after", joined.post)):
        if which.any() and not np.isfinite(control.value[which]).any():
            raise DesignError(
                f"the control ({whom}) has no value in any analysed period {side} the start",
                panel.study.slug,
                "choose another control under `model.controlled_its`",
            )
    both = np.isfinite(joined.value) & np.isfinite(control.value)
    joined, control = (replace(one, value=np.where(both, one.value, np.nan)) for one in (joined, control))
    return joined, control, whom


def _control(panel: Panel, joined: Series) -> tuple[Series, str]:
    """The control series and what it is."""
    options = panel.study.protocol.model.controlled_its
    if options.outcome is not None:
        if options.outcome == panel.outcome.name:
            raise DesignError(f"{options.outcome} cannot be its own control", panel.study.slug, "name another")
        other = build_panel(panel.study, panel.study.outcome(options.outcome))
        return control_series(other, other.joined, joined), f"their own {other.outcome.title}"
    if options.units is not None:
        return control_series(panel, _named(panel, options.units), joined), "the named control units"
    if panel.never.empty:
        raise DesignError(
            "every unit joined, so there is no control series",
            panel.study.slug,
            "name `units` or an `outcome` under `model.controlled_its`, or use `its`",
        )
    return control_series(panel, panel.never, joined), "the units that never joined, taken together"


def _named(panel: Panel, names: tuple[str, ...]) -> pd.Index:
    """Control units by name. Raises DesignError for one that is not there or that joined."""
    units = pd.Index(names)
    for which, said in (
        (units.difference(panel.units.index), "not in the panel"),
        (units.intersection(panel.joined), "among those that joined"),
    ):
        if len(which):
            listed = ", ".join(which[:5])
            raise DesignError(
                f"control units under `model.controlled_its` are {said}: {listed}",
                panel.study.slug,
                "correct the list",
            )
    return units


def _scale(panel: Panel, joined: Series, control: Series) -> str:
    """The scale on which the difference is taken. Raises DesignError when the two have no common one."""
    options = panel.study.protocol.model.its
    kinds = {joined.outcome.kind, control.outcome.kind}
    chosen: str = options.scale
    if "scale" not in options.model_fields_set:
        scales = {engines.SCALES[engines.family(options, kind)] for kind in kinds}
        chosen = scales.pop() if len(scales) == 1 else "log"
    if chosen == "natural" and joined.outcome.unit != control.outcome.unit:
        raise DesignError(
            f"{joined.outcome.name} is in {joined.outcome.unit} and {control.outcome.name} in "
            f"{control.outcome.unit}: their difference means nothing",
            panel.study.slug,
            "use `scale: log` under `model.its`, which compares relative changes",
        )
    return chosen


def _alone(panel: Panel, design: Design, own: list[Fit]) -> list[dict[str, Any]]:
    """The level change of each series on its own: the answer without a control, and the control's."""
    rows = []
    for whose, one in zip(("joined units", "control"), own, strict=True):
        for column in [c for c in design.effect if c.startswith("level_change")]:
            value, error, df = one.contrast(design.weights(column))
            wave = column.removeprefix("level_change").replace("_wave_", ", wave ")
            name, level = f"level change of the {whose} alone{wave}", panel.study.protocol.level
            if one.link == "identity":
                rows.append(inference.term(name, value, error, df, level, scale=size(panel)))
            else:
                unit = RATIO[one.link]
                rows.append(inference.ratio(f"{name}, {unit}", value, error, df, level, unit=unit))
    return rows


def _trend_before(panel: Panel, design: Design, fitted: Fit) -> dict[str, Any]:
    """The difference in trend before joining: nought when the two ran in parallel."""
    value, error, df = fitted.contrast(design.weights("trend"))
    name, level = f"difference in trend before joining, per {panel.study.frequency}", panel.study.protocol.level
    if fitted.link == "identity":
        return inference.term(name, value, error, df, level, scale=size(panel))
    return inference.ratio(f"{name}, relative", value, error, df, level, unit=PER_CENT)


def _method(design: Design, fitted: Fit, whom: str) -> str:
    scale = {"identity": "", "log": " of their logarithms", "logit": " of their logits"}[fitted.link]
    noun = periods.noun(periods.frequency_of(design.series.window[0]), 2)
    return (
        f"Segmented regression of the difference{scale} between the joined units taken together and {whom}, "
        f"over {int(design.series.used.sum())} {noun}: {fitted.method}."
    )
