"""Judgements from answers, and one over all from judgements; rules only, each of them in a table."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from evalkit.appraisal.rows import Judgement
from evalkit.instruments import Answer, Domain, Instrument, When
from evalkit.study.appraisal import Judged

DECIDED = ("serious", "critical")  # a judgement of the evaluator's that stands where too little is known
UNKNOWN: Answer = "no information"


def holds(conditions: Sequence[When], answers: Mapping[str, Answer]) -> bool:
    """Whether every condition holds."""
    return all(answers.get(c.question, UNKNOWN) in c.answers for c in conditions)


def excluded(conditions: Sequence[When], answers: Mapping[str, Answer], skipped: Collection[str]) -> bool:
    """Whether a question need not be asked: each of its conditions was answered, or need not be, and none holds."""
    known = all(answers.get(c.question, UNKNOWN) != UNKNOWN or c.question in skipped for c in conditions)
    return bool(conditions) and known and not any(holds([c], answers) for c in conditions)


def domain(tool: Instrument, one: Domain, answers: Mapping[str, Answer], said: Judged | None, by: str) -> Judgement:
    """The judgement of a domain from its answers, or the evaluator's own where that is worse."""
    found, reason = tool.unknown, "too little is known to judge"
    for rule in one.rules:
        if holds(rule.when, answers):
            found, reason = rule.judgement, rule.reason
            break
    if said and _worse(said.judgement, found, tool):
        return Judgement(tool.key, one.key, said.judgement, f"{by}: {said.why}; by the answers: {found}, {reason}")
    return Judgement(tool.key, one.key, found, reason)


def _worse(said: str, found: str, tool: Instrument) -> bool:
    if found == tool.unknown:
        return said in DECIDED
    return tool.worst.index(said) > tool.worst.index(found)


def overall(tool: Instrument, judged: Sequence[Judgement]) -> Judgement:
    """As bad as the worst domain; unknown where a domain is, unless a known one is bad enough.

    Bad enough is `serious` or `critical` in ROBINS-I, `high` in EPOC.
    """
    found = [j.judgement for j in judged]
    known = [j for j in found if j != tool.unknown]
    worst = max(known, key=tool.worst.index, default=tool.unknown)
    bad = worst in (*DECIDED, "high")
    verdict = worst if bad or len(known) == len(found) else tool.unknown
    titles = {one.key: one.title.lower() for one in tool.domains}
    named = [titles[j.domain] for j in judged if j.judgement == verdict]
    return Judgement(tool.key, "", verdict, "every domain" if len(named) == len(found) else "; ".join(named))
