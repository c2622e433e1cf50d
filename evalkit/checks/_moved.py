"""How far an answer moves when one thing is left out in turn: the rule that such checks share."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from evalkit.checks._its import excludes_zero

MODEST = 0.5  # standard errors below which a move across zero only shows that the interval ended near it
LARGE = 1.0  # standard errors


@dataclass(frozen=True, eq=False)
class Moved:
    """Runs with one thing left out, beside the answer with all of them.

    order    labels of the runs by the size of their change, largest first
    value    the largest change in standard errors, with its sign
    flipped  runs whose interval moves onto or off zero, with a change of half a standard error or more
    border   runs whose interval does so at all
    turned   runs with the other sign
    """

    order: pd.Index
    value: float
    flipped: pd.DataFrame
    border: pd.DataFrame
    turned: pd.DataFrame

    @property
    def large(self) -> bool:
        """Whether one moves the estimate by more than a standard error."""
        return abs(self.value) > LARGE


def moved(data: pd.DataFrame, head: pd.Series) -> Moved:
    """The runs, columns estimate, low, high and change (in standard errors), against the headline `head`."""
    size = data["change"].abs()
    order = size.sort_values(ascending=False, kind="stable").index
    clear = (data["low"] > 0) | (data["high"] < 0)
    border = data[clear != excludes_zero(head)]
    turned = data[(data["estimate"] > 0) != (head["estimate"] > 0)]
    flipped = border[border["change"].abs() >= MODEST]
    return Moved(order, float(data.loc[order[0], "change"]), flipped, border, turned)
