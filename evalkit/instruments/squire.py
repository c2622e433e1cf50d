"""SQUIRE 2.0: what a report on improving care should hold.

Items and letters follow Ogrinc and others (2016), BMJ Quality and Safety 25:986; the wording is ours.
"""

from __future__ import annotations

from evalkit.instruments.parts import Checklist, Item

SQUIRE = Checklist(
    "squire",
    "SQUIRE 2.0",
    "Ogrinc and others (2016), BMJ Qual Saf 25:986",
    18,
    (
        Item("1", "Title names the improvement initiative", ("title",)),
        Item("2a", "Abstract can be found by a search"),
        Item("2b", "Abstract sums up every section", pages=("findings",)),
        Item("3", "The local problem and why it matters"),
        Item("4", "What was known, with earlier studies"),
        Item("5", "Why the programme was expected to work"),
        Item("6", "What the programme and this report are for", ("question",)),
        Item("7", "Context at the outset"),
        Item("8a", "The programme, so that others could repeat it"),
        Item("8b", "The team that carried it out"),
        Item("9a", "How the effect was studied", ("designs",)),
        Item(
            "9b",
            "How changes were attributed to the programme",
            ("assumption",),
            ("regression_to_the_mean", "parallel_trends"),
        ),
        Item("10a", "Measures, why they were chosen, definitions", ("outcomes",)),
        Item("10b", "How context, success and cost were followed"),
        Item("10c", "Completeness and accuracy of the data", ("completeness",), pages=("data_and_design",)),
        Item("11a", "Methods by which conclusions were drawn", ("method",)),
        Item("11b", "Variation over time", (), ("autocorrelation", "seasonality"), ("interrupted_time_series",)),
        Item("12", "Ethics, review and conflicts of interest"),
        Item("13a", "First steps and later changes, on a time line"),
        Item("13b", "Process measures and outcomes in detail", ("headline",)),
        Item("13c", "Context that played a part"),
        Item("13d", "Outcomes, programme and context: what went together", ("groups",), ("heterogeneity",)),
        Item("13e", "Unexpected gains, harms, failures and costs", (), ("balancing",)),
        Item("13f", "Missing data in detail", ("completeness",)),
        Item("14a", "Key findings against rationale and aims", pages=("findings",)),
        Item("14b", "Strengths of the project"),
        Item(
            "15a", "What the association between programme and outcome may mean", ("assumption",), pages=("findings",)
        ),
        Item("15b", "Comparison with what others found"),
        Item("15c", "What it meant for people and systems"),
        Item("15d", "Why results differ from what was expected"),
        Item("15e", "Costs and what was given up"),
        Item("16a", "How far findings carry elsewhere"),
        Item(
            "16b",
            "What limits internal validity",
            (),
            ("regression_to_the_mean", "pretrend_power", "sensitivity_bounds"),
            ("credibility",),
        ),
        Item(
            "16c",
            "What was done about those limits",
            (),
            ("calibration", "placebo_dates", "placebo_units", "agreement"),
        ),
        Item("17a", "Usefulness of the work"),
        Item("17b", "Whether it will last"),
        Item("17c", "Whether it may spread"),
        Item("17d", "What it means for practice and study"),
        Item("17e", "Next steps"),
        Item("18", "Who paid, and what part they had"),
    ),
)
