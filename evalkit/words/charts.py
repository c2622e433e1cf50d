"""Sentences about control charts and funnels: what varies, what is a signal, and what none of it can say."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from evalkit import numbers, periods
from evalkit.spc import LEAST, Chart, Funnel
from evalkit.spc.between import BEYOND, FAR
from evalkit.spc.unit_limits import LEVELS, outside

DESCRIPTIVE = (
    "This is description: a signal says that something changed, not what changed it. Whether the collaborative did "
    "is for the estimates of its effect to say, which ask what would have happened without it."
)
INDEPENDENT = (
    "Limits take neighbouring points to have nothing to do with each other. A season, or points that resemble the "
    "one before, give signals without any cause worth looking for: with 48 points of which nothing changed, 5 in 100 "
    "are signals where points have nothing to do with each other, and 37 in 100 where the autocorrelation is 0.6."
)
RULES = {
    "outside": "outside the limits",
    "two of three": "two of three near a limit",
    "shift": "in a run of seven or more on one side of the mean",
    "trend": "in a run of seven or more that rise or fall each time",
}
METHODS = {
    "xmr": "XmR chart",
    "p": "P chart",
    "p_adjusted": "P\N{PRIME} chart (Laney)",
    "u": "U chart",
    "u_adjusted": "U\N{PRIME} chart (Laney)",
}
MEANS = {
    "improvement": "special cause variation, an improvement",
    "concern": "special cause variation, a concern",
    "change": "special cause variation, neither good nor bad in itself",
    "common cause": "common cause variation: within the usual ups and downs",
}
ASSURED = {
    "passing": "if nothing changes, it will be met every time (passing)",
    "failing": "if nothing changes, it will be missed every time (failing)",
    "hit and miss": "if nothing changes, it will be met or missed by chance (hit and miss)",
}


def decimals(chart: Chart) -> int:
    """Decimals for a chart: two significant digits of its standard deviation."""
    half = (chart.frame["high"] - chart.frame["centre"]).dropna()
    return numbers.decimals_for((half / 3).tolist() or [1.0])


def variation(chart: Chart) -> list[str]:
    """What a chart shows, a sentence or two each: latest point, limits, signals, target, notes."""
    return [*_latest(chart), *_limits(chart), *_signals(chart), *_target(chart), *notes(chart)]


def notes(chart: Chart) -> list[str]:
    """What was done about gaps, exclusions, short stretches and outlying moving ranges."""
    frame, noun = chart.frame, chart.study.frequency
    out = []
    gaps = frame.index[frame["value"].isna()]
    if len(gaps):
        out.append(f"No figure for {periods.runs(gaps)}: a gap, across which there is no moving range and no run.")
    excluded = frame.index[frame["excluded"] & frame["value"].notna()]
    if len(excluded):
        out.append(f"Shown and not used, for the protocol excludes them: {periods.runs(excluded)}.")
    fewer = frame.index[frame["value"].notna() & (frame["units"] < chart.of)]
    if len(fewer):
        out.append(f"Not all {numbers.of(chart.of, 'unit')} reported in {periods.runs(fewer)}.")
    out += [_short(chart, *one) for one in chart.short]
    for first, last, points in _rests(chart):
        if points < LEAST:
            when = span(first, last)
            out.append(
                f"Limits from {when} rest on {numbers.of(points, noun)}, fewer than {LEAST}: trial limits, which "
                "will move."
            )
    left = sum(chart.screened)
    if left:
        out.append(f"{numbers.of(left, 'outlying moving range')} left out of the limits, as is usual.")
    return out


def funnel(found: Funnel) -> list[str]:
    """What a funnel shows: who lies outside, what chance alone would give, and how much units differ beyond it."""
    many, frame = len(found.frame), found.frame
    far, beyond = (int(frame["place"].eq(FAR).sum()), int(frame["place"].isin([FAR, BEYOND]).sum()))
    allowed = found.allowance != "none" and found.dispersion.phi > 1
    usual = [many * (outside(level) if allowed else 1 - level) for level in LEVELS]
    differ = "if units differed as a normal distribution has it" if allowed else "by chance"
    places = numbers.decimals_for([float(frame["value"].std())])
    out = [
        f"{numbers.of(many, 'unit')}, {periods.say(found.span[0])} to {periods.say(found.span[1])}; all together "
        f"{numbers.number(found.centre, places)} ({found.outcome.unit}).",
        f"{numbers.count(beyond)} outside the 95% limits, where about {numbers.number(usual[0], 0)} would be "
        f"{differ}; {numbers.count(far)} of them outside the 99.8% limits, about "
        f"{numbers.number(usual[1], 1)} likewise.",
        _spread(found),
    ]
    if found.left_out:
        out.append(f"{numbers.of(len(found.left_out), 'unit')} without a figure in these periods left out.")
    return [*out, "A place outside the limits is a reason to look, not a judgement of a unit."]


def span(first: pd.Period, last: pd.Period) -> str:
    """A stretch in words: `April 2022 to March 2024`."""
    return f"{periods.say(first)} to {periods.say(last)}"


def _spread(found: Funnel) -> str:
    phi, tau = found.dispersion.phi, found.dispersion.tau
    if found.allowance == "none":
        return f"No allowance is made for over-dispersion: units vary {_times(phi)} chance alone would have it."
    if phi <= 1 or (found.allowance == "additive" and tau == 0):
        return "Units differ no more than chance has it, so no allowance for more was needed."
    how = (
        "by adding a variation between units" if found.allowance == "additive" else "by multiplying chance variation"
    )
    return (
        f"Units vary {_times(phi)} chance alone would have it; the limits allow for that {how}, with the most "
        "extreme tenth at either end drawn in first."
    )


def _times(phi: float) -> str:
    """How far z-scores spread, as a standard deviation, against 1 for chance."""
    spread = float(np.sqrt(phi))
    return f"{numbers.number(spread, 0 if spread >= 10 else 1)} times as widely as"  # noqa: PLR2004 - two digits


def _latest(chart: Chart) -> list[str]:
    if chart.variation not in MEANS:
        return ["No point can be judged."]
    last = chart.judged.iloc[-1]
    when = periods.say(chart.judged.index[-1])
    rule = f" ({RULES[str(last['signal'])]})" if last["signal"] else ""
    value = numbers.number(float(last["value"]), decimals(chart))
    return [f"The latest point, {when}, is {value}{rule}: {MEANS[chart.variation]}."]


def _limits(chart: Chart) -> list[str]:
    places, parts = decimals(chart), []
    for _, part in chart.frame.groupby("segment", sort=True):
        known = part.dropna(subset=["centre"])
        if known.empty:
            continue
        edges = known.dropna(subset=["low", "high"])
        within = (
            f", points expected from {numbers.interval(edges['low'].iloc[-1], edges['high'].iloc[-1], places)}"
            if len(edges)
            else ", too few neighbouring points for limits"
        )
        when = span(part.index[0], part.index[-1])
        parts.append(f"{when}: mean {numbers.number(float(known['centre'].iloc[-1]), places)}{within}")
    carried = chart.how.rebase == "carried" and not chart.frame["basis"].iloc[-1] and chart.start is not None
    tail = " The limits are those of before anybody joined, carried on." if carried else ""
    return [f"{'; '.join(parts)} ({chart.outcome.unit}).{tail}"] if parts else []


def _signals(chart: Chart) -> list[str]:
    judged = chart.judged
    count = judged["signal"].value_counts()
    if judged.empty:
        return []
    if int(count.drop("", errors="ignore").sum()) == 0:
        return [f"None of the {numbers.of(len(judged), 'point')} is a signal."]
    parts = [f"{numbers.count(count[rule])} {words}" for rule, words in RULES.items() if rule in count]
    signals = len(judged) - int(count.get("", 0))
    return [f"{numbers.count(signals)} of {numbers.of(len(judged), 'point')} are signals: {', '.join(parts)}."]


def _target(chart: Chart) -> list[str]:
    if chart.target is None or chart.assurance not in ASSURED:
        return []
    return [f"Target {chart.target:,g}: {ASSURED[chart.assurance]}."]


def _rests(chart: Chart) -> Sequence[tuple[pd.Period, pd.Period, int]]:
    """First and last period of each stretch, and on how many points its limits rest."""
    out = []
    for _, part in chart.frame.groupby("segment", sort=True):
        points = int((part["basis"] & part["value"].notna() & ~part["excluded"]).sum())
        out.append((part.index[0], part.index[-1], points))
    return out


def _short(chart: Chart, position: int, before: int, after: int) -> str:
    when, noun = periods.say(chart.frame.index[position]), chart.study.frequency
    carried = bool((~chart.frame["basis"] & chart.frame["value"].notna() & ~chart.frame["excluded"]).any())
    then = "the limits of before are carried on" if carried else "there is one set of limits"
    return (
        f"Not rebased in {when}, which leaves {numbers.of(before, noun)} before and {after} from then on, where "
        f"{chart.how.least} are asked on either side: {then}."
    )
