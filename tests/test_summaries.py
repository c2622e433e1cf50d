"""Do the three texts say what the estimate and the checks say, within their bounds, and again from what is stored?"""

from __future__ import annotations

import dataclasses
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_words import concern, estimate, outcome, sound, study

from evalkit import checks, words
from evalkit.estimate import Check, Refusal, restore
from evalkit.words.reasons import CONCERNS, reasons
from evalkit.words.summaries import WORDS

REFUSED = Refusal("s", "y", "group_time", "The design", ("Nobody joined.",))
NAMED = st.lists(st.sampled_from(sorted(CONCERNS)), unique=True, max_size=8)


def bounds(value):
    return Check("sensitivity_bounds", "Q?", "concern", "R.", value, "group_time")


def balancing(verdict):
    return Check("balancing", "Worse?", verdict, "R.")


def text(found):
    return " ".join(found.board)


@given(
    value=st.floats(-1e6, 1e6),
    error=st.floats(0.01, 1e5),
    names=NAMED,
    question=st.text("abc \n", min_size=1, max_size=400),
    simulated=st.booleans(),
)
@settings(max_examples=150, deadline=None)
def test_a_board_never_reads_more_than_its_words(value, error, names, question, simulated):
    asked = [Check(name, "Q?", "concern", "R.", 0.4, "group_time") for name in names]
    made = study(simulated=simulated)
    protocol = made.protocol.model_copy(update={"question": question})
    found = words.summaries(dataclasses.replace(made, protocol=protocol), outcome(), [estimate(value, error)], asked)
    assert len(text(found).split()) <= WORDS
    assert found.board[0].strip()
    assert any(line.startswith("Answer:") for line in found.board)
    assert ("simulated" in text(found)) == simulated


def test_an_interval_that_holds_zero_gives_no_direction():
    found = words.summaries(study(), outcome(), [estimate(1.0)], sound())
    for said in (found.plain, text(found)):
        assert "do not say clearly" in said
        assert "no proof that nothing changed" in said
        assert "higher than" not in said
        assert "no effect" not in said


@pytest.mark.parametrize(("better", "judged"), [("higher", "better"), ("lower", "worse")])
def test_direction_and_worth(better, judged):
    found = words.summaries(study(), outcome(better), [estimate(5.0)], sound())
    assert "5.0 percentage points higher" in found.plain
    assert f"which is {judged}" in found.plain
    assert "moderate confidence" in found.plain


def test_a_series_alone_speaks_of_its_own_course():
    found = words.summaries(study(), outcome(), [estimate(5.0, design="its")], [])
    assert "its own earlier course" in found.plain
    assert "units that had not joined" not in found.plain


def test_concerns_are_given_by_weight_and_selection_once():
    asked = [concern(design="group_time")]
    for name in ("agreement", "entry", "regression_to_the_mean", "calibration", "pretrend_power"):
        asked.append(Check(name, "Q?", "concern", "R.", 0.0, "group_time"))
    found = reasons(asked, "group_time")
    assert found == [CONCERNS[n] for n in ("regression_to_the_mean", "calibration", "agreement")]
    assert reasons(asked, "its") == []


def test_every_reason_is_of_a_check_that_exists():
    assert set(CONCERNS) <= set(checks.__all__)


def test_what_would_overturn_it_and_what_was_to_be_expected_are_quoted():
    net = Check(
        "regression_to_the_mean", "Q?", "concern", "R.", 1.4, "group_time",
        figures={"net": 1.4, "low": -0.9, "high": 3.7, "expected": 0.8},
    )  # fmt: skip
    found = words.summaries(study(), outcome(), [estimate(5.0)], [bounds(0.39), net])
    assert "0.39 times the worst drift" in found.plain
    assert "the change is +1.4 percentage points (−0.9 to +3.7)" in found.plain
    assert "worst drift" not in words.summaries(study(), outcome(), [estimate(1.0)], [bounds(0.39)]).plain


