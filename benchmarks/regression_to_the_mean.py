"""What does the check of regression to the mean say where it is known whether entry was selective?

    python benchmarks/regression_to_the_mean.py [REPLICATIONS] [--out docs/regression_to_the_mean.md]

Panels of 120 units and 48 months with the moments of four-hour performance by trust: standard deviation 9 points
between units, 4.3 within, first-order autocorrelation 0.6. Thirty units join in month 37, either the poorest over the
months before, or drawn by lot. The bars are tested with the same functions in tests/test_regression_to_the_mean.py.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import did_panels as simulation
import numpy as np
import pandas as pd
from scipy import stats

from evalkit import checks, estimators
from evalkit.panel import Panel

SEED, DRAWS = 20261122, 399
UNITS, MONTHS, START, JOINERS = 120, 48, 36, 30
BETWEEN, WITHIN, RHO = 9.0, 4.3, 0.6
DESIGNS = ("group_time", "imputation")
FIRST = pd.Period("2000-01", "M")


@dataclass(frozen=True)
class Case:
    """One kind of panel.

    length    months over which the poorest were picked; 0 when entry was by lot
    effect    true effect on the joined
    declared  `rule`: the protocol gives the rule; `poor`: only that entry followed poor results; `lot`: neither
    rho       autocorrelation within units
    """

    label: str
    length: int
    effect: float
    declared: str = "rule"
    rho: float = RHO

    @property
    def entry(self) -> dict[str, Any]:
        """The protocol's `entry`."""
        if self.declared != "rule":
            return {"rule": "As it came", "selected_on_outcome": self.declared == "poor"}
        over = [str(FIRST + START - self.length), str(FIRST + START - 1)]
        return {"rule": "The poorest", "selected_on_outcome": True, "worst": JOINERS, "over": over}


CASES = [
    *(Case(f"poorest over {n} months, no effect", n, 0.0) for n in (12, 3, 1)),
    *(Case(f"poorest over {n} months, effect 4", n, 4.0) for n in (12, 3, 1)),
    Case("poorest over 3 months, no effect, autocorrelation 0.9", 3, 0.0, rho=0.9),
    Case("poorest over 12 months, rule not declared, no effect", 12, 0.0, "poor"),
    Case("by lot, said to follow poor results, no effect", 0, 0.0, "poor"),
    Case("by lot, said to follow poor results, effect 4", 0, 4.0, "poor"),
    Case("by lot, and said to be, effect 4", 0, 4.0, "lot"),
]


def panel(case: Case, random: np.random.Generator) -> Panel:
    """One simulated panel; the poorest join, or as many by lot."""
    Y = BETWEEN * random.normal(size=(UNITS, 1)) + 70 + WITHIN * simulation.ar1(random, (UNITS, MONTHS), case.rho)
    Y += random.normal(size=MONTHS)
    score = Y[:, START - case.length : START].mean(axis=1) if case.length else random.normal(size=UNITS)
    g = np.full(UNITS, np.nan)
    g[np.argsort(score)[:JOINERS]] = START
    Y[np.isfinite(g), START:] += case.effect
    return simulation.panel(simulation.Simulated(Y, g), entry=case.entry)


def naive(made: Panel, length: int) -> tuple[float, float]:
    """Change of the joined less that of the rest, from the months judged to all after; and its p-value."""
    values, g = made.value_matrix()
    change = values[:, START:].mean(axis=1) - values[:, START - (length or 12) : START].mean(axis=1)
    joined = np.isfinite(g)
    found = stats.ttest_ind(change[joined], change[~joined])
    return float(change[joined].mean() - change[~joined].mean()), float(found.pvalue)


