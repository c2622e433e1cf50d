"""Intervals, p-values and variances: the one place where they are computed."""

from evalkit.inference.clusters import by_cluster, cluster_factor, require_clusters
from evalkit.inference.intervals import ROUNDING, TINY, contrast, ratio, term
from evalkit.inference.joint import RANK, wald
from evalkit.inference.serial import default_lags, newey_west

__all__ = [
    "RANK",
    "ROUNDING",
    "TINY",
    "by_cluster",
    "cluster_factor",
    "contrast",
    "default_lags",
    "newey_west",
    "ratio",
    "require_clusters",
    "term",
    "wald",
]
