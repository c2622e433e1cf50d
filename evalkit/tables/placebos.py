"""The record of designs over pseudo-collaboratives, as a table."""

from __future__ import annotations

from evalkit import markup, numbers
from evalkit.estimators import title
from evalkit.markup import Shown
from evalkit.placebos import Calibrated, Calibration
from evalkit.placebos.runs import INDEPENDENT

WARNING = "Two-way fixed effects, errors taken as independent (a warning, not a choice)"


def calibration(record: Calibration, unit: str) -> Shown:
    """One row a design: what it found where there was nothing, with units drawn by lot and as they were chosen."""
    header = [
        "Design",
        "Draws",
        "Taken for an effect, per cent",
        "Simulation error, points",
        f"Typical size found, {unit}",
        f"Mean found, {unit}",
        "Standard error over what it should be",
    ]
    if record.leant:
        header += ["As selective as entry: taken for an effect, per cent", f"Mean found, {unit}, as selective"]
    rows = [_row(design, one, record.leant.get(design)) for design, one in record.found.items()]
    rows = [[*row, *["not drawn"] * (len(header) - len(row))] for row in rows]
    numeric = [False, *[True] * (len(header) - 1)]
    if record.refused:
        rows = [[*row, ""] for row in rows]
        blank = [""] * (len(header) - 2)
        rows += [[_named(design), "none", *blank, why] for design, why in record.refused.items()]
        header, numeric = [*header, "Why not"], [*numeric, False]
    caption = "What each design finds where there is nothing"
    return Shown(markup.table(header, rows, caption, numeric), markup.table_text(header, rows, caption))


def _named(design: str) -> str:
    return WARNING if design == INDEPENDENT else title(design)


def _row(design: str, found: Calibrated, leant: Calibrated | None) -> list[str]:
    places = numbers.decimals_for([found.spread])
    row = [
        _named(design),
        numbers.count(found.draws),
        numbers.number(100 * found.false_positive, 1),
        numbers.number(196 * found.monte_carlo, 1),
        numbers.number(found.typical, places),
        numbers.signed(found.bias, places),
        numbers.number(found.ratio, 2),
    ]
    if leant is None:
        return row
    return [*row, numbers.number(100 * leant.false_positive, 1), numbers.signed(leant.bias, places)]
