"""The variation of a wave that is a single unit or cluster, borrowed from the comparison.

Within such a wave deviations from its mean are nought, so its contribution to a variance would be nought too,
which is never true. What the wave's outcomes enter with, w(t), is put to the untouched units instead: the
spread of sum_t w(t) Y_jt over comparison clusters j is what the wave's own value would vary by if it varied
as they do (the reasoning of Conley and Taber 2011, Rev Econ Stat 93:113, and of placebo inference).
"""

from __future__ import annotations

import numpy as np

from evalkit.errors import DesignError
from evalkit.estimators._did.layout import Layout
from evalkit.estimators._did.linear import Linear, add_up

FEWEST = 3  # comparison clusters


def borrowed(layout: Layout, linear: Linear, wave: int) -> np.ndarray:
    """Rows to add to the contributions by cluster, shape (J, K): one a comparison cluster.

    wave  position of the cohort

    Raises DesignError when fewer than three comparison clusters were seen in all the periods that count.
    """
    members = np.flatnonzero((layout.group == wave) & layout.seen.any(axis=1))
    enters = linear.spread()[members].sum(axis=0) if len(members) < len(layout.g) else linear.spread().sum(axis=0)
    needed = (enters != 0).any(axis=1)
    last = np.flatnonzero(needed).max(initial=0)
    untouched = np.isnan(layout.g) | (layout.g > last)
    untouched[members] = False
    like = untouched & layout.seen[:, needed].all(axis=1)
    clusters, code = np.unique(layout.cluster[like], return_inverse=True)
    if len(clusters) < FEWEST:
        raise DesignError(
            "a wave is a single unit or cluster, and too few comparison units were seen throughout to judge how it "
            "would vary",
            fix="cluster on a finer level, leave the wave out, or use an interrupted time series",
        )
    values = layout.Y[like] @ enters
    sums = add_up(values, code) / np.bincount(code)[:, None]
    centred = sums - sums.mean(axis=0)
    return centred / np.sqrt(len(clusters) - 1)
