"""Disclosure control of counts of people: which are suppressed, how the rest is rounded. Arrays in, arrays out."""

from evalkit.disclosure.control import Form, control
from evalkit.disclosure.rules import RULES, Rule

__all__ = ["RULES", "Form", "Rule", "control"]
