"""ROBINS-I: risk of bias in comparisons that were not drawn by lot.

Domains, numbers and judgements follow Sterne and others (2016), BMJ 355:i4919, and its detailed guidance; the
wording is ours, with units (organisations) for participants. The guidance leaves the judgement of a domain to the
assessor: the rules below are ours, drawn up after its tables, and err on the side of more bias. Two departures: a
remedy that nobody speaks of counts as none, and uneven support from elsewhere (4.3), which the guidance asks of the
effect of adhering alone, counts for the effect of joining as well: in the NHS the same units get several programmes.
"""

from __future__ import annotations

from evalkit.instruments.parts import Domain, Instrument, Question, Rule, never, no, plainly, yes

COURSE = (
    "entry",
    "regression_to_the_mean",
    "parallel_trends",
    "earlier_rollout",
    "sensitivity_bounds",
    "synthetic_fit",
    "control_balance",
    "placebo_units",
    "overlap",
    "matching",
    "comparisons",
    "agreement",
)

CONFOUNDING = Domain(
    "confounding",
    "Confounding",
    (
        Question(
            "1.1", "Could units that joined differ from the others in what drives the outcome?", "no", ("chosen",)
        ),
        Question(
            "1.2",
            "Was a unit's time divided by whether it really took part, so that stopping changes its side?",
            "no",
            ("by_joining_date",),
        ),
        Question("1.3", "Did stopping or switching depend on what foretells the outcome?", "no", when=(yes("1.2"),)),
        Question(
            "1.4",
            "Does the design take account of every important reason why the two sides would have parted anyway?",
            "yes",
            adverse=COURSE,
            netted=True,
        ),
        Question("1.5", "Were those reasons measured well?", "yes", when=(yes("1.4"),)),
        Question("1.6", "Was anything adjusted for that joining may have changed?", "no", ("covariates_before",)),
        Question(
            "1.7", "Does the design take account of reasons that change over time as well?", "yes", when=(yes("1.2"),)
        ),
        Question("1.8", "Were those that change over time measured well?", "yes", when=(yes("1.7"),)),
    ),
    (
        Rule("serious", (yes("1.6"),), "something that joining may have changed was adjusted for"),
        Rule("serious", (no("1.4"),), "an important reason for a difference is probably not accounted for"),
        Rule("serious", (yes("1.4"), no("1.5")), "what was accounted for was measured poorly"),
        Rule("serious", (yes("1.2"), no("1.7")), "reasons that change over time are not accounted for"),
        Rule("serious", (yes("1.2"), yes("1.7"), no("1.8")), "reasons that change over time were measured poorly"),
        Rule("low", (no("1.1"),), "no confounding is to be expected"),
        Rule(
            "moderate",
            (no("1.2"), yes("1.4"), yes("1.5"), no("1.6")),
            "confounding is to be expected, and the important reasons are accounted for",
        ),
        Rule(
            "moderate",
            (yes("1.2"), no("1.3"), yes("1.4"), yes("1.5"), no("1.6")),
            "confounding is to be expected, and the important reasons are accounted for",
        ),
        Rule(
            "moderate",
            (yes("1.2"), yes("1.3"), yes("1.7"), yes("1.8"), no("1.6")),
            "confounding is to be expected, and reasons that change over time are accounted for",
        ),
    ),
)

SELECTION = Domain(
    "selection",
    "Selection of units into the analysis",
    (
        Question("2.1", "Did anything seen after the start decide which units are analysed?", "no"),
        Question("2.2", "Was what decided it linked to joining?", "no", when=(yes("2.1"),)),
        Question(
            "2.3",
            "Was what decided it moved by the outcome, or by what drives the outcome?",
            "no",
            when=(yes("2.1"),),
        ),
        Question("2.4", "Is every unit followed from the moment it joined?", "yes", ("followed_from_joining",)),
        Question("2.5", "Does the analysis correct for that selection?", "yes", when=(yes("2.1"), no("2.4"))),
    ),
    (
        Rule(
            "serious",
            (yes("2.1"), yes("2.2"), yes("2.3"), never("2.5")),
            "units were selected by the outcome, uncorrected as far as is said",
        ),
        Rule("serious", (no("2.4"), never("2.5")), "follow-up begins after joining, uncorrected as far as is said"),
        Rule(
            "moderate",
            (yes("2.1"), yes("2.2"), yes("2.3"), yes("2.5")),
            "units were selected later, and that was corrected",
        ),
        *(
            Rule(
                "moderate", (no(other), no("2.4"), yes("2.5")), "follow-up begins after joining, which was corrected"
            )
            for other in ("2.1", "2.2", "2.3")
        ),
        Rule("moderate", (yes("2.1"), no("2.2"), yes("2.4")), "units were selected later, without a link to joining"),
        Rule(
            "moderate",
            (yes("2.1"), no("2.3"), yes("2.4")),
            "units were selected later, without a link to the outcome",
        ),
        Rule(
            "low", (no("2.1"), yes("2.4")), "nothing later decided who is analysed, and all are followed from joining"
        ),
    ),
)

CLASSIFICATION = Domain(
    "classification",
    "Classification of who joined when",
    (
        Question("3.1", "Is it clear what counts as having joined?", "yes", ("one_date_each",)),
        Question("3.2", "Was it written down at the time who joined, and when?", "yes"),
        Question("3.3", "Could results, seen or foreseen, have swayed who counts as joined?", "no"),
    ),
    (
        Rule("serious", (no("3.1"),), "it is not clear what counts as joined"),
        Rule("serious", (yes("3.3"),), "results could have swayed who counts as joined"),
        Rule("moderate", (no("3.2"), no("3.3")), "who joined was put together afterwards"),
        Rule("low", (yes("3.1"), yes("3.2"), no("3.3")), "who joined was clear, and written down at the time"),
    ),
)

