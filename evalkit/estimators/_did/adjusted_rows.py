"""Two-period effects with covariates when units come and go: rows are unit-periods.

r rows of the two periods; y, shape (r, m), outcomes; P, shape (r,), whether a row is of the later period;
D, X, w as in `adjusted`, as of the row itself. With b_Dp and b_Cp the regressions of y on X among the
joined and the comparison rows of period p, e = y - X b_Cp and o the odds of being a joined row given X,
the effect is the difference between the periods, theta_later - theta_earlier, of

    regression       mean_Dp(y) - xbar_D'b_Cp
    weighting        mean_Dp(y) - mean_Cp(y; weights w o)
    doubly robust    mean_Dp(e) - mean_Cp(e; weights w o) + (xbar_D - xbar_Dp)'(b_Dp - b_Cp)

where mean_Dp is over joined rows of period p and xbar_D over joined rows of both. Without covariates each
is the difference of four means. The last one is locally efficient. psi, shape (r, m), is per row: add it
up within units, times N/r, for the influence in a sample of N units.

DRDID 1.2.3 gives the earlier period's e a derivative by b_C of the wrong sign in drdid_rc, so that its
psi differs from n w d(effect)/dw by 2 (xbar_D0 - xbar_C0) times the influence of b_C0, which vanishes only
as the weighted covariates come to balance. Here the sign is that of the derivative; the effect is the same.

Source: Sant'Anna and Zhao (2020), J Econometrics 219:101, eq. 3.4 and section 3.3; otherwise the values of
reg_did_rc, std_ipw_did_rc and drdid_rc of R's DRDID, which R's did uses for panels that are not balanced.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evalkit.errors import DesignError
from evalkit.estimators._did.adjusted import Adjusted, Method, centre, mean_of, weighted_side
from evalkit.estimators._did.propensity import Line, Propensity, propensity, regress, require_sample

JOINED, COMPARED = "joined rows of one period", "comparison rows of one period"


@dataclass(frozen=True, eq=False)
class _Rows:
    """Both periods: y (r, m), joined (r,), X (r, k), w (r,)."""

    y: np.ndarray
    joined: np.ndarray
    X: np.ndarray
    w: np.ndarray

    def line(self, side: np.ndarray, who: str) -> Line:
        """The regression of y on X among the rows of one side."""
        return regress(self.y, self.X, self.w, side, who)


def adjusted_rows(
    method: Method, y: np.ndarray, post: np.ndarray, joined: np.ndarray, X: np.ndarray, w: np.ndarray
) -> Adjusted:
    """The effect by `reg`, `ipw` or `dr` from rows of two periods.

    y       outcomes, shape (r, m) or (r,)
    post    whether of the later period, booleans, shape (r,)
    joined  booleans, shape (r,)
    X, w    covariates with a constant, shape (r, k), and positive weights, shape (r,)

    Raises DesignError as `adjusted.adjusted`, and when a side has no rows in one of the periods.
    """
    w = require_sample(joined, X, w)
    y = y.reshape(len(y), -1)
    if len(y) != len(w) or post.shape != w.shape or not np.isfinite(y).all():
        raise DesignError("the outcomes of some rows are missing", fix="leave those rows out")
    _require_periods(post, joined)
    rows = _Rows(y, joined, X, w)
    if method == "reg":
        later, earlier = _regression(rows, post), _regression(rows, ~post)
        return Adjusted(later[0] - earlier[0], later[1] - earlier[1], np.zeros(len(w), bool))
    score = propensity(joined, X, w)
    by = _weighting if method == "ipw" else _doubly_robust
    later, earlier = by(rows, post, score), by(rows, ~post, score)
    return Adjusted(later[0] - earlier[0], later[1] - earlier[1], score.trimmed)


def row_weights(method: Method, post: np.ndarray, joined: np.ndarray, X: np.ndarray, w: np.ndarray) -> np.ndarray:
    """The weight of every row's outcome: effect = sum(weights y). Shape (r,).

    They add up to 1 and -1 over the joined rows of the later and of the earlier period, and to -1 and 1
    over the comparison rows. Raises DesignError as `adjusted_rows`.
    """
    w = require_sample(joined, X, w)
    _require_periods(post, joined)
    score = None if method == "reg" else propensity(joined, X, w)
    none, target, out = np.zeros((len(w), 1)), centre(X, w * joined), np.zeros(len(w))
    for period, sign in ((post, 1.0), (~post, -1.0)):
        ours, theirs = period & joined, period & ~joined
        part = w * ours / (w * ours).sum()
        if method == "dr":
            part = part + regress(none, X, w, ours, JOINED).weights(target - part @ X)
        others = np.zeros(len(w))
        if score is not None:
            others = w * score.odds * period
            others = others / others.sum()
        if method != "ipw":
            others = others + regress(none, X, w, theirs, COMPARED).weights(target - others @ X)
        out += sign * (part - others)
    return out


def _require_periods(post: np.ndarray, joined: np.ndarray) -> None:
    """Refuse a side without rows in one of the periods."""
    for side, who in ((joined, "joined"), (~joined, "comparison")):
        for period, when in ((post, "later"), (~post, "earlier")):
            if not (side & period).any():
                raise DesignError(
                    f"the {who} units have no rows in the {when} period", fix="leave this pair of periods out"
                )


def _regression(rows: _Rows, period: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """theta of one period by regression, shape (m,), and its influence, shape (r, m)."""
    everyone = rows.w * rows.joined
    line = rows.line(period & ~rows.joined, COMPARED)
    theta, psi = mean_of(rows.y, everyone * period)
    level, psi_c = mean_of(line.fitted, everyone)
    return theta - level, psi - psi_c - line.influence(centre(rows.X, everyone))


def _weighting(rows: _Rows, period: np.ndarray, score: Propensity) -> tuple[np.ndarray, np.ndarray]:
    """theta of one period by weighting."""
    theta, psi = mean_of(rows.y, rows.w * (rows.joined & period))
    level, psi_c = weighted_side(rows.y, rows.X, rows.w * score.odds * period, score)
    return theta - level, psi - psi_c


def _doubly_robust(rows: _Rows, period: np.ndarray, score: Propensity) -> tuple[np.ndarray, np.ndarray]:
    """theta of one period by both, locally efficient."""
    everyone, ours = rows.w * rows.joined, rows.w * (rows.joined & period)
    theirs = rows.w * score.odds * period
    line, own = rows.line(period & ~rows.joined, COMPARED), rows.line(period & rows.joined, JOINED)
    theta, psi = mean_of(rows.y - line.fitted, ours)
    level, psi_c = weighted_side(rows.y - line.fitted, rows.X, theirs, score)
    psi -= psi_c + line.influence(centre(rows.X, ours) - centre(rows.X, theirs))
    (here, psi_here), (there, psi_there) = (mean_of(own.fitted - line.fitted, side) for side in (ours, everyone))
    shift = centre(rows.X, everyone) - centre(rows.X, ours)
    psi += psi_there - psi_here + own.influence(shift) - line.influence(shift)
    return theta - level + there - here, psi
