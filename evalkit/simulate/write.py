"""A simulated collaborative -> its three files, the same bytes on every machine."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from evalkit import periods
from evalkit.simulate import design
from evalkit.simulate.potential import Simulated
from evalkit.simulate.settings import Demonstration
from evalkit.simulate.support import spells
from evalkit.simulate.truth import truth


def write(simulated: Simulated, folder: Path) -> list[Path]:
    """Write panel, rollout and truth into `folder` and return their paths."""
    content = {
        "panel.csv": _lines(_panel(simulated)),
        "rollout.csv": _lines(_rollout(simulated)),
        "truth.json": json.dumps(truth(simulated), indent=1) + "\n",
    }
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for ending, text in content.items():
        path = folder / f"{simulated.settings.name}_{ending}"
        path.write_bytes(text.encode())
        paths.append(path)
    return paths


def codes(demo: Demonstration) -> list[str]:
    """Unit codes, longer than any that the NHS gives out: `SIMU001`."""
    return [f"{demo.prefix}{i + 1:03d}" for i in range(demo.units)]


def names(demo: Demonstration) -> list[str]:
    """Unit names: `Simulated Trust 001`."""
    return [f"Simulated {demo.unit.title()} {i + 1:03d}" for i in range(demo.units)]


def _lines(rows: Iterable[Iterable[str]]) -> str:
    return "".join(",".join(row) + "\n" for row in rows)


def _panel(simulated: Simulated) -> Iterable[list[str]]:
    demo = simulated.settings
    yield [demo.unit, f"{demo.unit}_name", demo.frequency, *simulated.columns]
    means = {m.column for m in demo.measures if m.kind == "mean"}
    cells = [[_cells(v, 2 if c in means else 0) for v in values] for c, values in simulated.columns.items()]
    written = [periods.code(period) for period in simulated.window]
    for i, (code, name) in enumerate(zip(codes(demo), names(demo), strict=True)):
        for t, period in enumerate(written):
            yield [code, name, period, *(column[i][t] for column in cells)]


def _cells(values: np.ndarray, decimals: int) -> list[str]:
    return ["" if np.isnan(v) else f"{v:.{decimals}f}" for v in values]


def _rollout(simulated: Simulated) -> Iterable[list[str]]:
    demo = simulated.settings
    segment = ["nof_segment"] if demo.segments else []
    support = demo.support
    other = [f"{support.column}_from", f"{support.column}_to"] if support else []
    ran = spells(simulated)
    yield [demo.unit, f"{demo.unit}_name", "joined", "wave", "region", *segment, *other]
    starts = np.unique(simulated.joined[simulated.joined != design.NEVER])
    for i, (code, name) in enumerate(zip(codes(demo), names(demo), strict=True)):
        start = simulated.joined[i]
        entry = ["", ""]
        if start != design.NEVER:
            entry = [periods.code(simulated.window[start]), str(np.searchsorted(starts, start) + 1)]
        level = [str(simulated.segment[i])] if demo.segments else []
        yield [code, name, *entry, f"Region {simulated.region[i]}", *level, *ran[i]]
