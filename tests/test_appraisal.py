"""Risk of bias and checklists: nothing unsaid counts as good, the worse answer counts, the published rules hold."""

from __future__ import annotations

import json
import re
from itertools import product
from pathlib import Path

import nbformat
import pandas as pd
import pytest
import yaml

from evalkit import checks, instruments, tables, workbench
from evalkit.appraisal import COLUMNS, Judgement, appraise, judge
from evalkit.appraisal.facts import FACTS
from evalkit.appraisal.known import KNOWN
from evalkit.cli import main
from evalkit.errors import StudyError
from evalkit.estimate import Check, Refusal
from evalkit.instruments import ANSWERS, BIAS, CHECKLISTS, ROBINS_I
from evalkit.study import load
from evalkit.study.protocol import NOTEBOOKS
from evalkit.study.schema import schema_text

ROOT = Path(__file__).parents[1]
DEMO = ROOT / "data" / "collaboratives" / "uec.yml"
ELSEWHERE = {  # checks that bear on precision, harm or meaning, not on a question of bias
    "balancing",
    "leave_out",
    "mergers",
    "pretrend_power",
    "detectable",
    "engine_agreement",
    "heterogeneity",
    "power",
    "randomisation",
}
SCALE = {"low": 0, "moderate": 1, "no information": 1.5, "serious": 2, "critical": 3}
EVERY_QUESTION = [
    (tool, domain, question) for tool in BIAS for domain in tool.domains for question in domain.questions
]
EVERY_ITEM = [(checklist, item) for checklist in CHECKLISTS for item in checklist.items]


@pytest.fixture(scope="module")
def uec():
    """The demonstration with its estimates and checks."""
    case = workbench.open_case(str(DEMO))
    estimates = case.estimates()
    return case, estimates, case.checks(estimates)


@pytest.fixture
def study(tmp_path):
    """The demonstration's protocol with other answers: `study(robins_i={...})`, none by default."""

    def made(**block):
        content = yaml.safe_load(DEMO.read_text(encoding="utf-8"))
        content["window"] = ["2022-04", "2026-02"]
        content.pop("appraisal")
        if block:
            content["appraisal"] = block
        path = tmp_path / "uec.yml"
        path.write_text(yaml.safe_dump(content), encoding="utf-8")
        return load(path)

    return made


@pytest.fixture
def appraised(uec, study):
    """The demonstration appraised with these checks and these answers in the protocol."""

    def made(asked=None, **block):
        case, estimates, own = uec
        return appraise(study(**block), case.outcome, estimates, own if asked is None else asked, case.panel)

    return made


def said(name, verdict, design="group_time"):
    return Check(name, "A question?", verdict, "A reading.", design=design)


def answer(found, tool, question):
    return next(row for row in found.of(tool) if row.id == question)


def judgement(found, domain, tool="robins_i"):
    return next(j.judgement for j in found.domains if (j.instrument, j.domain) == (tool, domain))


def answered(**answers):
    return {key: {"answer": value, "why": "Because."} for key, value in answers.items()}


BEST = {q.id: {"answer": q.good, "why": "Because."} for q in ROBINS_I.questions}


# -- the instruments are whole, and name only what exists -----------------------


def test_every_instrument_has_its_published_size():
    assert [len(domain.questions) for domain in ROBINS_I.domains] == [8, 5, 3, 6, 5, 4, 3]
    assert {tool.key: len(tool.domains) for tool in BIAS} == {"robins_i": 7, "epoc_its": 7, "epoc_cba": 9}
    assert {c.key: c.size for c in CHECKLISTS} == {
        "squire": 18, "epoc_entry": 5, "trend": 22, "strobe": 22, "record": 13, "tidier": 12, "technical": 17,
    }  # fmt: skip
    for checklist in CHECKLISTS:
        assert len({re.sub(r"(?<=\d)[a-z]$", "", item.id) for item in checklist.items}) == checklist.size
    assert len(instruments.SQUIRE.items) == 40


@pytest.mark.parametrize("one", [*BIAS, *CHECKLISTS], ids=lambda one: one.key)
def test_numbers_are_unique_and_a_source_is_named(one):
    parts = one.questions if one in BIAS else one.items
    assert len({p.id for p in parts}) == len(parts)
    assert len({p.text for p in parts}) == len(parts)
    assert one.source


