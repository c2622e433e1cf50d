"""Does a report begin with its answer, whole, on one page, in one file and in Word, and say who stands behind it?"""

from __future__ import annotations

import dataclasses
import json
import re
import zipfile
from datetime import UTC, datetime
from html import escape
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import docx
import nbformat
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_words import estimate, outcome, sound, study

from evalkit import words
from evalkit.catalogue import open_study
from evalkit.errors import StudyError
from evalkit.estimate import Check, Refusal, restore
from evalkit.panel import build_all
from evalkit.report import results
from evalkit.report.assurance import UNSAID, assured, limits
from evalkit.report.content import content, within
from evalkit.report.execute import Executed, heading_above
from evalkit.report.front import Front, body, gather, register
from evalkit.report.page import PageContext, problems
from evalkit.report.register import Register
from evalkit.report.whole import bundle, first_page
from evalkit.report.word import write_word
from evalkit.study.assurance import Assurance

ROOT = Path(__file__).parents[1]
W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
MADE = datetime(2026, 3, 1, tzinfo=UTC)
RECORD = {"by": "", "data": [{"retrieved": None}], "failures": []}
HOSTILE = "<img src=x onerror=alert(1)> **b** $x$ \x00\ufffe 'q' \"d\" {{ 7*7 }} </section>"


@pytest.fixture(scope="module")
def demonstration():
    """The committed notebooks as executed, with their study and panel."""
    found = open_study(str(ROOT / "data" / "collaboratives" / "uec.yml"))
    executed = []
    for name in found.protocol.notebooks:
        notebook = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4)
        executed.append(Executed(name, heading_above(notebook, 0), notebook, 1.0))
    return found, build_all(found)[found.primary.name], executed


def context(**changes):
    facts = {
        "study": "uec", "study_title": "Urgent care", "outcome_label": "Within four hours",
        "question": "Did it work?", "simulated": True, "file": "index.html", "index": "../index.html",
        "pages": (("index.html", "Summary"), ("findings.html", "Findings")),
        "provenance": (("Protocol", "uec.yml"), ("Run", "2026-03-01T00:00:00+00:00")),
    }  # fmt: skip
    return PageContext(**{**facts, **changes})


def collected(executed, found):
    return [restore(stored, found.frequency) for stored in results.shown(executed)]


@pytest.fixture(scope="module")
def gathered(demonstration):
    found, panel, executed = demonstration
    return gather(found, panel, executed, collected(executed, found), RECORD)


@pytest.fixture(scope="module")
def bundled(demonstration, gathered):
    return bundle(gathered, shown_by(demonstration[2]), context())


def shown_by(executed):
    return {one.name: content(one.notebook) for one in executed}


def said(**changes):
    base = words.answer(study(), outcome(), [estimate(2.0)], sound())
    return dataclasses.asdict(base) | changes


def front(**changes):
    facts = {
        "answer": said(), "figure": None, "estimates": (("Design", "+2.0 pp", "1.0 to 3.0 (95%)"),), "others": (),
        "pages": (("findings.html", "Findings", "All."),), "methods": "We did this.", "checklists": (),
        "assurance": (("Run by", "A"),), "limits": ("Few sites.",), "failures": (), "files": (("a.csv", "all"),),
    }  # fmt: skip
    return Front(**{**facts, **changes})


# --- the answer -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "better", "opening"),
    [(2.0, "higher", "Better"), (-2.0, "higher", "Worse"), (2.0, "lower", "Worse"), (-2.0, "lower", "Better")],
)
def test_the_verdict_has_the_direction_of_the_estimate(value, better, opening):
    found = words.answer(study(), outcome(better=better), [estimate(value, 0.5)], sound())
    assert found.verdict.startswith(f"{opening} after joining, with")
    assert words.direction(estimate(value, 0.5), outcome(better=better)) == opening.lower()


@pytest.mark.parametrize("better", ["higher", "lower"])
def test_the_page_says_which_way_is_better(better):
    found = words.answer(study(), outcome(better=better), [estimate(2.0)], sound())
    assert found.good == f"{better.capitalize()} is better."
    assert found.good in first_page(front(answer=dataclasses.asdict(found)), context())


def test_an_interval_that_holds_zero_is_no_conclusion():
    found = words.answer(study(), outcome(), [estimate(0.5, 1.0)], sound())
    assert found.verdict.startswith("No strong conclusion")
    assert found.confidence == "none"
    assert words.direction(estimate(0.5, 1.0), outcome()) == "no strong conclusion"


