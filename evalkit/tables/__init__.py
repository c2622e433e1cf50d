"""Tables: what was declared, what was found, what was asked; formatted, never computed."""

from evalkit.tables.agreement import agreement
from evalkit.tables.appraisal import bias_questions, checklist, risk_of_bias
from evalkit.tables.comparisons import balance, engines, family
from evalkit.tables.general import checks, data_warnings, diagnostics, estimates, files, outcomes, protocol, waves
from evalkit.tables.placebos import calibration
from evalkit.tables.plan import deviations, looks, plan
from evalkit.tables.planning import detectable, varied
from evalkit.tables.sensitivity import programmes
from evalkit.tables.series import declared
from evalkit.tables.spc import funnels, spc
from evalkit.tables.synthetic import weights

__all__ = [
    "agreement",
    "balance",
    "bias_questions",
    "calibration",
    "checklist",
    "checks",
    "data_warnings",
    "declared",
    "detectable",
    "deviations",
    "diagnostics",
    "engines",
    "estimates",
    "family",
    "files",
    "funnels",
    "looks",
    "outcomes",
    "plan",
    "programmes",
    "protocol",
    "risk_of_bias",
    "spc",
    "varied",
    "waves",
    "weights",
]
