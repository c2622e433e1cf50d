"""Questions put to one estimate that several pages show the answer to: each is worked out once."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from evalkit import checks
from evalkit.estimate import Check, Estimate, Refusal
from evalkit.panel import Panel
from evalkit.remember import remembered
from evalkit.workbench.chosen import COMPARED, SYNTHETIC

HALF_YEAR = {"month": 6, "quarter": 2, "year": 1}


class Asked(ABC):
    """The questions to a series and to the course before joining; to be mixed into what remembers and has a panel."""

    memory: dict[Any, Any]

    @property
    @abstractmethod
    def panel(self) -> Panel:
        """The panel of the outcome that is looked at."""

    @remembered
    def autocorrelation(self, series: Estimate | Refusal) -> Check:
        """Whether the errors of an interrupted time series follow one another, judged as in short series."""
        return checks.autocorrelation(series, self.panel)

    @remembered
    def seasonality(self, series: Estimate | Refusal) -> Check:
        """Whether a season is left in the errors of an interrupted time series."""
        return checks.seasonality(series)

    @remembered
    def placebo_dates(self, series: Estimate | Refusal) -> Check:
        """What an interrupted time series finds at dates when nothing happened."""
        return checks.placebo_dates(self.panel, series)

    @remembered
    def forecast_error(self, series: Estimate | Refusal) -> Check:
        """How well an interrupted time series forecasts the end of its own baseline."""
        return checks.forecast_error(self.panel, series)

    @remembered
    def influence(self, series: Estimate | Refusal) -> Check:
        """What an interrupted time series finds without each period."""
        return checks.influence(self.panel, series)

    @remembered
    def specification_curve(self, series: Estimate | Refusal) -> Check:
        """What an interrupted time series finds under other reasonable specifications."""
        return checks.specification_curve(self.panel, series)

    @remembered
    def detectable(self, series: Estimate | Refusal) -> Check:
        """The effects that an interrupted time series would have missed."""
        return checks.detectable(self.panel, series)

    def series_checks(self, series: Estimate | Refusal, *, carrying: bool) -> list[Check]:
        """The questions put to the interrupted time series.

        carrying  whether the finding rests on it: then those are asked too that refit it dozens of times
        """
        if isinstance(series, Refusal):
            return [checks.autocorrelation(series)]
        asked = [self.autocorrelation, self.seasonality, self.placebo_dates, self.forecast_error]
        if carrying:
            asked += [self.influence, self.specification_curve, self.detectable]
        return [question(series) for question in asked]

    @remembered
    def pretrend_power(self, estimate: Estimate | Refusal) -> Check:
        """The trends before joining that a comparison between units would have missed."""
        return checks.pretrend_power(estimate)

    @remembered
    def bounds(self, estimate: Estimate | Refusal) -> Check:
        """How far trends may have parted, measured by means of half a year: months alone are mostly chance."""
        return checks.sensitivity_bounds(estimate, self.panel, block=HALF_YEAR[self.panel.study.frequency])

    def trend_checks(self, estimate: Estimate | Refusal) -> list[Check]:
        """The questions put to the course before joining of one comparison between units."""
        if estimate.design in SYNTHETIC:
            return [checks.synthetic_fit(estimate), checks.placebo_units(estimate)]
        if estimate.design != COMPARED[0]:
            return [checks.parallel_trends(estimate)]
        return [checks.parallel_trends(estimate), self.pretrend_power(estimate), self.bounds(estimate)]
