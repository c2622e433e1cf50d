"""Kernels forked from a warm process: the same pages, nothing shared that should not be, nothing left behind."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest
from test_run import notebook, run, workspace  # noqa: F401 - a fixture

from evalkit.errors import RunError
from evalkit.panel import handed
from evalkit.report.anew import SELDOM
from evalkit.report.execute import Engine, execute
from evalkit.report.forked import Warm, answer, ask, can_fork
from evalkit.report.kernels import Kernels
from evalkit.study.protocol import NOTEBOOKS

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="kernels are forked on Linux only")
PICTURE = "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()"
RANDOM = "import random, numpy as np\nprint(random.random(), np.random.random())"


@pytest.fixture(scope="module")
def warm():
    with Warm() as made:
        made.wait()
        yield made


@pytest.fixture
def ran(tmp_path, warm):
    """Run a notebook of some cells in a forked kernel."""

    def executed(*cells, timeout=60, name="one"):
        (tmp_path / "in").mkdir(exist_ok=True)
        path = tmp_path / "in" / f"{name}.ipynb"
        nbformat.write(notebook(*cells), path)
        out = tmp_path / "out"
        out.mkdir(exist_ok=True)
        return execute(
            path, {"collaborative": "uec", "outcome": ""}, out, Engine(timeout, warm.path), lambda *_: None
        )

    return executed


def texts(done):
    return [o.text for c in done.notebook.cells for o in c.get("outputs", []) if o.output_type == "stream"]


def alive(pid):
    """Whether a process runs, one that has ended and is not yet taken leave of not counted."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def ended(pid, seconds=10.0):
    until = time.monotonic() + seconds
    while alive(pid) and time.monotonic() < until:
        time.sleep(0.05)
    return not alive(pid)


def test_the_pages_are_those_of_kernels_started_anew(capsys, workspace, monkeypatch):  # noqa: F811
    monkeypatch.setattr("evalkit.report.run.Warm", Warm)  # the run's own
    assert can_fork()
    pages = {}
    for how in ((), ("--no-fork",)):
        code, _, _ = run(capsys, "uec", "--force", *how)
        assert code == 0
        record = json.loads((workspace / "reports" / "uec" / "manifest.json").read_text(encoding="utf-8"))
        text = (workspace / "reports" / "uec" / "quick.html").read_text(encoding="utf-8")
        pages[how] = text.replace(record["created"], "TIME")
    assert pages[()] == pages["--no-fork",]


def test_figures_of_pyplot_are_not_lost(ran):
    """A library loaded beforehand may have settled on a drawing that shows nothing."""
    done = ran(PICTURE)
    kinds = [set(o.data) for c in done.notebook.cells for o in c.get("outputs", []) if "data" in o]
    assert done.failure is None
    assert any("image/png" in kind for kind in kinds)


def test_cells_of_a_run_are_not_for_the_users_own_history(ran):
    done = ran("print(get_ipython().history_manager.enabled)")
    assert texts(done) == ["False\n"]


def test_garbage_is_still_looked_for_but_less_often(ran):
    done = ran("import gc\nprint(gc.isenabled(), gc.get_threshold()[0])")
    assert texts(done) == [f"True {SELDOM}\n"]


def test_every_kernel_draws_random_numbers_of_its_own(ran):
    assert texts(ran(RANDOM, name="a")) != texts(ran(RANDOM, name="b"))


def test_kernels_share_nothing_and_work_where_the_notebook_lies(ran, tmp_path):
    ran("import evalkit, os\nevalkit.left_behind = 1\nos.environ['LEFT'] = '1'", name="a")
    done = ran(
        "import evalkit, os\nprint(hasattr(evalkit, 'left_behind'), 'LEFT' in os.environ, os.getcwd())", name="b"
    )
    assert texts(done) == [f"False False {tmp_path / 'in'}\n"]
    child = ran("import subprocess\nprint(subprocess.run(['true']).returncode)", name="c")
    assert texts(child) == ["0\n"]


def test_a_hanging_cell_is_ended_with_what_it_started(ran):
    done = ran(
        "import os, subprocess\nprint(os.getpid(), subprocess.Popen(['sleep', '600']).pid, flush=True)",
        "import time; time.sleep(600)",
        timeout=2,
    )
    assert done.failure is not None
    assert "timed out" in done.failure.error.lower() or "timeout" in done.failure.error.lower()
    assert all(ended(int(pid)) for pid in texts(done)[0].split())


def test_a_kernel_that_dies_is_one_failed_notebook(ran):
    done = ran("import os\nos._exit(3)")
    assert done.failure is not None
    assert "died" in done.failure.error.lower()
    assert texts(ran("print('still here')", name="next")) == ["still here\n"]


