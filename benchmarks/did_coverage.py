"""How often do 95 % intervals of the staggered designs hold the truth, and are their errors of the right size?

    python benchmarks/did_coverage.py [REPLICATIONS] [--out docs/did_coverage.md]

Simulated panels with unit and period effects, AR(1) errors, and effects that differ between waves and grow with
time since joining; units that have not yet joined are a comparison. A design is built once a panel and put to
all outcome matrices at a time. The truth is the design's own average of the effects. Analytic intervals are
Student's t on clusters - 1; with under 30 clusters the default of group-time effects is the wild cluster
bootstrap. The bars are tested with the same functions in tests/test_did_coverage.py.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from importlib import import_module
from pathlib import Path
from unittest import mock

import did_panels as simulation
import numpy as np
from scipy import stats

from evalkit.estimators._did import bootstrap, stacks
from evalkit.estimators._did.assemble import Parts
from evalkit.estimators._did.averages import ALL
from evalkit.estimators._did.layout import Layout
from evalkit.estimators._did.linear import Linear
from evalkit.panel import Panel
from evalkit.study.options import StackedOptions

SEED, LEVEL = 20261122, 0.95
HORIZONS = (3, 6)
QUANTITIES = ("headline", *(f"month {h}" for h in HORIZONS))
DESIGNS = {
    "group_time": ("group_time", {}),
    "imputation, auto": ("imputation", {"errors": "auto"}),
    "imputation, conservative": ("imputation", {"errors": "conservative"}),
    "imputation, leave_out": ("imputation", {"errors": "leave_out"}),
    "two_stage": ("two_stage", {}),
    "extended_twoway": ("extended_twoway", {}),
    "interaction_weighted": ("interaction_weighted", {}),
    "stacked": ("stacked", {}),
}
STEP = 100  # outcome matrices at a time


@dataclass(frozen=True)
class Cell:
    """One kind of panel.

    sizes   units of each wave
    never   units that never joined
    T       months
    rho     autocorrelation of a unit's errors
    region  units of each region, when errors and joining are shared by region; 0 for units of their own
    """

    label: str
    sizes: tuple[int, ...]
    never: int
    T: int
    rho: float = 0.5
    region: int = 0

    @property
    def g(self) -> np.ndarray:
        """Joining columns, from a quarter to five eighths of the window."""
        starts = np.round(np.linspace(self.T / 4, 5 * self.T / 8, len(self.sizes)))
        return np.concatenate([np.repeat(starts, self.sizes), np.full(self.never, np.nan)])


LARGE = Cell("140 x 48, six waves of 19 or 20", (20, 20, 20, 19, 19, 19), 23, 48)
MIDDLE = Cell("40 x 24, four waves of 6 or 7", (7, 7, 6, 6), 14, 24)
SMALL = Cell("40 x 24, ten waves of 2 or 3", (3, 2) * 5, 15, 24)
ANALYTIC = [LARGE, replace(LARGE, rho=0.9), MIDDLE, SMALL]
REGIONS = Cell("42 units in 7 regions that joined together", (12, 12), 18, 24, region=6)
WILD = [
    Cell("12 units, two waves of 4", (4, 4), 4, 24),
    Cell("20 units, four waves of 3", (3, 3, 3, 3), 8, 24),
    Cell("20 units, two waves of 6", (6, 6), 8, 24),
    REGIONS,
    Cell("60 units in 10 regions that joined together", (18, 18), 24, 24, region=6),
]


def sized(size: int) -> Cell:
    """Waves of one size, 16 units or more that never joined, 30 units or more in all."""
    count = 4 if size > 3 else 6
    return Cell(f"{count} waves of {size}", (size,) * count, max(16, 30 - count * size), 24)


@cache
def parts(name: str, cell: Cell) -> tuple[Parts, Panel]:
    """A design's own layout, averages and weights on a cell, as its `fit` hands them over."""
    design, options = DESIGNS[name]
    module = import_module(f"evalkit.estimators.{design}")
    simulated = simulation.simulate(cell.g, cell.T, rho=cell.rho)
    panel = simulation.panel(simulated, horizons=list(HORIZONS), model={design: options})
    if cell.region:
        code = np.arange(len(cell.g)) // cell.region
        panel = replace(panel, units=panel.units.assign(cluster=np.array([f"R{c:02d}" for c in code])))
    with mock.patch.object(module, "assemble", lambda _, found, *__: found):
        return module.fit(panel), panel


