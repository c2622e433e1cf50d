"""The wild cluster bootstrap of a linear design: `inference.wild` with the design's own response."""

from __future__ import annotations

import numpy as np

from evalkit import inference
from evalkit.estimators._did.layout import Layout
from evalkit.estimators._did.linear import Linear, add_up

TURNS = 10_000  # of sweeping unit and cell means in turn
TYPES = 32  # types up to which sums over them are all that a draw needs
FEW = 400  # clusters up to which the response is a matrix
STILL = 1e-12  # a sweep that moves nothing by more than this share is the last


def residuals(layout: Layout) -> np.ndarray:
    """Y less unit effects and the mean of each cohort in each period, shape (n, T).

    What is left when every cohort has effects of its own in every period: the residual of a model that no
    design here restricts. On a balanced panel one sweep is enough.
    """
    w, group = layout.weight, layout.group
    E = layout.Y.copy()
    size = max(float(np.abs(E).max()), np.finfo(float).tiny)
    by_unit = np.maximum(w.sum(axis=1, keepdims=True), np.finfo(float).tiny)
    by_cell = np.maximum(_cells(w, group), np.finfo(float).tiny)
    for _ in range(TURNS):
        before = E
        E = E - (w * E).sum(axis=1, keepdims=True) / by_unit
        E = np.where(layout.seen, E - (_cells(w * E, group) / by_cell)[group], 0.0)
        if np.abs(E - before).max() <= STILL * size:
            break
    return E


def _cells(values: np.ndarray, group: np.ndarray) -> np.ndarray:
    out = np.zeros((group.max() + 1, values.shape[1]))
    np.add.at(out, group, values)
    return out


def wild(layout: Layout, linear: Linear, column: int, E: np.ndarray, **chosen: int) -> inference.Wild:
    """Draws for one quantity.

    E       residuals of the unrestricted model, shape (n, T)
    chosen  `fewest_signs` and `seed` of `inference.wild`
    """
    one = linear.pick([column])
    W = one.spread()[:, :, 0]
    weight = np.where(layout.weight > 0, layout.weight, 1.0)
    d = W / weight / (W * W / weight).sum()
    E = E - (W * E).sum() * d  # what is left of the quantity itself must be nought
    psi = one.by_cluster(layout.Y)[:, 0]
    order = inference.own_order(np.column_stack([psi, _levels(layout)]))  # neither names nor order of clusters matter
    codes = np.unique(layout.cluster, return_inverse=True)[1]
    place = np.empty(len(order), int)
    place[order] = np.arange(len(order))
    of = place[codes]
    theta, error = float(one.estimate(layout.Y)[0]), float(np.sqrt(psi @ psi))
    if len(one.types.count) <= TYPES and len(psi) > FEW:
        return inference.wild(theta, error, len(psi), _figures(one, W, of, (E, d)), **chosen)
    respond = (_response(one, W, of, E), _response(one, W, of, d))
    return inference.wild(theta, error, len(psi), respond, **chosen)


def _levels(layout: Layout) -> np.ndarray:
    """Mean outcome of each cluster less that of all, shape (G,): tells clusters apart that contribute alike."""
    w = layout.weight
    total = add_up((w * layout.Y).sum(axis=1), layout.cluster) / np.maximum(
        add_up(w.sum(axis=1), layout.cluster), 1e-300
    )
    found: np.ndarray = total - total.mean()
    return found


def _figures(
    one: Linear, W: np.ndarray, of: np.ndarray, outcomes: tuple[np.ndarray, np.ndarray]
) -> inference.Figures:
    """What `inference.Wild` keeps of a draw, without psi of every cluster.

    psi_c = f_c a_c - sum_u n_cu m_u(f), with f_c the factors, a_c what cluster c's own outcomes add, n_cu its units
    of type u and m_u, the centre of that type, linear in f. So the sum over clusters of psi psi' is

        sum_c f_c^2 a_c a'_c - m'.(sum_c f_c n_c a_c) - m.(sum_c f_c n_c a'_c) + m'(sum_c n_c n_c') m'

    in which all but the first are products of the factors with as many columns as there are types.
    """
    types, T, G = one.types, W.shape[1], int(of.max()) + 1
    U = len(types.count)
    v = (one.weights if one.own is None else one.own)[:, :, 0]
    centre = one.centre(np.eye(U * T).reshape(-1, U, T))[..., 0].reshape(U, T, U)
    units = np.zeros((G, U))
    np.add.at(units, (of, types.of), 1.0)
    tops = [add_up((W * x).sum(axis=1), of) for x in outcomes]
    owns = [add_up((v[types.of] * x).sum(axis=1), of) for x in outcomes]
    centres = []
    for x in outcomes:
        each = np.empty((len(of), U))
        for u, members in enumerate(types.members):
            each[members] = x[members] @ centre[u] / len(members)
        centres.append(add_up(each, of))
    columns = np.column_stack([*tops, *centres, *(units * own[:, None] for own in owns)])
    products = np.column_stack([owns[0] ** 2, owns[0] * owns[1], owns[1] ** 2])
    shared = units.T @ units

    def figures(factors: np.ndarray) -> np.ndarray:
        found = factors @ columns
        m0, m1, s0, s1 = np.split(found[:, 2:], 4, axis=1)
        below = (factors * factors) @ products
        below[:, 0] += (((m0 @ shared) - 2 * s0) * m0).sum(axis=1)
        below[:, 1] += ((m0 @ shared) * m1 - m1 * s0 - m0 * s1).sum(axis=1)
        below[:, 2] += (((m1 @ shared) - 2 * s1) * m1).sum(axis=1)
        return np.column_stack([found[:, :2], one.factor * below])

    return figures


def _response(one: Linear, W: np.ndarray, of: np.ndarray, E: np.ndarray) -> inference.Respond:
    """theta and psi of E times a factor a cluster, as a function of the factors."""
    types = one.types
    v = one.weights if one.own is None else one.own
    own = add_up((v[types.of][:, :, 0] * E).sum(axis=1), of)
    top = add_up((W * E).sum(axis=1), of)
    balanced = len(types.count) < len(types.of)

    def means(factors: np.ndarray) -> np.ndarray:
        if not balanced:
            return factors[:, of][:, types.first, None] * E[types.first]
        return np.stack([factors[:, of[m]] @ E[m] / len(m) for m in types.members], axis=1)

    def respond(factors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        psi = factors * own - _centred(one, means(factors), of, factors.shape[1])
        return factors @ top, np.sqrt(one.factor) * psi

    if len(top) > FEW:
        return respond
    _, each = respond(np.eye(len(top)))  # linear in the factors: the response to one cluster at a time is all of it
    return lambda factors: (factors @ top, factors @ each)


def _centred(one: Linear, means: np.ndarray, of: np.ndarray, clusters: int) -> np.ndarray:
    """The centres of all units of a cluster added up, shape (B, G)."""
    centre = one.centre(means)[..., 0]
    count = np.zeros((centre.shape[1], clusters))
    np.add.at(count, (one.types.of, of), 1.0)
    out: np.ndarray = centre @ count
    return out
