"""The protocol: one collaborative's evaluation, written down before the results are seen.

Every class here is a part of `data/collaboratives/<slug>.yml`; the field descriptions are
what editors show through the exported JSON Schema.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from evalkit.periods import Frequency
from evalkit.study.appraisal import Evaluator
from evalkit.study.assurance import Assurance
from evalkit.study.fields import (
    Column,
    Event,
    Exclusion,
    File,
    Label,
    Name,
    Number,
    Period,
    Programme,
    Strict,
    Text,
    Transition,
)
from evalkit.study.options import ModelOptions
from evalkit.study.outcome import CaseMix, Outcome
from evalkit.study.planned import Deviation, Looks

NOTEBOOKS = (
    "data_and_design",
    "interrupted_time_series",
    "difference_in_differences",
    "synthetic_comparison",
    "credibility",
    "findings",
)
COMPARISONS = ("not_yet_joined", "never_joined", "none")
Disclosure = Literal["none", "sde", "opensafely", "hes", "midpoint6"]


class Condition(Strict):
    """Rows in which a column holds a value, compared as text or as a number."""

    column: Column
    equals: Column
    why: Annotated[str, Field(description="The reason, printed in the report.")] = ""


class SourceBase(Strict):
    """What every source has."""

    path: Annotated[File, Field(description="File or folder, relative to the protocol.")]
    gaps: Annotated[Literal["refuse", "allow"], Field(description="Periods missing inside a unit's life.")] = "refuse"
    zeros: Annotated[
        Literal["refuse", "missing", "keep"],
        Field(description="Counts of zero that large numbers make implausible: zero for not reported?"),
    ] = "refuse"


class CsvSource(SourceBase):
    """Any tidy CSV or Parquet file: one row per unit and period."""

    reader: Literal["csv"]
    unit: Annotated[Column, Field(description="Column naming the unit.")] = "unit"
    period: Annotated[Column, Field(description="Column holding the period.")] = "period"
    name: Annotated[Column | None, Field(description="Column with the unit's name in words.")] = None
    frequency: Frequency = "month"
    where: Annotated[tuple[Condition, ...], Field(description="Keep only rows that meet every condition.")] = ()
    missing_where: Annotated[
        tuple[Condition, ...], Field(description="Rows whose outcomes are to be treated as not reported.")
    ] = ()
    sum_over: Annotated[
        tuple[Column, ...],
        Field(description="Columns that split a unit and period into rows; their counts are added."),
    ] = ()


class NhsAeSource(SourceBase):
    """NHS England's monthly A&E provider files exactly as published, in one folder."""

    reader: Literal["nhs_ae"]
    successions: Annotated[
        File | None,
        Field(description="Table of organisation successions; default the workbench's own, `none` for none."),
    ] = None

    @property
    def frequency(self) -> Frequency:
        """Always monthly."""
        return "month"


Source = Annotated[CsvSource | NhsAeSource, Field(discriminator="reader")]


class Rollout(Strict):
    """Who joined when: a table with one row per unit."""

    path: Annotated[File, Field(description="CSV file, relative to the protocol.")]
    unit: Annotated[Column, Field(description="Column naming the unit.")] = "unit"
    joined: Annotated[Column, Field(description="Column with the joining period; blank = has not joined.")] = "joined"
    segment: Annotated[Column | None, Field(description="Column with the oversight segment.")] = None
    region: Annotated[Column | None, Field(description="Column with the region or system.")] = None
    merged: Annotated[
        Column | None, Field(description="Column that says what a unit was merged from; blank = nothing.")
    ] = None
    unlisted: Annotated[
        Literal["leave_out", "never_joined"],
        Field(description="Units with data that the table does not list: left out, or comparison units."),
    ] = "leave_out"


class Entry(Strict):
    """How units came to take part."""

    rule: Annotated[Text, Field(description="The entry rule in words.")]
    selected_on_outcome: Annotated[
        bool,
        Field(description="True when units joined because the outcome was poor: regression to the mean."),
    ]
    worst: Annotated[
        int | None, Field(ge=1, le=100_000, description="How many units with the poorest outcome were taken.")
    ] = None
    threshold: Annotated[
        Number | None,
        Field(description="Units poorer than this, in the unit of report, were taken."),
    ] = None
    over: Annotated[
        tuple[Period, Period] | None, Field(description="First and last period over which the outcome was judged.")
    ] = None
    outcome: Annotated[Name | None, Field(description="The outcome that was judged; default the primary one.")] = None

    @model_validator(mode="after")
    def _one_rule(self) -> Entry:
        picks = [name for name in ("worst", "threshold") if getattr(self, name) is not None]
        parts = [name for name in ("over", "outcome") if getattr(self, name) is not None]
        if not picks and not parts:
            return self
        if len(picks) != 1:
            raise ValueError("give `worst` or `threshold`, one of the two, with `over`")
        if self.over is None:
            raise ValueError(f"`{picks[0]}` needs `over`, the first and last period that were judged")
        if not self.selected_on_outcome:
            raise ValueError(f"`{picks[0]}` needs `selected_on_outcome: true`")
        return self


