"""A disk that is full for a while: every run says so, none is finished with a part of its history, and all go on."""

import os
import subprocess
import sys

import pytest

from gatelab import disk
from gatelab.store import Store
from tests.faults.sweeping import ROOT, command, start, table

# Python leaves SIGXFSZ ignored: a file that has reached the limit takes no more, as on a full disk
LIMITED = """
import os, resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), int(sys.argv[1])))
os.execv(sys.argv[2], sys.argv[2:])
"""
SWEEP = ["path=loop", "training.max_steps=300", "training.validate_every=1"]
HISTORY = disk._PROBE + 1000  # bytes: less than the history takes, and more than what is tried before the first run


def limited(folder, *arguments):
    return subprocess.run(
        [sys.executable, "-c", LIMITED, str(HISTORY), *command(*arguments)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "words", [["seed=range(2)", "hydra.launcher.executor=inline"], ["seed=range(3)", "hydra.launcher.workers=2"]]
)
def test_a_sweep_says_that_the_disk_is_full_and_goes_on_when_it_is_not(tmp_path, words):
    done = limited(tmp_path, *SWEEP, *words)
    assert done.returncode == 1
    assert "cannot be written: the file would be larger than is allowed here (File too large)" in done.stdout
    store = Store(tmp_path / "runs")
    assert store.results() == []
    for identity in store.unfinished():
        history = tmp_path / "runs" / identity / "metrics.jsonl"
        assert history.read_bytes().endswith(b"\n")
        assert history.stat().st_size <= HISTORY
    whole = tmp_path / "whole"
    whole.mkdir()
    for folder in (tmp_path, whole):
        process = start(folder, *SWEEP, *words)
        _, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors
    assert table(tmp_path) == table(whole)
    for result in store.results():
        assert store.history(result.identity) == Store(whole / "runs").history(result.identity)
