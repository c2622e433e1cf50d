"""Intervals, p-values and variances: the one place where they are computed."""

from evalkit.inference.bias_reduced import Reduced, reduced
from evalkit.inference.clusters import by_cluster, cluster_factor, require_clusters
from evalkit.inference.intervals import ROUNDING, TINY, contrast, ratio, term, terms
from evalkit.inference.joint import RANK, wald, welch
from evalkit.inference.multiplicity import holm
from evalkit.inference.multiplier import critical_value, own_order
from evalkit.inference.serial import default_lags, newey_west
from evalkit.inference.wild_cluster import Figures, Respond, Wild, wild

__all__ = [
    "RANK",
    "ROUNDING",
    "TINY",
    "Figures",
    "Reduced",
    "Respond",
    "Wild",
    "by_cluster",
    "cluster_factor",
    "contrast",
    "critical_value",
    "default_lags",
    "holm",
    "newey_west",
    "own_order",
    "ratio",
    "reduced",
    "require_clusters",
    "term",
    "terms",
    "wald",
    "welch",
    "wild",
]
