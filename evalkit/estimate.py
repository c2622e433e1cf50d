"""What was estimated, how large it is, and how sure we are; and what a check answered."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pandas as pd

from evalkit import markup, numbers, periods
from evalkit.errors import DesignError

TERMS = ["term", "estimate", "std_error", "df", "low", "high", "p_value", "unit"]
PATH = [
    *("period", "phase", "observed", "fitted", "counterfactual", "low", "high"),
    *("effect", "effect_low", "effect_high", "innovation"),
]
SITES = [
    *("unit", "cohort", "estimate", "std_error", "df", "low", "high"),
    *("shrunk", "shrunk_low", "shrunk_high", "rho"),
]
EVENTS = ["event_time", "phase", "estimate", "std_error", "df", "low", "high", "p_value", "units"]

Verdict = Literal["reassuring", "inconclusive", "concern", "not applicable"]


def _empty(columns: list[str]) -> pd.DataFrame:
    return pd.DataFrame({c: [] for c in columns})


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
    events          one row an event time, columns `EVENTS`; empty where the design has none
    sites           one row a unit, columns `SITES`, for designs that estimate every unit; shrunk is the unit's
                    effect drawn towards the mean of all as its error warrants
    covariance      of the rows of `events`, shape (len(events), len(events))
    exposure        denominator of all joined units together, per period after joining, over the outcome's
                    scale: a change of x in every one of them is x times this in events per period; None
                    where there is none
    diagnostics     figures on how the model fitted, by name, such as rho, rho_low, rho_high, dispersion
    anticipation    periods before joining that the design already counts as touched
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
    path: pd.DataFrame = field(default_factory=lambda: _empty(PATH))
    events: pd.DataFrame = field(default_factory=lambda: _empty(EVENTS))
    sites: pd.DataFrame = field(default_factory=lambda: _empty(SITES))
    covariance: np.ndarray = field(default_factory=lambda: np.empty((0, 0)))
    exposure: float | None = None
    diagnostics: dict[str, float] = field(default_factory=dict)
    anticipation: int = 0
    comparison_only: bool = False
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse frames that break the contract."""
        for frame, columns in (
            (self.terms, TERMS),
            (self.path, PATH),
            (self.events, EVENTS),
            (self.sites, SITES),
        ):
            if list(frame.columns) != columns:
                raise DesignError(f"{self.design} returned columns {list(frame.columns)} instead of {columns}")
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
            "terms": [{**row, "unit": row["unit"] or self.unit} for row in _records(self.terms)],
            "counts": dict(self.counts),
            "diagnostics": {name: _plain(value) for name, value in self.diagnostics.items()},
            "method": self.method,
            "warnings": list(self.warnings),
        }

    def store(self) -> dict[str, Any]:
        """Everything, as plain values that `restore` turns back into the same Estimate."""
        path = self.path.assign(period=[periods.code(p) for p in self.path["period"]])
        return {
            **self.record(),
            "label": self.label,
            "title": self.title,
            "assumption": self.assumption,
            "exposure": self.exposure,
            "anticipation": self.anticipation,
            "comparison_only": self.comparison_only,
            "path": _records(path),
            "events": _records(self.events),
            "sites": _records(self.sites.assign(cohort=[periods.code(p) for p in self.sites["cohort"]])),
            "covariance": self.covariance.tolist(),
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


def restore(stored: dict[str, Any], frequency: periods.Frequency) -> Estimate:
    """The Estimate that `Estimate.store` wrote."""
    path = pd.DataFrame(stored["path"], columns=PATH)
    path["period"] = [periods.parse(p, frequency) for p in path["period"]]
    terms, events = pd.DataFrame(stored["terms"], columns=TERMS), pd.DataFrame(stored["events"], columns=EVENTS)
    terms["unit"] = terms["unit"].where(terms["unit"].ne(stored["unit"]), "")
    sites = pd.DataFrame(stored["sites"], columns=SITES)
    sites["cohort"] = [periods.parse(p, frequency) for p in sites["cohort"]]
    for frame in (terms, events, sites):
        frame["df"] = frame["df"].astype(float).fillna(math.inf)
    simple = (
        "study",
        "outcome",
        "label",
        "design",
        "title",
        "estimand",
        "assumption",
        "unit",
        "level",
        "counts",
        "diagnostics",
        "method",
    )
    size = len(events)
    return Estimate(
        **{name: stored[name] for name in simple},
        terms=terms,
        path=path.astype(dict.fromkeys(PATH[2:], float)),
        events=events,
        sites=sites.astype(dict.fromkeys(SITES[2:], float)),
        covariance=np.array(stored["covariance"], float).reshape(size, size),
        exposure=stored["exposure"],
        anticipation=stored["anticipation"],
        comparison_only=stored["comparison_only"],
        warnings=tuple(stored["warnings"]),
    )


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as plain values; infinite degrees of freedom and absent figures become None."""
    return [{key: _plain(value) for key, value in row.items()} for row in frame.to_dict("records")]


def _plain(value: Any) -> Any:  # noqa: ANN401 - any cell
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def stack(estimates: list[Estimate]) -> pd.DataFrame:
    """The terms of several estimates in one frame."""
    return pd.concat([e.tidy() for e in estimates], ignore_index=True)


@dataclass(frozen=True)
class Refusal:
    """A design that these data cannot carry, and why: a finding in itself, not an error."""

    study: str
    outcome: str
    design: str
    title: str
    reasons: tuple[str, ...]

    def __repr__(self) -> str:
        """The reasons as text."""
        return f"{self.title} was not computed: " + " ".join(self.reasons)

    def _repr_mimebundle_(self, **_: object) -> tuple[dict[str, str], dict[str, Any]]:
        html = markup.notice(f"{self.title} was not computed", self.reasons, "refusal")
        stored = {"refusal": {"outcome": self.outcome, "design": self.design, "reasons": list(self.reasons)}}
        return {"text/html": html, "text/plain": repr(self)}, {markup.METADATA_KEY: stored}


@dataclass(frozen=True, eq=False)
class Check:
    """A question put to an estimate.

    question  what was asked
    verdict   `reassuring`, `inconclusive`, `concern` or `not applicable`
    reading   the answer in words
    value     the number that decided, None where not applicable
    design    the design that it questions; empty when it bears on all of them
    data      what its figure draws, columns as the check's module says; empty where there is no figure
    """

    name: str
    question: str
    verdict: Verdict
    reading: str
    value: float | None = None
    design: str = ""
    data: pd.DataFrame = field(default_factory=pd.DataFrame)

    def __repr__(self) -> str:
        """Question, verdict and reading in one line."""
        return f"{self.question} {self.verdict.capitalize()}: {self.reading}"

    def _repr_mimebundle_(self, **_: object) -> tuple[dict[str, str], dict[str, Any]]:
        kind = "warning" if self.verdict == "concern" else "note"
        html = markup.notice(f"{self.question} {self.verdict.capitalize()}.", [self.reading], kind)
        stored = {"check": {"name": self.name, "verdict": self.verdict, "reading": self.reading, "value": self.value}}
        return {"text/html": html, "text/plain": repr(self)}, {markup.METADATA_KEY: stored}
