"""What a check's answer means, in a few words for somebody who will not read the check."""

from __future__ import annotations

from collections.abc import Sequence

from evalkit.estimate import Check

# by check, the most weighty first: what a concern means for the result, to follow "because" or "and"
CONCERNS = {
    "regression_to_the_mean": "units were picked when they were doing badly, and some recovery was to be expected",
    "entry": "the units that joined had been doing worse, and some recovery was to be expected",
    "calibration": "on data like these the method finds effects too often where there are none",
    "parallel_trends": "the units that joined were already on a different course",
    "sensitivity_bounds": "a departure from a common course no larger than those seen before would overturn it",
    "synthetic_fit": "the comparison could not be made to match the past well",
    "placebo_units": "units that did not join show changes as large",
    "randomisation": "a rollout drawn by lot could have given as much",
    "earlier_rollout": "the same comparison shows changes at dates on which nothing began",
    "placebo_dates": "the method finds changes at dates on which nothing began",
    "agreement": "methods that lean on different assumptions disagree",
    "pretrend_power": "a trend large enough to explain it could have gone unnoticed",
    "control_balance": "the comparison had followed another course before",
    "other_programmes": "another programme that reached the same units could explain it",
    "bunching": "more cases than before fell just inside the threshold",
    "matching": "units that looked alike before give another answer",
    "composition": "who was counted changed as well",
    "neighbours": "units nearby that did not join may have changed too",
    "mergers": "it rests on organisations that merged",
    "leave_out": "it rests on very few units",
    "disclosure": "counts that were suppressed or rounded to protect people could have moved it",
    "plan": "the analysis departs from its locked plan and no reason is given",
    "looks": "allowing for how often the data were looked at, chance could have given it",
    "comparison_curve": "other reasonable ways of comparing give other answers",
    "definitions": "other definitions of the outcome give other answers",
    "specification_curve": "other reasonable models give other answers",
    "comparisons": "much of the comparison is with units that had joined already",
    "engine_agreement": "an independent calculation gives another figure",
    "family": "with so many outcomes one of them was likely to show something",
    "heterogeneity": "it differs between groups of units",
    "influence": "it rests on very few periods",
    "overlap": "the units that joined have few counterparts",
    "autocorrelation": "the model does not describe the ups and downs of the series",
    "seasonality": "a season is left over that can pass for an effect",
    "forecast_error": "the model's forecasts missed by as much before",
}
WITHOUT_COMPARISON = ("its", "its_pooled", "its_event_time")  # designs that look at the joined units alone
CONTROLLED = "controlled_its"
COST = "balancing"
OF_SERIES = ("placebo_dates", "autocorrelation", "seasonality", "forecast_error", "influence", "specification_curve")
MOST = 3  # reasons that a short text gives


def reasons(asked: Sequence[Check], design: str, most: int = MOST) -> list[str]:
    """The weightiest concerns that bear on a design, in a few words each."""
    concerns = [c for c in bearing(asked, design) if c.verdict == "concern"]
    found = {c.name: _said(c) for c in concerns if c.name in CONCERNS}
    if "regression_to_the_mean" in found:
        found.pop("entry", None)  # the same reason, measured
    return [found[name] for name in CONCERNS if name in found][:most]


def bearing(asked: Sequence[Check], design: str) -> list[Check]:
    """The checks that bear on whether the collaborative is the reason for what a design found.

    Those asked of it or of no design in particular; where it compares units, also those asked of the other
    comparisons between units, which lean on the same untouched units. Harm to other measures is a cost, and no other
    explanation.
    """
    compared = design not in WITHOUT_COMPARISON

    def bears(check: Check) -> bool:
        same = check.design in ("", design) or (compared and check.design not in (*WITHOUT_COMPARISON, CONTROLLED))
        return same and check.name != COST

    return [check for check in asked if bears(check)]


def _said(check: Check) -> str:
    """A concern in words; of calibration by what raised it: draws by lot, selective draws, or the interval."""
    rates = check.figures
    if check.name != "calibration" or not rates or rates["false_positive"] > rates["notable"]:
        return CONCERNS[check.name]
    if rates.get("selective", 0.0) > rates["notable"]:
        return "units picked as these were look as if they had changed even where nothing happened"
    return "measured against data like these its range is wider, and holds no change at all"


def joined(parts: Sequence[str]) -> str:
    """`a`, `a, and b`, `a; b; and c`."""
    if len(parts) <= 1:
        return "".join(parts)
    if len(parts) == 2:  # noqa: PLR2004 - one `and`
        return f"{parts[0]}, and {parts[1]}"
    return f"{'; '.join(parts[:-1])}; and {parts[-1]}"
