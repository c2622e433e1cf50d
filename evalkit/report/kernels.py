"""Which process the kernels of one study are forked from.

Every notebook can be forked from a process that has opened the study. Those in `SHARING` want the same computations,
all of which `WHOLE` wants; where it is run and others of them, they are forked from a second process that has made
them, so that they are made once. Meanwhile the other notebooks run. Where none can be forked, one of them begins
first and leaves what it has made to those that begin later (`workbench.answers`).
"""

from __future__ import annotations

import shutil
import threading
import weakref
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from evalkit.panel import handed
from evalkit.report.execute import Engine, Executed, Step, execute
from evalkit.report.forked import Warm
from evalkit.report.kernel import private

if TYPE_CHECKING:
    from evalkit.panel import Panel

WHOLE, FIRST = "findings", "credibility"  # the one that asks everything, and the one that is longest at it
SHARING = ("interrupted_time_series", "difference_in_differences", "credibility", WHOLE)


@dataclass(eq=False)
class Kernels:
    """The kernels of one study and outcome.

    warm     what they are forked from; None where each is started anew
    panels   of the study, as the driver has built them
    running  the notebooks that are run; the others of the study are as they were
    """

    warm: Warm | None
    collaborative: str
    outcome: str
    timeout: int
    panels: dict[str, Panel] | None = None
    running: Sequence[str] = ()
    _held: dict[bool, str] = field(default_factory=dict)
    _left: dict[str, str] = field(default_factory=dict)
    _locks: dict[bool, threading.Lock] = field(
        default_factory=lambda: {False: threading.Lock(), True: threading.Lock()}
    )

    @property
    def sharing(self) -> list[str]:
        """The notebooks that want the same, in order; none where to share it would save nothing."""
        found = [name for name in self.running if name in SHARING]
        return found if WHOLE in found and len(found) > 1 else []

    @property
    def asks(self) -> str:
        """The notebook of those that works out what they want, where none can be forked."""
        return FIRST if FIRST in self.sharing else WHOLE

    def order(self, notebooks: list[Path]) -> list[Path]:
        """The notebooks as they are best begun: one that others wait for, or that waits itself, then those apart."""
        waiting = [p for p in notebooks if p.stem in self.sharing]
        if self.warm is None:
            waiting.sort(key=lambda path: path.stem != self.asks)
        return [*waiting[:1], *(p for p in notebooks if p not in waiting), *waiting[1:]]

    def execute(self, path: Path, parameters: dict[str, str], folder: Path, step: Step) -> Executed:
        """Run one notebook and write it, executed, to `folder`."""
        return execute(path, parameters, folder, self.engine(path.stem), step)

    def engine(self, notebook: str) -> Engine:
        """How a notebook is run; waits until the process that it is forked from is ready."""
        if self.warm is None:
            return Engine(self.timeout, given=self._given(notebook))
        return Engine(self.timeout, self._at(self.warm, ahead=notebook in self.sharing))

    def _given(self, notebook: str) -> tuple[tuple[str, str], ...]:
        """What kernels started anew have in their environment: where the panels are, and what others have made."""
        if self.panels is None:
            return ()
        with self._locks[False]:
            if not self._left:
                folder = private()
                weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
                self._left.update(handed.leave(Path(folder) / "panels", self.collaborative, self.panels))
        if notebook not in self.sharing:
            return tuple(self._left.items())
        answers = {handed.ANSWERS: str(Path(self._left[handed.VARIABLE]).with_name("answers"))}
        if notebook == self.asks:
            answers[handed.ASKS] = "1"
        return (*self._left.items(), *answers.items())

    def _at(self, warm: Warm, *, ahead: bool) -> str:
        with self._locks[ahead]:
            if ahead not in self._held:
                named = self.collaborative, self.outcome
                self._held[ahead] = (
                    warm.ahead(*named, at=self._at(warm, ahead=False)) if ahead else warm.opened(*named, self.panels)
                )
            return self._held[ahead]
