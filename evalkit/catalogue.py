"""Where studies are: slugs under `data/collaboratives`, or paths to protocols anywhere."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from evalkit.errors import StudyError

if TYPE_CHECKING:
    from evalkit.study import Study
    from evalkit.study.looks import Look

HOME_VARIABLE = "EVALKIT_HOME"
REPORTS_VARIABLE = "EVALKIT_REPORTS"
FOLDER = Path("data") / "collaboratives"
ENDINGS = (".yml", ".yaml")


def home() -> Path:
    """The workbench's top folder: `EVALKIT_HOME`, else the nearest folder above the current one that
    holds `data/collaboratives`, else the checkout that this package was installed from.
    """
    if named := os.environ.get(HOME_VARIABLE):
        return Path(named).expanduser().resolve()
    here = Path.cwd().resolve()
    for folder in (here, *here.parents):
        if (folder / FOLDER).is_dir():
            return folder
    return Path(__file__).resolve().parents[1]


def settle_home() -> None:
    """Make a relative `EVALKIT_HOME` absolute, so that it means the same folder to every process we start."""
    if named := os.environ.get(HOME_VARIABLE):
        os.environ[HOME_VARIABLE] = str(Path(named).expanduser().resolve())


def reports() -> Path:
    """The folder of reports: where this run writes them, else what `EVALKIT_REPORTS` says, else `reports` at home."""
    named = os.environ.get(REPORTS_VARIABLE)
    return Path(named).expanduser().resolve() if named else home() / "reports"


def earlier_looks(study: Study, outcome: str) -> tuple[Look, ...]:
    """The looks that the report on an outcome records; none where there is no report."""
    from evalkit.study.looks import FILE, read_looks, report_name

    return read_looks(reports() / report_name(study, outcome) / FILE)


@contextmanager
def reporting_to(folder: Path) -> Iterator[None]:
    """Let every process that is started meanwhile know where reports stand, for what earlier ones recorded."""
    before = os.environ.get(REPORTS_VARIABLE)
    os.environ[REPORTS_VARIABLE] = str(folder.expanduser().resolve())
    try:
        yield
    finally:
        os.environ.pop(REPORTS_VARIABLE)
        if before is not None:
            os.environ[REPORTS_VARIABLE] = before


def protocols() -> list[Path]:
    """Every protocol under `data/collaboratives`, by name. Raises StudyError when the folder cannot be read, or two
    differ only in case.
    """
    folder = home() / FOLDER
    try:
        found = sorted(p for p in folder.iterdir() if p.suffix in ENDINGS) if folder.is_dir() else []
    except OSError as error:
        raise StudyError(f"the folder of studies cannot be read ({error.strerror})", str(folder)) from None
    stems = [p.stem.lower() for p in found]
    clashes = sorted({p.name for p in found if stems.count(p.stem.lower()) > 1})
    if clashes:
        raise StudyError(f"{', '.join(clashes)} differ only in case or ending", str(folder), "rename one")
    return found


def find(study: str) -> Path:
    """The protocol of a slug or a path. Raises StudyError with a suggestion when there is none."""
    path = Path(study)
    if path.suffix in ENDINGS:
        if _is_file(path):
            return path.parent.resolve() / path.name
        raise StudyError("there is no such protocol file", study)
    known = {p.stem: p for p in protocols()}
    if study in known:
        return known[study]
    close = get_close_matches(study, known, n=1)
    hint = (
        f"did you mean {close[0]}?"
        if close
        else f"known: {', '.join(known) or 'none'}; or give a path to a .yml file"
    )
    raise StudyError(f"there is no study called '{study}'", fix=hint)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name that is too long, a folder that may not be entered
        return False


def open_study(study: str) -> Study:
    """Find and load a study by slug or path."""
    from evalkit.study import load  # a run that has nothing to do needs only the names above

    return load(find(study))
