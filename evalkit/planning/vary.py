"""One thing of a plan changed at a time, the rest kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from evalkit import periods
from evalkit.errors import DesignError, Fault
from evalkit.periods import Frequency
from evalkit.placebos.calibration import SEED
from evalkit.placebos.pool import FEWEST
from evalkit.planning.minimal import DRAWS, Minimal, minimal, suited
from evalkit.planning.plan import LEAST, Plan
from evalkit.planning.source import Baseline
from evalkit.spread import Spread, in_order

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


@dataclass(frozen=True)
class Changed:
    """The plan with one number changed; blank and nought for the plan as it is."""

    name: str = ""
    value: int = 0


@dataclass(frozen=True, eq=False)
class Asked:
    """What is asked of every plan: as `minimal` takes it."""

    baseline: Baseline
    plan: Plan
    designs: tuple[str, ...]
    draws: int
    seed: int


Found = tuple[dict[str, Minimal], dict[str, Fault]]  # as of `Detectable`


def changed(asked: Asked, one: Changed) -> Found | DesignError:
    """What each design would find under the changed plan, or why that is no plan."""
    try:
        plan = replace(asked.plan, **{one.name: one.value}) if one.name else asked.plan
        found = minimal(asked.baseline, plan, asked.designs, asked.draws, asked.seed)
    except DesignError as refusal:
        return refusal
    return found.found, found.refused


def vary(
    baseline: Baseline,
    plan: Plan,
    designs: Sequence[str] = (),
    draws: int = DRAWS,
    progress: Callable[[str], None] = lambda _: None,
    spread: Spread = in_order,
) -> Varied:
    """Change joined units, comparison units, periods before and after and waves, one at a time.

    designs   default those that suit the plan
    progress  is told of each number before it is changed
    spread    where plans are worked out; the figures are the same wherever that is

    With more waves the programme takes longer, as periods between waves and after the last stay. What cannot be
    planned is refused with the reason. Raises DesignError for an unknown design.
    """
    asked = Asked(baseline, plan, tuple(designs) or suited(plan), draws, SEED)
    others = [Changed(name, value) for name in VARIED for value in values(plan, name) if value != getattr(plan, name)]
    begun: set[str] = {""}

    def told(one: Changed) -> None:
        if one.name not in begun:
            begun.add(one.name)
            progress(one.name)

    parts = [Changed(), *others]
    made = dict(zip(parts, spread(changed, asked, parts, told), strict=True))
    own = made[Changed()]
    if isinstance(own, DesignError):
        raise own
    sizes, refused = [], []
    for name in VARIED:
        for value in values(plan, name):
            kept = value == getattr(plan, name)
            result = made[Changed() if kept else Changed(name, value)]
            if isinstance(result, DesignError):
                refused += [(name, value, design, result.faults[0].what) for design in asked.designs]
                continue
            found, why = result
            refused += [(name, value, design, fault.what) for design, fault in why.items()]
            for one in found.values():
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
