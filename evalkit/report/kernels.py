"""Which process the kernels of one study are forked from.

Most notebooks are forked from a process that has opened the study. Those in `HEAVY` want the same long computations;
they are forked from a second process that has made them, so that they are made once.
"""

from __future__ import annotations

import shutil
import threading
import weakref
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from evalkit.panel import handed
from evalkit.report.execute import Engine, Executed, Step, execute
from evalkit.report.forked import Warm
from evalkit.report.kernel import private

if TYPE_CHECKING:
    from evalkit.panel import Panel

HEAVY = ("credibility", "findings")


@dataclass(eq=False)
class Kernels:
    """The kernels of one study and outcome.

    warm    what they are forked from; None where each is started anew
    panels  of the study, as the driver has built them
    """

    warm: Warm | None
    collaborative: str
    outcome: str
    timeout: int
    panels: dict[str, Panel] | None = None
    _held: dict[bool, str] = field(default_factory=dict)
    _left: dict[str, str] = field(default_factory=dict)
    _locks: dict[bool, threading.Lock] = field(
        default_factory=lambda: {False: threading.Lock(), True: threading.Lock()}
    )

    def order(self, notebooks: list[Path]) -> list[Path]:
        """The notebooks as they are best begun: one that waits for long computations first, the others last."""
        heavy = [p for p in notebooks if p.stem in HEAVY]
        if self.warm is None or len(heavy) <= 1:
            return notebooks
        return [heavy[0], *(p for p in notebooks if p not in heavy), *heavy[1:]]

    def execute(self, path: Path, parameters: dict[str, str], folder: Path, step: Step) -> Executed:
        """Run one notebook and write it, executed, to `folder`."""
        return execute(path, parameters, folder, self.engine(path.stem), step)

    def engine(self, notebook: str) -> Engine:
        """How a notebook is run; waits until the process that it is forked from is ready."""
        if self.warm is None:
            return Engine(self.timeout, given=self._given())
        return Engine(self.timeout, self._at(self.warm, ahead=notebook in HEAVY))

    def _given(self) -> tuple[tuple[str, str], ...]:
        """What kernels that are started anew have in their environment: where the panels are."""
        if self.panels is None:
            return ()
        with self._locks[False]:
            if not self._left:
                folder = private()
                weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
                self._left.update(handed.leave(Path(folder) / "panels", self.collaborative, self.panels))
        return tuple(self._left.items())

    def _at(self, warm: Warm, *, ahead: bool) -> str:
        with self._locks[ahead]:
            if ahead not in self._held:
                named = self.collaborative, self.outcome
                self._held[ahead] = (
                    warm.ahead(*named, at=self._at(warm, ahead=False)) if ahead else warm.opened(*named, self.panels)
                )
            return self._held[ahead]
