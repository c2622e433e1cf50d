"""What a notebook opens: one study, its panels, and the designs and checks that go with it."""

from evalkit.workbench.case import Case
from evalkit.workbench.chosen import designs
from evalkit.workbench.opening import hold, open_baseline, open_case

__all__ = ["Case", "designs", "hold", "open_baseline", "open_case"]
