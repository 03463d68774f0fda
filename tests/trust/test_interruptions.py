"""Sweeps of many kinds that are asked to stop at random moments, by Ctrl-C, SIGTERM or a terminal that closes."""

import os
import random
import signal
import time

import pytest

from gatelab.store import Store
from tests.faults.sweeping import alive, children, result_files, wait_for
from tests.trust.kinds import SWEEPS, everything, same
from tests.trust.launching import Launch, launch_and_end

KINDS = tuple(SWEEPS)
QUICK = ("loop and lengths",)

NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
LAST_LINES = ("interrupted", "stopped: ")
LATENCIES = (0.5, 1.0, 2.0, 5.0, 15.0)  # seconds, by which the answers are counted


def hear(folder):
    """Be as a process of a terminal is (what runs in the background ignores Ctrl-C), and say that it begins."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    begun(folder).touch()


def begun(folder):
    return folder.with_suffix(".begun")


@pytest.fixture
def whole(chunk, tmp_path):
    """What the sweep leaves when nobody stops it, and the seconds that it takes."""
    sweep = SWEEPS[chunk.kind]
    folder = sweep.lay_out(tmp_path / "whole")
    launch = launch_and_end(folder, sweep.arguments, environment=sweep.environment)
    return everything(folder), time.monotonic() - launch.begun


def has_stopped_in_order(launch, number, status, workers):
    """Assert that a launch has said so in one line, and has left no process, claim or half a file."""
    assert status == 128 + number, f"status {status}: {launch.err()}"
    assert "Traceback" not in launch.err() + launch.out(), launch.err()
    assert launch.err().splitlines()[-1].startswith(LAST_LINES), launch.err()
    wait_for(lambda: not any(alive(worker) for worker in workers), 15)
    runs = launch.folder / "runs"
    if not runs.exists():
        return
    store = Store(runs)
    assert all(store.owner(identity) is None for identity in store.unfinished()), "a run is still claimed"
    left = [path.name for path in runs.rglob("*") if path.name.startswith(".") and path.is_file()]
    assert not left, f"left behind: {left}"


def test_interruptions(chunk, whole, tmp_path):
    expected, seconds = whole
    sweep = SWEEPS[chunk.kind]
    for number in chunk.numbers:
        draws = random.Random(f"{chunk.kind} {number}")
        asked = draws.choice(NUMBERS)
        folder = sweep.lay_out(tmp_path / str(number))
        with chunk.trial(f"{asked.name} {number}"):
            moment = draws.uniform(0.0, seconds)
            launch = Launch(folder, sweep.arguments, environment=sweep.environment, prepare=hear)
            wait_for(begun(folder).exists)
            if launch.wait(moment) is None:
                # as a terminal does: to the command and to all its workers
                workers = children(launch.pid)
                sent = time.monotonic()
                os.killpg(launch.pid, asked)
                status = launch.end()
                latency = time.monotonic() - sent
                if status == 0:  # nothing was left to stop
                    chunk.came_to("had done its work")
                else:
                    has_stopped_in_order(launch, asked, status, workers)
                    chunk.came_to(f"ended within {next((most for most in LATENCIES if latency < most), 'more')} s")
            finished = result_files(folder)
            launch_and_end(folder, sweep.arguments, environment=sweep.environment)
            now = result_files(folder)
            assert {path: now.get(path) for path in finished} == finished, "a finished run was written again"
            same(folder, expected)
            chunk.came_to("runs compared", len(expected))
