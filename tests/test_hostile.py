"""Can a name, a figure or a protocol that somebody else wrote run, load, pose, hang, leak or leave its folder?"""

from __future__ import annotations

import copy
import csv
import io
import json
import os
import re
import time
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
import yaml
from drawings import drawing, drawings
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nbformat import v4

from evalkit import estimators, markup, plots, tables
from evalkit.cli import main
from evalkit.errors import DataError, EvalkitError, Fault, StudyError
from evalkit.panel import build_all
from evalkit.report.page import PageContext, problems, render
from evalkit.report.publish import write_json
from evalkit.report.results import _csv
from evalkit.report.summary import write_index
from evalkit.study import load
from evalkit.study.study import INSIDE
from evalkit.texts import HIDDEN, cell, clean, visible

ALT = "A line of monthly shares that rises after month 24."
NASTY = (
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", '"><svg onload=alert(1)>', "</style><style>*{}",
    "</title></head><body onload=x>", "<!--", "-->", "]]>", "<![CDATA[", "</td></tr></table>", "</details></main>",
    "<a href='javascript:alert(1)'>x</a>", "<base href=//evil.example>", "<meta http-equiv=refresh content=0>",
    "&lt;b&gt;", "&#x3c;script&#x3e;", "&amp;amp;", "<math><mtext>", "<textarea>", "<plaintext>", "<xmp>",
    "<noscript>", "{{ 7 * 7 }}", "{% raw %}", "${x}", "#{x}", "**bold** _it_ `code` [x](javascript:alert(1))",
    "| a | b |", "# h", "$x^2$", r"\(x\)", r"\frac{", "$$", "%s%n{0.__class__}", "'; DROP TABLE units; --",
    "x=0; HIT=1; y", "__import__('os').system('true')", "=cmd|' /C calc'!A0", "+1+1", "-1+1", "@SUM(A1)", "\t=1",
    "\uff1d1+1", "a\nb", "a\r\nb", "a\tb", "\x00", "\x07", "\x1b[31mred", "\x7f", "\x85", "\u2028", "\u202egnp.exe",
    "\u2066x\u2069", "\u200b", "\u200f", "\ufeff", "\ufffe", "\uffff", "\ud800", "\udfff", "\U0001f600",
    "\U0001f3f4", "e\u0301" * 20, "\u05d0\u05d1\u05d2 12", "\u0627\u0644", "\u0661\u0662", "\u202d\u202a",
    "A" * 5000, "\u0489" * 50,
)  # fmt: skip
PAYLOADS = st.one_of(
    st.sampled_from(NASTY),
    st.lists(st.sampled_from(NASTY), min_size=2, max_size=4).map("".join),
    st.text(st.characters(codec=None), max_size=40),
    st.text("<>&\"'/=!-[]{}\\`$ \n\u202e\x00abon", max_size=40),
)


def quick(examples):
    return settings(
        max_examples=examples, deadline=None, derandomize=True, database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large],
    )  # fmt: skip


class Parts(HTMLParser):
    """The elements of a page with their attributes, less what is text; and its text."""

    WORDS = frozenset({"alt", "aria-label"})

    def __init__(self, html):
        super().__init__(convert_charrefs=True)
        self.elements, self.words = [], []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, tuple((n, "" if n in self.WORDS else v) for n, v in sorted(attrs))))
        self.words += [v or "" for n, v in attrs if n in self.WORDS]

    def handle_endtag(self, tag):
        self.elements.append((f"/{tag}", ()))

    def handle_comment(self, data):
        self.elements.append(("!--", data))

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


def page(name):
    """A page whose every text that can come from data is `name`."""
    table = markup.table([name, "Value"], [[name, "1"], ["b", name]], name)
    outputs = [
        {"text/html": table, "text/plain": name},
        {"text/html": markup.notice(name, [name, name], "warning"), "text/plain": name},
        {"text/html": markup.figure(b"<svg xmlns='http://www.w3.org/2000/svg'/>", f"{ALT} {name}", name, table)},
        {"text/html": markup.Shown(table, name).html},
    ]
    shown = [v4.new_output("display_data", data) for data in outputs]
    shown.append(v4.new_output("error", ename="ValueError", evalue=name, traceback=[]))
    notebook = v4.new_notebook(cells=[v4.new_markdown_cell("# Did it?"), v4.new_code_cell("show(x)", outputs=shown)])
    context = PageContext(
        study="uec", study_title=name, outcome_label=name, question=name, simulated=False,
        pages=(("its.html", name), ("findings.html", "Findings")), provenance=(("Data file", name),), file="its.html",
    )  # fmt: skip
    return render(notebook, context)


