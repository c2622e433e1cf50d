"""A warm process that kernels are forked from: libraries are imported once and not once a notebook.

    python -m evalkit.report.warm SOCKET

It listens on a socket in a private folder. Every connection sends one request, a line of JSON, gets one line back,
and stays open for as long as what was asked for lives: `{"do": "kernel", ...}` forks a kernel, `{"do": "hold", ...}`
forks a process that opens a study and listens in turn, so that its kernels have the study at hand; the panels that
the driver has built it reads from a file in the same folder. The process ends when whoever started it does. Nothing
is read from the socket but these requests, and only its own user can connect and write there.

Linux only: elsewhere kernels are started anew.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import random
import select
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any

from evalkit.report import anew

LONGEST = 65_536  # bytes of a request
PR_SET_PDEATHSIG = 1
PATIENCE = 2.0  # seconds that children have to end once their owner did
READY, REFUSED = b"ready\n", b"refused\n"


def main(path: str) -> None:
    """Import what notebooks use, say so on standard output, and serve until standard input ends."""
    gc.disable()  # until all is imported
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the driver's, which ends this process itself
    anew.imported()
    listener = _listen(path)
    os.write(1, READY)
    serve(listener, sys.stdin.fileno())


def _listen(path: str) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(path)
    os.chmod(path, 0o600)  # noqa: PTH101 - no Path object is at hand, and none is needed
    listener.listen()
    return listener


def serve(listener: socket.socket, owner: int) -> None:
    """Fork a child for every request until `owner`, a file descriptor, comes to its end."""
    anew.settled()  # pages that are never written stay shared with the children
    signal.signal(signal.SIGCHLD, _reap)
    parent = os.getpid()
    while True:
        ready, _, _ = select.select([listener.fileno(), owner], [], [])
        if owner in ready and not os.read(owner, 1):
            break
        if listener.fileno() not in ready:
            continue
        connection, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            if owner != 0:  # standard input is replaced by the kernel
                os.close(owner)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            _end_with(parent)
            _child(connection)
        connection.close()
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until and not _reap():
        time.sleep(0.01)


def _end_with(parent: int) -> None:
    """Have this process killed when its parent ends: it may be deep in a computation, and ask nobody."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it has ended already
        os._exit(1)


def _reap(*_: object) -> bool:
    """Take leave of children that have ended, so that their times are counted; whether none is left."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return True
    return False


def _child(connection: socket.socket) -> None:
    """Do what the connection asks, and end; nothing of the parent's is run on the way out."""
    status = 1
    try:
        with connection.makefile("rb") as lines:
            request = json.loads(lines.readline(LONGEST))
        if request["do"] == "kernel":
            _kernel(connection, request)
        elif request["do"] == "hold":
            _hold(connection, request)
        status = 0
    finally:
        os._exit(status)


def _hold(connection: socket.socket, request: dict[str, Any]) -> None:
    """Open a study, and serve kernels that have it at hand."""
    from evalkit import workbench
    from evalkit.panel import handed

    try:
        named = request["collaborative"]
        panels = handed.taken(Path(request["panels"]), named) if request["panels"] else None
        workbench.hold(named, request["outcome"], ahead=request["ahead"], panels=panels)
    except Exception:  # noqa: BLE001 - whatever it is, the notebooks meet and report it themselves
        connection.sendall(REFUSED)
        return
    listener = _listen(request["socket"])
    connection.sendall(READY)
    serve(listener, connection.fileno())


def _kernel(connection: socket.socket, request: dict[str, Any]) -> None:
    """Become the kernel of a connection file, as `python -m ipykernel_launcher -f FILE` would."""
    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with open(os.devnull) as nothing:  # noqa: PTH123
        os.dup2(nothing.fileno(), 0)
    os.chdir(request["cwd"])
    os.environ.update(request["env"])
    _reseed()
    connection.sendall(f"{os.getpid()}\n".encode())
    sys.argv = ["ipykernel_launcher", "-f", request["connection_file"]]
    anew.serve(sys.argv[1:], parent_handle=os.getppid())  # it ends when the warm process does


def _reseed() -> None:
    """Random numbers of its own: a copy of the parent's state would give every kernel the same."""
    import numpy as np

    random.seed()
    np.random.seed()  # noqa: NPY002 - the state that a notebook's author may use


if __name__ == "__main__":
    main(sys.argv[1])
