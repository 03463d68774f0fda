"""Sweeps started as a user starts them, in processes of their own, and what they leave behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from gatelab.evidence.selection import select
from gatelab.report import runs_table
from gatelab.store import Store

ROOT = Path(__file__).parents[2]
SMALL = ["-m", "task=adding", "task.length=6", "task.validation_size=16", "task.test_size=16", "training.batch_size=4",
         "model.hidden_size=4", "logger=none", "runs_dir=runs"]  # fmt: skip


def command(*arguments):
    return [sys.executable, str(ROOT / "scripts" / "train.py"), *SMALL, *arguments]


def start(folder, *arguments, **environment):
    """Start a sweep in a folder and in a process group of its own."""
    return subprocess.Popen(
        command(*arguments),
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1", **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def children(pid):
    """Return every process that a process has started, and theirs."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            parents.setdefault(int(fields[1]), []).append(int(entry.name))
    found, waiting = [], [pid]
    while waiting:
        found += (below := parents.get(waiting.pop(), []))
        waiting += below
    return found


def alive(pid):
    """Say whether a process is there, and not merely waiting for its parent to notice its end."""
    try:
        return (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def kill_all(process):
    """Kill a launcher and everything it has started."""
    victims = [process.pid, *children(process.pid)]
    for victim in victims:
        try:
            os.kill(victim, signal.SIGKILL)
        except ProcessLookupError:
            continue
    process.communicate()


def wait_for(condition, seconds=120.0):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it took too long"
        time.sleep(0.02)


def table(folder):
    """Return the table of a store, without what a clock has measured."""
    rows = runs_table(select(Store(folder / "runs").results()))
    return type(rows)(rows.columns, [{**row, "seconds": 0.0} for row in rows.rows]).text()


def result_files(folder):
    return {path: path.stat().st_mtime_ns for path in (folder / "runs").glob("*/result.json")}
