"""Protocols: whatever is wrong is told at once, with its line and what to change; nothing is guessed."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import jsonschema
import pandas as pd
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evalkit import periods
from evalkit.errors import StudyError
from evalkit.study import Protocol, load
from evalkit.study.study import missing_files
from evalkit.study.template import template

HOME = Path(__file__).parents[1] / "data" / "collaboratives"
COMMITTED = sorted(HOME.glob("*.yml"))
MESSY = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)

GOOD = """\
title: A test
question: Did it work?
source:
  reader: csv
  path: panel.csv
window: [2018-01, 2019-12]
outcomes:
  - name: y
    kind: continuous
    value: y
    better: higher
    role: primary
rollout:
  path: rollout.csv
"""
END = GOOD.count("\n") + 1  # the line of what a test adds at the end


@pytest.fixture
def protocol(tmp_path):
    def loaded(text, name="case.yml"):
        path = tmp_path / name
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return load(path)

    return loaded


@pytest.fixture
def refusal(protocol):
    def texts(text, name="case.yml"):
        with pytest.raises(StudyError) as refused:
            protocol(text, name)
        return [str(fault) for fault in refused.value.faults]

    return texts


def swap(old, new):
    assert old in GOOD
    return GOOD.replace(old, new)


def more(line):
    return GOOD + line + "\n"


def test_a_good_protocol_loads_and_its_defaults_are_stated(protocol):
    study = protocol(GOOD)
    assert study.slug == "case"
    assert len(study.sha256) == 64
    assert study.protocol.transition.periods == 0
    assert study.protocol.horizons == (6, 12)
    assert study.protocol.level == 0.95
    assert [periods.code(p) for p in study.window[[0, -1]]] == ["2018-01", "2019-12"]


# -- one fault each: what, line, remedy ----------------------------------------

BROKEN = {
    "unknown key": (more("comparsion: none"), END, "unknown key `comparsion`", "did you mean `comparison`?"),
    "unknown key in source": (swap("reader: csv", "reader: csv\n  pth: x"), 5, "`pth` in `source`", "`path`?"),
    "unknown key in outcome": (swap("role:", "rolle: x\n    role:"), 12, "`rolle` in `outcomes[1]`", "`role`?"),
    "unknown key in rollout": (more("  join: x"), END, "unknown key `join` in `rollout`", "`joined`?"),
    "unknown design option": (more("model:\n  its:\n    lag: 3"), END + 2, "`lag` in `model.its`", "`lags`?"),
    "unknown design": (more("model: {itss: {}}"), END, "unknown key `itss` in `model`", "`its`?"),
    "unknown condition key": (
        swap("path: panel.csv", "path: panel.csv\n  where: [{column: a, equals: b, equal: 1}]"),
        6,
        "`equal` in `source.where[1]`",
        "`equals`?",
    ),
    "merge key": (more("<<: {level: 0.9}"), END, "unknown key `<<`", "known here: title"),
    "unknown reader": (swap("reader: csv", "reader: cvs"), 3, "must be one of csv, nhs_ae (got `cvs`)", "`csv`?"),
    "no reader": (swap("  reader: csv\n", ""), 3, "`reader` is missing in `source`", "add it"),
    "source as text": (
        swap("source:\n  reader: csv\n  path: panel.csv", "source: panel.csv"),
        3,
        "must be a mapping",
        "key: value",
    ),
    "unknown kind": (swap("continuous", "propotion"), 9, "(got `propotion`)", "did you mean `proportion`?"),
    "unknown frequency": (
        swap("reader: csv", "reader: csv\n  frequency: weekly"),
        5,
        "must be one of month, quarter",
        "known",
    ),
    "missing title": (swap("title: A test\n", ""), 1, "`title` is missing", "add it"),
    "empty title": (swap("A test", '""'), 1, "`title`: needs some text", ""),
    "title as list": (swap("A test", "[a]"), 1, "`title`: needs some text", ""),
    "window reversed": (
        swap("[2018-01, 2019-12]", "[2019-12, 2018-01]"),
        6,
        "from 2019-12 to 2018-01",
        "earlier period first",
    ),
    "window of one period": (swap("[2018-01, 2019-12]", "[2019-12]"), 6, "must be two periods", "[2022-04, 2026-02]"),
    "window of three": (swap("[2018-01, 2019-12]", "[2019-12, 2020-01, 2020-02]"), 6, "two periods", "[2022-04"),
    "window as text": (swap("[2018-01, 2019-12]", "2018-01"), 6, "two periods", "[2022-04, 2026-02]"),
    "window of millennia": (swap("2018-01,", "0001-01,"), 6, "2018 years", "correct the dates"),
    "month thirteen": (swap("2018-01", "2018-13"), 6, "'2018-13' is not a date in the calendar", "1..12"),
    "30 February": (swap("2018-01", "2018-02-30"), 6, "not a date in the calendar", ""),
    "British date": (swap("2018-01", "01/2018"), 6, "'01/2018' is not a period", "2024-04"),
    "year and month as number": (swap("2018-01", "201801"), 6, "'201801' is not a period", "2024-04"),
    "exclusion outside": (
        more("exclude: [{from: 2020-03, to: 2020-06, why: x}]"),
        END,
        "(2020-03 to 2020-06) lies outside",
        "correct",
    ),
    "exclusion reversed": (
        more("exclude: [{from: 2018-06, to: 2018-03, why: x}]"),
        END,
        "ends before it begins",
        "exchange",
    ),
    "exclusion without why": (
        more("exclude: [{from: 2018-06, to: 2018-07}]"),
        END,
        "`why` is missing in `exclude[1]`",
        "add",
    ),
    "exclusion as mapping": (more("exclude: {from: 2018-06, to: 2018-07, why: x}"), END, "must be a list", "-"),
    "exclusion in quarters": (
        more("exclude: [{from: 2018-Q2, to: 2018-07, why: x}]"),
        END,
        "mixes months, quarters or years",
        "one way",
    ),
    "event outside": (
        more("events: [{from: 2017-06, to: 2017-07, label: x}]"),
        END,
        "`events[1]` (2017-06",
        "remove it",
    ),
    "unknown comparison": (more("comparison: never"), END, "'never' is not a comparison", "never_joined"),
    "empty comparison": (more("comparison: []"), END, "`comparison`: use not_yet_joined", "list of units"),
    "comparison unit twice": (more("comparison: [A, A]"), END, "`comparison` lists A twice", "once"),
    "level in per cent": (more("level: 95"), END, "`level` must be less than or equal to 0.9999 (got `95`)", ""),
    "level not a number": (more("level: high"), END, "`level` must be a number (got `high`)", "0.95"),
    "transition in words": (more("transition: three"), END, "must be a whole number (got `three`)", "digits"),
    "transition negative": (more("transition: -1"), END, "greater than or equal to 0 (got `-1`)", ""),
    "transition empty": (more("transition:"), END, "`transition` must be a mapping (it is empty)", ""),
    "horizon beyond": (more("horizons: [6, 999]"), END, "`horizons[2]` must be less than or equal to 120", ""),
    "horizon twice": (more("horizons: [6, 6]"), END, "`horizons` lists 6 twice", "list it once"),
    "horizon alone": (more("horizons: 6"), END, "`horizons` must be a list (got `6`)", "-"),
    "lags as truth": (more("model: {its: {lags: true}}"), END, "must be a whole number (got `true`)", "digits"),
    "simulated perhaps": (more("simulated: maybe"), END, "must be true or false (got `maybe`)", "`true`"),
    "unknown disclosure": (
        more("disclosure: hess"),
        END,
        "must be one of none, sde, opensafely, hes, midpoint6 (got",
        "did you mean `hes`?",
    ),
    "people of nothing": (
        more("people: [beds]"),
        END,
        "names beds, which is neither a covariate nor the dose",
        "correct or remove it",
    ),
    "not people of nothing": (
        more("not_people: [beds]"),
        END,
        "`not_people` names beds, of which no outcome is made",
        "correct or remove it",
    ),
    "people and not": (
        more("covariates: [beds]\npeople: [beds]\nnot_people: [beds]"),
        END + 1,
        "`beds` is listed under `people` and under `not_people`",
        "decide for one",
    ),
    "no outcome": (
        GOOD[: GOOD.index("  - name")].replace("outcomes:", "outcomes: []") + "rollout: {path: r.csv}\n",
        7,
        "`outcomes` is empty",
        "at least one",
    ),
    "no primary": (swap("    role: primary\n", ""), 7, "none is primary", "exactly one"),
    "two primary": (
        swap("rollout:", "  - {name: z, kind: count, value: z, better: lower, role: primary}\nrollout:"),
        7,
        "2 are primary (y, z)",
        "exactly one",
    ),
    "same name twice": (
        swap("rollout:", "  - {name: Y, kind: count, value: z, better: lower}\nrollout:"),
        7,
        "2 measures are called `y`",
        "own name",
    ),
    "case mix that is better": (
        swap("rollout:", "case_mix: [{name: m, kind: continuous, value: z, better: lower}]\nrollout:"),
        13,
        "neither better nor worse",
        "",
    ),
    "case mix called as an outcome": (
        swap("rollout:", "case_mix: [{name: y, kind: continuous, value: z}]\nrollout:"),
        7,
        "2 measures are called `y`",
        "own name",
    ),
    "two programmes of one label": (
        swap("rollout:", "programmes: [{label: P, started: a}, {label: P, started: b}]\nrollout:"),
        13,
        "2 programmes are labelled `P`",
        "own label",
    ),
    "proportion without denominator": (
        swap("kind: continuous\n    value", "kind: proportion\n    numerator"),
        8,
        "needs `numerator` and `denominator`",
        "",
    ),
    "continuous with denominator": (
        swap("value: y", "value: y\n    denominator: d"),
        8,
        "needs `value` and no `denominator`",
        "",
    ),
    "target in per cent": (
        swap(
            "kind: continuous\n    value: y", "kind: proportion\n    numerator: y\n    denominator: d\n    target: 78"
        ),
        8,
        "share between 0 and 1",
        "0.78",
    ),
    "infinite rate base": (
        swap("kind: continuous\n    value: y", "kind: rate\n    numerator: y\n    denominator: d\n    per: inf"),
        12,
        "`outcomes[1].per` must be a finite number",
        "",
    ),
    "path in a name": (swap("name: y", "name: ../y"), 8, "'../y' may only hold letters, digits", ""),
    "device as a name": (swap("name: y", "name: LPT1"), 8, "'LPT1' is a reserved file name on Windows", ""),
    "path in notebooks": (more("notebooks: [../../etc/passwd]"), END, "may only hold letters", ""),
    "notebook twice": (more("notebooks: [findings, findings]"), END, "`notebooks` lists findings twice", "once"),
    "no notebook": (more("notebooks: []"), END, "`notebooks` is empty", "at least one"),
    "entry half told": (more("entry: {rule: x}"), END, "`selected_on_outcome` is missing in `entry`", "add it"),
    "zero byte": (swap("A test", r'"a\0b"'), 1, "control character", "remove"),
    "bell in an escape": (swap("A test", r'"\a"'), 1, "control character or half of one", "remove"),
    "bell": (swap("Did it", "Did\x07it"), 2, "U+0007 is not allowed", "remove it"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_protocol_is_refused_with_key_line_and_remedy(refusal, case):
    text, line, what, fix = BROKEN[case]
    found = refusal(text)
    assert any(f.startswith(f"case.yml:{line}: ") and what in f and fix in f for f in found), found
    assert not any("pydantic" in f or "Input should" in f or "Traceback" in f or "\n" in f for f in found)


def test_several_faults_are_told_at_once_in_the_order_of_the_lines(refusal):
    text = swap("better: higher", "beter: higher").replace("2019-12", "2017-12")
    text += "levl: 1\nexclude: [{from: 2025-01, to: 2025-02, why: x}]\nmodel: {its: {lags: x}}\n"
    found = refusal(text)
    for expected in ("`beter`", "`better` is missing", "2018-01 to 2017-12", "`levl`", "2025-01 to 2025-02", "lags"):
        assert any(expected in f for f in found), expected
    lines = [int(f.split(":")[1]) for f in found]
    assert lines == sorted(lines)


def test_dates_are_checked_against_the_window_even_when_another_part_is_misspelt(refusal):
    found = refusal(more("exclude: [{from: 2020-03, to: 2020-06, why: x}]\ncomparsion: none"))
    assert len(found) == 2
    assert "outside the window" in found[0]


def test_a_quarterly_window_in_a_monthly_study_is_refused(refusal):
    found = refusal(swap("[2018-01, 2019-12]", "[2018-Q1, 2019-Q4]"))
    assert found == [
        "case.yml:6: 2018-Q1 is not a month; write it in the study's frequency",
        "case.yml:6: 2019-Q4 is not a month; write it in the study's frequency",
    ]


# -- YAML's traps --------------------------------------------------------------

IDENTIFIERS = [
    "NO",
    "012",
    "5E10",
    "12:30:45",
    "0x1F",
    "1_000",
    "yes",
    "off",
    "2018-01-01",
    "1.0",
    ".inf",
    "=",
    "R0A",
]


@pytest.mark.parametrize("unit", IDENTIFIERS)
def test_an_identifier_stays_what_was_written(protocol, unit):
    assert protocol(more(f"comparison: [{unit}]")).protocol.comparison == (unit,)


def test_null_is_no_identifier_unless_it_is_quoted(protocol, refusal):
    assert "list of units" in refusal(more("comparison: [A, null]"))[0]
    assert protocol(more("comparison: [A, 'null', '~']")).protocol.comparison == ("A", "null", "~")


def test_numbers_are_read_as_decimals_and_never_as_octals(protocol):
    assert protocol(more("transition: 012")).protocol.transition.periods == 12


HIDDEN = {
    "a tag that runs something": (swap("A test", "!!python/object/apply:os.system [ls]"), "tag `", ":1"),
    "a harmless tag": (swap("A test", "!!str 5"), "is not allowed; remove it", ":1"),
    "an anchor and an alias": (swap("A test", "&a A").replace("Did it work?", "*a"), "alias `*a`", ":2"),
    "a billion laughs": (
        "a: &a [x, x]\n"
        + "".join(f"{b}: &{b} [*{a}, *{a}, *{a}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)),
        "anchor `&a` is not allowed",
        ":1",
    ),
    "a key given twice": (more("title: B"), "`title` is given twice (first on line 1)", f":{END}"),
    "a nested key given twice": (
        swap("better: higher", "better: higher\n    better: lower"),
        "`better` is given twice",
        ":12",
    ),
    "two documents": (more("---\n" + GOOD), "more than one document", "case.yml"),
    "a tab": (swap("  reader", "\treader"), "not valid YAML", ":4"),
    "an open quote": (swap("A test", '"A test'), "not valid YAML", "case.yml:"),
    "an open bracket": (swap("2019-12]", "2019-12"), "not valid YAML", "case.yml:"),
    "a key that is a list": (more("? [a]\n: 3"), "a key must be plain text", f":{END}"),
    "a well": (more("covariates: " + "[" * 5000 + "]" * 5000), "nested too deeply", f":{END}"),
    "another version": ("%YAML 9.9\n---\n" + GOOD, "not valid YAML", ":1"),
    "a list": ("- title\n", "a protocol is a mapping", "case.yml"),
    "a word": ("title\n", "a protocol is a mapping", "case.yml"),
    "nothing": ("", "a protocol is a mapping", "case.yml"),
    "a comment alone": ("# title\n\n", "a protocol is a mapping", "case.yml"),
    "too much": ("# " + "x" * 300_000, "too large for a protocol", "case.yml"),
    "Latin text": (swap("A test", "caf\u00e9").encode("latin-1"), "not UTF-8 text; save the file as UTF-8", ":1"),
    "UTF-16": (GOOD.encode("utf-16"), "not UTF-8", "case.yml"),
    "bytes": (bytes(range(256)), "", "case.yml"),
}


@pytest.mark.parametrize("case", HIDDEN)
def test_what_yaml_can_hide_is_refused(refusal, case):
    text, what, where = HIDDEN[case]
    found = refusal(text)
    assert any(what in f and where in f for f in found), found


@pytest.mark.parametrize("change", ["\ufeff", "\r\n"])
def test_a_byte_order_mark_and_windows_line_ends_make_no_difference(protocol, change):
    text = change + GOOD if change == "\ufeff" else GOOD.replace("\n", change)
    assert protocol(text).protocol == protocol(GOOD).protocol


def test_lines_are_counted_in_windows_files_too(refusal):
    assert refusal(more("levl: 1").replace("\n", "\r\n"))[0].startswith(f"case.yml:{END}: ")


def test_a_folder_and_an_absent_file_are_refused(tmp_path):
    (tmp_path / "folder.yml").mkdir()
    for name in ("folder.yml", "absent.yml"):
        with pytest.raises(StudyError, match="cannot be read"):
            load(tmp_path / name)


@pytest.mark.parametrize(
    "name", ["con.yml", "Lpt9.yaml", "a b.yml", "\u00e9.yml", "-a.yml", "x" * 70 + ".yml", ".yml"]
)
def test_a_file_name_that_is_not_safe_everywhere_is_refused(tmp_path, name):
    with pytest.raises(StudyError, match="rename the protocol file"):
        load(tmp_path / name)


def test_paths_are_relative_to_the_protocol_and_missing_ones_are_all_named(protocol):
    study = protocol(swap("panel.csv", "../up/panel.csv"))
    assert study.resolve("../up/panel.csv") == (study.path.parent.parent / "up" / "panel.csv")
    faults = missing_files(study)
    assert [f.what.split(",")[0] for f in faults] == [
        "`source.path` names ../up/panel.csv",
        "`rollout.path` names rollout.csv",
    ]


def test_an_unknown_outcome_is_refused_with_those_there_are(protocol):
    study = protocol(GOOD)
    assert study.outcome().name == study.outcome("").name == study.outcome("y").name == "y"
    with pytest.raises(StudyError, match="use one of: y"):
        study.outcome("z")


# -- periods -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "frequency", "code"),
    [
        ("2024-04", "month", "2024-04"),
        ("2024-04-30", "month", "2024-04"),
        ("2024-04-01 00:00:00", "month", "2024-04"),
        ("2024-04-01T00:00:00.000", "month", "2024-04"),
        (" 2024-04 ", None, "2024-04"),
        ("2024Q2", None, "2024-Q2"),
        ("2024-q2", "quarter", "2024-Q2"),
        ("2024-06-30", "quarter", "2024-Q2"),
        ("1989", None, "1989"),
        ("1989", "year", "1989"),
        ("1989-07-01", "year", "1989"),
    ],
)
def test_periods_are_read_as_written(text, frequency, code):
    assert periods.code(periods.parse(text, frequency)) == code


@pytest.mark.parametrize(
    "text", ["04/2024", "202404", "Apr 2024", "2024-4", "2024-04-01 09:30", "45383", "", "2024-Q5"]
)
def test_anything_else_is_no_period(text):
    with pytest.raises(ValueError, match="write it like"):
        periods.parse(text, "month")


@pytest.mark.parametrize(
    ("text", "frequency", "said"),
    [
        ("2024-Q2", "month", "is a quarter where a month"),
        ("2024-Q2", "year", "is a quarter where a year"),
        ("2024", "month", "is a year where a month such as 2024-04"),
        ("2024", "quarter", "is a year where a quarter such as 2024-Q2"),
    ],
)
def test_a_period_of_another_frequency_is_refused(text, frequency, said):
    with pytest.raises(ValueError, match=said):
        periods.parse(text, frequency)


@given(st.dates())
def test_a_period_survives_being_written_and_read(day):
    for frequency, code in periods.CODES.items():
        period = pd.Period(day, freq=code)
        assert periods.parse(periods.code(period), frequency) == period


def test_runs_of_periods_are_told_as_runs():
    window = pd.period_range("2019-11", "2020-12", freq="M")
    assert periods.runs(window[[0, 1, 2, 5]]) == "2019-11 to 2020-01, 2020-04 (4 months)"
    assert periods.runs(window[[3]]) == "2020-02"
    assert periods.runs(pd.period_range("2019Q4", periods=2, freq="Q-DEC")) == "Q4 2019 to Q1 2020 (2 quarters)"


def test_tables_and_figures_write_quarters_as_prose_does():
    quarter, month, year = pd.Period("2019Q4"), pd.Period("2019-11", "M"), pd.Period("2019", "Y-DEC")
    assert [periods.label(p) for p in (quarter, month, year)] == ["Q4 2019", "2019-11", "2019"]
    assert periods.label(quarter) == periods.say(quarter)
    assert [periods.relabel(name) for name in ("2019-Q4", "2019-11", "2019", "never")] == [
        "Q4 2019", "2019-11", "2019", "never",
    ]  # fmt: skip


# -- the schema that editors use -----------------------------------------------


def test_there_are_committed_protocols():
    assert len(COMMITTED) >= 4


@pytest.mark.parametrize("path", COMMITTED, ids=lambda p: p.stem)
def test_the_schema_accepts_every_committed_protocol_and_so_do_we(path):
    schema = Protocol.model_json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    content = yaml.load(path.read_text(encoding="utf-8"), yaml.CSafeLoader)
    jsonschema.validate(json.loads(json.dumps(content, default=str)), schema)
    load(path)


@pytest.mark.parametrize(
    "change", [{"titel": "x"}, {"window": ["2018-01"]}, {"level": 95}, {"comparison": "never"}, {"outcomes": []}]
)
def test_the_schema_refuses_what_we_refuse(change, tmp_path):
    content = {**yaml.safe_load(GOOD), **change}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(content, Protocol.model_json_schema())
    path = tmp_path / "case.yml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    with pytest.raises(StudyError):
        load(path)


# -- whatever is written, only a StudyError comes out ---------------------------

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12) | st.sampled_from(IDENTIFIERS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def loads_or_refuses(path):
    with contextlib.suppress(StudyError):
        load(path)


@MESSY
@given(st.text() | st.binary())
def test_random_content_never_raises_anything_else(tmp_path, content):
    path = tmp_path / "case.yml"
    path.write_bytes(content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content)
    loads_or_refuses(path)


@MESSY
@given(st.sampled_from(sorted(Protocol.model_fields)), ANYTHING)
def test_random_values_in_a_good_protocol_never_raise_anything_else(tmp_path, key, value):
    path = tmp_path / "case.yml"
    path.write_text(yaml.safe_dump({**yaml.safe_load(GOOD), key: value}, allow_unicode=True), encoding="utf-8")
    loads_or_refuses(path)


@MESSY
@given(st.sampled_from(range(len(GOOD))), st.text(alphabet="{}[]&*!|>'\"%@`#:,-? \n\tab0", max_size=4))
def test_a_slip_of_the_finger_never_raises_anything_else(tmp_path, at, slip):
    path = tmp_path / "case.yml"
    path.write_text(GOOD[:at] + slip + GOOD[at + 1 :], encoding="utf-8")
    loads_or_refuses(path)


def test_an_answer_that_is_still_to_be_filled_in_is_named(tmp_path):
    path = tmp_path / "mine.yml"
    path.write_text(template("mine"), encoding="utf-8")
    with pytest.raises(StudyError) as refused:
        load(path)
    said = str(refused.value)
    for part in ("title", "question", "source.path", "outcomes[1].numerator", "rollout.path"):
        assert f"`{part}` is still to be filled in" in said
