"""From the protocol's choice to a fitted course: which engine, on what scale."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from evalkit import numbers
from evalkit.errors import DesignError
from evalkit.estimators._its import ar1, arma, classical, counts, course, quasi, structural
from evalkit.estimators._its._noise import USUAL, Doubt
from evalkit.estimators._its.design import SHORT, Design
from evalkit.estimators._its.fit import Fit
from evalkit.estimators._its.series import Series
from evalkit.study.options import GAUSSIAN, ItsOptions

BY_KIND = {"proportion": "binomial", "rate": "poisson", "count": "poisson", "continuous": "gaussian"}
SCALES = {"gaussian": "natural", "binomial": "logit", "poisson": "log", "negative_binomial": "log"}
UNEVEN, SCARCE = 4.0, 5.0  # ratio of the largest to the smallest denominator; mean count


def family(options: ItsOptions, kind: str) -> str:
    """The distribution that is modelled, as the protocol and the outcome's kind decide."""
    if options.family != "auto":
        return options.family
    return BY_KIND[kind] if options.follows_kind else "gaussian"


def run(design: Design, options: ItsOptions, level: float | None) -> course.Course:
    """Fit the design to its series by the protocol's engine.

    level  of the interval of rho, None for no interval

    Raises DesignError when the outcome cannot be put on the scale asked for, or the engine cannot fit it.
    """
    chosen = family(options, design.series.outcome.kind)
    if options.errors == "structural":
        return _forecast(design, options)
    if chosen == "gaussian":
        if options.errors not in GAUSSIAN:
            raise DesignError(
                f"`errors: {options.errors}` is for counts and proportions; {design.series.outcome.name} is a mean",
                fix=f"use one of {', '.join(GAUSSIAN)} under `model.its`",
            )
        y, link = on_scale(design.series, options.scale)
        return course.of_regression(design, replace(gaussian(design, y, options, level), link=link))
    try:
        return course.of_regression(design, _counted(design, chosen, options, level))
    except quasi.UnsettledError as unsettled:
        try:
            return _on_the_links_scale(design, chosen, options, level)
        except DesignError:
            raise unsettled from None


def _on_the_links_scale(design: Design, chosen: str, options: ItsOptions, level: float | None) -> course.Course:
    """Where the count model does not settle: the logarithm or logit of the values, and the reader is told.

    Raises DesignError when a value has none.
    """
    y, link = on_scale(design.series, SCALES[chosen])
    fit = gaussian(design, y, options, level)
    said = f"The count model did not settle; the {SCALES[chosen]} of the values was modelled instead."
    return course.of_regression(design, replace(fit, link=link, warnings=(said, *fit.warnings)))


def on_scale(series: Series, scale: str, whose: str = "") -> tuple[np.ndarray, str]:
    """The analysed values on the scale of a gaussian model, shape (n,), and its link.

    whose  what the series is called in a refusal; the outcome's name by default

    Raises DesignError when a value has no logarithm or logit.
    """
    value = series.value[series.used]
    if scale == "natural":
        return value, "identity"
    share = value / series.outcome.scale
    if share.min() <= 0 or (scale == "logit" and share.max() >= 1):
        limits = "above 0" if scale == "log" else "between 0 and 1, both excluded"
        raise DesignError(
            f"the {scale} scale needs every value {limits}; {whose or series.outcome.name} runs from "
            f"{share.min():g} to {share.max():g}",
            fix="say `family: gaussian` for the natural scale, or, for `its`, use the default engine",
        )
    if scale == "logit":
        if series.outcome.kind != "proportion":
            raise DesignError("`scale: logit` belongs to a proportion", fix="use `scale: log` or `natural`")
        return np.log(share / (1 - share)), "logit"
    return np.log(share), "log"


def gaussian(design: Design, y: np.ndarray, options: ItsOptions, level: float | None, doubt: Doubt = USUAL) -> Fit:
    """A linear model of y, shape (n,), on the design's analysed rows, with the errors that the protocol chooses."""
    X, t = design.analysed, design.series.t[design.series.used]
    if len(y) < SHORT and options.errors != "ols":
        short = f"With {len(y)} periods no autocorrelation can be estimated: ordinary least squares is used."
        fit = classical.ols(X, y)
        return replace(fit, warnings=(*fit.warnings, short))
    if options.errors == "ar1":
        found = ar1.fit(X, y, t, guarded=options.noise_guard, doubt=doubt)
        if level is None:
            return found
        low, high = ar1.rho_interval(X, y, t, level)
        return replace(found, diagnostics={**found.diagnostics, "rho_low": low, "rho_high": high})
    if options.errors == "newey_west":
        return classical.newey_west(X, y, t, options.lags)
    if options.errors == "prais_winsten":
        return classical.prais_winsten(X, y, t)
    if options.errors == "ols":
        return classical.ols(X, y)
    if options.errors == "arima":
        from evalkit.estimators._its.arima import arima  # it brings statsmodels, which takes a while

        found_arima = arima(X, y, t, (options.order[0], 0, options.order[1]))
        return replace(found_arima, warnings=(*found_arima.warnings, *_few(len(y), "ARIMA")))
    return {"ar2": arma.ar2, "arma11": arma.arma11}[options.errors](X, y, t)


