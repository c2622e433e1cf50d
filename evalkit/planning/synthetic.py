"""Synthetic difference-in-differences under a plan, fitted draw by draw.

Weights are found from the course before joining and from donors while they are untouched, so that an effect injected
from joining on leaves them as they are: estimates, and the jackknife with weights kept, are read again off the gaps
of the outcomes with the effect in them, and errors from placebo units stay.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from evalkit.errors import DesignError
from evalkit.estimators._synthetic.blocks import DONORS, PAIR, Blocks, arranged
from evalkit.estimators._synthetic.method import MANY
from evalkit.estimators._synthetic.recipes import difference
from evalkit.estimators._synthetic.replicates import Fitted, jackknife, placebos
from evalkit.estimators._synthetic.runs import Quantities, Run, after, gap
from evalkit.estimators._synthetic.runs import run as weigh
from evalkit.estimators.synthetic_did import LEAST
from evalkit.placebos.runs import PROFILES, profiles
from evalkit.planning.injected import Figures, Injected
from evalkit.planning.plan import Plan
from evalkit.planning.series import common
from evalkit.planning.source import Baseline, Source
from evalkit.study.options import SyntheticDidOptions

NAME = "synthetic_did"
DRAWS, BY_PLACEBO = 100, 60  # at most: each is fitted on its own, and where errors are of placebos, hundreds of times


@dataclass(frozen=True, eq=False)
class Draw:
    """One draw, fitted.

    value, error, df  of the average effect on the joined
    again             the same of other outcomes, shape (n, T), with the weights of these
    """

    value: float
    error: float
    df: float
    again: Callable[[np.ndarray], tuple[float, float, float]]


def blocks_of(plan: Plan, baseline: Baseline) -> Blocks:
    """Who is set against whom. Raises DesignError, with the reason, when the plan or its options allow nothing."""
    options = baseline.options().synthetic_did
    if options.inference == "bootstrap":
        raise DesignError("`inference: bootstrap` is not planned", fix="use auto, jackknife or placebo")
    arrays = plan.layout()
    phases = {int(c): arrays.phases[k].astype(str) for k, c in enumerate(arrays.cohorts)}
    later = not baseline.rule("group_time").never
    found = arranged(arrays.Y, arrays.g, phases, (later, LEAST), baseline.frequency)
    missing = [c for c in phases if c not in {b.cohort for b in found.found}]
    if missing:
        why = "; ".join(dict.fromkeys(found.refused[c] for c in missing))
        raise DesignError(
            f"{len(missing)} of {len(phases)} waves cannot be set against a synthetic comparison: {why}",
            fix=f"plan {DONORS} or more comparison units, and {LEAST} or more periods before",
        )
    return found


def run(baseline: Baseline, source: Source, found: Blocks, draws: int, seed: int) -> Injected:
    """The design on the first draws. Raises DesignError when it cannot be had."""
    arrays, options = source.plan.layout(), baseline.options().synthetic_did
    draws = min(draws, DRAWS if _jackknife(found, options) else BY_PLACEBO)
    Y = source.courses(draws, np.random.default_rng(seed)) + common(source, draws, seed)[:, None, :]
    on, rising = (o.under(arrays) for o in profiles(arrays, arrays.Y, baseline.frequency)[:2])
    fitted = [_fit(one, found, options) for one in Y]
    estimate, error, df = (np.array([getattr(one, name) for one in fitted]) for name in ("value", "error", "df"))
    reach = 0.5 + baseline.level / 2

    def moving(shape: np.ndarray) -> Callable[[float], Figures]:
        def moved(size: float) -> Figures:
            made = [one.again(y + size * p) for one, y, p in zip(fitted, Y, shape, strict=True)]
            value, error, df = (np.array(part) for part in zip(*made, strict=True))
            return value, stats.t.ppf(reach, df) * error

        return moved

    shapes = {"building up": np.broadcast_to(rising, Y.shape), "relative": 0.01 * Y * on}
    wanted = PROFILES[1:] if source.positive else PROFILES[1:2]
    return Injected(
        NAME, estimate, error, stats.t.ppf(reach, df) * error, {"constant": np.ones(draws)},
        {name: moving(shapes[name]) for name in wanted},
    )  # fmt: skip


def _fit(Y: np.ndarray, found: Blocks, options: SyntheticDidOptions) -> Draw:
    quantities = Quantities(after(found.found, Y.shape[1]).astype(float).reshape(1, -1))
    once = weigh(Y, found.found, [difference] * len(found.found))
    fitted = Fitted(Y, found.found, [difference] * len(found.found), once, quantities)
    by_placebo = _by_placebo(fitted, found, options)

    def again(moved: np.ndarray) -> tuple[float, float, float]:
        gaps = np.stack([gap(moved, b, w) for b, w in zip(found.found, once.weights, strict=True)])
        value = float(quantities.of(gaps, once.units)[0])
        if by_placebo is not None:
            return value, *by_placebo
        other = replace(fitted, Y=moved, run=Run(gaps, once.weights, once.units))
        covariance, df = jackknife(other, np.arange(len(moved)), refit=False)
        return value, float(np.sqrt(covariance[0, 0])), float(df[0])

    return Draw(*again(Y), again)


def _jackknife(found: Blocks, options: SyntheticDidOptions) -> bool:
    """Whether the jackknife comes first, as in the estimator."""
    alone = any(len(b.joined) < PAIR for b in found.found)
    return options.inference == "jackknife" or (
        options.inference == "auto" and len(found.joined) >= MANY and not alone
    )


def _by_placebo(fitted: Fitted, found: Blocks, options: SyntheticDidOptions) -> tuple[float, float] | None:
    """Error and degrees of freedom from placebo units; None where the jackknife is used."""
    if _jackknife(found, options):
        return None
    try:
        covariance = placebos(fitted, found.never, found.joined, options.replications).covariance()
    except DesignError:
        if options.inference == "placebo":
            raise
        return None
    return float(np.sqrt(covariance[0, 0])), float(len(found.never) - 1)
