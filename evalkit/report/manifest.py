"""What a report was made of: hashes of protocol, data, code and environment."""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
from functools import cache
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from evalkit import __version__
from evalkit.catalogue import home
from evalkit.disclosure import RULES
from evalkit.panel import Panel
from evalkit.report import fresh
from evalkit.study import Study

_SAYS_NAME, _SAYS_VERSION = (re.compile(rf"^{line}:(.+)$", re.MULTILINE) for line in ("Name", "Version"))
MOST_FILES = 5  # data files named on a page
NAMED = ("pandas", "numpy", "statsmodels", "linearmodels", "papermill", "matplotlib", "seaborn")


def named_files(study: Study) -> dict[str, str]:
    """The files and folders that a protocol names, by part, as it writes them."""
    source, rollout = study.protocol.source, study.protocol.rollout
    table = getattr(source, "successions", None)
    named = {"data": source.path, "rollout": rollout.path}
    return named | ({"successions": table} if table not in (None, "none") else {})


def manifest(study: Study, panel: Panel, notebooks: list[Path], by: str = "") -> dict[str, Any]:
    """Protocol, data, code and environment of a report, as plain values.

    by  who runs it, as they say themselves
    """
    lock = home() / "requirements.lock"
    named = named_files(study)
    return {
        "study": study.slug,
        "outcome": panel.outcome.name,
        "by": by,
        "named": named,
        "inputs": fresh.inputs(
            study.path, {part: study.resolve(path) for part, path in named.items()}, notebooks, home()
        ),
        "protocol": {"file": study.path.name, "sha256": study.sha256},
        "disclosure": study.protocol.disclosure,
        "rollout": {
            "file": study.protocol.rollout.path,
            "sha256": fresh.file_hash(study.resolve(study.protocol.rollout.path)),
        },
        "data": [
            {"file": f.name, "sha256": f.sha256, "bytes": f.size, "retrieved": _day(f.retrieved), "note": f.note}
            for f in panel.files
        ],
        "code": {
            "version": __version__,
            "sha256": fresh.tree_hash(fresh.LIBRARY),
            "notebooks": {p.name: fresh.file_hash(p) for p in notebooks},
            **_git(home()),
        },
        "environment": {
            "python": platform.python_version(),
            "platform": platform.platform(),
            "lock": fresh.file_hash(lock) if lock.is_file() else None,
            "packages": _packages(),
        },
    }


@cache
def _packages() -> dict[str, str]:
    """Name and version of everything installed, from the two lines that say them.

    `metadata` would take in every line of every file, which is long for what is wanted.
    """
    texts = (found.read_text("METADATA") or found.read_text("PKG-INFO") or "" for found in distributions())
    known = ((_SAYS_NAME.search(text), _SAYS_VERSION.search(text)) for text in texts)
    return dict(sorted((name[1].strip().lower(), version[1].strip()) for name, version in known if name and version))


def _day(retrieved: object) -> str | None:
    return None if retrieved is None else str(retrieved)


def _git(folder: Path) -> dict[str, Any]:
    """Commit and whether the checkout differs from it; None outside a checkout or without git."""
    git = shutil.which("git")
    if git is None or not (folder / ".git").exists():
        return {"commit": None, "dirty": None}
    commit = _ask(git, folder, "rev-parse", "HEAD")
    status = _ask(git, folder, "status", "--porcelain")
    return {"commit": commit, "dirty": bool(status) if status is not None else None}


def _ask(git: str, folder: Path, *words: str) -> str | None:
    done = subprocess.run([git, "-C", str(folder), *words], capture_output=True, text=True, check=False)  # noqa: S603
    return done.stdout.strip() if done.returncode == 0 else None


def provenance(record: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    """The manifest as label and value rows for a page."""
    code, environment = record["code"], record["environment"]
    commit, rule = code["commit"], RULES[record["disclosure"]]
    changed = " with local changes" if code["dirty"] else ""
    versions = ", ".join(
        f"{name} {environment['packages'][name]}" for name in NAMED if name in environment["packages"]
    )
    return (
        ("Protocol", f"{record['protocol']['file']}, SHA-256 {record['protocol']['sha256']}"),
        ("Rollout", f"{record['rollout']['file']}, SHA-256 {record['rollout']['sha256']}"),
        *(("Data file", f"{d['file']}, SHA-256 {d['sha256']}") for d in record["data"][:MOST_FILES]),
        *(
            [("Data files", f"{len(record['data'])} in all; manifest.json lists them")]
            if len(record["data"]) > MOST_FILES
            else []
        ),
        *([("Disclosure control", f"{rule.name}: {rule.words}")] if rule.changes else []),
        ("evalkit", f"version {code['version']}, source SHA-256 {code['sha256']}"),
        ("Commit", f"{commit}{changed}" if commit else "not in a git checkout"),
        ("Python", environment["python"]),
        ("Packages", versions),
        ("Run", record["created"]),
    )
