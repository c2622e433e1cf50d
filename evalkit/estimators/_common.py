"""What several designs need to say or to look up in the same way."""

from __future__ import annotations

import pandas as pd

from evalkit.panel import Panel


def exposure(panel: Panel) -> float | None:
    """Denominator of all joined units per period after joining, over the outcome's scale."""
    if panel.outcome.denominator is None:
        return None
    rows = panel.rows[panel.rows["phase"].eq("post")]
    if rows.empty:
        return None
    return float(rows.groupby("period", observed=True)["denominator"].sum().mean() / panel.outcome.scale)


def identity(panel: Panel, design: str) -> dict[str, str | float]:
    """The fields of an Estimate that say what it belongs to."""
    return {
        "study": panel.study.slug,
        "outcome": panel.outcome.name,
        "label": panel.outcome.title,
        "design": design,
        "unit": panel.outcome.unit,
        "level": panel.study.protocol.level,
    }


def treated_against_comparison(panel: Panel) -> pd.DataFrame:
    """Mean of the units that ever joined and of those that never did, each unit counting once.

    One row a period; columns joined, comparison (missing where nobody reported).
    """
    rows = panel.rows.assign(group=panel.rows["cohort"].notna().map({True: "joined", False: "comparison"}))
    means = rows.groupby(["period", "group"], observed=True)["value"].mean().unstack("group")
    return means.reindex(index=panel.study.window, columns=["joined", "comparison"])
