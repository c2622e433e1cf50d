"""Coefficients of single periods averaged over blocks of them.

Month by month a gap moves mostly by chance, and an allowance in every month adds up over a long follow-up.
Means over blocks of several periods move less by chance and are fewer, as with the yearly data for which
bounds are mostly published.
"""

from __future__ import annotations

import numpy as np

from evalkit.errors import DesignError
from evalkit.inference.honest.coefficients import Coefficients


def in_blocks(coefficients: Coefficients, weights: np.ndarray, length: int) -> tuple[Coefficients, np.ndarray]:
    """Coefficients of blocks of `length` periods, and the weights of the same target over them.

    The base block is the base period with the length - 1 before it; earlier ones are whole blocks without
    gaps, ending where that is no longer so. After the base period, block j holds times (j - 1) length + 1 to
    j length, in them the periods that the target weighs (the others have an effect of no interest); it stands
    at the mean of their times. The target's estimate becomes l'beta less the mean of the base block: effects
    before joining are zero, so that under parallel trends both are right.

    weights  l, equal wherever they are not zero, shape (q,)

    Times are in blocks from the base block on and may be fractions after joining. Raises DesignError when
    weights differ, or fewer than two blocks fit before joining.
    """
    l = coefficients.target(weights)[coefficients.p :]  # noqa: E741 - the letter of the source
    kept = l != 0
    if length < 1 or not np.allclose(l[kept], l[kept][0]):
        raise DesignError("blocks need a length of at least 1 and a target that weighs its periods equally")
    run = _run(coefficients.before)
    count = (run + 1) // length
    if count <= 1:
        raise DesignError(
            f"{run + 1} periods up to joining do not make two blocks of {length}", fix="use shorter blocks"
        )
    size = len(coefficients.beta)
    rows = [_mean(coefficients, -np.arange(j * length, (j + 1) * length)) for j in range(count)]
    base = rows[0]
    index = (coefficients.after - 1) // length
    after, found, shares = [], [], []
    for j in np.unique(index[kept]):
        members = kept & (index == j)
        row = np.zeros(size)
        row[coefficients.p :][members] = 1 / members.sum()
        after.append((coefficients.after[members].mean() + (length - 1) / 2) / length)
        found.append(row - base)
        shares.append(l[members].sum())
    turn = np.array([row - base for row in rows[:0:-1]] + found)
    blocks = Coefficients(
        turn @ coefficients.beta, turn @ coefficients.sigma @ turn.T, np.arange(1 - count, 0), np.array(after)
    )
    return blocks, np.array(shares)


def _run(before: np.ndarray) -> int:
    """How many periods there are without a gap up to the base period."""
    expected = -np.arange(1, len(before) + 1)
    same = before[::-1] == expected
    return int(len(before) if same.all() else same.argmin())


def _mean(coefficients: Coefficients, times: np.ndarray) -> np.ndarray:
    """Weights of the mean of the coefficients at times before joining, that at 0 being zero."""
    return np.isin(np.concatenate([coefficients.before, coefficients.after]), times) / len(times)
