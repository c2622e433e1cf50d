"""The impact model and the counterfactual as design columns, as the protocol declares them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

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

    @cached_property
    def rows(self) -> np.ndarray:
        """All columns at every period, shape (m, k)."""
        return self.X.to_numpy()

    @cached_property
    def analysed(self) -> np.ndarray:
        """The rows that are fitted, shape (n, k)."""
        return self.rows[self.series.used]

    @cached_property
    def added(self) -> np.ndarray:
        """What the collaborative adds to the predictor: X with every other column at zero, shape (m, k)."""
        return self.rows * np.array([column in self.effect for column in self.X])

    def weights(self, column: str) -> np.ndarray:
        """The contrast that picks one column, shape (k,)."""
        return np.array([float(other == column) for other in self.X])


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
    X = _beside([*parts, effect, others, season])
    X, notes = _seen(study, X, used, tuple(effect), measured)
    _require_rank(study, X, used, measured)
    kept = tuple(c for c in effect if c in X)
    if int(series.t[series.post].min()) > series.starts[-1] and len(series.starts) == 1:
        month = periods.say(series.window[series.post][0])
        notes = (*notes, f"Changes of level and slope count from {month}, the first analysed period after the start.")
    return Design(series, X, kept, {c: measured[c] for c in measured if c in X}, notes)


def _beside(frames: list[pd.DataFrame]) -> pd.DataFrame:
    """Frames of as many rows side by side: as pandas does it, and several times faster."""
    names = [name for frame in frames for name in frame]
    return pd.DataFrame(np.vstack([frame.to_numpy().T for frame in frames]).T, columns=names)


def needed(impact: Impact, options: ItsOptions) -> int:
    """Analysed periods that an impact needs on either side of it."""
    return SIDE if impact.sloped and not options.allow_short else LEAST


def require_enough(study: Study, series: Series) -> None:
    """Refuse a series with too few analysed periods on either side of the start."""
    options = study.protocol.model.its
    after, before = int(series.post.sum()), int((series.used & ~series.post).sum())
    noun = periods.noun(study.frequency, 2)
    slug = study.slug
    fix = "widen `window`, shorten `transition`, or drop an exclusion"
    if series.waves > 1 and options.waves == "transition":
        fix += "; or give every wave a change of its own with `waves: each`"
    if not before or not after:
        side = "before" if not before else "after"
        raise DesignError(f"no analysed period lies {side} the start, so nothing is interrupted", slug, fix)
    said = f"{before} analysed {noun} before the start and {after} after it"
    if min(before, after) < needed(options.impact, options) == SIDE:
        hint = f"{fix}; or declare `impact: level`, or `allow_short: true`, under `model.its`"
        raise DesignError(f"{said}; a slope change needs {SIDE} a side", slug, hint)
    if min(before, after) < LEAST:
        raise DesignError(f"{said}; any change needs {LEAST} a side", slug, fix)


def _effect(study: Study, series: Series, options: ItsOptions) -> pd.DataFrame:
    """The collaborative's own columns; under `waves: each`, a set for every wave."""
    if len(series.starts) == 1:
        return _impact(study, series, series.starts[0], options.impact)
    frames = []
    for i, (start, following) in enumerate(zip(series.starts, (*series.starts[1:], None), strict=True), 1):
        frame = _impact(study, series, start, options.impact, following)
        frames.append(frame.add_suffix(f"_wave_{i}"))
    return _beside(frames)


def _impact(study: Study, series: Series, start: int, impact: Impact, following: int | None = None) -> pd.DataFrame:
    """Columns of one intervention; `following` is the position from which another one takes over.

    Steps and slopes count from the first analysed period of the impact, ramps and pulses from its date:
    they have a length of their own that goes on while nothing is analysed.
    """
    until = None
    onset = start + impact.lag
    if impact.until is not None:
        until = int(study.time(pd.PeriodIndex([impact.until]))[0])
        if not onset <= until < series.t.max():
            raise DesignError(
                f"`impact.until` ({periods.label(impact.until)}) lies outside the periods with an effect",
                study.slug,
                "give the last period in which the intervention ran, or leave `until` out",
            )
    _require_span(study, series, impact, (onset, until if until is not None else _before(following)))
    if until is not None:
        _require_span(study, series, impact, (until + 1, _before(following)))
    if impact.shape in ("level", "slope", "level_and_slope"):
        analysed = series.t[series.used & (series.t >= onset)]
        onset = int(analysed.min()) if len(analysed) else onset
    return columns.impact(series.t, onset, impact.shape, impact.over or 1, until)


def _before(following: int | None) -> int | None:
    return None if following is None else following - 1


