"""Loggers that fail, hang or are not there: a run comes to its end without them, in bounded time."""

import os
import socket
import subprocess
import sys
import threading
import time

import pytest
import wandb

from gatelab.store import Store
from gatelab.training import train_stack
from gatelab.training.loggers import loggers
from tests.training.examples import configuration, outcome
from tests.training.wandb_files import records

SHORT = 0.2  # seconds of patience with a logger that hangs


class FaultyRun:
    """A W&B run of which one call goes wrong."""

    def __init__(self, faulty, fault):
        self.faulty, self.fault = faulty, fault
        self.summary = {}
        self.resumed = False
        self.called = []

    def _call(self, name):
        self.called.append(name)
        if name == self.faulty:
            self.fault()

    def define_metric(self, *names, **options):
        self._call("define_metric")

    def log(self, numbers):
        self._call("log")

    def finish(self, exit_code):
        self._call("finish")


def fail():
    raise ConnectionError("the server\nis gone")


def hang():
    time.sleep(60)


@pytest.fixture
def faulty(tmp_path, monkeypatch, capfd):
    """Train two runs whose W&B has a fault; return the warnings, after checking that the runs are whole."""

    wandb.setup(wandb.Settings(silent=True))  # takes as long as SHORT the first time

    def train(start, patience=30.0):
        monkeypatch.setattr(wandb, "init", start)
        monkeypatch.setattr(loggers, "SHORT_TIMEOUT", SHORT)
        logger = {"wandb": {"patience": patience}, "csv": {}}
        runs = [configuration(tmp_path / "faulty", seed=seed, logger=logger) for seed in (0, 1)]
        train_stack(runs)
        train_stack([configuration(tmp_path / "sound", seed=seed) for seed in (0, 1)])
        for run in runs:
            assert Store(tmp_path / "faulty").finished(run.identity).status == "finished"
            assert outcome(tmp_path / "faulty", run.identity) == outcome(tmp_path / "sound", run.identity)
            lines = (tmp_path / "faulty" / run.identity / "csv" / "metrics.csv").read_text().splitlines()
            assert len(lines) == 1 + 4
        return capfd.readouterr().err.splitlines()

    return train


def test_a_logger_that_does_not_begin_costs_one_line_a_stack(faulty):
    (warning,) = faulty(lambda **settings: fail())
    identity = configuration("unused", seed=0).identity
    assert warning == (
        f"warning: the wandb logger of run {identity} and of those after it in its stack is dropped: "
        "ConnectionError: the server is gone"
    )


@pytest.mark.parametrize("call", ["log", "finish"])
def test_a_logger_that_fails_costs_one_line_a_run(faulty, call):
    opened = []

    def start(**settings):
        opened.append(FaultyRun(call, fail))
        return opened[-1]

    warnings = faulty(start)
    identities = [configuration("unused", seed=seed).identity for seed in (0, 1)]
    # they end at the same time, so in any order
    assert sorted(warnings) == [
        f"warning: the wandb logger of run {identity} is dropped: ConnectionError: the server is gone"
        for identity in sorted(identities)
    ]
    # after its first failure it is ended, and not spoken to again
    assert all(run.called.count("finish") == 1 for run in opened)
    assert call == "finish" or all(run.called.count("log") == 1 for run in opened)


def test_a_logger_that_never_ends_is_left_behind(faulty):
    warnings = faulty(lambda **settings: FaultyRun("finish", hang), SHORT)
    assert len(warnings) == 2
    assert all(warning.endswith(f"TimeoutError: no end after {SHORT:g} s") for warning in warnings)


def test_a_logger_that_takes_no_row_is_waited_for_once_a_stack(faulty):
    opened = []

    def start(**settings):
        opened.append(FaultyRun("log", hang))
        return opened[-1]

    first, second = faulty(start, SHORT)
    assert first.endswith(f"TimeoutError: no end after {SHORT:g} s")
    assert second.endswith("TimeoutError: the logger of another run of its stack does not answer")
    assert [run.called.count("log") for run in opened] == [1, 0]


def test_a_logger_that_begins_too_late_is_ended_and_not_used(faulty):
    late, ended = threading.Event(), threading.Event()
    run = FaultyRun("finish", ended.set)

    def start(**settings):
        late.wait(60)
        return run

    (warning,) = faulty(start, SHORT)
    assert warning.endswith(f"TimeoutError: no end after {SHORT:g} s")
    late.set()
    assert ended.wait(60)
    assert run.called == ["finish"]


def test_loggers_end_at_the_same_time():
    both = threading.Barrier(3)

    class Waiting:
        def finish(self, result):
            both.wait(60)

    loggers.finish_loggers([Waiting() for _ in range(3)], [None] * 3)  # type: ignore[list-item]
    assert not both.broken


