"""What a synthetic design says of itself: how it was computed, how well it fits, and what was left out."""

from __future__ import annotations

import numpy as np
import pandas as pd

from evalkit import numbers, periods
from evalkit.estimators._synthetic.blocks import DONORS
from evalkit.estimators._synthetic.method import MANY, Answer
from evalkit.estimators._synthetic.recipes import imbalance
from evalkit.estimators._synthetic.runs import postfit, prefit, sample
from evalkit.panel import Panel

POOR = 2.0  # times the typical fit of placebos before joining
NAMED = 8


def diagnostics(answer: Answer) -> dict[str, float]:
    """How the weights fit.

    rmspe_before      root mean squared difference from the synthetic course before joining, around its
                      mean where levels are taken out
    rmspe_donors      the median of the same for placebos
    imbalance         distance from the synthetic course before joining over that from the plain mean of
                      the donors: 0 is a perfect match, 1 no better than the plain mean
    donors_effective  1 / sum of squared weights: how many equally weighted donors it amounts to
    largest_weight    the largest weight of a donor in any wave
    placebo_p         rank of the average effect among placebos by size, itself counted: the share at
                      least as large
    ratio_p           the same for the root mean squared difference after joining over that before
    """
    fitted, run, found = answer.fitted, answer.fitted.run, answer.blocks.found
    share = run.units * np.array([b.share for b in found])
    share = share / share.sum()
    before = float(prefit(run, found, levels=fitted.levels))
    ratios = [
        imbalance(sample(fitted.Y, b), w.unit, levels=fitted.levels)[1]
        for b, w in zip(found, run.weights, strict=True)
    ]
    out = {"rmspe_before": before, "imbalance": float(share @ ratios)}
    out["donors_effective"] = float(share @ [1 / (w.unit**2).sum() for w in run.weights])
    out["largest_weight"] = float(max(w.unit.max() for w in run.weights))
    for name in dict.fromkeys(key for w in run.weights for key in w.tuning):
        out[name] = float(share @ [w.tuning[name] for w in run.weights])
    rank = answer.sure.placebos
    if rank is not None:
        out["rmspe_donors"] = float(np.median(rank.fit))
        out["placebo_p"] = _rank(abs(answer.figures[0]), np.abs(rank.figures[:, 0]))
        if before > 0 and np.isfinite(rank.ratio).all():
            out["ratio_p"] = _rank(float(postfit(run, found)) / before, rank.ratio)
    return out


def _rank(real: float, placebos: np.ndarray) -> float:
    """Share at least as large as the real one, itself counted."""
    return float((1 + (placebos >= real * (1 - 1e-12)).sum()) / (1 + len(placebos)))


def method(panel: Panel, answer: Answer) -> str:
    """How it was computed, one sentence."""
    kind, sure = answer.sure.kind, answer.sure
    df = float(sure.df[0])
    if kind == "placebo" and sure.placebos is not None:
        many = len(answer.blocks.joined)
        what = "unit" if many == 1 else f"set of {many} units"
        drawn = "every" if _all_placebos(answer) else f"each of {len(sure.placebos.who)} seeded draws of a"
        error = (
            f"standard errors are the spread of what is found when {drawn} {what} that never joined is taken for "
            "the joined"
        )
    elif kind == "jackknife":
        again = "weights found again" if answer.method.refit else "weights kept and scaled back to one"
        each = "unit" if panel.units["cluster"].is_unique else "cluster"
        error = f"standard errors from leaving every {each} out in turn, {again}"
    else:
        error = (
            f"standard errors from {answer.method.draws} seeded draws of units with replacement, weights found again"
        )
    return f"{answer.method.said}; {error}; Student t on {df:.3g} degrees of freedom."


def _all_placebos(answer: Answer) -> bool:
    placebos = answer.sure.placebos
    return len(answer.blocks.joined) == 1 and placebos is not None and len(placebos.who) == len(answer.blocks.never)


def warnings(panel: Panel, answer: Answer) -> tuple[str, ...]:
    """What the reader must know, one sentence each."""
    return (
        *answer.asked.missing,
        *_fit(answer),
        *_inference(panel, answer),
        *_left_out(panel, answer),
        *_told(panel),
    )


def _fit(answer: Answer) -> list[str]:
    found = diagnostics(answer)
    if found["rmspe_before"] > POOR * found.get("rmspe_donors", np.inf):
        times = numbers.number(found["rmspe_before"] / found["rmspe_donors"], 1)
        return [
            f"Before joining the synthetic course misses the joined units by {times} times what is typical of "
            "placebos, so it is a poor stand-in for them afterwards."
        ]
    return []


def _inference(panel: Panel, answer: Answer) -> list[str]:
    out, sure = [], answer.sure
    if sure.placebos is None:
        out.append(f"There is no placebo distribution: {sure.why_none}.")
    elif 1 / (len(sure.placebos.who) + 1) > 1 - panel.study.protocol.level:
        least = numbers.number(1 / (len(sure.placebos.who) + 1), 2)
        out.append(
            f"With {len(sure.placebos.who)} placebos no rank is rarer than {least}; the interval leans on Student t."
        )
    joined = panel.units["cluster"].to_numpy()
    if sure.kind != "jackknife" and len(np.unique(joined)) < len(panel.units):
        out.append("Placebos and draws take single units, not the declared clusters, as alike and independent.")
    few = len(answer.blocks.joined)
    if sure.kind == "jackknife" and few < MANY:
        out.append(f"The jackknife rests on {few} joined units; with so few its intervals may be too narrow.")
    return out


def _left_out(panel: Panel, answer: Answer) -> list[str]:
    out, found, window = [], answer.blocks, panel.study.window
    names = panel.units.index
    if found.dropped:
        who = _named([str(names[u]) for u in sorted(found.dropped)])
        out.append(f"The average leaves out joined units that are seen in fewer than half of the periods: {who}.")
    if found.unseen:
        who = _named([str(names[u]) for u in sorted(found.unseen)])
        out.append(f"Left out as donors, because not seen in every period that is used: {who}.")
    if found.skipped:
        out.append(
            "Left out, because not every joined unit or most donors were not seen: "
            f"{periods.runs(pd.Series(window[sorted(found.skipped)]))}."
        )
    for cohort, columns in found.lost.items():
        out.append(
            f"The wave of {periods.say(window[cohort])} loses {numbers.of(columns, 'period')} after joining, in "
            f"which fewer than {DONORS} donors were left."
        )
    for cohort, why in found.refused.items():
        out.append(f"The average leaves out the wave of {periods.say(window[cohort])}: {why}.")
    return out


def _named(names: list[str]) -> str:
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {more} more" if more > 0 else "")


def _told(panel: Panel) -> list[str]:
    if panel.study.protocol.covariates:
        return ["The protocol's covariates are described with the data; this estimate is not adjusted for them."]
    return []