@quick(400)
@given(PAYLOADS)
def test_a_name_brings_no_element_and_no_attribute_into_a_page_and_is_still_there_to_read(payload):
    name = f"A {payload} Z"
    html = page(name)
    found, plain = Parts(html), Parts(page("A plain Z"))
    assert found.elements == plain.elements
    assert problems(html) == []
    assert HIDDEN.search(html) is None
    assert found.text.count(" ".join(clean(name).split())) >= 10
    html.encode("utf-8")


def index(tmp_path, name):
    head = {"title": name, "term": name, "unit": name, "level": 0.95, "estimate": 1.0, "std_error": 1.0, "low": 0.0,
            "high": 2.0}  # fmt: skip
    summary = {"title": name, "question": name, "outcome": name, "simulated": False, "headlines": [head],
               "finding": {"headline": name, "strength": "weak", "sentences": [name]}}  # fmt: skip
    record = {"study": "uec", "status": "complete", "created": "2026-11-26T10:00:00+00:00", "summary": summary,
              "failures": [name], "notebooks": [{"name": "its", "title": name}]}  # fmt: skip
    (tmp_path / "uec").mkdir(exist_ok=True)
    write_json(tmp_path / "uec" / "manifest.json", record)
    return write_index(tmp_path)


@quick(300)
@given(PAYLOADS)
def test_a_name_brings_no_element_and_no_attribute_into_the_index(tmp_path, payload):
    name = f"A {payload} Z".encode("utf-8", "replace").decode()
    html = index(tmp_path, name)
    assert Parts(html).elements == Parts(index(tmp_path, "A plain Z")).elements
    assert problems(html) == []
    assert HIDDEN.search(html) is None
    assert " ".join(clean(name).split()) in Parts(html).text


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from(
        [n for n in NASTY if n.isprintable()]), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["title", "name", "headline", "study"]), inner, max_size=3), max_leaves=6)  # fmt: skip


@quick(300)
@given(st.sampled_from(["study", "status", "created", "summary", "failures", "notebooks"]), JSON_VALUES)
def test_a_manifest_of_any_shape_leaves_an_index_that_is_sound(tmp_path, key, value):
    index(tmp_path, "A plain Z")
    path = tmp_path / "uec" / "manifest.json"
    write_json(path, {**json.loads(path.read_text(encoding="utf-8")), key: value})
    try:
        html = write_index(tmp_path)
    except EvalkitError:  # refused in words
        return
    assert problems(html) == []


@quick(1000)
@given(PAYLOADS.filter(lambda text: "\r" not in text))
def test_no_text_of_a_table_is_a_formula_to_a_spreadsheet_and_every_one_can_be_read_back(payload):
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerow([cell(payload), "1"])
    (read,) = csv.reader(io.StringIO(out.getvalue(), newline=""))
    assert read[0].strip()[:1] not in set("=+-@\uff1d\uff0b\uff0d\uff20") or not read[0].strip()
    assert payload in (read[0], read[0][1:])


def test_stored_estimates_hold_no_formula_and_numbers_stay_numbers(make):
    found = estimators.fit("its", _panel(make, ["U1", "U2"], report="=HYPERLINK(1)"))
    table = pd.read_csv(io.StringIO(_csv([found])))
    assert set(table["unit"]) >= {"'=HYPERLINK(1)"}
    assert table["estimate"].tolist() == pytest.approx(found.terms["estimate"].tolist(), rel=1e-12)
    assert found.store()["unit"] == "=HYPERLINK(1)"


@quick(1000)
@given(PAYLOADS, st.integers(50, 300))
def test_a_message_is_one_line_that_shows_what_cannot_be_seen(payload, most):
    line = visible(payload, most)
    assert len(line) <= most
    assert line.splitlines() in ([line], [])
    assert HIDDEN.search(line) is None
    line.encode()
    assert str(Fault(payload, payload, payload)).count("\n") == 0


# -- figures ------------------------------------------------------------------


def _panel(make, names, *, report="", label="Label", event="Event"):
    random = np.random.default_rng(2)
    months = pd.period_range("2016-01", "2019-12", freq="M").astype(str)
    units = [*names, *(f"N{i:02d}" for i in range(24 - len(names)))]
    rows = pd.DataFrame(
        [(u, m, 50 + random.normal()) for u in units for m in months], columns=["unit", "period", "y"]
    )
    rollout = pd.DataFrame({"unit": units, "joined": ["2018-01"] * 8 + ["2018-03"] * 8 + [""] * 8})
    outcomes = [{"name": "y", "label": label, "kind": "continuous", "value": "y", "better": "higher",
                 "role": "primary", "report": report}]  # fmt: skip
    events = [{"from": "2017-01", "to": "2017-02", "label": event}]
    return make.panel(rows, rollout, outcomes=outcomes, events=events, window=["2016-01", "2019-12"], title=label)


