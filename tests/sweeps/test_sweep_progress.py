"""The lines of a sweep in a log file: one at the start, one a minute, one at the end."""

import time

import pytest

from gatelab.store import Stop
from gatelab.sweeps.launcher_options import ExecutorOptions
from gatelab.sweeps.scheduler import Scheduler
from gatelab.sweeps.sweep_progress import SweepState, View
from tests.sweeps.test_scheduler import Pretending, failing
from tests.training.examples import configuration


@pytest.fixture(autouse=True)
def zone(monkeypatch):
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()


def test_a_line_a_minute(capsys):
    now = [12 * 3600.0]
    view = View(clock=lambda: now[0])
    for second in range(0, 150, 10):
        now[0] = 12 * 3600.0 + second
        # after a hundred seconds a hundredth of the work is done
        view.count(SweepState(10_000, 412 + second, second // 60, 8, 10.0 * second, 100_000.0))
    view.count(SweepState(10_000, 10_000, 0, 0, 100_000.0, 100_000.0), last=True)
    assert capsys.readouterr().err.splitlines() == [
        "12:00 412 of 10,000 runs finished, 8 stacks running",
        "12:01 472 of 10,000 runs finished, 1 failed, 8 stacks running, about 2.8 h left",
        "12:02 532 of 10,000 runs finished, 2 failed, 8 stacks running, about 2.7 h left",
        "12:02 10,000 of 10,000 runs finished",
    ]


def test_progress_false_is_silent(capsys):
    View(quiet=True).count(SweepState(1, 0, 0, 1, 0.0, 1.0), last=True)
    assert capsys.readouterr().err == ""


def test_on_a_terminal_the_lines_move_instead(capsys, monkeypatch):
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    with View() as view:
        view.count(SweepState(1, 0, 0, 1, 0.0, 1.0))
    assert "of 1 runs" not in capsys.readouterr().err


def test_a_scheduler_counts_its_runs(tmp_path, capsys):
    stacks = [[configuration(tmp_path, seed=seed) for seed in seeds] for seeds in ((0, 1), (2,))]
    with View() as view:
        executor = Pretending(failing(1))
        Scheduler(stacks, executor, ExecutorOptions(), None, view, Stop(sweep=True), before=7).run()
    lines = [line for line in capsys.readouterr().err.splitlines() if "runs finished" in line]
    assert [line[6:] for line in lines] == [
        "7 of 10 runs finished, 1 stack running",
        "9 of 10 runs finished, 1 failed",
    ]
