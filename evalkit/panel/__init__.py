"""Rows -> Panel: one validated contract, every data fault at once."""

from evalkit.panel.build import build, build_all
from evalkit.panel.panel import Panel

__all__ = ["Panel", "build", "build_all"]
