"""The effect under redrawn rollouts, and where the real one lies among them."""

from __future__ import annotations

from evalkit import numbers
from evalkit.estimate import Check
from evalkit.markup import Shown
from evalkit.plots.checks import BELOW, answered
from evalkit.plots.drawn import bars, parted, shares
from evalkit.plots.style import DARK_BLUE, ORANGE, canvas, shown


@answered
def randomisation(check: Check) -> Shown:
    """How often redrawn rollouts give each size of effect over its error, and the real one."""
    data = check.data
    drawn, real = parted(data, "statistic")
    with canvas(height=3.6) as (figure, axes):
        bars(axes, drawn, real, "Redrawn")
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
    rows = shares(drawn, "redrawn", lambda value: numbers.number(value, 2))
    rows.append(["Real rollout", numbers.number(real, 2)])
    caption = f"{data['label'].iloc[0]}: effects under rollouts drawn by lot"
    return shown(figure, alt, caption, ["Rollouts", "Effect over its standard error"], rows)
