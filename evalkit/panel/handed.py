"""Panels handed on by the process that built them, so that the kernels of a run analyse what its driver has hashed.

They lie as a pickle in a folder that only their user can enter; whoever reads them belongs to the same run. A kernel
that is started anew finds them by a variable of its environment.
"""

from __future__ import annotations

import os
import pickle
from pathlib import Path

from evalkit.panel.panel import Panel

VARIABLE = "EVALKIT_PANELS"
ANSWERS, ASKS = "EVALKIT_ANSWERS", "EVALKIT_ASKS"  # where answers lie or are to be left, and who is to ask


def leave(file: Path, collaborative: str, panels: dict[str, Panel]) -> dict[str, str]:
    """Write the panels of a study to a file.

    collaborative  how notebooks name the study

    Returns what a kernel that is to find them must have in its environment.
    """
    file.write_bytes(pickle.dumps((collaborative, panels), pickle.HIGHEST_PROTOCOL))
    return {VARIABLE: str(file)}


def taken(file: Path, collaborative: str) -> dict[str, Panel] | None:
    """The panels of a study in a file; None where they are those of another."""
    named, panels = pickle.loads(file.read_bytes())  # noqa: S301 - written by `leave`, for this process
    return panels if named == collaborative else None


def found(collaborative: str) -> dict[str, Panel] | None:
    """The panels of a study that this process's run has left for it, or None."""
    path = os.environ.get(VARIABLE)
    return taken(Path(path), collaborative) if path else None
