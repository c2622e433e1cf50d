"""Control charts of a panel: of units taken together, or of each unit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from evalkit import numbers
from evalkit.errors import DesignError
from evalkit.panel import Panel
from evalkit.spc import limits as kernels
from evalkit.spc.limits import Limits
from evalkit.spc.rules import (
    COMMON,
    CONCERN,
    IMPROVEMENT,
    NEUTRAL,
    RULES,
    Assurance,
    Better,
    assurance,
    meaning,
    signals,
)
from evalkit.spc.stretches import How, Stretches, stretches
from evalkit.study import Outcome, Study
from evalkit.study.outcome import CaseMix

MEANINGS = {IMPROVEMENT: "improvement", COMMON: "common cause", CONCERN: "concern", NEUTRAL: "change"}
FITS = {"p": ("proportion",), "p_adjusted": ("proportion",), "u": ("rate",), "u_adjusted": ("rate",)}
NO_POINT = "no point"


@dataclass(frozen=True, eq=False)
class Chart:
    """One control chart; everything in the outcome's unit.

    study, outcome  what it is of
    name     the unit, or who is taken together
    of       the units in it
    better   `higher`, `lower` or `neither`
    how      how it was made
    start    the position in the window at which the first of them joined, None for none
    target   in the outcome's unit, None for none
    frame    index period, every period of the window: value (missing for a gap), centre, low, high, segment (int),
             excluded (shown and not used), basis (limits rest on it), signal (a name of `RULES` or blank),
             side (1 high, -1 low, 0), meaning (a value of `MEANINGS`, blank where there is nothing to judge), units
             (how many reported)
    short    positions at which limits were not rebased, with the usable points before and from there on
    screened  outlying moving ranges left out, by segment
    assurance  what the latest limits say of the target
    """

    study: Study
    outcome: Outcome
    name: str
    of: int
    better: Better
    how: How
    start: int | None
    target: float | None
    frame: pd.DataFrame
    short: tuple[tuple[int, int, int], ...]
    screened: tuple[int, ...]
    assurance: Assurance

    @cached_property
    def judged(self) -> pd.DataFrame:
        """The points that rules were asked of."""
        return self.frame[self.frame["meaning"].ne("")]

    @property
    def variation(self) -> str:
        """What the latest judged point is: a value of `MEANINGS`, or `no point`."""
        return str(self.judged["meaning"].iloc[-1]) if len(self.judged) else NO_POINT

    @property
    def side(self) -> int:
        """On which side the latest judged point's signal lies: 1 high, -1 low, 0 none."""
        return int(self.judged["side"].iloc[-1]) if len(self.judged) else 0


