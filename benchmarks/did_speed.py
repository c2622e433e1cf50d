"""The comparisons between units against the fastest correct Python package for each, and their memory.

    python benchmarks/did_speed.py [--rounds 3]

Peers (diff-diff >= 3.13 and pyfixest >= 0.60; not dependencies of evalkit) are skipped with a message where they
are not installed, and sizes that a peer cannot do (memory in tens of gigabytes) are not asked of it. Peers are timed
from a long frame to their results object. evalkit is timed twice: `whole` from a Panel to an Estimate (its frames
of terms, events with bands, averages by wave and calendar period, and every effect by wave and period with its
interval); `figures` from a Panel to arrays of the same averages and horizons: estimates, clustered errors and the
simultaneous band, 999 draws. The ratio is that of `figures`, with that of `whole` beside it. Wall-clock seconds,
least of the rounds, all in one process; memory is the highest the process has held, measured in a process
of each size's own.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from unittest import mock

import did_panels as simulation
import numpy as np

from evalkit import estimators, inference
from evalkit.estimators._did import bootstrap
from evalkit.estimators._did.layout import layout
from evalkit.estimators._did.saturated import residuals
from evalkit.panel import Panel

SIZES = ((200, 60, 5), (5_000, 60, 5), (50_000, 24, 4))  # units, periods, waves
MISSING = 0.03
EVERYTHING = (
    "import evalkit, evalkit.estimators.group_time, evalkit.estimators.imputation, evalkit.estimators.event_study"
)
Work = Callable[[], object]


def seconds(work: Work, rounds: int) -> float:
    """The least of the rounds."""
    took = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        took.append(time.perf_counter() - start)
    return min(took)


def figures(design: str, panel: Panel) -> tuple[np.ndarray, np.ndarray, float]:
    """Estimates, errors and band of every reported average of a staggered design."""
    module = import_module(f"evalkit.estimators.{design}")
    with mock.patch.object(module, "assemble", lambda _, found, *__: found):
        parts = module.fit(panel)
    linear = parts.linear if parts.before is None else parts.linear.beside(parts.before[1])
    psi = linear.by_cluster(parts.layout.Y)
    events = parts.averages.kind("event")
    reach = inference.critical_value(psi[:, events], 0.95, float(len(psi) - 1))
    return linear.estimate(parts.layout.Y), np.sqrt((psi**2).sum(axis=0)), reach


def event_study(panel: Panel) -> tuple[np.ndarray, np.ndarray, float]:
    """All leads and lags by two-way fixed effects, common start."""
    found, arrays = _regression(panel, "event_study")
    linear = found.linear(arrays, np.eye(found.X.shape[2]))
    psi = linear.by_cluster(arrays.Y)
    reach = inference.critical_value(psi, 0.95, float(len(psi) - 1))
    return linear.estimate(arrays.Y), np.sqrt((psi**2).sum(axis=0)), reach


def wild(panel: Panel) -> tuple[float, float]:
    """p-value of the two-way coefficient by 999 draws of the wild cluster bootstrap, a cluster a unit."""
    found, arrays = _regression(panel, "twoway")
    linear = found.linear(arrays, np.ones((1, 1)))
    with mock.patch("evalkit.inference.wild_cluster.DRAWS", 999):
        drawn = bootstrap.wild(arrays, linear, 0, residuals(found, arrays))
    return drawn.theta, drawn.p_value()


def _regression(panel: Panel, design: str):  # noqa: ANN202 - what `regress` returns
    from evalkit.estimators._did.regression import regress

    arrays = layout(panel)
    T, g = arrays.Y.shape[1], int(arrays.cohorts[0])
    times = [t for t in range(T) if t != g - 1]
    X = np.zeros((2, T, 1 if design == "twoway" else len(times)))
    X[0] = (np.arange(T) >= g)[:, None] if design == "twoway" else (np.arange(T)[:, None] == times)
    return regress(arrays, X), arrays


def peer_tasks(
    staggered: simulation.Simulated, common: simulation.Simulated, gaps: simulation.Simulated
) -> dict[str, Work]:
    """What peers do, by task; those that are not installed do nothing."""
    out: dict[str, Work] = {}
    n = len(staggered.g)
    if find_spec("diff_diff"):
        import diff_diff as dd

        names = {"outcome": "y", "unit": "unit", "time": "time", "first_treat": "first"}
        frame, holes = staggered.frame, gaps.frame

        def group_time(data):  # noqa: ANN001, ANN202
            design = dd.CallawaySantAnna(control_group="not_yet_treated", n_bootstrap=999, seed=1)
            return design.fit(data, aggregate="event_study", **names)

        out["group_time, events, 999 draws"] = lambda: group_time(frame)
        out["group_time, 3% missing"] = lambda: group_time(holes)
        out["imputation, horizons"] = lambda: dd.ImputationDiD().fit(frame, aggregate="event_study", **names)
        if n <= 200:
            pair = common.frame
            start = int(pair["first"].max())
            pair = pair.assign(treated=(pair["first"] > 0).astype(int), post=(pair["time"] >= start).astype(int))
            out["wild bootstrap, 999 draws"] = lambda: dd.DifferenceInDifferences(
                inference="wild_bootstrap", cluster="unit", n_bootstrap=999, seed=1
            ).fit(pair, outcome="y", treatment="treated", time="post")
    else:
        print("diff-diff is not installed: skipped")
    if find_spec("pyfixest"):
        import pyfixest as pf

        data = common.frame
        data["k"] = np.where(data["first"] > 0, data["time"] - data["first"], -1)
        out["event study, two-way"] = lambda: pf.feols(
            "y ~ i(k, ref=-1) | unit + time", data, vcov={"CRV1": "unit"}
        ).tidy()
    else:
        print("pyfixest is not installed: skipped")
    return out


def own_tasks(staggered: Panel, common: Panel, gaps: Panel) -> dict[str, tuple[Work, Work | None]]:
    """What evalkit does, by task: figures, and the whole where there is one."""
    return {
        "event study, two-way": (lambda: event_study(common), lambda: estimators.fit("event_study", common)),
        "group_time, events, 999 draws": (
            lambda: figures("group_time", staggered),
            lambda: estimators.fit("group_time", staggered),
        ),
        "group_time, 3% missing": (lambda: figures("group_time", gaps), lambda: estimators.fit("group_time", gaps)),
        "imputation, horizons": (
            lambda: figures("imputation", staggered),
            lambda: estimators.fit("imputation", staggered),
        ),
        "imputation, 3% missing": (lambda: figures("imputation", gaps), lambda: estimators.fit("imputation", gaps)),
        "two_stage": (lambda: figures("two_stage", staggered), lambda: estimators.fit("two_stage", staggered)),
        "extended_twoway": (
            lambda: figures("extended_twoway", staggered),
            lambda: estimators.fit("extended_twoway", staggered),
        ),
        "interaction_weighted": (
            lambda: figures("interaction_weighted", staggered),
            lambda: estimators.fit("interaction_weighted", staggered),
        ),
        "wild bootstrap, 999 draws": (lambda: wild(common), None),
    }


def simulated(n: int, T: int, count: int) -> list[simulation.Simulated]:
    """Staggered, with one start, and staggered with gaps."""
    waves, one = simulation.waves(n, T, count), simulation.waves(n, T, 1, never=0.5)
    return [
        simulation.simulate(waves, T),
        simulation.simulate(one, T),
        simulation.simulate(waves, T, missing=MISSING),
    ]


def one_size(n: int, T: int, count: int, rounds: int) -> None:
    """Print a size's rows."""
    made = simulated(n, T, count)
    panels = [simulation.panel(s) for s in made]
    peers = peer_tasks(*made)
    print(f"\n{n:,} x {T}, {count} waves: seconds of evalkit (figures, whole), of the peer, ratios")
    for task, (quick, whole) in own_tasks(*panels).items():
        own = seconds(quick, rounds)
        full = seconds(whole, rounds) if whole else float("nan")
        theirs = seconds(peers[task], rounds if n <= 5_000 else 1) if task in peers else float("nan")
        print(
            f"{task:32s} {own:9.3f} {full:9.3f} {theirs:9.3f}   {own / theirs:7.3f} {full / theirs:7.3f}", flush=True
        )


