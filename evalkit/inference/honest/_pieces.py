"""Restrictions on departures from parallel trends as arrays, one row a piece.

Every restriction here is a union of pieces of one form. With q rows of differences D of the path of
departures (first or second differences, one for each coefficient after joining) and a bound b,

    -b <= (D delta)_j <= b,   j = 1..q.

b is m (relative magnitudes: m times one difference before joining, with one sign; estimated) or a constant
(smoothness). The moments are y_j = (D beta)_j - b and y_{q+j} = -(D beta)_j - b, in which the effects
tau of no interest are nuisance parameters. A test of theta = l'tau maximises gamma'y over

    {gamma >= 0 : gamma' y does not depend on tau given theta, sum_j gamma_j sd(y_j) = 1}.

The part of D after joining is square and invertible, so that this set has q + 2 corners: with
w = l' D_post^-1 and u = w'D beta - theta,

    (u - b W) / n_+,   (-u - b W) / n_-,   -2 b / (sd_j + sd_{q+j}) for each j,   W = sum |w_j|,
    n_+ = sum_j max(w_j, 0) sd_j + max(-w_j, 0) sd_{q+j},   n_- with the two exchanged,

all of them functions of the two normal variables (u, b) alone. No linear programme is needed.

Source of the test: Andrews, Roth and Pakes (2023), Rev Econ Stud 90:2763; of the restrictions: Rambachan and
Roth (2023), sections 2.4 and 3. The corners are derived here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evalkit.errors import DesignError
from evalkit.inference.honest.coefficients import TINY, Coefficients


@dataclass(frozen=True, eq=False)
class Pieces:
    """Pieces of a restriction; P of them.

    centre    w'D beta, so that u = centre - theta
    variance  of centre
    bound     b, shape (P,)
    spread    variance of b, shape (P,)
    shared    covariance of centre and b, shape (P,)
    width     W
    upper     n_+, shape (P,)
    lower     n_-, shape (P,)
    pairs     sd_j + sd_{q+j}, shape (P, q)
    """

    centre: float
    variance: float
    bound: np.ndarray
    spread: np.ndarray
    shared: np.ndarray
    width: float
    upper: np.ndarray
    lower: np.ndarray
    pairs: np.ndarray

    def mirrored(self) -> Pieces:
        """The same with the effect's sign turned: u becomes -u."""
        return Pieces(
            -self.centre, self.variance, self.bound, self.spread, -self.shared, self.width,
            self.lower, self.upper, self.pairs,
        )  # fmt: skip


def pieces(coefficients: Coefficients, weights: np.ndarray, rows: np.ndarray, bounds: np.ndarray) -> Pieces:
    """The pieces of a restriction.

    rows    D, shape (q, p + q)
    bounds  b = bounds @ (beta, 1), shape (P, p + q + 1): the last column is the constant part
    """
    beta, sigma = coefficients.beta, coefficients.sigma
    post = rows[:, coefficients.p :]
    w = np.linalg.solve(post.T, coefficients.target(weights)[coefficients.p :])
    a, c = w @ rows, bounds[:, :-1]
    spread = np.einsum("pi,ij,pj->p", c, sigma, c)
    of_rows = np.einsum("qi,ij,qj->q", rows, sigma, rows)
    joint = c @ sigma @ rows.T
    above = np.sqrt(np.maximum(of_rows + spread[:, None] - 2 * joint, 0.0))
    below = np.sqrt(np.maximum(of_rows + spread[:, None] + 2 * joint, 0.0))
    variance, pairs = float(a @ sigma @ a), above + below
    scale = float(np.abs(sigma).max())
    if variance <= TINY * scale * float(np.abs(a).max()) ** 2 or (pairs**2 <= TINY * scale).any():
        raise DesignError(
            "the changes between the coefficients have no variance of their own, so departures cannot be judged",
            fix="cluster on a finer level, or look at fewer periods",
        )
    plus, minus = np.maximum(w, 0.0), np.maximum(-w, 0.0)
    return Pieces(
        float(a @ beta), variance, c @ beta + bounds[:, -1], spread, c @ sigma @ a, float(np.abs(w).sum()),
        above @ plus + below @ minus, above @ minus + below @ plus, pairs,
    )  # fmt: skip


def changes_after(coefficients: Coefficients) -> np.ndarray:
    """Change per period up to each coefficient after joining, from the base period on; shape (q, p + q).

    Across a gap it is the mean change a period: where no period's change exceeds b, neither does that.
    """
    p, q = coefficients.p, len(coefficients.after)
    rows = np.zeros((q, p + q))
    gap = np.diff(np.concatenate([[0], coefficients.after]))
    index = np.arange(q)
    rows[index, p + index] = 1 / gap
    rows[index[1:], p + index[:-1]] = -1 / gap[1:]
    return rows


def changes_before(coefficients: Coefficients) -> np.ndarray:
    """Changes from one period to the next up to the base period, those across gaps left out; shape (m, p + q)."""
    full = _with_base(coefficients, coefficients.before)
    times = np.append(coefficients.before, 0)
    adjacent = np.flatnonzero(np.diff(times) == 1)
    return full[adjacent + 1] - full[adjacent]


def curvature_after(coefficients: Coefficients) -> np.ndarray:
    """Second differences centred on the base period and on all but the last after it; shape (q, p + q).

    Raises DesignError when there is a gap from the period before the base on.
    """
    p, q = coefficients.p, len(coefficients.after)
    if not p or coefficients.before[-1] != -1 or coefficients.after[-1] != q:
        raise DesignError(
            "the curvature of a path with gaps around joining is not defined",
            fix="look at a stretch of periods without gaps, with at least one before the base period",
        )
    full = np.vstack([np.eye(p + q)[p - 1], np.zeros(p + q), np.eye(p + q)[p:]])
    return full[2:] - 2 * full[1:-1] + full[:-2]


def curvature_before(coefficients: Coefficients) -> np.ndarray:
    """Second differences up to the base period, those across gaps left out; shape (m, p + q)."""
    full = _with_base(coefficients, coefficients.before)
    times = np.append(coefficients.before, 0)
    middle = 1 + np.flatnonzero((np.diff(times)[1:] == 1) & (np.diff(times)[:-1] == 1))
    return full[middle + 1] - 2 * full[middle] + full[middle - 1]


def _with_base(coefficients: Coefficients, before: np.ndarray) -> np.ndarray:
    """Rows that pick the coefficients before joining and then the base period, which is zero."""
    size = len(coefficients.beta)
    return np.vstack([np.eye(size)[: len(before)], np.zeros(size)])
