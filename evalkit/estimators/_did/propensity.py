"""What adjusting for covariates rests on: the propensity to join and a regression on one side.

Symbols: n rows (units, or unit-periods); X, shape (n, k), covariates with a constant among them; D, shape
(n,), whether a row belongs to the joined side; w, shape (n,), weights, brought to mean 1; p_i = P(D_i = 1 |
x_i) = 1/(1 + exp(-x_i'c)).

An influence psi, shape (n,), of an estimate b is scaled so that b - truth is about mean(psi) and its
variance about mean(psi^2)/n: psi_i = n w_i db/dw_i.

    regression on a side S   b = (X'WSX)^-1 X'WSy       psi = (X'WSX/n)^-1 x_i w_i S_i (y_i - x_i'b)
    propensity               sum_i w_i (D_i - p_i) x_i = 0
                             psi = (X'WVX/n)^-1 x_i w_i (D_i - p_i),   V = diag p (1 - p)

Sources: Sant'Anna and Zhao (2020), J Econometrics 219:101, section 3; for separation Albert and Anderson
(1984), Biometrika 71:1, sought by linear programming as in Konis (2007), thesis, University of Oxford.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import optimize, special

from evalkit.errors import DesignError

CERTAIN = 0.999  # a propensity this high: nobody like this unit stayed out (the limit of R's did)
TRIMMED = 0.995  # comparison rows from here on would outweigh 200 others and are left out (the limit of DRDID)
REDUNDANT = 1e-9  # what is left of a column of unit length after the ones before it, when it adds nothing
SETTLED, ITERATIONS, HALVINGS = 1e-9, 60, 30  # change in x'c that ends Newton's steps: the next would be 1e-18
PIVOT = 1e-10  # what is left of a diagonal after the columns before it, when the column adds nothing
SLACK = 1e-12  # rounding of a likelihood, which is no fall
FAR = 1e-16  # w p (1 - p) of a row that may be on its way to certainty
APART = 1e-8  # room between the sides, of columns of unit range, beyond the linear programme's rounding


class CovariateError(DesignError):
    """A refusal that belongs to some covariates. `columns` are their positions in X."""

    def __init__(self, what: str, columns: tuple[int, ...], fix: str, label: str = "covariate columns") -> None:
        super().__init__(what, f"{label} {', '.join(map(str, columns))}", fix)
        self.columns = columns


@dataclass(frozen=True, eq=False)
class Propensity:
    """The propensity to be on the joined side.

    fitted   p, shape (n,)
    odds     p/(1-p) on the comparison side, 0 for joined and trimmed rows, shape (n,)
    trimmed  comparison rows left out for p >= TRIMMED, booleans, shape (n,)
    lead     influence of c, shape (n, k)
    """

    fitted: np.ndarray
    odds: np.ndarray
    trimmed: np.ndarray
    lead: np.ndarray


@dataclass(frozen=True, eq=False)
class Line:
    """A regression on one side for several outcomes.

    fitted    X b for every row, shape (n, m)
    reach     w_i S_i x_i'(X'WSX/n)^-1, shape (n, k): times a residual, the influence of b
    residual  y - X b on the side, 0 elsewhere, shape (n, m)
    """

    fitted: np.ndarray
    reach: np.ndarray
    residual: np.ndarray

    def influence(self, direction: np.ndarray) -> np.ndarray:
        """Influence of direction'b for a direction of shape (k,): shape (n, m)."""
        return (self.reach @ direction)[:, None] * self.residual

    def weights(self, direction: np.ndarray) -> np.ndarray:
        """The weights of the outcomes in direction'b, shape (n,)."""
        return self.reach @ direction / len(self.reach)


def require_sample(joined: np.ndarray, X: np.ndarray, w: np.ndarray) -> np.ndarray:
    """The weights brought to mean 1, after refusing what no adjustment can use; shapes (n,), (n, k), (n,).

    Raises DesignError for shapes that disagree, weights that are not positive, a side without rows, and
    covariates without a constant; CovariateError, naming the columns, when they are missing or repeat others.
    """
    if X.ndim != 2 or joined.shape != X.shape[:1] or w.shape != joined.shape:  # noqa: PLR2004 - a matrix
        raise DesignError(f"covariates {X.shape}, sides {joined.shape} and weights {w.shape} do not go together")
    if not np.isfinite(X).all():
        lacking = tuple(int(j) for j in np.flatnonzero(~np.isfinite(X).all(axis=0)))
        raise CovariateError(
            "a covariate is missing for some rows", lacking, "leave those units or the covariate out"
        )
    if not (np.isfinite(w).all() and (w > 0).all()):
        raise DesignError("a weight is missing, nought or negative", fix="leave those units out")
    if joined.all() or not joined.any():
        side = "compare with" if joined.all() else "compare"
        raise DesignError(f"there is nobody to {side}", fix="add units, or use another comparison")
    repeated = redundant(X)
    if repeated:
        raise CovariateError("covariates repeat others in this sample", repeated, "leave them out")
    if not redundant(np.column_stack([X, np.ones(len(X))])):
        raise DesignError("the covariates hold no constant", fix="add a column of ones")
    return w / w.mean()


def redundant(X: np.ndarray) -> tuple[int, ...]:
    """Positions of the columns that are combinations of columns before them; X of shape (n, k)."""
    basis = np.empty((len(X), 0))
    found = []
    for j, column in enumerate(X.T):
        length = np.linalg.norm(column)
        left = column / length if length > 0 else np.zeros(len(X))
        for _ in range(2):  # twice is enough to leave rounding only
            left = left - basis @ (basis.T @ left)
        if np.linalg.norm(left) <= REDUNDANT:
            found.append(j)
        else:
            basis = np.column_stack([basis, left / np.linalg.norm(left)])
    return tuple(found)


