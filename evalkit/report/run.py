"""Studies -> reports: notebooks executed side by side, pages, results, manifest, index."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

from evalkit.catalogue import home, open_study
from evalkit.errors import EvalkitError, RunError
from evalkit.files import remove
from evalkit.panel import Panel, build_all
from evalkit.report import fresh
from evalkit.report.execute import Executed, check_notebook, kept
from evalkit.report.forked import Warm, can_fork
from evalkit.report.history import keep
from evalkit.report.kernel import end_all, sweep
from evalkit.report.kernels import Kernels
from evalkit.report.manifest import manifest
from evalkit.report.progress import Progress
from evalkit.report.publish import INDEX, opened, put_in_place, require_ours, workspace, write_text
from evalkit.report.results import SEE, seal, write_report
from evalkit.report.summary import write_index
from evalkit.study import Study
from evalkit.study.looks import report_name
from evalkit.texts import visible

if TYPE_CHECKING:
    from evalkit.report.cluster import Cluster
    from evalkit.report.sent import Sent

FAILED = "~failed"  # cannot be part of a slug or of an outcome's name


@dataclass(frozen=True)
class Options:
    """How to run.

    out      output folder
    outcome  outcome name; None for each study's primary one
    jobs     notebooks run side by side; nought for as many as processors, or a cluster's threads
    timeout  seconds that one cell may take
    fork     whether kernels are forked from a warm process, where that can be done
    force    whether notebooks are run even where nothing that they depend on has changed
    by       who runs it, for the page on quality assurance
    scheduler  address of a Dask scheduler on whose workers notebooks are run; None to run them here
    """

    out: Path
    outcome: str | None = None
    jobs: int = 2
    timeout: int = 600
    fork: bool = True
    force: bool = False
    by: str = ""
    scheduler: str | None = None


@dataclass(frozen=True, eq=False)
class Means:
    """What notebooks are run with: threads that wait for them, and a warm process or a cluster."""

    pool: ThreadPoolExecutor
    warm: Warm | None
    cluster: Cluster | None


@dataclass(eq=False)
class Task:
    """One study on its way to a report.

    former  the report that stands, and
    again   its notebooks that serve as they are
    """

    study: Study
    panel: Panel
    name: str
    folder: Path
    notebooks: list[Path]
    kernels: Kernels | Sent
    record: dict[str, Any]
    former: Path
    again: set[str]
    running: list[Future[Executed]] = field(default_factory=list)
    stop: Event = field(default_factory=Event)


@dataclass(frozen=True)
class Outcome:
    """How one study ended: its report folder, and what failed, one line each."""

    study: str
    folder: Path | None
    failures: tuple[str, ...]


def run(studies: Sequence[str], options: Options, progress: Progress, warm: Warm | None = None) -> list[Outcome]:
    """Run every study's notebooks and publish its report; a failure in one leaves the others alone.

    warm  the process to fork kernels from, where one has been started already

    Raises RunError only when the output folder itself or the scheduler cannot be used. Ctrl-C ends running notebooks
    at once; reports that were already in place stay.
    """
    sweep()
    with opened(options.out, progress.say) as out:
        ended = _all(studies, options, progress, out, warm)
        try:
            write_text(out / INDEX, write_index(out))
        except OSError as error:
            ended.append(Outcome("index", None, (f"cannot be written ({error.strerror})",)))
    return ended


def _all(studies: Sequence[str], options: Options, progress: Progress, out: Path, warm: Warm | None) -> list[Outcome]:
    """Every study's notebooks side by side; what is stopped by the user ends at once."""
    ended: list[Outcome] = []
    tasks: list[Task | Outcome] = []
    with _means(options, progress, warm) as means:
        try:
            for name in studies:
                taken = [t.name for t in tasks if isinstance(t, Task)]
                tasks.append(_start(name, out, options, progress, means, taken))
            for task in tasks:
                ended.append(task if isinstance(task, Outcome) else _finished(task, out, progress))
        except KeyboardInterrupt:
            for task in tasks:
                if isinstance(task, Task):
                    task.stop.set()  # notebooks that wait end before their first cell
            means.pool.shutdown(wait=False, cancel_futures=True)
            if means.warm is not None:
                means.warm.end()
            end_all()  # cells that run may run for long
            raise
    return ended


@contextmanager
def _means(options: Options, progress: Progress, given: Warm | None) -> Iterator[Means]:
    if options.scheduler is not None:
        from evalkit.report.cluster import cluster

        with (
            cluster(options.scheduler, progress.say) as found,
            ThreadPoolExecutor(max_workers=options.jobs or found.threads) as pool,
        ):
            yield Means(pool, None, found)
        return
    start = options.fork and can_fork() and given is None
    with (
        Warm() if start else nullcontext(given) as warm,
        ThreadPoolExecutor(max_workers=options.jobs or default_jobs()) as pool,
    ):
        yield Means(pool, warm, None)


