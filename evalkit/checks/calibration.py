"""How often would this design find an effect where there is none?

The design is put to pseudo-collaboratives that changed nothing, drawn from the study's own untouched unit-periods
(`evalkit.placebos`). The share of them in which its interval excludes zero is its false-positive rate on these data;
their spread says how far off an estimate typically is; and their quantiles, in standard errors, make an interval
that owes nothing to a model of the errors.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd

from evalkit import numbers
from evalkit.checks._its import excludes_zero, labelled, not_applicable
from evalkit.estimate import Check, Estimate, Refusal
from evalkit.placebos import Calibrated, Calibration
from evalkit.placebos.pool import Pool
from evalkit.placebos.residuals import Resampled

NAME = "calibration"
QUESTION = "How often would this design find an effect where there is none?"
NOTABLE = 1.6  # times the rate that there should be, above which it is too often: 8 % where 5 % should be
ROUGH = 5  # draws beyond an end of the calibrated interval, below which that end is rough


def check(calibration: Calibration, estimate: Estimate | Refusal) -> Check:
    """Concern when far too many draws were taken for an effect, or the calibrated interval alone holds zero.

    Far too many: more than 1.6 times 1 - level (8 % for intervals at 95 %), and more than drawing explains (the lower
    end of Wilson's interval is above 1 - level). Draws are by lot, and, where units joined because of the outcome, as
    selective as that too. Inconclusive instead where the draws are judged by another interval than the study reports
    (Student's t, and the bootstrap).

    calibration  the record of the design among others, as `evalkit.placebos.calibrate` returns it

    Reassuring otherwise. `value` is the false-positive rate. `figures`: false_positive, selective (the same of draws
    as selective as entry, if any) and notable, the rate that is too often. `data`: one row a draw, effect (in the
    outcome's unit) and real (False), the real estimate first; and label, unit, level. Not applicable to a design
    without a record.
    """
    if isinstance(estimate, Refusal):
        reading = f"{estimate.title} was not computed: {' '.join(estimate.reasons)}"
        return not_applicable(NAME, QUESTION, reading, estimate.design)
    record = calibration.found.get(estimate.design)
    if record is None or calibration.source is None:
        why = calibration.refused.get(estimate.design, "it was not put to pseudo-collaboratives")
        return not_applicable(NAME, QUESTION, f"There is no record of it: {why}.", estimate.design)
    head = estimate.headline
    span = record.interval(head["estimate"], head["std_error"])
    leant = calibration.leant.get(estimate.design)
    verdict, closing = _judged(estimate, record, span, leant)
    parts = [_source(calibration.source, record, estimate), _record(estimate, record), _real(estimate, record, span)]
    reading = " ".join([*parts, *_selected(calibration, estimate, leant), closing])
    effects = np.concatenate([[head["estimate"]], record.run.estimate])
    data = labelled(pd.DataFrame({"effect": effects, "real": np.arange(len(effects)) == 0}), estimate)
    figures = {"false_positive": record.false_positive, "notable": _notable(record)}
    figures |= {"selective": leant.false_positive} if leant is not None else {}
    return Check(NAME, QUESTION, verdict, reading, record.false_positive, estimate.design, data, figures)


def _judged(
    estimate: Estimate, record: Calibrated, span: tuple[float, float], leant: Calibrated | None
) -> tuple[Literal["reassuring", "inconclusive", "concern"], str]:
    clear, kept = excludes_zero(estimate.headline), span[0] > 0 or span[1] < 0
    notable = _notable(record)
    if _too_often(record) and _otherwise(estimate, record):
        said = "for an interval by Student's t, which is not the one that this study reports"
        return "inconclusive", f"More than {numbers.per_cent(notable)} is too often, {said}."
    if _too_often(record):
        return "concern", f"More than {numbers.per_cent(notable)} is too often: its interval is too narrow here."
    if leant is not None and _too_often(leant):
        return "concern", "So often the way units were chosen alone looks like an effect: regression to the mean."
    if clear and not kept:
        return "concern", "Its own interval excludes zero, and the calibrated one does not."
    if record.false_positive > notable:
        return "reassuring", "That is more often than it should be, by no more than so few draws explain."
    return "reassuring", "That is as often as it should be, or less."


def _notable(record: Calibrated) -> float:
    return NOTABLE * (1 - record.level)


def _too_often(record: Calibrated) -> bool:
    return record.false_positive > _notable(record) and record.least > 1 - record.level


def _otherwise(estimate: Estimate, record: Calibrated) -> bool:
    """Whether draws are judged by another interval than the study reports."""
    return not record.run.whole and "bootstrap" in estimate.method


def _source(source: Pool | Resampled, record: Calibrated, estimate: Estimate) -> str:
    what = "pseudo-collaboratives" if isinstance(source, Pool) else "simulated panels"
    text = f"{numbers.count(record.draws)} {what} that changed nothing were made of {source.sentence()}."
    if _otherwise(estimate, record):
        text += " Intervals are by Student's t there, and by the bootstrap in the study."
    if record.run.lost:
        text += f" In {numbers.count(record.run.lost)} more it could not be computed."
    return text


def _record(estimate: Estimate, record: Calibrated) -> str:
    places = numbers.decimals_for([record.spread])
    rate, error = _share(record), numbers.number(196 * record.monte_carlo, 1)
    shared = ""
    if record.run.whole and abs(record.bias) > record.spread:
        shared = " All draws share their months, and what moved every unit then is in that mean."
    return (
        f"The {numbers.per_cent(record.level)} interval excluded zero in {rate} of them (simulation error {error} "
        f"points). The effect found was typically {numbers.number(record.typical, places)} {estimate.unit} away from "
        f"zero, on average {numbers.signed(record.bias, places)}; standard errors were "
        f"{numbers.number(record.ratio, 2)} times what they should be.{shared}"
    )


def _selected(calibration: Calibration, estimate: Estimate, leant: Calibrated | None) -> list[str]:
    """What entry as selective as the real one does without any programme."""
    if leant is None or calibration.chosen is None:
        return []
    bias = numbers.signed(leant.bias, numbers.decimals_for([leant.spread]))
    pool = calibration.chosen
    many = f"{int(pool.sizes.sum())} of {len(pool.things)}"
    drawn = f"{numbers.count(leant.draws)} draws of {many}, at {numbers.of(len(pool.places), 'date')}"
    return [
        f"Chosen as selectively as those that joined ({drawn}), units showed an effect in "
        f"{_share(leant)}, on average {bias} {estimate.unit}."
    ]


def _share(record: Calibrated) -> str:
    return f"{numbers.number(100 * record.false_positive, 1)}%"


def _real(estimate: Estimate, record: Calibrated, span: tuple[float, float]) -> str:
    head = estimate.headline
    places = numbers.decimals_for([head["std_error"]])
    rank = numbers.p_text(record.rank(head["estimate"], head["std_error"]))
    rough = record.draws * (1 - record.level) / 2 < ROUGH
    few = ", roughly, for so few draws say little of its ends" if rough else ""
    return (
        f"The real effect, {numbers.signed(head['estimate'], places)}, has {rank} among them in standard errors; by "
        f"the draws' quantiles its interval is {numbers.interval(*span, places)}{few}."
    )
