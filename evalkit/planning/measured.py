"""A baseline panel: pseudo-collaboratives of any size drawn from a study's untouched unit-periods.

A draw takes a block of consecutive periods and, of the units untouched and reported in all of it, as many as the
plan wants, by lot: which of them join when, and which are compared with. Blocks begin in different periods where
there is time. Where the plan wants more units than there are, as many as there are take part in the same
proportion, and errors are scaled by

    sqrt( (1/a + 1/b) / (1/A + 1/B) ),    a joined with b to compare with in a draw, A and B in the plan

for a unit copied would bring its errors along and promise a precision that is not there. Months cannot be scaled so:
persistence is what it is, and a plan longer than the data is refused.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from evalkit import numbers, periods
from evalkit.errors import DesignError, Fault
from evalkit.estimators._did import front
from evalkit.estimators._did.headline import DESIGNS, Rule
from evalkit.estimators._did.layout import layout
from evalkit.estimators._did.rollouts import own_order
from evalkit.panel import Panel
from evalkit.periods import Frequency
from evalkit.planning.moments import EXAMPLE, Moments, fitted
from evalkit.planning.plan import Plan
from evalkit.planning.shared import spread, together
from evalkit.planning.source import Courses, Source
from evalkit.study.options import ModelOptions

DATES = 3  # starts of the block over which draws are spread at least, where there is time


@dataclass(frozen=True, eq=False)
class Measured:
    """The untouched unit-periods of a study.

    panel    the study's
    values   outcomes, shape (n, T), nought where not usable
    usable   reported, not excluded and untouched, booleans, shape (n, T)
    gathered whether the protocol clusters errors on groups of several units
    """

    panel: Panel
    values: np.ndarray
    usable: np.ndarray
    gathered: bool = False

    def __repr__(self) -> str:
        """What there is, in words."""
        return f"{self.label}: {self.sentence()}"

    @property
    def frequency(self) -> Frequency:
        """Of the study."""
        return self.panel.study.frequency

    @property
    def level(self) -> float:
        """Of the protocol's intervals."""
        return self.panel.study.protocol.level

    @property
    def label(self) -> str:
        """The outcome's title."""
        return self.panel.outcome.title

    @property
    def unit(self) -> str:
        """The outcome's unit of report."""
        return self.panel.outcome.unit

    @property
    def sign(self) -> int:
        """1 where higher is better, -1 where lower is."""
        return 1 if self.panel.outcome.better == "higher" else -1

    @property
    def origin(self) -> str:
        """Whose data."""
        simulated = self.panel.study.protocol.simulated
        return "drawn from simulated demonstration data" if simulated else "drawn from the study's own data"

    def rule(self, design_name: str) -> Rule:
        """The protocol's options of a design; covariates are left out."""
        options = getattr(self.panel.study.protocol.model, design_name)
        comparison = self.panel.study.protocol.comparison
        return Rule(
            getattr(options, "anticipation", 0),
            never=comparison not in (None, "not_yet_joined", "none"),
            pairs=getattr(options, "unbalanced", "pairs") == "pairs",
            errors=getattr(options, "errors", "auto"),
        )

    def options(self) -> ModelOptions:
        """The protocol's."""
        return self.panel.study.protocol.model

    def sentence(self) -> str:
        """What there is."""
        protocol = self.panel.study.protocol
        kept = self.usable.any(axis=1).sum()
        text = f"{numbers.of(int(self.usable.sum()), 'untouched unit-period')} of {numbers.of(int(kept), 'unit')}"
        if protocol.simulated:
            text += " of simulated demonstration data"
        if protocol.weights == "denominator":
            text += "; the protocol weighs units by denominator, here each counts alike"
        if protocol.covariates:
            text += "; covariates are not used here"
        return text

    def moments(self) -> Moments:
        """The moments of these unit-periods. Raises DesignError with too few, or with errors clustered on groups."""
        self._single()
        said = {"frequency": self.frequency, "level": self.level, "label": self.label, "unit": self.unit}
        return Moments(**self._fitted, **said, sign=self.sign)  # type: ignore[arg-type]

    @cached_property
    def _fitted(self) -> dict[str, float]:
        found = fitted(self.values, self.usable)
        return {**found, **together(self.values, self.usable, self.panel.study.window)}

    def modelled(self) -> Modelled:
        """The same outcome simulated from its moments, for plans that the data cannot hold, and to hold against."""
        return Modelled(self)

    def source(self, plan: Plan) -> Source:
        """Draws of the plan, or of a smaller one in proportion.

        Raises DesignError when none fits, or errors are clustered on groups of several units: single units drawn
        would understate them.
        """
        self._single()
        runs = np.lib.stride_tricks.sliding_window_view(self.usable, min(plan.length, self.usable.shape[1]), axis=1)
        whole = np.asarray(runs.all(axis=2))  # (n, starts): units that could take part
        counts = np.sort(whole.sum(axis=0))[::-1]
        if plan.length > self.usable.shape[1] or not counts[0]:
            raise self._too_long(plan)
        most = int(counts[min(DATES, int((counts > 0).sum())) - 1])
        drawn = plan.smaller(most) or plan.smaller(int(counts[0]))
        if drawn is None:
            raise DesignError(
                f"{numbers.of(int(counts[0]), 'unit')} with {plan.length} untouched {self._noun(plan.length)} in a "
                f"row cannot form {numbers.of(plan.waves, 'wave')} and a comparison",
                self.panel.study.slug,
                "plan fewer waves or a shorter time, or state moments",
            )
        starts = np.flatnonzero(whole.sum(axis=0) >= drawn.units)
        courses, told = self._courses(drawn, whole, starts), self._told(plan, drawn, starts)
        positive, (common, why) = bool((self.values[self.usable] >= 0).all()), spread(starts, plan.length, self._noun)
        unsteady = None if why is None else Fault(why, self.panel.study.slug, self._instead())
        return Source(drawn, courses, _wider(plan, drawn), told, positive, None, common, unsteady)

    def _courses(self, drawn: Plan, whole: np.ndarray, starts: np.ndarray) -> Courses:
        def courses(draws: int, random: np.random.Generator) -> np.ndarray:
            out = np.empty((draws, drawn.units, drawn.length))
            at = random.choice(starts, draws)
            for b, start in enumerate(at):
                chosen = random.permutation(np.flatnonzero(whole[:, start]))[: drawn.units]
                out[b] = self.values[chosen, start : start + drawn.length]
            return out

        return courses

    def _told(self, plan: Plan, drawn: Plan, starts: np.ndarray) -> str:
        study = self.panel.study
        noun = self._noun(drawn.length)
        text = f"{drawn.joined} joined and {drawn.comparison} comparison units over {drawn.length} {noun}, by lot"
        first, last = (periods.say(study.window[int(s)]) for s in (starts[0], starts[-1]))
        dates = (
            f"from {first}" if len(starts) == 1 else f"beginning in {len(starts)} {self._noun(2)}, {first} to {last}"
        )
        text = f"{text}, from {self.sentence()}, {dates}"
        if drawn.units < plan.units:
            text += (
                f"; the plan wants {plan.joined} and {plan.comparison}, more than there are, so sizes and errors are "
                f"divided by {numbers.number(_wider(plan, drawn), 2)}"
            )
        return text

    def _single(self) -> None:
        """Refuse groups of several units."""
        if self.gathered:
            raise DesignError(
                f"the protocol clusters errors on {self.panel.study.protocol.cluster}, groups of several units; "
                "units drawn one by one would promise too much",
                self.panel.study.slug,
                "state moments of whole groups, with the groups as units",
            )

    def _too_long(self, plan: Plan) -> DesignError:
        longest = max((_longest(row) for row in self.usable), default=0)
        return DesignError(
            f"the plan takes {plan.length} {self._noun(plan.length)} in a row, and no unit has more than {longest} "
            "that are reported and untouched",
            self.panel.study.slug,
            self._instead(),
        )

    def _instead(self) -> str:
        return f"plan a shorter time, or state moments, such as {self._stated()}"

    def _stated(self) -> str:
        """The moments of the data as they are stated on the command line."""
        try:
            found = self._fitted
        except DesignError:
            return EXAMPLE
        return ",".join(f"{name}={value:.3g}" for name, value in found.items())

    def _noun(self, count: int) -> str:
        return periods.noun(self.frequency, count)