@dataclass(frozen=True, eq=False)
class Charts:
    """The charts of S series of one outcome over T periods, as arrays; `charts[i]` is one of them.

    names, of, starts, short, assurance  one each, as in `Chart`
    values, reported  shape (S, T): value and how many units it is of
    excluded   shape (T,)
    limits     the limits, `low` and `high` cut at what the outcome can be
    cut        the stretches
    found      shape (4, S, T), as `signals` gives it
    meaning    shape (S, T)
    """

    study: Study
    outcome: Outcome
    better: Better
    how: How
    target: float | None
    names: tuple[str, ...]
    of: tuple[int, ...]
    starts: tuple[int | None, ...]
    values: np.ndarray
    reported: np.ndarray
    excluded: np.ndarray
    limits: Limits
    cut: Stretches
    found: np.ndarray
    meaning: np.ndarray
    assurance: tuple[Assurance, ...]

    def __len__(self) -> int:
        """How many series there are."""
        return len(self.names)

    def __getitem__(self, i: int) -> Chart:
        """One series as a chart."""
        found, judged = self.found[:, i], np.isfinite(self.values[i]) & ~self.excluded
        judged = judged & np.isfinite(self.limits.centre[i])
        first = np.argmax(found != 0, axis=0)
        broken = (found != 0).any(axis=0)
        side = np.where(broken, np.take_along_axis(found, first[None], axis=0)[0], 0)
        frame = pd.DataFrame(
            {
                "value": self.values[i],
                "centre": self.limits.centre[i],
                "low": self.limits.low[i],
                "high": self.limits.high[i],
                "segment": self.cut.segment[i],
                "excluded": self.excluded,
                "basis": self.cut.basis[i],
                "signal": [RULES[k] if b else "" for k, b in zip(first, broken, strict=True)],
                "side": side,
                "meaning": [MEANINGS[m] if j else "" for m, j in zip(self.meaning[i].tolist(), judged, strict=True)],
                "units": self.reported[i].astype(int),
            },
            index=self.study.window.rename("period"),
        )
        ends = np.flatnonzero(np.append(np.diff(self.cut.segment[i]) > 0, True))
        screened = tuple(int(n) for n in np.nan_to_num(self.limits.screened[i, ends]))
        return Chart(
            self.study, self.outcome, self.names[i], self.of[i], self.better, self.how, self.starts[i], self.target,
            frame, self.cut.short[i], screened, self.assurance[i],
        )  # fmt: skip

    def latest(self) -> list[str]:
        """What the latest judged point of each series is, as `Chart.variation`."""
        judged = np.isfinite(self.values) & ~self.excluded & np.isfinite(self.limits.centre)
        last = judged.shape[1] - 1 - np.argmax(judged[:, ::-1], axis=1)
        rows = zip(self.meaning[np.arange(len(last)), last].tolist(), judged.any(axis=1), strict=True)
        return [MEANINGS[m] if any_ else NO_POINT for m, any_ in rows]


def chart(panel: Panel, of: str = "joined", how: How = How()) -> Chart:  # noqa: B008 - frozen
    """The chart of units taken together, or of one unit.

    of  `joined`, `comparison` (never joined), `all`, or a unit: counts are added before a ratio is formed, counts and
        continuous measures averaged over the units that reported

    Raises DesignError where there is no such unit, or `how.method` does not suit the outcome.
    """
    groups = {"joined": panel.joined, "comparison": panel.never, "all": panel.units.index}
    if of not in groups and of in panel.units.index:
        return charts(panel, [of], how)[0]
    units = groups.get(of, panel.units.index[:0])
    if units.empty:
        known = "`joined`, `comparison`, `all` or a unit's code"
        raise DesignError(f"there is no unit to chart under '{of}'", panel.study.slug, f"use {known}")
    names = {
        "joined": f"{numbers.of(len(units), 'unit')} that joined",
        "comparison": f"{numbers.of(len(units), 'unit')} that never joined",
        "all": f"all {numbers.of(len(units), 'unit')}",
    }
    data = panel.over(units).reindex(panel.study.window)
    starts = _positions(panel, [panel.cohorts[0] if panel.cohorts else None])
    parts = {name: data[name].to_numpy(float)[None] for name in ("value", "numerator", "denominator", "units")}
    return _charted(panel, (names[of],), (len(units),), starts, parts, how)[0]


def charts(panel: Panel, units: Sequence[str] | None = None, how: How = How()) -> Charts:  # noqa: B008 - frozen
    """A chart for each unit (by default those that joined), rebased at its own joining.

    Raises DesignError for a unit that is not there, and where `how.method` does not suit the outcome.
    """
    index = panel.joined if units is None else pd.Index(units)
    unknown = index.difference(panel.units.index)
    if len(unknown) or index.empty:
        what = f"there is no unit '{unknown[0]}'" if len(unknown) else "no unit joined"
        raise DesignError(what, panel.study.slug, "name units as the data do")
    parts = {c: panel.wide(c).reindex(index).to_numpy(float) for c in ("value", "numerator", "denominator")}
    parts["units"] = np.isfinite(parts["value"]).astype(float)
    cohorts = panel.units["cohort"].reindex(index)
    starts = _positions(panel, [None if pd.isna(c) else c for c in cohorts])
    names = panel.units["name"].reindex(index).replace("", np.nan).fillna(index.to_series())
    return _charted(panel, tuple(map(str, names)), (1,) * len(index), starts, parts, how)


