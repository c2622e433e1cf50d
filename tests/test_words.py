"""Do the sentences say what the numbers say: sign, size, direction, uncertainty, concern?"""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit import inference, words
from evalkit.estimate import Check, Estimate, Refusal
from evalkit.study.protocol import Outcome, Protocol
from evalkit.study.study import Study


def outcome(better="higher", kind="proportion"):
    columns = {"numerator": "n", "denominator": "d"} if kind == "proportion" else {"value": "v"}
    return Outcome.model_validate({"name": "y", "label": "Seen in time", "kind": kind, "better": better, **columns})


def study(*, simulated=False):
    protocol = Protocol.model_validate(
        {
            "title": "T", "question": "Q?", "simulated": simulated, "window": ["2020-01", "2021-12"],
            "source": {"reader": "csv", "path": "p.csv"}, "rollout": {"path": "r.csv"},
            "outcomes": [{"name": "y", "kind": "count", "value": "v", "better": "higher", "role": "primary"}],
        }
    )  # fmt: skip
    return Study("s", __import__("pathlib").Path("s.yml"), "0" * 64, protocol)


def estimate(value, error=1.0, design="group_time", exposure=100.0):
    row = inference.term("average effect on the joined (ATT)", value, error, 50, 0.95)
    return Estimate(
        "s", "y", "Seen in time", design, "The design", "what is estimated", "An assumption.", "percentage points",
        0.95, pd.DataFrame([row]), {}, "method", exposure=exposure,
    )  # fmt: skip


def concern(reading="Something else may explain it.", design=""):
    return Check("x", "A question?", "concern", reading, design=design)


def sound(design="group_time"):
    """The checks without which confidence is never moderate."""
    return [
        Check("parallel_trends", "Q?", "reassuring", "Alike.", design=design),
        Check("entry", "Q?", "reassuring", "Not for doing badly."),
    ]


@pytest.mark.parametrize(
    ("value", "better", "side", "judgement"),
    [
        (5.0, "higher", "higher", "an improvement"),
        (5.0, "lower", "higher", "a deterioration"),
        (-5.0, "higher", "lower", "a deterioration"),
        (-5.0, "lower", "lower", "an improvement"),
    ],
)
def test_direction_follows_the_sign_and_judgement_follows_better(value, better, side, judgement):
    text = repr(words.sentence(estimate(value), outcome(better)))
    assert f"5.0 percentage points {side}" in text
    assert judgement in text


def test_an_interval_that_holds_zero_is_no_strong_conclusion_and_never_no_effect():
    found = words.finding(study(), outcome(), [estimate(1.0)], [])
    assert found.strength == "none"
    text = repr(found).lower()
    assert "no strong conclusion" in text
    assert "no effect" not in text
    assert "improvement" not in text


@pytest.mark.parametrize(
    ("design", "concerns", "strength"),
    [("group_time", 0, "moderate"), ("group_time", 1, "weak"), ("group_time", 3, "weak"), ("its", 0, "weak")],
)
def test_strength_follows_the_design_and_the_checks(design, concerns, strength):
    asked = [*sound(design), *[concern()] * concerns]
    found = words.finding(study(), outcome(), [estimate(5.0, design=design)], asked)
    assert found.strength == strength


@pytest.mark.parametrize("missing", [0, 1])
@pytest.mark.parametrize("verdict", ["not applicable", None])
def test_confidence_is_never_moderate_on_what_was_not_looked_at(missing, verdict):
    asked = sound()
    asked[missing] = Check(asked[missing].name, "Q?", verdict, "Too few.") if verdict else asked[1 - missing]
    assert words.finding(study(), outcome(), [estimate(5.0)], asked).strength == "weak"


def test_a_concern_about_another_design_is_named_and_takes_nothing_off():
    asked = [*sound(), concern("The series is odd.", design="its")]
    found = words.finding(study(), outcome(), [estimate(5.0), estimate(4.0, design="its")], asked)
    assert found.strength == "moderate"
    assert "Concern: The series is odd." in found.sentences


def test_what_is_not_settled_is_said():
    asked = [*sound(), Check("balancing", "Q?", "inconclusive", "Harm is not ruled out.")]
    assert (
        "Not settled: Harm is not ruled out." in words.finding(study(), outcome(), [estimate(5.0)], asked).sentences
    )