def test_the_answer_agrees_with_the_finding():
    asked = [*sound(), Check("leave_out", "Q?", "concern", "R.", None, "group_time")]
    one, full = (f(study(), outcome(), [estimate(2.0, 0.5)], asked) for f in (words.answer, words.finding))
    assert full.strength == "weak"
    assert one.confidence == "low"
    assert "low confidence" in one.verdict
    assert full.headline.endswith("confidence low.")
    assert one.meaning == words.MEANING["weak"]
    assert one.because == ("it rests on very few units",)
    assert one.figure in full.headline


def test_where_nothing_could_be_computed_the_reason_stands():
    refused = Refusal("s", "y", "group_time", "The design", ("Nobody joined.",))
    found = words.answer(study(), outcome(), [refused], [])
    assert found.figure == ""
    assert found.because == ("Nobody joined",)
    html = first_page(front(answer=dataclasses.asdict(found)), context())
    assert "Nobody joined." in html
    assert problems(html) == []


def test_the_design_that_carries_the_finding_stands_first(gathered):
    assert gathered.estimates[0][0] == gathered.answer["design"]
    assert gathered.estimates[0][1] == gathered.answer["figure"]


def test_the_answer_carries_itself_for_the_first_page():
    _, metadata = words.answer(study(), outcome(), [estimate(2.0)], sound())._repr_mimebundle_()
    assert json.loads(json.dumps(metadata))["evalkit"]["answer"]["verdict"]


# --- the first page -------------------------------------------------------------------------------------------------


def test_the_first_page_begins_with_the_answer_and_holds_every_section(gathered):
    html = first_page(gathered, context())
    assert problems(html) == []
    anchors = re.findall(r'<h2 id="([^"]+)"', html)
    assert anchors == [
        "answer", "estimates", "others", "pages", "methods", "checklists", "assurance", "files", "provenance",
    ]  # fmt: skip
    main = html[html.index("<main") :]
    assert main.index('class="key"') < main.index("<img") < main.index("<table")
    assert html.count("<h1") == 1
    assert html.count("<img") == 1


def test_the_figures_are_those_of_the_estimates(demonstration, gathered):
    found, _, executed = demonstration
    made = gathered
    estimates = collected(executed, found)
    head = next(e for e in estimates if e.title == made.estimates[0][0] and e.outcome == found.primary.name).headline
    shown = float(made.estimates[0][1].split()[0].replace("−", "-"))
    assert shown == pytest.approx(head["estimate"], abs=0.06)
    assert {row[1] for row in made.others} == {"balancing"}
    titles = {title for title, *_ in made.estimates}
    assert not titles & {e.title for e in estimates if e.comparison_only}


def test_a_run_that_failed_says_so_before_anything_else():
    html = first_page(front(failures=("its: cell 3: it broke",)), context())
    assert html.index("it broke") < html.index('id="answer"')
    assert problems(html) == []


def test_without_an_answer_the_page_says_that_there_is_none():
    html = first_page(front(answer=None), context())
    assert "No answer" in html
    assert 'href="#answer"' not in html
    assert problems(html) == []


@given(text=st.text(max_size=60).map(lambda t: HOSTILE + t))
@settings(max_examples=60, deadline=None)
def test_nothing_from_data_can_run_or_pose(text):
    answer = {k: (text,) if k == "because" else text for k in said()}
    made = front(
        answer=answer, estimates=((text,) * 3,), others=((text,) * 5,), pages=((text, text, text),), methods=text,
        checklists=((text, "1", "2"),), assurance=((text, text),), limits=(text,), failures=(text,),
    )  # fmt: skip
    html = first_page(made, context(study_title=text, question=text, outcome_label=text))
    assert "<img" not in html
    assert problems(html) == []


# --- one file -------------------------------------------------------------------------------------------------------


def test_the_bundle_holds_every_page_and_leads_nowhere_else(demonstration, gathered, bundled):
    made, html = gathered, bundled
    assert problems(html) == []
    assert html.count("<h1") == 1
    assert html.count('<section class="part"') == len(demonstration[2])
    for one in demonstration[2]:
        assert f'<a href="#{one.name}">' in html
    links = re.findall(r'href="([^"]+)"', html)
    assert [link for link in links if not link.startswith(("#", "https://"))] == []
    single = first_page(made, context())
    assert html.count("<figure") > single.count("<figure")


TABLE = "<table><caption>{}</caption><tr><th>A</th><td>1</td></tr></table>"


def part(*sections):
    """What a notebook with these headings shows, each above a link to itself and two tables of one caption."""
    cells = [nbformat.v4.new_markdown_cell("# Title")]
    for words_ in sections:
        cells.append(nbformat.v4.new_markdown_cell(f"{words_}\n\n[here](#{words_.strip('# ').lower()})"))
        data = {"text/html": TABLE.format("Same & so <b>on</b> (2)") * 2}
        cells.append(nbformat.v4.new_code_cell("1", outputs=[nbformat.v4.new_output("display_data", data=data)]))
    return content(nbformat.v4.new_notebook(cells=cells))


