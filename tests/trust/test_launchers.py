"""Several launchers of one sweep: at once, some of them killed, or stopped until another has taken their runs."""

import os
import random
import signal
import time

from tests.faults.sweeping import result_files, wait_for
from tests.trust.kinds import SWEEPS, everything, same
from tests.trust.launching import Launch, launch_and_end

KINDS = ("eight at once", "four at once, two of them killed", "stopped beyond the lease")
QUICK = ("stopped beyond the lease",)
SWEEP = SWEEPS["noise"]


def test_launchers(chunk, tmp_path):
    launch = launch_and_end(SWEEP.lay_out(tmp_path / "whole"), SWEEP.arguments)
    whole, seconds = everything(tmp_path / "whole"), time.monotonic() - launch.begun
    for number in chunk.numbers:
        moments = random.Random(f"{chunk.kind} {number}")
        with chunk.trial(number):
            folder = SWEEP.lay_out(tmp_path / str(number))
            DO[chunk.kind](folder, moments, seconds)
            same(folder, whole)
            assert not list(folder.glob("runs/*/claim*"))
            chunk.came_to("runs compared", len(whole))


def at_once(folder, launchers):
    """Several in the same folder; each prints into files of its own."""
    return [Launch(folder, SWEEP.arguments, printing=f"{folder.name} {number}") for number in range(launchers)]


def eight(folder, moments, seconds):
    for launch in at_once(folder, 8):
        launch.has_ended_well(launch.end())


def two_killed(folder, moments, seconds):
    launches = at_once(folder, 4)
    for launch in launches[:2]:
        if launch.wait(moments.uniform(0.0, seconds)) is None:
            launch.kill()
    for launch in launches[2:]:
        launch.has_ended_well(launch.end())
    # what the killed ones had may have been left to them
    launch_and_end(folder, SWEEP.arguments)


def stopped(folder, moments, seconds):
    first = Launch(folder, SWEEP.arguments, printing=f"{folder.name} stopped")
    lines = moments.randrange(1, 12)
    wait_for(lambda: first.wait(0) is not None or trained(folder) >= lines, 300)
    os.kill(first.pid, signal.SIGSTOP)
    for claim in folder.glob("runs/*/claim*"):
        os.utime(claim, (0, 0))  # as if it had been stopped for longer than its lease
    launch_and_end(folder, SWEEP.arguments)
    finished = result_files(folder)
    os.kill(first.pid, signal.SIGCONT)
    status = first.end()
    first.has_ended_in_order(status)
    assert result_files(folder) == finished, "the one that was stopped wrote a result"


def trained(folder):
    return sum(path.read_bytes().count(b"\n") for path in folder.glob("runs/*/metrics.jsonl"))


DO = dict(zip(KINDS, (eight, two_killed, stopped), strict=True))
