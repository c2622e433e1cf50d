"""Does the answer depend on how the model was specified?

The reasonable choices are run side by side: every engine with the declared trend, season, window and handling of
declared events; then trend, season, window and events one at a time, and two at a time, with the declared engine.
None is chosen: the declared specification stays the answer, and the curve shows how much hangs on it. Specifications
that these data cannot carry are listed with the reason.

Source: Simonsohn, Simmons and Nelson (2020), Nature Human Behaviour 4:1208.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any

import pandas as pd

from evalkit import estimators, numbers, periods
from evalkit.checks import _changed
from evalkit.checks._curve import read
from evalkit.checks._its import fitted, labelled, nothing, sentence
from evalkit.errors import DesignError
from evalkit.estimate import Check, Estimate, Refusal
from evalkit.estimators._its.engines import BY_KIND, SCALES, family
from evalkit.panel import Panel
from evalkit.study.fields import Event
from evalkit.study.options import ItsOptions, Season

NAME = "specification_curve"
QUESTION = "Does the answer depend on how the model was specified?"
CHOICES = ["engine", "trend", "season", "window", "events"]
RESULTS = ["estimate", "low", "high", "main", "reason"]
ENGINES = {
    "ar1": "AR(1), REML",
    "ar2": "AR(2), REML",
    "arma11": "ARMA(1,1), REML",
    "prais_winsten": "Prais-Winsten",
    "newey_west": "Newey-West",
    "ols": "Least squares",
    "arima": "ARIMA",
    "structural": "Forecast from before",
    "robust": "Counts, robust errors",
    "model": "Counts, model errors",
}


@dataclass(frozen=True)
class Choice:
    """One way to make one decision: its label and what it changes."""

    label: str
    options: dict[str, Any] = field(default_factory=dict)
    cut: tuple[int, int] = (0, 0)  # periods taken off the window's start and end
    without: tuple[Event, ...] = ()  # events whose periods are left out


def check(panel: Panel, estimate: Estimate | Refusal) -> Check:
    """Concern when another reasonable specification gives another answer.

    Concern when (a) more than 2.5% of the other intervals, which is what chance gives, exclude zero on the other
    side; (b) the declared interval excludes zero and fewer than half of the others do so on its side; (c) it excludes
    zero and fewer than 10% of the others are as large, with their median half a standard error or more nearer to
    zero. Inconclusive when it excludes zero and under 80% share its sign, when under 80% agree with it on whether
    zero is excluded, or when fewer than 5 others could be computed. `value` is the share of the others with its
    sign. `data`: engine, trend, season, window, events (where declared), estimate, low, high, main, reason (why
    refused, else blank).
    """
    if isinstance(estimate, Refusal) or not fitted(estimate):
        return nothing(NAME, QUESTION, estimate)
    data = _run(panel, estimate)
    return read(NAME, QUESTION, estimate, data)


def _run(panel: Panel, estimate: Estimate) -> pd.DataFrame:
    """One row a specification, its choices and `RESULTS`, the declared one first."""
    rows = []
    kept = _changed.with_fixed_season(_changed.needed(panel, estimate.design))
    factors = _factors(kept)
    parts = cache(partial(_part, kept))
    for number, combined in enumerate(_combinations(factors)):
        labels = [choice.label for choice in combined]
        head = _attempt(parts, estimate.design, combined) if number else estimate.headline
        if isinstance(head, Refusal):
            rows.append((*labels, float("nan"), float("nan"), float("nan"), False, " ".join(head.reasons)))
        else:
            rows.append((*labels, head["estimate"], head["low"], head["high"], number == 0, ""))
    return labelled(pd.DataFrame(rows, columns=[*CHOICES[: len(factors)], *RESULTS]), estimate)


def _attempt(
    parts: Callable[[tuple[int, int], tuple[Event, ...]], Panel], design: str, combined: tuple[Choice, ...]
) -> dict[str, Any] | Refusal:
    """The headline under the combined choices; `parts` as `_part` of the panel."""
    options: dict[str, Any] = {}
    for choice in combined:
        options |= choice.options
    cut = (sum(choice.cut[0] for choice in combined), sum(choice.cut[1] for choice in combined))
    part = parts(cut, tuple(event for choice in combined for event in choice.without))
    try:
        changed = _changed.with_options(part, **options)
    except DesignError as refusal:
        study, outcome = part.study.slug, part.outcome.name
        return Refusal(study, outcome, design, estimators.title(design), (f"{sentence(refusal)}.",))
    return estimators.headline(design, changed)


def _part(panel: Panel, cut: tuple[int, int], without: tuple[Event, ...]) -> Panel:
    """The panel over a window shorter by so many periods at either end, and without the events' periods."""
    window = panel.study.window
    found = _changed.with_window(panel, window[0] + cut[0], window[-1] - cut[1])
    for event in without:
        found = _changed.without_periods(found, pd.period_range(event.first, event.last))
    return found


