"""Figures of what draws gave, with the real figure among them: the bars, and the rows of the data table."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from evalkit import numbers
from evalkit.plots.style import GREY, LIGHT_GREY

BINS = 40
SHARES = (0.0, 0.025, 0.05, 0.25, 0.5, 0.75, 0.95, 0.975, 1.0)


def parted(data: pd.DataFrame, column: str) -> tuple[np.ndarray, float]:
    """What draws gave, shape (B,), and the real figure; `real` marks its row."""
    return data.loc[~data["real"], column].to_numpy(float), float(data.loc[data["real"], column].iloc[0])


def bars(axes: Axes, drawn: np.ndarray, real: float, label: str) -> None:
    """How many draws gave each size, around nought and as far as any of them or the real figure."""
    reach = 1.05 * max(np.abs(drawn).max(), abs(real))
    edges = np.linspace(-reach, reach, BINS + 1)
    count, _ = np.histogram(drawn, edges)
    middle, width = (edges[:-1] + edges[1:]) / 2, edges[1] - edges[0]
    axes.bar(middle, count, width=width, color=LIGHT_GREY, edgecolor=GREY, linewidth=0.5, label=label)


def shares(drawn: np.ndarray, what: str, said: Callable[[float], str]) -> list[list[str]]:
    """Rows of quantiles: `5% of draws are at most`, and the figure."""
    return [[f"{numbers.per_cent(s)} of {what} are at most", said(float(np.quantile(drawn, s)))] for s in SHARES]