def test_parts_of_a_page_share_no_anchor_and_no_name_and_links_follow():
    register_, parts = Register(), [part("## Result", "### Detail"), part("## Result", "###### Deep", "## Main")]
    bodies = [within(one, register_) for one in parts]
    text = "".join(bodies)
    ids, names = (re.findall(f' {what}="([^"]*)"', text) for what in ("id", "aria-label"))
    assert ids == ["result", "detail", "result-2", "deep", "main-2"]
    assert len(names) == len(set(names)) == 15
    assert sum(name.startswith("Table: Same &amp; so on (2)") for name in names) == 10
    assert re.findall('href="#([^"]*)"', bodies[0]) == ids[:2]
    assert re.findall('href="#([^"]*)"', bodies[1])[:2] == ids[2:4]
    assert re.findall(r"<(h\d)", text) == ["h3", "h4", "h3", "h4", "h3"]


SAYS = 'a id="x" aria-label="y" href="#z" <h2 id="q"> &lt;h2> and > so'


def test_texts_that_look_like_attributes_stay_texts():
    data = {"text/html": TABLE.format(escape(SAYS)), "text/plain": SAYS}
    cells = [nbformat.v4.new_markdown_cell(f"# Title\n\n{SAYS}\n\n## {SAYS}\n\n`{SAYS}`\n\n[x](#x) {SAYS}")]
    for kept in ({"text/html": data["text/html"]}, {"text/plain": SAYS}, {"text/plain": f"{SAYS}\n{SAYS}"}):
        outputs = [nbformat.v4.new_output("display_data", data=kept)]
        cells.append(nbformat.v4.new_code_cell(f"print({SAYS!r})", outputs=outputs))
    one = content(nbformat.v4.new_notebook(cells=cells))
    register_ = Register()
    first, second = within(one, register_), within(one, register_)
    read = [" ".join("".join(Text(body).said).split()) for body in (one.body, first, second)]
    assert read[0] == read[1] == read[2]
    assert read[0].count('id="x" aria-label="y" href="#z" <h2 id="q">') >= 6
    assert len(re.findall(r'<h\d id="', first + second)) == 2


class Text(HTMLParser):
    """What a reader sees of a page."""

    def __init__(self, body):
        super().__init__()
        self.said = []
        self.feed(body)

    def handle_data(self, data):
        self.said.append(data)


def test_a_part_is_the_page_but_for_its_place(demonstration):
    for one in shown_by(demonstration[2]).values():
        moved = within(one, Register())
        deeper = re.sub(r"<(/?)h([2-6])(?=[ >])", lambda found: f"<{found[1]}h{int(found[2]) + 1}", one.body)
        assert moved == deeper


def test_the_bundle_lies_deeper_but_in_order(bundled):
    levels = [int(n) for n in re.findall(r"<h([1-6])", bundled)]
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_first_page_and_bundle_are_the_same_every_time(demonstration, gathered, bundled):
    assert first_page(gathered, context()) == first_page(gathered, context())
    assert bundle(gathered, shown_by(demonstration[2]), context()) == bundled


def test_a_pages_register_keeps_the_first_pages_names():
    names = register()
    body(front(), names)
    assert names.anchor("Methods") == "methods-2"
    assert names.name("Table: Estimates by method") == "Table: Estimates by method (2)"


# --- Word -----------------------------------------------------------------------------------------------------------


def test_the_word_summary_holds_answer_and_tables(tmp_path, gathered):
    path, made = tmp_path / "summary.docx", gathered
    write_word(path, made, context(), MADE)
    document = docx.Document(str(path))
    text = "\n".join(p.text for p in document.paragraphs)
    assert made.answer["verdict"] in text
    assert made.answer["figure"] in text
    assert "Simulated data" in text
    headings = [p.text for p in document.paragraphs if p.style.name == "Heading 1"]
    assert headings[0] == "The answer"
    assert {"Methods", "Quality assurance", "Known limits"} <= set(headings)
    rows = [[cell.text for cell in row.cells] for row in document.tables[0].rows]
    assert [tuple(row) for row in rows[1:]] == list(made.estimates)
    (section,) = document.sections
    assert (round(section.page_width.mm), round(section.page_height.mm)) == (210, 297)
    for table in document.tables:
        widths = [column.width for column in table.columns]
        room = section.page_width - section.left_margin - section.right_margin
        assert sum(widths) == pytest.approx(room, abs=docx.shared.Pt(1))  # Word counts in twentieths of a point
        assert min(widths) >= docx.shared.Mm(20)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["summary.docx"]


