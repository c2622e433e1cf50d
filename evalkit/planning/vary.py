"""One thing of a plan changed at a time, the rest kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from evalkit import periods
from evalkit.errors import DesignError
from evalkit.periods import Frequency
from evalkit.placebos.calibration import SEED
from evalkit.placebos.pool import FEWEST
from evalkit.planning.minimal import DRAWS, minimal, suited
from evalkit.planning.plan import LEAST, Plan
from evalkit.planning.source import Baseline

VARIED = ("joined", "comparison", "before", "after", "waves")
TIMES = (0.5, 0.75, 1.0, 1.5, 2.0)  # of what the plan has
WAVES = (1, 2, 3, 4, 6)
COLUMNS = ["varied", "value", "own", "design", "profile", "size", "std_error", "draws"]
REFUSED = ["varied", "value", "design", "why"]


@dataclass(frozen=True, eq=False)
class Varied:
    """Minimal detectable effects around a plan.

    sizes    `COLUMNS`: what was varied, its value, whether that is the plan's own, design, profile, minimal
             detectable effect (in the outcome's unit, per cent for `relative`), median standard error, draws
    refused  `REFUSED`: the designs and values that could not be, and why
    """

    baseline: Baseline
    plan: Plan
    sizes: pd.DataFrame
    refused: pd.DataFrame

    def __repr__(self) -> str:
        """The plan, and how many changes were tried."""
        tried = self.sizes.groupby(["varied", "value"]).ngroups
        return f"{self.plan.sentence(self.baseline.frequency)}: changed in {tried} ways"

    def record(self) -> dict[str, Any]:
        """Everything by name, for programs, at full precision."""
        return {"varied": self.sizes.to_dict("records"), "varied_refused": self.refused.to_dict("records")}


def values(plan: Plan, name: str) -> list[int]:
    """What a number of the plan is changed to, its own value among them."""
    own = int(getattr(plan, name))
    if name == "waves":
        return sorted({own, *(w for w in WAVES if FEWEST * w <= plan.joined)})
    if not own:  # nobody to compare with but later waves: some, up to as many as join
        return [0, *sorted({max(plan.joined // part, FEWEST) for part in (4, 2, 1)})]
    return sorted({own, *(max(round(times * own), LEAST[name]) for times in TIMES)})


def vary(
    baseline: Baseline,
    plan: Plan,
    designs: Sequence[str] = (),
    draws: int = DRAWS,
    seed: int = SEED,
    progress: Callable[[str], None] = lambda _: None,
) -> Varied:
    """Change joined units, comparison units, periods before and after and waves, one at a time.

    designs   default those that suit the plan
    progress  is told of each number before it is changed

    With more waves the programme takes longer, as periods between waves and after the last stay. What cannot be
    planned is refused with the reason. Raises DesignError for an unknown design.
    """
    chosen = tuple(designs) or suited(plan)
    own = minimal(baseline, plan, chosen, draws, seed)
    sizes, refused = [], []
    for name in VARIED:
        progress(name)
        for value in values(plan, name):
            kept = value == getattr(plan, name)
            try:
                found = own if kept else minimal(baseline, replace(plan, **{name: value}), chosen, draws, seed)
            except DesignError as refusal:
                refused += [(name, value, design, refusal.faults[0].what) for design in chosen]
                continue
            refused += [(name, value, design, fault.what) for design, fault in found.refused.items()]
            for one in found.found.values():
                same = (name, value, kept, one.design)
                sizes += [(*same, p, size, one.std_error, one.draws) for p, size in one.sizes.items()]
    return Varied(baseline, plan, pd.DataFrame(sizes, columns=COLUMNS), pd.DataFrame(refused, columns=REFUSED))


def called(name: str, frequency: Frequency) -> str:
    """What is varied, in words."""
    noun = periods.noun(frequency, 2)
    return {
        "joined": "Units that join",
        "comparison": "Comparison units",
        "before": f"{noun.capitalize()} before the first wave",
        "after": f"{noun.capitalize()} after the last wave's transition",
        "waves": "Waves",
    }[name]
