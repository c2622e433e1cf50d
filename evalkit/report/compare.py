"""What changed between two reports on the same outcome, and because of what."""

from __future__ import annotations

import gzip
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from evalkit import markup, numbers
from evalkit.errors import RunError
from evalkit.report.history import FIGURES, PLAN, SERIES
from evalkit.report.summary import read_manifest
from evalkit.study.looks import FILE, read_looks
from evalkit.study.plan import differences, shown
from evalkit.words.compared import because, moved

LARGEST = 200_000_000  # bytes of a fingerprint once unpacked
ROUNDING = 1e-9  # relative: what machines differ in
MOST = 20  # revisions listed one by one
KEYS = ["unit", "period"]


@dataclass(frozen=True, eq=False)
class Report:
    """What a report folder says of itself; plan and series are None in one that kept none."""

    manifest: dict[str, Any]
    plan: dict[str, Any] | None
    series: pd.DataFrame | None
    heads: dict[str, dict[str, Any]]
    looks: int


def compare(old: Path, new: Path) -> dict[str, Any]:
    """Everything that changed, as plain values.

    Keys: study, outcome, old and new (when made, number of looks), data, plan, protocol, code, environment, because,
    estimates. Raises RunError when a folder holds no report, or the two are not of the same study and outcome.
    """
    before, after = read_report(old), read_report(new)
    for key in ("study", "outcome"):
        if before.manifest[key] != after.manifest[key]:
            said = f"the reports are of different {'studies' if key == 'study' else 'outcomes'}"
            what = f"{said}: {str(before.manifest[key])[:64]} and {str(after.manifest[key])[:64]}"
            raise RunError(what, fix="compare two reports on the same outcome of one study")
    data, plan = _data(before, after), _plan(before, after)
    same = before.manifest["protocol"]["sha256"] == after.manifest["protocol"]["sha256"]
    code, environment = _code(before.manifest, after.manifest), _environment(before.manifest, after.manifest)
    heads = [_moved(design, before, after) for design in dict.fromkeys([*before.heads, *after.heads])]
    changed = [*_said_of_data(data), *_said_of_plan(plan, same=same)]
    changed += [f"the code ({', '.join(code)})"] if code else []
    changed += [f"the environment ({numbers.of(len(environment), 'part')})"] if environment else []
    return {
        "study": after.manifest["study"],
        "outcome": after.manifest["outcome"],
        "old": {"created": before.manifest["created"], "looks": before.looks},
        "new": {"created": after.manifest["created"], "looks": after.looks},
        "data": data,
        "plan": plan,
        "protocol": {"same": same},
        "code": code,
        "environment": environment,
        "because": because(changed),
        "estimates": heads,
    }


def read_report(folder: Path) -> Report:
    """A report folder. Raises RunError when it is none, or when a file of it is not as it was written."""
    manifest = read_manifest(folder)
    if manifest is None or not {"outcome", "protocol", "rollout", "data", "code", "environment"} <= set(manifest):
        raise RunError("the folder holds no report", str(folder), "name the folder with the report's manifest.json")
    try:
        stored = json.loads((folder / "estimates.json").read_text(encoding="utf-8"))
        heads = {e["design"]: _head(e) for e in stored if e["outcome"] == manifest["outcome"]}
        plan = folder / PLAN
        kept = json.loads(plan.read_text(encoding="utf-8"))["plan"] if plan.exists() else None
        series = _series(folder / SERIES) if (folder / SERIES).exists() else None
        if kept is not None and not isinstance(kept, dict):
            raise TypeError("a plan is a mapping")  # noqa: TRY301 - said below
    except (OSError, EOFError, ValueError, KeyError, TypeError, IndexError) as error:
        what = f"a file of the report is not as it was written ({type(error).__name__})"
        raise RunError(what, str(folder), "run it again") from None
    return Report(manifest, kept, series, heads, len(read_looks(folder / FILE)))


def _head(stored: dict[str, Any]) -> dict[str, Any]:
    head = stored["terms"][0]
    figures = {key: float(head[key]) for key in ("estimate", "std_error", "low", "high")}
    return {"title": str(stored["title"]), "unit": str(stored["unit"]), **figures}


def _series(path: Path) -> pd.DataFrame:
    with gzip.open(path) as packed:
        content = packed.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise ValueError("too large")
    frame = pd.read_csv(io.BytesIO(content), dtype=str, keep_default_na=False)
    figures = [c for c in FIGURES if c in frame]
    frame[figures] = frame[figures].replace("", "nan").astype(float)
    if frame.duplicated(KEYS).any():
        raise ValueError("a unit-period stands there twice")
    return frame.set_index(KEYS).sort_index()


def _data(old: Report, new: Report) -> dict[str, Any]:
    """Units, periods and unit-periods that came or went, and those whose figures were revised."""
    files = [n for n in ("data", "rollout") if _hashes(old.manifest[n]) != _hashes(new.manifest[n])]
    out: dict[str, Any] = {"files": files, "known": old.series is not None and new.series is not None}
    if old.series is None or new.series is None:
        return out
    for i, key in enumerate(("units", "periods")):
        a, b = (set(r.index.get_level_values(i)) for r in (old.series, new.series))
        out |= {f"new_{key}": sorted(b - a), f"gone_{key}": sorted(a - b)}
    both = old.series.index.intersection(new.series.index)
    out["filled"] = len(_inside(new.series.index.difference(old.series.index), old.series))
    out["emptied"] = len(_inside(old.series.index.difference(new.series.index), new.series))
    figures = [c for c in FIGURES if c in old.series and c in new.series]
    out["figures"] = bool(figures)
    out["revised"] = _revised(old.series.loc[both, figures], new.series.loc[both, figures]) if figures else []
    return out


