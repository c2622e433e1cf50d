"""Tables: what was declared, what was found, what was asked; formatted, never computed."""

from evalkit.tables.general import checks, data_warnings, diagnostics, estimates, files, outcomes, protocol, waves
from evalkit.tables.series import declared
from evalkit.tables.synthetic import weights

__all__ = [
    "checks",
    "data_warnings",
    "declared",
    "diagnostics",
    "estimates",
    "files",
    "outcomes",
    "protocol",
    "waves",
    "weights",
]