def _combinations(factors: list[list[Choice]]) -> list[tuple[Choice, ...]]:
    """The declared choices, each alternative alone, and pairs of alternatives of all but the engine."""
    declared = tuple(choices[0] for choices in factors)

    def changed(*moves: tuple[int, Choice]) -> tuple[Choice, ...]:
        out = list(declared)
        for place, choice in moves:
            out[place] = choice
        return tuple(out)

    out = [declared]
    out += [changed((i, choice)) for i, choices in enumerate(factors) for choice in choices[1:]]
    pairs = [(i, j) for i in range(1, len(factors)) for j in range(i + 1, len(factors))]
    out += [changed((i, a), (j, b)) for i, j in pairs for a in factors[i][1:] for b in factors[j][1:]]
    return out


def _factors(panel: Panel) -> list[list[Choice]]:
    """The choices of engine, trend, season, window and handling of events, the declared one first.

    panel  with its season fixed
    """
    options = panel.study.protocol.model.its
    year = periods.PER_YEAR[panel.study.frequency]
    trends = [options.trend, *(t for t in ("linear", "quadratic", "spline", "damped") if t != options.trend)]
    windows = [
        Choice("Whole window"),
        Choice("Without the first year", cut=(year, 0)),
        Choice("Without the last half year", cut=(0, year // 2)),
    ]
    events = panel.study.protocol.events
    return [
        _engines(options, panel.outcome.kind),
        [Choice(t.capitalize(), {"trend": t} if i else {}) for i, t in enumerate(trends)],
        _seasons(panel, year),
        windows,
        *([_events(options, events)] if events else []),
    ]


def _events(options: ItsOptions, events: tuple[Event, ...]) -> list[Choice]:
    """Declared events: their periods as any other, with a column each, or left out; the declared way first."""
    ways = [
        Choice("As other periods", {"adjust_for_events": False}),
        Choice("A column each", {"adjust_for_events": True}),
    ]
    if options.adjust_for_events:
        ways.reverse()
    return [Choice(ways[0].label), ways[1], Choice("Left out", {"adjust_for_events": False}, without=events)]


def _seasons(panel: Panel, year: int) -> list[Choice]:
    noun = panel.study.frequency
    declared = panel.study.protocol.model.its.season or Season()
    choices = {
        "No season": Season(harmonics=0),
        "2 harmonics": Season(harmonics=min(2, year // 2)),
        f"{noun.capitalize()} effects": Season(months=True),
    }
    same = [label for label, season in choices.items() if _alike(season, declared)]
    label = same[0] if same else numbers.of(declared.harmonics, "harmonic")
    return [Choice(label), *(Choice(k, {"season": v}) for k, v in choices.items() if k != label)]


def _alike(one: Season, other: Season) -> bool:
    return one.months == other.months and (one.months or one.harmonics == other.harmonics)


def _engines(options: ItsOptions, kind: str) -> list[Choice]:
    """The declared engine; for counts and shares the gaussian ones on the scale of their link, and robust errors."""
    chosen = family(options, kind)
    counted = chosen != "gaussian"
    scale = SCALES[BY_KIND[kind]] if counted else options.scale
    declared = f"Counts, {ENGINES['ar1']}" if counted and options.errors == "ar1" else ENGINES[options.errors]
    on = f" on the {scale} scale" if scale != "natural" else ""
    if not counted:
        declared += on
    out = [Choice(declared)]
    for errors in ("ar1", "ar2", "arma11", "prais_winsten", "newey_west", "ols", "arima", "structural"):
        if counted or errors != options.errors:
            kept = options.lags if errors == "newey_west" else None
            out.append(
                Choice(ENGINES[errors] + on, {"errors": errors, "family": "gaussian", "scale": scale, "lags": kept})
            )
    if counted:
        out.append(Choice(ENGINES["ar1"], {"errors": "ar1", "family": "gaussian", "scale": "natural", "lags": None}))
    if kind != "continuous" and options.errors != "robust":
        out.append(
            Choice(ENGINES["robust"], {"errors": "robust", "family": "auto", "scale": "natural", "lags": None})
        )
    if kind != "continuous" and not counted:
        out.append(
            Choice(f"Counts, {ENGINES['ar1']}", {"errors": "ar1", "family": "auto", "scale": "natural", "lags": None})
        )
    return out
