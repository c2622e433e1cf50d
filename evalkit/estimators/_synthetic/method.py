"""A synthetic design from a Panel to its fitted blocks, and how sure it is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evalkit.errors import DesignError
from evalkit.estimators._common import size
from evalkit.estimators._synthetic.asked import Asked, asked
from evalkit.estimators._synthetic.blocks import PAIR, Blocks, blocks
from evalkit.estimators._synthetic.recipes import Recipe, ridge_augmented
from evalkit.estimators._synthetic.replicates import Fitted, Placebos, bootstrap, jackknife, placebos
from evalkit.estimators._synthetic.runs import run
from evalkit.inference import ROUNDING
from evalkit.panel import Panel

MANY = 10  # joined units from which the jackknife is preferred where weights need not be found again


@dataclass(frozen=True, eq=False)
class Method:
    """What tells one synthetic design from another.

    name, title  module name, and the design as it is printed
    recipe       how weights are found
    levels       whether every unit's own level is taken out
    least        analysed periods before joining that it needs
    refit        whether the jackknife finds weights again
    inference    `auto` or what the protocol asks for
    draws        placebos or bootstrap draws at most
    said         how it is computed, the beginning of a sentence
    assumption   what must hold, one sentence
    """

    name: str
    title: str
    recipe: Recipe
    levels: bool
    least: int
    refit: bool
    inference: str
    draws: int
    said: str
    assumption: str


@dataclass(frozen=True, eq=False)
class Sure:
    """How sure the quantities are.

    covariance  shape (quantities, quantities)
    df          degrees of freedom of each, shape (quantities,)
    kind        `placebo`, `jackknife` or `bootstrap`
    placebos    what was found where nobody joined; None where too few never joined
    why_none    why there are no placebos; empty where there are
    """

    covariance: np.ndarray
    df: np.ndarray
    kind: str
    placebos: Placebos | None
    why_none: str = ""

    @property
    def error(self) -> np.ndarray:
        """Standard errors, shape (quantities,)."""
        out: np.ndarray = np.sqrt(np.diag(self.covariance))
        return out


@dataclass(frozen=True, eq=False)
class Answer:
    """A method fitted: blocks, what is asked of them, what was found, and how sure it is."""

    method: Method
    blocks: Blocks
    asked: Asked
    fitted: Fitted
    figures: np.ndarray
    sure: Sure


def answer(panel: Panel, method: Method) -> Answer:
    """Fit a synthetic design. Raises DesignError with the reason when the panel cannot carry it."""
    Y, g = panel.value_matrix()
    found = blocks(panel, Y, g, method.least)
    if method.inference == "conformal" and len(found.found) > 1:
        raise DesignError(
            "conformal intervals are for one wave, or waves would have to share their residuals",
            panel.study.slug,
            "use `inference: placebo`",
        )
    wanted = asked(panel.study, found.found)
    _varies(panel, Y, found)
    once = run(Y, found.found, [method.recipe] * len(found.found))
    kept = [_settled(method, w.tuning) for w in once.weights]
    fitted = Fitted(Y, found.found, kept, once, wanted.quantities, method.levels)
    values = wanted.quantities.of(once.gaps, once.units)
    return Answer(method, found, wanted, fitted, values, _sure(panel, method, fitted, found))


def _settled(method: Method, tuning: dict[str, float]) -> Recipe:
    """The recipe for replicates: a ridge penalty that was chosen stays."""
    if "ridge_penalty" in tuning:
        return ridge_augmented(levels=method.levels, penalty=tuning["ridge_penalty"])
    return method.recipe


def _varies(panel: Panel, Y: np.ndarray, found: Blocks) -> None:
    """Refuse donors that are all on one course: no weights can be told from others, and placebos find nothing."""
    for block in found.found:
        course = Y[np.ix_(block.donors, block.before)]
        centred = course - course.mean(axis=1, keepdims=True)
        if np.abs(centred - centred.mean(axis=0)).max() <= ROUNDING * size(panel):
            raise DesignError(
                "the donors are all on the same course before joining, so no weights can be told apart",
                panel.study.slug,
                "check the outcome",
            )


def _sure(panel: Panel, method: Method, fitted: Fitted, found: Blocks) -> Sure:
    """The covariance of the quantities, by what the protocol asks for or, under `auto`, by what is possible."""
    rank, why_none = _placebos(method, fitted, found)
    cluster = panel.units["cluster"].to_numpy()
    kind = _kind(method, found, rank)
    length = len(fitted.quantities.cells)
    if kind == "placebo":
        if rank is None:
            raise DesignError(why_none, panel.study.slug, "add units that never joined, or use another `inference`")
        return Sure(rank.covariance(), np.full(length, float(len(found.never) - 1)), kind, rank)
    if kind == "bootstrap":
        if len(found.joined) < PAIR:
            raise DesignError(
                "a single joined unit cannot be drawn again", panel.study.slug, "use `inference: placebo`"
            )
        covariance = bootstrap(fitted, method.draws)
        return Sure(covariance, np.full(length, float(len(found.joined) - 1)), kind, rank, why_none)
    try:
        covariance, df = jackknife(fitted, cluster, refit=method.refit)
    except DesignError as refused:
        if method.inference not in ("auto", "conformal") or not why_none:
            raise
        raise DesignError(
            f"no standard error can be computed: {why_none}; and {refused.faults[0].what}",
            panel.study.slug,
            "add units that never joined, or use an interrupted time series",
        ) from None
    return Sure(covariance, df, kind, rank, why_none)


def _placebos(method: Method, fitted: Fitted, found: Blocks) -> tuple[Placebos | None, str]:
    try:
        return placebos(fitted, found.never, found.joined, method.draws), ""
    except DesignError as refused:
        return None, refused.faults[0].what


def _kind(method: Method, found: Blocks, rank: Placebos | None) -> str:
    if method.inference in ("placebo", "jackknife", "bootstrap"):
        return method.inference
    alone = any(len(b.joined) < PAIR for b in found.found)
    prefer_jackknife = not method.refit and len(found.joined) >= MANY and not alone
    return "jackknife" if rank is None or prefer_jackknife else "placebo"
