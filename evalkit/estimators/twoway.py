"""Two-way fixed effects: did the joined units change more than the others?

    y_it = alpha_i + lambda_t + tau joined_it + e_it

joined_it is 1 in the analysed periods after unit i joined. tau is the average effect on the joined
units in the outcome's unit, each unit-period counting once, when all joined at the same time;
staggered starts are refused unless the protocol asks for the comparison.

Assumes that without joining the joined units would have changed as the comparison units did
(parallel trends), and that joining did not change the comparison units.

Source: Goodman-Bacon (2021), J Econometrics 225:254, on what it means under staggered starts.
"""

from __future__ import annotations

import pandas as pd

from evalkit import inference
from evalkit.estimate import Estimate
from evalkit.estimators._common import exposure, identity, size
from evalkit.estimators._twoway import ASSUMPTION, counts, regress, require_comparison
from evalkit.panel import Panel

TITLE = "Two-way fixed effects"


def fit(panel: Panel) -> Estimate:
    """Average change of the joined units beyond the others'. Raises DesignError when not identified."""
    options = panel.study.protocol.model.twoway
    warnings = require_comparison(panel, "twoway", allow_staggered=options.allow_staggered)
    rows = panel.analysed
    joined = rows["phase"].eq("post").astype(float)
    result = regress(panel, rows, joined.to_frame())
    name = "two-way coefficient, not an effect" if warnings else "average effect on the joined (ATT)"
    error = float(max(result.covariance[0, 0], 0.0)) ** 0.5
    term = inference.term(name, result.beta[0], error, result.df, panel.study.protocol.level, scale=size(panel))
    return Estimate(
        **identity(panel, "twoway", TITLE),  # type: ignore[arg-type]
        estimand=name,
        assumption=ASSUMPTION,
        terms=pd.DataFrame([term]),
        counts=counts(panel, rows, result),
        method=(
            f"Two-way fixed effects (unit and {panel.study.frequency}), standard errors clustered on "
            f"{result.clusters} clusters, Student t on {result.df} degrees of freedom."
        ),
        exposure=exposure(panel),
        comparison_only=bool(warnings),
        warnings=tuple(warnings),
    )
