"""Interrupted time series under a plan: of the joined units' mean, or of its distance from that of the others.

The columns are those of `its`: trend, impact and season as declared, the rollout from the first wave to the end of
the last one's transition left out. All draws share them, so that they are fitted at once (`_its.ar1`). What is
injected is the mean over joined units of each one's profile; where it lies in the span of the columns (a constant
effect does), it moves the estimate by a number and leaves rho, and so the interval, as they are. Other interventions,
events and exposure are left out, and the outcome is taken on its own scale.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from evalkit import columns, periods
from evalkit.errors import DesignError
from evalkit.estimators._its import ar1
from evalkit.estimators._its._noise import COMPOSITE, USUAL
from evalkit.estimators._its.design import SHORT, YEARS_FOR_SEASON, needed
from evalkit.periods import Frequency
from evalkit.placebos.runs import PROFILES, profiles
from evalkit.planning.injected import Figures, Injected
from evalkit.planning.plan import Plan
from evalkit.planning.source import Baseline, Source
from evalkit.study.options import ControlOptions, ItsOptions

OWN, CONTROLLED = "its", "controlled_its"
BATCH = 200_000  # outcomes gone through at once
REFITTED = 250  # draws in which effects that move rho are put
FLAT = 1e-9  # of a profile's size, up to which it lies in the span of the columns


@dataclass(frozen=True, eq=False)
class Columns:
    """The design of a series.

    X         analysed rows, shape (n, k)
    t         their positions, shape (n,)
    post      which come after the start, booleans, shape (n,)
    contrast  the average effect after joining, shape (k,)
    """

    X: np.ndarray
    t: np.ndarray
    post: np.ndarray
    contrast: np.ndarray


def columns_of(design: str, plan: Plan, baseline: Baseline) -> Columns:
    """The columns of a planned series. Raises DesignError when the plan or the options allow none."""
    options = baseline.options()
    _plannable(options.its)
    if design == CONTROLLED:
        _control(options.controlled_its, plan)
    first, last = int(plan.starts[0]), int(plan.starts[-1]) + plan.transition
    t = np.arange(plan.length)
    post = t >= last
    used = (t < first) | post
    _enough(options.its, plan, int(used.sum()), baseline.frequency)
    onset = last + options.its.impact.lag
    impact = columns.impact(t, onset, options.its.impact.shape, options.its.impact.over or 1)
    parts = [columns.trend(t, t[t < first], options.its.trend, options.its.damping), impact]
    season = _season(options.its, plan, int(np.ptp(t[used])) + 1, baseline.frequency)
    X = pd.concat([*parts, season], axis=1)
    rows = X.to_numpy()[used]
    kept = rows.any(axis=0)
    effect = np.isin(X.columns, impact.columns)
    if not (kept & effect).any():
        raise DesignError("no period of the plan shows the declared impact", fix="check `lag` under `impact`")
    rows, effect = rows[:, kept], effect[kept]
    n, k = rows.shape
    if n <= k + 1 or np.linalg.matrix_rank(rows / np.abs(rows).max(axis=0)) < k:
        raise DesignError(f"{n} analysed periods cannot carry the {k} terms of the model", fix="plan more periods")
    return Columns(rows, t[used], post[used], rows[post[used]].mean(axis=0) * effect)


def _plannable(options: ItsOptions) -> None:
    """Refuse options whose engine is not this one."""
    if options.errors != "ar1" or options.scale != "natural":
        raise DesignError(
            f"only `errors: ar1` on the outcome's own scale is planned, and the protocol has `errors: "
            f"{options.errors}`, `scale: {options.scale}`"
        )
    if options.impact.until is not None or options.waves == "each":
        what = "`until`" if options.impact.until is not None else "`waves: each`"
        raise DesignError(f"{what} under `model.its` is not planned")


def _control(options: ControlOptions, plan: Plan) -> None:
    if options.units is not None or options.outcome is not None:
        raise DesignError("the protocol names its own control, which is not planned")
    if not plan.comparison:
        raise DesignError("no unit is left as a control series", fix="plan comparison units, or use its")


def _enough(options: ItsOptions, plan: Plan, used: int, frequency: Frequency) -> None:
    least, noun = needed(options.impact, options), periods.noun(frequency, 2)
    if min(plan.before, plan.after) < least:
        raise DesignError(
            f"{plan.before} {noun} before the rollout and {plan.after} after it, and the declared impact needs "
            f"{least} a side",
            fix=f"plan {least} or more, or declare `impact: level` under `model.its`",
        )
    if used < SHORT:
        raise DesignError(f"with {used} analysed {noun} no autocorrelation can be estimated; {SHORT} are needed")


def _season(options: ItsOptions, plan: Plan, span: int, frequency: Frequency) -> pd.DataFrame:
    """Seasonal columns, as `its` would have them; when in the year the plan begins makes no difference."""
    window = pd.period_range("2001-01", periods=plan.length, freq=periods.CODES[frequency])
    if options.season is not None and options.season.months:
        return columns.months(window)
    pairs = 2 if span / periods.PER_YEAR[frequency] >= YEARS_FOR_SEASON else 0
    return columns.harmonics(window, pairs if options.season is None else options.season.harmonics)


def run(design: str, baseline: Baseline, source: Source, asked: Columns, draws: int, seed: int) -> Injected:
    """The design on the draws. Raises DesignError when they do not show how what stays in a series varies."""
    own = design == OWN
    if own and source.unsteady is not None:
        raise DesignError([source.unsteady])
    joined, control = means(source, draws, seed)
    arrays = source.plan.layout()
    on, rising = (
        o.under(arrays)[: source.plan.joined].mean(axis=0) for o in profiles(arrays, arrays.Y, baseline.frequency)[:2]
    )
    added = {"constant": on[asked.t], "building up": rising[asked.t]}
    y = (joined if own else joined - control)[:, asked.t]
    shapes = {name: np.broadcast_to(one, y.shape) for name, one in added.items()}
    shapes["relative"] = 0.01 * joined[:, asked.t] * asked.post
    options = baseline.options().its

    def fitted(Y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        found = ar1.fit_many(asked.X, Y, asked.t, guarded=options.noise_guard, doubt=USUAL if own else COMPOSITE)
        value, error, df = found.contrast(asked.contrast)
        return value, error, stats.t.ppf(0.5 + baseline.level / 2, df) * error

    def moving(shape: np.ndarray) -> Callable[[float], Figures]:
        def moved(size: float) -> Figures:
            value, _, half = fitted((y + size * shape)[:REFITTED])
            return value, half

        return moved

    estimate, error, half = fitted(y)
    shift, moved = {}, {}
    for name in PROFILES if source.positive else PROFILES[:2]:
        within = _within(asked, added[name]) if name in added else None
        if within is None:
            moved[name] = moving(shapes[name])
        else:
            shift[name] = np.full(draws, within)
    return Injected(design, estimate, error, half, shift, moved, common=own)


def _within(asked: Columns, profile: np.ndarray) -> float | None:
    """By how much a profile of size one moves the estimate; None where it is not in the span of the columns."""
    beta, *_ = np.linalg.lstsq(asked.X, profile, rcond=None)
    if np.abs(profile - asked.X @ beta).max() > FLAT * max(float(np.abs(profile).max()), 1.0):
        return None
    return float(asked.contrast @ beta)


def means(source: Source, draws: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean courses of joined and comparison units with what moves all of them, shape (draws, T) each."""
    random, plan = np.random.default_rng(seed), source.plan
    joined, control = (np.zeros((draws, plan.length)) for _ in range(2))
    step = max(1, BATCH // (plan.units * plan.length))
    for start in range(0, draws, step):
        Y = source.courses(min(step, draws - start), random)
        joined[start : start + step] = Y[:, : plan.joined].mean(axis=1)
        if plan.comparison:
            control[start : start + step] = Y[:, plan.joined :].mean(axis=1)
    alike = common(source, draws, seed)
    return joined + alike, control + alike


def common(source: Source, draws: int, seed: int) -> np.ndarray:
    """What moves all units alike beside their own courses, shape (draws, T); nought where it is part of them."""
    if source.shared is None:
        return np.zeros((draws, source.plan.length))
    return source.shared(draws, np.random.default_rng([seed, 1]))
