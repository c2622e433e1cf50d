"""What every row of a panel must satisfy, and how a breach is told.

The contract itself is a pandera schema; what is wrong with which unit and period is then put
in words, one fault a unit, with the run of periods it concerns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from evalkit import periods
from evalkit.errors import Fault
from evalkit.study import Outcome

if TYPE_CHECKING:
    import pandera.pandas as pa

REMEDIES = {
    "negative": ("a count is negative", "correct the source"),
    "numerator above denominator": (
        "the numerator is above the denominator",
        "check which columns are counted",
    ),
    "zero denominator": (
        "the denominator is zero",
        "remove the rows, or say `zeros: missing` under `source` if nothing was reported",
    ),
    "not finite": ("a value is infinite", "correct the source"),
}


def schema(outcome: Outcome) -> pa.DataFrameSchema:
    """The contract for one outcome: columns unit, period, numerator, denominator, all but keys nullable."""
    import pandera.pandas as pa  # a quarter of a second, which panels that are handed on do without

    ratio = outcome.denominator is not None
    count = ratio or outcome.kind == "count"
    negative = pa.Check(lambda values: values >= 0, name="negative")
    positive = [negative] if count else []
    checks = [pa.Check(_within, name="numerator above denominator")] if outcome.kind == "proportion" else []
    above_zero = [negative, pa.Check(lambda values: values != 0, name="zero denominator")]
    finite = pa.Check(np.isfinite, name="not finite")
    return pa.DataFrameSchema(
        {
            "unit": pa.Column(str, nullable=False),
            "numerator": pa.Column(float, [finite, *positive], nullable=True),
            "denominator": pa.Column(float, [finite, *(above_zero if ratio else [])], nullable=True),
        },
        checks=checks,
        unique=["unit", "period"],
        strict=False,
    )


def _within(rows: pd.DataFrame) -> pd.Series:
    return ~(rows["numerator"] > rows["denominator"])


def breaches(rows: pd.DataFrame, outcome: Outcome) -> list[Fault]:
    """Every breach of the contract, with unit and periods. `rows` has a fresh 0..n-1 index."""
    from pandera.errors import SchemaErrors

    try:
        schema(outcome).validate(rows, lazy=True)
    except SchemaErrors as error:
        found = error.failure_cases[["check", "index"]].drop_duplicates()
        faults: list[Fault] = []
        for check, cases in found.groupby("check", sort=False):
            what, fix = REMEDIES.get(str(check), (f"breaks the rule {check}", "correct the source"))
            positions = cases["index"].dropna().astype(int)
            faults += by_unit(rows.loc[positions.to_numpy()], f"{outcome.name}: {what}", fix)
        return faults
    return []


def by_unit(rows: pd.DataFrame, what: str, fix: str) -> list[Fault]:
    """One fault a unit, naming the runs of periods in `rows` (columns unit, period)."""
    return [
        Fault(what, f"{unit}, {periods.runs(group['period'])}", fix)
        for unit, group in rows.groupby("unit", sort=True)
    ]
