"""The impact model and the counterfactual as design columns, as the protocol declares them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from evalkit import columns, periods
from evalkit.errors import DesignError
from evalkit.estimators._its.series import Series
from evalkit.study import Study
from evalkit.study.options import Impact, ItsOptions

SIDE = 8  # fewest analysed periods a side for a change of slope
LEAST = 3  # fewest a side for anything: the minimum of the EPOC criteria
SHORT = 12  # below this many analysed periods no autocorrelation can be estimated
YEARS_FOR_SEASON = 2


@dataclass(frozen=True, eq=False)
class Design:
    """Columns for every period of the window; the analysed ones are fitted.

    series   what is fitted
    X        all columns, shape (m, k), in the order in which an engine gets them
    effect   names of the columns that the collaborative adds
    others   names of the columns of other interventions, and what each measures
    notes    what had to be left out, one sentence each
    """

    series: Series
    X: pd.DataFrame
    effect: tuple[str, ...]
    others: dict[str, str]
    notes: tuple[str, ...] = ()

    @property
    def analysed(self) -> np.ndarray:
        """The rows that are fitted, shape (n, k)."""
        return self.X.to_numpy()[self.series.used]

    @property
    def added(self) -> np.ndarray:
        """What the collaborative adds to the predictor: X with every other column at zero, shape (m, k)."""
        return self.X.to_numpy() * np.isin(self.X.columns, self.effect)

    def weights(self, column: str) -> np.ndarray:
        """The contrast that picks one column, shape (k,)."""
        return np.asarray(self.X.columns == column, float)


def build(study: Study, series: Series) -> Design:
    """All columns for a study's series.

    Raises DesignError when the periods cannot carry them: too few a side, more columns than periods, or
    columns that the analysed periods cannot tell apart.
    """
    options = study.protocol.model.its
    used, post = series.used, series.post
    require_enough(study, series)
    before = series.t[used & ~post]
    parts = [columns.trend(series.t, before, options.trend, options.damping)]
    effect = _effect(study, series, options)
    others, measured = _others(study, series, options)
    season = _season(study, series, options)
    X = pd.concat([*parts, effect, others, season], axis=1)
    X, notes = _seen(study, X, used, tuple(effect))
    _require_rank(study, X, used)
    kept = tuple(c for c in effect if c in X)
    return Design(series, X, kept, {c: measured[c] for c in measured if c in X}, notes)


def require_enough(study: Study, series: Series) -> None:
    """Refuse a series with too few analysed periods on either side of the start."""
    options = study.protocol.model.its
    after, before = int(series.post.sum()), int((series.used & ~series.post).sum())
    noun = periods.noun(study.frequency, 2)
    slug = study.slug
    fix = "widen `window`, shorten `transition`, or drop an exclusion"
    if not before or not after:
        side = "before" if not before else "after"
        raise DesignError(f"no analysed period lies {side} the start, so nothing is interrupted", slug, fix)
    said = f"{before} analysed {noun} before the start and {after} after it"
    if options.impact.sloped and not options.allow_short and min(before, after) < SIDE:
        hint = f"{fix}; or declare `impact: level`, or `allow_short: true`, under `model.its`"
        raise DesignError(f"{said}; a slope change needs {SIDE} a side", slug, hint)
    if min(before, after) < LEAST:
        raise DesignError(f"{said}; any change needs {LEAST} a side", slug, fix)


def _effect(study: Study, series: Series, options: ItsOptions) -> pd.DataFrame:
    """The collaborative's own columns; under `waves: each`, a set for every wave."""
    first = series.t[series.post].min()
    if len(series.starts) == 1:
        return _impact(study, series.t, int(first), options.impact)
    frames = []
    for i, start in enumerate(series.starts, 1):
        analysed = series.t[series.post & (series.t >= start)]
        if not len(analysed):
            raise DesignError(f"no period after wave {i} joined is analysed", study.slug, "widen `window`")
        frames.append(_impact(study, series.t, int(analysed.min()), options.impact).add_suffix(f"_wave_{i}"))
    return pd.concat(frames, axis=1)


