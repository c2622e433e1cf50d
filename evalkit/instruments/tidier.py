"""TIDieR: what must be told of a programme so that others could repeat it.

Items follow Hoffmann and others (2014), BMJ 348:g1687; the wording is ours. Data know little of a programme:
nearly everything is asked of the evaluator.
"""

from __future__ import annotations

from evalkit.instruments.parts import Checklist, Item

TIDIER = Checklist(
    "tidier",
    "TIDieR",
    "Hoffmann and others (2014), BMJ 348:g1687",
    12,
    (
        Item("1", "Name of the programme", ("title",)),
        Item("2", "Why: the theory behind it"),
        Item("3", "What: materials, and where they can be had"),
        Item("4", "What: procedures and activities"),
        Item("5", "Who provided it, with what training"),
        Item("6", "How it was delivered, together or one by one"),
        Item("7", "Where it took place"),
        Item("8", "When, how often, how long, how intense"),
        Item("9", "What was fitted to each site, and how"),
        Item("10", "What was changed under way"),
        Item("11", "How fidelity was to be judged and kept"),
        Item("12", "How far it was delivered as planned"),
    ),
)
