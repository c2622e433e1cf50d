"""Two-way fixed effects: did the joined units change more than the others?

    y_it = alpha_i + lambda_t + tau joined_it + e_it

joined_it is 1 in the analysed periods after unit i joined. tau is the average effect on the joined
units in the outcome's unit, each unit-period counting once (or by its denominator), when all joined at the
same time; staggered starts are refused unless the protocol asks for the comparison, and then a balanced
panel's estimate is taken apart into the comparisons that it is made of (Goodman-Bacon 2021).

Covariates of the protocol enter with an effect of their own in every period.

Standard errors are clustered with the small-sample factor G/(G-1) (n-1)/(n-K), K not counting unit effects
nested in clusters; Student t on G - 1 degrees of freedom, or what `inference` says.

Assumes that without joining the joined units would have changed as the comparison units did
(parallel trends), and that joining did not change the comparison units.

Source: Goodman-Bacon (2021), J Econometrics 225:254, on what it means under staggered starts.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from evalkit.estimate import Estimate
from evalkit.estimators._common import exposure, identity, size
from evalkit.estimators._did import reach
from evalkit.estimators._did.common_start import ASSUMPTION, fit_regression, reduced, require_common_start
from evalkit.estimators._did.layout import Layout, layout
from evalkit.estimators._did.regression import Regression
from evalkit.estimators._did.saturated import residuals
from evalkit.estimators._did.terms import judge
from evalkit.panel import Panel

TITLE = "Two-way fixed effects"


def fit(panel: Panel) -> Estimate:
    """Average change of the joined units beyond the others'. Raises DesignError when not identified."""
    options = panel.study.protocol.model.twoway
    warnings = require_common_start(panel, "twoway", options)
    arrays, found, adjusted = _regression(panel)
    name = "two-way coefficient, not an effect" if warnings else "average effect on the joined (ATT)"
    C = np.ones((1, 1))
    judged = judge(
        panel,
        arrays,
        found.linear(arrays, C),
        options.inference,
        E=lambda: residuals(found, arrays),
        reduced=lambda: reduced(found, arrays, C),
    )
    term = judged.row(name, 0, panel.study.protocol.level, size(panel))
    return Estimate(
        **identity(panel, "twoway", TITLE),  # type: ignore[arg-type]
        estimand=name,
        assumption=ASSUMPTION,
        terms=pd.DataFrame([term]),
        counts={
            "joined units": len(panel.joined),
            "comparison units": len(panel.never),
            "unit-periods": found.rows,
            "clusters": judged.clusters,
        },
        method=(
            f"Two-way fixed effects (unit and {panel.study.frequency}){adjusted}, standard errors clustered on "
            f"{judged.clusters} clusters, {judged.how}"
        ),
        exposure=exposure(panel),
        comparison_only=bool(warnings),
        warnings=tuple(warnings),
    )


def headline_weights(panel: Panel) -> reach.Reach:
    """The weights of the headline. Raises DesignError as `fit`."""
    require_common_start(panel, "twoway", panel.study.protocol.model.twoway)
    arrays, found, _ = _regression(panel)
    return reach.of(arrays, found.linear(arrays, np.ones((1, 1))))


def _regression(panel: Panel) -> tuple[Layout, Regression, str]:
    """The arrays without transition, the regression, and what it is adjusted for."""
    arrays = layout(panel)
    arrays = arrays.only(~arrays.of("transition"))
    X = np.vstack([arrays.phases == "post", np.zeros((1, arrays.Y.shape[1]), bool)])[:, :, None].astype(float)
    return arrays, *fit_regression(panel, arrays, X, panel.study.protocol.model.twoway)
