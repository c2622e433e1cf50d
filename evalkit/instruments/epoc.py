"""EPOC criteria: risk of bias in interrupted time series and in controlled before-and-after studies.

Criteria and judgements (low, unclear, high) follow Cochrane Effective Practice and Organisation of Care (2017),
Suggested risk of bias criteria for EPOC reviews; the wording is ours. A criterion is low only on a plain yes.
EPOC states no rule for an overall judgement: the usual summary is used, as bad as the worst criterion.
"""

from __future__ import annotations

from evalkit.instruments.parts import Domain, Instrument, Question, Rule, no, plainly

SOURCE = "Cochrane EPOC (2017), Suggested risk of bias criteria for EPOC reviews"
OVERALL = "EPOC states none; the usual summary: high if any criterion is high, low if all are low, else unclear"
LEVELS = ("low", "high")


def _criterion(key: str, title: str, question: Question) -> Domain:
    return Domain(
        key,
        title,
        (question,),
        (
            Rule("high", (no(question.id),), "the criterion is not met"),
            Rule("low", (plainly(question.id, "yes"),), "the criterion is met"),
        ),
    )


ITS = Instrument(
    "epoc_its",
    "EPOC, interrupted time series",
    SOURCE,
    OVERALL,
    "series",
    LEVELS,
    "unclear",
    (
        _criterion(
            "independent",
            "Independent of other changes",
            Question(
                "1",
                "Did nothing else that moves the outcome change at about the same time?",
                "yes",
                adverse=("placebo_dates", "forecast_error", "agreement"),
            ),
        ),
        _criterion(
            "shape",
            "Shape of the effect stated beforehand",
            Question(
                "2",
                "Was it said beforehand when and in what shape the effect would show?",
                "yes",
                ("shape_declared",),
            ),
        ),
        _criterion(
            "collection",
            "Data collection unaffected",
            Question("3", "Were data gathered in the same way before and after?", "yes"),
        ),
        _criterion(
            "assessment",
            "Outcome objective or assessed blind",
            Question(
                "4", "Is the outcome objective, or was it assessed without knowing when the programme began?", "yes"
            ),
        ),
        _criterion(
            "incomplete",
            "Incomplete outcome data",
            Question("5", "Is too little missing to matter, or was it dealt with?", "yes", ("complete",)),
        ),
        _criterion(
            "selective",
            "Selective reporting",
            Question(
                "6", "Is every outcome that was to be measured reported?", "yes", ("all_outcomes", "outcomes_kept")
            ),
        ),
        _criterion(
            "other",
            "Other risks, such as seasons",
            Question(
                "7",
                "Is it free of other risks: seasons, autocorrelation, return from a poor stretch?",
                "yes",
                adverse=(
                    "seasonality",
                    "autocorrelation",
                    "entry",
                    "regression_to_the_mean",
                    "calibration",
                    "influence",
                    "specification_curve",
                ),
                netted=True,
            ),
        ),
    ),
)

CBA = Instrument(
    "epoc_cba",
    "EPOC, controlled before-and-after",
    SOURCE,
    OVERALL,
    "comparison",
    LEVELS,
    "unclear",
    (
        _criterion(
            "sequence",
            "Allocation by chance",
            Question("1", "Was it drawn by lot who joined?", "yes", ("not_drawn",)),
        ),
        _criterion(
            "concealment",
            "Allocation concealed",
            Question("2", "Could nobody foresee or steer who would join?", "yes", ("not_drawn",)),
        ),
        _criterion(
            "baseline_outcome",
            "Like outcomes at the start",
            Question(
                "3", "Were the outcomes of the two sides alike before anybody joined?", "yes", adverse=("entry",)
            ),
        ),
        _criterion(
            "baseline_units",
            "Like units at the start",
            Question(
                "4",
                "Were the units of the two sides alike in other respects?",
                "yes",
                adverse=("overlap", "control_balance"),
            ),
        ),
        _criterion(
            "incomplete",
            "Incomplete outcome data",
            Question("5", "Is too little missing to matter, or was it dealt with?", "yes", ("complete",)),
        ),
        _criterion(
            "assessment",
            "Outcome objective or assessed blind",
            Question("6", "Is the outcome objective, or was it assessed without knowing who had joined?", "yes"),
        ),
        _criterion(
            "contamination",
            "No contamination",
            Question(
                "7",
                "Did the comparison units stay untouched by the programme?",
                "yes",
                adverse=("comparisons", "neighbours"),
            ),
        ),
        _criterion(
            "selective",
            "Selective reporting",
            Question(
                "8", "Is every outcome that was to be measured reported?", "yes", ("all_outcomes", "outcomes_kept")
            ),
        ),
        _criterion(
            "other",
            "Other risks",
            Question(
                "9",
                "Is it free of other risks: another course before joining, return from a poor stretch?",
                "yes",
                adverse=(
                    "parallel_trends",
                    "earlier_rollout",
                    "sensitivity_bounds",
                    "regression_to_the_mean",
                    "calibration",
                    "synthetic_fit",
                    "placebo_units",
                    "bunching",
                    "matching",
                    "composition",
                    "agreement",
                ),
            ),
        ),
    ),
)
