"""One archive that runs elsewhere: protocol, lock, data where they may be passed on, code, notebooks, results.

The same study gives the same bytes (with the same compression library): members stand in order of name and carry no
date. The protocol's paths are set to where its files lie in the archive; everything else of it stays as it was
written, so the plan and its hash do, and the lock beside it still fits.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evalkit import __version__
from evalkit.catalogue import find, home, open_study, reports
from evalkit.errors import RunError, StudyError
from evalkit.panel import Panel, build_all
from evalkit.report.fresh import tree_hash
from evalkit.report.readme import readme
from evalkit.report.summary import read_manifest
from evalkit.study import Study
from evalkit.study.lock import lock_path
from evalkit.study.looks import report_name
from evalkit.study.text import Location, with_texts

EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest date that an archive can hold
SAFE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_ .()+,&'-]*")
SUPPLIED = "data/supplied"
CODE = ("pyproject.toml", "LICENSE", "requirements.lock", "Makefile")
TABLE = "data/reference/organisation_successions.csv"


@dataclass(frozen=True)
class Packed:
    """An archive as it was written: where, its members, the files that have to be supplied, the report inside."""

    path: Path
    members: tuple[str, ...]
    wanted: tuple[dict[str, Any], ...]
    report: str | None


def pack(named: str, out: Path | None = None) -> Packed:
    """Write the archive of a study, or of a report folder with the study that it was made from.

    out  the file; default `<study>-pack.zip` in the current folder

    Raises StudyError or DataError when the study is not sound, RunError when a report was made from another protocol,
    a file has a name that is not safe everywhere, or the archive cannot be written.
    """
    study, report = _opened(named)
    panel = build_all(study)[study.primary.name]
    members, files = _data(study, panel)
    members |= _fixed(study)
    if report is not None:
        members |= {f"results/{_safe(p, report)}": p.read_bytes() for p in _regular(report)}
    wanted = tuple(f for f in files if not f["packed"])
    members["README.md"] = readme(study, files, report.name if report else None).encode("utf-8")
    record = {
        "study": study.slug,
        "title": study.protocol.title,
        "protocol": {"sha256": study.sha256, "plan": study.plan_sha256},
        "disclosure": study.protocol.disclosure,
        "code": {"version": __version__, "sha256": tree_hash(Path(__file__).resolve().parents[1])},
        "data": files,
        "report": report.name if report else None,
        "members": {
            name: {"sha256": _sha(content), "bytes": len(content)} for name, content in sorted(members.items())
        },
    }
    members["manifest.json"] = (json.dumps(record, indent=1, ensure_ascii=False) + "\n").encode("utf-8")
    path = (out or Path(f"{study.slug}-pack.zip")).expanduser().resolve()
    _write(path, {f"{study.slug}-pack/{name}": content for name, content in members.items()})
    return Packed(path, tuple(sorted(members)), wanted, report.name if report else None)


def _opened(named: str) -> tuple[Study, Path | None]:
    """The study, and the report that is packed with it: the one named, or the primary outcome's if it fits."""
    folder = Path(named).expanduser()
    record = read_manifest(folder) if folder.is_dir() else None
    if record is None:
        try:
            path = find(named)
        except StudyError:
            if not folder.is_dir():
                raise
            fix = "name a study, or a report folder with a manifest.json"
            raise RunError("the folder holds no report", named, fix) from None
        study = open_study(str(path))
        own = reports() / report_name(study, study.primary.name)
        return study, own if _fits(study, read_manifest(own)) else None
    study = open_study(str(find(str(record["study"]))))
    if not _fits(study, record):
        what = "the report failed, or its protocol has changed since it was made"
        raise RunError(what, named, f"evalkit run {study.slug}, then pack it again")
    return study, folder.resolve()


def _fits(study: Study, record: dict[str, Any] | None) -> bool:
    if record is None or record["status"] != "complete":
        return False
    made = record.get("protocol")
    return isinstance(made, dict) and made.get("sha256") == study.sha256