def _require_span(study: Study, series: Series, impact: Impact, span: tuple[int, int | None]) -> None:
    """Refuse a change that too few analysed periods show."""
    first, last = span
    inside = series.used & (series.t >= first) & (series.t <= (series.t.max() if last is None else last))
    least = needed(impact, study.protocol.model.its)
    if impact.shape == "pulse":
        least = 1  # its own column says whether it is seen at all
    seen = int(inside.sum())
    if not seen and least > 1:
        raise DesignError(
            "no analysed period shows the declared impact", study.slug, "check `lag` and `until` under `impact`"
        )
    if seen >= least:
        return
    what, noun = "a change of slope" if impact.sloped else "a change", periods.noun(study.frequency, seen)
    fix = "declare a shorter `lag` or another `until`, or widen `window`"
    raise DesignError(
        f"{what} from {periods.say(series.window[first - series.t[0]])} on rests on {seen} analysed {noun} and "
        f"needs {least}",
        study.slug,
        f"{fix}; or declare `impact: level`, or `allow_short: true`" if impact.sloped else fix,
    )


def _others(study: Study, series: Series, options: ItsOptions) -> tuple[pd.DataFrame, dict[str, str]]:
    """Columns of other interventions and, if asked, of declared events; and what each measures."""
    frames: list[pd.DataFrame] = []
    measured: dict[str, str] = {}
    for i, other in enumerate(options.interventions, 1):
        start = int(study.time(pd.PeriodIndex([other.first]))[0])
        frame = _impact(study, series, start, other.impact).add_suffix(f"_other_{i}")
        label = _told_apart(other.label, other.first, [o.label for o in options.interventions])
        measured |= {name: f"{title(name.removesuffix(f'_other_{i}'), study)}: {label}" for name in frame}
        frames.append(frame)
    if options.adjust_for_events:
        for i, event in enumerate(study.protocol.events, 1):
            inside = (series.window >= event.first) & (series.window <= event.last)
            frames.append(pd.DataFrame({f"event_{i}": np.asarray(inside, float)}))
            label = _told_apart(event.label, event.first, [e.label for e in study.protocol.events])
            measured[f"event_{i}"] = f"level while it lasted: {label}"
    if not frames:
        return pd.DataFrame(index=range(len(series.t))), measured
    return _beside(frames), measured


def _told_apart(label: str, first: pd.Period, labels: list[str]) -> str:
    """A label, with its date where another one has the same."""
    return f"{label} ({periods.label(first)})" if labels.count(label) > 1 else label


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
    return columns.harmonics(series.window, default_pairs(study, series))


def default_pairs(study: Study, series: Series) -> int:
    """Harmonic pairs where the protocol does not say: two from two years of analysed periods on, else none."""
    t = series.t[series.used]
    years = (t.max() - t.min() + 1) / periods.PER_YEAR[study.frequency]
    return 2 if years >= YEARS_FOR_SEASON else 0


def _seen(
    study: Study, X: pd.DataFrame, used: np.ndarray, effect: tuple[str, ...], measured: dict[str, str]
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Drop columns that are zero in every analysed period; refuse when they are all of the effect."""
    seen = X.to_numpy()[used].any(axis=0)
    empty = list(X.columns[~seen])
    if set(effect) <= set(empty):
        raise DesignError(
            "no analysed period shows the declared impact",
            study.slug,
            "check `lag`, `over` and `until` under `impact`",
        )
    notes = [f"Not estimated, because no analysed period shows it: {_called(c, study, measured)}." for c in empty]
    return (X.loc[:, seen] if empty else X), tuple(notes)


def _called(column: str, study: Study, measured: dict[str, str]) -> str:
    """A column as a reader knows it."""
    if column in measured:
        return measured[column]
    base, _, wave = column.partition("_wave_")
    if base.startswith(("sin", "cos", "month")):
        return "the season"
    if base.startswith("trend"):
        return "the course before the start"
    return title(base, study) + (f" of wave {wave}" if wave else "")


def _require_rank(study: Study, X: pd.DataFrame, used: np.ndarray, measured: dict[str, str]) -> None:
    rows = X.to_numpy()[used]
    n, k = rows.shape
    noun = periods.noun(study.frequency, 2)
    if n <= k + 1:
        raise DesignError(
            f"the model has {k} terms and there are only {n} analysed {noun}",
            study.slug,
            "use fewer seasonal terms or interventions, a simpler `trend`, or a longer `window`",
        )
    scaled = rows / np.abs(rows).max(axis=0)
    if np.linalg.matrix_rank(scaled) == k:
        return
    ranks = [np.linalg.matrix_rank(scaled[:, : i + 1]) for i in range(k)]
    culprit = next(i for i in range(k) if ranks[i] <= i)
    name = _called(str(X.columns[culprit]), study, measured)
    season = X.columns[culprit].startswith(("sin", "cos", "month"))
    fix = "use fewer `season` terms or exclude less" if season else "correct its dates, or leave it out"
    raise DesignError(f"the analysed {noun} cannot tell {name} from the other terms of the model", study.slug, fix)