def run(case: Case, replications: int, designs: tuple[str, ...] = DESIGNS, seed: int = SEED) -> pd.DataFrame:
    """One row a panel and design: what was found, and what the check says of it."""
    random = np.random.default_rng([seed, *case.label.encode()])
    rows = []
    for _ in range(replications):
        made = panel(case, random)
        change, p = naive(made, case.length)
        for design in designs:
            estimate = estimators.fit(design, made)
            found = checks.regression_to_the_mean(made, estimate, draws=DRAWS)
            head = estimate.headline
            row = {"design": design, "naive": change, "naive_p": p, "verdict": found.verdict}
            row |= {"estimate": head["estimate"], "covered": head["low"] <= case.effect <= head["high"]}
            row |= {"clear": head["low"] > 0 or head["high"] < 0}
            if found.value is not None:
                net = found.data.set_index("kind").loc["net"]
                row |= {"net": net["effect"], "net_covered": net["low"] <= case.effect <= net["high"]}
                row |= {"length": (net["high"] - net["low"]) / (head["high"] - head["low"])}
                row |= {"theory": found.data.set_index("kind").loc["theory", "effect"]}
                row |= {"mean": found.data.set_index("kind").loc["mean", "effect"]}
            rows.append(row)
    return pd.DataFrame(rows)


def share(values: pd.Series) -> str:
    """A share as per cent."""
    return f"{100 * values.astype(float).mean():.0f}"


def table(replications: int) -> list[str]:
    """One row a case and design."""
    out = [
        "| entry and effect | design | naive p < 0.05 | estimate clear of 0 | estimate's mean | its coverage | "
        "rule in earlier windows (theory) | net mean | net coverage | net length | concern | inconclusive | "
        "reassuring | concern, of those clear of 0 |",
        "|---" * 14 + "|",
    ]
    for case in CASES:
        every = run(case, replications)
        for design, found in every.groupby("design", sort=False):
            verdict = {v: share(found["verdict"].eq(v)) for v in ("concern", "inconclusive", "reassuring")}
            asked = "net" in found
            clear = found[found["clear"].astype(bool)]
            flagged = share(clear["verdict"].eq("concern")) if len(clear) else ""
            mean = f"{found['mean'].mean():.2f} ({found['theory'].mean():.2f})" if asked else "not applicable"
            net = ["", "", ""]
            if asked:
                net = [f"{found['net'].mean():.2f}", share(found["net_covered"]), f"{found['length'].mean():.2f}"]
            out.append(
                f"| {case.label} | {design} | {share(found['naive_p'] < 0.05)} | {share(found['clear'])} | "
                f"{found['estimate'].mean():.2f} | {share(found['covered'])} | {mean} | "
                f"{' | '.join(net)} | {' | '.join(verdict.values())} | {flagged} |"
            )
    return out


def page(replications: int) -> str:
    """The table with what it means."""
    margin = 196 * np.sqrt(0.05 * 0.95 / replications)
    return "\n".join(
        [
            "# Regression to the mean: what the check says",
            "",
            f"Simulated {datetime.now(UTC).date()}, seed {SEED}, {replications:,} panels a row (`python "
            f"benchmarks/regression_to_the_mean.py {replications}`). A share of 95 % is known to within {margin:.1f} "
            "points.",
            "",
            *TEXT,
            "",
            *table(replications),
            "",
        ]
    )


TEXT = [
    f"{UNITS} units, {MONTHS} months; {JOINERS} units join in month {START + 1}. Standard deviation {BETWEEN:g} "
    f"between units, {WITHIN:g} within, autocorrelation {RHO:g} unless said. All shares are per cent. The naive "
    "difference is the change of the joined less that of the rest, from the months judged (the year before where "
    "none were) to the year after, by a t-test. Net length is the mean length of the net interval over that of the "
    f"estimate's. The check takes {DRAWS} draws here.",
    "",
    "In short: net of the rule, estimates are right on average and their intervals hold the truth as often as "
    "they should. Selected on a quarter or a month, the naive difference and the group-time estimate, whose "
    "base is a single month, are far from zero without any effect, and the check says so. Selected on twelve "
    "months the artefact is 0.6 to 0.9 points with these moments, and the naive difference clear of zero in "
    "some three runs of ten, not in most. Imputation, whose base is all months before, is nearly free of it "
    "here, and pays with a longer net interval. Where entry was by lot the check is quiet, even where the "
    "protocol wrongly says otherwise.",
]

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("replications", nargs="?", type=int, default=500)
    parser.add_argument("--out", type=Path)
    chosen = parser.parse_args()
    text = page(chosen.replications)
    if chosen.out:
        chosen.out.write_text(text, encoding="utf-8")
    else:
        print(text)
