"""A thousand placebo rollouts by four designs, each with its clustered error, against a loop of whole fits.

    python benchmarks/did_placebo.py

140 units, 48 periods, six waves and 23 units that never joined. Each placebo draws anew which unit joins in which
wave; estimate and error of the headline are computed for each. Once without gaps, where a redrawn rollout is
one design with its rows in another order, and once with 3 % of unit-periods missing, where every rollout is
a design of its own, spread over the processors. Wall-clock and processor seconds, the least of three
rounds each: on a machine that does other things the latter, over two, is the time to go by. The loop makes a
Panel of every placebo and fits it in full; its time is extrapolated from a few fits.
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # processes are what is spread over the processors

import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace

import did_panels as simulation
import numpy as np

from evalkit import estimators
from evalkit.estimators._did.headline import Rule, headline, studentised
from evalkit.estimators._did.layout import Layout, layout
from evalkit.estimators._did.rollouts import lot, redraw
from evalkit.panel import Panel

DESIGNS = ("group_time", "imputation", "interaction_weighted", "extended_twoway")
PLACEBOS, ROUNDS, FITS, MISSING = 1_000, 3, 3, 0.03
BAR = 10.0


def simulated(missing: float) -> simulation.Simulated:
    """140 x 48 with six waves."""
    g = simulation.waves(140, 48, 6, never=23 / 140)
    return simulation.simulate(g, 48, missing=missing)


def in_one_design(arrays: Layout) -> tuple[int, float]:
    """All placebos of all designs, by rows in another order; how many, and processor seconds."""
    start = time.process_time()
    done = sum(len(redraw(design, arrays, Rule(), None, PLACEBOS).top) - 1 for design in DESIGNS)
    return done, time.process_time() - start


def one_by_one(arrays: Layout, drawn: np.ndarray) -> tuple[np.ndarray, float]:
    """Estimate and error of each design under each rollout, shape (placebos, designs, 2); and processor seconds."""
    start = time.process_time()
    out = np.empty((len(drawn), len(DESIGNS), 2))
    for b, g in enumerate(drawn):
        made = arrays.joining(g)
        for d, design in enumerate(DESIGNS):
            theta, error = studentised(headline(design, made), arrays.Y)
            out[b, d] = theta, error
    return out, time.process_time() - start


def spread(pool: ProcessPoolExecutor, workers: int, arrays: Layout) -> tuple[int, float]:
    """The same by all processors; how many, and processor seconds."""
    drawn, _ = lot(arrays).rollouts(PLACEBOS, 0)
    pieces = np.array_split(drawn, 4 * workers)
    found = list(pool.map(one_by_one, [arrays] * len(pieces), pieces))
    return sum(piece.shape[0] * piece.shape[1] for piece, _ in found), sum(used for _, used in found)


def whole_fits(panel: Panel, arrays: Layout) -> float:
    """Seconds that a loop of whole fits would take, from a few of them."""
    drawn, _ = lot(arrays).rollouts(FITS, 0)
    window = panel.study.window
    start = time.perf_counter()
    for g in drawn:
        cohort = panel.units["cohort"].copy()
        cohort[:] = [window[int(c)] if np.isfinite(c) else None for c in g]
        rows = panel.rows.assign(cohort=cohort.reindex(panel.rows.index.get_level_values("unit")).to_numpy())
        rows["phase"] = panel.study.phases(
            rows["cohort"].astype(panel.rows["cohort"].dtype),
            rows.index.get_level_values("period").to_series(index=rows.index),
        )
        placebo = replace(panel, rows=rows, units=panel.units.assign(cohort=cohort))
        for design in DESIGNS:
            estimators.fit(design, placebo)
    return (time.perf_counter() - start) / FITS * PLACEBOS


def least(work: Callable[[], tuple[int, float]]) -> tuple[float, float]:
    """Wall-clock and processor seconds, the least of some rounds each."""
    rounds = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        done, used = work()
        rounds.append((time.perf_counter() - start, used))
        if done != PLACEBOS * len(DESIGNS):
            raise RuntimeError(f"{done} placebos instead of {PLACEBOS * len(DESIGNS)}")
    return min(wall for wall, _ in rounds), min(used for _, used in rounds)


def main() -> None:
    """Print the times and ratios."""
    workers = min(2, os.cpu_count() or 1)
    print(f"{PLACEBOS:,} placebo rollouts of 140 x 48 by {len(DESIGNS)} designs; bar {BAR:.0f} s on two processors")
    with ProcessPoolExecutor(workers) as pool:
        list(pool.map(abs, range(workers)))
        for missing in (0.0, MISSING):
            panel = simulation.panel(simulated(missing))
            arrays = layout(panel)
            loop = whole_fits(panel, arrays)
            label = "no gaps" if not missing else f"{missing:.0%} missing"
            if not missing:
                print(
                    _row(label, "one design, rows in another order", least(lambda a=arrays: in_one_design(a)), loop)
                )
            own = least(lambda a=arrays: spread(pool, workers, a))
            print(_row(label, f"each rollout's own design, {workers} processes", own, loop))
            print(f"{label:12s} {f'a loop of whole fits (from {FITS}), one process':48s} {loop:9.1f} s")


def _row(label: str, what: str, seconds: tuple[float, float], loop: float) -> str:
    wall, used = seconds
    return f"{label:12s} {what:48s} {wall:9.2f} s  ({used:6.2f} s of processors)  {wall / loop:8.4f} x"


if __name__ == "__main__":
    main()
