"""Design entry rules of EPOC, and the technical list for comparisons over time.

The entry rules follow Cochrane EPOC (2017), What study designs can be considered for inclusion in an EPOC review;
the technical list is ours, drawn from published NHS evaluations.
"""

from __future__ import annotations

from evalkit.instruments.parts import Checklist, Item

ENTRY = Checklist(
    "epoc_entry",
    "EPOC entry rules",
    "Cochrane EPOC (2017), What study designs can be considered for inclusion in an EPOC review",
    5,
    (
        Item("its.1", "Time series: the programme began at a clear point in time", ("waves",)),
        Item("its.2", "Time series: at least three points before and three after", ("points",)),
        Item("cba.1", "Comparison: at least two sites on either side", ("two_sites",)),
        Item("cba.2", "Comparison: data of both sides from the same periods", ("same_periods",)),
        Item("cba.3", "Comparison: a sensible choice of comparison sites"),
    ),
)

TECHNICAL = Checklist(
    "technical",
    "Technical list for comparisons over time",
    "published NHS evaluations of collaboratives and service changes",
    17,
    (
        Item("1", "Hash and date of the protocol", ("hash", "lock")),
        Item("2", "How units came to join", ("entry",)),
        Item("3", "Waves, with dates and units", ("waves",)),
        Item("4", "Events declared, with dates", ("events",)),
        Item("5", "Units joined and compared, periods before and after", ("counts",)),
        Item("6", "Balance before the start", (), ("overlap", "entry"), ("difference_in_differences",)),
        Item(
            "7",
            "Course before joining: plot, test and what the test could see",
            (),
            ("parallel_trends", "pretrend_power"),
        ),
        Item("8", "Estimator and standard error", ("method",)),
        Item("9", "What was done about few clusters", ("cluster",)),
        Item(
            "10",
            "Placebos in time and between units",
            (),
            ("placebo_dates", "earlier_rollout", "placebo_units", "calibration"),
        ),
        Item("11", "Leaving out one unit, wave or period", (), ("influence", "leave_out")),
        Item("12", "What was done about COVID-19", ("covid",)),
        Item("13", "What was done about mergers", ("mergers",)),
        Item("14", "Several outcomes: what was allowed for", (), ("family",)),
        Item("15", "Size in patients as well as in points", ("patients",)),
        Item("16", "Smallest effect that could be found", (), ("power", "detectable"), ("credibility",)),
        Item("17", "Departures from the plan", ("deviations",)),
    ),
)
