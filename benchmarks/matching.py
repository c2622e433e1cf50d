"""What does the check of matching say where it is known whether the two sides were alike?

    python benchmarks/matching.py [REPLICATIONS] [--out docs/matching.md]

Panels of 120 units and 48 months with the moments of four-hour performance by trust: standard deviation 9 points
between units, 4.3 within, first-order autocorrelation 0.6. Thirty units join in month 25. The bars are tested with
the same functions in tests/test_matching.py.
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
from scipy import optimize

from evalkit import checks, estimators
from evalkit.panel import Panel

SEED = 20261126
UNITS, MONTHS, START, JOINERS = 120, 48, 24, 30
BETWEEN, WITHIN, RHO = 9.0, 4.3, 0.6
DESIGNS = ("group_time", "imputation")
FIRST = pd.Period("2000-01", "M")


@dataclass(frozen=True)
class Case:
    """One kind of panel.

    effect   true effect on the joined
    apart    how much lower the mean of the population is that the joined come from, points
    closing  points a month by which a unit 9 points below the mean catches up
    judged   months over which the poorest were picked; 0 for by lot
    between  standard deviation between units
    rho      autocorrelation within units
    """

    label: str
    effect: float = 0.0
    apart: float = 0.0
    closing: float = 0.0
    judged: int = 0
    between: float = BETWEEN
    rho: float = RHO

    @property
    def entry(self) -> dict[str, Any]:
        """The protocol's `entry`."""
        if not self.judged:
            return {"rule": "As it came", "selected_on_outcome": False}
        over = [str(FIRST + START - self.judged), str(FIRST + START - 1)]
        return {"rule": "The poorest", "selected_on_outcome": True, "worst": JOINERS, "over": over}


CASES = [
    Case("by lot, no effect"),
    Case("by lot, effect 4", effect=4.0),
    Case("by lot, no effect, autocorrelation 0.9", rho=0.9),
    Case("two populations, means 9 points apart", apart=9.0),
    Case("two populations, units alike within each, means 4.3 points apart", apart=4.3, between=2.0),
    Case("the same, autocorrelation 0.9", apart=4.3, between=2.0, rho=0.9),
    Case("low units catch up, joined 9 points lower", apart=9.0, closing=0.2),
    Case("low units catch up, joined 9 points lower, effect 4", apart=9.0, closing=0.2, effect=4.0),
    Case("poorest over 6 months join", judged=6),
]


def panel(case: Case, random: np.random.Generator) -> Panel:
    """One simulated panel."""
    level = case.between * random.normal(size=UNITS)
    joined = np.arange(UNITS) < JOINERS
    level -= case.apart * joined
    t = np.arange(MONTHS)
    Y = 70 + level[:, None] * (1 - case.closing / BETWEEN * (t - t.mean())[None, :])
    Y += WITHIN * simulation.ar1(random, (UNITS, MONTHS), case.rho) + random.normal(size=MONTHS)
    if case.judged:
        joined = np.zeros(UNITS, bool)
        joined[np.argsort(Y[:, START - case.judged : START].mean(axis=1))[:JOINERS]] = True
    Y[joined, START:] += case.effect
    return simulation.panel(simulation.Simulated(Y, np.where(joined, START, np.nan)), entry=case.entry)


def naive(made: Panel) -> float:
    """Matched on level over the whole baseline, as is often done: change of the joined less that of their pairs."""
    values, g = made.value_matrix()
    joined, never = (np.flatnonzero(side) for side in (np.isfinite(g), np.isnan(g)))
    before, after = values[:, :START].mean(axis=1), values[:, START:].mean(axis=1)
    _, pair = optimize.linear_sum_assignment(np.abs(before[joined][:, None] - before[never][None, :]))
    change = after - before
    return float(change[joined].mean() - change[never[pair]].mean())


