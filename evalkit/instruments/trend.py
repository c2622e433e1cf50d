"""TREND: what a report on a comparison that was not drawn by lot should hold.

Items follow Des Jarlais, Lyles and Crepaz (2004), Am J Public Health 94:361; the wording is ours.
"""

from __future__ import annotations

from evalkit.instruments.parts import Checklist, Item

TREND = Checklist(
    "trend",
    "TREND",
    "Des Jarlais, Lyles and Crepaz (2004), Am J Public Health 94:361",
    22,
    (
        Item("1", "Title and abstract: how units were allocated", ("title", "entry")),
        Item("2", "Background and theory"),
        Item("3", "Who could take part, how and where they were found", ("entry",)),
        Item("4", "The programme, and what the comparison received"),
        Item("5", "Aims and hypotheses", ("question",)),
        Item("6", "Outcomes and how they were measured", ("outcomes",)),
        Item("7", "How many units, and why", (), ("power", "detectable"), ("credibility", "data_and_design")),
        Item("8", "Unit and method of assignment", ("entry",)),
        Item("9", "Who knew which units had joined"),
        Item("10", "Smallest unit analysed, and clustering", ("cluster",)),
        Item("11", "Statistical methods", ("method",)),
        Item("12", "Flow of units through every stage", ("waves", "counts")),
        Item("13", "Dates of joining and follow-up", ("window", "waves")),
        Item("14", "Units before the start", (), ("entry", "overlap"), ("data_and_design",)),
        Item("15", "Likeness of the two sides before the start", (), ("entry", "parallel_trends", "overlap")),
        Item("16", "Numbers analysed, and whether by original assignment", ("counts",)),
        Item("17", "Each outcome with effect and interval", ("headline",)),
        Item("18", "Other analyses, and which were planned", ("designs", "groups"), ("specification_curve",)),
        Item("19", "Harms and unintended effects", (), ("balancing",)),
        Item("20", "What the results mean, bias and chance considered", pages=("findings",)),
        Item("21", "How far findings carry elsewhere"),
        Item("22", "The results beside other evidence"),
    ),
)
