"""Sweeps of many kinds, killed at random moments and launched again until they are done."""

import json
import random
import time
from pathlib import Path

import pytest

from gatelab.store import Store
from tests.faults.sweeping import result_files
from tests.trust.kinds import SWEEPS, everything, same
from tests.trust.launching import Launch, launch_and_end

KINDS = tuple(SWEEPS)
QUICK = ("loop and lengths",)


@pytest.fixture
def whole(chunk, tmp_path):
    """What the sweep leaves when nobody kills it, and the seconds that it takes."""
    sweep = SWEEPS[chunk.kind]
    folder = sweep.lay_out(tmp_path / "whole")
    launch = launch_and_end(folder, sweep.arguments, environment=sweep.environment)
    return everything(folder), time.monotonic() - launch.begun


def test_kills(chunk, whole, tmp_path):
    expected, seconds = whole
    sweep, place = SWEEPS[chunk.kind], 0
    finished: dict[Path, int] = {}

    def launched(moment):
        """Launch the sweep, kill it at a moment unless it has ended, look at what there is; True if it was killed."""
        nonlocal place, finished
        folder = sweep.lay_out(tmp_path / str(place))
        launch = Launch(folder, sweep.arguments, environment=sweep.environment)
        status = launch.wait(moment) if moment is not None else launch.end()
        if status is None:
            launch.kill()
        now = result_files(folder)
        kept = {path: now.get(path) for path in finished}
        assert kept == finished, "a finished run was lost or written again"
        finished = now
        if status is None:
            return True
        place, finished = place + 1, {}
        launch.has_ended_well(status)
        same(folder, expected)
        chunk.came_to("runs compared", len(expected))
        chunk.came_to("of them resumed from a checkpoint", resumed(folder))
        return False

    for number in chunk.numbers:
        moments = random.Random(f"{chunk.kind} {number}")
        with chunk.trial(f"kill {number}"):
            # where the sweep is through before its moment has come, another one begins
            while not launched(moments.uniform(0.0, seconds)):
                pass
            if number == chunk.numbers[-1]:
                launched(None)


def resumed(folder):
    """Count the runs that went on from a checkpoint at least in their last launch."""
    runs = folder / "runs"
    texts = [(runs / result.identity / "provenance.json").read_text() for result in Store(runs).results()]
    return sum(bool(json.loads(text).get("resumed_at")) for text in texts)
