"""Do successive residuals of the interrupted time series still resemble each other?

Ljung-Box statistic Q = n (n+2) sum_{h=1..H} r_h^2 / (n-h), chi-squared on H degrees of freedom,
with r_h the autocorrelation of the residuals at lag h, successive analysed periods taken as
neighbours. Source: Ljung and Box (1978), Biometrika 65:297; computed by statsmodels.

It questions the series' own interval alone: Newey-West errors allow for some autocorrelation, and are
known to allow for too little on short series; ordinary errors allow for none.
"""

from __future__ import annotations

from statsmodels.stats.diagnostic import acorr_ljungbox

from evalkit import numbers
from evalkit.estimate import Check, Estimate, Refusal

NAME = "autocorrelation"
QUESTION = "Do successive periods of the series still resemble each other?"
LAGS = 12
ALPHA = 0.05


def check(estimate: Estimate | Refusal) -> Check:
    """Concern when the residuals are autocorrelated at the 5% level."""
    if isinstance(estimate, Refusal) or estimate.path.empty:
        return Check(
            NAME, QUESTION, "not applicable", "There is no fitted series to look at.", design=estimate.design
        )
    path = estimate.path[estimate.path["fitted"].notna()]
    residuals = (path["observed"] - path["fitted"]).to_numpy()
    lags = min(LAGS, len(residuals) // 4)
    p_value = float(acorr_ljungbox(residuals, lags=[lags])["lb_pvalue"].iloc[0])
    first = float((residuals[1:] * residuals[:-1]).sum() / (residuals**2).sum())
    facts = (
        f"First-order autocorrelation of the residuals {numbers.number(first, 2)}, "
        f"Ljung-Box test over {lags} lags {numbers.p_text(p_value)}."
    )
    if p_value < ALPHA:
        reading = facts + " The series' intervals allow for it in part at most, and may be too narrow."
        return Check(NAME, QUESTION, "concern", reading, p_value, estimate.design)
    return Check(NAME, QUESTION, "reassuring", facts, p_value, estimate.design)
