"""What a specification curve says: the rule and the words that every curve shares.

A curve's data: one row a specification, the columns of choices first, then estimate, low, high, main (the declared
one) and reason (why it was refused, else blank).
"""

from __future__ import annotations

import pandas as pd

from evalkit import numbers
from evalkit.checks._its import excludes_zero, told
from evalkit.estimate import Check, Estimate

NAMED = 3
FEWEST = 5  # specifications below this are no curve
MOST = 0.8  # of specifications that must agree for the answer not to depend on them
CHANCE = 0.025  # of intervals that exclude zero on one side where there is nothing
EDGE_SHARE, EDGE_GAP = 0.1, 0.5  # fewer than this as large, and the median this many standard errors less


def read(name: str, question: str, estimate: Estimate, data: pd.DataFrame, more: str = "") -> Check:
    """The answer of a curve; `more` is said after the figures.

    Concern when (a) more than 2.5% of the other intervals, which is what chance gives, exclude zero on the other
    side; (b) the declared interval excludes zero and fewer than half of the others do so on its side; (c) it excludes
    zero and fewer than 10% of the others are as large, with their median half a standard error or more nearer to
    zero. Inconclusive when it excludes zero and under 80% share its sign, when under 80% agree with it on whether
    zero is excluded, or when fewer than 5 others could be computed. `value` is the share of the others with its sign.
    """
    others = data[~data["main"] & data["reason"].eq("")]
    refused = int(data["reason"].ne("").sum())
    side = 1.0 if estimate.headline["estimate"] > 0 else -1.0
    same = float((side * others["estimate"] > 0).mean()) if len(others) else 0.0
    low, high = (others["low"], others["high"]) if side > 0 else (-others["high"], -others["low"])
    clear, against = int((low > 0).sum()), int((high < 0).sum())
    facts = _facts(estimate, others, (same, clear, against), refused)
    if against:
        facts += f" On the other side: {_named(others[high < 0])}."
    verdict, why = _judge(estimate, side * others["estimate"], same, (clear, against))
    reading = " ".join(part for part in (facts, more, why) if part)
    return Check(name, question, verdict, reading, same, estimate.design, data)  # type: ignore[arg-type]


def choices(data: pd.DataFrame) -> list[str]:
    """The columns that say how a specification was chosen: those before its estimate."""
    return [str(c) for c in data.columns[: data.columns.get_loc("estimate")]]


def _judge(estimate: Estimate, signed: pd.Series, same: float, found: tuple[int, int]) -> tuple[str, str]:
    """Verdict and its reason; `signed` are the others' estimates, positive on the side of the declared one."""
    clear, against = found
    head, many = estimate.headline, len(signed)
    real = excludes_zero(head)
    main = abs(float(head["estimate"]))
    edge = real and float((signed >= main).mean()) < EDGE_SHARE
    edge = edge and float(signed.median()) < main - EDGE_GAP * float(head["std_error"])
    if many < FEWEST:
        return "inconclusive", "Too few specifications could be computed to compare."
    if against > CHANCE * many:
        return "concern", "A reasonable specification gives the opposite answer."
    if real and clear < many / 2:
        return "concern", "Most other specifications do not show it: the answer rests on the one declared."
    if edge:
        return "concern", "The declared specification is among the largest: others would have shown less."
    agreeing = clear if real else many - clear
    if same < MOST and real:
        return "inconclusive", "Its direction depends on the specification."
    if agreeing < MOST * many:
        return "inconclusive", "Whether zero is excluded depends on the specification."
    return "reassuring", "The answer does not hang on the specification."


def _facts(estimate: Estimate, others: pd.DataFrame, found: tuple[float, int, int], refused: int) -> str:
    same, clear, against = found
    text = f"Declared: {told(estimate)}. "
    if len(others):
        places = numbers.decimals_for([float(estimate.headline["std_error"])])
        span = numbers.interval(others["estimate"].min(), others["estimate"].max(), places)
        side = "positive" if estimate.headline["estimate"] > 0 else "negative"
        text += (
            f"{numbers.of(len(others), 'other specification')} gave {span}; {numbers.number(100 * same, 0)}% were "
            f"{side} as it is, {clear} of {len(others)} intervals exclude zero on that side and {against} on "
            "the other."
        )
    if refused:
        text += f" {numbers.of(refused, 'specification')} could not be computed."
    return text


def _named(others: pd.DataFrame) -> str:
    """Specifications by what sets each apart from most: their choices, up to three of them."""
    first, *rest = choices(others)
    names = [", ".join([str(row[first]), *(str(row[c]).lower() for c in rest)]) for _, row in others.iterrows()]
    more = f"; and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return "; ".join(names[:NAMED]) + more
