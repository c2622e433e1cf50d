"""How waits spread around a threshold: columns of counts by band for a simulated share within it.

Waits follow a log-logistic law, so that the log odds of leaving by x are u + c log(x / threshold); of those who would
leave between the threshold and `pulled_from`, a share k leaves in the last band before it instead. u is such that the
share within the threshold is the measure's expected one, whatever k: bunching is a part of the share, not more of it.
Counts are drawn, from streams of their own, among those within and those beyond, so that the bands add up to the
measure's own columns exactly and change none of them.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from evalkit.simulate import design

if TYPE_CHECKING:
    from evalkit.simulate.potential import Simulated

STEPS = 60  # halvings that find u
WIDEST = 12.0  # u lies within this of nought


@dataclass(frozen=True)
class Waits:
    """A distribution behind a share within a threshold.

    Spreads and `extra` are of the share k of those just beyond the threshold who leave just before it.
    """

    measure: str
    columns: tuple[str, ...]  # one a band
    edges: tuple[float, ...]  # lower edges of the bands; the last one is open
    threshold: float
    pulled_from: float  # an edge: up to where departures are pulled before the threshold
    shape: float  # c
    pulled: float  # k in every unit
    unit_sd: float
    within_sd: float
    rho: float
    extra: float = 0.0  # what joining adds to k, built up as the measure's effect is
    build: int = 1


UEC = Waits(
    "within_4h",
    (
        "type1_0_60",
        "type1_60_120",
        "type1_120_180",
        "type1_180_210",
        "type1_210_240",
        "type1_240_270",
        "type1_270_300",
        "type1_300_360",
        "type1_360_480",
        "type1_480_up",
    ),
    (0.0, 60.0, 120.0, 180.0, 210.0, 240.0, 270.0, 300.0, 360.0, 480.0),
    threshold=240.0,
    pulled_from=300.0,
    shape=2.2,
    pulled=0.30,
    unit_sd=0.06,
    within_sd=0.03,
    rho=0.6,
    extra=0.04,
    build=12,
)
WAITS: dict[str, Waits] = {"uec": UEC}  # by demonstration


@dataclass(frozen=True, eq=False)
class Laws:
    """Where patients are expected.

    shares  of all by band, shape (bands, units, periods)
    moved   share of all pulled across the threshold, shape (units, periods)
    """

    shares: np.ndarray
    moved: np.ndarray


def banded(simulated: Simulated, sampling: float) -> dict[str, np.ndarray]:
    """The columns of a demonstration's bands, none where it has no distribution; `sampling` 0 leaves draws out."""
    waits = _of(simulated)
    if waits is None:
        return {}
    measure = next(m for m in simulated.settings.measures if m.name == waits.measure)
    k = pulled(waits, simulated.settings.seed, simulated.since, joining=True)
    found = laws(waits, simulated.treated[waits.measure], k)
    totals = (simulated.columns[measure.column], simulated.columns[measure.of])
    return columns(waits, found, totals, simulated.settings.seed, sampling)


def known(simulated: Simulated) -> dict[str, Any]:
    """`distribution`: what is true of it after joining and its transition; nothing where there is none."""
    waits = _of(simulated)
    if waits is None:
        return {}
    seed, since, measure = simulated.settings.seed, simulated.since, waits.measure
    untreated = laws(waits, simulated.untreated[measure], pulled(waits, seed, since, joining=False))
    treated = laws(waits, simulated.treated[measure], pulled(waits, seed, since, joining=True))
    return {"distribution": truth(waits, untreated, treated, since >= simulated.settings.transition)}


def _of(simulated: Simulated) -> Waits | None:
    waits = WAITS.get(simulated.settings.name)
    return waits if waits and waits.measure in simulated.treated else None


def pulled(waits: Waits, seed: int, since: np.ndarray, *, joining: bool) -> np.ndarray:
    """k of every unit and period, shape (units, periods); `joining` adds what joining does."""
    draws = design.normals(seed, f"{waits.measure}/pulled/unit", since.shape[:1])
    noise = design.ar1(
        design.normals(seed, f"{waits.measure}/pulled/within", since.shape), waits.within_sd, waits.rho
    )
    extra = waits.extra * design.ramp(since, waits.build) if joining else 0.0
    out: np.ndarray = np.clip(waits.pulled + waits.unit_sd * draws[:, None] + noise + extra, 0.0, 0.9)
    return out


def laws(waits: Waits, percent: np.ndarray, k: np.ndarray) -> Laws:
    """The law of waits whose share within the threshold is `percent`, with the share k pulled before it."""
    edges = np.array(waits.edges)
    at, end = edges.tolist().index(waits.threshold), edges.tolist().index(waits.pulled_from)
    wanted, reach = percent / 100.0, waits.shape * np.log(waits.pulled_from / waits.threshold)
    low, high = np.full(wanted.shape, -WIDEST), np.full(wanted.shape, WIDEST)
    for _ in range(STEPS):
        middle = 0.5 * (low + high)
        short = (1.0 - k) * _odds(middle) + k * _odds(middle + reach) < wanted
        low, high = np.where(short, middle, low), np.where(short, high, middle)
    far = waits.shape * np.log(edges[1:] / waits.threshold)
    by = np.concatenate([np.zeros((1, *wanted.shape)), _odds(low + far[:, None, None]), np.ones((1, *wanted.shape))])
    shares = np.diff(by, axis=0)
    moved = k * shares[at:end].sum(axis=0)
    shares[at:end] *= 1.0 - k
    shares[at - 1] += moved
    return Laws(shares, moved)


def columns(
    waits: Waits, found: Laws, totals: tuple[np.ndarray, np.ndarray], seed: int, sampling: float
) -> dict[str, np.ndarray]:
    """Whole counts by column.

    totals  how many are within the threshold, and how many there are, shape (units, periods) each; the bands before
            the threshold add up to the first, all of them to the second
    """
    at = waits.edges.index(waits.threshold)
    within, size = totals
    out: dict[str, np.ndarray] = {}
    for part, total in ((slice(0, at), within), (slice(at, None), size - within)):
        left, shares = total.copy(), found.shares[part]
        for j, column in enumerate(waits.columns[part]):
            rest = shares[j:].sum(axis=0)
            draws = sampling * design.normals(seed, f"{column}/sampling", left.shape)
            last = j == len(shares) - 1
            out[column] = left if last else design.share_count(left, 100.0 * shares[j] / rest, draws)
            left = left - out[column]
    return out


def truth(waits: Waits, untreated: Laws, treated: Laws, post: np.ndarray) -> dict[str, Any]:
    """What is true of the distribution after joining and its transition (`post`), in percentage points of all."""

    def mean(values: np.ndarray, where: np.ndarray) -> float:
        return round(float(100.0 * values[where].mean()), 4) + 0.0

    upper = [f"{edge:g}" for edge in waits.edges[1:]]
    names = [f"{a:g} to {b}" for a, b in zip(waits.edges, upper, strict=False)] + [f"{waits.edges[-1]:g} or more"]
    gain = treated.shares - untreated.shares
    return {
        "measure": waits.measure,
        "unit": "percentage points",
        "moved_across_without_joining": mean(untreated.moved, np.ones(post.shape, bool)),
        "moved_across_added_by_joining": mean(treated.moved - untreated.moved, post),
        "by_band": [{"band": name, "average_post": mean(g, post)} for name, g in zip(names, gain, strict=True)],
        "settings": asdict(waits),
    }


def _odds(logits: np.ndarray) -> np.ndarray:
    found: np.ndarray = 1.0 / (1.0 + np.exp(-logits))
    return found