def run(case: Case, replications: int, designs: tuple[str, ...] = DESIGNS, seed: int = SEED) -> pd.DataFrame:
    """One row a panel and design: estimates, and what the check says."""
    random = np.random.default_rng([seed, *case.label.encode()])
    rows = []
    for _ in range(replications):
        made = panel(case, random)
        unwise = naive(made)
        for design in designs:
            estimate = estimators.fit(design, made)
            found = checks.matching(made, estimate)
            head = estimate.headline
            row = {"design": design, "estimate": head["estimate"], "naive": unwise, "verdict": found.verdict}
            row |= {"covered": head["low"] <= case.effect <= head["high"]}
            if found.value is not None:
                last = found.data[found.data["version"].ne("All units")].groupby("kind").last()
                row |= {name: last.loc[name, "estimate"] for name in ("effect", "placebo", "difference")}
                apart = (last["low"] > 0) | (last["high"] < 0)
                row |= {"flagged": apart["placebo"], "differs": apart["difference"]}
                row |= {"pairs": last.loc["effect", "joined"] / JOINERS}
                row |= {"matched_covered": last.loc["effect", "low"] <= case.effect <= last.loc["effect", "high"]}
            rows.append(row)
    return pd.DataFrame(rows)


def share(values: pd.Series) -> str:
    """A share as per cent."""
    return f"{100 * values.astype(float).mean():.0f}"


def table(replications: int) -> list[str]:
    """One row a case and design."""
    out = [
        "| the two sides, and the effect | design | estimate | its coverage | matched on the whole baseline | "
        "matched on the first half | its coverage | pairs | parted before joining | parted, clear of 0 | "
        "difference clear of 0 | concern | inconclusive | reassuring |",
        "|---" * 14 + "|",
    ]
    for case in CASES:
        for design, found in run(case, replications).groupby("design", sort=False):
            verdict = [share(found["verdict"].eq(v)) for v in ("concern", "inconclusive", "reassuring")]
            out.append(
                f"| {case.label} | {design} | {found['estimate'].mean():.2f} | {share(found['covered'])} | "
                f"{found['naive'].mean():.2f} | {found['effect'].mean():.2f} | {share(found['matched_covered'])} | "
                f"{share(found['pairs'])} | {found['placebo'].mean():.2f} | {share(found['flagged'])} | "
                f"{share(found['differs'])} | {' | '.join(verdict)} |"
            )
    return out


def page(replications: int) -> str:
    """The table with what it means."""
    return "\n".join(
        [
            "# Matching on the baseline: what the check says",
            "",
            f"Simulated {datetime.now(UTC).date()}, seed {SEED}, {replications:,} panels a row (`python "
            f"benchmarks/matching.py {replications}`).",
            "",
            *TEXT,
            "",
            *table(replications),
            "",
        ]
    )


TEXT = [
    f"{UNITS} units, {MONTHS} months; {JOINERS} units join in month {START + 1}. Standard deviation {BETWEEN:g} "
    f"between units unless said, {WITHIN:g} within, autocorrelation {RHO:g} unless said. Shares are per cent, "
    "all else points. Columns 3, 5, 6 and 9 are means: without an effect they should be nought (column 9 always).",
    "",
    "In short: with entry by lot the check is quiet (2 to 4 % concerns). Where the two sides come from populations "
    "with different means, matching on the whole baseline, as is often done, is off by one to two points where the "
    "estimate without matching is right (Daw and Hatfield 2018); pairs made on the first half part by two points "
    "before anybody joined, and the check says that they settle nothing. Group-time effects, whose base is the month "
    "before joining, are nearly free of it; imputation, whose base holds the months matched on, is not. Where trends "
    "go with level, matching takes an error of 2.5 (group-time) or 4.8 points (imputation) below 0.4, and a "
    "third (group-time) or nearly all (imputation) of the panels are a concern. Where the poorest over half a year "
    "join, pairs on earlier months bring more regression to the mean into group-time effects, not less: that is what "
    "the check of regression to the mean is for. With two populations and autocorrelation 0.9, a "
    "concern by imputation was 47 % of 60 panels before the rule asked whether the difference exceeds what the pairs "
    "were parting by anyway, and is 4 % with it.",
]

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("replications", nargs="?", type=int, default=300)
    parser.add_argument("--out", type=Path)
    chosen = parser.parse_args()
    text = page(chosen.replications)
    if chosen.out:
        chosen.out.write_text(text, encoding="utf-8")
    else:
        print(text)
