"""What a protocol may choose about each design, under `model:`.

Defaults are fixed here, before any data are seen; a protocol states every departure.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from evalkit.study.fields import Strict


class Season(Strict):
    """Seasonal terms: `harmonics` pairs of sine and cosine a year."""

    harmonics: Annotated[int, Field(ge=0, le=4, description="Pairs of sine and cosine; 0 for no season.")] = 2


class ItsOptions(Strict):
    """Interrupted time series."""

    errors: Annotated[
        Literal["newey_west", "ols"], Field(description="How standard errors allow for autocorrelation.")
    ] = "newey_west"
    lags: Annotated[
        int | None, Field(ge=0, le=24, description="Newey-West lags; default floor(4 (n/100)^(2/9)).")
    ] = None
    season: Annotated[
        Season | None, Field(description="Default: two harmonic pairs from two years of data on, else none.")
    ] = None

    trend: Annotated[Literal["linear"], Field(description="The course before the start, carried on.")] = "linear"


class TwowayOptions(Strict):
    """Two-way fixed effects (`twoway` and `event_study`)."""

    allow_staggered: Annotated[
        bool,
        Field(description="Compute it under staggered starts too, labelled as a comparison, not an effect."),
    ] = False


class GroupTimeOptions(Strict):
    """Group-time effects (Callaway and Sant'Anna 2021)."""

    method: Annotated[
        Literal["dr", "or", "ipw"],
        Field(description="Doubly robust, outcome regression or inverse probability: equal without covariates."),
    ] = "dr"
    anticipation: Annotated[
        int,
        Field(ge=0, le=12, description="Periods before joining in which behaviour may already have changed."),
    ] = 0
    base: Annotated[
        Literal["varying", "universal"], Field(description="Base period of the effects before joining.")
    ] = "varying"


class ModelOptions(Strict):
    """Options by design; a design that is not named keeps its defaults."""

    its: ItsOptions = ItsOptions()
    twoway: TwowayOptions = TwowayOptions()
    event_study: TwowayOptions = TwowayOptions()
    group_time: GroupTimeOptions = GroupTimeOptions()
