"""Difference-in-differences as arrays: designs as weights on unit-period outcomes, and the kernels beside them."""
