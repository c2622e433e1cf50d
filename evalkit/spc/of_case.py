"""What a case offers of all this: charts of its outcome, and funnels before and after."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import pandas as pd

from evalkit.errors import DesignError
from evalkit.estimate import Refusal
from evalkit.panel import Panel
from evalkit.spc.between import Allowance, Funnel, funnel, spans
from evalkit.spc.charts import Chart, Charts, chart, charts
from evalkit.spc.stretches import How, Method, Rebase


class Varying(ABC):
    """Description of a panel's outcome beside its estimates; to be mixed into what holds the panel."""

    @property
    @abstractmethod
    def panel(self) -> Panel:
        """The panel of the outcome that is looked at."""

    def spc(
        self, of: str = "joined", rebase: Rebase | tuple[pd.Period, ...] = "start", method: Method = "xmr"
    ) -> Chart:
        """One control chart: of `joined`, `comparison` or `all` units together, or of a unit by its code."""
        return chart(self.panel, of, How(method=method, rebase=rebase))

    def spc_groups(self, rebase: Rebase = "start") -> list[Chart]:
        """The charts of the units that joined and of those that never did, where there are any of each."""
        groups = {"joined": self.panel.joined, "comparison": self.panel.never}
        return [self.spc(of, rebase) for of, units in groups.items() if len(units)]

    def spc_units(self, rebase: Rebase = "start", method: Method = "xmr") -> Charts:
        """A control chart for each unit that joined, rebased at its own joining."""
        return charts(self.panel, how=How(method=method, rebase=rebase))

    def funnels(self, allowance: Allowance = "additive", **more: Any) -> list[Funnel | Refusal]:  # noqa: ANN401
        """Variation between units, last year before the first wave and last of all; or why there is none."""
        return [attempt(self.panel, span, allowance, **more) for span in spans(self.panel)]


def attempt(
    panel: Panel,
    span: tuple[pd.Period, pd.Period],
    allowance: Allowance = "additive",
    std_error: pd.Series | None = None,
) -> Funnel | Refusal:
    """The funnel of one span, or why it was refused."""
    try:
        return funnel(panel, span, allowance, std_error)
    except DesignError as error:
        reasons = tuple(f"{f.what[:1].upper()}{f.what[1:]}; {f.fix}." for f in error.faults)
        return Refusal(panel.study.slug, panel.outcome.name, "funnel", "Funnel plot", reasons)
