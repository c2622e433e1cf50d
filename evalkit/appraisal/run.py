"""What a run holds that an instrument may ask of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from evalkit.estimate import Check, Estimate, Refusal
from evalkit.panel import Panel
from evalkit.study import Outcome, Study

SERIES = ("its", "its_pooled", "its_event_time", "controlled_its")
NETTED, ENTRY = "regression_to_the_mean", "entry"


@dataclass(frozen=True, eq=False)
class Run:
    """One outcome of one study with its estimates and checks.

    panel  the data of that outcome; None leaves unanswered what only they can say
    """

    study: Study
    outcome: Outcome
    estimates: Sequence[Estimate | Refusal]
    checks: Sequence[Check]
    panel: Panel | None = None

    @property
    def usable(self) -> list[Estimate]:
        """The designs that could be computed."""
        return [e for e in self.estimates if isinstance(e, Estimate)]

    @property
    def main(self) -> Estimate | None:
        """The estimate that carries the finding."""
        return next(iter(self.usable), None)

    def appraised(self, about: str) -> Estimate | None:
        """The first estimate of the kind that an instrument is about: `comparison` or `series`."""
        return next((e for e in self.usable if (e.design in SERIES) == (about == "series")), None)

    def asked(self, names: Sequence[str], design: str, *, netted: bool = False) -> list[Check]:
        """The checks of these names that bear on a design, in the order of the names.

        netted  whether a concern over how units came to join is set aside once regression to the mean
                was estimated for this design and is small
        """
        bearing = [c for c in self.checks if c.design in ("", design)]
        if netted and any(c.name == NETTED and c.verdict == "reassuring" for c in bearing):
            bearing = [c for c in bearing if c.name != ENTRY]
        return [c for name in names for c in bearing if c.name == name]

    def shown(self, names: Sequence[str]) -> list[Check]:
        """The checks of these names that had something to look at, whatever design they question."""
        return [c for name in names for c in self.checks if c.name == name and c.verdict != "not applicable"]
