"""Does a cluster return what this machine would have made, whoever is lost, and is an unfit worker refused?"""

from __future__ import annotations

import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import nbformat
import numpy as np
import pytest
from drawings import word_body
from test_run import FIT, notebook, run, workspace  # noqa: F401 - a fixture

from evalkit import catalogue, placebos, planning
from evalkit.cli import main
from evalkit.errors import DesignError, Fault, RunError
from evalkit.panel import build
from evalkit.placebos import Draws
from evalkit.placebos.batches import Batch, Drawing, worked
from evalkit.planning import Moments, Plan
from evalkit.report.cluster import address, cluster
from evalkit.report.progress import Plain
from evalkit.report.run import Options
from evalkit.report.run import run as run_studies
from evalkit.spread import in_order
from evalkit.study.looks import Look, looks_record

distributed = pytest.importorskip("distributed", reason="Dask is not installed: install evalkit[cluster]")
pytestmark = pytest.mark.filterwarnings("ignore:.*unclosed.*:ResourceWarning")  # sockets of workers that were killed

ROOT = Path(__file__).parents[1]
DESIGNS = ("group_time", "synthetic_did", "its")
FEW = Draws(40, 24, 40)
WAIT = "import time\ntime.sleep(2)"


@pytest.fixture(scope="module")
def workers():
    """A cluster of two processes on this machine."""
    with distributed.LocalCluster(
        processes=True, n_workers=2, threads_per_worker=1, dashboard_address=":0", silence_logs=50
    ) as made:
        made.wait_for_workers(2, timeout=60)
        yield made


@pytest.fixture(scope="module")
def panel():
    return build(catalogue.open_study(str(ROOT / "data" / "collaboratives" / "uec.yml")))


def travelled(thing):
    """As it is after a journey to another process."""
    return pickle.loads(pickle.dumps(thing, 5))  # noqa: S301 - our own


def same(one, two):
    """Whether two records are the same bits."""
    assert list(one.found) == list(two.found)
    assert list(one.leant) == list(two.leant)
    assert one.refused == two.refused
    for first, second in ((one.found, two.found), (one.leant, two.leant)):
        for design in first:
            for name in ("estimate", "error", "half", "gram", "shift", "at", "lost"):
                mine, other = (getattr(record[design].run, name) for record in (first, second))
                assert np.array_equal(mine, other), (design, name)
    return True


def content(folder):
    """The files of a report without the times that it states."""
    record = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    created = record.pop("created").encode()
    kept = {p.name: p.read_bytes() for p in folder.iterdir() if p.name != "manifest.json"}
    files = {n: (word_body(c) if n.endswith(".docx") else c).replace(created, b"TIME") for n, c in kept.items()}
    for row in record["notebooks"]:
        row.pop("seconds")
    record["files"] = sorted(record["files"])  # their hashes hold the time
    return {**files, "manifest.json": record}


# -- what has to be the same -------------------------------------------------------------


def test_batches_are_the_same_alone_in_any_order_and_after_a_journey(panel):
    drawing = Drawing(placebos.pool(panel), FEW)
    asked = [batch for design in DESIGNS for batch in drawing.batches(design)]
    forwards = [worked(drawing, batch) for batch in asked]
    elsewhere = travelled(Drawing(placebos.pool(panel), FEW))
    assert "rollouts" not in travelled(drawing).__dict__
    backwards = [worked(elsewhere, batch) for batch in asked[::-1]][::-1]
    for one, two in zip(forwards, backwards, strict=True):
        for name in ("estimate", "error", "half", "gram", "shift", "at", "lost"):
            assert np.array_equal(getattr(one, name), getattr(two, name))
    fitted = [batch for batch in asked if batch.design == "synthetic_did"]
    assert fitted == [Batch("synthetic_did", 0, k, min(k + 10, 24), whole=True) for k in (0, 10, 20)]
    at = [row for run in forwards if run.design == "synthetic_did" for row in run.at.tolist()]
    assert at == [[0, k] for k in range(24)]


def test_a_refusal_keeps_its_faults_on_a_journey():
    made = DesignError([Fault("this", "here", "do that"), Fault("and this")])
    assert travelled(made).faults == made.faults


