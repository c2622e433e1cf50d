"""Protocols: read, validated, and asked about the calendar."""

from evalkit.study.outcome import Outcome
from evalkit.study.protocol import Protocol
from evalkit.study.study import Study, load

__all__ = ["Outcome", "Protocol", "Study", "load"]
