"""Difference-in-differences as arrays: kernels that know neither studies nor frames."""