def reported(found: Parts) -> Linear:
    """The headline and the horizons."""
    names = [("term", ALL), *(("horizon", h) for h in HORIZONS)]
    return found.linear.pick([found.averages.names.index(name) for name in names])


def outcomes(cell: Cell, draws: int, seed: int) -> np.ndarray:
    """Outcomes without effects, shape (draws, n, T); unit and period effects matter to no design here."""
    random = np.random.default_rng([seed, *cell.label.encode(), round(10 * cell.rho)])
    Y = simulation.ar1(random, (draws, len(cell.g), cell.T), cell.rho)
    if cell.region:
        regions = len(cell.g) // cell.region
        Y += 0.5 * np.repeat(simulation.ar1(random, (draws, regions, cell.T), cell.rho), cell.region, axis=1)
    return Y


@dataclass(frozen=True, eq=False)
class Found:
    """Estimates less the truth, standard errors and half-widths, shape (draws, K) each."""

    miss: np.ndarray
    error: np.ndarray
    reach: np.ndarray

    @property
    def covered(self) -> np.ndarray:
        """Share of intervals that hold the truth, shape (K,)."""
        return (np.abs(self.miss) <= self.reach).mean(axis=0)

    @property
    def length(self) -> np.ndarray:
        """Mean length, shape (K,)."""
        return 2 * self.reach.mean(axis=0)

    @property
    def ratio(self) -> np.ndarray:
        """Root mean squared standard error over the standard deviation of the estimates, shape (K,)."""
        return np.sqrt((self.error**2).mean(axis=0)) / self.miss.std(axis=0)

    @property
    def bias(self) -> np.ndarray:
        """Mean miss in units of its own simulation error, shape (K,)."""
        return self.miss.mean(axis=0) / (self.miss.std(axis=0) / np.sqrt(len(self.miss)))


Run = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]  # outcomes to estimates and errors, (b, K) each


