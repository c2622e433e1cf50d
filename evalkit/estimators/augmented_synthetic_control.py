"""Augmented synthetic control: a synthetic control whose imbalance before joining is taken out by ridge regression.

    w_augmented = w + C (C'C + penalty I)^-1 (d - C'w)

with w the weights of `synthetic_control`, C the donors and d the joined course before joining, both less
the donors' mean in each period. Where the synthetic control follows the joined units closely, nothing
changes; where it does not, the remaining difference is projected on how donors' courses go together,
and weights may fall below nought: the comparison then reaches outside the donors' range, in a measured
way. The penalty is the largest whose error in a period left out is within one standard error of the
least. Each fold takes out the means of the periods that it keeps; were those of all periods taken out
beforehand, the period left out would follow from the others, and no penalty would look best.

Levels, donors, waves and errors are as in `synthetic_control`; the chosen penalty is kept in every
placebo and jackknife run.

Assumes what `synthetic_control` does, or else that the ridge regression of later on earlier periods
among donors holds for the joined units. Refused with fewer than 8 analysed periods before joining, or fewer
than 4 donors.

Source: Ben-Michael, Feller and Rothstein (2021), J Am Stat Assoc 116:1789.
"""

from __future__ import annotations

from evalkit.estimate import Estimate
from evalkit.estimators._synthetic.method import Method
from evalkit.estimators._synthetic.recipes import ridge_augmented
from evalkit.estimators._synthetic.report import estimate
from evalkit.estimators.synthetic_control import LEAST
from evalkit.panel import Panel

TITLE = "Augmented synthetic control"


def fit(panel: Panel) -> Estimate:
    """The average effect with the imbalance taken out. Raises DesignError when not identified."""
    options = panel.study.protocol.model.augmented_synthetic_control
    levels = options.levels == "own"
    what = "their course around each unit's own mean" if levels else "their course, level included,"
    tuned = "the penalty chosen by leaving out one period at a time" if options.penalty is None else "a given penalty"
    method = Method(
        name="augmented_synthetic_control",
        title=TITLE,
        recipe=ridge_augmented(levels=levels, penalty=options.penalty),
        levels=levels,
        least=LEAST,
        refit=True,
        inference=options.inference,
        draws=options.replications,
        said=(
            f"Synthetic-control weights on donors, matching {what} before joining, with the remaining imbalance "
            f"taken out by ridge regression, {tuned}"
        ),
        assumption=(
            "Without joining, the joined units would have gone on as the weighted units that had not joined did, "
            "once what the weights leave unmatched is taken out."
        ),
    )
    return estimate(panel, method)
