"""A thousand pseudo-collaboratives by four designs, against a loop of whole fits; time and memory.

    python benchmarks/calibration.py

140 units, 48 periods: six waves of ten and 80 units that never joined, without gaps and with 3 % of unit-periods
missing; and everybody joining in six waves, where no rollout can be moved and outcomes are drawn anew. Processor and
wall-clock seconds of `placebos.calibrate` (effects injected for power included), the least of three rounds, on one
processor; the loop makes a Panel of every draw and fits it in full, and its time is extrapolated from a few fits.
Memory is the peak of the process, in MB.
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import resource
import time

import did_panels as simulation
import numpy as np

from evalkit import placebos
from evalkit.errors import DesignError
from evalkit.panel import Panel
from evalkit.placebos import Draws, draw, runs
from evalkit.placebos.pool import Pool

DESIGNS = ("group_time", "imputation", "interaction_weighted", "extended_twoway")
DRAWS, FITS, ROUNDS, BAR = 1_000, 3, 3, 10.0


def panels() -> dict[str, Panel]:
    """The panels by what they are called."""
    starts = np.round(np.linspace(14, 34, 6))
    some = np.concatenate([np.repeat(starts, 10), np.full(80, np.nan)])
    everybody = np.concatenate([np.repeat(starts, 23), np.full(2, starts[-1])])
    found = {
        "no gaps": simulation.simulate(some, 48),
        "3% missing": simulation.simulate(some, 48, missing=0.03),
        "everybody joins": simulation.simulate(everybody, 48),
    }
    return {name: simulation.panel(one) for name, one in found.items()}


def calibrated(panel: Panel) -> tuple[float, float]:
    """Wall-clock and processor seconds."""
    wall, used = time.perf_counter(), time.process_time()
    found = placebos.calibrate(panel, DESIGNS, Draws(DRAWS))
    done = sum(one.draws for one in found.found.values())
    if done != DRAWS * len(DESIGNS):
        raise RuntimeError(f"{done} draws instead of {DRAWS * len(DESIGNS)}: {found.refused}")
    return time.perf_counter() - wall, time.process_time() - used


def looped(panel: Panel) -> float:
    """Seconds that whole fits of every draw would take, from a few; 0 where no rollout can be moved."""
    try:
        source: Pool = placebos.pool(panel)
    except DesignError:  # nothing to loop over, as the module says
        return 0.0
    place = source.places[0]
    drawn = draw.rollouts(source, place, FITS, np.random.default_rng(0), None)
    start = time.perf_counter()
    for design in DESIGNS:
        runs.fitted(design, place, drawn)
    return (time.perf_counter() - start) / FITS * DRAWS


def main() -> None:
    """Print the times and ratios."""
    print(f"{DRAWS:,} pseudo-collaboratives of 140 x 48 by {len(DESIGNS)} designs; bar {BAR:.0f} s on two processors")
    for name, panel in panels().items():
        rounds = [calibrated(panel) for _ in range(ROUNDS)]
        wall, used = min(r[0] for r in rounds), min(r[1] for r in rounds)
        loop = looped(panel)
        beside = f"loop {loop:8.1f} s  {wall / loop:7.4f} x" if loop else "no rollout to loop over"
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"{name:16s} {wall:7.2f} s  ({used:6.2f} s of processors)  {beside}  {peak:6.0f} MB")


if __name__ == "__main__":
    main()
