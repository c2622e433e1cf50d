"""Sentences made from estimates and checks by explicit rules; nothing is computed here."""

from evalkit.words.charts import variation
from evalkit.words.finding import MEANING, Finding, Strength, beside, finding, sentence
from evalkit.words.summaries import Summaries, summaries

__all__ = ["MEANING", "Finding", "Strength", "Summaries", "beside", "finding", "sentence", "summaries", "variation"]
