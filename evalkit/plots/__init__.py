"""Figures: they draw what was computed, and compute nothing."""

from evalkit.plots.balance import balance
from evalkit.plots.bounds import pretrend_power, sensitivity_bounds
from evalkit.plots.bunching import bunching
from evalkit.plots.cells import cells
from evalkit.plots.checks import autocorrelation, detectable, forecast_error, influence, placebo_dates, seasonality
from evalkit.plots.comparisons import comparisons, decomposition
from evalkit.plots.curve import comparison_curve, specification_curve
from evalkit.plots.definitions import definitions
from evalkit.plots.estimates import counterfactual, effect_path, forest
from evalkit.plots.events import event_study
from evalkit.plots.funnels import funnel, unit_caterpillar
from evalkit.plots.groups import groups
from evalkit.plots.leave_out import leave_out
from evalkit.plots.matching import matching
from evalkit.plots.panels import group_means, heat_map, rollout
from evalkit.plots.placebos import calibration, power
from evalkit.plots.planning import planned
from evalkit.plots.randomisation import randomisation
from evalkit.plots.returning import regression_to_the_mean
from evalkit.plots.sensitivity import composition, neighbours
from evalkit.plots.sites import caterpillar
from evalkit.plots.spc import small_multiples, spc
from evalkit.plots.synthetic import placebo_units, synthetic_path, unit_weights

__all__ = [
    "autocorrelation",
    "balance",
    "bunching",
    "calibration",
    "caterpillar",
    "cells",
    "comparison_curve",
    "comparisons",
    "composition",
    "counterfactual",
    "decomposition",
    "definitions",
    "detectable",
    "effect_path",
    "event_study",
    "forecast_error",
    "forest",
    "funnel",
    "group_means",
    "groups",
    "heat_map",
    "influence",
    "leave_out",
    "matching",
    "neighbours",
    "placebo_dates",
    "placebo_units",
    "planned",
    "power",
    "pretrend_power",
    "randomisation",
    "regression_to_the_mean",
    "rollout",
    "seasonality",
    "sensitivity_bounds",
    "small_multiples",
    "spc",
    "specification_curve",
    "synthetic_path",
    "unit_caterpillar",
    "unit_weights",
]
