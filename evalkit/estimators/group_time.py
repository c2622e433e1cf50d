"""Group-time effects: each wave against units that have not (yet) joined.

    ATT(g, t) = E[Y_t - Y_b | joined at g] - E[Y_t - Y_b | not joined by t]

for cohort g, period t and base period b, the last analysed period before joining (less any
declared anticipation). Effects are then averaged: over all analysed unit-periods after joining
(the headline, each cohort weighted by its size), by periods since joining, by cohort and by calendar
period. Units weigh equally, or by denominator where the protocol says so; the figures are in the
outcome's unit. No unit is ever compared with one that had already joined. Effects before joining use
the previous period as base (`base: varying`) and should be near zero.

Standard errors come from the influence function, added up within clusters; Student t on
clusters - 1 degrees of freedom, or with few clusters the wild cluster bootstrap.

Assumes that without joining each cohort would have changed as the comparison did from its base
period on (parallel trends), and no effect before joining beyond the declared anticipation.

Source: Callaway and Sant'Anna (2021), J Econometrics 225:200.
"""

from __future__ import annotations

import numpy as np

from evalkit import numbers
from evalkit.errors import DesignError
from evalkit.estimate import Estimate
from evalkit.estimators._did import front
from evalkit.estimators._did.assemble import Parts, Words, assemble
from evalkit.estimators._did.averages import Averages, Choice, averages
from evalkit.estimators._did.group_time import Design, GroupTime, effects_by_cell
from evalkit.estimators._did.layout import Layout, layout
from evalkit.estimators._did.linear import Linear
from evalkit.panel import Panel

TITLE = "Group-time difference-in-differences"


def fit(panel: Panel) -> Estimate:
    """Effects of joining by cohort and period, averaged. Raises DesignError when not identified."""
    front.require_comparison(panel)
    options = panel.study.protocol.model.group_time
    design = Design(
        "never" if front.only_never(panel) else "not_yet",
        options.anticipation,
        options.base == "universal",
        "pairs" if options.unbalanced == "pairs" else "each",
    )
    arrays = layout(panel)
    found = effects_by_cell(arrays, design)
    _require_cells(panel, arrays, found, design)
    chosen = averages(
        found.cells,
        len(arrays.cohorts),
        panel.study.protocol.horizons,
        Choice(options.first, options.last, options.balanced),
    )
    parts = Parts(
        arrays,
        found.cells,
        chosen,
        found.linear(arrays, chosen),
        found.joined,
        found.others,
        lambda some: _alone(arrays, found, some),
        options,
    )
    return assemble(panel, parts, _words(panel, found, design))


def _alone(arrays: Layout, found: GroupTime, some: np.ndarray) -> Linear:
    """Some effects by themselves."""
    m = len(found.cells.since)
    A = np.eye(m)[:, some]
    return found.linear(arrays, Averages([], A, np.zeros((len(arrays.cohorts), *A.shape))))


def _require_cells(panel: Panel, arrays: Layout, found: GroupTime, design: Design) -> None:
    if not len(found.cells.since):
        raise DesignError(
            "no wave has both a period before joining and at least two clusters that had not joined to compare with",
            panel.study.slug,
            "widen `window`, add comparison units, or cluster on a finer level",
        )
    front.require_both_sides(arrays, ~found.dropped, later_waves=design.comparison == "not_yet")
    front.require_after(panel, found.cells)


def _words(panel: Panel, found: GroupTime, design: Design) -> Words:
    whom = "units that had not yet joined" if design.comparison == "not_yet" else "units that never joined"
    lead = f", {design.anticipation} periods of anticipation" if design.anticipation else ""
    each = ", the means of those seen in each period" if design.seen == "each" else ""
    warnings = []
    if found.dropped.any():
        names = ", ".join(map(str, panel.units.index[found.dropped][:5]))
        warnings.append(
            f"{numbers.of(int(found.dropped.sum()), 'unit')} joined before any analysed period and were left out "
            f"({names})."
        )
    if found.skipped:
        warnings.append(
            f"{numbers.of(len(found.skipped), 'group-time effect')} could not be computed: nobody was seen on one "
            "side, or one cluster alone."
        )
    return Words(
        "group_time",
        TITLE,
        f"Group-time effects (Callaway and Sant'Anna 2021) against {whom}{each}{lead}",
        "Without joining, each wave would have changed as the units that had not joined did, "
        "and nothing changed before joining.",
        warnings=tuple(warnings),
        counts={"group-time effects": len(found.cells.since)},
    )
