"""Synthetic difference-in-differences: changes against weighted donors, from weighted periods before joining on.

    tau = (y_after - sum_s l_s y_s) - sum_i w_i (X_i,after - sum_s l_s X_is)

with y the mean of the joined units of a wave, X the donors, "after" the mean over the analysed periods
after joining. Unit weights w make the donors' course before joining parallel to that of the joined (a
constant distance is allowed) and are spread over many donors by a ridge; period weights l pick the
periods before joining that are most like those after it among donors. Parallel trends are thus
asked of the weighted units and periods alone. Figures are in the outcome's unit; joined units weigh
equally.

Several waves are each set against donors that never joined or, unless the protocol says otherwise, had
not yet, and averaged over joined unit-periods. Effects by wave and by time since joining stand beside it.

Errors: from 10 joined units on (two or more in every wave) the jackknife over units or the declared
clusters with weights kept; below that placebo units that never joined, which take both sides to vary
alike; where these are too few, the jackknife. Degrees of freedom are units that never joined - 1 for
placebos, and those of a sum of two variances for the jackknife. The bootstrap is an option.

Assumes that without joining the joined units would have changed as the weighted donors did from the weighted
periods before joining on, that donors were not touched by the joining of others, and that nothing changed
before joining in expectation of it. Refused with fewer than 4 analysed periods before joining, or fewer
than 4 donors.

Sources: Arkhangelsky, Athey, Hirshberg, Imbens and Wager (2021), Am Econ Rev 111:4088; for waves its
appendix and Clarke, Pailanir, Athey and Imbens (2023), arXiv 2301.11859.
"""

from __future__ import annotations

from evalkit.estimate import Estimate
from evalkit.estimators._synthetic.method import Method
from evalkit.estimators._synthetic.recipes import difference
from evalkit.estimators._synthetic.report import estimate
from evalkit.panel import Panel

TITLE = "Synthetic difference-in-differences"
LEAST = 4  # analysed periods before joining: with fewer there is no course to be parallel to


def fit(panel: Panel) -> Estimate:
    """The average effect against weighted donors and periods. Raises DesignError when not identified."""
    options = panel.study.protocol.model.synthetic_did
    method = Method(
        name="synthetic_did",
        title=TITLE,
        recipe=difference,
        levels=True,
        least=LEAST,
        refit=False,
        inference=options.inference,
        draws=options.replications,
        said=(
            "Unit weights on donors with a ridge, and weights on the periods before joining, both at least nought "
            "and summing to one (Arkhangelsky and others 2021)"
        ),
        assumption=(
            "Without joining, the joined units would have changed as the weighted units that had not joined did, "
            "from the weighted periods before joining on."
        ),
    )
    return estimate(panel, method)