FIGURES = {
    "rollout": plots.rollout,
    "heat map": plots.heat_map,
    "means": plots.group_means,
    "counterfactual": lambda p: plots.counterfactual(estimators.fit("its", p)),
    "caterpillar": lambda p: plots.caterpillar(estimators.fit("its_pooled", p)),
    "weights": lambda p: plots.unit_weights(estimators.fit("augmented_synthetic_control", p)),
    "waves table": tables.waves,
    "protocol table": lambda p: tables.protocol(p.study),
    "weights table": lambda p: tables.weights(estimators.fit("synthetic_did", p)),
}


@pytest.fixture
def nasty(make):
    usable = dict.fromkeys(" ".join(clean(n).split())[:200] for n in NASTY)
    names = [n for n in usable if n and n not in ("-", ".")]
    labels = sorted((n for n in names if not n.startswith("<!")), key=len)
    return [
        _panel(make, names[i : i + 24], label=f"L {labels[-1 - i // 24]}"[:200], event=f"E {labels[i // 24]}"[:200],
               report=f"R {names[i]}"[:200])
        for i in range(0, len(names), 24)
    ]  # fmt: skip


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_of_nasty_names_is_drawn_as_sound_xml_of_the_usual_size(nasty, name):
    for panel in nasty:
        started = time.process_time()
        shown = FIGURES[name](panel)
        assert time.process_time() - started < 20
        html = f"<!doctype html><html lang=en-GB><title>t</title><main><h1>t</h1>{shown.html}</main></html>"
        assert not [p for p in problems(html) if "allowed" in p or "handler" in p or "loads" in p]
        found = drawings(shown.html)
        assert len(found) == shown.html.count("<figure")
        for source in found:
            root = ElementTree.fromstring(source)  # noqa: S314
            assert {e.tag.rpartition("}")[2] for e in root.iter()} <= {
                "svg", "g", "path", "defs", "use", "text", "tspan", "rect", "clipPath", "image", "style", "metadata",
                "RDF", "Work", "type", "title", "date", "format", "creator", "Agent", "pattern", "line", "circle",
            }  # fmt: skip
            width, height = (float(root.get(side).removesuffix("pt")) for side in ("width", "height"))
            assert width <= 800
            assert height <= 1500
            assert HIDDEN.search("".join(root.itertext())) is None


@pytest.mark.parametrize("payload", ["\x0b", "\ufffe", "\ud800", "\x1b[31m", "\u202e"])
def test_what_xml_cannot_hold_never_reaches_a_drawing(payload):
    from evalkit.plots.style import canvas
    from evalkit.plots.style import shown as drawn

    with canvas() as (figure, axes):
        axes.set_title(f"a{payload}b")
        axes.set_yticks([0], ["$x^" + "y" * 100_000])
        axes.set_ylabel("\U0001f600 $\\frac{")
    html = drawn(figure, ALT, "c", ["a"], [["b"]]).html
    root = ElementTree.fromstring(drawing(html))  # noqa: S314
    text = "".join("".join(e.itertext()) for e in root if not e.tag.endswith("style"))
    assert re.search(r"a(\[31m|\?)?b", text)
    assert "$x^y" in text
    assert len(text) < 2000


# -- protocols ----------------------------------------------------------------