def _comparison(value: object) -> object:
    if isinstance(value, str):
        if value not in COMPARISONS:
            raise ValueError(f"'{value}' is not a comparison; use {', '.join(COMPARISONS)} or a list of units")
        return value
    if isinstance(value, list | tuple) and value and all(isinstance(v, str) and v.strip() for v in value):
        return tuple(v.strip() for v in value)
    raise ValueError(f"use {', '.join(COMPARISONS)} or a list of units")


Comparison = Annotated[
    str | tuple[str, ...],
    BeforeValidator(_comparison),
    WithJsonSchema(
        {
            "anyOf": [
                {"enum": list(COMPARISONS)},
                {"type": "array", "items": {"type": "string"}, "minItems": 1},
            ]
        }
    ),
]


class Protocol(Strict):
    """One collaborative's evaluation."""

    title: Label
    question: Annotated[Text, Field(description="What the evaluation asks, in one sentence.")]
    simulated: Annotated[bool, Field(description="True for simulated data; every page then says so.")] = False
    source: Source
    window: Annotated[tuple[Period, Period], Field(description="First and last period of the study.")]
    outcomes: Annotated[tuple[Outcome, ...], Field(min_length=1)]
    case_mix: Annotated[
        tuple[CaseMix, ...], Field(description="Measures of who is counted, which joining should not change.")
    ] = ()
    rollout: Rollout
    programmes: Annotated[
        tuple[Programme, ...], Field(description="Other programmes that reached some of the units.")
    ] = ()
    transition: Transition = Transition()
    exclude: tuple[Exclusion, ...] = ()
    events: tuple[Event, ...] = ()
    comparison: Annotated[
        Comparison | None,
        Field(description="Who stands in for what would have happened; default not_yet_joined."),
    ] = None
    entry: Entry | None = None
    weights: Annotated[
        Literal["unit", "denominator"],
        Field(
            description="Whether every unit counts alike in a comparison between units, or by its denominator: the "
            "first asks of the typical unit, the second of the typical patient."
        ),
    ] = "unit"
    covariates: Annotated[tuple[Column, ...], Field(description="Columns of the source or the rollout.")] = ()
    cluster: Annotated[
        Column | None, Field(description="`unit`, or the rollout column that standard errors are clustered on.")
    ] = None
    horizons: Annotated[
        tuple[Annotated[int, Field(ge=0, le=120)], ...], Field(description="Periods after joining to report.")
    ] = (6, 12)
    level: Annotated[float, Field(gt=0.5, le=0.9999, description="Confidence level of every interval.")] = 0.95
    model: ModelOptions = ModelOptions()
    appraisal: Annotated[
        Evaluator | None,
        Field(description="What only an evaluator can say on risk of bias and on what the report must hold."),
    ] = None
    assurance: Annotated[
        Assurance | None, Field(description="Who commissioned, analysed, checked and approved; known limits.")
    ] = None
    looks: Annotated[
        Looks | None, Field(description="What is done about looking more than once as months arrive.")
    ] = None
    deviations: Annotated[
        tuple[Deviation, ...], Field(description="Departures from the locked plan, each with its reason.")
    ] = ()
    notebooks: Annotated[tuple[Name, ...], Field(min_length=1)] = NOTEBOOKS
    disclosure: Annotated[
        Disclosure,
        Field(
            description="Which rule counts of people are released by: `none` for published data, as they are; `sde`, "
            "`opensafely` and `hes` suppress small ones and round the rest; `midpoint6` rounds all."
        ),
    ] = "none"
    people: Annotated[
        tuple[Text, ...],
        Field(description="Covariates and a dose that count people, and are released by the same rule."),
    ] = ()
    not_people: Annotated[
        tuple[Text, ...],
        Field(description="Columns of outcomes, or covariates, that count no people, such as beds or days."),
    ] = ()

    @property
    def counts(self) -> tuple[str, ...]:
        """The columns that count people: all that counts, shares and rates are made of, and `people`."""
        made = [n for m in (*self.outcomes, *self.case_mix) if m.kind != "continuous" for n in m.columns]
        return tuple(name for name in dict.fromkeys((*made, *self.people)) if name not in self.not_people)
