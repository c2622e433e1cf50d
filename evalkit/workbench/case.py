"""One study as a notebook uses it: its panels, and the designs and checks that go with it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from evalkit import catalogue, checks, estimators, placebos, spc
from evalkit.appraisal import Appraisal, appraise
from evalkit.estimate import Check, Estimate, Refusal
from evalkit.panel import Panel
from evalkit.remember import remembered
from evalkit.study import Outcome, Study
from evalkit.workbench.asked import Asked
from evalkit.workbench.chosen import SYNTHETIC, WITHOUT_COMPARISON, designs, first, weighed

STAGGERED = ("group_time", "imputation", "interaction_weighted", "two_stage", "extended_twoway", "stacked")
AT_ONCE = ("group_time", "imputation", "twoway", "event_study")
SENSITIVITY = ("interaction_weighted", "extended_twoway")  # put to pseudo-collaboratives beside them
SPECIFICATIONS = 240  # of a comparison, that a report shows
DRAWS = placebos.Draws(whole=60)


@dataclass(frozen=True, eq=False)
class Case(Asked, spc.Varying):
    """A study with a panel for every outcome; `outcome` is the one that is looked at.

    What takes long is worked out once and kept in `memory`.
    """

    study: Study
    outcome: Outcome
    panels: dict[str, Panel]
    memory: dict[Any, Any] = field(default_factory=dict, repr=False)

    def __repr__(self) -> str:
        """The study, the outcome looked at, and the others."""
        others = ", ".join(o.name for o in self.others) or "none"
        return f"{self.study!r}\nOutcome: {self.outcome.name} ({self.outcome.title}); others: {others}"

    @property
    def panel(self) -> Panel:
        """The panel of the outcome that is looked at."""
        return self.panels[self.outcome.name]

    def attempt(self, design: str, outcome: str | None = None) -> Estimate | Refusal:
        """One design for one outcome (by default the one looked at), computed once however often it is asked for."""
        return self._attempted(design, outcome or self.outcome.name)

    @remembered
    def _attempted(self, design: str, outcome: str) -> Estimate | Refusal:
        return estimators.attempt(design, self.panels[outcome])

    @remembered
    def estimates(self, outcome: str | None = None) -> list[Estimate | Refusal]:
        """The designs that a finding rests on, for one outcome (by default the one looked at)."""
        return [self.attempt(design, outcome) for design in designs(self.panels[outcome or self.outcome.name])]

    @remembered
    def comparisons(self) -> list[Estimate | Refusal]:
        """Every comparison between units that suits the rollout, for the outcome that is looked at."""
        chosen = STAGGERED if self.panel.staggered else AT_ONCE
        return [self.attempt(design) for design in chosen]

    @remembered
    def synthetic(self) -> list[Estimate | Refusal]:
        """The synthetic designs for the outcome that is looked at: difference-in-differences, plain, augmented."""
        return [self.attempt(design) for design in SYNTHETIC]

    def synthetic_checks(self, synthetic: list[Estimate | Refusal]) -> list[Check]:
        """How well each synthetic comparison fits, and its effect among placebos; as `synthetic()` returns them."""
        asked = [question(one) for one in synthetic for question in (checks.synthetic_fit, checks.placebo_units)]
        return [one for one in asked if one.verdict != "not applicable"]

    @property
    def others(self) -> list[Outcome]:
        """The outcomes beside the one that is looked at; other definitions of an outcome are none."""
        looked_at = (self.outcome.name, self.outcome.alternative_to)
        outcomes = self.study.protocol.outcomes
        return [o for o in outcomes if o.alternative_to is None and o.name not in looked_at]

    @property
    def definitions(self) -> list[Panel]:
        """The panels of the other definitions of the outcome that is looked at."""
        root = self.outcome.alternative_to or self.outcome.name
        same = [o.name for o in self.study.protocol.outcomes if root in (o.alternative_to, o.name)]
        return [self.panels[name] for name in same if name != self.outcome.name]

    @property
    def case_mix(self) -> list[Panel]:
        """The panels of the measures of case mix."""
        return [self.panels[measure.name] for measure in self.study.protocol.case_mix]

    @property
    def other_panels(self) -> list[Panel]:
        """The panels of the other outcomes."""
        return [self.panels[o.name] for o in self.others]

    def beside(self) -> list[Estimate | Refusal]:
        """For every other outcome, the first design that could be computed, or why none could."""
        return [self.leading(o.name) for o in self.others]

    def leading(self, outcome: str) -> Estimate | Refusal:
        """The first of an outcome's designs that can be computed, else why the first cannot; no later one is run."""
        return first(self.attempt(design, outcome) for design in designs(self.panels[outcome]))

    @remembered
    def checks(self, estimates: list[Estimate | Refusal]) -> list[Check]:
        """Every check that bears on the finding, asked of `estimates` as `estimates()` returns them."""
        *comparative, series = estimates
        carrying = not any(isinstance(one, Estimate) for one in comparative)
        record = self._record(estimates)
        asked = [
            *self.recorded(estimates),
            *self.disclosed(estimates),
            checks.entry(self.panel),
            *self._record_of_main(estimates, record),
            *(one for one in self.sensitivity(estimates) if one.verdict != "not applicable"),
            *(check for one in comparative for check in self.trend_checks(one)),
            *self.series_checks(series, carrying=carrying),
            self.agreement(record, estimates),
        ]
        pairs = zip(self.beside(), self.others, strict=True)
        return asked + [checks.balancing(e, o) for e, o in pairs if o.role == "balancing"]

    @remembered
    def recorded(self, estimates: list[Estimate | Refusal]) -> list[Check]:
        """Whether the analysis is the one that was locked, and how often data were looked at as they arrived."""
        main, earlier = first(estimates), catalogue.earlier_looks(self.study, self.outcome.name)
        return [checks.plan(self.panel, main), checks.looks(self.panel, main, earlier)]

    def disclosed(self, estimates: list[Estimate | Refusal]) -> list[Check]:
        """What suppression and rounding may have done to the answer; nothing where counts are as published."""
        asked = checks.disclosure(self.panel, first(estimates))
        return [] if asked.verdict == "not applicable" else [asked]

    def appraisal(self, estimates: list[Estimate | Refusal], asked: list[Check]) -> Appraisal:
        """Risk of bias and reporting checklists: what the run says, what the protocol says, what is unanswered."""
        return appraise(self.study, self.outcome, estimates, asked, self.panel)

    @property
    def calibrated(self) -> tuple[str, ...]:
        """The designs that are put to pseudo-collaboratives."""
        return tuple(dict.fromkeys((*designs(self.panel), *SENSITIVITY, placebos.INDEPENDENT)))

    @remembered
    def calibration(self, draws: placebos.Draws = DRAWS) -> placebos.Calibration:
        """The record, on pseudo-collaboratives that changed nothing, of the designs that a finding rests on."""
        return placebos.calibrate(self.panel, self.calibrated, draws)

    def power_checks(self, record: placebos.Calibration) -> list[Check]:
        """What each design between units would have found; from the record alone, before any result."""
        return [checks.power(self.panel, record, design) for design in designs(self.panel)]

    def calibration_checks(self, record: placebos.Calibration, estimates: list[Estimate | Refusal]) -> list[Check]:
        """Each design's record, with its estimate among what it finds where there is nothing."""
        return [self._calibrated(record, one) for one in estimates]

    @remembered
    def _calibrated(self, record: placebos.Calibration, estimate: Estimate | Refusal) -> Check:
        return checks.calibration(record, estimate)

    @remembered
    def returning(self, estimates: list[Estimate | Refusal]) -> list[Check]:
        """What the entry rule alone would have given, and each comparison between units net of it."""
        compared = [e for e in estimates if e.design not in WITHOUT_COMPARISON]
        return [self._returned(e) for e in compared or estimates]

    @remembered
    def _returned(self, estimate: Estimate | Refusal) -> Check:
        return checks.regression_to_the_mean(self.panel, estimate)

    @remembered
    def sensitivity(self, estimates: list[Estimate | Refusal]) -> list[Check]:
        """What the first weighted comparison rests on: units, dates, neighbours, pairs, definitions."""
        main = weighed(estimates)
        return [
            checks.comparison_curve(self.panel, main, most=SPECIFICATIONS),
            checks.leave_out(self.panel, main),
            checks.earlier_rollout(self.panel, main),
            checks.mergers(self.panel, main),
            checks.neighbours(self.panel, main),
            self.matching(estimates),
            self.redefined(estimates),
            checks.composition(self.panel, main, self.case_mix),
            self.programmes(estimates),
            self.bunching(estimates),
        ]

    @remembered
    def programmes(self, estimates: list[Estimate | Refusal]) -> Check:
        """Whether another programme could explain it."""
        return checks.other_programmes(self.panel, weighed(estimates))

    @remembered
    def bunching(self, estimates: list[Estimate | Refusal]) -> Check:
        """Where around its threshold the effect was made."""
        return checks.bunching(self.panel, weighed(estimates))

    @remembered
    def redefined(self, estimates: list[Estimate | Refusal]) -> Check:
        """The effect under other definitions of the outcome."""
        return checks.definitions(self.panel, weighed(estimates), self.definitions)

    @remembered
    def matching(self, estimates: list[Estimate | Refusal]) -> Check:
        """The effect against units that looked alike before."""
        return checks.matching(self.panel, weighed(estimates))

    @remembered
    def leaving_out(self, estimates: list[Estimate | Refusal]) -> list[Check]:
        """The design that carries the finding without each wave and each region: shown, for they may well differ."""
        return [checks.leave_out(self.panel, weighed(estimates), by=by) for by in ("wave", "region")]

    @remembered
    def agreement(self, record: placebos.Calibration | None, estimates: list[Estimate | Refusal]) -> Check:
        """Every design against the one that carries the finding, by a record where one is at hand."""
        return checks.agreement(estimates, self.panel, record)

    def _record(self, estimates: list[Estimate | Refusal]) -> placebos.Calibration | None:
        """The record of the credibility page, where a comparison between units carries the finding."""
        main = first(estimates)
        return None if isinstance(main, Refusal) or main.design in WITHOUT_COMPARISON else self.calibration()

    def _record_of_main(
        self, estimates: list[Estimate | Refusal], record: placebos.Calibration | None
    ) -> list[Check]:
        """Regression to the mean and false positives of the design that carries the finding."""
        if record is None:
            return []
        return [self._returned(weighed(estimates)), self._calibrated(record, first(estimates))]

    def family(self) -> Check:
        """All outcomes together, each by the first design that could be computed, allowing for how many there are."""
        every = [self.outcome, *self.others]
        return checks.family([self.leading(o.name) for o in every], every)
