"""A plan: how many units join, in how many waves, with how many to compare with, and for how long.

With W waves d periods apart, b periods before the first wave, a transition of l periods and m periods after that of
the last wave, the plan takes T = b + (W - 1) d + l + m periods, and wave w joins in column b + (w - 1) d.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from evalkit import numbers, periods
from evalkit.errors import DesignError, Fault
from evalkit.estimators._did.layout import Layout
from evalkit.panel import Panel
from evalkit.periods import Frequency
from evalkit.placebos.pool import FEWEST

MOST_UNITS, MOST_PERIODS = 20_000, 600  # beyond these a plan is taken for a slip of the keyboard
QUARTER: dict[Frequency, int] = {"month": 3, "quarter": 1, "year": 1}  # periods between waves unless told otherwise
SHARE = 4  # where nobody has joined yet: one unit in so many
WORDS = {
    "joined": "units that join",
    "comparison": "comparison units",
    "before": "periods before the first wave",
    "after": "periods after the transition of the last wave",
    "waves": "waves",
    "spacing": "periods between waves",
    "transition": "periods of transition",
}
LEAST = {"joined": FEWEST, "comparison": 0, "before": 1, "after": 1, "waves": 1, "spacing": 1, "transition": 0}


@dataclass(frozen=True)
class Plan:
    """What is planned; counts are whole numbers.

    joined      units that join, all waves together; waves are as equal as can be, the first ones larger
    comparison  units that do not join in the time of the plan
    before      periods before the first wave
    after       periods after the transition of the last wave
    waves       dates at which units join
    spacing     periods from one wave to the next
    transition  periods from joining that count as neither before nor after

    Raises DesignError with every fault: not whole numbers, too small or absurdly large, waves of fewer than 2 units
    (of one alone nobody knows the variation), or nobody to compare with.
    """

    joined: int
    comparison: int
    before: int
    after: int
    waves: int = 1
    spacing: int = 1
    transition: int = 0

    def __post_init__(self) -> None:
        faults = [fault for name in LEAST for fault in _number_faults(name, getattr(self, name))]
        if faults:
            raise DesignError(faults)
        faults = _together(self)
        if faults:
            raise DesignError(faults)

    @property
    def sizes(self) -> np.ndarray:
        """Units of each wave, shape (W,)."""
        each, left = divmod(self.joined, self.waves)
        return each + (np.arange(self.waves) < left).astype(int)

    @property
    def starts(self) -> np.ndarray:
        """Columns of the waves, shape (W,)."""
        return self.before + self.spacing * np.arange(self.waves)

    @property
    def units(self) -> int:
        """Units altogether."""
        return self.joined + self.comparison

    @property
    def length(self) -> int:
        """Periods altogether."""
        return self.before + self.spacing * (self.waves - 1) + self.transition + self.after

    def layout(self) -> Layout:
        """Its units and periods without outcomes: waves in order, then comparison units; all count alike."""
        n, T = self.units, self.length
        g = np.concatenate([np.repeat(self.starts, self.sizes).astype(float), np.full(self.comparison, np.nan)])
        since = np.arange(T)[None, :] - self.starts[:, None]
        phases = np.select([since < 0, since < self.transition], ["pre", "transition"], "post").astype(object)
        ones = np.ones((n, T))
        return Layout(
            np.zeros((n, T)), ones > 0, g, self.starts, phases, ones, np.arange(n), pd.RangeIndex(n), equal=True
        )

    def smaller(self, most: int) -> Plan | None:
        """The same for at most so many units, in proportion; None where waves or comparison would be too small."""
        if self.units <= most:
            return self
        joined = round(self.joined * most / self.units)
        joined = min(max(joined, FEWEST * self.waves), most - min(self.comparison, FEWEST))
        try:
            return replace(self, joined=joined, comparison=most - joined if self.comparison else 0)
        except DesignError:
            return None

    def sentence(self, frequency: Frequency) -> str:
        """The plan in words."""

        def span(count: int) -> str:
            return f"{numbers.count(count)} {periods.noun(frequency, count)}"

        at = "at once" if self.waves == 1 else f"in {numbers.of(self.waves, 'wave')}, {span(self.spacing)} apart"
        text = f"{numbers.of(self.joined, 'unit')} join {at}, {numbers.count(self.comparison)} do not"
        text += f"; {span(self.before)} before the first wave, {span(self.after)} after"
        return f"{text} a transition of {span(self.transition)}" if self.transition else text


def _number_faults(name: str, value: object) -> list[Fault]:
    least, most = LEAST[name], MOST_UNITS if name in ("joined", "comparison") else MOST_PERIODS
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        return [Fault(f"{value!r} is not a whole number", WORDS[name], f"give {least} or more")]
    if not least <= value <= most:
        return [Fault(f"{value} is not between {least} and {numbers.count(most)}", WORDS[name])]
    return []


def _together(plan: Plan) -> list[Fault]:
    """What is wrong with numbers that are sound one by one."""
    out = []
    if plan.joined < FEWEST * plan.waves:
        what = f"{numbers.of(plan.joined, 'unit')} cannot form {numbers.of(plan.waves, 'wave')} of at least {FEWEST}"
        out.append(
            Fault(f"{what}: of one unit alone nobody knows the variation", fix="plan fewer waves or more units")
        )
    if plan.comparison < FEWEST and not (plan.comparison == 0 and plan.waves > 1):
        few = "no unit" if plan.comparison == 0 else "one unit only"
        out.append(
            Fault(f"there is {few} to compare with", fix="plan comparison units, or several waves without any")
        )
    if plan.units > MOST_UNITS:
        out.append(Fault(f"{numbers.of(plan.units, 'unit')} are more than {numbers.count(MOST_UNITS)}"))
    if plan.length > MOST_PERIODS:
        out.append(Fault(f"the plan takes {plan.length} periods, more than {MOST_PERIODS}"))
    return out


def plan_of(panel: Panel, **given: int) -> Plan:
    """A study's own rollout as a plan, with what is given in its place.

    given  fields of `Plan`

    Waves are made equal and equally far apart, no farther than they were; units and periods are counted. Where
    nobody has joined yet: one unit in four at once, half of the window before, the rest after. Waves of single units
    are put together until each has two, and where nobody is left to compare with at once, as many as join are
    planned. Raises DesignError for a plan that cannot be.
    """
    own = _own(panel) if len(panel.joined) else _neutral(panel)
    return Plan(**{**own, **given})


def _own(panel: Panel) -> dict[str, Any]:
    study = panel.study
    starts = study.time(pd.PeriodIndex(panel.cohorts))
    starts = starts[starts > 0]  # a wave without a period before it is in no comparison, and in no plan
    if not len(starts):
        return _neutral(panel)
    transition = study.protocol.transition.periods
    open_ = ~study.excluded
    first, last = int(starts[0]), int(starts[-1]) + transition
    late = int((study.time(panel.units.loc[panel.joined, "cohort"]) > 0).sum())
    joined, never = max(late, FEWEST), len(panel.never)
    waves = min(len(starts), joined // FEWEST)
    spacing = int(starts[-1] - starts[0]) // (waves - 1) if waves > 1 else QUARTER[study.frequency]
    comparison = never if never >= FEWEST else 0 if waves > 1 else joined
    return {
        "joined": joined,
        "comparison": comparison,
        "before": max(_run(open_[:first][::-1]), 1),
        "after": max(_run(open_[last:]), 1),
        "waves": waves,
        "spacing": max(spacing, 1),
        "transition": transition,
    }


def _neutral(panel: Panel) -> dict[str, Any]:
    study, n = panel.study, len(panel.units)
    transition, T = study.protocol.transition.periods, len(study.window)
    before = max((T - transition) // 2, 1)
    joined = max(n // SHARE, FEWEST)
    return {
        "joined": joined,
        "comparison": max(n - joined, FEWEST),
        "before": before,
        "after": max(T - transition - before, 1),
        "waves": 1,
        "spacing": QUARTER[study.frequency],
        "transition": transition,
    }


def _run(flags: np.ndarray) -> int:
    """How many are true before the first that is not."""
    return len(flags) if flags.all() else int(np.argmin(flags))