def memory(n: int, T: int, count: int) -> None:
    """Print the highest memory of each design in a process of its own, made and unmade data apart."""
    staggered, common, _ = simulated(n, T, count)
    panel, once = simulation.panel(staggered), simulation.panel(common)
    before = highest()
    for design in ("group_time", "imputation", "extended_twoway"):
        estimators.fit(design, panel)
    wild(once)
    after = highest()
    print(f"{n:,} x {T}: {after:.0f} MB, of which the panel and Python {before:.0f} MB", flush=True)


def highest() -> float:
    """The most memory that this process has held, MB; what its parent held before it began is not counted."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    line = next(one for one in status.read_text(encoding="utf-8").splitlines() if one.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def import_seconds(rounds: int) -> float:
    """The package and every design in a new interpreter, less an empty one."""

    def run(code: str) -> Work:
        return lambda: subprocess.run([sys.executable, "-c", code], check=True)  # noqa: S603 - this interpreter

    return seconds(run(EVERYTHING), 3 * rounds) - seconds(run("pass"), 3 * rounds)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--memory", nargs=3, type=int, metavar=("UNITS", "PERIODS", "WAVES"))
    chosen = parser.parse_args()
    if chosen.memory:
        memory(*chosen.memory)
        sys.exit()
    print(f"import of evalkit and its designs: {import_seconds(chosen.rounds):.2f} s")
    for size in SIZES:
        one_size(*size, chosen.rounds)
    print("\nHighest memory: three designs in full and the wild bootstrap")
    for size in (*SIZES, (25_000, 24, 4), (100_000, 24, 4)):
        subprocess.run([sys.executable, __file__, "--memory", *map(str, size)], check=True)  # noqa: S603 - this file
