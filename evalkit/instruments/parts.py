"""What an instrument is made of: domains with questions and rules, or a list of items.

Every question and item is worded by us and carries the number that it has in the published instrument.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Answer = Literal["yes", "probably yes", "probably no", "no", "no information"]
ANSWERS: tuple[Answer, ...] = ("yes", "probably yes", "probably no", "no")
YES: frozenset[Answer] = frozenset({"yes", "probably yes"})
NO: frozenset[Answer] = frozenset({"no", "probably no"})


@dataclass(frozen=True)
class When:
    """A condition: the answer to a question is one of these."""

    question: str
    answers: frozenset[Answer]


@dataclass(frozen=True)
class Question:
    """One signalling question, or one criterion.

    id       its number in the instrument
    text     what it asks, in our words
    good     the answer that speaks for the study
    facts    what a run may know of itself, by name (`evalkit.appraisal.known`)
    adverse  checks of which a `concern` makes the answer probably the bad one
    netted   whether a concern over how units came to join is set aside once regression to the mean
             was estimated and is small
    when     asked only if one of these holds; empty: always asked
    aside    why it does not decide; empty: it does
    """

    id: str
    text: str
    good: Literal["yes", "no"]
    facts: tuple[str, ...] = ()
    adverse: tuple[str, ...] = ()
    netted: bool = False
    when: tuple[When, ...] = ()
    aside: str = ""


@dataclass(frozen=True)
class Rule:
    """A judgement, the answers that all must hold for it, and the reason in words."""

    judgement: str
    when: tuple[When, ...]
    reason: str


@dataclass(frozen=True)
class Domain:
    """A domain of bias; the first rule whose answers all hold is the judgement, else `otherwise`."""

    key: str
    title: str
    questions: tuple[Question, ...]
    rules: tuple[Rule, ...]


@dataclass(frozen=True)
class Instrument:
    """A tool for risk of bias.

    key, title  its name in a protocol, and as it is printed
    source      the publication
    overall     where the rule for the overall judgement comes from
    about       which estimate is appraised: `comparison` (between units) or `series` (of the joined units)
    worst       judgements from the best to the worst
    unknown     the judgement where too little is known
    """

    key: str
    title: str
    source: str
    overall: str
    about: Literal["comparison", "series"]
    worst: tuple[str, ...]
    unknown: str
    domains: tuple[Domain, ...]

    @property
    def questions(self) -> tuple[Question, ...]:
        """Every question, in order."""
        return tuple(q for domain in self.domains for q in domain.questions)


@dataclass(frozen=True)
class Item:
    """One item of a reporting checklist.

    id      its number in the checklist, with the letter of its part
    text    what is to be reported, in our words
    facts   what a run reports of itself, by name (`evalkit.appraisal.facts`)
    checks  checks whose reading reports it
    pages   notebooks whose page reports it
    """

    id: str
    text: str
    facts: tuple[str, ...] = ()
    checks: tuple[str, ...] = ()
    pages: tuple[str, ...] = ()


@dataclass(frozen=True)
class Checklist:
    """A reporting checklist. `size` is its published number of items, lettered parts counted as one."""

    key: str
    title: str
    source: str
    size: int
    items: tuple[Item, ...]


def yes(question: str) -> When:
    """The answer is yes, or probably so."""
    return When(question, YES)


def no(question: str) -> When:
    """The answer is no, or probably so."""
    return When(question, NO)


def never(question: str) -> When:
    """The answer is no, or nobody said: a remedy that is not spoken of is no remedy."""
    return When(question, NO | {"no information"})


def plainly(question: str, answer: Answer) -> When:
    """The answer is this one and no other."""
    return When(question, frozenset({answer}))