def test_calibration_and_planning_on_a_cluster_are_those_of_this_machine(panel, workers):
    stated, plan, names = Moments(59, 9, 4.3, 0.6), Plan(10, 20, 6, 6), ("group_time",)
    here = placebos.calibrate(panel, DESIGNS, FEW)
    told = []
    with cluster(workers.scheduler_address, lambda _: None) as made:
        there = placebos.calibrate(panel, DESIGNS, FEW, told.append, made.spread)
        varied = planning.vary(stated, plan, names, 100, spread=made.spread)
        with pytest.raises(DesignError, match="no design called"):
            planning.vary(stated, plan, ("nothing",), 100, spread=made.spread)
    assert same(here, there)
    assert told[: len(DESIGNS)] == list(DESIGNS)
    alone = planning.vary(stated, plan, names, 100)
    assert varied.sizes.to_dict() == alone.sizes.to_dict()
    assert varied.refused.to_dict() == alone.refused.to_dict()


def test_a_report_made_on_a_cluster_is_that_of_this_machine(capsys, workspace, workers):  # noqa: F811
    reports = {}
    looks = "from evalkit import catalogue, workbench\ncase = workbench.open_case(collaborative, outcome)\n"
    looks += "print(catalogue.earlier_looks(case.study, case.outcome.name))"
    nbformat.write(notebook("## A result", FIT, looks), workspace / "notebooks" / "quick.ipynb")
    earlier = looks_record((Look(outcome="within_4h", last="2025-06", plan="p", date="2025-07-01"),))
    assert run(capsys, "uec")[0] == 0
    for how in (("--no-fork",), ("--scheduler", workers.scheduler_address)):
        (workspace / "reports" / "uec" / "looks.json").write_text(json.dumps(earlier), encoding="utf-8")
        code, _, err = run(capsys, "uec", "--force", *how)
        assert code == 0
        assert "uec: quick: done" in err
        reports[how[0]] = content(workspace / "reports" / "uec")
    assert "2 workers, 2 at a time" in err
    assert reports["--no-fork"] == reports["--scheduler"]
    assert b"2025-07-01" in reports["--scheduler"]["quick.ipynb"]


def test_a_failing_cell_is_reported_as_it_is_here(capsys, workspace, workers):  # noqa: F811
    nbformat.write(notebook("## Broken", "1 / 0"), workspace / "notebooks" / "quick.ipynb")
    code, _, err = run(capsys, "uec", "--scheduler", workers.scheduler_address)
    assert code == 1
    assert "uec: quick: cell 5 (Broken): ZeroDivisionError: division by zero" in err


# -- who is lost, who is unfit -----------------------------------------------------------


@contextmanager
def killing(workers):
    """Kills the first worker that is at work, half a second after it began."""
    killed, until = [], time.monotonic() + 30
    client = distributed.Client(workers.scheduler_address, set_as_default=False)

    def kill():
        while time.monotonic() < until and not killed:
            busy = [place for place, keys in client.processing().items() if any("common" not in key for key in keys)]
            if busy:
                time.sleep(0.5)
                killed.extend(client.run(os.getpid, workers=busy[:1]).values())
                os.kill(killed[0], signal.SIGKILL)
            time.sleep(0.05)

    thread = threading.Thread(target=kill)
    thread.start()
    yield
    thread.join()
    client.close()
    assert killed
    workers.wait_for_workers(2, timeout=60)


def test_a_worker_lost_in_the_middle_of_a_notebook_is_survived(workspace, workers):  # noqa: F811
    nbformat.write(notebook("## A result", WAIT, FIT), workspace / "notebooks" / "quick.ipynb")
    options = Options(workspace / "reports", timeout=60, scheduler=workers.scheduler_address)
    with killing(workers):
        (ended,) = run_studies(["uec"], options, Plain(sys.stderr))
    assert ended.failures == ()
    stored = json.loads((ended.folder / "estimates.json").read_text(encoding="utf-8"))
    assert [one["design"] for one in stored] == ["group_time"]


