"""Killed, stopped, out of space, without permission, two at once: does the report that was there stay whole?"""

# ruff: noqa: F811 - the fixture that is imported
from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import nbformat
import pytest
from benches import PATIENCE, ROOT, Bench, bench, linux, posix, whole  # noqa: F401 - a fixture
from test_run import notebook

from evalkit import files
from evalkit.cli import main
from evalkit.errors import RunError
from evalkit.report import fresh, publish
from evalkit.report.kernel import sweep

pytestmark = posix
STEPS = ("rename", "replace", "mkdir", "rmtree", "swapped")


@linux
@pytest.mark.parametrize("exchange", [True, False])
def test_killed_before_any_step_of_putting_in_place_a_whole_report_stands(tmp_path, exchange):
    def make(folder, text):
        folder.mkdir(parents=True)
        (folder / "page.html").write_text(text, encoding="utf-8")
        files_ = {"page.html": fresh.file_hash(folder / "page.html")}
        record = {"study": "uec", "status": "complete", "created": text, "files": files_}
        publish.write_json(folder / fresh.MANIFEST, record)

    make(tmp_path / "uec", "0")
    for step in range(1, 9):
        child = os.fork()
        if child == 0:  # another process
            make(tmp_path / f".uec.{os.getpid()}.new", str(step))
            _die_before(step, exchange)
            publish.put_in_place(tmp_path / f".uec.{os.getpid()}.new", tmp_path, "uec")
            os._exit(0)
        os.waitpid(child, 0)
        assert whole(tmp_path / "uec")["created"] in {str(step), str(step - 1), "0"}
        if exchange:
            assert (tmp_path / "uec").is_dir()  # at every moment
        publish.recover(tmp_path)
        whole(tmp_path / "uec")
        assert [p.name for p in tmp_path.iterdir()] == ["uec"]
    assert whole(tmp_path / "uec")["created"] == "8"


def _die_before(step, exchange):  # in another process
    left = [step]

    def counted(call):
        def wrapper(*args, **kwargs):
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*args, **kwargs)

        return wrapper

    for name in ("rename", "unlink", "rmdir"):
        setattr(os, name, counted(getattr(os, name)))
    for name in ("rename", "unlink"):
        setattr(Path, name, counted(getattr(Path, name)))
    files.swapped = counted(files.swapped) if exchange else (lambda *_: False)


def test_a_second_run_waits_for_the_first_and_both_complete(bench):
    bench.write(quick=["import time\ntime.sleep(1)\nprint(1)"])
    text = bench.protocol.read_text(encoding="utf-8")
    bench.protocol.with_name("twin.yml").write_text(text, encoding="utf-8")
    runs = [bench.start("run", name, "--force") for name in ("uec", "uec", "twin")]
    said = [process.communicate(timeout=300) for process in runs]
    assert [process.returncode for process in runs] == [0, 0, 0], said
    assert sum("another run writes to" in err for _, err in said) >= 1
    for name in ("uec", "twin"):
        whole(bench.home / "reports" / name)
    index = (bench.home / "reports" / "index.html").read_text(encoding="utf-8")
    assert index.endswith("</html>\n")
    assert "twin/quick.html" in index
    assert "uec/quick.html" in index
    looks = json.loads((bench.report / "looks.json").read_text(encoding="utf-8"))["looks"]
    assert len(looks) == 1
    assert bench.left() == []


def test_a_folder_that_stays_held_is_refused_and_a_dead_holder_holds_nothing(tmp_path):
    said = []
    with publish.opened(tmp_path, said.append), pytest.raises(RunError, match="another run has been writing"):  # noqa: SIM117
        with publish.opened(tmp_path, said.append, wait=0.2):
            pass
    assert len(said) == 1
    program = (
        "import os, sys; from pathlib import Path; from evalkit import files\n"
        "with files.held(Path(sys.argv[1]), 1): os.kill(os.getpid(), 9)"
    )
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    ended = subprocess.run([sys.executable, "-c", program, tmp_path / publish.LOCK], env=env, check=False)
    assert ended.returncode == -9
    with publish.opened(tmp_path, said.append, wait=0.0):
        assert len(said) == 1


def test_a_report_that_is_replaced_while_it_is_verified_is_read_again(bench, capsys, monkeypatch):
    monkeypatch.setenv("EVALKIT_HOME", str(bench.home))
    assert bench.run("uec")[0] == 0
    real, calls = fresh.tampered, []

    def meanwhile(folder, record):
        if not calls:
            calls.append(1)
            assert bench.run("uec", "--force")[0] == 0
        return real(folder, record)

    monkeypatch.setattr(fresh, "tampered", meanwhile)
    assert main(["verify", str(bench.report)]) == 0
    assert "every file is as it was written" in capsys.readouterr().out


