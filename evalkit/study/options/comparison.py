"""What a protocol may choose about comparisons between units."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from evalkit.study.fields import Strict


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
