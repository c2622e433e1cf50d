"""The least effect that each design would find under a plan.

Outcomes without an effect go through each design; an effect of size r is added afterwards as in `placebos.power`, and
the least r that the interval tells from nought, on its side, in 80 % of the draws is the minimal detectable effect.
For units that join at once, T1 periods before and T2 after, and independent errors of standard deviation s it is

    ( t + z ) s sqrt( (1/a + 1/b) (1/T1 + 1/T2) )

t the quantile of Student's t for the interval and z the normal one for 80 % (Bloom 1995, Evaluation Review 19:547).
Persistent errors make it larger, and more periods then help less than more units do. Interrupted time series and
synthetic difference-in-differences go through `injected`, the latter in fewer draws.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from scipy import stats

from evalkit import inference, numbers
from evalkit.errors import DesignError, Fault
from evalkit.estimators import names, title
from evalkit.estimators._did.headline import DESIGNS, headline
from evalkit.estimators._did.linear import Linear
from evalkit.placebos.calibration import SEED
from evalkit.placebos.power import POWER, detectable
from evalkit.placebos.record import Calibrated
from evalkit.placebos.runs import PROFILES, Run, profiles
from evalkit.planning import series, synthetic
from evalkit.planning.plan import Plan
from evalkit.planning.series import CONTROLLED, OWN, columns_of
from evalkit.planning.source import Baseline, Source

PLANNED = (*DESIGNS, OWN, CONTROLLED, synthetic.NAME)
DRAWS = 1_000
FEWEST, MOST = 100, 50_000  # draws
BATCH = 200_000  # outcomes gone through at once: few enough for a processor's own memory
AT_ONCE = ("group_time", "imputation", "event_study")
LATER_WAVES = ("imputation", "two_stage", "extended_twoway")  # use their untouched periods
IN_WAVES = ("group_time", "imputation", "interaction_weighted", "extended_twoway", "two_stage")


@dataclass(frozen=True, eq=False)
class Minimal:
    """What one design would find.

    sizes           minimal detectable effect by profile, in the outcome's unit, per cent for `relative`
    sizes_error     error of the first of them from drawing
    std_error       median standard error, in the outcome's unit
    false_positive  share of draws without an effect whose interval excludes nought; monte_carlo its error
    draws           how many there were
    divided         what sizes and errors were divided by
    missed          profiles without a size, and why
    """

    design: str
    sizes: dict[str, float]
    sizes_error: float
    std_error: float
    false_positive: float
    monte_carlo: float
    draws: int
    divided: float = 1.0
    missed: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Detectable:
    """Every design under one plan.

    source   what was drawn, in words; blank where nothing could be
    notes    what else a reader must know of it, one sentence each, without full stops
    wider    what sizes and errors were divided by
    found    by design
    refused  by design, why not
    """

    baseline: Baseline
    plan: Plan
    source: str
    wider: float
    found: dict[str, Minimal]
    refused: dict[str, Fault]
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """The plan, and how many designs were computed."""
        done = f"{numbers.of(len(self.found), 'design')} computed, {len(self.refused)} refused"
        return f"{self.plan.sentence(self.baseline.frequency)}: {done}"

    def record(self) -> dict[str, Any]:
        """Everything by name, for programs, at full precision."""
        return {
            "outcome": self.baseline.label,
            "unit": self.baseline.unit,
            "level": self.baseline.level,
            "power": POWER,
            "origin": self.baseline.origin,
            "plan": asdict(self.plan),
            "source": self.source,
            "notes": list(self.notes),
            "divided_by": self.wider,
            "designs": [asdict(one) for one in self.found.values()],
            "refused": [{"design": design, "why": str(fault)} for design, fault in self.refused.items()],
        }


def suited(plan: Plan) -> tuple[str, ...]:
    """The designs that suit the plan's waves."""
    return AT_ONCE if plan.waves == 1 else IN_WAVES


def carrying(baseline: Baseline, plan: Plan) -> tuple[str, str]:
    """The two designs on which a finding rests: group-time effects, and imputation where later waves may help."""
    return (
        "group_time",
        "interaction_weighted" if baseline.rule("group_time").never and plan.waves > 1 else "imputation",
    )


