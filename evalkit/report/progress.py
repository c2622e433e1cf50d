"""What a person sees while notebooks run: a live line each on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol, TextIO


class Progress(Protocol):
    """Told what happens; safe to call from several threads."""

    def step(self, study: str, notebook: str, cell: int, cells: int, heading: str) -> None:
        """A cell is about to run."""

    def done(self, study: str, notebook: str, seconds: float, error: str) -> None:
        """A notebook has ended; `error` is empty when all went well."""

    def say(self, text: str) -> None:
        """Something else worth a line."""


class Plain:
    """One line a notebook when it starts and when it ends."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()
        self._started: set[tuple[str, str]] = set()

    def say(self, text: str) -> None:
        """Print one line at once."""
        with self._lock:
            print(text, file=self._stream, flush=True)

    def step(self, study: str, notebook: str, cell: int, cells: int, heading: str) -> None:  # noqa: ARG002
        """Say that a notebook has started, once."""
        if (study, notebook) not in self._started:
            self._started.add((study, notebook))
            self.say(f"{study}: {notebook}: started, {cells} cells")

    def done(self, study: str, notebook: str, seconds: float, error: str) -> None:
        """Say how a notebook ended."""
        self.say(f"{study}: {notebook}: {'FAILED' if error else 'done'} in {seconds:.1f} s")


class Live:
    """One live line a running notebook, with its cell and heading."""

    def __init__(self, stream: TextIO) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as Bars

        columns = ("{task.fields[name]}", BarColumn(bar_width=20), MofNCompleteColumn(), TimeElapsedColumn())
        layout = [TextColumn(c, markup=False) if isinstance(c, str) else c for c in columns]
        heading = TextColumn("{task.description}", markup=False)
        self.bars = Bars(*layout, heading, console=Console(file=stream), transient=False)
        self._tasks: dict[tuple[str, str], int] = {}
        self._lock = threading.Lock()

    def step(self, study: str, notebook: str, cell: int, cells: int, heading: str) -> None:
        """Move the notebook's line on."""
        from rich.progress import TaskID

        with self._lock:
            if (study, notebook) not in self._tasks:
                self._tasks[study, notebook] = self.bars.add_task("", total=cells, name=f"{study} {notebook}")
        task = TaskID(self._tasks[study, notebook])
        self.bars.update(task, completed=cell - 1, total=cells, description=heading[:60])

    def done(self, study: str, notebook: str, seconds: float, error: str) -> None:  # noqa: ARG002
        """Fill or fail the notebook's line."""
        from rich.progress import TaskID

        if (study, notebook) in self._tasks:
            task = TaskID(self._tasks[study, notebook])
            total = next(t.total for t in self.bars.tasks if t.id == task)
            state = {"description": "failed"} if error else {"description": "done", "completed": total}
            self.bars.update(task, **state)

    def say(self, text: str) -> None:
        """Print above the live lines."""
        self.bars.console.print(text, markup=False, highlight=False, soft_wrap=True)


@contextmanager
def progress(stream: TextIO | None = None) -> Iterator[Progress]:
    """Live lines on a terminal, plain ones elsewhere; `stream` is standard error by default."""
    stream = sys.stderr if stream is None else stream
    if not stream.isatty():
        yield Plain(stream)
        return
    live = Live(stream)
    with live.bars:
        yield live
