"""Synthetic comparisons, covariates and bounds against the fastest correct Python package for each.

    python benchmarks/did_more_speed.py [--rounds 3]

diff-diff (>= 3.13) for synthetic difference-in-differences with 200 placebos and for group-time effects with a
covariate, moderndid (>= 0.2) for the relative-magnitude bounds at five values of Mbar. Peers are no dependencies of
evalkit; one that is not installed is skipped with a message. Seconds of wall-clock, least of the rounds, in one
process: evalkit from a Panel (bounds: from coefficients) to an Estimate, peers from a long frame.
"""

from __future__ import annotations

import argparse
import warnings
from dataclasses import replace
from importlib.util import find_spec

import did_panels as simulation
import numpy as np
from did_speed import Work, seconds

from evalkit import estimators
from evalkit.inference import honest

MBAR = np.array([0.5, 1.0, 1.5, 2.0, 2.5])


def row(task: str, own: float, theirs: float | None) -> None:
    beside = "       -         -" if theirs is None else f"{theirs:9.3f} {own / theirs:9.4f}"
    print(f"{task:46s} {own:9.3f} {beside}", flush=True)


def synthetic(rounds: int) -> None:
    made = simulation.simulate(simulation.waves(200, 60, 1, never=0.95), 60)
    changes = {"model": {"synthetic_did": {"inference": "placebo", "replications": 200}}}
    panel = simulation.panel(made, **changes)
    peer: Work | None = None
    if find_spec("diff_diff"):
        import diff_diff as dd

        frame = made.frame
        start = int(frame["first"].max())
        frame = frame.assign(treated=(frame["first"] > 0).astype(int))
        post = [t for t in sorted(frame["time"].unique()) if t >= start]

        def peer() -> object:
            design = dd.SyntheticDiD(variance_method="placebo", n_bootstrap=200, seed=1)
            return design.fit(frame, outcome="y", treatment="treated", unit="unit", time="time", post_periods=post)

    own = seconds(lambda: estimators.fit("synthetic_did", panel), rounds)
    row("synthetic DiD, 200 placebos, 200 x 60", own, seconds(peer, rounds) if peer else None)


def covariate(n: int, T: int, rounds: int) -> None:
    made = simulation.simulate(simulation.waves(n, T, 5), T)
    x = np.random.default_rng(5).normal(size=n)
    panel = simulation.panel(made, covariates=["x"], model={"group_time": {"method": "dr"}})
    panel = replace(panel, units=panel.units.assign(x=x))
    peer: Work | None = None
    if find_spec("diff_diff"):
        import diff_diff as dd

        frame = made.frame
        codes = frame["unit"].astype("category").cat.codes.to_numpy()
        frame = frame.assign(x=x[codes])

        def peer() -> object:
            design = dd.CallawaySantAnna(control_group="not_yet_treated", estimation_method="dr", n_bootstrap=0)
            names = {"outcome": "y", "unit": "unit", "time": "time", "first_treat": "first"}
            return design.fit(frame, covariates=["x"], aggregate="event_study", **names)

    own = seconds(lambda: estimators.fit("group_time", panel), rounds)
    row(f"group_time, doubly robust, {n:,} x {T}", own, seconds(peer, rounds) if peer else None)


def bounds(before: int, after: int, rounds: int, *, asked: bool) -> None:
    random = np.random.default_rng(2)
    size = before + after
    root = random.normal(size=(size, 3 * size)) / np.sqrt(3 * size)
    sigma = 0.1 * (root @ root.T)
    beta = np.r_[0.05 * random.normal(size=before), 0.6 + 0.05 * random.normal(size=after)]
    found = honest.consecutive(beta, sigma, before)
    weights = np.full(after, 1 / after)
    peer: Work | None = None
    if asked and find_spec("moderndid"):
        from moderndid.didhonest import create_sensitivity_results_rm

        def peer() -> object:
            return create_sensitivity_results_rm(
                beta, sigma, before, after, m_bar_vec=MBAR, l_vec=weights, grid_points=1_000
            )

    elif asked:
        print("moderndid is not installed: skipped")
    own = seconds(lambda: honest.relative_magnitudes(found, weights, MBAR, level=0.95), rounds)
    row(f"relative magnitudes, 5 Mbar, {before} + {after}", own, seconds(peer, 1) if peer else None)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    warnings.simplefilter("ignore")
    if not find_spec("diff_diff"):
        print("diff-diff is not installed: skipped")
    print(f"{'task':46s} {'evalkit':>9s} {'peer':>9s} {'ratio':>9s}")
    bounds(5, 2, chosen.rounds, asked=True)
    bounds(12, 12, chosen.rounds, asked=False)
    synthetic(chosen.rounds)
    covariate(200, 60, chosen.rounds)
    covariate(5_000, 60, 1)