@pytest.mark.parametrize(
    ("verdicts", "said"),
    [
        ([], "No measure was declared"),
        (["concern"], "The one measure watched for harm got worse."),
        (["inconclusive"], "may have got worse unseen"),
        (["reassuring"], "shows no harm"),
        (["reassuring", "concern"], "Of 2 measures watched for harm, 1 got worse."),
        (["reassuring", "inconclusive"], "Of 2 measures watched for harm, 1 may"),
        (["reassuring", "reassuring"], "none shows harm"),
    ],
)
def test_balancing_measures(verdicts, said):
    found = words.summaries(study(), outcome(), [estimate(5.0)], [balancing(v) for v in verdicts])
    assert said in found.plain
    assert said in text(found)


def test_other_outcomes_are_worded_alike_with_harm_first():
    roles = [outcome("lower").model_copy(update={"role": role, "label": role}) for role in ("process", "balancing")]
    shown = words.beside([estimate(1.0), estimate(5.0)], roles)
    lines = shown.text.split("\n")
    assert lines[0].startswith("Balancing: balancing: after joining, on average 5.0")
    assert "a deterioration" in lines[0]
    assert "do not allow a strong conclusion" in lines[1]
    assert "not computed" in words.beside([REFUSED], roles[:1]).text
    assert "would not be seen" in words.beside([], []).text


def test_nothing_computed_is_said():
    found = words.summaries(study(), outcome(), [REFUSED], [])
    assert "cannot say" in found.plain
    assert "the design" in found.methods


def test_the_texts_are_the_same_from_what_is_stored():
    asked = [*sound(), bounds(0.7), balancing("inconclusive")]
    one = estimate(5.0)
    stored = json.loads(json.dumps({"estimate": one.store(), "checks": [c.store() for c in asked]}))
    again = restore(stored["estimate"], "month"), [Check.restored(c) for c in stored["checks"]]
    made = study()
    assert words.summaries(made, outcome(), [again[0]], again[1]) == words.summaries(made, outcome(), [one], asked)
    first, second = (words.finding(made, outcome(), [e], c) for e, c in ((one, asked), again))
    assert first == second


def test_methods_name_what_was_done():
    found = words.summaries(study(), outcome(), [estimate(5.0), REFUSED], sound())
    for said in (
        "January 2020 to December 2021",
        "method",
        "An assumption.",
        "95% level",
        "000000",
        "Not identified",
    ):
        assert said in found.methods


def test_the_number_of_patients_goes_with_the_effect_it_was_made_from():
    """And stands before the effect net of the recovery that was to be expected, not behind it."""
    figures = {"net": 1.0, "low": -1.0, "high": 3.0, "expected": 1.0}
    net = Check("regression_to_the_mean", "Q?", "concern", "R.", 1.0, "group_time", figures=figures)
    plain = words.summaries(study(), outcome(), [estimate(3.0)], [net]).plain
    assert plain.index("A change of 3.0 percentage points in every joined unit") < plain.index("less the recovery")


def test_a_concern_of_calibration_is_told_by_what_raised_it():
    def said(**rates):
        check = Check("calibration", "Q?", "concern", "R.", 0.05, "group_time", figures={"notable": 0.08, **rates})
        return reasons([check], "group_time")[0]

    assert "too often where there are none" in said(false_positive=0.1)
    assert "even where nothing happened" in said(false_positive=0.05, selective=0.2)
    assert "its range is wider" in said(false_positive=0.05, selective=0.05)


def test_harm_elsewhere_is_a_cost_and_no_other_explanation():
    found = words.summaries(study(), outcome(), [estimate(5.0)], [*sound(), balancing("concern")])
    assert "moderate confidence" in found.plain
    assert "got worse" in found.plain
    assert "not everything could be looked at" not in found.plain


def test_every_check_that_can_be_a_concern_has_its_reason():
    series = {"detectable", "placebo_dates", "power", "balancing"}
    assert set(checks.__all__) - set(CONCERNS) <= series
