"""Two-way fixed effects by linearmodels, shared by `twoway` and `event_study`.

    y_it = alpha_i + lambda_t + X_it beta + e_it

alpha_i are unit and lambda_t period effects. Covariance clustered by the units' cluster with the
small-sample factor G/(G-1) (n-1)/(n-K), where K counts the columns of X and the period effects;
unit effects are nested in the clusters and not counted. Student t on G-1 degrees of freedom.
linearmodels counts nested effects too, so its unadjusted covariance is taken and scaled here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from linearmodels.panel import PanelOLS
from linearmodels.panel.utility import AbsorbingEffectError

from evalkit import inference
from evalkit.errors import DesignError
from evalkit.panel import Panel

ASSUMPTION = "Without joining, the joined units would have changed as the comparison units did."


@dataclass(frozen=True, eq=False)
class TwoWay:
    """Coefficients, shape (k,), their covariance, shape (k, k), and df = clusters - 1."""

    beta: np.ndarray
    covariance: np.ndarray
    df: int
    clusters: int


def regress(panel: Panel, rows: pd.DataFrame, X: pd.DataFrame) -> TwoWay:
    """Regress `rows["value"]` on the columns of X and both fixed effects.

    rows  index (unit, period); columns value
    X     same index, columns named, none of them collinear with the fixed effects

    Raises DesignError when a column cannot be told from the fixed effects or one cluster is left.
    """
    index = pd.MultiIndex.from_arrays(
        [rows.index.get_level_values("unit"), panel.study.time(rows.index.get_level_values("period"))]
    )
    y = pd.Series(rows["value"].to_numpy(), index=index, name="value")
    columns = pd.DataFrame(X.to_numpy(float), index=index, columns=[f"x{i}" for i in range(X.shape[1])])
    joined = panel.units["cohort"].notna().to_numpy()
    own = panel.units["cluster"].to_numpy()
    inference.require_clusters(own, joined, None if panel.staggered else ~joined)
    cluster = panel.units["cluster"].reindex(rows.index.get_level_values("unit"))
    code = pd.DataFrame({"cluster": pd.factorize(cluster)[0]}, index=index)
    clusters = int(code["cluster"].nunique())
    n, units, times = len(rows), rows.index.unique("unit").size, rows.index.unique("period").size
    factor = inference.cluster_factor(clusters, n, columns.shape[1] + times)
    factor *= (n - (units + times - 1)) / n  # undo linearmodels' own n/(n - absorbed effects)
    try:
        model = PanelOLS(y, columns, entity_effects=True, time_effects=True)
        result = model.fit(cov_type="clustered", clusters=code, debiased=False, group_debias=False)
    except (AbsorbingEffectError, ValueError, ZeroDivisionError, np.linalg.LinAlgError) as error:
        raise DesignError(
            "an effect cannot be told from the unit and period effects",
            panel.study.slug,
            "nobody is left to compare with in some period: add comparison units or use a shorter window",
        ) from error
    return TwoWay(result.params.to_numpy(), factor * result.cov.to_numpy(), clusters - 1, clusters)


def counts(panel: Panel, rows: pd.DataFrame, result: TwoWay) -> dict[str, int]:
    """What went in, by name."""
    return {
        "joined units": len(panel.joined),
        "comparison units": len(panel.never),
        "unit-periods": len(rows),
        "clusters": result.clusters,
    }


def require_comparison(panel: Panel, design: str, *, allow_staggered: bool) -> list[str]:
    """Refuse what two-way fixed effects cannot identify; return the warnings for what was asked for."""
    slug = panel.study.slug
    if panel.joined.empty:
        raise DesignError("no unit joined", slug, "give joining dates in the rollout")
    if panel.study.protocol.comparison == "none":
        raise DesignError("the protocol says that there is no comparison", slug, "use an interrupted time series")
    if not panel.staggered and panel.never.empty:
        raise DesignError(
            "every unit joined at once, so nobody is left to compare with", slug, "add units that did not join"
        )
    if not panel.staggered:
        return []
    if not allow_staggered:
        raise DesignError(
            f"units joined in {len(panel.cohorts)} waves; two-way fixed effects then compares joined with earlier "
            "joined units and can even reverse the sign",
            slug,
            f"use group_time, or set `model.{design}.allow_staggered: true` to see it as a comparison",
        )
    return [
        "Units joined in waves: this two-way estimate compares some joined units with units that had joined "
        "earlier. It is shown for comparison only and is not an estimate of the effect."
    ]
