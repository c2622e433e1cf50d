"""What a protocol may choose about each design, under `model:`.

Defaults are fixed here, before any data are seen; a protocol states every departure.
"""

from __future__ import annotations

from evalkit.study.fields import Strict
from evalkit.study.options.comparison import (
    ComparisonOptions,
    DoseOptions,
    ExtendedTwowayOptions,
    GroupTimeOptions,
    HeterogeneityOptions,
    ImputationOptions,
    StackedOptions,
    TripleOptions,
    TwowayOptions,
    WindowedOptions,
)
from evalkit.study.options.series import (
    BELONGS,
    BY_KIND,
    COUNTED,
    GAUSSIAN,
    LINEAR,
    ControlOptions,
    Impact,
    Intervention,
    ItsOptions,
    PooledOptions,
    Season,
)
from evalkit.study.options.synthetic import AugmentedOptions, SyntheticControlOptions, SyntheticDidOptions

__all__ = [
    "BELONGS",
    "BY_KIND",
    "COUNTED",
    "GAUSSIAN",
    "LINEAR",
    "AugmentedOptions",
    "ComparisonOptions",
    "ControlOptions",
    "DoseOptions",
    "ExtendedTwowayOptions",
    "GroupTimeOptions",
    "HeterogeneityOptions",
    "Impact",
    "ImputationOptions",
    "Intervention",
    "ItsOptions",
    "ModelOptions",
    "PooledOptions",
    "Season",
    "StackedOptions",
    "SyntheticControlOptions",
    "SyntheticDidOptions",
    "TripleOptions",
    "TwowayOptions",
    "WindowedOptions",
]


class ModelOptions(Strict):
    """Options by design; a design that is not named keeps its defaults."""

    its: ItsOptions = ItsOptions()
    controlled_its: ControlOptions = ControlOptions()
    its_pooled: PooledOptions = PooledOptions()
    twoway: TwowayOptions = TwowayOptions()
    event_study: TwowayOptions = TwowayOptions()
    group_time: GroupTimeOptions = GroupTimeOptions()
    imputation: ImputationOptions = ImputationOptions()
    two_stage: WindowedOptions = WindowedOptions()
    interaction_weighted: WindowedOptions = WindowedOptions()
    extended_twoway: ExtendedTwowayOptions = ExtendedTwowayOptions()
    stacked: StackedOptions = StackedOptions()
    triple_differences: TripleOptions = TripleOptions()
    dose: DoseOptions = DoseOptions()
    heterogeneity: HeterogeneityOptions = HeterogeneityOptions()

    synthetic_control: SyntheticControlOptions = SyntheticControlOptions()
    augmented_synthetic_control: AugmentedOptions = AugmentedOptions()
    synthetic_did: SyntheticDidOptions = SyntheticDidOptions()
