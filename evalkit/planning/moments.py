"""Stated moments of an outcome, and panels simulated from them.

    Y_it = mean + u_i + e_it,    sd(u) = between,    e_it = rho e_i,t-1 + v_it,    sd(e) = within

u and v normal. What moves all units alike, such as winters, drops out of every comparison between units. A series of
the joined units alone holds it, so for those designs

    S_t = r S_t-1 + w_t,    sd(S) = shared,    r = shared_rho

is added, what is left of it once trend and season are taken out. Where it is not stated a third of `within` and the
same autocorrelation are taken, and said to be: on the national Type 1 four-hour and 18-week series of April 2022 to
February 2026 it is 0.26 and 0.28 of `within`, two pairs of harmonics taken out. Moments are taken from a panel's
untouched unit-periods by fitting unit and period effects and asking which within and rho give residuals of the size
and persistence seen: fitting effects takes from both, the more the shorter the series, so the plain moments of
residuals are too small.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace

import numpy as np

from evalkit import numbers
from evalkit.errors import DesignError, Fault, RunError
from evalkit.estimators._did.absorb import Sample, period_effects
from evalkit.estimators._did.headline import Rule
from evalkit.periods import Frequency
from evalkit.planning.plan import Plan
from evalkit.planning.source import Source
from evalkit.simulate import design
from evalkit.study.options import ModelOptions

NAMES = ("mean", "between", "within", "rho")
OPTIONAL = ("shared", "shared_rho")
THIRD = 1 / 3  # of `within`: what is shared, where it is not stated
EXAMPLE = "mean=59,between=9,within=4.3,rho=0.6"
STEEPEST, STEPS = 0.995, 50  # autocorrelation searched; halvings
AT_BOUND = 0.99  # from here on persistence and lasting differences between units cannot be told apart
SURELY = 3.0  # standard deviations above nought: one outcome in a thousand is below
FEWEST = 3  # periods of a unit's series without which it says nothing of persistence


@dataclass(frozen=True)
class Moments:
    """What is stated of an outcome, in its own unit.

    mean     mean over units and periods
    between  standard deviation of unit means
    within   standard deviation within a unit, once what moves all units alike is taken out
    rho      autocorrelation of that from one period to the next
    frequency, level, label, unit, sign  of the outcome; sign 1 where higher is better, -1 where lower is
    origin   what captions say of it
    shared   standard deviation of what moves all units alike; a third of `within` where None
    shared_rho  its autocorrelation; `rho` where None

    Raises DesignError with every fault.
    """

    mean: float
    between: float
    within: float
    rho: float
    frequency: Frequency = "month"
    level: float = 0.95
    label: str = "Outcome of the stated moments"
    unit: str = "units of the outcome"
    sign: int = 1
    origin: str = "simulated from stated moments"
    shared: float | None = None
    shared_rho: float | None = None

    def __post_init__(self) -> None:
        given = [name for name in (*NAMES, *OPTIONAL) if name in NAMES or getattr(self, name) is not None]
        faults = [Fault(f"{name} is not a finite number", "moments") for name in given if not _finite(self, name)]
        if faults:
            raise DesignError(faults)
        if self.between < 0:
            faults.append(Fault("between is negative", "moments", "a standard deviation is 0 or more"))
        if self.within <= 0:
            faults.append(
                Fault("within is not above 0", "moments", "without variation within units nothing is unsure")
            )
        if not -1 < self.rho < 1:
            faults.append(Fault("rho is not between -1 and 1", "moments"))
        if self.shared is not None and self.shared < 0:
            faults.append(Fault("shared is negative", "moments", "a standard deviation is 0 or more"))
        if self.shared_rho is not None and not -1 < self.shared_rho < 1:
            faults.append(Fault("shared_rho is not between -1 and 1", "moments"))
        if faults:
            raise DesignError(faults)

    def rule(self, design_name: str) -> Rule:  # noqa: ARG002 - as for measured baselines
        """No option of any design is changed."""
        return Rule()

    def options(self) -> ModelOptions:
        """Those of every design by default."""
        return ModelOptions()

    @property
    def common(self) -> tuple[float, float]:
        """Standard deviation and autocorrelation of what moves all units alike, as stated or taken."""
        size = self.within * THIRD if self.shared is None else self.shared
        return size, self.rho if self.shared_rho is None else self.shared_rho

    def shared_sentence(self) -> str:
        """What moves all units alike, in words, and what of it was not stated."""
        size, rho = self.common
        taken = [
            *(["a third of that within units"] if self.shared is None else []),
            *(["the same autocorrelation"] if self.shared_rho is None else []),
        ]
        said = f" ({' and '.join(taken)}, not stated)" if taken else ""
        return (
            f"beyond trend and season all units move together with standard deviation "
            f"{numbers.number(size, numbers.decimals_for([size]))} and autocorrelation {numbers.number(rho, 2)}{said}"
        )

    def sentence(self) -> str:
        """The moments in words."""
        places = numbers.decimals_for([self.within])
        return (
            f"mean {numbers.number(self.mean, places)}, standard deviation {numbers.number(self.between, places)} "
            f"between units and {numbers.number(self.within, places)} within, autocorrelation "
            f"{numbers.number(self.rho, 2)}"
            + (", at its bound: units keep their distances for years" if self.rho >= AT_BOUND else "")
        )

    def source(self, plan: Plan) -> Source:
        """Simulated panels of the plan's size."""
        n, T = plan.units, plan.length

        def courses(draws: int, random: np.random.Generator) -> np.ndarray:
            level = self.between * random.standard_normal((draws, n, 1))
            noise = random.standard_normal((T, draws * n)).T  # whole periods lie together, along which it goes
            return self.mean + level + design.ar1(noise, self.within, self.rho).reshape(draws, n, T)

        size, rho = self.common

        def shared(draws: int, random: np.random.Generator) -> np.ndarray:
            return size * design.ar1(random.standard_normal((draws, T)), 1.0, rho)

        text = f"panels of {numbers.of(n, 'unit')} {self.origin} ({self.sentence()})"
        positive = self.mean > SURELY * math.hypot(self.between, self.within)
        return Source(plan, courses, 1.0, text, positive, shared, self.shared_sentence())


