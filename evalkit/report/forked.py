"""Kernels forked from a warm process, seen from the driver.

A kernel is forked by `evalkit.report.warm` and reached over the usual sockets; papermill, nbclient and ipykernel are
as they are. Its connection to the warm process closes when it ends, which is how the driver knows that it lives.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import uuid
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_client.provisioning.local_provisioner import LocalProvisioner

from evalkit.errors import RunError
from evalkit.panel import handed
from evalkit.report import warm
from evalkit.report.child import THREADS, Child, alone, one_thread, waited
from evalkit.report.kernel import OwnKernelManager, private

if TYPE_CHECKING:
    from evalkit.panel import Panel

PATIENCE = 5.0  # seconds that the warm process has to end by itself
PASSED = ("JPY_SESSION_NAME", "PATH", *THREADS)  # of the environment that a kernel is given


def can_fork() -> bool:
    """Whether kernels can be forked here: on Linux, unless `EVALKIT_FORK=0`."""
    return sys.platform == "linux" and os.environ.get("EVALKIT_FORK", "1") != "0"


class Forked:
    """A forked kernel in the shape of `subprocess.Popen`, as far as a provisioner asks."""

    stdin = stdout = stderr = None

    def __init__(self, connection: socket.socket) -> None:
        """Take the connection over which the kernel was asked for, and read its number."""
        self._connection = connection
        said = answer(connection)
        if not said.isdigit():
            raise RunError("the warm process did not start a kernel", fix="try again with --no-fork")
        self.pid = int(said)
        connection.setblocking(False)

    def poll(self) -> int | None:
        """None while it lives, then 1: what it ended with is not known."""
        try:
            gone = not self._connection.recv(1)
        except BlockingIOError:
            gone = False
        except OSError:  # closed before, or reset
            gone = True
        if gone:
            self._connection.close()
        return 1 if gone else None

    def wait(self, timeout: float | None = None) -> int:
        """Wait until it has ended. Raises TimeoutExpired when that takes longer than `timeout` seconds."""
        waited(self.poll, timeout)
        return 1

    def send_signal(self, signum: int) -> None:
        """Signal it and what it started, if it lives."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signum)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)


class ForkedProvisioner(LocalProvisioner):
    """Asks the warm process behind `parent.warm` for a kernel instead of starting one."""

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> Any:  # noqa: ANN401, ARG002 - the library's types
        """Have the kernel forked; what it is started with stands in the connection file."""
        owner: Any = self.parent
        env = kwargs.get("env") or {}
        cwd = str(kwargs.get("cwd") or Path.cwd())
        request = {
            "do": "kernel",
            "connection_file": str(owner.connection_file),
            "cwd": cwd,
            "env": {name: env[name] for name in PASSED if name in env},
        }
        process: Any = Forked(ask(owner.warm, request))
        self.process, self.pid, self.pgid, self.cwd = process, process.pid, process.pid, cwd
        return self.connection_info


def manager(path: str) -> type[OwnKernelManager]:
    """The manager of kernels that are forked from the process that listens at `path`."""

    class ForkedKernelManager(OwnKernelManager):
        warm = path

        async def _async_pre_start_kernel(self, **kw: Any) -> tuple[list[str], dict[str, Any]]:  # noqa: ANN401
            self.kernel_id = self.kernel_id or str(uuid.uuid4())
            if self.provisioner is None:
                spec = self.kernel_spec
                self.provisioner = ForkedProvisioner(kernel_id=self.kernel_id, kernel_spec=spec, parent=self)
            return await super()._async_pre_start_kernel(**kw)

    return ForkedKernelManager


def ask(path: str, request: dict[str, Any]) -> socket.socket:
    """Send one request to a warm process; the connection stays open. Raises RunError where nobody listens."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.connect(path)
        connection.sendall(json.dumps(request).encode() + b"\n")
    except OSError as error:
        connection.close()
        raise RunError(f"the warm process has ended ({error.strerror})", fix="try again with --no-fork") from None
    return connection


def answer(connection: socket.socket) -> bytes:
    """The one line that a request is answered with; empty where there was none."""
    with connection.makefile("rb") as lines:
        return lines.readline(64).strip()


def _started(path: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603 - our own interpreter and module
        [sys.executable, "-m", "evalkit.report.warm", path],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=one_thread(),
    )  # fmt: skip


class Warm:
    """The warm process, from `with` to the end of the block; it starts while the driver does other things."""

    def __init__(self, *, fork: bool = False) -> None:
        """Start it.

        fork  from this process, if it is still alone: only where `child.prepared` said so
        """
        self._folder = private()
        self.path = f"{self._folder}/w"
        self._process = Child(partial(warm.main, self.path)) if fork and alone() else _started(self.path)
        self._held: list[socket.socket] = []
        self._ready = False
        self._lock = threading.Lock()

    def __enter__(self) -> Warm:
        return self

    def __exit__(self, *_: object) -> None:
        for connection in self._held:
            connection.close()
        assert self._process.stdin is not None  # noqa: S101 - asked for
        assert self._process.stdout is not None  # noqa: S101 - asked for
        self._process.stdin.close()  # at whose end it ends
        self._process.stdout.close()
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)

    def end(self) -> None:
        """End it, and with it everything that was forked from it, at once."""
        self._process.kill()

    def wait(self) -> str:
        """The socket at which it listens, once it does. Raises RunError when it ended instead."""
        with self._lock:
            if not self._ready:
                assert self._process.stdout is not None  # noqa: S101 - asked for
                if self._process.stdout.readline() != b"ready\n":
                    raise RunError("the warm process did not start", fix="try again with --no-fork")
                self._ready = True
        return self.path

    def opened(self, collaborative: str, outcome: str, panels: dict[str, Panel] | None = None) -> str:
        """The socket of a process that holds a study; that of the warm process where the study could not be opened.

        panels  of the study where they have been built, so that they are not built again; None to open it there
        """
        given = None
        if panels is not None:
            given = f"{self._folder}/{uuid.uuid4().hex[:12]}.panels"
            handed.leave(Path(given), collaborative, panels)
        return self._hold(self.wait(), collaborative, outcome, ahead=False, panels=given)

    def ahead(self, collaborative: str, outcome: str, at: str) -> str:
        """The socket of a process that has computed beforehand what several notebooks want; as `opened`.

        at  the process that holds the study
        """
        return self._hold(at, collaborative, outcome, ahead=True, panels=None)

    def _hold(self, at: str, collaborative: str, outcome: str, **asked: Any) -> str:  # noqa: ANN401 - a request's fields
        path = f"{self._folder}/{uuid.uuid4().hex[:12]}"
        request = {"do": "hold", "collaborative": collaborative, "outcome": outcome, "socket": path, **asked}
        connection = ask(at, request)
        self._held.append(connection)
        return path if answer(connection) == b"ready" else self.wait()
