"""Figures: they draw what was computed, and compute nothing."""

from evalkit.plots.estimates import counterfactual, event_study, forest
from evalkit.plots.panels import group_means, heat_map, rollout
from evalkit.plots.sites import caterpillar

__all__ = ["caterpillar", "counterfactual", "event_study", "forest", "group_means", "heat_map", "rollout"]
