"""Bunching below a threshold from counts in bands: a smooth course drawn through the bands away from it.

With s_j the share in band j, w_j its width and x_jk the mean of x^k over the band, x the distance from the threshold,
the density of the fitted bands is a polynomial,

    s_j / w_j = sum_k b_k x_jk + e_j,   k = 0..p,   least squares with weights w_j,
    subject to  sum_{j in N, M} w_j sum_k b_k x_jk = sum_{j in N, M} s_j,

N the bands just below the threshold and M those just above, neither of them fitted. The excess is what N holds
beyond it, E = sum_{j in N} (s_j - w_j sum_k b_k x_jk). By the constraint the same is missing from M: what is found
below came from just above. Weights are widths because the variance of a density is about itself over its width.
Means over bands, and not heights in their middle, make bands of any width fit one curve. E is a fixed weighted sum
of the shares.

Window and order follow from the edges alone: N reaches back an eighth of the way from the start to the threshold, M
on for twice as far as N, each at least one band; two bands below and a closed one above are always left to fit.
Closed bands up to twice the distance of the threshold are fitted, at least one above; the order is two less than
their number, at most 4. Sources: Chetty, Friedman, Olsen and Pistaferri (2011), Q J Econ 126:749, for the estimator
and its integration constraint; Kleven (2016), Annu Rev Econ 8:435, for windows at a threshold that is worth leaping.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evalkit.errors import DesignError

NEAR = 8  # N reaches back 1 / 8 of the way: half an hour before four hours
BEYOND = 2  # M is this many times as wide as N
REACH = 2  # closed bands up to this many times the distance of the threshold are fitted
HIGHEST = 4  # order of the polynomial
LEAST_BELOW, LEAST_FITTED = 2, 3
ROUNDING = 1e-12  # of the range: edges that far apart are the same


@dataclass(frozen=True, eq=False)
class Smooth:
    """The smooth course as weights on the shares of J bands.

    near      bands just below the threshold (N), booleans, shape (J,)
    beyond    bands just above it (M), booleans, shape (J,)
    fitted    bands that the polynomial is fitted to, booleans, shape (J,)
    order     p
    expected  (J, J): expected @ shares is what the curve holds in each band, nought in bands without one
    """

    near: np.ndarray
    beyond: np.ndarray
    fitted: np.ndarray
    order: int
    expected: np.ndarray

    @property
    def covered(self) -> np.ndarray:
        """Bands in which there is a curve, booleans, shape (J,)."""
        found: np.ndarray = self.near | self.beyond | self.fitted
        return found

    @property
    def weights(self) -> np.ndarray:
        """The excess is weights @ shares; shape (J,)."""
        found: np.ndarray = self.near - self.near @ self.expected
        return found

    def excess(self, shares: np.ndarray) -> np.ndarray:
        """E; shapes (..., J) -> (...), in the unit of the shares."""
        found: np.ndarray = shares @ self.weights
        return found

    def smooth(self, shares: np.ndarray) -> np.ndarray:
        """What the curve holds just below the threshold; shapes (..., J) -> (...)."""
        found: np.ndarray = shares @ (self.near @ self.expected)
        return found


def smooth(edges: np.ndarray, threshold: float) -> Smooth:
    """The smooth course for bands with these edges.

    edges      lower edges of the J bands, strictly increasing, shape (J,); the last band is open
    threshold  one of them

    Raises DesignError for edges out of order, a threshold that is no edge, and too few bands on either side.
    """
    if edges.ndim != 1 or len(edges) <= 1 or not np.isfinite(edges).all() or (np.diff(edges) <= 0).any():
        raise DesignError("the edges of bands must be finite and increase from one to the next")
    at = int(np.argmin(np.abs(edges - threshold)))
    if abs(edges[at] - threshold) > ROUNDING * (edges[-1] - edges[0]):
        raise DesignError(f"the threshold {threshold:g} is no edge of a band", fix="split a band there")
    near, beyond, fitted = _window(edges, at)
    order = min(int(fitted.sum()) - LEAST_FITTED + 1, HIGHEST)
    return Smooth(near, beyond, fitted, order, _expected(edges, at, (near | beyond, fitted), order))


def _window(edges: np.ndarray, at: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """N, M and the fitted bands; `at` is the first band above the threshold."""
    J = len(edges)
    closed = J - 1
    if at <= LEAST_BELOW or closed - at < LEAST_BELOW:
        raise DesignError(
            f"{at} bands below the threshold and {J - at} above it, and 3 are needed on either side",
            fix="split the bands further",
        )
    distance = edges[at] - edges[0]
    slack = ROUNDING * distance
    lower, upper = edges[:-1], edges[1:]
    first = min(int(np.argmax(lower >= edges[at] - distance / NEAR - slack)), at - 1)
    first = max(first, LEAST_BELOW)
    reach = edges[at] + BEYOND * (edges[at] - edges[first]) + slack
    last = at + max(1, int((upper[at:] <= reach).sum()))
    last = min(last, closed - 1)
    end = max(int((upper <= edges[0] + REACH * distance + slack).sum()), last + 1)
    band = np.arange(J)
    near, beyond = (band >= first) & (band < at), (band >= at) & (band < last)
    return near, beyond, (band < first) | ((band >= last) & (band < end))


def _expected(edges: np.ndarray, at: int, bands: tuple[np.ndarray, np.ndarray], order: int) -> np.ndarray:
    """Shares -> what the constrained polynomial holds in the window and the fitted bands, shape (J, J)."""
    window, fitted = bands
    J = len(edges)
    upto = int(np.flatnonzero(window | fitted).max()) + 1
    far = max(edges[at] - edges[0], edges[upto] - edges[at])
    a, b = (edges[:upto] - edges[at]) / far, (edges[1 : upto + 1] - edges[at]) / far
    k = np.arange(1, order + 2)
    mass = (b[:, None] ** k - a[:, None] ** k) / k  # width times the mean of x^k, widths over `far`
    mass = np.vstack([mass, np.zeros((J - upto, order + 1))])
    width = np.append(b - a, np.ones(J - upto))[:, None]
    X = np.where(fitted[:, None], mass / np.sqrt(width), 0.0)
    Y = np.where(fitted[:, None], np.eye(J) / np.sqrt(width), 0.0)
    # the constraint m'b = s(window) leaves order coefficients free: b = m s(window) / m'm + free @ g
    m = mass[window].sum(axis=0)
    free = np.linalg.svd(m[None, :])[2][1:].T
    start = np.outer(m / (m @ m), window.astype(float))
    b_of = start + free @ np.linalg.lstsq(X @ free, Y - X @ start, rcond=None)[0]
    found: np.ndarray = np.where((window | fitted)[:, None], mass @ b_of, 0.0)
    return found
