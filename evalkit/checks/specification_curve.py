"""Does the answer depend on how the model was specified?

The reasonable choices are run side by side: every engine with the declared trend, season and window; then
trend, season and window one at a time, and two at a time, with the declared engine. None is chosen: the
declared specification stays the answer, and the curve shows how much hangs on it. Specifications that
these data cannot carry are listed with the reason.

Source: Simonsohn, Simmons and Nelson (2020), Nature Human Behaviour 4:1208.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from evalkit import estimators, numbers, periods
from evalkit.checks import _changed
from evalkit.checks._its import excludes_zero, fitted, labelled, nothing, sentence, told
from evalkit.errors import DesignError
from evalkit.estimate import Check, Estimate, Refusal
from evalkit.estimators._its.engines import BY_KIND, SCALES, family
from evalkit.panel import Panel
from evalkit.study.options import ItsOptions, Season

NAME = "specification_curve"
QUESTION = "Does the answer depend on how the model was specified?"
CHOICES = ["engine", "trend", "season", "window"]
COLUMNS = [*CHOICES, "estimate", "low", "high", "main", "reason"]
NAMED = 3
FEWEST = 5  # specifications below this are no curve
MOST = 0.8  # of specifications that must agree for the answer not to depend on them
EDGE_SHARE, EDGE_GAP = 0.1, 0.5  # fewer than this as large, and the median this many standard errors less
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


def check(panel: Panel, estimate: Estimate | Refusal) -> Check:
    """Concern when another reasonable specification gives another answer.

    Concern when (a) any interval excludes zero on the other side; (b) the declared interval excludes zero
    and fewer than half of the others do so on its side; (c) it excludes zero and fewer than 10% of the
    others are as large, with their median half a standard error or more nearer to zero. Inconclusive when
    under 80% share its sign, when under 80% agree with it on whether zero is excluded, or when fewer than
    5 others could be computed. `value` is the share of the others with its sign. `data`: engine, trend, season,
    window, estimate, low, high, main, reason (why refused, else blank).
    """
    if isinstance(estimate, Refusal) or not fitted(estimate):
        return nothing(NAME, QUESTION, estimate)
    data = _run(panel, estimate)
    others = data[~data["main"] & data["reason"].eq("")]
    refused = int(data["reason"].ne("").sum())
    side = 1.0 if estimate.headline["estimate"] > 0 else -1.0
    same = float((side * others["estimate"] > 0).mean()) if len(others) else 0.0
    low, high = (others["low"], others["high"]) if side > 0 else (-others["high"], -others["low"])
    clear, against = int((low > 0).sum()), int((high < 0).sum())
    facts = _facts(estimate, others, (same, clear, against), refused)
    if against:
        facts += f" On the other side: {_named(others[high < 0])}."
    verdict, why = _judge(estimate, side * others["estimate"], same, (clear, against))
    return Check(NAME, QUESTION, verdict, f"{facts} {why}", same, estimate.design, data)  # type: ignore[arg-type]


def _judge(estimate: Estimate, signed: pd.Series, same: float, found: tuple[int, int]) -> tuple[str, str]:
    """Verdict and its reason; `signed` are the others' estimates, positive on the side of the declared one."""
    clear, against = found
    head, many = estimate.headline, len(signed)
    real = excludes_zero(head)
    main = abs(float(head["estimate"]))
    edge = real and float((signed >= main).mean()) < EDGE_SHARE
    edge = edge and float(signed.median()) < main - EDGE_GAP * float(head["std_error"])
    if many < FEWEST:
        return "inconclusive", "Too few specifications could be computed to compare."
    if against:
        return "concern", "A reasonable specification gives the opposite answer."
    if real and clear < many / 2:
        return "concern", "Most other specifications do not show it: the answer rests on the one declared."
    if edge:
        return "concern", "The declared specification is among the largest: others would have shown less."
    agreeing = clear if real else many - clear
    if same < MOST and real:
        return "inconclusive", "Its direction depends on the specification."
    if agreeing < MOST * many:
        return "inconclusive", "Whether zero is excluded depends on the specification."
    return "reassuring", "The answer does not hang on the specification."


