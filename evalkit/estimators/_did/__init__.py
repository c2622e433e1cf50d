"""The linear core of difference-in-differences: designs as weights on unit-period outcomes."""
