"""Who is compared with whom, and with what weight?

The headline of a comparison between units is a weighted sum of outcomes. The weights, added up by wave and
period, show whose change is counted, against whose, and over which periods. They also show what must not be:
negative weight on a wave after it joined, which means that joined units stand in for unaffected ones and that
the effect on them is subtracted from the estimate. A two-way regression of units that joined in waves may do
that even where no weight is negative, so it is taken apart into its comparisons of two waves as well.

Sources: Goodman-Bacon (2021), J Econometrics 225:254; de Chaisemartin and D'Haultfoeuille (2020), Am Econ Rev
110:2964, on negative weights; `estimators.headline_weights` for how the weights are formed.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from evalkit import estimators, numbers, periods
from evalkit.checks._its import labelled
from evalkit.checks._path import nothing
from evalkit.errors import DesignError
from evalkit.estimate import Check, Estimate, Refusal
from evalkit.estimators._did.bacon import LATER, Decomposition, decompose
from evalkit.estimators._did.layout import Layout, layout
from evalkit.estimators._did.reach import Reach
from evalkit.panel import Panel

NAME = "comparisons"
QUESTION = "Who is compared with whom, and with what weight?"
NEVER = "never"
WEIGHT, PAIR = "weight", "pair"
HALF = 0.5
COLUMNS = ["part", "wave", "period", "weight", "phase", "joined", "comparison", "kind", "estimate"]


def check(panel: Panel, estimate: Estimate | Refusal) -> Check:
    """Concern when joined units stand in for unaffected ones, else the facts.

    Concern when a wave has negative weight after it joined, or when the comparisons that a two-way regression
    is made of include some of later against earlier joined units; inconclusive when a two-way regression of
    units that joined in waves cannot be taken apart, and when units that are not seen throughout count with their
    level, which a design without unit effects lets happen. `value` is the share of the negative weight that lies on
    waves after they joined. `data`, rows told apart by `part`: for `weight` the wave (its code, or `never`),
    period, weight and the wave's phase; for `pair` the codes of the two waves, the kind of comparison, weight
    and estimate; and label, unit, level. Not applicable to designs that are no weighted sum of outcomes.
    """
    if isinstance(estimate, Refusal):
        return nothing(NAME, QUESTION, estimate)
    try:
        found = estimators.headline_weights(estimate.design, panel)
    except DesignError as refusal:
        return nothing(NAME, QUESTION, refusal)
    data, pairs = _weights(panel, found), _pairs(panel, estimate)
    if isinstance(pairs, Decomposition):
        data = pd.concat([data, _pair_rows(panel, pairs)], ignore_index=True).reindex(columns=COLUMNS)
    facts = " ".join([_who(found), *_taken_apart(panel, pairs)])
    value = found.forbidden
    later = pairs.by_kind().get(LATER, (0.0, 0.0))[0] if isinstance(pairs, Decomposition) else 0.0
    data = labelled(data, estimate)
    if value > 0 or later > 0:
        reading = f"{facts} {_forbidden(value, later)}"
        return Check(NAME, QUESTION, "concern", reading, value, estimate.design, data)
    if isinstance(pairs, str):
        return Check(NAME, QUESTION, "inconclusive", f"{facts} {pairs}", value, estimate.design, data)
    loose = int(found.loose.sum())
    if loose:
        reading = f"{facts} {numbers.of(loose, 'unit')} come and go, and their level, not only their change, enters."
        return Check(NAME, QUESTION, "inconclusive", reading, value, estimate.design, data)
    reading = f"{facts} No wave has negative weight after it joined."
    return Check(NAME, QUESTION, "reassuring", reading, value, estimate.design, data)


def _weights(panel: Panel, found: Reach) -> pd.DataFrame:
    """One row a wave and period of the window."""
    window, arrays = panel.study.window, found.layout
    names = [*(periods.code(window[0] + int(c)) for c in arrays.cohorts), NEVER]
    kept = [h for h in range(len(names)) if (arrays.group == h).any()]
    summed = found.by_wave
    unaffected = np.where(panel.study.excluded, "excluded", "pre")[None, :]
    phases = np.vstack([arrays.phases, unaffected])
    rows = [
        {"part": WEIGHT, "wave": names[h], "period": period, "weight": summed[h, t], "phase": phases[h, t]}
        for h in kept
        for t, period in enumerate(window)
    ]
    return pd.DataFrame(rows, columns=COLUMNS[:5])


def _who(found: Reach) -> str:
    """How many units stand on either side, and how few carry half of the comparison."""
    arrays, lent = found.layout, found.lent
    after = np.where(found.after, found.weights, 0.0)
    counted = (after > 0).any(axis=1)
    waves, joined = len(np.unique(arrays.group[counted])), int(counted.sum())
    start = f"{numbers.of(joined, 'unit')} in {numbers.of(waves, 'wave')} are compared"
    total = lent.sum()
    if total <= 0:
        return f"{start} with others whose weight cannot be told from their own baseline."
    running = np.cumsum(np.sort(lent)[::-1])
    carry = int(np.searchsorted(running, HALF * total * (1 - 1e-9)) + 1)
    never = np.isnan(arrays.g)
    lenders = int((lent > 0).sum())
    of_never = numbers.per_cent(round(float(lent[never].sum() / total), 2))
    text = f"{start} with {numbers.of(lenders, 'unit')}, of which {carry} carry half of the comparison's weight"
    if not (lent[never] > 0).any():
        return f"{text}; all of them joined later."
    if (lent[~never] > 0).any():
        return f"{text}; units that never joined carry {of_never} of it, the rest waves that joined later."
    told = "; what waves that joined later add cannot be told from their own baseline" if found.others is None else ""
    return f"{text}; all of them never joined{told if waves > 1 else ''}."


def _pairs(panel: Panel, estimate: Estimate) -> Decomposition | str | None:
    """What a two-way estimate of units that joined in waves is made of, why not, or None where not asked."""
    if estimate.design not in ("twoway", "event_study") or not panel.staggered:
        return None
    options, arrays = panel.study.protocol.model.twoway, layout(panel)
    if estimate.design == "event_study" or panel.study.protocol.covariates or options.by_region or not arrays.equal:
        return "It is no plain two-way regression, so what it is made of cannot be listed."
    used = _used(arrays)
    start = np.where(np.isnan(arrays.g), np.nan, np.searchsorted(used, np.nan_to_num(arrays.g)))
    try:
        return decompose(np.where(arrays.seen, arrays.Y, np.nan)[:, used], start)
    except DesignError as refusal:
        return f"What it is made of cannot be listed: {refusal.faults[0].what}."


def _used(arrays: Layout) -> np.ndarray:
    """Columns of the periods in which anybody was seen."""
    return np.flatnonzero(arrays.seen.any(axis=0))


def _pair_rows(panel: Panel, pairs: Decomposition) -> pd.DataFrame:
    used = panel.study.window[_used(layout(panel))]

    def name(column: float) -> str:
        return NEVER if np.isnan(column) else periods.code(used[int(column)])

    return pd.DataFrame(
        {
            "part": PAIR,
            "joined": [name(c) for c in pairs.joined],
            "comparison": [name(c) for c in pairs.comparison],
            "kind": pairs.kind,
            "weight": pairs.weight,
            "estimate": pairs.estimate,
        }
    )


def _taken_apart(panel: Panel, pairs: Decomposition | str | None) -> list[str]:
    if not isinstance(pairs, Decomposition):
        return []
    said = "; ".join(
        f"{kind} {numbers.per_cent(round(weight, 2))} ({numbers.signed(mean, 2)})"
        for kind, (weight, mean) in pairs.by_kind().items()
    )
    counted = "With the transition counted as joined, the" if panel.study.protocol.transition.periods else "The"
    return [
        f"{counted} regression gives {numbers.signed(pairs.total, 2)}, a weighted mean of "
        f"{numbers.of(len(pairs.kind), 'comparison')} of two waves: {said}."
    ]


def _forbidden(value: float, later: float) -> str:
    parts = []
    if value > 0:
        share = numbers.per_cent(round(value, 3)) if value >= 0.001 else "less than 0.1%"  # noqa: PLR2004 - three digits
        parts.append(f"{share} of the negative weight lies on waves after they joined")
    if later > 0:
        share = numbers.per_cent(round(later, 3)) if later >= 0.001 else "less than 0.1%"  # noqa: PLR2004
        parts.append(f"{share} of the weight is of later against earlier joined units")
    return f"{' and '.join(parts)}: the effect on units that had joined is subtracted from the estimate."
