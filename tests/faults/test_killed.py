"""A process that is killed in the middle of a stack leaves nothing that counts as finished."""

import signal
import subprocess
import sys

from gatelab.store import Store
from gatelab.sweeps import execute
from gatelab.training import train_stack
from tests.training.examples import configuration, outcome

KILLED = """
import os, signal, sys
from pathlib import Path
from gatelab.tasks.memory.adding import Adding
from gatelab.training import train_stack
from tests.training.examples import configuration

drawn = Adding.training_batch

def last(self, seed, step, batch_size):
    if step == 4:
        os.kill(os.getpid(), signal.SIGKILL)
    return drawn(self, seed, step, batch_size)

Adding.training_batch = last
train_stack([configuration(Path(sys.argv[1]), seed=seed) for seed in (0, 1)])
"""


def test_runs_that_were_killed_are_trained_anew_and_end_as_if_nothing_had_been(tmp_path):
    process = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / "killed")], check=False)
    assert process.returncode == -signal.SIGKILL
    runs = [configuration(tmp_path / "killed", seed=seed) for seed in (0, 1)]
    store = Store(tmp_path / "killed")
    assert store.unfinished() == sorted(run.identity for run in runs)
    assert all(store.configuration(run.identity) == run.mapping() for run in runs)
    assert all(len(store.history(run.identity)) == 2 for run in runs)
    assert [result.steps for result in execute(runs)] == [8, 8]
    train_stack([configuration(tmp_path / "whole", seed=seed) for seed in (0, 1)])
    for run in runs:
        assert outcome(tmp_path / "killed", run.identity) == outcome(tmp_path / "whole", run.identity)
