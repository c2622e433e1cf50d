"""Is a pattern of the year left in what the model does not explain?

Two looks at the innovations: whether the same months differ (analysis of variance of the innovations by
month of the year, F test), and whether periods exactly a year apart resemble each other (r_12 sqrt(m_12),
standard normal, one-sided; r_4 for quarters). The smaller p-value counts, doubled for having looked twice
(Bonferroni). With seasonal terms in the model the F test errs on the quiet side, because those terms have
taken their share of the differences.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats

from evalkit import numbers, periods
from evalkit.checks._its import fitted, labelled, not_applicable, nothing
from evalkit.checks.autocorrelation import correlations, of_path
from evalkit.estimate import Check, Estimate, Refusal

NAME = "seasonality"
QUESTION = "Is a seasonal pattern left that the model does not describe?"
ALPHA = 0.05
YEARS = 2  # fewest years of periods that can show a season
LOOKS = 2


def check(estimate: Estimate | Refusal) -> Check:
    """Concern when the innovations differ by month, or resemble those of a year before, at the 5% level.

    Not applicable to years, and under two years of periods. `value` is the p-value. `data`: season (month or
    quarter of the year, from 1), innovation (its mean, in standard deviations), periods (how many).
    """
    if isinstance(estimate, Refusal) or not fitted(estimate):
        return nothing(NAME, QUESTION, estimate)
    t, innovations = of_path(estimate)
    frequency = periods.frequency_of(estimate.path["period"].iloc[0])
    year = periods.PER_YEAR[frequency]
    if year == 1:
        return not_applicable(NAME, QUESTION, "Yearly figures have no season.", estimate.design)
    if len(t) < YEARS * year:
        reading = f"{numbers.of(len(t), 'analysed period')} are too few for a season to show; two years are needed."
        return not_applicable(NAME, QUESTION, reading, estimate.design)
    season = t % year + 1  # positions count from January 1970
    data = pd.DataFrame({"season": season, "innovation": innovations}).groupby("season")["innovation"]
    data = labelled(data.agg(innovation="mean", periods="count").reset_index(), estimate)
    by_month = _differences(season, innovations)
    found = correlations(t, innovations, year).set_index("lag")
    apart = float(found["acf"].get(year, 0.0))
    after_a_year = float(stats.norm.sf(apart * np.sqrt(float(found["pairs"].get(year, 0)))))
    p_value = min(1.0, LOOKS * min(by_month, after_a_year))
    facts = (
        f"What the model leaves unexplained differs between {frequency}s of the year: F test "
        f"{numbers.p_text(by_month)}. Its autocorrelation over one year is {numbers.number(apart, 2)}; "
        f"both looked at together, {numbers.p_text(p_value)}."
    )
    if p_value < ALPHA:
        reading = (
            f"{facts} A season is left over, and where a winter falls can pass for an effect: look at the estimate "
            "with an effect for every month."
        )
        return Check(NAME, QUESTION, "concern", reading, p_value, estimate.design, data)
    facts = facts.replace("differs between", "hardly differs between")
    return Check(NAME, QUESTION, "reassuring", facts, p_value, estimate.design, data)


def _differences(season: np.ndarray, innovations: np.ndarray) -> float:
    """p-value of the F test that no season's mean differs; shapes (n,)."""
    groups = [innovations[season == s] for s in np.unique(season)]
    n, many = len(innovations), len(groups)
    within = sum(float(((g - g.mean()) ** 2).sum()) for g in groups)
    total = float(((innovations - innovations.mean()) ** 2).sum())
    if within <= 0:
        return 0.0
    return float(stats.f.sf((total - within) / (many - 1) / (within / (n - many)), many - 1, n - many))
