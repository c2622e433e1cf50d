"""What an evaluator says of a study: answers on risk of bias, and where the report holds what it must."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from evalkit import instruments
from evalkit.study.fields import Strict, Text

Named = Iterable[tuple[str, str]]


class Evaluated(Strict):
    """An answer to one question, with its reason."""

    answer: Literal["yes", "probably yes", "probably no", "no"]
    why: Annotated[Text, Field(description="The reason, printed in the report.")]


class Judged(Strict):
    """A judgement of one domain that is worse than its answers say; a better one is not taken."""

    judgement: Literal["moderate", "serious", "critical"]
    why: Annotated[Text, Field(description="The reason, printed in the report.")]


class Reported(Strict):
    """Where an item of a checklist is reported, or the item itself.

    In a protocol it may be written as the text alone.
    """

    where: Annotated[Text, Field(description="Where it is reported, or the text itself.")]

    @model_validator(mode="before")
    @classmethod
    def _one_text(cls, value: object) -> object:
        return {"where": value} if isinstance(value, str) else value

    @classmethod
    def __get_pydantic_json_schema__(cls, core: Any, handler: Any) -> dict[str, Any]:  # noqa: ANN401 - pydantic's types
        long_form = handler.resolve_ref_schema(handler(core))
        return {"anyOf": [{"type": "string"}, dict(long_form)]}


def _listed(named: Named) -> Callable[[dict[str, Any]], None]:
    """The schema of a mapping whose keys are known, each with what it asks."""

    def change(schema: dict[str, Any]) -> None:
        inner = schema.pop("additionalProperties")
        schema["properties"] = {key: {**inner, "description": text} for key, text in named}
        schema["additionalProperties"] = False

    return change


BIAS = {tool.key: [(q.id, q.text) for q in tool.questions] for tool in instruments.BIAS}
LISTS = {checklist.key: [(item.id, item.text) for item in checklist.items] for checklist in instruments.CHECKLISTS}
DOMAINS = [(domain.key, domain.title) for domain in instruments.ROBINS_I.domains]
KNOWN: dict[str, list[tuple[str, str]]] = {**BIAS, **LISTS, "judgements": DOMAINS}


def _field(name: str) -> Any:  # noqa: ANN401 - pydantic's field
    return Field(default_factory=dict, json_schema_extra=_listed(KNOWN[name]))


Answers = dict[str, Evaluated]
Places = dict[str, Reported]


class Evaluator(Strict):
    """Answers by the number of the question; `evalkit.instruments` holds the questions."""

    by: Annotated[Text, Field(description="Who answered: name and role.")] = "the evaluator"
    robins_i: Answers = _field("robins_i")
    epoc_its: Answers = _field("epoc_its")
    epoc_cba: Answers = _field("epoc_cba")
    judgements: dict[str, Judged] = _field("judgements")
    squire: Places = _field("squire")
    epoc_entry: Places = _field("epoc_entry")
    trend: Places = _field("trend")
    strobe: Places = _field("strobe")
    record: Places = _field("record")
    tidier: Places = _field("tidier")
    technical: Places = _field("technical")

    def answers(self, instrument: str) -> Answers:
        """The answers to one tool for risk of bias, by question."""
        found: Answers = getattr(self, instrument)
        return found

    def places(self, checklist: str) -> Places:
        """What was written on one checklist, by item."""
        found: Places = getattr(self, checklist)
        return found
