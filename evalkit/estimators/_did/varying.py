"""A headline adjusted for what changes over time within units, such as other programmes.

On the unit-periods that joining has not touched,

    Y_it = alpha_i + lambda_t + X_it' beta + e_it

and the headline theta, a weighted sum of outcomes, is taken of Y - X' beta:

    adjusted = theta(Y) - theta(X)' beta,     psi_g = psi_g(Y - X' beta) - theta(X)' psi_g(beta)

with psi_g what cluster g contributes. For imputation this is the design with X in its untreated model (Borusyak,
Jaravel and Spiess 2024, Rev Econ Stud 91:3253, equation 5); for the others the same adjustment made beforehand. It
takes an effect of X to be the same everywhere, and joining to leave X alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evalkit import inference
from evalkit.errors import DesignError
from evalkit.estimators._did.absorb import Sample, period_effects
from evalkit.estimators._did.layout import Layout
from evalkit.estimators._did.linear import Linear, add_up
from evalkit.inference import RANK


@dataclass(frozen=True, eq=False)
class Adjusted:
    """The adjusted headline.

    estimate  one figure
    psi       contributions by cluster, shape (G,)
    beta      effects of X, shape (p,)
    moved     theta(X), what the headline finds in X itself, shape (p,)
    """

    estimate: float
    psi: np.ndarray
    beta: np.ndarray
    moved: np.ndarray


def adjusted(linear: Linear, arrays: Layout, untouched: np.ndarray, X: np.ndarray) -> Adjusted:
    """The headline of `linear` adjusted for X.

    arrays     what `linear` was made from
    untouched  its unit-periods that joining has not touched, booleans, shape (n, T)
    X          shape (p, n, T)

    Raises DesignError when X cannot be told from unit and period effects, or from itself, where nobody was touched.
    """
    X = np.where(arrays.seen, X, 0.0)
    beta, own = _effects(arrays, untouched, X)
    left = arrays.Y - np.tensordot(beta, X, 1)
    moved = linear.estimate(X)[:, 0]
    return Adjusted(float(linear.estimate(left)[0]), linear.by_cluster(left)[:, 0] - own @ moved, beta, moved)


def _effects(arrays: Layout, untouched: np.ndarray, X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """beta, shape (p,), and contributions to it by cluster, shape (G, p)."""
    weight = np.where(untouched & arrays.seen, arrays.weight, 0.0)
    sample = Sample(np.ones(len(weight)), weight, np.ones((len(weight), 1)))
    periods = period_effects(sample)

    def left_of(values: np.ndarray) -> np.ndarray:
        """Weighted residuals on unit and period effects; shape as given."""
        return sample.sweep(values - periods.fitted(periods.effects(values)))

    swept = np.stack([left_of(x) for x in X])
    raw = (weight * X**2).sum(axis=(1, 2))
    gram = np.einsum("pit,qit->pq", swept, X)
    size = np.sqrt(np.where(np.diag(gram) > RANK * raw, np.diag(gram), 0.0))
    alone = gram / np.outer(size, size) if (size > 0).all() else np.zeros_like(gram)
    if np.linalg.eigvalsh(alone).min() <= RANK:
        raise DesignError("where joining touched nothing, it cannot be told from unit and period effects")
    inverse = np.linalg.inv(gram)
    beta = inverse @ np.einsum("pit,it->p", swept, arrays.Y)
    rest = arrays.Y - np.tensordot(beta, X, 1)
    rest = rest - periods.fitted(periods.effects(rest))
    total = weight.sum(axis=1)
    rest -= ((weight * rest).sum(axis=1) / np.where(total > 0, total, 1.0))[:, None]
    score = np.einsum("pit,it->ip", swept, rest) @ inverse
    psi = add_up(score, arrays.cluster) if arrays.gathered else score
    rows, used = int((weight > 0).sum()), len(np.unique(arrays.cluster[(weight > 0).any(axis=1)]))
    factor = inference.cluster_factor(used, rows, len(X) + periods.rank + 1)
    return beta, np.sqrt(factor) * psi
