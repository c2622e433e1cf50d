"""The frames of an Estimate, filled from a fitted synthetic design."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from evalkit import inference, periods
from evalkit.errors import DesignError
from evalkit.estimate import EVENTS, GROUPS, PATH, PLACEBOS, WEIGHTS, framed
from evalkit.estimators._common import size
from evalkit.estimators._synthetic.method import Answer
from evalkit.panel import Panel

LISTED = 1e-6  # weights nearer to nought are not listed
NAMED = 3  # units that a placebo is named by; beyond that it is numbered


def row(panel: Panel, answer: Answer, at: int, name: str) -> dict[str, Any]:
    """One quantity with its interval. Raises DesignError when its error is no more than rounding."""
    sure = answer.sure
    return inference.term(
        name,
        float(answer.figures[at]),
        float(sure.error[at]),
        float(sure.df[at]),
        panel.study.protocol.level,
        scale=size(panel),
    )


def events(panel: Panel, answer: Answer) -> tuple[pd.DataFrame, np.ndarray]:
    """Effects by periods since joining, and their covariance.

    Those before joining are what the weights could not match. One that is matched to rounding has no
    error to give and is left out; after joining such a one is refused.
    """
    rows, kept = [], []
    wanted = answer.asked
    for at, time, phase, units in zip(wanted.events, wanted.times, wanted.phases, wanted.units, strict=True):
        try:
            found = row(panel, answer, int(at), f"effect at {time}")
        except DesignError:
            if phase != "pre":
                raise
            continue
        rows.append({**found, "event_time": int(time), "phase": phase, "units": int(units)})
        kept.append(at)
    return framed(rows, EVENTS), answer.sure.covariance[np.ix_(kept, kept)]


def groups(panel: Panel, answer: Answer) -> pd.DataFrame:
    """The average effect of every wave, where there are several."""
    window, first = panel.study.window, len(answer.asked.terms)
    sizes = {b.cohort: len(b.joined) for b in answer.blocks.found}
    rows = [
        {
            **row(panel, answer, first + i, f"effect on the wave of {periods.say(window[c])}"),
            "kind": "cohort",
            "group": periods.code(window[c]),
            "units": sizes[c],
        }
        for i, c in enumerate(answer.asked.waves)
    ]
    return framed(rows, GROUPS)


def path(panel: Panel, answer: Answer) -> pd.DataFrame:
    """One row a period: the joined units' mean, the synthetic course, and the effect with its interval.

    The mean is over all joined units that are analysed, in every period the same ones. `fitted` is the
    synthetic course while nobody had joined, `counterfactual` once every wave is past its transition;
    while the rollout is under way neither is given.
    """
    window, wanted, sure = panel.study.window, answer.asked, answer.sure
    phase = _phases(panel, answer)
    out: dict[str, Any] = {"period": window, "phase": phase}
    out |= {name: np.full(len(window), np.nan) for name in PATH[2:]}
    out["observed"] = answer.fitted.Y[answer.blocks.joined].mean(axis=0)
    value = np.full(len(window), np.nan)
    reach = np.full(len(window), np.nan)
    value[wanted.columns] = answer.figures[wanted.path]
    df = sure.df[wanted.path]
    reach[wanted.columns] = stats.t.ppf(0.5 + panel.study.protocol.level / 2, df) * sure.error[wanted.path]
    synthetic = out["observed"] - value
    pre, post = phase == "pre", phase == "post"
    out["fitted"][pre] = synthetic[pre]
    for name, figure in (
        ("counterfactual", synthetic),
        ("low", synthetic - reach),
        ("high", synthetic + reach),
        ("effect", value),
        ("effect_low", value - reach),
        ("effect_high", value + reach),
    ):
        out[name][post] = figure[post]
    return pd.DataFrame(out)[PATH]


def _phases(panel: Panel, answer: Answer) -> np.ndarray:
    """The phase of all waves together: before or after where it is that of every one of them, else transition."""
    window = panel.study.window
    cohorts = pd.PeriodIndex([window[c] for c in dict.fromkeys(b.cohort for b in answer.blocks.found)])
    each = [panel.study.phases(pd.Series([c] * len(window), dtype=cohorts.dtype), pd.Series(window)) for c in cohorts]
    stacked = np.stack(each)
    same = (stacked == stacked[0]).all(axis=0)
    return np.where(same, stacked[0], "transition").astype(object)


def weights(panel: Panel, answer: Answer) -> pd.DataFrame:
    """Weights of units, and of periods where they are estimated, by wave; a wave's blocks averaged by share."""
    window, names = panel.study.window, panel.units.index
    totals: dict[tuple[str, int, int], float] = {}
    for block, one in zip(answer.blocks.found, answer.fitted.run.weights, strict=True):
        for unit, value in zip(block.donors, one.unit, strict=True):
            key = ("unit", block.cohort, int(unit))
            totals[key] = totals.get(key, 0.0) + block.share * float(value)
        if np.ptp(one.period) > 0:
            for column, value in zip(block.before, one.period, strict=True):
                key = ("period", block.cohort, int(column))
                totals[key] = totals.get(key, 0.0) + block.share * float(value)
    rows = [
        {
            "kind": kind,
            "cohort": window[cohort],
            "name": str(names[at]) if kind == "unit" else periods.code(window[at]),
            "weight": value,
        }
        for (kind, cohort, at), value in totals.items()
        if abs(value) > LISTED
    ]
    frame = framed(rows, WEIGHTS)
    frame["order"] = frame["kind"].map({"unit": 0, "period": 1})
    frame["size"] = np.where(frame["kind"].eq("unit"), -frame["weight"].round(9), 0.0)
    frame = frame.sort_values(["cohort", "order", "size", "name"], kind="stable")
    return frame[WEIGHTS].reset_index(drop=True)


def placebos(panel: Panel, answer: Answer) -> pd.DataFrame:
    """The average effect found where nobody joined, one row a placebo."""
    found, names = answer.sure.placebos, panel.units.index
    if found is None:
        return framed([], PLACEBOS)
    rows = []
    for i, (who, value, fit) in enumerate(zip(found.who, found.figures[:, 0], found.fit, strict=True), 1):
        name = " + ".join(str(names[u]) for u in who) if len(who) <= NAMED else f"set {i}"
        rows.append({"unit": name, "estimate": float(value), "fit": float(fit)})
    return framed(rows, PLACEBOS)
