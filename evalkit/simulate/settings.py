"""What a demonstration is made of: frozen settings, no figures of its own.

Every spread, depth and effect is in the measure's own unit (percentage points, days, per
1,000), except in a measure on the logit scale, where it is in logits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from evalkit.periods import Frequency


@dataclass(frozen=True)
class Volume:
    """A column that says how much is seen: attendances, waiting list, population."""

    column: str
    median: float  # over units, a period
    unit_sd: float  # of the logarithm, between units
    within_sd: float = 0.0  # of the logarithm, within a unit after shared movements
    growth: float = 0.0  # a year
    season: float = 0.0  # summer above winter by twice this share
    by_days: bool = False  # follows the number of days in the period


@dataclass(frozen=True)
class Dip:
    """A run of periods in which every unit is moved by `depth`, such as strikes."""

    first: str
    last: str
    depth: float


@dataclass(frozen=True)
class Effect:
    """What joining does: it grows in equal steps over `build` periods to `size`, then stays."""

    size: float = 0.0  # mean over units
    spread: float = 0.0  # standard deviation over units
    build: int = 1


@dataclass(frozen=True)
class Measure:
    """One outcome: its untreated course, its noise, and what joining does to it.

    `unit_sd`, `within_sd` and `rho` belong to the process; after unit and period means are
    taken out of a finite panel, the spread within units and the autocorrelation come out lower.
    """

    name: str  # of the outcome, as in the protocol
    column: str  # of the panel that holds the numerator or value
    of: str  # column of the denominator, or of the number of stays behind a mean
    kind: Literal["share", "rate", "mean"]
    course: tuple[tuple[str, float], ...]  # shared level at dates, straight lines between them
    unit_sd: float
    within_sd: float
    rho: float
    logit: bool = False
    winter: float = 0.0  # added in December (or the first quarter), less in the months around it
    dips: tuple[Dip, ...] = ()
    shared_sd: float = 0.0  # noise that all units share
    per: float = 1000.0  # of a rate
    stay_sd: float = 0.0  # of a single stay behind a mean
    bounds: tuple[float, float] = (2.0, 98.0)  # of the expected value, when not on the logit scale
    effect: Effect = Effect()


@dataclass(frozen=True)
class Wave:
    """So many units join in one period."""

    joined: str
    units: int


@dataclass(frozen=True)
class Selection:
    """Entry of the worst: lowest first measure over `first` to `last`, judged with some error."""

    first: str
    last: str
    noise: float  # standard deviation of the judgement's error


@dataclass(frozen=True)
class Missing:
    """Values that are not reported, the more often the worse (here: higher) they are."""

    column: str
    share: float  # about this share of the values
    tilt: float  # a value one standard deviation higher is exp(tilt) times as likely to be missing


@dataclass(frozen=True)
class Support:
    """Another programme that reaches a share of the units by lot, joined or not, and does nothing."""

    column: str  # of the rollout, with `_from` and `_to` behind it
    share: float
    first: str  # it begins between these two
    last: str
    periods: int  # how long it runs


@dataclass(frozen=True)
class Demonstration:
    """One simulated collaborative. The first measure is the primary outcome."""

    name: str
    seed: int
    unit: str  # what a unit is called, and its column
    prefix: str  # of the unit codes
    units: int
    frequency: Frequency  # also the column of the period
    window: tuple[str, str]
    volumes: tuple[Volume, ...]
    measures: tuple[Measure, ...]
    waves: tuple[Wave, ...]
    transition: int  # periods after joining that count as neither before nor after
    selection: Selection | None = None
    missing: Missing | None = None
    support: Support | None = None
    segments: bool = False  # whether the rollout has an oversight segment
