"""The notebooks of one study, run on a cluster: what is sent, and what is made of what comes back."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat

from evalkit.catalogue import home
from evalkit.report import remote
from evalkit.report.cluster import Cluster
from evalkit.report.execute import Executed, Failure, Step, check_notebook, heading_above
from evalkit.study import Study
from evalkit.study.looks import FILE

WHERE = "on the cluster"


def wanted(study: Study, notebooks: list[Path], record: dict[str, Any]) -> remote.Wanted:
    """What a worker must have to run a study's notebooks; `record`, its manifest."""
    named = tuple((part, str(study.resolve(path))) for part, path in record["named"].items())
    inputs = tuple(record["inputs"].items())
    return remote.Wanted(str(home()), str(study.path), named, tuple(map(str, notebooks)), inputs)


@dataclass(frozen=True, eq=False)
class Sent:
    """Runs the notebooks of one study on a cluster, as `Kernels` runs them here.

    former  the report that stands, of which a notebook may ask for the looks so far
    """

    cluster: Cluster
    wanted: remote.Wanted
    former: Path
    timeout: int

    def order(self, notebooks: list[Path]) -> list[Path]:
        """The notebooks as they come."""
        return notebooks

    def execute(self, path: Path, parameters: dict[str, str], folder: Path, step: Step) -> Executed:
        """Run one notebook somewhere and write it, executed, to `folder`."""
        cells = len(check_notebook(path).cells) + 1
        looks = self.former / FILE
        asked = remote.Asked(
            self.wanted,
            str(path),
            tuple(parameters.items()),
            self.timeout,
            self.former.name,
            looks.read_bytes() if looks.is_file() else None,
        )
        done: remote.Returned = self.cluster.call(remote.notebook, asked, lambda: step(1, cells, WHERE))
        (folder / path.name).write_bytes(done.notebook)
        notebook = nbformat.read(folder / path.name, as_version=4)
        failure = None if done.failure is None else Failure(*done.failure)
        return Executed(path.stem, heading_above(notebook, 0), notebook, done.seconds, failure)
