"""A launcher and all its workers killed at random moments, and started again until the sweep is done.

``GATELAB_KILLS=300 python -m pytest tests/faults/test_kills.py -m slow`` kills as often as it says; 50 is the default.
"""

import os
import random
import signal
import time

import pytest

from gatelab.runs import Store
from tests.faults.sweeping import alive, children, kill_all, result_files, start, table, wait_for

SWEEP = ["variant=lstm,gru", "seed=range(6)", "training.max_steps=400", "training.validate_every=50"]
KILLS = int(os.environ.get("GATELAB_KILLS", "50"))


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("uninterrupted")
    process = start(folder, *SWEEP)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    return folder


def killed_and_restarted(folder, whole, kills, seed):
    """Kill so often; each time a sweep is through, begin another one in a fresh folder. Return the kills that hit."""
    moments, sweep, hits = random.Random(seed), 0, 0
    finished: dict[str, bytes] = {}
    while True:
        place = folder / str(sweep)
        place.mkdir(exist_ok=True)
        process = start(place, *SWEEP)
        if hits < kills:
            # most of the time before the first step goes into imports, where nothing can be lost
            until = time.monotonic() + moments.uniform(2.0, 12.0)
            while process.poll() is None and time.monotonic() < until:
                time.sleep(0.05)
        if hits < kills and process.poll() is None:
            kill_all(process)
            hits += 1
        else:
            _, errors = process.communicate(timeout=300)
            assert process.returncode == 0, errors
            assert table(place) == table(whole)
        now = result_files(place)
        # nothing that was finished is lost or written again
        assert {path: time for path, time in now.items() if path in finished} == finished
        finished = now
        if process.returncode == 0:
            if hits == kills:
                return
            sweep, finished = sweep + 1, {}


def test_nothing_is_lost_nothing_is_repeated(tmp_path, uninterrupted):
    killed_and_restarted(tmp_path, uninterrupted, kills=3, seed=1)


@pytest.mark.slow
def test_nothing_is_lost_nothing_is_repeated_in_many_kills(tmp_path, uninterrupted):
    killed_and_restarted(tmp_path, uninterrupted, KILLS, seed=2)


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
    wait_for(lambda: validated(tmp_path, 2))
    workers = children(process.pid)
    assert workers
    process.kill()
    process.communicate()
    wait_for(lambda: not any(alive(worker) for worker in workers), 15)
    store = Store(tmp_path / "runs")
    assert all(store.resume_step(identity) > 0 for identity in store.unfinished())


@pytest.mark.parametrize("launchers", [2, pytest.param(8, marks=pytest.mark.slow)])
def test_launchers_at_once_share_the_work(tmp_path, uninterrupted, launchers):
    processes = [start(tmp_path, *SWEEP, "hydra.launcher.workers=1") for _ in range(launchers)]
    for process in processes:
        _, errors = process.communicate(timeout=600)
        assert process.returncode == 0, errors
    assert table(tmp_path) == table(uninterrupted)
    # every validation of every run was written once
    store = Store(tmp_path / "runs")
    for result in store.results():
        steps = [row["step"] for row in store.history(result.identity) if row["split"] == "validation"]
        assert steps == list(range(50, 401, 50))
        assert store.owner(result.identity) is None
