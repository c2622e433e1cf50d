"""May these reports be shown to the world? Only those of simulated data may.

    python -m evalkit.report.publishable REPORTS
    python -m evalkit.report.publishable --protocols FILE ...

Exit code 0 when everything is simulated and says so, else 1 with the reasons. In doubt nothing is published.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from evalkit.errors import EvalkitError
from evalkit.report.folder import line, manifests


def obstacles(folder: Path) -> list[str]:
    """Why a folder of reports may not be published, one line each; empty where it may.

    Every report must say in its manifest that its data are simulated, and its run must have completed. Links out of
    the folder on the disk, reports without a manifest and folders without any report are obstacles too.
    """
    if not folder.is_dir():
        return [f"{folder}: there is no such folder"]
    out = [f"{p.relative_to(folder)}: is a link to elsewhere" for p in sorted(folder.rglob("*")) if p.is_symlink()]
    found = manifests(folder)
    if not found:
        out.append(f"{folder}: holds no report")
    for name, record in found.items():
        summary = record.get("summary") if record is not None else None
        if record is None:
            out.append(f"{name}: has no manifest that can be read, so nobody knows whose data these are")
        elif not isinstance(summary, dict) or summary.get("simulated") is not True:
            out.append(f"{name}: its manifest does not say that the data are simulated")
        elif record.get("status") != "complete":
            out.append(f"{name}: its run did not complete")
    return [line(one) for one in out]


def real(protocols: Sequence[str]) -> list[str]:
    """The protocols that do not say that their data are simulated, or cannot be read, one line each."""
    from evalkit.catalogue import open_study

    out = []
    for path in protocols:
        try:
            if not open_study(path).protocol.simulated:
                out.append(f"{Path(path).name}: does not say that its data are simulated")
        except EvalkitError as error:
            out.append(f"{Path(path).name}: {error.faults[0]}")
    return [line(one) for one in out]


def main(arguments: Sequence[str]) -> int:
    """Say what stands in the way."""
    of_protocols = arguments[:1] == ["--protocols"] and len(arguments) > 1
    if not of_protocols and len(arguments) != 1:
        sys.stderr.write((__doc__ or "").partition("\n\n")[2])
        return 2
    found = real(arguments[1:]) if of_protocols else obstacles(Path(arguments[0]))
    for one in found:
        sys.stderr.write(f"not to be published: {one}\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
