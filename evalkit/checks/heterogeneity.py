"""Did the effect differ between the groups that the protocol names?

For each grouping a joint test asks whether the effects of its groups are all the same; the p-values of several
groupings are adjusted by Holm's rule, since with enough groupings one will seem to matter. A difference does not
make the average wrong. It makes it a mean over unlike effects, and where some group lost while another gained,
a number that hides what matters.

A group whose own interval holds zero is no group without effect: groups are small, and differences between them
are judged by the joint test, not by which intervals exclude zero.

Sources: Holm (1979), Scand J Stat 6:65; Sun et al. (2010), BMJ 340:c117, on when to believe a subgroup effect.
"""

from __future__ import annotations

import pandas as pd

from evalkit import numbers, periods
from evalkit.checks._path import nothing
from evalkit.estimate import Check, Estimate, Refusal

NAME = "heterogeneity"
QUESTION = "Did the effect differ between declared groups?"
ALPHA = 0.05
SMALL = 8  # units of a group below which its own variation is poorly known
P, ADJUSTED = "interaction_p_", "interaction_p_adjusted_"
COLUMNS = ["kind", "group", "estimate", "low", "high", "units", "p", "p_adjusted"]


def check(estimate: Estimate | Refusal) -> Check:
    """Concern when groups whose effects differ have opposite signs, each with an interval that excludes zero.

    Reassuring when no grouping has an adjusted p below 0.05; inconclusive when one has, with effects in the
    same direction, and when groups lie on opposite sides of zero without a joint test that survives. `value` is
    the smallest adjusted p. `data`: kind, group, estimate, low, high, units, p and p_adjusted of the grouping
    (missing where no joint test was possible), and label, unit, level, average.
    """
    if isinstance(estimate, Refusal):
        return nothing(NAME, QUESTION, estimate)
    tests = {k.removeprefix(ADJUSTED): p for k, p in estimate.diagnostics.items() if k.startswith(ADJUSTED)}
    if estimate.groups.empty or not tests:
        reading = "No grouping has two groups that can be tested against each other."
        return Check(NAME, QUESTION, "not applicable", reading, design=estimate.design)
    data = _rows(estimate, tests)
    differing = [kind for kind, p in tests.items() if p < ALPHA]
    opposite = [kind for kind in tests if _opposite(data[data["kind"].eq(kind)])]
    facts = f"{_tests(estimate, tests)} {_spread(data, estimate)}"
    value = min(tests.values())
    small = data.loc[data["kind"].isin(differing), "units"].min()
    if differing and small < SMALL:
        facts += (
            f" A group of {numbers.of(int(small), 'unit')} is too small to know its own variation, so the joint test "
            "finds differences too easily."
        )
    clash = [kind for kind in opposite if kind in differing]
    if clash:
        reading = f"{facts} By {' and '.join(clash)} some gained and some lost: the average hides that."
        return Check(NAME, QUESTION, "concern", reading, value, estimate.design, data)
    if differing:
        reading = f"{facts} By {' and '.join(differing)} the effects differ, so the average is one of unlike effects."
        return Check(NAME, QUESTION, "inconclusive", reading, value, estimate.design, data)
    if opposite:
        reading = f"{facts} Groups lie on opposite sides of zero, yet their difference does not survive adjustment."
        return Check(NAME, QUESTION, "inconclusive", reading, value, estimate.design, data)
    reading = f"{facts} No difference is seen; that is not proof that there was none."
    return Check(NAME, QUESTION, "reassuring", reading, value, estimate.design, data)


def _rows(estimate: Estimate, tests: dict[str, float]) -> pd.DataFrame:
    groups, wave = estimate.groups, estimate.groups["kind"].eq("wave")
    groups = groups.assign(group=groups["group"].mask(wave, groups["group"].astype(str).map(periods.relabel)))
    raw = {kind: estimate.diagnostics[P + kind] for kind in tests}
    kept = groups.assign(p=groups["kind"].map(raw).astype(float), p_adjusted=groups["kind"].map(tests).astype(float))
    return kept[COLUMNS].assign(
        label=estimate.label,
        unit=estimate.unit,
        level=estimate.level,
        average=float(estimate.headline["estimate"]),
    )


def _opposite(part: pd.DataFrame) -> bool:
    return bool((part["low"] > 0).any() and (part["high"] < 0).any())


def _tests(estimate: Estimate, tests: dict[str, float]) -> str:
    said = "; ".join(
        f"{kind} {numbers.p_text(estimate.diagnostics[P + kind])}, adjusted {numbers.p_text(p)}"
        for kind, p in tests.items()
    )
    untested = [str(k) for k in dict.fromkeys(estimate.groups["kind"]) if k not in tests]
    more = f" For {' and '.join(untested)} there is no joint test." if untested else ""
    return f"Joint tests of the groups, adjusted over {numbers.of(len(tests), 'grouping')}: {said}.{more}"


def _spread(data: pd.DataFrame, estimate: Estimate) -> str:
    places = numbers.decimals_for(estimate.groups["std_error"])
    low, high = data.loc[data["estimate"].idxmin()], data.loc[data["estimate"].idxmax()]
    first, last = (f"{row['kind']} {row['group']}" for row in (low, high))
    return (
        f"The effects run from {numbers.signed(low['estimate'], places)} {estimate.unit} ({first}) to "
        f"{numbers.signed(high['estimate'], places)} ({last})."
    )
