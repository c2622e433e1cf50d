"""Sentences made from estimates and checks by explicit rules; nothing is computed here."""

from typing import TYPE_CHECKING, Any

from evalkit.words.answer import Answer, answer, direction
from evalkit.words.finding import MEANING, Finding, Strength, beside, finding, sentence
from evalkit.words.summaries import Summaries, summaries

if TYPE_CHECKING:
    from evalkit.words.charts import variation

__all__ = [
    "MEANING",
    "Answer",
    "Finding",
    "Strength",
    "Summaries",
    "answer",
    "beside",
    "direction",
    "finding",
    "sentence",
    "summaries",
    "variation",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - as Python asks
    """Control charts bring distributions along, which a run of other pages does without."""
    if name == "variation":
        from evalkit.words.charts import variation

        return variation
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
