"""Could another programme explain it?

The protocol declares other programmes (`programmes`), and the rollout says which units they reached and when. Of
each, the design itself says by how much more of the joined units it reached once they joined: a programme that did
not change with joining cannot explain the effect. Then the effect is estimated again three ways: without the
unit-periods that the programme reached, without the units that it ever reached, and adjusted for it (`_did.varying`),
which takes its effect to be the same everywhere; and adjusted for all programmes at once. The change has an error of
its own, from what each cluster contributes to both.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd
from scipy import special

from evalkit import numbers
from evalkit.checks._its import compared, labelled, not_applicable, not_compared, sentence, told
from evalkit.checks._moved import LARGE, Moved, moved
from evalkit.errors import DesignError
from evalkit.estimate import Check, Estimate, Refusal
from evalkit.estimators._did import front
from evalkit.estimators._did.brief import Brief, brief, can, joint
from evalkit.estimators._did.headline import DESIGNS, headline, ruled
from evalkit.estimators._did.layout import Layout, layout
from evalkit.estimators._did.linear import Linear
from evalkit.estimators._did.varying import adjusted
from evalkit.panel import Panel

NAME = "other_programmes"
QUESTION = "Could another programme explain it?"
MATTERS = 10.0  # percentage points of unit-periods reached
PERIODS, UNITS, COVARIATE = "Unit-periods reached left out", "Units ever reached left out", "As a covariate"
WAYS = 3  # of allowing for a programme; a change found by any one of them is judged for that
ALL = "All programmes"
COLUMNS = [
    "programme", "joined", "others", "with_joining", "with_low", "with_high", "how", "estimate", "low", "high",
    "change", "change_low", "change_high", "reason",
]  # fmt: skip


def check(panel: Panel, estimate: Estimate | Refusal) -> Check:
    """Concern when the answer changes once another programme is allowed for, or when it cannot be.

    Concern when, with any programme allowed for in any way, the estimate moves by more than chance explains (the
    interval of the change, which allows for shared data and for there being three ways, excludes zero) and by more
    than one standard error, or with its interval moving onto or off zero; or when a programme reached 10 percentage
    points more of the unit-periods with joining (interval beyond zero), and no way of allowing for it can be
    computed. Inconclusive when its interval moves onto or off zero otherwise, its sign turns, one way cannot be
    computed, or adjusting for a programme could move it by as much as there is; else reassuring. `value` is the
    largest change in standard errors, with its sign.
    Not applicable where no programme is declared or none reached a unit, and to a design that is no weighted sum of
    outcomes. `data`: programme; joined and others (per cent of the units that joined, and of those that never did,
    that it ever reached); with_joining, with_low, with_high (percentage points of unit-periods reached more with
    joining); how it was allowed for; estimate, low, high; change (in standard errors), change_low, change_high;
    reason (why not computed, else blank), and label, unit, level.
    """
    if not compared(estimate, DESIGNS):
        return not_compared(NAME, QUESTION, estimate)
    if not can(panel, estimate.design):
        reading = f"{estimate.title} as declared is no weighted sum of outcomes."
        return not_applicable(NAME, QUESTION, reading, estimate.design)
    declared = panel.study.protocol.programmes
    if not declared:
        reading = "The protocol declares none under `programmes`, so what else reached these units is unsaid."
        return not_applicable(NAME, QUESTION, reading, estimate.design)
    where = {p.label: panel.reached(p.label) for p in declared}
    where = {label: reached for label, reached in where.items() if reached.any()}
    if not where:
        return not_applicable(NAME, QUESTION, "No programme that is declared reached a unit.", estimate.design)
    data = labelled(_run(panel, estimate, where), estimate)
    found = data[data["reason"].eq("")]
    hidden = _hidden(data)
    if found.empty and not hidden:
        reading = f"No programme can be allowed for: {data['reason'].iloc[0]}."
        return not_applicable(NAME, QUESTION, reading, estimate.design)
    move = moved(found, estimate.headline) if len(found) else None
    verdict, why = _judged(estimate, move, hidden, data)
    value = move.value if move else None
    return Check(NAME, QUESTION, verdict, f"{_facts(estimate, data)} {why}", value, estimate.design, data)


@dataclass(frozen=True, eq=False)
class _Main:
    """The design as declared: its headline, its arrays, and what joining has not touched."""

    panel: Panel
    estimate: Estimate
    arrays: Layout
    untouched: np.ndarray
    linear: Linear
    own: Brief

    def adjusted(self, X: np.ndarray) -> Brief:
        """The headline adjusted for X, shape (p, n, T). Raises DesignError where X cannot be told apart."""
        found = adjusted(self.linear, self.arrays, self.untouched, X)
        psi = found.psi if len(found.psi) == len(self.own.clusters) else found.psi[self.own.clusters]
        error = float(np.sqrt(psi @ psi + self.own.lent @ self.own.lent))
        row = {"estimate": found.estimate, "std_error": error, **self.reach(found.estimate, error)}
        return Brief(row, psi, self.own.lent, self.own.clusters)

    def more(self, reached: np.ndarray) -> dict[str, float]:
        """What the design finds in a programme itself, in percentage points of unit-periods."""
        share = np.where(self.arrays.seen, 100.0 * reached, 0.0)
        psi, estimate = self.linear.by_cluster(share)[:, 0], float(self.linear.estimate(share)[0])
        return {"estimate": estimate, **self.reach(estimate, float(np.sqrt(psi @ psi)))}

    def reach(self, estimate: float, error: float, ways: int = 1) -> dict[str, float]:
        """The interval by Student's t on the degrees of freedom of the declared headline, one of so many."""
        tail = (1 - self.estimate.level) / 2 / ways
        reach = float(special.stdtrit(self.own.row["df"], 1 - tail)) * error
        return {"low": estimate - reach, "high": estimate + reach}


