"""What several checks of an interrupted time series need: who may be asked, the course before the start."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeGuard

import numpy as np
import pandas as pd

from evalkit import numbers
from evalkit.errors import DesignError
from evalkit.estimate import Check, Estimate, Refusal
from evalkit.estimators._its.design import SHORT, Design, build
from evalkit.estimators._its.series import joint_series
from evalkit.panel import Panel

OWN = "its"


def fitted(estimate: Estimate) -> bool:
    """Whether there is a fitted course to question."""
    return bool(estimate.path["fitted"].notna().any())


def nothing(name: str, question: str, estimate: Estimate | Refusal) -> Check:
    """The answer where there is no fitted course to question."""
    if isinstance(estimate, Refusal):
        reading = f"{estimate.title} was not computed: {' '.join(estimate.reasons)}"
        return not_applicable(name, question, reading, estimate.design)
    return not_applicable(name, question, "There is no fitted series to look at.", estimate.design)


def not_applicable(name: str, question: str, reading: str, design: str) -> Check:
    """A check that cannot be asked, and why."""
    return Check(name, question, "not applicable", reading, design=design)


def plain(estimate: Estimate | Refusal) -> TypeGuard[Estimate]:
    """Whether there is a plain interrupted time series with a fitted course to question."""
    return isinstance(estimate, Estimate) and fitted(estimate) and estimate.design == OWN


def not_plain(name: str, question: str, estimate: Estimate | Refusal) -> Check:
    """The answer where there is none."""
    if isinstance(estimate, Refusal) or not fitted(estimate):
        return nothing(name, question, estimate)
    return not_applicable(name, question, "It is asked of a plain interrupted time series.", estimate.design)


def compared(estimate: Estimate | Refusal, designs: Iterable[str]) -> TypeGuard[Estimate]:
    """Whether there is an effect by one of the designs, which compare units."""
    return isinstance(estimate, Estimate) and estimate.design in designs and not estimate.comparison_only


def not_compared(name: str, question: str, estimate: Estimate | Refusal) -> Check:
    """The answer where there is none."""
    reading = "It is asked of other comparisons between units than this one."
    if isinstance(estimate, Refusal):
        reading = f"{estimate.title} was not computed: {' '.join(estimate.reasons)}"
    return not_applicable(name, question, reading, estimate.design)


def sentence(refusal: DesignError | Refusal) -> str:
    """The first reason of a refusal, without a full stop."""
    text = refusal.reasons[0] if isinstance(refusal, Refusal) else refusal.faults[0].what
    return text.rstrip(".")


def excludes_zero(row: pd.Series | dict[str, float]) -> bool:
    """Whether an interval, with `low` and `high`, lies on one side of zero."""
    return bool(row["low"] > 0 or row["high"] < 0)


def told(estimate: Estimate) -> str:
    """The headline with its interval: `+2.1 percentage points (95% interval 0.4 to 3.8)`."""
    head = estimate.headline
    places = numbers.decimals_for([head["std_error"]])
    span = numbers.interval(head["low"], head["high"], places)
    figure = f"{numbers.signed(head['estimate'], places)} {estimate.unit}"
    return f"{figure} ({numbers.per_cent(estimate.level)} interval {span})"


def labelled(data: pd.DataFrame, estimate: Estimate) -> pd.DataFrame:
    """The figure's data with what its axes say: columns label, unit and level of the estimate."""
    return data.assign(label=estimate.label, unit=estimate.unit, level=estimate.level)


@dataclass(frozen=True, eq=False)
class Before:
    """The analysed periods before the start, in the unit of report.

    design  every column at every period of the window
    X       columns other than the collaborative's that act before the start, shape (n, k)
    y, t    values and calendar positions, shape (n,)
    window  the periods, shape (n,)
    """

    design: Design
    X: np.ndarray
    y: np.ndarray
    t: np.ndarray
    window: pd.PeriodIndex


def before(panel: Panel) -> Before:
    """The course before the start, with the columns of the main analysis.

    Raises DesignError where the main design cannot be built, and when the periods before the start
    are too few for an autocorrelation, or cannot tell the columns apart.
    """
    design = build(panel.study, joint_series(panel))
    series = design.series
    pre = series.used & ~series.post
    n = int(pre.sum())
    if n < SHORT:
        raise DesignError(f"only {n} analysed periods before the start, and {SHORT} are needed")
    X = design.X.to_numpy()[pre]
    X = X[:, ~np.isin(design.X.columns, design.effect) & X.any(axis=0)]
    if np.linalg.matrix_rank(X / np.abs(X).max(axis=0)) < X.shape[1]:
        raise DesignError("the periods before the start alone cannot tell the terms of the model from each other")
    return Before(design, X, series.value[pre], series.t[pre], series.window[pre])
