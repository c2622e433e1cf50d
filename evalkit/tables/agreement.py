"""Designs against each other, as a table."""

from __future__ import annotations

from typing import Any

import numpy as np

from evalkit import markup, numbers
from evalkit.estimate import Check
from evalkit.markup import Shown

CAPTION = "How far apart the designs are, allowing for the data they share"
HOW = {
    "contributions": "what units contribute to both",
    "draws": "where nothing happened",
    "errors and draws": "both errors, and how they vary together where nothing happened",
    "overlap only": "overlap of intervals only",
}


def agreement(check: Check) -> Shown:
    """One row a design: its headline, how far it is from the first, and how that was judged; p by Holm."""
    if check.data.empty:
        heading = f"{check.question} {check.verdict.capitalize()}"
        return Shown(markup.notice(heading, [check.reading]), f"{heading}: {check.reading}")
    unit, level = check.data["unit"].iloc[0], numbers.per_cent(check.data["level"].iloc[0])
    header = [
        "Design", f"Estimate, {unit}", f"{level} interval", "Less the first", f"{level} interval of that",
        "p", "p, adjusted", "Mean where nothing happened", "Judged by",
    ]  # fmt: skip
    rows = [_row(row) for row in check.data.to_dict("records")]
    numeric = [False, *[True] * 7, False]
    return Shown(markup.table(header, rows, CAPTION, numeric), markup.table_text(header, rows, CAPTION))


def _row(row: dict[str, Any]) -> list[str]:
    places = numbers.decimals_for([(row["high"] - row["low"]) / 4])
    out = [
        row["title"],
        numbers.signed(row["estimate"], places),
        numbers.interval(row["low"], row["high"], places),
    ]
    if np.isnan(row["difference"]):
        return [*out, "", "", "", "", "", row["how"]]
    if np.isnan(row["p"]):
        apart = numbers.signed(row["difference"], places)
        return [*out, apart, "not known", "", "", "", f"{HOW[row['how']]}: {row['why']}"]
    near = numbers.decimals_for([row["error"]])
    drawn = "" if np.isnan(row["drawn"]) else numbers.signed(row["drawn"], near)
    least = f" (not below {numbers.p_value(row['least_p'])})" if row["least_p"] else ""
    draws = f" ({numbers.of(int(row['draws']), 'draw')})" if row["draws"] else ""
    return [
        *out,
        numbers.signed(row["difference"], near),
        numbers.interval(row["difference_low"], row["difference_high"], near),
        f"{numbers.p_value(row['p'])}{least}",
        numbers.p_value(row["p_adjusted"]),
        drawn,
        f"{HOW[row['how']]}{draws}",
    ]
