"""Risk of bias and reporting checklists as tables; nothing is judged here."""

from __future__ import annotations

from dataclasses import replace

from evalkit import instruments
from evalkit.appraisal import Appraisal
from evalkit.markup import Shown
from evalkit.tables.general import _shown

SAID = {"run": "the run", "evaluator": "the evaluator", "both": "both", "missing": "nobody", "not asked": "nobody"}


def risk_of_bias(appraisal: Appraisal) -> Shown:
    """Every domain with its judgement and reason, the overall judgement of each tool first."""
    rows = []
    for tool in instruments.BIAS:
        overall = appraisal.judged(tool.key)
        rows.append([tool.title, "Overall", overall.judgement, f"{overall.reason} ({tool.overall})"])
        titles = {one.key: one.title for one in tool.domains}
        judged = [j for j in appraisal.domains if j.instrument == tool.key]
        rows += [[tool.title, titles[j.domain], j.judgement, j.reason] for j in judged]
    table = _shown(["Tool", "Domain", "Judgement", "Why"], rows, "Risk of bias")
    return replace(table, payload={"appraisal": appraisal.records()})


def bias_questions(appraisal: Appraisal, tool: str = "") -> Shown:
    """Every signalling question with its answer, who gave it and what was said; readings stand in `checks`.

    tool  the key of one tool; default all that apply
    """
    chosen = [one for one in instruments.BIAS if tool in ("", one.key)]
    rows = [
        [f"{one.title} {row.id}", row.question, row.answer, SAID[row.status], row.source]
        for one in chosen
        for row in appraisal.of(one.key)
    ]
    counts = " ".join(appraisal.count(one.key) for one in chosen if appraisal.of(one.key))
    return _shown(["Question", "In our words", "Answer", "Said by", "From"], rows, f"Signalling questions. {counts}")


def checklist(appraisal: Appraisal, key: str) -> Shown:
    """One reporting checklist: what is filled by the run, what by the evaluator, what is missing."""
    source = next(one.source for one in instruments.CHECKLISTS if one.key == key)
    rows = [
        [row.id, row.question, "missing" if row.status == "missing" else SAID[row.status], row.source]
        for row in appraisal.of(key)
    ]
    caption = f"{appraisal.count(key)} Items after {source}; our wording."
    return _shown(["Item", "Asks for", "Filled by", "With"], rows, caption)
