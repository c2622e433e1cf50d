"""papermill's engine, which saves the notebook at its end and not before and after every cell.

Writing a notebook of half a megabyte 30 times takes longer than many a notebook; what stops on the way is run again.
"""

from __future__ import annotations

from typing import Any

from papermill.engines import NBClientEngine, papermill_engines

NAME = "evalkit"


class Quiet(NBClientEngine):  # type: ignore[misc]
    """As its parent, but for saving."""

    @classmethod
    def execute_managed_notebook(cls, nb_man: Any, kernel_name: str, **kwargs: Any) -> None:  # noqa: ANN401 - papermill's
        """Run every cell; papermill saves before the first and after the last, whatever happens between."""
        nb_man.save = lambda **_: None
        try:
            super().execute_managed_notebook(nb_man, kernel_name, **kwargs)
        finally:
            del nb_man.save


def registered() -> str:
    """The engine's name, known to papermill."""
    papermill_engines.register(NAME, Quiet)
    return NAME