def test_every_check_fact_and_page_that_is_named_exists():
    known = set(checks.__all__)
    for _, _, question in EVERY_QUESTION:
        assert set(question.adverse) <= known
        assert set(question.facts) <= set(KNOWN)
    for _, item in EVERY_ITEM:
        assert set(item.checks) <= known
        assert set(item.facts) <= set(FACTS)
        assert set(item.pages) <= set(NOTEBOOKS)


def test_every_check_bears_on_some_question_or_is_said_not_to():
    named = {name for _, _, question in EVERY_QUESTION for name in question.adverse}
    assert named | ELSEWHERE == set(checks.__all__)
    assert not named & ELSEWHERE


@pytest.mark.parametrize("tool", BIAS, ids=lambda tool: tool.key)
def test_conditions_and_rules_ask_of_their_own_domain(tool):
    for domain in tool.domains:
        own = [q.id for q in domain.questions]
        for i, question in enumerate(domain.questions):
            assert all(c.question in own[:i] for c in question.when)
        for rule in domain.rules:
            assert rule.judgement in tool.worst
            assert all(c.question in own for c in rule.when)


# -- judgements -----------------------------------------------------------------


def published(domains):
    """The overall judgement of ROBINS-I, written from its table a second time."""
    if "critical" in domains:
        return "critical"
    if "serious" in domains:
        return "serious"
    if "no information" in domains:
        return "no information"
    return "moderate" if "moderate" in domains else "low"


def test_the_overall_judgement_of_every_combination_is_the_published_one():
    keys = [domain.key for domain in ROBINS_I.domains]
    for combination in product(SCALE, repeat=len(keys)):
        judged = [Judgement("robins_i", key, value, "") for key, value in zip(keys, combination, strict=True)]
        assert judge.overall(ROBINS_I, judged).judgement == published(combination)


@pytest.mark.parametrize("tool", BIAS[1:], ids=lambda tool: tool.key)
def test_epoc_is_as_bad_as_its_worst_criterion(tool):
    keys = [domain.key for domain in tool.domains]
    for combination in product(["low", "unclear", "high"], repeat=len(keys)):
        judged = [Judgement(tool.key, key, value, "") for key, value in zip(keys, combination, strict=True)]
        expected = next(level for level in ("high", "unclear", "low") if level in combination)
        assert judge.overall(tool, judged).judgement == expected


@pytest.mark.parametrize("domain", ROBINS_I.domains, ids=lambda domain: domain.key)
def test_a_worse_answer_never_improves_a_domain_and_full_answers_are_always_judged(domain):
    ids = [q.id for q in domain.questions]
    found = {
        answers: judge.domain(ROBINS_I, domain, dict(zip(ids, answers, strict=True)), None, "").judgement
        for answers in product(ANSWERS, repeat=len(ids))
    }
    assert "no information" not in found.values()
    for answers, judged in found.items():
        for i, question in enumerate(domain.questions):
            order = ANSWERS if question.good == "yes" else ANSWERS[::-1]
            if answers[i] != order[-1]:
                worse = (*answers[:i], order[order.index(answers[i]) + 1], *answers[i + 1 :])
                assert SCALE[found[worse]] >= SCALE[judged]


@pytest.mark.parametrize("tool", BIAS, ids=lambda tool: tool.key)
def test_nothing_said_is_never_low(tool):
    for domain in tool.domains:
        assert judge.domain(tool, domain, {}, None, "").judgement == tool.unknown


@pytest.mark.parametrize("question", [q for d in ROBINS_I.domains for q in d.questions], ids=lambda q: q.id)
def test_a_question_left_out_gives_low_only_where_it_does_not_arise(question):
    domain = next(d for d in ROBINS_I.domains if question in d.questions)
    answers = {q.id: q.good for q in domain.questions if q.id != question.id}
    found = judge.domain(ROBINS_I, domain, answers, None, "").judgement
    arises = not (question.when or question.aside)
    if domain.key == "confounding" and question.id != "1.1":  # not expected at all: nothing more is asked
        arises = False
    if question.id == "6.1":  # people who did not know need not be asked whether they could be swayed
        arises = False
    if question.id == "6.2":  # a record that cannot be swayed need not be blind
        arises = False
    assert (found == "low") == (not arises)


# -- what the run and the evaluator say -----------------------------------------


def test_without_answers_what_only_an_evaluator_knows_is_no_information(appraised):
    found = appraised([])
    for domain in (
        "confounding",
        "selection",
        "classification",
        "deviations",
        "missing_data",
        "measurement",
        "reporting",
    ):
        assert judgement(found, domain) == "no information"
    assert found.judged("robins_i").judgement == "no information"
    assert "low" not in {j.judgement for j in found.domains if j.instrument == "robins_i"}


