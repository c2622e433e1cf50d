"""The answer on one page: what was found, the figure, how sure, why not surer, and at what cost.

The rules of `finding` hold here too; this is the same finding for somebody who reads nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from evalkit import markup, numbers
from evalkit.estimate import Check, Estimate, Refusal
from evalkit.study import Outcome, Study
from evalkit.words.finding import CALLED, MEANING, Strength, finding, holds_zero, patients
from evalkit.words.parts import SIMULATED, elsewhere, net_of_recovery, overturned, said
from evalkit.words.reasons import reasons


@dataclass(frozen=True)
class Answer:
    """Texts for a first page; empty where there is nothing to say.

    verdict    one line: better, worse or no conclusion, and how sure
    figure     the headline estimate with its unit; interval, with its level; measure, what it is of, and good, which
               way is better; design, that gave it
    said       what was found, in a sentence or two
    confidence `none`, `low` or `moderate`, and meaning, what that means
    because    the weightiest reasons why the confidence is not higher
    scale      the size in cases, net, less what would have come anyway, and overturned, what would overturn it
    elsewhere  what became of the measures watched for harm
    """

    verdict: str
    figure: str
    interval: str
    measure: str
    good: str
    design: str
    said: str
    confidence: str
    meaning: str
    because: tuple[str, ...]
    scale: str
    net: str
    overturned: str
    elsewhere: str
    simulated: bool

    def _repr_mimebundle_(self, **_: object) -> tuple[dict[str, str], dict[str, Any]]:
        stored = asdict(self) | {"because": list(self.because)}
        html = markup.notice(self.verdict, self.lines)
        return {"text/html": html, "text/plain": repr(self)}, {markup.METADATA_KEY: {"answer": stored}}

    @property
    def lines(self) -> list[str]:
        """What stands under the verdict, one statement each."""
        why = f"Confidence is not higher because {'; '.join(self.because)}." if self.because else ""
        simulated = SIMULATED if self.simulated else ""
        lines = (self.said, self.scale, self.net, why, self.overturned, self.elsewhere, simulated)
        return [line for line in lines if line]

    def __repr__(self) -> str:
        """The answer as text."""
        return "\n".join([self.verdict, *self.lines])


def answer(study: Study, outcome: Outcome, estimates: Sequence[Estimate | Refusal], asked: Sequence[Check]) -> Answer:
    """The answer on one outcome; arguments as of `finding`."""
    found = finding(study, outcome, estimates, asked)
    main = next((e for e in estimates if isinstance(e, Estimate)), None)
    simulated = study.protocol.simulated
    if main is None:
        what = f"{study.protocol.question} These data cannot say: no method could be used on them."
        why = tuple(" ".join(e.reasons).rstrip(".") for e in estimates if isinstance(e, Refusal))
        return Answer(
            "No method could be used on these data.", "", "", outcome.title, _good(outcome), "", what, CALLED["none"],
            MEANING["none"], why, "", "", "", elsewhere(asked), simulated,
        )  # fmt: skip
    figure, span = numbers.headline(main.headline, main.unit)
    cases = patients(main, outcome, study.frequency)
    return Answer(
        verdict=_verdict(main, outcome, found.strength),
        figure=figure,
        interval=f"{numbers.per_cent(main.level)} interval {span}",
        measure=outcome.title,
        good=_good(outcome),
        design=main.title,
        said=said(outcome, main),
        confidence=CALLED[found.strength],
        meaning=MEANING[found.strength],
        because=tuple(reasons(asked, main.design)),
        scale=cases[0] if cases else "",
        net=net_of_recovery(main, asked),
        overturned=overturned(main, asked),
        elsewhere=elsewhere(asked),
        simulated=simulated,
    )


def _good(outcome: Outcome) -> str:
    return f"{outcome.better.capitalize()} is better."


def _verdict(main: Estimate, outcome: Outcome, strength: Strength) -> str:
    if strength == "none":
        return "No strong conclusion: the data fit a change for the better, one for the worse, and none."
    which = {"better": "Better", "worse": "Worse"}[direction(main, outcome)]
    return f"{which} after joining, with {CALLED[strength]} confidence that the collaborative is the reason."


def direction(estimate: Estimate, outcome: Outcome) -> str:
    """`better`, `worse` or `no strong conclusion`: which way an interval clear of zero points for an outcome."""
    if holds_zero(estimate):
        return "no strong conclusion"
    return "better" if (estimate.headline["estimate"] > 0) == (outcome.better == "higher") else "worse"
