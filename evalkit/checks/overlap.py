"""Were the joined and their comparison alike before anybody joined, and does the adjustment make them so?

Where the protocol names covariates, group-time effects are adjusted for them. The check sets the covariates of
the joined against those of the comparison, as it is and as the adjustment weighs it, and asks how many
comparison units are left to carry it. A regression and the doubly robust step bring the means together by
construction, so there the question is what that costs: few units with large weights, or negative ones.

Without covariates there is nothing to adjust. Level and trend of the outcome before the first wave are then
described: a comparison of changes does not need equal levels, but units that differ in them may also differ in
what would have come.

Sources: Austin (2009), Stat Med 28:3083, and Stuart (2010), Stat Sci 25:1, on standardised differences and on
0.1 and 0.25 as limits; the limits on overlap are our own.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from evalkit import numbers
from evalkit.checks._path import nothing
from evalkit.errors import DesignError
from evalkit.estimate import Check, Estimate, Refusal, Verdict
from evalkit.estimators import group_time
from evalkit.estimators._did.overlap import Overlap
from evalkit.panel import Panel

NAME = "overlap"
QUESTION = "Were the joined and their comparison alike before joining?"
ALIKE, APART = 0.1, 0.25  # standardised differences
THIN = 0.1  # share of the comparison units that may be trimmed, or that the weights must at least amount to
SEEN = 0.005  # negative weight that is worth a word
FEW = 5  # equally weighted units that they must amount to in any case
FEWEST = 3  # periods before the first wave from which a trend is formed
COLUMNS = ["kind", "name", "joined", "before", "after", "difference_before", "difference_after"]


def check(panel: Panel, estimate: Estimate | Refusal) -> Check:
    """Concern when an adjusted difference is over 0.25 standard deviations or the comparison is thin.

    With covariates: reassuring when every standardised difference of a covariate after adjustment is below 0.1,
    inconclusive between 0.1 and 0.25, a concern above, and a concern too when over a tenth of the comparison
    units is trimmed or the weights amount to less than a tenth of them or to fewer than 5. Asked of group-time
    effects alone. Without: the outcome's level and trend before joining; reassuring when both differ by less than
    0.1, else inconclusive. `value` is the largest standardised difference that decided. `data`: kind (`covariate`
    or `before joining`), name, means of the joined, the comparison before and after, standardised differences
    before and after (missing without covariates), and label, adjusted.
    """
    if isinstance(estimate, Refusal):
        return nothing(NAME, QUESTION, estimate)
    adjusted = bool(panel.study.protocol.covariates)
    if adjusted and estimate.design != "group_time":
        reading = "Its adjustment is no weighting of comparison units; it is asked of group-time effects."
        return Check(NAME, QUESTION, "not applicable", reading, design=estimate.design)
    try:
        found = group_time.sides(panel)
        data = _rows(panel, found)
    except DesignError as refusal:
        if adjusted and "overlap" in str(refusal):
            text = refusal.faults[0].what
            return Check(NAME, QUESTION, "concern", f"{text[:1].upper()}{text[1:]}.", design=estimate.design)
        return nothing(NAME, QUESTION, refusal)
    data = data.assign(label=estimate.label, adjusted=adjusted)
    verdict, reading, value = _adjusted(found, data) if adjusted else _plain(data)
    return Check(NAME, QUESTION, verdict, reading, value, estimate.design, data)


def _rows(panel: Panel, found: Overlap) -> pd.DataFrame:
    """The frame of the figure, without what cannot be compared."""
    measures = [("covariate", name, x) for name, x in _covariates(panel)] + _before(panel)
    used = found.joined | found.others
    rows = []
    for kind, name, x in measures:
        if not np.isfinite(x[used]).all():
            continue
        filled = np.where(used, x, 0.0)
        try:
            before, after = found.differences(filled)
        except DesignError:
            continue
        rows.append((kind, name, *found.means(filled), before, after))
    if not rows:
        raise DesignError("nothing is known of all units before the first wave joined")
    frame = pd.DataFrame(rows, columns=COLUMNS)
    if not panel.study.protocol.covariates:
        frame[["after", "difference_after"]] = np.nan
    return frame


def _covariates(panel: Panel) -> list[tuple[str, np.ndarray]]:
    """Covariates as they are in the rollout; one measure for each value of a text but the first."""
    out = []
    for name in panel.study.protocol.covariates:
        number = pd.to_numeric(panel.units[name], errors="coerce")
        if number.notna().all():
            out.append((name, number.to_numpy(float)))
            continue
        text = panel.units[name].astype(str)
        out += [(f"{name} = {level}", text.eq(level).to_numpy(float)) for level in sorted(text.unique())[1:]]
    return out


def _before(panel: Panel) -> list[tuple[str, str, np.ndarray]]:
    """Each unit's mean, and its slope a period, over the periods before the first wave; NaN where unknown."""
    values, start = panel.value_matrix()
    early = values[:, : int(np.nanmin(start))]
    seen = np.isfinite(early)
    count = seen.sum(axis=1)
    t = np.where(seen, np.arange(early.shape[1]), np.nan)
    with np.errstate(invalid="ignore", divide="ignore"):
        level = np.where(seen, early, 0.0).sum(axis=1) / count
        t = t - (np.nansum(t, axis=1) / count)[:, None]
        spread = np.nansum(t * t, axis=1)
        slope = np.nansum(t * (early - level[:, None]), axis=1) / spread
    slope = np.where(count >= FEWEST, slope, np.nan)
    noun = panel.study.frequency
    kind = "before joining"
    return [(kind, "level of the outcome", level), (kind, f"trend of the outcome, a {noun}", slope)]


