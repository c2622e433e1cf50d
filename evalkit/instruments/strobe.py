"""STROBE and its extension RECORD: what a report on observational and routinely collected data should hold.

Items follow von Elm and others (2007), BMJ 335:806, and Benchimol and others (2015), PLoS Med 12:e1001885; the
wording is ours. Of RECORD only the items that it adds are listed, by the number of the STROBE item that they extend.
"""

from __future__ import annotations

from evalkit.instruments.parts import Checklist, Item

STROBE = Checklist(
    "strobe",
    "STROBE",
    "von Elm and others (2007), BMJ 335:806",
    22,
    (
        Item("1", "Title and abstract: design, what was done and found", ("title", "designs")),
        Item("2", "Background and reason"),
        Item("3", "Aims and hypotheses", ("question",)),
        Item("4", "Study design, early on", ("designs",)),
        Item("5", "Setting, places and dates", ("window",)),
        Item("6", "Which units are in, and how they were followed", ("entry", "comparison")),
        Item("7", "Outcomes, exposure, confounders: definitions", ("outcomes", "covariates")),
        Item("8", "Where each figure comes from and how it was measured", ("source",)),
        Item(
            "9",
            "What was done about bias",
            (),
            ("regression_to_the_mean", "calibration", "parallel_trends", "placebo_dates"),
        ),
        Item(
            "10",
            "How the size of the study came about",
            (),
            ("power", "detectable"),
            ("credibility", "data_and_design"),
        ),
        Item("11", "How figures were formed and grouped", ("outcomes", "transition")),
        Item("12", "Statistical methods, missing data, sensitivity", ("method", "completeness")),
        Item("13", "Numbers of units at each stage", ("counts",)),
        Item("14", "The units described, and what is missing", ("completeness",), pages=("data_and_design",)),
        Item(
            "15",
            "Outcomes over time",
            pages=("data_and_design", "difference_in_differences", "interrupted_time_series"),
        ),
        Item("16", "Main results with intervals, absolute size", ("headline",)),
        Item(
            "17",
            "Other analyses: subgroups, sensitivity",
            ("groups",),
            ("agreement", "sensitivity_bounds", "specification_curve"),
        ),
        Item("18", "Key results against the aims", pages=("findings",)),
        Item(
            "19",
            "Limits, and direction and size of bias",
            (),
            ("regression_to_the_mean", "sensitivity_bounds"),
            ("credibility",),
        ),
        Item("20", "Cautious overall interpretation", pages=("findings",)),
        Item("21", "How far findings carry elsewhere"),
        Item("22", "Who paid, and what part they had"),
    ),
)

RECORD = Checklist(
    "record",
    "RECORD (items beyond STROBE)",
    "Benchimol and others (2015), PLoS Med 12:e1001885",
    13,
    (
        Item("1.1", "Kind and name of the data in title or abstract", ("source",)),
        Item("1.2", "Region and dates in title or abstract"),
        Item("1.3", "Linkage of databases in title or abstract"),
        Item("6.1", "How the units or patients were found in the data, with codes"),
        Item("6.2", "Whether those codes were validated"),
        Item("6.3", "Linkage drawn as a flow of records"),
        Item("7.1", "Every code and rule that defines a measure"),
        Item("12.1", "How far the analysts could see the source database"),
        Item("12.2", "How the data were cleaned", ("cleaning",), pages=("data_and_design",)),
        Item("12.3", "Level, method and quality of linkage"),
        Item("13.1", "How records were filtered, for quality, availability, linkage", ("filters",)),
        Item("19.1", "What follows from data that were not gathered for this"),
        Item("22.1", "Where protocol, data and code can be had", ("hash",)),
    ),
)
