"""Rows of reported quantities: errors, degrees of freedom, intervals and p-values by the chosen inference."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from evalkit import inference, numbers
from evalkit.errors import DesignError
from evalkit.estimators._did import bootstrap
from evalkit.estimators._did.front import FEW_CLUSTERS, FEWEST_WILD
from evalkit.estimators._did.layout import Layout
from evalkit.estimators._did.linear import Linear
from evalkit.panel import Panel


@dataclass(frozen=True, eq=False)
class Judged:
    """Quantities with what is known of their errors.

    estimate, error, df  shape (K,)
    wild                 draws of each quantity, empty where intervals are by Student's t
    clusters             clusters that contribute
    psi                  contributions by cluster, shape (G, K)
    how                  the end of the method sentence
    """

    estimate: np.ndarray
    error: np.ndarray
    df: np.ndarray
    wild: list[inference.Wild]
    clusters: int
    psi: np.ndarray
    how: str

    def row(self, name: str, column: int, level: float, scale: float) -> dict[str, Any]:
        """A row of `Estimate.terms`. Raises DesignError when its error cannot be computed."""
        found = inference.term(name, self.estimate[column], self.error[column], self.df[column], level, scale=scale)
        if not self.wild:
            return found
        low, high = self.wild[column].interval(level)
        return {**found, "low": low, "high": high, "p_value": self.wild[column].p_value()}


def analytic(df: float) -> str:
    """How intervals by Student's t are described."""
    return f"Student t on {numbers.of(round(df), 'degree')} of freedom."


def judge(
    panel: Panel,
    arrays: Layout,
    linear: Linear,
    choice: str,
    *,
    E: Callable[[], np.ndarray],
    reduced: Callable[[], inference.Reduced] | None = None,
) -> Judged:
    """The quantities of a design, judged as the protocol or the number of clusters says.

    choice   `auto`, `analytic`, `bias_reduced` or `wild`
    E        residuals of the unrestricted model for the wild bootstrap, shape (n, T)
    reduced  bias-reduced errors of the quantities, where the design has them

    Raises DesignError when nothing varies between units.
    """
    psi = linear.by_cluster(arrays.Y)
    clusters = linear.count(psi)
    if not clusters:
        raise DesignError("the changes do not vary between units", panel.study.slug, "check the outcome")
    estimate, error = linear.estimate(arrays.Y), np.sqrt((psi**2).sum(axis=0))
    df = np.full(len(estimate), float(clusters - 1))
    plain = Judged(estimate, error, df, [], clusters, psi, analytic(clusters - 1))
    if choice == "bias_reduced" and reduced is not None:
        better = reduced()
        how = f"bias-reduced (CR2), Student t on Satterthwaite's {better.df[0]:.1f} degrees of freedom."
        return Judged(estimate, better.std_error, better.df, [], clusters, psi, how)
    if choice == "analytic" or (choice == "auto" and not FEWEST_WILD <= clusters < FEW_CLUSTERS):
        return plain
    if clusters < FEWEST_WILD:
        raise DesignError(
            f"the wild cluster bootstrap needs at least {FEWEST_WILD} clusters, and there are {clusters}",
            panel.study.slug,
            "use `inference: analytic`, or cluster on a finer level",
        )
    return _wild(panel, arrays, linear, plain, E(), must=choice == "wild")


def _wild(panel: Panel, arrays: Layout, linear: Linear, plain: Judged, E: np.ndarray, *, must: bool) -> Judged:
    """With intervals from the wild bootstrap, or by t where so few clusters cannot give them."""
    size = np.sqrt((plain.psi**2).sum(axis=0))
    if (size <= inference.ROUNDING * max(float(np.abs(arrays.Y).max()), 1e-300)).any():
        return plain  # a row then says that its error cannot be computed
    draws = [bootstrap.wild(arrays, linear, k, E) for k in range(linear.K)]
    try:
        for one in draws:
            one.interval(panel.study.protocol.level)
    except DesignError:
        if must:
            raise
        how = f"{plain.how[:-1]} (too few clusters for the wild bootstrap at this level)."
        return Judged(plain.estimate, plain.error, plain.df, [], plain.clusters, plain.psi, how)
    how = f"intervals and p-values by the restricted wild cluster bootstrap ({draws[0].factors})."
    return Judged(plain.estimate, plain.error, plain.df, draws, plain.clusters, plain.psi, how)
