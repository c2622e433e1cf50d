"""The kernel of a notebook: always this environment's own interpreter.

A kernel called `python3` in a user's home would otherwise win over the environment, and run the
evaluation with whatever happens to be installed there.
"""

from __future__ import annotations

import sys

from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager


class OwnKernelManager(AsyncKernelManager):
    """Starts the running interpreter, whatever kernels are registered on the machine."""

    @property
    def kernel_spec(self) -> KernelSpec:
        """The running interpreter's kernel."""
        argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        return KernelSpec(argv=argv, display_name="evalkit", language="python", metadata={"debugger": False})
