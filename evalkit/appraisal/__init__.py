"""Risk of bias and reporting checklists, filled in from the run and the evaluator's answers."""

from evalkit.appraisal.appraise import appraise
from evalkit.appraisal.rows import COLUMNS, TITLES, Appraisal, Judgement, Row
from evalkit.appraisal.run import Run

__all__ = ["COLUMNS", "TITLES", "Appraisal", "Judgement", "Row", "Run", "appraise"]
