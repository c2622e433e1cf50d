"""Tables of sensitivity: other programmes and the effect once each is allowed for."""

from __future__ import annotations

import pandas as pd

from evalkit import markup, numbers
from evalkit.estimate import Check
from evalkit.markup import Shown


def programmes(check: Check) -> Shown:
    """Whom each other programme reached, and the effect once it is allowed for; from `checks.other_programmes`."""
    data = check.data
    if data.empty:
        heading = f"No table: {check.question}"
        return Shown(markup.notice(heading, [check.reading]), f"{heading} {check.reading}")
    level, unit = numbers.per_cent(float(data["level"].iloc[0])), data["unit"].iloc[0]
    width = data["high"].sub(data["low"]).dropna()
    places = numbers.decimals_for([float(width.min()) / 4]) if len(width) else 1
    rows = [_row(row, places) for _, row in data.iterrows()]
    header = [
        "Programme", "Reached of those that joined, %", "Of the others, %", "With joining, points of unit-periods",
        "Allowed for", f"Effect, {unit}", f"{level} interval", "Change, standard errors",
    ]  # fmt: skip
    caption = f"{data['label'].iloc[0]}: the effect once other programmes are allowed for"
    numeric = [False, True, True, True, False, True, True, True]
    return Shown(markup.table(header, rows, caption, numeric), markup.table_text(header, rows, caption))


def _row(row: pd.Series, places: int) -> list[str]:
    about = [numbers.number(float(row[c]), 0) for c in ("joined", "others")]
    about.append(numbers.signed(float(row["with_joining"]), 0) if pd.notna(row["with_joining"]) else "")
    if row["reason"]:
        return [str(row["programme"]), *about, str(row["how"]), f"not computed: {row['reason']}", "", ""]
    effect = numbers.signed(float(row["estimate"]), places)
    span = numbers.interval(float(row["low"]), float(row["high"]), places)
    return [str(row["programme"]), *about, str(row["how"]), effect, span, numbers.signed(float(row["change"]), 2)]
