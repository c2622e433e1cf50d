"""Effects by groups of units that the protocol names, and of every unit.

Effects tau_it after joining are imputed as in `imputation` and averaged within the groups of each declared
grouping: oversight segment, region, wave, or thirds of the joined by their level before joining. Whether the
groups of a grouping differ is tested by Welch's F, which allows for small groups of unequal spread, and the
tests of several groupings are adjusted by Holm's rule: differences between groups that nobody declared
beforehand, or that do not survive this, are for the next study.

Each unit's own effect is given with the error that untouched units show when the same is done to them, and
drawn towards the mean of all as that error warrants (empirical Bayes): the shrunken effects are those to rank.

Assumes what `imputation` assumes, within each group. By level before joining, regression to the mean makes
the lowest third gain and the highest lose without any effect.

Sources: Borusyak, Jaravel and Spiess (2024), Rev Econ Stud 91:3253; Holm (1979), Scand J Stat 6:65; Morris
(1983), J Am Stat Assoc 78:47.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from evalkit import inference, numbers
from evalkit.estimate import GROUPS, Estimate, framed
from evalkit.estimators._common import exposure, identity, size
from evalkit.estimators._did import front, groupings, imputed, unit_effects
from evalkit.estimators._did.averages import ALL
from evalkit.estimators._did.imputation import conservative, impute
from evalkit.estimators._did.terms import Judged, judge
from evalkit.panel import Panel

TITLE = "Effects by group"
FEWEST = 2  # units or clusters of a group


def fit(panel: Panel) -> Estimate:
    """Effects by declared group. Raises DesignError when no grouping is declared or none can be estimated."""
    options = panel.study.protocol.model.heterogeneity
    grouped = groupings.declared(panel, options.by)
    codes = np.column_stack([g.code for g in grouped])
    base = imputed.prepare(panel, options.anticipation, apart=codes.astype(float), by_cluster=True)
    arrays, types = base.layout, base.types
    post = arrays.of("post")[types.first] & (base.observed.of(types) >= 0)
    columns, names, warnings = groupings.columns(arrays, types, post, grouped, FEWEST)
    target = np.stack(columns, axis=2)
    linear = conservative(impute(types, base.periods, target), arrays, base.touched, leave_out=True)
    judged = judge(panel, arrays, linear, "analytic", E=lambda: arrays.Y)
    level, scale = panel.study.protocol.level, size(panel)
    said = [ALL, *(f"{kind}: {group}" for kind, group, *_ in names)]
    df = np.array([judged.df[0], *(float(clusters - 1) for *_, clusters in names)])  # a group knows its own units
    rows = inference.terms(said, judged.estimate, judged.error, df, level, scale=scale)
    sites, about = unit_effects.sites(panel, base, post)
    return Estimate(
        **identity(panel, "heterogeneity", TITLE),  # type: ignore[arg-type]
        estimand="average effect on the joined (ATT) over the analysed periods after joining, by declared group",
        assumption="Without joining, the units of each group would have kept their distance from the common course.",
        terms=pd.DataFrame(rows),
        counts={"joined units": len(panel.joined), "groupings": len(grouped), "clusters": judged.clusters},
        method=(
            f"Imputed effects averaged by group, leave-one-out standard errors clustered on {judged.clusters} "
            f"clusters, Student t on each group's clusters less one; Welch's test that groups are alike, adjusted "
            f"over {numbers.of(len(grouped), 'grouping')} by Holm's rule."
        ),
        groups=_groups(rows[1:], names),
        sites=sites,
        exposure=exposure(panel),
        diagnostics=_tests(judged, df, names),
        anticipation=options.anticipation,
        warnings=(
            *base.warnings,
            *warnings,
            *about,
            *groupings.cautions(options.by),
            *front.warn(panel, arrays, base.observed.cells, judged.clusters),
        ),
    )


def _groups(rows: list[dict[str, Any]], names: list[groupings.Name]) -> pd.DataFrame:
    return framed(
        [
            {**row, "kind": kind, "group": group, "units": units}
            for row, (kind, group, units, _) in zip(rows, names, strict=True)
        ],
        GROUPS,
    )


def _tests(judged: Judged, df: np.ndarray, names: list[groupings.Name]) -> dict[str, float]:
    """p-values of the tests that the groups of each grouping do not differ, as they are and adjusted."""
    found: dict[str, float] = {}
    for kind in dict.fromkeys(kind for kind, *_ in names):
        columns = np.array([1 + j for j, (k, *_) in enumerate(names) if k == kind])
        if len(columns) >= FEWEST:
            found[kind] = inference.welch(judged.estimate[columns], judged.error[columns] ** 2, df[columns])[2]
    adjusted = inference.holm(np.array(list(found.values())))
    out = {f"interaction_p_{kind}": p for kind, p in found.items()}
    return out | {f"interaction_p_adjusted_{kind}": float(p) for kind, p in zip(found, adjusted, strict=True)}
