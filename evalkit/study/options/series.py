"""What a protocol may choose about interrupted time series."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from evalkit.study.fields import Label, Name, Period, Strict, Text


class Season(Strict):
    """Seasonal terms: `harmonics` pairs of sine and cosine a year, or an effect for every month (quarter)."""

    harmonics: Annotated[int, Field(ge=0, le=4, description="Pairs of sine and cosine; 0 for no season.")] = 2
    months: Annotated[bool, Field(description="An effect for every month or quarter instead of harmonics.")] = False

    @model_validator(mode="after")
    def _one_of_the_two(self) -> Season:
        if self.months and "harmonics" in self.model_fields_set:
            raise ValueError("choose `harmonics` or `months`, not both")
        return self


class Impact(Strict):
    """How the collaborative is expected to act, declared before the data are seen.

    In a protocol, a shape without more may be written as its name alone.
    """

    shape: Annotated[
        Literal["level_and_slope", "level", "slope", "ramp", "pulse"],
        Field(description="Step, change of slope, both, a rise to a new level over some periods, or a passing step."),
    ] = "level_and_slope"
    over: Annotated[int | None, Field(ge=1, le=60, description="Periods that a ramp rises or a pulse lasts.")] = None
    lag: Annotated[int, Field(ge=0, le=60, description="Periods between the start and the first effect.")] = 0
    until: Annotated[
        Period | None,
        Field(description="Last period in which the intervention ran; what remained after it is then estimated."),
    ] = None

    @model_validator(mode="before")
    @classmethod
    def _one_name(cls, value: object) -> object:
        return {"shape": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _length(self) -> Impact:
        timed = self.shape in ("ramp", "pulse")
        if timed and self.over is None:
            raise ValueError(f"a {self.shape} needs `over`, the periods that it takes")
        if not timed and self.over is not None:
            raise ValueError(f"`over` belongs to a ramp or a pulse, not to {self.shape}")
        if self.shape == "pulse" and self.until is not None:
            raise ValueError("a pulse ends by itself: leave `until` out")
        return self

    @property
    def sloped(self) -> bool:
        """Whether a change of slope is part of it."""
        return self.shape in ("level_and_slope", "slope")

    @classmethod
    def __get_pydantic_json_schema__(cls, core: Any, handler: Any) -> dict[str, Any]:  # noqa: ANN401 - pydantic's types
        long_form = handler.resolve_ref_schema(handler(core))
        return {"anyOf": [{"enum": ["level_and_slope", "level", "slope"]}, dict(long_form)]}


class Intervention(Strict):
    """Another change with a known date, adjusted for by columns of its own and reported beside the effect."""

    label: Annotated[Label, Field(description="What it was, printed in the report.")]
    first: Annotated[Period, Field(alias="from", description="First period in which it acted.")]
    impact: Impact = Impact()


GAUSSIAN = ("ar1", "ar2", "arma11", "arima", "prais_winsten", "newey_west", "ols", "structural")
LINEAR = tuple(engine for engine in GAUSSIAN if engine != "structural")  # those that fit one regression
BY_KIND = ("ar1", "robust", "model")  # engines that follow the outcome's kind unless the protocol says otherwise
BELONGS = {"lags": ("errors", "newey_west"), "order": ("errors", "arima"), "damping": ("trend", "damped")}
COUNTED = ("ar1", "robust", "newey_west", "ols", "model")


class ItsOptions(Strict):
    """Interrupted time series."""

    errors: Annotated[
        Literal[
            "ar1",
            "ar2",
            "arma11",
            "arima",
            "prais_winsten",
            "newey_west",
            "ols",
            "robust",
            "model",
            "structural",
        ],
        Field(
            description="The engine: ar1 (default), ar2, arma11 by restricted maximum likelihood; arima; "
            "prais_winsten; newey_west; ols; for counts robust or model; structural forecasts from before the start."
        ),
    ] = "ar1"
    family: Annotated[
        Literal["auto", "gaussian", "poisson", "negative_binomial", "binomial"],
        Field(
            description="auto: with ar1, robust and model by the outcome's kind (proportion binomial; rate and count "
            "poisson; continuous gaussian), with every other engine gaussian."
        ),
    ] = "auto"
    scale: Annotated[Literal["natural", "log", "logit"], Field(description="What a gaussian model is fitted to.")] = (
        "natural"
    )
    lags: Annotated[
        int | None, Field(ge=0, le=24, description="Newey-West lags; default floor(4 (n/100)^(2/9)).")
    ] = None
    order: Annotated[
        tuple[Annotated[int, Field(ge=0, le=4)], Annotated[int, Field(ge=0, le=4)]],
        Field(description="Autoregressive and moving-average order of arima."),
    ] = (1, 0)
    season: Annotated[
        Season | None, Field(description="Default: two harmonic pairs from two years of data on, else none.")
    ] = None
    trend: Annotated[
        Literal["linear", "quadratic", "spline", "damped"],
        Field(description="How the earlier course carries on; a damped one flattens by `damping` a period."),
    ] = "linear"
    damping: Annotated[float, Field(gt=0, lt=1, description="What remains of a damped trend's step each period.")] = (
        0.9
    )
    impact: Impact = Impact()
    interventions: tuple[Intervention, ...] = ()
    waves: Annotated[
        Literal["transition", "each"],
        Field(description="Under waves: leave the rollout out, or give every wave a change of its own."),
    ] = "transition"
    adjust_for_events: Annotated[
        bool, Field(description="Give every declared event a column, so that its periods do not move the estimate.")
    ] = False
    exposure: Annotated[
        Literal["none", "calendar_days", "working_days"],
        Field(description="For counts and rates: compare periods per calendar day or per working day in England."),
    ] = "none"
    averted_when_excluded: Annotated[
        bool,
        Field(description="Count excluded periods after the first analysed one after the start as averted too."),
    ] = False
    allow_short: Annotated[
        bool, Field(description="Estimate a change of slope from fewer than 8 periods a side.")
    ] = False
    noise_guard: Annotated[
        bool, Field(description="Widen ar1 intervals where noise around a slow course fits the series better.")
    ] = True

    @model_validator(mode="after")
    def _engine_fits_family(self) -> ItsOptions:
        counted = self.family in ("poisson", "negative_binomial", "binomial")
        if self.family == "gaussian" and self.errors not in GAUSSIAN:
            raise ValueError(f"`errors: {self.errors}` is for counts; with family gaussian use {', '.join(GAUSSIAN)}")
        if counted and self.errors not in COUNTED:
            raise ValueError(f"`errors: {self.errors}` needs family gaussian; for counts use {', '.join(COUNTED)}")
        if self.family == "negative_binomial" and self.errors in ("ar1", "ols"):
            raise ValueError("family negative_binomial goes with errors robust, newey_west or model")
        if counted and self.scale != "natural":
            raise ValueError("`scale` belongs to gaussian models; a count model has its own link")
        for option, (home, value) in BELONGS.items():
            if option in self.model_fields_set and getattr(self, home) != value:
                raise ValueError(f"`{option}` has no effect here: it belongs to {home} {value}")
        return self

    @property
    def follows_kind(self) -> bool:
        """Whether the outcome's kind decides the distribution and the scale."""
        return self.family == "auto" and self.errors in BY_KIND and self.scale == "natural"


class ControlOptions(Strict):
    """Controlled interrupted time series: what the joined units are set against. The engine is that of `its`."""

    units: Annotated[
        tuple[Text, ...] | None, Field(min_length=1, description="Units as control; default those that never joined.")
    ] = None
    outcome: Annotated[
        Name | None,
        Field(description="Another outcome of the joined units as control, one that joining cannot move."),
    ] = None

    @model_validator(mode="after")
    def _one_control(self) -> ControlOptions:
        if self.units is not None and self.outcome is not None:
            raise ValueError("name `units` or an `outcome` as control, not both")
        return self


class PooledOptions(Strict):
    """One interrupted time series a unit, pooled. Columns, scale and season are those of `its`."""

    pooling: Annotated[
        Literal["shock_robust", "random_effects"],
        Field(description="shock_robust allows for shocks that units share; random_effects does not."),
    ] = "shock_robust"
