"""Two-stage difference-in-differences: the point estimates of imputation, with errors of their own.

The first stage fits unit and period effects to the untouched unit-periods, the second regresses what is left
of all outcomes on having joined, or on periods since joining. The point estimates after joining are those of
`imputation`, with which this design shares its weights; the standard errors treat who joined when as drawn
at random too, not as fixed, and so are larger where effects differ between waves. Effects before joining are
second-stage means of first-stage residuals, the last period before joining apart; they are drawn towards
nought because the first stage was fitted to the same outcomes.

Assumes what `imputation` assumes.

Source: Gardner (2022), Two-stage differences in differences, arXiv:2207.05943.
"""

from __future__ import annotations

from evalkit.estimate import Estimate
from evalkit.estimators._did import imputed, reach
from evalkit.estimators._did.assemble import Parts, Words, assemble
from evalkit.estimators._did.imputation import two_stage
from evalkit.panel import Panel

TITLE = "Two-stage difference-in-differences"


def fit(panel: Panel) -> Estimate:
    """Effects of joining in two stages. Raises DesignError when not identified."""
    base, parts = _prepared(panel)
    words = Words(
        "two_stage",
        TITLE,
        f"Two stages (Gardner 2022), the first on all untouched unit-periods{base.adjusted}",
        "Without joining, all units would have kept their distance from the common course, "
        "and nothing changed before joining.",
        "standard errors of both stages together",
        base.warnings,
        counts={"untouched unit-periods": base.rows},
        base="mean",
    )
    return assemble(panel, parts, words)


def headline_weights(panel: Panel) -> reach.Reach:
    """The weights of the headline. Raises DesignError as `fit`."""
    _, parts = _prepared(panel)
    return reach.of_parts(parts)


def _prepared(panel: Panel) -> tuple[imputed.Base, Parts]:
    """The untouched sample, and what goes to `assemble`."""
    options = panel.study.protocol.model.two_stage
    base = imputed.prepare(panel, options.anticipation, residual_leads=True)
    return base, base.parts(panel, options, lambda found: two_stage(found, base.layout))