def _run(panel: Panel, estimate: Estimate, where: dict[str, np.ndarray]) -> pd.DataFrame:
    arrays, design = layout(panel), estimate.design
    untouched, _ = front.sample(arrays, getattr(panel.study.protocol.model, design).anticipation)
    linear = headline(design, arrays, ruled(panel, design, arrays))
    main = _Main(panel, estimate, arrays, untouched, linear, brief(panel, design, arrays))
    rows = [row for label, reached in where.items() for row in _of(main, label, reached)]
    if len(where) > 1:
        X = np.stack(list(where.values())).astype(float)
        rows.append((ALL, *[float("nan")] * 5, COVARIATE, *_attempt(main, lambda: main.adjusted(X))))
    return pd.DataFrame(rows, columns=COLUMNS)


def _of(main: _Main, label: str, reached: np.ndarray) -> list[tuple[object, ...]]:
    """The three ways of allowing for one programme."""
    panel, arrays, design = main.panel, main.arrays, main.estimate.design
    ever, joined = np.asarray(reached.any(axis=1)), ~np.isnan(arrays.g)
    shares = [float(100 * ever[who].mean()) if who.any() else float("nan") for who in (joined, ~joined)]
    more = main.more(reached)
    ways: dict[str, Callable[[], Brief]] = {
        PERIODS: lambda: brief(panel, design, arrays.only(~reached)),
        UNITS: lambda: brief(panel, design, arrays.part(~ever)),
        COVARIATE: lambda: main.adjusted(reached[None].astype(float)),
    }
    about = (label, *shares, more["estimate"], more["low"], more["high"])
    return [(*about, how, *_attempt(main, way)) for how, way in ways.items()]


