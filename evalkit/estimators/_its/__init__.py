"""Interrupted time series, part by part: series, design columns, engines, reported quantities."""