def test_a_worker_lost_in_the_middle_of_a_computation_is_survived(panel, workers):
    few = Draws(22, 22, 2)
    with killing(workers), cluster(workers.scheduler_address, lambda _: None) as made:
        there = placebos.calibrate(panel, ("synthetic_did",), few, spread=made.spread)
    assert same(placebos.calibrate(panel, ("synthetic_did",), few), there)


def test_other_data_or_another_notebook_there_is_refused(capsys, workspace, workers, monkeypatch):  # noqa: F811
    from evalkit.report import fresh

    honest = fresh.inputs

    def other(*arguments):
        return {**honest(*arguments), "data uec_panel.csv": "0" * 64}

    monkeypatch.setattr("evalkit.report.fresh.inputs", other)
    code, _, err = run(capsys, "uec", "--scheduler", workers.scheduler_address)
    assert code == 1
    assert "it has another data uec_panel.csv" in err
    assert "same files at the same paths" in err
    assert not (workspace / "reports" / "uec").exists()


@pytest.mark.parametrize("how", ["library", "absent"])
def test_a_worker_with_another_library_or_none_is_refused(tmp_path, how):
    """A real worker process whose evalkit differs by one comment, and one that cannot run ours."""
    shutil.copytree(ROOT / "evalkit", tmp_path / "evalkit", ignore=shutil.ignore_patterns("__pycache__"))
    changed = tmp_path / "evalkit" / ("spread.py" if how == "library" else "report/remote.py")
    text = changed.read_text(encoding="utf-8") if how == "library" else '"""Of an earlier version."""'
    changed.write_text(text + "\n# changed\n", encoding="utf-8")
    env = {**os.environ, "PYTHONPATH": str(tmp_path)}
    with distributed.LocalCluster(
        processes=True, n_workers=0, dashboard_address=":0", silence_logs=50, protocol="tcp://", host="127.0.0.1"
    ) as alone:
        command = [sys.executable, "-m", "distributed.cli.dask_worker", alone.scheduler_address]
        options = ["--no-nanny", "--no-dashboard", "--nthreads", "1", "--local-directory", str(tmp_path)]
        worker = subprocess.Popen([*command, *options], cwd=tmp_path, env=env, stderr=subprocess.DEVNULL)
        try:
            said = "it has another library" if how == "library" else "evalkit cannot be run there"
            client = distributed.Client(alone.scheduler_address, set_as_default=False)
            client.wait_for_workers(1, timeout=30)
            client.close()
            with pytest.raises(RunError, match=said), cluster(alone.scheduler_address, lambda _: None):
                pass
        finally:
            worker.terminate()
            worker.wait()


def test_a_task_that_lands_on_an_unfit_worker_is_refused_too(monkeypatch):
    from evalkit.report import remote

    expected = (("library", "other"), *remote.fingerprint()[1:])
    with pytest.raises(RunError, match="a worker has another library"):
        remote.part(expected, pow, 2, 3)
    assert remote.part(remote.fingerprint(), pow, 2, 3) == 8


def test_what_was_loaded_and_what_lies_there_now_must_both_be_the_same(workspace, monkeypatch):  # noqa: F811
    from evalkit.report import fresh, remote

    protocol = workspace / "data" / "collaboratives" / "uec.yml"
    quick = workspace / "notebooks" / "quick.ipynb"
    named = {"data": workspace / "data" / "demo" / "uec_panel.csv"}
    inputs = fresh.inputs(protocol, named, [quick], workspace)
    same_paths = (str(workspace), str(protocol), (("data", str(named["data"])),), (str(quick),))
    wanted = remote.Wanted(*same_paths, tuple(inputs.items()))
    assert remote.unlike(wanted) == []
    with monkeypatch.context() as patched:
        patched.setattr("evalkit.report.fresh.tree_hash", lambda *_: "later")
        assert remote.unlike(wanted) == ["facts", "library"]
    with monkeypatch.context() as patched:
        patched.setattr(remote, "fingerprint", lambda: (("library", "earlier"),))
        assert remote.unlike(wanted) == ["library"]
    with named["data"].open("a", encoding="utf-8") as file:
        file.write("\n")
    assert remote.unlike(wanted) == ["data uec_panel.csv"]
    quick.unlink()
    assert remote.unlike(wanted) == ["quick.ipynb (not there)"]


