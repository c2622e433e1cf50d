"""From a design's weights to an Estimate: variance, intervals, bands and frames, the same for every design."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from evalkit import inference, periods
from evalkit.errors import DesignError
from evalkit.estimate import CELLS, EVENTS, GROUPS, Estimate, framed
from evalkit.estimators._common import exposure, horizon_name, identity, size
from evalkit.estimators._did import bootstrap, front
from evalkit.estimators._did.averages import Averages, Cells
from evalkit.estimators._did.borrow import borrowed
from evalkit.estimators._did.layout import Layout
from evalkit.estimators._did.linear import Linear
from evalkit.estimators._did.terms import analytic, judge
from evalkit.panel import Panel
from evalkit.study.options import ComparisonOptions

MOST_CELLS = 1_000  # effects by cohort and period that are stored; more of them say nothing to a reader
COLUMNS = 64  # of them that are computed at a time


@dataclass(frozen=True, eq=False)
class Parts:
    """What a design hands over.

    layout     the arrays
    cells      effects by cohort and period, m of them
    averages   the reported averages of the cells
    linear     those averages as weighted sums of outcomes
    joined     units on the joined side of each cell, shape (m,)
    others     units it is compared with, shape (m,)
    single     some cells alone, by position, as weighted sums of outcomes
    options    the protocol's
    before     effects before joining that are not among the cells: event times, and weighted sums
    residuals  of the model that no average restricts, for the wild bootstrap; shape (n, T)
    shown      which cells have an error of their own, booleans, shape (m,); all by default
    left_out   errors leave each cluster out of what it is judged by: Student's t then holds with few clusters
    """

    layout: Layout
    cells: Cells
    averages: Averages
    linear: Linear
    joined: np.ndarray
    others: np.ndarray
    single: Callable[[np.ndarray], Linear]
    options: ComparisonOptions
    before: tuple[list[int], Linear] | None = None
    residuals: Callable[[Layout], np.ndarray] = bootstrap.residuals
    shown: np.ndarray | None = None
    left_out: bool = False


@dataclass(frozen=True)
class Words:
    """What a design says of itself: how the effects are formed, what must hold, and its own warnings.

    base  what effects before joining are measured against: see `Estimate`
    """

    design: str
    title: str
    how: str
    assumption: str
    errors: str = "standard errors from the influence function"
    warnings: tuple[str, ...] = ()
    estimand: str = "average effect on the joined (ATT) over the analysed periods after joining"
    counts: dict[str, int] = field(default_factory=dict)
    base: str = "universal"


@dataclass(frozen=True, eq=False)
class Uncertainty:
    """Contributions by cluster with what was borrowed for lone waves, shape (G, K), and what follows from them."""

    psi: np.ndarray
    clusters: int
    lone: list[int]

    @property
    def df(self) -> float:
        """Clusters less one."""
        return float(self.clusters - 1)

    @property
    def error(self) -> np.ndarray:
        """Standard errors, shape (K,)."""
        return np.sqrt((self.psi**2).sum(axis=0))


def uncertainty(panel: Panel, layout: Layout, linear: Linear, cells: Cells) -> Uncertainty:
    """The contributions of a design's quantities. Raises DesignError when nothing varies between units."""
    psi = linear.by_cluster(layout.Y)
    clusters = linear.count(psi)
    if not clusters:
        raise DesignError("the changes do not vary between units", panel.study.slug, "check the outcome")
    lone = front.lonely(layout, sorted(set(cells.cohort[cells.post].tolist())))
    rows = [psi, *(borrowed(layout, linear, h) for h in lone)]
    return Uncertainty(np.vstack(rows), clusters, lone)


