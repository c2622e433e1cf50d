"""What a protocol may choose about synthetic comparisons."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from evalkit.study.fields import Strict

Replications = Annotated[
    int,
    Field(ge=50, le=5000, description="Placebo or bootstrap draws at most; all placebos there are, where not more."),
]


class SyntheticControlOptions(Strict):
    """Synthetic control."""

    levels: Annotated[
        Literal["own", "matched"],
        Field(
            description="own: every unit's mean before joining is taken out and the course alone is matched; "
            "matched: levels are matched too, the classical method, for joined units inside the donors' range."
        ),
    ] = "own"
    inference: Annotated[
        Literal["auto", "placebo", "jackknife", "conformal"],
        Field(
            description="Where the errors come from: auto takes placebo units, or the jackknife where they are too "
            "few; conformal shifts residuals in time (one wave only)."
        ),
    ] = "auto"
    replications: Replications = 200


class AugmentedOptions(SyntheticControlOptions):
    """Augmented synthetic control."""

    penalty: Annotated[
        float | None, Field(gt=0, description="Ridge penalty; default by leaving out one period at a time.")
    ] = None


class SyntheticDidOptions(Strict):
    """Synthetic difference-in-differences."""

    inference: Annotated[
        Literal["auto", "placebo", "jackknife", "bootstrap"],
        Field(
            description="Where the errors come from: auto takes the jackknife from 10 joined units on, below that "
            "placebo units, or the jackknife where they are too few."
        ),
    ] = "auto"
    replications: Replications = 200
