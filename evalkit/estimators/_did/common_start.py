"""What `twoway` and `event_study` share: the sample, who may be compared, and the small-sample choices."""

from __future__ import annotations

import numpy as np

from evalkit import inference, numbers
from evalkit.errors import DesignError
from evalkit.estimators._did import front
from evalkit.estimators._did.absorb import Sample
from evalkit.estimators._did.covariates import covariates
from evalkit.estimators._did.layout import Layout, gather
from evalkit.estimators._did.regression import Regression, regress
from evalkit.estimators._did.saturated import residuals
from evalkit.panel import Panel
from evalkit.study.options import TwowayOptions

ASSUMPTION = "Without joining, the joined units would have changed as the comparison units did."


def require_common_start(panel: Panel, design: str, options: TwowayOptions) -> list[str]:
    """Refuse what two-way fixed effects cannot identify; return the warnings for what was asked for."""
    front.require_comparison(panel)
    if not panel.staggered:
        return []
    if not options.allow_staggered:
        raise DesignError(
            f"units joined in {len(panel.cohorts)} waves; two-way fixed effects then compares joined with earlier "
            "joined units and can even reverse the sign",
            panel.study.slug,
            f"use group_time, or set `model.{design}.allow_staggered: true` to see it as a comparison",
        )
    return [
        "Units joined in waves: this two-way estimate compares some joined units with units that had joined "
        "earlier. It is shown for comparison only and is not an estimate of the effect."
    ]


def fit_regression(panel: Panel, arrays: Layout, X: np.ndarray, options: TwowayOptions) -> tuple[Regression, str]:
    """The regression of X, and what it is adjusted for, to be put into a sentence.

    X  by cohort and period, shape (H + 1, T, P)
    """
    joined = ~np.isnan(arrays.g)
    inference.require_clusters(arrays.cluster, joined, None if panel.staggered else ~joined)
    found = covariates(panel, arrays)
    z, sentence, levels = found.z, found.sentence, 1
    if options.by_region:
        region = panel.units["region"].astype(str).to_numpy()
        if (region == "").any():
            blank = panel.units.index[region == ""]
            some = f"{numbers.of(len(blank), 'unit')} ({', '.join(map(str, blank[:5]))})"
            raise DesignError(
                f"`by_region` needs the region of every unit; it is blank for {some}",
                panel.study.slug,
                "name the column in `rollout.region`, and fill it in",
            )
        levels = len(np.unique(region))
        z = np.column_stack([(region[:, None] == np.unique(region)[None, :]).astype(float), found.values])
        sentence += ", with period effects of each region's own"
    apart = z[:, 1:] if found.names or options.by_region else None
    types = gather(arrays.group, arrays.seen, arrays.weight, apart)
    return regress(arrays, X, z[types.first], types, levels), sentence


def reduced(found: Regression, arrays: Layout, C: np.ndarray) -> inference.Reduced:
    """Bias-reduced errors and degrees of freedom of contrasts; C shape (P, L)."""
    types, T = found.types, arrays.Y.shape[1]
    if not arrays.equal:
        raise DesignError(
            "`inference: bias_reduced` is for units of equal weight", fix="use `weights: unit`, or another inference"
        )
    z = found.periods.sample.z
    dense = np.einsum("uq,ts->utqs", z, np.eye(T)).reshape(len(z), T, -1)
    dense = np.concatenate([dense, found.X[types.group]], axis=2)
    swept = Sample(types.count, types.weight, z).sweep(dense)
    gram = np.einsum("u,utp,utr->pr", types.count, swept, swept, optimize=True)
    M = np.linalg.pinv(gram, rcond=inference.RANK, hermitian=True)
    E = residuals(found, arrays)
    clusters = np.unique(arrays.cluster)
    members = [np.flatnonzero(arrays.cluster == c) for c in clusters]
    rows = [swept[types.of[m]][arrays.seen[m]] for m in members]
    left = [E[m][arrays.seen[m]] for m in members]
    picked = np.vstack([np.zeros((dense.shape[2] - len(C), C.shape[1])), C])
    return inference.reduced(rows, left, M, picked)