def test_a_stack_that_dies_leaves_no_run_open_and_says_that_it_failed(tmp_path, monkeypatch):
    opened = []

    class Ended(FaultyRun):
        def finish(self, exit_code):
            self.called.append(exit_code)

    def start(**settings):
        opened.append(Ended(None, None))
        return opened[-1]

    monkeypatch.setattr(wandb, "init", start)
    monkeypatch.setattr("gatelab.training.stack_fit.fit", lambda *arguments: fail())
    with pytest.raises(ConnectionError):
        train_stack([configuration(tmp_path, seed=seed, logger={"wandb": {}}) for seed in (0, 1)])
    assert [run.called[-1] for run in opened] == [1, 1]


def test_a_comparison_that_cannot_be_logged_is_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(wandb, "init", lambda **settings: fail())
    loggers.log_comparison(configuration(tmp_path, logger={"wandb": {}}), "the sweep", {})
    expected = "warning: the wandb logger of the comparison is dropped: ConnectionError: the server is gone\n"
    assert capsys.readouterr().err == expected


TRAINED = """
import os, signal, sys
from pathlib import Path
from gatelab.tasks.memory.adding import Adding
from gatelab.training import train_stack
from tests.training.examples import configuration
from wandb.sdk import wandb_setup

folder, mode, fault = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
drawn = Adding.training_batch

def struck(self, seed, step, batch_size):
    if fault and (seed, step) == (0, 4):
        os.kill(wandb_setup.singleton()._connection._proc._process.pid, getattr(signal, fault))
    return drawn(self, seed, step, batch_size)

Adding.training_batch = struck
logger = {"wandb": {"mode": mode, "patience": 4.0}}
train_stack([configuration(folder, seed=seed, logger=logger) for seed in (0, 1)])
print("trained")
sys.exit(7)
"""


def trained(folder, mode, fault="", **environment):
    """Train in a process of its own; return what it wrote to stderr, after checking that the runs are whole."""
    known = {name: value for name, value in os.environ.items() if not name.startswith(("WANDB_", "NETRC"))}
    home = folder.parent / "home"
    home.mkdir()
    command = [sys.executable, "-c", TRAINED, str(folder), mode, fault]
    # a service process left behind would hold the pipes open, and the time would run out
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=100, stdin=subprocess.DEVNULL,
        env={**known, "HOME": str(home), "OMP_NUM_THREADS": "1", **environment},
    )  # fmt: skip
    assert (done.stdout, done.returncode) == ("trained\n", 7)
    train_stack([configuration(folder.parent / "sound", seed=seed) for seed in (0, 1)])
    for seed in (0, 1):
        identity = configuration(folder, seed=seed).identity
        assert outcome(folder, identity) == outcome(folder.parent / "sound", identity)
    lines = done.stderr.splitlines()
    assert all(line.startswith("warning: ") for line in lines)
    return lines


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["SIGKILL", "SIGSTOP"])
def test_a_service_process_that_dies_or_hangs_costs_a_line_a_run(tmp_path, fault):
    lines = trained(tmp_path / "runs", "offline", fault)
    assert sum("the wandb logger of run" in line for line in lines) == 2
    stopped = [line for line in lines if "was stopped" in line]
    assert len(stopped) == (fault == "SIGSTOP")


def kept_offline(folder):
    files = sorted(folder.glob("wandb/offline-run-*/run-*.wandb"), key=lambda file: file.name)
    identities = [configuration(folder, seed=seed).identity for seed in (0, 1)]
    assert [file.name for file in files] == sorted(f"run-{identity}.wandb" for identity in identities)
    assert all(records(file)["exit"][0].get("exit_code", 0) == 0 for file in files)


@pytest.mark.slow
def test_without_a_key_runs_are_kept_offline(tmp_path):
    (line,) = trained(tmp_path / "runs", "online")
    assert line.startswith("warning: W&B is not reached, so runs are kept offline: UsageError: No API key configured")
    kept_offline(tmp_path / "runs")


@pytest.mark.slow
def test_without_an_answer_of_the_server_runs_are_kept_offline(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        (line,) = trained(tmp_path / "runs", "online", WANDB_BASE_URL=address, WANDB_API_KEY="a" * 40)
    assert line == "warning: W&B is not reached, so runs are kept offline: TimeoutError: no end after 4 s"
    kept_offline(tmp_path / "runs")


def test_a_folder_that_cannot_be_written_costs_one_line(tmp_path, capfd):
    (tmp_path / "wandb").write_text("in the way")
    run = configuration(tmp_path, logger={"wandb": {}})
    train_stack([run])
    assert Store(tmp_path).finished(run.identity).status == "finished"
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith(f"warning: the wandb logger of run {run.identity} and of those after it in its stack")
