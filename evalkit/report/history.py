"""What one report leaves for the next: the looks so far, the plan, and a fingerprint of the data.

`looks.json` is carried over and added to, `plan.json` and `series.csv.gz` are written anew. All three are written
into the folder in which a report is built, so that they come into place with it or not at all.
"""

from __future__ import annotations

import gzip
import io
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from evalkit import periods
from evalkit.panel import Panel
from evalkit.panel.seen import look_at
from evalkit.report.publish import write_bytes, write_json
from evalkit.study.looks import FILE, added, looks_record, read_looks
from evalkit.study.plan import flat, plan

PLAN, SERIES = "plan.json", "series.csv.gz"
FIGURES = ["value", "numerator", "denominator"]


def keep(folder: Path, before: Path, panel: Panel, *, complete: bool) -> None:
    """Write what the next report will want to know.

    folder    where this report is being built
    before    where the report that it replaces stands
    complete  a report that failed is no look

    Raises RunError when the looks so far cannot be read.
    """
    looks = read_looks(before / FILE)
    if complete:
        looks = added(looks, look_at(panel, datetime.now(UTC).strftime("%Y-%m-%d")))
    write_json(folder / FILE, looks_record(looks))
    study = panel.study
    lock = study.lock.latest.plan_sha256 if study.lock else None
    record = {"sha256": study.plan_sha256, "locked": lock, "window_to": periods.code(study.protocol.window[1])}
    write_json(folder / PLAN, {**record, "plan": flat(plan(study.protocol))})
    write_bytes(folder / SERIES, series(panel))


def series(panel: Panel) -> bytes:
    """Unit, period and figures of every unit-period, as gzipped CSV that is the same for the same data.

    Figures only where disclosure is `none`. Otherwise unit and period alone: a hash of a small count is no disguise,
    for every count up to a thousand can be tried in a moment; the manifest's hashes of whole files then have to do.
    """
    rows = panel.rows.reset_index()
    kept = pd.DataFrame({"unit": rows["unit"], "period": rows["period"].map(periods.code)})
    if panel.study.protocol.disclosure == "none":
        kept[FIGURES] = rows[FIGURES]
    text = kept.to_csv(index=False, lineterminator="\n", float_format=None)
    out = io.BytesIO()
    with gzip.GzipFile(fileobj=out, mode="wb", mtime=0, filename="", compresslevel=6) as packed:
        packed.write(text.encode("utf-8"))
    return out.getvalue()