def _attempt(main: _Main, way: Callable[[], Brief]) -> tuple[object, ...]:
    """Estimate, low, high, change in standard errors with its interval, and why it was refused, else blank."""
    try:
        found = way()
    except DesignError as refusal:
        return (*[float("nan")] * 6, sentence(refusal))
    change, error = joint(replace(found, lent=found.lent[:0]), replace(main.own, lent=main.own.lent[:0]))
    ends = main.reach(change, error, WAYS)
    size = float(main.estimate.headline["std_error"])
    row = found.row
    return row["estimate"], row["low"], row["high"], change / size, ends["low"] / size, ends["high"] / size, ""


def _hidden(data: pd.DataFrame) -> list[str]:
    """Programmes that came with joining and can be allowed for in no way."""
    alone = data[data["programme"].ne(ALL)]
    came = alone[(alone["with_joining"].abs() >= MATTERS) & ((alone["with_low"] > 0) | (alone["with_high"] < 0))]
    lost = came.groupby("programme", sort=False)["reason"].agg(lambda reasons: reasons.ne("").all())
    return [str(name) for name in lost.index[lost.to_numpy(bool)]]


def _judged(
    estimate: Estimate, move: Moved | None, hidden: list[str], data: pd.DataFrame
) -> tuple[Literal["reassuring", "inconclusive", "concern"], str]:
    if hidden:
        return "concern", f"{' and '.join(hidden)} came with joining, and the two cannot be told apart."
    assert move is not None  # noqa: S101 - something was computed, or there is a hidden programme
    real = data[(data["change_low"] > 0) | (data["change_high"] < 0)]
    changed = real[(real["change"].abs() > LARGE) | real.index.isin(move.border.index)]
    if len(changed):
        return "concern", f"Allowing for {_which(changed)} changes the answer."
    if len(move.border):
        return (
            "inconclusive",
            f"The interval ends so near to zero that allowing for {_which(move.border)} takes it across.",
        )
    if len(move.turned):
        return "inconclusive", f"Allowing for {_which(move.turned)} turns its sign."
    if data["reason"].ne("").any():
        return "inconclusive", "What could be allowed for does not change the answer."
    size = abs(float(estimate.headline["estimate"] / estimate.headline["std_error"]))
    asked = data[data["how"].eq(COVARIATE)]
    if (np.maximum(asked["change_high"], -asked["change_low"]) >= size).any():
        return "inconclusive", "They do not change it by more than chance, but could by as much as there is."
    return "reassuring", "None changes the answer by more than chance."


def _which(rows: pd.DataFrame) -> str:
    return " and ".join(dict.fromkeys(rows["programme"].astype(str)))


def _facts(estimate: Estimate, data: pd.DataFrame) -> str:
    said = [_said(label, part, estimate) for label, part in data.groupby("programme", sort=False)]
    return f"The estimate is {told(estimate)}. {' '.join(text for text in said if text)}"


def _said(label: str, part: pd.DataFrame, estimate: Estimate) -> str:
    """Whom a programme reached, and the estimate once it is allowed for."""
    places = numbers.decimals_for([float(estimate.headline["std_error"])])
    first, done, lost = part.iloc[0], part[part["reason"].eq("")], part[part["reason"].ne("")]
    out = []
    if label != ALL:
        out.append(
            f"{label} reached {_share(first['joined'])} of the units that joined and {_share(first['others'])} of "
            f"those that never did; with joining, {numbers.signed(first['with_joining'], 0)} percentage points of "
            f"unit-periods ({numbers.interval(first['with_low'], first['with_high'], 0)})."
        )
    named = [f"{row.how[0].lower()}{row.how[1:]} {numbers.signed(row.estimate, places)}" for row in done.itertuples()]
    if named:
        out.append(f"The estimate with {'all of them' if label == ALL else 'it'}: {'; '.join(named)}.")
        out += [f"{row.how}: not computed, {row.reason}." for row in lost.itertuples()]
    elif label != ALL:
        out.append("It can be allowed for in no way.")
    return " ".join(out)


def _share(value: float) -> str:
    return "none" if np.isnan(value) else f"{numbers.number(value, 0)}%"
