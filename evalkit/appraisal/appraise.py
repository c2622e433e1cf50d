"""Every instrument put to one outcome: what the run says, what the evaluator says, what nobody said.

A check with a concern makes the answer that it bears on probably the bad one. Where the run and the evaluator
differ, both are shown and the worse answer counts. What nobody said is no information, and never counts as good.
"""

from __future__ import annotations

from collections.abc import Sequence

from evalkit import numbers
from evalkit.appraisal import judge
from evalkit.appraisal.facts import FACTS
from evalkit.appraisal.known import KNOWN
from evalkit.appraisal.rows import Appraisal, Judgement, Row, Status
from evalkit.appraisal.run import Run
from evalkit.estimate import Check, Estimate, Refusal
from evalkit.instruments import ANSWERS, BIAS, CHECKLISTS, Answer, Checklist, Instrument, Item, Question
from evalkit.panel import Panel
from evalkit.study import Outcome, Study
from evalkit.study.appraisal import Evaluated, Evaluator

ABSENT = {"comparison": "no comparison between units was computed", "series": "no time series was computed"}
Said = tuple[Answer, str]


def appraise(
    study: Study,
    outcome: Outcome,
    estimates: Sequence[Estimate | Refusal],
    checks: Sequence[Check],
    panel: Panel | None = None,
) -> Appraisal:
    """Risk of bias and reporting checklists for one outcome.

    estimates  the one that carries the finding first
    panel      the data of that outcome; without it, what only they can say is unanswered
    """
    run = Run(study, outcome, estimates, checks, panel)
    evaluator = study.protocol.appraisal or Evaluator()
    rows: list[Row] = []
    domains: list[Judgement] = []
    overall: list[Judgement] = []
    for tool in BIAS:
        appraised = run.appraised(tool.about)
        if appraised is None:
            unused = len(evaluator.answers(tool.key))
            more = f"; {numbers.of(unused, 'answer')} of the protocol not used" if unused else ""
            overall.append(Judgement(tool.key, "", "not applicable", ABSENT[tool.about] + more))
            continue
        found, judged = _bias(tool, run, evaluator, appraised.design)
        rows += found
        domains += judged
        overall.append(judge.overall(tool, judged))
    for checklist in CHECKLISTS:
        rows += [_item(checklist, item, run, evaluator) for item in checklist.items]
    return Appraisal(study.slug, outcome.name, tuple(rows), tuple(domains), tuple(overall))


def _bias(tool: Instrument, run: Run, evaluator: Evaluator, design: str) -> tuple[list[Row], list[Judgement]]:
    rows: list[Row] = []
    judged: list[Judgement] = []
    said = evaluator.answers(tool.key)
    worse = evaluator.judgements if tool.key == "robins_i" else {}
    for domain in tool.domains:
        answers: dict[str, Answer] = {}
        skipped: set[str] = set()
        for question in domain.questions:
            asked = run.asked(question.adverse, design, netted=question.netted)
            answer, status, source = _answer(
                question, _of_run(question, run, asked), said.get(question.id), evaluator.by
            )
            answers[question.id], shown = answer, str(answer)
            if status == "missing" and (why := _not_asked(question, answers, skipped)):
                skipped.add(question.id)
                status, source, shown = "not asked", why, "not asked"
            elif status == "missing":
                source = _unanswered(question, asked)
            row = Row(tool.key, domain.key, question.id, question.text, shown, status, source, _readings(asked))
            rows.append(row)
        judged.append(judge.domain(tool, domain, answers, worse.get(domain.key), f"protocol: {evaluator.by}"))
    return rows, judged


def _of_run(question: Question, run: Run, asked: Sequence[Check]) -> list[Said]:
    """What the run says to a question: facts, and checks that found a concern."""
    known = [(name, KNOWN[name](run)) for name in question.facts]
    said: list[Said] = [(found[0], f"run: {name.replace('_', ' ')}: {found[1]}") for name, found in known if found]
    bad: Answer = "probably no" if question.good == "yes" else "probably yes"
    return said + [(bad, _named(c)) for c in asked if c.verdict == "concern"]


def _named(check: Check) -> str:
    design = f" ({check.design})" if check.design else ""
    return f"run: {check.name}{design}: {check.verdict}."


def _readings(asked: Sequence[Check]) -> str:
    return " ".join(f"{c.name}: {c.verdict}: {c.reading}" for c in asked if c.verdict != "not applicable")


def _answer(question: Question, run: list[Said], said: Evaluated | None, by: str) -> tuple[Answer, Status, str]:
    """The worst of what was said, who said it, and all of it."""
    every = run + ([(said.answer, f"protocol: {by} said {said.answer}: {said.why}")] if said else [])
    if not every:
        return "no information", "missing", "unanswered"
    order = ANSWERS if question.good == "yes" else ANSWERS[::-1]
    answer = max((given for given, _ in every), key=order.index)
    status: Status = "both" if said and run else "evaluator" if said else "run"
    differ = len({given in _good_side(question) for given, _ in every}) > 1
    note = ["They differ, and the worse answer counts."] if differ else []
    return answer, status, " ".join([*(source for _, source in every), *note])


def _good_side(question: Question) -> tuple[Answer, Answer]:
    """The two answers that speak for the study."""
    return ("yes", "probably yes") if question.good == "yes" else ("no", "probably no")


def _not_asked(question: Question, answers: dict[str, Answer], skipped: set[str]) -> str:
    """Why a question without an answer needs none; empty where it does."""
    if question.aside:
        return question.aside
    if judge.excluded(question.when, answers, skipped):
        return "does not arise from the answers above"
    return ""


def _unanswered(question: Question, asked: Sequence[Check]) -> str:
    """What the run looked at without finding a concern, and when the question arises."""
    looked = "; ".join(f"{c.name}: {c.verdict}" for c in asked if c.verdict != "not applicable")
    parts = [f"the run looked at {looked}, which does not settle it"] if looked else []
    if question.when:
        parts.append(f"arises from {', '.join(dict.fromkeys(c.question for c in question.when))}")
    return f"unanswered ({'; '.join(parts)})" if parts else "unanswered"


def _item(checklist: Checklist, item: Item, run: Run, evaluator: Evaluator) -> Row:
    """An item with all that reports it."""
    texts = [(name, FACTS[name](run)) for name in item.facts]
    found = [f"run: {name.replace('_', ' ')}: {text}" for name, text in texts if text]
    found += [_named(c).rstrip(".") for c in run.shown(item.checks)]
    pages = [page for page in item.pages if page in run.study.protocol.notebooks]
    found += [f"run: see the page {page.replace('_', ' ')}" for page in pages]
    said = evaluator.places(checklist.key).get(item.id)
    every = found + ([f"protocol: {evaluator.by}: {said.where}"] if said else [])
    status: Status = "both" if said and found else "evaluator" if said else "run" if found else "missing"
    answer = "missing" if status == "missing" else "reported"
    return Row(checklist.key, "", item.id, item.text, answer, status, "; ".join(every) or "missing")