def _facts(estimate: Estimate, others: pd.DataFrame, found: tuple[float, int, int], refused: int) -> str:
    same, clear, against = found
    text = f"Declared: {told(estimate)}. "
    if len(others):
        places = numbers.decimals_for([float(estimate.headline["std_error"])])
        span = numbers.interval(others["estimate"].min(), others["estimate"].max(), places)
        side = "positive" if estimate.headline["estimate"] > 0 else "negative"
        text += (
            f"{numbers.of(len(others), 'other specification')} gave {span}; {numbers.number(100 * same, 0)}% were "
            f"{side} as it is, {clear} of {len(others)} intervals exclude zero on that side and {against} on "
            "the other."
        )
    if refused:
        text += f" {numbers.of(refused, 'specification')} could not be computed."
    return text


def _named(others: pd.DataFrame) -> str:
    """Specifications by what sets each apart from most: their choices, up to three of them."""
    names = [
        ", ".join(str(row[c]).lower() if c != "engine" else str(row[c]) for c in CHOICES)
        for _, row in others.iterrows()
    ]
    more = f"; and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return "; ".join(names[:NAMED]) + more


def _run(panel: Panel, estimate: Estimate) -> pd.DataFrame:
    """One row a specification, columns `COLUMNS`, the declared one first."""
    rows = []
    kept = _changed.needed(panel, estimate.design)
    for number, combined in enumerate(_combinations(_factors(kept))):
        labels = [choice.label for choice in combined]
        found = estimate if number == 0 else _attempt(kept, estimate.design, combined)
        if isinstance(found, Refusal):
            rows.append((*labels, float("nan"), float("nan"), float("nan"), False, " ".join(found.reasons)))
        else:
            head = found.headline
            rows.append((*labels, head["estimate"], head["low"], head["high"], number == 0, ""))
    return labelled(pd.DataFrame(rows, columns=COLUMNS), estimate)


def _attempt(panel: Panel, design: str, combined: tuple[Choice, ...]) -> Estimate | Refusal:
    options: dict[str, Any] = {}
    first, last = panel.study.window[0], panel.study.window[-1]
    for choice in combined:
        options |= choice.options
        first, last = first + choice.cut[0], last - choice.cut[1]
    try:
        changed = _changed.with_options(_changed.with_fixed_season(panel), **options)
    except DesignError as refusal:
        study, outcome = panel.study.slug, panel.outcome.name
        return Refusal(study, outcome, design, estimators.title(design), (f"{sentence(refusal)}.",))
    return estimators.attempt(design, _changed.with_window(changed, first, last))


def _combinations(factors: list[list[Choice]]) -> list[tuple[Choice, ...]]:
    """The declared choices, each alternative alone, and pairs of alternatives of trend, season and window."""
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
    """The choices of engine, trend, season and window, the declared one first."""
    options = panel.study.protocol.model.its
    year = periods.PER_YEAR[panel.study.frequency]
    trends = [options.trend, *(t for t in ("linear", "quadratic", "spline", "damped") if t != options.trend)]
    windows = [
        Choice("Whole window"),
        Choice("Without the first year", cut=(year, 0)),
        Choice("Without the last half year", cut=(0, year // 2)),
    ]
    return [
        _engines(options, panel.outcome.kind),
        [Choice(t.capitalize(), {"trend": t} if i else {}) for i, t in enumerate(trends)],
        _seasons(panel, year),
        windows,
    ]


def _seasons(panel: Panel, year: int) -> list[Choice]:
    fixed = _changed.with_fixed_season(panel).study.protocol.model.its.season
    noun = panel.study.frequency
    declared = fixed or Season()
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
