"""Reports on disk: written aside, then put in place in one step, by one run at a time.

A run holds the lock of its output folder; another waits. It builds `.<name>.<process>.new` beside the old report and
exchanges the two names in one call, so that a reader finds a whole report at every moment (Linux). Elsewhere it
renames twice: if the machine stops between the two, the old report still stands whole under `.<name>.old`, which
`standing` finds, and the next run puts it back.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from evalkit import files
from evalkit.errors import RunError
from evalkit.files import write_bytes, write_text
from evalkit.report import fresh

__all__ = ["opened", "put_in_place", "recover", "require_ours", "standing", "workspace", "write_bytes", "write_json",
           "write_text"]  # fmt: skip

LOCK, INDEX = ".lock", "index.html"
WAIT = 3600.0  # seconds to wait for another run; its cells end by themselves, so it ends
OURS = b"evalkit"  # what an index of ours holds
_LEFT = re.compile(r"\..+\.([0-9]+)\.new")


@contextmanager
def opened(out: Path, say: Callable[[str], None], wait: float = WAIT) -> Iterator[Path]:
    """The output folder, made if needed and held against other runs; nothing half done is left in it afterwards.

    say  told when another run has to be waited for

    Raises RunError when it cannot be used, holds an index that is not ours, or is still held after `wait` seconds.
    """
    out = out.expanduser().resolve()
    waiting = f"another run writes to {out}; waiting for it to end"
    with contextlib.ExitStack() as stack:
        try:
            out.mkdir(parents=True, exist_ok=True)
            stack.enter_context(files.held(out / LOCK, wait, lambda: say(waiting)))
            recover(out)
            foreign = (out / INDEX).exists() and OURS not in files.read(out / INDEX)
        except TimeoutError:
            what = f"another run has been writing to it for {wait:.0f} s"
            raise RunError(what, str(out), "wait for it, or choose another --out") from None
        except OSError as error:
            what = f"cannot be used as the output folder ({error.strerror})"
            raise RunError(what, str(out), "choose another --out") from None
        if foreign:
            raise RunError(f"holds an {INDEX} that evalkit did not write", str(out), "choose another --out")
        try:
            yield out
        finally:
            _sweep(out, own=True)


def recover(out: Path) -> None:
    """Put back reports that a stopped run had moved aside, and clear what it left; for who holds the lock."""
    for old in out.glob(".*.old"):
        target = out / old.name.removeprefix(".").removesuffix(".old")
        if old.is_dir() and _is_report(target):
            files.remove(old)
        elif _is_report(old) and not target.exists():
            old.rename(target)
    _sweep(out, own=False)


def _sweep(out: Path, *, own: bool) -> None:
    """Take away what was being written: by this process, or by any that has left it behind."""
    for path in out.glob(".*.new"):
        left = _LEFT.fullmatch(path.name)
        if left and (not own or left[1] == str(os.getpid())):
            with contextlib.suppress(OSError):
                files.remove(path)


def _is_report(folder: Path) -> bool:
    return folder.is_dir() and {"study", "status"} <= (fresh.read(folder) or {}).keys()


def standing(folder: Path) -> Path:
    """Where a report stands: its folder, or where a run that was stopped between two renames has left it."""
    old = folder.with_name(f".{folder.name}.old")
    return old if not folder.exists() and _is_report(old) else folder


def require_ours(target: Path) -> None:
    """Raises RunError for what stands where a report is to be put and is no report: nobody's folder is replaced."""
    if not target.exists() or _is_report(target) or (target.is_dir() and not any(target.iterdir())):
        return
    what = "stands where the report is to be put, and is no report of evalkit"
    raise RunError(what, str(target), "move it away, or choose another --out")


def workspace(out: Path, name: str) -> Path:
    """A fresh folder in which a report is built."""
    folder = out / f".{name}.{os.getpid()}.new"
    files.remove(folder)
    folder.mkdir(parents=True)
    return folder


def put_in_place(folder: Path, out: Path, name: str) -> Path:
    """Make a finished workspace the report `out/name`; the old one goes only when the new one is there."""
    target, old = out / name, out / f".{name}.old"
    require_ours(target)
    files.remove(old)
    if target.exists() or target.is_symlink():
        if files.swapped(folder, target):
            _discard(folder)
            return target
        target.rename(old)
    try:
        folder.rename(target)
    except OSError:
        if old.exists():
            old.rename(target)
        raise
    _discard(old)
    return target


def _discard(path: Path) -> None:
    """Take away what is no longer wanted; where that fails, the next run does it."""
    with contextlib.suppress(OSError):
        files.remove(path)


def write_json(path: Path, value: dict[str, Any] | list[Any]) -> None:
    """Write plain values as JSON, whole or not at all."""
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
