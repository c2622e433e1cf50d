"""Rows -> Panel: one validated contract, every data fault at once."""

from evalkit.panel.build import build, build_all
from evalkit.panel.panel import Panel, Together

__all__ = ["Panel", "Together", "build", "build_all"]
