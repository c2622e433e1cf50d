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
from evalkit.words.finding import NETTED, Strength, finding, holds_zero, patients
from evalkit.words.reasons import WITHOUT_COMPARISON, joined, reasons

WORDS = 200  # of the text for a board
SURE = {
    "none": "no conclusion either way",
    "weak": "low confidence",
    "moderate": "moderate confidence, the most that a study without random assignment is given here",
}
SIMULATED = "These data are simulated and say nothing of the NHS."


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
        _answer(outcome, main),
        *patients(main, outcome, study.frequency),
        _net(main, asked),
        _sure(main, asked, strength),
        _overturned(main, asked),
        _others(asked),
        SIMULATED if study.protocol.simulated else "",
    ]
    return " ".join(part for part in parts if part)


def _answer(outcome: Outcome, main: Estimate) -> str:
    head = main.headline
    decimals = numbers.decimals_for([head["std_error"]])
    than = (
        "its own earlier course would have led to"
        if main.design in WITHOUT_COMPARISON
        else "a comparison with units that had not joined would have led to"
    )
    span = f"{numbers.signed(head['low'], decimals)} to {numbers.signed(head['high'], decimals)} {main.unit}"
    if holds_zero(main):
        return (
            f"The data do not say clearly. For {outcome.title}, they fit a change after joining of anything "
            f"from {span}, against what {than}."
        )
    side = "higher" if head["estimate"] > 0 else "lower"
    good = (head["estimate"] > 0) == (outcome.better == "higher")
    size = f"{numbers.number(abs(head['estimate']), decimals)} {main.unit}"
    return (
        f"After joining, the figure for {outcome.title} was on average {size} {side} than {than}, which is "
        f"{'better' if good else 'worse'}. The data fit anything from {span}."
    )


def _net(main: Estimate, asked: Sequence[Check]) -> str:
    """The estimate less what poor results alone would have given, where that was measured."""
    found = next((c for c in asked if c.name == NETTED and c.design == main.design), None)
    if found is None or not {"net", "low", "high"} <= set(found.figures):
        return ""
    net, low, high = (found.figures[name] for name in ("net", "low", "high"))
    places = numbers.decimals_for([main.headline["std_error"]])
    return (
        f"Units were picked when they were doing badly; less the recovery that was to be expected, the change is "
        f"{numbers.signed(net, places)} ({numbers.signed(low, places)} to {numbers.signed(high, places)})."
    )


def _sure(main: Estimate, asked: Sequence[Check], strength: Strength) -> str:
    why = joined(reasons(asked, main.design))
    if strength == "none":
        return "A wide range is no proof that nothing changed."
    if why:
        return f"There is {SURE[strength]} that the collaborative is the reason, because {why}."
    if strength == "weak":
        return f"There is {SURE[strength]} that the collaborative is the reason: not everything could be looked at."
    return f"There is {SURE[strength]}."


def _overturned(main: Estimate, asked: Sequence[Check]) -> str:
    """What it would take to overturn the finding, where that was measured."""
    found = next((c for c in asked if c.name == "sensitivity_bounds" and c.design == main.design), None)
    if found is None or found.value is None or holds_zero(main) or found.value <= 0:
        return ""
    return (
        f"It would no longer hold if the units that joined had drifted apart from the others by more than "
        f"{numbers.number(found.value, 2)} times the worst drift seen before."
    )


def _others(asked: Sequence[Check]) -> str:
    """What became of the balancing measures."""
    found = [c.verdict for c in asked if c.name == "balancing"]
    if not found:
        return "No measure was declared that would show harm elsewhere."
    worse, unclear = found.count("concern"), len(found) - found.count("concern") - found.count("reassuring")
    if len(found) == 1:
        what = "got worse" if worse else "may have got worse unseen" if unclear else "shows no harm"
        return f"The one measure watched for harm {what}."
    if worse:
        return f"Of {len(found)} measures watched for harm, {worse} got worse."
    if unclear:
        return f"Of {len(found)} measures watched for harm, {unclear} may have got worse unseen."
    return f"Of {len(found)} measures watched for harm, none shows harm."


def _board(
    study: Study, outcome: Outcome, main: Estimate, asked: Sequence[Check], strength: Strength
) -> tuple[str, ...]:
    count = main.counts.get("joined units")
    cases, change = patients(main, outcome, study.frequency), _overturned(main, asked)
    lines = [
        (3, f"Question: {study.protocol.question}"),
        (0, f"Answer: {_answer(outcome, main)} {_net(main, asked)}".rstrip()),
        (1, f"How sure: {_sure(main, asked, strength)}"),
        (5, f"Scale: {cases[0]}" if cases else ""),
        (4, f"What would change this: {change}" if change else ""),
        (2, f"Elsewhere: {_others(asked)}"),
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
