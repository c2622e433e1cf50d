"""What every engine returns: coefficients, the error of any contrast, and how the fit behaved.

Symbols: X, shape (n, k), the design; y, shape (n,), the series; beta, shape (k,); c, shape (k,), the
weights of a contrast c'beta; n analysed periods.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from evalkit.inference import contrast

LINKS = ("identity", "log", "logit")


@dataclass(frozen=True, eq=False)
class Fit:
    """A fitted segmented regression.

    beta         coefficients on the scale of the link, shape (k,)
    covariance   their covariance, shape (k, k)
    df           degrees of freedom of Student's t for every contrast; inf for the normal distribution
    innovations  what the error model leaves unexplained, standardised, shape (n,): white if it holds
    method       how it was fitted and what its errors allow for, a noun phrase
    link         `identity`, `log` or `logit`: X beta is the link of the expected outcome
    diagnostics  figures on the fit by name, such as rho, rho_low, rho_high, dispersion, sigma
    warnings     what the reader must know of this fit, one sentence each
    """

    beta: np.ndarray
    covariance: np.ndarray
    df: float
    innovations: np.ndarray
    method: str
    link: str = "identity"
    diagnostics: dict[str, float] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    def contrast(self, weights: np.ndarray) -> tuple[float, float, float]:
        """c'beta, its standard error, and its degrees of freedom; weights shape (k,)."""
        return *contrast(self.beta, self.covariance, weights), self.df


def expected(link: str, predictor: np.ndarray) -> np.ndarray:
    """The expected outcome at a linear predictor: its value, exp, or 1/(1+exp(-.)); shape as given."""
    if link == "log":
        return np.exp(predictor)
    if link == "logit":
        return 1 / (1 + np.exp(-predictor))
    return predictor


def sensitivity(link: str, mean: np.ndarray) -> np.ndarray:
    """How the expected outcome moves with its linear predictor, d mean / d eta, at `mean`; shape as given."""
    if link == "log":
        return mean
    if link == "logit":
        return mean * (1 - mean)
    return np.ones_like(mean)
