"""Sentences made from estimates and checks by explicit rules; nothing is computed here.

The rules:
1. Direction and size come from the estimate, `better` says whether that is good.
2. An interval that holds zero is "does not allow a strong conclusion", never "no effect".
3. Only a design with a comparison may speak of a difference from what would have happened, and
   always under its named assumption. An interrupted time series speaks of the earlier course.
4. Strength is `moderate` only for a design with a comparison whose course before joining was looked at
   and found alike, with an answer on how units came to join, and with no concern that bears on the
   design; else it is `weak`; an interval that holds zero is `none`. The p-value decides nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from evalkit import markup, numbers
from evalkit.estimate import Check, Estimate, Refusal
from evalkit.markup import Shown
from evalkit.study import Outcome, Study
from evalkit.words.plan import on_record
from evalkit.words.reasons import WITHOUT_COMPARISON, bearing

Strength = Literal["none", "weak", "moderate"]
NETTED = "regression_to_the_mean"
SYNTHETIC = ("synthetic_did", "synthetic_control", "augmented_synthetic_control")
COURSE = dict.fromkeys(SYNTHETIC, "synthetic_fit")  # the check of the course before joining, by design
CALLED: dict[Strength, str] = {"none": "none", "weak": "low", "moderate": "moderate"}
MEANING = {
    "none": "The data do not allow a strong conclusion.",
    "weak": "Confidence is low: another explanation stands, or could not be looked at.",
    "moderate": "Confidence is moderate: the checks made so far found no other explanation.",
}


@dataclass(frozen=True)
class Finding:
    """What can be said, how strongly, and the sentences that carry it."""

    headline: str
    strength: Strength
    sentences: tuple[str, ...]
    simulated: bool

    def _repr_mimebundle_(self, **_: object) -> tuple[dict[str, str], dict[str, Any]]:
        lines = [MEANING[self.strength], *self.sentences]
        html = markup.notice(self.headline, lines)
        stored = {"headline": self.headline, "strength": self.strength, "sentences": list(self.sentences)}
        return {"text/html": html, "text/plain": repr(self)}, {markup.METADATA_KEY: {"finding": stored}}

    def __repr__(self) -> str:
        """The finding as text."""
        return "\n".join([self.headline, MEANING[self.strength], *self.sentences])


def sentence(estimate: Estimate | Refusal, outcome: Outcome) -> Shown:
    """One sentence on one estimate."""
    text = _sentence(estimate, outcome)
    return Shown(markup.notice("In words", [text]), text)


def _sentence(estimate: Estimate | Refusal, outcome: Outcome) -> str:
    if isinstance(estimate, Refusal):
        return f"{estimate.title} was not computed: {' '.join(estimate.reasons)}"
    head = estimate.headline
    decimals = numbers.decimals_for([head["std_error"]])
    size = f"{numbers.number(abs(head['estimate']), decimals)} {estimate.unit}"
    span = f"{numbers.per_cent(estimate.level)} interval {numbers.interval(head['low'], head['high'], decimals)}"
    side = "higher" if head["estimate"] > 0 else "lower"
    label = outcome.title
    if estimate.comparison_only:
        return f"{label}: the two-way coefficient is {size} {side} ({span}); under waves it is not an effect."
    if estimate.design in WITHOUT_COMPARISON:
        said = f"{label}: after joining, on average {size} {side} than the earlier course carried on ({span})."
    elif estimate.design == "controlled_its":
        said = (
            f"{label}: after joining, on average {size} {side} than if the distance to the control had kept its own "
            f"course ({span})."
        )
    else:
        said = (
            f"{label}: after joining, on average {size} {side} than if the units had changed as those that had "
            f"not joined ({span})."
        )
    return f"{said} {_judgement(estimate, outcome)}"


def _judgement(estimate: Estimate, outcome: Outcome) -> str:
    if holds_zero(estimate):
        return "The interval holds zero, so the data do not allow a strong conclusion in either direction."
    good = (estimate.headline["estimate"] > 0) == (outcome.better == "higher")
    return f"That is {'an improvement' if good else 'a deterioration'}, if the design's assumption holds."


def holds_zero(estimate: Estimate) -> bool:
    """Whether the headline interval holds zero."""
    return bool(estimate.headline["low"] <= 0 <= estimate.headline["high"])


def finding(
    study: Study, outcome: Outcome, estimates: Sequence[Estimate | Refusal], asked: Sequence[Check]
) -> Finding:
    """The finding on one outcome.

    estimates  the first that could be computed carries the finding; the others are set beside it
    asked      every check; a `concern` that bears on the carrying design (`reasons.bearing`) lowers the strength; all
               are named
    """
    usable = [e for e in estimates if isinstance(e, Estimate)]
    if not usable:
        reasons = tuple(_sentence(e, outcome) for e in estimates)
        return Finding("No design could be computed on these data.", "none", reasons, study.protocol.simulated)
    main, *others = usable
    concerns = [c for c in asked if c.verdict == "concern"]
    strength = _strength(main, asked)
    sentences = [_sentence(main, outcome), *patients(main, outcome, study.frequency)]
    sentences += [f"Set beside it, {e.title.lower()}: {_sentence(e, outcome)}" for e in others]
    sentences += [f"Concern: {c.reading}" for c in concerns]
    sentences += [f"Not settled: {c.reading}" for c in asked if c.verdict == "inconclusive"]
    sentences += [_sentence(e, outcome) for e in estimates if isinstance(e, Refusal)]
    sentences += on_record(asked)
    if study.protocol.simulated:
        sentences.append(
            "These data are simulated: the finding shows how the report reads, and says nothing of the NHS."
        )
    return Finding(_headline(main, outcome, strength), strength, tuple(sentences), study.protocol.simulated)


def _strength(main: Estimate, asked: Sequence[Check]) -> Strength:
    if holds_zero(main):
        return "none"
    found = bearing(asked, main.design)
    looked_at = {c.name for c in found if c.verdict == "reassuring" and c.design in ("", main.design)}
    if NETTED in looked_at:  # what poor baselines would have given anyway was estimated, and is small
        found, looked_at = [c for c in found if c.name != "entry"], looked_at | {"entry"}
    course = COURSE.get(main.design, "parallel_trends")
    sound = {course, "entry"} <= looked_at and not [c for c in found if c.verdict == "concern"]
    return "moderate" if sound and main.design not in WITHOUT_COMPARISON else "weak"


def _headline(main: Estimate, outcome: Outcome, strength: Strength) -> str:
    head = main.headline
    decimals = numbers.decimals_for([head["std_error"]])
    span = numbers.interval(head["low"], head["high"], decimals)
    figure = (
        f"{numbers.signed(head['estimate'], decimals)} {main.unit} ({numbers.per_cent(main.level)} interval {span})"
    )
    if strength == "none":
        return f"{outcome.title}: no strong conclusion, {figure}."
    good = (head["estimate"] > 0) == (outcome.better == "higher")
    return f"{outcome.title}: {'better' if good else 'worse'} after joining, {figure}; confidence {CALLED[strength]}."


def patients(main: Estimate, outcome: Outcome, noun: str) -> list[str]:
    """The size in events a period, where the outcome has a denominator that counts events."""
    if main.exposure is None or outcome.kind != "proportion":
        return []
    head = main.headline
    low, high = sorted(abs(head[end]) * main.exposure for end in ("low", "high"))
    size = numbers.round_two(abs(head["estimate"]) * main.exposure)
    figure = numbers.number(abs(head["estimate"]), numbers.decimals_for([head["std_error"]]))
    more = "more" if head["estimate"] > 0 else "fewer"
    if holds_zero(main):
        fewer, more = (numbers.round_two(abs(head[end]) * main.exposure) for end in ("low", "high"))
        return [f"In every joined unit, that would be from {fewer} fewer to {more} more cases a {noun} in all."]
    return [
        f"A change of {figure} {main.unit} in every joined unit would be about {size} {more} cases a {noun} in all "
        f"({numbers.round_two(low)} to {numbers.round_two(high)})."
    ]


def beside(estimates: Sequence[Estimate | Refusal], outcomes: Sequence[Outcome]) -> Shown:
    """The other outcomes in the same words, the balancing measures first, each with its role.

    estimates  one an outcome, in the same order
    """
    pairs = sorted(zip(estimates, outcomes, strict=True), key=lambda pair: pair[1].role != "balancing")
    lines = [f"{_role(outcome)}: {_sentence(estimate, outcome)}" for estimate, outcome in pairs]
    text = lines or ["No other outcome is declared, so that harm elsewhere would not be seen."]
    return Shown(markup.notice("The other outcomes, in the same words", text), "\n".join(text))


def _role(outcome: Outcome) -> str:
    """The role as it begins a line; another definition has none of its own."""
    if outcome.alternative_to is not None:
        return f"Another definition of {outcome.alternative_to}"
    return outcome.role.capitalize()
