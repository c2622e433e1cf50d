"""Demonstration collaboratives: simulated panels whose true effect is known."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from evalkit.errors import Fault, RunError
from evalkit.simulate.demonstrations import DEMONSTRATIONS
from evalkit.simulate.potential import Simulated, run
from evalkit.simulate.settings import Demonstration
from evalkit.simulate.truth import truth
from evalkit.simulate.write import write

__all__ = ["DEMONSTRATIONS", "Demonstration", "Simulated", "run", "simulate", "truth"]


def simulate(names: Iterable[str], folder: Path) -> list[Path]:
    """Write panel, rollout and truth of each named demonstration into `folder`; returns the paths.

    The same bytes every time. Raises RunError for names that are not in `DEMONSTRATIONS`, before
    anything is written.
    """
    wanted = list(dict.fromkeys(names))
    known = ", ".join(DEMONSTRATIONS)
    faults = [
        Fault(f"no demonstration is called '{n}'", fix=f"use {known}") for n in wanted if n not in DEMONSTRATIONS
    ]
    if faults:
        raise RunError(faults)
    return [path for name in wanted for path in write(run(DEMONSTRATIONS[name]), folder)]
