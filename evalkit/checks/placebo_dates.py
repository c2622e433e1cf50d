"""Would the same analysis find an effect at dates when nothing had started?

Everything from the real first joining on is dropped. Every period before it then serves in turn as if it
were the first one after the start, as long as 8 analysed periods lie on either side; the same model is
fitted there. The windows overlap, so the results are not independent and no P value is made of them: what
is reported is the rank of the real effect among the placebo effects.

Compared are both the effects and the effects over their standard errors; the latter decide, because a
placebo window is shorter than the real one and its effects are less certain.

Source: Abadie, Diamond and Hainmueller (2010), J Am Stat Assoc 105:493 (ranks among placebos, there of units).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from evalkit import estimators, numbers, periods
from evalkit.checks import _changed
from evalkit.checks._its import excludes_zero, fitted, labelled, not_applicable, nothing
from evalkit.estimate import Check, Estimate, Refusal
from evalkit.estimators._its.design import SIDE
from evalkit.estimators._its.series import joint_series
from evalkit.panel import Panel

NAME = "placebo_dates"
QUESTION = "Would the same analysis find an effect at dates when nothing had started?"
FEWEST = 5  # placebo dates below this cannot place the real effect
LARGE_SHARE = 0.10  # of placebo dates that may be as large as the real effect
EXCESS, FAR = 2, 4  # times the nominal share of placebo intervals that exclude zero: a doubt, a concern
COLUMNS = ["date", "estimate", "std_error", "low", "high", "real"]


def check(panel: Panel, estimate: Estimate | Refusal) -> Check:
    """Concern when placebo dates show effects too.

    Concern when (a) two or more placebo intervals, and more than four times their nominal share (over 20% of
    95% intervals), exclude zero; or (b) the real interval excludes zero and yet more than 10% of placebo
    dates have an effect at least as large against its standard error. Neighbouring windows share most of
    their data, so that over twice the nominal share (10%) is seen in one clean series in five, over four
    times in one in twenty-five (60 months, start at the 40th): the former is inconclusive. So are fewer than 5
    placebo dates, and a real effect that does not stand out and whose interval holds zero. Not applicable
    with fewer than 16 analysed periods before the start. `value` is the share of placebo dates with an
    effect at least as large against its standard error. `data`: date (first period counted as after the
    start), estimate, std_error, low, high, real, and label, unit, level.
    """
    if isinstance(estimate, Refusal) or not fitted(estimate):
        return nothing(NAME, QUESTION, estimate)
    before = _before(panel)
    noun = periods.noun(panel.study.frequency, 2)
    if len(before) < 2 * SIDE:
        reading = f"Only {len(before)} {noun} before the start are analysed; {2 * SIDE} are needed to move it."
        return not_applicable(NAME, QUESTION, reading, estimate.design)
    data, why = _run(panel, estimate, before)
    placebos = data[~data["real"]]
    if placebos.empty:
        reading = f"At no date before the start could the analysis be repeated{why and f' ({why})'}."
        return not_applicable(NAME, QUESTION, reading, estimate.design)
    beaten = _as_large(data["estimate"] / data["std_error"], data["real"])
    clear = int(((placebos["low"] > 0) | (placebos["high"] < 0)).sum())
    facts = _facts(data, beaten, clear, why)
    value = beaten / len(placebos)
    if len(placebos) < FEWEST:
        reading = f"{facts} So few dates cannot place the real effect."
        return Check(NAME, QUESTION, "inconclusive", reading, value, estimate.design, data)
    return _judge(estimate, data, facts, (value, clear))


def _judge(estimate: Estimate, data: pd.DataFrame, facts: str, found: tuple[float, int]) -> Check:
    value, clear = found
    real = excludes_zero(estimate.headline)
    nominal = (1 - estimate.level) * (len(data) - 1)
    if clear > 1 and clear > FAR * nominal:
        reading = f"{facts} The model finds effects where there were none, so its intervals are not to be trusted."
        verdict = "concern"
    elif value > LARGE_SHARE and real:
        reading = f"{facts} Dates without any start give effects as large, so this one may be the model's doing."
        verdict = "concern"
    elif clear > 1 and clear > EXCESS * nominal:
        reading = f"{facts} That is more than one would expect, though overlapping windows can be so by chance."
        verdict = "inconclusive"
    elif value > LARGE_SHARE:
        reading = f"{facts} The real effect does not stand out, which agrees with its interval."
        verdict = "inconclusive"
    else:
        reading = f"{facts} The windows overlap, so this rank is no P value."
        verdict = "reassuring"
    return Check(NAME, QUESTION, verdict, reading, value, estimate.design, data)  # type: ignore[arg-type]


def _before(panel: Panel) -> pd.PeriodIndex:
    """The analysed periods before the start."""
    series = joint_series(panel)
    return series.window[series.used & ~series.post]


def _run(panel: Panel, estimate: Estimate, before: pd.PeriodIndex) -> tuple[pd.DataFrame, str]:
    """The placebo estimates and the real one, columns `COLUMNS`, and why some dates were refused."""
    kept = _changed.with_fixed_season(_changed.needed(panel, estimate.design))
    transition = panel.study.protocol.transition.periods
    position = periods.ordinals(before)
    rows: list[tuple[object, ...]] = []
    refusals: list[Refusal] = []
    for i in range(SIDE, len(before) - SIDE + 1):
        if int((position < position[i] - transition).sum()) < SIDE:
            continue
        found = estimators.headline(estimate.design, _changed.with_start(kept, before[i] - transition))
        if isinstance(found, Refusal):
            refusals.append(found)
        else:
            rows.append((before[i], *_figures(found), False))
    after = estimate.path.loc[estimate.path["phase"].eq("post") & estimate.path["fitted"].notna(), "period"]
    rows.append((after.iloc[0], *_figures(estimate.headline), True))
    why = f"{numbers.of(len(refusals), 'date')} refused: {refusals[0].reasons[0].rstrip('.')}" if refusals else ""
    return labelled(pd.DataFrame(rows, columns=COLUMNS), estimate), why


def _figures(head: pd.Series | dict[str, Any]) -> tuple[float, ...]:
    return tuple(float(head[name]) for name in ("estimate", "std_error", "low", "high"))


def _as_large(values: pd.Series, real: pd.Series) -> int:
    """How many placebo figures are at least as large as the real one, sign apart."""
    size = np.abs(values)
    return int((size[~real] >= float(size[real].iloc[0])).sum())


def _facts(data: pd.DataFrame, beaten: int, clear: int, why: str) -> str:
    many = len(data)
    raw = _as_large(data["estimate"], data["real"])
    text = (
        f"Against its standard error, the real effect ranks {beaten + 1} of {many} among itself and "
        f"{numbers.of(many - 1, 'placebo date')}; by its size alone {raw + 1} of {many}. "
        f"{clear} of the {many - 1} placebo intervals "
        f"{'excludes' if clear == 1 else 'exclude'} zero."
    )
    return f"{text} Left out, {why}." if why else text