FULL = {
    "title": "T", "question": "Q", "simulated": "true",
    "source": {"reader": "csv", "path": "panel.csv", "unit": "unit", "period": "period", "name": "label",
               "gaps": "allow", "zeros": "keep", "frequency": "month",
               "where": [{"column": "kind", "equals": "1", "why": "x"}],
               "missing_where": [{"column": "kind", "equals": "2"}], "sum_over": ["kind"]},
    "window": ["2022-04", "2026-02"],
    "outcomes": [
        {"name": "share", "label": "Share", "kind": "proportion", "numerator": {"plus": ["a"], "minus": ["c"]},
         "denominator": "b", "better": "higher", "role": "primary", "target": "0.78", "worthwhile": "2",
         "distribution": {"threshold": "3", "unit": "minutes", "words": "three", "bands": [
             {"columns": "x1", "upto": "1"}, {"columns": "x2", "upto": "2"}, {"columns": "x3", "upto": "3"},
             {"columns": "x4", "upto": "4"}, {"columns": "x5", "upto": "5"}, {"columns": "x6"}]}},
        {"name": "other", "kind": "rate", "numerator": "a", "denominator": "b", "per": "1000", "better": "lower"},
        {"name": "again", "kind": "proportion", "numerator": "a", "denominator": "b", "better": "higher",
         "alternative_to": "share"}],
    "case_mix": [{"name": "mix", "kind": "count", "value": "a", "report": "counts"}],
    "rollout": {"path": "rollout.csv", "unit": "unit", "joined": "joined", "segment": "segment", "region": "region",
                "merged": "merged", "unlisted": "leave_out"},
    "programmes": [{"label": "P", "started": "s", "ended": "e"}],
    "transition": {"periods": "3", "why": "x"},
    "exclude": [{"from": "2022-05", "to": "2022-06", "why": "x"}],
    "events": [{"from": "2022-12", "to": "2023-03", "label": "x"}],
    "comparison": ["A", "B"],
    "entry": {"rule": "x", "selected_on_outcome": "true", "worst": "40", "over": ["2023-04", "2024-03"],
              "outcome": "share"},
    "weights": "unit", "covariates": ["age"], "cluster": "unit", "horizons": ["6", "12"], "level": "0.95",
    "model": {
        "its": {"errors": "arima", "order": ["1", "0"], "season": {"harmonics": "2"}, "trend": "damped",
                "damping": "0.9", "impact": {"shape": "ramp", "over": "3", "until": "2025-01"},
                "interventions": [{"label": "x", "from": "2024-01", "impact": "level"}]},
        "controlled_its": {"units": ["A"]}, "group_time": {"anticipation": "1", "first": "-3", "last": "3"},
        "stacked": {"before": "3", "after": "3"}, "heterogeneity": {"by": ["region", "wave"]},
        "dose": {"column": "d"}},
    "appraisal": {"by": "x", "robins_i": {"1.4": {"answer": "yes", "why": "x"}}, "squire": {"3": "text"}},
    "looks": {"spending": "pocock", "planned": "12"}, "notebooks": ["findings"], "disclosure": "none",
}  # fmt: skip
VALUES = [
    "", "~", "x", "0", "-1", "1", "2", "1e400", "-1e400", "nan", "inf", "-0", "9" * 5000, "9" * 300, "0x10",
    "1_000", "true", "no", "0000-00", "0000-01", "0001-01", "9999-12", "9999-Q4", "0001", "2024", "2024-Q5",
    "2024-Q1", "2024-13", "2024-02-30", "10000-01", "1677-01", "2262-12", "../../../../etc/passwd", "/etc/passwd",
    "~/x", "file:///etc/passwd", "https://evil.example/x.csv", "s3://b/k", "\\\\host\\share\\x.csv", "//host/share",
    "con", "NUL.csv", "COM1", "a/../../b", "x=0; HIT=1; y", "__import__('os')", "../../x", "/dev/zero",
    "/proc/self/environ", ".", "..", "/", "x" * 4096 + ".csv", "a/" * 2000, "{{7*7}}", "{0.__class__}", "%(x)s",
    "<script>", "$x$", "\U0001f600", "A" * 100_000, "\u0663", "\u00b2", "a\tb", "a\nb", "csv", "nhs_ae",
    "proportion", "count", "rate", "continuous", "primary", "none", "wave", "share", None, [], {}, [[]], [{}],
    {"a": "b"}, ["x"] * 2000, ["2024-01"] * 3, {"from": "2024-01", "to": "2024-02"}, {"plus": ["a"]},
    {"shape": "pulse"}, {"reader": "nhs_ae"}, {"reader": "csv"}, ["2024-01", "2025-Q1"], ["0001-01", "9999-12"],
    [None], {"why": None}, {"k" * 5000: "v"}, [["a"] * 50] * 50,
]  # fmt: skip


def places(value, at=()):
    yield at
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in items:
        yield from places(part, (*at, key))


def changed(draw):
    """The full protocol with up to three changes, anywhere."""
    tree = copy.deepcopy(FULL)
    for _ in range(draw(st.sampled_from([1, 1, 1, 2, 3]))):
        found = list(places(tree))[1:]
        if not found:
            break
        *at, last = draw(st.sampled_from(found))
        node = tree
        for key in at:
            node = node[key]
        how, value = (
            draw(st.sampled_from(["set", "set", "set", "drop", "key", "again"])),
            draw(st.sampled_from(VALUES)),
        )
        if how == "set":
            node[last] = copy.deepcopy(value)
        elif how == "key" and isinstance(node, dict) and isinstance(value, str):
            node[value] = node.pop(last)
        elif how == "again" and isinstance(node, list):
            node.append(copy.deepcopy(node[last]))
        else:
            del node[last]
    return tree


def refused_in_words(error, name):
    """Every refusal has lines of its own, each short, printable, and with its place."""
    assert error.faults
    assert len(error.faults) < 5000
    for fault in error.faults:
        line = str(fault)
        assert len(line) <= 2000
        assert HIDDEN.search(line) is None
        assert "\n" not in line
        assert fault.what
        assert fault.where.startswith(name), line
    str(error).encode()


DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


