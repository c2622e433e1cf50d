"""Do successive residuals of the interrupted time series still resemble each other?

Ljung-Box statistic Q = n (n+2) sum_{h=1..H} r_h^2 / (n-h), chi-squared on H degrees of freedom,
with r_h the autocorrelation of the residuals at lag h, successive analysed periods taken as
neighbours. Source: Ljung and Box (1978), Biometrika 65:297; computed by statsmodels.
"""

from __future__ import annotations

from statsmodels.stats.diagnostic import acorr_ljungbox

from evalkit import numbers
from evalkit.estimate import Check, Estimate, Refusal

NAME = "autocorrelation"
QUESTION = "Is there autocorrelation that the intervals do not allow for?"
LAGS = 12
ALPHA = 0.05


def check(estimate: Estimate | Refusal) -> Check:
    """Concern when the residuals are autocorrelated at the 5% level."""
    if isinstance(estimate, Refusal) or estimate.path.empty:
        return Check(NAME, QUESTION, "not applicable", "There is no fitted series to look at.")
    path = estimate.path[estimate.path["fitted"].notna()]
    residuals = (path["observed"] - path["fitted"]).to_numpy()
    lags = min(LAGS, len(residuals) // 4)
    p_value = float(acorr_ljungbox(residuals, lags=[lags])["lb_pvalue"].iloc[0])
    first = float((residuals[1:] * residuals[:-1]).sum() / (residuals**2).sum())
    facts = (
        f"First-order autocorrelation of the residuals {numbers.number(first, 2)}, "
        f"Ljung-Box test over {lags} lags p = {numbers.p_value(p_value)}."
    )
    if p_value < ALPHA:
        return Check(NAME, QUESTION, "concern", facts + " The intervals may be too narrow.", p_value)
    return Check(NAME, QUESTION, "reassuring", facts, p_value)
