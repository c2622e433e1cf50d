"""Protocols: read, validated, and asked about the calendar."""

from evalkit.study.protocol import Outcome, Protocol
from evalkit.study.study import Study, load

__all__ = ["Outcome", "Protocol", "Study", "load"]
