"""A synthetic design from a Panel to an Estimate."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from evalkit.errors import DesignError
from evalkit.estimate import Estimate
from evalkit.estimators._common import exposure, identity
from evalkit.estimators._synthetic import shown, told
from evalkit.estimators._synthetic.method import Answer, Method, answer
from evalkit.estimators._synthetic.timewise import Series, conformal_interval, conformal_p
from evalkit.panel import Panel


def estimate(panel: Panel, method: Method) -> Estimate:
    """Fit a synthetic design and report it. Raises DesignError when the panel cannot carry it."""
    found = answer(panel, method)
    events, covariance = shown.events(panel, found)
    terms = [shown.row(panel, found, at, name) for at, name in enumerate(found.asked.terms)]
    said = told.method(panel, found)
    more: list[str] = []
    if method.inference == "conformal":
        terms, more = _conformal(panel, found, terms)
        said = (
            f"{said[:-1]} for horizons, event times and the path; interval and p-value of the average by a "
            "conformal test of a constant effect, residuals shifted in time."
        )
    after = np.unique(np.concatenate([b.after for b in found.blocks.found]))
    return Estimate(
        **identity(panel, method.name, method.title),  # type: ignore[arg-type]
        estimand="average effect on the joined (ATT) over the analysed periods after joining",
        assumption=method.assumption,
        terms=pd.DataFrame(terms),
        counts=_counts(found),
        method=said,
        path=shown.path(panel, found),
        events=events,
        groups=shown.groups(panel, found),
        weights=shown.weights(panel, found),
        placebos=shown.placebos(panel, found),
        covariance=covariance,
        exposure=exposure(panel, after),
        diagnostics=told.diagnostics(found),
        warnings=(*told.warnings(panel, found), *more),
    )


def _counts(found: Answer) -> dict[str, int]:
    blocks, placebos = found.blocks.found, found.sure.placebos
    return {
        "joined units": len(found.blocks.joined),
        "donors": len(np.unique(np.concatenate([b.donors for b in blocks]))),
        "waves": len({b.cohort for b in blocks}),
        "periods before joining": min(len(b.before) for b in blocks),
        "placebos": 0 if placebos is None else len(placebos.who),
    }


def _conformal(panel: Panel, found: Answer, terms: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[str]]:
    """The headline with conformal interval and p-value; its standard error stays that of placebos or jackknife."""
    (block,), Y = found.blocks.found, found.fitted.Y
    columns = np.concatenate([block.before, block.after])
    series = Series(
        Y[np.ix_(block.donors, columns)],
        Y[np.ix_(block.joined, columns)].mean(axis=0),
        len(block.before),
        len(block.joined),
    )
    recipe, head = found.fitted.recipes[0], terms[0]
    low, high = conformal_interval(series, recipe, head["estimate"], 1 - panel.study.protocol.level)
    head = {**head, "low": low, "high": high, "p_value": conformal_p(series, recipe, 0.0)}
    more = [f"The conformal p-value of the average cannot fall below one over its {len(columns)} periods."]
    return [_holding(head), *terms[1:]], more


def _holding(row: dict[str, Any]) -> dict[str, Any]:
    """A row whose estimate lies inside its interval. Raises DesignError otherwise."""
    if not row["low"] < row["estimate"] < row["high"]:
        raise DesignError("the conformal interval does not hold the estimate", fix="use `inference: placebo`")
    return row