def test_the_word_summary_is_made_for_a_screen_reader(tmp_path):
    path = tmp_path / "summary.docx"
    write_word(path, front(others=(("m", "balancing", "1", "2", "3"),)), context(), MADE)
    with zipfile.ZipFile(path) as archive:
        tree = ElementTree.fromstring(archive.read("word/document.xml"))  # noqa: S314 - our own file
        styles = archive.read("word/styles.xml").decode()
    tables = list(tree.iter(f"{W}tbl"))
    assert tables
    for table in tables:
        rows = list(table.iter(f"{W}tr"))
        assert rows[0].find(f".//{W}tblHeader") is not None
        assert all(row.find(f".//{W}tblHeader") is None for row in rows[1:])
        assert table.find(f".//{W}tblDescription").get(f"{W}val")
    assert 'w:lang w:val="en-GB"' in styles
    assert "en-US" not in styles
    properties = docx.Document(str(path)).core_properties
    assert properties.title == "Urgent care: summary"
    assert properties.created.year == 2026


def test_word_takes_any_text_and_only_its_properties_hold_the_time(tmp_path):
    made = front(answer=said(verdict=HOSTILE), limits=(HOSTILE, "\ud800x"), assurance=((HOSTILE, HOSTILE),))
    bodies = []
    for day in (1, 2):
        path = tmp_path / f"{day}.docx"
        write_word(path, made, context(study_title=HOSTILE), datetime(2026, 3, day, tzinfo=UTC))
        with zipfile.ZipFile(path) as archive:
            bodies.append(archive.read("word/document.xml"))
    assert bodies[0] == bodies[1]
    assert b"onerror=alert(1)&gt;" in bodies[0]


# --- who stands behind it -------------------------------------------------------------------------------------------


def loaded(make, **changes):
    rows = pd.DataFrame({"unit": ["a"], "period": ["2018-01"], "y": [1.0]})
    return make.study(rows, pd.DataFrame({"unit": ["a"], "joined": ["2018-06"]}), **changes)


def with_assurance(found, **parts):
    given_ = Assurance.model_validate(parts)
    return dataclasses.replace(found, protocol=found.protocol.model_copy(update={"assurance": given_}))


def test_what_nobody_said_is_said_to_be_missing(demonstration):
    found, panel, _ = demonstration
    bare = dataclasses.replace(found, protocol=found.protocol.model_copy(update={"assurance": None}))
    rows = dict(assured(bare, panel, RECORD))
    assert rows["Commissioned by"] == rows["Run by"] == UNSAID
    assert rows["Checked by"].startswith("Not checked")
    assert rows["Approved by"].startswith("Not approved")
    assert rows["Plan"].startswith("Not locked")


def test_a_sign_off_covers_the_data_it_saw_and_no_later_ones(demonstration):
    found, panel, _ = demonstration
    old = {"by": "A", "date": "2026-01-02", "what": "All of it", "data_to": "2025-12"}
    new = old | {"data_to": "2026-02", "by": "B"}
    rows = [
        t for label, t in assured(with_assurance(found, checked=[old, new]), panel, RECORD) if label == "Checked by"
    ]
    assert "data to December 2025, and later data of this report are not covered" in rows[0]
    assert rows[1] == "B, 2026-01-02: All of it. It covers the data of this report."


def test_known_limits_are_those_of_the_protocol_and_of_the_run(demonstration):
    found, _, _ = demonstration
    found = with_assurance(found, limits=["Codes changed in 2024."])
    lines = limits(found, said(because=("it rests on very few units",)), {"sentences": ["Not settled: a", "b"]})
    assert lines[:2] == ("Codes changed in 2024.", "It rests on very few units.")
    assert lines[2].startswith("1 of the questions")
    assert limits(with_assurance(found), None, None) == ()


@pytest.mark.parametrize("day", ["2026-02-30", "1 March 2026", "2026-3-1", "", "20260301"])
def test_a_day_that_is_none_is_refused(make, day):
    sign_off = {"by": "A", "date": day, "what": "x", "data_to": "2019-12"}
    with pytest.raises(StudyError, match="is not a day; write it as 2026-03-31"):
        loaded(make, assurance={"checked": [sign_off]})


def test_who_stands_behind_it_is_no_part_of_the_plan(make):
    plain = loaded(make)
    assert loaded(make, assurance={"analysts": ["A"], "limits": ["b"]}).plan_sha256 == plain.plan_sha256


def test_checks_named_in_reasons_reach_the_page():
    asked = [*sound(), Check("regression_to_the_mean", "Q?", "concern", "R.", None, "group_time")]
    found = words.answer(study(), outcome(), [estimate(2.0, 0.5)], asked)
    html = first_page(front(answer=dataclasses.asdict(found)), context())
    assert "Units were picked when they were doing badly" in html
