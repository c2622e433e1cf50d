"""One study to HTML: `evalkit run` against the plain loop of papermill and nbconvert, in one run.

    python benchmarks/report_run.py [STUDY] [PAIRS]

Prints wall and CPU seconds of each pair and the ratio of ours to the loop's; times are not asserted
anywhere, because machines differ and ratios do not.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from evalkit.catalogue import home
from evalkit.study.protocol import NOTEBOOKS

BIN = Path(sys.executable).parent


def cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def timed(commands: list[list[str]]) -> tuple[float, float]:
    """Wall and CPU seconds of the commands, one after another."""
    wall, before = time.perf_counter(), cpu()
    for command in commands:
        subprocess.run(command, check=True, capture_output=True, cwd=home() / "notebooks")  # noqa: S603
    return time.perf_counter() - wall, cpu() - before


def loop(study: str, folder: str) -> list[list[str]]:
    commands = []
    for name in NOTEBOOKS:
        output = f"{folder}/{name}.ipynb"
        commands.append([str(BIN / "papermill"), f"{name}.ipynb", output, "-p", "collaborative", study])
        commands.append([str(BIN / "jupyter"), "nbconvert", "--to", "html", output])
    return commands


def ours(study: str, folder: str) -> list[list[str]]:
    return [[str(BIN / "evalkit"), "run", study, "--out", folder, "--jobs", str(os.cpu_count())]]


def main(study: str = "uec", pairs: str = "3") -> None:
    ratios = []
    for i in range(int(pairs)):
        with tempfile.TemporaryDirectory() as a, tempfile.TemporaryDirectory() as b:
            (wall_a, cpu_a), (wall_b, cpu_b) = timed(ours(study, a)), timed(loop(study, b))
        ratios.append((wall_a / wall_b, cpu_a / cpu_b))
        print(
            f"pair {i + 1}: evalkit {wall_a:.1f} s wall {cpu_a:.1f} s CPU; loop {wall_b:.1f} s wall {cpu_b:.1f} s CPU"
        )
    wall, used = (statistics.median(r[i] for r in ratios) for i in (0, 1))
    print(f"median ratio: wall {wall:.2f}, CPU {used:.2f}")


if __name__ == "__main__":
    main(*sys.argv[1:])