def _adjusted(found: Overlap, data: pd.DataFrame) -> tuple[Verdict, str, float]:
    part = data[data["kind"].eq("covariate")]
    worst = part.loc[part["difference_after"].abs().idxmax()]
    raw = part.loc[part["difference_before"].abs().idxmax()]
    value, others = abs(float(worst["difference_after"])), int(found.others.sum())
    negative = float(-found.sides[2][found.sides[2] < 0].sum())
    facts = (
        f"The largest standardised difference is {numbers.signed(float(raw['difference_before']), 2)} before "
        f"({raw['name']}) and {numbers.signed(float(worst['difference_after']), 2)} after adjustment "
        f"({worst['name']}). The adjusted weights amount to {numbers.number(found.effective, 1)} equally weighted "
        f"units of {others}; the highest propensity to join among them is {numbers.number(found.highest, 2)}, and "
        f"{numbers.of(found.trimmed, 'unit')} were left out for one near 1."
    )
    if negative >= SEEN:
        facts += f" Some comparison units have negative weight, {numbers.number(negative, 2)} in all."
    own = data[data["kind"].ne("covariate")]
    if len(own):
        said = ", ".join(
            f"{name} {numbers.signed(difference, 2)}"
            for name, difference in zip(own["name"], own["difference_after"], strict=True)
        )
        facts += f" What is not adjusted for still differs after it: {said}."
    if value > APART:
        return "concern", f"{facts} The adjustment leaves the two sides unlike.", value
    if found.effective < max(FEW, THIN * others) or found.trimmed > THIN * others:
        return "concern", f"{facts} Few comparison units are like the joined, and the estimate rests on them.", value
    if value >= ALIKE:
        return "inconclusive", f"{facts} Some difference is left.", value
    return "reassuring", f"{facts} Nothing is said of what was not measured.", value


def _plain(data: pd.DataFrame) -> tuple[Verdict, str, float]:
    said = "; ".join(
        f"{name} {numbers.signed(difference, 2)} standard deviations"
        for name, difference in zip(data["name"], data["difference_before"], strict=True)
    )
    value = float(data["difference_before"].abs().max())
    facts = f"Nothing is adjusted for. Before the first wave joined, the joined less their comparison: {said}."
    if value < ALIKE:
        return "reassuring", f"{facts} They were alike.", value
    reading = (
        f"{facts} A comparison of changes allows for different levels, but units that differ may also differ in what "
        "would have come without joining."
    )
    return "inconclusive", reading, value
