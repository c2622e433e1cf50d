"""What is kept of a study: its locked plan, what changed between two reports, a pack that runs elsewhere."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace, _SubParsersAction
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from evalkit.study.lock import Lock

DONE = 0
LOCK_WAIT = 10.0  # seconds


def declare(commands: _SubParsersAction[ArgumentParser]) -> None:
    """The commands' options."""
    lock = commands.add_parser("lock", help="freeze the analysis plan; later runs say where they depart from it")
    lock.add_argument("study", metavar="STUDY")
    lock.add_argument("--by", metavar="NAME", help="who locks it; default the login name")
    lock.add_argument("--note", metavar="TEXT", default="", help="anything to be kept with it")
    lock.add_argument("--amend", action="store_true", help="add the present plan to a lock that is there")
    lock.add_argument("--why", metavar="TEXT", default="", help="with --amend: the reason")

    pack = commands.add_parser("pack", help="one archive that runs elsewhere: protocol, data if they may go, results")
    pack.add_argument("named", metavar="STUDY|REPORT", help="a study, or the folder of a report")
    pack.add_argument("--out", metavar="FILE", help="default STUDY-pack.zip in the current folder")

    compare = commands.add_parser("compare", help="what changed between two reports, and because of what")
    compare.add_argument("old", metavar="OLD", help="folder of the earlier report")
    compare.add_argument("new", metavar="NEW", help="folder of the later report")
    compare.add_argument("--json", action="store_true", help="everything, for programs")


def compare(options: Namespace) -> int:
    """Set two reports beside each other."""
    import json
    from pathlib import Path

    from evalkit.report.compare import as_text
    from evalkit.report.compare import compare as found

    record = found(Path(options.old), Path(options.new))
    print(json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False) if options.json else as_text(record))
    return DONE


def pack(options: Namespace) -> int:
    """Write a replication pack."""
    from pathlib import Path

    from evalkit import numbers
    from evalkit.report.pack import pack as write

    made = write(options.named, Path(options.out) if options.out else None)
    inside = f"with the report {made.report}" if made.report else "without a report (none that fits the protocol)"
    print(f"{made.path}: {numbers.of(len(made.members), 'file')}, {inside}")
    for file in made.wanted:
        print(f"to be supplied: {file['put']}, SHA-256 {file['sha256']}")
    return DONE


def lock(options: Namespace) -> int:
    """Freeze the present plan of a study, or amend a frozen one; one process at a time, so that no entry is lost."""
    from evalkit import catalogue, files
    from evalkit.errors import RunError

    path = catalogue.find(options.study)
    try:
        with files.held(path, LOCK_WAIT):
            return _lock(options)
    except TimeoutError:
        raise RunError("another process is locking this plan", path.name, "try again") from None


def _lock(options: Namespace) -> int:
    from datetime import UTC, datetime
    from pathlib import Path

    import evalkit
    from evalkit import catalogue
    from evalkit.report.fresh import tree_hash
    from evalkit.study.lock import Code, Said, add_entry, lock_path

    study = catalogue.open_study(options.study)
    _refuse(options, study.lock, lock_path(study.path).name)
    if study.lock and study.protocol.deviations:
        _deviations(study.path.name)
    code = Code(version=evalkit.__version__, sha256=tree_hash(Path(evalkit.__file__).parent))
    said = Said((options.by or _login()).strip(), options.note.strip(), options.why.strip(), code)
    made = add_entry(study.protocol, study.path, study.lock, said, datetime.now(UTC)).latest
    what = f"amendment {made.number - 1} to the plan" if study.lock else "plan"
    print(f"{study.slug}: {what} locked on {made.date} by {made.by}: {lock_path(study.path)}")
    print(f"plan {made.plan_sha256}")
    print(f"entry {made.sha256}")
    print("publish the last line, or lodge it with somebody, today: it is what shows the date later")
    return DONE


def _refuse(options: Namespace, found: Lock | None, name: str) -> None:
    """Raises RunError when a plan would be locked twice, or amended without a lock or a reason."""
    from evalkit.errors import RunError

    if found is None and (options.amend or options.why):
        raise RunError("no plan is locked that could be amended", name, "leave out --amend and --why")
    if found is not None and not options.amend:
        what = f"the plan was locked on {found.latest.day} by {found.latest.by}"
        raise RunError(what, name, "a lock is never overwritten; add to it with --amend --why TEXT")
    if found is not None and not options.why.strip():
        raise RunError("an amendment needs its reason", name, "give --why TEXT")


def _deviations(name: str) -> None:
    from evalkit.errors import RunError

    what = "an amendment makes the present plan the locked one, and the protocol declares `deviations` from it"
    raise RunError(what, name, "remove `deviations`, and give the reason with --why")


def _login() -> str:
    from getpass import getuser

    try:
        return getuser()
    except (OSError, KeyError, ImportError):
        return "not stated"