def _finite(moments: Moments, name: str) -> bool:
    value = getattr(moments, name)
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def parse(text: str, frequency: Frequency = "month") -> Moments:
    """Moments from `mean=59,between=9,within=4.3,rho=0.6`. Raises RunError or DesignError with every fault."""
    found: dict[str, float] = {}
    faults = []
    for part in text.split(","):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals or name not in (*NAMES, *OPTIONAL):
            known = ", ".join(f"{n}=NUMBER" for n in (*NAMES, *OPTIONAL))
            faults.append(Fault(f"'{part.strip()}' is not one of {known}"))
        elif name in found:
            faults.append(Fault(f"{name} is given twice"))
        else:
            found[name] = _read(name, value, faults)
    absent = [name for name in NAMES if name not in found]
    if absent and not faults:
        faults.append(Fault(f"{', '.join(absent)} not stated: nothing is assumed of an outcome"))
    if faults:
        raise RunError([Fault(f.what, "--moments", f"write it like {EXAMPLE}") for f in faults])
    stated = Moments(found["mean"], found["between"], found["within"], found["rho"], frequency)
    return replace(stated, shared=found.get("shared"), shared_rho=found.get("shared_rho"))


def _read(name: str, value: str, faults: list[Fault]) -> float:
    try:
        return float(value)
    except ValueError:
        faults.append(Fault(f"'{value}' is no number for {name}"))
        return 0.0


def fitted(Y: np.ndarray, seen: np.ndarray) -> dict[str, float]:
    """The moments of outcomes; Y, shape (n, T), seen, booleans, shape (n, T).

    Raises DesignError when too little was seen, or residuals are nought.
    """
    kept = seen & (seen.sum(axis=1) >= FEWEST)[:, None]
    n = int(kept.any(axis=1).sum())
    free = int(kept.sum()) - n - int(kept.any(axis=0).sum()) + 1
    if n < FEWEST or free < FEWEST:
        raise DesignError("too few untouched unit-periods to take moments from")
    Y, kept = Y[kept.any(axis=1)], kept[kept.any(axis=1)]
    effects = period_effects(Sample(np.ones(n), kept.astype(float), np.ones((n, 1))))
    common = effects.fitted(effects.effects(Y))
    level = (kept * (Y - common)).sum(axis=1) / kept.sum(axis=1)
    residual = kept * (Y - common - level[:, None])
    square = float((residual**2).sum())
    if not square > 0:
        raise DesignError("the untouched unit-periods do not vary within units")
    product = float((residual[:, 1:] * residual[:, :-1]).sum())
    rho, share = _persistence(kept, product / square)
    within = math.sqrt(square * n / (n - 1) / share)  # period effects take one unit's worth
    mean = float(Y[kept].mean())
    spread = float(np.array([Y[i, k].mean() - common[i, k].mean() for i, k in enumerate(kept)]).std(ddof=1))
    return {"mean": mean, "between": spread, "within": within, "rho": rho}


def _persistence(kept: np.ndarray, wanted: float) -> tuple[float, float]:
    """The rho whose demeaned series have the wanted ratio of lagged products to squares, and their sum of squares.

    For a unit seen in periods S with R = rho^|s - t| and M = I - 11'/|S|: the expected residual covariance is M R M
    times within^2; its trace, and the sum of its elements one period apart, are added over units.
    """
    patterns, count = np.unique(kept, axis=0, return_counts=True)
    times = [np.flatnonzero(p) for p in patterns]

    def expected(rho: float) -> tuple[float, float]:
        square = product = 0.0
        for t, c in zip(times, count, strict=True):
            lag = np.abs(t[:, None] - t[None, :])
            R = np.where(lag == 0, 1.0, np.sign(rho) ** lag * abs(rho) ** lag)
            R = R - R.mean(axis=0)[None, :]
            R = R - R.mean(axis=1)[:, None]
            square += c * np.trace(R)
            product += c * R[np.subtract.outer(t, t) == 1].sum()
        return product / square, square

    low, high = -STEEPEST, STEEPEST
    for _ in range(STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if expected(middle)[0] < wanted else (low, middle)
    rho = (low + high) / 2
    return rho, expected(rho)[1]


def record(moments: Moments) -> dict[str, float | str]:
    """The moments by name."""
    return {f.name: getattr(moments, f.name) for f in fields(moments) if f.name in NAMES}
