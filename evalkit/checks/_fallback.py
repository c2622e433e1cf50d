"""Regression to the mean as theory has it.

Where the mean over the periods judged is normal with standard deviation s between units, and what follows keeps a
share r of any distance from the mean, the poorest share p of the units come back against the rest by

    (1 - r) s f(z) [1/p + 1/(1 - p)],

z the p-quantile and f the density of the standard normal distribution.

Source: Barnett, van der Pols and Dobson (2005), Int J Epidemiol 34:215, for one side; here for the difference
between both sides.
"""

from __future__ import annotations

import numpy as np
from scipy import special


def distance(spread: float, share: float) -> float:
    """s f(z) [1/p + 1/(1 - p)]: how far apart the poorest share of normal values and the rest are, at least 0.

    Barnett, van der Pols and Dobson (2005). spread in the outcome's unit, share between 0 and 1.
    """
    z = special.ndtri(share)
    return float(spread * np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi) * (1 / share + 1 / (1 - share)))


def expected_return(spread: float, correlation: float, share: float) -> float:
    """(1 - r) s f(z) [1/p + 1/(1 - p)], what the poorest come back by against the rest, in the outcome's unit."""
    return (1 - correlation) * distance(spread, share)
