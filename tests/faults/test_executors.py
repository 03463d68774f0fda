"""One bad run among others: the others finish, for every kind of failure and every executor."""

import importlib.util
import json
import time

import pytest

from gatelab.errors import UserError
from gatelab.store import Store
from gatelab.store.faults import VARIABLE
from gatelab.sweeps import ExecutorOptions, Failure, execute
from gatelab.sweeps.executors import open_executor
from tests.training.examples import configuration, outcome

BAD = 1
REASONS = {
    "raise": "RuntimeError: injected",
    "memory": "out of memory (MemoryError: injected); about ",
    "exit": "SystemExit: 3",
    "interrupt": "KeyboardInterrupt",
    "leave": "its process ended with status 7",
    "kill": "its process was ended by SIGKILL (out of memory?)",
    "segfault": "its process was ended by SIGSEGV",
    "hang": "no step for 0.05 minutes (hydra.launcher.silent_minutes)",
}


def sweep(folder, runs=4, **options):
    settings = ExecutorOptions(**{"workers": 2, "silent_minutes": 0.05, **options})
    points = [configuration(folder, seed=seed) for seed in range(runs)]
    with open_executor(settings, 1, "cpu", folder / "sweeps") as executor:
        return execute(points, "sweep", settings, lambda: executor)


@pytest.mark.parametrize(
    "kind", ["kill", *(pytest.param(kind, marks=pytest.mark.slow) for kind in REASONS if kind != "kill")]
)
def test_the_others_finish_and_the_next_launch_trains_the_bad_one(tmp_path, monkeypatch, kind):
    monkeypatch.setenv(VARIABLE, f"{kind}:{BAD}")
    outcomes = sweep(tmp_path)
    failures = [outcome for outcome in outcomes if isinstance(outcome, Failure)]
    assert [failure.seed for failure in failures] == [BAD]
    assert failures[0].reason.startswith(REASONS[kind])
    assert len(Store(tmp_path).results()) == 3
    note = tmp_path / failures[0].identity / "failed.json"
    assert json.loads(note.read_text())["reason"] == failures[0].reason
    monkeypatch.delenv(VARIABLE)
    assert not any(isinstance(outcome, Failure) for outcome in sweep(tmp_path))
    assert not note.exists()
    assert len(Store(tmp_path).results()) == 4


def test_runs_trained_by_workers_are_those_trained_here(tmp_path):
    sweep(tmp_path / "workers", runs=3)
    execute([configuration(tmp_path / "here", seed=seed) for seed in range(3)])
    for seed in range(3):
        identity = configuration(tmp_path, seed=seed).identity
        assert outcome(tmp_path / "workers", identity) == outcome(tmp_path / "here", identity)


@pytest.mark.parametrize("kind", ["raise", "exit"])
def test_inline_survives_what_a_process_can_survive(tmp_path, monkeypatch, kind):
    monkeypatch.setenv(VARIABLE, f"{kind}:{BAD}")
    outcomes = sweep(tmp_path, executor="inline")
    assert [outcome.reason for outcome in outcomes if isinstance(outcome, Failure)] == [REASONS[kind]]
    assert len(Store(tmp_path).results()) == 3


def test_a_user_error_is_told_as_the_reason(tmp_path):
    blocked = configuration(tmp_path, seed=1)
    (tmp_path / blocked.identity).write_text("")
    outcomes = sweep(tmp_path, runs=3, executor="inline")
    assert [outcome.reason for outcome in outcomes if isinstance(outcome, Failure)] == [
        f"{tmp_path}/{blocked.identity}: the folder cannot be made: File exists"
    ]


def test_each_worker_sees_one_gpu(tmp_path, monkeypatch):
    from gatelab.sweeps.executors import processes

    seen = []

    class Started:
        def __init__(self, gpu, heard, start):
            seen.append(gpu)
            self.gpu, self.handle = gpu, None

    monkeypatch.setattr(processes, "_Worker", Started)
    crew = processes.Processes(4, ("0", "1", "2"))
    crew.prepare(4)
    assert seen == ["0", "1", "2", "0"]


@pytest.mark.skipif(importlib.util.find_spec("submitit") is None, reason="submitit is not installed")
class TestSubmitit:
    @pytest.mark.parametrize("kind", ["leave", pytest.param("raise", marks=pytest.mark.slow)])
    def test_the_others_finish(self, tmp_path, monkeypatch, kind):
        monkeypatch.setenv(VARIABLE, f"{kind}:{BAD}")
        outcomes = sweep(tmp_path, executor="submitit", submitit={"cluster": "local"})
        failures = [outcome for outcome in outcomes if isinstance(outcome, Failure)]
        assert [failure.seed for failure in failures] == [BAD]
        assert failures[0].reason == REASONS[kind] if kind == "raise" else "came to no end" in failures[0].reason
        assert len(Store(tmp_path).results()) == 3

    @pytest.mark.slow
    def test_a_stack_that_takes_too_long_is_ended(self, tmp_path, monkeypatch):
        monkeypatch.setenv(VARIABLE, "hang:0")
        begun = time.monotonic()
        (failure,) = sweep(tmp_path, 1, executor="submitit", limit_minutes=0.1, submitit={"cluster": "local"})
        assert "hydra.launcher.limit_minutes" in failure.reason
        assert time.monotonic() - begun < 60


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="ray is not installed")
@pytest.mark.parametrize("kind", ["leave", "raise"])
def test_ray(tmp_path, monkeypatch, kind):
    monkeypatch.setenv(VARIABLE, f"{kind}:{BAD}")
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    outcomes = sweep(tmp_path, executor="ray")
    failures = [outcome for outcome in outcomes if isinstance(outcome, Failure)]
    assert [failure.seed for failure in failures] == [BAD]
    assert len(Store(tmp_path).results()) == 3


def test_an_engine_that_is_missing_is_a_user_error(tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match="needs `pip install ray`"):
        sweep(tmp_path, executor="ray")
