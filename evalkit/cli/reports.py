"""`evalkit run` and `evalkit verify`: what is up to date is left alone, and a report is held against its inputs."""

from __future__ import annotations

import gc
import json
import signal
import sys
import threading
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalkit import catalogue
from evalkit.cli import DONE, FAILED
from evalkit.errors import EvalkitError, RunError
from evalkit.report import fresh
from evalkit.report.anew import settled
from evalkit.report.child import prepared
from evalkit.report.publish import standing

if TYPE_CHECKING:
    from evalkit.report.run import Outcome

LONGEST_NAME = 200
FORCED = "--force was given"


@dataclass(frozen=True)
class Asked:
    """One study that a run was asked for: its report's folder, and why it must be run; no reason, no run."""

    name: str
    folder: Path
    reasons: list[str]


def run(options: Namespace) -> int:
    """Run notebooks and publish reports, of the studies of which something has changed."""
    catalogue.settle_home()
    if options.scheduler:
        from evalkit.report.cluster import address

        address(options.scheduler)  # a bad one is refused, whether or not there is anything to run
    names = options.studies or [p.stem for p in catalogue.protocols()]
    if not names:
        raise RunError("there is no study to run", str(catalogue.home() / catalogue.FOLDER), "evalkit new SLUG")
    out = Path(options.out) if options.out else catalogue.home() / "reports"
    asked = [_asked(name, out, options) for name in _once(names)]
    if options.why:
        return _why(asked, options)
    due = [one for one in asked if one.reasons]
    index = out.resolve() / "index.html"
    ended = _run(due, out, options) if due or not index.is_file() else []
    failures = [line for one in ended for line in one.failures]
    kept = [one for one in asked if not one.reasons]
    if options.json:
        _record(ended, kept, index)
    else:
        for one in kept:
            print(f"{one.name}: up to date: {one.folder}")
        _say(ended)
        print(f"index: {index}")
    for study in ended:
        if study.folder is None:
            for line in study.failures:
                print(f"{study.study}: {line}", file=sys.stderr)
    return FAILED if failures else DONE


def verify(options: Namespace) -> int:
    """Say whether a report is as it was written, and whether it is still that of its inputs."""
    folder = standing(Path(options.report).resolve())
    record, broken, added = _held_against(folder)
    whole = not broken and not added
    moved = _moved(record)
    if options.json:
        found = {"study": record["study"], "whole": whole, "changed": broken, "added": added, "inputs": moved}
        print(json.dumps(found, indent=1, ensure_ascii=False))
    else:
        print(f"{record['study']}: {len(record['files'])} files, run {record['created']}")
        for line in [f"not as it was written: {name}" for name in broken] + [f"not of this run: {n}" for n in added]:
            print(line)
        print("every file is as it was written" if whole else "this is not the report that was written")
        print("; ".join(moved) or "every input is as it was")
    return DONE if whole and not moved else FAILED


def audit(options: Namespace) -> int:
    """Say of every page of a folder what is wrong with it."""
    from dataclasses import asdict

    from evalkit import numbers
    from evalkit.report.folder import audit as audited

    found = audited(Path(options.folder))
    many = sum(len(page.problems) for page in found)
    if options.json:
        print(json.dumps([asdict(page) for page in found], indent=1, ensure_ascii=False))
    else:
        for page in found:
            for problem in page.problems:
                print(f"{page.name}: {problem}", file=sys.stderr)
        print(f"{numbers.of(len(found), 'page')} audited, {numbers.of(many, 'problem')}")
    return FAILED if many else DONE


def _held_against(folder: Path) -> tuple[dict[str, Any], list[str], list[str]]:
    """A report's manifest, the files that do not fit it, and those that it does not list.

    A run may replace the report while it is read: then it is read again.
    """
    while True:
        record = fresh.read(folder)
        if record is None or not {"created", "files", "inputs", "named", "notebooks", "study"} <= record.keys():
            raise RunError("is not the folder of a report", str(folder), "name one, such as reports/uec")
        try:
            broken = fresh.tampered(folder, record)
            known = {*record["files"], fresh.MANIFEST}
            added = sorted(path.name for path in folder.iterdir() if path.name not in known)
        except (OSError, AttributeError, TypeError) as error:
            broken, added = [f"{type(error).__name__}: {error}"], []
        if not (broken or added) or fresh.read(folder) == record:
            return record, broken, added


