"""The reported quantities of an interrupted time series: what each is, and its row with interval."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from evalkit import inference, periods
from evalkit.errors import DesignError
from evalkit.estimate import PATH
from evalkit.estimators._its.course import Course, Quantity
from evalkit.estimators._its.design import Design, title
from evalkit.study import Study

PER_CENT = "per cent"
CLEAR = 2.0  # standard errors by which the counterfactual must exceed zero for a relative effect
RATIO = {"log": "rate ratio", "logit": "odds ratio"}


@dataclass(frozen=True, eq=False)
class Asked:
    """A quantity to report: a figure and its gradient; `unit` blank for the estimate's own, a ratio otherwise."""

    name: str
    quantity: Quantity
    unit: str = ""
    logarithm: bool = False


def terms(
    study: Study, design: Design, course: Course, size: float, prefix: str = ""
) -> tuple[list[dict[str, Any]], list[str]]:
    """Rows of `Estimate.terms`, the headline first, and what could not be given.

    size    the size of the values that went in
    prefix  what the names of changes of level and slope begin with
    """
    asked, missing = _asked(study, design, course, prefix)
    values = np.stack([a.quantity[1] for a in asked])
    _, errors, dfs = course.fit.contrasts(values)
    level = study.protocol.level
    rows = []
    for one, error, df in zip(asked, errors, dfs, strict=True):
        figure = one.quantity[0]
        if one.logarithm:
            try:
                rows.append(inference.ratio(one.name, figure, float(error), float(df), level, unit=one.unit))
            except DesignError as refusal:
                missing.append(f"Not given: {refusal.faults[0].what}.")
        else:
            scale = size if not one.unit else 0.0
            row = inference.term(one.name, figure, float(error), float(df), level, scale=scale)
            rows.append({**row, "unit": one.unit})
    return rows, missing


def _asked(study: Study, design: Design, course: Course, prefix: str) -> tuple[list[Asked], list[str]]:
    series = design.series
    post = series.post & course.known
    mean = post / post.sum()
    out = _both(course, "average effect after joining", mean)
    out += _changes(study, design, course, prefix)
    horizons, missing = _horizons(study, design, course)
    out += horizons
    out += _averted(study, design, course)
    if len(out) and not any(a.unit == PER_CENT for a in out):
        missing.append("Relative effects are not given, because the counterfactual course is not clearly above zero.")
    return out, missing


def _both(course: Course, name: str, weights: np.ndarray) -> list[Asked]:
    """A mean effect in the unit of report and relative to the counterfactual."""
    out = [Asked(name, course.effect(weights))]
    relative = course.log_ratio(weights)
    if relative is not None and _above_zero(course, weights):
        out.append(Asked(f"{name}, relative", relative, PER_CENT, logarithm=True))
    return out


def _above_zero(course: Course, weights: np.ndarray) -> bool:
    """Whether the counterfactual is clear of zero, so that a ratio to it means something."""
    if course.fit.link != "identity":
        return True
    _, error, _ = course.fit.contrast(weights @ course.g_counterfactual)
    return bool(weights @ course.counterfactual > CLEAR * error)


def _changes(study: Study, design: Design, course: Course, prefix: str) -> list[Asked]:
    """The columns' own coefficients: changes of level and slope, of the collaborative and of other interventions."""
    link = course.fit.link
    if len(course.fit.beta) != design.X.shape[1]:  # a forecast has no columns
        return []
    out = []
    for column in (*design.effect, *design.others):
        name = prefix + (design.others.get(column) or _own_title(column, study))
        weights = design.weights(column)
        coefficient: Quantity = (float(weights @ course.fit.beta), weights)
        if link == "identity":
            out.append(Asked(name, coefficient))
            if column == "level_change":
                at = _at(design, column)
                out += [] if at is None else _both(course, name, at)[1:]
            continue
        change = absolute(design, course, column)
        out += [] if change is None else [Asked(name, change)]
        out.append(Asked(f"{name}, {RATIO[link]}", coefficient, RATIO[link], logarithm=True))
    return out


def _own_title(column: str, study: Study) -> str:
    base, _, wave = column.partition("_wave_")
    return title(base, study) + (f", wave {wave}" if wave else "")


