"""What a static two-way estimate is made of when units join in waves.

n units, T periods, Y of shape (n, T) without gaps. In y_it = alpha_i + lambda_t + b D_it + e_it, where D_it
says whether unit i has joined by t, b is a weighted mean of comparisons of two waves over two stretches of
time. Wave k joins in column a_k, has n_k units and spends the share d_k = 1 - a_k/T of the periods joined;
never joining is a = T. For waves k earlier than l,

    k joins, l not yet    before a_k against [a_k, a_l)        weight n_k n_l (d_k - d_l) (1 - d_k)
    l joins, k already    [a_k, a_l) against from a_l on       weight n_k n_l (d_k - d_l) d_l

each over the sum of all. Comparisons of the second row take changes in the effect on those already joined
for changes that would have come anyway, which is what can turn b's sign.

Source: Goodman-Bacon (2021), J Econometrics 225:254, theorem 1; the values are those of R's bacondecomp.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evalkit.errors import DesignError

NEVER = "joined against never joined"
EARLIER = "earlier against later joined"
LATER = "later against earlier joined"
ALWAYS = "joined against joined before the first period"
KINDS = (NEVER, EARLIER, LATER, ALWAYS)


@dataclass(frozen=True, eq=False)
class Decomposition:
    """The comparisons, m of them, all arrays of shape (m,).

    joined      column in which the wave joined whose change is the effect
    comparison  column in which the comparison joined; NaN never
    kind        one of KINDS
    weight      positive, adding up to one
    estimate    the difference between the two waves' changes
    """

    joined: np.ndarray
    comparison: np.ndarray
    kind: np.ndarray
    weight: np.ndarray
    estimate: np.ndarray

    @property
    def total(self) -> float:
        """sum(weight x estimate): the two-way coefficient."""
        return float(self.weight @ self.estimate)

    def by_kind(self) -> dict[str, tuple[float, float]]:
        """For each kind that occurs, its total weight and its weighted mean estimate."""
        found = {}
        for kind in KINDS:
            here = self.kind == kind
            if here.any():
                weight = float(self.weight[here].sum())
                found[kind] = weight, float(self.weight[here] @ self.estimate[here]) / weight
        return found


def decompose(Y: np.ndarray, g: np.ndarray) -> Decomposition:
    """Every comparison of two waves in a two-way estimate.

    Y  outcomes, shape (n, T)
    g  column in which a unit joined, shape (n,); NaN never. A unit that joined in column 0 or before is
       always joined, and one that joins in column T or later never joins in these data.

    Raises DesignError when an outcome is missing, since the decomposition holds for balanced panels only,
    and when no unit's joining can be compared.
    """
    n, T = Y.shape
    if not np.isfinite(Y).all():
        units = int((~np.isfinite(Y)).any(axis=1).sum())
        raise DesignError(
            f"{units} of {n} units have missing periods, and the two-way estimate splits into comparisons of waves "
            "only when every unit is seen in every period",
            fix="leave out those units or periods, for this decomposition",
        )
    waves, which, size = np.unique(
        np.clip(np.where(np.isnan(g), T, g), 0, T).astype(int), return_inverse=True, return_counts=True
    )
    share = 1 - waves / T
    summed = np.zeros((len(waves), T + 1))  # of a wave's mean, up to each column
    np.add.at(summed[:, 1:], which, Y)
    summed = np.cumsum(summed / size[:, None], axis=1)
    k, level = np.triu_indices(len(waves), 1)
    apart = size[k] * size[level] * (share[k] - share[level])
    first = _compared(summed, (k, level), (np.zeros_like(k), waves[k], waves[level]))
    second = _compared(summed, (level, k), (waves[k], waves[level], np.full_like(k, T)))
    joined, comparison = np.concatenate([waves[k], waves[level]]), np.concatenate([waves[level], waves[k]])
    weight = np.concatenate([apart * (1 - share[k]), apart * share[level]])
    kept = weight > 0
    if not kept.any():
        raise DesignError(
            "no unit joined while another had not, so that there is no comparison to take apart",
            fix="add units that joined at another time or never",
        )
    joined, comparison, weight = joined[kept], comparison[kept], weight[kept]
    return Decomposition(
        joined,
        np.where(comparison == T, np.nan, comparison),
        np.select([comparison == T, comparison == 0, comparison > joined], [NEVER, ALWAYS, EARLIER], LATER),
        weight / weight.sum(),
        np.concatenate([first, second])[kept],
    )


def _compared(
    summed: np.ndarray, waves: tuple[np.ndarray, np.ndarray], cuts: tuple[np.ndarray, np.ndarray, np.ndarray]
) -> np.ndarray:
    """Change of the first wave less that of the second, from [cut 0, cut 1) to [cut 1, cut 2); shape (m,).

    An empty stretch belongs to a comparison of weight nought, whatever is returned for it.
    """
    difference = summed[waves[0]] - summed[waves[1]]
    rows, (a, b, c) = np.arange(len(difference)), cuts
    at_a, at_b, at_c = (difference[rows, cut] for cut in (a, b, c))
    return (at_c - at_b) / np.maximum(c - b, 1) - (at_b - at_a) / np.maximum(b - a, 1)
