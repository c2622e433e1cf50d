"""Studies for tests, built as a user would: a protocol file, a data file, a rollout file."""

from __future__ import annotations

import os
import sys

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # small matrices: threads cost more than they give

from contextlib import nullcontext
from pathlib import Path

import pandas as pd
import pytest
import yaml

from evalkit.panel import build
from evalkit.report import forked
from evalkit.study import load

REFERENCE = Path(__file__).parent / "reference"
SHARED = Path(__file__).parents[2] / "shared"


LONGEST = (  # files that take longest, of which there must be none left when other processes have run out of files
    "robust_run", "cluster", "hostile", "run", "kills", "fresh", "did_reference", "sensitivity", "forked", "contract",
    "pack", "disclosure", "planning_designs", "nhs_ae", "did_designs", "pretrends", "agreement", "panel", "funnels",
    "compare", "real_data", "spc", "cli", "planning", "pooled", "appraisal",
)  # fmt: skip


def pytest_configure(config):
    """Files are handed to processes in the order below, and not by how many tests are in them."""
    if hasattr(config.option, "loadscopereorder"):  # of pytest-xdist
        config.option.loadscopereorder = False


def pytest_collection_modifyitems(items):
    """The longest files first, so that all processes end together; the others as they were."""
    rank = {f"test_{name}": place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(item.path.stem, len(rank)))


class Maker:
    """Writes a study's three files into a folder and loads it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def protocol(self, **changes):
        base = {
            "title": "A test",
            "question": "Did it work?",
            "source": {"reader": "csv", "path": "panel.csv"},
            "window": ["2018-01", "2019-12"],
            "outcomes": [
                {
                    "name": "y",
                    "label": "Outcome",
                    "kind": "continuous",
                    "value": "y",
                    "better": "higher",
                    "role": "primary",
                }
            ],
            "rollout": {"path": "rollout.csv"},
        }
        return {**base, **changes}

    def write(self, rows: pd.DataFrame, rollout: pd.DataFrame, /, **changes) -> Path:
        rows.to_csv(self.folder / "panel.csv", index=False)
        rollout.to_csv(self.folder / "rollout.csv", index=False)
        return self.declare(**changes)

    def declare(self, **changes) -> Path:
        """Write the protocol alone, beside the data that are there."""
        path = self.folder / "case.yml"
        path.write_text(yaml.safe_dump(self.protocol(**changes), sort_keys=False), encoding="utf-8")
        return path

    def declared(self, **changes):
        return load(self.declare(**changes))

    def study(self, rows, rollout, /, **changes):
        return load(self.write(rows, rollout, **changes))

    def panel(self, rows, rollout, /, **changes):
        return build(self.study(rows, rollout, **changes))


@pytest.fixture
def make(tmp_path):
    return Maker(tmp_path)


@pytest.fixture
def reference(make):
    """A reference case as a panel: `reference("did_2x2", **protocol changes)`."""

    def build_case(case: str, **changes):
        data = pd.read_csv(REFERENCE / f"{case}.csv", dtype=str)
        rows = data.rename(columns={"provider_id": "unit", "outcome": "y"})
        keep = [c for c in ("region",) if c in data]
        rollout = rows.groupby("unit").first().reset_index()[["unit", "first_treated", *keep]]
        rollout = rollout.rename(columns={"first_treated": "joined"})
        window = [rows["period"].min()[:7], rows["period"].max()[:7]]
        return make.panel(rows[["unit", "period", "y"]], rollout, window=window, **changes)

    return build_case


class Shared(forked.Warm):
    """A warm process that holds no study: runs of many tests, each in a home of its own, fork kernels from it."""

    def opened(self, *_):
        return self.wait()

    def ahead(self, *_, **__):
        return self.wait()


@pytest.fixture(scope="session")
def warm_process():
    """One for all tests of this process, started by the first that asks; it knows no home. None where none forks."""
    if sys.platform != "linux":
        yield None
        return
    with pytest.MonkeyPatch.context() as patched:
        for name in [name for name in os.environ if name.startswith("EVALKIT_")]:
            patched.delenv(name)
        made = Shared()
    with made:
        yield made


def forking(patched, process):
    """Have runs fork their kernels from a shared process, where there is one."""
    if process is not None:
        patched.setattr("evalkit.report.run.Warm", lambda: nullcontext(process))
        patched.setattr(forked, "PASSED", (*forked.PASSED, "EVALKIT_HOME", "EVALKIT_REPORTS"))


@pytest.fixture
def quick_kernels(monkeypatch, warm_process):
    """Runs of this test fork their kernels from the shared process, and do not import everything for each.

    What a run is asked for with `--no-fork` starts its kernels anew as ever; that both give the same pages, and that
    a run's own warm process does, is the business of `test_forked`.
    """
    forking(monkeypatch, warm_process)