def _data(study: Study, panel: Panel) -> tuple[dict[str, bytes], list[dict[str, Any]]]:
    """Protocol and data as members, and a record of every file: its hash, where it belongs, whether it is inside."""
    open_ = study.protocol.disclosure == "none"
    source, rollout = (study.resolve(part.path) for part in (study.protocol.source, study.protocol.rollout))
    targets: dict[str, Path] = {}
    if source.is_dir():
        place = f"{SUPPLIED}/source"
        read = {f.sha256 for f in panel.files}
        chosen = [p for p in _regular(source) if _sha(p.read_bytes()) in read]
        targets = {f"{place}/{_safe(p, source)}": p for p in chosen}
    else:
        place = f"{SUPPLIED}/panel{_ending(source)}"
        targets[place] = source
    texts: dict[Location, str] = {
        ("source", "path"): f"../../{place}",
        ("rollout", "path"): f"../../{SUPPLIED}/rollout{_ending(rollout)}",
    }
    targets[f"{SUPPLIED}/rollout{_ending(rollout)}"] = rollout
    table = getattr(study.protocol.source, "successions", None)
    tables = {}
    if table not in (None, "none"):
        texts["source", "successions"] = f"../../{SUPPLIED}/successions.csv"
        tables[f"{SUPPLIED}/successions.csv"] = study.resolve(table).read_bytes()
    contents = {name: path.read_bytes() for name, path in sorted(targets.items())}
    files = [
        {"name": targets[name].name, "put": name, "sha256": _sha(text), "bytes": len(text), "packed": open_}
        for name, text in contents.items()
    ]
    protocol = {f"data/collaboratives/{study.path.name}": with_texts(study.path, texts).encode("utf-8")}
    return {**protocol, **tables, **(contents if open_ else {})}, files


def _fixed(study: Study) -> dict[str, bytes]:
    """Lock, notebooks, environment and the library itself."""
    top, library = home(), Path(__file__).resolve().parents[1]
    out = {f"notebooks/{n}.ipynb": top / "notebooks" / f"{n}.ipynb" for n in study.protocol.notebooks}
    out |= {name: next((f for f in (top / name, library.parent / name) if f.is_file()), top) for name in CODE}
    out |= {TABLE: top / TABLE} if study.protocol.source.reader == "nhs_ae" else {}
    out |= {f"evalkit/{_safe(p, library)}": p for p in _regular(library) if "__pycache__" not in p.parts}
    lock = lock_path(study.path)
    out |= {f"data/collaboratives/{lock.name}": lock} if study.lock else {}
    return {name: path.read_bytes() for name, path in out.items() if path.is_file()}


def _regular(folder: Path) -> list[Path]:
    """Every file below a folder that is one itself and not a link to another, in order of name."""
    return sorted(p for p in folder.rglob("*") if p.is_file() and not p.is_symlink())


def _safe(path: Path, folder: Path) -> str:
    """The path below a folder, for an archive. Raises RunError for a name that is not safe everywhere."""
    parts = path.relative_to(folder).parts
    bad = [part for part in parts if not SAFE.fullmatch(part) or part.endswith((" ", "."))]
    if bad:
        raise RunError(f"the file name {bad[0][:80]!r} is not safe in an archive", str(folder), "rename the file")
    return "/".join(parts)


def _ending(path: Path) -> str:
    return path.suffix.lower() if re.fullmatch(r"\.[A-Za-z0-9]{1,10}", path.suffix) else ""


def _sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _write(path: Path, members: dict[str, bytes]) -> None:
    """The archive, whole or not at all."""
    aside = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        if path.is_dir():
            raise RunError("is a folder", str(path), "name a file with --out")
        with zipfile.ZipFile(aside, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
            for name, content in sorted(members.items()):
                member = zipfile.ZipInfo(name, EPOCH)
                member.create_system, member.external_attr = 3, 0o644 << 16  # as a file for everybody to read
                member.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(member, content, compresslevel=9)
        os.replace(aside, path)  # noqa: PTH105 - replaces on Windows too
    except OSError as error:
        raise RunError(
            f"the archive cannot be written ({error.strerror})", str(path), "choose another --out"
        ) from None
    finally:
        aside.unlink(missing_ok=True)