@quick(1000)
@given(st.data())
def test_a_protocol_changed_anywhere_is_read_or_refused_in_words(tmp_path, data):
    path = tmp_path / "case.yml"
    path.write_text(
        yaml.dump(changed(data.draw), Dumper=DUMPER, allow_unicode=True, sort_keys=False), encoding="utf-8"
    )
    started = time.process_time()
    try:
        study = load(path)
    except StudyError as error:
        refused_in_words(error, "case.yml")
    else:
        repr(study)
        assert len(study.window) <= 1212
        assert study.window.start_time is not None
        assert re.fullmatch("[0-9a-f]{64}", study.plan_sha256)
    assert time.process_time() - started < 5


TEXT = yaml.safe_dump(FULL, sort_keys=False)
FRAGMENTS = [
    "!!python/object/apply:os.system [true]", "!!python/name:os.system", "!!binary aGk=", "!!set {a}", "!x y", "&a",
    "*a", "<<: *a", "<<: {a: b}", "---\n", "...\n", "%YAML 1.1\n", "? ", "? [a, b]\n: c\n", "[" * 60, "{" * 60,
    "- " * 60, "|\n", ">\n", "\t", "\x00", "\x07", "\u202e", "\ufeff", "\u2028", '"\\uD800"', '"\\x00"', '"\\N"',
    "'", '"', "#", ": ", "title: again\n", "title:", "\n\n", "]", "}", ",", "@", "`", "a: b: c", "\r\n", "\r", "=",
    "!!null", "!!float .inf", "0o17", "190:20:30", "2001-12-14t21:59:43.10-05:00", "null", "\U0001f600",
]  # fmt: skip


@quick(1000)
@given(
    st.lists(st.tuples(st.integers(0, len(TEXT)), st.sampled_from(FRAGMENTS)), min_size=1, max_size=3),
    st.integers(0, 40),
)
def test_a_protocol_with_yaml_of_any_kind_in_it_is_read_or_refused_in_words(tmp_path, put, cut):
    text = TEXT
    for at, fragment in put:
        text = text[:at] + fragment + text[at + cut :]
    (tmp_path / "case.yml").write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        load(tmp_path / "case.yml")
    except StudyError as error:
        refused_in_words(error, "case.yml")


@quick(300)
@given(st.binary(max_size=400))
def test_any_bytes_are_refused_in_words(tmp_path, content):
    (tmp_path / "case.yml").write_bytes(content)
    with pytest.raises(StudyError) as refused:
        load(tmp_path / "case.yml")
    refused_in_words(refused.value, "case.yml")