def dependent(gram: np.ndarray) -> tuple[int, ...]:
    """The same from X'WX, shape (k, k), by Cholesky's pivots in order: half the digits, but no X is needed."""
    left, found = gram.copy(), []
    for j in range(len(left)):
        pivot = left[j, j]
        if pivot <= PIVOT * gram[j, j]:
            found.append(j)
        else:
            left[j + 1 :, j + 1 :] -= np.outer(left[j + 1 :, j], left[j, j + 1 :]) / pivot
    return tuple(found)


def regress(y: np.ndarray, X: np.ndarray, w: np.ndarray, side: np.ndarray, who: str) -> Line:
    """Weighted least squares on one side; shapes (n, m), (n, k), (n,), (n,) booleans. `who` names the side.

    Raises DesignError when the side has no more rows than there are covariates, so that nothing is left to
    judge the regression by; CovariateError when covariates repeat each other on that side.
    """
    n, k = X.shape
    rows = int(side.sum())
    if rows <= k:
        raise DesignError(
            f"{k} covariates, the constant included, and only {rows} {who}, too few for a regression",
            fix="use fewer covariates, or inverse probability weights",
        )
    repeated = redundant(X[side])
    if repeated:
        raise CovariateError(f"covariates repeat others among the {who}", repeated, "leave them out")
    root = np.sqrt(w[side])[:, None]
    q, r = np.linalg.qr(root * X[side])
    half = np.linalg.inv(r)
    fitted = X @ (half @ (q.T @ (root * y[side])))
    reach = np.zeros((n, k))
    reach[side] = n * (root * q) @ half.T
    return Line(fitted, reach, np.where(side[:, None], y - fitted, 0.0))


def propensity(joined: np.ndarray, X: np.ndarray, w: np.ndarray) -> Propensity:
    """The logit of joining by maximum likelihood: Newton's steps, halved while the likelihood falls.

    Comparison rows with p >= TRIMMED are left out, as DRDID does, and marked.

    Raises CovariateError when covariates separate the joined from the comparison, so that the likelihood
    has no maximum; DesignError when some propensity is at least CERTAIN, or no comparison row is left.
    """
    q, r = np.linalg.qr(X)  # Newton's steps go over an orthonormal basis, whatever the covariates' units
    q, r = q * np.sqrt(len(X)), r / np.sqrt(len(X))
    eta, value = np.zeros(len(X)), float(w.sum() * np.log(2))
    for _ in range(ITERATIONS):
        p = special.expit(eta)
        variance = w * p * (1 - p)
        if variance.min() <= FAR:
            _require_together(joined, X)
        step = q @ np.linalg.lstsq(q.T @ (variance[:, None] * q), q.T @ (w * (joined - p)), rcond=None)[0]
        eta, value = _uphill(eta, step, np.where(joined, w, -w), value)
        if np.abs(step).max() <= SETTLED:
            break
    else:
        _require_together(joined, X)
        raise DesignError("the propensity to join does not settle", fix="use fewer covariates")
    p = special.expit(eta)
    sure = int((p >= CERTAIN).sum())
    if sure:
        raise DesignError(
            f"no overlap: given the covariates, {sure} rows were at least {CERTAIN:.1%} certain to join",
            fix="leave those units out, use fewer covariates, or use a regression",
        )
    trimmed = ~joined & (p >= TRIMMED)
    odds = np.where(joined | trimmed, 0.0, p / (1 - p))
    if not odds.any():
        raise DesignError("no overlap: no comparison row is left after trimming", fix="use fewer covariates")
    information = q.T @ ((w * p * (1 - p))[:, None] * q) / len(X)
    lead = np.linalg.solve(r, np.linalg.solve(information, (w * (joined - p)) * q.T)).T
    return Propensity(p, odds, trimmed, lead)


def _uphill(eta: np.ndarray, step: np.ndarray, signed: np.ndarray, value: float) -> tuple[np.ndarray, float]:
    """eta after a step, halved until the minus log-likelihood is no higher than `value`, and its new value.

    signed  w for joined and -w for the others
    """
    part = 1.0
    for _ in range(HALVINGS):
        moved = eta + part * step
        new = float(np.abs(signed) @ np.logaddexp(0, -np.sign(signed) * moved))
        if new <= value * (1 + SLACK):
            break
        part /= 2
    return moved, new


def _require_together(joined: np.ndarray, X: np.ndarray) -> None:
    """Refuse sides that a combination of the covariates sets apart, at least for some rows.

    Maximises sum_i s_i x_i'b over -1 <= b <= 1 and s_i x_i'b >= 0, where s_i = 1 for joined and -1 for
    others: above nought, the likelihood rises without end along b.
    """
    varies = np.ptp(X, axis=0) > 0
    low = np.where(varies, X.min(axis=0), 0.0)
    oriented = np.where(joined, 1.0, -1.0)[:, None] * (X - low) / (X - low).max(axis=0)
    found = optimize.linprog(-oriented.sum(axis=0), -oriented, np.zeros(len(X)), bounds=(-1, 1), method="highs")
    if not found.success or (oriented @ found.x).max() <= APART:
        return
    columns = tuple(int(j) for j in np.flatnonzero((np.abs(found.x) > APART) & varies))
    who = int((oriented @ found.x > APART).sum())
    raise CovariateError(
        f"no overlap: the covariates separate the joined from the comparison for {who} of {len(X)} rows",
        columns,
        "leave the covariate out, or compare with units of which some joined",
    )
