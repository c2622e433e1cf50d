"""Is a result worked out once for the same question, and again for another?"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pandas as pd
import pytest

from evalkit import estimators, workbench
from evalkit.panel import handed
from evalkit.remember import remembered
from evalkit.workbench import opening


@dataclass(frozen=True, eq=False)
class Counter:
    calls: list = field(default_factory=list)
    memory: dict[Any, Any] = field(default_factory=dict)

    @remembered
    def asked(self, things, *, how=1):
        self.calls.append(how)
        return [*things, how]


def test_once_for_the_same_objects_again_for_others():
    one, a, b = Counter(), object(), object()
    first = one.asked([a, b])
    assert one.asked([a, b]) == first
    assert len(one.calls) == 1
    one.asked([b, a])
    one.asked([a, b], how=2)
    assert len(one.calls) == 3
    assert Counter().asked([a, b]) == first  # another object has its own


@pytest.fixture(scope="module")
def outpatients():
    return workbench.open_case("outpatients")


def test_a_list_that_somebody_changes_is_changed_for_nobody_else():
    one = Counter()
    one.asked((1, 2)).append("mine")
    assert one.asked((1, 2)) == [1, 2, 1]


def test_a_case_estimates_once_and_a_held_one_is_opened_once(monkeypatch):
    monkeypatch.setattr(opening, "HELD", {})
    case = workbench.open_case("outpatients")
    assert all(x is y for x, y in zip(case.estimates(), case.estimates(), strict=True))
    assert workbench.open_case("outpatients") is not case
    workbench.hold("outpatients", "", ahead=False)
    assert workbench.open_case("outpatients") is workbench.open_case("outpatients")
    assert workbench.open_case("outpatients", "over_52_weeks") is not workbench.open_case("outpatients")


def test_a_case_computes_a_design_once_whoever_asks_for_it(monkeypatch):
    case, asked = workbench.open_case("frailty"), []

    def attempt(design, panel):
        asked.append((design, panel.outcome.name))
        return object()

    monkeypatch.setattr(estimators, "attempt", attempt)
    one = case.attempt("synthetic_did")
    assert case.synthetic()[0] is one
    assert case.estimates()[0] is case.comparisons()[0] is case.attempt("group_time", case.outcome.name)
    assert case.attempt("synthetic_did", case.others[0].name) is not one
    assert len(asked) == len(set(asked))


def test_panels_that_a_run_has_left_are_analysed_and_no_data_are_read(monkeypatch, tmp_path):
    monkeypatch.setattr(opening, "HELD", {})
    own = workbench.open_case("outpatients")
    for name, value in handed.leave(tmp_path / "panels", "outpatients", own.panels).items():
        monkeypatch.setenv(name, value)
    assert handed.found("uec") is None
    assert workbench.open_case("uec").study.slug == "uec"
    monkeypatch.setattr(opening, "build_all", lambda _: pytest.fail("the data were read again"))
    again = workbench.open_case("outpatients")
    pd.testing.assert_frame_equal(again.panel.rows, own.panel.rows)
    assert again.outcome == own.outcome


@pytest.fixture
def left(monkeypatch, tmp_path):
    """A kernel's environment: panels of a study, and where answers are to be left; returns that file."""
    monkeypatch.setattr(opening, "HELD", {})
    panels = workbench.open_case("outpatients").panels
    answers = {handed.ANSWERS: str(tmp_path / "answers"), handed.ASKS: "1"}
    for name, value in {**handed.leave(tmp_path / "panels", "outpatients", panels), **answers}.items():
        monkeypatch.setenv(name, value)
    return tmp_path / "answers"


def test_what_one_kernel_has_worked_out_another_takes(monkeypatch, left):
    first = workbench.open_case("outpatients")
    assert left.is_file()
    monkeypatch.delenv(handed.ASKS)
    monkeypatch.setattr(estimators, "attempt", lambda *_: pytest.fail("a design was run again"))
    second = workbench.open_case("outpatients")
    assert second is not first
    ours, theirs = (one.checks(one.estimates()) for one in (first, second))
    assert [(c.name, c.verdict, c.reading) for c in theirs] == [(c.name, c.verdict, c.reading) for c in ours]
    for one, other in zip(first.estimates(), second.estimates(), strict=True):
        pd.testing.assert_frame_equal(one.terms, other.terms)
        assert one is not other
    series = second.attempt("its")
    assert second.autocorrelation(series) in theirs


def test_answers_of_another_outcome_are_not_taken(monkeypatch, left):
    workbench.open_case("outpatients")
    monkeypatch.delenv(handed.ASKS)
    other = workbench.open_case("outpatients", "over_52_weeks")
    assert (other.outcome.name, other.memory) == ("over_52_weeks", {})


def test_what_cannot_be_worked_out_beforehand_is_left_to_the_notebook(monkeypatch, left):
    def fails(*_):
        raise ZeroDivisionError

    monkeypatch.setattr(workbench.Case, "checks", fails)
    case = workbench.open_case("outpatients")
    assert case.outcome.role == "primary"
    assert len(case.panel.rows)
    assert not left.exists()


QUESTIONS = ("autocorrelation", "seasonality", "placebo_dates", "forecast_error", "pretrend_power", "bounds")


@pytest.mark.parametrize("name", QUESTIONS)
def test_what_several_pages_ask_is_worked_out_once(name, outpatients):
    design = "group_time" if name in QUESTIONS[-2:] else "its"
    answer = getattr(outpatients, name)(outpatients.attempt(design))
    assert answer.design == design
    assert answer in outpatients.checks(outpatients.estimates())
    assert getattr(outpatients, name)(outpatients.attempt(design)) is answer


def test_no_more_designs_are_run_beside_than_the_one_that_is_shown(monkeypatch):
    case, asked = workbench.open_case("frailty"), []
    real = estimators.attempt
    monkeypatch.setattr(estimators, "attempt", lambda design, panel: asked.append(design) or real(design, panel))
    shown = case.beside()
    assert asked == [one.design for one in shown] == ["group_time"] * len(case.others)
