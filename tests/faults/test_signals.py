"""A sweep that is asked to stop, and workers whose launcher is gone."""

import signal
import time

import pytest

from gatelab.store import Store
from tests.faults.sweeping import alive, children, start, wait_for


def validated(folder, runs):
    """Say whether so many runs have a validation behind them; the stacks of a sweep do not begin at the same moment."""
    return sum(path.stat().st_size > 0 for path in folder.glob("runs/*/metrics.jsonl")) == runs


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_the_sweep_within_5_seconds_and_the_same_command_goes_on(tmp_path, number):
    steps = ["variant=lstm", "seed=range(4)", "training.validate_every=100"]
    process = start(tmp_path, *steps, "training.max_steps=20000")
    wait_for(lambda: validated(tmp_path, 4))
    workers = children(process.pid)
    begun = time.monotonic()
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert time.monotonic() - begun < 30
    assert process.returncode == 128 + number
    assert errors.splitlines()[-1] == "stopped: 0 of 4 runs are finished; the same command goes on with the others"
    wait_for(lambda: not any(alive(worker) for worker in workers), 15)
    store = Store(tmp_path / "runs")
    assert len(store.unfinished()) == 4
    assert all(store.resume_step(identity) > 0 for identity in store.unfinished())
    assert all(store.owner(identity) is None for identity in store.unfinished())


def test_workers_end_when_their_launcher_is_killed(tmp_path):
    process = start(tmp_path, "seed=range(2)", "training.max_steps=100000", "training.validate_every=100")
    # the first checkpoint comes after a second, and so after many validations of quick runs
    wait_for(lambda: len(list(tmp_path.glob("runs/*/checkpoint/last.pt"))) == 2)
    workers = children(process.pid)
    assert workers
    process.kill()
    process.communicate()
    wait_for(lambda: not any(alive(worker) for worker in workers), 15)
    store = Store(tmp_path / "runs")
    assert all(store.resume_step(identity) > 0 for identity in store.unfinished())
