"""Run the committed notebooks on their own default study and store their outputs.

`python -m evalkit.report.refresh notebooks`. Plain execution, never papermill in place, which
would leave its injected cell behind. What differs from run to run and says nothing (times, kernel
versions) is taken out, so that a difference in a stored notebook is a difference in what it shows.
"""

from __future__ import annotations

import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from evalkit.errors import RunError
from evalkit.report.kernel import OwnKernelManager

LANGUAGE = {"name": "python"}
KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}


def refresh(path: Path) -> None:
    """Execute one notebook and store it with its outputs. Raises RunError when a cell fails."""
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook,
        timeout=600,
        kernel_name="python3",
        kernel_manager_class=OwnKernelManager,
        resources={"metadata": {"path": str(path.parent)}},
    )
    try:
        client.execute()
    except CellExecutionError as error:
        raise RunError(f"a cell failed ({error.ename}: {error.evalue})", path.name) from None
    notebook.metadata = nbformat.from_dict({"kernelspec": KERNEL, "language_info": LANGUAGE})
    for cell in notebook.cells:
        tags = cell.metadata.get("tags")
        cell.metadata = nbformat.from_dict({"tags": tags} if tags else {})
    nbformat.write(notebook, path)


def main(folders: list[str]) -> None:
    """Refresh every notebook of the named folders, in order of name."""
    for folder in folders:
        for path in sorted(Path(folder).glob("*.ipynb")):
            refresh(path)
            sys.stdout.write(f"{path}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