ADHERING = "asked only of the effect of taking full part; a run estimates the effect of joining"
DEVIATIONS = Domain(
    "deviations",
    "Departures from the intended programme",
    (
        Question("4.1", "Did anything depart from the programme beyond what usual practice brings?", "no"),
        Question(
            "4.2", "Were departures uneven between the sides, and large enough to matter?", "no", when=(yes("4.1"),)
        ),
        Question(
            "4.3", "Did other programmes and support reach both sides alike?", "yes", adverse=("other_programmes",)
        ),
        Question("4.4", "Was the programme put into practice in most units that joined?", "yes", aside=ADHERING),
        Question("4.5", "Did the units that joined keep to it?", "yes", aside=ADHERING),
        Question("4.6", "Does the analysis correct for what was uneven?", "yes", when=(no("4.3"),)),
    ),
    (
        Rule("serious", (yes("4.1"), yes("4.2")), "departures were uneven and may have moved the outcome"),
        Rule("serious", (no("4.3"), never("4.6")), "other support was uneven, uncorrected as far as is said"),
        Rule("moderate", (no("4.3"), yes("4.6"), no("4.1")), "other support was uneven, and is corrected for"),
        Rule("moderate", (no("4.3"), yes("4.6"), no("4.2")), "other support was uneven, and is corrected for"),
        Rule("moderate", (yes("4.1"), no("4.2"), yes("4.3")), "departures were small or alike on both sides"),
        Rule("low", (no("4.1"), yes("4.3")), "no departures, and other support reached both sides alike"),
    ),
)

MISSING = Domain(
    "missing_data",
    "Missing data",
    (
        Question("5.1", "Are outcomes there for nearly every unit and period?", "yes", ("reported",)),
        Question("5.2", "Were units left out because it is not known whether they joined?", "no", ("all_listed",)),
        Question("5.3", "Were units left out for want of something else?", "no", ("no_covariates",)),
        Question(
            "5.4",
            "Is as much missing on both sides, and for like reasons?",
            "yes",
            adverse=("disclosure",),
            when=(no("5.1"), yes("5.2"), yes("5.3")),
        ),
        Question(
            "5.5",
            "Does the result hold when what is missing is treated otherwise?",
            "yes",
            when=(no("5.1"), yes("5.2"), yes("5.3")),
        ),
    ),
    (
        Rule("low", (yes("5.1"), no("5.2"), no("5.3")), "nearly everything was reported and nobody was left out"),
        Rule("serious", (no("5.4"), no("5.5")), "what is missing differs between the sides, and may matter"),
        Rule("moderate", (yes("5.4"),), "some is missing, alike on both sides"),
        Rule("moderate", (yes("5.5"),), "some is missing, and the result holds without it"),
    ),
)

MEASUREMENT = Domain(
    "measurement",
    "Measurement of the outcome",
    (
        Question(
            "6.1",
            "Could knowing that a unit had joined have changed how the outcome was recorded?",
            "no",
            adverse=("bunching",),
        ),
        Question("6.2", "Did those who recorded the outcome know that the unit had joined?", "no"),
        Question("6.3", "Was the outcome recorded in one way on both sides?", "yes", ("one_source",)),
        Question("6.4", "Do errors in recording go with having joined?", "no"),
    ),
    (
        Rule("serious", (no("6.3"),), "the outcome was recorded differently on the two sides"),
        Rule("serious", (yes("6.4"),), "errors in recording go with having joined"),
        Rule("serious", (yes("6.1"), yes("6.2")), "those who recorded it knew, and could have been swayed"),
        Rule("low", (plainly("6.1", "no"), yes("6.3"), no("6.4")), "recorded alike, and not open to sway"),
        Rule("low", (no("6.2"), yes("6.3"), no("6.4")), "recorded alike, by people who did not know"),
        Rule("moderate", (no("6.1"), yes("6.3"), no("6.4")), "recorded alike, and probably not swayed"),
    ),
)

REPORTING = Domain(
    "reporting",
    "Selection of the reported result",
    (
        Question(
            "7.1",
            "Could the outcome have been picked from several for what it shows?",
            "no",
            adverse=("family", "definitions"),
        ),
        Question(
            "7.2",
            "Could the analysis have been picked from several for what it shows?",
            "no",
            ("planned",),
            adverse=("specification_curve", "comparison_curve", "plan", "looks"),
        ),
        Question(
            "7.3",
            "Could the group of units have been picked from several for what it shows?",
            "no",
            ("whole_group", "planned"),
            adverse=("plan",),
        ),
    ),
    (
        Rule("serious", (yes("7.1"),), "the outcome may have been picked for its result"),
        Rule("serious", (yes("7.2"),), "the analysis may have been picked for its result"),
        Rule("serious", (yes("7.3"),), "the group may have been picked for its result"),
        Rule(
            "low",
            (plainly("7.1", "no"), plainly("7.2", "no"), plainly("7.3", "no")),
            "outcome, analysis and group were fixed beforehand",
        ),
        Rule("moderate", (no("7.1"), no("7.2"), no("7.3")), "there is no sign that the result was picked"),
    ),
)

ROBINS_I = Instrument(
    "robins_i",
    "ROBINS-I",
    "Sterne and others (2016), BMJ 355:i4919",
    "the published rule: as bad as the worst domain; no information where a domain lacks it and none is serious",
    "comparison",
    ("low", "moderate", "serious", "critical"),
    "no information",
    (CONFOUNDING, SELECTION, CLASSIFICATION, DEVIATIONS, MISSING, MEASUREMENT, REPORTING),
)