@pytest.mark.parametrize("name", ROBINS_I.domains[0].questions[3].adverse)
def test_a_check_with_a_concern_makes_confounding_serious(appraised, name):
    found = appraised([said(name, "concern")], robins_i=BEST)
    assert judgement(found, "confounding") == "serious"
    assert found.judged("robins_i").judgement == "serious"
    assert f"run: {name} (group_time): concern" in answer(found, "robins_i", "1.4").source
    assert "A reading." in answer(found, "robins_i", "1.4").reading


@pytest.mark.parametrize("verdict", ["reassuring", "inconclusive", "not applicable"])
def test_no_other_verdict_answers_for_the_evaluator(appraised, verdict):
    every = [said(name, verdict) for name in checks.__all__]
    assert judgement(appraised(every), "confounding") == "no information"
    assert judgement(appraised(every, robins_i=BEST), "confounding") == "moderate"  # at best: nobody drew lots


def test_a_concern_about_another_design_does_not_count(appraised):
    found = appraised([said("parallel_trends", "concern", "imputation")], robins_i=BEST)
    assert judgement(found, "confounding") == "moderate"
    series = appraised([said("seasonality", "concern", "its")])
    assert answer(series, "epoc_its", "7").answer == "probably no"
    assert judgement(series, "other", "epoc_its") == "high"


@pytest.mark.parametrize(
    ("net", "expected"), [("reassuring", "moderate"), ("inconclusive", "serious"), ("concern", "serious")]
)
def test_poor_baselines_are_set_aside_only_when_the_return_was_estimated_and_is_small(appraised, net, expected):
    asked = [said("entry", "concern", ""), said("regression_to_the_mean", net)]
    found = appraised(asked, robins_i=BEST)
    assert judgement(found, "confounding") == expected
    assert answer(found, "epoc_cba", "3").answer == "probably no"  # the two sides still differed at the start


def test_a_contradiction_shows_both_and_the_worse_counts(appraised):
    found = answer(appraised([said("entry", "concern", "")], robins_i=answered(**{"1.4": "yes"})), "robins_i", "1.4")
    assert (found.answer, found.status) == ("probably no", "both")
    assert "run: entry: concern" in found.source
    assert "protocol: the evaluator said yes: Because." in found.source
    assert "They differ, and the worse answer counts." in found.source
    worse = answer(appraised([], robins_i=answered(**{"3.1": "no"})), "robins_i", "3.1")
    assert (worse.answer, worse.status) == ("no", "both")
    alike = answer(appraised([], robins_i=answered(**{"3.1": "yes"})), "robins_i", "3.1")
    assert "They differ" not in alike.source


@pytest.mark.parametrize(
    ("answers", "given", "expected"),
    [
        (BEST, "critical", "critical"),
        (BEST, "moderate", "moderate"),
        ({}, "moderate", "no information"),
        ({}, "serious", "serious"),
        (answered(**{"3.3": "yes"}), "moderate", "serious"),
    ],
)
def test_an_evaluators_own_judgement_counts_where_it_is_worse(appraised, answers, given, expected):
    judged = {"classification": {"judgement": given, "why": "Seen on site."}}
    found = appraised([], by="A. Person", robins_i=answers, judgements=judged)
    assert judgement(found, "classification") == expected
    one = next(j for j in found.domains if j.domain == "classification")
    assert ("A. Person: Seen on site." in one.reason) == (expected == given)


def test_a_tool_is_not_applied_to_a_design_that_could_not_be_computed(uec, study):
    case, estimates, asked = uec
    refused = Refusal("uec", "within_4h", "its", "Interrupted time series", ("Too short.",))
    given = study(epoc_its=answered(**{"3": "yes"}))
    found = appraise(given, case.outcome, [*estimates[:-1], refused], asked, case.panel)
    assert found.judged("epoc_its").judgement == "not applicable"
    assert "1 answer of the protocol not used" in found.judged("epoc_its").reason
    assert found.of("epoc_its") == ()
    alone = appraise(given, case.outcome, [refused], [], None)
    assert {j.judgement for j in alone.overall} == {"not applicable"}
    assert "not applicable" in repr(tables.risk_of_bias(alone))


