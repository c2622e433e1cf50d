"""Pseudo-collaboratives: rollouts that never happened, drawn from a study's own untouched unit-periods."""

from evalkit.placebos.calibration import Draws, calibrate
from evalkit.placebos.pairs import Paired, paired
from evalkit.placebos.pool import Pool, pool
from evalkit.placebos.record import Calibrated, Calibration
from evalkit.placebos.runs import INDEPENDENT

__all__ = [
    "INDEPENDENT",
    "Calibrated",
    "Calibration",
    "Draws",
    "Paired",
    "Pool",
    "calibrate",
    "paired",
    "pool",
]
