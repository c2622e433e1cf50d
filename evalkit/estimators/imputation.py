"""Imputation: what the untouched unit-periods predict for the joined, against what they show.

    y_it = alpha_i + lambda_t + e_it        on the unit-periods that joining has not touched
    tau_it = y_it - alpha_i - lambda_t      on the others

Effects tau_it are averaged: over all analysed unit-periods after joining (the headline), by periods since
joining, by cohort and by calendar period. Every untouched unit-period counts, so the estimate is more precise
than a comparison with the last period before joining where errors are not too persistent. Units weigh
equally, or by denominator where the protocol says so; the figures are in the outcome's unit.

Covariates of the protocol enter with an effect of their own in every period.

Effects before joining come from a regression on the untouched unit-periods alone, with a term for each of
the last periods before joining; the earlier ones are the reference.

Standard errors are the conservative ones of the source, or, with waves of under 10 units or clusters, those
that leave each unit, or its cluster, out of the mean it is judged by; Student's t then holds with few clusters,
and no bootstrap is called for.

Assumes that without joining all units would have kept their distance from the common course (parallel
trends in every untouched period), and no effect before joining beyond the declared anticipation.

Source: Borusyak, Jaravel and Spiess (2024), Rev Econ Stud 91:3253.
"""

from __future__ import annotations

from evalkit.estimate import Estimate
from evalkit.estimators._did import imputed, reach
from evalkit.estimators._did.assemble import Parts, Words, assemble
from evalkit.estimators._did.front import SMALL_WAVE, smallest_wave
from evalkit.estimators._did.imputation import conservative
from evalkit.panel import Panel

TITLE = "Imputation difference-in-differences"


def fit(panel: Panel) -> Estimate:
    """Effects of joining by imputation. Raises DesignError when not identified."""
    base, parts, leave_out = _prepared(panel)
    errors = "leave-one-out" if leave_out else "conservative"
    words = Words(
        "imputation",
        TITLE,
        f"Imputation (Borusyak, Jaravel and Spiess 2024) from all untouched unit-periods{base.adjusted}",
        "Without joining, all units would have kept their distance from the common course, "
        "and nothing changed before joining.",
        f"{errors} standard errors",
        base.warnings,
        counts={"untouched unit-periods": base.rows},
        base="mean",
    )
    return assemble(panel, parts, words)


def headline_weights(panel: Panel) -> reach.Reach:
    """The weights of the headline. Raises DesignError as `fit`."""
    _, parts, _ = _prepared(panel)
    return reach.of_parts(parts)


def _prepared(panel: Panel) -> tuple[imputed.Base, Parts, bool]:
    """The untouched sample, what goes to `assemble`, and whether errors leave the unit itself out."""
    options = panel.study.protocol.model.imputation
    base = imputed.prepare(panel, options.anticipation, leads=True, by_cluster=True)
    smallest = smallest_wave(base.layout, base.observed.cells)
    leave_out = options.errors == "leave_out" or (options.errors == "auto" and smallest < SMALL_WAVE)
    parts = base.parts(
        panel,
        options,
        lambda found: conservative(found, base.layout, base.touched, leave_out=leave_out),
        left_out=leave_out,
    )
    return base, parts, leave_out