def _positions(panel: Panel, joining: list[pd.Period | None]) -> tuple[int | None, ...]:
    """Positions of periods in the window, None for none and for those outside it."""
    at = panel.study.window.get_indexer(pd.PeriodIndex([pd.NaT if j is None else j for j in joining],
                                                       freq=panel.study.window.freq))  # fmt: skip
    return tuple(None if j is None or k < 0 else int(k) for j, k in zip(joining, at, strict=True))


def _charted(
    panel: Panel,
    names: tuple[str, ...],
    of: tuple[int, ...],
    starts: tuple[int | None, ...],
    parts: dict[str, np.ndarray],
    how: How,
) -> Charts:
    study, outcome = panel.study, panel.outcome
    _refuse_misfit(panel, how)
    values, excluded = parts["value"], study.excluded
    usable = np.isfinite(values) & ~excluded
    cut = stretches(usable, [_begin(panel, start, how) for start in starts], how)
    found = _limits(parts, cut, outcome, how)
    better: Better = "neither" if isinstance(outcome, CaseMix) else outcome.better
    broken = signals(np.where(usable, values, np.nan), found, cut.segment)
    least, most = {"proportion": (0.0, outcome.scale), "continuous": (-np.inf, np.inf)}.get(
        outcome.kind, (0.0, np.inf)
    )
    bounded = Limits(
        found.centre, np.maximum(found.low, least), np.minimum(found.high, most), found.spread, found.screened
    )
    target = (
        None if outcome.target is None else outcome.target * (outcome.scale if outcome.kind == "proportion" else 1)
    )
    return Charts(
        study, outcome, better, how, target, names, of, starts, values, np.nan_to_num(parts["units"]), excluded,
        bounded, cut, broken, meaning(broken, better),
        tuple(assurance(_latest(bounded.low), _latest(bounded.high), target, better)),
    )  # fmt: skip


def _latest(limit: np.ndarray) -> np.ndarray:
    """The last figure of each row, shape (S,): a P or U chart has none where there is no denominator."""
    last = limit.shape[1] - 1 - np.argmax(np.isfinite(limit)[:, ::-1], axis=1)
    found: np.ndarray = limit[np.arange(len(limit)), last]
    return found


def _limits(parts: dict[str, np.ndarray], cut: Stretches, outcome: Outcome, how: How) -> Limits:
    if how.method == "xmr":
        return kernels.xmr(parts["value"], cut.segment, cut.basis, screen=how.screen)
    make = kernels.proportions if how.method.startswith("p") else kernels.rates
    adjusted = how.method.endswith("_adjusted")
    raw = make(parts["numerator"], parts["denominator"], cut.segment, cut.basis, adjusted=adjusted)
    scale = outcome.scale
    return Limits(scale * raw.centre, scale * raw.low, scale * raw.high, raw.spread, raw.screened)


def _begin(panel: Panel, start: int | None, how: How) -> list[int]:
    """The first positions of new limits of one series."""
    if isinstance(how.rebase, tuple):
        at = panel.study.window.get_indexer(pd.PeriodIndex(sorted(how.rebase), freq=panel.study.window.freq))
        if (at < 0).any():
            raise DesignError(
                "limits cannot be rebased outside the study's window", panel.study.slug, "give a period in it"
            )
        return [int(k) for k in at]
    return [] if how.rebase == "never" or start is None else [start]


def _refuse_misfit(panel: Panel, how: How) -> None:
    kinds = FITS.get(how.method)
    if kinds and panel.outcome.kind not in kinds:
        raise DesignError(
            f"a {how.method[0].upper()} chart is of a {kinds[0]}, not a {panel.outcome.kind}: {panel.outcome.title}",
            panel.study.slug,
            "use an XmR chart",
        )
