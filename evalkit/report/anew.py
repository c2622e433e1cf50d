"""A kernel started anew, where none can be forked: as `python -m ipykernel_launcher`, with libraries at hand.

    python -P -m evalkit.report.anew -f CONNECTION_FILE

What notebooks use is imported before the kernel begins and while Python looks for no garbage, for none of it is ever
let go: a tenth of the time of importing.
"""

from __future__ import annotations

import contextlib
import gc
import sys
from importlib import import_module
from typing import Any

DEBUGGER = "debugpy"
BEGINNING = (
    "IPython.core.completerlib", "IPython.core.debugger", "IPython.core.logger", "IPython.core.magics.execution",
    "IPython.core.oinspect", "IPython.extensions.storemagic", "matplotlib_inline.backend_inline",
    "tornado.platform.asyncio",
)  # fmt: skip
SELDOM = 20_000  # new objects after which Python looks for garbage; they are a few MB
UNWRITTEN = "--HistoryManager.enabled=False"  # nobody typed these cells: they are not for the user's own history


def main(arguments: list[str]) -> None:
    """Import what notebooks use, then be the kernel of a connection file until it is ended."""
    gc.disable()
    with contextlib.suppress(ImportError):  # a notebook that needs it meets and reports it
        imported()
    settled()
    serve(arguments)


def imported() -> None:
    """Import what a kernel and its notebook use, but for the debugger, which nobody can reach here."""
    absent = DEBUGGER not in sys.modules
    if absent:
        sys.modules[DEBUGGER] = None  # type: ignore[assignment]  # so it is not found
    try:
        from ipykernel import debugger, kernelapp, zmqshell  # noqa: F401
    finally:
        if absent:
            del sys.modules[DEBUGGER]
    _beginning()

    from evalkit import plots, tables, words, workbench  # noqa: F401


def _beginning() -> None:
    """Import what a kernel imports while it begins, and look up how figures are shown, once for all that are forked.

    These are the kernel's own affairs: what another version of it does without is passed over.
    """
    for name in BEGINNING:
        with contextlib.suppress(ImportError):
            import_module(name)
    with contextlib.suppress(ImportError, AttributeError):
        # reads the entry points of every installed package
        import_module("IPython.core.pylabtools").find_gui_and_backend("inline")


def settled() -> None:
    """Leave what has been imported out of every later search for garbage, and let that begin, less often than usual.

    Python looks after 700 new objects that it might have to take away, of which one figure or one refit makes
    thousands: one part in twelve of what they take.
    """
    gc.freeze()
    gc.set_threshold(SELDOM, *gc.get_threshold()[1:])
    gc.enable()


def serve(arguments: list[str], **given: object) -> None:
    """Be a kernel until it is ended.

    arguments  as for `ipykernel_launcher`
    given      to its application
    """
    from ipykernel.kernelapp import IPKernelApp

    app: Any = IPKernelApp.instance(**given)
    app.initialize([*arguments, UNWRITTEN])
    if "matplotlib.pyplot" in sys.modules:  # it has settled on a drawing that shows nothing in a notebook
        app.shell.enable_matplotlib("inline")
    with contextlib.suppress(SystemExit):
        app.start()


if __name__ == "__main__":
    main(sys.argv[1:])
