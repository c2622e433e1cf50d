"""Killed or asked to stop at any moment: does the report that was there stay whole, and nothing stay behind?"""

# ruff: noqa: F811 - the fixture that is imported
from __future__ import annotations

import random
import signal
import time

import pytest
from benches import PATIENCE, bench, linux, posix, whole  # noqa: F401 - a fixture

pytestmark = posix


def killed_at(bench, moments):
    started = time.monotonic()
    assert bench.run("uec")[0] == 0
    lasted = time.monotonic() - started
    made = {whole(bench.report)["created"]}
    for moment in moments:
        process = bench.start("run", "uec", "--force")
        time.sleep(moment * lasted)
        process.kill()
        process.communicate()
        bench.end()
        made.add(whole(bench.report)["created"])
    assert bench.run("uec", "--force")[0] == 0
    assert whole(bench.report)["created"] not in made
    assert bench.left() == []


@linux
def test_a_run_killed_at_any_moment_leaves_a_whole_report_and_no_process(bench):
    draw = random.Random(8)  # noqa: S311
    killed_at(bench, [draw.uniform(0.05, 1.05) for _ in range(4)])


@linux
@pytest.mark.slow
def test_a_run_killed_at_many_moments_leaves_a_whole_report_and_no_process(bench):
    draw = random.Random(9)  # noqa: S311
    killed_at(bench, [draw.uniform(0.0, 1.1) for _ in range(60)])


@linux
@pytest.mark.parametrize(
    ("number", "code", "fork"),
    [
        (signal.SIGINT, 130, True),
        (signal.SIGTERM, 143, True),
        pytest.param(signal.SIGHUP, 129, True, marks=pytest.mark.slow),
        pytest.param(signal.SIGTERM, 143, False, marks=pytest.mark.slow),
    ],
)
def test_a_run_that_is_asked_to_stop_does_so_at_once_and_leaves_nothing(bench, number, code, fork):
    assert bench.run("uec")[0] == 0
    before = whole(bench.report)
    flag = bench.top / "runs"
    bench.write(long=[f"open({str(flag)!r}, 'w').close()\nimport time\ntime.sleep(600)"], quick=["print(1)"])
    process = bench.start("run", "uec", *([] if fork else ["--no-fork"]))
    until = time.monotonic() + PATIENCE
    while not flag.exists() and time.monotonic() < until:
        time.sleep(0.05)
    assert flag.exists()
    process.send_signal(number)
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == code
    assert err.splitlines()[-1] == "stopped; reports that were already in place are whole"
    assert "Traceback" not in err
    bench.end()
    assert bench.left() == []
    assert whole(bench.report) == before