def minimal(
    baseline: Baseline,
    plan: Plan,
    designs: Sequence[str] = (),
    draws: int = DRAWS,
    seed: int = SEED,
) -> Detectable:
    """The least effect that each design would find with 80 % power.

    baseline  a panel's untouched unit-periods (`measured`) or stated `Moments`
    designs   of `PLANNED`; default those that suit the plan

    The same seed gives the same figures. A design that the plan does not identify, and every design where
    the baseline cannot hold the plan, is refused with the reason. Raises DesignError for an unknown design
    or a number of draws out of range.
    """
    wanted = tuple(dict.fromkeys(designs)) or suited(plan)
    _sound(wanted, draws)
    try:
        source = baseline.source(plan)
    except DesignError as refusal:
        return Detectable(baseline, plan, "", 1.0, {}, dict.fromkeys(wanted, refusal.faults[0]))
    found, refused = {}, {}
    linears: dict[str, Linear] = {}
    for design in wanted:
        try:
            if design in DESIGNS:
                linears[design] = _weights(design, baseline, source.plan)
            else:
                found[design] = _refitted(design, baseline, source, draws, seed)
        except DesignError as refusal:
            refused[design] = refusal.faults[0]
    runs = _runs(linears, baseline, source, draws, seed)
    for design, run in runs.items():
        try:
            found[design] = _judged(run, baseline, source)
        except DesignError as refusal:
            refused[design] = refusal.faults[0]
    found = {design: found[design] for design in wanted if design in found}
    return Detectable(baseline, plan, source.sentence, source.wider, found, refused, _notes(source, found))


def _notes(source: Source, found: dict[str, Minimal]) -> tuple[str, ...]:
    """What designs need that are not weighted sums of outcomes."""
    out = []
    if OWN in found:
        out.append(f"{title(OWN)} holds what moves every unit: {source.common}")
        if source.wider > 1:
            out.append(f"Its sizes are those of {source.plan.joined} joined units and are not divided")
    if {OWN, CONTROLLED} & set(found):
        out.append("Series are planned on the outcome's own scale, without other interventions")
    out += [f"{title(one.design)}: {why}" for one in found.values() for why in one.missed.values()]
    few = {one.draws for one in found.values()}
    if len(few) > 1:
        out.append(
            f"{title(synthetic.NAME)} is fitted draw by draw, in {min(few)} of {numbers.count(max(few))} draws"
        )
    return tuple(out)


def _refitted(design: str, baseline: Baseline, source: Source, draws: int, seed: int) -> Minimal:
    """A design that is no weighted sum. Raises DesignError with the reason where it cannot be had."""
    if design == synthetic.NAME:
        one = synthetic.run(baseline, source, synthetic.blocks_of(source.plan, baseline), draws, seed)
    else:
        one = series.run(design, baseline, source, columns_of(design, source.plan, baseline), draws, seed)
    sign, wider = baseline.sign, 1.0 if one.common else source.wider
    sizes, missed = {}, {}
    for profile in [p for p in PROFILES if p in one.profiles]:
        try:
            sizes[profile] = one.least(profile, POWER, sign) / wider
        except DesignError as refusal:
            missed[profile] = refusal.faults[0].what
    if not sizes:
        raise DesignError("; ".join(missed.values()))
    noise = float(np.sqrt(POWER * (1 - POWER) / len(one.error)))
    ends = [one.least(next(iter(sizes)), POWER + side * noise, sign) / wider for side in (-1, 1)]
    rate = float((np.abs(one.estimate) > one.half).mean())
    error = float(np.sqrt(rate * (1 - rate) / len(one.error)))
    middle = float(np.median(one.error)) / wider
    return Minimal(design, sizes, (ends[1] - ends[0]) / 2, middle, rate, error, len(one.error), wider, missed)


def _sound(designs: tuple[str, ...], draws: int) -> None:
    fix = f"use some of {', '.join(PLANNED)}"
    unknown = [d for d in designs if d not in names()]
    if unknown:
        raise DesignError(f"there is no design called '{unknown[0]}'", fix=fix)
    other = [d for d in designs if d not in PLANNED]
    if other:
        raise DesignError(f"{title(other[0])} cannot be planned here", fix=fix)
    if isinstance(draws, bool) or not isinstance(draws, int) or not FEWEST <= draws <= MOST:
        raise DesignError(f"{draws} draws are not between {FEWEST} and {numbers.count(MOST)}")


