"""What several designs need to say or to look up in the same way."""

from __future__ import annotations

import numpy as np

from evalkit import periods
from evalkit.panel import Panel
from evalkit.study import Study


def exposure(panel: Panel, t: np.ndarray | None = None) -> float | None:
    """Denominator of all joined units together per analysed period after joining, over the outcome's scale.

    t  the calendar positions to look at; by default every one in which a unit is past its transition
    """
    if panel.outcome.denominator is None:
        return None
    after = panel.rows.loc[panel.rows["phase"].eq("post"), "t"].unique() if t is None else np.unique(t)
    rows = panel.rows[panel.rows["cohort"].notna() & panel.rows["t"].isin(after)]
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


def horizon_name(study: Study, horizon: int) -> str:
    """What the effect at a distance from joining is called."""
    return f"effect {horizon} {periods.noun(study.frequency, horizon)} after joining"


def at_horizons(study: Study, times: np.ndarray, after: np.ndarray) -> tuple[dict[str, np.ndarray], list[str]]:
    """The declared horizons among the analysed times since joining, each by name with its contrast, and the others.

    times  since joining, of whatever shape; `after`, of the same shape, whether they are analysed
    """
    found, absent = {}, []
    for horizon in dict.fromkeys(study.protocol.horizons):
        here = after & (times == horizon)
        if here.any():
            found[horizon_name(study, horizon)] = here.astype(float)
        else:
            absent.append(horizon_name(study, horizon))
    return found, absent
