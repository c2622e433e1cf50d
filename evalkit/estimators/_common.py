"""What several designs need to say or to look up in the same way."""

from __future__ import annotations

import numpy as np

from evalkit.panel import Panel


def exposure(panel: Panel, t: np.ndarray | None = None) -> float | None:
    """Denominator of the joined units per period after joining, over the outcome's scale.

    t  the calendar positions to look at; all of them by default
    """
    if panel.outcome.denominator is None:
        return None
    rows = panel.rows[panel.rows["phase"].eq("post")]
    if t is not None:
        rows = rows[rows["t"].isin(t)]
    if rows.empty:
        return None
    return float(rows.groupby("period", observed=True)["denominator"].sum().mean() / panel.outcome.scale)


def size(panel: Panel) -> float:
    """The size of the panel's values: what an error must exceed to be more than their rounding."""
    return float(panel.rows["value"].abs().max())


def identity(panel: Panel, design: str, title: str) -> dict[str, str | float]:
    """The fields of an Estimate that say what it belongs to."""
    return {
        "study": panel.study.slug,
        "outcome": panel.outcome.name,
        "label": panel.outcome.title,
        "design": design,
        "title": title,
        "unit": panel.outcome.unit,
        "level": panel.study.protocol.level,
    }
