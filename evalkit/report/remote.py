"""What runs on a worker of a cluster: is it fit, a notebook, a part of a computation. Nothing here needs Dask.

A worker must have the same evalkit with the same packages, and of a study whose notebooks it runs the same protocol,
data and notebooks at the same paths. That is found out by hashes, there, before anything is run. Nothing needs to be
shared for the output: a notebook comes back as bytes.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from evalkit.errors import RunError
from evalkit.report import fresh

FIX = "give the workers the same files at the same paths, and start them anew from the same environment"


@cache
def fingerprint() -> tuple[tuple[str, str], ...]:
    """Library and environment of this process, name and hash, as they were when first asked."""
    return (("library", fresh.tree_hash(fresh.LIBRARY)), ("environment", fresh.environment()))


@dataclass(frozen=True)
class Wanted:
    """The inputs of a study as whoever runs it has them.

    home, protocol  paths
    named           files and folders that the protocol names, part and path
    notebooks       paths
    inputs          their hashes by what they are called, as `fresh.inputs` has them
    """

    home: str
    protocol: str
    named: tuple[tuple[str, str], ...]
    notebooks: tuple[str, ...]
    inputs: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Asked:
    """A notebook to be run.

    parameters  as `execute` takes them
    timeout     seconds that one cell may take
    report      name of the report that it is for
    looks       the looks that the report as it stands records; None where there is none
    """

    wanted: Wanted
    notebook: str
    parameters: tuple[tuple[str, str], ...]
    timeout: int
    report: str
    looks: bytes | None


@dataclass(frozen=True)
class Returned:
    """A notebook as it was executed, the seconds it took, and its failure: cell, heading, error."""

    notebook: bytes
    seconds: float
    failure: tuple[int, str, str] | None


def unlike(wanted: Wanted) -> list[str]:
    """What of a study is not the same here, by name."""
    named = {part: Path(path) for part, path in wanted.named}
    notebooks = [Path(path) for path in wanted.notebooks]
    gone = [Path(path).name for path in (wanted.protocol, *wanted.notebooks) if not Path(path).is_file()]
    if gone:
        return [f"{name} (not there)" for name in gone]
    try:
        found = fresh.inputs(Path(wanted.protocol), named, notebooks, Path(wanted.home))
    except OSError as error:
        return [f"{Path(str(error.filename)).name} ({error.strerror})"]
    began = dict(fingerprint())  # what was loaded may no longer be what lies there
    return [name for name, value in wanted.inputs if {found.get(name), began.get(name, value)} != {value}]


def notebook(asked: Asked) -> Returned:
    """Run a notebook. Raises RunError where this worker is not fit for it."""
    from evalkit.catalogue import HOME_VARIABLE, REPORTS_VARIABLE
    from evalkit.report.execute import Engine, execute
    from evalkit.study.looks import FILE

    if found := unlike(asked.wanted):
        raise RunError(f"a worker has another {', another '.join(found)}", fix=FIX)
    path = Path(asked.notebook)
    with tempfile.TemporaryDirectory(prefix="ek-") as made:
        reports, out = Path(made) / "reports", Path(made) / "out"
        (reports / asked.report).mkdir(parents=True)
        out.mkdir()
        if asked.looks is not None:
            (reports / asked.report / FILE).write_bytes(asked.looks)
        given = ((HOME_VARIABLE, asked.wanted.home), (REPORTS_VARIABLE, str(reports)))
        engine = Engine(asked.timeout, given=given)
        done = execute(path, dict(asked.parameters), out, engine, lambda *_: None)
        failure = None if done.failure is None else (done.failure.cell, done.failure.heading, done.failure.error)
        return Returned((out / path.name).read_bytes(), done.seconds, failure)


def part(expected: tuple[tuple[str, str], ...], work: Callable[[Any, Any], Any], common: object, one: object) -> Any:  # noqa: ANN401 - whatever the work returns
    """One part of a computation. Raises RunError where this worker is not fit for it."""
    other = [name for (name, value), (_, here) in zip(expected, fingerprint(), strict=True) if value != here]
    if other:
        raise RunError(f"a worker has another {', another '.join(other)}", fix=FIX)
    return work(common, one)