LAUGHS = "a: &a [x, x]\n" + "".join(f"{b}: &{b} [*{a}, *{a}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True))
WHOLE = {
    "empty": b"",
    "blank": b"\n \n",
    "comments": b"# nothing\n",
    "utf-16": TEXT.encode("utf-16"),
    "utf-32": TEXT.encode("utf-32"),
    "binary": bytes(range(256)) * 40,
    "zip": b"PK\x03\x04" + b"\0" * 100,
    "50 MB": b"a: " + b"x" * 50_000_000,
    "laughs": LAUGHS.encode(),
    "brackets": b"a: " + b"[" * 190_000,
    "braces": b"a: " + b"{a: " * 45_000,
    "dashes": b"- " * 90_000,
    "questions": b"? " * 90_000,
    "keys": b"".join(b"k%d: v\n" % i for i in range(20_000)),
    "one key": b"k: v\n" * 30_000,
    "a list": b"- x\n" * 40_000,
    "a text": b"hello",
    "long line": b"title: " + b"x " * 90_000,
    "quotes": b"'" * 190_000,
    "anchors": b"".join(b"k%d: &a%d x\n" % (i, i) for i in range(10_000)),
    "invisible": ("title: " + "\u202e\u200b" * 30_000).encode(),
    "overrides": "title: T # \u202e } ; x\n".encode(),
}  # fmt: skip


@pytest.mark.parametrize("name", WHOLE)
def test_a_file_that_is_no_protocol_is_refused_soon_in_a_few_lines(capsys, tmp_path, name):
    path = tmp_path / "case.yml"
    path.write_bytes(WHOLE[name])
    started = time.process_time()
    assert main(["check", str(path)]) == 1
    assert time.process_time() - started < 10
    lines = capsys.readouterr().err.splitlines()
    assert 1 <= len(lines) <= 201
    assert all(line.startswith(("case.yml", "and ")) and len(line) <= 2000 for line in lines), lines[:3]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["case.yml"]


@pytest.mark.parametrize("ending", ["\ufeff", "\r\n"])
def test_a_byte_order_mark_and_windows_lines_are_fine(make, ending):
    path = _sound(make)
    text = path.read_text(encoding="utf-8")
    path.write_bytes((ending + text if ending == "\ufeff" else text.replace("\n", ending)).encode("utf-8"))
    assert load(path).protocol.title == "A test"


def _sound(make, **changes):
    random = np.random.default_rng(1)
    months = pd.period_range("2018-01", periods=24, freq="M").astype(str)
    rows = pd.DataFrame(
        [(f"U{i}", m, random.normal()) for i in range(8) for m in months], columns=["unit", "period", "y"]
    )
    rollout = pd.DataFrame({"unit": [f"U{i}" for i in range(8)], "joined": ["2019-02"] * 3 + [""] * 5})
    return make.write(rows, rollout, **changes)


# -- files and folders --------------------------------------------------------


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
@pytest.mark.parametrize("what", ["pipe", "device", "folder", "circle", "nothing"])
@pytest.mark.parametrize("part", ["case.yml", "panel.csv", "rollout.csv"])
def test_what_is_no_file_is_refused_and_never_waited_for(capsys, make, part, what):
    path = _sound(make)
    target = path.with_name(part)
    target.unlink()
    if what == "pipe":
        os.mkfifo(target)
    elif what == "device":
        target.symlink_to("/dev/zero")
    elif what == "folder":
        target.mkdir()
    elif what == "circle":
        target.symlink_to(target)
    assert main(["check", str(path)]) == 1
    with pytest.raises(EvalkitError):
        load(path) if part == "case.yml" else build_all(load(path))
    lines = capsys.readouterr().err.splitlines()
    assert 1 <= len(lines) <= 3
    assert not [line for line in lines if "unexpectedly" in line]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_among_the_studies_holds_nobody_up(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("EVALKIT_HOME", str(tmp_path))
    folder = tmp_path / "data" / "collaboratives"
    folder.mkdir(parents=True)
    os.mkfifo(folder / "pipe.yml")
    assert main(["list"]) == 0
    assert main(["check", "pipe"]) == 1
    assert "it is no regular file" in capsys.readouterr().err


ELSEWHERE = [
    ("https://evil.example/x.csv", "this is an address"), ("file:///etc/passwd", "this is an address"),
    ("s3://bucket/key", "this is an address"), ("data:text/csv,a", "this is an address"),
    ("//host/share/x.csv", "this is an address"), (r"\\host\share\x.csv", "this is an address"),
    ("NUL", "reserved file name"), ("sub/con.csv", "reserved file name"), ("~/x.csv", "which is not there"),
    ("x" * 300, "cannot be followed|which is not there"), ("a/" * 600, "too many"), ("", "needs some text"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "said"), ELSEWHERE)
@pytest.mark.parametrize("part", ["source", "rollout"])
def test_a_path_that_is_an_address_a_device_or_nowhere_is_refused(make, path, said, part):
    given_ = {"source": {"reader": "csv", "path": path}} if part == "source" else {"rollout": {"path": path}}
    with pytest.raises(EvalkitError, match=said):
        build_all(load(_sound(make, **given_)))


FOREIGN = "root:x:0:0:do-not-print-me:/root:/bin/sh\nadmin:hunter2\n"


@pytest.mark.parametrize("part", ["source", "rollout"])
def test_a_file_that_is_no_table_of_the_study_is_not_quoted(capsys, make, tmp_path, part):
    (tmp_path / "passwd").write_text(FOREIGN, encoding="utf-8")
    given_ = {"source": {"reader": "csv", "path": "passwd"}} if part == "source" else {"rollout": {"path": "passwd"}}
    assert main(["check", str(_sound(make, **given_))]) == 1
    err = capsys.readouterr().err
    assert "has no column" in err
    for word in ("root", "do-not-print-me", "hunter2"):
        assert word not in err


def test_a_protocol_may_be_held_inside_a_folder(make, tmp_path, monkeypatch):
    inside, away = tmp_path / "in", tmp_path / "away"
    inside.mkdir()
    away.mkdir()
    make.folder = inside
    path = _sound(make)
    monkeypatch.setenv(INSIDE, str(inside))
    assert build_all(load(path))
    for reach in ("../away/panel.csv", str(away / "panel.csv"), "link.csv"):
        (away / "panel.csv").write_bytes((inside / "panel.csv").read_bytes())
        (inside / "link.csv").unlink(missing_ok=True)
        (inside / "link.csv").symlink_to(away / "panel.csv")
        out = _sound(make, source={"reader": "csv", "path": reach})
        with pytest.raises(StudyError, match="leads out of"):
            build_all(load(out))
    monkeypatch.delenv(INSIDE)
    assert build_all(load(out))


@pytest.mark.parametrize("command", ["check", "estimate", "run"])
def test_nothing_is_written_outside_the_folder_of_reports(make, tmp_path, monkeypatch, command):
    home = tmp_path / "home"
    (home / "data" / "collaboratives").mkdir(parents=True)
    monkeypatch.setenv("EVALKIT_HOME", str(home))
    make.folder = tmp_path / "study"
    make.folder.mkdir()
    path = _sound(make, notebooks=["none"])
    before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*") if p.is_file()}
    main([command, str(path), *(["--design", "its"] if command == "estimate" else [])])
    new = {p for p in tmp_path.rglob("*") if p.is_file() and before.get(p) != p.stat().st_mtime_ns}
    assert all(p.is_relative_to(home / "reports") for p in new)


def test_a_link_to_a_protocol_is_the_study_that_it_is_called(make, tmp_path, monkeypatch, capsys):
    home, away = tmp_path / "home", tmp_path / "away"
    folder = home / "data" / "collaboratives"
    folder.mkdir(parents=True)
    away.mkdir()
    make.folder = folder
    path = _sound(make)
    path.rename(away / "other.yml")
    (folder / "mine.yml").symlink_to(away / "other.yml")
    monkeypatch.setenv("EVALKIT_HOME", str(home))
    assert main(["lock", "mine", "--by", "me"]) == 0
    assert (folder / "mine.lock.json").is_file()
    assert [p.name for p in away.iterdir()] == ["other.yml"]
    assert load(folder / "mine.yml").lock is not None


# -- data ---------------------------------------------------------------------

CASE = {
    "title": "T", "question": "Q", "source": {"reader": "csv", "path": "panel.csv", "name": "label"},
    "window": ["2022-01", "2022-08"],
    "outcomes": [{"name": "share", "kind": "proportion", "numerator": "a", "denominator": "b", "better": "higher",
                  "role": "primary"}],
    "rollout": {"path": "rollout.csv", "region": "region"}, "covariates": ["age"],
}  # fmt: skip
ROWS = [["unit", "label", "period", "a", "b", "age"], *(
    [f"U{i}", f"Trust {i}", f"2022-{m:02d}", str(40 + i + m), str(100 + 2 * m), str(i)]
    for i in range(4) for m in range(1, 9))]  # fmt: skip
LIST = [
    ["unit", "joined", "region"],
    ["U0", "2022-05", "N"],
    ["U1", "2022-06", "S"],
    ["U2", "", "N"],
    ["U3", "", "S"],
]
CELLS = [
    "", "x", "1e308", "-1", "1e400", "nan", "inf", "0", "1e-320", "1,234", "=1+1", "\u202eabc", "\u200b",
    "\x1b[31m", "\U0001f600", "a" * 300, "a" * 200_000, '"', "\n", "\r", "'", "2022-13", "0000-00", "9999-12",
    "2022-01-15", "45292", "01/02/2022", "<script>", "NA", "None", "\u0663", "1_000", "0x1F", "5%", "\u00a33",
    "U1 ", "u1", "\ufeffU1", "1" * 400, "2022-03", "U1", "unit", "\x0b", "\ufffe",
]  # fmt: skip
ENCODINGS = {
    "": lambda b: b, "bom": lambda b: b"\xef\xbb\xbf" + b, "crlf": lambda b: b.replace(b"\n", b"\r\n"),
    "cr": lambda b: b.replace(b"\n", b"\r"), "latin": lambda b: b.replace(b"Trust", b"Tr\xfcst"),
    "utf-16": lambda b: b.decode().encode("utf-16"), "nul": lambda b: b[:50] + b"\0" + b[50:],
    "junk": lambda b: b[:60] + b"\x81\x8d\xff\xfe" + b[60:], "half": lambda b: b[: len(b) // 2],
    "semicolons": lambda b: b.replace(b",", b";"), "quote": lambda b: b[:70] + b'"' + b[70:],
}  # fmt: skip


def spoilt(draw, table):
    rows = [list(row) for row in table]
    for _ in range(draw(st.sampled_from([0, 1, 1, 2, 4]))):
        i = draw(st.integers(0, len(rows) - 1))
        how, value = draw(st.sampled_from(["cell"] * 4 + ["column", "row", "short", "long", "again", "head"])), draw(
            st.sampled_from(CELLS))  # fmt: skip
        j = draw(st.integers(0, len(table[0]) - 1))
        if how == "cell" and j < len(rows[i]):
            rows[i][j] = value
        elif how == "column":
            for row in rows[1:]:
                row[j : j + 1] = [value]
        elif how == "row" and len(rows) > 1:
            del rows[i]
        elif how == "short":
            rows[i] = rows[i][:-1]
        elif how == "long":
            rows[i].append(value)
        elif how == "again":
            rows.append(list(rows[i]))
        elif how == "head" and j < len(rows[0]):
            rows[0][j] = rows[0][0] if rows[0] else ""
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    return ENCODINGS[draw(st.sampled_from([""] * 20 + list(ENCODINGS)))](out.getvalue().encode("utf-8"))


@quick(200)
@given(st.data())
def test_data_spoilt_anywhere_make_a_panel_or_are_refused_in_words(tmp_path, data):
    (tmp_path / "case.yml").write_text(yaml.safe_dump(CASE, sort_keys=False), encoding="utf-8")
    (tmp_path / "panel.csv").write_bytes(spoilt(data.draw, ROWS))
    (tmp_path / "rollout.csv").write_bytes(spoilt(data.draw, LIST))
    try:
        panel = build_all(load(tmp_path / "case.yml"))["share"]
    except EvalkitError as error:
        refused_in_words(error, "")
        assert len(error.faults) <= 500  # noqa: PT017
    else:
        assert np.isfinite(panel.rows["value"]).all()
        texts = [*panel.units.index, *panel.units["name"], *panel.units["region"]]
        assert not [t for t in texts if HIDDEN.search(t) or len(t) > 200]


def test_two_codes_that_look_alike_are_one(make):
    path = _sound(make)
    text = (path.parent / "panel.csv").read_text(encoding="utf-8")
    (path.parent / "panel.csv").write_text(text.replace("U1,2018-05", "U1\u200b,2018-05"), encoding="utf-8")
    panel = build_all(load(path))["y"]
    assert set(panel.units.index) == {f"U{i}" for i in range(8)}
    assert any("cannot be seen were taken out" in warning for warning in panel.warnings)


@pytest.mark.parametrize("value", ["1e16", "-1e300", "1e-13"])
def test_a_figure_beyond_all_measure_is_refused_with_its_line(make, value):
    path = _sound(make)
    text = (path.parent / "panel.csv").read_text(encoding="utf-8").splitlines()
    text[3] = f"{text[3].rpartition(',')[0]},{value}"
    (path.parent / "panel.csv").write_text("\n".join(text), encoding="utf-8")
    with pytest.raises(DataError, match=r"panel\.csv:4 .*no figure of this world"):
        build_all(load(path))


# -- defects that were found --------------------------------------------------


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"notebooks": []}, "`notebooks` is empty"),
        ({"outcomes": [{**FULL["outcomes"][0], "numerator": {"plus": []}, "distribution": None}]}, "plus` is empty"),
        ({"model": {"controlled_its": {"units": []}}}, "units` is empty"),
    ],
)
def test_a_list_that_is_empty_deep_down_is_told(tmp_path, change, said):
    path = tmp_path / "case.yml"
    path.write_text(yaml.safe_dump({**FULL, **change}, sort_keys=False), encoding="utf-8")
    with pytest.raises(StudyError, match=said):
        load(path)


