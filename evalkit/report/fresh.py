"""Is a report still that of its inputs? Asked before anything heavy is loaded: the standard library answers.

A report's manifest lists every input with its hash: the protocol, the files that it names, the notebooks, the
library, the lock file, the interpreter and the installed packages. A report all of whose inputs are as they were is
up to date.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

from evalkit import files

MANIFEST = "manifest.json"
LIBRARY = Path(__file__).resolve().parents[1]


def inputs(protocol: Path, named: dict[str, Path], notebooks: list[Path], home: Path) -> dict[str, str]:
    """Every input of a report by what it is called, with its hash.

    named      the files and folders that the protocol names, by part; a folder is the hash of all its files
    notebooks  their files; each is an input of its own page alone
    """
    out = {f"notebook {path.name}": file_hash(path) for path in notebooks}
    out["protocol"] = file_hash(protocol)
    out["plan lock"] = any_hash(protocol.with_name(f"{protocol.stem}.lock.json"))
    out |= {f"{part} {path.name}": any_hash(path) for part, path in named.items()}
    out["library"] = tree_hash(LIBRARY)
    out["facts"] = tree_hash(home / "data" / "reference")
    out["lock file"] = any_hash(home / "requirements.lock")
    out["environment"] = environment()
    return dict(sorted(out.items()))


def shared(found: dict[str, str]) -> dict[str, str]:
    """The inputs that every page of a report depends on."""
    return {name: value for name, value in found.items() if not name.startswith("notebook ")}


def changed(before: dict[str, str], now: dict[str, str]) -> list[str]:
    """What differs, in words, in order of name."""
    out = [f"{name} changed" for name in now if name in before and before[name] != now[name]]
    out += [f"{name} is new" for name in now if name not in before]
    return sorted(out + [f"{name} is gone" for name in before if name not in now])


def file_hash(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    return hashlib.sha256(files.read(path)).hexdigest()


def any_hash(path: Path) -> str:
    """Of a file, of all the files of a folder, or `absent`."""
    if path.is_dir():
        return tree_hash(path)
    return file_hash(path) if path.is_file() else "absent"


def tree_hash(folder: Path, pattern: str = "**/*") -> str:
    """One hash over the names and contents of every source file of a folder, in order of name."""
    digest = hashlib.sha256()
    for path in sorted(folder.glob(pattern)):
        if path.is_file() and "__pycache__" not in path.parts:
            digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def environment() -> str:
    """One hash over the interpreter and the names and versions of what is installed."""
    installed = sorted(path.name for folder in sys.path if folder for path in Path(folder).glob("*.dist-info"))
    return hashlib.sha256("\n".join([sys.version, sys.platform, *installed]).encode()).hexdigest()


def stale(folder: Path, protocol: Path, home: Path, outcome: str | None) -> list[str]:
    """Why a report is not that of its inputs, one reason each; empty where it is up to date.

    folder    the report's
    protocol  the study's
    outcome   the outcome asked for; None for the primary one
    """
    record = read(folder)
    if record is None:
        return ["there is no report yet"]
    if record.get("status") != "complete" or "inputs" not in record:
        return ["the last run did not complete" if "inputs" in record else "the report is of an earlier version"]
    if outcome is not None and record.get("outcome") != outcome:
        return ["it is of another outcome"]
    try:
        return _reasons(folder, protocol, home, record)
    except (KeyError, TypeError, AttributeError, ValueError):
        return ["the manifest of the report is not as it was written"]
    except OSError as error:
        return [f"{error.filename} cannot be read ({error.strerror})"]


def _reasons(folder: Path, protocol: Path, home: Path, record: dict[str, Any]) -> list[str]:
    named = {part: protocol.parent / path for part, path in record["named"].items()}
    notebooks = [home / "notebooks" / f"{row['name']}.ipynb" for row in record["notebooks"]]
    gone = [path for path in (protocol, *notebooks) if not path.is_file()]
    if gone:
        return [f"{path.name} is gone" for path in gone]
    reasons = changed(record["inputs"], inputs(protocol, named, notebooks, home))
    return reasons + [f"{name} of the report is not as it was written" for name in tampered(folder, record)]


def tampered(folder: Path, record: dict[str, Any]) -> list[str]:
    """Files of a report that are missing or not as its manifest says, by name."""
    return [name for name, value in record["files"].items() if any_hash(folder / name) != value]


def reusable(folder: Path, now: dict[str, str]) -> set[str]:
    """Notebooks whose executed copies in a report can serve again: of the same inputs, and as they were written."""
    record = read(folder)
    if record is None or record.get("status") != "complete" or "inputs" not in record:
        return set()
    before = record["inputs"]
    if shared(before) != shared(now):
        return set()
    broken = set(tampered(folder, record))
    names = [name.removeprefix("notebook ") for name in now if name.startswith("notebook ")]
    same = {name for name in names if before.get(f"notebook {name}") == now[f"notebook {name}"]}
    return {Path(name).stem for name in same if name not in broken and name in record["files"]}


def read(folder: Path) -> dict[str, Any] | None:
    """The manifest of a report; None where there is none that can be read."""
    try:
        found = json.loads(files.read(folder / MANIFEST))
    except (OSError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