def test_two_locks_at_once_lose_no_entry(bench):
    first = bench.start("lock", "uec", "--by", "first")
    first.communicate(timeout=120)
    assert first.returncode == 0
    runs = [bench.start("lock", "uec", "--by", f"n{i}", "--amend", "--why", "a reason") for i in range(3)]
    for process in runs:
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
        assert "amendment" in out
    entries = json.loads(bench.protocol.with_name("uec.lock.json").read_text(encoding="utf-8"))["entries"]
    assert [e["number"] for e in entries] == [1, 2, 3, 4]
    assert {e["by"] for e in entries} == {"first", "n0", "n1", "n2"}
    assert [p.name for p in bench.protocol.parent.iterdir() if p.name.startswith(".")] == []


LIMITED = """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
"""


def test_a_full_disk_is_one_line_and_the_old_report_stays(bench):
    assert bench.run("uec")[0] == 0
    before = whole(bench.report)
    site = bench.top / "s"
    site.mkdir()
    (site / "sitecustomize.py").write_text(LIMITED.format(limit=2048), encoding="utf-8")
    code, _, err = bench.run("uec", "--force", env={"PYTHONPATH": f"{site}{os.pathsep}{ROOT}"})
    assert code == 1
    lines = [line for line in err.splitlines() if "File too large" in line]
    assert [line for line in lines if line.startswith("uec: the report could not be written")], err
    assert "index: cannot be written (File too large)" in err
    assert whole(bench.report) == before
    assert bench.left() == []
    assert bench.run("uec", "--force")[0] == 0


def bound():
    """The start of a command whom modes bind: root is bound by none, unless it gives up its rights."""
    if os.getuid() != 0:
        return []
    if shutil.which("setpriv") is None:
        pytest.skip("root, and no setpriv to give up its rights")
    return ["setpriv", "--bounding-set", "-dac_override,-dac_read_search", "--inh-caps", "-all"]


@pytest.mark.parametrize(
    ("path", "mode", "said"),
    [
        ("data/collaboratives/uec.yml", 0o000, "cannot be read (Permission denied)"),
        pytest.param("data/collaboratives", 0o000, "Permission denied", marks=pytest.mark.slow),
        ("data/demo/uec_panel.csv", 0o000, "cannot be read (Permission denied)"),
        pytest.param(
            "data/demo/uec_rollout.csv", 0o000, "cannot be read (Permission denied)", marks=pytest.mark.slow
        ),
        pytest.param("data/demo", 0o000, "which is not there", marks=pytest.mark.slow),
        ("notebooks/quick.ipynb", 0o000, "Permission denied"),
        ("reports", 0o555, "cannot be used as the output folder (Permission denied)"),
        ("reports", 0o000, "Permission denied"),
    ],
)
def test_without_permission_one_clear_line(bench, path, mode, said):
    (bench.home / "reports").mkdir()
    target = bench.home / path
    before = target.stat().st_mode
    target.chmod(mode)
    try:
        process = bench.start("run", "uec", before=bound())
        _, err = process.communicate(timeout=300)
    finally:
        target.chmod(before)
    assert process.returncode == 1, err
    assert "Traceback" not in err
    assert "unexpectedly" not in err
    assert said in err
    assert len(err.splitlines()) <= 4, err


def test_an_error_that_carries_a_name_from_data_cannot_steer_a_terminal():
    from evalkit.report.execute import _failure

    made = notebook("raise KeyError(name)")
    error = nbformat.v4.new_output(
        "error", ename="KeyError", evalue="\x1b]0;owned\x07 \u202e" + "x" * 9000, traceback=[]
    )
    made.cells[-1].outputs = [error]
    said = _failure(made, RuntimeError()).error
    assert said.startswith("KeyError: <U+001B>]0;owned<U+0007> <U+202E>x")
    assert len(said) <= 500


def test_cells_that_die_hang_shout_or_saw_off_their_branch_are_one_line_each_and_others_go_on(bench):
    bench.write(
        dies=["import os\nos.kill(os.getpid(), 9)"],
        hangs=["import time\ntime.sleep(600)"],
        shouts=["for _ in range(30):\n    print('x' * 1_000_000)"],
        quick=["print(6 * 7)"],
        saws=["import os, shutil\nshutil.rmtree(os.getcwd())\nprint(os.path.exists('.'))"],
    )
    code, _, err = bench.run("uec", "--timeout", "4", "--jobs", "1")
    assert code == 1
    said = {name: [line for line in err.splitlines() if line.startswith(f"uec: {name}: cell")]
            for name in ("dies", "hangs", "shouts")}  # fmt: skip
    assert all(len(lines) == 1 for lines in said.values()), err
    assert "Kernel died" in said["dies"][0] or "DeadKernel" in said["dies"][0]
    assert "timed out" in said["hangs"][0].lower() or "timeout" in said["hangs"][0].lower()
    assert "showed 30 MB" in said["shouts"][0]
    assert "42" in (bench.report / "quick.html").read_text(encoding="utf-8")
    assert (bench.report / "shouts.html").stat().st_size < 100_000
    assert (bench.report / "saws.html").exists()
    assert bench.left() == []


