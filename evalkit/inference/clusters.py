"""Clusters: adding up within them, their small-sample factor, and when there are too few."""

from __future__ import annotations

import numpy as np

from evalkit.errors import DesignError


def cluster_factor(clusters: int, observations: int, coefficients: int) -> float:
    """G/(G-1) x (n-1)/(n-K): small-sample factor of a clustered covariance.

    K counts the coefficients and the fixed effects that are not nested in the clusters; unit effects
    are nested in clusters of whole units and are not counted (the rule of reghdfe and fixest).
    """
    if clusters <= 1:
        raise DesignError("clustered standard errors need at least two clusters", fix="cluster on a finer level")
    if observations <= coefficients:
        raise DesignError(
            f"{coefficients} coefficients and only {observations} unit-periods", fix="use more units or periods"
        )
    return clusters / (clusters - 1) * (observations - 1) / (observations - coefficients)


def require_clusters(cluster: np.ndarray, joined: np.ndarray, never: np.ndarray | None = None) -> None:
    """Refuse a comparison one side of which is a single cluster: its own variation would count as nought.

    cluster  shape (units,)
    joined   which units joined, booleans
    never    which units alone make up the comparison, booleans; None when later waves are part of it
    """
    for side, who in (("that joined", joined), ("to compare with", never)):
        count = 2 if who is None else len(np.unique(cluster[who]))
        if count <= 1:
            raise DesignError(
                f"the units {side} are {'one cluster' if count else 'none'}, whose own variation cannot be judged",
                fix="cluster on a finer level, add units, or use an interrupted time series",
            )


def by_cluster(influence: np.ndarray, cluster: np.ndarray) -> np.ndarray:
    """Influence contributions added up within clusters; shapes (units, m), (units,) -> (clusters, m)."""
    _, code = np.unique(cluster, return_inverse=True)
    out = np.zeros((code.max() + 1, influence.shape[1]))
    np.add.at(out, code, influence)
    return out
