"""Figures of checks of a single course: each draws what the check's `data` holds, and says its reading."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from evalkit import markup, numbers, periods
from evalkit.estimate import Check
from evalkit.markup import Shown
from evalkit.plots.style import DARK_BLUE, GREY, LIGHT_GREY, ORANGE, SHADE, calendar, canvas, period_rows, shown

NAMED = 3  # periods named in the drawing
BELOW = {"loc": "upper left", "bbox_to_anchor": (0, -0.16), "ncols": 2, "fontsize": 9}
Draw = Callable[[Check], Shown]


def answered(draw: Draw) -> Draw:
    """Let a figure also be asked of a check that does not apply: it then says why nothing is drawn."""

    @wraps(draw)
    def wrapper(check: Check) -> Shown:
        if check.verdict == "not applicable" or check.data.empty:
            title = f"No figure: {check.question}"
            return Shown(markup.notice(title, [check.reading], "refusal"), f"{title} {check.reading}")
        return draw(check)

    return wrapper


@answered
def autocorrelation(check: Check) -> Shown:
    """Autocorrelation of what the model leaves unexplained, by lag, with the limits of chance."""
    data = check.data
    with canvas(height=3.6) as (figure, axes):
        lag, acf = data["lag"].to_numpy(float), data["acf"].to_numpy(float)
        band = data["band"].to_numpy(float)
        axes.fill_between(lag, -band, band, color=SHADE, linewidth=0, label="95% limits of pure chance, lag by lag")
        axes.plot(lag, band, ":", color=LIGHT_GREY, linewidth=1)
        axes.plot(lag, -band, ":", color=LIGHT_GREY, linewidth=1)
        axes.vlines(lag, 0, acf, color=DARK_BLUE, linewidth=2)
        out = np.abs(acf) > band
        axes.plot(lag[~out], acf[~out], "o", color=DARK_BLUE, markersize=5, label="Inside the limits")
        if out.any():
            axes.plot(lag[out], acf[out], "D", color=ORANGE, markersize=7, label="Outside the limits")
        axes.axhline(0, color=GREY, linewidth=1)
        axes.set_xticks(lag)
        axes.set_xlabel("Periods apart")
        axes.set_ylabel("Autocorrelation")
        axes.legend(**BELOW)
    alt = f"Autocorrelation at {numbers.of(len(data), 'lag')}, {int(out.sum())} outside the limits. {check.reading}"
    rows = [
        [str(int(r.lag)), numbers.number(r.acf, 2), numbers.number(r.band, 2), numbers.count(r.pairs)]
        for r in data.itertuples()
    ]
    return shown(
        figure, alt, _caption(check, "autocorrelation left"), ["Lag", "Autocorrelation", "Limit", "Pairs"], rows
    )


@answered
def seasonality(check: Check) -> Shown:
    """What the model leaves unexplained, on average, in each month or quarter of the year."""
    data = check.data
    x, y = data["season"].to_numpy(float), data["innovation"].to_numpy(float)
    with canvas(height=3.2) as (figure, axes):
        axes.vlines(x, 0, y, color=DARK_BLUE, linewidth=2)
        axes.plot(x, y, "o", color=DARK_BLUE, markersize=5)
        axes.axhline(0, color=GREY, linewidth=1)
        axes.set_xticks(x)
        axes.set_xlabel("Position in the year")
        axes.set_ylabel("Mean left unexplained (SD)")
    alt = (
        f"Mean of what the model leaves unexplained at {len(data)} positions in the year, from "
        f"{numbers.number(y.min(), 2)} to {numbers.number(y.max(), 2)} standard deviations. {check.reading}"
    )
    rows = [
        [str(int(r.season)), numbers.number(r.innovation, 2), numbers.count(r.periods)] for r in data.itertuples()
    ]
    header = ["Position in the year", "Mean left unexplained (SD)", "Periods"]
    return shown(figure, alt, _caption(check, "what the season leaves"), header, rows)


@answered
def placebo_dates(check: Check) -> Shown:
    """The effect at every placebo date and at the real one, with intervals."""
    data = check.data
    window = pd.period_range(data["date"].min() - 1, data["date"].max() + 1)
    places = _places(data)
    with canvas() as (figure, axes):
        calendar(axes, window)
        for real, marker, colour, label in (
            (False, "o", LIGHT_GREY, f"Placebo dates, nothing started ({_level(data)} interval)"),
            (True, "D", DARK_BLUE, f"Real start ({_level(data)} interval)"),
        ):
            part = data[data["real"] == real]
            x = np.array([(date - window[0]).n for date in part["date"]])
            _intervals(axes, x, part, marker, (colour, label))
        axes.axhline(0, color=GREY, linewidth=1)
        axes.set_ylabel(_effect(data))
        axes.set_xlabel("First period counted as after the start (each year stands at its start)")
        axes.legend(**BELOW)
    alt = f"Effects at {numbers.of(len(data) - 1, 'placebo date')} and at the real start. {check.reading}"
    rows = period_rows(
        data["date"].tolist(), ["real" if r else "placebo" for r in data["real"]], *_effect_cells(data, places)
    )
    header = ["First period after", "Start", "Effect", *_ends(data)]
    return shown(figure, alt, _caption(check, "effects at dates when nothing had started"), header, rows)


@answered
def influence(check: Check) -> Shown:
    """The estimate with each period left out; the most influential are named."""
    data = check.data
    window = pd.period_range(data["period"].min(), data["period"].max())
    places = _places(data)
    top = data["change"].abs().nlargest(NAMED).index
    with canvas() as (figure, axes):
        calendar(axes, window)
        x = pd.Series([(p - window[0]).n for p in data["period"]], index=data.index)
        rest = data.index.difference(top)
        _intervals(axes, x[rest].to_numpy(), data.loc[rest], "o", (LIGHT_GREY, f"Left out ({_level(data)} interval)"))
        _intervals(axes, x[top].to_numpy(), data.loc[top], "D", (DARK_BLUE, "Left out: those that move it most"))
        _name_periods(axes, x[top], data.loc[top])
        axes.axhline(0, color=GREY, linewidth=1)
        axes.set_ylabel(_effect(data))
        axes.set_xlabel("Period left out (each year stands at its start)")
        axes.legend(**BELOW)
    alt = f"The estimate with each of {numbers.of(len(data), 'period')} left out. {check.reading}"
    cells = _effect_cells(data, places)
    rows = period_rows(data["period"].tolist(), *cells, [numbers.signed(v, 2) for v in data["change"]])
    header = ["Left out", "Effect", *_ends(data), "Change in standard errors"]
    return shown(figure, alt, _caption(check, "the effect with each period left out"), header, rows)


def _name_periods(axes: Axes, x: pd.Series, top: pd.DataFrame) -> None:
    """The named periods above the intervals, each on a line of its own, with a dotted line down to its interval."""
    low, high = axes.get_ylim()
    line = 0.09 * (high - low)
    for i, (index, row) in enumerate(top.sort_values("period").iterrows()):
        y = high + (i + 0.3) * line
        right = x[index] > np.mean(axes.get_xlim())
        axes.plot([x[index]] * 2, [row["high"], y], ":", color=DARK_BLUE, linewidth=1)
        side = "right" if right else "left"
        axes.text(
            x[index] + (-0.4 if right else 0.4), y, periods.say(row["period"]), ha=side, va="center", fontsize=9
        )
    axes.set_ylim(low, high + (len(top) + 0.2) * line)


@answered
def forecast_error(check: Check) -> Shown:
    """The part held out before the start against its forecast with prediction limits."""
    data = check.data
    window = pd.period_range(data["period"].min(), data["period"].max())
    places = _places(data[data["held_out"]])
    with canvas() as (figure, axes):
        calendar(axes, window)
        x = np.array([(p - window[0]).n for p in data["period"]])
        held = data["held_out"].to_numpy(bool)
        observed, course = data["observed"].to_numpy(float), data["forecast"].to_numpy(float)
        axes.plot(x[~held], observed[~held], "o", color=LIGHT_GREY, markersize=4, label="Observed, used")
        axes.plot(x[held], observed[held], "D", color=DARK_BLUE, markersize=5, label="Observed, held out")
        axes.plot(x[~held], course[~held], "-", color=LIGHT_GREY, linewidth=1.5, label="Fitted to what was used")
        axes.plot(x[held], course[held], "--", color=ORANGE, linewidth=2, label="Forecast")
        low, high = data["low"].to_numpy(float)[held], data["high"].to_numpy(float)[held]
        band = f"{_level(data)} prediction limits"
        axes.fill_between(x[held], low, high, color=ORANGE, alpha=0.18, linewidth=0, label=band)
        unit = data["unit"].iloc[0]
        axes.set_ylabel("per cent" if unit == "percentage points" else unit)
        axes.legend(**BELOW)
    alt = f"The period before the start, the last {numbers.of(int(held.sum()), 'period')} held out. {check.reading}"
    cells = [[numbers.number(v, places) for v in data[c]] for c in ("observed", "forecast", "low", "high")]
    rows = period_rows(data["period"].tolist(), ["held out" if h else "used" for h in held], *cells)
    header = ["Period", "Use", "Observed", "Fitted or forecast", *_ends(data)]
    return shown(figure, alt, _caption(check, "forecast of the last part before the start"), header, rows)


@answered
def detectable(check: Check) -> Shown:
    """The chance of showing an effect, by its true size, for the average effect and the level change."""
    data = check.data
    places = _places(data.assign(low=0.0, high=2 * data["reach"]))
    styles = iter((("-", "o", DARK_BLUE), ("--", "s", ORANGE)))
    with canvas(height=3.8) as (figure, axes):
        for term, part in data.groupby("term", sort=False):
            line, marker, colour = next(styles)
            label = f"{str(term)[:1].upper()}{str(term)[1:]}"
            axes.plot(
                part["effect"], 100 * part["power"], line, marker=marker, color=colour, markersize=4, label=label
            )
        axes.axhline(80, color=GREY, linewidth=1, linestyle=":", label="80%, the usual bar")
        axes.set_xlim(left=0)
        axes.set_ylim(0, 100)
        axes.set_xlabel(f"True effect, either direction ({data['unit'].iloc[0]})")
        axes.set_ylabel("Chance of showing it, per cent")
        axes.legend(**BELOW)
    alt = f"Chance of showing an effect by its true size, rising from left to right. {check.reading}"
    rows = [
        [r.term, numbers.per_cent(r.power), numbers.number(r.effect, places), numbers.number(r.reach, places)]
        for r in data.itertuples()
    ]
    header = ["Quantity", "Chance of showing it", "Effect", "Half-width"]
    return shown(figure, alt, _caption(check, "effects that this design could have shown"), header, rows)


def _intervals(axes: Axes, x: np.ndarray, part: pd.DataFrame, marker: str, look: tuple[str, str]) -> None:
    """Points with intervals at x; look is colour and legend label."""
    colour, label = look
    y = part["estimate"].to_numpy(float)
    errors = np.vstack([y - part["low"].to_numpy(float), part["high"].to_numpy(float) - y])
    axes.errorbar(x, y, errors, fmt=marker, color=colour, markersize=5, linewidth=1.2, label=label)


def _places(data: pd.DataFrame) -> int:
    """Decimals that suit intervals: two digits of what would be a standard error."""
    width = (data["high"] - data["low"]).dropna()
    return numbers.decimals_for([float(width.median()) / 4])


def _level(data: pd.DataFrame) -> str:
    return numbers.per_cent(float(data["level"].iloc[0]))


def _ends(data: pd.DataFrame) -> Sequence[str]:
    return (f"{_level(data)} low", f"{_level(data)} high")


def _effect(data: pd.DataFrame) -> str:
    return f"Effect ({data['unit'].iloc[0]})"


def _caption(check: Check, what: str) -> str:
    return f"{check.data['label'].iloc[0]}: {what}"


def _effect_cells(data: pd.DataFrame, places: int) -> list[list[str]]:
    """Effects and the ends of their intervals as columns of texts."""
    return [[numbers.number(v, places) for v in data[c]] for c in ("estimate", "low", "high")]
