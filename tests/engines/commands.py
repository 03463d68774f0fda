"""The command of a sweep as users start it, in a process of its own, and what it leaves."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
TINY = (
    "task=adding", "task.length=10", "task.validation_size=20", "task.test_size=20", "training.batch_size=4",
    "model.hidden_size=4",
)  # fmt: skip


class Started:
    """Starts sweeps, and ends at the end those that have not ended."""

    def __init__(self, *words, before=(), **environment):
        self.words, self.before, self.environment = words, before, environment
        self.processes = []

    def __enter__(self):
        return self

    def __exit__(self, *error):
        for process in self.processes:
            process.kill()
            process.communicate()

    def __call__(self, *words, before=(), **environment):
        """Start a sweep; return its process."""
        process = subprocess.Popen(
            [*self.before, *before, sys.executable, "scripts/train.py", "-m", *self.words, *words],
            cwd=ROOT,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=os.environ | {"WANDB_MODE": "disabled", "OMP_NUM_THREADS": "1"} | self.environment | environment,
        )
        self.processes.append(process)
        return process


def ended(process, seconds=300):
    """Its status, what it said, and the lines of its complaints."""
    stdout, stderr = process.communicate(timeout=seconds)
    return process.returncode, stdout, stderr.strip().splitlines()


def until(condition, seconds=120):
    """Wait for a condition; return what it found."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.2)
    return found


def started(folder):
    """Whether a run has written a checkpoint."""
    return any(folder.glob("*/checkpoint/last.pt"))


def trained(folder):
    """What training left of each run: its history and its result, without times."""
    found = {}
    for path in sorted(folder.glob("*/result.json")):
        result = json.loads(path.read_text())
        found[path.parent.name] = (path.with_name("metrics.jsonl").read_text(), result["test"], result["validation"])
    return found


def here(tmp_path, *words):
    """Train a sweep in one process, undisturbed; return what it left."""
    with Started(f"runs_dir={tmp_path / 'here'}", "hydra.launcher.executor=inline") as start:
        status, _, stderr = ended(start(*words))
    assert status == 0, stderr
    return trained(tmp_path / "here")
