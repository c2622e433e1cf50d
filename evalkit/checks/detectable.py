"""How large an effect could this design have shown?

The minimal detectable effect is taken from the period before the start alone, never from the effect that
was found: power at the observed effect only says the P value again (Hoenig and Heisey 2001, Am Stat 55:19).
Level, trend and season before the start are fitted with AR(1) errors, in the unit of report. Series with that
autocorrelation and size of errors, and no effect, are then simulated over the real design's analysed
periods and put through the same engine, so that the uncertainty about the autocorrelation itself, the
bounded degrees of freedom and the guard against noise all count. An effect d shows, in its own
direction, when d + b > r, b being a simulated estimate and r the half-width of its interval; the effect
detectable with a given power is that quantile of r - b.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats

from evalkit import numbers
from evalkit.checks._its import before, excludes_zero, labelled, not_applicable, not_plain, plain, told
from evalkit.errors import DesignError
from evalkit.estimate import Check, Estimate, Refusal
from evalkit.estimators._its import ar1
from evalkit.estimators._its._rho import CLOSE, HIGHEST
from evalkit.estimators._its.design import Design
from evalkit.panel import Panel

NAME = "detectable"
QUESTION = "How large an effect could this design have shown?"
POWER = 0.8
POWERS = (0.05, *np.arange(0.1, 0.91, 0.1).round(1).tolist(), 0.95)
WIDER = 1.5  # the reported interval this many times as wide as the period before promised is worth a word
AVERAGE, LEVEL = "average effect after joining", "level change"
COLUMNS = ["term", "power", "effect", "reach"]
DRAWS, SEED = 800, 20261122

Noise = tuple[float, float]


def check(panel: Panel, estimate: Estimate | Refusal, worthwhile: float | None = None) -> Check:
    """Inconclusive when the interval holds zero and an effect that matters could have been missed.

    worthwhile  smallest effect worth having, in the unit of report, sign apart; by default the outcome's; without
                one the size of the
                reported effect is the yardstick: the design could then not reliably show effects of such a
                size, whatever the truth is

    It is inconclusive too when the interval holds zero and is more than 1.5 times as wide as the period
    before promised: the figure is then too hopeful.

    `value` is the minimal detectable average effect at 80% power. `data`: term (average effect, level
    change), power, effect (detectable at that power), reach (median half-width). Not applicable with fewer than 12
    analysed periods before the start.
    """
    if not plain(estimate):
        return not_plain(NAME, QUESTION, estimate)
    try:
        known = before(panel)
        noise = ar1.fit(known.X, known.y, known.t)
    except DesignError as refusal:
        return not_applicable(NAME, QUESTION, f"It cannot be asked: {refusal.faults[0].what}.", estimate.design)
    rho, sigma = noise.diagnostics["rho"], noise.diagnostics["sigma"]
    data = labelled(_table(known.design, (rho, sigma), estimate.level), estimate)
    at_power = data[data["power"].eq(POWER)].set_index("term")
    value = float(at_power.loc[AVERAGE, "effect"])
    facts = _facts(estimate, at_power, rho)
    if excludes_zero(estimate.headline):
        return Check(NAME, QUESTION, "reassuring", facts, value, estimate.design, data)
    worthwhile = panel.outcome.worthwhile if worthwhile is None else worthwhile
    yardstick = abs(float(estimate.headline["estimate"])) if worthwhile is None else abs(worthwhile)
    promised, got = _reach(estimate, at_power)
    what = "the size of the one reported" if worthwhile is None else "the size held to be worthwhile"
    if value > yardstick:
        reading = (
            f"{facts} The reported interval holds zero, {told(estimate)}, and an effect of {what} could well have "
            "been missed: no effect shown is not evidence of no effect."
        )
        return Check(NAME, QUESTION, "inconclusive", reading, value, estimate.design, data)
    if got > WIDER * promised:
        reading = f"{facts} So what it could show is less than that figure says; its interval holds zero."
        return Check(NAME, QUESTION, "inconclusive", reading, value, estimate.design, data)
    reading = f"{facts} The reported interval holds zero although an effect of {what} would most likely have shown."
    return Check(NAME, QUESTION, "reassuring", reading, value, estimate.design, data)


def _table(design: Design, noise: Noise, level: float) -> pd.DataFrame:
    """Detectable effects by power, columns `COLUMNS`."""
    after = design.series.post[design.series.used]
    X, t = design.analysed, design.series.t[design.series.used]
    effect = np.isin(design.X.columns, design.effect)
    contrasts = {AVERAGE: X[after].mean(axis=0) * effect}
    if "level_change" in design.effect:
        contrasts[LEVEL] = design.weights("level_change")
    many = simulated(X, t, noise)
    rows = []
    for name, weights in contrasts.items():
        value, error, df = many.contrast(weights)
        reach = stats.t.ppf(0.5 + level / 2, df) * error
        usual = float(np.median(reach))
        rows += [(name, power, max(float(np.quantile(reach - value, power)), 0.0), usual) for power in POWERS]
    return pd.DataFrame(rows, columns=COLUMNS)


def simulated(X: np.ndarray, t: np.ndarray, noise: Noise, draws: int = DRAWS) -> ar1.Many:
    """The engine on series without an effect; the same draws every time.

    X  the design, shape (n, k); t calendar positions, shape (n,); noise (rho, sigma of the errors)
    """
    rho, sigma = noise
    factor = np.linalg.cholesky(rho ** np.abs(np.subtract.outer(t, t)).astype(float))
    shocks = np.random.default_rng(SEED).standard_normal((draws, len(t)))
    return ar1.fit_many(X, sigma * shocks @ factor.T, t)


def _reach(estimate: Estimate, at_power: pd.DataFrame) -> tuple[float, float]:
    """Half the width of the average effect's interval: as the period before promised, and as reported."""
    head = estimate.headline
    return float(at_power.loc[AVERAGE, "reach"]), float(head["high"] - head["low"]) / 2


def _facts(estimate: Estimate, at_power: pd.DataFrame, rho: float) -> str:
    head = estimate.headline
    places = numbers.decimals_for([float(head["std_error"])])
    average = at_power.loc[AVERAGE]
    text = (
        f"Judged by the period before the start alone, this design shows an average effect of "
        f"{numbers.number(average['effect'], places)} {estimate.unit} or more about "
        f"{numbers.per_cent(POWER)} of the time"
    )
    if LEVEL in at_power.index:
        text += f", and a level change of {numbers.number(at_power.loc[LEVEL, 'effect'], places)}"
    text += "."
    promised, got = _reach(estimate, at_power)
    text += (
        f" Its interval would mostly reach {numbers.number(promised, places)} either side; the reported one reaches "
        f"{numbers.number(got, places)}."
    )
    if got > WIDER * promised:
        text += (
            " The whole series is less steady than the part before the start, its autocorrelation less certain, or "
            "the guard against noise widens its interval."
        )
    if rho >= HIGHEST - CLOSE:
        text += " Before the start the series is close to a random walk, so these figures are a rough guide only."
    return text