def _weights(design: str, baseline: Baseline, plan: Plan) -> Linear:
    """A design's headline. Raises DesignError when the plan does not identify it."""
    if design == "twoway" and plan.waves > 1:
        raise DesignError(f"{title(design)} compares waves with waves that have already joined", fix="use group_time")
    rule = baseline.rule(design)
    if rule.never and not plan.comparison:
        raise DesignError("the protocol compares with units that never joined, and the plan has none")
    if rule.never and plan.waves > 1 and design in LATER_WAVES:
        raise DesignError(
            "it learns from later waves too, and the protocol allows only units that never joined as comparison",
            fix="use group_time or interaction_weighted, or `comparison: not_yet_joined`",
        )
    return headline(design, plan.layout(), rule)


def _runs(linears: dict[str, Linear], baseline: Baseline, source: Source, draws: int, seed: int) -> dict[str, Run]:
    """Every design on the same draws."""
    arrays = source.plan.layout()
    random = np.random.default_rng(seed)
    on, rising = (o.under(arrays) for o in profiles(arrays, arrays.Y, baseline.frequency)[:2])
    fixed = {d: _put(linear, np.stack([on, rising])) for d, linear in linears.items()}
    parts: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {d: [] for d in linears}
    step, largest = max(1, BATCH // arrays.Y.size) if linears else draws, 0.0
    for start in range(0, draws if linears else 0, step):
        Y = source.courses(min(step, draws - start), random)
        share, largest = 0.01 * Y * on, max(largest, float(np.abs(Y).max()))
        for design, linear in linears.items():
            parts[design].append(_figures(_put(linear, Y), fixed[design], _put(linear, share)))
    t = stats.t.ppf(0.5 + baseline.level / 2, source.plan.units - 1)
    out = {}
    for design, pieces in parts.items():
        theta, gram = (np.concatenate([piece[k] for piece in pieces]) for k in (0, 1))
        error = np.sqrt(np.maximum(gram[:, 0, 0], 0.0))
        error = np.where(error > inference.ROUNDING * largest, error, 0.0)  # outcomes that do not vary leave rounding
        out[design] = Run(design, theta[:, 0], error, t * error, gram, theta[:, 1:], 0, whole=False)
    return out


def _put(linear: Linear, Y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Estimates, shape (b,), and contributions by cluster, shape (b, G)."""
    return linear.estimate(Y)[:, 0], linear.by_cluster(Y)[..., 0]


def _figures(
    outcome: tuple[np.ndarray, np.ndarray],
    fixed: tuple[np.ndarray, np.ndarray],
    relative: tuple[np.ndarray, np.ndarray],
) -> tuple[np.ndarray, np.ndarray]:
    """Estimates of outcome and profiles, shape (b, 4), and the sums of products of contributions, (b, 4, 4)."""
    b = len(outcome[0])
    theta = np.column_stack([outcome[0], np.tile(fixed[0], (b, 1)), relative[0]])
    shapes = np.broadcast_to(fixed[1], (b, *fixed[1].shape))
    psi = np.concatenate([outcome[1][:, None, :], shapes, relative[1][:, None, :]], axis=1)
    return theta, psi @ np.swapaxes(psi, 1, 2)


def _judged(run: Run, baseline: Baseline, source: Source) -> Minimal:
    """A design's figures; raises DesignError when no effect of any size would be found."""
    if not (run.error > 0).all():
        raise DesignError("in some draws the outcome does not vary, so that its standard errors are nought")
    sign, wider = baseline.sign, source.wider
    wanted = [p for p in PROFILES if p != "relative" or source.positive]
    sizes = {p: detectable(run, p, POWER, sign, wider) for p in wanted}
    noise = float(np.sqrt(POWER * (1 - POWER) / len(run.error)))
    ends = [detectable(run, "constant", POWER + side * noise, sign, wider) for side in (-1, 1)]
    record = Calibrated(run, baseline.level)
    return Minimal(
        run.design,
        sizes,
        (ends[1] - ends[0]) / 2,
        float(np.median(run.error)) / wider,
        record.false_positive,
        record.monte_carlo,
        record.draws,
        wider,
    )
