"""Figures: they draw what was computed, and compute nothing."""
