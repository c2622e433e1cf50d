"""Extended two-way fixed effects: a two-way regression with a term for every wave in every later period.

    y_it = alpha_i + lambda_t + sum_{g, s >= g} tau_gs 1{i joined at g, t = s} + e_it

The terms tau_gs are averaged by the unit-periods behind them: over all analysed ones after joining (the
headline), by periods since joining, by wave and by calendar period. On a balanced panel the estimates are
those of `imputation` and `two_stage`, with which it shares its weights; the standard errors are those of the
regression, clustered. Effects before joining are not estimated.

With `family: poisson` (counts and rates) or `logit` (proportions) the same terms enter on the log or logit
scale, and the headline is the mean difference between fitted values with and without joining; see
`_did/nonlinear.py`.

Assumes that without joining all units would have kept their distance from the common course (on the scale of
the model), and no effect before joining beyond the declared anticipation.

Sources: Wooldridge (2021), Two-way fixed effects, the two-way Mundlak regression, and difference-in-differences
estimators; Wooldridge (2023), Econometrics Journal 26:C31, for counts and proportions.
"""

from __future__ import annotations

from evalkit.errors import DesignError
from evalkit.estimate import Estimate
from evalkit.estimators._did import front, nonlinear, reach
from evalkit.estimators._did.assemble import Words, assemble
from evalkit.estimators._did.saturated import saturate, start
from evalkit.panel import Panel

TITLE = "Extended two-way fixed effects"


def fit(panel: Panel) -> Estimate:
    """Effects by wave and period in one regression, averaged. Raises DesignError when not identified."""
    options = panel.study.protocol.model.extended_twoway
    if options.family != "gaussian":
        return nonlinear.fit(panel, options, TITLE)
    front.require_later_waves(panel)
    arrays, _, touched, warnings = start(panel, options.anticipation)
    found = saturate(panel, arrays, touched, warnings)
    words = Words(
        "extended_twoway",
        TITLE,
        f"Two-way fixed effects with a term for every wave in every period after joining{found.adjusted}",
        "Without joining, all units would have kept their distance from the common course, "
        "and nothing changed before joining.",
        "standard errors of the regression",
        found.warnings,
        counts={"effects by wave and period": len(found.observed.cells.since)},
    )
    return assemble(panel, found.parts(panel, options), words)


def headline_weights(panel: Panel) -> reach.Reach:
    """The weights of the headline. Raises DesignError as `fit`, and for counts and proportions."""
    options = panel.study.protocol.model.extended_twoway
    if options.family != "gaussian":
        raise DesignError(f"with `family: {options.family}` the estimate is no weighted sum of outcomes")
    arrays, _, touched, _ = start(panel, options.anticipation)
    return reach.of_parts(saturate(panel, arrays, touched).parts(panel, options))