def _moved(record: dict[str, Any]) -> list[str]:
    """Which inputs of a report are no longer as they were, as far as its protocol can be found here."""
    try:
        protocol = catalogue.find(record["study"])
    except EvalkitError:
        return ["its protocol is not here, so its inputs were not looked at"]
    try:
        named = {part: protocol.parent / path for part, path in record["named"].items()}
        notebooks = [catalogue.home() / "notebooks" / f"{row['name']}.ipynb" for row in record["notebooks"]]
        present = [path for path in notebooks if path.is_file()]
        return fresh.changed(record["inputs"], fresh.inputs(protocol, named, present, catalogue.home()))
    except (AttributeError, KeyError, TypeError, ValueError):
        return ["the manifest is not as it was written"]


def _asked(name: str, out: Path, options: Namespace) -> Asked:
    """A study with the reasons to run it; one that cannot be found is run, and refused there."""
    try:
        protocol = catalogue.find(name)
    except EvalkitError as error:
        return Asked(name, out, [str(fault) for fault in error.faults])
    folders = [out / f"{protocol.stem}.{options.outcome}", out / protocol.stem] if options.outcome else []
    folders = [f for f in folders if f.is_dir()] or [out / protocol.stem]
    reasons = [FORCED] if options.force else fresh.stale(folders[0], protocol, catalogue.home(), options.outcome)
    return Asked(name, folders[0].resolve(), reasons)


def _run(due: list[Asked], out: Path, options: Namespace) -> list[Outcome]:
    early = prepared()
    if early:
        gc.disable()  # none of what is imported is ever let go
    from evalkit.report.forked import Warm, can_fork
    from evalkit.report.progress import progress
    from evalkit.report.run import Options
    from evalkit.report.run import run as run_studies

    by = (options.by or "").strip()[:LONGEST_NAME]
    chosen = Options(
        out, options.outcome, options.jobs or 0, options.timeout, fork=not options.no_fork, force=options.force,
        by=by, scheduler=options.scheduler,
    )  # fmt: skip
    if early:
        settled()
    fork = due and early and chosen.fork and chosen.scheduler is None and can_fork()
    with (
        catalogue.reporting_to(out),
        _stoppable(),
        Warm(fork=True) if fork else nullcontext() as warm,  # before there are threads
        progress() as shown,
    ):
        return run_studies([one.name for one in due], chosen, shown, warm)


@contextmanager
def _stoppable() -> Iterator[None]:
    """Let a request to end, from a scheduler or a closed terminal, stop a run as Ctrl-C does, and as tidily."""
    asked = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    if threading.current_thread() is not threading.main_thread():
        asked = []

    def stop(number: int, _frame: object) -> None:
        for one in asked:
            signal.signal(one, signal.SIG_IGN)  # once is enough
        raise KeyboardInterrupt(number)

    before = {one: signal.signal(one, stop) for one in asked}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


def _why(asked: list[Asked], options: Namespace) -> int:
    if options.json:
        print(json.dumps({one.name: one.reasons for one in asked}, indent=1, ensure_ascii=False))
        return DONE
    for one in asked:
        print(f"{one.name}: {'; '.join(one.reasons) or 'up to date'}")
    return DONE


def _record(ended: list[Outcome], kept: list[Asked], index: Path) -> None:
    reports: list[dict[str, Any]] = [
        {"study": e.study, "folder": str(e.folder) if e.folder else None, "failures": [*e.failures]} for e in ended
    ]
    reports += [{"study": one.name, "folder": str(one.folder), "failures": [], "up_to_date": True} for one in kept]
    print(json.dumps({"reports": reports, "index": str(index)}, indent=1))


def _once(names: list[str]) -> list[str]:
    """Each study once, whether named by slug or by path; names that mean no study stay, to be refused."""
    found: dict[object, str] = {}
    for name in names:
        try:
            found.setdefault(catalogue.find(name), name)
        except EvalkitError:
            found.setdefault(name, name)
    return [*found.values()]


def _say(ended: list[Outcome]) -> None:
    from evalkit import numbers

    for one in ended:
        if one.folder is not None:
            state = f"FAILED ({len(one.failures)})" if one.failures else "done"
            print(f"{one.study}: {state}: {one.folder}")
        else:
            print(f"{one.study}: REFUSED ({numbers.of(len(one.failures), 'fault')})")
