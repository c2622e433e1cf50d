"""Questions put to an estimate or a panel, one module each, each with `check(...) -> Check`."""

from evalkit.checks.agreement import check as agreement
from evalkit.checks.autocorrelation import check as autocorrelation
from evalkit.checks.balancing import check as balancing
from evalkit.checks.entry import check as entry
from evalkit.checks.parallel_trends import check as parallel_trends

__all__ = ["agreement", "autocorrelation", "balancing", "entry", "parallel_trends"]
