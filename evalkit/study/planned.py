"""What a protocol says of its own plan: where it departs from the locked one, and how often it is looked at."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from evalkit.study.fields import Strict, Text


class Deviation(Strict):
    """A departure from the locked plan, with its reason."""

    part: Annotated[
        Text, Field(description="The part of the plan, such as comparison or outcomes.within_4h.numerator.")
    ]
    why: Annotated[Text, Field(description="The reason, printed in the report.")]


class Looks(Strict):
    """What is done about looking more than once at data that keep arriving."""

    spending: Annotated[
        Literal["obrien_fleming", "pocock", "none"],
        Field(description="How the error rate is spent over the planned periods: late, evenly, or not at all."),
    ] = "none"
    planned: Annotated[
        int | None,
        Field(ge=1, le=600, description="Periods after the first joining and its transition until the planned end."),
    ] = None
    always_valid: Annotated[
        bool, Field(description="An interval that holds at every look, however many; tightest at `planned`.")
    ] = False

    @model_validator(mode="after")
    def _one_rule(self) -> Looks:
        if self.always_valid and self.spending != "none":
            raise ValueError("`always_valid` needs no `spending`: choose one of the two")
        if self.spending != "none" and self.planned is None:
            raise ValueError("`spending` needs `planned`, the number of periods after joining until the end")
        return self
