"""How far apart two designs are, with an error that respects the data they share.

    contributions   both on weighted outcomes: with psi_gk what cluster g contributes to design k,
                    d = theta_2 - theta_1,  Var d = sum over g of (psi_g2 - psi_g1)^2,  t on clusters - 1
    draws           both compare units: d among its values over pseudo-collaboratives (`placebos.pairs`)
    errors and draws  one is a series of the joined units alone. What moved every unit in those months is in it and
                    in every draw at those dates alike, so that draws say nothing of its size; the design's own
                    error allows for it. Var d = s_1^2 + s_2^2 - 2 c, c the covariance over the draws, held between
                    nought and the smaller variance, within which it lies where a comparison between units does not
                    share what moved all; t on (Var d)^2 / (s_1^4 / df_1 + s_2^4 / df_2) (Satterthwaite), at least 1
    overlap only    none of these can be, and why

The first is in the spirit of Hausman (1978), Econometrica 46:1251, with an error that holds whichever design is the
more precise; Satterthwaite (1946), Biometrics Bull 2:110, for the degrees of freedom.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import special

from evalkit import inference
from evalkit.errors import DesignError
from evalkit.estimate import Estimate
from evalkit.estimators._did.headline import DESIGNS, headline, ruled
from evalkit.estimators._did.layout import layout
from evalkit.panel import Panel
from evalkit.placebos import Calibration, Paired, paired
from evalkit.placebos.runs import SERIES

CONTRIBUTIONS, DRAWS, BOTH, OVERLAP = "contributions", "draws", "errors and draws", "overlap only"
SAME = 1e-6  # of its error, within which a headline is that of the estimate at hand
LEAST_DF = 1.0


@dataclass(frozen=True)
class Apart:
    """The second headline less the first.

    error    standard error, or the spread of the draws
    reach    half the interval at the estimates' level
    p        that it is nought; least, the smallest that could have come out
    how      one of the ways above
    drawn    mean difference over the draws; None without any
    draws    how many there were
    why      why neither contributions nor draws serve; blank where they do
    """

    difference: float
    how: str
    error: float | None = None
    reach: float | None = None
    p: float | None = None
    least: float = 0.0
    drawn: float | None = None
    draws: int = 0
    why: str = ""


def apart(first: Estimate, second: Estimate, panel: Panel | None, record: Calibration | None) -> Apart:
    """How far apart two estimates are, in the way that suits them."""
    difference = float(second.headline["estimate"] - first.headline["estimate"])
    why = "the panel was not given"
    if panel is not None and {first.design, second.design} <= set(DESIGNS):
        try:
            return _by_contributions(first, second, panel)
        except DesignError as refusal:
            why = refusal.faults[0].what
            if record is None or not {first.design, second.design} <= set(record.found):
                return Apart(difference, OVERLAP, why=why)
    series = [one.design in SERIES for one in (first, second)]
    if all(series):
        return Apart(difference, OVERLAP, why="both hold what moved every unit, which draws at one date do not show")
    if record is None:
        return Apart(difference, OVERLAP, why="they were not put to pseudo-collaboratives together")
    try:
        pair = paired(record, first.design, second.design)
        return (_by_both if any(series) else _by_draws)(first, second, pair)
    except DesignError as refusal:
        return Apart(difference, OVERLAP, why=refusal.faults[0].what)


def differences(designs: list[str], panel: Panel) -> tuple[np.ndarray, np.ndarray, float]:
    """Headlines of designs on weighted outcomes less that of the first, shape (K - 1,), their errors, and the df.

    Raises DesignError when a headline is not identified, a wave is a single unit or cluster (nothing is known of its
    variation from its own contribution), or the designs coincide.
    """
    arrays = layout(panel)
    single = [w for w in arrays.cohorts if len(np.unique(arrays.cluster[arrays.g == w])) == 1]
    if single:
        raise DesignError("a wave is a single unit or cluster, whose contribution does not show how it varies")
    found = [headline(design, arrays, ruled(panel, design, arrays)) for design in designs]
    theta = np.array([one.estimate(arrays.Y)[0] for one in found])
    psi = np.column_stack([one.by_cluster(arrays.Y)[:, 0] for one in found])
    error = np.sqrt(((psi[:, 1:] - psi[:, :1]) ** 2).sum(axis=0))
    if not (error > inference.ROUNDING * np.sqrt((psi**2).sum(axis=0)).max()).all():
        raise DesignError("the designs coincide on these data")
    return theta[1:] - theta[0], error, float((np.abs(psi).max(axis=1) > 0).sum() - 1)


def _by_contributions(first: Estimate, second: Estimate, panel: Panel) -> Apart:
    (d,), (error,), df = differences([first.design, second.design], panel)
    told = float(second.headline["estimate"] - first.headline["estimate"])
    if abs(d - told) > SAME * error:
        raise DesignError("contributions are those of the estimates without covariates")
    return _by_t(told, CONTRIBUTIONS, float(error), df, first.level)


def _by_draws(first: Estimate, second: Estimate, pair: Paired) -> Apart:
    d = float(second.headline["estimate"] - first.headline["estimate"])
    if not pair.spread > inference.ROUNDING * np.abs(pair.first).max():
        raise DesignError("the designs coincide in the draws")
    reach, drawn = pair.reach(first.level), float(pair.differences.mean())
    return Apart(d, DRAWS, pair.spread, reach, pair.rank(d), pair.resolution, drawn, pair.draws)


def _by_both(first: Estimate, second: Estimate, pair: Paired) -> Apart:
    heads = [one.headline for one in (first, second)]
    variances = [float(h["std_error"]) ** 2 for h in heads]
    together = min(max(pair.covariance, 0.0), *variances)
    variance = sum(variances) - 2 * together
    if not variance > inference.ROUNDING * max(variances):
        raise DesignError("in the draws the designs vary together as one, and nothing is left to tell them apart by")
    parts = sum(v**2 / float(h["df"]) for v, h in zip(variances, heads, strict=True))
    df = max(variance**2 / parts, LEAST_DF) if parts > 0 else np.inf
    d = float(heads[1]["estimate"] - heads[0]["estimate"])
    drawn = float((pair.second - pair.first).mean())  # what moved every unit does not shrink with their number
    return replace(_by_t(d, BOTH, float(np.sqrt(variance)), df, first.level), drawn=drawn, draws=pair.draws)


def _by_t(d: float, how: str, error: float, df: float, level: float) -> Apart:
    reach, p = special.stdtrit(df, 0.5 + level / 2) * error, 2 * special.stdtr(df, -abs(d) / error)
    return Apart(d, how, error, float(reach), float(p))
