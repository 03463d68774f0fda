"""A disk that is full or may not be written, at any call; the sweep launched afterwards ends as if nothing had been."""

import errno
import os
import random

from tests.faults.sweeping import result_files
from tests.trust.kinds import SWEEPS, everything, same
from tests.trust.launching import Launch, launch_and_end
from tests.trust.refusing import Refusing

KINDS = ("noise", "search", "Weights & Biases, offline", "scan and openings")
QUICK = ("noise",)
SHORTER = ["training.max_steps=40", "training.validate_every=10"]
# a process that could not give its claims back waits for its own lease: there are few of these
MODES = ("once", "half", "once", "half", "once", "lasting")
ERRORS = (errno.ENOSPC, errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EACCES)


def test_disk(chunk, tmp_path):
    sweep = SWEEPS[chunk.kind]
    arguments, told = [*sweep.arguments, *SHORTER], tmp_path / "told"
    counting = Refusing(0, 0, "once", told)
    launch_and_end(sweep.lay_out(tmp_path / "whole"), arguments, environment=sweep.environment, prepare=counting)
    whole, (calls, _) = everything(tmp_path / "whole"), counting.counts()
    assert calls > 50
    for number in chunk.numbers:
        draw = random.Random(f"{chunk.kind} {number}")
        # from the first call on: a folder that may not be written
        call = 1 if draw.random() < 0.1 else draw.randint(1, calls)
        refusing = Refusing(call, draw.choice(ERRORS), MODES[number % len(MODES)], told)
        with chunk.trial(f"{number} (call {call} of {calls}, {errno.errorcode[refusing.error]}, {refusing.mode})"):
            folder = sweep.lay_out(tmp_path / str(number))
            launch = Launch(folder, arguments, environment=sweep.environment, prepare=refusing)
            status = launch.end()
            if refusing.counts()[1] == 0:
                chunk.came_to("call not reached")
            launch.has_ended_in_order(status)
            if status == 0:
                same(folder, whole)
                chunk.came_to("went on")
            else:
                chunk.came_to(f"ended with status {status}")
            finished = result_files(folder)
            for claim in folder.glob("runs/*/claim*"):
                os.utime(claim, (0, 0))  # one that could not be written stands for the length of a lease
            launch_and_end(folder, arguments, environment=sweep.environment)
            same(folder, whole)
            now = result_files(folder)
            assert {path: now.get(path) for path in finished} == finished, "a finished run was written again"
            chunk.came_to("runs compared", len(whole))
