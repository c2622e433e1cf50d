"""The fitted course and the course without the collaborative, in the unit of report, with their gradients.

With predictor eta = x'beta and the collaborative's part delta, the course is f(eta), the counterfactual
f(eta - delta) and the effect their difference, f the inverse link times the outcome's scale. Errors of
anything made of them come from gradients in beta (delta method), which is exact on the natural scale.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evalkit.estimators._its.design import Design
from evalkit.estimators._its.fit import Fit, expected, sensitivity
from evalkit.estimators._its.structural import Forecast

Quantity = tuple[float, np.ndarray]  # a figure and its gradient, shape (k,)


@dataclass(frozen=True, eq=False)
class Course:
    """Both courses at some periods of the window.

    fit             the fit whose coefficients the gradients refer to
    known           at which periods of the window the course is known, booleans, shape (m,)
    fitted          shape (m,), in the unit of report; g_fitted its gradient, shape (m, k)
    counterfactual  the same without the collaborative; g_counterfactual
    predictor       of the counterfactual on the scale of the link, shape (m,); g_predictor
    factor          what the inverse link is multiplied by to reach the unit of report
    """

    fit: Fit
    known: np.ndarray
    fitted: np.ndarray
    counterfactual: np.ndarray
    predictor: np.ndarray
    g_fitted: np.ndarray
    g_counterfactual: np.ndarray
    g_predictor: np.ndarray
    factor: float

    def effect(self, weights: np.ndarray) -> Quantity:
        """sum_i w_i effect_i; weights shape (m,)."""
        g = self.g_fitted - self.g_counterfactual
        return float(weights @ (self.fitted - self.counterfactual)), weights @ g

    def log_ratio(self, weights: np.ndarray) -> Quantity | None:
        """log(sum w fitted / sum w counterfactual), None unless both sums are positive; weights shape (m,)."""
        one, zero = float(weights @ self.fitted), float(weights @ self.counterfactual)
        if not (one > 0 and zero > 0):
            return None
        return float(np.log(one / zero)), weights @ self.g_fitted / one - weights @ self.g_counterfactual / zero

    def value(self, predictor: np.ndarray) -> np.ndarray:
        """A predictor in the unit of report; shape as given."""
        return self.factor * expected(self.fit.link, predictor)


def of_regression(design: Design, fit: Fit, offset: np.ndarray | None = None) -> Course:
    """The courses of a fitted regression at every period of the window.

    offset  what is added to the predictor and not estimated, such as a control series on the scale of the
            link, NaN where there is none, shape (m,); nothing by default
    """
    X = design.rows
    without = X - design.added
    factor = 1.0 if fit.link == "identity" else design.series.outcome.scale
    known = np.ones(len(X), bool) if offset is None else np.isfinite(offset)
    shift = np.zeros(len(X)) if offset is None else np.where(known, offset, 0.0)
    one, zero = (expected(fit.link, shift + rows @ fit.beta) for rows in (X, without))
    return Course(
        fit=fit,
        known=known,
        fitted=factor * one,
        counterfactual=factor * zero,
        predictor=shift + without @ fit.beta,
        g_fitted=factor * sensitivity(fit.link, one)[:, None] * X,
        g_counterfactual=factor * sensitivity(fit.link, zero)[:, None] * without,
        g_predictor=without,
        factor=factor,
    )


def of_forecast(design: Design, found: Forecast, observed: np.ndarray, link: str) -> Course:
    """The courses of a forecast at the analysed periods after the start.

    What was observed stands for the fitted course; the coefficients of the fit are the gaps between it
    and the forecast on the scale of the link. observed: on that scale, shape (number of post periods,).
    """
    series, post = design.series, design.series.post
    gap = observed - found.mean
    fit = Fit(
        gap, found.covariance, found.df, found.innovations, found.method, link, found.diagnostics, found.warnings
    )
    factor = 1.0 if link == "identity" else series.outcome.scale
    m, k = len(series.t), len(gap)
    zero = expected(link, found.mean)
    fitted, counterfactual, predictor = (np.zeros(m) for _ in range(3))
    fitted[post], counterfactual[post], predictor[post] = factor * expected(link, observed), factor * zero, found.mean
    g_predictor = np.zeros((m, k))
    g_predictor[post] = -np.eye(k)
    g_counterfactual = np.zeros((m, k))
    g_counterfactual[post] = -factor * sensitivity(link, zero)[:, None] * np.eye(k)
    return Course(
        fit, post, fitted, counterfactual, predictor, np.zeros((m, k)), g_counterfactual, g_predictor, factor
    )