def _impact(study: Study, t: np.ndarray, first: int, impact: Impact) -> pd.DataFrame:
    until = None
    if impact.until is not None:
        until = int(study.time(pd.PeriodIndex([impact.until]))[0])
        if not first + impact.lag <= until < t.max():
            raise DesignError(
                f"`impact.until` ({periods.code(impact.until)}) lies outside the periods with an effect",
                study.slug,
                "give the last period in which the intervention ran, or leave `until` out",
            )
    return columns.impact(t, first + impact.lag, impact.shape, impact.over or 1, until)


def _others(study: Study, series: Series, options: ItsOptions) -> tuple[pd.DataFrame, dict[str, str]]:
    """Columns of other interventions and, if asked, of declared events; and what each measures."""
    frames: list[pd.DataFrame] = []
    measured: dict[str, str] = {}
    for i, other in enumerate(options.interventions, 1):
        start = int(study.time(pd.PeriodIndex([other.first]))[0])
        frame = _impact(study, series.t, start, other.impact).add_suffix(f"_other_{i}")
        measured |= {name: f"{title(name.removesuffix(f'_other_{i}'), study)}: {other.label}" for name in frame}
        frames.append(frame)
    if options.adjust_for_events:
        for i, event in enumerate(study.protocol.events, 1):
            inside = (series.window >= event.first) & (series.window <= event.last)
            frames.append(pd.DataFrame({f"event_{i}": np.asarray(inside, float)}))
            measured[f"event_{i}"] = f"level while it lasted: {event.label}"
    if not frames:
        return pd.DataFrame(index=range(len(series.t))), measured
    return pd.concat(frames, axis=1), measured


def title(column: str, study: Study) -> str:
    """What a column of an intervention measures."""
    noun = study.frequency
    return {
        "level_change": "level change",
        "slope_change": f"slope change per {noun}",
        "ramp": "level change once the ramp is complete",
        "pulse": "level change while it lasted",
        "level_after_end": "level change that remained after the end",
        "slope_after_end": f"slope change per {noun} after the end",
    }[column]


def _season(study: Study, series: Series, options: ItsOptions) -> pd.DataFrame:
    if options.season is not None and options.season.months:
        return columns.months(series.window)
    if options.season is not None:
        return columns.harmonics(series.window, options.season.harmonics)
    t = series.t[series.used]
    years = (t.max() - t.min() + 1) / periods.PER_YEAR[study.frequency]
    return columns.harmonics(series.window, 2 if years >= YEARS_FOR_SEASON else 0)


def _seen(
    study: Study, X: pd.DataFrame, used: np.ndarray, effect: tuple[str, ...]
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Drop columns that are zero in every analysed period; refuse when they are all of the effect."""
    seen = X.to_numpy()[used].any(axis=0)
    empty = list(X.columns[~seen])
    if set(effect) <= set(empty):
        raise DesignError(
            "no analysed period shows the declared impact", study.slug, "check `lag` and `until` under `impact`"
        )
    notes = [
        f"Nothing is analysed in which the column {c.replace('_', ' ')} is not zero; it was left out." for c in empty
    ]
    return (X.loc[:, seen] if empty else X), tuple(notes)


def _require_rank(study: Study, X: pd.DataFrame, used: np.ndarray) -> None:
    rows = X.to_numpy()[used]
    n, k = rows.shape
    noun = periods.noun(study.frequency, 2)
    if n <= k + 1:
        raise DesignError(
            f"the model has {k} terms and there are only {n} analysed {noun}",
            study.slug,
            "use fewer seasonal terms or interventions, a simpler trend, or a longer `window`",
        )
    if np.linalg.matrix_rank(rows / np.abs(rows).max(axis=0)) < k:
        raise DesignError(
            "the analysed periods cannot tell the terms of the model from each other",
            study.slug,
            "use fewer `season` harmonics, interventions or event columns, or exclude less",
        )