def test_what_is_shown_for_comparison_only_is_never_called_an_effect():
    shown = dataclasses.replace(estimate(5.0, design="event_study"), comparison_only=True)
    text = repr(words.sentence(shown, outcome()))
    assert "not an effect" in text
    assert "improvement" not in text


def test_strength_does_not_follow_the_p_value():
    near, far = estimate(2.1), estimate(50.0)
    assert near.headline["p_value"] > 1000 * far.headline["p_value"]
    assert {words.finding(study(), outcome(), [e], [concern()]).strength for e in (near, far)} == {"weak"}


def test_every_concern_is_named_and_other_verdicts_are_not():
    asked = [concern("First worry."), Check("x", "Q?", "reassuring", "All is well."), concern("Second worry.")]
    text = repr(words.finding(study(), outcome(), [estimate(5.0)], asked))
    assert "Concern: First worry." in text
    assert "Concern: Second worry." in text
    assert "All is well." not in text


def test_only_a_design_with_a_comparison_speaks_of_what_others_did():
    assert "as those that had not joined" in repr(words.sentence(estimate(5.0), outcome()))
    series = repr(words.sentence(estimate(5.0, design="its"), outcome()))
    assert "earlier course carried on" in series
    assert "those that had not joined" not in series


def test_no_sentence_uses_a_causal_verb():
    text = repr(words.finding(study(), outcome(), [estimate(5.0), estimate(4.0, design="its")], [concern()])).lower()
    assert not [
        verb for verb in ("caused", "led to", "because of the collaborative", "proves", "worked") if verb in text
    ]


def test_patients_are_the_effect_times_the_exposure():
    text = repr(words.finding(study(), outcome(), [estimate(5.0, exposure=251.0)], []))
    assert "about 1,300 more cases a month" in text  # 1,255 to two significant digits


def test_patients_are_not_given_without_a_denominator():
    text = repr(words.finding(study(), outcome(kind="count"), [estimate(5.0, exposure=None)], []))
    assert "cases a month" not in text


def test_refusals_are_part_of_the_finding():
    refusal = Refusal("s", "y", "its", "Interrupted time series", ("Too short.",))
    text = repr(words.finding(study(), outcome(), [estimate(5.0), refusal], []))
    assert "Interrupted time series was not computed: Too short." in text
    alone = words.finding(study(), outcome(), [refusal], [])
    assert alone.strength == "none"
    assert alone.headline == "No design could be computed on these data."


def test_simulated_data_are_named_as_such():
    assert "simulated" in repr(words.finding(study(simulated=True), outcome(), [estimate(5.0)], []))
    assert "simulated" not in repr(words.finding(study(), outcome(), [estimate(5.0)], []))


@given(st.floats(-80, 80), st.floats(0.05, 20), st.sampled_from(["higher", "lower"]))
def test_headline_and_sentences_never_contradict_the_interval(value, error, better):
    one = estimate(value, error)
    found = words.finding(study(), outcome(better), [one], [])
    holds_zero = one.headline["low"] <= 0 <= one.headline["high"]
    assert (found.strength == "none") == holds_zero
    assert ("no strong conclusion" in found.headline) == holds_zero
    if not holds_zero:
        good = np.sign(value) == (1 if better == "higher" else -1)
        assert ("better after joining" in found.headline) == good
        assert ("worse after joining" in found.headline) != good


def test_a_concern_over_another_comparison_of_the_same_units_lowers_the_confidence():
    """No text says that nothing else was found above a concern over the course before joining."""
    course = Check("parallel_trends", "Q?", "concern", "Another course.", design="group_time")
    asked = [Check("synthetic_fit", "Q?", "reassuring", "Fits.", design="synthetic_did"), sound()[1]]
    main = estimate(5.0, design="synthetic_did")
    assert words.finding(study(), outcome(), [main], asked).strength == "moderate"
    assert words.finding(study(), outcome(), [main], [*asked, course]).strength == "weak"
    series = Check("seasonality", "Q?", "concern", "A season.", design="its")
    assert words.finding(study(), outcome(), [main], [*asked, series]).strength == "moderate"
