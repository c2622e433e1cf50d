"""Questions put to an estimate or a panel, one module each, each with `check(...) -> Check`."""

from evalkit.checks.agreement import check as agreement
from evalkit.checks.autocorrelation import check as autocorrelation
from evalkit.checks.balancing import check as balancing
from evalkit.checks.bunching import check as bunching
from evalkit.checks.calibration import check as calibration
from evalkit.checks.comparison_curve import check as comparison_curve
from evalkit.checks.comparisons import check as comparisons
from evalkit.checks.composition import check as composition
from evalkit.checks.control_balance import check as control_balance
from evalkit.checks.definitions import check as definitions
from evalkit.checks.detectable import check as detectable
from evalkit.checks.disclosure import check as disclosure
from evalkit.checks.earlier_rollout import check as earlier_rollout
from evalkit.checks.engine_agreement import check as engine_agreement
from evalkit.checks.entry import check as entry
from evalkit.checks.family import check as family
from evalkit.checks.forecast_error import check as forecast_error
from evalkit.checks.heterogeneity import check as heterogeneity
from evalkit.checks.influence import check as influence
from evalkit.checks.leave_out import check as leave_out
from evalkit.checks.looks import check as looks
from evalkit.checks.matching import check as matching
from evalkit.checks.mergers import check as mergers
from evalkit.checks.neighbours import check as neighbours
from evalkit.checks.other_programmes import check as other_programmes
from evalkit.checks.overlap import check as overlap
from evalkit.checks.parallel_trends import check as parallel_trends
from evalkit.checks.placebo_dates import check as placebo_dates
from evalkit.checks.placebo_units import check as placebo_units
from evalkit.checks.plan import check as plan
from evalkit.checks.power import check as power
from evalkit.checks.pretrend_power import check as pretrend_power
from evalkit.checks.randomisation import check as randomisation
from evalkit.checks.regression_to_the_mean import check as regression_to_the_mean
from evalkit.checks.seasonality import check as seasonality
from evalkit.checks.sensitivity_bounds import check as sensitivity_bounds
from evalkit.checks.specification_curve import check as specification_curve
from evalkit.checks.synthetic_fit import check as synthetic_fit

__all__ = [
    "agreement",
    "autocorrelation",
    "balancing",
    "bunching",
    "calibration",
    "comparison_curve",
    "comparisons",
    "composition",
    "control_balance",
    "definitions",
    "detectable",
    "disclosure",
    "earlier_rollout",
    "engine_agreement",
    "entry",
    "family",
    "forecast_error",
    "heterogeneity",
    "influence",
    "leave_out",
    "looks",
    "matching",
    "mergers",
    "neighbours",
    "other_programmes",
    "overlap",
    "parallel_trends",
    "placebo_dates",
    "placebo_units",
    "plan",
    "power",
    "pretrend_power",
    "randomisation",
    "regression_to_the_mean",
    "seasonality",
    "sensitivity_bounds",
    "specification_curve",
    "synthetic_fit",
]
