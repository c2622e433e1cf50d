"""Pure array functions that a simulated panel is made of. Arrays are units by periods throughout."""

from __future__ import annotations

from math import prod

import numpy as np

NEVER = -1  # position of the joining period of a unit that does not join
WINTER = {11: 0.3, 12: 1.0, 1: 0.8, 2: 0.5}  # share of a winter's depth, by month


def normals(seed: int, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Standard normal draws of `shape` from a stream of their own.

    The name is part of the seed, so that a column added later changes no other. Made from the raw
    bits of PCG64 (Box and Muller's transformation), because numpy promises those bits for ever and
    does not promise its own normal draws from one version to the next.
    """
    size = prod(shape)
    bits = np.random.PCG64(np.random.SeedSequence(seed, spawn_key=tuple(name.encode())))
    raw = np.asarray(bits.random_raw(2 * size))
    uniform = ((raw >> np.uint64(11)).astype(float) + 0.5) * 2.0**-53
    radius = np.sqrt(-2.0 * np.log(uniform[:size]))
    out: np.ndarray = (radius * np.cos(2.0 * np.pi * uniform[size:])).reshape(shape)
    return out


def levels(draws: np.ndarray, sd: float) -> np.ndarray:
    """Unit levels with mean 0 and standard deviation `sd` exactly. `draws` has shape (units,)."""
    out: np.ndarray = sd * (draws - draws.mean()) / draws.std(ddof=1)
    return out


def ar1(draws: np.ndarray, sd: float, rho: float) -> np.ndarray:
    """Stationary first-order autoregression along the periods, from draws (units, periods)."""
    out = sd * draws
    for t in range(1, out.shape[1]):
        out[:, t] = rho * out[:, t - 1] + np.sqrt(1.0 - rho**2) * out[:, t]
    return out


def winters(month: np.ndarray, year: np.ndarray, depths: np.ndarray) -> np.ndarray:
    """What each period shares of its winter's depth; shape (periods,).

    `month` is the calendar month of each period; `depths` has one figure for each winter from the
    one that ends in the first year on. November and December belong to the winter of the next year.
    """
    share = np.array([WINTER.get(int(m), 0.0) for m in month])
    winter = year + (month >= 11) - year.min()  # noqa: PLR2004 - November
    out: np.ndarray = share * depths[winter]
    return out


def ramp(since: np.ndarray, build: int) -> np.ndarray:
    """Share of the full effect by periods since joining: equal steps over `build`; 0 before and for never (NaN)."""
    return np.nan_to_num(np.clip((since + 1.0) / build, 0.0, 1.0))


def since_joining(joined: np.ndarray, periods: int) -> np.ndarray:
    """Periods since joining, negative before and NaN for never; (units,) positions -> (units, periods)."""
    start = np.where(joined == NEVER, np.nan, joined)
    out: np.ndarray = np.arange(periods) - start[:, None]
    return out


def lowest_first(score: np.ndarray, starts: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """The joining position of each unit, shape (units,): the lowest scores fill the first wave, and so on."""
    out = np.full(len(score), NEVER)
    order = np.argsort(score, kind="stable")
    out[order[: sizes.sum()]] = np.repeat(starts, sizes)
    return out


def logit(percent: np.ndarray) -> np.ndarray:
    """Logits of percentages, any shape."""
    out: np.ndarray = np.log(percent / (100.0 - percent))
    return out


def percent_of(logits: np.ndarray) -> np.ndarray:
    """Percentages of logits, any shape."""
    out: np.ndarray = 100.0 / (1.0 + np.exp(-logits))
    return out


def share_count(size: np.ndarray, percent: np.ndarray, draws: np.ndarray) -> np.ndarray:
    """How many of `size` have it: binomial mean and variance, normal draws, rounded, kept in 0..size."""
    share = percent / 100.0
    count = np.rint(size * share + draws * np.sqrt(size * share * (1.0 - share)))
    return np.clip(count, 0.0, size)


def rate_count(expected: np.ndarray, draws: np.ndarray) -> np.ndarray:
    """How many there are: Poisson mean and variance, normal draws, rounded, never negative."""
    return np.maximum(np.rint(expected + draws * np.sqrt(expected)), 0.0)


def tilted(values: np.ndarray, share: float, tilt: float) -> np.ndarray:
    """The chance that each value is not reported, about `share` on average and higher for higher values."""
    centred = (values - values.mean()) / values.std()
    weight = np.exp(tilt * centred)
    return np.minimum(share * weight / weight.mean(), 1.0)


def gap_change(series: np.ndarray, joined: np.ndarray, transition: int, base: np.ndarray | None) -> float:
    """How the gap between joiners and the rest changes from the base periods to after joining.

    For each unit that joins: its mean over its own periods after the transition less its mean over
    the base positions (None: all before it joined), less the same for the units that never join;
    averaged over joining units.
    """
    total, rest = 0.0, joined == NEVER
    for start in np.unique(joined[~rest]):
        before = np.arange(start) if base is None else base
        change = series[:, start + transition :].mean(axis=1) - series[:, before].mean(axis=1)
        wave = joined == start
        total += (change[wave] - change[rest].mean()).sum()
    return float(total / (~rest).sum())


def expected_return(score: np.ndarray, base: np.ndarray, periods: int, spread: tuple[float, ...]) -> np.ndarray:
    """The deviation from its own level to be expected of each unit in each period, given its score.

    The score is the mean over the base positions plus an error; spread = (unit_sd, within_sd, rho,
    noise). Normal theory: covariance with the score over its variance, times the score's distance
    from the mean. Returns (units, periods).
    """
    unit_sd, within_sd, rho, noise = spread
    lag = np.abs(np.arange(periods)[:, None] - base[None, :])
    covariance = within_sd**2 * (rho**lag).mean(axis=1)
    variance = unit_sd**2 + covariance[base].mean() + noise**2
    out: np.ndarray = (score - score.mean())[:, None] * covariance[None, :] / variance
    return out
