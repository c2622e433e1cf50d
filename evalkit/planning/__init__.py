"""Planning before a programme starts: the least effect that each design would find."""

from evalkit.planning.measured import Measured, Modelled, measured
from evalkit.planning.minimal import Detectable, Minimal, carrying, minimal, suited
from evalkit.planning.moments import Moments, parse
from evalkit.planning.plan import Plan, plan_of
from evalkit.planning.vary import Varied, vary

__all__ = [
    "Detectable",
    "Measured",
    "Minimal",
    "Modelled",
    "Moments",
    "Plan",
    "Varied",
    "carrying",
    "measured",
    "minimal",
    "parse",
    "plan_of",
    "suited",
    "vary",
]
