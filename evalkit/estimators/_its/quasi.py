"""Counts and proportions whose Pearson errors are autocorrelated: a quasi-likelihood model with AR(1) errors.

    E y_i = m_i,   link(m_i / trials_i or m_i / exp(offset_i)) = x_i' beta,   var(y_i) = phi v(m_i),
    corr(y_i, y_j) = rho^|t_i - t_j|

with log link and v(m) = m for counts, logit link and v(m) = m (1 - m/trials) for proportions. At each step the
working response z = x'beta + (y - m) / (dm/deta) has error variance phi / w, w = (dm/deta)^2 / v(m);
rows multiplied by sqrt(w) have errors of one variance phi, which are the Pearson residuals, and go
through the AR(1) engine (`ar1`), which gives beta, rho, phi and the bounded Kenward-Roger
inference. Steps are repeated until beta stands still.

Sources: McCullagh and Nelder (1989), Generalized Linear Models, ch. 9; Zeger (1988), Biometrika
75:621, for the estimating equations; Kenward and Roger (1997) for the inference.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from evalkit.errors import DesignError
from evalkit.estimators._its import ar1
from evalkit.estimators._its.fit import expected, sensitivity

STEPS, PATIENCE, SHORTER = 120, 12, 0.6  # after so many steps each is shortened by that factor, and again
CLOSE, NEAR = 1e-6, 1e-3  # change of a coefficient that ends the steps; and those of the start, without correlation

Solver = Callable[[np.ndarray, np.ndarray], np.ndarray]  # weighted design and response to coefficients


class UnsettledError(DesignError):
    """The steps of reweighting came to no end."""


@dataclass(frozen=True, eq=False)
class Counted:
    """What was counted, and out of what.

    link   `log` for counts, `logit` for proportions
    y      counts, shape (s, n)
    base   what the fitted mean per unit is multiplied by: exp(offset), or the trials; shape (s, n)
    size   what takes its place in the weights, shape (s, n); base by default. Days of exposure are left out of it:
           weights that go up and down with them would let the level stand in for an effect of the days
    """

    link: str
    y: np.ndarray
    base: np.ndarray
    size: np.ndarray | None = None

    def working(self, predictor: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The working response and the square root of its weights at a linear predictor; shapes (s, n)."""
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):  # judged by the caller: `_settle`
            mean = expected(self.link, predictor)
            steep = self.base * sensitivity(self.link, mean)  # dm/deta; it also equals v(m) for these links
            weight = steep if self.size is None else steep * self.size / self.base
            return predictor + (self.y - self.base * mean) / steep, np.sqrt(weight)

    def start(self) -> np.ndarray:
        """A first linear predictor: what was observed, kept off the ends of its range; shape (s, n)."""
        over = self.base if self.link == "log" else self.base - self.y + 0.5
        found: np.ndarray = np.log((self.y + 0.5) / over)
        return found


def fit_many(X: np.ndarray, counted: Counted, t: np.ndarray, *, guarded: bool = True) -> ar1.Many:
    """Fit every series; X shape (n, k), t shape (n,). `sigma2` of the result is the dispersion phi.

    Raises UnsettledError when a series does not settle, as when nothing or everything was counted on one side, and
    DesignError when that is so throughout.
    """
    _require_some_of_each(counted)
    beta = _settle(X, counted, counted.start(), _independent, NEAR)
    near: list[np.ndarray] = []

    def step(design: np.ndarray, response: np.ndarray) -> np.ndarray:
        found, rho = ar1.coefficients(design, response, t, near[-1] if near else None)
        near.append(rho)
        return found

    beta = _settle(X, counted, beta @ X.T, step, CLOSE)
    response, root = counted.working(beta @ X.T)
    return ar1.fit_many(root[..., None] * X, root * response, t, guarded=guarded, near=near[-1])


def _require_some_of_each(counted: Counted) -> None:
    """Refuse a series in which nothing, or everything, was counted throughout."""
    fix = "choose another outcome or unit; there is nothing here that could change"
    if (counted.y.max(axis=1) <= 0).any():
        raise DesignError("nothing was counted in any analysed period", fix=fix)
    if counted.link == "logit" and (counted.y >= counted.base).all(axis=1).any():
        raise DesignError("everything was counted in every analysed period: the share is always 100%", fix=fix)


def _settle(X: np.ndarray, counted: Counted, predictor: np.ndarray, solve: Solver, close: float) -> np.ndarray:
    """Reweight until the coefficients stand still, with shorter steps the longer it takes; shape (s, k)."""
    last: np.ndarray | None = None
    for i in range(STEPS):
        response, root = counted.working(predictor)
        if not (np.isfinite(response).all() and (root > 0).all()):
            break
        try:
            beta = solve(root[..., None] * X, root * response)
        except np.linalg.LinAlgError:
            break
        if last is not None:
            if np.abs(beta - last).max() <= close * max(1.0, float(np.abs(beta).max())):
                return beta
            beta = last + SHORTER ** (i // PATIENCE) * (beta - last)
        last, predictor = beta, beta @ X.T
    raise UnsettledError(
        "the count model does not settle: its mean runs off to nothing or everything, or its steps go to and fro",
        fix="say `family: gaussian` under `model.its` for the natural scale, or use a simpler model",
    )


def _independent(design: np.ndarray, response: np.ndarray) -> np.ndarray:
    """Least squares of each series, shape (s, k)."""
    turned = np.swapaxes(design, 1, 2)
    found: np.ndarray = np.linalg.solve(turned @ design, turned @ response[..., None])[..., 0]
    return found


def fit(X: np.ndarray, counted: Counted, t: np.ndarray, *, guarded: bool = True) -> ar1.Reml:
    """Fit one series; `counted` with s = 1, X shape (n, k), t shape (n,)."""
    many = fit_many(X, counted, t, guarded=guarded)
    response, root = counted.working(many.beta @ X.T)
    found = ar1.single(many, root[0][:, None] * X, root[0] * response[0], t)
    dispersion = float(many.sigma2[0])
    kept = {name: value for name, value in found.diagnostics.items() if name != "sigma"}
    return replace(
        found,
        link=counted.link,
        method=f"quasi-likelihood with {counted.link} link and AR(1) Pearson errors, bounded Kenward-Roger inference",
        diagnostics={**kept, "dispersion": dispersion},
    )


def rho_interval(
    X: np.ndarray, found: ar1.Reml, counted: Counted, t: np.ndarray, level: float
) -> tuple[float, float]:
    """Profile interval of rho in the working model at the fitted coefficients; shapes as in `fit`."""
    response, root = counted.working((X @ found.beta)[None])
    return ar1.rho_interval(root[0][:, None] * X, root[0] * response[0], t, level)
