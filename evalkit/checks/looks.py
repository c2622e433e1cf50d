"""Was it looked at more than once, and is that allowed for?

An interval at 95 % misses nothing-changed once in twenty at one look. With a look every month until something shows,
it misses far more often: in 14 % with five evenly spaced looks. A protocol can declare how the error rate is spent
over the planned periods (Lan and DeMets 1983), by the share of them that each look had seen, or ask for an interval
that holds at every look, however many (Howard and others 2021). `evalkit.inference.looks` has the rules.

The adjusted interval is estimate -/+ t_{df, L} s, where L = 2 Phi(c) - 1 is the nominal level of the critical value c
at this look: the significance-level approach of Jennison and Turnbull (2000), Group Sequential Methods, section 3.8.
The share of the periods stands in for the share of the information, behind which months that resemble one another
lag.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from evalkit import inference, numbers, periods
from evalkit.checks._its import excludes_zero
from evalkit.estimate import Check, Estimate, Refusal
from evalkit.inference import looks as rules
from evalkit.panel import Panel
from evalkit.panel.seen import look_at
from evalkit.study.looks import Look, added
from evalkit.study.planned import Looks

NAME = "looks"
QUESTION = "Was it looked at more than once, and is that allowed for?"
COLUMNS = ["interval", "level", "low", "high"]
YEAR = {"month": 12, "quarter": 4, "year": 1}  # after how many periods an always-valid interval is tightest
SPENT = {"obrien_fleming": "as O'Brien and Fleming's rule does", "pocock": "as Pocock's rule does"}


def check(panel: Panel, estimate: Estimate | Refusal, history: Sequence[Look] = ()) -> Check:
    """Reassuring at the first look, and where the protocol's rule for looks leaves the answer as it is.

    history  the looks that earlier reports recorded; this one is added where it is new

    A concern is an interval that excludes zero, but holds it once the declared rule is applied. Inconclusive is an
    interval that excludes zero at a second or later look without such a rule, or at a look at which the rule lets
    nothing be claimed. Not applicable without an estimate. `value` is the number of looks, on published reports of
    this outcome. `data`: interval (plain, adjusted), level, low, high. `figures`: looks, and where a rule is declared
    and can be applied: share (of the planned periods), critical, level, low, high.
    """
    if isinstance(estimate, Refusal):
        return Check(NAME, QUESTION, "not applicable", "There is no estimate.")
    now = look_at(panel)
    seen = [one for one in added(history, now) if one.outcome == now.outcome]
    number, plans = len(seen), len({one.plan for one in seen})
    last = periods.say(periods.parse(now.last, panel.study.frequency))
    under = f", under {plans} different plans" if plans > 1 else ""
    said = f"Of the reports kept here, this is the first look; data run to {last}."
    if number > 1:
        said = f"{number} looks are on record{under}; data now run to {last}."
    rule, clear = panel.study.protocol.looks, excludes_zero(estimate.headline)
    if rule is None or not (rule.always_valid or rule.spending != "none"):
        return _plain(said, number, estimate, clear=clear)
    critical, share, how = _critical(panel, [one.last for one in seen], rule, 1 - estimate.level)
    figures = {"looks": float(number), "share": share}
    if not math.isfinite(critical):
        reading = f"{said} {how} At this look it lets nothing be claimed, for no error rate is to be spent at it."
        verdict = "inconclusive" if clear else "reassuring"
        return Check(NAME, QUESTION, verdict, reading, float(number), "", _rows(estimate, None), figures)  # type: ignore[arg-type]
    head, level = estimate.headline, rules.nominal_level(critical)
    row = inference.term("adjusted", head["estimate"], head["std_error"], head["df"], level)
    figures |= {"critical": critical, "level": level, "low": row["low"], "high": row["high"]}
    still = row["low"] > 0 or row["high"] < 0
    places = numbers.decimals_for([head["std_error"]])
    spans = [numbers.interval(one["low"], one["high"], places) for one in (row, head)]
    reading = f"{said} {how} With it the interval is {spans[0]} {estimate.unit}, and plainly {spans[1]}."
    if clear and not still:
        reading += " Allowing for the looks, the interval holds zero."
    verdict = "concern" if clear and not still else "reassuring"
    return Check(NAME, QUESTION, verdict, reading, float(number), "", _rows(estimate, figures), figures)  # type: ignore[arg-type]


def _plain(said: str, number: int, estimate: Estimate, *, clear: bool) -> Check:
    figures = {"looks": float(number)}
    verdict, more = "reassuring", ""
    if number > 1 and clear:
        verdict = "inconclusive"
        more = " The protocol declares no rule for that, and the interval is right for a single look only."
    elif number > 1:
        more = " The protocol declares no rule for that; the interval holds zero, so nothing was claimed too easily."
    return Check(NAME, QUESTION, verdict, said + more, float(number), "", _rows(estimate, None), figures)  # type: ignore[arg-type]


def _critical(panel: Panel, lasts: list[str], rule: Looks, alpha: float) -> tuple[float, float, str]:
    """The critical value at this look (infinite where nothing can be claimed), the share seen, the rule in words."""
    elapsed = _elapsed(panel, lasts)
    now, noun = elapsed[-1], panel.study.frequency
    if rule.always_valid:
        tuned = rule.planned or YEAR[noun]
        how = (
            f"The protocol asks for an interval that holds at every look, tightest {numbers.of(tuned, noun)} after "
            "joining."
        )
        return rules.always_valid(now, tuned, alpha), now / tuned, how
    planned = rule.planned or 1  # the protocol refuses a spending rule without it
    share = np.unique(np.minimum(np.array(elapsed) / planned, 1.0))
    how = (
        f"The protocol spends the error rate {SPENT[rule.spending]}, over {numbers.of(planned, noun)} after joining, "
        f"of which {int(now)} are seen."
    )
    over = sum(one >= planned for one in elapsed) > 1  # the planned end was looked at before
    critical = math.inf if over else float(rules.boundaries(share, alpha, rule.spending)[-1])  # type: ignore[arg-type]
    return critical, now / planned, how


def _elapsed(panel: Panel, lasts: list[str]) -> list[float]:
    """Periods after joining that each look up to the present data had seen, each number once; the present last."""
    post = panel.rows.index.get_level_values("period")[panel.rows["phase"].eq("post")]
    first, now = post.min(), panel.rows.index.get_level_values("period").max()
    seen = {periods.parse(one, panel.study.frequency) for one in lasts}
    return sorted({float((p - first).n + 1) for p in seen if first <= p <= now})


def _rows(estimate: Estimate, adjusted: dict[str, float] | None) -> pd.DataFrame:
    head = estimate.headline
    rows = [("plain", estimate.level, float(head["low"]), float(head["high"]))]
    if adjusted is not None:
        rows.append(("adjusted", *(adjusted[name] for name in COLUMNS[1:])))  # type: ignore[arg-type]
    return pd.DataFrame(rows, columns=COLUMNS)