def _at(design: Design, column: str) -> np.ndarray | None:
    """Weight one on the first analysed period in which a column is not zero."""
    found = np.flatnonzero(design.series.used & (design.X[column].to_numpy() != 0))
    if not len(found):
        return None
    weights = np.zeros(len(design.series.t))
    weights[found[0]] = 1.0
    return weights


def absolute(design: Design, course: Course, column: str) -> Quantity | None:
    """A change of level or slope in the unit of report, where the model is on another scale.

    A change of level is the effect at its first period; a change of slope the mean change of the
    effect a period, from the first analysed period in which the slope acts to the last.
    """
    if column == "level_change":
        at = _at(design, column)
        return None if at is None else course.effect(at)
    if column == "slope_change":
        slope = design.X[column].to_numpy()
        acting = np.flatnonzero(design.series.post & (slope > 0))
        first, last = acting[0], acting[-1]
        if first == last:
            return None
        weights = np.zeros(len(design.series.t))
        distance = design.series.t[last] - design.series.t[first]
        weights[last], weights[first] = 1 / distance, -1 / distance
        return course.effect(weights)
    return None


def _horizons(study: Study, design: Design, course: Course) -> tuple[list[Asked], list[str]]:
    """The effect at each declared distance from joining; one outside the analysed periods is named instead."""
    series, noun = design.series, study.frequency
    whose = "the last wave joined" if series.waves > 1 else "joining"
    joined = series.starts[-1] - study.protocol.transition.periods
    out, missing = [], []
    for horizon in study.protocol.horizons:
        name = f"effect {horizon} {periods.noun(noun, horizon)} after {whose}"
        here = series.post & course.known & (series.t == joined + horizon)
        if here.any() and not course.effect(here.astype(float))[1].any():
            missing.append(f"The {name} is nought under the declared impact and is not given.")
        elif here.any():
            out += _both(course, name, here.astype(float))
        else:
            missing.append(f"The {name} is not in an analysed period and is not given.")
    return out, missing


def _averted(study: Study, design: Design, course: Course) -> list[Asked]:
    """Events over all periods after the start: fewer than without the collaborative, or more."""
    series = design.series
    if series.outcome.kind == "continuous":
        return []
    options = study.protocol.model.its
    counted = series.post & course.known
    name = "additional events" if series.outcome.better == "higher" else "events averted"
    sign = 1.0 if series.outcome.better == "higher" else -1.0
    if options.averted_when_excluded and course.known.all():
        counted = (series.t >= series.t[series.post].min()) & np.isfinite(series.base)
        name += ", excluded periods included"
    events = np.where(counted, series.base, 0.0) / series.outcome.scale
    value, gradient = course.effect(events)
    return [Asked(name, (sign * value, sign * gradient), "events")]


def path(study: Study, design: Design, course: Course) -> pd.DataFrame:
    """One row a period: what was seen, both courses with the band of the counterfactual, and the effect."""
    series = design.series
    shown, post = series.used & course.known, series.post & course.known
    out: dict[str, Any] = {"period": series.window, "phase": series.phase, "observed": series.value}
    out |= {name: np.full(len(series.t), np.nan) for name in PATH[3:]}
    out["fitted"][shown] = course.fitted[shown]
    out["innovation"][series.used] = _innovations(course, series.used)
    g_effect = (course.g_fitted - course.g_counterfactual)[post]
    _, errors, dfs = course.fit.contrasts(np.concatenate([course.g_predictor[post], g_effect]))
    band, reach = np.split(stats.t.ppf(0.5 + study.protocol.level / 2, dfs) * errors, 2)
    effect = (course.fitted - course.counterfactual)[post]
    out["counterfactual"][post] = course.counterfactual[post]
    out["low"][post], out["high"][post] = (course.value(course.predictor[post] + side) for side in (-band, band))
    out["effect"][post], out["effect_low"][post], out["effect_high"][post] = effect, effect - reach, effect + reach
    return pd.DataFrame(out)[PATH]


def _innovations(course: Course, used: np.ndarray) -> np.ndarray:
    """Innovations in the analysed periods; a forecast has them before the start alone."""
    found = np.full(int(used.sum()), np.nan)
    found[: len(course.fit.innovations)] = course.fit.innovations
    return found