def test_a_list_whose_items_were_refused_is_not_called_empty_too(tmp_path):
    path = tmp_path / "case.yml"
    outcomes = [{**FULL["outcomes"][0], "better": "sideways"}]
    path.write_text(yaml.safe_dump({**FULL, "outcomes": outcomes}, sort_keys=False), encoding="utf-8")
    with pytest.raises(StudyError) as refused:
        load(path)
    assert "is empty" not in str(refused.value)
    assert "better" in str(refused.value)


def test_an_entry_rule_beside_a_window_of_two_frequencies_is_refused(tmp_path):
    path = tmp_path / "case.yml"
    path.write_text(yaml.safe_dump({**FULL, "window": ["2022-04", "2026-Q1"]}, sort_keys=False), encoding="utf-8")
    with pytest.raises(StudyError, match="write both in one way"):
        load(path)


def test_a_rollout_without_any_unit_is_refused(make):
    path = _sound(make)
    (path.parent / "rollout.csv").write_text("unit,joined\n,2019-02\n,\n,2019-03\n", encoding="utf-8")
    with pytest.raises(DataError, match="column `unit` is blank"):
        build_all(load(path))


@pytest.mark.parametrize("window", [["0001-01", "0050-12"], ["2190-01", "2210-01"]])
def test_a_window_that_no_calendar_of_timestamps_holds_is_refused(tmp_path, window):
    path = tmp_path / "case.yml"
    path.write_text(yaml.safe_dump({**FULL, "window": window}, sort_keys=False), encoding="utf-8")
    with pytest.raises(StudyError, match="1800 to 2200 can be evaluated"):
        load(path)


def test_a_header_that_begins_like_a_zip_file_is_read(make):
    path = _sound(make, source={"reader": "csv", "path": "panel.csv", "unit": "PK"})
    text = (path.parent / "panel.csv").read_text(encoding="utf-8")
    (path.parent / "panel.csv").write_text(text.replace("unit,", "PK,", 1), encoding="utf-8")
    assert build_all(load(path))
