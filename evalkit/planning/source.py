"""Where the outcomes of planned panels come from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from evalkit.errors import Fault
from evalkit.estimators._did.headline import Rule
from evalkit.periods import Frequency
from evalkit.planning.plan import Plan
from evalkit.study.options import ModelOptions

Courses = Callable[[int, np.random.Generator], np.ndarray]


@dataclass(frozen=True, eq=False)
class Source:
    """Outcomes without an effect.

    plan      what is drawn: the plan asked for, or the same with fewer units
    courses   draws and a generator to outcomes, shape (draws, n, T), in the order of `plan.layout()`
    wider     how much wider an interval is here than under the plan asked for, from numbers of units alone
    sentence  what is drawn
    positive  whether the outcome has one sign, so that a share of it makes sense
    shared    draws and a generator to what moves all units alike beside `courses`, shape (draws, T); None where it is
              part of them
    common    what moves all units alike, in words, for designs in which it counts
    unsteady  why draws do not show how that varies; None where they do
    """

    plan: Plan
    courses: Courses
    wider: float
    sentence: str
    positive: bool
    shared: Courses | None = None
    common: str = ""
    unsteady: Fault | None = None


class Baseline(Protocol):
    """What planning needs to know of an outcome: `Measured` on a panel, or stated `Moments`."""

    @property
    def frequency(self) -> Frequency:
        """`month`, `quarter` or `year`."""

    @property
    def level(self) -> float:
        """Of the intervals."""

    @property
    def label(self) -> str:
        """The outcome."""

    @property
    def unit(self) -> str:
        """Of every effect."""

    @property
    def sign(self) -> int:
        """1 where higher is better, -1 where lower is."""

    @property
    def origin(self) -> str:
        """In a few words, for captions; says whether data are simulated."""

    def rule(self, design_name: str) -> Rule:
        """What is declared of a design."""

    def options(self) -> ModelOptions:
        """What is declared of every design."""

    def sentence(self) -> str:
        """The baseline in words."""

    def source(self, plan: Plan) -> Source:
        """Outcomes for a plan. Raises DesignError when it cannot hold the plan."""
