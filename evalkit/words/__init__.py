"""Sentences made from estimates and checks by explicit rules; nothing is computed here."""

from evalkit.words.answer import Answer, answer, direction
from evalkit.words.charts import variation
from evalkit.words.finding import MEANING, Finding, Strength, beside, finding, sentence
from evalkit.words.summaries import Summaries, summaries

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
