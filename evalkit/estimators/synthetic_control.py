"""Synthetic control: the joined units against a weighted mean of donors that followed them before joining.

    effect_t = (y_t - sum_i w_i X_it) - (mean of the same before joining)

with y the mean of the joined units of a wave, X the donors, and weights w of at least nought, summing to
one, that bring the second course as near to the first as can be over all analysed periods before
joining. Figures are in the outcome's unit; each joined unit weighs equally.

By default every unit's own mean before joining is taken out and the course alone is matched (`levels:
own`). Units that are told to join because they do badly lie outside the range of the others, and no
weighted mean of others reaches their level; the classical method (`levels: matched`, without the second
bracket) would then count the shortfall as effect. Donors are units that never joined or, unless the
protocol says otherwise, that had not yet; several waves are each set against their own donors and
averaged over joined unit-periods.

Errors come from placebos in space: every unit that never joined (sets of them, for several joined
units) is taken for the joined one, and the spread of what is found is the standard error, Student t on
units that never joined - 1 degrees of freedom. This takes joined and never joined units to vary alike;
the rank of the effect among placebos, which needs no more than exchangeability, stands in the
diagnostics, but with n placebos it cannot fall below 1 / (n + 1), and an interval at every level could not
be made of it. Where too few never joined, units are left out in turn. `inference: conformal` tests
a constant effect by shifting residuals in time; it sees little unless periods before joining are many times
those after.

Assumes that the weighted donors would have gone on following the joined units had these not joined, that
donors were not touched by the joining of others, and that nothing changed before joining in
expectation of it. Refused with fewer than 8 analysed periods before joining, or fewer than 4 donors.

Sources: Abadie, Diamond and Hainmueller (2010), J Am Stat Assoc 105:493; Doudchenko and Imbens (2016),
NBER 22791, and Ferman and Pinto (2021), Quantitative Economics 12:1197 (levels taken out);
Chernozhukov, Wuthrich and Zhu (2021), J Am Stat Assoc 116:1849 (conformal).
"""

from __future__ import annotations

from evalkit.estimate import Estimate
from evalkit.estimators._synthetic.method import Method
from evalkit.estimators._synthetic.recipes import classical
from evalkit.estimators._synthetic.report import estimate
from evalkit.panel import Panel

TITLE = "Synthetic control"
LEAST = 8  # analysed periods before joining: with fewer, chance alone is matched


def fit(panel: Panel) -> Estimate:
    """The average effect against a weighted mean of donors. Raises DesignError when not identified."""
    options = panel.study.protocol.model.synthetic_control
    levels = options.levels == "own"
    what = "their course around each unit's own mean" if levels else "their course, level included,"
    method = Method(
        name="synthetic_control",
        title=TITLE,
        recipe=classical(levels=levels),
        levels=levels,
        least=LEAST,
        refit=True,
        inference=options.inference,
        draws=options.replications,
        said=f"Weights of at least nought on donors, matching {what} in every analysed period before joining",
        assumption=(
            "Without joining, the joined units would have gone on as the weighted units that had not joined did, "
            "which followed them before."
        ),
    )
    return estimate(panel, method)
