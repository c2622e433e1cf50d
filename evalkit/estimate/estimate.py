"""What was estimated, how large it is, and how sure we are."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from evalkit import markup, numbers
from evalkit.errors import DesignError
from evalkit.estimate.frames import (
    CELLS,
    EVENTS,
    FRAMES,
    GROUPS,
    PATH,
    PLACEBOS,
    SITES,
    TERMS,
    WEIGHTS,
    empty,
    plain,
    records,
    stored,
)

AVERAGES = ("events", "groups", "cells")  # frames that the command line prints beside the terms


@dataclass(frozen=True, eq=False)
class Estimate:
    """One design's answer for one outcome. It holds no fitted model, so it can be stored and re-drawn.

    study, outcome  slug and outcome name
    label           the outcome as it is printed
    design          the estimator's module name
    title           the design as it is printed
    estimand        what is estimated, a noun phrase
    assumption      what must hold for it to be the effect of joining, one sentence
    unit            unit of every figure in terms, path and events
    level           confidence level of every interval
    terms           one row a reported quantity, columns `TERMS`; the first is the headline; `unit` is blank
                    where it is that of the estimate, else `per cent`, `rate ratio`, `odds ratio` or `events`
    counts          what went in, by name
    method          how it was computed and on what the errors are clustered, one sentence
    path            one row a period, columns `PATH`; low and high bound the counterfactual; innovation is
                    what the error model leaves unexplained, standardised
    events          one row an event time, columns `EVENTS`; empty where the design has none; band_low and
                    band_high hold all of them at once with the stated level, missing where not computed
    cells           one row an effect by cohort and period, columns `CELLS`, for designs that have them;
                    comparison is how many units it is compared with
    groups          effects averaged another way, columns `GROUPS`; kind is `cohort`, `calendar` or the name of
                    a declared grouping of units
    sites           one row a unit, columns `SITES`, for designs that estimate every unit; shrunk is the unit's
                    effect drawn towards the mean of all as its error warrants
    weights         who stands in for the joined, columns `WEIGHTS`, for synthetic designs; kind is `unit` or
                    `period`, cohort the wave that it is for
    placebos        the effect on each comparison unit had it joined, columns `PLACEBOS`; fit is the root mean
                    squared error before joining
    covariance      of the rows of `events`, shape (len(events), len(events))
    exposure        denominator of all joined units together, per period after joining, over the outcome's
                    scale: a change of x in every one of them is x times this in events per period; None
                    where there is none
    diagnostics     figures on how the model fitted, by name, such as rho, rho_low, rho_high, dispersion
    anticipation    periods before joining that the design already counts as touched
    base            `universal` where every row of `events` is against one period, or `varying` where each row
                    before joining is the change from the period before it
    comparison_only True when the figure is shown for comparison and is not an estimate of the effect
    warnings        what the reader must know, one sentence each
    """

    study: str
    outcome: str
    label: str
    design: str
    title: str
    estimand: str
    assumption: str
    unit: str
    level: float
    terms: pd.DataFrame
    counts: dict[str, int]
    method: str
    path: pd.DataFrame = field(default_factory=lambda: empty(PATH))
    events: pd.DataFrame = field(default_factory=lambda: empty(EVENTS))
    cells: pd.DataFrame = field(default_factory=lambda: empty(CELLS))
    groups: pd.DataFrame = field(default_factory=lambda: empty(GROUPS))
    sites: pd.DataFrame = field(default_factory=lambda: empty(SITES))
    weights: pd.DataFrame = field(default_factory=lambda: empty(WEIGHTS))
    placebos: pd.DataFrame = field(default_factory=lambda: empty(PLACEBOS))
    covariance: np.ndarray = field(default_factory=lambda: np.empty((0, 0)))
    exposure: float | None = None
    diagnostics: dict[str, float] = field(default_factory=dict)
    anticipation: int = 0
    base: str = "universal"
    comparison_only: bool = False
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse frames that break the contract, and make the covariance symmetric to the last digit."""
        for name, columns in {"terms": TERMS, **FRAMES}.items():
            frame = getattr(self, name)
            if list(frame.columns) != columns:
                raise DesignError(f"{self.design} returned columns {list(frame.columns)} instead of {columns}")
        # rounding leaves its halves apart in the last digit, and one of them is stored
        object.__setattr__(self, "covariance", np.tril(self.covariance) + np.tril(self.covariance, -1).T)
        if self.terms.empty or self.terms["term"].duplicated().any():
            raise DesignError(f"{self.design} returned no term, or one term twice")

    @property
    def headline(self) -> pd.Series:
        """The row that a sentence or a forest plot quotes."""
        return self.terms.iloc[0]

    def tidy(self) -> pd.DataFrame:
        """The terms with what they belong to, so that estimates stack."""
        keys = {"study": self.study, "outcome": self.outcome, "design": self.design}
        units = self.terms["unit"].where(self.terms["unit"].ne(""), self.unit)
        kept = self.terms.assign(**keys, unit=units, level=self.level, estimand=self.estimand)
        return kept[[*keys, *TERMS, "level", "estimand"]]

    def record(self) -> dict[str, Any]:
        """The command line's contract: plain values at full precision."""
        return {
            "study": self.study,
            "outcome": self.outcome,
            "design": self.design,
            "estimand": self.estimand,
            "unit": self.unit,
            "level": self.level,
            "terms": [{**row, "unit": row["unit"] or self.unit} for row in records(self.terms)],
            **{name: stored(name, getattr(self, name)) for name in AVERAGES if len(getattr(self, name))},
            "counts": dict(self.counts),
            "diagnostics": {name: plain(value) for name, value in self.diagnostics.items()},
            "method": self.method,
            "warnings": list(self.warnings),
        }

    def store(self) -> dict[str, Any]:
        """Everything, as plain values that `restore` turns back into the same Estimate.

        Of the covariance the rows end at the diagonal: what stands above it is what stands below.
        """
        return {
            **self.record(),
            "label": self.label,
            "title": self.title,
            "assumption": self.assumption,
            "exposure": self.exposure,
            "anticipation": self.anticipation,
            "base": self.base,
            "comparison_only": self.comparison_only,
            **{name: stored(name, getattr(self, name)) for name in FRAMES},
            "covariance": [row[: i + 1] for i, row in enumerate(self.covariance.tolist())],
        }

    def _repr_mimebundle_(self, **_: object) -> tuple[dict[str, str], dict[str, Any]]:
        header, rows, caption = self._table()
        numeric = [False, False, *[True] * (len(header) - 2)]
        notes = [self.method, *self.warnings]
        html = markup.table(header, rows, caption, numeric) + markup.notice("How this was computed", notes)
        text = "\n".join([markup.table_text(header, rows, caption), *notes])
        return {"text/html": html, "text/plain": text}, {markup.METADATA_KEY: {"estimate": self.store()}}

    def __repr__(self) -> str:
        """The table of terms as text."""
        return markup.table_text(*self._table())

    def _table(self) -> tuple[list[str], list[list[str]], str]:
        level = numbers.per_cent(self.level)
        places = [
            0 if row.unit == "events" else numbers.decimals_for([row.std_error]) for row in self.terms.itertuples()
        ]
        header = ["Quantity", "Unit", "Estimate", f"{level} interval", "Standard error", "df", "p"]
        rows = [
            [
                row.term,
                row.unit or self.unit,
                numbers.number(row.estimate, decimals)
                if row.unit.endswith("ratio")
                else numbers.signed(row.estimate, decimals),
                numbers.interval(row.low, row.high, decimals),
                numbers.number(row.std_error, decimals),
                numbers.degrees(row.df),
                numbers.p_value(row.p_value),
            ]
            for row, decimals in zip(self.terms.itertuples(), places, strict=True)
        ]
        return header, rows, f"{self.label}: {self.estimand} ({self.title})"
