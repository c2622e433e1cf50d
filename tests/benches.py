"""A workbench of its own whose runs are processes that can be killed, stopped and told from others."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

import nbformat
import pytest
from test_run import notebook

from evalkit.report import fresh, publish

ROOT = Path(__file__).parents[1]
PATIENCE = 60.0  # seconds; machines are shared
linux = pytest.mark.skipif(sys.platform != "linux", reason="processes are found through /proc")

posix = pytest.mark.skipif(sys.platform == "win32", reason="signals, modes and limits of POSIX")


def _interruptible():
    """Ctrl-C reaches the run also where these tests themselves run in the background, which ignores it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Bench:
    """A workbench in a short folder (sockets want short paths), whose processes can be told from others."""

    def __init__(self, top: Path) -> None:
        self.top, self.home, self.temp = top, top / "h", top / "t"
        self.mark = uuid.uuid4().hex
        (self.home / "data" / "collaboratives").mkdir(parents=True)
        (self.home / "notebooks").mkdir()
        self.temp.mkdir()
        shutil.copytree(ROOT / "data" / "demo", self.home / "data" / "demo")
        self.write(quick=["print(6 * 7)"])

    def write(self, **cells):
        """Notebooks of these cells, named by the protocol in this order."""
        text = (ROOT / "data" / "collaboratives" / "uec.yml").read_text(encoding="utf-8")
        self.protocol.write_text(f"{text}\nnotebooks: [{', '.join(cells)}]\n", encoding="utf-8")
        for name, sources in cells.items():
            nbformat.write(notebook("## Here", *sources), self.home / "notebooks" / f"{name}.ipynb")

    @property
    def protocol(self):
        return self.home / "data" / "collaboratives" / "uec.yml"

    @property
    def report(self):
        return self.home / "reports" / "uec"

    def start(self, *arguments, **options):
        env = {**os.environ, "EVALKIT_HOME": str(self.home), "TMPDIR": str(self.temp), "PYTHONPATH": str(ROOT),
               "EVALKIT_TEST": self.mark, "PYTHONWARNINGS": "ignore", **options.pop("env", {})}  # fmt: skip
        return subprocess.Popen(
            [*options.pop("before", ()), sys.executable, "-m", "evalkit", *map(str, arguments)],
            env=env, cwd=self.home, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, start_new_session=True, preexec_fn=_interruptible, **options,  # noqa: PLW1509
        )  # fmt: skip

    def run(self, *arguments, **options):
        process = self.start("run", *arguments, **options)
        out, err = process.communicate(timeout=300)
        assert "Traceback" not in err
        assert "unexpectedly" not in err
        return process.returncode, out, err

    def alive(self):
        """Every process that was started from here, or by one that was."""
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                if self.mark.encode() in (entry / "environ").read_bytes() and int(entry.name) != os.getpid():
                    found.append(int(entry.name))
            except OSError:
                continue
        return found

    def end(self):
        """Wait until nothing lives that was started from here."""
        until = time.monotonic() + PATIENCE
        while (left := self.alive()) and time.monotonic() < until:
            time.sleep(0.05)
        assert left == []

    def left(self):
        """What runs left behind where they should not."""
        here = [p.name for p in (self.home / "reports").glob(".*") if p.name != publish.LOCK]
        return sorted([*here, *(p.name for p in self.temp.glob("ek-*"))])


@pytest.fixture
def bench():
    with tempfile.TemporaryDirectory(prefix="evk", dir="/tmp", ignore_cleanup_errors=True) as top:
        made = Bench(Path(top))
        yield made
        if sys.platform == "linux":
            for pid in made.alive():
                os.kill(pid, signal.SIGKILL)


def whole(folder):
    """Whether a report is as its manifest says, with nothing else in it; the manifest."""
    folder = publish.standing(folder)
    record = fresh.read(folder)
    assert record is not None
    assert record["status"] == "complete"
    assert fresh.tampered(folder, record) == []
    assert {p.name for p in folder.iterdir()} == {*record["files"], fresh.MANIFEST}
    return record