class TestFolders:
    """Nothing that is not ours is replaced."""

    def test_a_folder_of_somebody_else_is_never_replaced(self, tmp_path):
        (tmp_path / "uec").mkdir()
        (tmp_path / "uec" / "thesis.txt").write_text("years of work", encoding="utf-8")
        with pytest.raises(RunError, match="is no report of evalkit"):
            publish.put_in_place(publish.workspace(tmp_path, "uec"), tmp_path, "uec")
        assert (tmp_path / "uec" / "thesis.txt").read_text(encoding="utf-8") == "years of work"

    def test_old_files_of_somebody_else_are_left_alone(self, tmp_path):
        (tmp_path / ".bashrc.old").write_text("x", encoding="utf-8")
        (tmp_path / ".config.old").mkdir()
        (tmp_path / ".notes.new").mkdir()
        with publish.opened(tmp_path, print):
            pass
        assert {p.name for p in tmp_path.iterdir()} == {".bashrc.old", ".config.old", ".notes.new", publish.LOCK}

    def test_an_index_of_somebody_else_is_never_replaced(self, tmp_path):
        (tmp_path / "index.html").write_text("<h1>My own site</h1>", encoding="utf-8")
        with (
            pytest.raises(RunError, match=r"index\.html that evalkit did not write"),
            publish.opened(tmp_path, print),
        ):
            pass

    def test_a_link_where_a_report_stands_is_replaced_and_what_it_leads_to_stays(self, tmp_path):
        away = tmp_path / "away"
        away.mkdir()
        publish.write_json(away / fresh.MANIFEST, {"study": "uec", "status": "complete"})
        out = tmp_path / "out"
        out.mkdir()
        (out / "uec").symlink_to(away)
        publish.put_in_place(publish.workspace(out, "uec"), out, "uec")
        assert not (out / "uec").is_symlink()
        assert (away / fresh.MANIFEST).exists()

    def test_a_name_that_cannot_be_renamed_leaves_the_old_report_where_it_was(self, tmp_path, monkeypatch):
        (tmp_path / "uec").mkdir()
        publish.write_json(tmp_path / "uec" / fresh.MANIFEST, {"study": "uec", "status": "complete"})
        monkeypatch.setattr(files, "swapped", lambda *_: False)
        with pytest.raises(OSError, match="No such file"):
            publish.put_in_place(tmp_path / "gone", tmp_path, "uec")
        assert (tmp_path / "uec" / fresh.MANIFEST).exists()

    def test_folders_of_sockets_that_the_dead_left_are_swept_and_those_of_the_living_stay(
        self, tmp_path, monkeypatch
    ):
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
        gone = subprocess.Popen([sys.executable, "-c", ""])
        gone.wait()
        for name in (f"ek-{gone.pid}-abcd", f"ek-{os.getpid()}-abcd", "ek-notes-2024", f"ek-{10**30}-x"):
            (tmp_path / name).mkdir()
        sweep()
        assert {p.name for p in tmp_path.iterdir()} == {f"ek-{os.getpid()}-abcd", "ek-notes-2024"}

    def test_a_file_is_written_whole_or_not_at_all(self, tmp_path, monkeypatch):
        path = tmp_path / "page.html"
        files.write_text(path, "before")

        def full(*_):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "replace", full)
        with pytest.raises(OSError, match="No space"):
            files.write_text(path, "after")
        assert {p.name: p.read_text(encoding="utf-8") for p in tmp_path.iterdir()} == {"page.html": "before"}


@pytest.mark.parametrize(
    "change",
    [
        {"named": []}, {"named": {"data": 3}}, {"notebooks": [1]}, {"notebooks": "x"}, {"files": []},
        {"files": {"a": {}}}, {"inputs": []}, {"inputs": {"a": 1}}, {"named": {"data": "\0"}},
    ],
)  # fmt: skip
def test_a_manifest_that_was_tampered_with_makes_nothing_fall_over(tmp_path, change, monkeypatch, capsys):
    protocol = tmp_path / "data" / "collaboratives" / "uec.yml"
    protocol.parent.mkdir(parents=True)
    protocol.write_text("title: x\n", encoding="utf-8")
    monkeypatch.setenv("EVALKIT_HOME", str(tmp_path))
    folder = tmp_path / "reports" / "uec"
    folder.mkdir(parents=True)
    record = {"study": "uec", "status": "complete", "created": "c", "files": {}, "inputs": {}, "named": {},
              "notebooks": [], "failures": [], "summary": {}}  # fmt: skip
    publish.write_json(folder / fresh.MANIFEST, {**record, **change})
    assert fresh.stale(folder, protocol, tmp_path, None)
    assert main(["verify", str(folder)]) == 1
    assert "unexpectedly" not in capsys.readouterr().err
