"""Another programme of a demonstration: by lot, in units that joined and in others, without any effect."""

from __future__ import annotations

import numpy as np

from evalkit import periods
from evalkit.simulate import design
from evalkit.simulate.potential import Simulated, positions


def spells(simulated: Simulated) -> list[list[str]]:
    """First and last period in each unit, blank where it never came or had not ended; empty without a programme."""
    demo, window = simulated.settings, simulated.window
    support = demo.support
    if support is None:
        return [[] for _ in range(demo.units)]
    draws = design.normals(demo.seed, f"{support.column}/who", (2, demo.units))
    order = np.argsort(np.argsort(draws[0]))
    starts = positions(window, support.first, support.last)
    at = starts[np.argsort(np.argsort(draws[1])) * len(starts) // demo.units]
    out = []
    for i in range(demo.units):
        last = at[i] + support.periods - 1
        end = periods.code(window[last]) if last < len(window) else ""
        reached = order[i] < round(support.share * demo.units)
        out.append([periods.code(window[at[i]]), end] if reached else ["", ""])
    return out
