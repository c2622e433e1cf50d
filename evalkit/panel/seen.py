"""What a report on a panel has seen, to be counted among the looks."""

from __future__ import annotations

from evalkit import periods
from evalkit.panel.panel import Panel
from evalkit.study.looks import Look


def look_at(panel: Panel, date: str = "") -> Look:
    """The look that a report on this panel is."""
    last = panel.rows.index.get_level_values("period").max()
    return Look(outcome=panel.outcome.name, last=periods.code(last), plan=panel.study.plan_sha256, date=date)
