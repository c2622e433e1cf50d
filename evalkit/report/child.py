"""A process forked from this one while it is still alone: what has been imported is not imported again.

Forking is safe as long as nothing but one thread has run, and the child computes as others do only if the libraries
of linear algebra were told beforehand to use one thread. Where either is not so, a process is started anew instead.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS")  # kernels run side by side and matrices are small
LAST_STANDARD = 2  # of the streams: input, output, errors
LOADED = "numpy"  # reads them when it is imported, and never again


def one_thread() -> dict[str, str]:
    """This process's environment, with one thread for linear algebra where nothing else is said."""
    return {**os.environ, **{name: os.environ.get(name, "1") for name in THREADS}}


def prepared() -> bool:
    """Have this process itself use one thread for linear algebra; whether there still was time for that."""
    if LOADED in sys.modules:
        return False
    os.environ.update({name: os.environ.get(name, "1") for name in THREADS})
    return True


def alone() -> bool:
    """Whether this process can be forked: on Linux, with no other thread of Python's."""
    return sys.platform == "linux" and threading.active_count() == 1


def waited(poll: Callable[[], int | None], timeout: float | None) -> None:
    """Wait until a process has ended, which `poll` says by not being None.

    Raises TimeoutExpired when that takes longer than `timeout` seconds.
    """
    until = None if timeout is None else time.monotonic() + timeout
    while poll() is None:
        if until is not None and time.monotonic() > until:
            raise subprocess.TimeoutExpired("evalkit", timeout or 0.0)
        time.sleep(0.01)


class Child:
    """A forked process in the shape of `subprocess.Popen`, as far as it is asked for."""

    def __init__(self, work: Callable[[], None]) -> None:
        """Fork, and do `work` there with pipes as standard input and output; nothing else stays open there."""
        theirs_in, ours_in = os.pipe()
        ours_out, theirs_out = os.pipe()
        for stream in (sys.stdout, sys.stderr):
            stream.flush()  # what waits to be written is written once
        self.pid = os.fork()
        if self.pid == 0:
            _become(theirs_in, theirs_out, work)
        os.close(theirs_in)
        os.close(theirs_out)
        self.stdin, self.stdout = os.fdopen(ours_in, "wb"), os.fdopen(ours_out, "rb")
        self._ended = False

    def poll(self) -> int | None:
        """None while it runs, then 0: what it ended with is nobody's business."""
        if not self._ended:
            try:
                self._ended = os.waitpid(self.pid, os.WNOHANG)[0] != 0
            except ChildProcessError:
                self._ended = True
        return 0 if self._ended else None

    def wait(self, timeout: float | None = None) -> int:
        """Wait until it has ended. Raises TimeoutExpired when that takes longer than `timeout` seconds."""
        waited(self.poll, timeout)
        return 0

    def kill(self) -> None:
        """End it at once; nothing where it has ended."""
        if self.poll() is None:
            os.kill(self.pid, signal.SIGKILL)


def _become(given: int, told: int, work: Callable[[], None]) -> NoReturn:
    """Do the work and end, with nothing of the parent's run on the way out."""
    status = 1
    try:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)  # a started process would have these, too
        nothing = os.open(os.devnull, os.O_WRONLY)
        for have, wanted in ((given, 0), (told, 1), (nothing, 2)):
            os.dup2(have, wanted)
        _close_others()
        work()
        status = 0
    finally:
        os._exit(status)


def _close_others() -> None:
    """Close what is open but the standard streams: numbers go up to a limit that may be a thousand million."""
    for number in [int(one.name) for one in Path("/proc/self/fd").iterdir()]:
        with contextlib.suppress(OSError):  # the listing's own is closed by now
            if number > LAST_STANDARD:
                os.close(number)