def _counted(design: Design, chosen: str, options: ItsOptions, level: float | None) -> Fit:
    series = design.series
    _require_kind(design, chosen)
    X, t = design.analysed, series.t[series.used]
    y, base = series.y[series.used], series.base[series.used]
    cautions = _cautions(y, base, chosen)
    if options.errors == "ar1" and len(y) >= SHORT:
        size = (base / series.days[series.used])[None]
        counted = quasi.Counted("logit" if chosen == "binomial" else "log", y[None], base[None], size)
        found = quasi.fit(X, counted, t, guarded=options.noise_guard)
        told = replace(found, warnings=(*found.warnings, *cautions))
        if level is None:
            return told
        low, high = quasi.rho_interval(X, found, counted, t, level)
        return replace(told, diagnostics={**found.diagnostics, "rho_low": low, "rho_high": high})
    if chosen == "binomial":
        data = counts.Counts(chosen, y, trials=base)
    else:
        data = counts.Counts(chosen, y, offset=np.log(base))
    errors = {"ols": "quasi", "ar1": "quasi"}.get(options.errors, options.errors)
    fit = counts.fit_glm(data, X, t, errors, options.lags)
    notes = [*fit.warnings, *cautions]
    if options.errors == "ar1":
        notes.append(f"With {len(y)} periods no autocorrelation can be estimated: independent errors are used.")
    if options.errors == "newey_west":
        notes += _few(len(y), "Newey-West")
    if options.errors == "model":
        notes.append(
            "Errors as the family alone would have them: they leave out what else moves a series of large counts "
            "and can be several times too small."
        )
    return replace(fit, warnings=tuple(notes))


def _few(n: int, engine: str) -> list[str]:
    """What to say of an engine whose intervals make no allowance for few periods."""
    return (
        [f"{engine} intervals are too narrow in short series, and this one has {n} periods."]
        if n < classical.FEW
        else []
    )


def _cautions(y: np.ndarray, base: np.ndarray, chosen: str) -> list[str]:
    """Where a count model's own assumptions on the spread of its errors are strained."""
    out = []
    spread = float(base.max() / base.min())
    if spread > UNEVEN:
        out.append(
            f"What the counts are out of differs {numbers.number(spread, 0)}-fold between periods; the model takes "
            "errors to shrink with it, and where they do not its intervals can be too narrow or too wide: compare "
            "with `family: gaussian`."
        )
    rare = float(np.minimum(y, base - y).mean()) if chosen == "binomial" else float(y.mean())
    if rare < SCARCE:
        out.append(
            f"With {numbers.number(rare, 1)} events a period on average, intervals in the unit of report are rough "
            "and autocorrelation is hard to see; the ratios hold better."
        )
    return out


def _require_kind(design: Design, chosen: str) -> None:
    kind, name = design.series.outcome.kind, design.series.outcome.name
    fits = kind == "proportion" if chosen == "binomial" else kind != "continuous"
    if not fits:
        raise DesignError(
            f"family {chosen} does not go with {name}, which is a {kind} outcome",
            fix=f"use `family: {BY_KIND[kind]}` or `auto` under `model.its`",
        )


def _forecast(design: Design, options: ItsOptions) -> course.Course:
    """Fit the period before the start alone, and carry it on."""
    series = design.series
    y, link = on_scale(series, options.scale)
    X, used_t, after = design.analysed, series.t[series.used], series.post[series.used]
    kept = ~np.isin(design.X.columns, design.effect)
    kept &= X[~after].any(axis=0)
    dropped = X[:, ~kept & ~np.isin(design.X.columns, design.effect)]
    if dropped.any():
        raise DesignError(
            "a column that acts only after the start cannot be learnt from the period before it",
            fix="leave `interventions` and events after the start out with `errors: structural`",
        )
    found = structural.forecast(X[~after][:, kept], y[~after], used_t[~after], X[after][:, kept], used_t[after])
    return course.of_forecast(design, found, y[after], link)
