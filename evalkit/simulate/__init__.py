"""Panels with a known truth."""