def test_a_question_that_does_not_arise_is_not_asked(appraised):
    found = appraised([])
    assert answer(found, "robins_i", "1.3").status == "not asked"
    assert answer(found, "robins_i", "1.8").status == "not asked"
    assert answer(found, "robins_i", "2.2").status == "missing"
    assert answer(appraised([], robins_i=answered(**{"2.1": "no"})), "robins_i", "2.2").status == "not asked"


def test_missing_outcomes_are_counted_and_without_data_unanswered(uec, study):
    case, estimates, asked = uec
    assert answer(appraise(study(), case.outcome, estimates, asked), "robins_i", "5.1").status == "missing"
    gone = case.panel.rows.index.to_frame(index=False).head(600).assign(why="not reported")
    thin = type(case.panel)(case.study, case.outcome, case.panel.rows.iloc[600:], case.panel.units, gone)
    found = appraise(study(), case.outcome, estimates, asked, thin)
    assert answer(found, "robins_i", "5.1").answer == "probably no"
    assert "89.3%" in answer(found, "robins_i", "5.1").source
    assert answer(found, "epoc_its", "5").answer == "no information"


def test_a_checklist_says_who_filled_each_item(appraised):
    found = appraised([], squire={"8a": "Annex B", "1": {"where": "The cover"}})
    assert answer(found, "squire", "8a").status == "evaluator"
    assert answer(found, "squire", "8a").source == "protocol: the evaluator: Annex B"
    assert answer(found, "squire", "1").status == "both"
    assert answer(found, "squire", "6").status == "run"
    assert answer(found, "squire", "18").status == "missing"
    total = sum(int(n) for n in re.findall(r"(\d+) (?:by|missing|not)", found.count("squire")))
    assert total == len(instruments.SQUIRE.items)


# -- the demonstration -----------------------------------------------------------


def test_the_demonstration_shows_every_kind_of_answer(uec):
    case, estimates, asked = uec
    found = case.appraisal(estimates, asked)
    assert found.judged("robins_i").judgement == "serious"
    assert {d.key: judgement(found, d.key) for d in ROBINS_I.domains} == {
        "confounding": "serious", "selection": "low", "classification": "low", "deviations": "low",
        "missing_data": "low", "measurement": "no information", "reporting": "moderate",
    }  # fmt: skip
    assert "regression_to_the_mean (group_time): concern" in answer(found, "robins_i", "1.4").source
    assert {row.status for row in found.rows} == {"run", "evaluator", "both", "missing", "not asked"}
    frame = found.frame()
    assert list(frame.columns) == COLUMNS
    assert len(frame) == len(EVERY_QUESTION) + len(EVERY_ITEM)
    assert frame.notna().all(axis=None)
    assert set(frame.loc[frame["instrument"].eq("robins_i"), "overall"]) == {"serious"}


def test_the_tables_show_every_row(uec):
    case, estimates, asked = uec
    found = case.appraisal(estimates, asked)
    assert tables.risk_of_bias(found).payload == {"appraisal": found.records()}
    assert tables.bias_questions(found).html.count("<tr>") == len(EVERY_QUESTION) + 1
    assert tables.bias_questions(found, "epoc_its").html.count("<tr>") == 8
    for checklist in CHECKLISTS:
        shown = tables.checklist(found, checklist.key)
        assert shown.html.count("<tr>") == len(checklist.items) + 1
        assert found.count(checklist.key) in shown.text


def test_hostile_text_is_escaped(appraised):
    nasty = "x <script>alert(1)</script> & more"
    block = {
        "by": nasty,
        "robins_i": {"3.2": {"answer": "no", "why": nasty}},
        "judgements": {"reporting": {"judgement": "critical", "why": nasty}},
        "squire": {"8a": nasty},
    }
    found = appraised([], **block)
    shown = [
        tables.risk_of_bias(found).html,
        tables.bias_questions(found).html,
        tables.checklist(found, "squire").html,
    ]
    shown.append(found._repr_mimebundle_()[0]["text/html"])
    assert "&lt;script&gt;" in shown[0]
    assert not [html for html in shown if "<script" in html]


def test_no_cell_of_the_table_begins_as_a_formula(appraised):
    block = {"by": "=A", "robins_i": {"3.2": {"answer": "no", "why": "=B"}}, "squire": {"8a": "=C"}}
    frame = appraised(None, **block).frame()
    assert not frame.map(lambda cell: cell[:1] in "=+-@" and cell != "").any(axis=None)


# -- the protocol ---------------------------------------------------------------

