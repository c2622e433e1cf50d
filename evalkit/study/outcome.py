"""What a protocol measures: outcomes, and who is counted."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from evalkit.study.distribution import Distribution
from evalkit.study.fields import Columns, Line, Name, Number, Strict


class Outcome(Strict):
    """A measure: what is counted, out of what, and which direction is better."""

    name: Name
    label: Annotated[
        Line, Field(description="As it is printed, for a reader who is not an analyst; default the name.")
    ] = ""
    kind: Literal["proportion", "rate", "count", "continuous"]
    numerator: Annotated[Columns | None, Field(description="For a proportion or rate.")] = None
    denominator: Annotated[Columns | None, Field(description="For a proportion or rate.")] = None
    value: Annotated[
        Columns | None,
        Field(description="For a count or a continuous measure; a lone `numerator` means the same."),
    ] = None
    better: Literal["higher", "lower"]
    role: Literal["primary", "secondary", "process", "balancing"] = "secondary"
    alternative_to: Annotated[
        Name | None,
        Field(description="The outcome of which this is another definition; it then has no role of its own."),
    ] = None
    per: Annotated[Number, Field(gt=0, description="A rate is per this many of the denominator.")] = 1.0
    report: Annotated[Line, Field(description="Unit of report; default by kind.")] = ""
    target: Annotated[
        Number | None,
        Field(description="A national or local target, as a share for a proportion."),
    ] = None
    worthwhile: Annotated[
        Number | None,
        Field(gt=0, description="Smallest effect worth having, in the unit of report."),
    ] = None
    distribution: Annotated[
        Distribution | None,
        Field(description="Of a proportion within a threshold: the bands around it, to see what moved across."),
    ] = None

    @model_validator(mode="after")
    def _columns_fit_kind(self) -> Outcome:
        ratio = self.kind in ("proportion", "rate")
        if ratio and (self.numerator is None or self.denominator is None or self.value is not None):
            raise ValueError(f"a {self.kind} needs `numerator` and `denominator` and no `value`")
        if not ratio and (self.denominator is not None or (self.value is None) == (self.numerator is None)):
            raise ValueError(f"a {self.kind} outcome needs `value` and no `denominator`")
        if self.alternative_to is not None and "role" in self.model_fields_set:
            raise ValueError("another definition has the role of the outcome it is `alternative_to`: remove `role`")
        if self.kind != "rate" and "per" in self.model_fields_set:
            raise ValueError("`per` belongs to a rate")
        if self.kind == "proportion" and self.target is not None and not 0 <= self.target <= 1:
            raise ValueError("the target of a proportion is a share between 0 and 1, such as 0.78")
        if self.kind != "proportion" and self.distribution is not None:
            raise ValueError("`distribution` belongs to a proportion, the share on one side of its threshold")
        return self

    @property
    def title(self) -> str:
        """The label, or the name with its underscores as spaces."""
        return self.label.strip() or self.name.replace("_", " ")

    @property
    def measured(self) -> Columns:
        """The numerator of a ratio, or the value itself."""
        return self.numerator or self.value  # type: ignore[return-value]  # one is given: see above

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column of the source that is needed."""
        figures = [part.names for part in (self.numerator, self.denominator, self.value) if part]
        figures += [self.distribution.columns] if self.distribution else []
        return tuple(dict.fromkeys(name for names in figures for name in names))

    @property
    def scale(self) -> float:
        """What numerator / denominator is multiplied by to reach the unit of report."""
        return 100.0 if self.kind == "proportion" else self.per

    @property
    def unit(self) -> str:
        """The unit in which every value and effect is given."""
        if self.report:
            return self.report
        if self.kind == "proportion":
            return "percentage points"
        if self.kind == "rate":
            base = str(self.denominator).replace("_", " ")
            return f"per {self.per:,g} {base}" if self.per != 1 else f"per {base}"
        return "count" if self.kind == "count" else "units"


class CaseMix(Outcome):
    """A measure of who is counted, such as the share that arrive by ambulance: put to the designs, never a result."""

    better: Literal["higher", "lower"] = "higher"
    role: Literal["primary", "secondary", "process", "balancing"] = "secondary"

    @model_validator(mode="after")
    def _no_result(self) -> CaseMix:
        results = ("better", "role", "alternative_to", "target", "worthwhile", "distribution")
        given = [name for name in results if name in self.model_fields_set]
        if given:
            raise ValueError(f"case mix is neither better nor worse: leave out `{'`, `'.join(given)}`")
        return self
