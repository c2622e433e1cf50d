"""What each command does; each takes its options and returns an exit code."""

from __future__ import annotations

import json
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from evalkit import catalogue, files, numbers
from evalkit.cli import DONE
from evalkit.cli.power import calibrate, power
from evalkit.cli.records import compare, lock, pack
from evalkit.cli.reports import audit, run, verify
from evalkit.errors import EvalkitError, RunError

__all__ = [
    "audit",
    "calibrate",
    "check",
    "compare",
    "estimate",
    "list_studies",
    "lock",
    "new",
    "pack",
    "power",
    "run",
    "schema",
    "simulate",
    "verify",
]

if TYPE_CHECKING:
    from evalkit.panel import Panel


def list_studies(options: Namespace) -> int:  # noqa: ARG001 - every command takes its options
    """Every study with its title and whether its protocol and data are sound."""
    paths = catalogue.protocols()
    if not paths:
        print(f"no study under {catalogue.home() / catalogue.FOLDER}; write one with: evalkit new SLUG")
        return DONE
    rows = [_status(path) for path in paths]
    widths = [max(len(row[i]) for row in rows) for i in range(2)]
    for slug, title, status in rows:
        print(f"{slug.ljust(widths[0])}  {title.ljust(widths[1])}  {status}")
    return DONE


def _status(path: Path) -> tuple[str, str, str]:
    from evalkit.panel import build_all
    from evalkit.study import load

    try:
        study = load(path)
    except EvalkitError as error:
        return path.stem, "(protocol refused)", _faults(error)
    try:
        panel = build_all(study)[study.primary.name]
    except EvalkitError as error:
        return study.slug, study.protocol.title, _faults(error)
    sizes = [(len(panel.units), "unit"), (len(panel.study.window), "period"), (len(panel.warnings), "warning")]
    data = ", ".join(numbers.of(n, noun) for n, noun in sizes)
    return study.slug, study.protocol.title, data


def _faults(error: EvalkitError) -> str:
    return f"{numbers.of(len(error.faults), 'fault')}: see evalkit check"


def new(options: Namespace) -> int:
    """Write a commented protocol."""
    from evalkit.study.fields import check_slug
    from evalkit.study.template import template

    try:
        slug = check_slug(options.slug)
    except ValueError as error:
        raise RunError(str(error), fix="choose another name") from None
    folder = catalogue.home() / catalogue.FOLDER
    taken = [p.name for p in folder.glob("*") if p.stem.lower() == slug.lower() and p.suffix in catalogue.ENDINGS]
    if taken:
        raise RunError(f"{taken[0]} is there already", str(folder), "choose another name, or edit that file")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{slug}.yml"
        files.write_text(path, template(slug))
    except OSError as error:
        raise RunError(f"cannot be written ({error.strerror})", str(folder)) from None
    print(f"{path} written; fill it in, then: evalkit check {slug}")
    return DONE


def check(options: Namespace) -> int:
    """Validate protocol and data; print warnings, or every fault."""
    from evalkit.panel import build_all

    study = catalogue.open_study(options.study)
    panels = build_all(study)
    _check_notebooks(study.protocol.notebooks)
    panel = panels[study.primary.name]
    for warning in _warnings(panels, panel):
        print(f"warning: {warning}")
    outcomes = sum(o.alternative_to is None for o in study.protocol.outcomes)
    joined = len(panel.joined)
    print(
        f"{study.slug}: sound; {numbers.of(outcomes, 'outcome')}, {numbers.of(joined, 'unit')} in "
        f"{numbers.of(len(panel.cohorts), 'wave')}, {numbers.count(len(panel.never))} never joined, "
        f"{numbers.of(len(panel.rows), 'unit-period')}"
    )
    return DONE


def _warnings(panels: dict[str, Panel], primary: Panel) -> list[str]:
    """What is suspicious in the data, and the designs that cannot be computed.

    Each is said once, with the outcomes that it applies to, or with none where it applies to all.
    """
    from evalkit import estimators
    from evalkit.estimate import Refusal
    from evalkit.workbench import designs

    ordered = (primary, *(p for p in panels.values() if p is not primary))
    found = [(p.outcome.name, warning) for p in ordered for warning in p.warnings]
    for panel in ordered:
        tried = [estimators.attempt(design, panel) for design in designs(panel)]
        found += [(panel.outcome.name, repr(one)) for one in tried if isinstance(one, Refusal)]
    said: dict[str, dict[str, None]] = {}
    for outcome, message in found:
        said.setdefault(message, {})[outcome] = None
    return [m if len(names) == len(panels) else f"{', '.join(names)}: {m}" for m, names in said.items()]


def _check_notebooks(names: tuple[str, ...]) -> None:
    folder = catalogue.home() / "notebooks"
    absent = [name for name in names if not (folder / f"{name}.ipynb").is_file()]
    if absent:
        known = ", ".join(sorted(p.stem for p in folder.glob("*.ipynb"))) or "none"
        raise RunError(f"there is no notebook called {', '.join(absent)}", str(folder), f"known: {known}")


def estimate(options: Namespace) -> int:
    """One design on one study."""
    from evalkit import estimators, tables
    from evalkit.panel import build

    study = catalogue.open_study(options.study)
    found = estimators.fit(options.design, build(study, study.outcome(options.outcome)))
    if options.json:
        print(json.dumps(found.record(), indent=1, ensure_ascii=False, allow_nan=False))
        return DONE
    print(found)
    print(found.method)
    if found.diagnostics:
        print(tables.diagnostics(found).text)
    for warning in found.warnings:
        print(f"warning: {warning}")
    return DONE


def simulate(options: Namespace) -> int:
    """Rebuild the demonstration data."""
    from evalkit.simulate import DEMONSTRATIONS
    from evalkit.simulate import simulate as write

    folder = Path(options.out) if options.out else catalogue.home() / "data" / "demo"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        written = write(options.names or [*DEMONSTRATIONS], folder)
    except OSError as error:
        raise RunError(f"cannot be written ({error.strerror})", str(folder), "choose another --out") from None
    for path in written:
        print(path)
    return DONE


def schema(options: Namespace) -> int:
    """Print or write the JSON Schema of a protocol."""
    from evalkit.study.schema import FILE, schema_text

    if not options.write:
        print(schema_text(), end="")
        return DONE
    path = catalogue.home() / catalogue.FOLDER / FILE
    try:
        files.write_text(path, schema_text())
    except OSError as error:
        raise RunError(f"cannot be written ({error.strerror})", str(path)) from None
    print(path)
    return DONE
