"""How an interrupted time series was declared, in words: what the protocol chose, and what it left at its default."""

from __future__ import annotations

from evalkit import markup, periods
from evalkit.markup import Shown
from evalkit.study import Study
from evalkit.study.options import Impact, ItsOptions, Season

ENGINES = {
    "ar1": "first-order autoregressive, restricted maximum likelihood, bounded Kenward-Roger inference",
    "ar2": "second-order autoregressive, restricted maximum likelihood",
    "arma11": "first-order autoregressive moving-average, restricted maximum likelihood",
    "arima": "ARIMA, maximum likelihood",
    "prais_winsten": "Prais-Winsten",
    "newey_west": "least squares with Newey-West standard errors",
    "ols": "independent",
    "robust": "count model with robust standard errors",
    "model": "count model with the family's own standard errors",
    "structural": "forecast from the periods before the start",
}
SHAPES = {
    "level_and_slope": "a change of level and a change of slope",
    "level": "a change of level",
    "slope": "a change of slope",
    "ramp": "a rise to a new level over {over}",
    "pulse": "a change of level that lasts {over}",
}
TRENDS = {
    "linear": "a straight line",
    "quadratic": "a parabola",
    "spline": "a natural cubic spline, straight after the last period before the start",
    "damped": "a straight line, each step after the start {damping:g} times the one before",
}


def declared(study: Study) -> Shown:
    """The interrupted time series as declared, one row a choice."""
    options = study.protocol.model.its
    others = "; ".join(f"{i.label}: {_impact(i.impact, study)}" for i in options.interventions)
    rows = [
        ["Errors", ENGINES[options.errors]],
        ["Scale", _scale(options)],
        ["Impact", _impact(options.impact, study)],
        ["Course carried on", TRENDS[options.trend].format(damping=options.damping)],
        ["Season", _season(options.season)],
        ["Waves", "each has a change of its own" if options.waves == "each" else "the rollout is left out"],
        ["Other interventions", others or "none"],
        ["Declared events", "a column each" if options.adjust_for_events else "shown, not adjusted for"],
        ["Exposure", options.exposure.replace("_", " ")],
    ]
    header, caption = ["Choice", "As declared"], f"{study.protocol.title}: the interrupted time series"
    return Shown(markup.table(header, rows, caption), markup.table_text(header, rows, caption))


def _scale(options: ItsOptions) -> str:
    if options.family != "auto":
        return f"{options.family.replace('_', ' ')} family, {options.scale} scale"
    if options.follows_kind:
        return "by the outcome's kind: logit for a proportion, log for a rate or count, natural for a mean"
    return options.scale


def _impact(impact: Impact, study: Study) -> str:
    noun = study.frequency
    over = f"{impact.over} {periods.noun(noun, impact.over)}" if impact.over else ""
    said = SHAPES[impact.shape].format(over=over)
    if impact.lag:
        said += f", {impact.lag} {periods.noun(noun, impact.lag)} after the start"
    if impact.until is not None:
        said += f", until {periods.say(impact.until)}; what remains after it is estimated"
    return said


def _season(season: Season | None) -> str:
    if season is None:
        return "two harmonic pairs where two years or more are analysed, else none"
    if season.months:
        return "an effect for every month or quarter of the year"
    return f"{season.harmonics} harmonic pairs" if season.harmonics else "none"