def _hashes(files: Any) -> Any:  # noqa: ANN401 - one file of a manifest, or several
    return sorted(f["sha256"] for f in files) if isinstance(files, list) else files["sha256"]


def _inside(index: pd.MultiIndex, other: pd.DataFrame) -> pd.MultiIndex:
    """Those unit-periods of an index whose unit and period the other report has, though not together."""
    known = index.get_level_values(0).isin(other.index.get_level_values(0))
    return index[known & index.get_level_values(1).isin(other.index.get_level_values(1))]


def _revised(old: pd.DataFrame, new: pd.DataFrame) -> list[dict[str, Any]]:
    """Unit-periods whose figures differ, with both."""
    a, b = old.to_numpy(float), new.to_numpy(float)
    same = np.isclose(a, b, rtol=ROUNDING, atol=0, equal_nan=True)
    return [
        {
            "unit": old.index[i][0],
            "period": old.index[i][1],
            **{c: [_plain(a[i, j]), _plain(b[i, j])] for j, c in enumerate(old.columns) if not same[i, j]},
        }
        for i in np.flatnonzero(~same.all(axis=1))
    ]


def _plain(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _plan(old: Report, new: Report) -> list[dict[str, Any]] | None:
    """The parts of the plan that differ; None where a report kept none."""
    if old.plan is None or new.plan is None:
        return None
    return [{"part": d.part, "old": d.locked, "new": d.present} for d in differences(old.plan, new.plan)]


def _code(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    a, b = old["code"], new["code"]
    out = ["the library"] if a["sha256"] != b["sha256"] else []
    names = sorted({*a["notebooks"], *b["notebooks"]})
    return out + [f"notebook {n}" for n in names if a["notebooks"].get(n) != b["notebooks"].get(n)]


def _environment(old: dict[str, Any], new: dict[str, Any]) -> dict[str, list[Any]]:
    a, b = (
        {**e["packages"], "python": e["python"], "platform": e["platform"]}
        for e in (old["environment"], new["environment"])
    )
    return {name: [a.get(name), b.get(name)] for name in sorted({*a, *b}) if a.get(name) != b.get(name)}


def _moved(design: str, old: Report, new: Report) -> dict[str, Any]:
    a, b = old.heads.get(design), new.heads.get(design)
    named = b or a or {}
    return {"design": design, "old": a, "new": b, "words": moved(named["title"], named["unit"], a, b)}


def _said_of_data(data: dict[str, Any]) -> list[str]:
    if not data["known"]:
        return [f"the files of {' and '.join(data['files'])}"] if data["files"] else []
    out = []
    for key, noun in (("periods", "period"), ("units", "unit")):
        for state, word in (("new", "new"), ("gone", "gone")):
            found = data[f"{state}_{key}"]
            more = f" ({found[0]} to {found[-1]})" if key == "periods" and found else ""
            out += [f"{numbers.of(len(found), f'{word} {noun}')}{more}"] if found else []
    for key, word in (("revised", "revised"), ("filled", "filled in"), ("emptied", "no longer there")):
        count = data[key] if isinstance(data[key], int) else len(data[key])
        out += [f"{numbers.of(count, 'unit-period')} {word}"] if count else []
    if not data["figures"] and "data" in data["files"]:
        out.append("the data files (which figures cannot be said, for reports under disclosure rules keep none)")
    return out + (["the rollout file"] if "rollout" in data["files"] else [])


def _said_of_plan(plan: list[dict[str, Any]] | None, *, same: bool) -> list[str]:
    if plan is None:
        return [] if same else ["the protocol"]
    if plan:
        return [f"the plan ({', '.join(d['part'] for d in plan)})"]
    return []


def as_text(found: dict[str, Any]) -> str:
    """A comparison for a terminal."""
    lines = [f"{found['study']}, {found['outcome']}: {found['old']['created']} and {found['new']['created']}"]
    lines += [found["because"], f"Looks on record: {found['old']['looks']} and {found['new']['looks']}."]
    if not found["data"]["known"]:
        lines.append("One of the reports kept no fingerprint of its data: only whole files can be compared.")
    if not found["protocol"]["same"] and not found["plan"]:
        lines.append("The protocol file has changed, in no part of the plan." if found["plan"] is not None else "")
    lines += [one["words"] for one in found["estimates"]]
    tables = []
    if found["plan"]:
        rows = [[d["part"], shown(d["old"]), shown(d["new"])] for d in found["plan"]]
        tables.append(markup.table_text(["Part", "Old", "New"], rows, "Plan"))
    if found["data"].get("revised"):
        tables.append(_revisions(found["data"]["revised"]))
    if found["environment"]:
        rows = [[name, str(a or "none"), str(b or "none")] for name, (a, b) in found["environment"].items()]
        tables.append(markup.table_text(["Part", "Old", "New"], rows, "Environment"))
    return "\n".join([line for line in lines if line] + [f"\n{t}" for t in tables])


def _revisions(revised: list[dict[str, Any]]) -> str:
    rows = [
        [one["unit"], one["period"], name, *("missing" if v is None else f"{v:,.10g}" for v in one[name])]
        for one in revised[:MOST]
        for name in FIGURES
        if name in one
    ]
    caption = f"Revised: {numbers.of(len(revised), 'unit-period')}" + (
        f", the first {MOST}" if len(revised) > MOST else ""
    )
    return markup.table_text(["Unit", "Period", "Figure", "Old", "New"], rows, caption)
