"""The README of a replication pack: how to run it, and what has to be supplied first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from evalkit import numbers
from evalkit.study import Study

TEXT = """\
# Replication pack: {slug}

Protocol, code, notebooks{and_data} of one evaluation. It needs Python 3.11 to 3.13 (with `venv`) and make.

```sh
make evaluate                          # its own environment, then the report: reports/{slug}/
.venv/bin/evalkit check {slug}         # protocol and data alone
```

Without make: `pip install -r requirements.lock`, then `python -m evalkit run {slug}` in this folder.

{supply}
{results}
`manifest.json` holds the SHA-256 of every file here, and of every data file that belongs to it. The plan has the
SHA-256 `{plan}`{locked}. The protocol's paths were set to this folder; the file it was made from had the SHA-256
`{protocol}`.
"""


def readme(study: Study, files: Sequence[dict[str, Any]], report: str | None) -> str:
    """The text of a pack's README.

    files   every data file: name, put (where it belongs), sha256, bytes, packed
    report  the name of the report folder inside, None where there is none
    """
    wanted = [f for f in files if not f["packed"]]
    locked = f", and was locked on {study.lock.first.date}" if study.lock else ", and was not locked"
    results = "`results/` holds the report as it was published.\n" if report else "It holds no report.\n"
    return TEXT.format(
        slug=study.slug,
        and_data="" if wanted else ", data and results" if report else " and data",
        supply=_supply(wanted, study.protocol.disclosure),
        results=results,
        plan=study.plan_sha256,
        locked=locked,
        protocol=study.sha256,
    )


def _supply(wanted: Sequence[dict[str, Any]], disclosure: str) -> str:
    if not wanted:
        return "All data are inside.\n"
    rows = "\n".join(
        f"| `{_cell(f['name'])}` | `{f['put']}` | {numbers.count(f['bytes'])} | `{f['sha256']}` |" for f in wanted
    )
    return (
        f"## To be supplied\n\nThe data may not be passed on (`disclosure: {disclosure}`). Put these files in place "
        f"first; the hashes say whether they are the same.\n\n"
        f"| file | put it at | bytes | SHA-256 |\n|---|---|---|---|\n"
        f"{rows}\n"
    )


def _cell(name: str) -> str:
    return "".join(c for c in name if c.isprintable() and c not in "`|")
