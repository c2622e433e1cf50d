"""Triple differences: the change in the outcome beyond that in one of the same units which joining cannot move.

    d_it = y_it - c_it,   ATT(g, t) of d as in `group_time`

c is another outcome of the same units, in the same unit of report, such as the patients whom the
collaborative did not reach. Whatever moved both in the joined units, a new emergency department, a local
strike, a change of recording, falls out of d; what is left is compared between units as in `group_time`.

Assumes that without joining the distance between the two outcomes would have changed in the joined units as
it did in the comparison, and that joining did not move the other outcome.

Source: Olden and Moen (2022), Econometrics Journal 25:531, on what must be parallel; the averages and errors
are those of Callaway and Sant'Anna (2021), J Econometrics 225:200.
"""

from __future__ import annotations

from dataclasses import replace

from evalkit.errors import DesignError
from evalkit.estimate import Estimate
from evalkit.estimators import group_time
from evalkit.estimators._did import front
from evalkit.estimators._did.assemble import Words
from evalkit.estimators._did.group_time import Design
from evalkit.panel import Panel
from evalkit.panel import build as build_panel

TITLE = "Triple differences"


def fit(panel: Panel) -> Estimate:
    """Effects on the distance between two outcomes. Raises DesignError when the other one does not fit."""
    front.require_comparison(panel)
    options = panel.study.protocol.model.triple_differences
    other = _other(panel)
    apart, lost = _difference(panel, other)
    design = Design("never" if front.only_never(panel) else "not_yet", options.anticipation)
    found = group_time.estimate(
        apart,
        options,
        design,
        lambda cells: Words(
            "triple_differences",
            TITLE,
            f"Group-time effects (Callaway and Sant'Anna 2021) on the distance from {other.outcome.title}",
            f"Without joining, the distance from {other.outcome.title} would have changed in the joined units as it "
            "did in the others, and joining did not move that outcome.",
            warnings=(*lost, *group_time.left_out(apart, cells)),
            estimand="average effect on the joined (ATT) over the analysed periods after joining, beyond that on "
            f"{other.outcome.title}",
            counts={"group-time effects": len(cells.cells.since)},
            base="varying",
        ),
    )
    return replace(found, exposure=None)


def _other(panel: Panel) -> Panel:
    """The panel of the outcome that is subtracted."""
    name, slug = panel.study.protocol.model.triple_differences.outcome, panel.study.slug
    if name is None:
        raise DesignError(
            "no outcome is named that joining cannot move",
            slug,
            "name one of the same units under `model.triple_differences.outcome`",
        )
    if name == panel.outcome.name:
        raise DesignError(f"{name} cannot be subtracted from itself", slug, "name another outcome")
    other = build_panel(panel.study, panel.study.outcome(name))
    if other.outcome.unit != panel.outcome.unit:
        raise DesignError(
            f"{panel.outcome.name} is in {panel.outcome.unit} and {name} in {other.outcome.unit}: their difference "
            "means nothing",
            slug,
            "name an outcome in the same unit of report",
        )
    return other


def _difference(panel: Panel, other: Panel) -> tuple[Panel, tuple[str, ...]]:
    """The panel with the other outcome subtracted, where both are known, and how many rows lacked it."""
    subtracted = panel.rows["value"] - other.rows["value"].reindex(panel.rows.index)
    lost = int((subtracted.isna() & panel.rows["value"].notna()).sum())
    rows = panel.rows.assign(value=subtracted)
    said = (f"{lost} unit-periods without a value of {other.outcome.title} were left out.",) if lost else ()
    return panel.with_rows(rows[rows["value"].notna()]), said
