"""How much of it would have come anyway, because units joined when they were doing badly?

The entry rule is applied in every earlier window of the same data: so many of the poorest, or all below the
threshold, over as many periods. Nothing had started then, so what this design makes of the picked units is
regression to the mean and no effect. `evalkit/checks/_returning.py` has the equations.

The design's own weights are laid on the return of the picked, counted in periods since their selection: a wave
that joined long after the selection, a single base period, units that join later as comparison, all enter as they
do in the estimate. Only periods before anybody joined are used, of all units alike: a unit that is picked and later
joins in earnest would otherwise leave just when it stays poor. Units that joined may have been further behind, or
less far, than those whom the rule picked earlier; the artefact in the estimate is taken to be so many times as
large, as it is where values fall back by a share of their distance.

The estimate less that has an interval from a bootstrap of clusters that picks anew in every draw, together with
what each unit contributes to the estimate, and from how windows differ (`evalkit/checks/_net.py`). Beside it stands
what normal theory expects (`evalkit/checks/_fallback.py`).

Source: Barnett, van der Pols and Dobson (2005), Int J Epidemiol 34:215.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from evalkit import numbers, periods
from evalkit.checks._entry_rule import Entry, entry_rule
from evalkit.checks._its import excludes_zero, labelled, not_applicable
from evalkit.checks._net import Net, Own, net_of
from evalkit.checks._returning import Past, Returning, followed, returning
from evalkit.checks.leave_out import ASKED
from evalkit.errors import DataError, DesignError
from evalkit.estimate import Check, Estimate, Refusal
from evalkit.estimators._did.headline import DESIGNS, headline, ruled
from evalkit.estimators._did.layout import Layout
from evalkit.panel import Panel

NAME = "regression_to_the_mean"
QUESTION = "How much would have come anyway, because units joined when they were doing badly?"
DRAWS, SEED = 999, 0
SMALL = 0.25  # of the half-width of the estimate's interval; a smaller artefact changes no reading
LARGE = 0.5  # of the estimate; a larger artefact is most of it
FEWEST = 199  # draws, whatever the memory
MEMORY = 20_000_000  # numbers kept of all draws
COLUMNS = ["kind", "first", "last", "joined", "follow_up", "picked", "effect", "low", "high", "naive"]


@dataclass(frozen=True, eq=False)
class Found:
    """The rule, its windows, and the estimate net of them."""

    entry: Entry
    windows: Returning
    net: Net
    beyond: int


def check(panel: Panel, estimate: Estimate | Refusal, *, draws: int = DRAWS) -> Check:
    """Concern when regression to the mean changes what the estimate says, or is most of it.

    draws  of the bootstrap; fewer are taken where windows are very many

    Concern when the interval net of it holds zero and the estimate's does not, or the other way round, or when it
    is clear of zero and more than half of the estimate, in its direction; reassuring when it is under a quarter of
    the half-width of the estimate's interval and does neither; inconclusive otherwise. `value` is the estimate net
    of it. Not applicable where entry did not follow the outcome, to a design without such a comparison, and where
    there is no earlier window. `data`: kind (`window`, `mean`, `theory`, `expected`, `real`, `net`), first and last
    period judged, joined (the first period counted as joined), follow_up (periods seen after it and the
    transition), picked (units), effect with low and high, naive (the change of the picked less that of the rest);
    what a row does not have is missing; and label, unit, level.
    """
    if isinstance(estimate, Refusal):
        reading = f"{estimate.title} was not computed: {' '.join(estimate.reasons)}"
        return not_applicable(NAME, QUESTION, reading, estimate.design)
    declared = panel.study.protocol.entry
    if declared is None or not declared.selected_on_outcome:
        said = (
            "does not say how units came to take part"
            if declared is None
            else "says that entry did not follow the outcome"
        )
        return not_applicable(NAME, QUESTION, f"The protocol {said}, so there is no rule to apply.", estimate.design)
    if estimate.design not in DESIGNS or estimate.comparison_only:
        reading = ASKED
        return not_applicable(NAME, QUESTION, reading, estimate.design)
    try:
        found = _found(panel, estimate, draws)
    except (DesignError, DataError) as refusal:
        what, fix = refusal.faults[0].what.rstrip("."), refusal.faults[0].fix
        reading = f"It could not be computed: {what}{f' ({fix})' if fix else ''}."
        return not_applicable(NAME, QUESTION, reading, estimate.design)
    verdict, reading = _judged(estimate, found.net)
    reading = f"{_facts(panel, estimate, found)} {reading}"
    data = labelled(_data(panel, estimate, found), estimate)
    net = found.net
    figures = {"net": net.net[0], "low": net.low, "high": net.high, "expected": net.expected[0]}
    figures = {name: float(value) for name, value in figures.items()}
    return Check(NAME, QUESTION, verdict, reading, net.net[0], estimate.design, data, figures)


def _found(panel: Panel, estimate: Estimate, draws: int) -> Found:
    """Raises DesignError or DataError when the rule cannot be applied."""
    entry = entry_rule(panel, estimate.anticipation)
    layout = entry.layout
    linear = headline(estimate.design, layout, ruled(panel, estimate.design, layout))
    ties = _own_order(entry.whole, layout)
    most = MEMORY // max(entry.past.seen.shape[1] ** 2, 1)
    copies = _copies(layout, ties, min(draws, max(most, FEWEST)))
    found = returning(entry.past, entry.pick, copies * entry.pool, ties)
    weights = linear.spread()[:, :, 0][entry.joined].sum(axis=0)
    lags = {t - entry.end: float(w) for t, w in enumerate(weights) if w != 0}
    middle = len(found.reached) // 2
    beyond = sum(lag > int(np.flatnonzero(found.reached)[-1]) - middle for lag in lags)
    psi = linear.contributions(layout.Y)[:, 0]
    own = linear.by_cluster(layout.Y)[:, 0]
    head = estimate.headline
    scale = float(head["std_error"]) / float(np.sqrt((own**2).sum()))  # of the estimate as it is reported
    moved = scale * np.sqrt(linear.factor) * ((copies - 1) @ psi)
    naive = found.naive(entry.pick)
    study = Own(float(head["estimate"]), moved, float(head["df"]), estimate.level)
    return Found(
        entry, found, net_of(found, found.carried(lags), entry.behind(copies * entry.pool), naive, study), beyond
    )


def _own_order(past: Past, layout: Layout) -> np.ndarray:
    """A rank of each unit by its own outcomes, so that neither names nor order matter, shape (n,)."""
    rows = np.where(past.seen, past.values, np.inf)
    late = np.where(layout.seen, layout.Y, np.inf)
    order = np.lexsort((*late.T[::-1], *rows.T[::-1]))
    rank = np.empty(len(order), int)
    rank[order] = np.arange(len(order))
    return rank


def _copies(layout: Layout, ties: np.ndarray, draws: int) -> np.ndarray:
    """The units as they are, then draws of clusters with replacement: how often each holds each unit, (1 + B, n)."""
    order = np.argsort(ties)
    code = np.empty(len(order), int)
    code[order] = pd.factorize(layout.cluster[order])[0]
    size = int(code.max()) + 1
    drawn = np.random.default_rng(SEED).multinomial(size, np.full(size, 1 / size), size=draws)
    return np.vstack([np.ones(len(code)), drawn[:, code].astype(float)])


def _judged(estimate: Estimate, net: Net) -> tuple[Literal["reassuring", "inconclusive", "concern"], str]:
    head = estimate.headline
    clear, left = excludes_zero(head), excludes_zero({"low": net.low, "high": net.high})
    size, half = net.expected[0] * np.sign(head["estimate"]), (head["high"] - head["low"]) / 2
    small = abs(size) < SMALL * half
    sure = abs(net.expected[0]) * float(head["std_error"]) > half * net.expected[1]  # its own interval excludes zero
    if clear and not left:
        return "concern", "The estimate stands clear of zero, and net of this it does not."
    if left and not clear:
        return "concern", "The estimate holds zero, and net of this it does not."
    if sure and not small and size > LARGE * abs(head["estimate"]):
        return "concern", "That is more than half of the estimate."
    if small:
        return "reassuring", "That is little beside the uncertainty of the estimate."
    side = "in the direction of the estimate" if size > 0 else "against the direction of the estimate"
    return "inconclusive", f"That is {side} and not small, but does not change whether it is clear of zero."


def _facts(panel: Panel, estimate: Estimate, found: Found) -> str:
    net, entry, unit = found.net, found.entry, estimate.unit
    places = numbers.decimals_for([net.net[1]])
    low, high = float(net.windows[0].min()), float(net.windows[0].max())
    many = len(found.windows.windows)
    rule = f"{'The rule is not declared and was taken to be' if entry.inferred else 'The rule'}: {entry.words}."
    range_ = f", {numbers.signed(low, places)} to {numbers.signed(high, places)}" if many > 1 else ""
    text = (
        f"{rule} Applied to {numbers.of(many, 'earlier window')}, when nothing had started, it gives "
        f"{numbers.signed(net.mean[0], places)} {unit} in this design{range_} (theory: "
        f"{numbers.signed(net.theory, places)}). Those that joined were {numbers.number(net.ratio, 2)} times as far "
        f"behind, so {numbers.signed(net.expected[0], places)} would have come anyway. The estimate, "
        f"{numbers.signed(estimate.headline['estimate'], places)}, is {numbers.signed(net.net[0], places)} net of it "
        f"({numbers.per_cent(estimate.level)} interval {numbers.interval(net.low, net.high, places)})."
    )
    return f"{text}{_limits(panel, estimate, found)}"


def _limits(panel: Panel, estimate: Estimate, found: Found) -> str:
    """What the figures leave out, one sentence each."""
    out, noun = "", periods.noun(panel.study.frequency, 2)
    if found.beyond:
        out += f" The {found.beyond} {noun} that lie further from the selection than earlier windows reach are given "
        out += "the return of the last that do."
    if found.net.between is None:
        out += " Too few windows stand apart to add how they differ."
    if estimate.design == "group_time" and panel.study.protocol.covariates:
        out += " The covariates are left out of the artefact."
    return out


def _data(panel: Panel, estimate: Estimate, found: Found) -> pd.DataFrame:
    window, entry, net, head = panel.study.window, found.entry, found.net, estimate.headline
    reach = float(head["high"] - head["low"]) / 2 / float(head["std_error"])
    blank = {
        "first": pd.NaT,
        "last": pd.NaT,
        "joined": pd.NaT,
        "follow_up": np.nan,
        "picked": np.nan,
        "naive": np.nan,
    }
    rows = []
    wait = entry.first - entry.end
    for i, one in enumerate(found.windows.windows):
        effect, error = net.windows[0][i], net.windows[1][i]
        seen = {
            "first": window[one.end - entry.pick.length + 1],
            "last": window[one.end],
            "joined": window[one.end + wait],
        }
        size = {"follow_up": float(len(followed(one, entry.pick))), "picked": one.picked, "naive": net.naive[0][i]}
        rows.append({"kind": "window", **seen, **size, **_with_ends(effect, reach * error)})
    rows.append({"kind": "mean", **blank, **_with_ends(net.mean[0], reach * net.mean[1])})
    rows.append({"kind": "theory", **blank, "effect": net.theory, "low": np.nan, "high": np.nan})
    rows.append({"kind": "expected", **blank, **_with_ends(net.expected[0], reach * net.expected[1])})
    real = {"first": window[max(entry.end - entry.pick.length + 1, 0)], "last": window[entry.end]}
    real |= {"joined": window[entry.first], "picked": float(entry.joined.sum())}
    ends = {"effect": float(head["estimate"]), "low": float(head["low"]), "high": float(head["high"])}
    rows.append({"kind": "real", **blank, **real, **ends})
    rows.append({"kind": "net", **blank, "effect": net.net[0], "low": net.low, "high": net.high})
    return pd.DataFrame(rows)[COLUMNS]


def _with_ends(effect: float, reach: float) -> dict[str, float]:
    return {"effect": float(effect), "low": float(effect - reach), "high": float(effect + reach)}