def assemble(panel: Panel, parts: Parts, words: Words) -> Estimate:
    """The Estimate of a design. Raises DesignError when a figure cannot be computed."""
    layout, options = parts.layout, parts.options
    linear, names = _with_before(parts)
    found = linear.estimate(layout.Y)
    unsure = uncertainty(panel, layout, linear, parts.cells)
    rows = _Rows(panel, _said(names), found, unsure)
    terms, more = _terms(panel, parts, rows, names)
    terms, how = _wild(panel, parts, terms, unsure)
    events, columns = _events(parts, rows, names)
    psi = unsure.psi[:, columns]
    return Estimate(
        **identity(panel, words.design, words.title),  # type: ignore[arg-type]
        estimand=words.estimand,
        assumption=words.assumption,
        terms=pd.DataFrame([row for row, _ in terms]),
        counts={
            "joined units": _joined(parts),
            "comparison units that never joined": len(panel.never),
            "waves": len(np.unique(parts.cells.cohort[parts.cells.post])),
            **words.counts,
            "clusters": unsure.clusters,
        },
        method=(
            f"{words.how}, {'each unit weighing equally' if layout.equal else 'units weighing by denominator'}, "
            f"{words.errors} clustered on {unsure.clusters} clusters, {how}"
        ),
        events=_banded(panel, events, psi, unsure.df),
        covariance=psi.T @ psi,
        cells=_cells(panel, parts),
        groups=_groups(panel, parts, rows, names),
        exposure=exposure(panel, parts.cells.period[parts.cells.post]),
        anticipation=options.anticipation,
        base=words.base,
        warnings=(*words.warnings, *more, *front.warn(panel, layout, parts.cells, unsure.clusters)),
    )


Names = list[tuple[str, int | str]]


def _with_before(parts: Parts) -> tuple[Linear, Names]:
    """The averages, and beside them the effects before joining that come from elsewhere."""
    if parts.before is None:
        return parts.linear, parts.averages.names
    times, early = parts.before
    return parts.linear.beside(early), [*parts.averages.names, *(("event", k) for k in times)]


class _Rows:
    """Rows of a frame, by column of the quantities."""

    def __init__(self, panel: Panel, names: list[str], estimate: np.ndarray, unsure: Uncertainty) -> None:
        level = panel.study.protocol.level
        self.rows = inference.terms(names, estimate, unsure.error, unsure.df, level, scale=size(panel))

    def row(self, name: str, column: int) -> dict[str, Any]:
        return {**self.rows[column], "term": name}


def _said(names: Names) -> list[str]:
    """Each quantity as a refusal would name it."""
    return [str(label) if kind == "term" else f"effect by {kind} ({label})" for kind, label in names]


def _terms(
    panel: Panel, parts: Parts, rows: _Rows, names: Names
) -> tuple[list[tuple[dict[str, Any], int]], list[str]]:
    """Rows with their columns: the headline, the other averages, the declared horizons."""
    staggered = len(np.unique(parts.cells.cohort[parts.cells.post])) > 1
    out, warnings = [], []
    for column, (kind, label) in enumerate(names):
        if kind == "term" and (staggered or label != "mean over calendar periods"):
            out.append((rows.row(str(label), column), column))
    for horizon in dict.fromkeys(panel.study.protocol.horizons):
        name = horizon_name(panel.study, horizon)
        if ("horizon", horizon) in names:
            column = names.index(("horizon", horizon))
            out.append((rows.row(name, column), column))
        else:
            warnings.append(f"The {name} is not given: no wave has it in an analysed period with a comparison.")
    return out, warnings


def _wild(
    panel: Panel, parts: Parts, terms: list[tuple[dict[str, Any], int]], unsure: Uncertainty
) -> tuple[list[tuple[dict[str, Any], int]], str]:
    """The terms with intervals from the wild bootstrap where the design calls for it, and how in words."""
    choice = parts.options.inference
    if parts.left_out and choice == "auto":
        choice = "analytic"
    if unsure.lone and choice == "wild":
        raise DesignError(
            "the wild cluster bootstrap knows nothing of a wave that is a single unit or cluster",
            panel.study.slug,
            "use `inference: analytic`, or cluster on a finer level",
        )
    if unsure.lone:
        return terms, analytic(unsure.df)
    layout = parts.layout
    picked = parts.linear.pick([column for _, column in terms])
    judged = judge(panel, layout, picked, choice, E=lambda: parts.residuals(layout))
    if not judged.wild:
        return terms, judged.how
    level, scale = panel.study.protocol.level, size(panel)
    ends = ("low", "high", "p_value")
    out = []
    for k, (row, column) in enumerate(terms):
        found = judged.row(row["term"], k, level, scale)
        out.append(({**row, **{end: found[end] for end in ends}}, column))
    return out, f"{judged.how[:-1]}, those by event time by {analytic(unsure.df)}"


