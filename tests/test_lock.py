"""Is a plan frozen so that a later change shows, and is every departure from it said?"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from evalkit import checks, estimators, tables, words
from evalkit.appraisal import appraise
from evalkit.cli import main
from evalkit.errors import StudyError
from evalkit.panel import build
from evalkit.study import load
from evalkit.study.lock import Code, Said, add_entry, covers, lock_path
from evalkit.study.plan import canonical, differences, digest, flat, plan, shown

CODE = Code(version="0.1.0", sha256="0" * 64)
EARLY, LATE = datetime(2018, 6, 1, 12, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)
OUTCOMES = [
    {"name": n, "label": n, "kind": "continuous", "value": "y", "better": "higher", "role": r}
    for n, r in (("y", "primary"), ("z", "secondary"))
]


def data():
    random = np.random.default_rng(4)
    months = pd.period_range("2018-01", periods=24, freq="M")
    rows = pd.DataFrame(
        [(f"U{i}", str(m), random.normal() + 2.0 * (i < 6 and m.year == 2019)) for i in range(12) for m in months],
        columns=["unit", "period", "y"],
    )  # fmt: skip
    return rows, pd.DataFrame({"unit": [f"U{i}" for i in range(12)], "joined": ["2019-01"] * 6 + [""] * 6})


@pytest.fixture
def write(make):
    """Write the protocol with changes, and give its path."""
    return lambda **changes: make.write(*data(), **{"outcomes": OUTCOMES, **changes})


def freeze(path, when=EARLY, why=""):
    study = load(path)
    return add_entry(study.protocol, path, study.lock, Said("A. Tester", "", why, CODE), when)


def asked(path, design="group_time"):
    panel = build(load(path))
    return checks.plan(panel, estimators.attempt(design, panel)), panel


def cli(capsys, *arguments):
    code = main([*map(str, arguments)])
    said = capsys.readouterr()
    assert "Traceback" not in said.err
    return code, said.out, said.err


# -- the plan ------------------------------------------------------------------


def test_spelling_paths_and_order_are_no_part_of_the_plan(write):
    before = load(write()).plan_sha256
    relabelled = [{**o, "label": f"Other {o['name']}"} for o in reversed(OUTCOMES)]
    path = write(
        outcomes=relabelled,
        title="Another title",
        horizons=[12, 6],
        comparison="not_yet_joined",
        cluster="unit",
        transition={"periods": 0, "why": "a reason"},
        window=["2018-01", "2019-11"],
    )
    assert load(path).plan_sha256 == before


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"question": "Another?"}, "question"),
        ({"window": ["2018-02", "2019-12"]}, "window.from"),
        ({"transition": 2}, "transition"),
        ({"comparison": "never_joined"}, "comparison"),
        ({"weights": "denominator"}, "weights"),
        ({"horizons": [3]}, "horizons"),
        ({"level": "0.9"}, "level"),
        ({"exclude": [{"from": "2018-03", "to": "2018-04", "why": "x"}]}, "exclude"),
        ({"model": {"its": {"errors": "ols"}}}, "model.its.errors"),
        ({"looks": {"always_valid": True}}, "looks.always_valid"),
        ({"outcomes": [{**OUTCOMES[0], "better": "lower"}, OUTCOMES[1]]}, "outcomes.y.better"),
        ({"outcomes": [OUTCOMES[0], {**OUTCOMES[1], "role": "balancing"}]}, "outcomes.z.role"),
        ({"source": {"reader": "csv", "path": "panel.csv", "gaps": "allow"}}, "source.gaps"),
        ({"rollout": {"path": "rollout.csv", "unlisted": "never_joined"}}, "rollout.unlisted"),
        ({"entry": {"rule": "by lot", "selected_on_outcome": False}}, "entry.rule"),
    ],
)
def test_every_part_that_decides_a_figure_is_a_difference(write, change, part):
    before = plan(load(write()).protocol)
    after = plan(load(write(**change)).protocol)
    assert part in [d.part for d in differences(before, after)]
    assert digest(before) != digest(after)
    assert differences(before, before) == []
    assert part in {**flat(before), **flat(after)}


def test_the_hash_is_that_of_canonical_json_and_known():
    value = {"b": [1, 2.5, True], "a": {"é": "x"}}
    assert canonical(value) == '{"a":{"\\u00e9":"x"},"b":[1,2.5,true]}'
    # sha256 of that text, worked out by another program (sha256sum)
    assert digest(value) == "9dc0bd1984a4c65a236a1380500d176b99ede5dd3bef057b1fe6e8a71d11cc69"
    with pytest.raises(ValueError, match="compliant"):
        canonical(float("nan"))


def test_letters_encoded_otherwise_are_the_same_text(write):
    assert load(write(question="Caf\u00e9?")).plan_sha256 == load(write(question="Cafe\u0301?")).plan_sha256


def test_an_option_added_since_and_left_at_its_default_is_no_difference(write):
    present = plan(load(write()).protocol)
    old = json.loads(json.dumps(present))
    del old["model"]["its"]["noise_guard"]
    assert differences(old, present) == []
    del old["weights"]
    assert [d.part for d in differences(old, present)] == ["weights"]


def test_a_key_covers_what_lies_below_it_and_nothing_beside_it():
    assert covers("outcomes.y", "outcomes.y.kind")
    assert covers("comparison", "comparison")
    assert not covers("outcomes.y", "outcomes.y2.kind")
    assert shown([{"from": "2018-01"}, None, True]) == "from 2018-01, not there, true"


# -- the lock ------------------------------------------------------------------


def test_a_lock_is_written_once_and_added_to_only_with_a_reason(capsys, write):
    path = write()
    code, out, err = cli(capsys, "lock", path, "--by", "A. Tester", "--note", "before any data")
    assert (code, err) == (0, "")
    first = load(path).lock.first
    assert first.plan_sha256 in out
    assert first.sha256 in out
    assert (first.by, first.note, first.window_to) == ("A. Tester", "before any data", "2019-12")
    before = lock_path(path).read_bytes()
    for arguments, said in (
        ([], "never overwritten"),
        (["--amend"], "needs its reason"),
        (["--amend", "--why", " "], "reason"),
    ):
        code, out, err = cli(capsys, "lock", path, *arguments)
        assert (code, out) == (1, "")
        assert said in err
    assert lock_path(path).read_bytes() == before
    write(comparison="never_joined")
    code, _, _ = cli(capsys, "lock", path, "--amend", "--why", "few units join late")
    assert code == 0
    lock = load(path).lock
    assert lock.first == first
    ((entry, found),) = lock.amendments()
    assert entry.previous == first.sha256
    assert [(d.part, d.locked, d.present, d.why) for d in found] == [
        ("comparison", "not_yet_joined", "never_joined", "few units join late")
    ]


def test_amending_what_was_never_locked_is_refused(capsys, write):
    code, _, err = cli(capsys, "lock", write(), "--amend", "--why", "x")
    assert code == 1
    assert "no plan is locked" in err


def test_amending_with_deviations_still_declared_is_refused(capsys, write):
    path = write()
    freeze(path)
    write(level="0.9", deviations=[{"part": "level", "why": "asked for"}])
    code, _, err = cli(capsys, "lock", path, "--amend", "--why", "x")
    assert code == 1
    assert "remove `deviations`" in err


def edits():
    def set_(*keys, value):
        def edit(record):
            at = record
            for key in keys[:-1]:
                at = at[key]
            at[keys[-1]] = value

        return edit

    yield "plan", set_("entries", 0, "plan", "comparison", value="none")
    yield "date", set_("entries", 0, "date", value="2017-01-01T00:00:00Z")
    yield "by", set_("entries", 0, "by", value="Somebody")
    yield "hash", set_("entries", 0, "sha256", value="0" * 64)
    yield "chain", set_("entries", 1, "previous", value="0" * 64)
    yield "why", set_("entries", 1, "why", value="Another reason")
    yield "study", set_("study", value="other")
    yield "format", set_("format", value=2)
    yield "dropped", lambda record: record["entries"].pop(0)
    yield "none left", lambda record: record["entries"].clear()
    yield "extra", set_("entries", 0, "extra", value=1)
    yield "no number", set_("entries", 0, "plan", "level", value=float("nan"))
    yield "type", set_("entries", value=3)


@pytest.mark.parametrize(("name", "edit"), list(edits()), ids=[n for n, _ in edits()])
def test_a_lock_edited_by_hand_is_refused_by_every_command(capsys, write, name, edit):
    path = write()
    freeze(path)
    write(level="0.9")
    freeze(path, why="asked for")
    assert load(path).lock is not None
    record = json.loads(lock_path(path).read_text(encoding="utf-8"))
    edit(record)
    lock_path(path).write_text(json.dumps(record), encoding="utf-8")
    for command in (["check", path], ["lock", path, "--amend", "--why", "x"], ["estimate", path, "--design", "its"]):
        code, out, err = cli(capsys, *command)
        assert (code, out) == (1, "")
        assert ("that of the study" if name == "study" else "not as it was written") in err


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"format": 1, "format": 1, "study": "case", "entries": []}', "[" * 20000, "\x00"]
)
def test_a_file_that_is_no_lock_is_refused(capsys, write, text):
    path = write()
    lock_path(path).write_text(text, encoding="utf-8")
    code, _, err = cli(capsys, "check", path)
    assert code == 1
    assert "not as it was written" in err


def test_the_last_entry_cannot_be_dropped_unseen_when_its_hash_was_published(write):
    path = write()
    published = freeze(path).latest.sha256
    record = json.loads(lock_path(path).read_text(encoding="utf-8"))
    assert record["entries"][0]["sha256"] == published
    lock_path(path).unlink()
    assert freeze(path, LATE).latest.sha256 != published  # another date is another hash


def test_a_clock_that_runs_back_and_a_folder_that_cannot_be_written_are_refused(write, tmp_path):
    path = write()
    freeze(path, LATE)
    with pytest.raises(StudyError, match="before the last entry"):
        freeze(path, EARLY, "x")
    gone = tmp_path / "no" / "such" / "case.yml"
    with pytest.raises(StudyError, match="cannot be written"):
        add_entry(load(path).protocol, gone, None, Said("A", "", "", CODE), EARLY)


# -- deviations ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("deviations", "said"),
    [
        ([{"part": "weights", "why": "x"}], "does not differ from the locked plan"),
        ([{"part": "level", "why": "x"}, {"part": "level", "why": "y"}], "once more"),
        ([{"part": "level"}], "`why` is missing"),
        ([{"part": "level", "why": "x", "who": "y"}], "unknown key `who`"),
        ([{"part": "level", "why": ""}], "needs some text"),
    ],
)
def test_a_deviation_that_is_none_is_a_fault_with_its_line(capsys, write, deviations, said):
    path = write()
    freeze(path)
    write(level="0.9", deviations=deviations)
    code, out, err = cli(capsys, "check", path)
    assert (code, out) == (1, "")
    assert said in err
    assert "case.yml:" in err


def test_deviations_without_a_lock_are_a_fault(capsys, write):
    code, _, err = cli(capsys, "check", write(deviations=[{"part": "level", "why": "x"}]))
    assert code == 1
    assert "no plan is locked" in err


def test_a_window_that_ends_earlier_deviates_and_one_that_ends_later_is_a_look(write):
    path = write(window=["2018-01", "2019-10"])
    freeze(path)
    assert load(write(window=["2018-01", "2019-12"])).departures == []
    (found,) = load(write(window=["2018-01", "2019-09"])).departures
    assert (found.part, found.locked, found.present) == ("window.to", "2019-10", "2019-09")


# -- the check -----------------------------------------------------------------


def test_locked_in_time_and_kept_is_reassuring(write):
    path = write()
    freeze(path)
    check, panel = asked(path)
    assert (check.verdict, check.value) == ("reassuring", 0)
    assert "before the first month after joining, January 2019, had ended" in check.reading
    estimates = [estimators.attempt("group_time", panel)]
    appraised = {
        row.id: row for row in appraise(panel.study, panel.outcome, estimates, [check], panel).of("robins_i")
    }
    assert appraised["7.2"].answer == "no"
    finding = words.finding(panel.study, panel.outcome, estimates, [check])
    assert any(line.startswith("On record: The plan was locked") for line in finding.sentences)


@pytest.mark.parametrize(
    ("when", "verdict"),
    [
        (datetime(2019, 1, 31, 23, 59, 59, tzinfo=UTC), "reassuring"),
        (datetime(2019, 2, 1, 0, 0, 1, tzinfo=UTC), "inconclusive"),
        (LATE, "inconclusive"),
    ],
)
def test_the_date_against_the_calendar_decides_what_could_have_been_seen(write, when, verdict):
    path = write()
    freeze(path, when)
    assert asked(path)[0].verdict == verdict


def test_not_locked_is_inconclusive_and_fills_nothing_in(write):
    check, panel = asked(write())
    assert (check.verdict, check.value) == ("inconclusive", None)
    assert "not locked" in tables.plan(panel.study).text
    estimates = [estimators.attempt("group_time", panel)]
    rows = {row.id: row for row in appraise(panel.study, panel.outcome, estimates, [check], panel).of("technical")}
    assert "locked" not in rows["1"].source
    assert "deviations" not in rows["17"].source


@pytest.mark.parametrize(
    ("change", "design", "verdict"),
    [
        ({"comparison": "never_joined"}, "group_time", "concern"),
        ({"window": ["2018-02", "2019-12"]}, "group_time", "concern"),
        ({"outcomes": [OUTCOMES[0], {**OUTCOMES[1], "role": "balancing"}]}, "group_time", "concern"),
        ({"model": {"group_time": {"base": "universal"}}}, "group_time", "concern"),
        ({"model": {"group_time": {"base": "universal"}}}, "its", "inconclusive"),
        ({"horizons": [3]}, "group_time", "inconclusive"),
        ({"notebooks": ["findings"]}, "group_time", "inconclusive"),
    ],
)  # fmt: skip
def test_a_departure_without_a_reason_is_a_concern_where_it_can_move_the_result(write, change, design, verdict):
    path = write()
    freeze(path)
    write(**change)
    check, panel = asked(path, design)
    assert check.verdict == verdict
    assert "no reason given" in check.reading
    parts = [d.part for d in panel.study.departures]
    assert check.value == len(parts)
    write(**change, deviations=[{"part": part, "why": "Because <b>so</b>"} for part in parts])
    check, panel = asked(path, design)
    assert check.verdict == "inconclusive"
    assert "Because <b>so</b>" in check.reading
    assert check.figures["unexplained"] == 0
    assert "<b>" not in tables.deviations(check).html
    assert "Because" in tables.deviations(check).text


def test_a_late_amendment_is_not_settled_and_an_early_one_is(write):
    path = write()
    freeze(path)
    write(comparison="never_joined")
    freeze(path, datetime(2018, 9, 1, tzinfo=UTC), "no unit joins later")
    check, panel = asked(path)
    assert check.verdict == "reassuring"
    assert "no unit joins later" in check.reading
    assert "Amendment 1" in tables.plan(panel.study).text
    write(level="0.9", comparison="never_joined")
    freeze(path, LATE, "asked for")
    check, _ = asked(path)
    assert check.verdict == "inconclusive"
    assert check.data["kind"].tolist() == ["amendment", "amendment"]


def test_an_outcome_that_was_dropped_is_selective_reporting(write):
    path = write()
    freeze(path)
    write(outcomes=OUTCOMES[:1], deviations=[{"part": "outcomes.z", "why": "not collected"}])
    check, panel = asked(path, "its")
    estimates = [estimators.attempt(d, panel) for d in ("group_time", "its")]
    found = appraise(panel.study, panel.outcome, estimates, [check], panel)
    assert {r.id: r.answer for r in found.of("epoc_its")}["6"] == "no"
    assert {r.id: r.answer for r in found.of("epoc_cba")}["8"] == "no"
    assert "outcomes.z.kind: not collected" in {r.id: r.source for r in found.of("technical")}["17"]


def test_results_are_said_to_be_pre_specified_or_not(write):
    path = write(outcomes=OUTCOMES[:1])
    freeze(path)
    assert "pre-specified, as primary" in tables.plan(load(path)).text
    write()
    text = tables.plan(load(path)).text
    assert "not pre-specified: the locked plan does not have it" in text


def test_a_demonstration_can_be_locked_from_its_path(capsys, tmp_path):
    root = Path(__file__).parents[1] / "data" / "collaboratives"
    record = yaml.safe_load((root / "uec.yml").read_text(encoding="utf-8"))
    path = tmp_path / "uec.yml"
    path.write_text((root / "uec.yml").read_text(encoding="utf-8"), encoding="utf-8")
    assert cli(capsys, "lock", path)[0] == 0  # no data are needed: a plan is locked before there are any
    assert set(load(path).lock.first.plan["outcomes"]) == {o["name"] for o in record["outcomes"]}
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []
