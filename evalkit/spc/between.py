"""Variation between units over a span of periods: which differ by more than chance, and how much."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from evalkit import numbers, periods
from evalkit.errors import DesignError
from evalkit.panel import Panel
from evalkit.spc import unit_limits as kernels
from evalkit.spc.rules import Better
from evalkit.spc.unit_limits import LEAST_UNITS, LEVELS, Dispersion, Family
from evalkit.study import Outcome, Study
from evalkit.study.outcome import CaseMix

Allowance = Literal["additive", "multiplicative", "none"]
Rule = tuple[float, Family, Allowance, Dispersion, float]  # centre, family, allowance, dispersion, scale
FAMILIES: dict[str, Family] = {"proportion": "binomial", "rate": "poisson"}
GRID = 120  # sizes at which limits are drawn
INSIDE, BEYOND, FAR = "within the limits", "beyond the 95% limits", "beyond the 99.8% limits"
LIMITS = ["low_95", "high_95", "low_998", "high_998"]


@dataclass(frozen=True, eq=False)
class Funnel:
    """Units over one span, everything in the outcome's unit.

    study, outcome, better  what it is of
    span     first and last period
    allowance, dispersion   how over-dispersion was allowed for, and how much there is
    family   `binomial`, `poisson`, or `normal` where standard errors were given
    centre   the figure of all units taken together
    frame    index unit: name, joined (whether it ever did), value, size, z (before any allowance), low, high (exact
             95 % interval), shrunk, shrunk_low, shrunk_high, LIMITS (at its own size), place (`INSIDE`, `BEYOND`,
             `FAR`), side (1 above the centre, -1 below)
    curve    size and LIMITS along the funnel, and the exact limits without allowance as exact_low_998 and so on
    left_out units without a figure in the span
    """

    study: Study
    outcome: Outcome
    better: Better
    span: tuple[pd.Period, pd.Period]
    allowance: Allowance
    dispersion: Dispersion
    family: Family
    centre: float
    frame: pd.DataFrame
    curve: pd.DataFrame
    left_out: tuple[str, ...]


def spans(panel: Panel) -> list[tuple[pd.Period, pd.Period]]:
    """The last year before the first wave, and the last year of the window; the first and the last year where nobody
    joined after the first period. A year is cut short where the window begins or ends inside it.
    """
    window, year = panel.study.window, periods.PER_YEAR[panel.study.frequency]
    at = int(panel.study.time(pd.PeriodIndex(panel.cohorts[:1]))[0]) if panel.cohorts else 0
    end = at if 0 < at < len(window) else min(year, len(window))
    return [(window[max(end - year, 0)], window[end - 1]), (window[max(len(window) - year, 0)], window[-1])]


def funnel(
    panel: Panel,
    span: tuple[pd.Period, pd.Period],
    allowance: Allowance = "additive",
    std_error: pd.Series | None = None,
) -> Funnel:
    """Each unit's counts over a span, excluded periods left out, against the figure of all units together.

    allowance  for over-dispersion: `additive` (random effects, as the SHMI), `multiplicative`, `none` (exact limits)
    std_error  by unit, of its mean over the span, for a continuous outcome

    Raises DesignError where units' chance variation is not known (continuous outcomes without standard errors, counts
    without a denominator), and with fewer than 5 units.
    """
    outcome = panel.outcome
    family = FAMILIES.get(outcome.kind, "normal")
    _refuse_unknown(panel, std_error)
    count, size, total = _summed(panel, span) if family != "normal" else _measured(panel, span, std_error)
    if len(count) < LEAST_UNITS:
        fix = "choose a span in which more reported"
        what = f"{numbers.of(len(count), 'unit')} with a figure in {_said(span)}, and a funnel needs {LEAST_UNITS}"
        raise DesignError(what, panel.study.slug, fix)
    figure = count if family == "normal" else count / size
    weight = 1 / size**2 if family == "normal" else size
    centre = float((weight * figure).sum() / weight.sum())
    z = kernels.scores(figure, size, centre, family)
    spread = kernels.dispersion(z, kernels.errors(size, family))
    scale = 1.0 if family == "normal" else outcome.scale
    rule = (centre, family, allowance, spread, scale)
    frame = _placed(pd.DataFrame({"count": count, "value": figure, "size": size, "z": z}, index=total.index), rule)
    units = panel.units.reindex(frame.index)
    frame.insert(0, "name", units["name"].replace("", np.nan).fillna(units.index.to_series()).astype(str))
    frame.insert(1, "joined", units["cohort"].notna())
    better: Better = "neither" if isinstance(outcome, CaseMix) else outcome.better
    missing, curve = tuple(map(str, panel.units.index.difference(frame.index))), _curve(size, rule)
    return Funnel(
        panel.study, outcome, better, span, allowance, spread, family, scale * centre, frame, curve, missing
    )


def _placed(units: pd.DataFrame, rule: Rule) -> pd.DataFrame:
    """The columns of `Funnel.frame` that follow from counts and sizes; units, columns count, value, size, z."""
    centre, family, _, spread, scale = rule
    count, figure, size = (units[c].to_numpy(float) for c in ("count", "value", "size"))
    frame = units.drop(columns="count").assign(value=scale * figure, **_limits(size, rule))
    frame["low"], frame["high"] = (scale * end for end in kernels.own_interval(count, size, family, LEVELS[0]))
    drawn = kernels.shrunk(figure, size, centre, family, spread.tau, LEVELS[0])
    frame["shrunk"], frame["shrunk_low"], frame["shrunk_high"] = (scale * part for part in drawn)
    far = (frame["value"] < frame["low_998"]) | (frame["value"] > frame["high_998"])
    beyond = (frame["value"] < frame["low_95"]) | (frame["value"] > frame["high_95"])
    frame["place"] = np.where(far, FAR, np.where(beyond, BEYOND, INSIDE))
    frame["side"] = np.sign(frame["value"] - scale * centre).astype(int)
    return frame


def _limits(size: np.ndarray, rule: Rule) -> dict[str, np.ndarray]:
    """Limits at both levels for units of these sizes, named as `LIMITS`."""
    centre, family, allowance, spread, scale = rule
    out = {}
    for level, name in zip(LEVELS, ("95", "998"), strict=True):
        if allowance == "none":
            low, high = kernels.exact(centre, size, family, level)
        else:
            additive = allowance == "additive"
            low, high = kernels.widened(centre, size, family, level, spread, additive=additive)
        out[f"low_{name}"], out[f"high_{name}"] = scale * low, scale * high
    return out


def _curve(size: np.ndarray, rule: Rule) -> pd.DataFrame:
    """Limits along sizes from below the smallest unit to above the largest."""
    along = np.geomspace(0.9 * size.min(), 1.05 * size.max(), GRID)
    along = along if rule[1] == "normal" else np.unique(np.maximum(np.round(along), 1))
    alone = _limits(along, (rule[0], rule[1], "none", rule[3], rule[4]))
    exact = {f"exact_{name}": limit for name, limit in alone.items()}
    return pd.DataFrame({"size": along, **_limits(along, rule), **exact})


def _rows(panel: Panel, span: tuple[pd.Period, pd.Period]) -> pd.DataFrame:
    """The rows of a span, excluded periods left out."""
    inside = panel.rows.index.get_level_values("period").isin(pd.period_range(*span))
    return panel.rows[inside & panel.rows["phase"].ne("excluded").to_numpy()]


def _summed(panel: Panel, span: tuple[pd.Period, pd.Period]) -> tuple[np.ndarray, np.ndarray, pd.DataFrame]:
    """Numerators and denominators of the units that have both, and a frame with their index."""
    parts = _rows(panel, span).dropna(subset=["numerator", "denominator"])[["numerator", "denominator"]]
    total = parts.groupby("unit", observed=True).sum()
    total = total[total["denominator"] > 0]
    return total["numerator"].to_numpy(float), total["denominator"].to_numpy(float), total


def _measured(
    panel: Panel, span: tuple[pd.Period, pd.Period], std_error: pd.Series | None
) -> tuple[np.ndarray, np.ndarray, pd.DataFrame]:
    """Means and standard errors of the units that have both."""
    mean = _rows(panel, span)["value"].groupby("unit", observed=True).mean()
    both = pd.DataFrame({"mean": mean, "error": std_error}).dropna()
    both = both[both["error"] > 0]
    both.index.name = "unit"
    return both["mean"].to_numpy(float), both["error"].to_numpy(float), both


def _refuse_unknown(panel: Panel, std_error: pd.Series | None) -> None:
    if panel.outcome.kind in FAMILIES or std_error is not None:
        return
    why = {
        "count": "it is a count without a denominator, so units of different size cannot be compared",
        "continuous": "it is a mean whose standard error is not in the data, so chance variation is not known",
    }[panel.outcome.kind]
    fix = "declare a rate or a proportion with its denominator, or give standard errors by unit"
    raise DesignError(f"no funnel for {panel.outcome.title}: {why}", panel.study.slug, fix)


def _said(span: tuple[pd.Period, pd.Period]) -> str:
    return f"{periods.say(span[0])} to {periods.say(span[1])}"
