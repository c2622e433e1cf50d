"""The effect under redrawn rollouts, and where the real one lies among them."""

from __future__ import annotations

import numpy as np

from evalkit import numbers
from evalkit.estimate import Check
from evalkit.markup import Shown
from evalkit.plots.checks import BELOW, answered
from evalkit.plots.style import DARK_BLUE, GREY, LIGHT_GREY, ORANGE, canvas, shown

BINS = 40


@answered
def randomisation(check: Check) -> Shown:
    """How often redrawn rollouts give each size of effect over its error, and the real one."""
    data = check.data
    drawn = data.loc[~data["real"], "statistic"].to_numpy(float)
    real = float(data.loc[data["real"], "statistic"].iloc[0])
    reach = 1.05 * max(np.abs(drawn).max(), abs(real))
    edges = np.linspace(-reach, reach, BINS + 1)
    count, _ = np.histogram(drawn, edges)
    with canvas(height=3.6) as (figure, axes):
        middle = (edges[:-1] + edges[1:]) / 2
        axes.bar(
            middle, count, width=edges[1] - edges[0], color=LIGHT_GREY, edgecolor=GREY, linewidth=0.5, label="Redrawn"
        )
        axes.axvline(real, color=DARK_BLUE, linewidth=2, label="Real rollout")
        axes.axvline(-real, color=ORANGE, linewidth=1.5, linestyle="--", label="As large, the other way")
        axes.set_xlabel("Effect over its standard error")
        axes.set_ylabel("Redrawn rollouts")
        axes.legend(**BELOW)
    alt = (
        f"Effects over their standard errors under {numbers.count(len(drawn))} redrawn rollouts, from "
        f"{numbers.number(drawn.min(), 1)} to {numbers.number(drawn.max(), 1)}; the real one is "
        f"{numbers.number(real, 1)}. {check.reading}"
    )
    shares = (0.0, 0.025, 0.05, 0.25, 0.5, 0.75, 0.95, 0.975, 1.0)
    rows = [
        [f"{numbers.per_cent(s)} of redrawn are at most", numbers.number(float(np.quantile(drawn, s)), 2)]
        for s in shares
    ]
    rows.append(["Real rollout", numbers.number(real, 2)])
    caption = f"{data['label'].iloc[0]}: effects under rollouts drawn by lot"
    return shown(figure, alt, caption, ["Rollouts", "Effect over its standard error"], rows)