def test_kernels_end_with_the_warm_process_and_nothing_is_left(tmp_path):
    with Warm() as made:
        path = made.wait()
        folder = Path(path).parent
        request = {"do": "kernel", "connection_file": str(tmp_path / "none.json"), "cwd": str(tmp_path), "env": {}}
        connection = ask(path, request)
        pid = int(answer(connection))
        assert alive(pid)
        os.kill(made._process.pid, signal.SIGKILL)
        assert ended(pid)
        connection.close()
    assert not folder.exists()
    with pytest.raises(RunError, match="has ended"):
        ask(path, request)


FORKING = """
import os, signal, sys, threading
from evalkit.report.child import THREADS, Child, alone, prepared
assert prepared() and all(os.environ[name] == "1" for name in THREADS)
from evalkit.report.forked import Warm, answer, ask
sys.stdout.write("written once\\n")
with Warm(fork=True) as made:
    assert type(made._process) is Child
    request = {"do": "kernel", "connection_file": sys.argv[1], "cwd": "/", "env": {}}
    connection = ask(made.wait(), request)
    print(int(answer(connection)), made._process.pid)
    waiting = threading.Event()
    threading.Thread(target=waiting.wait).start()
    with Warm(fork=True) as other:
        assert not alone() and type(other._process) is not Child
    waiting.set()
import numpy
assert not prepared()
"""


def test_a_warm_process_is_forked_from_one_that_is_alone_and_ends_with_it(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", FORKING, tmp_path / "none.json"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said, *pids = done.stdout.split("\n", 1)[0], *done.stdout.split("\n", 1)[1].split()
    assert said == "written once"
    assert len(pids) == 2
    assert all(ended(int(pid)) for pid in pids)


def test_a_study_that_cannot_be_opened_is_left_to_the_notebooks(warm):
    assert warm.opened("no-such-study", "") == warm.path


def test_a_cell_that_exits_has_failed(ran):
    done = ran("raise SystemExit(0)", "print('never')")
    assert done.failure is not None
    assert "SystemExit" in done.failure.error
    assert "never\n" not in texts(done)


def test_a_request_that_is_none_does_no_harm(warm, ran):
    for text in (b"", b"\n", b"{}\n", b"[1]\n", b'{"do": "other"}\n', b"\xff\n"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.connect(warm.path)
            connection.sendall(text)
    assert texts(ran("print('still here')")) == ["still here\n"]


def test_one_that_waits_for_shared_computations_is_begun_first(warm):
    names = ["data_and_design", "difference_in_differences", "synthetic_comparison", "credibility", "findings"]
    paths = [Path(f"{name}.ipynb") for name in names]
    order = [p.stem for p in Kernels(warm, "uec", "", 60, running=names).order(paths)]
    assert order == [names[1], names[0], names[2], names[3], names[4]]
    order = [p.stem for p in Kernels(None, "uec", "", 60, running=names).order(paths)]
    assert order == [names[3], names[0], names[2], names[1], names[4]]  # the one that asks for the others


@pytest.mark.parametrize(
    "running", [["findings"], ["difference_in_differences", "credibility"], ["data_and_design", "findings"], []]
)
def test_nothing_is_computed_for_others_where_nobody_would_share_it(warm, running):
    paths = [Path(f"{name}.ipynb") for name in NOTEBOOKS]
    kernels = Kernels(warm, "uec", "", 60, running=running)
    assert kernels.sharing == []
    assert kernels.order(paths) == paths
    assert Kernels(None, "uec", "", 60, running=running).order(paths) == paths


def test_kernels_started_anew_are_told_where_answers_lie_and_one_of_them_to_ask():
    kernels = Kernels(None, "uec", "", 60, panels={}, running=["data_and_design", "credibility", "findings"])
    asks, takes, apart = (dict(kernels.engine(name).given) for name in ("credibility", "findings", "data_and_design"))
    assert asks == {**takes, handed.ASKS: "1"}
    assert takes == {**apart, handed.ANSWERS: str(Path(apart[handed.VARIABLE]).with_name("answers"))}
    assert Path(apart[handed.VARIABLE]).is_file()
    alone = Kernels(None, "uec", "", 60, panels={}, running=["findings"])
    assert set(dict(alone.engine("findings").given)) == {handed.VARIABLE}


def test_a_notebook_may_bring_the_debugger_that_its_kernel_does_without(ran):
    done = ran("import sys\nprint('debugpy' in sys.modules)", "import debugpy\nprint(debugpy.__name__)")
    assert done.failure is None
    assert texts(done) == ["False\n", "debugpy\n"]
