"""The kernel of a notebook: always this environment's own interpreter.

A kernel called `python3` in a user's home would otherwise win over the environment, and run the
evaluation with whatever happens to be installed there.
"""

from __future__ import annotations

import os
import sys
from typing import ClassVar

from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager

THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS")  # kernels run side by side and matrices are small


def transport(folder: str) -> dict[str, dict[str, str]]:
    """How driver and kernel talk: over sockets in a private folder, so that nothing else can listen.

    Windows has no such sockets; there the loopback interface is used.
    """
    if sys.platform == "win32":
        return {}
    return {"OwnKernelManager": {"transport": "ipc", "ip": f"{folder}/k"}}


class OwnKernelManager(AsyncKernelManager):
    """Starts the running interpreter, whatever kernels are registered on the machine."""

    given: ClassVar[dict[str, str]] = {}

    @property
    def kernel_spec(self) -> KernelSpec:
        """The running interpreter's kernel."""
        argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
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