def engine(name: str, cell: Cell) -> tuple[Run, float]:
    """A design's estimates and errors of many outcome matrices, and its degrees of freedom."""
    if name == "stacked":
        return _stacked(cell)
    found, _ = parts(name, cell)
    linear = reported(found)

    def run(Y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return linear.estimate(Y), np.sqrt((linear.by_cluster(Y) ** 2).sum(axis=-2))

    return run, float(len(np.unique(found.layout.cluster)) - 1)


def _stacked(cell: Cell) -> tuple[Run, float]:
    options = StackedOptions()
    rows = stacks.build(np.ones((len(cell.g), cell.T), bool), cell.g, options.before, options.after)
    found = stacks.stacked(rows, "weighted")
    times = np.asarray(found.since)
    sizes = np.array([(rows.joined & (rows.since == k)).sum() for k in times], float) * (times >= 0)
    C = np.column_stack([sizes / sizes.sum(), *((times == h).astype(float) for h in HORIZONS)])
    root = np.sqrt(found.factor(np.arange(len(cell.g))))

    def run(Y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        pairs = [found.estimate(y) for y in Y]
        psi = [root * own @ C for _, own in pairs]
        return np.array([beta @ C for beta, _ in pairs]), np.array([np.sqrt((p**2).sum(axis=0)) for p in psi])

    return run, float(len(np.unique(rows.unit)) - 1)


def analytic(name: str, cell: Cell, draws: int, seed: int = SEED) -> Found:
    """A design on a cell, with intervals by Student's t on clusters - 1."""
    run, df = engine(name, cell)
    added = simulation.effects(cell.g, cell.T)
    truth = run(added[None])[0][0]
    Y = outcomes(cell, draws, seed)
    found = [run(Y[start : start + STEP] + added) for start in range(0, draws, STEP)]
    theta, error = (np.concatenate(part) for part in zip(*found, strict=True))
    return Found(theta - truth, error, stats.t.ppf(0.5 + LEVEL / 2, df) * error)


def wild(name: str, cell: Cell, draws: int, seed: int = SEED) -> np.ndarray:
    """Share of wild bootstrap intervals that hold the truth: of p-values of the truth above 5 %; shape (K,)."""
    found, _ = parts(name, cell)
    linear, layout = reported(found), found.layout
    added = simulation.effects(cell.g, cell.T)
    truth = linear.estimate(added)
    kept = np.zeros(linear.K)
    for Y in outcomes(cell, draws, seed):
        arrays: Layout = replace(layout, Y=Y + added)
        E = found.residuals(arrays)
        for k in range(linear.K):
            kept[k] += bootstrap.wild(arrays, linear, k, E).p_value(float(truth[k])) > 1 - LEVEL
    return kept / draws


def known(name: str) -> bool:
    """Whether the design is there."""
    design = DESIGNS[name][0]
    return (Path(import_module("evalkit.estimators").__path__[0]) / f"{design}.py").exists()


def shares(values: np.ndarray, places: int = 1) -> str:
    """Headline / month 3 / month 6."""
    return " / ".join(f"{v:.{places}f}" for v in values)


def main_table(draws: int) -> list[str]:
    """Designs by panels."""
    out = ["| panel | rho | design | coverage | mean length | SE / SD | bias |", "|---|---|---|---|---|---|---|"]
    for cell in ANALYTIC:
        for name in filter(known, DESIGNS):
            found = analytic(name, cell, draws)
            out.append(
                f"| {cell.label} | {cell.rho} | {name} | {shares(100 * found.covered)} | {shares(found.length, 2)} | "
                f"{shares(found.ratio, 2)} | {np.abs(found.bias).max():.1f} |"
            )
    return out


def size_table(draws: int) -> list[str]:
    """Imputation's two errors by the size of waves."""
    out = [
        "| waves | conservative | leave_out | SE / SD, conservative | SE / SD, leave_out |",
        "|---|---|---|---|---|",
    ]
    for size in (2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 30):
        cell = sized(size)
        plain, left = (analytic(f"imputation, {e}", cell, draws) for e in ("conservative", "leave_out"))
        out.append(
            f"| {cell.label} | {shares(100 * plain.covered)} | {shares(100 * left.covered)} | "
            f"{shares(plain.ratio, 2)} | {shares(left.ratio, 2)} |"
        )
    return out


def wild_table(draws: int) -> list[str]:
    """The wild bootstrap beside t on clusters - 1 with under 30 clusters."""
    out = ["| panel | clusters | design | wild bootstrap | Student's t |", "|---|---|---|---|---|"]
    for cell in WILD:
        for name in ("group_time", "imputation, auto"):
            clusters = len(cell.g) // (cell.region or 1)
            by_t, drawn = analytic(name, cell, 4 * draws).covered, wild(name, cell, draws)
            out.append(f"| {cell.label} | {clusters} | {name} | {shares(100 * drawn)} | {shares(100 * by_t)} |")
    return out


def page(draws: int, wild_draws: int) -> str:
    """The tables with what they mean."""
    margin = 196 * np.sqrt(0.05 * 0.95 / draws)
    wild_margin = 196 * np.sqrt(0.05 * 0.95 / wild_draws)
    return "\n".join(
        [
            "# Coverage of the staggered designs",
            "",
            f"Simulated {datetime.now(UTC).date()}, seed {SEED}, {draws:,} panels a row (`python "
            f"benchmarks/did_coverage.py {draws}`). A share of 95 % is known to within {margin:.1f} points.",
            "",
            "Coverage is that of 95 % intervals, per cent: headline / effect three months after joining / six months "
            "after. Errors are AR(1) of variance one; effects start at .7 to 1.3 by wave and grow by a twentieth of "
            "that a month. SE / SD is the root mean squared standard error over the standard deviation of the "
            "estimates. Bias is the largest of the three, in simulation standard errors.",
            "",
            "In short: what a design does by default keeps 93 % and more. Imputation's conservative errors are too "
            "small where waves are small, since a unit is judged by a mean that it is part of; leaving it, or its "
            "cluster, out is right from waves of five on, cautious below, and costs nothing in large waves. The "
            "extended two-way errors are a little small where waves have two or three units.",
            "",
            "## Thirty clusters or more: Student's t on clusters - 1",
            "",
            *main_table(draws),
            "",
            "## Imputation's errors by the size of the waves",
            "",
            "Months 24, AR(1) 0.5, all waves of one size.",
            "",
            *size_table(draws),
            "",
            f"## Under thirty clusters: the wild cluster bootstrap ({wild_draws} panels a row, within "
            f"{wild_margin:.1f} points)",
            "",
            "From 6 to 29 clusters the default is the bootstrap, but Student's t for imputation, whose errors leave "
            "each cluster out where waves are this small.",
            "",
            *wild_table(wild_draws),
            "",
        ]
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("replications", nargs="?", type=int, default=2000)
    parser.add_argument("--out", type=Path)
    chosen = parser.parse_args()
    text = page(chosen.replications, max(chosen.replications // 5, 20))
    if chosen.out:
        chosen.out.write_text(text, encoding="utf-8")
    else:
        print(text)
