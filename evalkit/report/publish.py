"""Reports on disk: written aside, then put in place in one step.

A run builds `.<name>.<process>.new` beside the old report and renames. If the machine stops between the
two renames, the old report still stands whole under `.<name>.old`, and the next run puts it back.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

from evalkit.errors import RunError

ABANDONED = 24 * 3600  # seconds after which a workspace is surely nobody's


def workspace(out: Path, name: str) -> Path:
    """A fresh folder in which a report is built."""
    folder = out / f".{name}.{os.getpid()}.new"
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    return folder


def put_in_place(folder: Path, out: Path, name: str) -> Path:
    """Make a finished workspace the report `out/name`; the old one goes only when the new one is there."""
    target, old = out / name, out / f".{name}.old"
    if old.exists():
        shutil.rmtree(old)
    if target.exists():
        target.rename(old)
    folder.rename(target)
    if old.exists():
        shutil.rmtree(old)
    return target


def recover(out: Path) -> None:
    """Put back reports that a stopped run had moved aside, and clear what old runs left behind."""
    for old in out.glob(".*.old"):
        target = out / old.name.removeprefix(".").removesuffix(".old")
        if target.exists():
            shutil.rmtree(old)
        else:
            old.rename(target)
    for new in out.glob(".*.new"):
        if new.is_dir() and time.time() - new.stat().st_mtime > ABANDONED:
            shutil.rmtree(new)


def prepare(out: Path) -> Path:
    """The output folder, made if needed. Raises RunError when it cannot be used."""
    out = out.expanduser().resolve()
    try:
        out.mkdir(parents=True, exist_ok=True)
        recover(out)
    except OSError as error:
        raise RunError(
            f"cannot be used as the output folder ({error.strerror})", str(out), "choose another --out"
        ) from None
    return out


def write_text(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    aside = path.with_name(f".{path.name}.new")
    aside.write_text(text, encoding="utf-8")
    os.replace(aside, path)  # noqa: PTH105 - replaces on Windows too


def write_json(path: Path, value: dict[str, Any] | list[Any]) -> None:
    """Write plain values as JSON, whole or not at all."""
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
