"""Pseudo-collaboratives: rollouts that never happened, drawn from a study's own untouched unit-periods."""

from evalkit.placebos.calibration import Calibrated, Calibration, calibrate
from evalkit.placebos.pool import Pool, pool

__all__ = ["Calibrated", "Calibration", "Pool", "calibrate", "pool"]
