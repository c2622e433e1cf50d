"""Effects on a distribution band by band: one design's headline put to the share in every band, and to sums of them.

Every band's share of the denominator is an outcome of its own; with the same weights of units and periods the effects
on the bands below a threshold add up to the effect on the share below it. Source: Cengiz, Dube, Lindner and Zipperer
(2019), Q J Econ 134:1405, who take the effect of a minimum wage apart by bands of wages in this way.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import special

from evalkit.estimators._bunching import Smooth, smooth
from evalkit.estimators._did.brief import brief
from evalkit.estimators._did.layout import Layout, layout
from evalkit.estimators._did.linear import add_up
from evalkit.panel import Panel
from evalkit.study.distribution import Distribution as Declared

Row = dict[str, Any]
FIGURES = ("estimate", "std_error", "low", "high", "p_value")


@dataclass(frozen=True, eq=False)
class Spread:
    """A panel's distribution as arrays, J bands, n units, T periods.

    declared  threshold, edges and words
    arrays    the unit-periods that have every band; what Y holds is not looked at
    shares    of the denominator in each band, in the outcome's unit, shape (J, n, T), nought where unseen
    curve     the smooth course through the bands away from the threshold
    """

    declared: Declared
    arrays: Layout
    shares: np.ndarray
    curve: Smooth

    @property
    def within(self) -> np.ndarray:
        """The share below the threshold, shape (n, T)."""
        found: np.ndarray = self.shares[self.declared.below].sum(axis=0)
        return found

    @property
    def near(self) -> np.ndarray:
        """The share just below the threshold, shape (n, T)."""
        found: np.ndarray = self.shares[self.curve.near].sum(axis=0)
        return found

    @property
    def excess(self) -> np.ndarray:
        """What lies just below the threshold beyond the smooth course, shape (n, T)."""
        return self.curve.excess(np.moveaxis(self.shares, 0, -1))

    @property
    def smooth(self) -> np.ndarray:
        """What the smooth course holds just below the threshold, shape (n, T)."""
        return self.curve.smooth(np.moveaxis(self.shares, 0, -1))


def spread(panel: Panel) -> Spread:
    """The distribution of a panel that has one.

    Raises DesignError where no smooth course can be drawn through its bands.
    """
    assert panel.distribution is not None  # noqa: S101 - the caller asked
    declared = panel.distribution.declared
    curve = smooth(declared.edges, declared.threshold)
    arrays = layout(panel)
    counts = panel.distribution.matrix(arrays.units, panel.study.window)
    kept = arrays.only(~np.isnan(counts).any(axis=0))
    size = panel.wide("denominator").reindex(arrays.units).to_numpy(float)
    shares = panel.outcome.scale * counts / np.where(kept.seen, size, np.nan)
    return Spread(declared, kept, np.where(kept.seen, shares, 0.0), curve)


def effect(panel: Panel, design: str, arrays: Layout, values: np.ndarray) -> Row:
    """The design's headline on other values of the same unit-periods, shape (n, T).

    Values that are the same everywhere, such as those of a band that nobody is in, have an effect of nought exactly.

    Raises DesignError as the design does.
    """
    if np.ptp(values[arrays.seen]) == 0:
        return dict.fromkeys(FIGURES, 0.0) | {"p_value": float("nan")}
    row = brief(panel, design, replace(arrays, Y=np.where(arrays.seen, values, 0.0))).row
    return {name: float(row[name]) for name in FIGURES}


def levels(panel: Panel, found: Spread) -> list[Row]:
    """The mean excess of joined and comparison units before and after, with a t interval over clusters.

    Each unit's mean over its periods counts once. After joining is after the transition; for units that never joined,
    after the first wave's. `smooth` is what the curve holds. Groups without a unit-period are left out.
    """
    arrays = found.arrays
    joined = ~np.isnan(arrays.g)[:, None]
    first = int(arrays.cohorts.min())
    since = np.arange(arrays.Y.shape[1])[None, :] - first
    moments = {
        "Joined, before": arrays.of("pre"),
        "Joined, after": arrays.of("post"),
        "Never joined, before": ~joined & (since < 0),
        "Never joined, after": ~joined & (since >= panel.study.protocol.transition.periods),
    }
    rows = []
    for name, when in moments.items():
        kept = when & arrays.seen
        some = np.asarray(kept.any(axis=1))
        if len(np.unique(arrays.cluster[some])) > 1:
            means = [_unit_means(values, kept)[some] for values in (found.excess, found.smooth)]
            row = _mean(means[0], arrays.cluster[some], panel.study.protocol.level)
            rows.append({"name": name, "smooth": float(means[1].mean()), **row})
    return rows


def _unit_means(values: np.ndarray, kept: np.ndarray) -> np.ndarray:
    found: np.ndarray = np.where(kept, values, 0.0).sum(axis=1) / np.maximum(kept.sum(axis=1), 1)
    return found


def _mean(values: np.ndarray, cluster: np.ndarray, level: float) -> Row:
    """Mean of units, its error from sums of clusters, G - 1 degrees of freedom."""
    mean = float(values.mean())
    psi = add_up(values - mean, cluster) / len(values)
    G = len(psi)
    error = float(np.sqrt(G / (G - 1) * (psi @ psi)))
    reach = float(special.stdtrit(G - 1, 0.5 + level / 2)) * error
    return {"estimate": mean, "std_error": error, "low": mean - reach, "high": mean + reach, "p_value": float("nan")}
