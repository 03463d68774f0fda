"""What the terminal shows of a stack."""

import itertools
import re
import time

import pytest

from gatelab.training import stack_progress, train_stack
from tests.training.examples import configuration

END = r"two runs: 8 steps in \d+\.\d s \(\d+\.\d steps/s\)\n"


@pytest.fixture
def runs(tmp_path):
    return [configuration(tmp_path, seed=seed, progress=True) for seed in range(2)]


def test_without_a_terminal_there_is_a_line_at_the_start_and_one_at_the_end(runs, capsys):
    train_stack(runs, title="two runs")
    shown = capsys.readouterr()
    assert re.fullmatch(r"\d\d:\d\d two runs: step 0 of 8\n" + END, shown.err)
    assert shown.out == ""


@pytest.mark.usefixtures("one_step_at_a_time")
def test_without_a_terminal_there_is_a_line_a_minute(runs, capsys, monkeypatch):
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    # half a minute goes by with every look at the clock
    clock = itertools.count(12 * 3600, 30)
    train_stack(runs, display=stack_progress.TerminalProgress("two runs", lambda: next(clock)))
    *lines, end = capsys.readouterr().err.splitlines(keepends=True)
    assert [line[:29] for line in lines] == [
        "12:00 two runs: step 0 of 8\n",
        "12:01 two runs: step 2 of 8, ",
        "12:02 two runs: step 4 of 8, ",
        "12:03 two runs: step 6 of 8, ",
        "12:04 two runs: step 8 of 8, ",
    ]
    told = r"loss 0\.\d+, best validation \d\.\d+, about \d\.\d s left\n"
    assert re.fullmatch(told, lines[-2][29:])
    assert re.fullmatch(END, end)


def test_on_a_terminal_there_are_step_rate_loss_and_time_left(runs, capsys, monkeypatch):
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(stack_progress, "_EVERY", 0.0)
    train_stack(runs, title="two runs")
    shown = capsys.readouterr()
    plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown.err)
    assert re.search(r"two runs .*step 8/8 +\d+\.\d steps/s  loss 0\.\d+ +0:00:\d\d +left +0:00:\d\d", plain)
    assert re.search(END + "$", plain)
    assert shown.out == ""


def test_without_progress_there_is_nothing(tmp_path, capsys):
    train_stack([configuration(tmp_path)])
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("", "")