@dataclass(frozen=True, eq=False)
class Modelled:
    """A study's outcome simulated from the moments of its untouched unit-periods; options are the protocol's."""

    measured: Measured

    def __repr__(self) -> str:
        """Simulated, and from whose moments."""
        return f"{self.label}: {self.origin}"

    @property
    def frequency(self) -> Frequency:
        """Of the study."""
        return self.measured.frequency

    @property
    def level(self) -> float:
        """Of the protocol's intervals."""
        return self.measured.level

    @property
    def label(self) -> str:
        """The outcome's title."""
        return self.measured.label

    @property
    def unit(self) -> str:
        """The outcome's unit of report."""
        return self.measured.unit

    @property
    def sign(self) -> int:
        """1 where higher is better, -1 where lower is."""
        return self.measured.sign

    @property
    def origin(self) -> str:
        """Simulated, and from whose moments."""
        simulated = self.measured.panel.study.protocol.simulated
        whose = "simulated demonstration data" if simulated else "the study's own data"
        return f"simulated from the moments of {whose}"

    def rule(self, design_name: str) -> Rule:
        """The protocol's options of a design."""
        return self.measured.rule(design_name)

    def options(self) -> ModelOptions:
        """The protocol's."""
        return self.measured.options()

    def sentence(self) -> str:
        """The moments. Raises DesignError with too few unit-periods."""
        return self.measured.moments().sentence()

    def source(self, plan: Plan) -> Source:
        """Simulated panels of the plan's size. Raises DesignError when there are no moments."""
        return replace(self.measured.moments(), origin=self.origin).source(plan)


def measured(panel: Panel) -> Measured:
    """A panel's untouched unit-periods: of joiners those before joining, less any anticipation that is declared."""
    arrays = layout(panel)
    model = panel.study.protocol.model
    anticipation = max(getattr(getattr(model, d), "anticipation", 0) for d in DESIGNS)
    usable, _ = front.sample(arrays, anticipation)
    order = own_order(arrays)  # neither names nor the order of rows decide what is drawn
    return Measured(panel, np.where(usable, arrays.Y, 0.0)[order], usable[order], arrays.gathered)


def _wider(plan: Plan, drawn: Plan) -> float:
    if not plan.comparison:
        return float(np.sqrt(plan.joined / drawn.joined))
    wide, narrow = (1 / p.joined + 1 / p.comparison for p in (drawn, plan))
    return float(np.sqrt(wide / narrow))


def _longest(flags: np.ndarray) -> int:
    """The longest run of true values."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(int), [0]])))
    return int((edges[1::2] - edges[::2]).max(initial=0))