# -- addresses ---------------------------------------------------------------------------


@pytest.mark.parametrize("command", [("run", "uec"), ("power", "uec"), ("calibrate", "uec")])
def test_a_scheduler_that_is_not_there_is_one_line_within_seconds(capsys, workspace, monkeypatch, command):  # noqa: F811
    if command[0] != "run":
        monkeypatch.setattr("evalkit.report.cluster.SECONDS", 1)
    started = time.monotonic()
    code = main([*command, "--scheduler", "tcp://127.0.0.1:1"])
    captured = capsys.readouterr()
    assert code == 1
    assert captured.err.count("\n") == 1
    assert "tcp://127.0.0.1:1: no scheduler can be reached" in captured.err
    assert "dask scheduler" in captured.err
    assert time.monotonic() - started < 20


@pytest.mark.parametrize(
    "said",
    [
        "", "host", "host:8786", "http://host:8786", "ucx://host:1", "inproc://1/2/3", "tcp://host", "tcp://host:0",
        "tcp://host:99999", "tcp://user:secret@host:1", "tcp://host:1/x", "tcp://host:1\n", "tls://-:x", "file:///a.json",
        "tcp://" + "a" * 300 + ":1", "tcp://h\x00:1", "tcp://[::1:1", "../x.yml", "tcp://a b:1", "http://x/s.json",
    ],
)  # fmt: skip
def test_what_is_no_address_is_refused(said):
    with pytest.raises(RunError, match="no address of a scheduler"):
        address(said)


def test_a_bad_address_is_refused_even_where_nothing_is_to_run(capsys, workspace):  # noqa: F811
    assert run(capsys, "uec")[0] == 0
    assert run(capsys, "uec")[1].startswith("uec: up to date")
    code, out, err = run(capsys, "uec", "--scheduler", "http://x")
    assert code == 1
    assert "up to date" not in out
    assert "no address of a scheduler" in err


def test_addresses_and_scheduler_files(tmp_path):
    for said in ("tcp://127.0.0.1:8786", "tls://a-b.example:1", "tcp://[::1]:8786"):
        assert address(said) == said
    path = tmp_path / "scheduler.json"
    for text, wrong in (("", "not JSON"), ("[]", "no address"), ('{"address": 3}', "no address"),
                        ('{"address": "http://x:1"}', "no address of a scheduler")):  # fmt: skip
        path.write_text(text, encoding="utf-8")
        with pytest.raises(RunError, match=wrong):
            address(str(path))
    path.write_text('{"address": "tcp://127.0.0.1:8786", "workers": {}}', encoding="utf-8")
    assert address(str(path)) == "tcp://127.0.0.1:8786"
    with pytest.raises(RunError, match="cannot be read"):
        address(str(tmp_path / "none.json"))


def test_without_dask_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(RunError, match=r"install evalkit\[cluster\]"), cluster("tcp://127.0.0.1:1", print):
        pass


def test_nothing_loads_dask_unless_it_is_asked_for():
    script = (
        "import sys\nfrom evalkit.cli import main\n"
        "import evalkit.report.run, evalkit.report.cluster, evalkit.placebos, evalkit.planning\n"
        "print(any(name.split('.')[0] in ('dask', 'distributed') for name in sys.modules))"
    )
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert told.stdout == "False\n"


def test_in_order_tells_before_it_works():
    seen = []
    assert in_order(lambda a, b: seen.append(b) or a + b, 1, [2, 3], lambda b: seen.append(-b)) == [3, 4]
    assert seen == [-2, 2, -3, 3]


def test_calibrate_prints_the_record(capsys):
    assert main(["calibrate", "uec", "--design", "group_time", "--draws", "40", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["designs"]["group_time"]["draws"] == 40
    assert len(record["designs"]["group_time"]["estimates"]) == 40
    assert main(["calibrate", "uec", "--design", "nothing"]) == 1
    assert "no design called 'nothing'" in capsys.readouterr().err
