"""Bounds on an effect when trends were not quite parallel, and what it takes to overturn it.

Source: Rambachan and Roth (2023), A more credible approach to parallel trends, Rev Econ Stud 90:2555.
"""

from evalkit.inference.honest._sided import Sign
from evalkit.inference.honest.blocks import in_blocks
from evalkit.inference.honest.breakdown import breakdown
from evalkit.inference.honest.coefficients import Coefficients, consecutive, long_differences, original
from evalkit.inference.honest.fixed_length import FixedLength, fixed_length, folded_quantile
from evalkit.inference.honest.relative import relative_bends, relative_magnitudes
from evalkit.inference.honest.smooth import curvature_bounds, largest_bend, smoothness

__all__ = [
    "Coefficients",
    "FixedLength",
    "Sign",
    "breakdown",
    "consecutive",
    "curvature_bounds",
    "fixed_length",
    "folded_quantile",
    "in_blocks",
    "largest_bend",
    "long_differences",
    "original",
    "relative_bends",
    "relative_magnitudes",
    "smoothness",
]
