"""What the terminal shows of a stack."""

import re

import pytest

from gatelab.training import terminal, train_stack
from tests.training.examples import configuration

END = r"two runs: 8 steps in \d+\.\d s \(\d+\.\d steps/s\)\n"


@pytest.fixture
def runs(tmp_path):
    return [configuration(tmp_path, seed=seed, progress=True) for seed in range(2)]


def test_without_a_terminal_there_is_one_line(runs, capsys):
    train_stack(runs, title="two runs")
    shown = capsys.readouterr()
    assert re.fullmatch(END, shown.err)
    assert shown.out == ""


def test_on_a_terminal_there_are_step_rate_loss_and_time_left(runs, capsys, monkeypatch):
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(terminal, "_EVERY", 0.0)
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