def _events(parts: Parts, rows: _Rows, names: Names) -> tuple[list[dict[str, Any]], list[int]]:
    """Effects by periods since joining, in order, and their columns."""
    cells, out = parts.cells, []
    columns = sorted((k for k, (kind, _) in enumerate(names) if kind == "event"), key=lambda k: int(names[k][1]))
    for column in columns:
        k = int(names[column][1])
        among = column < parts.averages.A.shape[1]
        keep = parts.averages.A[:, column] != 0 if among else np.zeros(len(cells.since), bool)
        phase = "pre" if k < 0 else "post" if cells.post[keep].any() else "transition"
        units = int(parts.joined[keep].sum()) if keep.any() else int((~np.isnan(parts.layout.g)).sum())
        out.append({**rows.row(f"effect at {k}", column), "event_time": k, "phase": phase, "units": units})
    return out, columns


def _banded(panel: Panel, events: list[dict[str, Any]], psi: np.ndarray, df: float) -> pd.DataFrame:
    """The events with a band that holds all of them at once."""
    if not events:
        return framed([], EVENTS)
    reach = inference.critical_value(psi, panel.study.protocol.level, df)
    for row in events:
        row["band_low"] = row["estimate"] - reach * row["std_error"]
        row["band_high"] = row["estimate"] + reach * row["std_error"]
    return framed(events, EVENTS)


def _groups(panel: Panel, parts: Parts, rows: _Rows, names: Names) -> pd.DataFrame:
    """Averages by cohort and by calendar period."""
    window, cells, out = panel.study.window, parts.cells, []
    for column, (kind, label) in enumerate(names):
        if kind not in ("cohort", "calendar"):
            continue
        at = int(parts.layout.cohorts[int(label)] if kind == "cohort" else label)
        keep = cells.post & ((cells.cohort if kind == "cohort" else cells.period) == label)
        units = int(parts.joined[keep].max() if kind == "cohort" else parts.joined[keep].sum())
        code = periods.code(window[at])
        out.append({**rows.row(f"effect of {code}", column), "kind": kind, "group": code, "units": units})
    return framed(out, GROUPS)


def _cells(panel: Panel, parts: Parts) -> pd.DataFrame:
    """Effects by cohort and period, each with its own interval."""
    cells, layout, window = parts.cells, parts.layout, panel.study.window
    shown = np.arange(len(cells.since)) if parts.shown is None else np.flatnonzero(parts.shown)
    if len(shown) > MOST_CELLS:
        return framed([], CELLS)
    out = []
    for start in range(0, len(shown), COLUMNS):
        some = shown[start : start + COLUMNS]
        linear = parts.single(some)
        unsure = uncertainty(panel, layout, linear, cells)
        said = ["effect of a wave in a period"] * len(some)
        rows = _Rows(panel, said, linear.estimate(layout.Y), unsure)
        for column, c in enumerate(some):
            out.append(
                {
                    **rows.row("effect of a wave in a period", column),
                    "cohort": window[layout.cohorts[cells.cohort[c]]],
                    "period": window[cells.period[c]],
                    "event_time": int(cells.since[c]),
                    "phase": str(cells.phase[c]),
                    "units": int(parts.joined[c]),
                    "comparison": int(parts.others[c]),
                }
            )
    return framed(out, CELLS)


def _joined(parts: Parts) -> int:
    """Joined units in the waves that have an analysed period after joining."""
    waves = np.unique(parts.cells.cohort[parts.cells.post])
    seen = parts.layout.seen.any(axis=1)
    return int((np.isin(parts.layout.group, waves) & seen).sum())
