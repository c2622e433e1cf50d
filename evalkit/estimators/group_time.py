"""Group-time effects: each wave against units that have not (yet) joined.

    ATT(g, t) = E[Y_t - Y_b | joined at g] - E[Y_t - Y_b | not joined by t]

for cohort g, period t and base period b, the last analysed period before joining (less any
declared anticipation). Effects are then averaged: over all analysed unit-periods after joining
(the headline, each cohort weighted by its size), by periods since joining, by cohort and by calendar
period. Units weigh equally, or by denominator where the protocol says so; the figures are in the
outcome's unit. No unit is ever compared with one that had already joined. Effects before joining use
the previous period as base (`base: varying`) and should be near zero.

With covariates, each effect is adjusted by a doubly robust step, by outcome regression or by inverse
probability weights (Sant'Anna and Zhao 2020, J Econometrics 219:101), so that parallel trends are needed only
among units with the same covariates.

Standard errors come from the influence function, added up within clusters; Student t on
clusters - 1 degrees of freedom, or with few clusters the wild cluster bootstrap.

Assumes that without joining each cohort would have changed as the comparison did from its base
period on (parallel trends), and no effect before joining beyond the declared anticipation.

Source: Callaway and Sant'Anna (2021), J Econometrics 225:200.
"""

from __future__ import annotations

from collections.abc import Callable

from evalkit import numbers
from evalkit.errors import DesignError
from evalkit.estimate import Estimate
from evalkit.estimators._did import front, reach
from evalkit.estimators._did.adjusted import Method
from evalkit.estimators._did.assemble import Parts, Words, assemble
from evalkit.estimators._did.averages import Averages, Choice, alone, averages
from evalkit.estimators._did.covariate_cells import Adjustment
from evalkit.estimators._did.covariates import covariates
from evalkit.estimators._did.group_time import Design, GroupTime, effects_by_cell
from evalkit.estimators._did.layout import Layout, layout
from evalkit.estimators._did.linear import Linear
from evalkit.estimators._did.overlap import Overlap, overlap
from evalkit.estimators._did.propensity import CovariateError
from evalkit.panel import Panel
from evalkit.study.options import GroupTimeOptions, WindowedOptions

TITLE = "Group-time difference-in-differences"
METHODS: dict[str, Method] = {"or": "reg", "ipw": "ipw", "dr": "dr"}
SAID = {"or": "outcome regression", "ipw": "inverse probability weights", "dr": "doubly robust estimation"}


def fit(panel: Panel) -> Estimate:
    """Effects of joining by cohort and period, averaged. Raises DesignError when not identified."""
    options = panel.study.protocol.model.group_time
    design = _design(panel, options)
    return estimate(panel, options, design, lambda found: _words(panel, found, design))


def _design(panel: Panel, options: GroupTimeOptions) -> Design:
    """Who is compared with whom, from the protocol."""
    front.require_comparison(panel)
    return Design(
        "never" if front.only_never(panel) else "not_yet",
        options.anticipation,
        options.base == "universal",
        "pairs" if options.unbalanced == "pairs" else "each",
    )


def estimate(panel: Panel, options: WindowedOptions, design: Design, words: Callable[[GroupTime], Words]) -> Estimate:
    """Group-time effects of a panel, averaged; `words` says what the design is. Raises DesignError as `fit`."""
    parts, found = _parts(panel, options, design)
    return assemble(panel, parts, words(found))


def headline_weights(panel: Panel) -> reach.Reach:
    """The weights of the headline. Raises DesignError as `fit`."""
    options = panel.study.protocol.model.group_time
    parts, _ = _parts(panel, options, _design(panel, options))
    return reach.of_parts(parts)


def sides(panel: Panel) -> Overlap:
    """Who stands on either side of the headline, as they are and adjusted. Raises DesignError as `fit`."""
    options = panel.study.protocol.model.group_time
    parts, found = _parts(panel, options, _design(panel, options))
    X = covariates(panel, parts.layout).z
    return overlap(parts.layout, found, parts.averages.A[:, 0], X, METHODS[options.method])


def _parts(panel: Panel, options: WindowedOptions, design: Design) -> tuple[Parts, GroupTime]:
    """What goes to `assemble`, and the cells."""
    arrays = layout(panel)
    found = effects_by_cell(arrays, design)
    _require_cells(panel, arrays, found, design)
    linear = _linear(panel, arrays, found)
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
        linear(chosen),
        found.joined,
        found.others,
        lambda some: linear(alone(len(found.cells.since), len(arrays.cohorts), some)),
        options,
    )
    return parts, found


def _linear(panel: Panel, arrays: Layout, found: GroupTime) -> Callable[[Averages], Linear]:
    """Averages of the cells as weighted sums of outcomes, adjusted for the protocol's covariates."""
    units = covariates(panel, arrays)
    if not units.names:
        return lambda chosen: found.linear(arrays, chosen)
    adjustment = Adjustment(arrays, found, units.z, METHODS[panel.study.protocol.model.group_time.method])

    def linear(chosen: Averages) -> Linear:
        try:
            return adjustment.linear(chosen)
        except CovariateError as error:
            blamed = ", ".join(units.names[j - 1] for j in error.columns if j) or "the covariates"
            raise DesignError(f"{error.faults[0].what} ({blamed})", panel.study.slug, error.faults[0].fix) from None

    return linear


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
    asked = panel.study.protocol.covariates
    method = SAID[panel.study.protocol.model.group_time.method]
    adjusted = f", adjusted for {', '.join(asked)} by {method}" if asked else ""
    return Words(
        "group_time",
        TITLE,
        f"Group-time effects (Callaway and Sant'Anna 2021) against {whom}{each}{adjusted}{lead}",
        "Without joining, each wave would have changed as the units that had not joined did, "
        "and nothing changed before joining.",
        warnings=left_out(panel, found),
        counts={"group-time effects": len(found.cells.since)},
        base="universal" if design.universal else "varying",
    )


def left_out(panel: Panel, found: GroupTime) -> tuple[str, ...]:
    """Units and effects that could not be used, one sentence each."""
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
    return tuple(warnings)