def _start(
    name: str, out: Path, options: Options, progress: Progress, means: Means, taken: list[str]
) -> Task | Outcome:
    """Validate a study and its data, then hand its notebooks to the pool."""
    try:
        study = open_study(name)
        outcome = study.outcome(options.outcome)
        panels = build_all(study)
        panel = panels[outcome.name]
        notebooks = [home() / "notebooks" / f"{n}.ipynb" for n in study.protocol.notebooks]
        for path in notebooks:
            check_notebook(path)
        _require_free(report_name(study, outcome.name), taken)
        require_ours(out / report_name(study, outcome.name))
        record = manifest(study, panel, notebooks, options.by)
        parameters = {"collaborative": _named(study), "outcome": outcome.name}
        former = out / report_name(study, outcome.name)
        again = set() if options.force else fresh.reusable(former, record["inputs"])
        if means.cluster is None:
            running = [path.stem for path in notebooks if path.stem not in again]
            kernels: Kernels | Sent = Kernels(
                means.warm, parameters["collaborative"], outcome.name, options.timeout, panels, running
            )
        else:
            kernels = _sent(means.cluster, study, notebooks, record, former, options.timeout)
        folder = workspace(out, report_name(study, outcome.name))
    except EvalkitError as error:
        return Outcome(name, None, tuple(str(fault) for fault in error.faults))
    except Exception as error:  # noqa: BLE001 - a defect met by one study must not stop the others
        return Outcome(name, None, (f"failed unexpectedly ({type(error).__name__}: {error})",))
    task = Task(study, panel, former.name, folder, notebooks, kernels, record, former, again)
    submitted = {p: means.pool.submit(_one, p, parameters, task, progress) for p in kernels.order(notebooks)}
    task.running = [submitted[path] for path in notebooks]
    return task


def _named(study: Study) -> str:
    """A slug where it means this protocol, so that no path of this machine stands in the report."""
    inside = study.path.parent == (home() / "data" / "collaboratives").resolve()
    return study.slug if inside else str(study.path)


def _sent(
    cluster: Cluster, study: Study, notebooks: list[Path], record: dict[str, Any], former: Path, timeout: int
) -> Sent:
    """A study's notebooks on a cluster. Raises RunError where a worker has other files than this machine."""
    from evalkit.report.sent import Sent, wanted

    same = wanted(study, notebooks, record)
    cluster.require_same(same)
    return Sent(cluster, same, former, timeout)


def _require_free(name: str, taken: list[str]) -> None:
    if name in taken:
        raise RunError(f"another study of this run writes the report '{name}' too", fix="rename one, or run it apart")


def _one(path: Path, parameters: dict[str, str], task: Task, progress: Progress) -> Executed:
    def step(cell: int, cells: int, heading: str) -> None:
        if task.stop.is_set():
            raise RunError("stopped")
        progress.step(task.study.slug, path.stem, cell, cells, heading)

    if path.stem in task.again:
        progress.say(f"{task.study.slug}: {path.stem}: as before, nothing that it depends on has changed")
        return kept(path, task.folder, task.former)
    done = task.kernels.execute(path, parameters, task.folder, step)
    progress.done(task.study.slug, path.stem, done.seconds, done.failure.error if done.failure else "")
    return done


def _finished(task: Task, out: Path, progress: Progress) -> Outcome:
    """The study's end, whatever happens on the way: its failure must not stop the others."""
    try:
        return _finish(task, out, progress)
    except Exception as error:  # noqa: BLE001 - a full disk or a defect met by one study
        return Outcome(task.study.slug, None, (f"the report could not be written ({type(error).__name__}: {error})",))


def _finish(task: Task, out: Path, progress: Progress) -> Outcome:
    """Wait for a study's notebooks, write everything else, and put the report in place."""
    executed, failures = [], []
    for path, future in zip(task.notebooks, task.running, strict=True):
        try:
            executed.append(future.result())
        except EvalkitError as error:
            failures.append(f"{task.study.slug}: {path.stem}: {error}")
        except Exception as error:  # noqa: BLE001 - the other notebooks have their results
            failures.append(f"{task.study.slug}: {path.stem}: {visible(f'{type(error).__name__}: {error}')}")
    record = {**task.record, "created": datetime.now(UTC).isoformat(timespec="seconds")}
    try:
        failures += write_report(task.folder, task.study, task.panel, executed, record)
    except (EvalkitError, OSError) as error:
        failures.append(f"{task.study.slug}: {error}")
    keep(task.folder, out / task.name, task.panel, complete=not failures)
    if "status" in record:
        seal(task.folder, record)
    target = _place(task, out, failed=bool(failures))
    failures = [line.replace(SEE, f"{SEE}{target}{os.sep}") for line in failures]
    for line in failures:
        progress.say(line)
    return Outcome(task.study.slug, target, tuple(failures))


def _place(task: Task, out: Path, *, failed: bool) -> Path:
    """A complete report replaces what was there; a failed one never replaces a complete one."""
    from evalkit.report.summary import read_manifest

    name = task.name
    if failed:
        before = read_manifest(out / name)
        if before is not None and before.get("status") == "complete":
            name = f"{name}{FAILED}"
    elif (out / f"{name}{FAILED}").exists():
        remove(out / f"{name}{FAILED}")
    try:
        return put_in_place(task.folder, out, name)
    except OSError as error:
        raise RunError(f"the report cannot be put in place ({error.strerror})", str(out / name)) from None


def default_jobs() -> int:
    """As many notebooks side by side as there are processors, at most four."""
    return min(4, os.cpu_count() or 1)