FAULTS = """
appraisal:
  robins_i:
    1.44: {answer: "yes", why: a}
    1.5: {answer: maybe, why: a}
    1.6: {answer: "yes"}
    2.1: {anser: "yes", why: a}
  judgements:
    confonding: {judgement: serious, why: a}
    selection: {judgement: low, why: a}
  squire:
    8z: text
    8a: ""
  squre: {}
"""


def test_every_fault_is_told_at_once_with_its_line(tmp_path):
    text = DEMO.read_text(encoding="utf-8").partition("\n# What the data cannot say")[0]
    path = tmp_path / "uec.yml"
    path.write_text(text + FAULTS, encoding="utf-8")
    start = text.count("\n") + 1
    with pytest.raises(StudyError) as refused:
        load(path)
    told = [str(fault) for fault in refused.value.faults]
    for line, part in [
        (3, "`appraisal.robins_i` has no `1.44`; did you mean `1.4`?"),
        (4, "must be one of yes, probably yes, probably no, no (got `maybe`)"),
        (5, "`why` is missing in `appraisal.robins_i.1.6`"),
        (6, "unknown key `anser` in `appraisal.robins_i.2.1`; did you mean `answer`?"),
        (8, "`appraisal.judgements` has no `confonding`; did you mean `confounding`?"),
        (9, "must be one of moderate, serious, critical (got `low`)"),
        (11, "`appraisal.squire` has no `8z`"),
        (12, "needs some text"),
        (13, "unknown key `squre` in `appraisal`; did you mean `squire`?"),
    ]:
        assert [t for t in told if t.startswith(f"uec.yml:{start + line}:") and part in t], (line, part, told)


@pytest.mark.parametrize(
    "block", ["text", "[a, b]", "{robins_i: text}", "{robins_i: [a]}", "{squire: {1: [a]}}", "3", ""]
)
def test_an_appraisal_of_another_shape_is_refused_clearly(tmp_path, block):
    text = DEMO.read_text(encoding="utf-8").partition("\n# What the data cannot say")[0]
    path = tmp_path / "uec.yml"
    path.write_text(f"{text}\nappraisal: {block}\n", encoding="utf-8")
    if block == "":
        assert load(path).protocol.appraisal is None
        return
    with pytest.raises(StudyError, match="must be a mapping"):
        load(path)


def test_an_editor_is_told_every_question():
    defined = json.loads(schema_text())["$defs"]["Evaluator"]["properties"]
    for tool in BIAS:
        assert {k: v["description"] for k, v in defined[tool.key]["properties"].items()} == {
            q.id: q.text for q in tool.questions
        }
    for checklist in CHECKLISTS:
        assert list(defined[checklist.key]["properties"]) == [item.id for item in checklist.items]
        assert defined[checklist.key]["additionalProperties"] is False


# -- the export -----------------------------------------------------------------

SHOWN = """from evalkit import tables, workbench
from evalkit.appraisal import appraise
case = workbench.open_case(collaborative, outcome)
tables.risk_of_bias(appraise(case.study, case.outcome, [], [], case.panel))"""


def test_a_run_writes_what_a_notebook_showed(tmp_path, monkeypatch, capsys, quick_kernels):
    (tmp_path / "notebooks").mkdir()
    for part in ("collaboratives", "demo"):
        (tmp_path / "data" / part).mkdir(parents=True)
    for name in ("uec_panel.csv", "uec_rollout.csv"):
        (tmp_path / "data" / "demo" / name).write_bytes((ROOT / "data" / "demo" / name).read_bytes())
    text = DEMO.read_text(encoding="utf-8") + "\nnotebooks: [quick]\n"
    (tmp_path / "data" / "collaboratives" / "uec.yml").write_text(text, encoding="utf-8")
    book = nbformat.v4.new_notebook()
    book.cells = [nbformat.v4.new_markdown_cell("# How far can it be trusted?"), nbformat.v4.new_code_cell(SHOWN)]
    parameters = nbformat.v4.new_code_cell('collaborative = "uec"\noutcome = ""')
    parameters.metadata["tags"] = ["parameters"]
    book.cells.insert(1, parameters)
    nbformat.write(book, tmp_path / "notebooks" / "quick.ipynb")
    monkeypatch.setenv("EVALKIT_HOME", str(tmp_path))
    assert main(["run", "uec"]) == 0, capsys.readouterr().err
    frame = pd.read_csv(tmp_path / "reports" / "uec" / "appraisal.csv", dtype=str, keep_default_na=False)
    assert list(frame.columns) == COLUMNS
    assert len(frame) == len(EVERY_ITEM)
    assert set(frame["study"]) == {"uec"}
