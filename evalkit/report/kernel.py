"""The kernel of a notebook: always this environment's own interpreter.

A kernel called `python3` in a user's home would otherwise win over the environment, and run the
evaluation with whatever happens to be installed there.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import sys
import tempfile
import weakref
from pathlib import Path
from typing import Any, ClassVar

from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager

from evalkit.report.child import THREADS

PREFIX = "ek"


def private() -> str:
    """A new folder for sockets, in which nobody else can look; its name says whose it is."""
    return tempfile.mkdtemp(prefix=f"{PREFIX}-{os.getpid()}-")


def sweep() -> None:
    """Take away the folders of sockets that processes left behind which were killed."""
    if sys.platform == "win32":  # where nothing is left, and a look at a process would end it
        return
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}-*-*"):
        owner = re.fullmatch(rf"{PREFIX}-([0-9]+)-\w+", folder.name)
        try:
            if owner is None or folder.lstat().st_uid != os.getuid():
                continue
            os.kill(int(owner[1]), 0)
        except (ProcessLookupError, OverflowError):
            shutil.rmtree(folder, ignore_errors=True)
        except OSError:  # gone meanwhile, or a process of somebody else
            continue


def transport(folder: str) -> dict[str, dict[str, str]]:
    """How driver and kernel talk: over sockets in a private folder, so that nothing else can listen.

    Windows has no such sockets; there the loopback interface is used.
    """
    if sys.platform == "win32":
        return {}
    return {"OwnKernelManager": {"transport": "ipc", "ip": f"{folder}/k", "connection_file": f"{folder}/c.json"}}


_LIVE: weakref.WeakSet[OwnKernelManager] = weakref.WeakSet()


def end_all() -> None:
    """End every kernel of this process at once; who waits for one finds it dead."""
    for manager in list(_LIVE):
        process = getattr(manager.provisioner, "process", None)
        if process is not None:
            with contextlib.suppress(OSError):
                process.kill()


class OwnKernelManager(AsyncKernelManager):
    """Starts the running interpreter, whatever kernels are registered on the machine."""

    given: ClassVar[dict[str, str]] = {}

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - the library's types
        super().__init__(*args, **kwargs)
        _LIVE.add(self)

    @property
    def kernel_spec(self) -> KernelSpec:
        """The running interpreter's kernel."""
        argv = [sys.executable, "-P", "-m", "evalkit.report.anew", "-f", "{connection_file}"]
        env = {
            **{name: os.environ.get(name, "1") for name in THREADS},
            **{n: v.replace("$", "$$") for n, v in self.given.items()},
        }
        return KernelSpec(argv=argv, env=env, display_name="evalkit", language="python", metadata={"debugger": False})


def with_environment(environment: dict[str, str]) -> type[OwnKernelManager]:
    """The manager of kernels that have more in their environment than this process."""
    if not environment:
        return OwnKernelManager

    class GivenKernelManager(OwnKernelManager):
        given: ClassVar[dict[str, str]] = environment

    return GivenKernelManager
