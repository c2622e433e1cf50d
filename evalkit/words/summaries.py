"""The finding for three readers: anybody, a board, and a journal; from the same estimates and checks.

The rules of `finding` hold here too. A text for a board has at most 200 words: parts are left out from the least
important up, never cut.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from evalkit import __version__, markup, numbers, periods
from evalkit.estimate import Check, Estimate, Refusal
from evalkit.study import Outcome, Study
from evalkit.words.finding import Strength, finding, patients
from evalkit.words.parts import SIMULATED, elsewhere, net_of_recovery, overturned, said, sure

WORDS = 200  # of the text for a board


@dataclass(frozen=True)
class Summaries:
    """One paragraph in plain English, at most 200 words for a board, and one paragraph of methods for a journal."""

    plain: str
    board: tuple[str, ...]
    methods: str

    def _repr_mimebundle_(self, **_: object) -> tuple[dict[str, str], dict[str, Any]]:
        html = "".join(
            [
                markup.notice("In plain English", [self.plain]),
                markup.notice("For a board", self.board),
                markup.notice("Methods, for a journal", [self.methods]),
            ]
        )
        stored = {"plain": self.plain, "board": list(self.board), "methods": self.methods}
        return {"text/html": html, "text/plain": repr(self)}, {markup.METADATA_KEY: {"summaries": stored}}

    def __repr__(self) -> str:
        """The three texts."""
        board = "\n".join(self.board)
        return f"In plain English\n{self.plain}\n\nFor a board\n{board}\n\nMethods, for a journal\n{self.methods}"


def summaries(
    study: Study, outcome: Outcome, estimates: Sequence[Estimate | Refusal], asked: Sequence[Check]
) -> Summaries:
    """The finding on one outcome for three readers; arguments as of `finding`."""
    found = finding(study, outcome, estimates, asked)
    main = next((e for e in estimates if isinstance(e, Estimate)), None)
    if main is None:
        text = f"{study.protocol.question} These data cannot say: no method could be used on them."
        return Summaries(text, (text,), _methods(study, outcome, estimates, asked))
    return Summaries(
        _plain(study, outcome, main, asked, found.strength),
        _board(study, outcome, main, asked, found.strength),
        _methods(study, outcome, estimates, asked),
    )


def _plain(study: Study, outcome: Outcome, main: Estimate, asked: Sequence[Check], strength: Strength) -> str:
    parts = [
        study.protocol.question,
        said(outcome, main),
        *patients(main, outcome, study.frequency),
        net_of_recovery(main, asked),
        sure(main, asked, strength),
        overturned(main, asked),
        elsewhere(asked),
        SIMULATED if study.protocol.simulated else "",
    ]
    return " ".join(part for part in parts if part)


def _board(
    study: Study, outcome: Outcome, main: Estimate, asked: Sequence[Check], strength: Strength
) -> tuple[str, ...]:
    count = main.counts.get("joined units")
    cases, change = patients(main, outcome, study.frequency), overturned(main, asked)
    lines = [
        (3, f"Question: {study.protocol.question}"),
        (0, f"Answer: {said(outcome, main)} {net_of_recovery(main, asked)}".rstrip()),
        (1, f"How sure: {sure(main, asked, strength)}"),
        (5, f"Scale: {cases[0]}" if cases else ""),
        (4, f"What would change this: {change}" if change else ""),
        (2, f"Elsewhere: {elsewhere(asked)}"),
        (6, f"{numbers.of(int(count), 'unit').capitalize()} joined. {main.assumption}" if count else main.assumption),
        (0, SIMULATED if study.protocol.simulated else ""),
    ]
    kept = [line for line in lines if line[1]]
    while len(" ".join(text for _, text in kept).split()) > WORDS and max(rank for rank, _ in kept) > 0:
        kept.remove(max(kept, key=lambda line: line[0]))
    return tuple(text for _, text in kept)


def _methods(study: Study, outcome: Outcome, estimates: Sequence[Estimate | Refusal], asked: Sequence[Check]) -> str:
    p = study.protocol
    usable = [e for e in estimates if isinstance(e, Estimate)]
    transition = numbers.of(p.transition.periods, study.frequency)
    excluded = ", ".join(f"{periods.say(s.first)} to {periods.say(s.last)}" for s in p.exclude) or "none"
    parts = [
        f"The outcome was {outcome.title} ({outcome.unit}), observed each {study.frequency} from "
        f"{periods.say(p.window[0])} to {periods.say(p.window[1])}; {transition} from joining counted as transition, "
        f"and excluded periods were: {excluded}.",
    ]
    if usable:
        main = usable[0]
        parts += [
            f"The main analysis was {main.title[:1].lower()}{main.title[1:]}.",
            main.method,
            f"It assumes the following. {main.assumption}",
        ]
    if len(usable) > 1:
        names = ", ".join(e.title.lower() for e in usable[1:])
        parts.append(f"Set beside it were: {names}.")
    refused = [e.title.lower() for e in estimates if isinstance(e, Refusal)]
    if refused:
        parts.append(f"Not identified on these data: {', '.join(refused)}.")
    looked = dict.fromkeys(c.question for c in asked if c.verdict != "not applicable")
    if looked:
        parts.append(f"The following were asked of the result: {' '.join(looked)}")
    parts.append(
        f"Intervals are at the {numbers.per_cent(p.level)} level. The analysis was made with evalkit {__version__} "
        f"from a protocol with SHA-256 {study.sha256[:16]}."
    )
    return " ".join(parts)
