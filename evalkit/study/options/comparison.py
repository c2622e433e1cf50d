"""What a protocol may choose about comparisons between units."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from evalkit.study.fields import Column, Name, Strict


class AnticipatingOptions(Strict):
    """What every comparison between units has."""

    anticipation: Annotated[
        int,
        Field(ge=0, le=12, description="Periods before joining in which behaviour may already have changed."),
    ] = 0


class ComparisonOptions(AnticipatingOptions):
    """Those whose errors come from what each unit contributes."""

    inference: Annotated[
        Literal["auto", "analytic", "wild"],
        Field(
            description="Intervals of the headline and horizons: analytic, or the wild cluster bootstrap; auto takes "
            "the latter from 6 to 29 clusters, unless errors leave each cluster out (imputation with small waves)."
        ),
    ] = "auto"


class WindowedOptions(ComparisonOptions):
    """Those that may average over a choice of event times."""

    first: Annotated[int | None, Field(ge=-120, le=0, description="First period since joining to show.")] = None
    last: Annotated[int | None, Field(ge=0, le=120, description="Last period since joining to show.")] = None
    balanced: Annotated[
        int | None,
        Field(
            ge=0,
            le=120,
            description="Show event times up to this one, of the waves that were seen that long.",
        ),
    ] = None


class TwowayOptions(AnticipatingOptions):
    """Two-way fixed effects (`twoway` and `event_study`)."""

    inference: Annotated[
        Literal["auto", "analytic", "bias_reduced", "wild"],
        Field(
            description="analytic (CR1, t on clusters - 1); bias_reduced (CR2, Satterthwaite degrees of freedom); "
            "wild (restricted wild cluster bootstrap); auto takes wild from 6 to 29 clusters, else analytic."
        ),
    ] = "auto"
    allow_staggered: Annotated[
        bool,
        Field(description="Compute it under staggered starts too, labelled as a comparison, not an effect."),
    ] = False
    by_region: Annotated[
        bool, Field(description="Period effects of each region's own, so that units are compared within regions.")
    ] = False


class GroupTimeOptions(WindowedOptions):
    """Group-time effects (Callaway and Sant'Anna 2021)."""

    method: Annotated[
        Literal["dr", "or", "ipw"],
        Field(description="With covariates: doubly robust, outcome regression or inverse probability."),
    ] = "dr"
    base: Annotated[
        Literal["varying", "universal"], Field(description="Base period of the effects before joining.")
    ] = "varying"
    unbalanced: Annotated[
        Literal["pairs", "cross_sections"],
        Field(
            description="Where values are missing: compare units seen in both periods, or the means of those seen in "
            "each (which a change in who reports moves)."
        ),
    ] = "pairs"


class ImputationOptions(WindowedOptions):
    """Imputation (Borusyak, Jaravel and Spiess 2024)."""

    errors: Annotated[
        Literal["auto", "conservative", "leave_out"],
        Field(
            description="leave_out leaves a unit out of the mean that it is judged by; auto does so for small waves."
        ),
    ] = "auto"


class ExtendedTwowayOptions(WindowedOptions):
    """Extended two-way fixed effects (Wooldridge)."""

    family: Annotated[
        Literal["gaussian", "poisson", "logit"],
        Field(description="gaussian for least squares; poisson for counts and rates; logit for proportions."),
    ] = "gaussian"


class StackedOptions(Strict):
    """Stacked difference-in-differences (Cengiz et al. 2019; Wing et al. 2024)."""

    before: Annotated[int, Field(ge=1, le=60, description="Periods before joining that each stack holds.")] = 6
    after: Annotated[int, Field(ge=0, le=60, description="Last period since joining that each stack holds.")] = 6
    weights: Annotated[
        Literal["corrected", "none"],
        Field(description="corrected weighs each stack's comparison as its wave (Wing et al. 2024)."),
    ] = "corrected"


class TripleOptions(WindowedOptions):
    """Triple differences: the change in the outcome less that in one which joining cannot move."""

    outcome: Annotated[
        Name | None, Field(description="The other outcome of the same units, one that joining cannot move.")
    ] = None


class DoseOptions(ComparisonOptions):
    """Does the effect grow with the dose? A declared secondary analysis."""

    column: Annotated[Column | None, Field(description="Column of the rollout with each joined unit's dose.")] = None


class HeterogeneityOptions(AnticipatingOptions):
    """Effects by groups of units that the protocol names."""

    by: Annotated[
        tuple[Literal["segment", "region", "wave", "baseline"], ...],
        Field(description="Groupings to report: segment, region, wave, baseline (thirds of the level before)."),
    ] = ()

    @model_validator(mode="after")
    def _each_once(self) -> HeterogeneityOptions:
        if len(set(self.by)) < len(self.by):
            raise ValueError("name each grouping once")
        return self
